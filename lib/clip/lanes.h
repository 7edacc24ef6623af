/* SPDX-License-Identifier: MIT
 *
 * lanes.h - the picture tower for a long run: memory planned once, tiles sent
 * to the device and tokens fetched from it while it computes other tiles.
 *
 * A lane is a batch on its way. Tiles are put into it, it is started, and some
 * time later landed; meanwhile the next lane is filled. On a device of its own
 * memory there are two, else one.
 *
 * Knows: clip.h. Room clip/.
 */
#ifndef ADDS_CLIP_LANES_H
#define ADDS_CLIP_LANES_H

#include "clip.h"

#define ADDS_CLIP_LANES 2 /* at most */

struct adds_clip_lanes;

/* For up to tiles tiles a lane: fewer where they would pass the limits of one go, and half, again and again, where the
 * device has no memory for them. type: of the tokens, DT_F32, DT_F16 or DT_BF16. m must outlive it, and computes nothing
 * else meanwhile. NULL on failure. */
struct adds_clip_lanes *adds_clip_lanes_new(struct adds_clip *m, int64_t tiles,
                                            enum adds_tokens tokens, int pool, enum dtype type,
                                            struct adds_error *err);
void adds_clip_lanes_free(struct adds_clip_lanes *l);

int adds_clip_lanes_count(const struct adds_clip_lanes *l);
int64_t adds_clip_lanes_tiles(const struct adds_clip_lanes *l);  /* of one lane */
int64_t adds_clip_lanes_halved(const struct adds_clip_lanes *l); /* tiles that there was no memory for, or 0 */
size_t adds_clip_lanes_bytes(const struct adds_clip_lanes *l);   /* device memory beside the weights */

/* Tiles at … at+n-1 of a lane, u8 [n, S, S, 3] in memory of the backend's host_alloc: left alone until the lane has landed. */
int adds_clip_lanes_put(struct adds_clip_lanes *l, int lane, int64_t at, const uint8_t *tiles, int64_t n, struct adds_error *err);
int adds_clip_lanes_start(struct adds_clip_lanes *l, int lane, int64_t n, struct adds_error *err);

/* Waits for the lane; *tokens [n·tile_tokens, E] unit vectors, until it is started again. May be called from any thread. */
int adds_clip_lanes_land(struct adds_clip_lanes *l, int lane, const void **tokens, struct adds_error *err);

#endif
