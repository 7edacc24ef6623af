/* SPDX-License-Identifier: MIT
 *
 * counts.h - metrics of decisions: precision, recall and F1 of labels that are
 * said to be there, by a threshold or as the best K of a picture; and what
 * ranks labels within a picture.
 *
 * Matrices are [n, L]; targets are 1, 0, or −1 for unknown cells, which are
 * never counted. measured (may be NULL) is [L]: 0 leaves a label out.
 */
#ifndef ADDS_COUNTS_H
#define ADDS_COUNTS_H

#include <stdint.h>

#include "../fail.h"

struct adds_counts {
	int64_t tp, fp, fn, tn;
};

/* Adds up each label's decisions: said to be there where score ≥ cut[label]. */
void adds_count_cut(struct adds_counts *c, const float *scores, const int8_t *targets, int64_t n, int64_t L, const float *cut);

/* The same, where the k best known labels of each picture are said to be there
 * (ties: the lower row), and with gate only those with score ≥ gate. */
int adds_count_top(struct adds_counts *c, const float *scores, const int8_t *targets, const uint8_t *measured, int64_t n,
                   int64_t L, int k, float gate, int threads, struct adds_error *err);

struct adds_prf {
	double cp, cr;       /* means over labels of precision and recall */
	double cf1;          /* 2·CP·CR / (CP + CR): the published COCO tables */
	double macro_f1;     /* mean over labels of each one's F1: ASL, ML-Decoder */
	double op, or_, of1; /* over all cells */
	double accuracy;
};

/* A label that is never said to be there has precision 0; labels without a
 * positive are left out of the means. */
void adds_prf(struct adds_prf *out, const struct adds_counts *c, const uint8_t *measured, int64_t L);

/* *mean: over pictures with a known positive, of the step AP of their known labels ranked by score; NAN for none. Returns
 * how many pictures. */
int64_t adds_picture_ap(double *mean, const float *scores, const int8_t *targets, const uint8_t *measured, int64_t n, int64_t L,
                        int threads, struct adds_error *err);

/* Expected calibration error of σ(logit) over all known cells, 15 equal bins. */
double adds_calibration_error(const float *logits, const int8_t *targets, const uint8_t *measured, int64_t n, int64_t L);

#endif
