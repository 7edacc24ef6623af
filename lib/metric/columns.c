/* SPDX-License-Identifier: MIT
 * columns.c - the columns of a score matrix, each sorted.
 *
 * Sixteen labels are gathered at a time, so that a row-major matrix is read
 * once, and sorted as numbers of 32 bits, the lowest of which says whether the
 * cell is positive. Scores of one matrix lie within a few dozen octaves, so that
 * 31 bits hold their order exactly (struct adds_narrow); where they do not, the
 * numbers are places among the column's own scores. */
#include <stdlib.h>
#include <string.h>

#include "columns.h"

enum {
	BLOCK = 16, /* labels: a line of the cache */
	AHEAD = 8,  /* rows fetched before they are needed: each is a page of its own */
	BITS = 12,  /* of a digit */
	FEW = 100,  /* entries that need no digits */
};

/* ---- 31 bits ---- */

static void
look(uint32_t *least, uint32_t *most, const float *scores, int64_t n)
{
	uint32_t u;
	int64_t i;

	for (i = 0; i < n; i++) {
		memcpy(&u, scores + i, sizeof(u));
		u &= 0x7fffffffu;
		*least = u - 1 < *least ? u - 1 : *least; /* of 0 it is the greatest number */
		*most = u > *most ? u : *most;
	}
}

void
adds_magnitudes(float *least, float *most, const float *scores, int64_t n, int64_t L, int64_t stride, int threads)
{
	uint32_t low = UINT32_MAX, high = 0;
	int64_t r;

#pragma omp parallel for num_threads(threads) reduction(min \
                                                        : low) reduction(max \
                                                                         : high)
	for (r = 0; r < n; r++)
		look(&low, &high, scores + r * stride, L);
	low = low < high ? low + 1 : high;
	memcpy(least, &low, sizeof(*least));
	memcpy(most, &high, sizeof(*most));
}

/* 0 where 31 bits are too few */
static int
narrow_of(struct adds_narrow *w, float least, float most)
{
	uint32_t low, high;

	memcpy(&low, &least, sizeof(low));
	memcpy(&high, &most, sizeof(high));
	w->least = low ? low - 1 : 0;
	w->most = high - w->least;
	return w->most < 1u << 30;
}

static uint32_t
narrow_key(const struct adds_narrow *w, float score)
{
	uint32_t u, size;

	memcpy(&u, &score, sizeof(u));
	size = u & 0x7fffffffu;
	size -= size ? w->least : 0;
	return u >> 31 ? w->most + size : w->most - size;
}

/* ---- sorting ---- */

/* one pass of a stable radix sort, by the BITS from shift on */
static void
pass(uint32_t *to, const uint32_t *from, size_t n, int shift)
{
	const uint32_t mask = (1u << BITS) - 1;
	uint32_t count[1 << BITS] = { 0 }, at = 0, d;
	size_t i;

	for (i = 0; i < n; i++)
		count[from[i] >> shift & mask]++;
	for (d = 0; d <= mask; d++) {
		const uint32_t c = count[d];

		count[d] = at;
		at += c;
	}
	for (i = 0; i < n; i++)
		to[count[from[i] >> shift & mask]++] = from[i];
}

/* Insertion sort; 0 when it would take more than about so many moves. */
static int
settle(uint32_t *a, size_t n, size_t most)
{
	size_t moves = 0, i, j;

	for (i = 1; i < n; i++) {
		const uint32_t x = a[i];

		for (j = i; j && a[j - 1] >> 1 > x >> 1; j--)
			a[j] = a[j - 1];
		a[j] = x;
		if ((moves += i - j) > most)
			return 0;
	}
	return 1;
}

/* Sorts n entries (key << 1 | positive) by key, stably; none is above most, spare is as long. The upper 24 bits are
 * nearly always enough to leave little to do. */
static void
sort_entries(uint32_t *a, uint32_t *spare, size_t n, uint32_t most)
{
	int low = 1;

	if (n <= FEW && settle(a, n, n * n))
		return;
	while (most >> low >> 2 * BITS)
		low++;
	pass(spare, a, n, low);
	pass(a, spare, n, low + BITS);
	if (settle(a, n, 4 * n))
		return;
	pass(spare, a, n, 1);
	pass(a, spare, n, 1 + BITS);
	memcpy(spare, a, n * sizeof(*a));
	pass(a, spare, n, 1 + 2 * BITS);
}

/* ---- where 31 bits are too few ---- */

static int
falling(const void *x, const void *y)
{
	const uint32_t a = adds_score_key(*(const float *)x), b = adds_score_key(*(const float *)y);

	return a < b ? -1 : a > b;
}

/* index of the first of n falling scores that is not above this one */
static uint32_t
place(const float *table, size_t n, float score)
{
	const uint32_t key = adds_score_key(score);
	size_t low = 0, high = n;

	while (low < high) {
		const size_t middle = (low + high) / 2;

		if (adds_score_key(table[middle]) < key)
			low = middle + 1;
		else
			high = middle;
	}
	return (uint32_t)low;
}

/* ---- a block of columns ---- */

struct matrix {
	const float *scores;
	const int8_t *targets;
	int64_t n, L, stride;
	struct adds_narrow narrow;
	int fits; /* 1: narrow holds all scores */
};

struct room {
	uint32_t *key;   /* [BLOCK or L][n] */
	uint32_t *spare; /* [n] */
	float *table;    /* [n], used where 31 bits are too few */
	size_t known[BLOCK], positives[BLOCK];
};

/* known cells of labels l0 … l0+width-1 */
static void
gather(struct room *b, const struct matrix *m, int64_t l0, int width)
{
	int64_t r;
	int j;

	memset(b->known, 0, sizeof(b->known));
	memset(b->positives, 0, sizeof(b->positives));
	for (r = 0; r < m->n; r++) {
		const float *s = m->scores + r * m->stride + l0;
		const int8_t *t = m->targets + r * m->stride + l0;
		const int64_t ahead = r + AHEAD < m->n ? AHEAD * m->stride : 0;

		__builtin_prefetch(s + ahead);
		__builtin_prefetch(s + ahead + width - 1);
		__builtin_prefetch(t + ahead);
		for (j = 0; j < width; j++) {
			b->key[(size_t)j * (size_t)m->n + b->known[j]] = narrow_key(&m->narrow, s[j]) << 1 | (t[j] > 0);
			b->known[j] += t[j] >= 0;
			b->positives[j] += t[j] > 0;
		}
	}
}

/* the same of one label, by places */
static void
gather_places(struct room *b, const struct matrix *m, int64_t label)
{
	const float *s = m->scores + label;
	const int8_t *t = m->targets + label;
	size_t known = 0, i = 0;
	int64_t r;

	b->positives[0] = 0;
	for (r = 0; r < m->n; r++)
		if (t[r * m->stride] >= 0)
			b->table[known++] = s[r * m->stride];
	qsort(b->table, known, sizeof(*b->table), falling);
	for (r = 0; i < known; r++) {
		if (t[r * m->stride] < 0)
			continue;
		b->key[i++] = place(b->table, known, s[r * m->stride]) << 1 | (t[r * m->stride] > 0);
		b->positives[0] += t[r * m->stride] > 0;
	}
	b->known[0] = known;
}

static void
block_each(struct room *b, const struct matrix *m, int64_t l0, int width, adds_column_fn *fn, void *ctx)
{
	struct adds_column c = { .narrow = m->narrow };
	int j;

	if (m->fits) {
		gather(b, m, l0, width);
	} else {
		gather_places(b, m, l0);
		c.narrow.table = b->table;
	}
	for (j = 0; j < width; j++) {
		c.label = l0 + j;
		c.known = b->known[j];
		c.positives = b->positives[j];
		c.key = b->key + (size_t)j * (size_t)m->n;
		sort_entries(b->key + (size_t)j * (size_t)m->n, b->spare, c.known,
		             m->fits ? 4 * m->narrow.most + 1 : 2 * (uint32_t)c.known + 1);
		fn(ctx, &c);
	}
}

static int
room_open(struct room *b, int64_t n, int width)
{
	b->key = malloc(((size_t)n * (size_t)width + 1) * sizeof(*b->key));
	b->spare = malloc((size_t)(n + 1) * sizeof(*b->spare));
	b->table = malloc((size_t)(n + 1) * sizeof(*b->table));
	return b->key && b->spare && b->table;
}

int
adds_columns_each(const float *scores, const int8_t *targets, int64_t n, int64_t L, int64_t stride, int threads,
                  adds_column_fn *fn, void *ctx, struct adds_error *err)
{
	struct matrix m = { .scores = scores, .targets = targets, .n = n, .L = L, .stride = stride };
	float least, most;
	int64_t width;
	int failed = 0;

	threads = threads > 0 ? threads : 1;
	if (n >= 1 << 30)
		return adds_fail(err, ADDS_ELIMIT, "%lld pictures: at most 2^30 can be ranked", (long long)n);
	adds_magnitudes(&least, &most, scores, n, L, stride, threads);
	m.fits = narrow_of(&m.narrow, least, most);
	width = !m.fits ? 1 : L < BLOCK ? L
	                                : BLOCK;
#pragma omp parallel num_threads(threads)
	{
		struct room b;
		int64_t l0;

		if (!room_open(&b, n, (int)width)) {
#pragma omp atomic write
			failed = 1;
		}
#pragma omp barrier
#pragma omp for schedule(dynamic)
		for (l0 = 0; l0 < L; l0 += width)
			if (!failed)
				block_each(&b, &m, l0, (int)(L - l0 < width ? L - l0 : width), fn, ctx);
		free(b.key);
		free(b.spare);
		free(b.table);
	}
	return failed ? adds_fail(err, ADDS_ENOMEM, "out of memory for the scores of %lld pictures", (long long)n) : 0;
}
