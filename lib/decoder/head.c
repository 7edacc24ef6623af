/* SPDX-License-Identifier: MIT
 *
 * head.c - logits: gate·(final_fc(fc(q))) + s·z0 + b.
 *
 * Nothing stands between the two linear maps, so they are one: w = fcᵀ·final_fc
 * and b0 = final_fc·fc.bias + final_fc.bias.
 */
#include "decoder_inside.h"

/* the prior's scale and bias */
static void
prior_of(struct run *r, float prior[2])
{
	OP(r, get, &prior[0], r->d->w + r->d->head.scale, sizeof(float));
	OP(r, get, &prior[1], r->d->w + r->d->head.bias, sizeof(float));
}

/* w [1, D] and, behind it, b0 */
static struct mat
joined(struct run *r)
{
	struct adds_decoder *d = r->d;
	const int64_t D = d->c.width;
	const struct head_at *at = &d->head;
	struct mat w = f32(adds_dec_floats(r, &d->head_w, D + 1), 1, D), b0;

	if (r->rc < 0)
		return w;
	b0 = f32((float *)w.p + D, 1, 1);
	adds_dec_job(r, w, adds_dec_weight(r, at->final_w, 1, D), 0, adds_dec_weight(r, at->fc_w, D, D), 0, 0);
	adds_dec_run(r);
	OP(r, rowdot, b0.p, adds_dec_weight(r, at->final_w, 1, D), adds_dec_weight(r, at->fc_b, 1, D), 0);
	OP(r, axpby, b0, 1, adds_dec_weight(r, at->final_b, 1, 1), 1);
	return w;
}

/* Y[p,l] = X[p,l]·gate[l], gate NULL: 1 */
static void
gated(struct run *r, struct mat y, struct mat x, const float *gate)
{
	const int64_t at[2] = { 0, r->n };
	const struct segs whole = { 1, at };

	if (gate)
		OP(r, seg_spread, y, x, f32((float *)(uintptr_t)gate, 1, r->L), whole);
	else
		OP(r, copy, y, x);
}

/* logits += s·z0 + b */
static void
add_prior(struct run *r, struct mat logits, struct mat z0)
{
	float prior[2] = { 0, 0 };
	struct mat bias;

	prior_of(r, prior);
	OP(r, axpby, logits, prior[0], z0, 1);
	bias = adds_dec_mat(r, &r->d->small, r->n, 1);
	OP(r, fill, bias, prior[1]);
	OP(r, add_col, logits, 1, bias.p);
}

void
adds_dec_head(struct run *r, struct mat logits, struct mat q, struct mat z0, const float *gate)
{
	struct adds_decoder *d = r->d;
	const struct mat y = adds_dec_mat(r, &d->logits, r->n, r->L);
	struct mat w;
	int64_t p;

	if (r->rc < 0)
		return;
	if (d->c.layers) {
		w = joined(r);
		for (p = 0; p < r->n && r->rc >= 0; p++)
			adds_dec_job(r, f32((float *)y.p + p * r->L, r->L, 1), rows_part(q, p * r->L, r->L), 0, w, 1, 0);
		adds_dec_run(r);
		OP(r, add_row, f32(y.p, r->n * r->L, 1), 1, (float *)w.p + d->c.width);
		gated(r, logits, y, gate);
	} else {
		OP(r, fill, logits, 0);
	}
	if (d->c.prior)
		add_prior(r, logits, z0);
}

static void
prior_backward(struct run *r, struct mat dlogits, struct mat z0)
{
	struct adds_decoder *d = r->d;
	const struct mat sums = adds_dec_mat(r, &d->small, r->n, 1);

	if (r->rc < 0)
		return;
	OP(r, rowdot, sums.p, dlogits, z0, 0);
	OP(r, colsum, d->g + d->head.scale, sums, 1);
	OP(r, rowdot, sums.p, dlogits, no_mat, 0);
	OP(r, colsum, d->g + d->head.bias, sums, 1);
}

/* Gradients of w and b0 (behind it) on to the two maps. */
static void
joined_backward(struct run *r, struct mat dw)
{
	struct adds_decoder *d = r->d;
	const int64_t D = d->c.width;
	const struct head_at *at = &d->head;
	const struct mat db0 = f32((float *)dw.p + D, 1, 1), final = adds_dec_weight(r, at->final_w, 1, D);
	const struct mat dfinal = adds_dec_grad(r, at->final_w, 1, D);

	adds_dec_job(r, adds_dec_grad(r, at->fc_w, D, D), final, 1, dw, 0, 1);
	adds_dec_job(r, adds_dec_grad(r, at->fc_b, 1, D), db0, 0, final, 0, 1);
	adds_dec_job(r, dfinal, dw, 0, adds_dec_weight(r, at->fc_w, D, D), 1, 1);
	adds_dec_run(r);
	adds_dec_job(r, dfinal, db0, 0, adds_dec_weight(r, at->fc_b, 1, D), 0, 1);
	adds_dec_run(r);
	OP(r, axpby, adds_dec_grad(r, at->final_b, 1, 1), 1, db0, 1);
}

struct mat
adds_dec_head_backward(struct run *r, struct mat dlogits, struct mat q, struct mat z0, const float *gate)
{
	struct adds_decoder *d = r->d;
	const int64_t D = d->c.width, rows = r->n * r->L;
	struct mat dy, dw, dq = no_mat, w;

	if (d->c.prior)
		prior_backward(r, dlogits, z0);
	if (!d->c.layers)
		return dq;
	dy = adds_dec_mat(r, &d->dlogits, r->n, r->L);
	dw = f32(adds_dec_floats(r, &d->small, D + 1), 1, D);
	dq = adds_dec_mat(r, &d->dq, r->n * (r->L + r->C), D);
	if (r->rc < 0)
		return dq;
	w = f32(d->head_w.p, 1, D);
	gated(r, dy, dlogits, gate);
	dy = f32(dy.p, rows, 1);
	adds_dec_job(r, dw, dy, 1, rows_part(q, 0, rows), 0, 0);
	adds_dec_job(r, rows_part(dq, 0, rows), dy, 0, w, 0, 0);
	adds_dec_run(r);
	OP(r, colsum, (float *)dw.p + D, dy, 0);
	joined_backward(r, dw);
	return rows_part(dq, 0, rows);
}
