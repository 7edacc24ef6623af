/* SPDX-License-Identifier: MIT
 * metrics.c - average precision of sorted columns, its mean over labels, and
 * the share of cells on the right side of a threshold */
#include <math.h>
#include <stdlib.h>

#include "columns.h"
#include "metrics.h"

/* mean of the precision at each positive */
static double
step_ap(const uint32_t *s, size_t n, size_t positives)
{
	double sum = 0;
	size_t i, tp = 0;

	for (i = 0; i < n; i++)
		if (s[i] & 1)
			sum += (double)++tp / (double)(i + 1);
	return sum / (double)positives;
}

/* Σ (R_n − R_{n−1})·P_n over distinct scores, as scikit-learn */
static double
sklearn_ap(const uint32_t *s, size_t n, size_t positives)
{
	double sum = 0;
	size_t i, tp = 0, before = 0;

	for (i = 0; i < n; i++) {
		tp += s[i] & 1;
		if (i + 1 < n && s[i + 1] >> 1 == s[i] >> 1)
			continue;
		sum += (double)(tp - before) * (double)tp / (double)(i + 1);
		before = tp;
	}
	return sum / (double)positives;
}

/* area under the precision envelope (PASCAL VOC, all points) */
static double
voc_ap(const uint32_t *s, size_t n, size_t positives)
{
	double sum = 0, envelope = 0;
	size_t i, tp = positives;

	for (i = n; i-- > 0;) {
		if (!(s[i] & 1))
			continue;
		if ((double)tp / (double)(i + 1) > envelope)
			envelope = (double)tp / (double)(i + 1);
		sum += envelope;
		tp--;
	}
	return sum / (double)positives;
}

static double
sorted_ap(const uint32_t *s, size_t n, size_t positives, enum adds_ap kind)
{
	if (!positives)
		return NAN;
	if (kind == ADDS_AP_SKLEARN)
		return sklearn_ap(s, n, positives);
	if (kind == ADDS_AP_VOC)
		return voc_ap(s, n, positives);
	return step_ap(s, n, positives);
}

struct aps {
	double *ap;
	int64_t *positives;
	enum adds_ap kind;
};

static void
column_ap(void *ctx, const struct adds_column *c)
{
	const struct aps *a = ctx;

	a->ap[c->label] = sorted_ap(c->key, c->known, c->positives, a->kind);
	a->positives[c->label] = (int64_t)c->positives;
}

double
adds_average_precision(const float *scores, const int8_t *targets, size_t n, size_t stride, enum adds_ap kind,
                       size_t *positives, struct adds_error *err)
{
	double ap = NAN;
	int64_t p = 0;
	struct aps aps = { &ap, &p, kind };

	if (adds_columns_each(scores, targets, (int64_t)n, 1, (int64_t)stride, 1, column_ap, &aps, err) < 0)
		return NAN;
	if (positives)
		*positives = (size_t)p;
	return ap;
}

int64_t
adds_mean_ap(double *mean, double *ap, int64_t *positives, const float *scores, const int8_t *targets, const uint8_t *measured,
             int64_t n, int64_t L, int64_t min_positives, enum adds_ap kind, int threads, struct adds_error *err)
{
	double *a = ap ? ap : malloc((size_t)(L + 1) * sizeof(*a));
	int64_t *p = positives ? positives : malloc((size_t)(L + 1) * sizeof(*p));
	struct aps aps = { a, p, kind };
	int64_t i, count = 0;
	double sum = 0;

	if (!a || !p) {
		count = adds_fail(err, ADDS_ENOMEM, "out of memory for %lld labels", (long long)L);
		goto out;
	}
	if ((count = adds_columns_each(scores, targets, n, L, L, threads, column_ap, &aps, err)) < 0)
		goto out;
	for (i = 0; i < L; i++) {
		if (p[i] < (min_positives > 1 ? min_positives : 1) || (measured && !measured[i])) {
			a[i] = NAN;
			continue;
		}
		sum += a[i];
		count++;
	}
	*mean = count ? sum / (double)count : NAN;
out:
	if (a != ap)
		free(a);
	if (p != positives)
		free(p);
	return count;
}

double
adds_accuracy(const float *logits, const int8_t *targets, const uint8_t *measured, int64_t n, int64_t L, double threshold)
{
	const double cut = log(threshold / (1 - threshold));
	int64_t right = 0, known = 0, r, j;

	for (r = 0; r < n; r++)
		for (j = 0; j < L; j++) {
			const int8_t t = targets[r * L + j];

			if (t < 0 || (measured && !measured[j]))
				continue;
			known++;
			right += ((double)logits[r * L + j] > cut) == (t > 0);
		}
	return known ? (double)right / (double)known : NAN;
}
