/* SPDX-License-Identifier: MIT
 *
 * texts.h - a label stream in memory, and the way from the pictures'
 * vocabulary to it: the label stream's order is the order of everything.
 *
 * Knows: stream/. Room label/.
 */
#ifndef ADDS_TEXTS_H
#define ADDS_TEXTS_H

#include "vocab.h"

/* A label stream: names, and one unit embedding a label. */
struct adds_texts {
	struct adds_vocab *vocab;
	int64_t n;        /* labels */
	int width;        /* D */
	float *embedding; /* [n, D], unit rows */
	struct adds_message *header;
};

/* Reads the whole stream. The caller releases t, also after a failure. */
int adds_texts_read(struct adds_texts *t, const char *path, struct adds_error *err);
void adds_texts_release(struct adds_texts *t);

/* The encoder that the stream comes from (the header's "model"), or "" */
const char *adds_texts_model(const struct adds_texts *t);

/* Where the rows of a pictures' vocabulary stand in the label stream. */
struct adds_mapping {
	int64_t labels;  /* L, of the label stream */
	int64_t rows;    /* of the pictures' vocabulary */
	int32_t *to;     /* [rows]: row of the label stream, or -1 */
	uint8_t *known;  /* [L]: 1 where the pictures' vocabulary has the label */
	int64_t common;  /* labels that both have */
	int64_t ignored; /* labels of the pictures that the label stream lacks */
	char names[256]; /* the first three of those: 'a', 'b', 'c' */
	int32_t *set;    /* [rows], scratch of adds_mapping_targets */
	const struct adds_vocab *pictures;
};

/* No label in common is ADDS_EMISMATCH. pictures must outlive m; the caller
 * releases m, also after a failure. */
int adds_mapping_init(struct adds_mapping *m, const struct adds_vocab *texts, const struct adds_vocab *pictures,
                      struct adds_error *err);
void adds_mapping_release(struct adds_mapping *m);

/* target [L] of one picture: 1 for its positives and their parents; 0 for its
 * verified negatives, or, where it states none, for all others that its
 * vocabulary has; -1 for what is unknown. Returns 1, or 0 for an unlabelled
 * picture (all -1). */
int adds_mapping_targets(struct adds_mapping *m, const struct adds_record *picture, int8_t *target);

#endif
