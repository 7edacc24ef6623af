/* SPDX-License-Identifier: MIT
 * scale.c - an axis and its ticks */
#include <math.h>

#include "scale.h"

enum { LEAST_POWER = -9 };

double
adds_scale_tick(const struct adds_scale *s, int64_t i)
{
	const int power = s->power < 0 ? -s->power : s->power;
	double ten = 1;
	int k;

	for (k = 0; k < power; k++)
		ten *= 10;
	return s->power < 0 ? (double)(i * s->digit) / ten : (double)(i * s->digit) * ten;
}

/* the next larger step */
static void
coarser(struct adds_scale *s)
{
	if (s->digit == 5) {
		s->digit = 1;
		s->power++;
	} else {
		s->digit = s->digit == 1 ? 2 : 5;
	}
}

/* a bound in steps; one that rounding moved off a tick counts as on it */
static int64_t
steps(const struct adds_scale *s, double x, int up)
{
	const double n = x / adds_scale_tick(s, 1), near = round(n);

	if (fabs(n - near) < 1e-6)
		return (int64_t)near;
	return (int64_t)(up ? ceil(n) : floor(n));
}

static void
widen(struct adds_scale *s, double by)
{
	if (s->high - s->low >= 1e-6)
		return;
	s->low -= by;
	s->high += by;
}

struct adds_scale
adds_scale_of(double low, double high, int most, int whole)
{
	struct adds_scale s = { low, high, 0, 0, 1, whole ? 0 : LEAST_POWER };

	widen(&s, whole ? 1 : low == 0 ? 1
	                               : fabs(low) / 10);
	while (s.high - s.low > most * adds_scale_tick(&s, 1) * (1 + 1e-9))
		coarser(&s);
	s.first = steps(&s, s.low, 1);
	s.last = steps(&s, s.high, 0);
	return s;
}

struct adds_scale
adds_scale_round(double low, double high, int most)
{
	struct adds_scale s = adds_scale_of(low, high, most, 0);

	for (;; coarser(&s)) {
		s.first = steps(&s, s.low, 0);
		s.last = steps(&s, s.high, 1);
		if (s.last - s.first <= most)
			break;
	}
	s.low = adds_scale_tick(&s, s.first);
	s.high = adds_scale_tick(&s, s.last);
	return s;
}

const char *
adds_scale_text(char text[ADDS_NUMBER_TEXT], const struct adds_scale *s, int64_t i)
{
	return adds_number_text(text, adds_scale_tick(s, i), s->power < 0 ? -s->power : 0);
}

double
adds_scale_place(const struct adds_scale *s, double x)
{
	return (x - s->low) / (s->high - s->low);
}
