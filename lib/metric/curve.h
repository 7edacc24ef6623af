/* SPDX-License-Identifier: MIT
 *
 * curve.h - precision over recall, at the recalls 0, 1/200 … 1.
 *
 * precision[k] is that of all cells whose score is no less than the greatest score at which recall is k/200 or more (k = 0: the
 * greatest at which it is not 0). Tied scores are one step. So the points are some of those of scikit-learn's
 * precision_recall_curve, there where recall rises, without the point (0, 1) that it adds.
 *
 * Knows: fail.h, columns.h.
 */
#ifndef ADDS_CURVE_H
#define ADDS_CURVE_H

#include <stdint.h>

#include "../fail.h"

enum { ADDS_CURVE_STEPS = 200 };

struct adds_curve {
	int64_t labels;                     /* measured, with a known positive; 0: both curves are 0 */
	int64_t cells, positives;           /* known ones of these labels */
	double micro[ADDS_CURVE_STEPS + 1]; /* all these cells in one ranking */
	double macro[ADDS_CURVE_STEPS + 1]; /* mean over these labels, to within 2^-32 */
};

/* Of scores [n, L] with targets [n, L] (1, 0, −1 unknown: left out). measured (may be NULL) is [L]: 0 leaves a label out.
 * The same numbers for any threads. Memory: 18·n·4 bytes a thread, and 4 bytes a positive. */
int adds_curve_make(struct adds_curve *c, const float *scores, const int8_t *targets, const uint8_t *measured, int64_t n,
                    int64_t L, int threads, struct adds_error *err);

#endif
