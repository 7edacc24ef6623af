/* SPDX-License-Identifier: MIT
 *
 * image.h - the picture tower, step by step: for image_tower.c and lanes.c.
 * Letters as in model.h.
 */
#ifndef ADDS_CLIP_IMAGE_H
#define ADDS_CLIP_IMAGE_H

#include "model.h"

/* what one go over some tiles needs to know */
struct adds_clip_go {
	int64_t n; /* tiles */
	enum adds_tokens tokens;
	int pool, unit;      /* windows; 1: unit length */
	int per_tile;        /* tokens that a tile gives */
	int64_t rows;        /* of the matrix of joint vectors that windows read from */
	struct segs tiles;   /* rows of each tile in the residual stream */
	struct segs heads;   /* the same of the joint vectors */
	struct segs patches; /* the same of the patches */
	struct segs ones;    /* a row each */
	int32_t *pick;       /* class tokens' rows */
	int32_t *index;      /* rows of each token's window, token by token */
	struct segs windows;
};

/* n, tokens, pool, unit and per_tile are given; the rest is made. Released by the caller, also after a failure. */
int adds_clip_go_plan(struct adds_clip_go *o, const struct adds_clip *m, struct adds_error *err);
void adds_clip_go_release(struct adds_clip_go *o);

/* device memory of a go, of which nothing is needed behind it */
struct adds_clip_memory {
	struct adds_clip_work w;
	struct mat patches, rows, picked, z, out;
};

/* Bytes for n tiles; and cut out of an arena. */
size_t adds_clip_memory_bytes(const struct adds_clip *m, int64_t n, int per_tile);
void adds_clip_memory_cut(struct adds_clip_memory *mem, struct adds_clip_arena *a,
                          const struct adds_clip *m, int64_t n, int per_tile);

/* Tiles that fit the limits of one go. */
int64_t adds_clip_most_tiles(const struct adds_clip *m, int per_tile);

/* pixels: device u8 [n, S, S, 3]; *z: device f32 [n·per_tile, E], somewhere in mem. The same calls for the same arguments. */
int adds_clip_image_run(struct adds_clip *m, const struct adds_clip_go *o, struct adds_clip_memory *mem, const uint8_t *pixels,
                        struct mat *z, struct adds_error *err);

#endif
