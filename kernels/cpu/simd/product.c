/* SPDX-License-Identifier: MIT
 *
 * product.c - inner loops of matrix products of f32, the packing of panels,
 * and what becomes of the sums, of whatever form
 */
#include "simd.h"

#if VL == 16
#define TILE 12
#else
#define TILE 6
#endif

typedef vf sums;

INLINE vf
add(vf s, vu b, vu x)
{
	return fma_((vf)x, (vf)b, s);
}

#include "tile.h"

void
SIMD_NAME(cpu_tile)(void *c, int64_t ldc, const void *a, int64_t lda, const void *panel, int64_t k, int64_t rows, int first,
                    const void *soon)
{
	tiles(0, c, ldc, a, lda, panel, k, rows, first, soon);
}

void
SIMD_NAME(cpu_tile_packed)(void *c, int64_t ldc, const void *a, const void *panel, int64_t k, int64_t rows, int first,
                           const void *soon)
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
		load_row(panel, b, t, n);
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
				load_row(piece[j], at, t, m);
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

/* a vector of sums and what each is to be multiplied by */
struct part {
	vf sum, factor;
};

/* of f32 sums, or (off) of whole numbers */
INLINE struct part
part_of(const uint32_t *c, const int32_t *off, const float *scale, vf alpha)
{
	const vu sum = load_words(c);

	if (!off)
		return (struct part){ (vf)sum, alpha };
	return (struct part){ __builtin_convertvector((vi)(sum - load_words((const uint32_t *)off)), vf), alpha * load(scale) };
}

/* old: of R, or (add: 0) nothing */
INLINE vf
finish_part(struct part p, const enum activation act, vf bias, const int add, vf beta, vf old)
{
	const vf v = activate_(fma_(p.sum, p.factor, bias), act);

	return add ? fma_(beta, old, v) : v;
}

/* a row from column j0 on: at the right edge, or of rarer types */
static void
finish_edge(const uint32_t *c, const struct epilogue *e, int64_t r, int64_t j0, vf alpha)
{
	float bias[PANEL] = { 0 }, old[PANEL] = { 0 }, scale[PANEL] = { 0 }, y[PANEL];
	int32_t off[PANEL] = { 0 };
	const int64_t n = min_i64(PANEL, e->y.cols - j0);
	int j;

	if (e->bias)
		memcpy(bias, e->bias + j0, (size_t)n * sizeof(*bias));
	if (e->off) {
		memcpy(off, e->off + j0, (size_t)n * sizeof(*off));
		memcpy(scale, e->scale + j0, (size_t)n * sizeof(*scale));
	}
	if (e->r.p)
		load_row(old, mat_at(e->r, r, j0), e->r.t, n);
	for (j = 0; j < PANEL; j += VL)
		store(y + j, finish_part(part_of(c + j, e->off ? off + j : NULL, scale + j, alpha),
		                         e->act, load(bias + j), e->r.p != NULL, splat(e->beta), load(old + j)));
	store_row(mat_at(e->y, r, j0), e->y.t, y, n);
}

/* row r as far as whole panels go; R in f32, Y too or (narrow) in bf16 */
INLINE void
finish_panels(const int narrow, const enum activation act, const uint32_t *c, int64_t step, const struct epilogue *e, int64_t r,
              vf alpha)
{
	const float *bias = e->bias, *scale = e->scale, *old = e->r.p ? mat_at(e->r, r, 0) : NULL;
	const int32_t *off = e->off;
	const int64_t n = e->y.cols;
	const vf beta = splat(e->beta);
	void *y = mat_at(e->y, r, 0);
	int64_t j, at;

	for (j = 0; j + PANEL <= n; j += PANEL, c += step)
#pragma GCC unroll 2
		for (at = j; at < j + PANEL; at += VL) {
			const struct part p = part_of(c + at - j, off ? off + at : NULL, off ? scale + at : NULL, alpha);
			const vf v = finish_part(p, act, bias ? load(bias + at) : splat(0), old != NULL, beta,
			                         old ? load(old + at) : splat(0));

			if (narrow)
				store_bf16((uint16_t *)y + at, v);
			else
				store((float *)y + at, v);
		}
}

/* the same, compiled for each activation */
INLINE void
finish_row(const int narrow, const uint32_t *c, int64_t step, const struct epilogue *e, int64_t r, vf alpha)
{
	switch (e->act) {
	case ACT_NONE:
		finish_panels(narrow, ACT_NONE, c, step, e, r, alpha);
		break;
	case ACT_RELU:
		finish_panels(narrow, ACT_RELU, c, step, e, r, alpha);
		break;
	case ACT_GELU:
		finish_panels(narrow, ACT_GELU, c, step, e, r, alpha);
		break;
	case ACT_QUICK_GELU:
		finish_panels(narrow, ACT_QUICK_GELU, c, step, e, r, alpha);
		break;
	case ACT_GELU_TANH:
		finish_panels(narrow, ACT_GELU_TANH, c, step, e, r, alpha);
		break;
	}
}

/* Y's rows one after the other: pieces of a panel's width would be a page or more apart */
void
SIMD_NAME(cpu_finish)(const void *c, int64_t step, const struct epilogue *e)
{
	const int common = (e->y.t == DT_F32 || e->y.t == DT_BF16) && (!e->r.p || e->r.t == DT_F32);
	const int64_t whole = common ? e->y.cols / PANEL : 0;
	const uint32_t *at = c;
	int64_t r, j;

	for (r = 0; r < e->y.rows; r++, at += PANEL) {
		const vf alpha = splat(e->off ? e->row[r] : e->alpha);

		if (whole && e->y.t == DT_BF16)
			finish_row(1, at, step, e, r, alpha);
		else if (whole)
			finish_row(0, at, step, e, r, alpha);
		for (j = whole; j * PANEL < e->y.cols; j++)
			finish_edge(at + j * step, e, r, j * PANEL, alpha);
	}
}
