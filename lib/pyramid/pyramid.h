/* SPDX-License-Identifier: MIT
 *
 * pyramid.h - Pyramid-Forwarding (ADDS, arXiv 2208.09562): levels,
 * tiles and their offsets; a picture to tiles.
 *
 * Knows: stream/, picture/, clip/.
 */
#ifndef ADDS_PYRAMID_H
#define ADDS_PYRAMID_H

#include "../clip/clip.h"
#include "../picture/picture.h"

#define ADDS_PYRAMID_MAX_LEVELS 10
#define ADDS_PYRAMID_MAX_TILES 4096

struct adds_pyramid {
	int tile; /* S */
	int levels;
	int side[ADDS_PYRAMID_MAX_LEVELS]; /* R of each level */
	int grid[ADDS_PYRAMID_MAX_LEVELS]; /* n = ⌈R/S⌉ */
	int tiles;                         /* Σ n² */
};

/* From a number of levels (sides S, 2S, 4S …) or, with side > 0, from the top
 * level's side: the levels below at S·2^i < side; a side below S becomes S. */
int adds_pyramid_plan(struct adds_pyramid *p, int tile, int levels, int side, struct adds_error *err);

/* offset of tile k of n over a side R: (2k(R−S) + (n−1)) div (2(n−1)), 0 for n = 1 */
int adds_pyramid_offset(int R, int S, int n, int k);

/* Makes tiles of one picture after the other; for one thread at a time. The plan is copied. */
struct adds_cutter;

struct adds_cutter *adds_cutter_new(const struct adds_pyramid *p, struct adds_error *err);
void adds_cutter_free(struct adds_cutter *c);

/* The tiles of a picture's file, u8 [tiles, S, S, 3], by level, row, column: decoded once for all levels. dimensions and
 * *stage as with adds_fitter_read. */
int adds_cutter_read(struct adds_cutter *c, const void *bytes, size_t len, const struct adds_picture_options *options,
                     enum adds_fit fit, enum adds_filter filter, uint8_t *tiles, int32_t dimensions[2],
                     const char **stage, struct adds_error *err);

#endif
