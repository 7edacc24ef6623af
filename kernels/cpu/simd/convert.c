/* SPDX-License-Identifier: MIT
 * convert.c - rows of bf16 and f16 to f32, and back: to nearest, ties to even */
#include "simd.h"

#if VL >= 8
INLINE vf
load_f16(const uint16_t *p)
{
#if VL == 16
	return (vf)_mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p));
#else
	return (vf)_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p));
#endif
}

INLINE void
store_f16(uint16_t *p, vf v)
{
#if VL == 16
	_mm256_storeu_si256((__m256i *)p, _mm512_cvtps_ph((__m512)v, _MM_FROUND_TO_NEAREST_INT));
#else
	_mm_storeu_si128((__m128i *)p, _mm256_cvtps_ph((__m256)v, _MM_FROUND_TO_NEAREST_INT));
#endif
}
#endif

static void
from_bf16(float *y, const uint16_t *x, int64_t n)
{
	int64_t i;

	for (i = 0; i + VL <= n; i += VL)
		store(y + i, load_bf16(x + i));
	for (; i < n; i++)
		y[i] = bf16_to_f32(x[i]);
}

static void
to_bf16(uint16_t *y, const float *x, int64_t n)
{
	int64_t i;

	for (i = 0; i + VL <= n; i += VL)
		store_bf16(y + i, load(x + i));
	for (; i < n; i++)
		y[i] = f32_to_bf16(x[i]);
}

static void
from_f16(float *y, const uint16_t *x, int64_t n)
{
	int64_t i = 0;

#if VL >= 8
	for (; i + VL <= n; i += VL)
		store(y + i, load_f16(x + i));
#endif
	for (; i < n; i++)
		y[i] = cpu_f16_to_f32(x[i]);
}

static void
to_f16(uint16_t *y, const float *x, int64_t n)
{
	int64_t i = 0;

#if VL >= 8
	for (; i + VL <= n; i += VL)
		store_f16(y + i, load(x + i));
#endif
	for (; i < n; i++)
		y[i] = cpu_f32_to_f16(x[i]);
}

void
SIMD_NAME(cpu_load)(float *y, const void *x, enum dtype t, int64_t n)
{
	assert(t == DT_F32 || t == DT_BF16 || t == DT_F16);
	if (t == DT_F32 && n)
		memcpy(y, x, (size_t)n * sizeof(*y));
	else if (t == DT_BF16)
		from_bf16(y, x, n);
	else if (t == DT_F16)
		from_f16(y, x, n);
}

void
SIMD_NAME(cpu_store)(void *y, enum dtype t, const float *x, int64_t n)
{
	assert(t == DT_F32 || t == DT_BF16 || t == DT_F16);
	if (t == DT_F32 && n)
		memcpy(y, x, (size_t)n * sizeof(*x));
	else if (t == DT_BF16)
		to_bf16(y, x, n);
	else if (t == DT_F16)
		to_f16(y, x, n);
}

void
SIMD_NAME(cpu_pair)(uint32_t *y, const float *x, const float *z, int64_t n)
{
	int64_t i;

	for (i = 0; i + VL <= n; i += VL) {
		const vu low = bf16_bits(load(x + i)), high = z ? bf16_bits(load(z + i)) : (vu){ 0 };
		const vu words = low | high << 16;

		memcpy(y + i, &words, sizeof(words));
	}
	for (; i < n; i++)
		y[i] = f32_to_bf16(x[i]) | (z ? (uint32_t)f32_to_bf16(z[i]) << 16 : 0);
}
