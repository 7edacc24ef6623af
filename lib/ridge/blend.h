/* SPDX-License-Identifier: MIT
 *
 * blend.h - decoder and ridge together: w·decoder + (1 − w)·ridge on the scale
 * of the decoder's loss, with one w for trained labels and one for the others,
 * chosen on pictures and labels that neither was trained on.
 *
 * Knows: ridge.h, metric/, kernels/.
 */
#ifndef ADDS_BLEND_H
#define ADDS_BLEND_H

#include "ridge.h"

struct adds_blend {
	double trained, untrained;                           /* w of the decoder; 0: the ridge alone */
	struct loss_args loss;                               /* what the decoder was trained with */
	struct adds_ridge_gain gain_trained, gain_untrained; /* over the ridge alone, in held-out AP */
};

/* The log-odds that a label is there when a decoder trained to the optimum with
 * this loss gives it the logit z (by setting the loss's expected gradient to 0),
 * continued as lines of slope 1 where that saturates; and its inverse. */
double adds_loss_odds(double z, const struct loss_args *loss);
double adds_loss_logit(double odds, const struct loss_args *loss);

/* Calibrated logits [n, L] from a decoder's logits and a ridge's calibrated
 * ones; trained [L]: which w. out may be either. */
void adds_blend_run(float *out, const float *decoder, const float *ridge, const uint8_t *trained, int64_t n, int64_t L,
                    const struct adds_blend *w);

/* Chooses both w. decoder (logits) and ridge (calibrated logits) [N, L] come
 * from models that saw neither the picture's fold nor, of the labels, those of
 * the label fold of that number (label_fold [L], −1: never held out; picture i is
 * of fold i mod 3). trained [L]: which labels speak. targets [N, L]. w->loss is set by the caller. */
int adds_blend_choose(struct adds_blend *w, const float *decoder, const float *ridge,
                      const int8_t *targets, const uint8_t *trained, const int *label_fold,
                      int64_t N, int64_t L, int threads, struct adds_error *err);

int adds_blend_to_message(const struct adds_blend *w, struct adds_message *m, struct adds_error *err);
int adds_blend_from_message(struct adds_blend *w, const struct adds_message *m, struct adds_error *err);
void adds_blend_summary(const struct adds_blend *w, char *text, size_t n);

/* Label folds [L] (−1 for labels not listed): equal texts share one. Fewer than
 * 12 labels with 3 positives: no label is held out, all −1. Returns the number of folds (0 or 4). */
int adds_ridge_label_folds(int *fold, const float *texts, int64_t D, const int8_t *targets, int64_t N, int64_t L,
                           const int32_t *labels, int64_t n);

#endif
