/* SPDX-License-Identifier: MIT
 *
 * layer.c - one layer of the DM-decoder (ADDS, arXiv 2208.09562), forward and backward:
 *	a  = LN1(q + Drop(q))
 *	b  = MHA1(Q = a, K = V = v)
 *	c  = LN2(a + b)
 *	d  = Drop(W2·ReLU(W1·c + b1) + b2)
 *	q' = LN3(c + d)
 *	u  = MHA2(Q = v, K = V = q')
 *	v' = LN4(v + u)
 * The last two not in the last layer, where nothing follows from them.
 */
#include "decoder_inside.h"

#define NORM_EPS 1e-5f

enum place {
	DROP_QUERY,
	DROP_FFN,
	PLACES,
};

int
adds_dec_visual(const struct adds_decoder *d, int layer)
{
	return layer + 1 < d->c.layers && !d->c.no_visual_update;
}

/* groups of label rows in a layer: the labels and, while a visual branch follows, a context of its own */
static int
groups_of(const struct run *r, int layer, struct rows_of group[2])
{
	group[0] = (struct rows_of){ NULL, 0, r->L, r->L };
	group[1] = (struct rows_of){ NULL, r->n * r->L, r->C, r->C };
	return r->C && adds_dec_visual(r->d, layer) ? 2 : 1;
}

static int64_t
label_rows(const struct run *r, int layer)
{
	return r->n * (r->L + (adds_dec_visual(r->d, layer) ? r->C : 0));
}

static uint64_t
mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15u;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

/* Y = dropout of X, rows of labels. Each seed, step, layer, place and group has a sequence of its own, in which a picture's
 * numbers begin at its index times their number. */
static void
drop(struct run *r, struct mat y, struct mat x, int layer, enum place place)
{
	struct rows_of group[2];
	const int n = groups_of(r, layer, group);
	int g;

	for (g = 0; g < n; g++) {
		const uint64_t which = ((uint64_t)layer * PLACES + place) * 2 + (uint64_t)g;
		const uint64_t seed = mix(mix(mix(r->seed) ^ r->step) ^ which);
		const int64_t rows = r->n * group[g].each;

		OP(r, dropout, rows_part(y, group[g].base, rows), rows_part(x, group[g].base, rows), r->dropout, seed,
		   (uint64_t)(r->first * group[g].each * x.cols));
	}
}

static void
norm(struct run *r, struct mat y, struct mat x, struct mat res, const struct norm_at *at, struct norm_tape *t)
{
	struct mat sum = no_mat;
	float *mean = NULL, *rstd = NULL;

	if (r->train) {
		sum = adds_dec_mat(r, &t->s, x.rows, x.cols);
		mean = adds_dec_floats(r, &t->mean, x.rows);
		rstd = adds_dec_floats(r, &t->rstd, x.rows);
	}
	OP(r, layernorm, y, sum, mean, rstd, x, res, r->d->w + at->w, r->d->w + at->b, NORM_EPS);
}

static void
norm_backward(struct run *r, struct mat dx, struct mat dy, const struct norm_at *at, const struct norm_tape *t)
{
	OP(r, layernorm_backward, dx, 0, r->d->g + at->w, r->d->g + at->b, dy, f32(t->s.p, dy.rows, dy.cols), t->mean.p,
	   t->rstd.p, r->d->w + at->w);
}

static struct layer_tape *
tape_of(const struct run *r, int layer)
{
	return &r->d->tape[r->train ? layer : layer & 1];
}

static struct mha_call
labels_to_tokens(struct run *r, int layer)
{
	struct adds_decoder *d = r->d;
	struct mha_call c = { 0 };

	c.at = &d->at[layer].mha[0];
	c.fused = &d->fused[2 * layer];
	c.t = &tape_of(r, layer)->mha[0];
	c.groups = groups_of(r, layer, c.group);
	groups_of(r, layer, c.from);
	c.keys.at = r->at;
	return c;
}

static struct mha_call
tokens_to_labels(struct run *r, int layer)
{
	struct adds_decoder *d = r->d;
	struct mha_call c = { 0 };
	struct rows_of group[2];

	c.at = &d->at[layer].mha[1];
	c.fused = &d->fused[2 * layer + 1];
	c.t = &tape_of(r, layer)->mha[1];
	c.groups = 1;
	c.group[0].at = c.from[0].at = r->at;
	c.keys = group[groups_of(r, layer, group) - 1];
	return c;
}

/* ---- first layer at evaluation: a, and a projected, are the same for all pictures ---- */

int
adds_dec_first_fits(const struct run *r)
{
	const struct adds_decoder *d = r->d;

	return d->first_valid && d->first_version == r->version && d->first_prec == r->prec && d->first_labels == r->L &&
	       d->first_context == r->C;
}

static void
first_make(struct run *r)
{
	struct adds_decoder *d = r->d;
	const int64_t D = d->c.width, rows = r->L + r->C;
	const struct norm_at *at = &d->at[0].norm[0];
	struct mat a, x, part;

	if (adds_dec_first_fits(r))
		return;
	a = adds_dec_mat(r, &d->first_a, rows, D);
	x = adds_dec_mat(r, &d->first_x, rows, D);
	if (r->rc < 0)
		return;
	part = rows_part(a, 0, r->L);
	OP(r, layernorm, part, no_mat, NULL, NULL, r->labels, r->labels, d->w + at->w, d->w + at->b, NORM_EPS);
	if (r->C) {
		part = rows_part(a, r->L, r->C);
		OP(r, layernorm, part, no_mat, NULL, NULL, r->context, r->context, d->w + at->w, d->w + at->b, NORM_EPS);
	}
	adds_dec_mha_queries(r, x, a, &d->at[0].mha[0], &d->fused[0]);
	d->first_valid = r->rc >= 0;
	d->first_version = r->version;
	d->first_prec = r->prec;
	d->first_labels = r->L;
	d->first_context = r->C;
}

/* c = LN2(a + b) with the a that all pictures share */
static void
first_norm(struct run *r, struct mat c, struct mat a, struct mat b, const struct mha_call *m)
{
	const struct norm_at *at = &r->d->at[0].norm[1];
	int64_t p;
	int g;

	for (g = 0; g < m->groups; g++)
		for (p = 0; p < r->n; p++) {
			const int64_t row = row_begin(&m->group[g], p), rows = row_count(&m->group[g], p);

			OP(r, layernorm, rows_part(c, row, rows), no_mat, NULL, NULL,
			   rows_part(a, row_begin(&m->from[g], p), rows), rows_part(b, row, rows), r->d->w + at->w,
			   r->d->w + at->b, NORM_EPS);
		}
}

static void
first_attention(struct run *r, struct mat c, struct mat v)
{
	struct adds_decoder *d = r->d;
	struct mha_call m = labels_to_tokens(r, 0);
	const int64_t D = d->c.width, rows = r->L + r->C;

	first_make(r);
	m.x = f32(d->first_a.p, rows, D);
	m.projected = f32(d->first_x.p, rows, D);
	m.from[0] = (struct rows_of){ NULL, 0, r->L, 0 };
	m.from[1] = (struct rows_of){ NULL, r->L, r->C, 0 };
	m.y = v;
	m.out = adds_dec_mat(r, &d->out, c.rows, D);
	if (r->rc < 0)
		return;
	adds_dec_mha(r, &m);
	first_norm(r, c, m.x, m.out, &m);
}

/* ---- forward ---- */

/* The labels' rows of the first layer, once for each picture. */
static struct mat
spread_labels(struct run *r)
{
	struct adds_decoder *d = r->d;
	struct mat q = adds_dec_mat(r, &d->extra, label_rows(r, 0), d->c.width);
	struct rows_of group[2];
	const int n = groups_of(r, 0, group);
	int64_t p;
	int g;

	for (g = 0; g < n && r->rc >= 0; g++)
		for (p = 0; p < r->n; p++)
			OP(r, copy, rows_part(q, row_begin(&group[g], p), group[g].each), g ? r->context : r->labels);
	return q;
}

static void
attention(struct run *r, int layer, struct mat c, struct mat q, struct mat v)
{
	struct adds_decoder *d = r->d;
	struct layer_tape *t = tape_of(r, layer);
	struct mha_call m = labels_to_tokens(r, layer);
	struct mat extra = q;

	m.x = adds_dec_mat(r, &t->a, c.rows, c.cols);
	m.out = adds_dec_mat(r, &d->out, c.rows, c.cols);
	m.y = v;
	if (r->rc < 0)
		return;
	if (r->train && r->dropout > 0) {
		drop(r, m.out, q, layer, DROP_QUERY);
		extra = m.out;
	}
	norm(r, m.x, q, extra, &d->at[layer].norm[0], &t->norm[0]);
	adds_dec_mha(r, &m);
	norm(r, c, m.x, m.out, &d->at[layer].norm[1], &t->norm[1]);
}

/* q' = LN3(c + Drop(W2·ReLU(W1·c + b1) + b2)) */
static void
feed_forward(struct run *r, int layer, struct mat q, struct mat c)
{
	struct adds_decoder *d = r->d;
	const int64_t D = d->c.width, F = d->c.ff;
	const struct layer_at *at = &d->at[layer];
	struct layer_tape *t = tape_of(r, layer);
	struct mat h = adds_dec_mat(r, r->train ? &t->hidden : &d->hidden, c.rows, F);
	struct mat o = adds_dec_mat(r, &d->out, c.rows, D);
	struct rows_of group[2];
	const int groups = groups_of(r, layer, group);
	const int64_t n = adds_dec_ranges(r, group, groups, NULL, 0);

	if (r->rc < 0)
		return;
	adds_dec_linear(r, h, c, adds_dec_weight(r, at->w1, F, D), 1, d->w + at->b1, ACT_RELU, n);
	adds_dec_linear(r, o, h, adds_dec_weight(r, at->w2, D, F), 1, d->w + at->b2, ACT_NONE, n);
	if (r->train && r->dropout > 0)
		drop(r, o, o, layer, DROP_FFN);
	norm(r, q, c, o, &at->norm[2], &t->norm[2]);
}

/* v' = LN4(v + MHA2(v, q')) */
static void
visual(struct run *r, int layer, struct mat *v, struct mat q)
{
	struct adds_decoder *d = r->d;
	struct layer_tape *t = tape_of(r, layer);
	struct mha_call m = tokens_to_labels(r, layer);
	struct mat next = adds_dec_mat(r, &t->v, v->rows, v->cols);

	m.x = *v;
	m.y = q;
	m.out = adds_dec_mat(r, &d->out, v->rows, v->cols);
	if (r->rc < 0)
		return;
	adds_dec_mha(r, &m);
	norm(r, next, *v, m.out, &d->at[layer].norm[3], &t->norm[3]);
	*v = next;
}

void
adds_dec_layer(struct run *r, int layer, struct mat *q, struct mat *v)
{
	struct layer_tape *t = tape_of(r, layer);
	const int64_t rows = label_rows(r, layer), D = r->d->c.width;
	const struct mat c = adds_dec_mat(r, &t->c, rows, D), next = adds_dec_mat(r, &t->q, rows, D);

	if (r->rc < 0)
		return;
	if (!layer && !r->train)
		first_attention(r, c, *v);
	else
		attention(r, layer, c, layer ? rows_part(*q, 0, rows) : spread_labels(r), *v);
	feed_forward(r, layer, next, c);
	*q = next;
	if (adds_dec_visual(r->d, layer))
		visual(r, layer, v, next);
}

/* ---- backward ---- */

/* From the gradient of q' (consumed) to that of c, in *dc. */
static void
feed_forward_backward(struct run *r, int layer, struct mat dc, struct mat dq)
{
	struct adds_decoder *d = r->d;
	const int64_t D = d->c.width, F = d->c.ff;
	const struct layer_at *at = &d->at[layer];
	struct layer_tape *t = tape_of(r, layer);
	const struct mat c = f32(t->c.p, dc.rows, D), h = f32(t->hidden.p, dc.rows, F);
	const struct mat dh = adds_dec_mat(r, &d->dhidden, dc.rows, F);
	struct mat out = dc;

	if (r->rc < 0)
		return;
	norm_backward(r, dc, dq, &at->norm[2], &t->norm[2]);
	if (r->dropout > 0) {
		out = dq;
		drop(r, out, dc, layer, DROP_FFN);
	}
	OP(r, colsum, d->g + at->b2, out, 1);
	adds_dec_job(r, adds_dec_grad(r, at->w2, D, F), out, 1, h, 0, 1);
	adds_dec_job(r, dh, out, 0, adds_dec_weight(r, at->w2, D, F), 0, 0);
	adds_dec_run(r);
	OP(r, act_backward, dh, h, dh, ACT_RELU);
	OP(r, colsum, d->g + at->b1, dh, 1);
	adds_dec_job(r, adds_dec_grad(r, at->w1, F, D), dh, 1, c, 0, 1);
	adds_dec_job(r, dc, dh, 0, adds_dec_weight(r, at->w1, F, D), 0, 1);
	adds_dec_run(r);
}

/* From the gradient of c to that of q (not of the first layer's, which nobody needs) and of v. */
static void
attention_backward(struct run *r, int layer, struct mat dq, struct mat dc, struct mat *dv)
{
	struct adds_decoder *d = r->d;
	const struct layer_at *at = &d->at[layer];
	struct layer_tape *t = tape_of(r, layer);
	struct mha_call m = labels_to_tokens(r, layer);
	const int deeper = layer && adds_dec_visual(d, layer - 1);

	norm_backward(r, dq, dc, &at->norm[1], &t->norm[1]);
	m.x = f32(t->a.p, dc.rows, dc.cols);
	m.y = layer ? f32(d->tape[layer - 1].v.p, r->T, dc.cols) : r->tokens;
	if (d->c.no_visual_update)
		m.y = r->tokens;
	m.out = dq;
	m.want_dx = 1;
	m.beta_y = dv->p ? 1 : 0;
	if (deeper && !dv->p)
		*dv = adds_dec_mat(r, &d->dv[layer & 1], r->T, dc.cols);
	if (deeper)
		m.dy = *dv;
	if (r->rc < 0)
		return;
	adds_dec_mha_backward(r, &m);
	norm_backward(r, dc, dq, &at->norm[0], &t->norm[0]);
	if (!layer)
		return;
	if (r->dropout > 0) {
		drop(r, dq, dc, layer, DROP_QUERY);
		OP(r, axpby, dq, 1, dc, 1);
	} else {
		OP(r, axpby, dq, 2, dc, 0);
	}
}

/* From the gradient of v' to that of v, and of q', to which it is added. */
static void
visual_backward(struct run *r, int layer, struct mat *dv, struct mat dq)
{
	struct adds_decoder *d = r->d;
	struct layer_tape *t = tape_of(r, layer);
	struct mha_call m = tokens_to_labels(r, layer);
	struct mat ds = adds_dec_mat(r, &d->dv[layer & 1], r->T, dq.cols);

	if (r->rc < 0)
		return;
	norm_backward(r, ds, *dv, &d->at[layer].norm[3], &t->norm[3]);
	m.x = layer ? f32(d->tape[layer - 1].v.p, r->T, dq.cols) : r->tokens;
	m.y = f32(t->q.p, dq.rows, dq.cols);
	m.out = ds;
	m.want_dx = layer > 0;
	m.dy = dq;
	m.beta_y = 1;
	adds_dec_mha_backward(r, &m);
	*dv = ds;
}

void
adds_dec_layer_backward(struct run *r, int layer, struct mat *dq, struct mat *dv)
{
	struct adds_decoder *d = r->d;
	const int64_t rows = label_rows(r, layer), D = d->c.width;
	struct mat dc = adds_dec_mat(r, &d->drow, rows, D);

	if (r->rc < 0)
		return;
	if (dq->rows < rows) { /* the context ends a layer earlier than the labels */
		*dq = f32(dq->p, rows, D);
		OP(r, fill, rows_part(*dq, r->n * r->L, r->n * r->C), 0);
	}
	if (adds_dec_visual(d, layer))
		visual_backward(r, layer, dv, *dq);
	else
		*dv = no_mat;
	feed_forward_backward(r, layer, dc, *dq);
	attention_backward(r, layer, *dq, dc, dv);
}
