/* SPDX-License-Identifier: MIT
 * fit.c - a picture as a square, as Pillow resizes it: white padding, centre
 * crop or squash, all without making the padded or uncropped picture */
#include <stdlib.h>
#include <string.h>

#include "fit.h"

static int
half_even(int64_t n)
{
	const int64_t half = n / 2;

	return (int)(n % 2 ? half + half % 2 : half);
}

void
adds_fit_axes(struct adds_fit_axis *h, struct adds_fit_axis *v, int side, int w, int t, enum adds_fit fit)
{
	const int longer = w > t ? w : t;

	*h = (struct adds_fit_axis){ w, side, 0, 0, w };
	*v = (struct adds_fit_axis){ t, side, 0, 0, t };
	if (fit == ADDS_FIT_PAD) {
		h->in = v->in = longer;
		h->pad = (longer - w) / 2;
		v->pad = (longer - t) / 2;
	} else if (fit == ADDS_FIT_CROP && w <= t) {
		v->out = (int)((int64_t)side * t / w);
		v->first = half_even((int64_t)v->out - side);
	} else if (fit == ADDS_FIT_CROP) {
		h->out = (int)((int64_t)side * w / t);
		h->first = half_even((int64_t)h->out - side);
	}
}

/* ---- pixels as they are ---- */

static int
resampled(struct adds_fitter *f, uint8_t *out, int side, const uint8_t *pixels, int channels, const struct adds_fit_axis *h,
          const struct adds_fit_axis *v, enum adds_filter filter, struct adds_error *err)
{
	struct resampler *r;
	int rc = adds_fitter_resampler(f, &r, side, channels, h, v, filter, err);

	if (rc < 0)
		return rc;
	return resample_picture(r, out, (size_t)side * (size_t)channels, pixels, (size_t)h->inside * (size_t)channels, err);
}

/* ---- the reference's way with palettes: nearest ---- */

/* where[i]: the input of output first+i, -1 on padding; the position is summed up, as Pillow does */
static int *
nearest(const struct adds_fit_axis *a, int side, struct adds_error *err)
{
	const double step = (double)a->in / a->out;
	double at = 0.5 * step;
	int *where = malloc((size_t)side * sizeof(*where));
	int i;

	if (!where) {
		adds_fail(err, ADDS_ENOMEM, "out of memory for resizing");
		return NULL;
	}
	for (i = 0; i < a->first + side; i++, at += step)
		if (i >= a->first) {
			const int x = (int)at - a->pad;

			where[i - a->first] = x >= 0 && x < a->inside ? x : -1;
		}
	return where;
}

static int
by_nearest(uint8_t *out, int side, const struct adds_picture *p, const struct adds_fit_axis *h, const struct adds_fit_axis *v,
           struct adds_error *err)
{
	int *x = nearest(h, side, err), *y = x ? nearest(v, side, err) : NULL;
	int i, j;

	if (!y) {
		free(x);
		return ADDS_ENOMEM;
	}
	for (j = 0; j < side; j++)
		for (i = 0; i < side; i++, out += 3)
			if (x[i] < 0 || y[j] < 0)
				memset(out, 255, 3);
			else
				memcpy(out, p->pixels + 3 * ((size_t)y[j] * (size_t)p->width + (size_t)x[i]), 3);
	free(x);
	free(y);
	return 0;
}

/* ---- the reference's way with alpha: premultiplied, then dropped ---- */

static void
premultiply(uint8_t *to, const uint8_t *from, size_t pixels)
{
	size_t i;
	int c;

	for (i = 0; i < pixels; i++, to += 4, from += 4) {
		for (c = 0; c < 3; c++)
			to[c] = (uint8_t)adds_mul255(from[c], from[3]);
		to[3] = from[3];
	}
}

static void
drop_alpha(uint8_t *to, const uint8_t *from, size_t pixels, int premultiplied)
{
	size_t i;
	int c;

	for (i = 0; i < pixels; i++, to += 3, from += 4) {
		const unsigned a = from[3];

		for (c = 0; c < 3; c++) {
			const unsigned v = premultiplied && a && a != 255 ? 255u * from[c] / a : from[c];

			to[c] = (uint8_t)(v > 255 ? 255 : v);
		}
	}
}

static int
with_alpha(struct adds_fitter *f, uint8_t *out, int side, const struct adds_picture *p, const struct adds_fit_axis *h,
           const struct adds_fit_axis *v, enum adds_filter filter, struct adds_error *err)
{
	const int resized = h->in != h->out || v->in != v->out;
	const size_t n = (size_t)p->width * (size_t)p->height, square = (size_t)side * (size_t)side;
	uint8_t *from = NULL, *to;
	int rc;

	to = malloc(4 * square);
	if (!to || (resized && !(from = malloc(4 * n)))) {
		rc = adds_fail(err, ADDS_ENOMEM, "out of memory for resizing");
		goto out;
	}
	if (resized)
		premultiply(from, p->pixels, n);
	rc = resampled(f, to, side, resized ? from : p->pixels, 4, h, v, filter, err);
	if (rc == 0)
		drop_alpha(out, to, square, resized);
out:
	free(from);
	free(to);
	return rc;
}

int
adds_fit_side(int side, struct adds_error *err)
{
	if (side < ADDS_PICTURE_MIN_FIT || side > ADDS_PICTURE_MAX_FIT)
		return adds_fail(err, ADDS_EARG, "a side of %d pixels: from %d to %d are possible", side, ADDS_PICTURE_MIN_FIT,
		                 ADDS_PICTURE_MAX_FIT);
	return 0;
}

int
adds_fit_picture(struct adds_fitter *f, uint8_t *out, int side, const struct adds_picture *p, enum adds_fit fit,
                 enum adds_filter filter, struct adds_error *err)
{
	struct adds_fit_axis h, v;

	adds_fit_axes(&h, &v, side, p->width, p->height, fit);
	if (p->mode == ADDS_PICTURE_RGBA)
		return with_alpha(f, out, side, p, &h, &v, filter, err);
	if (p->mode == ADDS_PICTURE_INDEXED)
		return by_nearest(out, side, p, &h, &v, err);
	return resampled(f, out, side, p->pixels, 3, &h, &v, filter, err);
}
