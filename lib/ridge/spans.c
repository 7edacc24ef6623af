/* SPDX-License-Identifier: MIT
 * spans.c - sums over all pictures for the fit
 *
 * With several tiles φ(x, t_k) = Σ_m p_mk v_m hangs on the label and is never
 * formed: φ·B_k = Σ_m p_mk (v_m·B_k), a product of tokens with B and a weighted
 * sum; the other way round likewise. A span is so many pictures that what is
 * made of them between the two products stays in the caches. */
#include <stdlib.h>

#include "ridge_inside.h"

enum { SPAN_FLOATS = 1 << 21 }; /* tokens × labels */

struct span {
	int64_t first, n;   /* pictures */
	int64_t row, rows;  /* tokens */
	struct mat v, p, g; /* [rows, D], [rows, K] or p NULL, scratch [rows, K] */
	struct mat e;       /* scratch [n, K] */
	struct segs at;
};

static int64_t
span_rows(const struct adds_ridge_fit *f)
{
	return f->K < SPAN_FLOATS ? SPAN_FLOATS / f->K : 1;
}

int
adds_spans_init(struct adds_ridge_fit *f, struct adds_error *err)
{
	const struct adds_tileset *s = f->s;
	int64_t rows = span_rows(f), pictures = rows < s->n ? rows : s->n, i;
	int rc;

	for (i = 0; i < s->n; i++)
		if (s->at[i + 1] - s->at[i] > rows)
			rows = s->at[i + 1] - s->at[i];
	if (rows > s->v.rows)
		rows = s->v.rows;
	if (!(f->at = malloc((size_t)(pictures + 1) * sizeof(*f->at))))
		return adds_fail(err, ADDS_ENOMEM, "out of memory for %lld pictures", (long long)pictures);
	if ((rc = adds_device(s->b, &f->G, rows, f->K, err)) < 0)
		return rc;
	return adds_device(s->b, &f->E, pictures, f->K, err);
}

/* the pictures after those of x, which is zero at first; 0 when there are none */
static int
next_span(struct span *x, const struct adds_ridge_fit *f)
{
	const struct adds_tileset *s = f->s;
	const int64_t most = span_rows(f), first = x->first + x->n;
	int64_t n;

	if (first == s->n)
		return 0;
	f->at[0] = 0;
	for (n = 0; first + n < s->n && n < most; n++) {
		f->at[n + 1] = s->at[first + n + 1] - s->at[first];
		if (n && f->at[n + 1] > most)
			break;
	}
	x->first = first;
	x->n = n;
	x->row = s->at[first];
	x->rows = f->at[n];
	x->v = mat_part(s->v, x->row, x->rows, 0, f->D);
	x->p = f->p.p ? mat_part(f->p, x->row, x->rows, 0, f->K) : f->p;
	x->g = mat_of(f->G.p, DT_F32, x->rows, f->K);
	x->e = mat_of(f->E.p, DT_F32, n, f->K);
	x->at = (struct segs){ n, f->at };
	return 1;
}

/* ---- Σ ‖φ‖² ---- */

/* of a span, by each picture's Gram matrix: ‖Σ p v‖² = pᵀ(V Vᵀ)p; jobs: room for two a picture */
static int
span_squares(double *sum, const struct adds_ridge_fit *f, const struct span *x, struct gemm_job *jobs, struct adds_error *err)
{
	struct backend *b = f->s->b;
	struct mat gram = { 0 };
	int64_t i, floats = 0;
	int rc;

	for (i = 0; i < x->n; i++)
		floats += (f->at[i + 1] - f->at[i]) * (f->at[i + 1] - f->at[i]);
	if ((rc = adds_device(b, &gram, 1, floats, err)) < 0)
		goto out;
	for (i = floats = 0; i < x->n; i++) {
		const int64_t at = f->at[i], m = f->at[i + 1] - at;
		const struct mat v = mat_part(x->v, at, m, 0, f->D), vv = mat_of((float *)gram.p + floats, DT_F32, m, m);

		jobs[i] = (struct gemm_job){ vv, v, v, 0, 1, 1, 0, NULL, ACT_NONE };
		jobs[x->n + i] = (struct gemm_job){ mat_part(x->g, at, m, 0, f->K),
			                            vv,
			                            mat_part(x->p, at, m, 0, f->K),
			                            0,
			                            0,
			                            1,
			                            0,
			                            NULL,
			                            ACT_NONE };
		floats += m * m;
	}
	if ((rc = b->ops->gemm(b, jobs, x->n, PREC_F32, err)) == 0 &&
	    (rc = b->ops->gemm(b, jobs + x->n, x->n, PREC_F32, err)) == 0)
		rc = b->ops->dot(b, sum, x->g, x->p, err);
out:
	b->ops->release(b, gram.p);
	return rc;
}

int
adds_phi_squares(double *sum, const struct adds_ridge_fit *f, struct adds_error *err)
{
	struct gemm_job *jobs = malloc(((size_t)f->E.rows * 2 + 1) * sizeof(*jobs));
	struct span x = { 0 };
	double part;
	int rc = 0;

	*sum = 0;
	if (!jobs)
		return adds_fail(err, ADDS_ENOMEM, "out of memory for %lld pictures", (long long)f->E.rows);
	while (rc == 0 && next_span(&x, f))
		if ((rc = span_squares(&part, f, &x, jobs, err)) == 0)
			*sum += part;
	free(jobs);
	return rc;
}

/* ---- Σ E φ ---- */

/* adds a span's part to out and f->sums; the first one sets them */
static int
add_span(struct mat out, const struct adds_ridge_fit *f, const struct span *x, struct mat e, struct adds_error *err)
{
	struct backend *b = f->s->b;
	const float beta = x->first > 0;
	int rc;

	if ((rc = b->ops->colsum(b, f->sums.p, e, beta, err)) < 0)
		return rc;
	if (!x->p.p)
		return adds_product(b, out, e, 1, x->v, 0, 1, beta, err);
	if ((rc = b->ops->seg_spread(b, x->g, x->p, e, x->at, err)) < 0)
		return rc;
	return adds_product(b, out, x->g, 1, x->v, 0, 1, beta, err);
}

int
adds_phi_sums(struct mat out, const struct adds_ridge_fit *f, struct mat e, struct adds_error *err)
{
	struct span x = { 0 };
	int rc = 0;

	while (rc == 0 && next_span(&x, f))
		rc = add_span(out, f, &x, mat_part(e, x.first, x.n, 0, f->K), err);
	return rc;
}

int
adds_phi_centre(struct mat out, const struct adds_ridge_fit *f, struct adds_error *err)
{
	struct backend *b = f->s->b;
	int rc;

	if ((rc = b->ops->copy(b, f->T, f->phi, err)) < 0 || (rc = b->ops->scale_row(b, f->T, f->sums.p, err)) < 0)
		return rc;
	return b->ops->axpby(b, out, (float)(-1 / f->scale), f->T, (float)(1 / f->scale), err);
}

/* ---- the operator ---- */

/* e = ω·(φ − φ̄)·KP of a span; f->offset = φ̄·KP */
static int
forward(const struct adds_ridge_fit *f, const struct span *x, struct adds_error *err)
{
	struct backend *b = f->s->b;
	const float over = (float)(1 / f->scale);
	int rc;

	if ((rc = adds_product(b, x->p.p ? x->g : x->e, x->v, 0, f->KP, 1, over, 0, err)) < 0 ||
	    (x->p.p && (rc = b->ops->seg_dot(b, x->e, x->p, x->g, x->at, err)) < 0) ||
	    (rc = b->ops->add_row(b, x->e, -over, f->offset.p, err)) < 0)
		return rc;
	return b->ops->mul(b, x->e, mat_part(f->omega, x->first, x->n, 0, f->K), x->e, err);
}

int
adds_fit_operator(const struct adds_ridge_fit *f, double lambda, struct adds_error *err)
{
	struct backend *b = f->s->b;
	struct span x = { 0 };
	int rc = b->ops->rowdot(b, f->offset.p, f->KP, f->phi, 0, err);

	while (rc == 0 && next_span(&x, f))
		if ((rc = forward(f, &x, err)) == 0)
			rc = add_span(f->Q, f, &x, x.e, err);
	if (rc < 0 || (rc = adds_phi_centre(f->Q, f, err)) < 0)
		return rc;
	return b->ops->axpby(b, f->Q, (float)lambda, f->P, 1, err);
}
