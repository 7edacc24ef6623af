/* SPDX-License-Identifier: MIT
 * convert.c - IEEE half and bfloat16, to and from f32 */
#include <string.h>

#include "record.h"

static uint32_t
bits_of(float x)
{
	uint32_t u;

	memcpy(&u, &x, sizeof(u));
	return u;
}

static float
from_bits(uint32_t u)
{
	float x;

	memcpy(&x, &u, sizeof(x));
	return x;
}

static uint16_t
to_half(float x)
{
	const uint32_t u = bits_of(x), sign = u >> 16 & 0x8000, a = u & 0x7fffffff;
	uint32_t shift, m, half, rest;

	if (a > 0x7f800000) /* NaN stays one */
		return (uint16_t)(sign | 0x7e00 | (a >> 13 & 0x1ff));
	if (a >= 0x477ff000) /* rounds beyond 65504 */
		return (uint16_t)(sign | 0x7c00);
	if (a >= 0x38800000) /* normal: the carry of the rounding may run into the exponent */
		return (uint16_t)(sign | ((a + 0xfff + (a >> 13 & 1) - 0x38000000) >> 13));
	if (a < 0x33000000) /* at most half of the smallest subnormal */
		return (uint16_t)sign;
	shift = 126 - (a >> 23);
	m = (a & 0x7fffff) | 0x800000;
	half = m >> shift;
	rest = m & ((1u << shift) - 1);
	half += rest > 1u << (shift - 1) || (rest == 1u << (shift - 1) && (half & 1));
	return (uint16_t)(sign | half);
}

static float
from_half(uint16_t h)
{
	const uint32_t sign = (uint32_t)(h & 0x8000) << 16, e = h >> 10 & 31, m = h & 0x3ff;

	if (e == 31)
		return from_bits(sign | 0x7f800000 | m << 13);
	if (e)
		return from_bits(sign | (e + 112) << 23 | m << 13);
	return from_bits(sign | bits_of((float)m * 0x1p-24f));
}

void
adds_f32_to_f16(uint16_t *out, const float *in, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		out[i] = to_half(in[i]);
}

void
adds_f16_to_f32(float *out, const uint16_t *in, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		out[i] = from_half(in[i]);
}

void
adds_f32_to_bf16(uint16_t *out, const float *in, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		const uint32_t u = bits_of(in[i]);

		if ((u & 0x7fffffff) > 0x7f800000)
			out[i] = (uint16_t)(u >> 16 | 0x40);
		else
			out[i] = (uint16_t)((u + 0x7fff + (u >> 16 & 1)) >> 16);
	}
}

void
adds_bf16_to_f32(float *out, const uint16_t *in, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		out[i] = from_bits((uint32_t)in[i] << 16);
}

int
adds_tensor_to_f32(float *out, const struct adds_tensor *t, struct adds_error *err)
{
	switch (t->dtype) {
	case ADDS_F32:
		if (t->size)
			memcpy(out, t->data, t->size);
		return 0;
	case ADDS_F16:
		adds_f16_to_f32(out, t->data, t->size / 2);
		return 0;
	case ADDS_BF16:
		adds_bf16_to_f32(out, t->data, t->size / 2);
		return 0;
	default:
		return adds_fail(err, ADDS_EFORMAT, "tensor '%s' is %s, it should be F32, F16 or BF16", t->name,
		                 adds_dtype_name(t->dtype));
	}
}

/* an exponent of nothing but ones: infinity or NaN */
int
adds_tensor_is_finite(const struct adds_tensor *t)
{
	const uint16_t exponent = t->dtype == ADDS_F16 ? 0x7c00 : 0x7f80, *half = t->data;
	const float *x = t->data;
	uint32_t bad = 0;
	size_t i;

	if (t->dtype == ADDS_F32)
		for (i = 0; i < t->size / 4; i++)
			bad |= (bits_of(x[i]) & 0x7f800000) == 0x7f800000;
	else
		for (i = 0; i < t->size / 2; i++)
			bad |= (half[i] & exponent) == exponent;
	return !bad;
}
