/* SPDX-License-Identifier: MIT
 *
 * cublaslt.cc - the products of cublasLt.h, and the functions by which a
 * program opens the library late. EMULATED_CUBLASLT=none: it is not there.
 */
#include <stdlib.h>

#include "cublasLt.h"

struct emulated_desc {
	int ta, tb, epilogue;
	bool tf32;
	const float *bias;
};

struct emulated_layout {
	cudaDataType_t t;
	int64_t rows, cols, ld, count, stride;
};

struct emulated_preference {
	uint32_t align[4];
};

cublasStatus_t
cublasLtCreate(cublasLtHandle_t *h)
{
	*h = (cublasLtHandle_t)h; /* of no use but to be there */
	return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t
cublasLtDestroy(cublasLtHandle_t)
{
	return CUBLAS_STATUS_SUCCESS;
}

const char *
cublasLtGetStatusString(cublasStatus_t)
{
	return "a status";
}

cublasStatus_t
cublasLtMatmulDescCreate(cublasLtMatmulDesc_t *d, cublasComputeType_t compute, cudaDataType_t)
{
	*d = new emulated_desc{ 0, 0, CUBLASLT_EPILOGUE_DEFAULT, compute == CUBLAS_COMPUTE_32F_FAST_TF32, NULL };
	return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t
cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t d)
{
	delete d;
	return CUBLAS_STATUS_SUCCESS;
}

static cublasStatus_t
take(void *to, const void *v, size_t size, size_t n)
{
	if (size != n)
		return CUBLAS_STATUS_INVALID_VALUE;
	memcpy(to, v, n);
	return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t
cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t d, cublasLtMatmulDescAttributes_t a, const void *v, size_t n)
{
	switch (a) {
	case CUBLASLT_MATMUL_DESC_TRANSA:
		return take(&d->ta, v, sizeof(d->ta), n);
	case CUBLASLT_MATMUL_DESC_TRANSB:
		return take(&d->tb, v, sizeof(d->tb), n);
	case CUBLASLT_MATMUL_DESC_EPILOGUE:
		return take(&d->epilogue, v, sizeof(d->epilogue), n);
	default:
		return take(&d->bias, v, sizeof(d->bias), n);
	}
}

cublasStatus_t
cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t *m, cudaDataType_t t, uint64_t rows, uint64_t cols, int64_t ld)
{
	*m = new emulated_layout{ t, (int64_t)rows, (int64_t)cols, ld, 1, 0 };
	return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t
cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t m)
{
	delete m;
	return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t
cublasLtMatrixLayoutSetAttribute(cublasLtMatrixLayout_t m, cublasLtMatrixLayoutAttribute_t a, const void *v, size_t n)
{
	int32_t count;

	if (a == CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET)
		return take(&m->stride, v, sizeof(m->stride), n);
	if (take(&count, v, sizeof(count), n) != CUBLAS_STATUS_SUCCESS)
		return CUBLAS_STATUS_INVALID_VALUE;
	m->count = count;
	return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t
cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t *p)
{
	*p = new emulated_preference{ { 256, 256, 256, 256 } };
	return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t
cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t p)
{
	delete p;
	return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t
cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t p, cublasLtMatmulPreferenceAttributes_t a, const void *v, size_t n)
{
	uint64_t workspace;

	if (a == CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES)
		return take(&workspace, v, sizeof(workspace), n);
	if (a == CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK)
		return n == sizeof(uint32_t) ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_INVALID_VALUE;
	return take(&p->align[a - CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES], v, sizeof(uint32_t), n);
}

/* ---- what there are products for ---- */

static bool
whole(const emulated_layout *m)
{
	return m->rows > 0 && m->cols > 0 && m->ld >= m->rows;
}

static bool
shapes_fit(const emulated_desc *d, const emulated_layout *a, const emulated_layout *b, const emulated_layout *c, const emulated_layout *e)
{
	return whole(a) && whole(b) && whole(c) && whole(e) && (d->ta ? a->cols : a->rows) == e->rows &&
	       (d->tb ? b->rows : b->cols) == e->cols && (d->ta ? a->rows : a->cols) == (d->tb ? b->cols : b->rows) &&
	       c->rows == e->rows && c->cols == e->cols;
}

static bool
types_fit(const emulated_desc *d, const emulated_layout *a, const emulated_layout *b, const emulated_layout *c, const emulated_layout *e)
{
	if (a->t != b->t || c->t != e->t || (d->tf32 && a->t != CUDA_R_32F))
		return false;
	return e->t == CUDA_R_32F || (e->t == a->t && !d->bias);
}

cublasStatus_t
cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t, cublasLtMatmulDesc_t d, cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                               cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t e, cublasLtMatmulPreference_t p, int,
                               cublasLtMatmulHeuristicResult_t *result, int *found)
{
	*found = 0;
	if (!shapes_fit(d, a, b, c, e))
		return CUBLAS_STATUS_INVALID_VALUE;
	if (!types_fit(d, a, b, c, e))
		return CUBLAS_STATUS_NOT_SUPPORTED;
	memset(result, 0, sizeof(*result));
	memcpy(result->algo.align, p->align, sizeof(p->align));
	*found = 1;
	return CUBLAS_STATUS_SUCCESS;
}

/* ---- products ---- */

static int64_t
size_of(cudaDataType_t t)
{
	return t == CUDA_R_32F ? 4 : 2;
}

static float
load(const char *p, cudaDataType_t t, int64_t i)
{
	const uint16_t h = t == CUDA_R_32F ? 0 : ((const uint16_t *)p)[i];

	return t == CUDA_R_32F ? ((const float *)p)[i] : t == CUDA_R_16BF ? __uint_as_float((uint32_t)h << 16)
	                                                                  : f32_of_f16(h);
}

static void
store(char *p, cudaDataType_t t, int64_t i, float x)
{
	if (t == CUDA_R_32F)
		((float *)p)[i] = x;
	else
		((uint16_t *)p)[i] = t == CUDA_R_16BF ? bf16_of_f32(x) : f16_of_f32(x);
}

/* to the 10 bits of a tf32 */
static float
shortened(float x)
{
	uint32_t u;

	memcpy(&u, &x, sizeof(u));
	return __uint_as_float((u + 0xfff + (u >> 13 & 1)) & 0xffffe000u);
}

static float
finished(float x, int epilogue)
{
	if (epilogue & CUBLASLT_EPILOGUE_GELU)
		return 0.5f * x * (1 + tanhf(0.79788456f * (x + 0.044715f * x * x * x)));
	return epilogue & CUBLASLT_EPILOGUE_RELU && x < 0 ? 0 : x;
}

struct one_call {
	emulated_desc d;
	emulated_layout a, b, c, e;
	const char *pa, *pb, *pc;
	char *pe;
	float alpha, beta;
};

static void
one_element(const one_call &k, int64_t z, int64_t i, int64_t j)
{
	const int64_t inner = k.d.ta ? k.a.rows : k.a.cols;
	const char *a = k.pa + z * k.a.stride * size_of(k.a.t), *b = k.pb + z * k.b.stride * size_of(k.b.t);
	const char *c = k.pc + z * k.c.stride * size_of(k.c.t);
	float sum = 0, x, y;
	int64_t l;

	for (l = 0; l < inner; l++) {
		x = load(a, k.a.t, k.d.ta ? i * k.a.ld + l : l * k.a.ld + i);
		y = load(b, k.b.t, k.d.tb ? l * k.b.ld + j : j * k.b.ld + l);
		sum += k.d.tf32 ? shortened(x) * shortened(y) : x * y;
	}
	sum = k.alpha * sum + (k.beta == 0 ? 0 : k.beta * load(c, k.c.t, j * k.c.ld + i)) + (k.d.bias ? k.d.bias[i] : 0);
	store(k.pe + z * k.e.stride * size_of(k.e.t), k.e.t, j * k.e.ld + i, finished(sum, k.d.epilogue));
}

static void
compute(const one_call &k)
{
	int64_t z, i, j;

	for (z = 0; z < k.e.count; z++)
		for (j = 0; j < k.e.cols; j++)
			for (i = 0; i < k.e.rows; i++)
				one_element(k, z, i, j);
}

static void
check_alignment(const void *p, const emulated_layout *m, uint32_t align)
{
	if ((uintptr_t)p % align || (m->count > 1 && m->stride * size_of(m->t) % align))
		emulated_breach("a matrix less aligned than its algorithm was chosen for");
}

cublasStatus_t
cublasLtMatmul(cublasLtHandle_t, cublasLtMatmulDesc_t d, const void *alpha, const void *a, cublasLtMatrixLayout_t la, const void *b,
               cublasLtMatrixLayout_t lb, const void *beta, const void *c, cublasLtMatrixLayout_t lc, void *e, cublasLtMatrixLayout_t le,
               const cublasLtMatmulAlgo_t *algo, void *, size_t, cudaStream_t s)
{
	const one_call k = { *d, *la, *lb, *lc, *le, (const char *)a, (const char *)b, (const char *)c, (char *)e,
		             *(const float *)alpha, *(const float *)beta };

	if (!shapes_fit(d, la, lb, lc, le) || la->count != le->count || lb->count != le->count || lc->count != le->count)
		return CUBLAS_STATUS_INVALID_VALUE;
	if (!types_fit(d, la, lb, lc, le))
		return CUBLAS_STATUS_NOT_SUPPORTED;
	check_alignment(a, la, algo->align[0]);
	check_alignment(b, lb, algo->align[1]);
	check_alignment(c, lc, algo->align[2]);
	check_alignment(e, le, algo->align[3]);
	emulated_put(s, [k]() { compute(k); });
	return CUBLAS_STATUS_SUCCESS;
}

/* ---- opening: linked with -Wl,--wrap=dlopen, dlsym and dlclose ---- */

extern "C" {
void *__wrap_dlopen(const char *name, int flags);
void *__wrap_dlsym(void *file, const char *name);
int __wrap_dlclose(void *file);
}

void *
__wrap_dlopen(const char *name, int)
{
	const char *which = getenv("EMULATED_CUBLASLT");

	if (which && strcmp(which, "none") == 0)
		return NULL;
	return strcmp(name, "libcublasLt.so.13") == 0 ? (void *)name : NULL;
}

void *
__wrap_dlsym(void *, const char *name)
{
#define FUNCTION(f) { "cublasLt" #f, (void *)cublasLt##f }
	static const struct {
		const char *name;
		void *p;
	} list[] = {
		FUNCTION(Create),
		FUNCTION(Destroy),
		FUNCTION(GetStatusString),
		FUNCTION(Matmul),
		FUNCTION(MatmulAlgoGetHeuristic),
		FUNCTION(MatmulDescCreate),
		FUNCTION(MatmulDescDestroy),
		FUNCTION(MatmulDescSetAttribute),
		FUNCTION(MatmulPreferenceCreate),
		FUNCTION(MatmulPreferenceDestroy),
		FUNCTION(MatmulPreferenceSetAttribute),
		FUNCTION(MatrixLayoutCreate),
		FUNCTION(MatrixLayoutDestroy),
		FUNCTION(MatrixLayoutSetAttribute),
	};
	size_t i;

	for (i = 0; i < sizeof(list) / sizeof(*list); i++)
		if (strcmp(list[i].name, name) == 0)
			return list[i].p;
	return NULL;
}

int
__wrap_dlclose(void *)
{
	return 0;
}
