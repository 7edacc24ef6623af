/* SPDX-License-Identifier: MIT
 * metrics.c - average precision by a radix sort of each column, its mean over
 * labels, and the share of cells on the right side of a threshold.
 *
 * Sixteen labels are gathered at a time, one cache line a row, so that a
 * row-major matrix is read once; each thread needs 16·N·16 bytes. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "metrics.h"

enum { BLOCK = 16, DIGITS = 3, BITS = 11, RADIX = 1 << BITS };

/* an unsigned number that is larger for a smaller score; -0 equals +0 */
static uint32_t
descending_key(float score)
{
	uint32_t u;

	if (score == 0)
		score = 0;
	memcpy(&u, &score, sizeof(u));
	u = u & 0x80000000u ? ~u : u | 0x80000000u;
	return ~u;
}

/* stable least-significant-digit radix sort of (key << 1 | positive); the
 * result is in a or b, whichever is returned */
static uint64_t *
sort_keys(uint64_t *a, uint64_t *b, size_t n)
{
	uint32_t count[DIGITS][RADIX];
	uint64_t *swap;
	size_t i;
	int d;

	memset(count, 0, sizeof(count));
	for (i = 0; i < n; i++)
		for (d = 0; d < DIGITS; d++)
			count[d][(a[i] >> (1 + d * BITS)) & (RADIX - 1)]++;
	for (d = 0; d < DIGITS; d++) {
		const int shift = 1 + d * BITS;
		uint32_t at = 0;

		if (n && count[d][(a[0] >> shift) & (RADIX - 1)] == n)
			continue;
		for (i = 0; i < RADIX; i++) {
			const uint32_t c = count[d][i];

			count[d][i] = at;
			at += c;
		}
		for (i = 0; i < n; i++)
			b[count[d][(a[i] >> shift) & (RADIX - 1)]++] = a[i];
		swap = a;
		a = b;
		b = swap;
	}
	return a;
}

/* mean of the precision at each positive */
static double
step_ap(const uint64_t *s, size_t n, size_t positives)
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
sklearn_ap(const uint64_t *s, size_t n, size_t positives)
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
voc_ap(const uint64_t *s, size_t n, size_t positives)
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
sorted_ap(const uint64_t *s, size_t n, size_t positives, enum adds_ap kind)
{
	if (!positives)
		return NAN;
	if (kind == ADDS_AP_SKLEARN)
		return sklearn_ap(s, n, positives);
	if (kind == ADDS_AP_VOC)
		return voc_ap(s, n, positives);
	return step_ap(s, n, positives);
}

double
adds_average_precision(const float *scores, const int8_t *targets, size_t n, size_t stride, enum adds_ap kind,
                       size_t *positives, struct adds_error *err)
{
	uint64_t *a = malloc((2 * n + 1) * sizeof(*a));
	size_t i, known = 0, p = 0;
	double ap;

	if (!a) {
		adds_fail(err, ADDS_ENOMEM, "out of memory for %zu scores", n);
		return NAN;
	}
	for (i = 0; i < n; i++) {
		const int8_t t = targets[i * stride];

		if (t < 0)
			continue;
		a[known++] = (uint64_t)descending_key(scores[i * stride]) << 1 | (t > 0);
		p += t > 0;
	}
	ap = sorted_ap(sort_keys(a, a + n, known), known, p, kind);
	free(a);
	if (positives)
		*positives = p;
	return ap;
}

struct block {
	uint64_t *key;   /* [BLOCK][n] */
	uint64_t *spare; /* [n] */
	size_t known[BLOCK], positives[BLOCK];
};

/* known cells of labels l0 … l0+width-1 */
static void
gather(struct block *b, const float *scores, const int8_t *targets, int64_t n, int64_t L, int64_t l0, int width)
{
	int64_t r;
	int j;

	memset(b->known, 0, sizeof(b->known));
	memset(b->positives, 0, sizeof(b->positives));
	for (r = 0; r < n; r++) {
		const float *s = scores + r * L + l0;
		const int8_t *t = targets + r * L + l0;

		for (j = 0; j < width; j++) {
			if (t[j] < 0)
				continue;
			b->key[(size_t)j * (size_t)n + b->known[j]++] = (uint64_t)descending_key(s[j]) << 1 | (t[j] > 0);
			b->positives[j] += t[j] > 0;
		}
	}
}

static void
block_aps(struct block *b, double *ap, int64_t *positives, const float *scores, const int8_t *targets, int64_t n, int64_t L,
          int64_t l0, enum adds_ap kind)
{
	const int width = L - l0 < BLOCK ? (int)(L - l0) : BLOCK;
	int j;

	gather(b, scores, targets, n, L, l0, width);
	for (j = 0; j < width; j++) {
		const uint64_t *s = sort_keys(b->key + (size_t)j * (size_t)n, b->spare, b->known[j]);

		ap[l0 + j] = sorted_ap(s, b->known[j], b->positives[j], kind);
		positives[l0 + j] = (int64_t)b->positives[j];
	}
}

static int
all_aps(double *ap, int64_t *positives, const float *scores, const int8_t *targets, int64_t n, int64_t L, enum adds_ap kind,
        int threads)
{
	int failed = 0;

#pragma omp parallel num_threads(threads)
	{
		struct block b;
		int64_t l0;

		b.key = malloc((size_t)(n + 1) * BLOCK * sizeof(*b.key));
		b.spare = malloc((size_t)(n + 1) * sizeof(*b.spare));
		if (!b.key || !b.spare) {
#pragma omp atomic write
			failed = 1;
		}
#pragma omp barrier
#pragma omp for schedule(dynamic)
		for (l0 = 0; l0 < L; l0 += BLOCK)
			if (!failed)
				block_aps(&b, ap, positives, scores, targets, n, L, l0, kind);
		free(b.key);
		free(b.spare);
	}
	return failed;
}

int64_t
adds_mean_ap(double *mean, double *ap, int64_t *positives, const float *scores, const int8_t *targets, const uint8_t *measured,
             int64_t n, int64_t L, int64_t min_positives, enum adds_ap kind, int threads, struct adds_error *err)
{
	double *a = ap ? ap : malloc((size_t)(L + 1) * sizeof(*a));
	int64_t *p = positives ? positives : malloc((size_t)(L + 1) * sizeof(*p));
	int64_t i, count = 0;
	double sum = 0;

	if (!a || !p || all_aps(a, p, scores, targets, n, L, kind, threads > 0 ? threads : 1)) {
		count = adds_fail(err, ADDS_ENOMEM, "out of memory for the scores of %lld pictures", (long long)n);
		goto out;
	}
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
