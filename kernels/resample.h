/* SPDX-License-Identifier: MIT
 *
 * resample.h - antialiased resampling of 8-bit pictures, bit for bit what the
 * Pillow library computes: two separable passes, horizontal first, weights of
 * 22 bits, rounded to bytes between the passes.
 *
 * An axis is the plan of one dimension. Only the outputs within its window are
 * computed, and only the input rows and columns that they need are read; the
 * weights depend on the full sizes alone, so a window has the values that a
 * crop of the whole result would have. A dimension may be padded with white on
 * both sides without the padded picture ever being made.
 */
#ifndef RESAMPLE_H
#define RESAMPLE_H

#include "kernels.h"

enum resample_filter {
	RESAMPLE_BICUBIC, /* a = -0.5 */
	RESAMPLE_BILINEAR,
};

struct resample_axis {
	struct resample_plan plan; /* lo and n within the existing inputs */
	int32_t *bias;             /* [count]: 255 times the weights that fall on padding */
	int32_t *lo, *n, *weight;  /* what plan points to, owned */
	int32_t *packed;           /* [count][groups][4]: the weights of four taps as 16-bit halves, low 0|1, 2|3, high 0|1, 2|3 */
	int groups;                /* ⌈taps/4⌉ */
	int32_t *pairs;            /* [count]: pairs of weights to take; as many for each output, for the sake of branches,
	                            * unless that would read behind the last input */
};

/* The axis from in to out inputs, outputs first … first+count-1. The existing inputs are pad … pad+inside-1; the rest is
 * white. Sizes from 1 to 2^30. The caller releases a, also after a failure. */
int resample_axis_init(struct resample_axis *a, enum resample_filter filter, int in, int out, int first, int count,
                       int pad, int inside, struct adds_error *err);
/* The axis of a plan made elsewhere, without padding. */
int resample_axis_from(struct resample_axis *a, const struct resample_plan *plan, struct adds_error *err);
void resample_axis_release(struct resample_axis *a);

enum resample_isa {
	RESAMPLE_AUTO, /* the best that this processor has */
	RESAMPLE_PORTABLE,
	RESAMPLE_AVX2,
};

/* 1 if the processor (and the build) has it */
int resample_has(enum resample_isa isa);

/* y: u8 [v->plan.count, h->plan.count, channels], rows ldy bytes apart; x: u8 [inside rows, inside columns, channels],
 * rows ldx bytes apart. channels: 3 or 4. Memory: a few rows of the result's width. All isa give the same bytes. */
int resample_picture(uint8_t *y, size_t ldy, const uint8_t *x, size_t ldx, int channels, const struct resample_axis *h,
             const struct resample_axis *v, enum resample_isa isa, struct adds_error *err);

/* ---- the passes behind it, one table an instruction set ---- */

struct resample_passes {
	/* One pass along rows: y[k] (k < rows ≤ 4) gets h->plan.count pixels of x[k]. Reads up to 16 bytes behind the last
	 * pixel of a row, writes up to 4 behind y's. */
	void (*horizontal)(uint8_t *const *y, const uint8_t *const *x, int rows, int channels, const struct resample_axis *h);
	/* One output row of width bytes from x[0 … n-1], output number i of v. Reads up to 32 bytes behind a row. */
	void (*vertical)(uint8_t *y, const uint8_t *const *x, size_t width, const struct resample_axis *v, int i);
};

extern const struct resample_passes resample_portable, resample_avx2;

#endif
