/* SPDX-License-Identifier: MIT
 *
 * svg.h - a drawing as SVG text: lines, bars, circles and words, nothing that is loaded from elsewhere.
 *
 * Lengths are pixels from the upper left corner, written to a tenth. The same calls give the same bytes, in any locale.
 * Memory that is out is remembered, and adds_svg_close says so.
 *
 * Knows: stream/json.h (bytes that grow). Room plot/: drawings, axes, charts.
 */
#ifndef ADDS_SVG_H
#define ADDS_SVG_H

#include <stddef.h>

#include "../stream/json.h"

struct adds_svg {
	struct adds_buf text;
};

struct adds_pen {
	const char *colour; /* "#0072B2" */
	double width;
	const char *dash; /* "6 4", or NULL */
};

enum adds_anchor {
	ADDS_LEFT,
	ADDS_MIDDLE,
	ADDS_RIGHT,
};

struct adds_type {
	double size;
	const char *colour;
	enum adds_anchor anchor; /* which end of the words is at x */
	int bold;
};

/* A white sheet. title and about are for readers of the screen, and shown by no viewer as part of the picture. */
void adds_svg_open(struct adds_svg *s, double width, double height, const char *title, const char *about);

/* The text, NUL-terminated, which the caller frees; NULL: memory was out. */
char *adds_svg_close(struct adds_svg *s);

/* A group whose text a viewer shows where the pointer rests; groups do not nest. */
void adds_svg_group(struct adds_svg *s, const char *title);
void adds_svg_group_end(struct adds_svg *s);

void adds_svg_line(struct adds_svg *s, double x0, double y0, double x1, double y1, const struct adds_pen *pen);
void adds_svg_curve(struct adds_svg *s, const double *x, const double *y, size_t n, const struct adds_pen *pen);
void adds_svg_bar(struct adds_svg *s, double x, double y, double width, double height, const char *colour);
void adds_svg_circle(struct adds_svg *s, double x, double y, double radius, const char *colour);

/* Words on the base line y. Any bytes: what is no UTF-8, a control character or one that turns the direction of writing is
 * shown as U+FFFD. */
void adds_svg_words(struct adds_svg *s, double x, double y, const struct adds_type *type, const char *words);

/* The same, cut so that they take no more than width in common fonts; a cut ends with an ellipsis. */
void adds_svg_words_within(struct adds_svg *s, double x, double y, double width, const struct adds_type *type, const char *words);

/* About how wide words are at that size: no less than in common fonts. */
double adds_words_width(const char *words, double size);

/* The same upwards, in the middle of x, y. */
void adds_svg_words_up(struct adds_svg *s, double x, double y, const struct adds_type *type, const char *words);

enum { ADDS_NUMBER_TEXT = 40 };

/* x with so many decimals (0 … 9), "-0.25"; |x|·10^decimals < 2^63. */
const char *adds_number_text(char text[ADDS_NUMBER_TEXT], double x, int decimals);

/* 12345678 as "12,345,678" */
const char *adds_count_text(char text[ADDS_NUMBER_TEXT], int64_t n);

#endif
