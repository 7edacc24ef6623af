/* SPDX-License-Identifier: MIT
 *
 * chart.h - what figures are made of: a frame with two axes and curves in it, a legend, bars with names.
 *
 * Colours are those of Okabe and Ito, which colour-blind people can tell apart.
 *
 * Knows: svg.h, scale.h.
 */
#ifndef ADDS_CHART_H
#define ADDS_CHART_H

#include "scale.h"
#include "svg.h"

#define ADDS_BLUE "#0072B2"
#define ADDS_ORANGE "#E69F00"
#define ADDS_RED "#D55E00"
#define ADDS_GREEN "#009E73"
#define ADDS_PURPLE "#8E4A8E"
#define ADDS_BLACK "#222222"
#define ADDS_GREY "#666666"
#define ADDS_PALE "#DDDDDD"

extern const struct adds_type adds_type_title, adds_type_words, adds_type_small; /* at their left end */

/* The box that curves are drawn in; numbers and names of the axes stand outside it, 64 to the left and 44 below. */
struct adds_frame {
	double x, y, width, height;
	struct adds_scale across, up;
	const char *across_name, *up_name;
};

void adds_frame_draw(struct adds_svg *s, const struct adds_frame *f);

/* Where a number of the axis lies on the sheet. */
double adds_frame_x(const struct adds_frame *f, double x);
double adds_frame_y(const struct adds_frame *f, double y);

/* A curve through n points, in numbers of the axes; ADDS_ENOMEM is remembered by s. */
void adds_frame_curve(struct adds_svg *s, const struct adds_frame *f, const double *x, const double *y, size_t n,
                      const struct adds_pen *pen);
/* A line across the box. */
void adds_frame_level(struct adds_svg *s, const struct adds_frame *f, double y, const struct adds_pen *pen);

/* A pen and what it stands for; words that are too wide are cut. Returns where the next one may begin, beside it; lines are
 * 22 apart. */
double adds_legend(struct adds_svg *s, double x, double y, double width, const struct adds_pen *pen, const char *words);

enum { ADDS_BAR_HEIGHT = 19 }; /* of one with its space */

struct adds_bar {
	const char *name, *note; /* note: all that there is to say, for the pointer */
	const char *count;       /* behind the number, pale */
	const char *colour;
	double value; /* 0 … 1 */
	double mark;  /* a tick, 0 … 1; NAN: none */
};

/* n bars from (x, y) downwards, on an axis from 0 to 1 whose numbers stand below: n·ADDS_BAR_HEIGHT + 20 high. The bars begin at
 * x + names; longer names are cut. */
void adds_bars_draw(struct adds_svg *s, double x, double y, double width, double names, const struct adds_bar *bar, size_t n);

/* How much room the names of bars need: of the widest, but no more than a share of 2/5 of the width. */
double adds_bars_names(const struct adds_bar *bar, size_t n, double width);

#endif
