/* SPDX-License-Identifier: MIT
 * decoder_fixture.h - a decoder and a batch of made-up features for the unit tests of decoder/ */
#ifndef DECODER_FIXTURE_H
#define DECODER_FIXTURE_H

#include "../../lib/decoder/decoder_inside.h"
#include "unit.h"

struct fixture {
	struct backend *b;
	struct adds_decoder *d;
	struct adds_decoder_batch x;
	int64_t at[16];
	float *labels, *context, *tokens, *z0, *gate, *logits, *dlogits; /* device memory of the CPU */
};

/* numbers in [-1, 1), the same for the same seed */
void made_up(float *x, int64_t n, uint64_t seed);
/* rows · width numbers, rows of length √width */
void made_up_rows(float *x, int64_t rows, int64_t width, uint64_t seed);

/* A decoder with aligned start and noise of .05 on every weight, on n pictures with tokens[i] tokens; context 0: none. */
void fixture_open(struct fixture *f, const struct adds_decoder_config *c, int threads, int64_t labels, int64_t context,
                  int64_t n, const int64_t *tokens);
void fixture_close(struct fixture *f);

struct mat fixture_logits(const struct fixture *f);
/* Forward of one picture or, with n, of the first n; into f->logits. */
void fixture_forward(struct fixture *f, int64_t first, int64_t n);
void fixture_train(struct fixture *f, uint64_t step);
/* Backward from made-up gradients of the logits; the gradient buffer is zeroed first. */
const float *fixture_backward(struct fixture *f);

#endif
