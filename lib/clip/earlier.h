/* SPDX-License-Identifier: MIT
 *
 * earlier.h - an earlier label stream, of which the embeddings that would come
 * out the same are used again.
 *
 * Knows: stream/, label/. Room clip/.
 */
#ifndef ADDS_EARLIER_H
#define ADDS_EARLIER_H

#include "../label/vocab.h"

struct adds_earlier {
	struct adds_vocab *vocab;
	cJSON **prompts;  /* [labels] */
	float *embedding; /* [labels, width] */
	size_t width;
	const char *other; /* what makes it useless ("model", "options"), or NULL */
};

/* Reads the label stream. Its embeddings are of use if its model is this one and
 * it was made by program with these options (those that change the result);
 * else e->other says what differs. The caller releases e, also after a failure. */
int adds_earlier_read(struct adds_earlier *e, const char *path, const char *model, const char *program,
                      const cJSON *options, struct adds_error *err);
void adds_earlier_release(struct adds_earlier *e);

/* The embedding of the label of this name with just these n prompts, or NULL. */
const float *adds_earlier_find(const struct adds_earlier *e, const char *name, char *const *prompts, size_t n);

#endif
