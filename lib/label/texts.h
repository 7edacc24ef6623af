/* SPDX-License-Identifier: MIT
 *
 * texts.h - a label stream in memory: its order is the order of everything in
 * training and evaluation (mapping.h leads from the pictures' vocabulary to it).
 *
 * Knows: stream/. Room label/.
 */
#ifndef ADDS_TEXTS_H
#define ADDS_TEXTS_H

#include "vocab.h"

/* A label stream: names, and one unit embedding a label. */
struct adds_texts {
	struct adds_vocab *vocab;
	int64_t n;        /* labels */
	int width;        /* D */
	float *embedding; /* [n, D], unit rows */
	struct adds_message *header;
};

/* Reads the whole stream. The caller releases t, also after a failure. */
int adds_texts_read(struct adds_texts *t, const char *path, struct adds_error *err);
void adds_texts_release(struct adds_texts *t);

/* The encoder that the stream comes from (the header's "model"), or "" */
const char *adds_texts_model(const struct adds_texts *t);

#endif
