/* SPDX-License-Identifier: MIT
 *
 * mapping.h - the pictures' vocabulary seen from a label stream: which row is
 * which, and a picture's targets in the label stream's order.
 */
#ifndef ADDS_MAPPING_H
#define ADDS_MAPPING_H

#include "vocab.h"

struct adds_mapping {
	size_t labels, pictures; /* sizes of the two vocabularies */
	int64_t *to;             /* [pictures]: row in the label stream, -1: it lacks the label */
	uint8_t *known;          /* [labels]: 1 where the pictures' vocabulary has the label */
	size_t common;           /* labels in both */
	size_t ignored;          /* labels of the pictures that the label stream lacks */
	char first[256];         /* the first three of them: 'a', 'b', 'c' */
};

/* Fills m (the caller releases it). No label in common is ADDS_EMISMATCH, and
 * with strict any ignored label is too. */
int adds_mapping_init(struct adds_mapping *m, const struct adds_vocab *labels, const struct adds_vocab *pictures, int strict,
                      struct adds_error *err);
void adds_mapping_release(struct adds_mapping *m);

/* Targets y [labels] of a picture: 1 for its positives and their parents (by
 * the pictures' hierarchy), 0 for its negatives - all others known, when the
 * record has no `neg` - and -1 for unknown. room: [pictures] scratch.
 * Returns 1, or 0 for an unlabelled picture (y is then all -1). */
int adds_mapping_targets(int8_t *y, int32_t *room, const struct adds_mapping *m, const struct adds_vocab *pictures,
                         const struct adds_record *rec);

#endif
