/* SPDX-License-Identifier: MIT
 * prepare.c - weights from the mapped file to where products read them */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../dtype.h"
#include "../stream/record.h"
#include "model.h"

/* ---- matrices ---- */

/* w, an array [n][k] of type t, to the device; how: what may become of it. w NULL: out of memory */
static int
hand_over(struct adds_clip *m, struct packed **out, void *w, enum dtype t, int64_t n, int64_t k, enum spare how,
          struct adds_error *err)
{
	int rc;

	if (!w)
		return adds_fail(err, ADDS_ENOMEM, "out of memory");
	if ((rc = m->b->ops->pack(m->b, out, w, t, n, k, 0, m->precision, err)) == 0)
		m->b->ops->spare(m->b, *out, how);
	else if (how == SPARE_ARRAY)
		free(w);
	return rc;
}

/* Parts of the file that have been copied need not stay in memory. */
static void
spare_parts(const struct adds_clip *m, const struct adds_clip_param *p)
{
	int i;

	for (i = 0; i < p->parts; i++)
		if (adds_weights_mapped(&m->weights, p->part[i]))
			backend_spare(p->part[i]->data, p->part[i]->size, SPARE_PAGES);
}

/* A matrix in the file that can be multiplied with as it lies there */
static int
in_place(const struct adds_clip *m, const struct adds_clip_param *p)
{
	return p->parts == 1 && adds_weights_mapped(&m->weights, p->part[0]) &&
	       (uintptr_t)p->part[0]->data % adds_dtype_size((enum adds_dtype)p->dtype) == 0;
}

/* p in f32 in an array of its own, rows multiplied by scale; NULL: out of memory */
static float *
scaled(const struct adds_clip_param *p, int64_t n, int64_t k, const float *scale)
{
	float *f = malloc((size_t)n * (size_t)k * sizeof(*f) + 1);
	int64_t i, j;

	if (!f)
		return NULL;
	adds_clip_param_floats(f, p);
	for (i = 0; i < n; i++)
		for (j = 0; j < k; j++)
			f[i * k + j] *= scale[i];
	return f;
}

/* Prepares p, a matrix [n][k] (its file form), rows multiplied by scale where there is one (LayerScale). */
static int
pack(struct adds_clip *m, struct packed **out, const struct adds_clip_param *p, int64_t n, int64_t k, const float *scale,
     struct adds_error *err)
{
	const enum dtype t = adds_device_dtype((enum adds_dtype)p->dtype);
	void *host;

	if (!scale && in_place(m, p))
		return hand_over(m, out, (void *)(uintptr_t)p->part[0]->data, t, n, k, SPARE_PAGES, err);
	if (scale)
		host = scaled(p, n, k, scale);
	else if ((host = malloc(adds_clip_param_size(p) + 1)))
		adds_clip_param_bytes(host, p, 0, adds_clip_param_size(p));
	spare_parts(m, p);
	return hand_over(m, out, host, scale ? DT_F32 : t, n, k, SPARE_ARRAY, err);
}

/* A projection, canonical [k][n]: laid out as [n][k] in both namings, so that both give the same bits. */
static int
pack_projection(struct adds_clip *m, struct packed **out, const struct adds_clip_param *p, struct adds_error *err)
{
	const int64_t k = p->shape[0], n = p->shape[1];
	const size_t e = adds_dtype_size((enum adds_dtype)p->dtype);
	const struct adds_clip_param as_is = { .dtype = p->dtype, .parts = 1, .part = { p->part[0] } };
	const unsigned char *from = p->part[0]->data;
	int64_t i, j;
	char *to;

	if (p->transposed)
		return pack(m, out, &as_is, n, k, NULL, err);
	if (!(to = malloc(p->part[0]->size + 1)))
		return adds_fail(err, ADDS_ENOMEM, "out of memory");
	for (i = 0; i < n; i++)
		for (j = 0; j < k; j++)
			memcpy(to + (size_t)(i * k + j) * e, from + (size_t)(j * n + i) * e, e);
	spare_parts(m, p);
	return hand_over(m, out, to, adds_device_dtype((enum adds_dtype)p->dtype), n, k, SPARE_ARRAY, err);
}

/* ---- vectors ---- */

/* n floats to the tower's vectors */
static int
put(struct adds_clip *m, struct adds_clip_tower *t, const float **out, const float *host, size_t n, struct adds_error *err)
{
	float *to = t->vectors + t->used;

	if (t->used + n > t->room)
		return adds_fail(err, ADDS_ELIMIT, "more vectors than counted");
	t->used += (n + 15) / 16 * 16;
	*out = to;
	return m->b->ops->put(m->b, to, host, n * sizeof(float), err);
}

static int
put_param(struct adds_clip *m, struct adds_clip_tower *t, const float **out, const struct adds_clip_param *p,
          const float *scale, struct adds_error *err)
{
	size_t n = 1, i;
	float *host;
	int d, rc;

	for (d = 0; d < p->rank; d++)
		n *= (size_t)p->shape[d];
	if (!(host = malloc(n * sizeof(*host) + 1)))
		return adds_fail(err, ADDS_ENOMEM, "out of memory");
	adds_clip_param_floats(host, p);
	for (i = 0; scale && i < n; i++)
		host[i] *= scale[i];
	rc = put(m, t, out, host, n, err);
	free(host);
	return rc;
}

static int
put_vector(struct adds_clip *m, struct adds_clip_tower *t, const float **out, const char *name, int64_t n,
           struct adds_error *err)
{
	const struct adds_clip_param *p = adds_clip_need(m, err, name, 1, n, 0);

	return p ? put_param(m, t, out, p, NULL, err) : ADDS_EFORMAT;
}

/* Both of "name.weight" and "name.bias", each [n] */
static int
put_norm(struct adds_clip *m, struct adds_clip_tower *t, const float **w, const float **b, const char *name, int64_t n,
         struct adds_error *err)
{
	char full[ADDS_CLIP_NAME];
	int rc;

	snprintf(full, sizeof(full), "%.64s.weight", name);
	if ((rc = put_vector(m, t, w, full, n, err)) < 0)
		return rc;
	snprintf(full, sizeof(full), "%.64s.bias", name);
	return put_vector(m, t, b, full, n, err);
}

/* Room for all vectors of a tower: those of its tensors, and extra floats. */
static int
open_vectors(struct adds_clip *m, struct adds_clip_tower *t, int image, size_t extra, struct adds_error *err)
{
	size_t i, n = extra;
	int d;

	for (i = 0; i < m->params.n; i++) {
		const struct adds_clip_param *p = &m->params.p[i];
		size_t size = 1;

		if (p->rank > 1 || (strncmp(p->name, "visual.", 7) == 0) != image)
			continue;
		for (d = 0; d < p->rank; d++)
			size *= (size_t)p->shape[d];
		n += size + 16;
	}
	t->room = n;
	return m->b->ops->alloc(m->b, (void **)&t->vectors, n * sizeof(float), err);
}

/* ---- blocks ---- */

/* a matrix and its bias, both times a block's LayerScale where there is one */
static int
put_linear(struct adds_clip *m, struct adds_clip_tower *t, struct packed **w, const float **bias, const char *name,
           const char *weight_suffix, const char *bias_suffix, int64_t n, int64_t k, const float *scale,
           struct adds_error *err)
{
	const struct adds_clip_param *p;
	char full[ADDS_CLIP_NAME];
	int rc;

	snprintf(full, sizeof(full), "%.64s%s", name, weight_suffix);
	if (!(p = adds_clip_need(m, err, full, 2, n, k)))
		return ADDS_EFORMAT;
	if ((rc = pack(m, w, p, n, k, scale, err)) < 0)
		return rc;
	snprintf(full, sizeof(full), "%.64s%s", name, bias_suffix);
	if (!(p = adds_clip_need(m, err, full, 1, n, 0)))
		return ADDS_EFORMAT;
	return put_param(m, t, bias, p, scale, err);
}

/* The LayerScale of a branch as a host vector, or NULL without an error. */
static int
layer_scale(struct adds_clip *m, float **scale, const char *name, int64_t D, struct adds_error *err)
{
	*scale = NULL;
	if (!adds_clip_param_find(&m->params, name))
		return 0;
	if (!adds_clip_need(m, err, name, 1, D, 0))
		return ADDS_EFORMAT;
	if (!(*scale = malloc((size_t)D * sizeof(**scale))))
		return adds_fail(err, ADDS_ENOMEM, "out of memory");
	adds_clip_param_floats(*scale, adds_clip_param_find(&m->params, name));
	return 0;
}

static int
put_attention(struct adds_clip *m, struct adds_clip_tower *t, struct adds_clip_block *k, const char *prefix,
              struct adds_error *err)
{
	char name[ADDS_CLIP_NAME];
	float *scale;
	int rc;

	snprintf(name, sizeof(name), "%.48sls_1.gamma", prefix);
	if ((rc = layer_scale(m, &scale, name, t->D, err)) < 0)
		return rc;
	snprintf(name, sizeof(name), "%.48sattn.in_proj", prefix);
	if ((rc = put_linear(m, t, &k->qkv, &k->qkv_b, name, "_weight", "_bias", 3 * (int64_t)k->inner, t->D, NULL, err)) == 0) {
		snprintf(name, sizeof(name), "%.48sattn.out_proj", prefix);
		rc = put_linear(m, t, &k->out, &k->out_b, name, ".weight", ".bias", t->D, k->inner, scale, err);
	}
	free(scale);
	return rc;
}

static int
put_mlp(struct adds_clip *m, struct adds_clip_tower *t, struct adds_clip_block *k, const char *prefix, struct adds_error *err)
{
	char name[ADDS_CLIP_NAME];
	float *scale;
	int rc;

	snprintf(name, sizeof(name), "%.48sls_2.gamma", prefix);
	if ((rc = layer_scale(m, &scale, name, t->D, err)) < 0)
		return rc;
	snprintf(name, sizeof(name), "%.48smlp.c_fc", prefix);
	if ((rc = put_linear(m, t, &k->fc, &k->fc_b, name, ".weight", ".bias", k->hidden, t->D, NULL, err)) == 0) {
		snprintf(name, sizeof(name), "%.48smlp.c_proj", prefix);
		rc = put_linear(m, t, &k->proj, &k->proj_b, name, ".weight", ".bias", t->D, k->hidden, scale, err);
	}
	free(scale);
	return rc;
}

/* What may differ from block to block: how many heads, how wide the hidden layer. */
static int
block_sizes(struct adds_clip *m, struct adds_clip_tower *t, struct adds_clip_block *k, const char *prefix,
            struct adds_error *err)
{
	const struct adds_clip_param *qkv, *fc;
	char name[ADDS_CLIP_NAME];

	snprintf(name, sizeof(name), "%.48sattn.in_proj_bias", prefix);
	if (!(qkv = adds_clip_need(m, err, name, 1, -1, 0)))
		return ADDS_EFORMAT;
	if (qkv->shape[0] % (3 * t->hd) || qkv->shape[0] / 3 > 1 << 14)
		return adds_fail(err, ADDS_EFORMAT, "tensor '%s' has %lld elements: not q, k and v of whole heads of %d channels",
		                 name, (long long)qkv->shape[0], t->hd);
	k->inner = (int)(qkv->shape[0] / 3);
	k->heads = k->inner / t->hd;
	snprintf(name, sizeof(name), "%.48smlp.c_fc.bias", prefix);
	if (!(fc = adds_clip_need(m, err, name, 1, -1, 0)))
		return ADDS_EFORMAT;
	if (fc->shape[0] > 1 << 16)
		return adds_fail(err, ADDS_ELIMIT, "tensor '%s' has %lld elements (limit %d)", name,
		                 (long long)fc->shape[0], 1 << 16);
	k->hidden = (int)fc->shape[0];
	t->inner = k->inner > t->inner ? k->inner : t->inner;
	t->hidden = k->hidden > t->hidden ? k->hidden : t->hidden;
	return 0;
}

static int
put_blocks(struct adds_clip *m, struct adds_clip_tower *t, const char *blocks, struct adds_error *err)
{
	char prefix[64], name[ADDS_CLIP_NAME];
	int i, rc;

	if (!(t->block = calloc((size_t)t->layers, sizeof(*t->block))))
		return adds_fail(err, ADDS_ENOMEM, "out of memory");
	for (i = 0; i < t->layers; i++) {
		struct adds_clip_block *k = &t->block[i];

		snprintf(prefix, sizeof(prefix), "%s%d.", blocks, i);
		if ((rc = block_sizes(m, t, k, prefix, err)) < 0)
			return rc;
		snprintf(name, sizeof(name), "%sln_1", prefix);
		if ((rc = put_norm(m, t, &k->ln1_w, &k->ln1_b, name, t->D, err)) < 0)
			return rc;
		snprintf(name, sizeof(name), "%sln_2", prefix);
		if ((rc = put_norm(m, t, &k->ln2_w, &k->ln2_b, name, t->D, err)) < 0 ||
		    (rc = put_attention(m, t, k, prefix, err)) < 0 || (rc = put_mlp(m, t, k, prefix, err)) < 0)
			return rc;
	}
	return 0;
}

/* The projection to the joint space, with a bias where there is one. */
static int
put_projection(struct adds_clip *m, struct adds_clip_tower *t, const char *name, struct adds_error *err)
{
	const struct adds_clip_param *p = adds_clip_need(m, err, name, 2, t->D, m->cfg.E);
	char bias[ADDS_CLIP_NAME];
	int rc;

	if (!p)
		return ADDS_EFORMAT;
	if ((rc = pack_projection(m, &t->proj, p, err)) < 0)
		return rc;
	snprintf(bias, sizeof(bias), "%s.bias", name);
	return adds_clip_param_find(&m->params, bias) ? put_vector(m, t, &t->proj_b, bias, m->cfg.E, err) : 0;
}

/* ---- picture tower ---- */

static int
put_positions(struct adds_clip *m, struct adds_error *err)
{
	const struct adds_clip_param *p = adds_clip_need(m, err, "visual.positional_embedding", 2, -1, m->cfg.D);
	const int D = m->cfg.D, g = m->cfg.g, cls = m->cfg.N - g * g;
	float *in, *out;
	int g0, rc = 0;

	if (!p)
		return ADDS_EFORMAT;
	for (g0 = 1; (int64_t)g0 * g0 + cls < p->shape[0]; g0++)
		;
	in = malloc((size_t)p->shape[0] * (size_t)D * sizeof(*in));
	out = malloc((size_t)m->cfg.N * (size_t)D * sizeof(*out));
	if (!in || !out) {
		rc = adds_fail(err, ADDS_ENOMEM, "out of memory");
		goto out;
	}
	adds_clip_param_floats(in, p);
	memcpy(out, in, (size_t)cls * (size_t)D * sizeof(*in));
	if (g == g0)
		memcpy(out, in, (size_t)m->cfg.N * (size_t)D * sizeof(*in));
	else
		rc = adds_clip_resize_grid(out + (size_t)cls * (size_t)D, g, in + (size_t)cls * (size_t)D, g0, D, err);
	if (rc == 0)
		rc = put(m, &m->image, &m->image.pos, out, (size_t)m->cfg.N * (size_t)D, err);
out:
	free(in);
	free(out);
	return rc;
}

/* Every byte of every channel, divided and normalised in single precision, in this order. */
static int
put_table(struct adds_clip *m, struct adds_error *err)
{
	float table[3 * 256];
	int c, v;

	for (c = 0; c < 3; c++)
		for (v = 0; v < 256; v++)
			table[c * 256 + v] = ((float)v / 255.0f - m->cfg.mean[c]) / m->cfg.std[c];
	return put(m, &m->image, &m->table, table, 3 * 256, err);
}

static int
put_patches(struct adds_clip *m, struct adds_error *err)
{
	const struct adds_clip_param *p = adds_clip_need(m, err, "visual.conv1.weight", 4, m->cfg.D, 3);
	const int64_t D = m->cfg.D;
	int rc;

	if (!p)
		return ADDS_EFORMAT;
	if ((rc = pack(m, &m->conv, p, D, 3 * (int64_t)m->cfg.P * m->cfg.P, NULL, err)) < 0)
		return rc;
	if (adds_clip_param_find(&m->params, "visual.conv1.bias") &&
	    (rc = put_vector(m, &m->image, &m->conv_b, "visual.conv1.bias", D, err)) < 0)
		return rc;
	if (adds_clip_param_find(&m->params, "visual.class_embedding") &&
	    (rc = put_vector(m, &m->image, &m->cls, "visual.class_embedding", D, err)) < 0)
		return rc;
	if (!m->cls && !m->cfg.siglip)
		return adds_fail(err, ADDS_EFORMAT, "tensor 'visual.class_embedding' is missing");
	if (adds_clip_param_find(&m->params, "visual.ln_pre.weight") || !(m->cfg.siglip || m->json.no_ln_pre))
		return put_norm(m, &m->image, &m->pre_w, &m->pre_b, "visual.ln_pre", D, err);
	return 0;
}

/* q of the one query is the same for every picture: W_q·probe + b_q, computed once. */
static int
put_query(struct adds_clip *m, const struct adds_clip_param *in, const struct adds_clip_param *bias, struct adds_error *err)
{
	const struct adds_clip_param *probe = adds_clip_need(m, err, "visual.attn_pool.probe", 1, m->cfg.D, 0);
	const size_t D = (size_t)m->cfg.D;
	float *w, *b, *x, *q;
	size_t i, j;
	int rc;

	if (!probe)
		return ADDS_EFORMAT;
	if (!(w = malloc((3 * D * D + 3 * D + 2 * D) * sizeof(*w))))
		return adds_fail(err, ADDS_ENOMEM, "out of memory");
	b = w + 3 * D * D;
	x = b + 3 * D;
	q = x + D;
	adds_clip_param_floats(w, in);
	adds_clip_param_floats(b, bias);
	adds_clip_param_floats(x, probe);
	for (i = 0; i < D; i++) {
		double sum = b[i];

		for (j = 0; j < D; j++)
			sum += (double)w[i * D + j] * x[j];
		q[i] = (float)sum;
	}
	if ((rc = put(m, &m->image, &m->map.query, q, D, err)) == 0)
		rc = put(m, &m->image, &m->map.kv_b, b + D, 2 * D, err);
	free(w);
	return rc;
}

static int
put_map(struct adds_clip *m, struct adds_error *err)
{
	struct adds_clip_tower *t = &m->image;
	struct adds_clip_map *map = &m->map;
	const int64_t D = m->cfg.D;
	const struct adds_clip_param *in = adds_clip_need(m, err, "visual.attn_pool.in_proj_weight", 2, 3 * D, D);
	const struct adds_clip_param *bias = in ? adds_clip_need(m, err, "visual.attn_pool.in_proj_bias", 1, 3 * D, 0) : NULL;
	struct adds_clip_param kv;
	struct adds_weight rest;
	const size_t q = in ? adds_clip_param_size(in) / 3 : 0;
	int rc;

	if (!in || !bias)
		return ADDS_EFORMAT;
	kv = *in; /* the rows behind q: in one tensor with it, or in one of their own */
	kv.parts = 1;
	rest = *in->part[in->parts - 1];
	if (in->parts == 1) {
		rest.data += q;
		rest.size -= q;
	}
	kv.part[0] = &rest;
	map->heads = t->block[0].heads;
	if (t->inner != D || t->block[0].inner != D)
		return adds_fail(err, ADDS_EFORMAT, "a SigLIP whose heads were pruned is not supported");
	if ((rc = pack(m, &map->kv, &kv, 2 * D, D, NULL, err)) < 0 ||
	    (rc = put_query(m, in, bias, err)) < 0 ||
	    (rc = put_linear(m, t, &map->out, &map->out_b, "visual.attn_pool.out_proj", ".weight",
	                     ".bias", D, D, NULL, err)) < 0 ||
	    (rc = put_norm(m, t, &map->ln_w, &map->ln_b, "visual.attn_pool.ln", D, err)) < 0)
		return rc;
	if (!(bias = adds_clip_need(m, err, "visual.attn_pool.mlp.c_fc.bias", 1, -1, 0)))
		return ADDS_EFORMAT;
	map->hidden = (int)bias->shape[0];
	t->hidden = map->hidden > t->hidden ? map->hidden : t->hidden;
	if ((rc = put_linear(m, t, &map->fc, &map->fc_b, "visual.attn_pool.mlp.c_fc", ".weight", ".bias", map->hidden, D, NULL,
	                     err)) < 0)
		return rc;
	return put_linear(m, t, &map->proj, &map->proj_b, "visual.attn_pool.mlp.c_proj", ".weight", ".bias", D, map->hidden, NULL,
	                  err);
}

int
adds_clip_prepare_image(struct adds_clip *m, struct adds_error *err)
{
	struct adds_clip_tower *t = &m->image;
	const struct adds_clip_config *c = &m->cfg;
	int rc;

	if ((rc = open_vectors(m, t, 1, ((size_t)c->N + 1) * (size_t)c->D + 4096, err)) < 0 || (rc = put_table(m, err)) < 0 ||
	    (rc = put_patches(m, err)) < 0 || (rc = put_positions(m, err)) < 0 ||
	    (rc = put_norm(m, t, &t->ln_w, &t->ln_b, "visual.ln_post", c->D, err)) < 0 ||
	    (rc = put_blocks(m, t, "visual.transformer.resblocks.", err)) < 0)
		return rc;
	if ((rc = c->siglip ? put_map(m, err) : put_projection(m, t, "visual.proj", err)) < 0)
		return rc;
	t->ready = 1;
	return 0;
}

int
adds_clip_prepare_text(struct adds_clip *m, struct adds_error *err)
{
	struct adds_clip_tower *t = &m->text;
	const struct adds_clip_config *c = &m->cfg;
	const struct adds_clip_param *pos;
	int rc;

	if (!(m->tokens = adds_clip_need(m, err, "token_embedding.weight", 2, c->V, c->d)) ||
	    !(pos = adds_clip_need(m, err, "positional_embedding", 2, c->C, c->d)))
		return ADDS_EFORMAT;
	if ((rc = open_vectors(m, t, 0, (size_t)c->C * (size_t)c->d + 4096, err)) < 0 ||
	    (rc = put_param(m, t, &t->pos, pos, NULL, err)) < 0 ||
	    (rc = put_norm(m, t, &t->ln_w, &t->ln_b, "ln_final", c->d, err)) < 0 ||
	    (rc = put_blocks(m, t, "transformer.resblocks.", err)) < 0 ||
	    (rc = put_projection(m, t, "text_projection", err)) < 0)
		return rc;
	t->ready = 1;
	return 0;
}

static void
unprepare_tower(struct adds_clip *m, struct adds_clip_tower *t)
{
	const struct backend_ops *ops = m->b->ops;
	int i;

	for (i = 0; t->block && i < t->layers; i++) {
		ops->unpack(m->b, t->block[i].qkv);
		ops->unpack(m->b, t->block[i].out);
		ops->unpack(m->b, t->block[i].fc);
		ops->unpack(m->b, t->block[i].proj);
	}
	free(t->block);
	ops->unpack(m->b, t->proj);
	ops->release(m->b, t->vectors);
}

void
adds_clip_unprepare(struct adds_clip *m)
{
	const struct backend_ops *ops = m->b->ops;

	unprepare_tower(m, &m->image);
	unprepare_tower(m, &m->text);
	ops->unpack(m->b, m->conv);
	ops->unpack(m->b, m->map.kv);
	ops->unpack(m->b, m->map.out);
	ops->unpack(m->b, m->map.fc);
	ops->unpack(m->b, m->map.proj);
	ops->release(m->b, m->arena);
}
