/* SPDX-License-Identifier: MIT
 * fit.h - where a picture comes to lie in a square; for fit.c and fitter.c only */
#ifndef ADDS_FIT_H
#define ADDS_FIT_H

#include "../../kernels/resample.h"
#include "decode.h"

/* one dimension: in inputs (padding included) to out, the window first … first+side-1; the picture lies at pad */
struct adds_fit_axis {
	int in, out, first, pad, inside;
};

void adds_fit_axes(struct adds_fit_axis *h, struct adds_fit_axis *v, int side, int width, int height, enum adds_fit fit);
int adds_fit_side(int side, struct adds_error *err);

/* The resampler for that, kept in the fitter, whose it stays. It lasts until ADDS_FITTER_SQUARES others have been asked for. */
int adds_fitter_resampler(struct adds_fitter *f, struct resampler **r, int side, int channels, const struct adds_fit_axis *h,
                          const struct adds_fit_axis *v, enum adds_filter filter, struct adds_error *err);

/* A decoded picture as a square. */
int adds_fit_picture(struct adds_fitter *f, uint8_t *out, int side, const struct adds_picture *p, enum adds_fit fit,
                     enum adds_filter filter, struct adds_error *err);

#endif
