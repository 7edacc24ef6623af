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

/* The picture's tiles, u8 [tiles, S, S, 3], by level, row, column; where (i32
 * [tiles, 5]: level, row, column, y, x) may be NULL. */
int adds_pyramid_cut(const struct adds_pyramid *p, const struct adds_picture *picture, enum adds_fit fit,
                     enum adds_filter filter, uint8_t *tiles, int32_t *where, struct adds_error *err);

#endif
