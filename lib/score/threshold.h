/* SPDX-License-Identifier: MIT
 *
 * threshold.h - one threshold for all labels, and one for each: fitted on
 * scores with targets, kept as JSON, applied to scores.
 *
 * A label is said to be there where its score ≥ its threshold. Thresholds lie
 * in the units of the scores (cosines or logits), half-way between two scores.
 *
 * Knows: stream/, label/, columns.h.
 */
#ifndef ADDS_THRESHOLD_H
#define ADDS_THRESHOLD_H

#include <stdint.h>

#include "../label/vocab.h"
#include "scores.h"

enum adds_fit_method {
	ADDS_FIT_F1,        /* greatest F1 */
	ADDS_FIT_PRECISION, /* most recall among those with precision ≥ target */
	ADDS_FIT_RECALL,    /* most precision among those with recall ≥ target */
	ADDS_FIT_BALANCE,   /* precision = recall, as near as can be */
	ADDS_FIT_MCUT,      /* the middle of the largest gap between scores */
};

struct adds_cut {
	double threshold; /* +inf: never */
	double precision, recall, f1;
	int64_t positives;
	int fallback; /* 1: too few positives, or no such point: the global threshold */
};

struct adds_thresholds {
	enum adds_score_kind kind;
	int calibrated;
	char checkpoint[ADDS_MAX_CHECKPOINT + 1];
	char labels_sha256[65];
	enum adds_fit_method method;
	double target;
	int64_t min_positives;
	struct adds_cut global;
	size_t n;
	char **name;          /* [n] */
	struct adds_cut *cut; /* [n] */
};

/* Fits on s. Labels with fewer than min_positives known positives fall back to
 * the global threshold. The caller releases t, also after a failure. */
int adds_thresholds_fit(struct adds_thresholds *t, const struct adds_scores *s, enum adds_fit_method method, double target,
                        int64_t min_positives, int threads, struct adds_error *err);
void adds_thresholds_release(struct adds_thresholds *t);

/* As JSON text (the caller frees it), and from a file. */
char *adds_thresholds_print(const struct adds_thresholds *t, struct adds_error *err);
int adds_thresholds_read(struct adds_thresholds *t, const char *path, struct adds_error *err);

/* Thresholds in the order of labels, cut [size of labels]. Scores of another
 * kind, checkpoint or label set are refused, naming what differs; with
 * global_only the global one is taken for all (kind must still agree). */
int adds_thresholds_for(float *cut, const struct adds_thresholds *t, const struct adds_score_header *h, int global_only,
                        struct adds_error *err);

#endif
