/* SPDX-License-Identifier: MIT
 * chart.c - frames, legends, bars */
#include <math.h>
#include <stdlib.h>

#include "chart.h"

enum {
	LEGEND_PEN = 30, /* length of the sample of a pen */
	NUMBERS = 84,    /* right of bars: value and count */
	GAP = 8,
};

const struct adds_type adds_type_title = { 16, ADDS_BLACK, ADDS_LEFT, 1 };
const struct adds_type adds_type_words = { 13, ADDS_BLACK, ADDS_LEFT, 0 };
const struct adds_type adds_type_small = { 12, ADDS_GREY, ADDS_LEFT, 0 };

static const struct adds_pen grid = { ADDS_PALE, 1, NULL }, axis = { ADDS_GREY, 1, NULL };

static struct adds_type
anchored(const struct adds_type *type, enum adds_anchor anchor)
{
	struct adds_type t = *type;

	t.anchor = anchor;
	return t;
}

/* ---- a frame ---- */

double
adds_frame_x(const struct adds_frame *f, double x)
{
	return f->x + f->width * adds_scale_place(&f->across, x);
}

double
adds_frame_y(const struct adds_frame *f, double y)
{
	return f->y + f->height * (1 - adds_scale_place(&f->up, y));
}

void
adds_frame_draw(struct adds_svg *s, const struct adds_frame *f)
{
	const struct adds_type under = anchored(&adds_type_small, ADDS_MIDDLE), before = anchored(&adds_type_small, ADDS_RIGHT);
	const struct adds_type name = anchored(&adds_type_words, ADDS_MIDDLE);
	const double bottom = f->y + f->height;
	char text[ADDS_NUMBER_TEXT];
	int64_t i;

	for (i = f->across.first; i <= f->across.last; i++) {
		const double x = adds_frame_x(f, adds_scale_tick(&f->across, i));

		adds_svg_line(s, x, f->y, x, bottom, &grid);
		adds_svg_words(s, x, bottom + 17, &under, adds_scale_text(text, &f->across, i));
	}
	for (i = f->up.first; i <= f->up.last; i++) {
		const double y = adds_frame_y(f, adds_scale_tick(&f->up, i));

		adds_svg_line(s, f->x, y, f->x + f->width, y, &grid);
		adds_svg_words(s, f->x - GAP, y + 4, &before, adds_scale_text(text, &f->up, i));
	}
	adds_svg_line(s, f->x, f->y, f->x, bottom, &axis);
	adds_svg_line(s, f->x, bottom, f->x + f->width, bottom, &axis);
	adds_svg_words(s, f->x + f->width / 2, bottom + 38, &name, f->across_name);
	adds_svg_words_up(s, f->x - 50, f->y + f->height / 2, &name, f->up_name);
}

void
adds_frame_curve(struct adds_svg *s, const struct adds_frame *f, const double *x, const double *y, size_t n,
                 const struct adds_pen *pen)
{
	double *at = malloc(2 * n * sizeof(*at) + 1);
	size_t i;

	if (!at) {
		s->text.failed = 1;
		return;
	}
	for (i = 0; i < n; i++) {
		at[i] = adds_frame_x(f, x[i]);
		at[n + i] = adds_frame_y(f, y[i]);
	}
	adds_svg_curve(s, at, at + n, n, pen);
	free(at);
}

void
adds_frame_level(struct adds_svg *s, const struct adds_frame *f, double y, const struct adds_pen *pen)
{
	adds_svg_line(s, f->x, adds_frame_y(f, y), f->x + f->width, adds_frame_y(f, y), pen);
}

double
adds_legend(struct adds_svg *s, double x, double y, double width, const struct adds_pen *pen, const char *words)
{
	adds_svg_line(s, x, y - 4, x + LEGEND_PEN, y - 4, pen);
	adds_svg_words_within(s, x + LEGEND_PEN + GAP, y, width - LEGEND_PEN - GAP, &adds_type_words, words);
	return x + LEGEND_PEN + GAP + adds_words_width(words, adds_type_words.size) + 2 * GAP;
}

/* ---- bars ---- */

static void
draw_bar(struct adds_svg *s, double x, double y, double width, double name_width, const struct adds_bar *b)
{
	static const struct adds_pen mark = { ADDS_BLACK, 2, NULL };
	const double at = x + name_width, unit = width - name_width - NUMBERS;
	struct adds_type name = adds_type_small, value = adds_type_small;
	char text[ADDS_NUMBER_TEXT];

	name.anchor = ADDS_RIGHT;
	name.colour = value.colour = ADDS_BLACK;
	adds_svg_group(s, b->note);
	adds_svg_words_within(s, at - GAP, y + 13, name_width - GAP, &name, b->name);
	adds_svg_bar(s, at, y + 2, unit * b->value, ADDS_BAR_HEIGHT - 5, b->colour);
	if (!isnan(b->mark))
		adds_svg_line(s, at + unit * b->mark, y, at + unit * b->mark, y + ADDS_BAR_HEIGHT - 1, &mark);
	adds_svg_words(s, at + unit + GAP, y + 13, &value, adds_number_text(text, b->value, 3));
	adds_svg_words(s, at + unit + GAP + 40, y + 13, &adds_type_small, b->count);
	adds_svg_group_end(s);
}

double
adds_bars_names(const struct adds_bar *bar, size_t n, double width)
{
	double widest = 0;
	size_t i;

	for (i = 0; i < n; i++)
		widest = fmax(widest, adds_words_width(bar[i].name, adds_type_small.size));
	return fmin(widest + 2 * GAP, 0.4 * width);
}

void
adds_bars_draw(struct adds_svg *s, double x, double y, double width, double names, const struct adds_bar *bar, size_t n)
{
	const struct adds_type under = anchored(&adds_type_small, ADDS_MIDDLE);
	const struct adds_scale scale = adds_scale_of(0, 1, 5, 0);
	const double at = x + names, unit = width - names - NUMBERS;
	const double bottom = y + (double)n * ADDS_BAR_HEIGHT;
	char text[ADDS_NUMBER_TEXT];
	int64_t tick;
	size_t i;

	for (tick = scale.first; tick <= scale.last; tick++) {
		const double to = at + unit * adds_scale_tick(&scale, tick);

		adds_svg_line(s, to, y, to, bottom, tick ? &grid : &axis);
		adds_svg_words(s, to, bottom + 15, &under, adds_scale_text(text, &scale, tick));
	}
	for (i = 0; i < n; i++)
		draw_bar(s, x, y + (double)i * ADDS_BAR_HEIGHT, width, names, &bar[i]);
}
