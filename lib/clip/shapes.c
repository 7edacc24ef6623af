/* SPDX-License-Identifier: MIT
 * shapes.c - what a model is: sizes from its tensors, the rest from its JSON
 * or from options, and a refusal with the name of what is missing */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "../stream/record.h"
#include "model.h"

#define MAX_WIDTH 16384
#define MAX_GRID 256
#define MAX_HEAD 128 /* of the attention kernels */

static const struct adds_clip_param *
misshapen(const struct adds_clip *m, struct adds_error *err, const struct adds_clip_param *p, int rank, int64_t d0,
          int64_t d1)
{
	char native[ADDS_CLIP_NAME], got[200] = "", want[64];
	int i;

	for (i = 0; i < p->rank; i++)
		snprintf(got + strlen(got), sizeof(got) - strlen(got), "%s%lld", i ? "x" : "", (long long)p->shape[i]);
	if (rank == 1)
		snprintf(want, sizeof(want), d0 < 0 ? "one dimension" : "%lld", (long long)d0);
	else if (d0 >= 0 && d1 >= 0)
		snprintf(want, sizeof(want), "%lldx%lld", (long long)d0, (long long)d1);
	else
		snprintf(want, sizeof(want), "%d dimensions", rank);
	adds_fail(err, ADDS_EFORMAT, "tensor '%s' is [%s], expected [%s]%s",
	          adds_clip_native_name(native, sizeof(native), &m->params, p->name), got, want,
	          p->transposed ? " (as OpenCLIP stores it: the transpose)" : "");
	return NULL;
}

const struct adds_clip_param *
adds_clip_need(const struct adds_clip *m, struct adds_error *err, const char *name, int rank, int64_t d0, int64_t d1)
{
	const struct adds_clip_param *p = adds_clip_param_find(&m->params, name);
	char native[ADDS_CLIP_NAME];
	int i;

	if (!p) {
		adds_fail(err, ADDS_EFORMAT, "tensor '%s' is missing",
		          adds_clip_native_name(native, sizeof(native), &m->params, name));
		return NULL;
	}
	if (p->rank != rank || (d0 >= 0 && p->shape[0] != d0) || (rank > 1 && d1 >= 0 && p->shape[1] != d1))
		return misshapen(m, err, p, rank, d0, d1);
	for (i = 0; i < rank; i++)
		if (p->shape[i] < 1 || p->shape[i] > (int64_t)1 << 31)
			return misshapen(m, err, p, rank, d0, d1);
	return p;
}

static const struct adds_clip_param *
need_width(const struct adds_clip *m, struct adds_error *err, const char *name, int rank, int *width)
{
	const struct adds_clip_param *p = adds_clip_need(m, err, name, rank, -1, -1);

	if (!p)
		return NULL;
	if (p->shape[rank == 2] > MAX_WIDTH) {
		adds_fail(err, ADDS_ELIMIT, "tensor '%s' is %lld wide (limit %d)", name,
		          (long long)p->shape[rank == 2], MAX_WIDTH);
		return NULL;
	}
	*width = (int)p->shape[rank == 2];
	return p;
}

/* ---- picture tower ---- */

static int
image_patches(struct adds_clip *m, struct adds_error *err)
{
	const struct adds_clip_param *p = adds_clip_param_find(&m->params, "visual.conv1.weight");
	char native[ADDS_CLIP_NAME];

	if (p && p->rank == 2)
		return adds_fail(
			err, ADDS_EFORMAT,
			"the patch embedding is a matrix: this is a NaFlex model (SigLIP 2 of variable "
			"resolution), which is not supported; fetch the model of a fixed resolution");
	if (!(p = adds_clip_need(m, err, "visual.conv1.weight", 4, -1, -1)))
		return ADDS_EFORMAT;
	if (p->shape[0] > MAX_WIDTH || p->shape[1] != 3 || p->shape[2] != p->shape[3] || p->shape[2] > 1024)
		return adds_fail(err, ADDS_EFORMAT, "tensor '%s' is not [D,3,P,P]",
		                 adds_clip_native_name(native, sizeof(native), &m->params, p->name));
	m->cfg.D = (int)p->shape[0];
	m->cfg.P = (int)p->shape[2];
	return 0;
}

static int
image_grid(struct adds_clip *m, struct adds_clip_notes *notes, struct adds_error *err)
{
	const int cls = adds_clip_param_find(&m->params, "visual.class_embedding") != NULL;
	const struct adds_clip_param *p = adds_clip_need(m, err, "visual.positional_embedding", 2, -1, m->cfg.D);
	struct adds_clip_config *c = &m->cfg;
	int g;

	if (!p)
		return ADDS_EFORMAT;
	for (g = 1; g <= MAX_GRID && (int64_t)g * g + cls < p->shape[0]; g++)
		;
	if ((int64_t)g * g + cls != p->shape[0])
		return adds_fail(err, ADDS_EFORMAT, "tensor '%s' has %lld rows, which is no square grid%s", p->name,
		                 (long long)p->shape[0], cls ? " and a class token" : "");
	c->g = g;
	c->N = g * g + cls;
	c->S = g * c->P;
	if (m->json.image.image_size > 0 && m->json.image.image_size / c->P == g)
		c->S = m->json.image.image_size;
	else if (m->json.image.image_size > 0)
		adds_clip_note(notes, "image size: %d, as the positions say (the configuration says %d)", c->S,
		               m->json.image.image_size);
	return 0;
}

/* Another size than the weights' own: positions will be resized. */
static int
image_size(struct adds_clip *m, int size, struct adds_clip_notes *notes, struct adds_error *err)
{
	struct adds_clip_config *c = &m->cfg;

	if (size == 0 || size == c->S)
		return 0;
	if (size % c->P || size / c->P > MAX_GRID)
		return adds_fail(
			err, ADDS_EARG,
			"image size %d is not a multiple of the model's patches of %d pixels (up to %d): try %d",
			size, c->P, MAX_GRID * c->P,
			size < c->P              ? c->P
			: size / c->P > MAX_GRID ? MAX_GRID * c->P
						 : size / c->P * c->P);
	adds_clip_note(notes, "image size: %d instead of %d; position embeddings resized (bicubic, antialiased)", size, c->S);
	c->N += (size / c->P) * (size / c->P) - c->g * c->g;
	c->S = size;
	c->g = size / c->P;
	return 0;
}

static int
image_shapes(struct adds_clip *m, struct adds_clip_notes *notes, struct adds_error *err)
{
	struct adds_clip_config *c = &m->cfg;
	int rc;

	if (m->json.image.refused[0])
		return adds_fail(err, ADDS_EFORMAT, "a model like this is not supported: %s", m->json.image.refused);
	if ((rc = image_patches(m, err)) < 0 || (rc = image_grid(m, notes, err)) < 0)
		return rc;
	c->siglip = adds_clip_param_find(&m->params, "visual.attn_pool.probe") != NULL;
	if ((c->L = m->params.image_layers) == 0)
		return adds_fail(err, ADDS_EFORMAT, "the picture tower has no blocks");
	if (!need_width(m, err, "visual.transformer.resblocks.0.mlp.c_fc.bias", 1, &c->M))
		return ADDS_EFORMAT;
	if (c->siglip)
		c->E = c->D;
	else if (!need_width(m, err, "visual.proj", 2, &c->E))
		return ADDS_EFORMAT;
	return 0;
}

/* ---- text tower ---- */

static int
text_shapes(struct adds_clip *m, struct adds_error *err)
{
	struct adds_clip_config *c = &m->cfg;
	const struct adds_clip_param *p;
	int E;

	if (m->json.text.refused[0])
		return adds_fail(err, ADDS_EFORMAT, "a model like this is not supported: %s", m->json.text.refused);
	if (!(p = need_width(m, err, "token_embedding.weight", 2, &c->d)))
		return ADDS_EFORMAT;
	if (p->shape[0] < 3 || p->shape[0] > 1 << 24)
		return adds_fail(err, ADDS_ELIMIT, "a vocabulary of %lld tokens", (long long)p->shape[0]);
	c->V = (int)p->shape[0];
	if (!(p = adds_clip_need(m, err, "positional_embedding", 2, -1, c->d)))
		return ADDS_EFORMAT;
	if (p->shape[0] < 2 || p->shape[0] > 1 << 16)
		return adds_fail(err, ADDS_ELIMIT, "a context of %lld tokens", (long long)p->shape[0]);
	c->C = (int)p->shape[0];
	if ((c->l = m->params.text_layers) == 0)
		return adds_fail(err, ADDS_EFORMAT, "the text tower has no blocks");
	if (!need_width(m, err, "transformer.resblocks.0.mlp.c_fc.bias", 1, &c->m) ||
	    !need_width(m, err, "text_projection", 2, &E))
		return ADDS_EFORMAT;
	if (m->params.image && c->E && E != c->E)
		return adds_fail(
			err, ADDS_EFORMAT,
			"pictures are embedded in %d numbers, texts in %d: these are two models",
			c->E, E);
	c->E = E;
	return 0;
}

/* ---- heads, activation, epsilon: no tensor tells ---- */

/* rows of q in a block; D unless heads were pruned */
static int64_t
inner_of(const struct adds_clip *m, const char *prefix, int block)
{
	const struct adds_clip_param *p;
	char name[ADDS_CLIP_NAME];

	snprintf(name, sizeof(name), "%s%d.attn.in_proj_bias", prefix, block);
	p = adds_clip_param_find(&m->params, name);
	return p && p->rank == 1 && p->shape[0] % 3 == 0 ? p->shape[0] / 3 : -1;
}

static int
pruned(const struct adds_clip *m, const char *prefix, int layers, int D)
{
	int i;

	for (i = 0; i < layers; i++)
		if (inner_of(m, prefix, i) > 0 && inner_of(m, prefix, i) != D)
			return 1;
	return 0;
}

/* Width of a head in the published models: ViT-H, g, bigG, e and both towers of so400m have 16 heads. */
static int
published_width(const char *prefix, int D)
{
	const int of_16 = D == 1152 || D == 1280 || D == 1408 || D == 1664 || D == 1792;

	return (prefix[0] == 'v' && of_16) || D == 1152 ? D / 16 : 64;
}

/* Width of a head: option, configuration, else by the published models' habit, which is told. */
static int
head_width(struct adds_clip *m, const struct adds_clip_side *s, const char *what, const char *prefix, int layers, int D,
           int heads)
{
	const int is_pruned = pruned(m, prefix, layers, D), width = is_pruned ? 64 : published_width(prefix, D);

	if (heads > 0)
		return D % heads ? -1 : D / heads;
	if (s->head_width > 0)
		return s->head_width;
	if (s->heads > 0 && !is_pruned)
		return D % s->heads ? -1 : D / s->heads;
	if (!s->by_width)
		adds_clip_assume(m, "%s: %d heads of %d channels%s (--%s)", what, D / width, width,
		                 is_pruned ? " before some were pruned" : "", prefix[0] == 'v' ? "heads" : "text-heads");
	return width;
}

static int
set_heads(struct adds_clip *m, struct adds_clip_tower *t, int *heads, const char *what, const char *prefix, int option,
          struct adds_error *err)
{
	const int64_t inner = inner_of(m, prefix, 0);

	if (t->hd < 1 || inner < 1 || inner % t->hd || t->hd > MAX_HEAD)
		return adds_fail(err, option ? ADDS_EARG : ADDS_EFORMAT,
		                 "%s: %lld channels are not so many heads of 1 to %d channels%s", what,
		                 (long long)inner, MAX_HEAD, option ? ": choose another number" : "");
	*heads = (int)(inner / t->hd);
	return 0;
}

static int
set_activation(struct adds_clip *m, struct adds_clip_tower *t, const struct adds_clip_side *s, const char *what, int option,
               struct adds_error *err)
{
	(void)m;
	if (option < 0 && s->act < 0)
		return adds_fail(
			err, ADDS_EARG,
			"nothing says which activation the %s uses: put the model's open_clip_config.json or config.json "
			"beside the weights, or name it (--activation gelu, quick_gelu or gelu_tanh)",
			what);
	t->act = (enum activation)(option >= 0 ? option : s->act);
	return 0;
}

static void
set_eps(struct adds_clip *m, struct adds_clip_tower *t, const struct adds_clip_side *s, const char *what, float option)
{
	t->eps = option > 0 ? option : s->eps > 0 ? (float)s->eps
	                       : m->cfg.siglip    ? 1e-6f
	                                          : 1e-5f;
	if (!(option > 0) && !(s->eps > 0))
		adds_clip_assume(m, "%s: epsilon %g (--eps)", what, (double)t->eps);
}

static int
set_tower(struct adds_clip *m, struct adds_clip_tower *t, int *heads, const struct adds_clip_side *s, const char *what,
          const char *prefix, int option_heads, const struct adds_clip_options *o, struct adds_error *err)
{
	int rc;

	t->hd = head_width(m, s, what, prefix, t->layers, t->D, option_heads);
	set_eps(m, t, s, what, o->eps);
	if ((rc = set_heads(m, t, heads, what, prefix, option_heads, err)) < 0)
		return rc;
	return set_activation(m, t, s, what, o->activation, err);
}

/* ---- what concerns both ---- */

static int
scalar(float *out, const struct adds_clip *m, const char *name)
{
	const struct adds_clip_param *p = adds_clip_param_find(&m->params, name);

	if (!p || p->rank != 0)
		return 0;
	adds_clip_param_floats(out, p);
	return 1;
}

static int
set_logit(struct adds_clip *m, struct adds_error *err)
{
	struct adds_clip_config *c = &m->cfg;
	float scale;

	c->logit_scale = 1;
	if (scalar(&scale, m, "logit_scale"))
		c->logit_scale = expf(scale);
	c->has_logit_bias = scalar(&c->logit_bias, m, "logit_bias");
	if (!isfinite(c->logit_scale) || !isfinite(c->logit_bias))
		return adds_fail(err, ADDS_EFORMAT, "'logit_scale' or 'logit_bias' is no finite number");
	return 0;
}

static void
set_pixels(struct adds_clip *m, const struct adds_clip_options *o)
{
	/* OpenAI's constants, the default of OpenCLIP and of transformers alike */
	static const float mean[] = { 0.48145466f, 0.4578275f, 0.40821073f };
	static const float std[] = { 0.26862954f, 0.26130258f, 0.27577711f };
	struct adds_clip_config *c = &m->cfg;
	int i;

	for (i = 0; i < 3; i++) {
		c->mean[i] = m->json.normalised ? m->json.mean[i] : c->siglip ? 0.5f
		                                                              : mean[i];
		c->std[i] = m->json.normalised ? m->json.std[i] : c->siglip ? 0.5f
		                                                            : std[i];
	}
	if (o->image_tower && !m->json.normalised && !m->json.pixels)
		adds_clip_assume(m, "pixels: mean and deviation %s, bicubic filter (preprocessor_config.json)",
		                 c->siglip ? "0.5" : "of OpenAI's models");
	c->fit = m->json.fit;
	c->fit_given = m->json.fit_given;
	c->filter = m->json.filter;
}

static int
configure_image(struct adds_clip *m, const struct adds_clip_options *o, struct adds_clip_notes *notes, struct adds_error *err)
{
	struct adds_clip_config *c = &m->cfg;
	struct adds_clip_tower *t = &m->image;
	int rc;

	if ((rc = image_shapes(m, notes, err)) < 0)
		return rc;
	t->D = c->D;
	t->layers = c->L;
	if ((rc = set_tower(m, t, &c->H, &m->json.image, "picture tower", "visual.transformer.resblocks.", o->heads, o, err)) < 0)
		return rc;
	c->act = t->act;
	c->eps = t->eps;
	return image_size(m, o->image_size, notes, err);
}

/* A SigLIP's text tower has no mask, pools at its last place and reads a SentencePiece vocabulary. Where no file says
 * that this is one, its projection does, which has a bias, or the picture tower; where a file says something else, its
 * texts are not read at all. */
static void
set_text_kind(struct adds_clip *m)
{
	struct adds_clip_json *j = &m->json;
	const int siglip = m->cfg.siglip || adds_clip_param_find(&m->params, "text_projection.bias");

	if (siglip && !j->sentencepiece && !j->known) {
		j->causal = 0;
		j->last = j->sentencepiece = 1;
	}
	if (siglip && !j->sentencepiece && !j->tokenizer[0])
		snprintf(j->tokenizer, sizeof(j->tokenizer), "a vocabulary that its configuration does not name (its weights are a SigLIP's)");
	m->cfg.sentencepiece = j->sentencepiece;
	m->cfg.cleaning = j->cleaning;
}

static int
configure_text(struct adds_clip *m, const struct adds_clip_options *o, struct adds_error *err)
{
	struct adds_clip_config *c = &m->cfg;
	struct adds_clip_tower *t = &m->text;
	int rc;

	if ((rc = text_shapes(m, err)) < 0)
		return rc;
	t->D = c->d;
	t->layers = c->l;
	if ((rc = set_tower(m, t, &c->h, &m->json.text, "text tower", "transformer.resblocks.", o->text_heads, o, err)) < 0)
		return rc;
	c->text_act = t->act;
	c->text_eps = t->eps;
	set_text_kind(m);
	return 0;
}

int
adds_clip_configure(struct adds_clip *m, const struct adds_clip_options *o, struct adds_clip_notes *notes,
                    struct adds_error *err)
{
	int rc;

	if (m->params.other && (o->image_tower || !m->params.text))
		return adds_fail(err, ADDS_EFORMAT, "this is %s, which is not supported: plain ViT models and SigLIP are",
		                 m->params.other);
	if (!m->params.image && !m->params.text)
		return adds_fail(err, ADDS_EFORMAT, "no tensor has a name of CLIP's: this is another kind of model");
	if (o->image_tower && !m->params.image)
		return adds_fail(err, ADDS_EFORMAT, "these weights have no picture tower, only one for texts");
	if (o->text_tower && !m->params.text)
		return adds_fail(err, ADDS_EFORMAT, "these weights have no text tower, only one for pictures");
	if (m->params.image && !m->params.other && (!m->json.image.refused[0] || o->image_tower) &&
	    (rc = configure_image(m, o, notes, err)) < 0)
		return rc;
	if (m->params.text && (!m->json.text.refused[0] || o->text_tower) && (rc = configure_text(m, o, err)) < 0)
		return rc;
	if ((rc = set_logit(m, err)) < 0)
		return rc;
	set_pixels(m, o);
	return adds_clip_fingerprint(m, err);
}
