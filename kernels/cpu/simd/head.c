/* SPDX-License-Identifier: MIT
 *
 * head.c - attention of one head, in blocks of queries and keys with a running
 * maximum and sum (Dao et al., "FlashAttention", 2022), so that of the scores
 * there is only ever one block.
 */
#include "reduce.h"
#include "simd.h"

#define pack_panel SIMD_NAME(cpu_pack_panel)
#define add_tile SIMD_NAME(cpu_tile)
#define add_narrow SIMD_NAME(cpu_tile_bf16)

enum {
	KEYS = 320, /* of a block: most sequences are one */
	WORDS = KEYS / 2,
	QUERIES = 24, /* of a block: a multiple of every tile height */
};

struct room {
	float k[HEAD_WIDTH * KEYS]; /* panels of columns: keys */
	float v[KEYS * HEAD_WIDTH]; /* panels of columns: of the head */
	float s[QUERIES * KEYS];
	uint32_t p[QUERIES * WORDS]; /* e^s as words of two bf16 */
	float q[QUERIES * HEAD_WIDTH];
	float y[HEAD_QUERIES * HEAD_WIDTH]; /* sums so far */
	float most[HEAD_QUERIES], sum[HEAD_QUERIES];
};

size_t
SIMD_NAME(cpu_head_work)(void)
{
	return sizeof(struct room);
}

/* a panel of words of two bf16, of rows of v two by two; odd: below the last there are zeros */
static void
pair_panel(uint32_t *panel, struct mat v, int64_t rows, int64_t j, int64_t n)
{
	static const uint16_t zero[PANEL];
	uint16_t edge[2][PANEL] = { { 0 } };
	int64_t l;
	int i;

	for (l = 0; l < rows; l += 2, panel += PANEL) {
		const uint16_t *low = mat_at(v, l, j), *high = l + 1 < rows ? mat_at(v, l + 1, j) : zero;

		if (n < PANEL) {
			low = memcpy(edge[0], low, (size_t)n * sizeof(*low));
			high = memcpy(edge[1], high, (size_t)n * sizeof(*high));
		}
		for (i = 0; i < PANEL; i += VL) {
			const vu words = widen(low + i) | widen(high + i) << 16;

			memcpy(panel + i, &words, sizeof(words));
		}
	}
}

/* the same as words of two bf16 */
static void
pack_narrow(const struct head *h, struct room *m, int64_t k0, int64_t n)
{
	const int64_t hd = h->q.cols, words = hd / 2;
	int64_t j;

	for (j = 0; j < n; j += PANEL)
		pack_panel(m->k + j * words, mat_at(h->k, k0 + j, 0), DT_F32, 1, h->k.ld / 2, words, min_i64(PANEL, n - j));
	for (j = 0; j < hd; j += PANEL)
		pair_panel((uint32_t *)m->v + j * ((n + 1) / 2), mat_part(h->v, k0, n, 0, hd), n, j, min_i64(PANEL, hd - j));
}

static void
pack_keys(const struct head *h, struct room *m, int64_t k0, int64_t n)
{
	const int64_t hd = h->q.cols;
	int64_t j;

	if (h->narrow) {
		pack_narrow(h, m, k0, n);
		return;
	}
	for (j = 0; j < n; j += PANEL)
		pack_panel(m->k + j * hd, mat_at(h->k, k0 + j, 0), h->k.t, 1, h->k.ld, hd, min_i64(PANEL, n - j));
	for (j = 0; j < hd; j += PANEL)
		pack_panel(m->v + j * n, mat_at(h->v, k0, j), h->v.t, h->v.ld, 1, n, min_i64(PANEL, hd - j));
}

/* e^(scale·s − most) of row r's n keys, zeros for the rest of total, where values looks for them; returns the sum */
INLINE float
weights(const struct head *h, struct room *m, int64_t r, float most, int64_t n, int64_t total)
{
	float *s = m->s + r * KEYS, sum = 0;
	uint16_t *p = (uint16_t *)(m->p + r * WORDS);

	if (h->narrow) {
#if VL == 16
		sum = SIMD_NAME(cpu_exponentials_bf16)(p, s, h->scale, most, n);
#endif
		memset(p + n, 0, (size_t)(total + total % 2 - n) * sizeof(*p));
	} else {
		sum = exponentials(s, s, h->scale, most, n);
		memset(s + n, 0, (size_t)(total - n) * sizeof(*s));
	}
	return sum;
}

/* Query i (number r of its block) has seen the keys before; takes in n more of this block of total. */
static void
soften(const struct head *h, struct room *m, int64_t i, int64_t r, int64_t n, int64_t total, int first)
{
	float *y = m->y + i * HEAD_WIDTH, most, factor;

	if (n <= 0) {
		weights(h, m, r, 0, 0, total);
		if (first) {
			m->most[i] = -INFINITY;
			m->sum[i] = 0;
		}
		return;
	}
	most = largest(m->s + r * KEYS, h->scale, n);
	if (!first && m->most[i] > most)
		most = m->most[i];
	if (first || m->most[i] == -INFINITY)
		factor = 0;
	else
		factor = m->most[i] == most ? 1 : exp_(splat(m->most[i] - most))[0];
	m->sum[i] = (first ? 0 : m->sum[i] * factor) + weights(h, m, r, most, n, total);
	m->most[i] = most;
	if (!first && factor != 1)
		multiply(y, y, factor, h->q.cols);
}

/* s: the scores of rows q0 … of q with n keys */
static void
scores(const struct head *h, struct room *m, int64_t q0, int64_t rows, int64_t n)
{
	const int64_t hd = h->q.cols;
	const float *q = m->q;
	int64_t ld = HEAD_WIDTH, r, j;

#if VL == 16
	for (j = 0; h->narrow && j < n; j += PANEL)
		add_narrow(m->s + j, KEYS, mat_at(h->q, q0, 0), h->q.ld / 2,
		           m->k + j * hd / 2, hd / 2, rows, 1, m->k + j * hd / 2);
#endif
	if (h->narrow)
		return;
	if (h->q.t == DT_F32) {
		q = mat_at(h->q, q0, 0);
		ld = h->q.ld;
	} else {
		for (r = 0; r < rows; r++)
			load_row(m->q + r * HEAD_WIDTH, mat_at(h->q, q0 + r, 0), h->q.t, hd);
	}
	for (j = 0; j < n; j += PANEL)
		add_tile(m->s + j, KEYS, q, ld, m->k + j * hd, hd, rows, 1, m->k + j * hd);
}

/* y (+)= the weights times v */
static void
values(const struct head *h, struct room *m, int64_t q0, int64_t rows, int64_t n, int first)
{
	float *y = m->y + q0 * HEAD_WIDTH;
	int64_t j;

#if VL == 16
	const int64_t words = (n + 1) / 2;

	for (j = 0; h->narrow && j < h->q.cols; j += PANEL)
		add_narrow(y + j, HEAD_WIDTH, m->p, WORDS, m->v + j * words, words, rows, first, m->v + j * words);
#endif
	for (j = 0; !h->narrow && j < h->q.cols; j += PANEL)
		add_tile(y + j, HEAD_WIDTH, m->s, KEYS, m->v + j * n, n, rows, first, m->v + j * n);
}

/* rows q0 … of q against n keys from k0 */
static void
block(const struct head *h, struct room *m, int64_t q0, int64_t rows, int64_t k0, int64_t n)
{
	int64_t r;

	if (h->causal && h->first + q0 + rows <= k0)
		return; /* all of these keys lie ahead of all of these queries */
	scores(h, m, q0, rows, n);
	for (r = 0; r < rows; r++)
		soften(h, m, q0 + r, r, h->causal ? min_i64(n, h->first + q0 + r + 1 - k0) : n, n, k0 == 0);
	values(h, m, q0, rows, n, k0 == 0);
}

static void
finish(const struct head *h, struct room *m, int64_t i)
{
	float *y = m->y + i * HEAD_WIDTH;

	if (h->k.rows) {
		multiply(y, y, 1 / m->sum[i], h->q.cols);
	} else {
		memset(y, 0, (size_t)h->q.cols * sizeof(*y));
		m->most[i] = -INFINITY;
		m->sum[i] = 1;
	}
	store_row(mat_at(h->y, i, 0), h->y.t, y, h->q.cols);
	if (h->lse)
		h->lse[i * h->step] = m->most[i] + logf(m->sum[i]);
}

void
SIMD_NAME(cpu_head)(const struct head *h, void *work)
{
	struct room *m = work;
	int64_t k0, q0, i;

	for (k0 = 0; k0 < h->k.rows; k0 += KEYS) {
		const int64_t n = min_i64(KEYS, h->k.rows - k0);

		pack_keys(h, m, k0, n);
		for (q0 = 0; q0 < h->q.rows; q0 += QUERIES)
			block(h, m, q0, min_i64(QUERIES, h->q.rows - q0), k0, n);
	}
	for (i = 0; i < h->q.rows; i++)
		finish(h, m, i);
}
