/* SPDX-License-Identifier: MIT
 *
 * mkmodel.h - for mkmodel.c alone: the shapes of models, which tensors they
 * have, what these are called in each naming, and their values.
 */
#ifndef MKMODEL_H
#define MKMODEL_H

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct shape {
	const char *name;
	int S, P, D, L, H, M, E; /* picture tower */
	int d, l, h, C, V;       /* text tower; its hidden layer is 4·d wide */
	int mini;                /* the fixed gains of the small model */
};

static const struct shape shapes[] = {
	/* clang-format off */
	{ "mini", 32, 8, 128, 2, 2, 512, 32, 128, 2, 2, 77, 49408, 1 },
	{ "b32", 224, 32, 768, 12, 12, 3072, 512, 512, 12, 8, 77, 49408, 0 },
	{ "b16", 224, 16, 768, 12, 12, 3072, 512, 512, 12, 8, 77, 49408, 0 },
	{ "l14", 224, 14, 1024, 24, 16, 4096, 768, 768, 12, 12, 77, 49408, 0 },
	{ "l14-336", 336, 14, 1024, 24, 16, 4096, 768, 768, 12, 12, 77, 49408, 0 },
	{ "h14", 224, 14, 1280, 32, 16, 5120, 1024, 1024, 24, 16, 77, 49408, 0 },
	{ "tinyclip-8m", 224, 16, 256, 10, 4, 1024, 512, 256, 3, 4, 77, 49408, 0 },
	{ "tinyclip-40m", 224, 32, 512, 12, 8, 2048, 512, 512, 6, 8, 77, 49408, 0 },
	{ "siglip", 48, 16, 128, 2, 2, 256, 128, 128, 2, 2, 16, 1000, 0 },
	/* clang-format on */
};

static struct {
	struct shape s;
	enum { OPENCLIP,
	       HF,
	       TINYCLIP,
	       CUSTOM } naming;
	enum { F32,
	       F16,
	       BF16 } dtype;
	const char *act;
	int image, text, config, siglip, pruned, scale;
} o = { .act = "gelu", .image = 1, .text = 1, .config = 1 };

static void
fail(const char *what)
{
	fprintf(stderr, "mkmodel: %s\n", what);
	exit(1);
}

/* ---- which tensors ---- */

struct tensor {
	char name[96]; /* OpenCLIP's */
	int rank;
	int64_t shape[4];
};

/* one tensor of the file: rows of a canonical one, or its transpose */
struct piece {
	char name[160];
	size_t tensor;
	int64_t row, rows;
	int transposed;
};

static struct tensor tensors[8192];
static struct piece pieces[16384];
static size_t ntensors, npieces;

static struct tensor *
add(int rank, int64_t a, int64_t b, const char *fmt, int i)
{
	struct tensor *t = &tensors[ntensors++];

	snprintf(t->name, sizeof(t->name), fmt, i);
	t->rank = rank;
	t->shape[0] = a;
	t->shape[1] = b;
	return t;
}

static void
add_norm(const char *name, int64_t n)
{
	char full[96];

	snprintf(full, sizeof(full), "%s.weight", name);
	add(1, n, 0, full, 0);
	snprintf(full, sizeof(full), "%s.bias", name);
	add(1, n, 0, full, 0);
}

static void
add_linear(const char *name, int64_t out, int64_t in)
{
	char full[96];

	snprintf(full, sizeof(full), "%s.weight", name);
	add(2, out, in, full, 0);
	snprintf(full, sizeof(full), "%s.bias", name);
	add(1, out, 0, full, 0);
}

/* A block whose heads and hidden layer are pruned by its number where that is asked for. */
static void
add_block(const char *tower, int i, int64_t D, int heads, int64_t M)
{
	const int64_t inner = D / heads * (o.pruned ? heads - i % heads : heads), hidden = o.pruned ? M - 16 * i : M;
	char p[64], name[96];

	snprintf(p, sizeof(p), "%stransformer.resblocks.%d", tower, i);
	snprintf(name, sizeof(name), "%s.ln_1", p);
	add_norm(name, D);
	snprintf(name, sizeof(name), "%s.attn.in_proj_weight", p);
	add(2, 3 * inner, D, name, 0);
	snprintf(name, sizeof(name), "%s.attn.in_proj_bias", p);
	add(1, 3 * inner, 0, name, 0);
	snprintf(name, sizeof(name), "%s.attn.out_proj", p);
	add_linear(name, D, inner);
	snprintf(name, sizeof(name), "%s.ln_2", p);
	add_norm(name, D);
	snprintf(name, sizeof(name), "%s.mlp.c_fc", p);
	add_linear(name, hidden, D);
	snprintf(name, sizeof(name), "%s.mlp.c_proj", p);
	add_linear(name, D, hidden);
	if (!o.scale)
		return;
	snprintf(name, sizeof(name), "%s.ls_1.gamma", p);
	add(1, D, 0, name, 0);
	snprintf(name, sizeof(name), "%s.ls_2.gamma", p);
	add(1, D, 0, name, 0);
}

static void
add_image(void)
{
	const struct shape *s = &o.s;
	const int64_t g = s->S / s->P;
	struct tensor *t;
	int i;

	t = add(4, s->D, 3, "visual.conv1.weight", 0);
	t->shape[2] = t->shape[3] = s->P;
	if (o.siglip)
		add(1, s->D, 0, "visual.conv1.bias", 0);
	else
		add(1, s->D, 0, "visual.class_embedding", 0);
	add(2, g * g + !o.siglip, s->D, "visual.positional_embedding", 0);
	if (!o.siglip)
		add_norm("visual.ln_pre", s->D);
	for (i = 0; i < s->L; i++)
		add_block("visual.", i, s->D, s->H, s->M);
	add_norm("visual.ln_post", s->D);
	if (!o.siglip) {
		add(2, s->D, s->E, "visual.proj", 0);
		return;
	}
	add(1, s->D, 0, "visual.attn_pool.probe", 0);
	add(2, 3 * s->D, s->D, "visual.attn_pool.in_proj_weight", 0);
	add(1, 3 * s->D, 0, "visual.attn_pool.in_proj_bias", 0);
	add_linear("visual.attn_pool.out_proj", s->D, s->D);
	add_norm("visual.attn_pool.ln", s->D);
	add_linear("visual.attn_pool.mlp.c_fc", s->M, s->D);
	add_linear("visual.attn_pool.mlp.c_proj", s->D, s->M);
}

static void
add_text(void)
{
	const struct shape *s = &o.s;
	int i;

	add(2, s->V, s->d, "token_embedding.weight", 0);
	add(2, s->C, s->d, "positional_embedding", 0);
	for (i = 0; i < s->l; i++)
		add_block("", i, s->d, s->h, 4 * s->d);
	add_norm("ln_final", s->d);
	add(2, s->d, s->E, "text_projection", 0);
	if (o.siglip)
		add(1, s->E, 0, "text_projection.bias", 0);
}

/* ---- names ---- */

static const struct {
	const char *ours, *hf;
} names[] = {
	/* clang-format off */
	{ "visual.class_embedding", "vision_model.embeddings.class_embedding" },
	{ "visual.positional_embedding", "vision_model.embeddings.position_embedding.weight" },
	{ "visual.conv1.", "vision_model.embeddings.patch_embedding." },
	{ "visual.ln_pre.", "vision_model.pre_layrnorm." },
	{ "visual.ln_post.", "vision_model.post_layernorm." },
	{ "visual.proj", "visual_projection.weight" },
	{ "visual.attn_pool.probe", "vision_model.head.probe" },
	{ "visual.attn_pool.in_proj_weight", "vision_model.head.attention.in_proj_weight" },
	{ "visual.attn_pool.in_proj_bias", "vision_model.head.attention.in_proj_bias" },
	{ "visual.attn_pool.out_proj.", "vision_model.head.attention.out_proj." },
	{ "visual.attn_pool.ln.", "vision_model.head.layernorm." },
	{ "visual.attn_pool.mlp.c_fc.", "vision_model.head.mlp.fc1." },
	{ "visual.attn_pool.mlp.c_proj.", "vision_model.head.mlp.fc2." },
	{ "token_embedding.", "text_model.embeddings.token_embedding." },
	{ "positional_embedding", "text_model.embeddings.position_embedding.weight" },
	{ "ln_final.", "text_model.final_layer_norm." },
	{ "text_projection.bias", "text_model.head.bias" },
	{ "text_projection", "text_projection.weight" },
	{ "logit_scale", "logit_scale" },
	{ "logit_bias", "logit_bias" },
}, inner[] = {
	{ "ln_1.", "layer_norm1." },
	{ "ln_2.", "layer_norm2." },
	{ "attn.out_proj.", "self_attn.out_proj." },
	{ "mlp.c_fc.", "mlp.fc1." },
	{ "mlp.c_proj.", "mlp.fc2." },
	  /* clang-format on */
  };

static struct piece *
add_piece(size_t tensor, const char *name, int64_t row, int64_t rows)
{
	struct piece *p = &pieces[npieces++];

	snprintf(p->name, sizeof(p->name), "%.159s", name);
	p->tensor = tensor;
	p->row = row;
	p->rows = rows;
	return p;
}

static int
starts(const char *s, const char *with)
{
	return strncmp(s, with, strlen(with)) == 0;
}

static void
hf_block(size_t i, const char *rest, const char *tower)
{
	const int64_t rows = tensors[i].shape[0];
	char name[160];
	const char *in = strchr(rest, '.') + 1;
	size_t k;
	int part;

	for (k = 0; k < sizeof(inner) / sizeof(inner[0]); k++)
		if (starts(in, inner[k].ours)) {
			snprintf(name, sizeof(name), "%s.encoder.layers.%.*s%s%s", tower, (int)(in - rest), rest, inner[k].hf,
			         in + strlen(inner[k].ours));
			add_piece(i, name, 0, rows);
		}
	for (part = 0; part < 3 && starts(in, "attn.in_proj_"); part++) {
		snprintf(name, sizeof(name), "%s.encoder.layers.%.*sself_attn.%c_proj.%s", tower, (int)(in - rest), rest,
		         "qkv"[part], in + strlen("attn.in_proj_"));
		add_piece(i, name, part * rows / 3, rows / 3);
	}
}

static void
hf_pieces(size_t i)
{
	const struct tensor *t = &tensors[i];
	char name[160];
	size_t k;

	if (starts(t->name, "visual.transformer.resblocks.")) {
		hf_block(i, t->name + strlen("visual.transformer.resblocks."), "vision_model");
		return;
	}
	if (starts(t->name, "transformer.resblocks.")) {
		hf_block(i, t->name + strlen("transformer.resblocks."), "text_model");
		return;
	}
	for (k = 0; k < sizeof(names) / sizeof(names[0]); k++)
		if (starts(t->name, names[k].ours)) {
			snprintf(name, sizeof(name), "%s%s", names[k].hf, t->name + strlen(names[k].ours));
			if (o.siglip && strcmp(t->name, "text_projection") == 0)
				snprintf(name, sizeof(name), "text_model.head.weight");
			add_piece(i, name, 0, t->rank ? t->shape[0] : 1)->transposed =
				strcmp(t->name, "visual.proj") == 0 || strcmp(t->name, "text_projection") == 0;
			return;
		}
}

static void
other_piece(size_t i)
{
	const struct tensor *t = &tensors[i];
	const int text = !starts(t->name, "visual."), scale = starts(t->name, "logit_");
	char name[160];

	if (o.naming == TINYCLIP)
		snprintf(name, sizeof(name), "module.%s%.95s", scale ? "_logit_scale." : text ? "_text_encoder.module."
		                                                                              : "_image_encoder.module.",
		         t->name);
	else if (o.naming == CUSTOM)
		snprintf(name, sizeof(name), "%s%.95s", text && !scale ? "text." : "", t->name);
	else
		snprintf(name, sizeof(name), "%.95s", t->name);
	add_piece(i, name, 0, t->rank ? t->shape[0] : 1);
}

/* ---- values ---- */

/* The factor of u: fixed in the small model; else grows as the root of 1/inputs. */
static double
gain_of(const struct tensor *t)
{
	const int projection = strcmp(t->name, "visual.proj") == 0 || strcmp(t->name, "text_projection") == 0;
	const double inputs = projection ? (double)t->shape[0] : t->rank == 4 ? (double)(3 * t->shape[2] * t->shape[3])
	                                                                      : (double)t->shape[1];
	const char *dot = strrchr(t->name, '.');

	if (strstr(t->name, "ln_") || strstr(t->name, ".ln."))
		return 0.25;
	if (dot && strlen(dot) > 4 && strcmp(dot + strlen(dot) - 4, "bias") == 0)
		return 0.125;
	if (strstr(t->name, "class_embedding") || strstr(t->name, "positional_embedding") || strstr(t->name, "token_embedding") ||
	    strstr(t->name, "probe") || strstr(t->name, "gamma"))
		return 0.5;
	if (o.s.mini)
		return projection ? 0.25 : 0.125;
	return (projection ? 2 : 1) * sqrt(2.0 / inputs);
}

/* s0 = FNV-1a of the name; s = 1664525·s + 1013904223; u = (s >> 8)/2^23 − 1; gain·u, plus 1 for the weights of norms and
 * for LayerScale. logit_scale is 4, logit_bias −3. */
static void
fill(float *v, const struct tensor *t, int64_t n)
{
	const double gain = gain_of(t);
	const size_t len = strlen(t->name);
	const int norm = strstr(t->name, "ln_") || strstr(t->name, ".ln.");
	const double base = (norm && strcmp(t->name + len - 6, "weight") == 0) || strstr(t->name, "gamma") ? 1 : 0;
	uint32_t s = 2166136261u;
	const char *c;
	int64_t i;

	for (c = t->name; *c; c++)
		s = (s ^ (unsigned char)*c) * 16777619u;
	for (i = 0; i < n; i++) {
		s = s * 1664525u + 1013904223u;
		v[i] = (float)(base + gain * ((s >> 8) / 8388608.0 - 1));
	}
	if (strcmp(t->name, "logit_scale") == 0)
		v[0] = 4;
	if (strcmp(t->name, "logit_bias") == 0)
		v[0] = -3;
}

static int64_t
elements(const struct tensor *t)
{
	int64_t n = 1;
	int i;

	for (i = 0; i < t->rank; i++)
		n *= t->shape[i];
	return n;
}

#endif
