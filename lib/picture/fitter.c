/* SPDX-License-Identifier: MIT
 * fitter.c - squares of a picture file: weights are kept from picture to picture, and the rows of a JPEG are resized
 * to all squares as soon as they are decoded */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "fit.h"

/* the weights of one size of pictures for one square */
struct table {
	int side, channels;
	enum adds_filter filter;
	struct adds_fit_axis h, v;
	struct resample_axis across, down;
	struct resampler *resampler;
};

struct adds_fitter {
	struct table *tables[ADDS_FITTER_SQUARES]; /* the one used last comes first; NULL behind the last */
};

/* a file whose rows are being decoded */
struct reading {
	struct adds_fitter *fitter;
	enum adds_fit fit;
	enum adds_filter filter;
	const struct adds_square *squares;
	int n;
	struct resampler *resamplers[ADDS_FITTER_SQUARES];
	const char *stage; /* what is being done: "decode" or "resize" */
};

/* ---- weights ---- */

static void
table_free(struct table *t)
{
	if (!t)
		return;
	resampler_free(t->resampler);
	resample_axis_release(&t->across);
	resample_axis_release(&t->down);
	free(t);
}

static int
fill_table(struct table *t, struct adds_error *err)
{
	const enum resample_filter filter = t->filter == ADDS_FILTER_BILINEAR ? RESAMPLE_BILINEAR : RESAMPLE_BICUBIC;
	const struct adds_fit_axis *h = &t->h, *v = &t->v;
	int rc;

	if ((rc = resample_axis_init(&t->across, filter, h->in, h->out, h->first, t->side, h->pad, h->inside, err)) < 0 ||
	    (rc = resample_axis_init(&t->down, filter, v->in, v->out, v->first, t->side, v->pad, v->inside, err)) < 0)
		return rc;
	return resampler_new(&t->resampler, &t->across, &t->down, t->channels, RESAMPLE_AUTO, err);
}

static int
same_axis(const struct adds_fit_axis *a, const struct adds_fit_axis *b)
{
	return a->in == b->in && a->out == b->out && a->first == b->first && a->pad == b->pad && a->inside == b->inside;
}

/* the place of the table that was asked for, or -1 */
static int
find_table(const struct adds_fitter *f, const struct table *want)
{
	int k;

	for (k = 0; k < ADDS_FITTER_SQUARES && f->tables[k]; k++) {
		const struct table *t = f->tables[k];

		if (t->side == want->side && t->channels == want->channels && t->filter == want->filter &&
		    same_axis(&t->h, &want->h) && same_axis(&t->v, &want->v))
			return k;
	}
	return -1;
}

/* t stood at place k (or has come in its stead) and is now the first */
static void
to_front(struct adds_fitter *f, struct table *t, int k)
{
	memmove(f->tables + 1, f->tables, (size_t)k * sizeof(t));
	f->tables[0] = t;
}

int
adds_fitter_resampler(struct adds_fitter *f, struct resampler **r, int side, int channels, const struct adds_fit_axis *h,
                      const struct adds_fit_axis *v, enum adds_filter filter, struct adds_error *err)
{
	const struct table want = { .side = side, .channels = channels, .filter = filter, .h = *h, .v = *v };
	int k = find_table(f, &want), rc;
	struct table *t;

	if (k >= 0) {
		to_front(f, f->tables[k], k);
		*r = f->tables[0]->resampler;
		return 0;
	}
	if (!(t = malloc(sizeof(*t))))
		return adds_fail(err, ADDS_ENOMEM, "out of memory for resizing");
	*t = want;
	if ((rc = fill_table(t, err)) < 0) {
		table_free(t);
		return rc;
	}
	table_free(f->tables[ADDS_FITTER_SQUARES - 1]);
	to_front(f, t, ADDS_FITTER_SQUARES - 1);
	*r = t->resampler;
	return 0;
}

struct adds_fitter *
adds_fitter_new(struct adds_error *err)
{
	struct adds_fitter *f = calloc(1, sizeof(*f));

	if (!f)
		adds_fail(err, ADDS_ENOMEM, "out of memory for resizing");
	return f;
}

void
adds_fitter_free(struct adds_fitter *f)
{
	int k;

	for (k = 0; f && k < ADDS_FITTER_SQUARES; k++)
		table_free(f->tables[k]);
	free(f);
}

/* ---- a JPEG, row by row ---- */

static void
widen(int *first, int *n, const int other[2])
{
	const int end = *n && *first + *n > other[0] + other[1] ? *first + *n : other[0] + other[1];

	*first = *n && *first < other[0] ? *first : other[0];
	*n = end - *first;
}

static int
begin(void *ctx, int width, int height, struct adds_window *need, struct adds_error *err)
{
	struct reading *g = ctx;
	struct adds_fit_axis h, v;
	int i, rc, across[2], down[2];

	g->stage = "resize";
	memset(need, 0, sizeof(*need));
	for (i = 0; i < g->n; i++) {
		const struct adds_square *q = &g->squares[i];
		struct resampler *r;

		adds_fit_axes(&h, &v, q->side, width, height, g->fit);
		if ((rc = adds_fitter_resampler(g->fitter, &r, q->side, 3, &h, &v, g->filter, err)) < 0)
			return rc;
		g->resamplers[i] = r;
		resampler_needs(r, across, down);
		widen(&need->left, &need->columns, across);
		widen(&need->top, &need->rows, down);
	}
	for (i = 0; i < g->n; i++)
		resampler_begin(g->resamplers[i], g->squares[i].out, 3 * (size_t)g->squares[i].side);
	g->stage = "decode";
	return 0;
}

static void
take(void *ctx, const uint8_t *x, size_t ldx, int left, int first, int rows)
{
	struct reading *g = ctx;
	int i;

	for (i = 0; i < g->n; i++)
		resampler_rows(g->resamplers[i], x, ldx, left, first, rows);
}

/* ---- a file's bytes to squares ---- */

static int
whole(struct adds_picture *p, struct reading *g, const void *bytes, size_t len, const struct adds_picture_options *options,
      struct adds_error *err)
{
	int i, rc = adds_picture_decode(p, bytes, len, options, err);

	if (rc == 0)
		g->stage = "resize";
	for (i = 0; i < g->n && rc == 0; i++)
		rc = adds_fit_picture(g->fitter, g->squares[i].out, g->squares[i].side, p, g->fit, g->filter, err);
	return rc;
}

int
adds_fitter_read(struct adds_fitter *f, const void *bytes, size_t len, const struct adds_picture_options *options,
                 enum adds_fit fit, enum adds_filter filter, const struct adds_square *squares, int n,
                 int32_t dimensions[2], const char **stage, struct adds_error *err)
{
	struct reading g = { .fitter = f, .fit = fit, .filter = filter, .squares = squares, .n = n, .stage = "resize" };
	const struct adds_rows to = { &g, begin, take };
	struct adds_picture p = { 0 };
	int i, rc = 0;

	assert(n <= ADDS_FITTER_SQUARES);
	for (i = 0; i < n && rc == 0; i++)
		rc = adds_fit_side(squares[i].side, err);
	if (rc < 0)
		goto out;
	g.stage = "decode";
	if (adds_is_jpeg(bytes, len) && len <= ADDS_PICTURE_MAX_BYTES &&
	    (options->reference || adds_jpeg_orientation(bytes, len) == 1))
		rc = adds_jpeg_rows(&p, bytes, len, options, &to, err);
	else
		rc = whole(&p, &g, bytes, len, options, err);
out:
	*stage = g.stage;
	dimensions[0] = p.height;
	dimensions[1] = p.width;
	adds_picture_release(&p);
	return rc;
}

int
adds_picture_fit(uint8_t *out, int side, const struct adds_picture *p, enum adds_fit fit, enum adds_filter filter,
                 struct adds_error *err)
{
	struct adds_fitter *f;
	int rc;

	if ((rc = adds_fit_side(side, err)) < 0)
		return rc;
	if (!(f = adds_fitter_new(err)))
		return ADDS_ENOMEM;
	rc = adds_fit_picture(f, out, side, p, fit, filter, err);
	adds_fitter_free(f);
	return rc;
}
