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

enum {
	LINE = 16, /* floats of a cache line */
	PACE = 8,  /* columns of A for each line that is fetched ahead: eight tiles fetch a panel */
};

/* s += columns l … end-1 of A by rows of the panel */
INLINE void
add_columns(const int R, const int packed, vf (*s)[2], const float *a, int64_t lda, const float *panel, int64_t l, int64_t end)
{
	int i;

	for (; l < end; l++) {
		const vf b0 = load(panel + l * PANEL), b1 = load(panel + l * PANEL + VL);

#pragma GCC unroll 12
		for (i = 0; i < R; i++) {
			const vf x = splat(packed ? a[l * R + i] : a[i * lda + l]);

			s[i][0] = fma_(x, b0, s[i][0]);
			s[i][1] = fma_(x, b1, s[i][1]);
		}
	}
}

/* A row by row, lda apart, or (packed) column by column, R apart */
INLINE void
tile_of(const int R, const int packed, float *c, int64_t ldc, const float *a, int64_t lda,
        const float *panel, int64_t k, int first, const float *soon)
{
	vf s[TILE][2];
	int64_t l;
	int i;

#pragma GCC unroll 12
	for (i = 0; i < R; i++)
		s[i][0] = s[i][1] = splat(0);
	for (l = 0; l + PACE <= k; l += PACE, soon += LINE) {
		__builtin_prefetch(soon, 0, 2);
		add_columns(R, packed, s, a, lda, panel, l, l + PACE);
	}
	add_columns(R, packed, s, a, lda, panel, l, k);
#pragma GCC unroll 12
	for (i = 0; i < R; i++) {
		float *p = c + i * ldc;

		store(p, first ? s[i][0] : load(p) + s[i][0]);
		store(p + VL, first ? s[i][1] : load(p + VL) + s[i][1]);
	}
}

/* Rows of the next tile: at the end none of one to three rows where four or five can be had, because too few sums
 * under way leave the multipliers waiting. */
INLINE int64_t
tile_rows(int64_t rows)
{
	static const int8_t last[14] = { 0, 1, 2, 3, 4, 5, 6, 4, 4, 5, 6, 6, 6, 5 };

	if (TILE > 6 && (rows == TILE || rows > TILE + 3))
		return TILE;
	return rows < 14 ? last[rows] : 6;
}

INLINE void
tiles(const int packed, float *c, int64_t ldc, const float *a, int64_t lda, const float *panel, int64_t k, int64_t rows,
      int first, const float *soon)
{
	const float *end = soon + k * PANEL;

	while (rows) {
		const int64_t n = tile_rows(rows);

		switch (n) {
		case TILE:
			tile_of(TILE, packed, c, ldc, a, lda, panel, k, first, soon);
			break;
#if TILE > 6
		case 6:
			tile_of(6, packed, c, ldc, a, lda, panel, k, first, soon);
			break;
#endif
		case 5:
			tile_of(5, packed, c, ldc, a, lda, panel, k, first, soon);
			break;
		case 4:
			tile_of(4, packed, c, ldc, a, lda, panel, k, first, soon);
			break;
		case 3:
			tile_of(3, packed, c, ldc, a, lda, panel, k, first, soon);
			break;
		case 2:
			tile_of(2, packed, c, ldc, a, lda, panel, k, first, soon);
			break;
		default:
			tile_of(1, packed, c, ldc, a, lda, panel, k, first, soon);
		}
		soon += k / PACE * LINE;
		soon = soon < end ? soon : panel; /* all of it is on its way */
		rows -= n;
		c += n * ldc;
		a += n * (packed ? k : lda);
	}
}

void
SIMD_NAME(cpu_tile)(float *c, int64_t ldc, const float *a, int64_t lda, const float *panel, int64_t k, int64_t rows,
                    int first, const float *soon)
{
	tiles(0, c, ldc, a, lda, panel, k, rows, first, soon);
}

void
SIMD_NAME(cpu_tile_packed)(float *c, int64_t ldc, const float *a, const float *panel, int64_t k,
                           int64_t rows, int first, const float *soon)
{
	tiles(1, c, ldc, a, 0, panel, k, rows, first, soon);
}

/* n numbers of each of k columns */
INLINE void
pack_tile(const int n, float *y, const float *a, int64_t lda, int64_t k)
{
	int64_t l;

	for (l = 0; l < k; l++)
		memcpy(y + l * n, a + l * lda, (size_t)n * sizeof(*y));
}

void
SIMD_NAME(cpu_pack_tiles)(float *y, const float *a, int64_t lda, int64_t k, int64_t rows)
{
	enum { PIECE = 32 }; /* columns at a time: what a tile leaves of their cache lines is there for the next */
	int64_t l, m, r, n;

	for (l = 0; l < k; l += m) {
		m = min_i64(PIECE, k - l);
		for (r = 0; r < rows; r += n) {
			float *to = y + r * k;

			n = tile_rows(rows - r);
			if (n == TILE)
				pack_tile(TILE, to + l * TILE, a + l * lda + r, lda, m);
			else
				pack_tile((int)n, to + l * n, a + l * lda + r, lda, m);
		}
	}
}

/* ---- panels ---- */

/* rows of B next to each other in memory: PANEL at a time */
static void
pack_rows(float *panel, const char *b, enum dtype t, int64_t bi, int64_t k, int64_t n)
{
	const size_t step = (size_t)bi * dtype_size(t);
	int64_t l;

	for (l = 0; l < k; l++, panel += PANEL, b += step) {
		if (n == PANEL && t == DT_F32) {
			store(panel, load((const float *)b));
			store(panel + VL, load((const float *)b + VL));
			continue;
		}
		cpu_load(panel, b, t, n);
		memset(panel + n, 0, (size_t)(PANEL - n) * sizeof(*panel));
	}
}

#if VL >= 8
/* eight rows of eight, transposed: y's rows are PANEL apart */
INLINE void
transpose8(float *y, const float *const *x, int64_t at)
{
	__m256 r[8], s[8];
	int i;

#pragma GCC unroll 8
	for (i = 0; i < 8; i++)
		r[i] = _mm256_loadu_ps(x[i] + at);
#pragma GCC unroll 4
	for (i = 0; i < 4; i++) { /* pairs of rows */
		s[2 * i] = _mm256_unpacklo_ps(r[2 * i], r[2 * i + 1]);
		s[2 * i + 1] = _mm256_unpackhi_ps(r[2 * i], r[2 * i + 1]);
	}
#pragma GCC unroll 2
	for (i = 0; i < 2; i++) { /* fours */
		r[4 * i] = _mm256_shuffle_ps(s[4 * i], s[4 * i + 2], 0x44);
		r[4 * i + 1] = _mm256_shuffle_ps(s[4 * i], s[4 * i + 2], 0xee);
		r[4 * i + 2] = _mm256_shuffle_ps(s[4 * i + 1], s[4 * i + 3], 0x44);
		r[4 * i + 3] = _mm256_shuffle_ps(s[4 * i + 1], s[4 * i + 3], 0xee);
	}
#pragma GCC unroll 4
	for (i = 0; i < 4; i++) { /* halves */
		_mm256_storeu_ps(y + i * PANEL, _mm256_permute2f128_ps(r[i], r[4 + i], 0x20));
		_mm256_storeu_ps(y + (i + 4) * PANEL, _mm256_permute2f128_ps(r[i], r[4 + i], 0x31));
	}
}
#endif

/* rows x[0 … PANEL-1] of m numbers become columns */
static void
transpose(float *panel, const float *const *x, int64_t m)
{
	int64_t l = 0, j;

#if VL >= 8
	for (; l + 8 <= m; l += 8)
		for (j = 0; j < PANEL; j += 8)
			transpose8(panel + l * PANEL + j, x + j, l);
#endif
	for (; l < m; l++)
		for (j = 0; j < PANEL; j++)
			panel[l * PANEL + j] = x[j][l];
}

/* columns of B next to each other: a transposition, of narrow types by pieces that stay in the first cache */
static void
pack_columns(float *panel, const char *b, enum dtype t, int64_t bj, int64_t k, int64_t n)
{
	enum { PIECE = 64 };
	static const float zero[PIECE];
	float piece[PANEL][PIECE];
	const float *x[PANEL];
	int64_t l0, m, j;

	for (l0 = 0; l0 < k; l0 += m) {
		m = min_i64(PIECE, k - l0);
		for (j = 0; j < PANEL; j++) {
			const char *at = b + (size_t)(j * bj + l0) * dtype_size(t);

			x[j] = j >= n ? zero : t == DT_F32 ? (const float *)at
			                                   : piece[j];
			if (j < n && t != DT_F32)
				cpu_load(piece[j], at, t, m);
		}
		transpose(panel + l0 * PANEL, x, m);
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

/* a row from column j0 on: at the right edge, or of a narrow type */
static void
finish_edge(const float *c, const struct epilogue *e, int64_t r, int64_t j0)
{
	float bias[PANEL] = { 0 }, old[PANEL] = { 0 }, y[PANEL];
	const int64_t n = min_i64(PANEL, e->y.cols - j0);
	int j;

	if (e->bias)
		memcpy(bias, e->bias + j0, (size_t)n * sizeof(*bias));
	if (e->r.p)
		cpu_load(old, mat_at(e->r, r, j0), e->r.t, n);
	for (j = 0; j < PANEL; j += VL)
		store(y + j, finish_part(load(c + j), e, load(bias + j), load(old + j)));
	cpu_store(mat_at(e->y, r, j0), e->y.t, y, n);
}

/* Y's rows one after the other: pieces of a panel's width would be a page or more apart */
void
SIMD_NAME(cpu_finish)(const float *c, int64_t step, const struct epilogue *e)
{
	const int plain = e->y.t == DT_F32 && (!e->r.p || e->r.t == DT_F32);
	const vf zero = splat(0);
	int64_t r, j, p;

	for (r = 0; r < e->y.rows; r++, c += PANEL)
		for (j = 0, p = 0; j < e->y.cols; j += PANEL, p += step) {
			const float *old = e->r.p ? mat_at(e->r, r, j) : NULL, *bias = e->bias ? e->bias + j : NULL;
			float *y = mat_at(e->y, r, j);

			if (!plain || j + PANEL > e->y.cols) {
				finish_edge(c + p, e, r, j);
				continue;
			}
			store(y, finish_part(load(c + p), e, bias ? load(bias) : zero, old ? load(old) : zero));
			store(y + VL,
			      finish_part(load(c + p + VL), e, bias ? load(bias + VL) : zero,
			                  old ? load(old + VL) : zero));
		}
}
