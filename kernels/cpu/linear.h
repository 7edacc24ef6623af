/* SPDX-License-Identifier: MIT
 * linear.h - a weight matrix in the forms that products want it in */
#ifndef LINEAR_H
#define LINEAR_H

#include "../kernels.h"

struct packed {
	const void *w; /* the caller's array: element (l of k, j of n) is at l·bi + j·bj */
	enum dtype t;
	int64_t n, k, bi, bj;
	enum precision prec; /* what products really have */
	int64_t seen;        /* rows multiplied so far */
	int spared;          /* 1 + enum spare: what becomes of w when no product reads it any more; 0: nothing */

	/* copies, made when they are first needed or worth it */
	float *panels; /* for blocked.h */
	void *plain;   /* W in f32 or bf16, where the caller's array has another type: w from then on */
	int8_t *w8;    /* W[n][k] in int8 */
	float *scale8; /* [n]: w is w8·scale8 */
	int32_t *off8; /* [n]: 128·Σ w8 over k */
};

/* copies have been made: no product reads w any more */
void cpu_linear_spared(struct packed *w);

/* y = act(x·Wᵀ + bias) + r in eight bits: rows of x are quantised each by its
 * own scale, columns of W each by its own */
int cpu_linear_int8(struct backend *b, struct mat y, struct mat x, struct packed *w, const float *bias,
                    enum activation act, struct mat r, struct adds_error *err);

#endif
