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
 *
 * A resampler holds two axes in the form that the passes want. It takes rows as
 * a decoder gives them, and may be used for any number of pictures of one size.
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

enum {
	RESAMPLE_ROWS = 16,   /* input rows that are passed at once, so that weights stay near */
	RESAMPLE_BEHIND = 16, /* bytes that are read, not used, behind the last input column that an output needs */
};

struct resampler;

/* channels: 3 or 4. The axes stay the caller's, and must live as long. All isa give the same bytes. The caller frees *r, also
 * after a failure. */
int resampler_new(struct resampler **r, const struct resample_axis *h, const struct resample_axis *v, int channels,
                  enum resample_isa isa, struct adds_error *err);
void resampler_free(struct resampler *r);
/* The columns and rows that the outputs need: the first, and how many. */
void resampler_needs(const struct resampler *r, int across[2], int down[2]);

/* The next picture: y is u8 [v->plan.count, h->plan.count, channels], rows ldy bytes apart. */
void resampler_begin(struct resampler *r, uint8_t *y, size_t ldy);
/* Takes input rows first … first+rows-1, rows ldx bytes apart, without the columns before column left. first is a multiple
 * of RESAMPLE_ROWS, and rows is one as well unless these are the last; memory must be readable (what it holds does not
 * matter) up to the next multiple of RESAMPLE_ROWS, and RESAMPLE_BEHIND bytes behind a row. Rows come in order; those that no
 * output needs may be left out. Output rows are written as soon as the rows they need are there. */
void resampler_rows(struct resampler *r, const uint8_t *x, size_t ldx, int left, int first, int rows);

/* A whole picture: x is u8 [inside rows, inside columns, channels], rows ldx bytes apart, with nothing behind it. */
int resample_picture(struct resampler *r, uint8_t *y, size_t ldy, const uint8_t *x, size_t ldx, struct adds_error *err);

#endif
