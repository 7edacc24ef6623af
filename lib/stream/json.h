/* SPDX-License-Identifier: MIT
 *
 * json.h - bytes that grow, and JSON in canonical form.
 * Knows: fail.h. For the files of stream/ only; others use record.h.
 */
#ifndef ADDS_JSON_H
#define ADDS_JSON_H

#include <cjson/cJSON.h>

#include "../fail.h"

/* Bytes that grow. A failed allocation is remembered in `failed`, and nothing
 * more is appended; so a caller asks once, at the end. */
struct adds_buf {
	unsigned char *p;
	size_t n, cap;
	int failed;
};

void adds_buf_add(struct adds_buf *b, const void *bytes, size_t n);
void adds_buf_text(struct adds_buf *b, const char *text);
int adds_buf_reserve(struct adds_buf *b, size_t n); /* room for n more */
void adds_buf_release(struct adds_buf *b);

/* Appends text as a JSON string, quotes included. */
void adds_json_quote(struct adds_buf *b, const char *text);

/* Appends json with keys sorted by bytes and numbers written one way. */
void adds_json_append(struct adds_buf *b, const cJSON *json);

/* Length of the UTF-8 character at s (n bytes there), 0 if it is none. */
size_t adds_utf8_char(const unsigned char *s, size_t n);

/* Strict grammar of JSON (RFC 8259) and our limits, before a tree is built. */
int adds_json_check(const char *text, size_t len, size_t limit, const char *name, struct adds_error *err);

#endif
