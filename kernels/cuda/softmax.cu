/* SPDX-License-Identifier: MIT
 * softmax.cu - softmax over rows, and its gradient: a block of threads a row */
#include "cuda.cuh"

/* in place too: a thread writes only the columns that it alone reads */
__global__ static void
softmax_kernel(struct mat y, struct mat x, float scale)
{
	const int64_t r = blockIdx.x;
	float most = -INFINITY, sum = 0, e;
	int64_t c;

	for (c = threadIdx.x; c < y.cols; c += BLOCK)
		most = fmaxf(most, scale * mat_f32(x, r, c));
	most = block_reduce(most, max_op());
	for (c = threadIdx.x; c < y.cols; c += BLOCK) {
		e = expf(scale * mat_f32(x, r, c) - most);
		mat_f32(y, r, c) = e;
		sum += e;
	}
	sum = block_reduce(sum, add_op());
	for (c = threadIdx.x; c < y.cols; c += BLOCK)
		mat_f32(y, r, c) /= sum;
}

int
cuda_softmax(struct backend *b, struct mat y, struct mat x, float scale, struct adds_error *err)
{
	struct cuda_state *s = cuda_enter(b);

	assert(y.rows == x.rows && y.cols == x.cols);
	if (!y.rows || !y.cols)
		return 0;
	LAUNCH(softmax_kernel, (unsigned)y.rows, BLOCK, 0, s->stream)(y, x, scale);
	CU_LAUNCHED("softmax");
	return 0;
}

__global__ static void
softmax_backward_kernel(struct mat dx, struct mat y, struct mat dy, float scale)
{
	const int64_t r = blockIdx.x;
	float sum = 0;
	int64_t c;

	for (c = threadIdx.x; c < dx.cols; c += BLOCK)
		sum += mat_f32(dy, r, c) * mat_f32(y, r, c);
	sum = block_reduce(sum, add_op());
	for (c = threadIdx.x; c < dx.cols; c += BLOCK)
		mat_f32(dx, r, c) = scale * mat_f32(y, r, c) * (mat_f32(dy, r, c) - sum);
}

int
cuda_softmax_backward(struct backend *b, struct mat dx, struct mat y, struct mat dy, float scale,
                      struct adds_error *err)
{
	struct cuda_state *s = cuda_enter(b);

	assert(dx.rows == y.rows && dx.cols == y.cols && dx.rows == dy.rows && dx.cols == dy.cols);
	if (!dx.rows || !dx.cols)
		return 0;
	LAUNCH(softmax_backward_kernel, (unsigned)dx.rows, BLOCK, 0, s->stream)(dx, y, dy, scale);
	CU_LAUNCHED("softmax_backward");
	return 0;
}
