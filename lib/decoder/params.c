/* SPDX-License-Identifier: MIT
 *
 * params.c - the decoder as an object: its parameters in one flat buffer, named
 * and shaped as a PyTorch module of the same structure has them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "decoder_inside.h"

enum {
	ALIGN = 16,    /* parameters begin at multiples of so many floats */
	OF_LAYER = 20, /* parameters of one layer */
	OF_HEAD = 6,
	MOST_LAYERS = 64,
	MOST_WIDTH = 8192,
	MOST_FF = 1 << 16,
	KEEP_BYTES = 256 << 20,
};

/* cols 0: a vector of rows */
static int64_t
add(struct adds_decoder *d, const char *prefix, const char *name, int64_t rows, int64_t cols)
{
	struct adds_param *p = &d->params[d->nparams++];

	snprintf(p->name, sizeof(p->name), "%s%s", prefix, name);
	p->offset = d->size;
	p->rank = cols ? 2 : 1;
	p->shape[0] = rows;
	p->shape[1] = cols;
	p->size = rows * (cols ? cols : 1);
	p->decay = p->rank == 2;
	p->trained = 1;
	d->size += (p->size + ALIGN - 1) / ALIGN * ALIGN;
	return p->offset;
}

static void
add_layer(struct adds_decoder *d, int layer)
{
	const int64_t D = d->c.width, F = d->c.ff;
	struct layer_at *at = &d->at[layer];
	char prefix[64], name[32];
	size_t i;
	int n;

	snprintf(prefix, sizeof(prefix), "decoder.layers.%d.", layer);
	for (n = 0; n < 4; n++) {
		snprintf(name, sizeof(name), "norm%d.weight", n + 1);
		at->norm[n].w = add(d, prefix, name, D, 0);
		snprintf(name, sizeof(name), "norm%d.bias", n + 1);
		at->norm[n].b = add(d, prefix, name, D, 0);
	}
	for (n = 0; n < 2; n++) {
		snprintf(prefix, sizeof(prefix), "decoder.layers.%d.multihead_attn%d.", layer, n + 1);
		at->mha[n].in_w = add(d, prefix, "in_proj_weight", 3 * D, D);
		at->mha[n].in_b = add(d, prefix, "in_proj_bias", 3 * D, 0);
		at->mha[n].out_w = add(d, prefix, "out_proj.weight", D, D);
		at->mha[n].out_b = add(d, prefix, "out_proj.bias", D, 0);
	}
	snprintf(prefix, sizeof(prefix), "decoder.layers.%d.", layer);
	at->w1 = add(d, prefix, "ffn1.0.weight", F, D);
	at->b1 = add(d, prefix, "ffn1.0.bias", F, 0);
	at->w2 = add(d, prefix, "ffn1.2.weight", D, F);
	at->b2 = add(d, prefix, "ffn1.2.bias", D, 0);
	for (i = 0; !adds_dec_visual(d, layer) && i < d->nparams; i++)
		if (!strncmp(d->params[i].name, prefix, strlen(prefix)) &&
		    (strstr(d->params[i].name, "norm4") || strstr(d->params[i].name, "multihead_attn2")))
			d->params[i].trained = 0;
}

static void
add_head(struct adds_decoder *d)
{
	const size_t first = d->nparams;
	const int64_t D = d->c.width;
	size_t i;

	if (d->c.layers) {
		d->head.fc_w = add(d, "decoder.fc.", "weight", D, D);
		d->head.fc_b = add(d, "decoder.fc.", "bias", D, 0);
		d->head.final_w = add(d, "final_fc.", "weight", 1, D);
		d->head.final_b = add(d, "final_fc.", "bias", 1, 0);
	}
	if (d->c.prior) {
		d->head.scale = add(d, "prior.", "scale", 1, 0);
		d->head.bias = add(d, "prior.", "bias", 1, 0);
	}
	for (i = first; i < d->nparams; i++)
		d->params[i].head = 1;
}

static int
check(const struct adds_decoder_config *c, struct adds_error *err)
{
	if (c->width < 1 || c->width > MOST_WIDTH)
		return adds_fail(err, ADDS_ELIMIT, "a decoder of width %d: 1 to %d will do", c->width, MOST_WIDTH);
	if (c->layers < 0 || c->layers > MOST_LAYERS)
		return adds_fail(err, ADDS_ELIMIT, "a decoder of %d layers: 0 to %d will do", c->layers, MOST_LAYERS);
	if (!c->layers && !c->prior)
		return adds_fail(err, ADDS_EARG, "a decoder without layers needs the zero-shot prior");
	if (c->layers && (c->heads < 1 || c->width % c->heads))
		return adds_fail(err, ADDS_EARG, "%d heads do not divide the width %d", c->heads, c->width);
	if (c->layers && (c->ff < 1 || c->ff > MOST_FF))
		return adds_fail(err, ADDS_ELIMIT, "a feed-forward layer of width %d: 1 to %d will do", c->ff, MOST_FF);
	if (!(c->dropout >= 0 && c->dropout < 1))
		return adds_fail(err, ADDS_EARG, "dropout is %g: 0 to below 1 will do", (double)c->dropout);
	return 0;
}

static int
lay_out(struct adds_decoder *d, struct adds_error *err)
{
	const size_t layers = (size_t)d->c.layers;
	int i;

	d->params = calloc(layers * OF_LAYER + OF_HEAD, sizeof(*d->params));
	d->at = calloc(layers + 1, sizeof(*d->at));
	d->fused = calloc(layers * 2 + 1, sizeof(*d->fused));
	d->tape = calloc(layers + 2, sizeof(*d->tape));
	if (!d->params || !d->at || !d->fused || !d->tape)
		return adds_fail(err, ADDS_ENOMEM, "out of memory for a decoder of %d layers", d->c.layers);
	for (i = 0; i < d->c.layers; i++)
		add_layer(d, i);
	add_head(d);
	return 0;
}

static float *
zeros(struct adds_decoder *d, struct adds_error *err)
{
	void *p = NULL;

	if (d->b->ops->alloc(d->b, &p, (size_t)d->size * sizeof(float), err) < 0)
		return NULL;
	if (d->b->ops->fill(d->b, f32(p, 1, d->size), 0, err) < 0) {
		d->b->ops->release(d->b, p);
		return NULL;
	}
	return p;
}

struct adds_decoder *
adds_decoder_new(struct backend *b, const struct adds_decoder_config *c, struct adds_error *err)
{
	struct adds_decoder *d;

	if (check(c, err) < 0)
		return NULL;
	if (!(d = calloc(1, sizeof(*d)))) {
		adds_fail(err, ADDS_ENOMEM, "out of memory for a decoder");
		return NULL;
	}
	d->b = b;
	d->c = *c;
	d->keep_bytes = KEEP_BYTES;
	if (lay_out(d, err) < 0 || !(d->w = zeros(d, err))) {
		adds_decoder_free(d);
		return NULL;
	}
	return d;
}

enum {
	OF_TAPE = 4 * 3 + 2 * 6 + 5,
	OF_WORK = 21,
};

static void
tape_buffers(struct layer_tape *t, struct adds_dec_buf *all[OF_TAPE])
{
	struct adds_dec_buf *const own[] = { &t->a, &t->c, &t->hidden, &t->q, &t->v };
	int i;

	memcpy(all, own, sizeof(own));
	all += 5;
	for (i = 0; i < 4; i++) {
		*all++ = &t->norm[i].s;
		*all++ = &t->norm[i].mean;
		*all++ = &t->norm[i].rstd;
	}
	for (i = 0; i < 2; i++) {
		*all++ = &t->mha[i].x;
		*all++ = &t->mha[i].z;
		*all++ = &t->mha[i].y;
		*all++ = &t->mha[i].bias;
		*all++ = &t->mha[i].p;
		*all++ = &t->mha[i].lse;
	}
}

static void
work_buffers(struct adds_decoder *d, struct adds_dec_buf *all[OF_WORK])
{
	struct adds_dec_buf *const own[OF_WORK] = { &d->head_w, &d->dfused, &d->first_a, &d->first_x, &d->out, &d->hidden, &d->p,
		                                    &d->dp, &d->logits, &d->dlogits, &d->small, &d->extra, &d->dq, &d->dv[0],
		                                    &d->dv[1], &d->drow, &d->dhidden, &d->dx, &d->dz, &d->dy, &d->dbias };

	memcpy(all, own, sizeof(own));
}

void
adds_decoder_shrink(struct adds_decoder *d)
{
	struct adds_dec_buf *tape[OF_TAPE], *work[OF_WORK];
	int i, j;

	for (i = 0; d->tape && i < d->c.layers + 2; i++) {
		tape_buffers(&d->tape[i], tape);
		for (j = 0; j < OF_TAPE; j++)
			adds_dec_release(d->b, tape[j]);
	}
	for (i = 0; d->fused && i < 2 * d->c.layers; i++)
		adds_dec_release(d->b, &d->fused[i]);
	work_buffers(d, work);
	for (j = 0; j < OF_WORK; j++)
		adds_dec_release(d->b, work[j]);
	d->fused_valid = d->first_valid = d->ready = 0;
}

int64_t
adds_decoder_activations(struct adds_decoder *d)
{
	struct adds_dec_buf *tape[OF_TAPE], *work[OF_WORK];
	int64_t floats = 0;
	int i, j;

	for (i = 0; d->tape && i < d->c.layers + 2; i++) {
		tape_buffers(&d->tape[i], tape);
		for (j = 0; j < OF_TAPE; j++)
			floats += tape[j]->size;
	}
	work_buffers(d, work);
	for (j = 0; j < OF_WORK; j++)
		floats += work[j]->size;
	return floats * (int64_t)sizeof(float);
}

void
adds_decoder_free(struct adds_decoder *d)
{
	if (!d)
		return;
	adds_decoder_shrink(d);
	d->b->ops->release(d->b, d->w);
	d->b->ops->release(d->b, d->g);
	free(d->jobs);
	free(d->scores);
	free(d->ranges);
	free(d->at_labels);
	free(d->at_context);
	free(d->at_tokens);
	free(d->params);
	free(d->at);
	free(d->fused);
	free(d->tape);
	free(d);
}

void
adds_decoder_freeze_visual(struct adds_decoder *d)
{
	d->c.no_visual_update = 1;
}

const struct adds_decoder_config *
adds_decoder_config(const struct adds_decoder *d)
{
	return &d->c;
}

int64_t
adds_decoder_size(const struct adds_decoder *d)
{
	return d->size;
}

float *
adds_decoder_weights(struct adds_decoder *d)
{
	d->fused_valid = d->first_valid = 0;
	return d->w;
}

float *
adds_decoder_gradients(struct adds_decoder *d, struct adds_error *err)
{
	if (!d->g)
		d->g = zeros(d, err);
	return d->g;
}

const struct adds_param *
adds_decoder_params(const struct adds_decoder *d, size_t *n)
{
	*n = d->nparams;
	return d->params;
}
