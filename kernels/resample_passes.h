/* SPDX-License-Identifier: MIT
 *
 * resample_passes.h - the two passes of a resampler, one table an instruction set, and what they work on.
 *
 * Between the passes rows lie in pairs, 2k and 2k+1, as 16-bit words that
 * alternate: a pair of taps is one 32-bit lane, which a multiply-add of pairs
 * weighs. A weight is 65,536·high + low, both halves in 16 bits with sign, so
 * that two of them give the exact 32-bit sum (modulo 2^32) of the plain loop.
 */
#ifndef RESAMPLE_PASSES_H
#define RESAMPLE_PASSES_H

#include "resample.h"

enum {
	RESAMPLE_BITS = 22,    /* of a weight */
	RESAMPLE_QUAD = 4,     /* results of a quad at most */
	RESAMPLE_COLUMNS = 32, /* that the vertical pass takes at once */
};

/* Up to four neighbouring values of an output row. Each of its pairs of taps is cut out of 16 input bytes: one pixel with
 * its 3 or 4 channels, or (3 channels, scale at most 3) parts of two pixels that lie close to each other. */
struct resample_quad {
	int32_t at, pairs; /* the first byte; pairs of taps, at least one */
	uint8_t cut[16];   /* byte of the input for each byte of four pairs of words; 0x80: zero */
	int32_t start[4];  /* rounding and bias of each value */
};

/* one output row */
struct resample_down {
	int32_t pair, pairs; /* the first pair of input rows; how many */
	int32_t start;
};

struct resample_passes {
	/* RESAMPLE_ROWS input rows, ldx bytes apart, become half as many pairs of rows, ldp words
	 * apart. skip: bytes left out at their left. */
	void (*horizontal)(const struct resampler *r, int16_t *pairs, size_t ldp, const uint8_t *x, size_t ldx, int32_t skip);
	/* Output row i from its pairs. */
	void (*vertical)(const struct resampler *r, uint8_t *y, int i, const int16_t *const *pairs);
};

struct resampler {
	const struct resample_passes *passes;
	const struct resample_axis *h, *v;
	int channels;
	size_t width; /* values of an output row */
	/* ---- tables ---- */
	int quads, values, step; /* how many; values of each (the last may have fewer); bytes from a pair of taps to the next */
	struct resample_quad *quad;
	int taps;        /* of the weights below: pairs of a quad at most */
	int16_t *across; /* [quads][taps][low, high][8] */
	struct resample_down *down;
	int most;       /* pairs of an output row at most */
	int32_t *weigh; /* [v count][most][low, high]: two weights in each */
	/* ---- the rows between the passes, and the output ---- */
	int16_t *ring; /* [size] pairs of rows, ldp words apart */
	size_t ldp;
	int size;
	const int16_t **tap; /* [most]: the pairs that one output needs */
	uint8_t *y;
	size_t ldy;
	int next; /* output row */
};

extern const struct resample_passes resample_portable, resample_avx2;

/* The inputs that an axis needs: *first and how many. */
void resample_axis_needs(const struct resample_axis *a, int *first, int *n);

/* low and high halves of two weights, as a multiply-add of pairs takes them */
void resample_halves(int32_t to[2], int32_t a, int32_t b);

#endif
