/* SPDX-License-Identifier: MIT
 * names.c - OpenCLIP's, Hugging Face's and timm's names for the same tensors */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../stream/record.h"
#include "names.h"

#define IMAGE_BLOCK "visual.transformer.resblocks."
#define TEXT_BLOCK "transformer.resblocks."

enum {
	TRANSPOSED = 1, /* [out, in] where the canonical tensor is [in, out] */
	SQUEEZED = 2,   /* leading dimensions of 1 are dropped */
};

/* whole names: the dialect's, the canonical one */
static const struct {
	int dialect;
	const char *theirs, *ours;
	int flags, part, parts;
} whole[] = {
	/* clang-format off */
	{ 1, "visual.class_embedding", "visual.class_embedding", 0, 0, 1 },
	{ 1, "visual.positional_embedding", "visual.positional_embedding", 0, 0, 1 },
	{ 1, "visual.conv1.weight", "visual.conv1.weight", 0, 0, 1 },
	{ 1, "visual.ln_pre.weight", "visual.ln_pre.weight", 0, 0, 1 },
	{ 1, "visual.ln_pre.bias", "visual.ln_pre.bias", 0, 0, 1 },
	{ 1, "visual.ln_post.weight", "visual.ln_post.weight", 0, 0, 1 },
	{ 1, "visual.ln_post.bias", "visual.ln_post.bias", 0, 0, 1 },
	{ 1, "visual.proj", "visual.proj", 0, 0, 1 },
	{ 5, "token_embedding.weight", "token_embedding.weight", 0, 0, 1 },
	{ 5, "positional_embedding", "positional_embedding", 0, 0, 1 },
	{ 5, "ln_final.weight", "ln_final.weight", 0, 0, 1 },
	{ 5, "ln_final.bias", "ln_final.bias", 0, 0, 1 },
	{ 5, "text_projection", "text_projection", 0, 0, 1 },
	{ 7, "text_projection.weight", "text_projection", TRANSPOSED, 0, 1 },
	{ 7, "text_projection.bias", "text_projection.bias", 0, 0, 1 },
	{ 7, "logit_scale", "logit_scale", SQUEEZED, 0, 1 },
	{ 7, "logit_bias", "logit_bias", SQUEEZED, 0, 1 },

	{ 2, "vision_model.embeddings.class_embedding", "visual.class_embedding", 0, 0, 1 },
	{ 2, "vision_model.embeddings.position_embedding.weight", "visual.positional_embedding", 0, 0, 1 },
	{ 2, "vision_model.embeddings.patch_embedding.weight", "visual.conv1.weight", 0, 0, 1 },
	{ 2, "vision_model.embeddings.patch_embedding.bias", "visual.conv1.bias", 0, 0, 1 },
	{ 2, "vision_model.pre_layrnorm.weight", "visual.ln_pre.weight", 0, 0, 1 },
	{ 2, "vision_model.pre_layrnorm.bias", "visual.ln_pre.bias", 0, 0, 1 },
	{ 2, "vision_model.pre_layernorm.weight", "visual.ln_pre.weight", 0, 0, 1 },
	{ 2, "vision_model.pre_layernorm.bias", "visual.ln_pre.bias", 0, 0, 1 },
	{ 2, "vision_model.post_layernorm.weight", "visual.ln_post.weight", 0, 0, 1 },
	{ 2, "vision_model.post_layernorm.bias", "visual.ln_post.bias", 0, 0, 1 },
	{ 2, "visual_projection.weight", "visual.proj", TRANSPOSED, 0, 1 },
	{ 2, "vision_model.head.probe", "visual.attn_pool.probe", SQUEEZED, 0, 1 },
	{ 2, "vision_model.head.attention.in_proj_weight", "visual.attn_pool.in_proj_weight", 0, 0, 1 },
	{ 2, "vision_model.head.attention.in_proj_bias", "visual.attn_pool.in_proj_bias", 0, 0, 1 },
	{ 2, "vision_model.head.attention.out_proj.weight", "visual.attn_pool.out_proj.weight", 0, 0, 1 },
	{ 2, "vision_model.head.attention.out_proj.bias", "visual.attn_pool.out_proj.bias", 0, 0, 1 },
	{ 2, "vision_model.head.layernorm.weight", "visual.attn_pool.ln.weight", 0, 0, 1 },
	{ 2, "vision_model.head.layernorm.bias", "visual.attn_pool.ln.bias", 0, 0, 1 },
	{ 2, "vision_model.head.mlp.fc1.weight", "visual.attn_pool.mlp.c_fc.weight", 0, 0, 1 },
	{ 2, "vision_model.head.mlp.fc1.bias", "visual.attn_pool.mlp.c_fc.bias", 0, 0, 1 },
	{ 2, "vision_model.head.mlp.fc2.weight", "visual.attn_pool.mlp.c_proj.weight", 0, 0, 1 },
	{ 2, "vision_model.head.mlp.fc2.bias", "visual.attn_pool.mlp.c_proj.bias", 0, 0, 1 },
	{ 2, "text_model.embeddings.token_embedding.weight", "token_embedding.weight", 0, 0, 1 },
	{ 2, "text_model.embeddings.position_embedding.weight", "positional_embedding", 0, 0, 1 },
	{ 2, "text_model.final_layer_norm.weight", "ln_final.weight", 0, 0, 1 },
	{ 2, "text_model.final_layer_norm.bias", "ln_final.bias", 0, 0, 1 },
	{ 2, "text_model.head.weight", "text_projection", TRANSPOSED, 0, 1 },
	{ 2, "text_model.head.bias", "text_projection.bias", 0, 0, 1 },

	{ 4, "visual.trunk.cls_token", "visual.class_embedding", SQUEEZED, 0, 1 },
	{ 4, "visual.trunk.pos_embed", "visual.positional_embedding", SQUEEZED, 0, 1 },
	{ 4, "visual.trunk.patch_embed.proj.weight", "visual.conv1.weight", 0, 0, 1 },
	{ 4, "visual.trunk.patch_embed.proj.bias", "visual.conv1.bias", 0, 0, 1 },
	{ 4, "visual.trunk.norm_pre.weight", "visual.ln_pre.weight", 0, 0, 1 },
	{ 4, "visual.trunk.norm_pre.bias", "visual.ln_pre.bias", 0, 0, 1 },
	{ 4, "visual.trunk.norm.weight", "visual.ln_post.weight", 0, 0, 1 },
	{ 4, "visual.trunk.norm.bias", "visual.ln_post.bias", 0, 0, 1 },
	{ 4, "visual.trunk.head.weight", "visual.proj", TRANSPOSED, 0, 1 },
	{ 4, "visual.trunk.head.bias", "visual.proj.bias", 0, 0, 1 },
	{ 4, "visual.head.proj.weight", "visual.proj", TRANSPOSED, 0, 1 },
	{ 4, "visual.head.proj.bias", "visual.proj.bias", 0, 0, 1 },
	{ 4, "visual.trunk.attn_pool.latent", "visual.attn_pool.probe", SQUEEZED, 0, 1 },
	{ 4, "visual.trunk.attn_pool.q.weight", "visual.attn_pool.in_proj_weight", 0, 0, 2 },
	{ 4, "visual.trunk.attn_pool.kv.weight", "visual.attn_pool.in_proj_weight", 0, 1, 2 },
	{ 4, "visual.trunk.attn_pool.q.bias", "visual.attn_pool.in_proj_bias", 0, 0, 2 },
	{ 4, "visual.trunk.attn_pool.kv.bias", "visual.attn_pool.in_proj_bias", 0, 1, 2 },
	{ 4, "visual.trunk.attn_pool.proj.weight", "visual.attn_pool.out_proj.weight", 0, 0, 1 },
	{ 4, "visual.trunk.attn_pool.proj.bias", "visual.attn_pool.out_proj.bias", 0, 0, 1 },
	{ 4, "visual.trunk.attn_pool.norm.weight", "visual.attn_pool.ln.weight", 0, 0, 1 },
	{ 4, "visual.trunk.attn_pool.norm.bias", "visual.attn_pool.ln.bias", 0, 0, 1 },
	{ 4, "visual.trunk.attn_pool.mlp.fc1.weight", "visual.attn_pool.mlp.c_fc.weight", 0, 0, 1 },
	{ 4, "visual.trunk.attn_pool.mlp.fc1.bias", "visual.attn_pool.mlp.c_fc.bias", 0, 0, 1 },
	{ 4, "visual.trunk.attn_pool.mlp.fc2.weight", "visual.attn_pool.mlp.c_proj.weight", 0, 0, 1 },
	{ 4, "visual.trunk.attn_pool.mlp.fc2.bias", "visual.attn_pool.mlp.c_proj.bias", 0, 0, 1 },
	/* clang-format on */
};

/* where the blocks of a tower begin; a number and a dot follow */
static const struct {
	int dialect;
	const char *theirs, *ours;
} blocks[] = {
	{ 1, IMAGE_BLOCK, IMAGE_BLOCK },
	{ 5, TEXT_BLOCK, TEXT_BLOCK },
	{ 2, "vision_model.encoder.layers.", IMAGE_BLOCK },
	{ 2, "text_model.encoder.layers.", TEXT_BLOCK },
	{ 4, "visual.trunk.blocks.", IMAGE_BLOCK },
};

/* what stands behind the number; timm's text towers are OpenCLIP's */
static const struct {
	int dialect;
	const char *theirs, *ours;
	int part, parts;
} inner[] = {
	/* clang-format off */
	{ 1, "ln_1.", "ln_1.", 0, 1 },
	{ 1, "ln_2.", "ln_2.", 0, 1 },
	{ 1, "attn.in_proj_weight", "attn.in_proj_weight", 0, 1 },
	{ 1, "attn.in_proj_bias", "attn.in_proj_bias", 0, 1 },
	{ 1, "attn.out_proj.", "attn.out_proj.", 0, 1 },
	{ 1, "mlp.c_fc.", "mlp.c_fc.", 0, 1 },
	{ 1, "mlp.c_proj.", "mlp.c_proj.", 0, 1 },
	{ 1, "ls_1.gamma", "ls_1.gamma", 0, 1 },
	{ 1, "ls_2.gamma", "ls_2.gamma", 0, 1 },
	{ 2, "layer_norm1.", "ln_1.", 0, 1 },
	{ 2, "layer_norm2.", "ln_2.", 0, 1 },
	{ 2, "self_attn.q_proj.weight", "attn.in_proj_weight", 0, 3 },
	{ 2, "self_attn.k_proj.weight", "attn.in_proj_weight", 1, 3 },
	{ 2, "self_attn.v_proj.weight", "attn.in_proj_weight", 2, 3 },
	{ 2, "self_attn.q_proj.bias", "attn.in_proj_bias", 0, 3 },
	{ 2, "self_attn.k_proj.bias", "attn.in_proj_bias", 1, 3 },
	{ 2, "self_attn.v_proj.bias", "attn.in_proj_bias", 2, 3 },
	{ 2, "self_attn.out_proj.", "attn.out_proj.", 0, 1 },
	{ 6, "mlp.fc1.", "mlp.c_fc.", 0, 1 },
	{ 6, "mlp.fc2.", "mlp.c_proj.", 0, 1 },
	{ 4, "norm1.", "ln_1.", 0, 1 },
	{ 4, "norm2.", "ln_2.", 0, 1 },
	{ 4, "attn.qkv.weight", "attn.in_proj_weight", 0, 1 },
	{ 4, "attn.qkv.bias", "attn.in_proj_bias", 0, 1 },
	{ 4, "attn.proj.", "attn.out_proj.", 0, 1 },
	{ 4, "ls1.gamma", "ls_1.gamma", 0, 1 },
	{ 4, "ls2.gamma", "ls_2.gamma", 0, 1 },
	/* clang-format on */
};

/* tensors by which architectures are known that are not ours */
static const struct {
	const char *name, *what;
} others[] = {
	{ "visual.trunk.blocks.0.mlp.fc1_g.weight", "an EVA02-CLIP" },
	{ "visual.trunk.patch_embed.backbone.0.conv.weight", "a MobileCLIP with a convolutional stem" },
	{ "visual.trunk.stem.0.weight", "a ConvNeXt CLIP" },
	{ "visual.layer1.0.conv1.weight", "a ResNet CLIP" },
	{ "visual.attn_pool.query", "a CoCa" },
	{ "visual.blocks.0.attn.qkv.weight", "an EVA-CLIP" },
	{ "image_encoder.model.patch_emb.0.block.conv.weight", "a MobileCLIP in Apple's own naming" },
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const char *
after(const char *s, const char *prefix)
{
	const size_t n = strlen(prefix);

	return strncmp(s, prefix, n) == 0 ? s + n : NULL;
}

/* Without the wrappings: "module." of data-parallel training, TinyCLIP's own prefixes, CustomText's "text.". */
static const char *
unwrap(const char *name)
{
	static const char *const wraps[] = { "module.", "_image_encoder.", "_text_encoder.", "_logit_scale.", "text." };
	const char *s;
	size_t i;

	for (i = 0; i < COUNT(wraps); i++)
		if ((s = after(name, wraps[i])) != NULL) {
			name = s;
			i = (size_t)-1;
		}
	return name;
}

struct meaning {
	char name[ADDS_CLIP_NAME];
	int dialect, flags, part, parts;
	int block; /* or -1 */
};

static int
read_block(struct meaning *m, const char *rest, const char *ours)
{
	const char *s;
	size_t i;
	int n = 0;

	if (*rest < '0' || *rest > '9')
		return 0;
	for (; *rest >= '0' && *rest <= '9' && n < ADDS_CLIP_MAX_LAYERS; rest++)
		n = 10 * n + *rest - '0';
	if (n >= ADDS_CLIP_MAX_LAYERS || *rest++ != '.')
		return 0;
	for (i = 0; i < COUNT(inner); i++) {
		if (!(s = after(rest, inner[i].theirs)))
			continue;
		if (*s && strcmp(s, "weight") != 0 && strcmp(s, "bias") != 0)
			continue;
		snprintf(m->name, sizeof(m->name), "%s%d.%s%s", ours, n, inner[i].ours, s);
		m->part = inner[i].part;
		m->parts = inner[i].parts;
		m->block = n;
		return 1;
	}
	return 0;
}

/* What a tensor's name means; 0 if no dialect has it. */
static int
translate(struct meaning *m, const char *name)
{
	const char *rest;
	size_t i;

	memset(m, 0, sizeof(*m));
	m->block = -1;
	name = unwrap(name);
	for (i = 0; i < COUNT(whole); i++)
		if (strcmp(name, whole[i].theirs) == 0) {
			snprintf(m->name, sizeof(m->name), "%s", whole[i].ours);
			m->dialect = whole[i].dialect;
			m->flags = whole[i].flags;
			m->part = whole[i].part;
			m->parts = whole[i].parts;
			return 1;
		}
	for (i = 0; i < COUNT(blocks); i++)
		if ((rest = after(name, blocks[i].theirs)) != NULL) {
			m->dialect = blocks[i].dialect;
			return read_block(m, rest, blocks[i].ours);
		}
	return 0;
}

static struct adds_clip_param *
param_for(struct adds_clip_params *p, const struct meaning *m)
{
	struct adds_clip_param *q;
	size_t i;

	for (i = p->n; i > 0; i--) /* parts are near each other */
		if (strcmp(p->p[i - 1].name, m->name) == 0)
			return &p->p[i - 1];
	q = &p->p[p->n++];
	memset(q, 0, sizeof(*q));
	memcpy(q->name, m->name, sizeof(q->name));
	q->parts = m->parts;
	q->transposed = m->flags & TRANSPOSED;
	return q;
}

static void
count_block(struct adds_clip_params *p, const struct meaning *m)
{
	int *layers = strncmp(m->name, "visual.", 7) == 0 ? &p->image_layers : &p->text_layers;

	if (m->block >= *layers)
		*layers = m->block + 1;
}

static int
add_tensor(struct adds_clip_params *p, const struct adds_weight *w, struct adds_error *err)
{
	struct adds_clip_param *q;
	struct meaning m;

	if (!translate(&m, w->name))
		return 0;
	if (w->dtype != ADDS_F32 && w->dtype != ADDS_F16 && w->dtype != ADDS_BF16)
		return adds_fail(err, ADDS_EFORMAT, "tensor '%s' is not of type F32, F16 or BF16", w->name);
	q = param_for(p, &m);
	if (q->parts != m.parts || q->part[m.part])
		return adds_fail(err, ADDS_EFORMAT, "tensor '%s' stands twice: as '%s' too", w->name,
		                 (q->part[m.part] ? q->part[m.part] : q->part[0] ? q->part[0]
		                                                                 : q->part[1])
		                         ->name);
	q->part[m.part] = w;
	q->dtype = w->dtype;
	q->rank = w->rank;
	memcpy(q->shape, w->shape, sizeof(q->shape));
	while (m.flags & SQUEEZED && q->rank > 0 && q->shape[0] == 1)
		memmove(q->shape, q->shape + 1, sizeof(q->shape[0]) * (size_t)--q->rank);
	if (q->transposed && q->rank == 2) {
		q->shape[0] = w->shape[1];
		q->shape[1] = w->shape[0];
	}
	p->dialects |= m.dialect & (m.dialect - 1) ? 0 : m.dialect;
	p->image |= strncmp(m.name, "visual.", 7) == 0;
	p->text |= strcmp(m.name, "token_embedding.weight") == 0 || strncmp(m.name, TEXT_BLOCK, strlen(TEXT_BLOCK)) == 0;
	if (m.block >= 0)
		count_block(p, &m);
	return 0;
}

/* Parts q, k and v (or q and kv) of one tensor must all be there and fit together. */
static int
join_parts(struct adds_clip_param *q, struct adds_error *err)
{
	const struct adds_weight *a;
	int i, d;

	for (i = 0; i < 3 && !q->part[i]; i++)
		;
	a = q->part[i];
	q->shape[0] = 0;
	for (i = 0; i < q->parts; i++) {
		const struct adds_weight *b = q->part[i];

		if (!b)
			return adds_fail(err, ADDS_EFORMAT, "part %d of %d of tensor '%s' is missing (there is '%s')", i + 1,
			                 q->parts, q->name, a->name);
		if (b->dtype != a->dtype || b->rank != a->rank || b->rank < 1)
			return adds_fail(err, ADDS_EFORMAT, "tensors '%s' and '%s' do not fit together", a->name, b->name);
		for (d = 1; d < b->rank; d++)
			if (b->shape[d] != a->shape[d])
				return adds_fail(err, ADDS_EFORMAT, "tensors '%s' and '%s' do not fit together", a->name,
				                 b->name);
		q->shape[0] += b->shape[0];
	}
	return 0;
}

static int
compare_params(const void *a, const void *b)
{
	return strcmp(((const struct adds_clip_param *)a)->name, ((const struct adds_clip_param *)b)->name);
}

int
adds_clip_params_init(struct adds_clip_params *p, const struct adds_weights *w, struct adds_error *err)
{
	size_t i;
	int rc;

	memset(p, 0, sizeof(*p));
	if (!(p->p = calloc(w->n + 1, sizeof(*p->p))))
		return adds_fail(err, ADDS_ENOMEM, "out of memory");
	for (i = 0; i < w->n; i++)
		if ((rc = add_tensor(p, &w->t[i], err)) < 0)
			return rc;
	for (i = 0; i < p->n; i++)
		if (p->p[i].parts > 1 && (rc = join_parts(&p->p[i], err)) < 0)
			return rc;
	qsort(p->p, p->n, sizeof(*p->p), compare_params);
	for (i = 0; i < COUNT(others); i++)
		if (adds_weights_find(w, others[i].name))
			p->other = others[i].what;
	return 0;
}

void
adds_clip_params_release(struct adds_clip_params *p)
{
	free(p->p);
	memset(p, 0, sizeof(*p));
}

const struct adds_clip_param *
adds_clip_param_find(const struct adds_clip_params *p, const char *name)
{
	struct adds_clip_param key;

	snprintf(key.name, sizeof(key.name), "%s", name);
	return p->n ? bsearch(&key, p->p, p->n, sizeof(*p->p), compare_params) : NULL;
}

static int
native_inner(char *out, size_t n, int dialect, const char *prefix, const char *rest)
{
	const char *s, *number = rest;
	size_t i;

	rest += strspn(rest, "0123456789");
	if (*rest++ != '.')
		return 0;
	for (i = 0; i < COUNT(inner); i++)
		if (inner[i].dialect & dialect && (s = after(rest, inner[i].ours)) != NULL) {
			snprintf(out, n, "%s%.*s%s%s", prefix, (int)(rest - number), number, inner[i].theirs, s);
			return 1;
		}
	return 0;
}

const char *
adds_clip_native_name(char *out, size_t n, const struct adds_clip_params *p, const char *name)
{
	const int text = strncmp(name, "visual.", 7) != 0;
	const int dialect = p->dialects & ADDS_CLIP_HF              ? ADDS_CLIP_HF
	                    : p->dialects & ADDS_CLIP_TIMM && !text ? ADDS_CLIP_TIMM
	                                                            : ADDS_CLIP_OPENCLIP;
	const char *rest;
	size_t i;

	snprintf(out, n, "%s", name);
	for (i = 0; i < COUNT(whole); i++)
		if (whole[i].dialect & dialect && strcmp(whole[i].ours, name) == 0) {
			snprintf(out, n, "%s", whole[i].theirs);
			return out;
		}
	for (i = 0; i < COUNT(blocks); i++)
		if (blocks[i].dialect & dialect && (rest = after(name, blocks[i].ours)) != NULL &&
		    native_inner(out, n, dialect, blocks[i].theirs, rest))
			return out;
	return out;
}

size_t
adds_clip_param_size(const struct adds_clip_param *p)
{
	size_t size = 0;
	int i;

	for (i = 0; i < p->parts; i++)
		size += p->part[i]->size;
	return size;
}

/* Element i of the canonical order lies at row i / cols, column i % cols; the file has [cols, rows]. */
static void
transposed_bytes(unsigned char *out, const struct adds_clip_param *p, size_t offset, size_t len)
{
	const size_t rows = (size_t)p->shape[0], cols = (size_t)p->shape[1];
	const size_t e = adds_dtype_size((enum adds_dtype)p->dtype);
	size_t i;

	for (i = 0; i < len; i++) {
		const size_t element = (offset + i) / e;

		out[i] = p->part[0]->data[((element % cols) * rows + element / cols) * e + (offset + i) % e];
	}
}

void
adds_clip_param_bytes(unsigned char *out, const struct adds_clip_param *p, size_t offset, size_t len)
{
	int i;

	if (p->transposed && p->rank == 2) {
		transposed_bytes(out, p, offset, len);
		return;
	}
	for (i = 0; i < p->parts && len; i++) {
		const size_t size = p->part[i]->size;
		const size_t n = offset >= size ? 0 : size - offset < len ? size - offset
		                                                          : len;

		memcpy(out, p->part[i]->data + (n ? offset : 0), n);
		out += n;
		len -= n;
		offset = n ? 0 : offset - size;
	}
}

void
adds_clip_param_floats(float *out, const struct adds_clip_param *p)
{
	const size_t e = adds_dtype_size((enum adds_dtype)p->dtype);
	size_t r, c;
	int i;

	if (p->transposed && p->rank == 2) {
		const size_t rows = (size_t)p->shape[0], cols = (size_t)p->shape[1];

		for (r = 0; r < rows; r++)
			for (c = 0; c < cols; c++)
				adds_weight_floats(out + r * cols + c, p->part[0], c * rows + r, 1);
		return;
	}
	for (i = 0; i < p->parts; i++) {
		const size_t n = p->part[i]->size / e;

		adds_weight_floats(out, p->part[i], 0, n);
		out += n;
	}
}
