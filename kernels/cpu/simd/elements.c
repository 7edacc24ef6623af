/* SPDX-License-Identifier: MIT
 * elements.c - inner loops over elements: sums, dropout, AdamW */
#include "../../philox.h"
#include "simd.h"

void
SIMD_NAME(cpu_row_axpby)(float *y, float alpha, const float *x, float beta, int64_t n)
{
	int64_t i;

	if (beta == 0)
		for (i = 0; i < n; i++)
			y[i] = alpha * x[i];
	else
		for (i = 0; i < n; i++)
			y[i] = alpha * x[i] + beta * y[i];
}

void
SIMD_NAME(cpu_row_add)(float *y, const float *x, const float *z, int64_t n)
{
	int64_t i;

	for (i = 0; i < n; i++)
		y[i] = x[i] + z[i];
}

void
SIMD_NAME(cpu_row_norm_sums)(float *dw, float *dbias, const float *dy, const float *s, float mean, float rstd, int64_t n)
{
	int64_t i;

	for (i = 0; i < n; i++) {
		dw[i] += dy[i] * ((s[i] - mean) * rstd);
		dbias[i] += dy[i];
	}
}

/* ---- dropout ---- */

#define HALF (VL / 2)

enum { GROUP = 2 * HALF }; /* blocks of Philox at a time: two vectors, that one need not wait for the other */

typedef uint64_t vq __attribute__((vector_size(VL * 4)));

/* the lower halves' product */
INLINE vq
multiply_low(vq a, uint32_t b)
{
#if VL == 16
	return (vq)_mm512_mul_epu32((__m512i)a, _mm512_set1_epi64(b));
#elif VL == 8
	return (vq)_mm256_mul_epu32((__m256i)a, _mm256_set1_epi64x(b));
#else
	return (a & 0xffffffffu) * (uint64_t)b;
#endif
}

/* ten rounds on the counters first + 0 … GROUP-1; upper halves of the words, but for the results', mean nothing */
INLINE void
philox_group(uint32_t *words, uint64_t first, uint64_t key)
{
	vq c[2][4], pair[2][2];
	uint64_t n[2 * HALF];
	uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
	int g, i, round;

	for (i = 0; i < 2 * HALF; i++)
		n[i] = first + (uint64_t)i;
	for (g = 0; g < 2; g++) {
		memcpy(&c[g][0], n + g * HALF, sizeof(c[g][0]));
		c[g][1] = c[g][0] >> 32;
		c[g][2] = c[g][3] = c[g][0] ^ c[g][0];
	}
#pragma GCC unroll 10
	for (round = 0; round < 10; round++) {
#pragma GCC unroll 2
		for (g = 0; g < 2; g++) {
			const vq a = multiply_low(c[g][0], 0xd2511f53u), b = multiply_low(c[g][2], 0xcd9e8d57u);

			c[g][0] = b >> 32 ^ c[g][1] ^ k0;
			c[g][1] = b;
			c[g][2] = a >> 32 ^ c[g][3] ^ k1;
			c[g][3] = a;
		}
		k0 += 0x9e3779b9u;
		k1 += 0xbb67ae85u;
	}
	for (g = 0; g < 2; g++)
		for (i = 0; i < 2; i++)
			pair[g][i] = (c[g][2 * i] & 0xffffffffu) | c[g][2 * i + 1] << 32;
	for (g = 0; g < 2; g++)
		for (i = 0; i < HALF; i++, words += 4) {
			const uint64_t w01 = pair[g][0][i], w23 = pair[g][1][i];

			words[0] = (uint32_t)w01;
			words[1] = (uint32_t)(w01 >> 32);
			words[2] = (uint32_t)w23;
			words[3] = (uint32_t)(w23 >> 32);
		}
}

void
SIMD_NAME(cpu_row_dropout)(float *y, const float *x, uint32_t least, float scale, uint64_t seed, uint64_t offset, int64_t n)
{
	enum { PIECE = 256 };
	uint32_t words[PIECE + 4 * GROUP + 4];
	int64_t i, j, m;

	for (i = 0; i < n; i += m) {
		const uint64_t block = (offset + (uint64_t)i) >> 2;
		const uint32_t *w = words + ((offset + (uint64_t)i) & 3);

		m = min_i64(PIECE, n - i);
		for (j = 0; j < m + 3; j += 4 * GROUP)
			philox_group(words + j, block + (uint64_t)(j / 4), seed);
		for (j = 0; j < m; j++)
			y[i + j] = w[j] >= least ? x[i + j] * scale : 0;
	}
}

/* ---- AdamW ---- */

INLINE vf
root(vf x)
{
#if VL == 16
	return (vf)_mm512_sqrt_ps((__m512)x);
#elif VL == 8
	return (vf)_mm256_sqrt_ps((__m256)x);
#else
	int i;

	for (i = 0; i < VL; i++)
		x[i] = sqrtf(x[i]);
	return x;
#endif
}

/* VL parameters */
INLINE void
adamw(float *w, const float *g, float *m, float *v, float *e, const struct adamw_step *s)
{
	const vf d = load(g) * splat(s->grad_scale);
	const vf m1 = load(m) * splat(s->beta1) + splat(s->rest1) * d;
	const vf v1 = load(v) * splat(s->beta2) + splat(s->rest2) * d * d;
	const vf w1 = load(w) * splat(s->decay) - splat(s->size) * (m1 / (root(v1) / splat(s->root) + splat(s->eps)));

	store(m, m1);
	store(v, v1);
	store(w, w1);
	if (e)
		store(e, load(e) * splat(s->ema) + splat(s->ema_rest) * w1);
}

void
SIMD_NAME(cpu_adamw)(float *w, const float *g, float *m, float *v, float *e, const struct adamw_step *s, int64_t n)
{
	float t[5][VL] = { 0 };
	int64_t i;

	for (i = 0; i + VL <= n; i += VL)
		adamw(w + i, g + i, m + i, v + i, e ? e + i : NULL, s);
	if (i == n)
		return;
	n = (n - i) * (int64_t)sizeof(float);
	memcpy(t[0], w + i, (size_t)n);
	memcpy(t[1], g + i, (size_t)n);
	memcpy(t[2], m + i, (size_t)n);
	memcpy(t[3], v + i, (size_t)n);
	if (e)
		memcpy(t[4], e + i, (size_t)n);
	adamw(t[0], t[1], t[2], t[3], e ? t[4] : NULL, s);
	memcpy(w + i, t[0], (size_t)n);
	memcpy(m + i, t[2], (size_t)n);
	memcpy(v + i, t[3], (size_t)n);
	if (e)
		memcpy(e + i, t[4], (size_t)n);
}
