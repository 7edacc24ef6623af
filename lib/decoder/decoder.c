/* SPDX-License-Identifier: MIT
 * decoder.c - passes over a batch: evaluation, training forward, backward */
#include <assert.h>

#include "decoder_inside.h"

/* rows of labels and tokens that evaluation takes at once, unless one picture has more */
#define EVAL_ROWS 16384

static int
check(const struct adds_decoder *d, const struct adds_decoder_batch *x, struct adds_error *err)
{
	int64_t p;

	for (p = 0; d->c.layers && p < x->pictures.n; p++)
		if (x->pictures.at[p + 1] <= x->pictures.at[p])
			return adds_fail(err, ADDS_EARG, "picture %lld of the batch has no tokens", (long long)p);
	if (d->c.layers && x->labels.rows < 1)
		return adds_fail(err, ADDS_EARG, "no labels to score");
	assert(!d->c.layers || (x->labels.cols == d->c.width && x->tokens.cols == d->c.width));
	assert(!d->c.prior || x->z0.p);
	return 0;
}

static struct run
begin(struct adds_decoder *d, const struct adds_decoder_batch *x, enum precision prec, struct adds_error *err)
{
	struct run r = { 0 };
	const int layered = d->c.layers && !d->c.no_visual_update;

	r.d = d;
	r.b = d->b;
	r.prec = prec;
	r.err = err;
	r.n = x->pictures.n;
	r.at = x->pictures.at;
	r.T = r.n ? r.at[r.n] : 0;
	r.labels = x->labels;
	r.context = x->context;
	r.L = x->labels.rows;
	r.C = layered && d->c.layers > 1 && x->context.p ? x->context.rows : 0;
	r.tokens = x->tokens;
	r.version = x->labels_version;
	d->njobs = 0;
	return r;
}

static struct mat
through_layers(struct run *r)
{
	struct mat q = no_mat, v = r->tokens;
	int l;

	adds_dec_fuse(r);
	for (l = 0; l < r->d->c.layers && r->rc >= 0; l++)
		adds_dec_layer(r, l, &q, &v);
	return q;
}

/* how many pictures from p on evaluation takes at once */
static int64_t
take(const struct adds_decoder_batch *x, int64_t p)
{
	int64_t n = 0, rows = 0;

	for (; p + n < x->pictures.n; n++) {
		rows += x->labels.rows + x->context.rows + x->pictures.at[p + n + 1] - x->pictures.at[p + n];
		if (n && rows > EVAL_ROWS)
			break;
	}
	return n;
}

static int
evaluate(struct adds_decoder *d, struct mat logits, const struct adds_decoder_batch *x, int64_t first, int64_t n,
         enum precision prec, struct adds_error *err)
{
	struct adds_decoder_batch part = *x;
	struct run r = begin(d, x, prec, err);
	struct mat q;
	int64_t p;

	if (adds_dec_grow(&r, &d->at_tokens, &d->at_tokens_cap, (size_t)n + 1, sizeof(*d->at_tokens)))
		return r.rc;
	for (p = 0; p <= n; p++)
		d->at_tokens[p] = x->pictures.at[first + p] - x->pictures.at[first];
	part.pictures = (struct segs){ n, d->at_tokens };
	part.tokens = rows_part(x->tokens, x->pictures.at[first], d->at_tokens[n]);
	part.z0 = rows_part(x->z0, first, n);
	r = begin(d, &part, prec, err);
	q = through_layers(&r);
	adds_dec_head(&r, rows_part(logits, first, n), q, part.z0, x->gate);
	return r.rc;
}

int
adds_decoder_forward(struct adds_decoder *d, struct mat logits, const struct adds_decoder_batch *x, enum precision prec,
                     struct adds_error *err)
{
	int64_t p, n;
	int rc = check(d, x, err);

	d->ready = 0;
	for (p = 0; rc >= 0 && p < x->pictures.n; p += n) {
		n = take(x, p);
		rc = evaluate(d, logits, x, p, n, prec, err);
	}
	return rc < 0 ? rc : 0;
}

/* Are the softmax matrices of the whole pass small enough to be kept? Only one head is asked: several in the backend's
 * attention store none, and wide ones make them anew. */
static int
keeps(const struct adds_decoder *d, const struct run *r)
{
	int64_t floats = 0, p;
	int l;

	for (l = 0; l < d->c.layers; l++)
		for (p = 0; p < r->n; p++) {
			const int64_t T = r->at[p + 1] - r->at[p], last = r->C ? r->C : r->L;
			const int visual = adds_dec_visual(d, l);

			floats += T * (r->L + (visual ? r->C + last : 0));
		}
	return d->c.heads == 1 && floats <= d->keep_bytes / (int64_t)sizeof(float);
}

int
adds_decoder_train_forward(struct adds_decoder *d, struct mat logits, const struct adds_decoder_batch *x,
                           enum precision prec, uint64_t seed, uint64_t step, int64_t first, struct adds_error *err)
{
	struct run r = begin(d, x, prec, err);
	struct mat q;

	if ((r.rc = check(d, x, err)) < 0)
		return r.rc;
	d->fused_valid = d->first_valid = d->ready = 0;
	r.train = 1;
	r.dropout = d->c.dropout;
	r.seed = d->seed = seed;
	r.step = d->step = step;
	r.first = d->first = first;
	r.keep = d->kept = keeps(d, &r);
	q = through_layers(&r);
	adds_dec_head(&r, logits, q, x->z0, x->gate);
	d->ready = r.rc >= 0;
	return r.rc < 0 ? r.rc : 0;
}

int
adds_decoder_backward(struct adds_decoder *d, struct mat dlogits, const struct adds_decoder_batch *x, enum precision prec,
                      struct adds_error *err)
{
	struct run r = begin(d, x, prec, err);
	struct mat q = no_mat, dq, dv = no_mat;
	int l;

	assert(d->ready);
	if (!adds_decoder_gradients(d, err))
		return err ? err->code : ADDS_ENOMEM;
	r.train = 1;
	r.dropout = d->c.dropout;
	r.seed = d->seed;
	r.step = d->step;
	r.first = d->first;
	r.keep = d->kept;
	if (d->c.layers)
		q = f32(d->tape[d->c.layers - 1].q.p, r.n * r.L, d->c.width);
	dq = adds_dec_head_backward(&r, dlogits, q, x->z0, x->gate);
	for (l = d->c.layers - 1; l >= 0 && r.rc >= 0; l--)
		adds_dec_layer_backward(&r, l, &dq, &dv);
	d->ready = 0;
	return r.rc < 0 ? r.rc : 0;
}
