/* SPDX-License-Identifier: MIT
 * blocks.c - the transformer that both towers are made of (Radford et al.
 * 2021; pre-norm blocks as in OpenCLIP) */
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model.h"

enum {
	ALIGN = 256,
	ALIAS = 4096, /* bytes: rows so far apart, or a multiple, share places in a processor's caches */
	APART = 64,   /* bytes that such rows are moved apart */
};

/* ---- memory of a call ---- */

size_t
adds_clip_arena_bytes(enum dtype t, int64_t rows, int64_t cols)
{
	return ((size_t)rows * (size_t)cols * dtype_size(t) + ALIGN - 1) / ALIGN * ALIGN;
}

struct adds_clip_limits
adds_clip_limits(const struct adds_clip *m)
{
	const int64_t threads = m->b->threads;

	if (m->b->memory)
		return (struct adds_clip_limits){ m->b->memory / 2 < (size_t)4 << 30
			                                  ? m->b->memory / 2
			                                  : (size_t)4 << 30,
			                          1024, 32768 };
	return (struct adds_clip_limits){ (size_t)256 << 20, threads > 32 ? threads : 32, 4096 };
}

int
adds_clip_arena_open(struct adds_clip *m, struct adds_clip_arena *a, size_t bytes, struct adds_error *err)
{
	int rc;

	if (bytes > m->arena_size) {
		m->b->ops->release(m->b, m->arena);
		m->arena = NULL;
		m->arena_size = 0;
		if ((rc = m->b->ops->alloc(m->b, &m->arena, bytes, err)) < 0)
			return rc;
		m->arena_size = bytes;
	}
	a->p = m->arena;
	a->size = m->arena_size;
	a->used = 0;
	return 0;
}

struct mat
adds_clip_arena_mat(struct adds_clip_arena *a, enum dtype t, int64_t rows, int64_t cols)
{
	const struct mat x = mat_of(a->p + a->used, t, rows, cols);

	a->used += adds_clip_arena_bytes(t, rows, cols);
	assert(a->used <= a->size);
	return x;
}

/* y holds normalised rows, and once queries: the wider of both */
static int64_t
y_width(const struct adds_clip_tower *t)
{
	return t->inner > t->D ? t->inner : t->D;
}

/* columns that memory for so many is taken with: rows may be moved apart in it */
static int64_t
room(enum dtype t, int64_t cols)
{
	return cols + APART / (int64_t)dtype_size(t);
}

size_t
adds_clip_work_bytes(const struct adds_clip *m, const struct adds_clip_tower *t, int64_t rows)
{
	return adds_clip_arena_bytes(DT_F32, rows, t->D) + adds_clip_arena_bytes(m->type, rows, room(m->type, y_width(t))) +
	       adds_clip_arena_bytes(m->type, rows, room(m->type, 3 * (int64_t)t->inner)) +
	       adds_clip_arena_bytes(m->type, rows, room(m->type, t->inner)) +
	       adds_clip_arena_bytes(m->type, rows, room(m->type, t->hidden));
}

void
adds_clip_work_open(struct adds_clip_work *w, struct adds_clip_arena *a, const struct adds_clip *m,
                    const struct adds_clip_tower *t, int64_t rows)
{
	w->x = adds_clip_arena_mat(a, DT_F32, rows, t->D);
	w->y = adds_clip_arena_mat(a, m->type, rows, room(m->type, y_width(t)));
	w->qkv = adds_clip_arena_mat(a, m->type, rows, room(m->type, 3 * (int64_t)t->inner));
	w->a = adds_clip_arena_mat(a, m->type, rows, room(m->type, t->inner));
	w->h = adds_clip_arena_mat(a, m->type, rows, room(m->type, t->hidden));
}

/* ---- one block ---- */

/* rows and columns in a piece of memory: closely packed, or where that would be bad for the caches a little apart */
static struct mat
use(struct mat x, int64_t rows, int64_t cols)
{
	struct mat y = mat_of(x.p, x.t, rows, cols);

	if (cols * (int64_t)dtype_size(x.t) % ALIAS == 0)
		y.ld = room(x.t, cols);
	return y;
}

/* x += proj(act(fc(ln2(x)))) */
static int
mlp(struct adds_clip *m, const struct adds_clip_tower *t, const struct adds_clip_block *k, struct adds_clip_work *w,
    struct mat x, struct segs s, struct adds_error *err)
{
	const struct backend_ops *ops = m->b->ops;
	const struct mat none = { 0 }, y = use(w->y, x.rows, t->D), h = use(w->h, x.rows, k->hidden);
	int rc;

	if ((rc = ops->layernorm(m->b, y, none, NULL, NULL, x, none, k->ln2_w, k->ln2_b, t->eps, err)) < 0 ||
	    (rc = ops->linear(m->b, h, y, k->fc, k->fc_b, t->act, none, s, err)) < 0)
		return rc;
	return ops->linear(m->b, x, h, k->proj, k->proj_b, ACT_NONE, x, s, err);
}

/* q, k and v of all rows of x */
static int
queries(struct adds_clip *m, const struct adds_clip_tower *t, const struct adds_clip_block *k, struct adds_clip_work *w,
        struct mat qkv[3], struct segs s, struct adds_error *err)
{
	const struct backend_ops *ops = m->b->ops;
	const struct mat none = { 0 }, y = use(w->y, w->x.rows, t->D), all = use(w->qkv, w->x.rows, 3 * (int64_t)k->inner);
	int i, rc;

	for (i = 0; i < 3; i++)
		qkv[i] = mat_part(all, 0, all.rows, (int64_t)i * k->inner, k->inner);
	if ((rc = ops->layernorm(m->b, y, none, NULL, NULL, w->x, none, k->ln1_w, k->ln1_b, t->eps, err)) < 0)
		return rc;
	return ops->linear(m->b, all, y, k->qkv, k->qkv_b, ACT_NONE, none, s, err);
}

static int
block(struct adds_clip *m, const struct adds_clip_tower *t, const struct adds_clip_block *k, struct adds_clip_work *w,
      struct segs s, int causal, struct adds_error *err)
{
	const struct mat a = use(w->a, w->x.rows, k->inner);
	const float scale = 1 / sqrtf((float)t->hd);
	struct mat q[3];
	int rc;

	if ((rc = queries(m, t, k, w, q, s, err)) < 0 ||
	    (rc = m->b->ops->attention(m->b, a, NULL, q[0], q[1], q[2], k->heads, scale, causal, s, s, err)) < 0 ||
	    (rc = m->b->ops->linear(m->b, w->x, a, k->out, k->out_b, ACT_NONE, w->x, s, err)) < 0)
		return rc;
	return mlp(m, t, k, w, w->x, s, err);
}

/* The last block for the picked rows alone: keys and values of all rows, the rest of s.n rows. A picked row sees
 * all keys of its segment (with a causal mask it is its segment's last). */
static int
last_block(struct adds_clip *m, const struct adds_clip_tower *t, const struct adds_clip_block *k, struct adds_clip_work *w,
           struct mat *out, struct segs s, const int32_t *pick, struct adds_error *err)
{
	const struct backend_ops *ops = m->b->ops;
	const float scale = 1 / sqrtf((float)t->hd);
	const struct mat a = use(w->a, s.n, k->inner);
	struct mat q[3], picked, x;
	int64_t *at, i;
	struct segs one;
	int rc;

	if (!(at = malloc(((size_t)s.n + 1) * sizeof(*at))))
		return adds_fail(err, ADDS_ENOMEM, "out of memory");
	for (i = 0; i <= s.n; i++)
		at[i] = i;
	one = (struct segs){ s.n, at };
	if ((rc = queries(m, t, k, w, q, s, err)) < 0)
		goto out;
	picked = use(w->y, s.n, k->inner);
	x = *out;
	if ((rc = ops->gather(m->b, picked, q[0], pick, err)) < 0 || (rc = ops->gather(m->b, x, w->x, pick, err)) < 0 ||
	    (rc = ops->attention(m->b, a, NULL, picked, q[1], q[2], k->heads, scale, 0, one, s, err)) < 0 ||
	    (rc = ops->linear(m->b, x, a, k->out, k->out_b, ACT_NONE, x, one, err)) < 0)
		goto out;
	rc = mlp(m, t, k, w, x, one, err);
out:
	free(at);
	return rc;
}

int
adds_clip_blocks(struct adds_clip *m, const struct adds_clip_tower *t, struct adds_clip_work *w, struct mat *out,
                 struct segs s, int causal, const int32_t *pick, struct adds_error *err)
{
	int i, rc;

	for (i = 0; i < t->layers - (pick != NULL); i++)
		if ((rc = block(m, t, &t->block[i], w, s, causal, err)) < 0)
			return rc;
	if (pick)
		return last_block(m, t, &t->block[i], w, out, s, pick, err);
	*out = w->x;
	return 0;
}
