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
	int seen;            /* 1: it has been multiplied by before */
	int spared;          /* 1 + enum spare: what becomes of w when no product reads it any more; 0: nothing */

	/* copies, made when they are first needed or worth it */
	float *panels;       /* for blocked.h: of f32, or of words as prec asks (linear_narrow.c) */
	void *plain;         /* for the library: W in bf16, where the caller's array has another type: w from then on */
	float *scale8;       /* [n]: w is the panels' bytes·scale8 */
	int32_t *off8;       /* [n]: 128·the sum of a column's bytes */
	size_t packed_bytes; /* of all copies */
};

/* copies have been made: no product reads w any more */
void cpu_linear_spared(struct packed *w);

/* releases the copies */
void cpu_linear_drop(struct packed *w);

/* y = act(x·Wᵀ + bias) + r by our own loops in bf16, x rounded to it, or in eight bits: rows of x are quantised each by
 * its own scale, columns of W each by its own */
int cpu_linear_narrow(struct backend *b, struct mat y, struct mat x, struct packed *w, const float *bias,
                      enum activation act, struct mat r, struct adds_error *err);

#endif
