/* SPDX-License-Identifier: MIT
 * calibrate.c - scores to logits that are probabilities: a slope and an
 * intercept by damped Newton steps (Platt 1999), with an offset for each
 * label; and the kernel regression of labels' mean readings. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ridge_inside.h"

enum { NEWTON_STEPS = 60 };

struct newton {
	const float *x;
	const int8_t *targets;
	int64_t n, K;
	double sd, A, B;
	double *offsets; /* [K] or NULL */
	double *sums;    /* [K, 5] */
};

static double
clip(double v)
{
	return v < -0.5 ? -0.5 : v > 0.5 ? 0.5
	                                 : v;
}

/* the five sums of each column: r·x, r, v·x², v·x, v */
static void
column_sums(const struct newton *w, int threads)
{
	int64_t i, k;

#pragma omp parallel for private(i) num_threads(threads) schedule(static)
	for (k = 0; k < w->K; k++) {
		const double o = w->offsets ? w->offsets[k] : 0;
		double *s = w->sums + 5 * k;

		memset(s, 0, 5 * sizeof(*s));
		for (i = 0; i < w->n; i++) {
			const int8_t t = w->targets[i * w->K + k];
			const double x = (double)w->x[i * w->K + k] / w->sd;
			double p, r, v;

			if (t < 0)
				continue;
			p = 1 / (1 + exp(-(w->A * x + w->B + o)));
			r = p - (t > 0);
			v = p * (1 - p);
			s[0] += r * x;
			s[1] += r;
			s[2] += (v + 1e-9) * x * x;
			s[3] += (v + 1e-9) * x;
			s[4] += v;
		}
	}
}

static double
newton_step(struct newton *w, double penalty, int threads)
{
	double rx = 0, r = 0, vxx = 1e-3, vx = 0, v = 1e-3, det, a, b, moved;
	int64_t k;

	column_sums(w, threads);
	for (k = 0; k < w->K; k++) {
		const double *s = w->sums + 5 * k;

		rx += s[0];
		r += s[1];
		vxx += s[2];
		vx += s[3];
		v += s[4];
	}
	v += 1e-9 * (double)w->n * (double)w->K;
	det = vxx * v - vx * vx;
	a = clip((rx * v - r * vx) / det);
	b = clip((vxx * r - vx * rx) / det);
	moved = fabs(a) + fabs(b);
	w->A = fmax(w->A - a, 1e-3);
	w->B -= b;
	if (!w->offsets)
		return moved;
	column_sums(w, threads);
	for (k = 0; k < w->K; k++) {
		const double o = clip((w->sums[5 * k + 1] + penalty * w->offsets[k]) / (w->sums[5 * k + 4] + penalty));

		w->offsets[k] -= o;
		moved = fmax(moved, fabs(o));
	}
	return moved;
}

/* deviation of the known x (ddof 1; 1 where nothing varies but by rounding), and the logit of the share of positives */
static void
newton_start(struct newton *w)
{
	double sum = 0, squares = 0, n = 0, positives = 0, mean;
	int64_t i;

	for (i = 0; i < w->n * w->K; i++)
		if (w->targets[i] >= 0) {
			sum += (double)w->x[i];
			positives += w->targets[i] > 0;
			n++;
		}
	mean = n > 0 ? sum / n : 0;
	for (i = 0; i < w->n * w->K; i++)
		if (w->targets[i] >= 0)
			squares += ((double)w->x[i] - mean) * ((double)w->x[i] - mean);
	w->sd = n > 1 ? sqrt(squares / (n - 1)) : 0;
	if (!(w->sd > 1e-6))
		w->sd = 1;
	w->A = 1;
	w->B = positives > 0 && positives < n ? log(positives / (n - positives)) : 0;
}

int
adds_newton(double *slope, double *intercept, double *offsets, const float *x, const int8_t *targets, int64_t n, int64_t K,
            double penalty, int threads, struct adds_error *err)
{
	struct newton w = { x, targets, n, K, 1, 1, 0, offsets, calloc(5 * (size_t)K + 1, sizeof(double)) };
	int i;

	if (!w.sums)
		return adds_fail(err, ADDS_ENOMEM, "out of memory for %lld labels", (long long)K);
	if (offsets)
		memset(offsets, 0, (size_t)K * sizeof(*offsets));
	newton_start(&w);
	for (i = 0; i < NEWTON_STEPS; i++)
		if (newton_step(&w, penalty, threads > 0 ? threads : 1) < 1e-10)
			break;
	*slope = w.A / w.sd;
	*intercept = w.B;
	free(w.sums);
	return 0;
}

/* Cholesky of the lower triangle, then two substitutions */
int
adds_solve_spd(double *y, double *k, int64_t n, struct adds_error *err)
{
	int64_t i, j, l;

	for (j = 0; j < n; j++) {
		double *row = k + j * n, d = row[j];

		for (l = 0; l < j; l++)
			d -= row[l] * row[l];
		if (!(d > 0))
			return adds_fail(err, ADDS_EARG, "the kernel of %lld label texts is not positive definite", (long long)n);
		row[j] = sqrt(d);
#pragma omp parallel for private(l) schedule(static)
		for (i = j + 1; i < n; i++) {
			double s = k[i * n + j];

			for (l = 0; l < j; l++)
				s -= k[i * n + l] * row[l];
			k[i * n + j] = s / row[j];
		}
	}
	for (i = 0; i < n; i++) {
		for (l = 0; l < i; l++)
			y[i] -= k[i * n + l] * y[l];
		y[i] /= k[i * n + i];
	}
	for (i = n; i-- > 0;) {
		for (l = i + 1; l < n; l++)
			y[i] -= k[l * n + i] * y[l];
		y[i] /= k[i * n + i];
	}
	return 0;
}
