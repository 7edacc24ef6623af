/* SPDX-License-Identifier: MIT
 *
 * report.h - what scores are worth: all metrics of adds-eval for a matrix of
 * scores and groups of its labels, as JSON and as a table.
 *
 * Knows: metrics.h, counts.h, scores.h.
 */
#ifndef ADDS_REPORT_H
#define ADDS_REPORT_H

#include "../metric/counts.h"
#include "../metric/metrics.h"
#include "scores.h"

enum { ADDS_REPORT_TOPS = 4,
       ADDS_REPORT_CUTS = 8 };

struct adds_report_options {
	enum adds_ap ap;
	int empty_zero;        /* 1: a label without positives counts as AP 0 in the mean */
	int64_t min_positives; /* fewer: the label is skipped and counted */
	int tops;
	int top[ADDS_REPORT_TOPS]; /* K of F1@K */
	int cuts;
	double cut[ADDS_REPORT_CUTS]; /* probabilities (logits) or cosines (similarities) */
	const uint8_t *unseen;        /* [L]: 1 for unseen labels; NULL: one group */
	int threads;
};

struct adds_report_group {
	const char *name;         /* "all", "seen", "unseen" */
	int64_t labels, measured; /* known to the pictures; with enough positives */
	double map, picture_ap, calibration_error;
	struct adds_prf top[ADDS_REPORT_TOPS];       /* ranked within the group */
	struct adds_prf top_gated[ADDS_REPORT_TOPS]; /* and score ≥ the first cut */
	struct adds_prf cut[ADDS_REPORT_CUTS];
};

struct adds_report {
	struct adds_report_options options;
	int groups;
	struct adds_report_group group[3];
	double *ap;                 /* [L] */
	int64_t *positives;         /* [L] */
	struct adds_counts *counts; /* [L] at the first cut */
	int64_t skipped;
};

/* The caller releases r, also after a failure. */
int adds_report_make(struct adds_report *r, const struct adds_scores *s, const struct adds_report_options *options,
                     struct adds_error *err);
void adds_report_release(struct adds_report *r);

/* The caller frees these. zero: the report on zero-shot scores of the same pictures and labels, which stands beside r as its
 * baseline; or NULL. */
char *adds_report_table(const struct adds_report *r, const struct adds_scores *s, const struct adds_report *zero);
/* TSV, one line a label */
char *adds_report_labels(const struct adds_report *r, const struct adds_scores *s, const struct adds_report *zero);
cJSON *adds_report_json(const struct adds_report *r, const struct adds_scores *s, const struct adds_report *zero);

#endif
