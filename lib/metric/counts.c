/* SPDX-License-Identifier: MIT
 * counts.c - precision, recall and F1 of decisions; ranking within a picture */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "columns.h"
#include "counts.h"

enum { BINS = 15 };

static void
decide(struct adds_counts *c, int said, int there)
{
	if (said)
		*(there ? &c->tp : &c->fp) += 1;
	else
		*(there ? &c->fn : &c->tn) += 1;
}

void
adds_count_cut(struct adds_counts *c, const float *scores, const int8_t *targets, int64_t n, int64_t L, const float *cut)
{
	int64_t r, j;

	for (r = 0; r < n; r++)
		for (j = 0; j < L; j++)
			if (targets[r * L + j] >= 0)
				decide(&c[j], scores[r * L + j] >= cut[j], targets[r * L + j] > 0);
}

/* One picture's known, measured labels by falling score, ties by row: the
 * sorted entries are key << 32 | row. Returns how many. */
static int64_t
rank_labels(uint64_t *order, const float *s, const int8_t *t, const uint8_t *measured, int64_t L)
{
	int64_t j, known = 0;

	for (j = 0; j < L; j++)
		if (t[j] >= 0 && (!measured || measured[j]))
			order[known++] = (uint64_t)adds_score_key(s[j]) << 32 | (uint64_t)j;
	return known;
}

static int
by_number(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

int
adds_count_top(struct adds_counts *c, const float *scores, const int8_t *targets, const uint8_t *measured, int64_t n, int64_t L,
               int k, float gate, struct adds_error *err)
{
	uint64_t *order = malloc((size_t)(L + 1) * sizeof(*order));
	int64_t r, i;

	if (!order)
		return adds_fail(err, ADDS_ENOMEM, "out of memory for %lld labels", (long long)L);
	for (r = 0; r < n; r++) {
		const float *s = scores + r * L;
		const int8_t *t = targets + r * L;
		const int64_t known = rank_labels(order, s, t, measured, L);

		qsort(order, (size_t)known, sizeof(*order), by_number);
		for (i = 0; i < known; i++) {
			const int64_t j = (int64_t)(order[i] & 0xffffffffu);

			decide(&c[j], i < k && s[j] >= gate, t[j] > 0);
		}
	}
	free(order);
	return 0;
}

static double
ratio(double a, double b)
{
	return b > 0 ? a / b : 0;
}

static double
harmonic(double a, double b)
{
	return ratio(2 * a * b, a + b);
}

void
adds_prf(struct adds_prf *out, const struct adds_counts *c, const uint8_t *measured, int64_t L)
{
	double tp = 0, fp = 0, fn = 0, tn = 0, labels = 0;
	int64_t j;

	memset(out, 0, sizeof(*out));
	for (j = 0; j < L; j++) {
		const double t = (double)c[j].tp, positives = t + (double)c[j].fn, said = t + (double)c[j].fp;

		if (measured && !measured[j])
			continue;
		tp += t;
		fp += (double)c[j].fp;
		fn += (double)c[j].fn;
		tn += (double)c[j].tn;
		if (positives == 0)
			continue;
		labels++;
		out->cp += ratio(t, said);
		out->cr += t / positives;
		out->macro_f1 += 2 * t / (positives + said);
	}
	out->cp = ratio(out->cp, labels);
	out->cr = ratio(out->cr, labels);
	out->macro_f1 = ratio(out->macro_f1, labels);
	out->cf1 = harmonic(out->cp, out->cr);
	out->op = ratio(tp, tp + fp);
	out->or_ = ratio(tp, tp + fn);
	out->of1 = harmonic(out->op, out->or_);
	out->accuracy = ratio(tp + tn, tp + tn + fp + fn);
}

double
adds_picture_ap(const float *scores, const int8_t *targets, const uint8_t *measured, int64_t n, int64_t L, int64_t *pictures,
                struct adds_error *err)
{
	uint64_t *order = malloc((size_t)(L + 1) * sizeof(*order));
	int64_t r, i, counted = 0;
	double sum = 0;

	if (!order) {
		adds_fail(err, ADDS_ENOMEM, "out of memory for %lld labels", (long long)L);
		return NAN;
	}
	for (r = 0; r < n; r++) {
		const int8_t *t = targets + r * L;
		const int64_t known = rank_labels(order, scores + r * L, t, measured, L);
		double ap = 0;
		int64_t tp = 0;

		qsort(order, (size_t)known, sizeof(*order), by_number);
		for (i = 0; i < known; i++)
			if (t[order[i] & 0xffffffffu] > 0)
				ap += (double)++tp / (double)(i + 1);
		if (!tp)
			continue;
		sum += ap / (double)tp;
		counted++;
	}
	free(order);
	if (pictures)
		*pictures = counted;
	return counted ? sum / (double)counted : NAN;
}

double
adds_calibration_error(const float *logits, const int8_t *targets, const uint8_t *measured, int64_t n, int64_t L)
{
	double p[BINS] = { 0 }, y[BINS] = { 0 }, count = 0, error = 0;
	int64_t r, j;
	int b;

	for (r = 0; r < n; r++)
		for (j = 0; j < L; j++) {
			double q;

			if (targets[r * L + j] < 0 || (measured && !measured[j]))
				continue;
			q = 1 / (1 + exp(-(double)logits[r * L + j]));
			b = (int)(q * BINS);
			b = b >= BINS ? BINS - 1 : b;
			p[b] += q;
			y[b] += targets[r * L + j] > 0;
			count++;
		}
	for (b = 0; b < BINS; b++)
		error += fabs(p[b] - y[b]);
	return count ? error / count : NAN;
}
