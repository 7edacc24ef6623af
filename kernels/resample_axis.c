/* SPDX-License-Identifier: MIT
 * resample_axis.c - the weights of one dimension */
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "resample_passes.h"

static double
bicubic(double x)
{
	const double a = -0.5;

	x = fabs(x);
	if (x < 1)
		return ((a + 2) * x - (a + 3)) * x * x + 1;
	if (x < 2)
		return (((x - 5) * x + 8) * x - 4) * a;
	return 0;
}

static double
bilinear(double x)
{
	x = fabs(x);
	return x < 1 ? 1 - x : 0;
}

static int
alloc_axis(struct resample_axis *a, int count, int taps, struct adds_error *err)
{
	size_t n;

	if (adds_mul_size((size_t)count, (size_t)taps, &n))
		return adds_fail(err, ADDS_ELIMIT, "resizing needs too many weights");
	a->lo = calloc((size_t)count, sizeof(*a->lo));
	a->n = calloc((size_t)count, sizeof(*a->n));
	a->bias = calloc((size_t)count, sizeof(*a->bias));
	a->weight = calloc(n, sizeof(*a->weight));
	if (!a->lo || !a->n || !a->bias || !a->weight)
		return adds_fail(err, ADDS_ENOMEM, "out of memory for the weights of resizing");
	return 0;
}

/* weights of one output over all inputs, padding included: *lo and the count */
static int
weigh(double *w, int *lo, int in, int out, int i, double radius, double (*filter)(double))
{
	const double scale = (double)in / out, fs = scale < 1 ? 1 : scale, support = radius * fs, per_fs = 1 / fs;
	const double centre = (i + 0.5) * scale;
	double sum = 0;
	int hi, j, n;

	*lo = (int)(centre - support + 0.5);
	if (*lo < 0)
		*lo = 0;
	hi = (int)(centre + support + 0.5);
	if (hi > in)
		hi = in;
	n = hi - *lo;
	for (j = 0; j < n; j++)
		sum += w[j] = filter((j + *lo - centre + 0.5) * per_fs);
	for (j = 0; j < n; j++)
		if (sum != 0)
			w[j] /= sum;
	return n;
}

static int32_t
fixed(double w)
{
	const double scaled = w * (1 << RESAMPLE_BITS);

	return (int32_t)(w < 0 ? scaled - 0.5 : scaled + 0.5);
}

/* keeps the weights of inputs pad … pad+inside-1 of output k; those that fall on white padding become its bias */
static void
keep_inside(struct resample_axis *a, int k, const double *w, int lo, int n, int pad, int inside)
{
	int32_t *weight = a->weight + (size_t)k * (size_t)a->plan.taps;
	int j;

	a->lo[k] = lo < pad ? 0 : lo - pad;
	for (j = 0; j < n; j++) {
		const int at = lo + j - pad;

		if (at < 0 || at >= inside)
			a->bias[k] += 255 * fixed(w[j]);
		else
			weight[a->n[k]++] = fixed(w[j]);
	}
	if (a->lo[k] > inside - a->n[k])
		a->lo[k] = inside - a->n[k];
}

static void
point_plan(struct resample_axis *a)
{
	a->plan.lo = a->lo;
	a->plan.n = a->n;
	a->plan.weight = a->weight;
}

int
resample_axis_init(struct resample_axis *a, enum resample_filter filter, int in, int out, int first, int count,
                   int pad, int inside, struct adds_error *err)
{
	const double radius = filter == RESAMPLE_BICUBIC ? 2 : 1, scale = (double)in / out;
	const double support = radius * (scale < 1 ? 1 : scale);
	const int same = in == out, taps = same ? 1 : (int)ceil(support) * 2 + 1;
	double *w;
	int k, rc;

	memset(a, 0, sizeof(*a));
	assert(in > 0 && out > 0 && count > 0 && inside > 0 && pad >= 0 && pad + inside <= in && first + count <= out);
	a->plan = (struct resample_plan){ in, out, first, count, taps, NULL, NULL, NULL };
	if ((rc = alloc_axis(a, count, taps, err)) < 0)
		return rc;
	if (!(w = malloc((size_t)taps * sizeof(*w))))
		return adds_fail(err, ADDS_ENOMEM, "out of memory for the weights of resizing");
	for (k = 0; k < count; k++) {
		int lo = first + k, n = 1;

		w[0] = 1;
		if (!same)
			n = weigh(w, &lo, in, out, first + k, radius, filter == RESAMPLE_BICUBIC ? bicubic : bilinear);
		keep_inside(a, k, w, lo, n, pad, inside);
	}
	free(w);
	point_plan(a);
	return 0;
}

int
resample_axis_from(struct resample_axis *a, const struct resample_plan *plan, struct adds_error *err)
{
	const size_t count = (size_t)plan->count;
	int rc;

	memset(a, 0, sizeof(*a));
	a->plan = *plan;
	if ((rc = alloc_axis(a, plan->count, plan->taps, err)) < 0)
		return rc;
	memcpy(a->lo, plan->lo, count * sizeof(*a->lo));
	memcpy(a->n, plan->n, count * sizeof(*a->n));
	memcpy(a->weight, plan->weight, count * (size_t)plan->taps * sizeof(*a->weight));
	point_plan(a);
	return 0;
}

void
resample_axis_release(struct resample_axis *a)
{
	free(a->lo);
	free(a->n);
	free(a->bias);
	free(a->weight);
	memset(a, 0, sizeof(*a));
}

void
resample_axis_needs(const struct resample_axis *a, int *first, int *n)
{
	int i, end = 0;

	*first = a->plan.count ? a->lo[0] : 0;
	for (i = 0; i < a->plan.count; i++)
		if (a->n[i]) {
			if (!end || a->lo[i] < *first)
				*first = a->lo[i];
			if (a->lo[i] + a->n[i] > end)
				end = a->lo[i] + a->n[i];
		}
	*n = end ? end - *first : 0;
}
