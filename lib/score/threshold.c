/* SPDX-License-Identifier: MIT
 * threshold.c - fitting thresholds, one for each label and one for all */
#include <math.h>
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

static void
pick_from_column(struct pick *p, const struct adds_column *c)
{
	int64_t tp = 0;
	size_t i;

	for (i = 0; i < c->known; i++) {
		const uint64_t key = c->key[i] >> 1;

		tp += (int64_t)(c->key[i] & 1);
		if (i + 1 < c->known && c->key[i + 1] >> 1 == key)
			continue;
		pick_point(p, tp, (int64_t)i + 1 - tp, adds_key_score((uint32_t)key),
		           i + 1 < c->known ? adds_key_score((uint32_t)(c->key[i + 1] >> 1)) : -INFINITY);
	}
}

static void
fit_column(void *ctx, const struct adds_column *c)
{
	struct adds_thresholds *t = ctx;
	struct adds_cut *cut = &t->cut[c->label];
	struct pick p;

	pick_init(&p, t->method, t->target, (int64_t)c->positives);
	if (c->positives)
		pick_from_column(&p, c);
	*cut = p.cut;
	if (!p.found || (int64_t)c->positives < t->min_positives) {
		*cut = t->global;
		cut->positives = (int64_t)c->positives;
		cut->fallback = 1;
	}
}

/* The global threshold is found on a histogram of the upper 24 bits of the
 * scores' order, so that it costs no second copy of them: thresholds are
 * apart by at least 2^-15 of their size, and precision and recall are exact
 * for the one that is chosen. */
enum { HISTOGRAM_BITS = 24 };

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

static void
pick_from_histogram(struct pick *p, const uint32_t *pos, const uint32_t *neg)
{
	const uint32_t bins = 1u << HISTOGRAM_BITS;
	int64_t tp = 0, fp = 0;
	uint32_t b, last = bins;

	for (b = 0; b < bins; b++) {
		if (!pos[b] && !neg[b])
			continue;
		if (last < bins)
			pick_point(p, tp, fp, bin_bottom(last), bin_top(b));
		tp += pos[b];
		fp += neg[b];
		last = b;
	}
	pick_point(p, tp, fp, bin_bottom(last), -INFINITY);
}

static int
fit_global(struct adds_thresholds *t, const struct adds_scores *s, struct adds_error *err)
{
	const size_t bins = (size_t)1 << HISTOGRAM_BITS;
	uint32_t *pos = calloc(2 * bins, sizeof(*pos)), *neg = pos ? pos + bins : NULL;
	const size_t cells = (size_t)(s->n * s->L);
	int64_t positives = 0;
	struct pick p;
	size_t i;

	if (!pos)
		return adds_fail(err, ADDS_ENOMEM, "out of memory for the histogram of scores");
	for (i = 0; i < cells; i++) {
		if (s->targets[i] < 0)
			continue;
		positives += s->targets[i] > 0;
		(s->targets[i] > 0 ? pos : neg)[adds_score_key(s->scores[i]) >> (32 - HISTOGRAM_BITS)]++;
	}
	pick_init(&p, t->method, t->target, positives);
	if (positives)
		pick_from_histogram(&p, pos, neg);
	t->global = p.cut;
	free(pos);
	return 0;
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
	if ((rc = copy_names(t, s->header.labels, err)) < 0 || (rc = fit_global(t, s, err)) < 0)
		return rc;
	return adds_columns_each(s->scores, s->targets, s->n, s->L, threads, fit_column, t, err);
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
		return adds_fail(err, ADDS_EMISMATCH, "the thresholds were fitted on scores of checkpoint '%.40s', these are of '%.40s': fit anew, or use --fallback-global",
		                 t->checkpoint, h->checkpoint);
	if (adds_vocab_hash(h->labels, hash, err) < 0)
		return err->code;
	if (strcmp(t->labels_sha256, hash) || t->n != adds_vocab_size(h->labels))
		return adds_fail(err, ADDS_EMISMATCH, "the thresholds were fitted for another label set (%zu labels, these are %zu): fit anew, or use --fallback-global",
		                 t->n, adds_vocab_size(h->labels));
	for (i = 0; i < t->n; i++)
		if (strcmp(t->name[i], adds_vocab_name(h->labels, i)))
			return adds_fail(err, ADDS_EMISMATCH, "$.labels[%zu] is '%s', and the scores' label there is '%s': fit anew, or use --fallback-global",
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
		return adds_fail(err, ADDS_EMISMATCH, "the thresholds are for %s, the scores are %s", kind_name(t->kind), kind_name(h->kind));
	if (!global_only && (rc = check_scores(t, h, err)) < 0)
		return rc;
	for (i = 0; i < L; i++)
		cut[i] = (float)(global_only ? t->global.threshold : t->cut[i].threshold);
	return 0;
}
