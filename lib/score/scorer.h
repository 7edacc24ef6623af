/* SPDX-License-Identifier: MIT
 *
 * scorer.h - scores of pictures for a label stream by CLIP alone or by a
 * checkpoint, whatever method it comes from.
 *
 * Knows: label/, decoder/, ridge/, bag.h.
 */
#ifndef ADDS_SCORER_H
#define ADDS_SCORER_H

#include "../label/texts.h"
#include "../ridge/blend.h"
#include "bag.h"
#include "scores.h"

struct adds_scorer_options {
	enum adds_read read;              /* of zero-shot, and of a decoder's prior */
	const struct adds_texts *context; /* labels that the visual branch attends to; NULL: the scored ones */
	int no_visual_update;
	enum precision precision;
};

struct adds_scorer;

/* checkpoint NULL: zero-shot. texts must outlive the scorer. */
struct adds_scorer *adds_scorer_open(struct backend *b, const char *checkpoint, const struct adds_texts *texts,
                                     const struct adds_scorer_options *options, struct adds_error *err);
void adds_scorer_close(struct adds_scorer *s);

/* What the header of its score stream says: SHA-256 of the checkpoint or
 * "zero-shot"; logits or similarities; calibrated or not. */
const char *adds_scorer_id(const struct adds_scorer *s);
enum adds_score_kind adds_scorer_kind(const struct adds_scorer *s);
int adds_scorer_calibrated(const struct adds_scorer *s);

/* Which options change a score: does the visual branch look at labels (context, no_visual_update); is a zero-shot score
 * read in a way that can be chosen (read)? */
int adds_scorer_looks_at_labels(const struct adds_scorer *s);
int adds_scorer_reads(const struct adds_scorer *s);

/* What products are computed in: bf16 is for a decoder, on a device that has it. */
enum precision adds_scorer_precision(const struct adds_scorer *s);

/* [L]: 1 for labels that the checkpoint was trained on; NULL where it does not say. */
const uint8_t *adds_scorer_trained(const struct adds_scorer *s);

/* The encoder it was trained on (a fingerprint), or NULL. One sentence that says what it is, for -v. */
const char *adds_scorer_model(const struct adds_scorer *s);
const char *adds_scorer_summary(const struct adds_scorer *s);

/* Scores host [bag->n, L]; the bits of a picture do not depend on its company. Where the device has no memory for so many
 * pictures, halves are scored. */
int adds_scorer_run(struct adds_scorer *s, float *scores, const struct adds_bag *bag, struct adds_error *err);
/* How many pictures at once there was memory for, after it was short; else 0. */
int64_t adds_scorer_most(const struct adds_scorer *s);

#endif
