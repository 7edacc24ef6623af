/* SPDX-License-Identifier: MIT
 * index.h - the parts of adds-index: finding pictures, their labels, and the run
 * that puts both into records. */
#ifndef INDEX_H
#define INDEX_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

#include "../lib/label/table.h"
#include "cmd.h"

/* ---- index_read.c: whole files ---- */

/* Bytes that are used again from file to file; zeroed at first, freed by the owner. */
struct index_bytes {
	char *p;
	size_t len, room;
};

/* A whole file into b: 1, or 0 where there is none (with may_miss, else an error), or a negative
 * code; one of limit bytes or more is refused. */
int index_read(struct index_bytes *b, const char *path, size_t limit, int may_miss, struct adds_error *err);

/* ---- index_find.c: pictures by name ---- */

/* what lies beside a picture; more than one may */
enum {
	INDEX_LONG_JSON = 1,  /* photo.jpg.json */
	INDEX_SHORT_JSON = 2, /* photo.json */
	INDEX_LONG_TEXT = 4,  /* photo.jpg.txt */
	INDEX_SHORT_TEXT = 8, /* photo.txt */
	INDEX_ANY = 15,
	INDEX_NOT_LISTED = 16, /* its folder was not read: they have to be tried */
	INDEX_FOLDER = 32,     /* no picture, but a folder that cannot be read */
};

struct index_picture {
	const char *path;  /* as given: the argument, and what was found in it */
	uint32_t relative; /* where the part relative to the argument begins */
	uint8_t beside;
};

/* Extensions of picture formats that are not read. */
enum { INDEX_FORMATS = 23 };
extern const char *const index_formats[INDEX_FORMATS];

/* The place of a name's extension among them, or -1. */
int index_format_of(const char *name);

/* Finding may run beside the making of records. What is found is put behind the
 * others under the lock; n and item are read under it until all is found. */
struct index_pictures {
	struct index_picture *item;
	size_t n, room;
	int all; /* nothing more will come */
	pthread_mutex_t lock;
	pthread_cond_t changed; /* more was found; also for whoever shares the lock */
	size_t waiting;         /* threads that wait for more */
	/* the finder's own */
	char *chunk; /* where paths are put; former chunks stay */
	size_t chunk_left;
	size_t left_out, loops; /* named files that are no pictures by name; links that lead back */
	const char *left_out_name, *loop_name;
	size_t unread[INDEX_FORMATS]; /* files in folders that are pictures of other formats, by index_formats */
	const char *unread_name;      /* the first of them */
	int failed;
	struct adds_error err;
	/* what is asked for */
	const char *const *argument;
	size_t arguments;
	const char *list; /* a file of further arguments, or NULL */
	int list_nul, include_hidden;
	pthread_t thread;
};

/* Dies if an argument is not there. */
void index_check(const struct index_pictures *p);

/* Finds all in a thread of its own; _join waits for it: 0, or what it could not read. */
void index_find_start(struct index_pictures *p);
int index_find_join(struct index_pictures *p, struct adds_error *err);

/* ---- index_labels.c: vocabulary and targets ---- */

enum {
	INDEX_STOP,
	INDEX_SKIP,
	INDEX_ADD,
};

struct index_labels {
	struct adds_vocab *v;
	size_t base;        /* labels of the vocabulary that was given */
	int32_t *order;     /* rows of the base by code point, for vectors */
	const char *origin; /* the file of the base, or NULL */
	struct adds_table **table;
	size_t tables;
	int on_unknown;   /* INDEX_STOP, _SKIP, _ADD */
	int unknown_rest; /* --unstated unknown */
	unsigned beside;  /* which files beside a picture are read */
	int supercategories;
};

/* The vocabulary that was named, or that lies in an argument's folder or the one
 * above it: 1, or 0 if there is none. Dies of one that cannot be read. */
int index_vocabulary(struct index_labels *l, const char *tags, const char *const *argument, size_t n);

void index_tables(struct index_labels *l, const struct opt_list *tables, const char *const *argument, size_t n);

/* Settles the names of all tables against the vocabulary; adds them with `add`. */
void index_bind(struct index_labels *l, int add);

/* Reads labels; one for each thread. */
struct index_labeller {
	const struct index_labels *l;
	struct adds_vocab *v; /* the shared one; while gathering, one of its own */
	int add;              /* unknown names become labels of v */
	struct adds_statement_reader reader;
	struct adds_statement statement;
	struct adds_targets targets;
	struct index_bytes text;
	uint64_t unknown;       /* mentions left out … */
	char first_unknown[64]; /* … and the first of them */
};

void index_labeller_init(struct index_labeller *r, const struct index_labels *l, struct adds_vocab *v, int add);
void index_labeller_release(struct index_labeller *r);

/* Notes which entries of tables speak of the picture; the first table that does decides: its entry, or NULL. From any thread. */
const struct adds_table_entry *index_entry(const struct index_labels *l,
                                           const struct index_picture *p,
                                           const struct adds_table **t);

/* At the end, when all pictures have been looked up: warns of tables, or entries, that speak of none. */
void index_report_tables(const struct index_labels *l, const struct index_pictures *p);

/* The targets of a picture: 1, or 0 where it has no label file, or an error. */
int index_label(struct index_labeller *r, const struct index_picture *p, struct adds_error *err);

/* ---- index_gather.c: the first pass, which makes the vocabulary ---- */

/* What the first pass found of each picture, so that no file is read twice. */
struct index_kept;

/* Reads all label files; the vocabulary then has their names as well, those that are new by
 * code point behind the others. stop: an error ends the program. */
struct index_kept *index_gather(struct index_labels *l, const struct index_pictures *p, int threads, int stop);
void index_kept_free(struct index_kept *k);

/* As index_label, from what was kept. */
int index_recall(const struct index_kept *k, size_t i, struct adds_targets *g, struct adds_error *err);

/* ---- index_run.c: records in order ---- */

struct index_run {
	struct index_pictures *pictures;
	const struct index_labels *labels;
	const struct index_kept *kept; /* or NULL: labels are read on the way */
	int threads, embed, by_content, require_labels;
	int stop_labels, stop_pictures; /* of errors */
	uint64_t seed;
	double from, to;        /* the part that is taken, of 0 … 1 */
	uint64_t shard, shards; /* from 0 */
	/* counted */
	uint64_t written, labelled, unlabelled, errors, unknown;
	char first_error[1024], first_unknown[64];
};

/* Pictures may still be coming. Returns 0 or an error; the writer is the caller's. */
int index_run(struct index_run *run, struct adds_writer *w, struct adds_error *err);

/* Calls work(arg, thread, i) for all i < n, in blocks, on that many threads. */
void index_parallel(size_t n, int threads, void (*work)(void *arg, int thread, size_t i), void *arg);

#endif
