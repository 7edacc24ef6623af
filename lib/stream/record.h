/* SPDX-License-Identifier: MIT
 *
 * record.h - the records of adds(5) as C structs: what every program reads
 * out of a message and puts into one.
 *
 * Knows: adds.h. Room stream/: reader, writer, message, frames, records.
 */
#ifndef ADDS_RECORD_H
#define ADDS_RECORD_H

#include <stdio.h>
#include <sys/types.h>

#include <cjson/cJSON.h>

#include "../adds.h"
#include "../fail.h"

/* The JSON of a message as a tree, for reading and for changing; owned by the
 * message. After a change the text is written anew when it is next needed. */
cJSON *adds_message_meta(struct adds_message *m);
const cJSON *adds_message_meta_const(const struct adds_message *m);

struct adds_message *adds_message_copy(const struct adds_message *m, struct adds_error *err);
/* The same without the tensors of these names, NULL behind them. */
struct adds_message *adds_message_copy_without(const struct adds_message *m, const char *const *names, struct adds_error *err);

enum adds_kind {
	ADDS_KIND_INDEX,
	ADDS_KIND_LABELS,
	ADDS_KIND_FEATURES,
	ADDS_KIND_SCORES,
};

const char *adds_kind_name(enum adds_kind kind);

/* The kind of a header, or ADDS_EFORMAT. */
int adds_header_kind(const struct adds_message *header, struct adds_error *err);

/* A header of that kind: record, format, kind, an empty provenance. */
struct adds_message *adds_header_new(enum adds_kind kind, struct adds_error *err);

/* Where path is a folder: an error that says what stream is needed. */
int adds_refuse_folder_for(const char *path, unsigned kinds, struct adds_error *err);

/* Opens a stream and checks that it is of the kind (a bit mask: 1 << kind). */
struct adds_reader *adds_reader_open_kind(const char *path, unsigned kinds, struct adds_error *err);

/* Appends {"program","version","options"} to the provenance of a header.
 * options: a JSON object of those options that change the result (taken over). */
int adds_provenance_add(struct adds_message *header, const char *program, cJSON *options, struct adds_error *err);

/* A stream on an open descriptor (the caller's) of which the first n (at most 4,096) bytes have been read already, to
 * see what it is. */
struct adds_reader *adds_reader_open_begun(int fd, const char *name, const void *begun, size_t n, struct adds_error *err);

enum adds_record_type {
	ADDS_RECORD_PICTURE,
	ADDS_RECORD_LABEL,
	ADDS_RECORD_ERROR,
	ADDS_RECORD_OTHER, /* unknown and optional: pass on */
};

/* What a record holds, borrowed from its message. Absent tensors are NULL. */
struct adds_record {
	enum adds_record_type type;
	const char *path; /* bytes, not NUL-terminated */
	size_t path_len;
	int64_t bytes;            /* size of the picture's file, -1 unknown */
	const char *mtime;        /* decimal nanoseconds, or NULL */
	const char *sha256;       /* or NULL */
	const int32_t *pos, *neg; /* rows of the vocabulary, ascending; pos NULL: unlabelled; neg NULL: the rest is negative */
	size_t npos, nneg;
	int height, width;          /* upright, 0 unknown */
	const unsigned char *image; /* embedded file */
	size_t image_len;
	const struct adds_tensor *tokens; /* [T, D] */
	const int32_t *tiles;             /* [ntiles, 6]: level, row, column, y, x, tokens */
	size_t ntiles;
	const float *scores; /* [nscores] */
	size_t nscores;
	const char *name; /* of a label; bytes, not NUL-terminated */
	size_t name_len;
	const float *embedding;
	size_t width_embedding;
	const char *stage, *reason; /* of an error */
};

/* Reads and checks a message against adds(5): types, shapes, indices below
 * labels (0: no vocabulary known), tile counts that add up to T. */
int adds_record_parse(struct adds_record *rec, const struct adds_message *m, int64_t labels, struct adds_error *err);

/* New record messages. bytes < 0 and NULL strings are left out. */
struct adds_message *adds_picture_new(const void *path, size_t path_len, int64_t bytes, const char *mtime,
                                      struct adds_error *err);
/* The same at once as the bytes of its message, for programs that write many:
 * what adds_picture_new and adds_message_add of `pos` and `neg` would become.
 * out has room for ADDS_PICTURE_BYTES(path_len, npos + nneg); returns the bytes used. */
struct adds_picture_fields {
	const char *path;
	size_t path_len;
	int64_t bytes, mtime;     /* mtime in nanoseconds */
	const int32_t *pos, *neg; /* NULL: no such tensor */
	size_t npos, nneg;
};
#define ADDS_PICTURE_BYTES(path_len, rows) (512 + (path_len) + 4 * (rows))
size_t adds_picture_bytes(unsigned char *out, const struct adds_picture_fields *f);

/* Writes a record that is there as canonical bytes already (of adds_picture_bytes,
 * or of adds_message_bytes); error: it is an error record. */
int adds_writer_write_bytes(struct adds_writer *w, const void *bytes, size_t n, int error, struct adds_error *err);

struct adds_message *adds_error_new(const void *path, size_t path_len, const char *stage, const char *reason,
                                    struct adds_error *err);
struct adds_message *adds_label_new(const char *name, size_t name_len, const float *embedding, int64_t width,
                                    const char *const *prompts, size_t nprompts, struct adds_error *err);

/* f16 and bf16 tensors as f32: n elements. The conversion to them rounds to nearest even. */
int adds_tensor_to_f32(float *out, const struct adds_tensor *t, struct adds_error *err);
/* Non-zero if no number of an F32, F16 or BF16 tensor is infinite or NaN. */
int adds_tensor_is_finite(const struct adds_tensor *t);
void adds_f32_to_f16(uint16_t *out, const float *in, size_t n);
void adds_f32_to_bf16(uint16_t *out, const float *in, size_t n);
void adds_f16_to_f32(float *out, const uint16_t *in, size_t n);
void adds_bf16_to_f32(float *out, const uint16_t *in, size_t n);

/* JSON from outside: checks NUL bytes, depth (64), duplicate keys, UTF-8 and
 * size before cJSON sees it, and that there are no more than 2^22 values.
 * name is for the message; the caller deletes the tree. */
cJSON *adds_json_parse(const char *text, size_t len, size_t limit, const char *name, struct adds_error *err);

/* JSON text with keys sorted and numbers written one way; the caller frees it. */
char *adds_json_print(const cJSON *json);

/* Where path is a folder: an error that says what is needed instead, and names the file usual (may
 * be NULL) if the folder has it. */
int adds_refuse_folder(const char *path, const char *needed, const char *usual, struct adds_error *err);

/* A whole small file (limit bytes at most) with a NUL behind it; the caller frees it. "-" is standard input. */
char *adds_read_file(const char *path, size_t limit, size_t *len, struct adds_error *err);

/* The next line of f with what ends it, into *line of *room bytes, which grows, but never beyond limit; a NUL follows. The caller
 * frees it. Returns its length, 0 at the end of the file or of what can be read (ferror), ADDS_ELIMIT or ADDS_ENOMEM. */
ssize_t adds_read_line(FILE *f, int end, size_t limit, char **line, size_t *room);

/* Writes all n bytes, in as many calls as it takes; -1: not all, and errno says why. */
int adds_write_all(int fd, const void *data, size_t n);

/* SHA-256 of bytes, as 64 hex digits and a NUL */
void adds_sha256_hex(char out[65], const void *data, size_t len);

#endif
