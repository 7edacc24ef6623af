/* SPDX-License-Identifier: MIT
 * norm.cu - LayerNorm and unit length: a block of threads a row */
#include "cuda.cuh"

/* what one LayerNorm reads and writes */
struct layernorm {
	struct mat y, sum, x, r;
	float *mean, *rstd, *work; /* work: rows in global memory where they do not fit shared memory */
	const float *w, *bias;
	float eps;
};

__global__ static void
layernorm_kernel(struct layernorm n)
{
	DYNAMIC_SHARED(float, shared_row);
	const int64_t i = blockIdx.x, cols = n.y.cols;
	float *s = n.work ? n.work + i * cols : shared_row;
	float total = 0, mean, rstd;
	int64_t c;

	for (c = threadIdx.x; c < cols; c += BLOCK) {
		s[c] = mat_load(n.x, i, c) + (n.r.p ? mat_f32(n.r, i, c) : 0);
		if (n.sum.p)
			mat_f32(n.sum, i, c) = s[c];
		total += s[c];
	}
	mean = block_reduce(total, add_op()) / (float)cols;
	total = 0;
	for (c = threadIdx.x; c < cols; c += BLOCK)
		total += (s[c] - mean) * (s[c] - mean);
	rstd = 1 / sqrtf(block_reduce(total, add_op()) / (float)cols + n.eps);
	for (c = threadIdx.x; c < cols; c += BLOCK)
		mat_store(n.y, i, c, (s[c] - mean) * rstd * n.w[c] + (n.bias ? n.bias[c] : 0));
	if (threadIdx.x == 0 && n.mean)
		n.mean[i] = mean;
	if (threadIdx.x == 0 && n.rstd)
		n.rstd[i] = rstd;
}

int
cuda_layernorm(struct backend *b, struct mat y, struct mat sum, float *mean, float *rstd, struct mat x, struct mat r,
               const float *w, const float *bias, float eps, struct adds_error *err)
{
	struct cuda_state *s = cuda_enter(b);
	const struct layernorm n = { y, sum, x, r, mean, rstd, NULL, w, bias, eps };
	struct layernorm wide = n;
	void *work;

	assert(y.rows == x.rows && y.cols == x.cols);
	if (!y.rows || !y.cols)
		return 0;
	if (y.cols > SHARED_ROW) {
		TRY(cuda_scratch(s, &work, (size_t)mat_cells(y) * sizeof(float), err));
		wide.work = (float *)work;
	}
	LAUNCH(layernorm_kernel, (unsigned)y.rows, BLOCK, wide.work ? 0 : (size_t)y.cols * sizeof(float), s->stream)(wide);
	CU_LAUNCHED("layernorm");
	return 0;
}

struct layernorm_gradient {
	struct mat dx, dy, s;
	const float *mean, *rstd, *w;
	float beta;
};

/* dX = rstd·(g − mean(g) − x̂·mean(g·x̂)), g = dY·w; dX may be where dY is: a thread reads its columns before it writes them */
__global__ static void
layernorm_backward_kernel(struct layernorm_gradient n)
{
	const int64_t r = blockIdx.x, cols = n.dy.cols;
	const float mean = n.mean[r], rstd = n.rstd[r];
	float g_sum = 0, gx_sum = 0;
	int64_t c;

	for (c = threadIdx.x; c < cols; c += BLOCK) {
		const float g = mat_f32(n.dy, r, c) * n.w[c], x = (mat_f32(n.s, r, c) - mean) * rstd;

		g_sum += g;
		gx_sum += g * x;
	}
	g_sum = block_reduce(g_sum, add_op()) / (float)cols;
	gx_sum = block_reduce(gx_sum, add_op()) / (float)cols;
	for (c = threadIdx.x; c < cols; c += BLOCK) {
		const float g = mat_f32(n.dy, r, c) * n.w[c], x = (mat_f32(n.s, r, c) - mean) * rstd;
		const float d = rstd * (g - g_sum - x * gx_sum);

		mat_f32(n.dx, r, c) = n.beta == 0 ? d : n.beta * mat_f32(n.dx, r, c) + d;
	}
}

int
cuda_layernorm_backward(struct backend *b, struct mat dx, float beta, float *dw, float *dbias, struct mat dy,
                        struct mat s, const float *mean, const float *rstd, const float *w, struct adds_error *err)
{
	struct cuda_state *st = cuda_enter(b);
	const struct layernorm_gradient n = { dx, dy, s, mean, rstd, w, beta };

	assert(dy.rows == s.rows && dy.cols == s.cols);
	if (!dy.rows || !dy.cols)
		return 0;
	if (dw) /* before dX, which may be where dY is */
		TRY(sum_columns(
			st, dw, 1, dy.rows, dy.cols,
			[=] __device__(int64_t r, int64_t c) {
				return mat_f32(n.dy, r, c) * ((mat_f32(n.s, r, c) - n.mean[r]) * n.rstd[r]);
			},
			"layernorm_backward", err));
	if (dbias)
		TRY(sum_columns(
			st, dbias, 1, dy.rows, dy.cols, [=] __device__(int64_t r, int64_t c) { return mat_f32(n.dy, r, c); },
			"layernorm_backward", err));
	if (!dx.p)
		return 0;
	LAUNCH(layernorm_backward_kernel, (unsigned)dy.rows, BLOCK, 0, st->stream)(n);
	CU_LAUNCHED("layernorm_backward");
	return 0;
}

__global__ static void
l2norm_kernel(struct mat y, struct mat x, float eps)
{
	const int64_t r = blockIdx.x;
	float sum = 0, factor;
	int64_t c;

	for (c = threadIdx.x; c < y.cols; c += BLOCK)
		sum += mat_f32(x, r, c) * mat_f32(x, r, c);
	factor = 1 / fmaxf(sqrtf(block_reduce(sum, add_op())), eps);
	for (c = threadIdx.x; c < y.cols; c += BLOCK)
		mat_f32(y, r, c) = mat_f32(x, r, c) * factor;
}

int
cuda_l2norm(struct backend *b, struct mat y, struct mat x, float eps, struct adds_error *err)
{
	struct cuda_state *s = cuda_enter(b);

	assert(y.rows == x.rows && y.cols == x.cols);
	if (!y.rows || !y.cols)
		return 0;
	LAUNCH(l2norm_kernel, (unsigned)y.rows, BLOCK, 0, s->stream)(y, x, eps);
	CU_LAUNCHED("l2norm");
	return 0;
}
