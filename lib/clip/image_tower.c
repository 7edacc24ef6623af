/* SPDX-License-Identifier: MIT
 * image_tower.c - tiles to tokens in the joint space */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "image.h"

int
adds_clip_tile_tokens(const struct adds_clip *m, enum adds_tokens tokens, int pool)
{
	const int side = (m->cfg.g + pool - 1) / pool, patches = side * side;

	return tokens == ADDS_TOKENS_CLS ? 1 : tokens == ADDS_TOKENS_PATCH ? patches
	                                                                   : patches + 1;
}

/* ---- rows and windows ---- */

void
adds_clip_go_release(struct adds_clip_go *o)
{
	free((void *)(uintptr_t)o->patches.at);
	free((void *)(uintptr_t)o->ones.at);
	free((void *)(uintptr_t)o->tiles.at);
	free((void *)(uintptr_t)o->heads.at);
	free((void *)(uintptr_t)o->windows.at);
	free(o->pick);
	free(o->index);
}

/* The tokens of one tile: its class token's row, then windows of its patches, which begin at row first. Entries go
 * behind *used; at gets the end of each. */
static int64_t *
tile_windows(const struct adds_clip_go *o, int64_t *at, int64_t *used, int64_t cls, int64_t first, int g)
{
	const int K = o->pool, side = (g + K - 1) / K;
	int r, c, i, j;

	if (o->tokens != ADDS_TOKENS_PATCH) {
		o->index[(*used)++] = (int32_t)cls;
		*at++ = *used;
	}
	for (r = 0; r < side && o->tokens != ADDS_TOKENS_CLS; r++)
		for (c = 0; c < side; c++) {
			for (i = r * K; i < (r + 1) * K && i < g; i++)
				for (j = c * K; j < (c + 1) * K && j < g; j++)
					o->index[(*used)++] = (int32_t)(first + (int64_t)i * g + j);
			*at++ = *used;
		}
	return at;
}

/* Joint vectors lie as the residual stream does; of a class token alone, one a tile; SigLIP's
 * pooled vectors, which are no token of the stream, behind all patches. */
static void
fill_plan(struct adds_clip_go *o, const struct adds_clip *m, int64_t *tiles, int64_t *heads, int64_t *at, int64_t *patches,
          int64_t *ones)
{
	const int cls_only = o->tokens == ADDS_TOKENS_CLS, siglip = m->cfg.siglip, g = m->cfg.g;
	const int64_t N = m->cfg.N, g2 = (int64_t)g * g, n = o->n;
	int64_t used = 0, i;

	*at++ = 0;
	for (i = 0; i < n; i++) {
		const int64_t cls = cls_only ? i : siglip ? n * g2 + i
		                                          : i * N;

		tiles[i] = i * N;
		o->pick[i] = (int32_t)(i * N);
		heads[i] = cls_only ? i : i * N;
		at = tile_windows(o, at, &used, cls, siglip ? i * g2 : i * N + 1, g);
	}
	for (i = 0; i <= n; i++) {
		patches[i] = i * g2;
		ones[i] = i;
	}
	tiles[n] = n * N;
	heads[n] = cls_only ? n : n * N;
	for (i = 1; siglip && !cls_only && i <= n; i++)
		heads[n + i] = n * N + i;
	o->rows = cls_only ? n : n * N + (siglip ? n : 0);
	o->tiles = (struct segs){ n, tiles };
	o->patches = (struct segs){ n, patches };
	o->ones = (struct segs){ n, ones };
	o->heads = (struct segs){ siglip && !cls_only ? 2 * n : n, heads };
	o->windows = (struct segs){ n * o->per_tile, at - n * o->per_tile - 1 };
}

int
adds_clip_go_plan(struct adds_clip_go *o, const struct adds_clip *m, struct adds_error *err)
{
	const size_t n = (size_t)o->n, g2 = (size_t)m->cfg.g * (size_t)m->cfg.g;
	int64_t *tiles = malloc((n + 1) * sizeof(*tiles)), *heads = malloc((2 * n + 1) * sizeof(*heads));
	int64_t *at = malloc((n * (size_t)o->per_tile + 1) * sizeof(*at));
	int64_t *patches = malloc((n + 1) * sizeof(*patches)), *ones = malloc((n + 1) * sizeof(*ones));

	o->patches.at = patches;
	o->ones.at = ones;
	o->tiles.at = tiles;
	o->heads.at = heads;
	o->windows.at = at;
	o->pick = malloc(n * sizeof(*o->pick));
	o->index = malloc(n * (g2 + 1) * sizeof(*o->index));
	if (!tiles || !heads || !at || !patches || !ones || !o->pick || !o->index)
		return adds_fail(err, ADDS_ENOMEM, "out of memory");
	fill_plan(o, m, tiles, heads, at, patches, ones);
	return 0;
}

/* ---- the way through ---- */

/* Pixels to the residual stream: patches, their embedding (rows), positions, ln_pre. The positioned rows share their memory
 * with the patches, which are read no more. */
static int
embed(struct adds_clip *m, const struct adds_clip_go *o, struct mat x, const uint8_t *pixels, struct mat patches, struct mat rows,
      struct adds_error *err)
{
	const struct backend_ops *ops = m->b->ops;
	const struct adds_clip_config *c = &m->cfg;
	const int64_t g2 = (int64_t)c->g * c->g;
	const struct mat none = { 0 }, first = m->pre_w ? mat_of(patches.p, DT_F32, x.rows, x.cols) : x;
	int rc;

	if ((rc = ops->patchify(m->b, patches, pixels, m->table, o->n, c->S, c->P, err)) < 0 ||
	    (rc = ops->linear(m->b, rows, patches, m->conv, m->conv_b, ACT_NONE, none, o->patches, err)) < 0 ||
	    (rc = ops->embed_patches(m->b, first, rows, m->cls, m->image.pos, o->n, g2, err)) < 0 || !m->pre_w)
		return rc;
	return ops->layernorm(m->b, x, none, NULL, NULL, first, none, m->pre_w, m->pre_b, m->image.eps, err);
}

/* SigLIP's attention of one query over the normalised tokens of each tile; then, unless only that is wanted, the
 * values of all tokens in front of it: what the same head reads where it sees one token alone. */
static int
map_read(struct adds_clip *m, const struct adds_clip_go *o, struct mat a, struct mat kv, struct mat q, struct adds_error *err)
{
	const struct backend_ops *ops = m->b->ops;
	const int64_t D = m->cfg.D, n = o->n, patches = a.rows - n;
	const struct mat k = mat_part(kv, 0, kv.rows, 0, D), v = mat_part(kv, 0, kv.rows, D, D);
	const struct mat query = mat_of((void *)(uintptr_t)m->map.query, DT_F32, 1, D);
	const float scale = 1 / sqrtf((float)(D / m->map.heads));
	int32_t *zero = calloc((size_t)n, sizeof(*zero));
	int rc = 0;

	if (!zero)
		return adds_fail(err, ADDS_ENOMEM, "out of memory");
	if (patches && (rc = ops->copy(m->b, mat_part(a, 0, patches, 0, D), v, err)) < 0)
		goto out;
	if ((rc = ops->gather(m->b, q, query, zero, err)) == 0)
		rc = ops->attention(m->b, mat_part(a, patches, n, 0, D), NULL, q, k, v, m->map.heads, scale, 0, o->ones,
		                    o->tiles, err);
out:
	free(zero);
	return rc;
}

/* SigLIP's head: o + MLP(LN(o)) of what was read; z takes the place of the residual stream. */
static int
map_head(struct adds_clip *m, const struct adds_clip_go *o, struct adds_clip_work *w, struct mat t, struct mat *z,
         struct adds_error *err)
{
	const struct backend_ops *ops = m->b->ops;
	const struct adds_clip_map *p = &m->map;
	const int64_t D = m->cfg.D, R = o->rows;
	const struct mat none = { 0 }, kv = mat_of(w->qkv.p, m->type, t.rows, 2 * D), a = mat_of(w->a.p, m->type, R, D);
	const struct mat q = mat_of(w->h.p, m->type, o->n, D), y = mat_of(w->y.p, m->type, R, D);
	const struct mat h = mat_of(w->h.p, m->type, R, p->hidden), x = mat_of(w->x.p, DT_F32, R, D);
	int rc;

	*z = x;
	if ((rc = ops->linear(m->b, kv, t, p->kv, p->kv_b, ACT_NONE, none, o->tiles, err)) < 0 ||
	    (rc = map_read(m, o, a, kv, q, err)) < 0 ||
	    (rc = ops->linear(m->b, x, a, p->out, p->out_b, ACT_NONE, none, o->heads, err)) < 0 ||
	    (rc = ops->layernorm(m->b, y, none, NULL, NULL, x, none, p->ln_w, p->ln_b, m->image.eps, err)) < 0 ||
	    (rc = ops->linear(m->b, h, y, p->fc, p->fc_b, m->image.act, none, o->heads, err)) < 0)
		return rc;
	return ops->linear(m->b, x, h, p->proj, p->proj_b, ACT_NONE, x, o->heads, err);
}

/* Blocks, ln_post and the way into the joint space; *z: f32 [o->rows, E] */
static int
encode(struct adds_clip *m, const struct adds_clip_go *o, struct adds_clip_work *w, struct mat picked, struct mat *z,
       struct adds_error *err)
{
	const struct backend_ops *ops = m->b->ops;
	const struct adds_clip_tower *t = &m->image;
	const int32_t *pick = o->tokens == ADDS_TOKENS_CLS && !m->cfg.siglip ? o->pick : NULL;
	const struct mat none = { 0 };
	struct mat x = picked, y;
	int rc;

	if ((rc = adds_clip_blocks(m, t, w, &x, o->tiles, 0, pick, err)) < 0)
		return rc;
	y = mat_of(w->y.p, m->type, x.rows, x.cols);
	if ((rc = ops->layernorm(m->b, y, none, NULL, NULL, x, none, t->ln_w, t->ln_b, t->eps, err)) < 0)
		return rc;
	if (m->cfg.siglip)
		return map_head(m, o, w, y, z, err);
	return ops->linear(m->b, *z, y, t->proj, t->proj_b, ACT_NONE, none, o->heads, err);
}

/* ---- a call ---- */

static size_t
larger(size_t a, size_t b)
{
	return a > b ? a : b;
}

/* patches, and later positioned rows */
static size_t
patch_bytes(const struct adds_clip *m, int64_t n)
{
	const struct adds_clip_config *c = &m->cfg;
	const int64_t R = n * (c->N + c->siglip), g2 = (int64_t)c->g * c->g, P2 = 3 * (int64_t)c->P * c->P;

	return larger(adds_clip_arena_bytes(m->type, n * g2, P2), adds_clip_arena_bytes(DT_F32, R, c->D));
}

size_t
adds_clip_memory_bytes(const struct adds_clip *m, int64_t n, int per_tile)
{
	const struct adds_clip_config *c = &m->cfg;
	const int64_t R = n * (c->N + c->siglip), g2 = (int64_t)c->g * c->g;

	return adds_clip_work_bytes(m, &m->image, R) + patch_bytes(m, n) + adds_clip_arena_bytes(DT_F32, n * g2, c->D) +
	       adds_clip_arena_bytes(DT_F32, n, c->D) + adds_clip_arena_bytes(DT_F32, R, c->E) +
	       adds_clip_arena_bytes(DT_F32, n * per_tile, c->E);
}

void
adds_clip_memory_cut(struct adds_clip_memory *mem, struct adds_clip_arena *a, const struct adds_clip *m, int64_t n, int per_tile)
{
	const struct adds_clip_config *c = &m->cfg;
	const int64_t R = n * (c->N + c->siglip), g2 = (int64_t)c->g * c->g;

	adds_clip_work_open(&mem->w, a, m, &m->image, R);
	mem->w.x.rows = n * c->N;
	mem->patches = adds_clip_arena_mat(a, DT_U8, 1, (int64_t)patch_bytes(m, n));
	mem->patches = mat_of(mem->patches.p, m->type, n * g2, 3 * (int64_t)c->P * c->P);
	mem->rows = adds_clip_arena_mat(a, DT_F32, n * g2, c->D);
	mem->picked = adds_clip_arena_mat(a, DT_F32, n, c->D);
	mem->z = adds_clip_arena_mat(a, DT_F32, R, c->E);
	mem->out = adds_clip_arena_mat(a, DT_F32, n * per_tile, c->E);
}

int64_t
adds_clip_most_tiles(const struct adds_clip *m, int per_tile)
{
	const struct adds_clip_limits most = adds_clip_limits(m);
	const int64_t n = (int64_t)(most.bytes / adds_clip_memory_bytes(m, 1, per_tile));

	return n < 1 ? 1 : n > most.tiles ? most.tiles
	                                  : n;
}

int
adds_clip_image_run(struct adds_clip *m, const struct adds_clip_go *o, struct adds_clip_memory *mem, const uint8_t *pixels,
                    struct mat *z, struct adds_error *err)
{
	const struct backend_ops *ops = m->b->ops;
	int rc;

	*z = mat_of(mem->z.p, DT_F32, o->rows, m->cfg.E);
	if ((rc = embed(m, o, mem->w.x, pixels, mem->patches, mem->rows, err)) < 0 ||
	    (rc = encode(m, o, &mem->w, mem->picked, z, err)) < 0)
		return rc;
	if (z->rows != o->windows.n || o->pool > 1 || m->cfg.siglip) {
		if ((rc = ops->pool(m->b, mem->out, *z, o->index, o->windows, err)) < 0)
			return rc;
		*z = mem->out;
	}
	return o->unit ? ops->l2norm(m->b, *z, *z, 1e-12f, err) : 0;
}

static int
some_tiles(struct adds_clip *m, struct adds_clip_go *o, const uint8_t *tiles, float *out, struct adds_error *err)
{
	const int64_t tile = 3 * (int64_t)m->cfg.S * m->cfg.S;
	const size_t bytes = adds_clip_memory_bytes(m, o->n, o->per_tile) + adds_clip_arena_bytes(DT_U8, o->n, tile);
	struct adds_clip_arena a;
	struct adds_clip_memory mem;
	struct mat z, pixels;
	int rc;

	if ((rc = adds_clip_go_plan(o, m, err)) < 0 || (rc = adds_clip_arena_open(m, &a, bytes, err)) < 0)
		return rc;
	adds_clip_memory_cut(&mem, &a, m, o->n, o->per_tile);
	pixels = adds_clip_arena_mat(&a, DT_U8, o->n, tile);
	if ((rc = m->b->ops->put(m->b, pixels.p, tiles, (size_t)(o->n * tile), err)) < 0 ||
	    (rc = adds_clip_image_run(m, o, &mem, pixels.p, &z, err)) < 0)
		return rc;
	return m->b->ops->get(m->b, out, z.p, (size_t)(z.rows * z.cols) * sizeof(*out), err);
}

/* Where the device has no memory for so many tiles at once, half of them are tried. */
static int
all_tiles(struct adds_clip *m, const uint8_t *tiles, int64_t n, enum adds_tokens tokens, int pool, int unit, float *out,
          struct adds_error *err)
{
	const size_t side = (size_t)m->cfg.S;
	const int per_tile = adds_clip_tile_tokens(m, tokens, pool);
	int64_t chunk, i = 0;
	int rc;

	if (!m->image.ready)
		return adds_fail(err, ADDS_EARG, "model '%s' was opened without its picture tower", m->cfg.name);
	chunk = adds_clip_most_tiles(m, per_tile);
	while (i < n) {
		struct adds_clip_go o = { .n = n - i < chunk ? n - i : chunk, .tokens = tokens, .pool = pool, .unit = unit };

		o.per_tile = per_tile;
		rc = some_tiles(m, &o, tiles + (size_t)i * side * side * 3, out + (size_t)i * (size_t)per_tile * (size_t)m->cfg.E,
		                err);
		adds_clip_go_release(&o);
		if (rc == ADDS_ENOMEM && o.n > 1)
			chunk = o.n / 2;
		else if (rc < 0)
			return rc;
		else
			i += o.n;
	}
	return 0;
}

int
adds_clip_images(struct adds_clip *m, const uint8_t *tiles, int64_t n, enum adds_tokens tokens, int pool, float *out,
                 struct adds_error *err)
{
	return all_tiles(m, tiles, n, tokens, pool, 1, out, err);
}

int
adds_clip_images_raw(struct adds_clip *m, const uint8_t *tiles, int64_t n, enum adds_tokens tokens, float *out,
                     struct adds_error *err)
{
	return all_tiles(m, tiles, n, tokens, 1, 0, out, err);
}
