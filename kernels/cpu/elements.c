/* SPDX-License-Identifier: MIT
 * elements.c - element by element */
#include <math.h>

#include "../philox.h"
#include "cpu.h"

int
cpu_axpby(struct backend *b, struct mat y, float alpha, struct mat x, float beta, struct adds_error *err)
{
	int64_t r, c;

	(void)err;
	assert(y.rows == x.rows && y.cols == x.cols);
#pragma omp parallel for private(c) num_threads(cpu_threads(b, y.rows * y.cols))
	for (r = 0; r < y.rows; r++) {
		float *a = row_f32(y, r);
		const float *f = row_f32(x, r);

		if (beta == 0)
			for (c = 0; c < y.cols; c++)
				a[c] = alpha * f[c];
		else
			for (c = 0; c < y.cols; c++)
				a[c] = alpha * f[c] + beta * a[c];
	}
	return 0;
}

int
cpu_mul(struct backend *b, struct mat y, struct mat x, struct mat z, struct adds_error *err)
{
	int64_t r, c;

	(void)err;
	assert(y.rows == x.rows && y.cols == x.cols && y.rows == z.rows && y.cols == z.cols);
#pragma omp parallel for private(c) num_threads(cpu_threads(b, y.rows * y.cols))
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
	int64_t r, c;

	(void)err;
	assert(y.rows == x.rows && y.cols == x.cols);
#pragma omp parallel for private(c) num_threads(cpu_threads(b, y.rows * y.cols))
	for (r = 0; r < y.rows; r++) {
		float *a = row_f32(y, r);
		const float *f = row_f32(x, r);

		for (c = 0; c < y.cols; c++)
			a[c] = expf(alpha * f[c] + beta);
	}
	return 0;
}

int
cpu_add_row(struct backend *b, struct mat y, float alpha, const float *row, struct adds_error *err)
{
	int64_t r, c;

	(void)err;
#pragma omp parallel for private(c) num_threads(cpu_threads(b, y.rows * y.cols))
	for (r = 0; r < y.rows; r++) {
		float *a = row_f32(y, r);

		for (c = 0; c < y.cols; c++)
			a[c] += alpha * row[c];
	}
	return 0;
}

int
cpu_add_col(struct backend *b, struct mat y, float alpha, const float *col, struct adds_error *err)
{
	int64_t r, c;

	(void)err;
#pragma omp parallel for private(c) num_threads(cpu_threads(b, y.rows * y.cols))
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
#pragma omp parallel for private(c) num_threads(cpu_threads(b, y.rows * y.cols))
	for (r = 0; r < y.rows; r++) {
		float *a = row_f32(y, r);

		for (c = 0; c < y.cols; c++)
			a[c] *= col[r];
	}
	return 0;
}

static float
sigmoid(float x)
{
	return 1 / (1 + expf(-x));
}

/* tanh(√(2/π)·(x + 0.044715·x³)) */
static float
gelu_tanh_inner(float x)
{
	return tanhf(0.7978845608f * (x + 0.044715f * x * x * x));
}

float
cpu_activate(float x, enum activation a)
{
	switch (a) {
	case ACT_RELU:
		return x > 0 ? x : 0;
	case ACT_GELU:
		return 0.5f * x * (1 + erff(x * 0.7071067812f));
	case ACT_QUICK_GELU:
		return x * sigmoid(1.702f * x);
	case ACT_GELU_TANH:
		return 0.5f * x * (1 + gelu_tanh_inner(x));
	default:
		return x;
	}
}

/* derivative at x */
float
cpu_activate_slope(float x, enum activation a)
{
	float s;

	switch (a) {
	case ACT_RELU:
		return x > 0;
	case ACT_GELU:
		return 0.5f * (1 + erff(x * 0.7071067812f)) + x * 0.3989422804f * expf(-0.5f * x * x);
	case ACT_QUICK_GELU:
		s = sigmoid(1.702f * x);
		return s + 1.702f * x * s * (1 - s);
	case ACT_GELU_TANH:
		s = gelu_tanh_inner(x);
		return 0.5f * (1 + s) + 0.5f * x * (1 - s * s) * 0.7978845608f * (1 + 3 * 0.044715f * x * x);
	default:
		return 1;
	}
}

void
cpu_activate_row(float *y, const float *x, enum activation a, int64_t n)
{
	int64_t i;

	for (i = 0; i < n; i++)
		y[i] = cpu_activate(x[i], a);
}

int
cpu_act(struct backend *b, struct mat y, struct mat x, enum activation a, struct adds_error *err)
{
	int64_t r;

	(void)err;
	assert(y.rows == x.rows && y.cols == x.cols);
#pragma omp parallel for num_threads(cpu_threads(b, y.rows * y.cols))
	for (r = 0; r < y.rows; r++)
		cpu_activate_row(row_f32(y, r), row_f32(x, r), a, y.cols);
	return 0;
}

int
cpu_act_backward(struct backend *b, struct mat dx, struct mat x, struct mat dy, enum activation a,
                 struct adds_error *err)
{
	int64_t r, c;

	(void)err;
	assert(dx.rows == x.rows && dx.cols == x.cols && dx.rows == dy.rows && dx.cols == dy.cols);
#pragma omp parallel for private(c) num_threads(cpu_threads(b, dx.rows * dx.cols))
	for (r = 0; r < dx.rows; r++) {
		float *d = row_f32(dx, r);
		const float *f = row_f32(x, r), *g = row_f32(dy, r);

		for (c = 0; c < dx.cols; c++)
			d[c] = g[c] * cpu_activate_slope(f[c], a);
	}
	return 0;
}

int
cpu_dropout(struct backend *b, struct mat y, struct mat x, float p, uint64_t seed, uint64_t offset,
            struct adds_error *err)
{
	const float scale = 1 / (1 - p);
	int64_t r, c;

	(void)err;
	assert(y.rows == x.rows && y.cols == x.cols && p >= 0 && p < 1);
#pragma omp parallel for private(c) num_threads(cpu_threads(b, 8 * y.rows * y.cols))
	for (r = 0; r < y.rows; r++) {
		float *a = row_f32(y, r);
		const float *f = row_f32(x, r);
		uint64_t n = offset + (uint64_t)(r * y.cols);
		uint32_t w[4];

		for (c = 0; c < y.cols; c++, n++) {
			if (c == 0 || (n & 3) == 0)
				philox4x32(w, 0, n >> 2, seed);
			a[c] = philox_kept(w[n & 3], p) ? f[c] * scale : 0;
		}
	}
	return 0;
}
