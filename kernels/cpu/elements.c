/* SPDX-License-Identifier: MIT
 * elements.c - element by element */
#include <math.h>

#include "cpu.h"
#include "simd.h"

int
cpu_axpby(struct backend *b, struct mat y, float alpha, struct mat x, float beta, struct adds_error *err)
{
	const struct simd *simd = cpu_state(b)->simd;
	int64_t r;

	(void)err;
	assert(y.rows == x.rows && y.cols == x.cols);
#pragma omp parallel for num_threads(cpu_threads(b, y.rows *y.cols))
	for (r = 0; r < y.rows; r++)
		simd->axpby(row_f32(y, r), alpha, row_f32(x, r), beta, y.cols);
	return 0;
}

int
cpu_mul(struct backend *b, struct mat y, struct mat x, struct mat z, struct adds_error *err)
{
	int64_t r, c;

	(void)err;
	assert(y.rows == x.rows && y.cols == x.cols && y.rows == z.rows && y.cols == z.cols);
#pragma omp parallel for private(c) num_threads(cpu_threads(b, y.rows *y.cols))
	for (r = 0; r < y.rows; r++) {
		float *a = row_f32(y, r);
		const float *f = row_f32(x, r), *g = row_f32(z, r);

		for (c = 0; c < y.cols; c++)
			a[c] = f[c] * g[c];
	}
	return 0;
}

int
cpu_exp_affine(struct backend *b, struct mat y, struct mat x, float alpha, float beta, struct adds_error *err)
{
	const struct simd *simd = cpu_state(b)->simd;
	int64_t r;

	(void)err;
	assert(y.rows == x.rows && y.cols == x.cols);
#pragma omp parallel for num_threads(cpu_threads(b, y.rows *y.cols))
	for (r = 0; r < y.rows; r++)
		simd->exp_affine(row_f32(y, r), row_f32(x, r), alpha, beta, y.cols);
	return 0;
}

int
cpu_add_row(struct backend *b, struct mat y, float alpha, const float *row, struct adds_error *err)
{
	const struct simd *simd = cpu_state(b)->simd;
	int64_t r;

	(void)err;
#pragma omp parallel for num_threads(cpu_threads(b, y.rows *y.cols))
	for (r = 0; r < y.rows; r++)
		simd->axpby(row_f32(y, r), alpha, row, 1, y.cols);
	return 0;
}

int
cpu_add_col(struct backend *b, struct mat y, float alpha, const float *col, struct adds_error *err)
{
	int64_t r, c;

	(void)err;
#pragma omp parallel for private(c) num_threads(cpu_threads(b, y.rows *y.cols))
	for (r = 0; r < y.rows; r++) {
		float *a = row_f32(y, r);
		const float d = alpha * col[r];

		for (c = 0; c < y.cols; c++)
			a[c] += d;
	}
	return 0;
}

int
cpu_scale_row(struct backend *b, struct mat y, const float *col, struct adds_error *err)
{
	int64_t r, c;

	(void)err;
#pragma omp parallel for private(c) num_threads(cpu_threads(b, y.rows *y.cols))
	for (r = 0; r < y.rows; r++) {
		float *a = row_f32(y, r);

		for (c = 0; c < y.cols; c++)
			a[c] *= col[r];
	}
	return 0;
}

int
cpu_act(struct backend *b, struct mat y, struct mat x, enum activation a, struct adds_error *err)
{
	const struct simd *simd = cpu_state(b)->simd;
	int64_t r;

	(void)err;
	assert(y.rows == x.rows && y.cols == x.cols);
#pragma omp parallel for num_threads(cpu_threads(b, y.rows *y.cols))
	for (r = 0; r < y.rows; r++)
		simd->act(row_f32(y, r), row_f32(x, r), a, y.cols);
	return 0;
}

int
cpu_act_backward(struct backend *b, struct mat dx, struct mat x, struct mat dy, enum activation a,
                 struct adds_error *err)
{
	const struct simd *simd = cpu_state(b)->simd;
	int64_t r;

	(void)err;
	assert(dx.rows == x.rows && dx.cols == x.cols && dx.rows == dy.rows && dx.cols == dy.cols);
#pragma omp parallel for num_threads(cpu_threads(b, dx.rows *dx.cols))
	for (r = 0; r < dx.rows; r++)
		simd->act_backward(row_f32(dx, r), row_f32(x, r), row_f32(dy, r), a, dx.cols);
	return 0;
}

int
cpu_dropout(struct backend *b, struct mat y, struct mat x, float p, uint64_t seed, uint64_t offset,
            struct adds_error *err)
{
	const struct simd *simd = cpu_state(b)->simd;
	const uint32_t least = (uint32_t)ceil((double)p * 4294967296.0); /* philox_kept */
	int64_t r;

	(void)err;
	assert(y.rows == x.rows && y.cols == x.cols && p >= 0 && p < 1);
#pragma omp parallel for num_threads(cpu_threads(b, 4 * y.rows * y.cols))
	for (r = 0; r < y.rows; r++)
		simd->dropout(row_f32(y, r), row_f32(x, r), least, 1 / (1 - p), seed, offset + (uint64_t)(r * y.cols), y.cols);
	return 0;
}
