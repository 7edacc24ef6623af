/* SPDX-License-Identifier: MIT
 * ridge_score.c - scores and calibrated logits of pictures for any vocabulary */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ridge_inside.h"

struct adds_ridge_scorer {
	struct backend *b;
	const struct adds_ridge *m;
	const float *texts;
	int64_t L, D;
	struct mat t, w;                  /* device [L, D]: texts; correction weights times the strength */
	uint8_t *trained;                 /* [L] */
	double *slope, *intercept, *mean; /* [L] */
	float *z, *h;                     /* host [room, L] */
	int64_t room;
};

/* the trained label that this one is, or -1: the same name, and the same text */
static int64_t
same_label(const struct adds_ridge *m, const char *name, const float *text)
{
	const int64_t k = adds_vocab_find(m->names, name, strlen(name));
	double cosine = 0;
	int64_t j;

	for (j = 0; k >= 0 && j < m->D; j++)
		cosine += (double)text[j] * (double)m->texts[k * m->D + j];
	return k >= 0 && cosine >= 1 - 1e-6 ? k : -1;
}

/* g of one label: U its direction, V [K, D] those of the trained ones */
static double
strength(const struct adds_ridge *m, const float *u, const float *V)
{
	double nearest = -1, d;
	int64_t k, j;

	for (k = 0; k < m->K; k++) {
		double c = 0;

		for (j = 0; j < m->D; j++)
			c += (double)u[j] * (double)V[k * m->D + j];
		nearest = c > nearest ? c : nearest;
	}
	d = (2 * m->d90 - (1 - nearest)) / m->d90;
	return m->rho_untrained * (d < 0 ? 0 : d > 1 ? 1
	                                             : d);
}

/* the kernel regression of mean readings for a label that was not trained */
static double
smooth_mean(const struct adds_ridge *m, const float *u, const float *V)
{
	double sum = m->mean_of_means;
	int64_t k, j;

	for (k = 0; k < m->K; k++) {
		double c = 0;

		for (j = 0; j < m->D; j++)
			c += (double)u[j] * (double)V[k * m->D + j];
		sum += exp(-(1 - c) / ADDS_RIDGE_TAU_MEAN) * m->weight[k];
	}
	return sum;
}

/* strengths [L], and slope, intercept and mean of each label */
static void
settle_labels(struct adds_ridge_scorer *s, float *g, const struct adds_vocab *names, const float *U, const float *V)
{
	const struct adds_ridge *m = s->m;
	int64_t i;

#pragma omp parallel for schedule(static) num_threads(s->b->threads)
	for (i = 0; i < s->L; i++) {
		const int64_t k = same_label(m, adds_vocab_name(names, (size_t)i), s->texts + i * s->D);

		s->trained[i] = k >= 0;
		g[i] = (float)(k >= 0 ? m->rho_trained : strength(m, U + i * s->D, V));
		s->slope[i] = k >= 0 ? m->slope_trained : m->slope_untrained;
		s->intercept[i] = k >= 0 ? m->intercept_trained + m->offset[k] : m->intercept_untrained;
		s->mean[i] = k >= 0 ? m->mean[k] : smooth_mean(m, U + i * s->D, V);
	}
}

/* w = g·κ(U, V)·A/(s·scale) */
static int
make_weights(struct adds_ridge_scorer *s, const float *g, const float *U, const float *V, struct adds_error *err)
{
	const struct adds_ridge *m = s->m;
	struct backend *b = s->b;
	struct mat u = { 0 }, v = { 0 }, a = { 0 }, k = { 0 }, dg = { 0 };
	int rc;

	if ((rc = adds_device_put(b, &u, U, s->L, s->D, err)) == 0 && (rc = adds_device_put(b, &v, V, m->K, s->D, err)) == 0 &&
	    (rc = adds_device_put(b, &a, m->A, m->K, s->D, err)) == 0 && (rc = adds_device(b, &k, s->L, m->K, err)) == 0 &&
	    (rc = adds_device_put(b, &dg, g, 1, s->L, err)) == 0 && (rc = adds_device(b, &s->w, s->L, s->D, err)) == 0 &&
	    (rc = adds_device_put(b, &s->t, s->texts, s->L, s->D, err)) == 0 &&
	    (rc = adds_text_kernel(b, k, u, v, ADDS_RIDGE_TAU, err)) == 0 &&
	    (rc = adds_product(b, s->w, k, 0, a, 0, (float)(1 / (m->s * m->scale)), 0, err)) == 0)
		rc = b->ops->scale_row(b, s->w, dg.p, err);
	b->ops->release(b, u.p);
	b->ops->release(b, v.p);
	b->ops->release(b, a.p);
	b->ops->release(b, k.p);
	b->ops->release(b, dg.p);
	return rc;
}

struct adds_ridge_scorer *
adds_ridge_scorer_new(struct backend *b, const struct adds_ridge *m, const struct adds_vocab *names, const float *texts,
                      struct adds_error *err)
{
	const int64_t L = (int64_t)adds_vocab_size(names);
	struct adds_ridge_scorer *s = calloc(1, sizeof(*s));
	float *U = malloc((size_t)(L * m->D + 1) * sizeof(*U)), *V = malloc((size_t)(m->K * m->D + 1) * sizeof(*V));
	float *g = malloc((size_t)(L + 1) * sizeof(*g));
	int rc;

	if (!s || !U || !V || !g || !(s->trained = calloc((size_t)L + 1, 1)) ||
	    !(s->slope = calloc(3 * (size_t)L + 1, sizeof(double)))) {
		rc = adds_fail(err, ADDS_ENOMEM, "out of memory for %lld labels", (long long)L);
		goto out;
	}
	s->b = b;
	s->m = m;
	s->texts = texts;
	s->L = L;
	s->D = m->D;
	s->intercept = s->slope + L;
	s->mean = s->intercept + L;
	adds_centred_texts(U, texts, m->D, NULL, L, m->mean_text);
	adds_centred_texts(V, m->texts, m->D, NULL, m->K, m->mean_text);
	settle_labels(s, g, names, U, V);
	rc = make_weights(s, g, U, V, err);
out:
	free(U);
	free(V);
	free(g);
	if (rc == 0)
		return s;
	adds_ridge_scorer_free(s);
	return NULL;
}

void
adds_ridge_scorer_free(struct adds_ridge_scorer *s)
{
	if (!s)
		return;
	if (s->b) {
		s->b->ops->release(s->b, s->t.p);
		s->b->ops->release(s->b, s->w.p);
	}
	free(s->trained);
	free(s->slope);
	free(s->z);
	free(s->h);
	free(s);
}

const uint8_t *
adds_ridge_is_trained(const struct adds_ridge_scorer *s)
{
	return s->trained;
}

static int
make_room(struct adds_ridge_scorer *s, int64_t n, struct adds_error *err)
{
	if (n <= s->room)
		return 0;
	free(s->z);
	free(s->h);
	s->z = malloc((size_t)(n * s->L + 1) * sizeof(*s->z));
	s->h = malloc((size_t)(n * s->L + 1) * sizeof(*s->h));
	s->room = s->z && s->h ? n : 0;
	return s->room ? 0 : adds_fail(err, ADDS_ENOMEM, "out of memory for %lld scores", (long long)(n * s->L));
}

int
adds_ridge_run(struct adds_ridge_scorer *s, float *scores, float *logits, struct mat tokens,
               struct segs pictures, struct adds_error *err)
{
	const struct adds_ridge *m = s->m;
	struct adds_tileset set = { 0 };
	struct mat p = { 0 };
	int64_t i, j;
	int rc;

	if ((rc = make_room(s, pictures.n, err)) < 0 ||
	    (rc = adds_tileset_view(&set, s->b, tokens, pictures, err)) < 0 ||
	    (rc = adds_read_tiles(s->z, &set, s->texts, s->L, m->mean_text, m->share, m->sharp,
	                          m->sigma, err)) < 0 ||
	    (rc = adds_pool_weights(&p, &set, s->t, m->beta, err)) < 0 ||
	    (rc = adds_correction(s->h, &set, p, s->w, m->mu, err)) < 0)
		goto out;
	for (i = 0; i < pictures.n; i++)
		for (j = 0; j < s->L; j++) {
			const double score = (double)s->z[i * s->L + j] + (double)s->h[i * s->L + j];

			if (scores)
				scores[i * s->L + j] = (float)score;
			if (logits)
				logits[i * s->L + j] = (float)(s->slope[j] * (score - s->mean[j]) + s->intercept[j]);
		}
out:
	s->b->ops->release(s->b, p.p);
	adds_tileset_release(&set);
	return rc;
}
