/* SPDX-License-Identifier: MIT
 * library.cu - products by cuBLASLt, opened when it is wanted */
#include <cublasLt.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

#include "library.cuh"

enum {
	WORKSPACE = 32 << 20, /* what NVIDIA asks for on Hopper */
	ALGORITHMS = 512,     /* shapes remembered; a power of two */
	MANY_ROWS = 4096,     /* the number of rows that linear's algorithm is chosen for */
	ALIGNMENT = 16,       /* bytes; more is of no use to the library */
};

/* what an algorithm was chosen for; compared as bytes */
struct choice {
	int64_t m, n, k, lda, ldb, ldc, ldd;
	int32_t dt, at, bt, ta, tb, act, bias, tf32, any_rows, align_a, align_b, align_c, align_d, beta;
};

struct algorithm {
	struct choice of;
	int state; /* 0: free, 1: algo serves, 2: the library has none */
	cublasLtMatmulAlgo_t algo;
};

/* the functions that are used */
#define FUNCTIONS(X) \
	X(Create) \
	X(Destroy) \
	X(Matmul) \
	X(MatmulDescCreate) \
	X(MatmulDescDestroy) \
	X(MatmulDescSetAttribute) \
	X(MatrixLayoutCreate) \
	X(MatrixLayoutDestroy) \
	X(MatrixLayoutSetAttribute) \
	X(MatmulPreferenceCreate) \
	X(MatmulPreferenceDestroy) \
	X(MatmulPreferenceSetAttribute) \
	X(MatmulAlgoGetHeuristic) \
	X(GetStatusString)

struct library {
	void *file;
#define POINTER(name) decltype(&cublasLt##name) name;
	FUNCTIONS(POINTER)
	cublasLtHandle_t handle;
	void *workspace;
	struct algorithm known[ALGORITHMS];
};

/* a product as the library sees it: column by column, so D' = op(B')·op(A') */
struct call {
	cublasLtMatmulDesc_t desc;
	cublasLtMatrixLayout_t a, b, c, d; /* of the library's A (our B), B (our A), C, D */
};

static int
library_fail(const struct library *l, struct adds_error *err, cublasStatus_t e, const char *name)
{
	return adds_fail(err, e == CUBLAS_STATUS_ALLOC_FAILED ? ADDS_ENOMEM : ADDS_EDEVICE, "the GPU failed in '%s': %s", name,
	                 l->GetStatusString(e));
}

#define LT(l, name, ...) \
	do { \
		const cublasStatus_t e_ = (l)->name(__VA_ARGS__); \
		if (e_ != CUBLAS_STATUS_SUCCESS) \
			return library_fail(l, err, e_, "cublasLt" #name); \
	} while (0)

/* ---- opening ---- */

static void *
open_file(void)
{
	static const char *const folders[] = { "", "/usr/local/cuda/lib64/", "/usr/local/cuda/targets/x86_64-linux/lib/" };
	char path[256];
	void *file = NULL;
	size_t i;

	for (i = 0; !file && i < sizeof(folders) / sizeof(*folders); i++) {
		snprintf(path, sizeof(path), "%slibcublasLt.so.%d", folders[i], CUDART_VERSION / 1000);
		file = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	}
	return file;
}

/* 0 if a function is missing */
static int
find_functions(struct library *l)
{
#define FIND(name) \
	if (!(l->name = (decltype(l->name))dlsym(l->file, "cublasLt" #name))) \
		return 0;
	FUNCTIONS(FIND)
	return 1;
}

int
library_open(struct library **out, struct adds_error *err)
{
	struct library *l = (struct library *)calloc(1, sizeof(*l));
	cudaError_t e;

	*out = NULL;
	if (!l)
		return adds_fail(err, ADDS_ENOMEM, "out of memory");
	if (!(l->file = open_file()) || !find_functions(l) || l->Create(&l->handle) != CUBLAS_STATUS_SUCCESS) {
		library_close(l);
		return 0;
	}
	if ((e = cudaMalloc(&l->workspace, WORKSPACE)) != cudaSuccess) {
		library_close(l);
		return cuda_fail(err, e, "cudaMalloc");
	}
	*out = l;
	return 0;
}

void
library_close(struct library *l)
{
	if (!l)
		return;
	if (l->handle)
		l->Destroy(l->handle);
	if (l->workspace)
		cudaFree(l->workspace);
	if (l->file)
		dlclose(l->file);
	free(l);
}

/* ---- describing a product ---- */

static cudaDataType_t
type_of(enum dtype t)
{
	return t == DT_F32 ? CUDA_R_32F : t == DT_BF16 ? CUDA_R_16BF
	                                               : CUDA_R_16F;
}

static int
layout(const struct library *l, cublasLtMatrixLayout_t *out, struct mat m, int64_t rows, int64_t count, int64_t stride,
       struct adds_error *err)
{
	const int32_t n = (int32_t)count;

	LT(l, MatrixLayoutCreate, out, type_of(m.t), (uint64_t)m.cols, (uint64_t)rows, m.ld);
	if (count > 1) {
		LT(l, MatrixLayoutSetAttribute, *out, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &n, sizeof(n));
		LT(l, MatrixLayoutSetAttribute, *out, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, &stride, sizeof(stride));
	}
	return 0;
}

static int
describe(const struct library *l, cublasLtMatmulDesc_t *desc, const struct product *p, struct adds_error *err)
{
	const cublasOperation_t ta = p->tb ? CUBLAS_OP_T : CUBLAS_OP_N, tb = p->ta ? CUBLAS_OP_T : CUBLAS_OP_N;
	const cublasLtEpilogue_t epilogue =
		p->act == ACT_RELU ? (p->bias ? CUBLASLT_EPILOGUE_RELU_BIAS : CUBLASLT_EPILOGUE_RELU)
		: p->act == ACT_GELU_TANH
			? (p->bias ? CUBLASLT_EPILOGUE_GELU_BIAS : CUBLASLT_EPILOGUE_GELU)
			: (p->bias ? CUBLASLT_EPILOGUE_BIAS : CUBLASLT_EPILOGUE_DEFAULT);

	LT(l, MatmulDescCreate, desc, p->tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F, CUDA_R_32F);
	LT(l, MatmulDescSetAttribute, *desc, CUBLASLT_MATMUL_DESC_TRANSA, &ta, sizeof(ta));
	LT(l, MatmulDescSetAttribute, *desc, CUBLASLT_MATMUL_DESC_TRANSB, &tb, sizeof(tb));
	LT(l, MatmulDescSetAttribute, *desc, CUBLASLT_MATMUL_DESC_EPILOGUE, &epilogue, sizeof(epilogue));
	if (p->bias)
		LT(l, MatmulDescSetAttribute, *desc, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &p->bias, sizeof(p->bias));
	return 0;
}

static void
call_release(const struct library *l, struct call *c)
{
	if (c->desc)
		l->MatmulDescDestroy(c->desc);
	if (c->a)
		l->MatrixLayoutDestroy(c->a);
	if (c->b)
		l->MatrixLayoutDestroy(c->b);
	if (c->c)
		l->MatrixLayoutDestroy(c->c);
	if (c->d)
		l->MatrixLayoutDestroy(c->d);
	memset(c, 0, sizeof(*c));
}

/* of so many rows of D and so many products at once; call_release is the caller's also after a failure */
static int
call_init(const struct library *l, struct call *c, const struct product *p, int64_t rows, int64_t count,
          struct adds_error *err)
{
	const struct mat cm = p->c.p ? p->c : p->d;
	struct mat a = p->a;

	memset(c, 0, sizeof(*c));
	if (p->ta)
		a.cols = rows; /* A[k][rows], ld as it is: rows is that of D then */
	TRY(describe(l, &c->desc, p, err));
	TRY(layout(l, &c->a, p->b, p->b.rows, count, p->sb, err));
	TRY(layout(l, &c->b, a, p->ta ? a.rows : rows, count, p->sa, err));
	TRY(layout(l, &c->c, cm, rows, count, p->sd, err));
	return layout(l, &c->d, p->d, rows, count, p->sd, err);
}

/* ---- choosing an algorithm ---- */

/* the largest power of two up to ALIGNMENT that divides the address of every matrix of a batch */
static int32_t
alignment(const void *p, enum dtype t, int64_t stride)
{
	const uintptr_t bits = (uintptr_t)p | (uintptr_t)stride * dtype_size(t) | ALIGNMENT;

	return (int32_t)(bits & (~bits + 1));
}

static struct choice
choice_of(const struct product *p)
{
	const struct mat cm = p->c.p ? p->c : p->d;
	struct choice c;

	memset(&c, 0, sizeof(c));
	c.m = p->any_rows ? (int64_t)MANY_ROWS : p->d.rows;
	c.n = p->d.cols;
	c.k = product_inner(p);
	c.lda = p->a.ld;
	c.ldb = p->b.ld;
	c.ldc = cm.ld;
	c.ldd = p->d.ld;
	c.dt = (int32_t)p->d.t;
	c.at = (int32_t)p->a.t;
	c.bt = (int32_t)p->b.t;
	c.ta = p->ta;
	c.tb = p->tb;
	c.act = (int32_t)p->act;
	c.bias = p->bias != NULL;
	c.tf32 = p->tf32;
	c.any_rows = p->any_rows;
	c.align_a = alignment(p->a.p, p->a.t, p->sa);
	c.align_b = alignment(p->b.p, p->b.t, p->sb);
	c.align_c = alignment(cm.p, cm.t, p->sd);
	c.align_d = alignment(p->d.p, p->d.t, p->sd);
	c.beta = p->beta != 0;
	return c;
}

static int
prefer(const struct library *l, cublasLtMatmulPreference_t pref, const struct choice *c, struct adds_error *err)
{
	const uint64_t workspace = WORKSPACE;
	/* partial sums only in a workspace, added in order; none at all where rows must not depend on their number */
	const cublasLtReductionScheme_t most = c->any_rows ? CUBLASLT_REDUCTION_SCHEME_NONE
	                                                   : CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE;
	const uint32_t scheme = (uint32_t)most;
	const uint32_t a = (uint32_t)c->align_b, b = (uint32_t)c->align_a; /* the library's A is our B */
	const uint32_t cc = (uint32_t)c->align_c, d = (uint32_t)c->align_d;

	LT(l, MatmulPreferenceSetAttribute, pref, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &workspace, sizeof(workspace));
	LT(l, MatmulPreferenceSetAttribute, pref, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, &scheme, sizeof(scheme));
	LT(l, MatmulPreferenceSetAttribute, pref, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, &a, sizeof(a));
	LT(l, MatmulPreferenceSetAttribute, pref, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, &b, sizeof(b));
	LT(l, MatmulPreferenceSetAttribute, pref, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, &cc, sizeof(cc));
	LT(l, MatmulPreferenceSetAttribute, pref, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, &d, sizeof(d));
	return 0;
}

static int
ask(const struct library *l, struct algorithm *out, const struct product *p, cublasLtMatmulPreference_t pref,
    struct adds_error *err)
{
	cublasLtMatmulHeuristicResult_t result;
	struct call c;
	int found = 0, rc;

	out->state = 2;
	if ((rc = call_init(l, &c, p, out->of.m, 1, err)) == 0 &&
	    l->MatmulAlgoGetHeuristic(l->handle, c.desc, c.a, c.b, c.c, c.d, pref, 1, &result, &found) == CUBLAS_STATUS_SUCCESS &&
	    found && result.state == CUBLAS_STATUS_SUCCESS) {
		out->algo = result.algo;
		out->state = 1;
	}
	call_release(l, &c);
	return rc;
}

static int
choose(const struct library *l, struct algorithm *out, const struct product *p, struct adds_error *err)
{
	cublasLtMatmulPreference_t pref;
	int rc;

	LT(l, MatmulPreferenceCreate, &pref);
	if ((rc = prefer(l, pref, &out->of, err)) == 0)
		rc = ask(l, out, p, pref, err);
	l->MatmulPreferenceDestroy(pref);
	if (rc < 0)
		out->state = 0;
	return rc;
}

static uint64_t
hash(const struct choice *c)
{
	const unsigned char *p = (const unsigned char *)c;
	uint64_t h = 1469598103934665603u;
	size_t i;

	for (i = 0; i < sizeof(*c); i++)
		h = (h ^ p[i]) * 1099511628211u;
	return h;
}

/* the algorithm for p; the old one of its place is forgotten where two fall together */
static int
algorithm_for(struct library *l, const struct algorithm **out, const struct product *p, struct adds_error *err)
{
	const struct choice c = choice_of(p);
	struct algorithm *a = &l->known[hash(&c) % ALGORITHMS];

	*out = a;
	if (a->state && memcmp(&a->of, &c, sizeof(c)) == 0)
		return 0;
	a->of = c;
	return choose(l, a, p, err);
}

/* ---- running ---- */

/* types and sizes that the library has products for */
static int
fits(const struct product *p)
{
	if (p->a.t != p->b.t || !product_inner(p))
		return 0;
	return p->d.t == DT_F32 || (p->d.t == DT_BF16 && p->a.t == DT_BF16);
}

int
library_product(struct cuda_state *s, const struct product *p, struct adds_error *err)
{
	struct library *l = s->library;
	const void *c = p->c.p ? p->c.p : p->d.p;
	const struct algorithm *a;
	cublasStatus_t e;
	struct call call;
	int rc;

	if (!l || !fits(p))
		return 1;
	TRY(algorithm_for(l, &a, p, err));
	if (a->state != 1)
		return 1;
	if ((rc = call_init(l, &call, p, p->d.rows, p->count, err)) == 0) {
		e = l->Matmul(l->handle, call.desc, &p->alpha, p->b.p, call.a, p->a.p, call.b, &p->beta, c, call.c, p->d.p,
		              call.d, &a->algo, l->workspace, WORKSPACE, s->stream);
		if (e == CUBLAS_STATUS_NOT_SUPPORTED || e == CUBLAS_STATUS_INVALID_VALUE)
			rc = 1;
		else if (e != CUBLAS_STATUS_SUCCESS)
			rc = library_fail(l, err, e, "cublasLtMatmul");
	}
	call_release(l, &call);
	return rc;
}
