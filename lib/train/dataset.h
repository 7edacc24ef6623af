/* SPDX-License-Identifier: MIT
 *
 * dataset.h - the labelled pictures of a feature stream, in the label stream's
 * order: which are positive for what, and their tokens, from memory or, where
 * they are more than the memory allowed, from the file by random access.
 * Ranks of one machine hold them in memory once.
 *
 * Knows: stream/, label/, decoder/ (which tokens zero-shot reads), store.h. Room train/.
 */
#ifndef ADDS_DATASET_H
#define ADDS_DATASET_H

#include "../decoder/decoder.h"
#include "../label/mapping.h"
#include "../label/texts.h"
#include "store.h"

/* one labelled picture */
struct adds_item {
	uint64_t record;     /* its number in the stream */
	uint64_t hash;       /* XXH64 of its path */
	int64_t tokens;      /* T */
	int64_t path;        /* where its path (ended by NUL) begins in paths */
	int64_t read, nread; /* its rows that zero-shot reads: rows[read … read + nread - 1] */
	int64_t pos, npos;   /* its positive labels: labels[pos …], ascending */
	int64_t neg, nneg;   /* its verified negatives likewise; nneg -1: all others that the vocabulary has */
	const void *data;    /* its tokens as they came, or NULL: in the file */
};

struct adds_dataset {
	struct adds_reader *reader;
	struct adds_vocab *vocab; /* of the pictures */
	struct adds_mapping map;
	const struct adds_texts *texts;
	const char *choice; /* "cls", "patch", "all" */
	int64_t n;
	struct adds_item *item; /* [n] */
	char *paths;
	int32_t *rows, *labels;
	enum adds_dtype dtype; /* of the tokens */
	int64_t most_tokens;   /* the largest T */
	uint64_t records, unlabelled, errors;
	int in_memory;
	struct adds_store store;        /* open: holds the tokens in memory */
	struct adds_resident *resident; /* the tokens on a device, or NULL; whoever made it frees it */
	char digest[33];                /* of everything above that training sees */
};

/* Called now and then while a stream is read: records so far. */
typedef void adds_dataset_progress(void *to, uint64_t records);

/* Opens the stream and checks its header against the label stream: kind,
 * model, labels in common (with strict: all of them). texts must outlive it. */
struct adds_dataset *adds_dataset_open(const char *path, const struct adds_texts *texts, int strict,
                                       struct adds_error *err);

/* Reads all records once. Tokens stay in memory unless they are more than
 * memory bytes; then path must be a regular file. Pictures that no label file
 * spoke of, and error records, are counted and left out. */
int adds_dataset_load(struct adds_dataset *d, size_t memory, adds_dataset_progress *progress, void *to,
                      struct adds_error *err);

/* The same for ranks, of which the first on each machine keeps the tokens, and lends them to the others of it by
 * adds_dataset_lend, which all call when all have loaded theirs. */
int adds_dataset_load_one(struct adds_dataset *d, size_t memory, adds_dataset_progress *progress, void *to,
                          const struct adds_ranks *ranks, struct adds_error *err);
void adds_dataset_lend(struct adds_dataset *d, struct adds_ranks *ranks);
void adds_dataset_free(struct adds_dataset *d);

const char *adds_dataset_path(const struct adds_dataset *d, int64_t i);

/* target [L] of picture i: 1, 0, or -1 for unknown */
void adds_dataset_targets(const struct adds_dataset *d, int64_t i, int8_t *target);

/* The tokens of picture i as they are stored, [T, D] of dtype: borrowed until the next call. */
const void *adds_dataset_tokens(struct adds_dataset *d, int64_t i, struct adds_error *err);

/* Known positives and negatives of each label [L] among the n pictures of the list. */
void adds_dataset_count(const struct adds_dataset *d, const int64_t *list, int64_t n, int64_t *positives, int64_t *negatives);

/* Splits the pictures by path hash: those whose share of the hash range lies
 * below fraction go to val, the others to train (both [d->n], the caller's). */
void adds_dataset_split(const struct adds_dataset *d, double fraction, int64_t *train, int64_t *ntrain, int64_t *val,
                        int64_t *nval);

#endif
