/* SPDX-License-Identifier: MIT
 * int8.c - rows to eight bits, and sums of their products back */
#include "simd.h"

typedef uint8_t v8 __attribute__((vector_size(VL)));

static float
magnitude(const float *x, int64_t n)
{
	struct lanes m = lanes_zero();
	int64_t i;
	int l;

	for (i = 0; i + LANES <= n; i += LANES)
		for (l = 0; l < PARTS; l++)
			m.v[l] = max_(abs_(load(x + i + l * VL)), m.v[l]);
	for (; i < n; i += VL)
		m.v[0] = max_(abs_(load_some(x + i, min_i64(VL, n - i))), m.v[0]);
	return lanes_max(&m);
}

/* whole numbers in the low bytes of x·factor + 1.5·2^23 + 128: adding so much rounds */
INLINE vu
rounded(vf x, vf factor)
{
	return (vu)(x * factor + splat(12582912.0f + 128)) & 0xff;
}

/* the low bytes of four vectors */
INLINE void
store_bytes(uint8_t *y, const vu q[4])
{
#if VL == 8
	const __m256i a = _mm256_packus_epi32((__m256i)q[0], (__m256i)q[1]),
		      b = _mm256_packus_epi32((__m256i)q[2], (__m256i)q[3]);
	const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7); /* packing goes by halves */
	const __m256i bytes = _mm256_permutevar8x32_epi32(_mm256_packus_epi16(a, b), order);

	memcpy(y, &bytes, sizeof(bytes));
#else
	int i;

	for (i = 0; i < 4; i++) {
		const v8 one = __builtin_convertvector(q[i], v8);

		memcpy(y + i * VL, &one, sizeof(one));
	}
#endif
}

float
SIMD_NAME(cpu_row_quantise)(uint8_t *y, const float *x, int64_t n)
{
	const float scale = magnitude(x, n) / 127;
	const vf factor = splat(scale > 0 ? 1 / scale : 0);
	int64_t i;
	int l;

	for (i = 0; i + 4 * VL <= n; i += 4 * VL) {
		vu q[4];

#pragma GCC unroll 4
		for (l = 0; l < 4; l++)
			q[l] = rounded(load(x + i + l * VL), factor);
		store_bytes(y + i, q);
	}
	for (; i < n; i += VL) {
		const int64_t some = min_i64(VL, n - i);
		const v8 one = __builtin_convertvector(rounded(load_some(x + i, some), factor), v8);

		memcpy(y + i, &one, (size_t)some);
	}
	return scale;
}

/* (sum − off)·row·scale + bias of one vector */
INLINE vf
restore(const int32_t *sum, const int32_t *off, const float *scale, vf row, const float *bias)
{
	vi s, o;

	memcpy(&s, sum, sizeof(s));
	memcpy(&o, off, sizeof(o));
	return fma_(__builtin_convertvector(s - o, vf), row * load(scale), bias ? load(bias) : splat(0));
}

void
SIMD_NAME(cpu_row_restore)(float *y, const int32_t *sum, const int32_t *off, const float *scale, float row, const float *bias,
                           enum activation act, const float *r, int64_t n)
{
	int64_t i;

	for (i = 0; i + VL <= n; i += VL) {
		const vf v = activate_(restore(sum + i, off + i, scale + i, splat(row), bias ? bias + i : NULL), act);

		store(y + i, r ? v + load(r + i) : v);
	}
	if (i < n) {
		int32_t s[VL] = { 0 }, o[VL] = { 0 };
		float c[VL] = { 0 }, b[VL] = { 0 };
		vf v;

		memcpy(s, sum + i, (size_t)(n - i) * sizeof(*s));
		memcpy(o, off + i, (size_t)(n - i) * sizeof(*o));
		memcpy(c, scale + i, (size_t)(n - i) * sizeof(*c));
		if (bias)
			memcpy(b, bias + i, (size_t)(n - i) * sizeof(*b));
		v = activate_(restore(s, o, c, splat(row), b), act);
		store_some(y + i, r ? v + load_some(r + i, n - i) : v, n - i);
	}
}
