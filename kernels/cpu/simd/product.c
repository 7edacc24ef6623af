/* SPDX-License-Identifier: MIT
 *
 * product.c - inner loops of matrix products. Every element of C is a chain
 * of fused multiply-adds over k ascending, so that its bits depend on its row
 * of A and its column of B alone.
 */
#include "simd.h"

#if VL == 16
#define TILE 12
#else
#define TILE 6
#endif

INLINE void
tile_of(const int R, float *c, int64_t ldc, const float *a, int64_t lda, const float *b, int64_t k, int first)
{
	vf s[TILE][2];
	int64_t l;
	int i;

#pragma GCC unroll 12
	for (i = 0; i < R; i++)
		s[i][0] = s[i][1] = splat(0);
	for (l = 0; l < k; l++) {
		const vf b0 = load(b), b1 = load(b + VL);

		b += PANEL;
#pragma GCC unroll 12
		for (i = 0; i < R; i++) {
			const vf x = splat(a[i * lda + l]);

			s[i][0] = fma_(x, b0, s[i][0]);
			s[i][1] = fma_(x, b1, s[i][1]);
		}
	}
#pragma GCC unroll 12
	for (i = 0; i < R; i++) {
		float *p = c + i * ldc;

		store(p, first ? s[i][0] : load(p) + s[i][0]);
		store(p + VL, first ? s[i][1] : load(p + VL) + s[i][1]);
	}
}

void
SIMD_NAME(cpu_tile)(float *c, int64_t ldc, const float *a, int64_t lda, const float *panel, int64_t k, int64_t rows,
                    int first)
{
	for (; rows >= TILE; rows -= TILE, c += TILE * ldc, a += TILE * lda)
		tile_of(TILE, c, ldc, a, lda, panel, k, first);
	for (; rows >= 4; rows -= 4, c += 4 * ldc, a += 4 * lda)
		tile_of(4, c, ldc, a, lda, panel, k, first);
	for (; rows >= 2; rows -= 2, c += 2 * ldc, a += 2 * lda)
		tile_of(2, c, ldc, a, lda, panel, k, first);
	if (rows)
		tile_of(1, c, ldc, a, lda, panel, k, first);
}

/* ---- panels ---- */

/* rows of B next to each other in memory: PANEL at a time */
static void
pack_rows(float *panel, const char *b, enum dtype t, int64_t bi, int64_t k, int64_t n)
{
	const size_t step = (size_t)bi * dtype_size(t);
	int64_t l;

	for (l = 0; l < k; l++, panel += PANEL, b += step) {
		cpu_load(panel, b, t, n);
		memset(panel + n, 0, (size_t)(PANEL - n) * sizeof(*panel));
	}
}

/* columns of B next to each other: a transposition, by pieces that stay in the first cache */
static void
pack_columns(float *panel, const char *b, enum dtype t, int64_t bj, int64_t k, int64_t n)
{
	enum { PIECE = 64 };
	float piece[PANEL][PIECE];
	int64_t l0, l, j;

	memset(piece, 0, sizeof(piece));
	for (l0 = 0; l0 < k; l0 += PIECE) {
		const int64_t m = min_i64(PIECE, k - l0);

		for (j = 0; j < n; j++)
			cpu_load(piece[j], b + (size_t)(j * bj + l0) * dtype_size(t), t, m);
		for (l = 0; l < m; l++, panel += PANEL)
			for (j = 0; j < PANEL; j++)
				panel[j] = piece[j][l];
	}
}

void
SIMD_NAME(cpu_pack_panel)(float *panel, const void *b, enum dtype t, int64_t bi, int64_t bj, int64_t k, int64_t n)
{
	assert(bi == 1 || bj == 1);
	if (bj == 1)
		pack_rows(panel, b, t, bi, k, n);
	else
		pack_columns(panel, b, t, bj, k, n);
}

/* ---- what follows the sums ---- */

INLINE vf
finish_part(vf v, const struct epilogue *e, vf bias, vf old)
{
	v = activate_(fma_(v, splat(e->alpha), bias), e->act);
	return e->r.p ? fma_(splat(e->beta), old, v) : v;
}

/* a row at the right edge, or of a narrow type */
static void
finish_edge(const float *c, const struct epilogue *e, int64_t r)
{
	float bias[PANEL] = { 0 }, old[PANEL] = { 0 }, y[PANEL];
	const int64_t n = e->y.cols;
	int j;

	if (e->bias)
		memcpy(bias, e->bias, (size_t)n * sizeof(*bias));
	if (e->r.p)
		cpu_load(old, mat_at(e->r, r, 0), e->r.t, n);
	for (j = 0; j < PANEL; j += VL)
		store(y + j, finish_part(load(c + j), e, load(bias + j), load(old + j)));
	cpu_store(mat_at(e->y, r, 0), e->y.t, y, n);
}

void
SIMD_NAME(cpu_finish)(const float *c, const struct epilogue *e)
{
	const int plain = e->y.cols == PANEL && e->y.t == DT_F32 && (!e->r.p || e->r.t == DT_F32);
	const vf zero = splat(0), b0 = plain && e->bias ? load(e->bias) : zero;
	const vf b1 = plain && e->bias ? load(e->bias + VL) : zero;
	int64_t r;

	for (r = 0; r < e->y.rows; r++, c += PANEL) {
		const float *old = e->r.p ? mat_at(e->r, r, 0) : NULL;
		float *y = mat_at(e->y, r, 0);

		if (!plain) {
			finish_edge(c, e, r);
			continue;
		}
		store(y, finish_part(load(c), e, b0, old ? load(old) : zero));
		store(y + VL, finish_part(load(c + VL), e, b1, old ? load(old + VL) : zero));
	}
}
