/* SPDX-License-Identifier: MIT
 * choose.c - the reading, λ and the two strengths, by what labels and pictures
 * held out say: the lower bound (mean − 2 standard errors over labels) of the
 * change of average precision. Ties go to the earlier grid point. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../metric/metrics.h"
#include "blend.h"
#include "ridge_inside.h"

enum { SHARES = 5,
       SHARPNESSES = 4,
       LAMBDAS = 5,
       RHOS = 6 };

static const double shares[SHARES] = { 0, 0.25, 0.5, 0.75, 1 };
static const double sharpnesses[SHARPNESSES] = { 0, 0.5, 1, 2 };
static const double lambdas[LAMBDAS] = { 0.1, 0.3, 1, 3, 10 };
static const double rhos[RHOS] = { 0, 0.125, 0.25, 0.5, 0.75, 1 };

int64_t
adds_usable(int32_t *out, const int8_t *targets, int64_t n, int64_t L, const int32_t *labels, int64_t nlabels)
{
	int64_t i, k, count = 0;

	for (k = 0; k < nlabels; k++) {
		int positive = 0, negative = 0;

		for (i = 0; i < n && !(positive && negative); i++) {
			positive |= targets[i * L + labels[k]] > 0;
			negative |= targets[i * L + labels[k]] == 0;
		}
		if (positive && negative)
			out[count++] = labels[k];
	}
	return count;
}

double
adds_lower_bound(const double *d, int64_t n, struct adds_ridge_gain *gain)
{
	double mean = 0, squares = 0;
	int64_t i;

	memset(gain, 0, sizeof(*gain));
	gain->labels = n;
	if (!n)
		return 0;
	for (i = 0; i < n; i++)
		mean += d[i];
	gain->mean = mean /= (double)n;
	if (n == 1)
		return mean < 0 ? mean : 0;
	for (i = 0; i < n; i++)
		squares += (d[i] - mean) * (d[i] - mean);
	gain->error = sqrt(squares / (double)(n - 1)) / sqrt((double)n);
	return mean - 2 * gain->error;
}

/* AP of each column [L]; NAN for labels outside the list or with too few positives */
static int
label_aps(double *ap, const float *S, const int8_t *targets, const uint8_t *listed, int64_t n, int64_t L, int threads,
          struct adds_error *err)
{
	double mean;
	const int64_t rc = adds_mean_ap(&mean, ap, NULL, S, targets, listed, n, L,
	                                ADDS_RIDGE_MIN_POSITIVES, ADDS_AP_STEP, threads, err);

	return rc < 0 ? (int)rc : 0;
}

static uint8_t *
listed_labels(int64_t L, const int32_t *labels, int64_t n, struct adds_error *err)
{
	uint8_t *listed = calloc((size_t)L + 1, 1);
	int64_t k;

	if (!listed) {
		adds_fail(err, ADDS_ENOMEM, "out of memory for %lld labels", (long long)L);
		return NULL;
	}
	for (k = 0; k < n; k++)
		listed[labels[k]] = 1;
	return listed;
}

/* ---- the reading ---- */

struct reading {
	const struct adds_tileset *s;
	const float *texts;    /* of the listed labels alone: [n, D] */
	const int8_t *targets; /* [N, n] */
	int64_t n;
	const float *mean_text;
	float *Z;
	double *ap, *zero, *d;
	int threads;
	const struct adds_ridge_course *course;
};

static int
reading_bound(double *bound, struct adds_ridge_gain *gain, struct reading *r, double share, double sharp, double sigma,
              struct adds_error *err)
{
	int64_t k, n = 0;
	int rc;

	if ((rc = adds_read_tiles(r->Z, r->s, r->texts, r->n, r->mean_text, share, sharp, sigma, err)) < 0 ||
	    (rc = label_aps(r->ap, r->Z, r->targets, NULL, r->s->n, r->n, r->threads, err)) < 0)
		return rc;
	for (k = 0; k < r->n; k++)
		if (!isnan(r->zero[k]))
			r->d[n++] = r->ap[k] - r->zero[k];
	*bound = adds_lower_bound(r->d, n, gain);
	return 0;
}

static int
search_reading(double *share, double *sharp, struct adds_ridge_gain *gain, struct reading *r, struct adds_error *err)
{
	double sigma, bound, best = 0;
	struct adds_ridge_gain g;
	int64_t k, judged = 0;
	int i, j, rc;

	if ((rc = adds_read_tiles(r->Z, r->s, r->texts, r->n, r->mean_text, 0, 0, 1, err)) < 0 ||
	    (rc = label_aps(r->zero, r->Z, r->targets, NULL, r->s->n, r->n, r->threads, err)) < 0)
		return rc;
	for (k = 0; k < r->n; k++)
		judged += !isnan(r->zero[k]);
	if (judged < ADDS_RIDGE_MIN_LABELS)
		return 0;
	for (i = 0; i < SHARES; i++) {
		if ((rc = adds_read_sigma(&sigma, r->s, r->texts, r->n, r->mean_text, shares[i], err)) < 0)
			return rc;
		for (j = 0; j < (r->s->single ? 1 : SHARPNESSES); j++) {
			if (adds_ridge_stop(r->course))
				return 1;
			if ((rc = reading_bound(&bound, &g, r, shares[i], sharpnesses[j], sigma, err)) < 0)
				return rc;
			if (bound > best + 1e-9) {
				best = bound;
				*share = shares[i];
				*sharp = sharpnesses[j];
				*gain = g;
			}
		}
	}
	return 0;
}

int
adds_choose_reading(double *share, double *sharp, struct adds_ridge_gain *gain, const struct adds_tileset *s, const float *texts,
                    const int8_t *targets, int64_t L, const int32_t *labels, int64_t n, int threads,
                    const struct adds_ridge_course *c, struct adds_error *err)
{
	const int64_t D = s->v.cols;
	float *t = calloc((size_t)((n + 1) * D + s->n * n + 1), sizeof(*t));
	int8_t *y = malloc((size_t)(s->n * n) + 1);
	double *ap = malloc((size_t)(3 * n + 1) * sizeof(*ap));
	struct reading r;
	int64_t i, k;
	int rc;

	*share = *sharp = 0;
	memset(gain, 0, sizeof(*gain));
	if (!t || !y || !ap) {
		rc = adds_fail(err, ADDS_ENOMEM, "out of memory for %lld labels", (long long)n);
		goto out;
	}
	r = (struct reading){ s, t, y, n, t + n * D, t + (n + 1) * D, ap, ap + n, ap + 2 * n, threads, c };
	for (k = 0; k < n; k++)
		memcpy(t + k * D, texts + labels[k] * D, (size_t)D * sizeof(*t));
	adds_mean_text(t + n * D, t, D, NULL, n);
	for (i = 0; i < s->n; i++)
		for (k = 0; k < n; k++)
			y[i * n + k] = targets[i * L + labels[k]];
	rc = search_reading(share, sharp, gain, &r, err);
out:
	free(t);
	free(y);
	free(ap);
	return rc;
}

/* ---- λ and the strengths ---- */

struct search {
	const struct adds_tileset *s;
	const float *Z, *texts;
	const int8_t *targets;
	int64_t L, D;
	const int32_t *labels;
	int64_t n;
	double beta;
	int threads, few, errors;
	struct adds_ridge_course *course;
	struct adds_strength *q;
	uint8_t *listed; /* [L] */
	double *zero;    /* [L] */
	int64_t *judged; /* [q->judged] rows */
	float *H;        /* [LAMBDAS, folds, N, L] */
};

static int64_t
plane(const struct search *h)
{
	return h->s->n * h->L;
}

static int
fit_label_fold(struct adds_ridge_fold *o, const struct search *h, int fold, struct adds_error *err)
{
	int32_t *kept = malloc((size_t)(h->n + 1) * sizeof(*kept));
	struct adds_ridge_fit f = { 0 };
	int64_t k, n = 0;
	int l, rc = 0;

	if (!kept)
		return adds_fail(err, ADDS_ENOMEM, "out of memory for %lld labels", (long long)h->n);
	for (k = 0; k < h->n; k++)
		if (h->few || h->q->fold[h->labels[k]] != fold)
			kept[n++] = h->labels[k];
	rc = adds_fit_init(&f, &o->a, o->Z, o->y, h->texts, h->L, kept, n, h->beta, err);
	for (l = 0; rc == 0 && f.K && l < LAMBDAS; l++)
		if ((rc = adds_fit_solve(&f, lambdas[l], 0, h->course, err)) == 0)
			rc = adds_fold_correct(h->H + (l * h->q->folds + fold) * plane(h), o, &f, err);
	adds_fit_release(&f);
	free(kept);
	return rc;
}

static int
fit_folds(const struct search *h, struct adds_error *err)
{
	struct adds_ridge_fold o;
	int p, f, rc = 0;

	adds_ridge_count(h->course, 0, ADDS_RIDGE_PICTURE_FOLDS * h->q->folds * LAMBDAS);
	for (p = 0; rc == 0 && p < ADDS_RIDGE_PICTURE_FOLDS; p++) {
		rc = adds_fold_init(&o, p, h->s, h->Z, h->targets, h->L, h->texts, h->L, h->beta, err);
		for (f = 0; rc == 0 && f < h->q->folds; f++)
			rc = fit_label_fold(&o, h, f, err);
		adds_fold_release(&o);
	}
	return rc;
}

/* AP of a random order of n pictures, p of them positive, in the mean (Bestgen, "Exact expected
 * average precision of the random baseline", 2015) */
static double
chance(double n, double p)
{
	double h = 0, i;

	for (i = n; i >= 1; i--)
		h += 1 / i;
	return n > 1 ? ((p - 1) / (n - 1) * (n - h) + h) / n : 1;
}

/* Standard errors that a gain must have. Of two dozen strengths tried one seems to gain by chance
 * more often than two of them say; the harm is small where the folds would show it. Where zero-shot
 * does not rank these pictures better than chance they cannot show what may be lost on others, and
 * it takes three. (Pictures shuffled among their labels, 40 times: with two errors, five lost .06
 * to .18 of AP.) */
static int
caution(const struct search *h, double *d)
{
	struct adds_ridge_gain g;
	int64_t i, j, n = 0;

	for (j = 0; j < h->q->judged; j++) {
		double known = 0, positives = 0;

		for (i = 0; i < h->s->n; i++) {
			const int8_t t = h->targets[i * h->L + h->judged[j]];

			known += t >= 0;
			positives += t > 0;
		}
		d[n++] = h->zero[h->judged[j]] - chance(known, positives);
	}
	adds_lower_bound(d, n, &g);
	return g.mean > 3 * g.error ? 2 : 3;
}

static double
standing_out(double bound, const struct adds_ridge_gain *gain, int errors)
{
	return gain->mean < errors * gain->error && bound > 0 ? 0 : bound;
}

/* lower bounds of both strengths for one λ and one ρ; ap [folds, L], d, S: scratch */
static int
bounds(double *trained, double *held, struct adds_ridge_gain *gt, struct adds_ridge_gain *gh,
       const struct search *h, int l, double rho, double *ap, double *d, float *S,
       struct adds_error *err)
{
	const int folds = h->q->folds;
	int64_t i, j;
	int f, rc;

	for (f = 0; f < folds; f++) {
		const float *H = h->H + (l * folds + f) * plane(h);

		for (i = 0; i < plane(h); i++)
			S[i] = (float)((double)h->Z[i] + rho * (double)H[i]);
		if ((rc = label_aps(ap + f * h->L, S, h->targets, h->listed, h->s->n, h->L, h->threads, err)) < 0)
			return rc;
	}
	for (j = 0; j < h->q->judged; j++) {
		const int64_t k = h->judged[j];
		double sum = 0;
		int count = 0;

		for (f = 0; f < folds; f++)
			if (h->few || f != h->q->fold[k]) {
				sum += ap[f * h->L + k] - h->zero[k];
				count++;
			}
		d[j] = sum / count;
	}
	*trained = standing_out(adds_lower_bound(d, h->q->judged, gt), gt, h->errors);
	for (j = 0; j < h->q->judged && !h->few; j++)
		d[j] = ap[h->q->fold[h->judged[j]] * h->L + h->judged[j]] - h->zero[h->judged[j]];
	*held = h->few ? 0 : standing_out(adds_lower_bound(d, h->q->judged, gh), gh, h->errors);
	return 0;
}

static int
choose(const struct search *h, double *ap, double *d, float *S, struct adds_error *err)
{
	double trained, held, best = 0;
	int l, r, rc;

	for (l = 0; l < LAMBDAS; l++) {
		struct adds_strength x = *h->q;
		struct adds_ridge_gain gt, gh = { 0 };
		double bt = -INFINITY, bh = -INFINITY;

		for (r = 0; r < RHOS; r++) {
			if (adds_ridge_stop(h->course))
				return 1;
			if ((rc = bounds(&trained, &held, &gt, &gh, h, l, rhos[r], ap, d, S, err)) < 0)
				return rc;
			if (trained > bt) {
				bt = trained;
				x.rho_trained = rhos[r];
				x.trained = gt;
			}
			if (held > bh) {
				bh = held;
				x.rho_untrained = h->few ? 0 : rhos[r];
				x.untrained = gh;
			}
		}
		if (l && !(bt + bh > best))
			continue;
		best = bt + bh;
		x.lambda = lambdas[l];
		*h->q = x;
	}
	return 0;
}

static int
take_plane(const struct search *h, struct adds_error *err)
{
	const size_t cells = (size_t)(h->q->folds * plane(h));
	int l;

	if (!(h->q->H = malloc((cells + 1) * sizeof(float))))
		return adds_fail(err, ADDS_ENOMEM, "out of memory for %zu scores", cells);
	for (l = 0; l < LAMBDAS && lambdas[l] != h->q->lambda; l++)
		continue;
	memcpy(h->q->H, h->H + (size_t)l * cells, cells * sizeof(float));
	return 0;
}

int
adds_choose_strength(struct adds_strength *q, const struct adds_tileset *s, const float *Z,
                     const float *texts, const int8_t *targets, int64_t L, const int32_t *labels,
                     int64_t n, double beta, int threads, struct adds_ridge_course *c,
                     struct adds_error *err)
{
	struct search h = { s, Z, texts, targets, L, s->v.cols, labels, n, beta, threads, 0, 0, c, q, NULL, NULL, NULL, NULL };
	double *ap = NULL, *d = NULL;
	float *S = NULL;
	int64_t k;
	int rc;

	memset(q, 0, sizeof(*q));
	q->fold = malloc((size_t)(L + 1) * sizeof(*q->fold));
	h.zero = malloc((size_t)(L + 1) * sizeof(*h.zero));
	h.judged = malloc((size_t)(L + 1) * sizeof(*h.judged));
	ap = malloc((size_t)(ADDS_RIDGE_LABEL_FOLDS * L + 1) * sizeof(*ap));
	d = malloc((size_t)(L + 1) * sizeof(*d));
	S = malloc((size_t)(plane(&h) + 1) * sizeof(*S));
	if (!(h.listed = listed_labels(L, labels, n, err)) || !q->fold || !h.zero || !h.judged || !ap || !d || !S) {
		rc = adds_fail(err, ADDS_ENOMEM, "out of memory for %lld scores", (long long)plane(&h));
		goto out;
	}
	if ((rc = label_aps(h.zero, Z, targets, h.listed, s->n, L, threads, err)) < 0)
		goto out;
	for (k = 0; k < n; k++)
		if (!isnan(h.zero[labels[k]]))
			h.judged[q->judged++] = labels[k];
	q->folds = adds_ridge_label_folds(q->fold, texts, s->v.cols, targets, s->n, L, labels, n);
	h.few = q->folds == 0;
	q->folds = h.few ? 1 : q->folds;
	if (!(h.H = calloc((size_t)(LAMBDAS * q->folds * plane(&h)) + 1, sizeof(*h.H)))) {
		rc = adds_fail(err, ADDS_ENOMEM, "out of memory for %lld scores", (long long)plane(&h));
		goto out;
	}
	h.errors = caution(&h, d);
	if ((rc = fit_folds(&h, err)) == 0 && (rc = choose(&h, ap, d, S, err)) == 0)
		rc = take_plane(&h, err);
out:
	free(h.listed);
	free(h.zero);
	free(h.judged);
	free(h.H);
	free(ap);
	free(d);
	free(S);
	return rc;
}

void
adds_strength_release(struct adds_strength *q)
{
	free(q->fold);
	free(q->H);
	memset(q, 0, sizeof(*q));
}
