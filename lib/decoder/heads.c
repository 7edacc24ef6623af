/* SPDX-License-Identifier: MIT
 *
 * heads.c - multi-head attention with several heads, as PyTorch's MultiheadAttention.
 *
 * Heads of up to 128 run in the backend's fused attention, which stores no
 * score matrix; wider ones as matrix products.
 */
#include <math.h>

#include "decoder_inside.h"

enum { FUSED_WIDTH = 128 };

struct heads {
	int64_t D, width; /* of all heads, of one */
	int n;
	float scale;
	struct mat q, z; /* [rows of X, D] */
	struct mat kv;   /* [rows of Y, 2D] */
	struct mat w_q, w_kv, w_o;
};

static void
heads_of(struct run *r, const struct mha_call *c, struct heads *h)
{
	h->D = r->d->c.width;
	h->n = r->d->c.heads;
	h->width = h->D / h->n;
	h->scale = 1 / sqrtf((float)h->width);
	h->q = adds_dec_mat(r, &c->t->x, c->out.rows, h->D);
	h->z = adds_dec_mat(r, &c->t->z, c->out.rows, h->D);
	h->kv = adds_dec_mat(r, &c->t->y, c->y.rows, 2 * h->D);
	h->w_q = adds_dec_weight(r, c->at->in_w, h->D, h->D);
	h->w_kv = adds_dec_weight(r, c->at->in_w + h->D * h->D, 2 * h->D, h->D);
	h->w_o = adds_dec_weight(r, c->at->out_w, h->D, h->D);
}

static struct mat
columns(struct mat m, int64_t row, int64_t rows, int64_t col, int64_t cols)
{
	return mat_part(m, row, rows, col, cols);
}

/* Offsets of the rows of a group, from 0: for the backend's segments. */
static const int64_t *
offsets(struct run *r, const struct rows_of *s, int64_t **array, size_t *cap)
{
	int64_t p;

	if (s->at)
		return s->at;
	if (adds_dec_grow(r, array, cap, (size_t)r->n + 1, sizeof(**array)))
		return NULL;
	for (p = 0; p <= r->n; p++)
		(*array)[p] = p * s->each;
	return *array;
}

struct group {
	struct segs qs, ks;
	int64_t q, nq, k, nk; /* first row and number of rows of all pictures */
};

static void
group_of(struct run *r, const struct mha_call *c, int g, struct group *o)
{
	struct adds_decoder *d = r->d;

	o->qs.n = o->ks.n = r->n;
	o->qs.at = offsets(r, &c->group[g], &d->at_labels, &d->at_labels_cap);
	o->ks.at = offsets(r, &c->keys, &d->at_context, &d->at_context_cap);
	if (r->rc < 0)
		return;
	o->q = c->group[g].at ? 0 : c->group[g].base;
	o->k = c->keys.at ? 0 : c->keys.base;
	o->nq = o->qs.at[r->n];
	o->nk = o->ks.at[r->n];
}

/* queries that stand once for all pictures: each picture gets its own */
static void
spread(struct run *r, const struct mha_call *c, const struct heads *h)
{
	int64_t p;
	int g;

	for (g = 0; g < c->groups; g++)
		for (p = 0; p < r->n; p++)
			OP(r, copy, rows_part(h->q, row_begin(&c->group[g], p), row_count(&c->group[g], p)),
			   rows_part(c->projected, row_begin(&c->from[g], p), row_count(&c->from[g], p)));
}

/* The scores of one group, head by head, into d->scores; returns how many. */
static int64_t
list(struct run *r, const struct mha_call *c, const struct heads *h, int g)
{
	struct adds_decoder *d = r->d;
	int64_t p, n = 0;
	int i;

	if (adds_dec_grow(r, &d->scores, &d->scores_cap, (size_t)(r->n * h->n), sizeof(*d->scores)))
		return 0;
	for (i = 0; i < h->n; i++)
		for (p = 0; p < r->n; p++) {
			const int64_t q = row_begin(&c->group[g], p), nq = row_count(&c->group[g], p);
			const int64_t y = row_begin(&c->keys, p), ny = row_count(&c->keys, p);
			struct score *s = &d->scores[n++];

			*s = (struct score){ 0 };
			s->a = columns(h->q, q, nq, i * h->width, h->width);
			s->b = columns(h->kv, y, ny, i * h->width, h->width);
			s->v = columns(h->kv, y, ny, h->D + i * h->width, h->width);
			s->o = columns(h->z, q, nq, i * h->width, h->width);
		}
	return n;
}

static float *
log_sums(struct run *r, const struct mha_call *c, const struct heads *h)
{
	return r->train ? adds_dec_floats(r, &c->t->lse, c->out.rows * h->n) : NULL;
}

static void
attend(struct run *r, const struct mha_call *c, const struct heads *h, int g)
{
	float *lse = log_sums(r, c, h);
	struct mat k, v;
	struct group o;

	group_of(r, c, g, &o);
	if (r->rc < 0)
		return;
	k = columns(h->kv, o.k, o.nk, 0, h->D);
	v = columns(h->kv, o.k, o.nk, h->D, h->D);
	OP(r, attention, rows_part(h->z, o.q, o.nq), lse ? lse + o.q * h->n : NULL, rows_part(h->q, o.q, o.nq), k, v, h->n,
	   h->scale, 0, o.qs, o.ks);
}

void
adds_dec_heads(struct run *r, struct mha_call *c)
{
	struct heads h;
	int64_t n;
	int g;

	heads_of(r, c, &h);
	if (r->rc < 0)
		return;
	n = adds_dec_ranges(r, &c->keys, 1, NULL, 0);
	adds_dec_linear(r, h.kv, c->y, h.w_kv, 1, adds_dec_weight(r, c->at->in_b + h.D, 1, 2 * h.D).p, ACT_NONE, n);
	n = adds_dec_ranges(r, c->group, c->groups, NULL, 0);
	if (c->projected.p) {
		spread(r, c, &h);
	} else {
		adds_dec_linear(r, h.q, c->x, h.w_q, 1, adds_dec_weight(r, c->at->in_b, 1, h.D).p, ACT_NONE, n);
	}
	for (g = 0; g < c->groups && r->rc >= 0; g++) {
		if (h.width <= FUSED_WIDTH)
			attend(r, c, &h, g);
		else
			adds_dec_scores(r, r->d->scores, list(r, c, &h, g), h.scale, NULL);
	}
	adds_dec_linear(r, c->out, h.z, h.w_o, 1, adds_dec_weight(r, c->at->out_b, 1, h.D).p, ACT_NONE, n);
}

struct head_grads {
	struct mat q, z, kv;
};

/* The second group adds to the gradients of keys and values that the first has left. */
static void
attend_backward(struct run *r, const struct mha_call *c, const struct heads *h, const struct head_grads *dh, int g)
{
	struct mat k, v, dk, dv, whole;
	struct group o;

	group_of(r, c, g, &o);
	whole = g ? adds_dec_mat(r, &r->d->extra, c->y.rows, 2 * h->D) : dh->kv;
	if (r->rc < 0)
		return;
	k = columns(h->kv, o.k, o.nk, 0, h->D);
	v = columns(h->kv, o.k, o.nk, h->D, h->D);
	dk = columns(whole, o.k, o.nk, 0, h->D);
	dv = columns(whole, o.k, o.nk, h->D, h->D);
	OP(r, attention_backward, rows_part(dh->q, o.q, o.nq), dk, dv, rows_part(dh->z, o.q, o.nq), rows_part(h->z, o.q, o.nq),
	   c->t->lse.p + o.q * h->n, rows_part(h->q, o.q, o.nq), k, v, h->n, h->scale, 0, o.qs, o.ks);
	if (g)
		OP(r, axpby, rows_part(dh->kv, o.k, o.nk), 1, rows_part(whole, o.k, o.nk), 1);
}

static void
products_backward(struct run *r, const struct mha_call *c, const struct heads *h, const struct head_grads *dh, int g)
{
	const int64_t n = list(r, c, h, g), per = r->n;
	int64_t i;

	for (i = 0; i < n; i++) {
		struct score *s = &r->d->scores[i];
		const int64_t p = i % per, col = i / per * h->width;
		const int64_t q = row_begin(&c->group[g], p), y = row_begin(&c->keys, p);

		s->o = columns(dh->z, q, s->a.rows, col, h->width);
		s->da = columns(dh->q, q, s->a.rows, col, h->width);
		s->db = columns(dh->kv, y, s->b.rows, col, h->width);
		s->dv = columns(dh->kv, y, s->b.rows, h->D + col, h->width);
		s->beta_b = s->beta_v = g ? 1 : 0;
	}
	adds_dec_scores_backward(r, r->d->scores, n, h->scale, NULL);
}

void
adds_dec_heads_backward(struct run *r, struct mha_call *c)
{
	struct adds_decoder *d = r->d;
	struct head_grads dh;
	struct heads h;
	int64_t n;
	int g;

	heads_of(r, c, &h);
	dh.q = adds_dec_mat(r, &d->dx, c->out.rows, h.D);
	dh.z = adds_dec_mat(r, &d->dz, c->out.rows, h.D);
	dh.kv = adds_dec_mat(r, &d->dy, c->y.rows, 2 * h.D);
	if (r->rc < 0)
		return;
	n = adds_dec_ranges(r, c->group, c->groups, NULL, 0);
	adds_dec_bias_grad(r, adds_dec_grad(r, c->at->out_b, 1, h.D).p, c->out, n);
	adds_dec_weight_grad(r, adds_dec_grad(r, c->at->out_w, h.D, h.D), c->out, h.z, n);
	adds_dec_project(r, dh.z, c->out, h.w_o, 0, 0, n);
	for (g = 0; g < c->groups && r->rc >= 0; g++) {
		if (h.width <= FUSED_WIDTH)
			attend_backward(r, c, &h, &dh, g);
		else
			products_backward(r, c, &h, &dh, g);
	}
	adds_dec_bias_grad(r, adds_dec_grad(r, c->at->in_b, 1, h.D).p, dh.q, n);
	adds_dec_weight_grad(r, adds_dec_grad(r, c->at->in_w, h.D, h.D), dh.q, c->x, n);
	if (c->want_dx)
		adds_dec_project(r, c->out, dh.q, h.w_q, 0, 1, n);
	n = adds_dec_ranges(r, &c->keys, 1, NULL, 0);
	/* the key bias has none: it adds the same to all scores of a row */
	adds_dec_bias_grad(r, adds_dec_grad(r, c->at->in_b + 2 * h.D, 1, h.D).p, columns(dh.kv, 0, dh.kv.rows, h.D, h.D), n);
	adds_dec_weight_grad(r, adds_dec_grad(r, c->at->in_w + h.D * h.D, 2 * h.D, h.D), dh.kv, c->y, n);
	if (c->dy.p)
		adds_dec_project(r, c->dy, dh.kv, h.w_kv, 0, c->beta_y, n);
}
