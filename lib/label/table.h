/* SPDX-License-Identifier: MIT
 *
 * table.h - label files that speak of many pictures: COCO instances JSON, JSON
 * Lines, CSV.
 *
 * Knows: statement.h. A table has names of its own (local rows); which rows of
 * the vocabulary they are is settled when that is known.
 */
#ifndef ADDS_TABLE_H
#define ADDS_TABLE_H

#include "statement.h"

/* what a table says of one picture */
struct adds_table_entry {
	const char *key; /* file name as the table has it; NULL: not given yet */
	uint32_t key_len;
	int labelled, has_neg;
	int complete; /* all names of the table that are not in pos do not hold */
	int used;     /* a picture has been found for it: for the caller, who may set it from several threads */
	struct adds_mentions pos, neg;
};

struct adds_table {
	const char *path;
	struct adds_vocab *names;
	uint64_t *first; /* where each name stood first: line, or byte offset of JSON */
	size_t first_room;
	int by_line; /* first counts lines */
	struct adds_table_entry *entry;
	size_t n, room;
	uint32_t *slot; /* open hash table of entry numbers + 1, by key */
	size_t slots;
	int32_t *row; /* of each local name: its row of the vocabulary, or -1; see _bind */
	int covers;   /* the vocabulary has no name that the table lacks */
};

/* Reads a whole table, whose form its name tells (.jsonl .ndjson .csv .tsv, .json for
 * COCO). supercategories: those of COCO become parents. NULL on error. */
struct adds_table *adds_table_read(const char *path, int supercategories, struct adds_error *err);
void adds_table_free(struct adds_table *t);

/* Settles the rows in a vocabulary of that many labels: row_of is asked once for each name. */
int adds_table_bind(struct adds_table *t, size_t labels, adds_row_of *row_of, void *arg, struct adds_error *err);

/* The entry of a picture: by its path beside the table, relative to its argument, as
 * given, by its last part, or by that without its extension. NULL: none. */
struct adds_table_entry *adds_table_find(const struct adds_table *t, const char *path, const char *relative);

/* What the entry says, in rows of the vocabulary. s is cleared first. */
int adds_table_statement(struct adds_statement *s, const struct adds_table *t, const struct adds_table_entry *e,
                         struct adds_error *err);

/* ---- for the readers of the forms ---- */

/* The entry of that key, new unless it is there. NULL: out of memory. */
struct adds_table_entry *adds_table_entry(struct adds_table *t, const char *key, size_t len, struct adds_error *err);

/* A new entry without a key. */
struct adds_table_entry *adds_table_add(struct adds_table *t, struct adds_error *err);

/* Gives entry number i its key (copied). */
int adds_table_name(struct adds_table *t, size_t i, const char *key, size_t len, struct adds_error *err);

/* The local row of a name that stands at place (line or offset). */
int adds_table_row(struct adds_table *t, const char *name, size_t len, uint64_t place, int32_t *row,
                   struct adds_error *err);

/* Adds a row to a list unless it is there. */
int adds_table_mention(struct adds_mentions *m, int32_t row, struct adds_error *err);

int adds_table_coco(struct adds_table *t, int supercategories, struct adds_error *err);
int adds_table_jsonl(struct adds_table *t, struct adds_error *err);
int adds_table_csv(struct adds_table *t, struct adds_error *err);

#endif
