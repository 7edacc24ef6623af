/* SPDX-License-Identifier: MIT
 *
 * scores.h - a score stream's header, and its labelled records as a matrix.
 *
 * Knows: stream/, label/.
 */
#ifndef ADDS_SCORES_H
#define ADDS_SCORES_H

#include <stdint.h>

#include "../label/vocab.h"

enum adds_score_kind {
	ADDS_SCORE_LOGIT,
	ADDS_SCORE_SIMILARITY,
};

enum { ADDS_MAX_CHECKPOINT = 255 }; /* bytes of the checkpoint's name */

struct adds_score_header {
	enum adds_score_kind kind;
	int calibrated;
	const char *checkpoint; /* digest, or "zero-shot" */
	struct adds_vocab *labels;
	uint8_t *known; /* [labels]: 1 where the pictures' vocabulary has the label */
};

/* From the header of r, which must outlive h. The caller releases h. */
int adds_score_header_read(struct adds_score_header *h, const struct adds_reader *r, struct adds_error *err);
void adds_score_header_release(struct adds_score_header *h);

struct adds_scores {
	struct adds_score_header header;
	int64_t n, L; /* labelled pictures; labels */
	int64_t unlabelled, errors;
	int64_t room;    /* rows that the matrices have space for */
	float *scores;   /* [n, L] */
	int8_t *targets; /* [n, L]: 1, 0, −1 unknown */
};

/* The next labelled picture appended to s; targets from the record's own
 * `pos` and `neg`, parents implied. */
int adds_scores_add(struct adds_scores *s, const float *scores, const int8_t *targets, struct adds_error *err);

/* All records of r. The caller releases s, also after a failure. */
int adds_scores_read(struct adds_scores *s, struct adds_reader *r, struct adds_error *err);
void adds_scores_release(struct adds_scores *s);

/* A picture has a score for each label, all of them numbers, or ADDS_EFORMAT. */
int adds_score_check(const struct adds_score_header *h, const struct adds_record *rec, struct adds_error *err);

/* Targets [L] of a score record in the stream's own vocabulary; 0 for an unlabelled one. room: [L]. */
int adds_score_targets(int8_t *y, int32_t *room, const struct adds_score_header *h, const struct adds_record *rec);

#endif
