/* SPDX-License-Identifier: MIT
 * fit.c - the label-kernel ridge: minimise
 *
 *   Σ ω (r − φ·(κA)_k)² + λ·tr(Aᵀ κ A)
 *
 * over A [K, D] by conjugate gradients in the inner product ⟨u, v⟩ = tr(uᵀ κ v),
 * φ centred under ω and scaled. With several tiles φ(x, t_k) = Σ_m p_mk v_m
 * hangs on the label and is never formed: φ·B_k = Σ_m p_mk (v_m·B_k), a product
 * of all tokens with B and a weighted sum; the other way round likewise. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ridge_inside.h"

enum { GRAM_FLOATS = 16 << 20 };

/* block l … l+width-1 of labels: columns of a [n, K] matrix */
static struct mat
columns(struct mat m, int64_t l, int64_t width)
{
	return m.p ? mat_part(m, 0, m.rows, l, width) : m;
}

static int64_t
width_at(const struct adds_ridge_fit *f, int64_t l)
{
	return f->K - l < f->block ? f->K - l : f->block;
}

/* out[k] = Σ_n E_nk φ_nk for one block; E [n, width] */
static int
gather_back(struct mat out, const struct adds_ridge_fit *f, struct mat e, int64_t l, struct adds_error *err)
{
	struct backend *b = f->s->b;
	const struct mat g = mat_of(f->G.p, DT_F32, f->s->v.rows, e.cols);
	int rc;

	if (!f->p.p)
		return adds_product(b, out, e, 1, f->s->v, 0, 1, 0, err);
	if ((rc = b->ops->seg_spread(b, g, columns(f->p, l, e.cols), e, adds_tileset_segs(f->s), err)) < 0)
		return rc;
	return adds_product(b, out, g, 1, f->s->v, 0, 1, 0, err);
}

/* ---- what does not hang on λ ---- */

/* Σ ‖φ_nk‖² over pictures and labels by each picture's Gram matrix: ‖Σ p v‖² = pᵀ(V Vᵀ)p */
static int
sum_of_squares(double *sum, const struct adds_ridge_fit *f, struct adds_error *err)
{
	struct backend *b = f->s->b;
	const struct adds_tileset *s = f->s;
	struct gemm_job *jobs = calloc((size_t)s->n * 2 + 1, sizeof(*jobs));
	struct mat gram = { 0 }, h = { 0 }, e;
	int64_t i, first, n, floats, l;
	double x;
	int rc = jobs ? 0 : adds_fail(err, ADDS_ENOMEM, "out of memory for %lld pictures", (long long)s->n);

	*sum = 0;
	for (first = 0; rc == 0 && first < s->n; first += n) {
		for (n = floats = 0; first + n < s->n; n++) {
			const int64_t m = s->at[first + n + 1] - s->at[first + n];

			if (n && floats + m * m > GRAM_FLOATS)
				break;
			floats += m * m;
		}
		if ((rc = adds_device(b, &gram, 1, floats, err)) < 0 ||
		    (rc = adds_device(b, &h, s->at[first + n] - s->at[first], f->block, err)) < 0)
			break;
		for (i = floats = 0; i < n; i++) {
			const int64_t m = s->at[first + i + 1] - s->at[first + i];
			const struct mat v = mat_part(s->v, s->at[first + i], m, 0, f->D);

			jobs[i] = (struct gemm_job){ mat_of((float *)gram.p + floats, DT_F32, m, m), v, v, 0, 1, 1, 0, NULL, ACT_NONE };
			floats += m * m;
		}
		rc = b->ops->gemm(b, jobs, n, PREC_F32, err);
		for (l = 0; rc == 0 && l < f->K; l += f->block) {
			const int64_t width = width_at(f, l);
			const struct mat p = mat_part(f->p, s->at[first], h.rows, l, width);
			const struct mat hl = mat_of(h.p, DT_F32, h.rows, width);

			for (i = 0; i < n; i++) {
				const int64_t at = s->at[first + i] - s->at[first], m = s->at[first + i + 1] - s->at[first + i];

				jobs[n + i] = (struct gemm_job){ mat_part(hl, at, m, 0, width), jobs[i].c, mat_part(p, at, m, 0, width), 0, 0, 1, 0, NULL, ACT_NONE };
			}
			e = hl;
			if ((rc = b->ops->gemm(b, jobs + n, n, PREC_F32, err)) < 0 || (rc = b->ops->dot(b, &x, e, p, err)) < 0)
				break;
			*sum += x;
		}
		b->ops->release(b, gram.p);
		b->ops->release(b, h.p);
		gram.p = h.p = NULL;
	}
	b->ops->release(b, gram.p);
	b->ops->release(b, h.p);
	free(jobs);
	return rc;
}

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
	struct mat sums = { 0 }, mu = { 0 }, mean = f->T;
	double squares, means, x;
	int64_t l;
	int rc;

	if ((rc = adds_device(b, &mu, 1, f->D, err)) < 0 || (rc = adds_device(b, &sums, 1, f->s->v.rows, err)) < 0)
		goto out;
	if (!f->p.p) {
		if ((rc = b->ops->colsum(b, mu.p, f->s->v, 0, err)) < 0 || (rc = b->ops->dot(b, &squares, f->s->v, f->s->v, err)) < 0 ||
		    (rc = b->ops->axpby(b, mu, 0, mu, (float)(1 / n), err)) < 0 || (rc = b->ops->dot(b, &means, mu, mu, err)) < 0)
			goto out;
		f->scale = deviation(squares / n, means);
	} else {
		if ((rc = b->ops->rowdot(b, sums.p, f->p, mat_of(NULL, DT_F32, 0, 0), 0, err)) < 0 ||
		    (rc = adds_product(b, mu, sums, 0, f->s->v, 0, (float)(1 / (n * K)), 0, err)) < 0 ||
		    (rc = sum_of_squares(&squares, f, err)) < 0)
			goto out;
		for (l = 0; l < f->K; l += f->block)
			if ((rc = adds_product(b, mat_part(mean, l, width_at(f, l), 0, f->D), columns(f->p, l, width_at(f, l)), 1, f->s->v, 0,
			                       (float)(1 / n), 0, err)) < 0)
				goto out;
		if ((rc = b->ops->dot(b, &x, mean, mean, err)) < 0)
			goto out;
		f->scale = deviation(squares / (n * K), x / K);
	}
	rc = b->ops->get(b, f->mu, mu.p, (size_t)f->D * sizeof(float), err);
out:
	b->ops->release(b, sums.p);
	b->ops->release(b, mu.p);
	return rc;
}

struct sides { /* of one label */
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
		const double omega = t > 0 ? w.positive : t == 0 ? w.negative : 0;

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
			const double o = t > 0 ? w[k].positive : t == 0 ? w[k].negative : 0;
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
			const double o = t > 0 ? w[k].positive : t == 0 ? w[k].negative : 0;
			const double z = (double)Z[i * L + f->labels[k]] - w[k].z, y = (t > 0) - w[k].y;

			omega[i * f->K + k] = (float)o;
			omega_r[i * f->K + k] = (float)(o * (y - f->s_zero * z));
		}
	free(w);
	free(zy);
	return 0;
}

/* (Σ_n E φ − (ΣE)·φ̄)/scale for a block of labels, into out [width, D]; T is scratch */
static int
backward(struct mat out, struct adds_ridge_fit *f, struct mat e, int64_t l, struct adds_error *err)
{
	struct backend *b = f->s->b;
	const struct mat phi = mat_part(f->phi, l, e.cols, 0, f->D), t = mat_part(f->T, l, e.cols, 0, f->D);
	struct mat sums = { 0 };
	int rc;

	if ((rc = adds_device(b, &sums, 1, e.cols, err)) < 0 || (rc = gather_back(out, f, e, l, err)) < 0 ||
	    (rc = b->ops->colsum(b, sums.p, e, 0, err)) < 0 || (rc = b->ops->copy(b, t, phi, err)) < 0 ||
	    (rc = b->ops->scale_row(b, t, sums.p, err)) < 0)
		goto out;
	rc = b->ops->axpby(b, out, (float)(-1 / f->scale), t, (float)(1 / f->scale), err);
out:
	b->ops->release(b, sums.p);
	return rc;
}

/* φ̄ = Σωφ/Σω of each label, and the first residual */
static int
weighted_means(struct adds_ridge_fit *f, const float *omega_r, struct adds_error *err)
{
	struct backend *b = f->s->b;
	struct mat r = { 0 }, sums = { 0 };
	float *inverse = malloc((size_t)(f->K + 1) * sizeof(*inverse));
	int64_t l, k;
	int rc;

	if (!inverse)
		return adds_fail(err, ADDS_ENOMEM, "out of memory for %lld labels", (long long)f->K);
	if ((rc = adds_device_put(b, &r, omega_r, f->s->n, f->K, err)) < 0 || (rc = adds_device(b, &sums, 1, f->K, err)) < 0 ||
	    (rc = b->ops->colsum(b, sums.p, f->omega, 0, err)) < 0 ||
	    (rc = b->ops->get(b, inverse, sums.p, (size_t)f->K * sizeof(*inverse), err)) < 0)
		goto out;
	for (k = 0; k < f->K; k++)
		inverse[k] = 1 / inverse[k];
	for (l = 0; l < f->K; l += f->block)
		if ((rc = gather_back(mat_part(f->phi, l, width_at(f, l), 0, f->D), f, columns(f->omega, l, width_at(f, l)), l, err)) < 0)
			goto out;
	if ((rc = b->ops->put(b, sums.p, inverse, (size_t)f->K * sizeof(*inverse), err)) < 0 ||
	    (rc = b->ops->scale_row(b, f->phi, sums.p, err)) < 0)
		goto out;
	for (l = 0; l < f->K; l += f->block)
		if ((rc = backward(mat_part(f->first, l, width_at(f, l), 0, f->D), f, columns(r, l, width_at(f, l)), l, err)) < 0)
			goto out;
out:
	b->ops->release(b, r.p);
	b->ops->release(b, sums.p);
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
	if ((rc = adds_device_put(b, &t, rows, f->K, f->D, err)) == 0 && (rc = adds_device_put(b, &f->u, f->U, f->K, f->D, err)) == 0 &&
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
	f->block = adds_ridge_block(s->v.rows, f->K);
	for (i = 0; i < sizeof(square) / sizeof(*square); i++)
		if ((rc = adds_device(b, square[i], f->K, f->D, err)) < 0)
			return rc;
	if ((rc = adds_device(b, &f->past, (ADDS_RIDGE_STEPS + 1) * f->K, f->D, err)) < 0 ||
	    (rc = adds_device(b, &f->G, s->v.rows, f->block, err)) < 0 || (rc = adds_device(b, &f->E, s->n, f->block, err)) < 0 ||
	    (rc = set_texts(f, texts, beta, err)) < 0 || (rc = centre_and_scale(f, err)) < 0)
		return rc;
	return set_targets(f, Z, targets, L, err);
}

void
adds_fit_release(struct adds_ridge_fit *f)
{
	struct mat *const all[] = { &f->kernel, &f->u, &f->p, &f->omega, &f->phi, &f->first, &f->A, &f->R, &f->P, &f->KP, &f->Q, &f->T, &f->E, &f->G, &f->past };
	size_t i;

	for (i = 0; f->s && i < sizeof(all) / sizeof(*all); i++)
		f->s->b->ops->release(f->s->b, all[i]->p);
	free(f->labels);
	free(f->mean_text);
	free(f->mu);
	free(f->U);
	memset(f, 0, sizeof(*f));
}

/* ---- conjugate gradients ---- */

/* Q = (data term)·KP + λ·P, one block of labels after the other */
static int
apply_operator(struct adds_ridge_fit *f, double lambda, struct adds_error *err)
{
	struct backend *b = f->s->b;
	struct mat offset = { 0 };
	int64_t l;
	int rc = adds_device(b, &offset, 1, f->block, err);

	for (l = 0; rc == 0 && l < f->K; l += f->block) {
		const int64_t width = width_at(f, l);
		const struct mat kp = mat_part(f->KP, l, width, 0, f->D), phi = mat_part(f->phi, l, width, 0, f->D);
		const struct mat g = mat_of(f->G.p, DT_F32, f->s->v.rows, width), e = mat_of(f->E.p, DT_F32, f->s->n, width);

		if ((rc = adds_product(b, g, f->s->v, 0, kp, 1, (float)(1 / f->scale), 0, err)) < 0 ||
		    (rc = f->p.p ? b->ops->seg_dot(b, e, columns(f->p, l, width), g, adds_tileset_segs(f->s), err)
		                 : b->ops->copy(b, e, g, err)) < 0 ||
		    (rc = b->ops->rowdot(b, offset.p, kp, phi, 0, err)) < 0 ||
		    (rc = b->ops->add_row(b, e, (float)(-1 / f->scale), offset.p, err)) < 0 ||
		    (rc = b->ops->mul(b, e, columns(f->omega, l, width), e, err)) < 0)
			break;
		rc = backward(mat_part(f->Q, l, width, 0, f->D), f, e, l, err);
	}
	b->ops->release(b, offset.p);
	return rc < 0 ? rc : b->ops->axpby(b, f->Q, (float)lambda, f->P, 1, err);
}

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

	if ((rc = adds_product(b, c, mat_of(f->T.p, DT_F32, 1, f->K * f->D), 0, mat_of(f->past.p, DT_F32, steps, f->K * f->D), 1, 1, 0,
	                       err)) < 0 ||
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
		if ((rc = adds_device(b, &c, 1, steps, err)) == 0 && (rc = overlaps(c, f, rs, steps, err)) == 0 &&
		    (rc = adds_product(b, mat_of(f->R.p, DT_F32, 1, f->K * f->D), c, 0, mat_of(f->past.p, DT_F32, steps, f->K * f->D), 0, 1,
		                       1, err)) == 0)
			rc = kernel_norm(norm, f, err);
		b->ops->release(b, c.p);
	}
	return rc < 0 ? rc : b->ops->copy(b, past(f, steps), f->R, err);
}

int
adds_fit_solve(struct adds_ridge_fit *f, double lambda, int steps, struct adds_error *err)
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
		if ((rc = apply_operator(f, lambda, err)) < 0 || (rc = ops->dot(b, &x, f->KP, f->Q, err)) < 0)
			return rc;
		alpha = rs[f->steps] / x;
		if ((rc = ops->axpby(b, f->A, (float)alpha, f->P, 1, err)) < 0 || (rc = ops->axpby(b, f->R, (float)-alpha, f->Q, 1, err)) < 0 ||
		    (rc = reorthogonalise(&rs[f->steps + 1], f, rs, f->steps + 1, err)) < 0)
			return rc;
		beta = rs[f->steps + 1] / rs[f->steps];
		if ((rc = ops->axpby(b, f->P, 1, f->R, (float)beta, err)) < 0 || (rc = ops->axpby(b, f->KP, 1, f->T, (float)beta, err)) < 0)
			return rc;
	}
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
