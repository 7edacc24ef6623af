/* SPDX-License-Identifier: MIT
 * fit.c - the label-kernel ridge: minimise
 *
 *   Σ ω (r − φ·(κA)_k)² + λ·tr(Aᵀ κ A)
 *
 * over A [K, D] by conjugate gradients in the inner product ⟨u, v⟩ = tr(uᵀ κ v),
 * φ centred under ω and scaled. What needs the pictures is in spans.c. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ridge_inside.h"

/* from a mean square and the square of a mean; 1 where nothing varies but by rounding */
static double
deviation(double square, double mean)
{
	return square - mean > 1e-6 * square ? sqrt(square - mean) : 1;
}

/* μ: the mean of φ over pictures and labels; scale: the deviation of φ about each label's mean */
static int
centre_and_scale(struct adds_ridge_fit *f, struct adds_error *err)
{
	struct backend *b = f->s->b;
	const double n = (double)f->s->n, K = (double)f->K;
	struct mat sums = { 0 }, mu = { 0 };
	double squares, means, x;
	int rc;

	if ((rc = adds_device(b, &mu, 1, f->D, err)) < 0 || (rc = adds_device(b, &sums, 1, f->s->v.rows, err)) < 0)
		goto out;
	if (!f->p.p) {
		if ((rc = b->ops->colsum(b, mu.p, f->s->v, 0, err)) < 0 ||
		    (rc = b->ops->dot(b, &squares, f->s->v, f->s->v, err)) < 0 ||
		    (rc = b->ops->axpby(b, mu, 0, mu, (float)(1 / n), err)) < 0 ||
		    (rc = b->ops->dot(b, &means, mu, mu, err)) < 0)
			goto out;
		f->scale = deviation(squares / n, means);
	} else {
		if ((rc = b->ops->rowdot(b, sums.p, f->p, mat_of(NULL, DT_F32, 0, 0), 0, err)) < 0 ||
		    (rc = adds_product(b, mu, sums, 0, f->s->v, 0, (float)(1 / (n * K)), 0, err)) < 0 ||
		    (rc = adds_phi_squares(&squares, f, err)) < 0 ||
		    (rc = adds_product(b, f->T, f->p, 1, f->s->v, 0, (float)(1 / n), 0, err)) < 0 ||
		    (rc = b->ops->dot(b, &x, f->T, f->T, err)) < 0)
			goto out;
		f->scale = deviation(squares / (n * K), x / K);
	}
	rc = b->ops->get(b, f->mu, mu.p, (size_t)f->D * sizeof(float), err);
out:
	b->ops->release(b, sums.p);
	b->ops->release(b, mu.p);
	return rc;
}

struct sides {                     /* of one label */
	double positive, negative; /* ω of its cells */
	double total, z, y;        /* Σω, weighted means */
};

static struct sides
weigh(const struct adds_ridge_fit *f, const float *Z, const int8_t *targets, int64_t L, int32_t row)
{
	struct sides w = { 0 };
	double n = 0, negatives = 0, c;
	int64_t i;

	for (i = 0; i < f->s->n; i++) {
		n += targets[i * L + row] > 0;
		negatives += targets[i * L + row] == 0;
	}
	c = n < ADDS_RIDGE_CAP ? n : ADDS_RIDGE_CAP;
	w.positive = c / n;
	w.negative = c / (negatives > 1 ? negatives : 1);
	for (i = 0; i < f->s->n; i++) {
		const int8_t t = targets[i * L + row];
		const double omega = t > 0 ? w.positive : t == 0 ? w.negative
		                                                 : 0;

		w.total += omega;
		w.z += omega * (double)Z[i * L + row];
		w.y += omega * (t > 0);
	}
	w.z /= w.total;
	w.y /= w.total;
	return w;
}

/* ω, and ω·r with r = y − s·z, both centred; host [n, K] */
static int
residuals(struct adds_ridge_fit *f, float *omega, float *omega_r, const float *Z, const int8_t *targets, int64_t L,
          struct adds_error *err)
{
	struct sides *w = malloc((size_t)(f->K + 1) * sizeof(*w));
	double *zy = calloc(2 * (size_t)f->K + 1, sizeof(*zy)), sum_zy = 0, sum_zz = 0;
	int64_t i, k;

	if (!w || !zy) {
		free(w);
		free(zy);
		return adds_fail(err, ADDS_ENOMEM, "out of memory for %lld labels", (long long)f->K);
	}
#pragma omp parallel for private(i) schedule(static) num_threads(f->s->b->threads)
	for (k = 0; k < f->K; k++) {
		const int32_t row = f->labels[k];

		w[k] = weigh(f, Z, targets, L, row);
		for (i = 0; i < f->s->n; i++) {
			const int8_t t = targets[i * L + row];
			const double o = t > 0 ? w[k].positive : t == 0 ? w[k].negative
			                                                : 0;
			const double z = (double)Z[i * L + row] - w[k].z, y = (t > 0) - w[k].y;

			zy[2 * k] += o * z * y;
			zy[2 * k + 1] += o * z * z;
		}
	}
	for (k = 0; k < f->K; k++) {
		sum_zy += zy[2 * k];
		sum_zz += zy[2 * k + 1];
	}
	f->s_zero = fmax(sum_zy / fmax(sum_zz, 1e-12), 1e-3);
#pragma omp parallel for private(k) schedule(static) num_threads(f->s->b->threads)
	for (i = 0; i < f->s->n; i++)
		for (k = 0; k < f->K; k++) {
			const int8_t t = targets[i * L + f->labels[k]];
			const double o = t > 0 ? w[k].positive : t == 0 ? w[k].negative
			                                                : 0;
			const double z = (double)Z[i * L + f->labels[k]] - w[k].z, y = (t > 0) - w[k].y;

			omega[i * f->K + k] = (float)o;
			omega_r[i * f->K + k] = (float)(o * (y - f->s_zero * z));
		}
	free(w);
	free(zy);
	return 0;
}

/* φ̄ = Σωφ/Σω of each label, and the first residual */
static int
weighted_means(struct adds_ridge_fit *f, const float *omega_r, struct adds_error *err)
{
	struct backend *b = f->s->b;
	struct mat r = { 0 };
	float *inverse = malloc((size_t)(f->K + 1) * sizeof(*inverse));
	int64_t k;
	int rc;

	if (!inverse)
		return adds_fail(err, ADDS_ENOMEM, "out of memory for %lld labels", (long long)f->K);
	if ((rc = adds_device_put(b, &r, omega_r, f->s->n, f->K, err)) < 0 ||
	    (rc = adds_phi_sums(f->phi, f, f->omega, err)) < 0 ||
	    (rc = b->ops->get(b, inverse, f->sums.p, (size_t)f->K * sizeof(*inverse), err)) < 0)
		goto out;
	for (k = 0; k < f->K; k++)
		inverse[k] = 1 / inverse[k];
	if ((rc = b->ops->put(b, f->sums.p, inverse, (size_t)f->K * sizeof(*inverse), err)) < 0 ||
	    (rc = b->ops->scale_row(b, f->phi, f->sums.p, err)) < 0 || (rc = adds_phi_sums(f->first, f, r, err)) < 0)
		goto out;
	rc = adds_phi_centre(f->first, f, err);
out:
	b->ops->release(b, r.p);
	free(inverse);
	return rc;
}

static int
set_targets(struct adds_ridge_fit *f, const float *Z, const int8_t *targets, int64_t L, struct adds_error *err)
{
	const size_t cells = (size_t)(f->s->n * f->K);
	float *omega = malloc((2 * cells + 1) * sizeof(*omega));
	int rc;

	if (!omega)
		return adds_fail(err, ADDS_ENOMEM, "out of memory for %zu targets", cells);
	if ((rc = residuals(f, omega, omega + cells, Z, targets, L, err)) == 0 &&
	    (rc = adds_device_put(f->s->b, &f->omega, omega, f->s->n, f->K, err)) == 0)
		rc = weighted_means(f, omega + cells, err);
	free(omega);
	return rc;
}

static int
set_texts(struct adds_ridge_fit *f, const float *texts, double beta, struct adds_error *err)
{
	struct backend *b = f->s->b;
	struct mat t = { 0 };
	float *rows = malloc((size_t)(f->K * f->D + 1) * sizeof(*rows));
	int64_t k;
	int rc;

	if (!rows)
		return adds_fail(err, ADDS_ENOMEM, "out of memory for %lld texts", (long long)f->K);
	adds_mean_text(f->mean_text, texts, f->D, f->labels, f->K);
	adds_centred_texts(f->U, texts, f->D, f->labels, f->K, f->mean_text);
	for (k = 0; k < f->K; k++)
		memcpy(rows + k * f->D, texts + f->labels[k] * f->D, (size_t)f->D * sizeof(*rows));
	if ((rc = adds_device_put(b, &t, rows, f->K, f->D, err)) == 0 &&
	    (rc = adds_device_put(b, &f->u, f->U, f->K, f->D, err)) == 0 &&
	    (rc = adds_device(b, &f->kernel, f->K, f->K, err)) == 0 &&
	    (rc = adds_text_kernel(b, f->kernel, f->u, f->u, ADDS_RIDGE_TAU, err)) == 0)
		rc = adds_pool_weights(&f->p, f->s, t, beta, err);
	b->ops->release(b, t.p);
	free(rows);
	return rc;
}

int
adds_fit_init(struct adds_ridge_fit *f, const struct adds_tileset *s, const float *Z, const int8_t *targets, const float *texts,
              int64_t L, const int32_t *labels, int64_t n, double beta, struct adds_error *err)
{
	struct backend *b = s->b;
	struct mat *const square[] = { &f->phi, &f->first, &f->A, &f->R, &f->P, &f->KP, &f->Q, &f->T };
	size_t i;
	int rc;

	memset(f, 0, sizeof(*f));
	f->s = s;
	f->D = s->v.cols;
	f->labels = malloc((size_t)(n + 1) * sizeof(*f->labels));
	f->mean_text = malloc((size_t)f->D * sizeof(float));
	f->mu = calloc((size_t)f->D, sizeof(float));
	f->U = malloc((size_t)(n * f->D + 1) * sizeof(float));
	if (!f->labels || !f->mean_text || !f->mu || !f->U)
		return adds_fail(err, ADDS_ENOMEM, "out of memory for %lld labels", (long long)n);
	f->K = s->n < 2 ? 0 : adds_usable(f->labels, targets, s->n, L, labels, n);
	if (!f->K)
		return 0;
	for (i = 0; i < sizeof(square) / sizeof(*square); i++)
		if ((rc = adds_device(b, square[i], f->K, f->D, err)) < 0)
			return rc;
	if ((rc = adds_device(b, &f->past, (ADDS_RIDGE_STEPS + 1) * f->K, f->D, err)) < 0 ||
	    (rc = adds_device(b, &f->sums, 1, f->K, err)) < 0 ||
	    (rc = adds_device(b, &f->offset, 1, f->K, err)) < 0 ||
	    (rc = adds_spans_init(f, err)) < 0 || (rc = set_texts(f, texts, beta, err)) < 0 ||
	    (rc = centre_and_scale(f, err)) < 0)
		return rc;
	return set_targets(f, Z, targets, L, err);
}

void
adds_fit_release(struct adds_ridge_fit *f)
{
	struct mat *const all[] = { &f->kernel, &f->u, &f->p, &f->omega, &f->phi, &f->first,
		                    &f->A, &f->R, &f->P, &f->KP, &f->Q, &f->T,
		                    &f->E, &f->G, &f->sums, &f->offset, &f->past };
	size_t i;

	for (i = 0; f->s && i < sizeof(all) / sizeof(*all); i++)
		f->s->b->ops->release(f->s->b, all[i]->p);
	free(f->labels);
	free(f->mean_text);
	free(f->mu);
	free(f->U);
	free(f->at);
	memset(f, 0, sizeof(*f));
}

/* ---- conjugate gradients ---- */

/* ⟨R, R⟩ = tr(Rᵀ κ R); κR stays in T */
static int
kernel_norm(double *out, struct adds_ridge_fit *f, struct adds_error *err)
{
	const int rc = adds_product(f->s->b, f->T, f->kernel, 0, f->R, 0, 1, 0, err);

	return rc < 0 ? rc : f->s->b->ops->dot(f->s->b, out, f->R, f->T, err);
}

static struct mat
past(const struct adds_ridge_fit *f, int step)
{
	return mat_part(f->past, step * f->K, f->K, 0, f->D);
}

/* c = −⟨past residuals, R⟩/their norms, on the device [1, steps]; κR stands in T */
static int
overlaps(struct mat c, const struct adds_ridge_fit *f, const double *rs, int steps, struct adds_error *err)
{
	struct backend *b = f->s->b;
	float host[ADDS_RIDGE_STEPS + 1];
	int i, rc;

	if ((rc = adds_product(b, c, mat_of(f->T.p, DT_F32, 1, f->K * f->D), 0,
	                       mat_of(f->past.p, DT_F32, steps, f->K * f->D), 1, 1, 0, err)) < 0 ||
	    (rc = b->ops->get(b, host, c.p, (size_t)steps * sizeof(*host), err)) < 0)
		return rc;
	for (i = 0; i < steps; i++)
		host[i] = (float)(-(double)host[i] / rs[i]);
	return b->ops->put(b, c.p, host, (size_t)steps * sizeof(*host), err);
}

/* Takes out of R what rounding left of the earlier residuals, rs[0 … steps] being
 * their norms, and keeps R. In exact arithmetic residuals of different steps are
 * orthogonal; in f32 they drift, and the descent takes more steps than it should. */
static int
reorthogonalise(double *norm, struct adds_ridge_fit *f, const double *rs, int steps, struct adds_error *err)
{
	struct backend *b = f->s->b;
	struct mat c = { 0 };
	int rc = kernel_norm(norm, f, err);

	if (rc == 0 && steps) {
		if ((rc = adds_device(b, &c, 1, steps, err)) == 0 &&
		    (rc = overlaps(c, f, rs, steps, err)) == 0 &&
		    (rc = adds_product(b, mat_of(f->R.p, DT_F32, 1, f->K * f->D), c, 0,
		                       mat_of(f->past.p, DT_F32, steps, f->K * f->D), 0, 1, 1,
		                       err)) == 0)
			rc = kernel_norm(norm, f, err);
		b->ops->release(b, c.p);
	}
	return rc < 0 ? rc : b->ops->copy(b, past(f, steps), f->R, err);
}

int
adds_fit_solve(struct adds_ridge_fit *f, double lambda, int steps, struct adds_ridge_course *c, struct adds_error *err)
{
	const struct backend_ops *ops = f->s->b->ops;
	const int most = steps && steps < ADDS_RIDGE_STEPS ? steps : ADDS_RIDGE_STEPS;
	struct backend *b = f->s->b;
	double rs[ADDS_RIDGE_STEPS + 1], x, alpha, beta;
	int rc;

	if ((rc = ops->fill(b, f->A, 0, err)) < 0 || (rc = ops->copy(b, f->R, f->first, err)) < 0 ||
	    (rc = reorthogonalise(&rs[0], f, rs, 0, err)) < 0 || (rc = ops->copy(b, f->P, f->R, err)) < 0 ||
	    (rc = ops->copy(b, f->KP, f->T, err)) < 0)
		return rc;
	for (f->steps = 0; f->steps < most && rs[f->steps] > (steps ? 0 : 1e-6 * rs[0]); f->steps++) {
		if (adds_ridge_stop(c))
			return 1;
		if ((rc = adds_fit_operator(f, lambda, err)) < 0 || (rc = ops->dot(b, &x, f->KP, f->Q, err)) < 0)
			return rc;
		alpha = rs[f->steps] / x;
		if ((rc = ops->axpby(b, f->A, (float)alpha, f->P, 1, err)) < 0 ||
		    (rc = ops->axpby(b, f->R, (float)-alpha, f->Q, 1, err)) < 0 ||
		    (rc = reorthogonalise(&rs[f->steps + 1], f, rs, f->steps + 1, err)) < 0)
			return rc;
		beta = rs[f->steps + 1] / rs[f->steps];
		if ((rc = ops->axpby(b, f->P, 1, f->R, (float)beta, err)) < 0 ||
		    (rc = ops->axpby(b, f->KP, 1, f->T, (float)beta, err)) < 0)
			return rc;
	}
	adds_ridge_count(c, 1, 0);
	return 0;
}

int
adds_fit_weights(struct mat w, const struct adds_ridge_fit *f, const float *texts, int64_t L, struct adds_error *err)
{
	struct backend *b = f->s->b;
	float *U = malloc((size_t)(L * f->D + 1) * sizeof(*U));
	struct mat u = { 0 }, k = { 0 };
	int rc;

	if (!U)
		return adds_fail(err, ADDS_ENOMEM, "out of memory for %lld texts", (long long)L);
	adds_centred_texts(U, texts, f->D, NULL, L, f->mean_text);
	if ((rc = adds_device_put(b, &u, U, L, f->D, err)) == 0 && (rc = adds_device(b, &k, L, f->K, err)) == 0 &&
	    (rc = adds_text_kernel(b, k, u, f->u, ADDS_RIDGE_TAU, err)) == 0)
		rc = adds_product(b, w, k, 0, f->A, 0, (float)(1 / (f->s_zero * f->scale)), 0, err);
	b->ops->release(b, u.p);
	b->ops->release(b, k.p);
	free(U);
	return rc;
}
