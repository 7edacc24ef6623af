/* SPDX-License-Identifier: MIT
 *
 * cat.h - the parts of adds-cat: choosing records, showing them, arrays out
 * and in, salvage, new labels for old features. All of them end the program
 * on errors, as main would.
 */
#ifndef CAT_H
#define CAT_H

#include <stdio.h>

#include "../lib/stream/output.h"
#include "../lib/stream/record.h"
#include "cmd.h"

struct cat_options {
	/* which records */
	long long head; /* −1: all */
	struct opt_list paths;
	const char *rows; /* A:B:C, or a file of numbers */
	int only;         /* 0: all, else enum adds_record_type + 1 */
	/* arrays */
	const char *npy, *safetensors, *tensor, *lengths;
	const char *path_file, *label_file, *target_file;
	int import; /* enum adds_kind, or −1 */
	const char *model_name, *positive, *negative, *unknown;
	int similarity, calibrated;
	double logit_scale;
	/* how */
	const char *output;
	long long level, threads;
	int values;
};

extern struct adds_error cat_err;

/* dies with cat_err where rc is negative; returns rc */
int cat_need(int rc);
void *cat_need_ptr(void *p); /* dies likewise where p is NULL */

/* ---- records from several files, in order (cat_select.c) ---- */

struct cat_source;

/* Opens the first file; with join, all headers must agree with its header. */
struct cat_source *cat_open(char **files, int n, int join, const struct cat_options *o);
const struct adds_message *cat_header(const struct cat_source *s);
const char *cat_name(const struct cat_source *s);

/* The next chosen record: 1, 0 at the end of everything (joined) or of this file. number (may be
 * NULL): its place in the input. */
int cat_read(struct cat_source *s, const struct adds_message **m, uint64_t *number);

/* Without join: the next file, 1, or 0 after the last. */
int cat_next_file(struct cat_source *s);

/* The end record of what was read: NULL if reading stopped early. Joined: later provenance in it. */
const struct adds_message *cat_end(const struct cat_source *s);
int cat_selective(const struct cat_options *o);
void cat_close(struct cat_source *s);

/* Once, first of all: takes in what --rows chooses, reading its file. */
void cat_rows_open(const char *rows);
/* Is row one of --rows? */
int cat_row_chosen(const char *rows, uint64_t row);
/* Dies if the file of --rows names a row that is not among total ones. */
void cat_rows_check(const char *rows, uint64_t total);

/* Options that change the result, for the provenance; NULL if there are none. */
cJSON *cat_choice(const struct cat_options *o);

/* ---- showing (cat_text.c, cat_jsonl.c) ---- */

/* the names of a header's vocabulary; borrowed from the header, list from malloc */
const char **cat_labels(const struct adds_message *header, size_t *n);

void cat_text(struct cat_source *s, const struct cat_options *o);
void cat_jsonl(struct cat_source *s, const struct cat_options *o);

/* ---- arrays (cat_npy.c, cat_export.c, cat_import.c) ---- */

struct cat_npy {
	enum adds_dtype dtype;
	int rank;
	int64_t shape[ADDS_MAX_RANK];
	size_t row; /* bytes of one row: everything behind the first dimension */
	const unsigned char *data;
	void *map;
	size_t mapped;
};

void cat_npy_open(struct cat_npy *a, const char *path);
void cat_npy_close(struct cat_npy *a);

/* The header of a .npy file, always 128 bytes long. */
enum { CAT_NPY_HEADER = 128 };
void cat_npy_header(char head[CAT_NPY_HEADER], enum adds_dtype dtype, int rank, const int64_t *shape, const char *path);

/* Element i as a double. */
double cat_npy_number(const struct cat_npy *a, size_t i);

void cat_export(struct cat_source *s, const struct cat_options *o);
void cat_import(const struct cat_options *o);

/* ---- the rest ---- */

struct adds_writer *cat_writer(const struct cat_options *o);
void cat_copy(struct cat_source *s, const struct cat_options *o);
int cat_verify(char **files, int n);
void cat_salvage(const char *file, const struct cat_options *o);
void cat_relabel(const char *index, struct cat_source *s, const struct cat_options *o);

#endif
