/* SPDX-License-Identifier: MIT
 * threshold.c - fitting thresholds, one for each label and one for all */
#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

#include "../metric/columns.h"
#include "threshold.h"

/* the best point met so far on the way down the scores */
struct pick {
	enum adds_fit_method method;
	double target, best;
	int64_t positives;
	int found;
	struct adds_cut cut;
};

static void
pick_init(struct pick *p, enum adds_fit_method method, double target, int64_t positives)
{
	memset(p, 0, sizeof(*p));
	p->method = method;
	p->target = target;
	p->positives = positives;
	p->best = -INFINITY;
	p->cut.threshold = INFINITY;
	p->cut.positives = positives;
}

/* how good a point is; -inf where it does not meet the target */
static double
worth(const struct pick *p, double precision, double recall, double f1, double gap)
{
	switch (p->method) {
	case ADDS_FIT_PRECISION:
		return precision >= p->target ? recall : -INFINITY;
	case ADDS_FIT_RECALL:
		return recall >= p->target ? precision : -INFINITY;
	case ADDS_FIT_BALANCE:
		return -fabs(precision - recall);
	case ADDS_FIT_MCUT:
		return gap;
	default:
		return f1;
	}
}

/* the point after tp true and fp false positives; low is the last score above
 * the threshold, next the first below it (-inf: none) */
static void
pick_point(struct pick *p, int64_t tp, int64_t fp, float low, float next)
{
	const double precision = (double)tp / (double)(tp + fp);
	const double recall = (double)tp / (double)p->positives;
	const double f1 = 2 * (double)tp / (double)(tp + fp + p->positives);
	const double w = worth(p, precision, recall, f1, isfinite(next) ? (double)low - (double)next : -INFINITY);
	double cut = ((double)low + (double)next) / 2;

	if (!(w > p->best) || tp == 0)
		return;
	if (!isfinite(cut) || !((float)cut > next))
		cut = low;
	p->best = w;
	p->found = 1;
	p->cut.threshold = cut;
	p->cut.precision = precision;
	p->cut.recall = recall;
	p->cut.f1 = f1;
}

/* Where no positive was passed since the last point, precision fell and recall stayed: such a point
 * is the best for few methods. */
static int
pick_skips(const struct pick *p)
{
	return p->method != ADDS_FIT_BALANCE && p->method != ADDS_FIT_MCUT;
}

static void
pick_from_column(struct pick *p, const struct adds_column *c)
{
	const int skips = pick_skips(p);
	int64_t tp = 0, before = 0;
	size_t i;

	for (i = 0; i < c->known; i++) {
		tp += (int64_t)(c->key[i] & 1);
		if ((skips && tp == before) || (i + 1 < c->known && c->key[i + 1] >> 1 == c->key[i] >> 1))
			continue;
		before = tp;
		pick_point(p, tp, (int64_t)i + 1 - tp, adds_column_score(c, c->key[i]),
		           i + 1 < c->known ? adds_column_score(c, c->key[i + 1]) : -INFINITY);
	}
}

/* ---- one threshold for all labels ---- */

/* The global threshold is found on a histogram of the upper 24 bits of the
 * scores' order, so that it costs no second copy of them: thresholds are
 * apart by at least 2^-15 of their size, and precision and recall are exact
 * for the one that is chosen. */
enum { HISTOGRAM_BITS = 24 };

static uint32_t
bin_of(float score)
{
	return adds_score_key(score) >> (32 - HISTOGRAM_BITS);
}

/* the largest and the smallest score of a bin */
static float
bin_top(uint32_t b)
{
	return adds_key_score(b << (32 - HISTOGRAM_BITS));
}

static float
bin_bottom(uint32_t b)
{
	return adds_key_score(b << (32 - HISTOGRAM_BITS) | ((1u << (32 - HISTOGRAM_BITS)) - 1));
}

/* Counts of bins: those of scores above zero, zero's own, those below; what lies between is empty. Every
 * thread has a table of its own, the others first, then the positives. */
struct histogram {
	uint32_t first, before; /* bins of the largest and of the smallest magnitude, above zero */
	uint32_t after;         /* bin of the smallest below zero */
	uint32_t above, n;      /* bins above zero, and in all */
	int threads;
	uint32_t *count;
};

static uint32_t
place_of(const struct histogram *h, uint32_t bin)
{
	return bin <= h->before ? bin - h->first : bin < h->after ? h->above
	                                                          : bin - h->after + h->above + 1;
}

static uint32_t
bin_at(const struct histogram *h, uint32_t place)
{
	return place < h->above ? place + h->first : place == h->above ? bin_of(0)
	                                                               : place - h->above - 1 + h->after;
}

static int64_t
counted(const struct histogram *h, int positive, uint32_t place)
{
	int64_t sum = 0;
	int t;

	for (t = 0; t < h->threads; t++)
		sum += h->count[(size_t)(2 * t + positive) * h->n + place];
	return sum;
}

static int
histogram_open(struct histogram *h, const struct adds_scores *s, int threads, struct adds_error *err)
{
	float least, most;
	int64_t tables;

	adds_magnitudes(&least, &most, s->scores, s->n, s->L, s->L, threads);
	*h = (struct histogram){ .first = bin_of(most), .before = bin_of(least), .after = bin_of(-least) };
	h->above = h->before + 1 - h->first;
	h->n = 2 * h->above + 1;
	tables = 1 + s->n * s->L / (8 * (int64_t)h->n); /* together a quarter of the scores' size */
	h->threads = tables < threads ? (int)tables : threads;
	h->count = calloc(2 * (size_t)h->n * (size_t)h->threads, sizeof(*h->count));
	return h->count ? 0 : adds_fail(err, ADDS_ENOMEM, "out of memory for the histogram of scores");
}

/* A sorted column walks through the table from its beginning to its end. */
static void
count_column(const struct histogram *h, const struct adds_column *c)
{
	uint32_t *others = h->count + (size_t)omp_get_thread_num() * 2 * h->n;
	size_t i;

	for (i = 0; i < c->known; i++)
		others[(c->key[i] & 1) * h->n + place_of(h, bin_of(adds_column_score(c, c->key[i])))]++;
}

static void
pick_from_histogram(struct pick *p, const struct histogram *h)
{
	int64_t tp = 0, fp = 0;
	uint32_t b, last = h->n;

	for (b = 0; b < h->n; b++) {
		const int64_t positives = counted(h, 1, b), others = counted(h, 0, b);

		if (!positives && !others)
			continue;
		if (last < h->n)
			pick_point(p, tp, fp, bin_bottom(bin_at(h, last)), bin_top(bin_at(h, b)));
		tp += positives;
		fp += others;
		last = b;
	}
	pick_point(p, tp, fp, bin_bottom(bin_at(h, last)), -INFINITY);
}

static void
fit_global(struct adds_thresholds *t, const struct histogram *h)
{
	int64_t positives = 0;
	struct pick p;
	uint32_t b;

	for (b = 0; b < h->n; b++)
		positives += counted(h, 1, b);
	pick_init(&p, t->method, t->target, positives);
	if (positives)
		pick_from_histogram(&p, h);
	t->global = p.cut;
}

/* ---- fitting ---- */

struct fitting {
	struct adds_thresholds *t;
	struct histogram h;
};

static void
fit_column(void *ctx, const struct adds_column *c)
{
	const struct fitting *f = ctx;
	struct adds_cut *cut = &f->t->cut[c->label];
	struct pick p;

	pick_init(&p, f->t->method, f->t->target, (int64_t)c->positives);
	if (c->positives)
		pick_from_column(&p, c);
	*cut = p.cut;
	cut->fallback = !p.found || (int64_t)c->positives < f->t->min_positives;
	count_column(&f->h, c);
}

static int
fit(struct adds_thresholds *t, const struct adds_scores *s, int threads, struct adds_error *err)
{
	struct fitting f = { .t = t };
	size_t i;
	int rc;

	if ((rc = histogram_open(&f.h, s, threads, err)) < 0)
		return rc;
	rc = adds_columns_each(s->scores, s->targets, s->n, s->L, s->L, f.h.threads, fit_column, &f, err);
	if (rc == 0)
		fit_global(t, &f.h);
	free(f.h.count);
	for (i = 0; rc == 0 && i < t->n; i++)
		if (t->cut[i].fallback) {
			const int64_t positives = t->cut[i].positives;

			t->cut[i] = t->global;
			t->cut[i].positives = positives;
			t->cut[i].fallback = 1;
		}
	return rc;
}

static int
copy_names(struct adds_thresholds *t, const struct adds_vocab *labels, struct adds_error *err)
{
	size_t i;

	t->n = adds_vocab_size(labels);
	t->name = calloc(t->n + 1, sizeof(*t->name));
	t->cut = calloc(t->n + 1, sizeof(*t->cut));
	if (!t->name || !t->cut)
		return adds_fail(err, ADDS_ENOMEM, "out of memory for %zu labels", t->n);
	for (i = 0; i < t->n; i++)
		if (!(t->name[i] = strdup(adds_vocab_name(labels, i))))
			return adds_fail(err, ADDS_ENOMEM, "out of memory for %zu labels", t->n);
	return 0;
}

int
adds_thresholds_fit(struct adds_thresholds *t, const struct adds_scores *s, enum adds_fit_method method, double target,
                    int64_t min_positives, int threads, struct adds_error *err)
{
	int rc;

	memset(t, 0, sizeof(*t));
	t->kind = s->header.kind;
	t->calibrated = s->header.calibrated;
	t->method = method;
	t->target = target;
	t->min_positives = min_positives;
	strncpy(t->checkpoint, s->header.checkpoint, sizeof(t->checkpoint) - 1);
	if ((rc = adds_vocab_hash(s->header.labels, t->labels_sha256, err)) < 0)
		return rc;
	if (!s->n)
		return adds_fail(err, ADDS_EARG, "no labelled picture: thresholds are fitted on pictures with known labels");
	if ((rc = copy_names(t, s->header.labels, err)) < 0)
		return rc;
	return fit(t, s, threads > 0 ? threads : 1, err);
}

void
adds_thresholds_release(struct adds_thresholds *t)
{
	size_t i;

	for (i = 0; t->name && i < t->n; i++)
		free(t->name[i]);
	free(t->name);
	free(t->cut);
	memset(t, 0, sizeof(*t));
}

static const char *
kind_name(enum adds_score_kind k)
{
	return k == ADDS_SCORE_LOGIT ? "logits" : "similarities";
}

static int
check_scores(const struct adds_thresholds *t, const struct adds_score_header *h, struct adds_error *err)
{
	char hash[65];
	size_t i;

	if (strcmp(t->checkpoint, h->checkpoint))
		return adds_fail(
			err, ADDS_EMISMATCH,
			"the thresholds were fitted on scores of checkpoint '%.40s', these are of '%.40s': fit anew, or use --fallback-global",
			t->checkpoint, h->checkpoint);
	if (adds_vocab_hash(h->labels, hash, err) < 0)
		return err->code;
	if (strcmp(t->labels_sha256, hash) || t->n != adds_vocab_size(h->labels))
		return adds_fail(
			err, ADDS_EMISMATCH,
			"the thresholds were fitted for another label set (%zu of them, these are %zu): fit anew, or use --fallback-global",
			t->n, adds_vocab_size(h->labels));
	for (i = 0; i < t->n; i++)
		if (strcmp(t->name[i], adds_vocab_name(h->labels, i)))
			return adds_fail(
				err, ADDS_EMISMATCH,
				"$.labels[%zu] is '%s', and the scores' label there is '%s': fit anew, or use --fallback-global",
				i, t->name[i], adds_vocab_name(h->labels, i));
	return 0;
}

int
adds_thresholds_for(float *cut, const struct adds_thresholds *t, const struct adds_score_header *h, int global_only,
                    struct adds_error *err)
{
	const size_t L = adds_vocab_size(h->labels);
	size_t i;
	int rc;

	if (t->kind != h->kind)
		return adds_fail(err, ADDS_EMISMATCH,
		                 "the thresholds are for %s, the scores are %s", kind_name(t->kind),
		                 kind_name(h->kind));
	if (!global_only && (rc = check_scores(t, h, err)) < 0)
		return rc;
	for (i = 0; i < L; i++)
		cut[i] = (float)(global_only ? t->global.threshold : t->cut[i].threshold);
	return 0;
}
