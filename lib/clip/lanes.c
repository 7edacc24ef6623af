/* SPDX-License-Identifier: MIT
 * lanes.c - batches of tiles that overlap */
#include <stdlib.h>
#include <string.h>

#include "image.h"
#include "lanes.h"

struct lane {
	struct adds_clip_lanes *of;
	void *pixels;               /* device u8 [tiles, S, S, 3] */
	void *tokens, *landed;      /* [tiles·per_tile, E] on the device, and on the host (host_alloc) */
	struct recording *recorded; /* of full lanes */
};

struct adds_clip_lanes {
	struct adds_clip *m;
	int count;
	int64_t tiles, halved;
	enum dtype type;
	size_t bytes;
	struct adds_clip_go full; /* of as many tiles as a lane has */
	struct lane lane[ADDS_CLIP_LANES];
};

static size_t
tile_bytes(const struct adds_clip *m)
{
	return (size_t)m->cfg.S * (size_t)m->cfg.S * 3;
}

static size_t
token_bytes(const struct adds_clip_lanes *l)
{
	return (size_t)l->full.per_tile * (size_t)l->m->cfg.E * dtype_size(l->type);
}

static void
drop_memory(struct adds_clip_lanes *l)
{
	struct backend *b = l->m->b;
	int i;

	for (i = 0; i < l->count; i++) {
		b->ops->release(b, l->lane[i].pixels);
		b->ops->release(b, l->lane[i].tokens);
		l->lane[i].pixels = l->lane[i].tokens = NULL;
	}
}

/* what a go needs, and pixels and tokens of each lane: all or nothing */
static int
take_memory(struct adds_clip_lanes *l, struct adds_error *err)
{
	struct backend *b = l->m->b;
	const size_t work = adds_clip_memory_bytes(l->m, l->tiles, l->full.per_tile);
	const size_t pixels = (size_t)l->tiles * tile_bytes(l->m), tokens = (size_t)l->tiles * token_bytes(l);
	struct adds_clip_arena a;
	int i, rc = adds_clip_arena_open(l->m, &a, work, err);

	for (i = 0; rc == 0 && i < l->count; i++)
		if ((rc = b->ops->alloc(b, &l->lane[i].pixels, pixels, err)) == 0)
			rc = b->ops->alloc(b, &l->lane[i].tokens, tokens, err);
	if (rc < 0)
		drop_memory(l);
	l->bytes = work + (size_t)l->count * (pixels + tokens);
	return rc;
}

static int
prepare(struct adds_clip_lanes *l, struct adds_error *err)
{
	struct backend *b = l->m->b;
	int i, rc;

	while ((rc = take_memory(l, err)) == ADDS_ENOMEM && l->tiles > 1) {
		if (!l->halved)
			l->halved = l->tiles;
		l->tiles /= 2;
	}
	if (rc < 0)
		return rc;
	for (i = 0; i < l->count; i++) {
		l->lane[i].of = l;
		if ((rc = b->ops->host_alloc(b, &l->lane[i].landed, (size_t)l->tiles * token_bytes(l), err)) < 0)
			return rc;
	}
	l->full.n = l->tiles;
	return adds_clip_go_plan(&l->full, l->m, err);
}

struct adds_clip_lanes *
adds_clip_lanes_new(struct adds_clip *m, int64_t tiles, enum adds_tokens tokens, int pool,
                    enum dtype type, struct adds_error *err)
{
	struct adds_clip_lanes *l;
	int64_t most;

	if (!m->image.ready) {
		adds_fail(err, ADDS_EARG, "model '%s' was opened without its picture tower", m->cfg.name);
		return NULL;
	}
	if (!(l = calloc(1, sizeof(*l)))) {
		adds_fail(err, ADDS_ENOMEM, "out of memory");
		return NULL;
	}
	l->m = m;
	l->type = type;
	l->count = m->b->memory ? ADDS_CLIP_LANES : 1;
	l->full.tokens = tokens;
	l->full.pool = pool;
	l->full.unit = 1;
	l->full.per_tile = adds_clip_tile_tokens(m, tokens, pool);
	most = adds_clip_most_tiles(m, l->full.per_tile);
	l->tiles = tiles < most ? tiles : most;
	if (prepare(l, err) < 0) {
		adds_clip_lanes_free(l);
		return NULL;
	}
	return l;
}

void
adds_clip_lanes_free(struct adds_clip_lanes *l)
{
	struct backend *b;
	struct adds_error ignored;
	int i;

	if (!l)
		return;
	b = l->m->b;
	b->ops->sync(b, &ignored); /* a lane may be under way after a failure */
	drop_memory(l);
	for (i = 0; i < l->count; i++) {
		b->ops->host_release(b, l->lane[i].landed);
		b->ops->forget(b, l->lane[i].recorded);
	}
	adds_clip_go_release(&l->full);
	free(l);
}

int
adds_clip_lanes_count(const struct adds_clip_lanes *l)
{
	return l->count;
}

int64_t
adds_clip_lanes_tiles(const struct adds_clip_lanes *l)
{
	return l->tiles;
}

int64_t
adds_clip_lanes_halved(const struct adds_clip_lanes *l)
{
	return l->halved;
}

size_t
adds_clip_lanes_bytes(const struct adds_clip_lanes *l)
{
	return l->bytes;
}

int
adds_clip_lanes_put(struct adds_clip_lanes *l, int lane, int64_t at, const uint8_t *tiles, int64_t n, struct adds_error *err)
{
	const size_t one = tile_bytes(l->m);

	return l->m->b->ops->send(l->m->b, (char *)l->lane[lane].pixels + (size_t)at * one, tiles, (size_t)n * one, err);
}

/* a go over some tiles of a lane */
struct going {
	struct lane *lane;
	const struct adds_clip_go *go;
};

static int
compute(void *arg, struct adds_error *err)
{
	struct going *g = arg;
	struct adds_clip_lanes *l = g->lane->of;
	struct adds_clip *m = l->m;
	struct adds_clip_memory mem;
	struct adds_clip_arena a;
	struct mat z;
	int rc;

	if ((rc = adds_clip_arena_open(m, &a, adds_clip_memory_bytes(m, l->tiles, l->full.per_tile), err)) < 0)
		return rc;
	adds_clip_memory_cut(&mem, &a, m, g->go->n, l->full.per_tile);
	if ((rc = adds_clip_image_run(m, g->go, &mem, g->lane->pixels, &z, err)) < 0)
		return rc;
	return m->b->ops->convert(m->b, mat_of(g->lane->tokens, l->type, z.rows, z.cols), z, err);
}

/* a lane that is not full: its own plan, and no recording */
static int
start_part(struct adds_clip_lanes *l, struct going *g, int64_t n, struct adds_error *err)
{
	struct adds_clip_go part = { .n = n,
		                     .tokens = l->full.tokens,
		                     .pool = l->full.pool,
		                     .unit = 1,
		                     .per_tile = l->full.per_tile };
	int rc = adds_clip_go_plan(&part, l->m, err);

	g->go = &part;
	if (rc == 0)
		rc = compute(g, err);
	adds_clip_go_release(&part);
	return rc;
}

int
adds_clip_lanes_start(struct adds_clip_lanes *l, int lane, int64_t n, struct adds_error *err)
{
	struct backend *b = l->m->b;
	struct lane *it = &l->lane[lane];
	struct going g = { it, &l->full };
	int rc = n == l->tiles ? b->ops->replay(b, &it->recorded, compute, &g, err) : start_part(l, &g, n, err);

	if (rc < 0 || (rc = b->ops->fetch(b, it->landed, it->tokens, (size_t)n * token_bytes(l), err)) < 0)
		return rc;
	return b->ops->mark(b, lane, err);
}

int
adds_clip_lanes_land(struct adds_clip_lanes *l, int lane, const void **tokens, struct adds_error *err)
{
	*tokens = l->lane[lane].landed;
	return l->m->b->ops->wait(l->m->b, lane, err);
}
