/* SPDX-License-Identifier: MIT
 *
 * accumulate.h - a step's gradients out of the parts of its batch: those of
 * each part are computed apart and added in the parts' order, by one process
 * that does one part after the other, or by ranks that share them out (part k
 * is rank k modulo their number's). Both come to the same bits.
 *
 * Knows: ranks.h, decoder/. Room train/.
 */
#ifndef ADDS_ACCUMULATE_H
#define ADDS_ACCUMULATE_H

#include "../decoder/decoder.h"
#include "ranks.h"

struct adds_accumulator {
	struct backend *b;
	struct adds_ranks *ranks; /* NULL: one process */
	struct adds_decoder *decoder;
	int parts;
	float *sum;          /* one process: device [size]; NULL with one part, whose gradients are the sum */
	float *total, *mine; /* ranks: host [size] */
};

/* Where part k of n pictures begins; k = parts: n. */
int64_t adds_part_begin(int64_t n, int parts, int k);

/* More ranks than parts are ADDS_EARG. The caller releases a, also after a failure. */
int adds_accumulator_init(struct adds_accumulator *a, struct adds_decoder *decoder, struct backend *b,
                          struct adds_ranks *ranks, int parts, struct adds_error *err);
void adds_accumulator_release(struct adds_accumulator *a);

/* A round is one part a rank. For parts k to k+count-1, of which this rank's gradients
 * are in the decoder: adds them to the sum; with k = 0 they begin it. rc: how
 * computing them went; all ranks agree on it first. */
int adds_accumulator_add(struct adds_accumulator *a, int rc, int k, int count, struct adds_error *err);

/* The sum takes the place of the decoder's gradients, on all ranks. */
int adds_accumulator_finish(struct adds_accumulator *a, struct adds_error *err);

#endif
