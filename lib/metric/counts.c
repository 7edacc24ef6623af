/* SPDX-License-Identifier: MIT
 * counts.c - precision, recall and F1 of decisions; ranking within a picture */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "columns.h"
#include "counts.h"
#include "metrics.h"

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

/* ---- the best of a picture ---- */

/* moves the entry at i down to where no child is greater */
static void
sift(uint64_t *heap, int64_t n, int64_t i)
{
	for (;;) {
		const int64_t left = 2 * i + 1, right = left + 1;
		const uint64_t entry = heap[i];
		int64_t most = i;

		if (left < n && heap[left] > heap[most])
			most = left;
		if (right < n && heap[right] > heap[most])
			most = right;
		if (most == i)
			return;
		heap[i] = heap[most];
		heap[most] = entry;
		i = most;
	}
}

/* The k best labels of a picture that are known and measured, ties by row, as key << 32 | row in a heap; returns how many. */
static int64_t
best_labels(uint64_t *heap, int64_t k, const float *s, const int8_t *t, const uint8_t *measured, int64_t L)
{
	int64_t j, i, n = 0;

	for (j = 0; j < L; j++) {
		const uint64_t entry = (uint64_t)adds_score_key(s[j]) << 32 | (uint64_t)j;

		if (t[j] < 0 || (measured && !measured[j]))
			continue;
		if (n < k) {
			heap[n++] = entry;
			for (i = n == k ? n / 2 : 0; i-- > 0;)
				sift(heap, n, i);
		} else if (n && entry < heap[0]) {
			heap[0] = entry;
			sift(heap, n, 0);
		}
	}
	return n;
}

/* one picture's decisions: all labels as not said, then those of the best that were */
static void
count_picture(struct adds_counts *c, uint64_t *heap, int64_t k, float gate, const float *s, const int8_t *t,
              const uint8_t *measured, int64_t L)
{
	int64_t n = best_labels(heap, k, s, t, measured, L), j;

	for (j = 0; j < L; j++)
		if (t[j] >= 0 && (!measured || measured[j]))
			decide(&c[j], 0, t[j] > 0);
	while (n-- > 0) {
		j = (int64_t)(heap[n] & 0xffffffffu);
		if (!(s[j] >= gate))
			continue;
		*(t[j] > 0 ? &c[j].fn : &c[j].tn) -= 1;
		decide(&c[j], 1, t[j] > 0);
	}
}

static void
add_counts(struct adds_counts *sum, const struct adds_counts *c, int64_t L)
{
	int64_t j;

	for (j = 0; j < L; j++) {
		sum[j].tp += c[j].tp;
		sum[j].fp += c[j].fp;
		sum[j].fn += c[j].fn;
		sum[j].tn += c[j].tn;
	}
}

int
adds_count_top(struct adds_counts *c, const float *scores, const int8_t *targets, const uint8_t *measured, int64_t n, int64_t L,
               int k, float gate, int threads, struct adds_error *err)
{
	int failed = 0;

#pragma omp parallel num_threads(threads > 0 ? threads : 1)
	{
		uint64_t *heap = malloc((size_t)(L + 1) * sizeof(*heap));
		struct adds_counts *mine = calloc((size_t)L + 1, sizeof(*mine));
		int64_t r;

		if (!heap || !mine) {
#pragma omp atomic write
			failed = 1;
		}
#pragma omp barrier
#pragma omp for
		for (r = 0; r < n; r++)
			if (!failed)
				count_picture(mine, heap, k, gate, scores + r * L, targets + r * L, measured, L);
#pragma omp critical(adds_counts)
		if (!failed)
			add_counts(c, mine, L);
		free(heap);
		free(mine);
	}
	return failed ? adds_fail(err, ADDS_ENOMEM, "out of memory for %lld labels", (long long)L) : 0;
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

static int
picture_aps(double *ap, const float *scores, const int8_t *targets, const uint8_t *measured, int64_t n, int64_t L, int threads)
{
	int failed = 0;

#pragma omp parallel num_threads(threads > 0 ? threads : 1)
	{
		int8_t *t = malloc((size_t)L + 1);
		struct adds_error mine;
		size_t positives;
		int64_t r, j;

		if (!t) {
#pragma omp atomic write
			failed = 1;
		}
#pragma omp barrier
#pragma omp for
		for (r = 0; r < n; r++) {
			for (j = 0; !failed && j < L; j++)
				t[j] = !measured || measured[j] ? targets[r * L + j] : -1;
			positives = 1;
			if (!failed)
				ap[r] = adds_average_precision(scores + r * L, t, (size_t)L, 1, ADDS_AP_STEP, &positives, &mine);
			if (positives && !failed && isnan(ap[r])) {
#pragma omp atomic write
				failed = 1;
			}
		}
		free(t);
	}
	return failed;
}

int64_t
adds_picture_ap(double *mean, const float *scores, const int8_t *targets, const uint8_t *measured, int64_t n,
                int64_t L, int threads,
                struct adds_error *err)
{
	double *ap = malloc((size_t)(n + 1) * sizeof(*ap)), sum = 0;
	int64_t r, counted = 0;

	if (!ap || picture_aps(ap, scores, targets, measured, n, L, threads)) {
		free(ap);
		return adds_fail(err, ADDS_ENOMEM, "out of memory for the ranks of %lld labels", (long long)L);
	}
	for (r = 0; r < n; r++) {
		if (isnan(ap[r]))
			continue;
		sum += ap[r];
		counted++;
	}
	free(ap);
	*mean = counted ? sum / (double)counted : NAN;
	return counted;
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
