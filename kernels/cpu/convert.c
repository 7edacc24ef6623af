/* SPDX-License-Identifier: MIT
 * convert.c - between f32, bf16 and f16 */
#include "cpu.h"
#include "simd.h"

float
cpu_f16_to_f32(uint16_t x)
{
	const uint32_t sign = (uint32_t)(x & 0x8000) << 16;
	uint32_t u = (uint32_t)(x & 0x7fff) << 13;
	float f;

	if (u >= 0x0f800000u) { /* infinite or NaN */
		u += (uint32_t)(255 - 31) << 23;
	} else { /* the exponent is moved by a product, which also mends subnormals */
		memcpy(&f, &u, sizeof(f));
		f *= 0x1p112f;
		memcpy(&u, &f, sizeof(u));
	}
	u |= sign;
	memcpy(&f, &u, sizeof(f));
	return f;
}

/* to nearest, ties to even */
uint16_t
cpu_f32_to_f16(float x)
{
	uint32_t u, half;
	uint16_t sign;
	float f;

	memcpy(&u, &x, sizeof(u));
	sign = (uint16_t)(u >> 16 & 0x8000);
	u &= 0x7fffffffu;
	if (u > 0x7f800000u)
		return sign | 0x7e00 | (uint16_t)(u >> 13 & 0x3ff);
	if (u >= 0x477ff000u) /* rounds to 65,536 or more */
		return sign | 0x7c00;
	if (u < 0x38800000u) { /* subnormal: the adder rounds it */
		memcpy(&f, &u, sizeof(f));
		f += 0.5f;
		memcpy(&half, &f, sizeof(half));
		return sign | (uint16_t)(half - 0x3f000000u);
	}
	u += 0xfffu + (u >> 13 & 1);
	return sign | (uint16_t)((u - 0x38000000u) >> 13);
}

/* one row, a piece at a time where neither side is f32 */
static void
convert_row(const struct simd *s, void *y, enum dtype yt, const void *x, enum dtype xt, int64_t n)
{
	float piece[256];
	int64_t i, m;

	if (xt == DT_F32) {
		s->store(y, yt, x, n);
		return;
	}
	if (yt == DT_F32) {
		s->load(y, x, xt, n);
		return;
	}
	for (i = 0; i < n; i += m) {
		m = min_i64(n - i, 256);
		s->load(piece, (const uint16_t *)x + i, xt, m);
		s->store((uint16_t *)y + i, yt, piece, m);
	}
}

int
cpu_convert(struct backend *b, struct mat y, struct mat x, struct adds_error *err)
{
	int64_t r;

	(void)err;
	assert(y.rows == x.rows && y.cols == x.cols);
#pragma omp parallel for num_threads(cpu_threads(b, y.rows *y.cols))
	for (r = 0; r < y.rows; r++)
		convert_row(cpu_state(b)->simd, mat_at(y, r, 0), y.t, mat_at(x, r, 0), x.t, y.cols);
	return 0;
}

struct mat
cpu_bf16_copy(struct backend *b, struct mat x, struct adds_error *err)
{
	const struct mat y = mat_of(cpu_scratch((size_t)(x.rows * x.cols) * sizeof(uint16_t), err), DT_BF16, x.rows, x.cols);

	if (y.p)
		cpu_convert(b, y, x, err);
	return y;
}

int
cpu_gather(struct backend *b, struct mat y, struct mat x, const int32_t *index, struct adds_error *err)
{
	int64_t r;

	(void)err;
	assert(y.cols == x.cols);
#pragma omp parallel for num_threads(cpu_threads(b, y.rows *y.cols))
	for (r = 0; r < y.rows; r++)
		if (y.t == x.t)
			memcpy(mat_at(y, r, 0), mat_at(x, index[r], 0), (size_t)y.cols * dtype_size(y.t));
		else
			convert_row(cpu_state(b)->simd, mat_at(y, r, 0), y.t, mat_at(x, index[r], 0), x.t, y.cols);
	return 0;
}
