/* SPDX-License-Identifier: MIT
 *
 * pull.h - JSON piece by piece: from memory, or from a file of any size through
 * a window of 1 MiB. No tree is built; nesting is bounded (64), a string too (1 MiB).
 * Refused with byte offset and JSON path: bytes that are not UTF-8, NUL, control
 * characters in strings, lone surrogates, anything behind the value.
 *
 * Knows: fail.h. The caller looks for keys that stand twice.
 */
#ifndef ADDS_PULL_H
#define ADDS_PULL_H

#include <stddef.h>
#include <stdint.h>

#include "../fail.h"

enum {
	ADDS_PULL_DEPTH = 64,
	ADDS_PULL_KEY = 64, /* bytes of a key that are kept for the path */
};

enum adds_token {
	ADDS_TOKEN_END, /* the value is whole, nothing is behind it */
	ADDS_TOKEN_OBJECT,
	ADDS_TOKEN_OBJECT_END,
	ADDS_TOKEN_ARRAY,
	ADDS_TOKEN_ARRAY_END,
	ADDS_TOKEN_KEY,
	ADDS_TOKEN_STRING,
	ADDS_TOKEN_NUMBER,
	ADDS_TOKEN_TRUE,
	ADDS_TOKEN_FALSE,
	ADDS_TOKEN_NULL,
};

struct adds_pull_level {
	uint64_t index; /* of an array's current element */
	uint8_t array, state, key_len;
	char key[ADDS_PULL_KEY];
};

struct adds_pull {
	const char *name; /* for messages; borrowed */
	uint64_t line;    /* 0, or which line of a file the text is, for messages */
	int fd, eof, done;
	const char *s, *end; /* what is left of the window */
	const char *start;   /* of the token being read */
	const char *window;  /* begin of the window … */
	uint64_t window_at;  /* … and its offset in the input */
	char *buffer;        /* of the window of a file */
	char *scratch;       /* a string with its escapes undone */
	size_t scratch_room;
	int depth;
	struct adds_pull_level level[ADDS_PULL_DEPTH];
	const char *text; /* of the last key, string or number; until the next call */
	size_t len;
};

/* All zero at first; _release frees the buffers. Both may be begun again and again. */
void adds_pull_text(struct adds_pull *p, const char *name, const char *text, size_t len);
int adds_pull_file(struct adds_pull *p, const char *path, struct adds_error *err);
void adds_pull_release(struct adds_pull *p);

/* The next enum adds_token, or an error. */
int adds_pull_next(struct adds_pull *p, struct adds_error *err);

/* Reads to the end of the value that token began. */
int adds_pull_skip(struct adds_pull *p, int token, struct adds_error *err);

/* Where we are: "$.images[3].file_name". Returns out. */
const char *adds_pull_path(const struct adds_pull *p, char *out, size_t size);

/* Fills err with "'NAME' at byte N, PATH: text"; returns code. */
__attribute__((format(printf, 4, 5))) int adds_pull_fail(const struct adds_pull *p, struct adds_error *err, int code,
                                                         const char *fmt, ...);

/* Non-zero if the last key or string is these bytes. */
int adds_pull_is(const struct adds_pull *p, const char *word);

#endif
