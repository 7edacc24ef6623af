/* SPDX-License-Identifier: MIT
 * columns.c - the columns of a score matrix, each sorted.
 *
 * Sixteen labels are gathered at a time, one cache line a row, so that a
 * row-major matrix is read once; each thread needs 17·N·8 bytes. */
#include <stdlib.h>
#include <string.h>

#include "columns.h"

enum { BLOCK = 16, DIGITS = 3, BITS = 11, RADIX = 1 << BITS };

/* an unsigned number that is larger for a smaller score; -0 equals +0 */
uint32_t
adds_score_key(float score)
{
	uint32_t u;

	if (score == 0)
		score = 0;
	memcpy(&u, &score, sizeof(u));
	u = u & 0x80000000u ? ~u : u | 0x80000000u;
	return ~u;
}

float
adds_key_score(uint32_t key)
{
	uint32_t u = ~key;
	float score;

	u = u & 0x80000000u ? u & 0x7fffffffu : ~u;
	memcpy(&score, &u, sizeof(score));
	return score;
}

/* stable least-significant-digit radix sort of (key << 1 | positive); the
 * result is in a or b, whichever is returned */
uint64_t *
adds_sort_keys(uint64_t *a, uint64_t *b, size_t n)
{
	uint32_t count[DIGITS][RADIX];
	uint64_t *swap;
	size_t i;
	int d;

	memset(count, 0, sizeof(count));
	for (i = 0; i < n; i++)
		for (d = 0; d < DIGITS; d++)
			count[d][(a[i] >> (1 + d * BITS)) & (RADIX - 1)]++;
	for (d = 0; d < DIGITS; d++) {
		const int shift = 1 + d * BITS;
		uint32_t at = 0;

		if (n && count[d][(a[0] >> shift) & (RADIX - 1)] == n)
			continue;
		for (i = 0; i < RADIX; i++) {
			const uint32_t c = count[d][i];

			count[d][i] = at;
			at += c;
		}
		for (i = 0; i < n; i++)
			b[count[d][(a[i] >> shift) & (RADIX - 1)]++] = a[i];
		swap = a;
		a = b;
		b = swap;
	}
	return a;
}

struct block {
	uint64_t *key;   /* [BLOCK][n] */
	uint64_t *spare; /* [n] */
	size_t known[BLOCK], positives[BLOCK];
};

/* known cells of labels l0 … l0+width-1 */
static void
gather(struct block *b, const float *scores, const int8_t *targets, int64_t n, int64_t L, int64_t l0, int width)
{
	int64_t r;
	int j;

	memset(b->known, 0, sizeof(b->known));
	memset(b->positives, 0, sizeof(b->positives));
	for (r = 0; r < n; r++) {
		const float *s = scores + r * L + l0;
		const int8_t *t = targets + r * L + l0;

		for (j = 0; j < width; j++) {
			if (t[j] < 0)
				continue;
			b->key[(size_t)j * (size_t)n + b->known[j]++] = (uint64_t)adds_score_key(s[j]) << 1 | (t[j] > 0);
			b->positives[j] += t[j] > 0;
		}
	}
}

static void
block_each(struct block *b, const float *scores, const int8_t *targets, int64_t n, int64_t L, int64_t l0, adds_column_fn *fn,
           void *ctx)
{
	const int width = L - l0 < BLOCK ? (int)(L - l0) : BLOCK;
	struct adds_column c;
	int j;

	gather(b, scores, targets, n, L, l0, width);
	for (j = 0; j < width; j++) {
		c.label = l0 + j;
		c.known = b->known[j];
		c.positives = b->positives[j];
		c.key = adds_sort_keys(b->key + (size_t)j * (size_t)n, b->spare, c.known);
		fn(ctx, &c);
	}
}

int
adds_columns_each(const float *scores, const int8_t *targets, int64_t n, int64_t L, int threads, adds_column_fn *fn, void *ctx,
                  struct adds_error *err)
{
	int failed = 0;

#pragma omp parallel num_threads(threads > 0 ? threads : 1)
	{
		struct block b;
		int64_t l0;

		b.key = malloc((size_t)(n + 1) * BLOCK * sizeof(*b.key));
		b.spare = malloc((size_t)(n + 1) * sizeof(*b.spare));
		if (!b.key || !b.spare) {
#pragma omp atomic write
			failed = 1;
		}
#pragma omp barrier
#pragma omp for schedule(dynamic)
		for (l0 = 0; l0 < L; l0 += BLOCK)
			if (!failed)
				block_each(&b, scores, targets, n, L, l0, fn, ctx);
		free(b.key);
		free(b.spare);
	}
	return failed ? adds_fail(err, ADDS_ENOMEM, "out of memory for the scores of %lld pictures", (long long)n) : 0;
}
