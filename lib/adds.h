/* SPDX-License-Identifier: MIT
 *
 * adds.h - read and write ADDS streams (see adds(5)).
 *
 * A stream is a sequence of zstd frames; decompressed, a sequence of messages,
 * each byte for byte a valid safetensors file: first the header, then one
 * record per picture or label, last the end record.
 *
 * Ownership: the caller frees what an _open or _new returned; pointers inside
 * a message are borrowed until the next read from its reader (or the next
 * change of the message); nothing else changes hands.
 *
 * Errors: functions that can fail return 0 or a count, or a negative
 * enum adds_code (functions that return a pointer: NULL), and fill err with
 * the code and a finished sentence. Nothing here prints or exits.
 *
 * Threads: objects are independent; one object is for one thread at a time.
 */
#ifndef ADDS_H
#define ADDS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum adds_code {
	ADDS_OK = 0,
	ADDS_EFORMAT = -1,    /* bytes that are not what they should be */
	ADDS_ETRUNCATED = -2, /* a stream without its end record */
	ADDS_EIO = -3,        /* the system said no */
	ADDS_ELIMIT = -4,     /* larger than a limit allows */
	ADDS_ENOMEM = -5,
	ADDS_EMISMATCH = -6, /* two inputs that do not belong together */
	ADDS_EARG = -7,      /* a caller's mistake, or an option that cannot be */
	ADDS_EDEVICE = -8,   /* no such device, or it failed */
};

struct adds_error {
	int code;
	char msg[1024]; /* lower case, no full stop, no newline */
};

/* version of the library, "1.0.0" */
const char *adds_version(void);

/* ---- tensors and messages ---- */

enum adds_dtype {
	ADDS_BOOL,
	ADDS_U8,
	ADDS_I8,
	ADDS_I16,
	ADDS_U16,
	ADDS_F16,
	ADDS_BF16,
	ADDS_I32,
	ADDS_U32,
	ADDS_F32,
	ADDS_F64,
	ADDS_I64,
	ADDS_U64,
};

#define ADDS_MAX_RANK 8

struct adds_tensor {
	const char *name;
	enum adds_dtype dtype;
	int rank;
	int64_t shape[ADDS_MAX_RANK];
	const void *data; /* little-endian, row-major; aligned for its type */
	size_t size;      /* bytes */
};

/* bytes of one element; the name used by safetensors ("F32") */
size_t adds_dtype_size(enum adds_dtype dtype);
const char *adds_dtype_name(enum adds_dtype dtype);

struct adds_message;

/* A new, empty message: no fields, no tensors. NULL when memory is out. */
struct adds_message *adds_message_new(void);
void adds_message_free(struct adds_message *m);

/* The "adds" JSON text of the message, keys sorted; never NULL. */
const char *adds_message_json(const struct adds_message *m);

/* Replaces the JSON of the message; text must be one JSON object. */
int adds_message_set_json(struct adds_message *m, const char *text, struct adds_error *err);

/* One field of the JSON: a string (NULL if absent or of another type), a
 * number (fallback if absent or of another type). */
const char *adds_message_string(const struct adds_message *m, const char *key);
double adds_message_number(const struct adds_message *m, const char *key, double fallback);

/* Sets one field of the JSON. */
int adds_message_set_string(struct adds_message *m, const char *key, const char *value, struct adds_error *err);
int adds_message_set_number(struct adds_message *m, const char *key, double value, struct adds_error *err);

/* Adds a tensor, copying its data (shape's product times the element size);
 * a tensor of that name is replaced. */
int adds_message_add(struct adds_message *m, const char *name, enum adds_dtype dtype, int rank,
                     const int64_t *shape, const void *data, struct adds_error *err);
int adds_message_remove(struct adds_message *m, const char *name);

/* The tensor of that name, or NULL; the i-th in name order; how many. */
const struct adds_tensor *adds_message_tensor(const struct adds_message *m, const char *name);
const struct adds_tensor *adds_message_tensor_at(const struct adds_message *m, size_t i);
size_t adds_message_tensors(const struct adds_message *m);

/* ---- reading ---- */

struct adds_limits {
	size_t message; /* bytes of one message [1 GiB] */
	size_t json;    /* bytes of a message's safetensors header [1 MiB] */
	int window_log; /* of a zstd frame [27] */
};

struct adds_reader;

/* Opens a stream and reads its header. path "-" is standard input. limits may
 * be NULL: the defaults above. Messages about the stream begin with its name
 * ("<stdin>" for "-"), the record and the byte offset in the decompressed stream. */
struct adds_reader *adds_reader_open(const char *path, const struct adds_limits *limits, struct adds_error *err);
void adds_reader_close(struct adds_reader *r);
const char *adds_reader_name(const struct adds_reader *r);

/* The header of the stream (of the first one, where streams are joined). */
const struct adds_message *adds_reader_header(const struct adds_reader *r);

/* The next record into *m: 1, or 0 after the last one (the end of the input,
 * checksum and rubbish behind it included, has been checked by then), or an
 * error. Joined streams are read as one; a second header that does not agree
 * with the first is ADDS_EMISMATCH. */
int adds_reader_read(struct adds_reader *r, const struct adds_message **m, struct adds_error *err);

/* After the last record: the end record (counts summed over joined streams;
 * later headers' provenance in "joined"). NULL before. */
const struct adds_message *adds_reader_end(const struct adds_reader *r);

/* Records read so far. Warnings gathered so far (compute precision that
 * differs between joined streams, a seek table that had to be rebuilt):
 * NULL, or text lines. */
uint64_t adds_reader_records(const struct adds_reader *r);
const char *adds_reader_warnings(const struct adds_reader *r);

/* ---- random access (regular files only) ---- */

/* Number of records of the file, found from its seek tables or by one scan. */
int64_t adds_reader_total(struct adds_reader *r, struct adds_error *err);

/* Record number i (from 0, error records among them) into *m; the frame it
 * lies in stays in memory, so that reading on in order costs one frame each. */
int adds_reader_at(struct adds_reader *r, uint64_t i, const struct adds_message **m, struct adds_error *err);

/* ---- writing ---- */

struct adds_writer_options {
	int level;    /* zstd level [1] */
	int threaded; /* compress in a thread of its own [0] */
};

struct adds_writer;

/* Opens path for writing: "-" is standard output; any other name is written
 * beside itself under a temporary name and put into place by _finish, and only
 * then (a file that already holds the same bytes is left untouched).
 * options may be NULL. */
struct adds_writer *adds_writer_open(const char *path, const struct adds_writer_options *options,
                                     struct adds_error *err);

/* The header: first, once. */
int adds_writer_header(struct adds_writer *w, const struct adds_message *m, struct adds_error *err);

/* One record. Records whose "record" is "error" are counted as such. */
int adds_writer_write(struct adds_writer *w, const struct adds_message *m, struct adds_error *err);

/* Writes the end record (extra: NULL, or a message whose fields are added to
 * it), the seek table when the output is a regular file, flushes, syncs,
 * renames and frees w, also on failure (the old file then stays). */
int adds_writer_finish(struct adds_writer *w, const struct adds_message *extra, struct adds_error *err);

/* Gives up: removes the temporary file, frees w. */
void adds_writer_abort(struct adds_writer *w);

uint64_t adds_writer_records(const struct adds_writer *w);
uint64_t adds_writer_errors(const struct adds_writer *w);

#ifdef __cplusplus
}
#endif
#endif
