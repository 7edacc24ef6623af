/* SPDX-License-Identifier: MIT
 * softmax.c - softmax over rows, and its gradient */
#include <math.h>

#include "cpu.h"

static void
softmax_row(float *y, const float *x, float scale, int64_t n)
{
	float most = -INFINITY;
	double sum = 0;
	int64_t c;

	for (c = 0; c < n; c++)
		most = fmaxf(most, scale * x[c]);
	for (c = 0; c < n; c++) {
		y[c] = expf(scale * x[c] - most);
		sum += (double)y[c];
	}
	for (c = 0; c < n; c++)
		y[c] *= (float)(1 / sum);
}

int
cpu_softmax(struct backend *b, struct mat y, struct mat x, float scale, struct adds_error *err)
{
	int64_t r;

	(void)err;
	assert(y.rows == x.rows && y.cols == x.cols);
#pragma omp parallel for num_threads(cpu_threads(b, y.rows * y.cols))
	for (r = 0; r < y.rows; r++)
		softmax_row(row_f32(y, r), row_f32(x, r), scale, y.cols);
	return 0;
}

int
cpu_softmax_backward(struct backend *b, struct mat dx, struct mat y, struct mat dy, float scale,
                     struct adds_error *err)
{
	int64_t r, c;

	(void)err;
	assert(dx.rows == y.rows && dx.cols == y.cols && dx.rows == dy.rows && dx.cols == dy.cols);
#pragma omp parallel for private(c) num_threads(cpu_threads(b, dx.rows * dx.cols))
	for (r = 0; r < dx.rows; r++) {
		float *d = row_f32(dx, r);
		const float *p = row_f32(y, r), *g = row_f32(dy, r);
		double s = 0;

		for (c = 0; c < dx.cols; c++)
			s += (double)p[c] * (double)g[c];
		for (c = 0; c < dx.cols; c++)
			d[c] = scale * p[c] * (g[c] - (float)s);
	}
	return 0;
}
