/* SPDX-License-Identifier: MIT
 *
 * ridge.h - learning from a handful of pictures, in closed form: a reading of
 * CLIP's zero-shot score, a correction by a ridge regression that labels
 * share through a kernel over their texts, and a calibration. The strength
 * of each is chosen by labels and pictures held out, so that a label that was
 * never labelled gains where that shows, and keeps CLIP's own score where not.
 *
 * Knows: label/, metric/, kernels/. Room ridge/.
 *
 * Names: N pictures, R their tiles' tokens, L labels, K trained ones, D width.
 * z(x,t) is the reading of picture x for text t, h(x,t) the correction,
 * score = z + g(t)·h, logit = slope·(score − mean) + intercept.
 */
#ifndef ADDS_RIDGE_H
#define ADDS_RIDGE_H

#include "../../kernels/kernels.h"
#include "../label/vocab.h"

/* training pictures, in stream order */
struct adds_ridge_data {
	struct mat tokens;            /* device f32 [R, D]: unit class tokens of the tiles (all tokens, where
	                      there is no class token) */
	struct segs pictures;         /* N segments of tokens */
	int64_t labels;               /* L */
	const float *texts;           /* host [L, D], unit rows */
	const int8_t *targets;        /* host [N, L]: 1, 0, −1 unknown */
	const uint8_t *may;           /* host [L]: 1 for labels that may be trained */
	float beta;                   /* CLIP's logit scale */
	const uint64_t *picture_hash; /* host [N], [L]: which are looked at when there are too many; NULL: the first ones */
	const uint64_t *label_hash;
};

/* Who watches the training; any function may be NULL. */
struct adds_ridge_watch {
	void *to;
	void (*fit)(void *to, int64_t done, int64_t of); /* regressions: on folds, and on all pictures */
	int (*stop)(void *to);                           /* asked before each step of them; 1: end, with nothing learnt */
};

struct adds_ridge_options {
	int strict_zero_shot;    /* untrained labels keep CLIP's own ranking, whatever the folds say */
	int64_t select_pictures; /* at most that many pictures … [10,000] */
	int64_t select_labels;   /* … and labels serve to choose strengths [512] */
	int steps;               /* of conjugate gradients in the fit on all pictures; 0: until the residual is small */
	int threads;
	const struct adds_ridge_watch *watch; /* NULL: nobody */
};

/* what held-out labels and pictures say of a strength */
struct adds_ridge_gain {
	double mean, error; /* change of AP, and its standard error over labels */
	int64_t labels;
};

struct adds_ridge {
	int64_t K, D;
	struct adds_vocab *names; /* of the trained labels */
	float *texts;             /* [K, D] unit rows t_k */
	float *mean_text;         /* [D] */
	float *A;                 /* [K, D] */
	float *mu;                /* [D] */
	double scale, s, lambda, d90;
	double share, sharp, sigma; /* the reading: a, c, σ */
	double beta;
	double rho_trained, rho_untrained;
	double slope_trained, intercept_trained, slope_untrained, intercept_untrained;
	double *offset; /* [K] o_k */
	double *mean;   /* [K] m_k: mean reading of the training pictures */
	double *weight; /* [K] of the kernel regression of those means */
	double mean_of_means;
	int steps;      /* that the last fit took */
	int64_t judged; /* labels with enough positives to be judged */
	struct adds_ridge_gain gain_reading, gain_trained, gain_untrained;
	double calibration_error; /* expected, of out-of-fold scores of trained labels */
};

/* Trains. *out is NULL, and the result 0, where there is nothing to learn from:
 * no label with a known positive and a known negative, or fewer than 6 pictures. 1, and *out NULL: told to stop. */
int adds_ridge_train(struct adds_ridge **out, struct backend *b, const struct adds_ridge_data *data,
                     const struct adds_vocab *names, const struct adds_ridge_options *options, struct adds_error *err);
void adds_ridge_free(struct adds_ridge *m);

/* What was chosen, and what it is expected to gain: one line. */
void adds_ridge_summary(const struct adds_ridge *m, char *text, size_t n);

/* ---- scoring ---- */

/* A model ready for one vocabulary. */
struct adds_ridge_scorer;

/* texts host [L, D] unit rows; trained labels are found by name and text. m,
 * names and texts must outlive the scorer. */
struct adds_ridge_scorer *adds_ridge_scorer_new(struct backend *b, const struct adds_ridge *m, const struct adds_vocab *names,
                                                const float *texts, struct adds_error *err);
void adds_ridge_scorer_free(struct adds_ridge_scorer *s);

/* Scores host [n, L], or NULL; calibrated logits host [n, L], or NULL. tokens as in adds_ridge_data. */
int adds_ridge_run(struct adds_ridge_scorer *s, float *scores, float *logits, struct mat tokens, struct segs pictures,
                   struct adds_error *err);

/* [L]: 1 where the model knows the label as trained */
const uint8_t *adds_ridge_is_trained(const struct adds_ridge_scorer *s);

/* ---- checkpoint ---- */
int adds_ridge_to_message(const struct adds_ridge *m, struct adds_message *message, struct adds_error *err);
struct adds_ridge *adds_ridge_from_message(const struct adds_message *message, struct adds_error *err);

#endif
