/* SPDX-License-Identifier: MIT
 *
 * labels.h - what adds-encode-text reads: labels from a list, from
 * organized_Tags.json, or from a stream's header, with prompts of their own.
 *
 * Knows: stream/, label/. Room clip/.
 */
#ifndef ADDS_LABELS_H
#define ADDS_LABELS_H

#include "../label/vocab.h"

struct adds_labels {
	struct adds_vocab *vocab;
	/* [labels], or NULL: of each label the prompts that its line gave, one behind
	 * the other, each with its NUL, an empty one behind the last; NULL: none */
	char **own;
	char *warnings; /* of a stream's reader, a line each; NULL: none */
};

/* path: "-" is standard input. What it is, is told by its first bytes: a zstd frame
 * is a stream of any kind, of which the header's vocabulary is taken (a regular
 * file is not read further, a pipe is read and checked to its end); '{' or '['
 * is organized_Tags.json; else one label a line, UTF-8, a tab and a prompt behind
 * it as often as wanted. A name that stands twice is an error that
 * names both lines. The caller releases l, also after a failure. */
int adds_labels_read(struct adds_labels *l, const char *path, struct adds_error *err);
void adds_labels_release(struct adds_labels *l);

#endif
