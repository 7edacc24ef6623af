/* SPDX-License-Identifier: MIT
 *
 * product.h - one matrix product by oneDNN: C[m,n] = act(alpha·A[m,k]·B[k,n] + bias), C added
 */
#ifndef PRODUCT_H
#define PRODUCT_H

#include "../kernels.h"

/* What makes two products the same work; compared byte by byte, so that it is
 * to be cleared first (memset). Element (i,j) of A is at i·ai + j·aj, and so on. */
struct product {
	int64_t m, n, k;
	int64_t ai, aj, bi, bj, ci;
	int32_t at, bt, ct; /* enum dtype */
	int32_t bias;       /* 1: a row of n f32 */
	int32_t act;        /* enum activation; not with alpha */
	int32_t add;        /* 1: C is added to what it holds */
	float alpha;
	int32_t threads; /* how many work on it; within a parallel region 1 */
};

/* what the processor and the library can do together */
struct product_traits {
	int avx512;          /* 1: instructions of that width may be used */
	int bf16, vnni, amx; /* products of bf16, of bytes into 32 bits, and both by tiles */
	const char *isa;     /* what is beyond AVX2: "AVX-512 BF16", or "" */
};

struct products *cpu_products_new(struct adds_error *err);
void cpu_products_free(struct products *p);
struct product_traits cpu_products_traits(void);

/* Runs one product. Within a parallel region the caller has set OpenMP to one thread. */
int cpu_product_run(struct products *p, const struct product *what, void *c, const void *a, const void *b,
                    const float *bias, struct adds_error *err);

#endif
