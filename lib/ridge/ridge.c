/* SPDX-License-Identifier: MIT
 * ridge.c - training from end to end: reading, strengths, the fit on all
 * pictures, calibration */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../metric/counts.h"
#include "ridge_inside.h"

struct training {
	struct backend *b;
	const struct adds_ridge_data *d;
	const struct adds_ridge_options *o;
	struct adds_ridge *m;
	int64_t N, L, D;
	struct adds_tileset all, part; /* part: the pictures that strengths are chosen on */
	int32_t *labels;               /* usable ones, K of them */
	int64_t K;
	int32_t *part_labels; /* of those, the ones that strengths are chosen on */
	int64_t part_K, part_N;
	int64_t *part_list;   /* [part_N] */
	int8_t *part_targets; /* [part_N, L] */
	float *Z, *part_Z;    /* [N, L], [part_N, L] */
	float *out;           /* [N, K]: out-of-fold corrections of trained labels */
	struct adds_strength q;
	struct adds_ridge_course course;
};

int
adds_ridge_stop(const struct adds_ridge_course *c)
{
	return c->watch && c->watch->stop && c->watch->stop(c->watch->to);
}

void
adds_ridge_count(struct adds_ridge_course *c, int64_t done, int64_t of)
{
	c->done += done;
	c->of += of;
	if (c->watch && c->watch->fit)
		c->watch->fit(c->watch->to, c->done, c->of);
}

static void
training_release(struct training *t)
{
	adds_tileset_release(&t->all);
	adds_tileset_release(&t->part);
	adds_strength_release(&t->q);
	free(t->labels);
	free(t->part_labels);
	free(t->part_list);
	free(t->part_targets);
	free(t->Z);
	free(t->part_Z);
	free(t->out);
}

/* ---- which pictures and labels strengths are chosen on ---- */

struct hashed {
	uint64_t hash;
	int64_t at;
};

static int
by_hash(const void *a, const void *b)
{
	const struct hashed *x = a, *y = b;

	return x->hash != y->hash ? (x->hash < y->hash ? -1 : 1) : x->at < y->at ? -1
	                                                                         : x->at > y->at;
}

static int
by_place(const void *a, const void *b)
{
	const struct hashed *x = a, *y = b;

	return x->at < y->at ? -1 : x->at > y->at;
}

/* the most places of 0 … n-1 with the smallest hashes, in order; rows (may be NULL) are what is hashed */
static int
smallest(int64_t *out, int64_t n, int64_t most, const uint64_t *hash, const int32_t *rows, struct adds_error *err)
{
	struct hashed *h = malloc((size_t)(n + 1) * sizeof(*h));
	int64_t i;

	if (!h)
		return adds_fail(err, ADDS_ENOMEM, "out of memory for %lld names", (long long)n);
	for (i = 0; i < n; i++)
		h[i] = (struct hashed){ hash ? hash[rows ? rows[i] : i] : (uint64_t)i, i };
	qsort(h, (size_t)n, sizeof(*h), by_hash);
	qsort(h, (size_t)(n < most ? n : most), sizeof(*h), by_place);
	for (i = 0; i < n && i < most; i++)
		out[i] = h[i].at;
	free(h);
	return 0;
}

static int
choose_part(struct training *t, struct adds_error *err)
{
	int64_t *places = malloc((size_t)(t->K + 1) * sizeof(*places));
	int64_t i;
	int rc;

	t->part_N = t->N < t->o->select_pictures ? t->N : t->o->select_pictures;
	t->part_K = t->K < t->o->select_labels ? t->K : t->o->select_labels;
	t->part_list = malloc((size_t)(t->part_N + 1) * sizeof(*t->part_list));
	t->part_labels = malloc((size_t)(t->part_K + 1) * sizeof(*t->part_labels));
	t->part_targets = malloc((size_t)(t->part_N * t->L) + 1);
	if (!places || !t->part_list || !t->part_labels || !t->part_targets) {
		rc = adds_fail(err, ADDS_ENOMEM, "out of memory for %lld pictures", (long long)t->part_N);
		goto out;
	}
	if ((rc = smallest(t->part_list, t->N, t->part_N, t->d->picture_hash, NULL, err)) < 0 ||
	    (rc = smallest(places, t->K, t->part_K, t->d->label_hash, t->labels, err)) < 0)
		goto out;
	for (i = 0; i < t->part_K; i++)
		t->part_labels[i] = t->labels[places[i]];
	for (i = 0; i < t->part_N; i++)
		memcpy(t->part_targets + i * t->L, t->d->targets + t->part_list[i] * t->L, (size_t)t->L);
	t->part_K = adds_usable(t->part_labels, t->part_targets, t->part_N, t->L, t->part_labels, t->part_K);
	rc = adds_tileset_take(&t->part, &t->all, t->part_list, t->part_N, err);
out:
	free(places);
	return rc;
}

/* ---- the reading ---- */

/* σ over the usable labels, then Z of all labels */
static int
read_all(struct training *t, struct adds_error *err)
{
	struct adds_ridge *m = t->m;
	float *texts = malloc((size_t)(t->K * t->D + 1) * sizeof(*texts));
	float *mean_text = malloc((size_t)(t->D + 1) * sizeof(*mean_text));
	int64_t i;
	int rc;

	t->Z = malloc((size_t)(t->N * t->L + 1) * sizeof(*t->Z));
	t->part_Z = malloc((size_t)(t->part_N * t->L + 1) * sizeof(*t->part_Z));
	if (!texts || !mean_text || !t->Z || !t->part_Z) {
		rc = adds_fail(err, ADDS_ENOMEM, "out of memory for %lld x %lld scores", (long long)t->N, (long long)t->L);
		goto out;
	}
	for (i = 0; i < t->K; i++)
		memcpy(texts + i * t->D, t->d->texts + t->labels[i] * t->D, (size_t)t->D * sizeof(*texts));
	adds_mean_text(mean_text, texts, t->D, NULL, t->K);
	if ((rc = adds_read_sigma(&m->sigma, &t->all, texts, t->K, mean_text, m->share, err)) < 0 ||
	    (rc = adds_read_tiles(t->Z, &t->all, t->d->texts, t->L, mean_text, m->share, m->sharp, m->sigma, err)) < 0)
		goto out;
	for (i = 0; i < t->part_N; i++)
		memcpy(t->part_Z + i * t->L, t->Z + t->part_list[i] * t->L, (size_t)t->L * sizeof(*t->Z));
out:
	free(texts);
	free(mean_text);
	return rc;
}

/* ---- the model ---- */

static double *
doubles(int64_t n)
{
	return calloc((size_t)n + 1, sizeof(double));
}

static float *
floats(int64_t n)
{
	return calloc((size_t)n + 1, sizeof(float));
}

static int
by_value(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

/* 90 % quantile (numpy's, linear) of the distance to the nearest other label; k: u·uᵀ, host [K, K] */
static double
quantile_90(const float *k, int64_t K, double *d)
{
	int64_t i, j, low;
	double at, q;

	if (K < 2)
		return 1;
	for (i = 0; i < K; i++) {
		float nearest = -1;

		for (j = 0; j < K; j++)
			if (j != i && k[i * K + j] > nearest)
				nearest = k[i * K + j];
		d[i] = 1 - (double)nearest;
	}
	qsort(d, (size_t)K, sizeof(*d), by_value);
	at = 0.9 * (double)(K - 1);
	low = (int64_t)at;
	q = low + 1 < K ? d[low] + (at - (double)low) * (d[low + 1] - d[low]) : d[low];
	return q > 1e-6 ? q : 1e-6;
}

/* the kernel regression of mean readings: (κ + 0.1·I)·weight = mean − mean of means */
static int
smooth_means(struct adds_ridge *m, const float *cosines, struct adds_error *err)
{
	double *k = doubles(m->K * m->K);
	int64_t i, j;
	int rc;

	if (!k)
		return adds_fail(err, ADDS_ENOMEM, "out of memory for %lld labels", (long long)m->K);
	m->mean_of_means = 0;
	for (i = 0; i < m->K; i++)
		m->mean_of_means += m->mean[i] / (double)m->K;
	for (i = 0; i < m->K; i++) {
		m->weight[i] = m->mean[i] - m->mean_of_means;
		for (j = 0; j < m->K; j++)
			k[i * m->K + j] = exp(-(1 - (double)cosines[i * m->K + j]) / ADDS_RIDGE_TAU_MEAN) + (i == j ? 0.1 : 0);
	}
	rc = adds_solve_spd(m->weight, k, m->K, err);
	free(k);
	return rc;
}

/* room for K labels of width D: 1, or 0 if memory is out */
static int
make_room(struct adds_ridge *m, int64_t K, int64_t D)
{
	m->K = K;
	m->D = D;
	m->names = adds_vocab_new();
	m->texts = floats(K * D);
	m->mean_text = floats(D);
	m->A = floats(K * D);
	m->mu = floats(D);
	m->offset = doubles(K);
	m->mean = doubles(K);
	m->weight = doubles(K);
	return m->names && m->texts && m->mean_text && m->A && m->mu && m->offset && m->mean && m->weight;
}

static int
take_fit(struct training *t, const struct adds_ridge_fit *f, const struct adds_vocab *names, struct adds_error *err)
{
	struct adds_ridge *m = t->m;
	struct mat cosines = { 0 };
	float *host = floats(f->K * f->K);
	double *d = doubles(f->K);
	int64_t k, i;
	int rc = 0;

	if (!make_room(m, f->K, t->D) || !host || !d) {
		rc = adds_fail(err, ADDS_ENOMEM, "out of memory for %lld labels", (long long)m->K);
		goto out;
	}
	memcpy(m->mean_text, f->mean_text, (size_t)m->D * sizeof(float));
	memcpy(m->mu, f->mu, (size_t)m->D * sizeof(float));
	for (k = 0; rc >= 0 && k < m->K; k++) {
		const char *name = adds_vocab_name(names, (size_t)f->labels[k]);

		memcpy(m->texts + k * m->D, t->d->texts + f->labels[k] * m->D, (size_t)m->D * sizeof(float));
		rc = (int)adds_vocab_add(m->names, name, strlen(name), err);
		for (i = 0; i < t->N; i++)
			m->mean[k] += (double)t->Z[i * t->L + f->labels[k]];
		m->mean[k] /= (double)t->N;
	}
	m->scale = f->scale;
	m->s = f->s_zero;
	m->steps = f->steps;
	if (rc < 0 ||
	    (rc = t->b->ops->get(t->b, m->A, f->A.p, (size_t)(m->K * m->D) * sizeof(float), err)) <
	            0 ||
	    (rc = adds_device(t->b, &cosines, f->K, f->K, err)) < 0 ||
	    (rc = adds_product(t->b, cosines, f->u, 0, f->u, 1, 1, 0, err)) < 0 ||
	    (rc = t->b->ops->get(t->b, host, cosines.p, (size_t)(f->K * f->K) * sizeof(float),
	                         err)) < 0)
		goto out;
	m->d90 = quantile_90(host, f->K, d);
	rc = smooth_means(m, host, err);
out:
	t->b->ops->release(t->b, cosines.p);
	free(host);
	free(d);
	return rc;
}

/* ---- out-of-fold corrections of the trained labels ---- */

/* from the search, where it looked at everything: the mean over the folds that trained the label */
static void
out_from_search(struct training *t)
{
	const int folds = t->q.folds;
	int64_t i, k;
	int f;

	for (k = 0; k < t->K; k++)
		for (i = 0; i < t->N; i++) {
			double sum = 0;
			int count = 0;

			for (f = 0; f < folds; f++)
				if (folds == 1 || f != t->q.fold[t->labels[k]]) {
					sum += (double)t->q.H[(f * t->N + i) * t->L + t->labels[k]];
					count++;
				}
			t->out[i * t->K + k] = (float)(sum / count);
		}
}

static int
out_from_fold(struct training *t, int p, const float *texts, struct adds_error *err)
{
	struct adds_ridge_fit f = { 0 };
	struct adds_ridge_fold o;
	int rc;

	if ((rc = adds_fold_init(&o, p, &t->all, t->Z, t->d->targets, t->L, texts, t->K, t->d->beta, err)) == 0 &&
	    (rc = adds_fit_init(&f, &o.a, o.Z, o.y, t->d->texts, t->L, t->labels, t->K, t->d->beta, err)) == 0 && f.K &&
	    (rc = adds_fit_solve(&f, t->q.lambda, 0, &t->course, err)) == 0)
		rc = adds_fold_correct(t->out, &o, &f, err);
	adds_fit_release(&f);
	adds_fold_release(&o);
	return rc;
}

/* from three fits anew, with the chosen λ, where the search looked at a part */
static int
out_from_fits(struct training *t, struct adds_error *err)
{
	float *texts = floats(t->K * t->D);
	int64_t k;
	int p, rc = texts ? 0 : adds_fail(err, ADDS_ENOMEM, "out of memory for %lld texts", (long long)t->K);

	for (k = 0; rc == 0 && k < t->K; k++)
		memcpy(texts + k * t->D, t->d->texts + t->labels[k] * t->D, (size_t)t->D * sizeof(*texts));
	for (p = 0; rc == 0 && p < ADDS_RIDGE_PICTURE_FOLDS; p++)
		rc = out_from_fold(t, p, texts, err);
	free(texts);
	return rc;
}

/* ---- calibration ---- */

/* what the untrained labels' logits are fitted on: each label scored where it was held out */
static int
calibrate_held(struct training *t, struct adds_error *err)
{
	struct adds_ridge *m = t->m;
	float *x = floats(t->part_N * t->part_K);
	int8_t *y = malloc((size_t)(t->part_N * t->part_K) + 1);
	double *mean = doubles(t->part_K);
	int64_t i, k;
	int rc;

	if (!x || !y || !mean) {
		rc = adds_fail(err, ADDS_ENOMEM, "out of memory for %lld scores", (long long)(t->part_N * t->part_K));
		goto out;
	}
	for (k = 0; k < t->part_K; k++) {
		for (i = 0; i < t->N; i++)
			mean[k] += (double)t->Z[i * t->L + t->part_labels[k]];
		mean[k] /= (double)t->N;
	}
	for (i = 0; i < t->part_N; i++)
		for (k = 0; k < t->part_K; k++) {
			const int32_t row = t->part_labels[k];
			const double h = (double)t->q.H[(t->q.fold[row] * t->part_N + i) * t->L + row];

			x[i * t->part_K + k] = (float)((double)t->part_Z[i * t->L + row] + m->rho_untrained * h - mean[k]);
			y[i * t->part_K + k] = t->part_targets[i * t->L + row];
		}
	rc = adds_newton(&m->slope_untrained, &m->intercept_untrained, NULL, x, y, t->part_N, t->part_K, 0, t->o->threads, err);
out:
	free(x);
	free(y);
	free(mean);
	return rc;
}

static int
calibrate(struct training *t, struct adds_error *err)
{
	struct adds_ridge *m = t->m;
	int8_t *y = malloc((size_t)(t->N * t->K) + 1);
	int64_t i, k;
	int rc;

	if (!y)
		return adds_fail(err, ADDS_ENOMEM, "out of memory for %lld targets", (long long)(t->N * t->K));
	for (i = 0; i < t->N; i++)
		for (k = 0; k < t->K; k++) {
			const double z = (double)t->Z[i * t->L + t->labels[k]], h = (double)t->out[i * t->K + k];

			t->out[i * t->K + k] = (float)(z + m->rho_trained * h - m->mean[k]);
			y[i * t->K + k] = t->d->targets[i * t->L + t->labels[k]];
		}
	if ((rc = adds_newton(&m->slope_trained, &m->intercept_trained, m->offset, t->out, y, t->N,
	                      t->K, 0.25, t->o->threads, err)) < 0)
		goto out;
	for (i = 0; i < t->N * t->K; i++)
		t->out[i] = (float)(m->slope_trained * (double)t->out[i] + m->intercept_trained + m->offset[i % t->K]);
	m->calibration_error = adds_calibration_error(t->out, y, NULL, t->N, t->K);
	m->slope_untrained = m->slope_trained;
	m->intercept_untrained = m->intercept_trained;
	if (t->q.folds > 1)
		rc = calibrate_held(t, err);
out:
	free(y);
	return rc;
}

/* ---- from end to end ---- */

static int
choose_everything(struct training *t, struct adds_error *err)
{
	struct adds_ridge *m = t->m;
	int rc;

	if (!t->o->strict_zero_shot &&
	    (rc = adds_choose_reading(&m->share, &m->sharp, &m->gain_reading, &t->part, t->d->texts,
	                              t->part_targets, t->L, t->part_labels, t->part_K,
	                              t->o->threads, &t->course, err)) != 0)
		return rc;
	if ((rc = read_all(t, err)) < 0 ||
	    (rc = adds_choose_strength(&t->q, &t->part, t->part_Z, t->d->texts, t->part_targets,
	                               t->L, t->part_labels, t->part_K, t->d->beta, t->o->threads,
	                               &t->course, err)) != 0)
		return rc;
	m->lambda = t->q.lambda;
	m->rho_trained = t->q.rho_trained;
	m->rho_untrained = t->o->strict_zero_shot ? 0 : t->q.rho_untrained;
	m->gain_trained = t->q.trained;
	m->gain_untrained = t->q.untrained;
	m->judged = t->q.judged;
	return 0;
}

/* did the search look at everything? */
static int
part_is_all(const struct training *t)
{
	return t->part_N == t->N && t->part_K == t->K;
}

static int
train(struct training *t, const struct adds_vocab *names, struct adds_error *err)
{
	struct adds_ridge_fit f = { 0 };
	int rc;

	if ((rc = choose_part(t, err)) < 0)
		return rc;
	t->course.of = part_is_all(t) ? 1 : 1 + ADDS_RIDGE_PICTURE_FOLDS;
	if ((rc = choose_everything(t, err)) != 0)
		return rc;
	if ((rc = adds_fit_init(&f, &t->all, t->Z, t->d->targets, t->d->texts, t->L, t->labels, t->K, t->d->beta, err)) == 0 &&
	    (rc = adds_fit_solve(&f, t->m->lambda, t->o->steps, &t->course, err)) == 0)
		rc = take_fit(t, &f, names, err);
	adds_fit_release(&f);
	if (rc)
		return rc;
	if (!(t->out = floats(t->N * t->K)))
		return adds_fail(err, ADDS_ENOMEM, "out of memory for %lld scores", (long long)(t->N * t->K));
	if (part_is_all(t))
		out_from_search(t);
	else if ((rc = out_from_fits(t, err)) != 0)
		return rc;
	return calibrate(t, err);
}

int
adds_ridge_train(struct adds_ridge **out, struct backend *b, const struct adds_ridge_data *data, const struct adds_vocab *names,
                 const struct adds_ridge_options *options, struct adds_error *err)
{
	struct training t = { 0 };
	int32_t *may = malloc((size_t)(data->labels + 1) * sizeof(*may));
	int64_t k, n = 0;
	int rc = 0;

	*out = NULL;
	t.b = b;
	t.d = data;
	t.o = options;
	t.course.watch = options->watch;
	t.N = data->pictures.n;
	t.L = data->labels;
	t.D = data->tokens.cols;
	t.labels = malloc((size_t)(t.L + 1) * sizeof(*t.labels));
	t.m = calloc(1, sizeof(*t.m));
	if (!may || !t.labels || !t.m) {
		rc = adds_fail(err, ADDS_ENOMEM, "out of memory for %lld labels", (long long)t.L);
		goto out;
	}
	t.m->beta = (double)data->beta;
	for (k = 0; k < t.L; k++)
		if (data->may[k])
			may[n++] = (int32_t)k;
	t.K = adds_usable(t.labels, data->targets, t.N, t.L, may, n);
	if (!t.K || t.N < ADDS_RIDGE_MIN_PICTURES)
		goto out;
	if ((rc = adds_tileset_view(&t.all, b, data->tokens, data->pictures, err)) == 0 && (rc = train(&t, names, err)) == 0) {
		*out = t.m;
		t.m = NULL;
	}
out:
	free(may);
	training_release(&t);
	adds_ridge_free(t.m);
	return rc;
}

void
adds_ridge_free(struct adds_ridge *m)
{
	if (!m)
		return;
	adds_vocab_free(m->names);
	free(m->texts);
	free(m->mean_text);
	free(m->A);
	free(m->mu);
	free(m->offset);
	free(m->mean);
	free(m->weight);
	free(m);
}

void
adds_ridge_summary(const struct adds_ridge *m, char *text, size_t n)
{
	size_t at = (size_t)snprintf(
		text, n,
		"ridge: %lld %s, lambda %g, reading a %g c %g, strength %g trained, %g untrained",
		(long long)m->K, ADDS_PLURAL(m->K, "label", "labels"), m->lambda, m->share,
		m->sharp, m->rho_trained, m->rho_untrained);

	if (at < n)
		snprintf(
			text + at, n - at,
			"; expected change of AP %+.3f (+-%.3f) trained, %+.3f (+-%.3f) untrained, over %lld %s; calibration error %.3f",
			m->gain_reading.mean + m->gain_trained.mean,
			hypot(m->gain_reading.error, m->gain_trained.error),
			m->gain_reading.mean + m->gain_untrained.mean,
			hypot(m->gain_reading.error, m->gain_untrained.error), (long long)m->judged,
			ADDS_PLURAL(m->judged, "label", "labels"), m->calibration_error);
}
