/* SPDX-License-Identifier: MIT
 *
 * sampler.h - Selective Language Supervision: which labels a step looks at.
 *
 * All labels with a positive in the batch (P), and negatives drawn without
 * regard to anything else until there are K = min(L, max(budget, 2·|P|)). A
 * drawn negative weighs (L − |P|)/(K − |P|), a label of P weighs 1: the
 * expected loss is that of all L labels.
 *
 * Knows: philox.h. Room train/.
 */
#ifndef ADDS_SAMPLER_H
#define ADDS_SAMPLER_H

#include <stdint.h>

#include "../fail.h"

struct adds_sampler {
	int64_t labels; /* L: rows 0 … L-1 */
	int64_t budget;
	uint64_t seed;
	uint8_t *taken; /* [L] scratch */
	int64_t *free;  /* [L] scratch */
};

/* The caller releases s, also after a failure. */
int adds_sampler_init(struct adds_sampler *s, int64_t labels, int64_t budget, uint64_t seed, struct adds_error *err);
void adds_sampler_release(struct adds_sampler *s);

/* The labels of step number step. positive [L]: 1 for the labels of P. chosen
 * [L] gets K rows in ascending order, weight [L] their weights. Returns K. */
int64_t adds_sampler_draw(struct adds_sampler *s, uint64_t step, const uint8_t *positive, int32_t *chosen, float *weight);

#endif
