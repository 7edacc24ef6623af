/* SPDX-License-Identifier: MIT
 *
 * message.h - the inside of a message, and its bytes (safetensors).
 * Knows: adds.h, json.h. Weight files and checkpoints are messages too.
 */
#ifndef ADDS_MESSAGE_H
#define ADDS_MESSAGE_H

#include "json.h"

enum {
	ADDS_JSON_LIMIT = 1 << 20,          /* of a stream's message */
	ADDS_WEIGHTS_JSON_LIMIT = 16 << 20, /* of a weight file or checkpoint */
};
#define ADDS_MESSAGE_LIMIT ((size_t)1 << 30)

struct adds_entry {
	struct adds_tensor t;
	char *name;
	void *own;      /* the data, unless borrowed */
	uint64_t begin; /* while its message is read: where its data lies */
};

struct adds_message {
	cJSON *meta;              /* the "adds" JSON: an object */
	cJSON *other;             /* other strings of safetensors' metadata, or NULL */
	char *json;               /* text of meta, or NULL: to be written */
	int lent;                 /* the tree was handed out for changes: json is never current */
	struct adds_entry *entry; /* by name */
	size_t n, cap;
};

/* Empties a message for the next use. */
void adds_message_clear(struct adds_message *m);

/* Reads the message that begins at bytes (avail of them there) into m, whose
 * tensors then borrow from bytes; those that are not aligned for their type
 * are copied. *used: its length, also where only its tensors are cut short (ADDS_ETRUNCATED); else 0.
 * All checks of the safetensors format are made; limit bounds its length, json_limit its header. */
int adds_message_parse(struct adds_message *m, const void *bytes, size_t avail, size_t limit, size_t json_limit,
                       size_t *used, struct adds_error *err);

/* Appends the canonical bytes of m to b; json_limit bounds the header. */
int adds_message_bytes(const struct adds_message *m, struct adds_buf *b, size_t json_limit, struct adds_error *err);

/* ---- a file that is one message (seal.c): XXH64 of all its bytes stands in its own metadata, under "xxh64" ---- */

/* As adds_message_bytes, into an empty b, with the checksum. */
int adds_seal_bytes(struct adds_message *m, struct adds_buf *b, size_t json_limit, struct adds_error *err);

/* Are these n bytes, which m was read from and which end in NUL, those that were written? A message
 * without a checksum is not ours: 0. */
int adds_seal_check(const struct adds_message *m, const char *bytes, size_t n, struct adds_error *err);

/* Reads a file that is one message into *bytes, which end in NUL (the caller frees them), and m, which borrows from them. That
 * the file is as long as its header says, and limit long at most, is seen before the rest of it is read. What is no such file
 * is told as "path: not a WHAT: reason". */
int adds_message_read_file(struct adds_message *m, const char *path, const char *what, size_t limit,
                           size_t json_limit, char **bytes, size_t *n,
                           struct adds_error *err);

#endif
