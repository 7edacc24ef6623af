/* SPDX-License-Identifier: MIT
 *
 * optimizer.h - AdamW (Loshchilov and Hutter 2019, as PyTorch computes it)
 * over the decoder's parameters: two groups of learning rates, no decay on
 * norms and biases, gradient clipping, a running mean of the weights.
 *
 * Knows: decoder/. Room train/.
 */
#ifndef ADDS_OPTIMIZER_H
#define ADDS_OPTIMIZER_H

#include "../decoder/decoder.h"

struct adds_optimizer_options {
	double lr;   /* of the decoder's layers, at its peak */
	double head; /* the head's (decoder.fc, final_fc, prior) as a multiple of it */
	double weight_decay;
	double beta1, beta2, eps;
	double clip; /* largest 2-norm of all gradients together; 0: no clipping */
	double ema;  /* decay of the running mean of the weights; 0: none. At step t it is at most (1 + t)/(10 + t) */
};

struct adds_optimizer {
	struct backend *b;
	struct adds_decoder *decoder;
	struct adds_optimizer_options o;
	float *m, *v, *e; /* device [size]; e NULL without running mean */
	int64_t step;     /* steps done */
	struct adamw_group *group;
	double *scale; /* of each group's learning rate */
	size_t ngroups;
};

/* The caller releases o, also after a failure. */
int adds_optimizer_init(struct adds_optimizer *o, struct adds_decoder *decoder, struct backend *b,
                        const struct adds_optimizer_options *options, struct adds_error *err);
void adds_optimizer_release(struct adds_optimizer *o);

/* Sets all gradients to zero. */
int adds_optimizer_zero(struct adds_optimizer *o, struct adds_error *err);

/* One step with the gradients there are, at factor times the peak learning
 * rate. *norm: 2-norm of the gradients before clipping; where that is not a
 * finite number nothing is changed. */
int adds_optimizer_step(struct adds_optimizer *o, double factor, double *norm, struct adds_error *err);

/* Exchanges the weights and their running mean (a no-op without one): call
 * before and after what shall see the mean. */
int adds_optimizer_swap(struct adds_optimizer *o, struct adds_error *err);

#endif
