/* SPDX-License-Identifier: MIT
 *
 * library.cuh - single products, by cuBLASLt or by a kernel of our own. The
 * library is opened when a GPU is: a program starts without it.
 *
 * Which of the library's algorithms computes a product is decided by its shape
 * alone; for linear by the weight's shape alone, whatever the number of rows,
 * and never one that splits the sum, so that a row has the same bits in any
 * batch.
 */
#ifndef CUDA_LIBRARY_CUH
#define CUDA_LIBRARY_CUH

#include "cuda.cuh"

/* D = act(alpha·op(A)·op(B) + beta·C + bias), count times with strides sd, sa, sb (elements; C goes with D) */
struct product {
	struct mat d, c, a, b; /* c.p NULL: D itself; D and C f32 or bf16 */
	int ta, tb;
	float alpha, beta;
	const float *bias;   /* [columns of D] or NULL */
	enum activation act; /* ACT_NONE, ACT_RELU, ACT_GELU_TANH */
	int tf32;            /* factors in f32 may be rounded to tf32 */
	int any_rows;        /* 1: the same bits for a row whatever the number of rows */
	int64_t count, sd, sa, sb;
};

/* *l NULL where the machine has no cuBLASLt */
int library_open(struct library **l, struct adds_error *err);
void library_close(struct library *l);

/* 0: done; 1: the library cannot (nothing was written) */
int library_product(struct cuda_state *s, const struct product *p, struct adds_error *err);

/* plain.cu: any types, strides and an empty inner dimension; no bias, no activation, C is D */
int plain_product(struct cuda_state *s, const struct product *p, struct adds_error *err);

/* convert.cu: y = x of count matrices, sy and sx elements apart */
int convert_many(struct cuda_state *s, struct mat y, int64_t sy, struct mat x, int64_t sx, int64_t count,
                 struct adds_error *err);

static inline int64_t
product_inner(const struct product *p)
{
	return p->ta ? p->a.rows : p->a.cols;
}

#endif
