/* SPDX-License-Identifier: MIT
 * schedule.c - learning rates */
#include <math.h>

#include "schedule.h"

static const double pi = 3.14159265358979323846;

/* from a to b along half a cosine, x from 0 to 1 */
static double
half_cosine(double a, double b, double x)
{
	return b + (a - b) / 2 * (1 + cos(pi * x));
}

/* number of the step at which warming up ends */
static double
peak(const struct adds_schedule *s)
{
	return s->warmup < 1 ? s->warmup * (double)s->steps : s->warmup;
}

static double
one_cycle(const struct adds_schedule *s, double step)
{
	const double start = 1.0 / 25, end = start / 1e4;
	const double top = peak(s) - 1, last = (double)s->steps - 1;

	if (step <= top && top > 0)
		return half_cosine(start, 1, step / top);
	if (last <= top || step >= last)
		return last <= top ? 1 : end;
	return half_cosine(1, end, (step - top) / (last - top));
}

double
adds_schedule_at(const struct adds_schedule *s, int64_t step)
{
	const double x = (double)step, top = peak(s);

	if (s->kind == ADDS_SCHEDULE_ONE_CYCLE)
		return one_cycle(s, x);
	if (x < top)
		return x / top;
	if (s->kind == ADDS_SCHEDULE_CONSTANT)
		return 1;
	return (double)s->steps > top ? half_cosine(1, 0, (x - top) / ((double)s->steps - top)) : 1;
}
