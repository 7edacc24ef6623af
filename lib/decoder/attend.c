/* SPDX-License-Identifier: MIT
 *
 * attend.c - multi-head attention with one head, the order of products chosen
 * by the shape of each picture.
 *
 * With x the queries' rows and y the keys' rows, PyTorch's MultiheadAttention is
 *	out = softmax((x·Wqᵀ + bq)·(y·Wkᵀ + bk)ᵀ/√D)·(y·Wvᵀ + bv)·Woᵀ + bo.
 * One head has room to multiply the weights first (struct fused), and then only
 * one side needs projecting, the one with fewer rows:
 *	queries: out = softmax((x·M + u)·yᵀ/√D)·y·Nᵀ + w
 *	keys:    out = softmax((x·(y·Mᵀ)ᵀ + (y·u)ᵀ)/√D)·(y·Nᵀ + w)
 * The last w may stand inside, because the rows of a softmax sum to 1.
 */
#include <math.h>
#include <stdlib.h>

#include "decoder_inside.h"

enum side {
	KEYS,
	QUERIES,
};

struct fused
adds_dec_fused(const struct run *r, const struct adds_dec_buf *f)
{
	const int64_t D = r->d->c.width;
	struct fused o;

	o.m = f32(f->p, D, D);
	o.n = f32(f->p + D * D, D, D);
	o.u = f32(f->p + 2 * D * D, 1, D);
	o.w = f32(f->p + 2 * D * D + D, 1, D);
	return o;
}

/* the blocks of in_proj_weight [3D, D] and in_proj_bias [1, 3D] */
static struct mat
in_w(const struct run *r, const struct mha_at *at, int which)
{
	const int64_t D = r->d->c.width;

	return adds_dec_weight(r, at->in_w + which * D * D, D, D);
}

static struct mat
in_b(const struct run *r, const struct mha_at *at, int which)
{
	return adds_dec_weight(r, at->in_b + which * r->d->c.width, 1, r->d->c.width);
}

static void
fuse(struct run *r, const struct mha_at *at, struct adds_dec_buf *buf)
{
	const int64_t D = r->d->c.width;
	struct fused f;

	if (!adds_dec_floats(r, buf, 2 * D * D + 2 * D))
		return;
	f = adds_dec_fused(r, buf);
	adds_dec_job(r, f.m, in_w(r, at, 0), 1, in_w(r, at, 1), 0, 0);
	adds_dec_job(r, f.n, adds_dec_weight(r, at->out_w, D, D), 0, in_w(r, at, 2), 0, 0);
	adds_dec_job(r, f.u, in_b(r, at, 0), 0, in_w(r, at, 1), 0, 0);
	adds_dec_job(r, f.w, in_b(r, at, 2), 0, adds_dec_weight(r, at->out_w, D, D), 1, 0);
	adds_dec_run(r);
	OP(r, axpby, f.w, 1, adds_dec_weight(r, at->out_b, 1, D), 1);
}

/* Gradients of the products on to the weights they are made of. */
static void
fuse_backward(struct run *r, const struct mha_at *at, const struct fused *g)
{
	const int64_t D = r->d->c.width;
	const struct mat wo = adds_dec_weight(r, at->out_w, D, D), dwo = adds_dec_grad(r, at->out_w, D, D);
	const struct mat dwq = adds_dec_grad(r, at->in_w, D, D), dwk = adds_dec_grad(r, at->in_w + D * D, D, D);

	adds_dec_job(r, dwq, in_w(r, at, 1), 0, g->m, 1, 1);
	adds_dec_job(r, dwk, in_w(r, at, 0), 0, g->m, 0, 1);
	adds_dec_job(r, dwo, g->n, 0, in_w(r, at, 2), 1, 1);
	adds_dec_job(r, adds_dec_grad(r, at->in_w + 2 * D * D, D, D), wo, 1, g->n, 0, 1);
	adds_dec_job(r, adds_dec_grad(r, at->in_b, 1, D), g->u, 0, in_w(r, at, 1), 1, 1);
	adds_dec_job(r, adds_dec_grad(r, at->in_b + 2 * D, 1, D), g->w, 0, wo, 0, 1);
	adds_dec_run(r);
	adds_dec_job(r, dwk, in_b(r, at, 0), 1, g->u, 0, 1);
	adds_dec_job(r, dwo, g->w, 1, in_b(r, at, 2), 0, 1);
	adds_dec_run(r);
	OP(r, axpby, adds_dec_grad(r, at->out_b, 1, D), 1, g->w, 1);
}

void
adds_dec_fuse(struct run *r)
{
	struct adds_decoder *d = r->d;
	int l, m;

	if (d->c.heads != 1 || (d->fused_valid && d->fused_prec == r->prec))
		return;
	for (l = 0; l < d->c.layers; l++)
		for (m = 0; m < 1 + adds_dec_visual(d, l); m++)
			fuse(r, &d->at[l].mha[m], &d->fused[2 * l + m]);
	d->fused_valid = r->rc >= 0;
	d->fused_prec = r->prec;
}

/* Which side each picture projects: the one with fewer rows. NULL with rc set when memory is out. */
static unsigned char *
choose(struct run *r, const struct mha_call *c)
{
	unsigned char *side = malloc((size_t)(r->n ? r->n : 1));
	int64_t p;

	if (!side) {
		r->rc = adds_fail(r->err, ADDS_ENOMEM, "out of memory for the decoder's lists");
		return NULL;
	}
	for (p = 0; p < r->n; p++) {
		int64_t rows = row_count(&c->group[0], p);

		if (c->groups > 1)
			rows += row_count(&c->group[1], p);
		side[p] = rows < row_count(&c->keys, p) ? QUERIES : KEYS;
	}
	return side;
}

/* everything one call works with: the three sets of rows that have been made of the tape's memory */
struct parts {
	unsigned char *side;
	struct fused f;
	struct mat x, z; /* queries projected, P·V [rows of X, D] */
	struct mat h, m; /* keys and values projected [rows of Y, D] */
	struct mat bias; /* [rows of Y, 1] */
};

static void
parts_of(struct run *r, const struct mha_call *c, struct parts *k)
{
	const int64_t D = r->d->c.width;

	k->f = adds_dec_fused(r, c->fused);
	k->x = c->projected.p ? c->projected : adds_dec_mat(r, &c->t->x, c->out.rows, D);
	k->z = adds_dec_mat(r, &c->t->z, c->out.rows, D);
	k->h = adds_dec_mat(r, &c->t->y, 2 * c->y.rows, D);
	k->m = rows_part(k->h, c->y.rows, c->y.rows);
	k->h.rows = c->y.rows;
	k->bias = adds_dec_mat(r, &c->t->bias, c->y.rows, 1);
}

/* The scores of one group of queries into d->scores; returns how many. */
static int64_t
list(struct run *r, const struct mha_call *c, const struct parts *k, int g)
{
	struct adds_decoder *d = r->d;
	int64_t p;

	if (adds_dec_grow(r, &d->scores, &d->scores_cap, (size_t)r->n, sizeof(*d->scores)))
		return 0;
	for (p = 0; p < r->n; p++) {
		const int64_t q = row_begin(&c->group[g], p), nq = row_count(&c->group[g], p), from = row_begin(&c->from[g], p);
		const int64_t y = row_begin(&c->keys, p), ny = row_count(&c->keys, p);
		struct score *s = &d->scores[p];

		*s = (struct score){ 0 };
		if (k->side[p] == QUERIES) {
			s->a = rows_part(k->x, c->projected.p ? from : q, nq);
			s->b = s->v = rows_part(c->y, y, ny);
			s->o = rows_part(k->z, q, nq);
		} else {
			s->a = rows_part(c->x, from, nq);
			s->b = rows_part(k->h, y, ny);
			s->v = rows_part(k->m, y, ny);
			s->o = rows_part(c->out, q, nq);
			s->bias = (float *)k->bias.p + y;
		}
	}
	return r->n;
}

void
adds_dec_mha_queries(struct run *r, struct mat out, struct mat x, const struct mha_at *at, struct adds_dec_buf *fused)
{
	const int64_t D = r->d->c.width;
	struct fused f;

	if (r->d->c.heads == 1) {
		f = adds_dec_fused(r, fused);
		adds_dec_job(r, out, x, 0, f.m, 0, 0);
		adds_dec_finish(r, f.u.p, ACT_NONE);
	} else {
		adds_dec_job(r, out, x, 0, adds_dec_weight(r, at->in_w, D, D), 1, 0);
		adds_dec_finish(r, adds_dec_weight(r, at->in_b, 1, D).p, ACT_NONE);
	}
	adds_dec_run(r);
}

static int64_t
query_ranges(struct run *r, const struct mha_call *c, const struct parts *k)
{
	return adds_dec_ranges(r, c->group, c->groups, k->side, QUERIES);
}

static int64_t
key_ranges(struct run *r, const struct mha_call *c, const struct parts *k)
{
	return adds_dec_ranges(r, &c->keys, 1, k->side, KEYS);
}

static void
project(struct run *r, const struct mha_call *c, const struct parts *k)
{
	int64_t n;

	if (!c->projected.p) {
		n = query_ranges(r, c, k);
		adds_dec_linear(r, k->x, c->x, k->f.m, 0, k->f.u.p, ACT_NONE, n);
	}
	n = key_ranges(r, c, k);
	adds_dec_project(r, k->h, c->y, k->f.m, 1, 0, n);
	adds_dec_project(r, k->bias, c->y, k->f.u, 1, 0, n);
	adds_dec_linear(r, k->m, c->y, k->f.n, 1, k->f.w.p, ACT_NONE, n);
}

int64_t
adds_dec_mha_kept(const struct run *r, const struct mha_call *c)
{
	int64_t n = 0, p;
	int g;

	for (g = 0; g < c->groups; g++)
		for (p = 0; p < r->n; p++)
			n += row_count(&c->group[g], p) * row_count(&c->keys, p);
	return n;
}

/* memory of the softmax matrices of group g, or NULL */
static float *
kept(struct run *r, const struct mha_call *c, int g)
{
	int64_t before = 0, p;

	if (!r->keep)
		return NULL;
	if (!adds_dec_floats(r, &c->t->p, adds_dec_mha_kept(r, c)))
		return NULL;
	for (p = 0; g && p < r->n; p++)
		before += row_count(&c->group[0], p) * row_count(&c->keys, p);
	return c->t->p.p + before;
}

void
adds_dec_mha(struct run *r, struct mha_call *c)
{
	const float scale = 1 / sqrtf((float)r->d->c.width);
	struct parts k;
	int64_t n;
	int g;

	if (r->d->c.heads != 1) {
		adds_dec_heads(r, c);
		return;
	}
	parts_of(r, c, &k);
	if (r->rc < 0 || !(k.side = choose(r, c)))
		return;
	project(r, c, &k);
	for (g = 0; g < c->groups && r->rc >= 0; g++)
		adds_dec_scores(r, r->d->scores, list(r, c, &k, g), scale, kept(r, c, g));
	n = query_ranges(r, c, &k);
	adds_dec_linear(r, c->out, k.z, k.f.n, 1, k.f.w.p, ACT_NONE, n);
	free(k.side);
}

/* gradients with respect to the parts */
struct part_grads {
	struct fused f;
	struct mat x, z, h, m, bias;
};

static void
part_grads_of(struct run *r, const struct mha_call *c, struct part_grads *g)
{
	const int64_t D = r->d->c.width;
	struct adds_decoder *d = r->d;

	if (!adds_dec_floats(r, &d->dfused, 2 * D * D + 2 * D))
		return;
	g->f = adds_dec_fused(r, &d->dfused);
	OP(r, fill, f32(d->dfused.p, 1, 2 * D * D + 2 * D), 0);
	g->x = adds_dec_mat(r, &d->dx, c->out.rows, D);
	g->z = adds_dec_mat(r, &d->dz, c->out.rows, D);
	g->h = adds_dec_mat(r, &d->dy, 2 * c->y.rows, D);
	g->m = rows_part(g->h, c->y.rows, c->y.rows);
	g->h.rows = c->y.rows;
	g->bias = adds_dec_mat(r, &d->dbias, c->y.rows, 1);
}

/* What the scores of group g give gradients to. */
static void
list_grads(struct run *r, const struct mha_call *c, const struct parts *k, const struct part_grads *dk, int g)
{
	int64_t p;

	for (p = 0; p < r->n; p++) {
		struct score *s = &r->d->scores[p];
		const int64_t q = row_begin(&c->group[g], p), nq = row_count(&c->group[g], p);
		const int64_t y = row_begin(&c->keys, p), ny = row_count(&c->keys, p);

		if (k->side[p] == QUERIES) {
			s->o = rows_part(dk->z, q, nq);
			s->da = rows_part(dk->x, q, nq);
			s->dv = s->db = rows_part(c->dy, y, ny);
			s->beta_v = g ? 1 : c->beta_y;
			s->beta_b = 1;
		} else {
			if (c->want_dx)
				s->da = rows_part(c->out, q, nq);
			s->beta_a = 1;
			s->db = rows_part(dk->h, y, ny);
			s->dv = rows_part(dk->m, y, ny);
			s->dbias = (float *)dk->bias.p + y;
			s->beta_b = s->beta_v = s->beta_bias = g ? 1 : 0;
		}
	}
}

/* Key side: dM += dhᵀ·y, dN += dmᵀ·y, du += dβᵀ·y, dw += Σ dm; dy += dh·M + dm·N + dβ·u. */
static void
keys_backward(struct run *r, const struct mha_call *c, const struct parts *k, const struct part_grads *dk)
{
	const int64_t n = key_ranges(r, c, k);

	adds_dec_weight_grad(r, dk->f.m, dk->h, c->y, n);
	adds_dec_weight_grad(r, dk->f.n, dk->m, c->y, n);
	adds_dec_weight_grad(r, dk->f.u, dk->bias, c->y, n);
	adds_dec_bias_grad(r, dk->f.w.p, dk->m, n);
	if (!c->dy.p)
		return;
	adds_dec_project(r, c->dy, dk->h, k->f.m, 0, c->beta_y, n);
	adds_dec_project(r, c->dy, dk->m, k->f.n, 0, 1, n);
	adds_dec_project(r, c->dy, dk->bias, k->f.u, 0, 1, n);
}

void
adds_dec_mha_backward(struct run *r, struct mha_call *c)
{
	const float scale = 1 / sqrtf((float)r->d->c.width);
	struct part_grads dk;
	struct parts k;
	int64_t n;
	int g;

	if (r->d->c.heads != 1) {
		adds_dec_heads_backward(r, c);
		return;
	}
	parts_of(r, c, &k);
	part_grads_of(r, c, &dk);
	if (r->rc < 0 || !(k.side = choose(r, c)))
		return;
	n = query_ranges(r, c, &k);
	adds_dec_bias_grad(r, dk.f.w.p, c->out, n);
	adds_dec_weight_grad(r, dk.f.n, c->out, k.z, n);
	adds_dec_project(r, dk.z, c->out, k.f.n, 0, 0, n);
	for (g = 0; g < c->groups && r->rc >= 0; g++) {
		n = list(r, c, &k, g);
		list_grads(r, c, &k, &dk, g);
		adds_dec_scores_backward(r, r->d->scores, n, scale, kept(r, c, g));
	}
	n = query_ranges(r, c, &k);
	adds_dec_bias_grad(r, dk.f.u.p, dk.x, n);
	adds_dec_weight_grad(r, dk.f.m, c->x, dk.x, n);
	if (c->want_dx)
		adds_dec_project(r, c->out, dk.x, k.f.m, 1, 1, n);
	keys_backward(r, c, &k, &dk);
	fuse_backward(r, c->at, &dk.f);
	free(k.side);
}
