/* SPDX-License-Identifier: MIT
 * gate.c - how far a label is from those that the decoder was trained on */
#include <math.h>
#include <string.h>

#include "../label/vocab.h"
#include "decoder_inside.h"

#define REACH 0.1 /* cosine distance at which the gate is 1/e */
#define SAME 1e-6 /* of a trained label's text to its trained one */

static double
product(const float *a, const float *b, int n)
{
	double s[4] = { 0, 0, 0, 0 };
	int i;

	for (i = 0; i + 4 <= n; i += 4) {
		s[0] += (double)a[i] * b[i];
		s[1] += (double)a[i + 1] * b[i + 1];
		s[2] += (double)a[i + 2] * b[i + 2];
		s[3] += (double)a[i + 3] * b[i + 3];
	}
	for (; i < n; i++)
		s[0] += (double)a[i] * b[i];
	return s[0] + s[1] + s[2] + s[3];
}

static int
is_trained(const char *name, const float *text, const struct adds_vocab *trained, const float *trained_texts, int width)
{
	const int64_t row = adds_vocab_find(trained, name, strlen(name));

	return row >= 0 && product(text, trained_texts + row * width, width) >= 1 - SAME;
}

static double
nearest(const float *text, const float *trained_texts, size_t n, int width)
{
	double most = -1;
	size_t i;

	for (i = 0; i < n; i++)
		most = fmax(most, product(text, trained_texts + i * (size_t)width, width));
	return fmax(1 - most, 0);
}

void
adds_gate(float *gate, const struct adds_vocab *labels, const float *texts, const struct adds_vocab *trained,
          const float *trained_texts, int width)
{
	const size_t n = adds_vocab_size(labels), m = adds_vocab_size(trained);
	size_t i;

	for (i = 0; i < n; i++) {
		const float *text = texts + i * (size_t)width;

		gate[i] = 1;
		if (!is_trained(adds_vocab_name(labels, i), text, trained, trained_texts, width))
			gate[i] = (float)exp(-nearest(text, trained_texts, m, width) / REACH);
	}
}
