/* SPDX-License-Identifier: MIT
 * elements.cu - element by element */
#include "../philox.h"
#include "cuda.cuh"

int
cuda_axpby(struct backend *b, struct mat y, float alpha, struct mat x, float beta, struct adds_error *err)
{
	assert(y.rows == x.rows && y.cols == x.cols);
	return each(
		cuda_enter(b), y.rows, y.cols, [=] __device__(int64_t r, int64_t c) {
			const float a = alpha * mat_f32(x, r, c);

			mat_f32(y, r, c) = beta == 0 ? a : a + beta * mat_f32(y, r, c);
		},
		"axpby", err);
}

int
cuda_mul(struct backend *b, struct mat y, struct mat x, struct mat z, struct adds_error *err)
{
	assert(y.rows == x.rows && y.cols == x.cols && y.rows == z.rows && y.cols == z.cols);
	return each(
		cuda_enter(b), y.rows, y.cols, [=] __device__(int64_t r, int64_t c) {
			mat_f32(y, r, c) = mat_f32(x, r, c) * mat_f32(z, r, c);
		},
		"mul", err);
}

int
cuda_exp_affine(struct backend *b, struct mat y, struct mat x, float alpha, float beta, struct adds_error *err)
{
	assert(y.rows == x.rows && y.cols == x.cols);
	return each(
		cuda_enter(b), y.rows, y.cols, [=] __device__(int64_t r, int64_t c) {
			mat_f32(y, r, c) = expf(alpha * mat_f32(x, r, c) + beta);
		},
		"exp_affine", err);
}

int
cuda_add_row(struct backend *b, struct mat y, float alpha, const float *row, struct adds_error *err)
{
	return each(
		cuda_enter(b), y.rows, y.cols, [=] __device__(int64_t r, int64_t c) {
			mat_f32(y, r, c) += alpha * row[c];
		},
		"add_row", err);
}

int
cuda_add_col(struct backend *b, struct mat y, float alpha, const float *col, struct adds_error *err)
{
	return each(
		cuda_enter(b), y.rows, y.cols, [=] __device__(int64_t r, int64_t c) {
			mat_f32(y, r, c) += alpha * col[r];
		},
		"add_col", err);
}

int
cuda_scale_row(struct backend *b, struct mat y, const float *col, struct adds_error *err)
{
	return each(
		cuda_enter(b), y.rows, y.cols, [=] __device__(int64_t r, int64_t c) {
			mat_f32(y, r, c) *= col[r];
		},
		"scale_row", err);
}

int
cuda_act(struct backend *b, struct mat y, struct mat x, enum activation a, struct adds_error *err)
{
	assert(y.rows == x.rows && y.cols == x.cols);
	return each(
		cuda_enter(b), y.rows, y.cols, [=] __device__(int64_t r, int64_t c) {
			mat_f32(y, r, c) = activate(mat_f32(x, r, c), a);
		},
		"act", err);
}

/* the derivative of the activation at x */
__device__ static float
slope(float x, enum activation a)
{
	float s, t;

	switch (a) {
	case ACT_RELU:
		return x > 0 ? 1 : 0;
	case ACT_GELU: /* Φ(x) + x·φ(x) */
		return 0.5f * (1 + erff(x * 0.70710678f)) + x * 0.39894228f * expf(-0.5f * x * x);
	case ACT_QUICK_GELU:
		s = 1 / (1 + expf(-1.702f * x));
		return s + 1.702f * x * s * (1 - s);
	case ACT_GELU_TANH:
		t = tanhf(0.79788456f * (x + 0.044715f * x * x * x));
		return 0.5f * (1 + t) + 0.5f * x * (1 - t * t) * 0.79788456f * (1 + 3 * 0.044715f * x * x);
	default:
		return 1;
	}
}

int
cuda_act_backward(struct backend *b, struct mat dx, struct mat x, struct mat dy, enum activation a,
                  struct adds_error *err)
{
	assert(dx.rows == x.rows && dx.cols == x.cols && dx.rows == dy.rows && dx.cols == dy.cols);
	return each(
		cuda_enter(b), dx.rows, dx.cols, [=] __device__(int64_t r, int64_t c) {
			mat_f32(dx, r, c) = mat_f32(dy, r, c) * slope(mat_f32(x, r, c), a);
		},
		"act_backward", err);
}

int
cuda_dropout(struct backend *b, struct mat y, struct mat x, float p, uint64_t seed, uint64_t offset,
             struct adds_error *err)
{
	const float scale = 1 / (1 - p);

	assert(y.rows == x.rows && y.cols == x.cols && p >= 0 && p < 1);
	return each(
		cuda_enter(b), y.rows, y.cols, [=] __device__(int64_t r, int64_t c) {
			const uint32_t word = philox_word(seed, offset + (uint64_t)(r * y.cols + c));

			mat_f32(y, r, c) = philox_kept(word, p) ? mat_f32(x, r, c) * scale : 0;
		},
		"dropout", err);
}
