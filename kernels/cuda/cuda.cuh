/* SPDX-License-Identifier: MIT
 *
 * cuda.cuh - what the files of the CUDA backend share. Everything runs on one
 * stream, in order, but for the copies of send, which have a stream of their
 * own. No sum depends on timing: there are no atomics, and the order of every
 * reduction follows from the shape alone.
 */
#ifndef CUDA_CUH
#define CUDA_CUH

#include <assert.h>
#include <cuda_runtime.h>
#include <string.h>

#include "../kernels.h"
#include "index.cuh"
#include "ptx.cuh"

enum {
	BLOCK = 256,                 /* threads of a block, everywhere */
	RING_SLOTS = 8,              /* pinned buffers that uploads go through */
	RING_BYTES = 1 << 20,        /* size of each */
	SHARED_ROW = 12 * 1024 - 64, /* floats of a row that fit shared memory beside what reductions need */
};

struct library; /* cuBLASLt, see library.cuh */

/* device memory that grows on demand and belongs to the operation that runs */
struct room {
	char *p;
	size_t size;
};

struct cuda_state {
	int device, processors;
	size_t shared;             /* bytes of shared memory that a block may ask for */
	cudaStream_t stream;       /* of everything but send */
	cudaStream_t up;           /* of send, and of what a recording uploads */
	cudaEvent_t arrived, made; /* the last copy of up; the last allocation */
	cudaEvent_t marks[BACKEND_MARKS];
	struct recording *recording; /* the calls are being recorded, not run; or NULL */
	struct room scratch;         /* intermediate results */
	struct room arrays;          /* host arrays of the call, uploaded */
	char *ring;                  /* pinned, RING_SLOTS · RING_BYTES */
	cudaEvent_t sent[RING_SLOTS];
	int slot;
	struct library *library; /* NULL: not on this machine */
};

/* an array on the host that a kernel needs, and where it is on the device */
struct upload {
	const void *host;
	size_t bytes;
	void *device;
};

/* fills err with the failing call and its reason, and forgets the error in the runtime */
int cuda_fail(struct adds_error *err, cudaError_t e, const char *call);

#define CU(call) \
	do { \
		const cudaError_t e_ = (call); \
		if (e_ != cudaSuccess) \
			return cuda_fail(err, e_, #call); \
	} while (0)
#define CU_LAUNCHED(name) \
	do { \
		const cudaError_t e_ = cudaGetLastError(); \
		if (e_ != cudaSuccess) \
			return cuda_fail(err, e_, name); \
	} while (0)
#define TRY(call) \
	do { \
		const int rc_ = (call); \
		if (rc_ < 0) \
			return rc_; \
	} while (0)

/* the state, with its device made the thread's */
struct cuda_state *cuda_enter(const struct backend *b);

/* memory.cu; rooms hold until the next call of the same function */
int cuda_reserve(struct cuda_state *s,
                 struct adds_error *err); /* of both what encoding needs, before others plan with
                                             what is free */
int cuda_scratch(struct cuda_state *s, void **p, size_t bytes, struct adds_error *err);
int cuda_upload(struct cuda_state *s, struct upload *list, int n, struct adds_error *err);
int cuda_put_bytes(struct cuda_state *s, void *dst, const void *host, size_t bytes, struct adds_error *err);

/* replay.cu: device memory with these bytes, as long as the recording lives */
int recording_keep(struct cuda_state *s, void **device, const void *host, size_t bytes, struct adds_error *err);

static inline struct upload
upload_segs(struct segs g)
{
	const struct upload u = { g.at, (size_t)(g.n + 1) * sizeof(*g.at), NULL };

	return u;
}

/* ---- elements of any type ---- */

__device__ static inline float
mat_load(const struct mat &m, int64_t r, int64_t c)
{
	const int64_t i = r * m.ld + c;

	if (m.t == DT_F32)
		return ((const float *)m.p)[i];
	if (m.t == DT_BF16)
		return __uint_as_float((uint32_t)((const uint16_t *)m.p)[i] << 16);
	return f32_of_f16(((const uint16_t *)m.p)[i]);
}

__device__ static inline void
mat_store(const struct mat &m, int64_t r, int64_t c, float x)
{
	const int64_t i = r * m.ld + c;

	if (m.t == DT_F32)
		((float *)m.p)[i] = x;
	else
		((uint16_t *)m.p)[i] = m.t == DT_BF16 ? bf16_of_f32(x) : f16_of_f32(x);
}

/* an element of a matrix that is f32 */
__device__ static inline float &
mat_f32(const struct mat &m, int64_t r, int64_t c)
{
	return ((float *)m.p)[r * m.ld + c];
}

static inline int64_t
mat_cells(struct mat m)
{
	return m.rows * m.cols;
}

/* ---- one thread an element: f(r, c) for all of rows·cols ---- */

template <class F>
__global__ void
each_kernel(int64_t n, int64_t cols, F f)
{
	const int64_t step = (int64_t)gridDim.x * BLOCK;
	int64_t i, r, c;

	for (i = (int64_t)blockIdx.x * BLOCK + threadIdx.x; i < n; i += step) {
		index_cell(i, cols, &r, &c);
		f(r, c);
	}
}

/* blocks for n elements: enough to fill the card, the rest by loops */
static inline unsigned
cuda_blocks(const struct cuda_state *s, int64_t n)
{
	return (unsigned)index_min(index_ceil(n, BLOCK), (int64_t)s->processors * 32);
}

template <class F>
static int
each(struct cuda_state *s, int64_t rows, int64_t cols, F f, const char *name, struct adds_error *err)
{
	if (rows <= 0 || cols <= 0)
		return 0;
	LAUNCH(each_kernel<F>, cuda_blocks(s, rows * cols), BLOCK, 0, s->stream)(rows * cols, cols, f);
	CU_LAUNCHED(name);
	return 0;
}

/* ---- reductions of a block, the same tree every time; all threads get the result ---- */

struct add_op {
	template <class T>
	__device__ T
	operator()(T a, T b) const
	{
		return a + b;
	}
};

struct max_op {
	__device__ float
	operator()(float a, float b) const
	{
		return fmaxf(a, b);
	}
};

template <class T, class Op>
__device__ static inline T
block_reduce(T x, Op op)
{
	__shared__ T part[BLOCK / 32];
	int d;

	for (d = 16; d; d >>= 1)
		x = op(x, __shfl_xor_sync(0xffffffffu, x, d));
	__syncthreads(); /* part may still be read from the last time */
	if (threadIdx.x % 32 == 0)
		part[threadIdx.x / 32] = x;
	__syncthreads();
	x = part[0];
	for (d = 1; d < BLOCK / 32; d++)
		x = op(x, part[d]);
	return x;
}

/* ---- sums of functions of an element ---- */

/* column sums of f(r, c), over blocks of COLUMN_ROWS rows in order: part[block][col] */
template <class F>
__global__ void
columns_kernel(float *part, int64_t rows, int64_t cols, int64_t strips, F f)
{
	const int64_t piece = blockIdx.x / strips, c = blockIdx.x % strips * BLOCK + threadIdx.x;
	const int64_t end = index_min((piece + 1) * COLUMN_ROWS, rows);
	float sum = 0;
	int64_t r;

	if (c >= cols)
		return;
	for (r = piece * COLUMN_ROWS; r < end; r++)
		sum += f(r, c);
	part[piece * cols + c] = sum;
}

/* sums.cu: y[c] = beta·y[c] + Σ part[·][c] in order, f64 */
int cuda_join_columns(struct cuda_state *s, float *y, const float *part, int64_t pieces, int64_t cols, float beta,
                      struct adds_error *err);
/* sums.cu: Σ part[n], f64, in a fixed order, to the host; waits */
int cuda_join_pieces(struct cuda_state *s, double *host, double *part, int64_t n, struct adds_error *err);

template <class F>
static int
sum_columns(struct cuda_state *s, float *y, float beta, int64_t rows, int64_t cols, F f, const char *name,
            struct adds_error *err)
{
	const int64_t pieces = index_ceil(rows, COLUMN_ROWS), strips = index_ceil(cols, BLOCK);
	void *part = NULL;

	if (cols <= 0)
		return 0;
	if (pieces) {
		TRY(cuda_scratch(s, &part, (size_t)(pieces * cols) * sizeof(float), err));
		LAUNCH(columns_kernel<F>, (unsigned)(pieces * strips), BLOCK, 0, s->stream)((float *)part, rows, cols, strips, f);
		CU_LAUNCHED(name);
	}
	return cuda_join_columns(s, y, (const float *)part, pieces, cols, beta, err);
}

/* one sum a piece of SUM_PIECE elements */
template <class F>
__global__ void
pieces_kernel(double *part, int64_t n, int64_t cols, F f)
{
	const int64_t begin = (int64_t)blockIdx.x * SUM_PIECE, end = index_min(begin + SUM_PIECE, n);
	double sum = 0;
	int64_t i, r, c;

	for (i = begin + threadIdx.x; i < end; i += BLOCK) {
		index_cell(i, cols, &r, &c);
		sum += f(r, c);
	}
	sum = block_reduce(sum, add_op());
	if (threadIdx.x == 0)
		part[blockIdx.x] = sum;
}

/* *host = Σ f(r, c), f64; waits for it */
template <class F>
static int
sum_all(struct cuda_state *s, double *host, int64_t rows, int64_t cols, F f, const char *name, struct adds_error *err)
{
	const int64_t n = rows * cols, pieces = index_ceil(n, SUM_PIECE);
	void *part;

	*host = 0;
	if (n <= 0)
		return 0;
	TRY(cuda_scratch(s, &part, (size_t)(pieces + 1) * sizeof(double), err));
	LAUNCH(pieces_kernel<F>, (unsigned)pieces, BLOCK, 0, s->stream)((double *)part, n, cols, f);
	CU_LAUNCHED(name);
	return cuda_join_pieces(s, host, (double *)part, pieces, err);
}

/* ---- activations (f32) ---- */

__device__ static inline float
activate(float x, enum activation a)
{
	switch (a) {
	case ACT_RELU:
		return x > 0 ? x : 0;
	case ACT_GELU:
		return 0.5f * x * (1 + erff(x * 0.70710678f));
	case ACT_QUICK_GELU:
		return x / (1 + expf(-1.702f * x));
	case ACT_GELU_TANH:
		return 0.5f * x * (1 + tanhf(0.79788456f * (x + 0.044715f * x * x * x)));
	default:
		return x;
	}
}

/* ---- the operations, file by file; see kernels.h ---- */

/* memory.cu */
int cuda_alloc(struct backend *b, void **p, size_t bytes, struct adds_error *err);
void cuda_release(struct backend *b, void *p);
int cuda_put(struct backend *b, void *dst, const void *host, size_t bytes, struct adds_error *err);
int cuda_get(struct backend *b, void *host, const void *src, size_t bytes, struct adds_error *err);
int cuda_copy(struct backend *b, struct mat y, struct mat x, struct adds_error *err);
int cuda_fill(struct backend *b, struct mat y, float value, struct adds_error *err);
int cuda_sync(struct backend *b, struct adds_error *err);

/* copies.cu */
int cuda_host_alloc(struct backend *b, void **p, size_t bytes, struct adds_error *err);
void cuda_host_release(struct backend *b, void *p);
int cuda_send(struct backend *b, void *dst, const void *host, size_t bytes, struct adds_error *err);
int cuda_fetch(struct backend *b, void *host, const void *src, size_t bytes, struct adds_error *err);
int cuda_mark(struct backend *b, int n, struct adds_error *err);
int cuda_wait(struct backend *b, int n, struct adds_error *err);

/* replay.cu */
int cuda_replay(struct backend *b, struct recording **r, int (*calls)(void *arg, struct adds_error *err), void *arg,
                struct adds_error *err);
void cuda_forget(struct backend *b, struct recording *r);

/* linear.cu, gemm.cu; struct packed is linear.cu's */
int cuda_pack(struct backend *b, struct packed **out, const void *w, enum dtype t, int64_t n, int64_t k, int transposed,
              enum precision prec, struct adds_error *err);
void cuda_unpack(struct backend *b, struct packed *w);
void cuda_spare(struct backend *b, struct packed *w, enum spare how);
int cuda_linear(struct backend *b, struct mat y, struct mat x, const struct packed *w, const float *bias,
                enum activation act, struct mat r, struct segs segs, struct adds_error *err);
int cuda_gemm(struct backend *b, const struct gemm_job *jobs, int64_t n, enum precision prec, struct adds_error *err);

/* norm.cu */
int cuda_layernorm(struct backend *b, struct mat y, struct mat sum, float *mean, float *rstd, struct mat x, struct mat r,
                   const float *w, const float *bias, float eps, struct adds_error *err);
int cuda_layernorm_backward(struct backend *b, struct mat dx, float beta, float *dw, float *dbias, struct mat dy,
                            struct mat s, const float *mean, const float *rstd, const float *w, struct adds_error *err);
int cuda_l2norm(struct backend *b, struct mat y, struct mat x, float eps, struct adds_error *err);

/* softmax.cu */
int cuda_softmax(struct backend *b, struct mat y, struct mat x, float scale, struct adds_error *err);
int cuda_softmax_backward(struct backend *b, struct mat dx, struct mat y, struct mat dy, float scale,
                          struct adds_error *err);

/* attention.cu */
int cuda_attention(struct backend *b, struct mat y, float *lse, struct mat q, struct mat k, struct mat v, int heads,
                   float scale, int causal, struct segs qs, struct segs ks, struct adds_error *err);
int cuda_attention_backward(struct backend *b, struct mat dq, struct mat dk, struct mat dv, struct mat dy, struct mat y,
                            const float *lse, struct mat q, struct mat k, struct mat v, int heads, float scale,
                            int causal, struct segs qs, struct segs ks, struct adds_error *err);

/* rows.cu */
int cuda_gather(struct backend *b, struct mat y, struct mat x, const int32_t *index, struct adds_error *err);
int cuda_scatter_add(struct backend *b, struct mat y, struct mat x, const int32_t *index, struct adds_error *err);
int cuda_pool(struct backend *b, struct mat y, struct mat x, const int32_t *index, struct segs s,
              struct adds_error *err);
int cuda_convert(struct backend *b, struct mat y, struct mat x, struct adds_error *err);
int cuda_topk(struct backend *b, int32_t *index, struct mat x, int k, struct adds_error *err);

/* elements.cu */
int cuda_axpby(struct backend *b, struct mat y, float alpha, struct mat x, float beta, struct adds_error *err);
int cuda_mul(struct backend *b, struct mat y, struct mat x, struct mat z, struct adds_error *err);
int cuda_exp_affine(struct backend *b, struct mat y, struct mat x, float alpha, float beta, struct adds_error *err);
int cuda_add_row(struct backend *b, struct mat y, float alpha, const float *row, struct adds_error *err);
int cuda_add_col(struct backend *b, struct mat y, float alpha, const float *col, struct adds_error *err);
int cuda_scale_row(struct backend *b, struct mat y, const float *col, struct adds_error *err);
int cuda_act(struct backend *b, struct mat y, struct mat x, enum activation a, struct adds_error *err);
int cuda_act_backward(struct backend *b, struct mat dx, struct mat x, struct mat dy, enum activation a,
                      struct adds_error *err);
int cuda_dropout(struct backend *b, struct mat y, struct mat x, float p, uint64_t seed, uint64_t offset,
                 struct adds_error *err);

/* sums.cu */
int cuda_colsum(struct backend *b, float *y, struct mat x, float beta, struct adds_error *err);
int cuda_rowdot(struct backend *b, float *y, struct mat x, struct mat z, float beta, struct adds_error *err);
int cuda_dot(struct backend *b, double *host, struct mat x, struct mat z, struct adds_error *err);

/* segments.cu */
int cuda_seg_max(struct backend *b, struct mat y, struct mat x, struct segs s, struct adds_error *err);
int cuda_seg_softmax(struct backend *b, struct mat y, struct mat x, float scale, struct segs s, struct adds_error *err);
int cuda_seg_dot(struct backend *b, struct mat y, struct mat x, struct mat z, struct segs s, struct adds_error *err);
int cuda_seg_spread(struct backend *b, struct mat y, struct mat x, struct mat z, struct segs s, struct adds_error *err);

/* embed.cu */
int cuda_patchify(struct backend *b, struct mat y, const uint8_t *images, const float *table, int64_t n, int side,
                  int patch, struct adds_error *err);
int cuda_embed_patches(struct backend *b, struct mat y, struct mat x, const float *cls, const float *pos, int64_t n,
                       int64_t g2, struct adds_error *err);
int cuda_embed_tokens(struct backend *b, struct mat y, const int32_t *id, const int32_t *at, struct mat table,
                      const float *pos, struct adds_error *err);

/* resize.cu */
int cuda_resize(struct backend *b, uint8_t *y, const uint8_t *x, const struct resample_plan *h,
                const struct resample_plan *v, struct adds_error *err);

/* loss.cu, adamw.cu */
int cuda_loss(struct backend *b, struct mat dz, double *host_sum, struct mat z, const int8_t *target,
              const float *weight, float scale, const struct loss_args *args, struct adds_error *err);
int cuda_adamw(struct backend *b, float *w, const float *g, float *m, float *v, float *e,
               const struct adamw_group *groups, int64_t n, const struct adamw_args *args, struct adds_error *err);

#endif
