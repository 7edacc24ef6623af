/* SPDX-License-Identifier: MIT
 * curves.c - a run's log as a picture */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../plot/chart.h"
#include "curves.h"
#include "train.h"

enum {
	WIDTH = 960,
	MARGIN = 24,
	BOX_X = 92,
	BOX_WIDTH = WIDTH - BOX_X - MARGIN - 4,
	HEAD = 72, /* title and legend above a box */
	FOOT = 64, /* numbers and name of the axis below */
	MAP_Y = HEAD,
	MAP_HEIGHT = 280,
	LOSS_Y = MAP_Y + MAP_HEIGHT + FOOT + HEAD - 20,
	LOSS_HEIGHT = 220,
	DOTS = 60, /* epochs that are marked one by one */
};

/* numbers that come one after the other */
struct row {
	double *x;
	size_t n, room;
	int failed;
};

enum method { ZERO,
	      RIDGE,
	      BLEND,
	      METHODS };

static const char *const method_names[METHODS] = { "zero-shot", "ridge", "blend" };
static const struct adds_pen method_pens[METHODS] = {
	{ ADDS_RED, 2, "2 3" },
	{ ADDS_GREEN, 2, "7 4" },
	{ ADDS_PURPLE, 2, "12 4" },
};
static const struct adds_pen of_decoder = { ADDS_BLUE, 2.5, NULL }, of_steps = { "#8CC4E6", 1, NULL };
static const struct adds_pen of_validation = { ADDS_BLACK, 1.5, "6 4" };

struct curves {
	double map[METHODS];                               /* NAN: there is none */
	struct row step, loss;                             /* of each step */
	struct row epoch, epoch_map, epoch_loss, val_loss; /* of each of the decoder's epochs; NAN: none */
	double last_step;
	struct adds_svg svg;
};

/* ---- the log ---- */

static void
push(struct row *r, double x)
{
	if (r->n == r->room) {
		const size_t room = 2 * r->room + 64;
		double *more = r->failed ? NULL : realloc(r->x, room * sizeof(*more));

		if (!more) {
			r->failed = 1;
			return;
		}
		r->x = more;
		r->room = room;
	}
	r->x[r->n++] = x;
}

static void
take_line(void *ctx, const cJSON *line)
{
	struct curves *c = ctx;
	const char *event = adds_journal_text(line, "event"), *method = adds_journal_text(line, "method");
	int i;

	if (strcmp(event, "step") == 0) {
		push(&c->step, adds_journal_number(line, "step"));
		push(&c->loss, adds_journal_number(line, "loss"));
	}
	if (strcmp(event, "epoch") != 0)
		return;
	for (i = 0; i < METHODS; i++)
		if (strcmp(method, method_names[i]) == 0)
			c->map[i] = adds_journal_number(line, "mAP");
	if (strcmp(method, "decoder") != 0)
		return;
	push(&c->epoch, adds_journal_number(line, "epoch"));
	push(&c->epoch_map, adds_journal_number(line, "mAP"));
	push(&c->epoch_loss, adds_journal_number(line, "loss"));
	push(&c->val_loss, adds_journal_number(line, "val_loss"));
	c->last_step = adds_journal_number(line, "step");
}

static int
take_log(struct curves *c, const struct adds_run *r, struct adds_error *err)
{
	const struct row *rows[] = { &c->step, &c->loss, &c->epoch, &c->epoch_map, &c->epoch_loss, &c->val_loss };
	size_t i;
	int rc = adds_journal_read(r, take_line, c, err);

	for (i = 0; rc == 0 && i < sizeof(rows) / sizeof(*rows); i++)
		if (rows[i]->failed)
			rc = adds_fail(err, ADDS_ENOMEM, "out of memory for the curves of %zu steps", c->step.n);
	return rc;
}

/* Steps become points, in place, at their middle, counted in epochs. */
static void
thin_steps(struct curves *c)
{
	const double per_epoch = c->last_step / c->epoch.x[c->epoch.n - 1];
	const size_t each = (c->step.n + ADDS_CURVES_POINTS - 1) / ADDS_CURVES_POINTS;
	size_t i, k, n = 0;

	for (i = 0; i < c->step.n; i += each) {
		double x = 0, y = 0;
		const size_t end = i + each < c->step.n ? i + each : c->step.n;

		for (k = i; k < end; k++) {
			x += c->step.x[k];
			y += c->loss.x[k];
		}
		c->step.x[n] = x / (double)(end - i) / per_epoch;
		c->loss.x[n++] = y / (double)(end - i);
	}
	c->step.n = c->loss.n = n;
}

/* ---- drawing ---- */

/* Can it be drawn? What is none, or has grown out of all bounds, leaves a gap. */
static int
is_drawn(double x)
{
	return fabs(x) < 1e9;
}

/* low and high so that all lies within */
static void
reach(double *low, double *high, const double *x, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (is_drawn(x[i])) {
			*low = fmin(*low, x[i]);
			*high = fmax(*high, x[i]);
		}
}

/* a curve with gaps; a point alone is a dot */
static void
draw_curve(struct curves *c, const struct adds_frame *box, const double *x, const double *y, size_t n, const struct adds_pen *pen)
{
	size_t i, from = 0;

	for (i = 0; i <= n; i++) {
		if (i < n && is_drawn(y[i]))
			continue;
		if (i == from + 1)
			adds_svg_circle(&c->svg, adds_frame_x(box, x[from]), adds_frame_y(box, y[from]), 2.5, pen->colour);
		else if (i > from)
			adds_frame_curve(&c->svg, box, x + from, y + from, i - from, pen);
		from = i + 1;
	}
}

/* a box over all epochs, with its title */
static struct adds_frame
draw_box(struct curves *c, const char *title, double y, double height, double low, double high, const char *name)
{
	const struct adds_frame box = { BOX_X, y, BOX_WIDTH, height, adds_scale_of(0, c->epoch.x[c->epoch.n - 1], 20, 1),
		                        adds_scale_round(low, high, 6), "epoch", name };

	adds_svg_words(&c->svg, MARGIN, y - HEAD + 32, &adds_type_title, title);
	adds_frame_draw(&c->svg, &box);
	return box;
}

/* the decoder's best epoch, or −1 */
static int64_t
best_epoch(const struct curves *c)
{
	int64_t best = -1;
	size_t i;

	for (i = 0; i < c->epoch.n; i++)
		if (is_drawn(c->epoch_map.x[i]) && (best < 0 || c->epoch_map.x[i] > c->epoch_map.x[best]))
			best = (int64_t)i;
	return best;
}

static void
draw_dots(struct curves *c, const struct adds_frame *box, int64_t best)
{
	size_t i;

	for (i = 0; i < c->epoch.n; i++)
		if (is_drawn(c->epoch_map.x[i]) && (c->epoch.n <= DOTS || (int64_t)i == best))
			adds_svg_circle(&c->svg, adds_frame_x(box, c->epoch.x[i]), adds_frame_y(box, c->epoch_map.x[i]),
			                (int64_t)i == best ? 5 : 3, ADDS_BLUE);
}

static void
draw_map_legend(struct curves *c, int64_t best)
{
	char words[80], number[ADDS_NUMBER_TEXT];
	double x = BOX_X;
	int i;

	if (best >= 0) {
		snprintf(words, sizeof(words), "DM-decoder: best %s, in epoch %lld",
		         adds_number_text(number, c->epoch_map.x[best], 3),
		         (long long)c->epoch.x[best]);
		x = adds_legend(&c->svg, x, MAP_Y - 14, WIDTH, &of_decoder, words);
	}
	for (i = METHODS; i-- > 0;) {
		if (isnan(c->map[i]))
			continue;
		snprintf(words, sizeof(words), "%s: %s", method_names[i], adds_number_text(number, c->map[i], 3));
		x = adds_legend(&c->svg, x, MAP_Y - 14, WIDTH, &method_pens[i], words);
	}
}

static void
draw_map(struct curves *c)
{
	const int64_t best = best_epoch(c);
	struct adds_frame box;
	double low = 1, high = 0;
	int i;

	reach(&low, &high, c->epoch_map.x, c->epoch_map.n);
	reach(&low, &high, c->map, METHODS);
	box = draw_box(c, "Mean average precision on the validation pictures", MAP_Y, MAP_HEIGHT, low, high, "mAP");
	for (i = 0; i < METHODS; i++)
		if (!isnan(c->map[i]))
			adds_frame_level(&c->svg, &box, c->map[i], &method_pens[i]);
	draw_curve(c, &box, c->epoch.x, c->epoch_map.x, c->epoch.n, &of_decoder);
	draw_dots(c, &box, best);
	draw_map_legend(c, best);
}

/* an epoch's mean stands in its middle */
static void
draw_means(struct curves *c, const struct adds_frame *box)
{
	size_t i;

	for (i = 0; i < c->epoch.n; i++)
		c->epoch.x[i] -= 0.5;
	draw_curve(c, box, c->epoch.x, c->epoch_loss.x, c->epoch.n, &of_decoder);
	for (i = 0; i < c->epoch.n; i++)
		c->epoch.x[i] += 0.5;
}

static void
draw_loss(struct curves *c, size_t steps)
{
	const size_t each = (steps + ADDS_CURVES_POINTS - 1) / ADDS_CURVES_POINTS;
	double low = HUGE_VAL, high = -HUGE_VAL, x = BOX_X;
	struct adds_frame box;
	char words[80];

	reach(&low, &high, c->loss.x, c->loss.n);
	reach(&low, &high, c->epoch_loss.x, c->epoch_loss.n);
	reach(&low, &high, c->val_loss.x, c->val_loss.n);
	if (low > high)
		low = high = 0;
	box = draw_box(c, "Loss", LOSS_Y, LOSS_HEIGHT, low, high, "loss of a picture");
	draw_curve(c, &box, c->step.x, c->loss.x, c->step.n, &of_steps);
	draw_means(c, &box);
	draw_curve(c, &box, c->epoch.x, c->val_loss.x, c->epoch.n, &of_validation);
	if (each > 1)
		snprintf(words, sizeof(words), "training, means of %zu steps", each);
	else
		snprintf(words, sizeof(words), "training, each step");
	x = adds_legend(&c->svg, x, LOSS_Y - 14, WIDTH, &of_steps, words);
	x = adds_legend(&c->svg, x, LOSS_Y - 14, WIDTH, &of_decoder, "training, mean of an epoch");
	adds_legend(&c->svg, x, LOSS_Y - 14, WIDTH, &of_validation, "validation");
}

static const char about[] = "Above, mAP by epoch beside that of CLIP alone, the ridge and the blend; below, the loss.";

static void
draw_epochs(struct curves *c)
{
	const size_t steps = c->step.n;

	thin_steps(c);
	adds_svg_open(&c->svg, WIDTH, LOSS_Y + LOSS_HEIGHT + FOOT, "A training run", about);
	draw_map(c);
	draw_loss(c, steps);
}

/* without a decoder there is a number for each method, and no epoch */
static void
draw_methods(struct curves *c)
{
	static const char *const colours[METHODS] = { ADDS_RED, ADDS_GREEN, ADDS_PURPLE };
	struct adds_bar bar[METHODS];
	size_t n = 0;
	int i;

	for (i = 0; i < METHODS; i++)
		if (!isnan(c->map[i]))
			bar[n++] = (struct adds_bar){ method_names[i], method_names[i], "", colours[i], c->map[i], NAN };
	adds_svg_open(&c->svg, WIDTH, MARGIN + 28 + (double)n * ADDS_BAR_HEIGHT + 20 + MARGIN, "A training run", about);
	adds_svg_words(&c->svg, MARGIN, 32, &adds_type_title, "Mean average precision on the validation pictures");
	adds_bars_draw(&c->svg, MARGIN, MARGIN + 28, WIDTH - 2 * MARGIN, adds_bars_names(bar, n, WIDTH), bar, n);
}

static int
is_validated(const struct curves *c)
{
	int i;

	for (i = 0; i < METHODS; i++)
		if (!isnan(c->map[i]))
			return 1;
	return 0;
}

int
adds_curves_write(const struct adds_run *r, struct adds_error *err)
{
	struct curves c = { .map = { NAN, NAN, NAN } };
	char *text;
	int rc;

	if ((rc = take_log(&c, r, err)) < 0 || !is_validated(&c))
		goto out;
	if (c.epoch.n)
		draw_epochs(&c);
	else
		draw_methods(&c);
	text = adds_svg_close(&c.svg);
	rc = text ? adds_run_put_text(r, "curves.svg", text, err) : adds_fail(err, ADDS_ENOMEM, "out of memory for a figure");
	free(text);
out:
	free(c.step.x);
	free(c.loss.x);
	free(c.epoch.x);
	free(c.epoch_map.x);
	free(c.epoch_loss.x);
	free(c.val_loss.x);
	return rc;
}
