/* SPDX-License-Identifier: MIT
 *
 * vec.h - vectors of f32 of the instruction set that a file is compiled for:
 * GCC's and Clang's vector types, so that arithmetic is written plainly; only
 * fused multiply-add, rounding and conversions need the set's own names.
 */
#ifndef VEC_H
#define VEC_H

#include <math.h>
#include <string.h>

#include "../cpu.h"
#include "../simd.h"

#define SIMD_JOIN_(a, b) a##_##b
#define SIMD_JOIN(a, b) SIMD_JOIN_(a, b)
#define SIMD_NAME(name) SIMD_JOIN(name, SIMD)
#define INLINE static inline __attribute__((always_inline))

#if defined(__AVX512F__)
#include <immintrin.h>
#define VL 16
#elif defined(__AVX2__) && defined(__FMA__)
#include <immintrin.h>
#define VL 8
#else
#define VL 4
#endif

#define LANES 16 /* of a sum, in every instruction set */
#define PARTS (LANES / VL)

typedef float vf __attribute__((vector_size(VL * 4)));
typedef int32_t vi __attribute__((vector_size(VL * 4)));
typedef uint32_t vu __attribute__((vector_size(VL * 4)));
typedef uint16_t vh __attribute__((vector_size(VL * 2)));

INLINE vf
load(const float *p)
{
	vf v;

	memcpy(&v, p, sizeof(v));
	return v;
}

INLINE void
store(float *p, vf v)
{
	memcpy(p, &v, sizeof(v));
}

INLINE vf
splat(float x)
{
#if VL == 16
	return (vf)_mm512_set1_ps(x);
#elif VL == 8
	return (vf)_mm256_set1_ps(x);
#else
	return (vf){ x, x, x, x };
#endif
}

/* a·b + c, rounded once where the processor can */
INLINE vf
fma_(vf a, vf b, vf c)
{
#if VL == 16
	return (vf)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif VL == 8
	return (vf)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#elif defined(__FP_FAST_FMAF)
	int i;

	for (i = 0; i < VL; i++)
		c[i] = fmaf(a[i], b[i], c[i]);
	return c;
#else
	return a * b + c;
#endif
}

/* a < b ? yes : no */
INLINE vf
if_less(vf a, vf b, vf yes, vf no)
{
#if VL == 16
	return (vf)_mm512_mask_blend_ps(_mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_LT_OQ), (__m512)no, (__m512)yes);
#else
	const vi m = a < b;

	return (vf)((m & (vi)yes) | (~m & (vi)no));
#endif
}

/* v is NaN ? yes : no */
INLINE vu
if_nan(vf v, vu yes, vu no)
{
#if VL == 16
	return (vu)_mm512_mask_blend_epi32(_mm512_cmp_ps_mask((__m512)v, (__m512)v, _CMP_UNORD_Q), (__m512i)no, (__m512i)yes);
#else
	const vu m = (vu)(v != v);

	return (m & yes) | (~m & no);
#endif
}

/* a > b ? a : b, so that b is what is left where one is NaN */
INLINE vf
max_(vf a, vf b)
{
#if VL == 16
	return (vf)_mm512_max_ps((__m512)a, (__m512)b);
#elif VL == 8
	return (vf)_mm256_max_ps((__m256)a, (__m256)b);
#else
	return if_less(b, a, a, b);
#endif
}

INLINE vf
abs_(vf a)
{
	return (vf)((vi)a & 0x7fffffff);
}

/* numbers of 16 bits as words */
INLINE vu
widen(const uint16_t *p)
{
	vh h;

	memcpy(&h, p, sizeof(h));
	return __builtin_convertvector(h, vu);
}

INLINE vf
load_bf16(const uint16_t *p)
{
	return (vf)(widen(p) << 16);
}

/* as f32_to_bf16 */
INLINE vu
bf16_bits(vf v)
{
	const vu u = (vu)v;

	return if_nan(v, u >> 16 | 0x40, (u + 0x7fff + (u >> 16 & 1)) >> 16);
}

INLINE void
store_bf16(uint16_t *p, vf v)
{
#ifdef __AVX512BF16__ /* what is too small for a normal number becomes 0 */
	_mm256_storeu_si256((__m256i *)p, (__m256i)_mm512_cvtneps_pbh((__m512)v));
#elif VL == 16
	_mm256_storeu_si256((__m256i *)p, _mm512_cvtepi32_epi16((__m512i)bf16_bits(v)));
#else
	const vh h = __builtin_convertvector(bf16_bits(v), vh);

	memcpy(p, &h, sizeof(h));
#endif
}

/* the first n (< VL) of p, zeros behind them */
INLINE vf
load_some(const float *p, int64_t n)
{
#if VL == 16
	return (vf)_mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p);
#else
	float t[VL] = { 0 };

	memcpy(t, p, (size_t)n * sizeof(*p));
	return load(t);
#endif
}

INLINE void
store_some(float *p, vf v, int64_t n)
{
#if VL == 16
	_mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), (__m512)v);
#else
	float t[VL];

	store(t, v);
	memcpy(p, t, (size_t)n * sizeof(*p));
#endif
}

/* p·2^n, t being n + 1.5·2^23; NaN where x, which they come from, is */
INLINE vf
scaled(vf p, vf t, vf n, vf x)
{
#if VL == 16
	(void)t;
	(void)x;
	return (vf)_mm512_scalef_ps((__m512)p, (__m512)n);
#else
	(void)n;
	return (vf)if_nan(x, (vu)x, (vu)p + ((vu)t << 23));
#endif
}

/* e^x, within 2 units of the last place; 0 below -87 */
INLINE vf
exp_(vf x)
{
	const vf magic = splat(12582912.0f); /* 1.5·2^23: adding it rounds to a whole number */
	const vf t = fma_(x, splat(1.44269504f), magic), n = t - magic;
	const vf r = fma_(n, splat(2.12194440e-4f), fma_(n, splat(-0.693359375f), x));
	vf p = splat(0.0013926250394433737f), y;

	p = fma_(p, r, splat(0.00836323294788599f));
	p = fma_(p, r, splat(0.04166655242443085f));
	p = fma_(p, r, splat(0.16666576266288757f));
	p = fma_(p, r, splat(0.5f));
	p = fma_(p * r, r, r);
	y = if_less(x, splat(-87.0f), splat(0), scaled(p + splat(1), t, n, x));
	return if_less(splat(88.72283f), x, splat(INFINITY), y);
}

/* 1/(1 + e^-x) */
INLINE vf
sigmoid_(vf x)
{
	return splat(1) / (splat(1) + exp_(-x));
}

/* ½·erfc(|x|/√2): the normal distribution's tail beyond |x|, relative error 4e-7.
 * erfc(z) = e^(-z²)·t·P(t), t = 1/(1 + 0.44·z), P fitted over z ≤ 10; e is given: e^(-x²/2). */
INLINE vf
normal_tail(vf x, vf e)
{
	const vf t = splat(1) / fma_(abs_(x), splat(0.311126984f), splat(1));
	vf p = splat(0.07196585088968277f);

	p = fma_(p, t, splat(-0.28118717670440674f));
	p = fma_(p, t, splat(0.3025151193141937f));
	p = fma_(p, t, splat(-0.025753501802682877f));
	p = fma_(p, t, splat(0.2188519686460495f));
	p = fma_(p, t, splat(0.21637427806854248f));
	p = fma_(p, t, splat(0.24902240931987762f));
	p = fma_(p, t, splat(0.24821121990680695f));
	return splat(0.5f) * e * t * p;
}

INLINE vf
gelu_(vf x)
{
	const vf tail = x * normal_tail(x, exp_(x * x * splat(-0.5f)));

	return if_less(x, splat(0), tail, x - tail);
}

/* ½·(1 + tanh(u)) = σ(2u), u = √(2/π)·(x + 0.044715·x³) */
INLINE vf
gelu_tanh_gate(vf x)
{
	return sigmoid_(splat(1.5957691216f) * fma_(x * x * x, splat(0.044715f), x));
}

INLINE vf
activate_(vf x, enum activation a)
{
	switch (a) {
	case ACT_RELU:
		return if_less(splat(0), x, x, splat(0));
	case ACT_GELU:
		return gelu_(x);
	case ACT_QUICK_GELU:
		return x * sigmoid_(splat(1.702f) * x);
	case ACT_GELU_TANH:
		return x * gelu_tanh_gate(x);
	default:
		return x;
	}
}

/* ---- sums in LANES lanes, joined in halves: the same tree in every instruction set ---- */

struct lanes {
	vf v[PARTS];
};

INLINE struct lanes
lanes_zero(void)
{
	struct lanes s;
	int i;

	for (i = 0; i < PARTS; i++)
		s.v[i] = splat(0);
	return s;
}

/* the first n (1 … LANES-1) of x, and rest behind them */
INLINE struct lanes
lanes_some(const float *x, int64_t n, float rest)
{
	struct lanes s;
	int i;

	for (i = 0; i < PARTS; i++)
		s.v[i] = splat(rest);
#if VL == 16
	s.v[0] = (vf)_mm512_mask_loadu_ps((__m512)s.v[0], (__mmask16)((1u << n) - 1), x);
#else
	memcpy(s.v, x, (size_t)n * sizeof(*x));
#endif
	return s;
}

/* halves of lanes that are joined */
typedef float half8 __attribute__((vector_size(32)));
typedef float half4 __attribute__((vector_size(16)));

INLINE float
lanes_sum(const struct lanes *s)
{
	half8 a[2];
	half4 b[2];

	memcpy(a, s->v, sizeof(a));
	a[0] += a[1];
	memcpy(b, a, sizeof(b));
	b[0] += b[1];
	return (b[0][0] + b[0][2]) + (b[0][1] + b[0][3]);
}

INLINE float
lanes_max(const struct lanes *s)
{
#if VL == 16
	return _mm512_reduce_max_ps((__m512)s->v[0]);
#else
	float t[LANES];
	int i, half;

	memcpy(t, s->v, sizeof(t));
	for (half = LANES / 2; half; half /= 2)
		for (i = 0; i < half; i++)
			t[i] = t[i] > t[i + half] ? t[i] : t[i + half];
	return t[0];
#endif
}

#endif
