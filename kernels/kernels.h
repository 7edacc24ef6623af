/* SPDX-License-Identifier: MIT
 *
 * kernels.h - the operations that everything is computed with, over the memory
 * of one device. A backend is a table of functions; the CPU and CUDA fill in
 * one each, both whole. lib/ writes its mathematics once, over this table.
 *
 * Conventions
 * - Pointers in a struct mat are device memory (on the CPU: memory). Host
 *   arrays are said to be host arrays. Only put, get, and functions that say
 *   so, read or write host memory; a call may return before it has finished,
 *   until get or sync. Host arrays are the caller's again when a call returns
 *   (send and fetch excepted).
 * - One thread at a time; wait alone may be called from any.
 * - A matrix is row-major; row r begins at element r·ld. rows or cols may be
 *   0: the call then does nothing (products with an empty inner dimension
 *   write zeros, or beta·C).
 * - Outputs first, then inputs, then numbers. Unless a comment says "may be
 *   the same", an output may not overlap an input.
 * - Accumulation is f32 or wider. The bits of a result row depend on the
 *   inputs of that row (or of its segment, or job) alone: never on the number
 *   of threads, on what else stands in the batch, or on timing.
 * - Every function returns 0, or a negative enum adds_code with err filled.
 * - Shapes that do not fit are our own mistake: assert, not error.
 */
#ifndef KERNELS_H
#define KERNELS_H

#include <stddef.h>
#include <stdint.h>

#include "../lib/fail.h"

#ifdef __cplusplus
extern "C" {
#endif

enum dtype {
	DT_F32,
	DT_BF16,
	DT_F16,
	DT_I8,
	DT_U8,
	DT_I32,
	DT_F64,
};

/* the arithmetic of products; sums are f32 (int8: i32) whatever it is */
enum precision {
	PREC_F32,
	PREC_BF16,
	PREC_INT8,
	PREC_TF32, /* CUDA only: f32 with tensor cores */
};

enum activation {
	ACT_NONE,
	ACT_RELU,
	ACT_GELU,       /* erf */
	ACT_QUICK_GELU, /* x·σ(1.702 x) */
	ACT_GELU_TANH,
};

struct mat {
	void *p;
	enum dtype t;
	int64_t rows, cols, ld;
};

static inline struct mat
mat_of(void *p, enum dtype t, int64_t rows, int64_t cols)
{
	struct mat m = { p, t, rows, cols, cols };
	return m;
}

static inline size_t
dtype_size(enum dtype t)
{
	return t == DT_F64 ? 8 : t == DT_F32 || t == DT_I32 ? 4
	                 : t == DT_BF16 || t == DT_F16      ? 2
	                                                    : 1;
}

/* rows r0 … r0+rows-1, columns c0 … c0+cols-1 of m */
static inline struct mat
mat_part(struct mat m, int64_t r0, int64_t rows, int64_t c0, int64_t cols)
{
	m.p = (char *)m.p + (size_t)(r0 * m.ld + c0) * dtype_size(m.t);
	m.rows = rows;
	m.cols = cols;
	return m;
}

/* Segments of rows: segment i is rows at[i] … at[i+1]-1. at is a host array
 * of n + 1 offsets, at[0] = 0. Empty segments are allowed. linear takes at
 * NULL for one segment of all rows. */
struct segs {
	int64_t n;
	const int64_t *at;
};

/* one general product: C = alpha·op(A)·op(B) + beta·C, or with beta 0 (C is not
 * read) C = act(alpha·op(A)·op(B) + bias). op(X) is X, or its transpose where tx is 1. */
struct gemm_job {
	struct mat c, a, b;
	int ta, tb;
	float alpha, beta;
	const float *bias; /* device f32 [columns of C] or NULL; these two with beta 0 alone */
	enum activation act;
};

enum loss_kind {
	LOSS_ASL,       /* Ridnik et al. 2021: γ+, γ-, clip m */
	LOSS_FOCAL_BCE, /* the same without the shift */
	LOSS_BCE,
};

struct loss_args {
	enum loss_kind kind;
	float gamma_pos, gamma_neg, clip;
	int detach; /* 1: the focal weights carry no gradient */
};

/* one group of consecutive parameters of a flat buffer */
struct adamw_group {
	int64_t begin, end;
	float lr, weight_decay;
};

struct adamw_args {
	int64_t step; /* from 1 */
	double beta1, beta2, eps;
	double ema;       /* decay of the running mean of the weights; 0: none */
	float grad_scale; /* gradients are multiplied by this first (clipping) */
};

/* how a picture's rows were weighed: one entry an output index, see resize */
struct resample_plan {
	int in, out;           /* full size of this dimension before and after */
	int first, count;      /* the window of outputs that is computed */
	int taps;              /* row length of weight */
	const int32_t *lo;     /* host [count]: first input index */
	const int32_t *n;      /* host [count]: number of inputs */
	const int32_t *weight; /* host [count][taps]: 22-bit fixed point */
};

struct backend;
struct packed; /* a weight matrix, prepared for linear */

/* what becomes of a weight's array as soon as products read copies alone */
enum spare {
	SPARE_PAGES, /* it lies in a file mapped for reading: the system takes its pages back, and
	                reads them again where they are touched */
	SPARE_ARRAY, /* it came from malloc and is the weight's: freed, with the weight at the
	                latest */
};

struct recording; /* of calls, see replay */

#define BACKEND_MARKS 8

/* clang-format off */
struct backend_ops {
	const char *name; /* "cpu", "cuda" */
	void (*close)(struct backend *b); /* frees everything; see backend_close */

	/* ---- memory ---- */
	int (*alloc)(struct backend *b, void **p, size_t bytes, struct adds_error *err);
	void (*release)(struct backend *b, void *p); /* p may be NULL */
	int (*put)(struct backend *b, void *dst, const void *host, size_t bytes, struct adds_error *err);
	int (*get)(struct backend *b, void *host, const void *src, size_t bytes, struct adds_error *err);
	int (*copy)(struct backend *b, struct mat y, struct mat x, struct adds_error *err); /* same type, strides may differ */
	int (*fill)(struct backend *b, struct mat y, float value, struct adds_error *err);
	int (*sync)(struct backend *b, struct adds_error *err);

	/* ---- copies beside the computation ---- */

	/* Host memory that send and fetch copy from and to without a detour. host_release waits for nothing; p may be NULL. */
	int (*host_alloc)(struct backend *b, void **p, size_t bytes, struct adds_error *err);
	void (*host_release)(struct backend *b, void *p);
	/* As put, from memory of host_alloc, which must stay as it is until wait has returned for a later mark. Calls behind it
	 * see the bytes; it need not wait for calls before it, so none of those that is unfinished may use dst. */
	int (*send)(struct backend *b, void *dst, const void *host, size_t bytes, struct adds_error *err);
	/* As get, into memory of host_alloc, but only begun: the bytes are there when wait has returned for a later mark. */
	int (*fetch)(struct backend *b, void *host, const void *src, size_t bytes, struct adds_error *err);
	/* Mark n (0 … BACKEND_MARKS-1) is the place reached now; wait returns when all calls before mark n have finished. */
	int (*mark)(struct backend *b, int n, struct adds_error *err);
	int (*wait)(struct backend *b, int n, struct adds_error *err);

	/* Runs calls(arg, err), which must be the same calls of this table with the same arguments (contents of host arrays
	 * included) each time, none of which allocates, waits, or copies from or to the host. *r, NULL at first, may keep a
	 * recording of them, so that later runs need not call. forget frees it (r may be NULL). */
	int (*replay)(struct backend *b, struct recording **r, int (*calls)(void *arg, struct adds_error *err), void *arg,
	              struct adds_error *err);
	void (*forget)(struct backend *b, struct recording *r);

	/* ---- products ---- */

	/* Prepares a weight for linear: w is a host array of type t, W[n][k] (or
	 * W[k][n] with transposed 1: the bare projections of CLIP) that must live as
	 * long as the packed weight (a backend may use it in place). */
	int (*pack)(struct backend *b, struct packed **out, const void *w, enum dtype t, int64_t n, int64_t k,
	            int transposed, enum precision prec, struct adds_error *err);
	void (*unpack)(struct backend *b, struct packed *w);
	/* Says, once and before its first product, that w's array need not stay in memory. */
	void (*spare)(struct backend *b, struct packed *w, enum spare how);

	/* Y[rows,n] = act(X[rows,k]·Wᵀ + bias) + R. bias: device f32 [n] or NULL; R: f32 [rows,n], r.p NULL for
	 * none, may be the same as Y. X f32 or bf16, Y f32 or bf16. segs: rows that belong together (a tile, a
	 * prompt); a backend may compute each by itself to keep the promise about bits. */
	int (*linear)(struct backend *b, struct mat y, struct mat x, const struct packed *w, const float *bias,
	              enum activation act, struct mat r, struct segs segs, struct adds_error *err);

	/* jobs: host array; independent of each other (no output of one is an input or output of another).
	 * A, B f32 (or bf16, f16), C f32. prec PREC_BF16: A and B are rounded to bf16 where the device can, else
	 * computed in f32. Sums longer than 2,047 are taken in fixed blocks, added in order. */
	int (*gemm)(struct backend *b, const struct gemm_job *jobs, int64_t n, enum precision prec, struct adds_error *err);

	/* ---- rows ---- */

	/* Y = LN(X + R)·w + bias (bias, R.p may be NULL); two-pass, biased variance. sum (f32, p NULL for none) gets X + R;
	 * mean, rstd: device f32 [rows] or NULL. Y f32 or bf16. */
	int (*layernorm)(struct backend *b, struct mat y, struct mat sum, float *mean, float *rstd, struct mat x,
	                 struct mat r, const float *w, const float *bias, float eps, struct adds_error *err);
	/* dX (f32) = gradient with respect to X + R, given s = X + R; dX = beta·dX + it. dw, dbias [cols] are added to, over fixed
	 * blocks of rows in order. */
	int (*layernorm_backward)(struct backend *b, struct mat dx, float beta, float *dw, float *dbias, struct mat dy,
	                          struct mat s, const float *mean, const float *rstd, const float *w,
	                          struct adds_error *err);

	/* Y = softmax(scale·X) over each row; may be the same. */
	int (*softmax)(struct backend *b, struct mat y, struct mat x, float scale, struct adds_error *err);
	/* dX = scale·Y·(dY − Σ dY·Y); may be the same as dY. */
	int (*softmax_backward)(struct backend *b, struct mat dx, struct mat y, struct mat dy, float scale, struct adds_error *err);

	/* Attention of heads; Q [Σq, heads·hd], K, V [Σk, heads·hd], Y like Q (f32 or bf16, columns head by head). Queries of
	 * segment i see the keys of segment i (causal: those up to their own place). The score matrix is never stored.
	 * lse: device f32 [Σq, heads] (log of the sum of exponentials, for backward) or NULL. hd ≤ 128. */
	int (*attention)(struct backend *b, struct mat y, float *lse, struct mat q, struct mat k, struct mat v, int heads,
	                 float scale, int causal, struct segs qs, struct segs ks, struct adds_error *err);
	int (*attention_backward)(struct backend *b, struct mat dq, struct mat dk, struct mat dv, struct mat dy, struct mat y,
	                          const float *lse, struct mat q, struct mat k, struct mat v, int heads, float scale,
	                          int causal, struct segs qs, struct segs ks, struct adds_error *err);

	int (*l2norm)(struct backend *b, struct mat y, struct mat x, float eps, struct adds_error *err); /* rows / max(‖row‖, eps); may be the same */
	int (*gather)(struct backend *b, struct mat y, struct mat x, const int32_t *index, struct adds_error *err); /* Y[i] = X[index[i]]; index: host [y.rows]; types may differ */
	int (*scatter_add)(struct backend *b, struct mat y, struct mat x, const int32_t *index, struct adds_error *err); /* Y[index[i]] += X[i], in order of i; index: host [x.rows] */
	/* Y[i] = mean of the rows X[index[j]], j in segment i of s (s.n = y.rows; index: host). f32. */
	int (*pool)(struct backend *b, struct mat y, struct mat x, const int32_t *index, struct segs s, struct adds_error *err);
	int (*convert)(struct backend *b, struct mat y, struct mat x, struct adds_error *err); /* between f32, bf16, f16 */

	/* ---- elements (f32) ---- */
	int (*axpby)(struct backend *b, struct mat y, float alpha, struct mat x, float beta, struct adds_error *err); /* Y = alpha·X + beta·Y; beta 0: Y not read; may be the same */
	int (*mul)(struct backend *b, struct mat y, struct mat x, struct mat z, struct adds_error *err);            /* Y = X·Z; may be the same */
	int (*exp_affine)(struct backend *b, struct mat y, struct mat x, float alpha, float beta, struct adds_error *err); /* Y = exp(alpha·X + beta); may be the same */
	int (*add_row)(struct backend *b, struct mat y, float alpha, const float *row, struct adds_error *err);     /* Y[r,c] += alpha·row[c] */
	int (*add_col)(struct backend *b, struct mat y, float alpha, const float *col, struct adds_error *err);     /* Y[r,c] += alpha·col[r] */
	int (*scale_row)(struct backend *b, struct mat y, const float *col, struct adds_error *err);                /* Y[r,c] *= col[r] */
	int (*act)(struct backend *b, struct mat y, struct mat x, enum activation a, struct adds_error *err);       /* may be the same */
	int (*act_backward)(struct backend *b, struct mat dx, struct mat x, struct mat dy, enum activation a, struct adds_error *err); /* x: the input of act (its output serves for ReLU); may be the same as dy */
	/* Y = X·mask/(1−p); element (r,c) is kept where the Philox word of counter (offset + r·cols + c) under seed is ≥ p·2³².
	 * The same call with dY is its backward. May be the same. */
	int (*dropout)(struct backend *b, struct mat y, struct mat x, float p, uint64_t seed, uint64_t offset, struct adds_error *err);

	/* ---- sums, in a fixed order ---- */
	int (*colsum)(struct backend *b, float *y, struct mat x, float beta, struct adds_error *err);             /* y[c] = beta·y[c] + Σ_r X[r,c] */
	int (*rowdot)(struct backend *b, float *y, struct mat x, struct mat z, float beta, struct adds_error *err); /* y[r] = beta·y[r] + Σ_c X[r,c]·Z[r,c]; z.p NULL: plain sum */
	int (*dot)(struct backend *b, double *host, struct mat x, struct mat z, struct adds_error *err);          /* Σ X·Z in f64, to the host; z.p NULL: plain sum */

	/* ---- tiles of a picture: segments of rows, column by column ---- */
	int (*seg_max)(struct backend *b, struct mat y, struct mat x, struct segs s, struct adds_error *err);      /* Y[i,c] = max over segment i; empty: −inf */
	int (*seg_softmax)(struct backend *b, struct mat y, struct mat x, float scale, struct segs s, struct adds_error *err); /* softmax(scale·X) down each column of each segment; may be the same */
	int (*seg_dot)(struct backend *b, struct mat y, struct mat x, struct mat z, struct segs s, struct adds_error *err);    /* Y[i,c] = Σ over segment i of X[r,c]·Z[r,c] */
	int (*seg_spread)(struct backend *b, struct mat y, struct mat x, struct mat z, struct segs s, struct adds_error *err); /* Y[r,c] = X[r,c]·Z[i,c], r in segment i */
	int (*topk)(struct backend *b, int32_t *index, struct mat x, int k, struct adds_error *err); /* device [rows,k]: columns of the k largest, descending, ties by lower column */

	/* ---- CLIP ---- */

	/* images: device u8 [n, S, S, 3]; table: device f32 [3, 256]; Y [n·g², 3·P²], g = S / P; a row is a patch in order channel,
	 * row, column. f32 or bf16. */
	int (*patchify)(struct backend *b, struct mat y, const uint8_t *images, const float *table, int64_t n, int side,
	                int patch, struct adds_error *err);
	/* Y[i·(g2+1)] = cls + pos[0]; Y[i·(g2+1)+1+j] = X[i·g2+j] + pos[1+j]. f32. cls NULL (SigLIP): Y[i·g2+j] = X + pos[j]. */
	int (*embed_patches)(struct backend *b, struct mat y, struct mat x, const float *cls, const float *pos, int64_t n,
	                     int64_t g2, struct adds_error *err);
	/* Y[i] = table[id[i]] + pos[at[i]]; id, at: host [y.rows]; table: f32 or f16 or bf16 [V, d]; pos: device f32 [C, d] */
	int (*embed_tokens)(struct backend *b, struct mat y, const int32_t *id, const int32_t *at, struct mat table,
	                    const float *pos, struct adds_error *err);
	/* RGB pictures: y device u8 [v.count, h.count, 3] from x device u8 [v.in, h.in, 3]; horizontal pass first, rounded to
	 * bytes, then vertical; a plan with in = out copies. */
	int (*resize)(struct backend *b, uint8_t *y, const uint8_t *x, const struct resample_plan *h,
	              const struct resample_plan *v, struct adds_error *err);

	/* ---- training ---- */

	/* z: logits [n, L]; target: device i8 [n, L], 1 positive, 0 negative, −1 unknown; weight: device f32 [n, L], or NULL for 1.
	 * dz (p NULL for none) = scale·∂loss/∂z; *host_sum = Σ weight·loss over known cells, f64. */
	int (*loss)(struct backend *b, struct mat dz, double *host_sum, struct mat z, const int8_t *target,
	            const float *weight, float scale, const struct loss_args *args, struct adds_error *err);
	/* AdamW as PyTorch's over flat f32 buffers w, g, m, v and, with ema, e; groups: host array, disjoint. */
	int (*adamw)(struct backend *b, float *w, const float *g, float *m, float *v, float *e,
	             const struct adamw_group *groups, int64_t n, const struct adamw_args *args, struct adds_error *err);
};
/* clang-format on */

/* An open device. threads: CPU threads that compute may use, ≥ 1. */
struct backend {
	const struct backend_ops *ops;
	int threads;
	int bf16, int8;      /* 1: products of that precision run in it; else they run in f32 (asked with backend_precision) */
	char device[64];     /* what it is, for -v: "cpu, 2 threads, AVX2" */
	size_t packed_bytes; /* copies of weights made for products, beside those used in place */
	size_t memory;       /* bytes of memory of its own that were free when it was opened; 0: it works in the host's */
	void *state;         /* the backend's own */
};

/* device: "auto", "cpu", "cuda", "cuda:N". threads 0: all cores. NULL on failure. "auto" takes CUDA when there is a GPU and the
 * program was built with it, else the CPU; why (size n, may be NULL) gets the reason for falling back, or "". */
struct backend *backend_open(const char *device, int threads, char *why, size_t n, struct adds_error *err);
/* Is it auto, cpu, cuda or cuda:N? */
int backend_is_name(const char *device);
void backend_close(struct backend *b);

/* The precision that products asked for in p will really have; AUTO is the best that keeps cosine ≥ 0.999: bf16 where the
 * device has it, else f32. */
#define PREC_AUTO ((enum precision) - 1)
enum precision backend_precision(const struct backend *b, enum precision p);

/* Does so: an array of so many bytes, which may be NULL. Of pages, those that lie in it whole. */
void backend_spare(const void *array, size_t bytes, enum spare how);

/* the two tables, for backend.c and the conformance suite */
struct backend *cpu_open(int threads, struct adds_error *err);
struct backend *cuda_open(int device, int threads, struct adds_error *err); /* without CUDA in the build: ADDS_EDEVICE */

#ifdef __cplusplus
}
#endif
#endif
