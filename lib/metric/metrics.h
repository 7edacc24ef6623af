/* SPDX-License-Identifier: MIT
 *
 * metrics.h - multi-label metrics over scores [N, L].
 *
 * Knows: fail.h. Room metric/: sorted columns, average precision, counts.
 */
#ifndef ADDS_METRICS_H
#define ADDS_METRICS_H

#include <stddef.h>
#include <stdint.h>

#include "../fail.h"

enum adds_ap {
	ADDS_AP_STEP,    /* mean of precision at each positive, stable order, ties by index */
	ADDS_AP_SKLEARN, /* ties merged */
	ADDS_AP_VOC,     /* precision envelope */
};

/* AP of n scores against targets (1, 0, −1 unknown: left out). *positives (may be NULL) counts; no
 * positive: NAN. scores at stride. */
double adds_average_precision(const float *scores, const int8_t *targets, size_t n, size_t stride, enum adds_ap kind,
                              size_t *positives, struct adds_error *err);

/* Per label: ap [L] (NAN below min_positives), positives [L] (may be NULL), threads > 0. Returns the number of labels measured;
 * *mean: their mean, NAN for none. measured (may be NULL): [L], 0 leaves a label out. */
int64_t adds_mean_ap(double *mean, double *ap, int64_t *positives, const float *scores, const int8_t *targets,
                     const uint8_t *measured, int64_t n, int64_t L, int64_t min_positives, enum adds_ap kind, int threads,
                     struct adds_error *err);

/* Share of known cells where (σ(logit) > threshold) is the target: the seed's "accuracy". */
double adds_accuracy(const float *logits, const int8_t *targets, const uint8_t *measured, int64_t n, int64_t L, double threshold);

#endif
