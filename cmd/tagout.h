/* SPDX-License-Identifier: MIT
 * tagout.h - tags of pictures as JSON Lines, as tab-separated lines, as text files beside
 * the pictures, or as JSON that ExifTool imports. Part of adds-threshold. */
#ifndef TAGOUT_H
#define TAGOUT_H

#include "../lib/score/scores.h"

enum {
	TAGOUT_JSONL,
	TAGOUT_TSV,
	TAGOUT_TXT,
	TAGOUT_EXIFTOOL,
};

struct tagout_options {
	int format;
	const char *separator, *ledger;
	int replace_ext, append, overwrite;
};

struct tagout;

/* output: a file (written aside and renamed at the end) or "-"; h must outlive t. Failures end the program. */
struct tagout *tagout_open(const char *output, const struct tagout_options *options, const struct adds_score_header *h);

/* One picture with n tags, rows of the vocabulary by falling score; one picture that could not be read. */
void tagout_picture(struct tagout *t, const struct adds_record *rec, const int32_t *rows, int64_t n);
void tagout_error(struct tagout *t, const struct adds_record *rec);

/* Returns 1 if a picture could not be given its tags (its text file is somebody else's, its path no JSON), else 0. */
int tagout_close(struct tagout *t);

/* A whole text, and a newline if it does not end in one, into a file, written aside and renamed, or to standard output. */
void tagout_write_file(const char *path, const char *text);

#endif
