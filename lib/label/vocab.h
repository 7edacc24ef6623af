/* SPDX-License-Identifier: MIT
 *
 * vocab.h - a vocabulary: label names in an order, and the hierarchy among them.
 *
 * Knows: stream/. Room label/: vocabulary, label files (seed JSON, COCO,
 * tables), targets of pictures.
 */
#ifndef ADDS_VOCAB_H
#define ADDS_VOCAB_H

#include <stddef.h>
#include <stdint.h>

#include "../stream/record.h"

struct adds_vocab;

struct adds_vocab *adds_vocab_new(void);
void adds_vocab_free(struct adds_vocab *v);
struct adds_vocab *adds_vocab_copy(const struct adds_vocab *v, struct adds_error *err);

/* Number of labels; name of row i (NUL-terminated, borrowed); row of a name by
 * exact bytes, or -1. */
size_t adds_vocab_size(const struct adds_vocab *v);
const char *adds_vocab_name(const struct adds_vocab *v, size_t i);
int64_t adds_vocab_find(const struct adds_vocab *v, const char *name, size_t len);

/* Adds a name (trimmed of ASCII white space at both ends, at most 1,024 bytes,
 * no NUL, valid UTF-8) unless it is there; returns its row. */
int64_t adds_vocab_add(struct adds_vocab *v, const char *name, size_t len, struct adds_error *err);

/* child implies parent. A cycle is ADDS_EFORMAT. */
int adds_vocab_imply(struct adds_vocab *v, int32_t child, int32_t parent, struct adds_error *err);
size_t adds_vocab_parents(const struct adds_vocab *v, int32_t child, const int32_t **parents);

/* Sorts the names by code point (the seed's order); rows change. */
int adds_vocab_sort(struct adds_vocab *v, struct adds_error *err);

/* From and to the tensors `labels` and `parents` of a header. A name that
 * stands twice is an error. */
struct adds_vocab *adds_vocab_from_header(const struct adds_message *header, struct adds_error *err);
int adds_vocab_to_header(const struct adds_vocab *v, struct adds_message *header, struct adds_error *err);

/* The names alone, as a tensor of bytes with a NUL behind each; taking adds them to v, each once and trimmed. */
int adds_vocab_put_names(const struct adds_vocab *v, struct adds_message *m, const char *tensor, struct adds_error *err);
int adds_vocab_take_names(struct adds_vocab *v, const struct adds_tensor *t, struct adds_error *err);

/* From organized_Tags.json (by the first byte: '{' or '[') or one name a line
 * ('#' is no comment; blank lines are skipped). "-": standard input. */
struct adds_vocab *adds_vocab_read(const char *path, struct adds_error *err);

/* The same from the text of such a file; name is for messages. */
struct adds_vocab *adds_vocab_parse(const char *text, size_t len, const char *name, struct adds_error *err);

/* Adds to set (rows, ascending and unique, room for all labels) the parents of
 * its members, their parents included; returns the new count. */
size_t adds_vocab_close(const struct adds_vocab *v, int32_t *set, size_t n);

/* SHA-256 over the names with their ends: the identity of a label set. */
int adds_vocab_hash(const struct adds_vocab *v, char hex[65], struct adds_error *err);

#endif
