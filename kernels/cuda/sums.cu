/* SPDX-License-Identifier: MIT
 * sums.cu - sums, in an order that depends on the shape alone */
#include "cuda.cuh"

__global__ static void
join_columns_kernel(float *y, const float *part, int64_t pieces, int64_t cols, float beta)
{
	const int64_t c = (int64_t)blockIdx.x * BLOCK + threadIdx.x;
	double sum = 0;
	int64_t i;

	if (c >= cols)
		return;
	for (i = 0; i < pieces; i++)
		sum += (double)part[i * cols + c];
	y[c] = (float)(sum + (beta == 0 ? 0 : (double)beta * (double)y[c]));
}

int
cuda_join_columns(struct cuda_state *s, float *y, const float *part, int64_t pieces, int64_t cols, float beta,
                  struct adds_error *err)
{
	LAUNCH(join_columns_kernel, (unsigned)index_ceil(cols, BLOCK), BLOCK, 0, s->stream)(y, part, pieces, cols, beta);
	CU_LAUNCHED("join_columns");
	return 0;
}

/* one block: part[n] becomes the sum of part[0 … n-1] */
__global__ static void
join_pieces_kernel(double *part, int64_t n)
{
	double sum = 0;
	int64_t i;

	for (i = threadIdx.x; i < n; i += BLOCK)
		sum += part[i];
	sum = block_reduce(sum, add_op());
	if (threadIdx.x == 0)
		part[n] = sum;
}

int
cuda_join_pieces(struct cuda_state *s, double *host, double *part, int64_t n, struct adds_error *err)
{
	LAUNCH(join_pieces_kernel, 1, BLOCK, 0, s->stream)(part, n);
	CU_LAUNCHED("join_pieces");
	CU(cudaMemcpyAsync(host, part + n, sizeof(*host), cudaMemcpyDeviceToHost, s->stream));
	CU(cudaStreamSynchronize(s->stream));
	return 0;
}

int
cuda_colsum(struct backend *b, float *y, struct mat x, float beta, struct adds_error *err)
{
	return sum_columns(
		cuda_enter(b), y, beta, x.rows, x.cols, [=] __device__(int64_t r, int64_t c) { return mat_f32(x, r, c); },
		"colsum", err);
}

__global__ static void
rowdot_kernel(float *y, struct mat x, struct mat z, float beta)
{
	const int64_t r = blockIdx.x;
	double sum = 0;
	int64_t c;

	for (c = threadIdx.x; c < x.cols; c += BLOCK)
		sum += (double)mat_f32(x, r, c) * (z.p ? (double)mat_f32(z, r, c) : 1.0);
	sum = block_reduce(sum, add_op());
	if (threadIdx.x == 0)
		y[r] = (float)(sum + (beta == 0 ? 0 : (double)beta * (double)y[r]));
}

int
cuda_rowdot(struct backend *b, float *y, struct mat x, struct mat z, float beta, struct adds_error *err)
{
	struct cuda_state *s = cuda_enter(b);

	if (!x.rows)
		return 0;
	LAUNCH(rowdot_kernel, (unsigned)x.rows, BLOCK, 0, s->stream)(y, x, z, beta);
	CU_LAUNCHED("rowdot");
	return 0;
}

int
cuda_dot(struct backend *b, double *host, struct mat x, struct mat z, struct adds_error *err)
{
	return sum_all(
		cuda_enter(b), host, x.rows, x.cols, [=] __device__(int64_t r, int64_t c) {
			return (double)mat_f32(x, r, c) * (z.p ? (double)mat_f32(z, r, c) : 1.0);
		},
		"dot", err);
}
