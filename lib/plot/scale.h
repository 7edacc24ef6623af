/* SPDX-License-Identifier: MIT
 *
 * scale.h - an axis: from what to what, and the numbers that stand at it.
 *
 * Ticks are whole multiples of 1, 2 or 5 times a power of ten.
 *
 * Knows: svg.h (numbers as text).
 */
#ifndef ADDS_SCALE_H
#define ADDS_SCALE_H

#include <stdint.h>

#include "svg.h"

struct adds_scale {
	double low, high;    /* low < high */
	int64_t first, last; /* ticks, in steps */
	int digit, power;    /* a step is digit·10^power */
};

/* From low to high (finite, |x| < 10^12) in at most `most` steps, as small as that allows; with whole, of whole numbers.
 * Where they are the same, or closer than 10^-6, the axis is made wider. */
struct adds_scale adds_scale_of(double low, double high, int most, int whole);

/* The same, its ends moved outwards to ticks. */
struct adds_scale adds_scale_round(double low, double high, int most);

/* The number at tick i, first … last, and as text. */
double adds_scale_tick(const struct adds_scale *s, int64_t i);
const char *adds_scale_text(char text[ADDS_NUMBER_TEXT], const struct adds_scale *s, int64_t i);

/* Where x lies between low (0) and high (1). */
double adds_scale_place(const struct adds_scale *s, double x);

#endif
