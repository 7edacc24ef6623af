/* SPDX-License-Identifier: MIT
 * curve.c - precision over recall.
 *
 * The mean over labels is read off sorted columns. All cells together are not sorted, for there may be 10^8 of them: the
 * positives alone are, which gives the score at each recall, and the cells are counted between these. */
#include <stdlib.h>
#include <string.h>

#include "columns.h"
#include "curve.h"

enum { STEPS = ADDS_CURVE_STEPS,
       UNIT = 32 /* sums of precisions are whole numbers of 2^-32, for which the order of threads is all one */ };

/* the k-th recall is reached with that many of all positives */
static int64_t
needed(int64_t k, int64_t positives)
{
	return k ? (k * positives + STEPS - 1) / STEPS : 1;
}

/* ---- the mean over labels ---- */

struct mean {
	const uint8_t *measured;
	uint8_t *counts; /* [L]: 1 for labels that are measured and have a positive */
	int64_t labels, cells, positives;
	int64_t sum[STEPS + 1];
};

/* the label's curve, in units */
static void
column_curve(int64_t *unit, const struct adds_column *c)
{
	const int64_t positives = (int64_t)c->positives;
	int64_t tp = 0, k = 0;
	size_t i;

	for (i = 0; k <= STEPS; i++) {
		const int64_t said = (int64_t)i + 1;

		tp += c->key[i] & 1;
		if (i + 1 < c->known && c->key[i + 1] >> 1 == c->key[i] >> 1)
			continue;
		for (; k <= STEPS && tp >= needed(k, positives); k++)
			unit[k] = ((tp << UNIT) + said / 2) / said;
	}
}

static void
add_column(void *ctx, const struct adds_column *c)
{
	struct mean *m = ctx;
	int64_t unit[STEPS + 1];
	int k;

	m->counts[c->label] = c->positives && (!m->measured || m->measured[c->label]);
	if (!m->counts[c->label])
		return;
	column_curve(unit, c);
#pragma omp critical(adds_curve)
	{
		m->labels++;
		m->cells += (int64_t)c->known;
		m->positives += (int64_t)c->positives;
		for (k = 0; k <= STEPS; k++)
			m->sum[k] += unit[k];
	}
}

/* ---- all cells ---- */

static int
by_number(const void *x, const void *y)
{
	const uint32_t a = *(const uint32_t *)x, b = *(const uint32_t *)y;

	return a < b ? -1 : a > b;
}

/* keys of the scores at which each recall is reached; the smaller the key, the greater the score */
static int
find_cuts(uint32_t *cut, const float *scores, const int8_t *targets, const struct mean *m, int64_t n, int64_t L,
          struct adds_error *err)
{
	uint32_t *key = malloc((size_t)m->positives * sizeof(*key));
	int64_t r, j, k, found = 0;

	if (!key)
		return adds_fail(err, ADDS_ENOMEM, "out of memory for the scores of %lld positives", (long long)m->positives);
	for (r = 0; r < n; r++)
		for (j = 0; j < L; j++)
			if (targets[r * L + j] > 0 && m->counts[j])
				key[found++] = adds_score_key(scores[r * L + j]);
	qsort(key, (size_t)found, sizeof(*key), by_number);
	for (k = 0; k <= STEPS; k++)
		cut[k] = key[needed(k, found) - 1];
	free(key);
	return 0;
}

/* index of the first cut that is not below the key, STEPS + 1: none */
static int
first_cut(const uint32_t *cut, uint32_t key)
{
	int low = 0, high = STEPS + 1;

	while (low < high) {
		const int middle = (low + high) / 2;

		if (cut[middle] < key)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void
count_cells(double *micro, const uint32_t *cut, const float *scores, const int8_t *targets, const struct mean *m, int64_t n,
            int64_t L, int threads)
{
	int64_t said[STEPS + 1] = { 0 }, tp[STEPS + 1] = { 0 }, all = 0, hits = 0, r;
	int k;

#pragma omp parallel for num_threads(threads) reduction(+ \
                                                        : said, tp)
	for (r = 0; r < n; r++) {
		const float *s = scores + r * L;
		const int8_t *t = targets + r * L;
		int64_t j;

		for (j = 0; j < L; j++) {
			const uint32_t key = adds_score_key(s[j]);
			int at;

			if (t[j] < 0 || !m->counts[j] || key > cut[STEPS])
				continue;
			at = first_cut(cut, key);
			said[at]++;
			tp[at] += t[j] > 0;
		}
	}
	for (k = 0; k <= STEPS; k++) {
		all += said[k];
		hits += tp[k];
		micro[k] = (double)hits / (double)all;
	}
}

int
adds_curve_make(struct adds_curve *c, const float *scores, const int8_t *targets, const uint8_t *measured, int64_t n, int64_t L,
                int threads, struct adds_error *err)
{
	struct mean m = { .measured = measured, .counts = calloc((size_t)L + 1, 1) };
	uint32_t cut[STEPS + 1];
	int k, rc = 0;

	memset(c, 0, sizeof(*c));
	threads = threads > 0 ? threads : 1;
	if (!m.counts)
		return adds_fail(err, ADDS_ENOMEM, "out of memory for %lld labels", (long long)L);
	if ((rc = adds_columns_each(scores, targets, n, L, L, threads, add_column, &m, err)) < 0 || !m.labels)
		goto out;
	c->labels = m.labels;
	c->cells = m.cells;
	c->positives = m.positives;
	for (k = 0; k <= STEPS; k++)
		c->macro[k] = (double)m.sum[k] / (double)m.labels / (double)(INT64_C(1) << UNIT);
	if ((rc = find_cuts(cut, scores, targets, &m, n, L, err)) == 0)
		count_cells(c->micro, cut, scores, targets, &m, n, L, threads);
out:
	free(m.counts);
	return rc;
}
