/* SPDX-License-Identifier: MIT
 * checkpoint.c - any bytes as a checkpoint: refused, or a decoder, a ridge or a blend */
#include <stdint.h>
#include <stdlib.h>

#include "../../lib/decoder/decoder.h"
#include "../../lib/label/vocab.h"
#include "../../lib/ridge/blend.h"
#include "../../lib/ridge/ridge.h"
#include "../../lib/stream/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* There is a text for each label that it was trained on. */
static void
check(const struct adds_decoder *d, const struct adds_vocab *trained, const float *texts)
{
	const size_t n = trained ? adds_vocab_size(trained) * (size_t)adds_decoder_config(d)->width : 0;
	volatile float x = 0;
	size_t i;

	for (i = 0; texts && i < n; i++)
		x += texts[i];
}

static void
read_parts(struct backend *b, const struct adds_message *m)
{
	struct adds_vocab *trained = NULL;
	struct adds_blend blend;
	struct adds_error err;
	float *texts = NULL;
	char text[512];
	struct adds_decoder *d = adds_decoder_from_message(b, m, &trained, &texts, &err);
	struct adds_ridge *r = adds_ridge_from_message(m, &err);

	if (d)
		check(d, trained, texts);
	if (r)
		adds_ridge_summary(r, text, sizeof(text));
	if (adds_blend_from_message(&blend, m, &err) == 0)
		adds_blend_summary(&blend, text, sizeof(text));
	adds_decoder_free(d);
	adds_ridge_free(r);
	adds_vocab_free(trained);
	free(texts);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct adds_message *m = adds_message_new();
	static struct backend *b;
	struct adds_error err;
	char why[256];
	size_t used;

	if (!m || (!b && !(b = backend_open("cpu", 1, why, sizeof(why), &err))))
		abort();
	if (adds_message_parse(m, data, size, 1 << 24, 1 << 20, &used, &err) == 0)
		read_parts(b, m);
	adds_message_free(m);
	return 0;
}
