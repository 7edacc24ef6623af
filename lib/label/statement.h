/* SPDX-License-Identifier: MIT
 *
 * statement.h - what label files say: tags with their nesting, and from them the
 * targets of a picture.
 *
 * Knows: vocab.h, pull.h. A tag is named (mentioned) somewhere in a label file;
 * a mention knows the mention it stands below. Targets are rows of a vocabulary:
 * positives with their parents, and verified negatives.
 */
#ifndef ADDS_STATEMENT_H
#define ADDS_STATEMENT_H

#include "pull.h"
#include "vocab.h"

struct adds_mention {
	int32_t row; /* -1: a name left out */
	int32_t up;  /* number of the mention it stands below, or -1 */
};

struct adds_mentions {
	struct adds_mention *item;
	size_t n, room;
};

/* All that one label file says. */
struct adds_statement {
	struct adds_mentions pos, neg;
	int has_neg;           /* verified negatives are stated, maybe none: the rest is unknown */
	int complete;          /* whatever is not positive does not hold: said, not assumed */
	int has_pos;           /* tags are named by word, not by vector alone */
	unsigned char *vector; /* of "encoded_labels" */
	size_t nvector, vector_room;
	int has_vector;
};

void adds_statement_clear(struct adds_statement *t);
void adds_statement_release(struct adds_statement *t);

/* Appends; returns its number, or an error. */
int32_t adds_mention_add(struct adds_mentions *m, int32_t row, int32_t up, struct adds_error *err);

/* The row of a name in *row (-1: leave it out), or an error. */
typedef int adds_row_of(void *arg, const char *name, size_t len, int32_t *row, struct adds_error *err);

/* Reads JSON label files, one after the other; one for each thread. */
struct adds_statement_reader {
	struct adds_pull pull;
	adds_row_of *row_of;
	void *arg;
	uint64_t *key; /* hashes of the keys met, with their objects: an open table */
	size_t keys, key_room;
	uint64_t objects;
};

void adds_statement_reader_release(struct adds_statement_reader *r);

/* Begins a new text: its keys are not those of the one before. (The functions
 * below that take a text do this themselves.) */
void adds_statement_forget(struct adds_statement_reader *r);

/* Refuses the key that r's pull parser has just read if its object has had it; object
 * is a number of its own for each object of the text, from ++r->objects. */
int adds_statement_key(struct adds_statement_reader *r, uint64_t object, struct adds_error *err);

/* The seed's label file: nested tags ("every key a tag unless its value is false
 * or null, every string one; numbers and booleans none of their own"), at the
 * top also "encoded_labels" (a vector of 0 and 1) and "negative_labels" (tags
 * that are verified not to hold, nested likewise). t is cleared first. */
int adds_statement_json(struct adds_statement *t, struct adds_statement_reader *r, const char *name, const char *text, size_t len,
                        struct adds_error *err);

/* The value that token began, in r's pull parser: its tags below mention up. With
 * strict set, a number in a list is an error. */
int adds_statement_value(struct adds_mentions *m, struct adds_statement_reader *r, int token, int32_t up, int strict,
                         struct adds_error *err);

/* Tag file: names between commas and line ends; a whole line that row_of knows
 * by itself (known) is one name. t is cleared first. */
int adds_statement_text(struct adds_statement *t, struct adds_statement_reader *r,
                        const struct adds_vocab *known, const char *name, const char *text,
                        size_t len, struct adds_error *err);

/* Targets: ascending rows, room for all labels of the vocabulary. */
struct adds_targets {
	int32_t *pos, *neg;
	size_t npos, nneg, room;
	int has_neg;
};

void adds_targets_release(struct adds_targets *g);

/* From tags to targets. Positives bring their parents, found by the nesting in
 * the file, or where the name has one place; verified negatives bring the labels
 * that imply them. order: the row of each place of the vector (norder of them),
 * the vocabulary's own order by default (NULL). name is for messages. */
int adds_targets_of(struct adds_targets *g, const struct adds_vocab *v, const struct adds_statement *t, const int32_t *order,
                    size_t norder, const char *name, struct adds_error *err);

#endif
