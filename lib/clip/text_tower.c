/* SPDX-License-Identifier: MIT
 * text_tower.c - token ids to embeddings. The mask is causal, so that tokens
 * behind the pooled one change nothing: they are not computed, and prompts
 * lie one behind the other at their real lengths. */
#include <stdlib.h>
#include <string.h>

#include "../dtype.h"
#include "../stream/record.h"
#include "model.h"

/* the prompts of one go */
struct batch {
	int64_t n, rows;
	int64_t *at;          /* n + 1 */
	int32_t *place, *row; /* of each token: its position, its row of the gathered table */
	int32_t *pick;        /* of each prompt: the row that is pooled */
	unsigned char *table; /* host: the embedding of each token, as the file has it */
	size_t width;         /* bytes of one */
};

/* Where a prompt is pooled: at its first end token; where the model has none of its own, at its first largest id. */
static int64_t
pooled(const struct adds_clip *m, const int32_t *ids, int64_t n)
{
	int64_t i, most = 0;

	if (m->json.last)
		return m->cfg.C - 1;
	for (i = 0; m->json.eos >= 0 && i < n; i++)
		if (ids[i] == m->json.eos)
			return i;
	for (i = 1; i < n; i++)
		if (ids[i] > ids[most])
			most = i;
	return most;
}

/* tokens that take part; pads do where there is no mask */
static int64_t
length(const struct adds_clip *m, const int32_t *ids, int64_t n)
{
	return m->json.causal && !m->json.last ? pooled(m, ids, n) + 1 : m->cfg.C;
}

static int
check(const struct adds_clip *m, const int32_t *ids, const int64_t *at, int64_t n, struct adds_error *err)
{
	int64_t i, j;

	if (!m->text.ready)
		return adds_fail(err, ADDS_EARG, "model '%s' was opened without its text tower", m->cfg.name);
	for (i = 0; i < n; i++) {
		if (at[i + 1] <= at[i] || at[i + 1] - at[i] > m->cfg.C)
			return adds_fail(err, ADDS_EARG, "prompt %lld has %lld tokens, the model takes 1 to %d", (long long)i,
			                 (long long)(at[i + 1] - at[i]), m->cfg.C);
		for (j = at[i]; j < at[i + 1]; j++)
			if (ids[j] < 0 || ids[j] >= m->cfg.V)
				return adds_fail(err, ADDS_EARG, "prompt %lld: token %d is not in the vocabulary of %d",
				                 (long long)i, (int)ids[j], m->cfg.V);
	}
	return 0;
}

static void
release(struct batch *b)
{
	free(b->at);
	free(b->place);
	free(b->row);
	free(b->pick);
	free(b->table);
}

static int
reserve(struct batch *b, const struct adds_clip *m, struct adds_error *err)
{
	const size_t rows = (size_t)b->rows, n = (size_t)b->n;

	b->width = (size_t)m->cfg.d * adds_dtype_size((enum adds_dtype)m->tokens->dtype);
	b->at = malloc((n + 1) * sizeof(*b->at));
	b->place = malloc(rows * sizeof(*b->place));
	b->row = malloc(rows * sizeof(*b->row));
	b->pick = malloc(n * sizeof(*b->pick));
	b->table = malloc(rows * b->width);
	return b->at && b->place && b->row && b->pick && b->table ? 0 : adds_fail(err, ADDS_ENOMEM, "out of memory");
}

/* Lays out prompts 0 … b->n-1 of ids and gathers what the table has for their tokens. */
static void
fill(struct batch *b, const struct adds_clip *m, const int32_t *ids, const int64_t *at)
{
	const unsigned char *table = m->tokens->part[0]->data;
	int64_t i, j, r = 0;

	for (i = 0; i < b->n; i++) {
		const int32_t *id = ids + at[i];
		const int64_t n = at[i + 1] - at[i], len = length(m, id, n);

		b->at[i] = r;
		b->pick[i] = (int32_t)(r + pooled(m, id, n));
		for (j = 0; j < len; j++, r++) {
			const int32_t token = j < n ? id[j] : m->json.pad < m->cfg.V ? m->json.pad
			                                                             : 0;

			b->place[r] = (int32_t)j;
			b->row[r] = (int32_t)r;
			memcpy(b->table + (size_t)r * b->width, table + (size_t)token * b->width, b->width);
		}
	}
	b->at[b->n] = r;
}

/* ln_final, projection, length of the pooled rows x */
static int
project(struct adds_clip *m, struct adds_clip_work *w, struct mat x, struct mat z, struct segs s, int normalise,
        struct adds_error *err)
{
	const struct backend_ops *ops = m->b->ops;
	const struct adds_clip_tower *t = &m->text;
	const struct mat none = { 0 }, y = mat_of(w->y.p, m->type, x.rows, x.cols);
	int rc;

	if ((rc = ops->layernorm(m->b, y, none, NULL, NULL, x, none, t->ln_w, t->ln_b, t->eps, err)) < 0 ||
	    (rc = ops->linear(m->b, z, y, t->proj, t->proj_b, ACT_NONE, none, s, err)) < 0)
		return rc;
	return normalise ? ops->l2norm(m->b, z, z, 1e-12f, err) : 0;
}

static int
encode(struct adds_clip *m, const struct batch *b, int normalise, float *out, struct adds_error *err)
{
	const struct backend_ops *ops = m->b->ops;
	const struct adds_clip_tower *t = &m->text;
	const struct segs s = { b->n, b->at };
	const int64_t E = m->cfg.E;
	const enum dtype type = adds_device_dtype((enum adds_dtype)m->tokens->dtype);
	struct adds_clip_arena a;
	struct adds_clip_work w;
	struct mat table, x, z;
	int64_t *ones;
	int rc;

	if ((rc = adds_clip_arena_open(m, &a,
	                               adds_clip_work_bytes(m, t, b->rows) + adds_clip_arena_bytes(type, b->rows, t->D) +
	                                       adds_clip_arena_bytes(DT_F32, b->n, t->D) + adds_clip_arena_bytes(DT_F32, b->n, E),
	                               err)) < 0)
		return rc;
	adds_clip_work_open(&w, &a, m, t, b->rows);
	table = adds_clip_arena_mat(&a, type, b->rows, t->D);
	x = adds_clip_arena_mat(&a, DT_F32, b->n, t->D);
	z = adds_clip_arena_mat(&a, DT_F32, b->n, E);
	if ((rc = ops->put(m->b, table.p, b->table, (size_t)b->rows * b->width, err)) < 0 ||
	    (rc = ops->embed_tokens(m->b, w.x, b->row, b->place, table, t->pos, err)) < 0 ||
	    (rc = adds_clip_blocks(m, t, &w, &x, s, m->json.causal, b->pick, err)) < 0)
		return rc;
	if (!(ones = malloc(((size_t)b->n + 1) * sizeof(*ones))))
		return adds_fail(err, ADDS_ENOMEM, "out of memory");
	for (rc = 0; rc <= b->n; rc++)
		ones[rc] = rc;
	rc = project(m, &w, x, z, (struct segs){ b->n, ones }, normalise, err);
	free(ones);
	return rc < 0 ? rc : ops->get(m->b, out, z.p, (size_t)b->n * (size_t)E * sizeof(*out), err);
}

int
adds_clip_texts(struct adds_clip *m, const int32_t *ids, const int64_t *at, int64_t n, int normalise, float *out,
                struct adds_error *err)
{
	const int64_t most = adds_clip_limits(m).rows;
	int64_t i = 0;
	int rc;

	if ((rc = check(m, ids, at, n, err)) < 0)
		return rc;
	while (i < n) {
		struct batch b = { 0 };

		for (; i + b.n < n; b.n++) {
			const int64_t len = length(m, ids + at[i + b.n], at[i + b.n + 1] - at[i + b.n]);

			if (b.n && b.rows + len > most)
				break;
			b.rows += len;
		}
		if ((rc = reserve(&b, m, err)) == 0) {
			fill(&b, m, ids, at + i);
			rc = encode(m, &b, normalise, out + i * m->cfg.E, err);
		}
		i += b.n;
		release(&b);
		if (rc < 0)
			return rc;
	}
	return 0;
}
