/* SPDX-License-Identifier: MIT
 * softmax.c - softmax over rows, and its gradient */
#include "cpu.h"
#include "simd.h"

int
cpu_softmax(struct backend *b, struct mat y, struct mat x, float scale, struct adds_error *err)
{
	const struct simd *simd = cpu_state(b)->simd;
	int64_t r;

	(void)err;
	assert(y.rows == x.rows && y.cols == x.cols);
#pragma omp parallel for num_threads(cpu_threads(b, y.rows *y.cols))
	for (r = 0; r < y.rows; r++)
		simd->softmax(row_f32(y, r), row_f32(x, r), scale, y.cols);
	return 0;
}

int
cpu_softmax_backward(struct backend *b, struct mat dx, struct mat y, struct mat dy, float scale,
                     struct adds_error *err)
{
	const struct simd *simd = cpu_state(b)->simd;
	int64_t r;

	(void)err;
	assert(dx.rows == y.rows && dx.cols == y.cols && dx.rows == dy.rows && dx.cols == dy.cols);
#pragma omp parallel for num_threads(cpu_threads(b, dx.rows *dx.cols))
	for (r = 0; r < dx.rows; r++)
		simd->softmax_backward(row_f32(dx, r), row_f32(y, r), row_f32(dy, r), scale, dx.cols);
	return 0;
}
