/* SPDX-License-Identifier: MIT
 * pyramid.c - levels, and a picture cut into their tiles */
#include <stdlib.h>
#include <string.h>

#include "pyramid.h"

static int
add_level(struct adds_pyramid *p, int side, struct adds_error *err)
{
	const int n = (side + p->tile - 1) / p->tile;

	if (p->levels == ADDS_PYRAMID_MAX_LEVELS)
		return adds_fail(err, ADDS_EARG, "more than %d levels", ADDS_PYRAMID_MAX_LEVELS);
	if (side > ADDS_PICTURE_MAX_FIT)
		return adds_fail(err, ADDS_EARG, "a level of %d pixels: its side has at most %d", side, ADDS_PICTURE_MAX_FIT);
	if (n > ADDS_PYRAMID_MAX_TILES || p->tiles + n * n > ADDS_PYRAMID_MAX_TILES)
		return adds_fail(err, ADDS_EARG, "more than %d tiles a picture", ADDS_PYRAMID_MAX_TILES);
	p->side[p->levels] = side;
	p->grid[p->levels++] = n;
	p->tiles += n * n;
	return 0;
}

int
adds_pyramid_plan(struct adds_pyramid *p, int tile, int levels, int side, struct adds_error *err)
{
	int64_t below = tile;
	int rc = 0, i;

	memset(p, 0, sizeof(*p));
	p->tile = tile;
	if (tile < ADDS_PICTURE_MIN_FIT || tile > ADDS_PICTURE_MAX_FIT)
		return adds_fail(err, ADDS_EARG, "tiles of %d pixels: from %d to %d are possible", tile, ADDS_PICTURE_MIN_FIT,
		                 ADDS_PICTURE_MAX_FIT);
	if (side <= 0) {
		for (i = 0; i < levels && rc == 0; i++, below *= 2)
			rc = add_level(p, below > ADDS_PICTURE_MAX_FIT ? ADDS_PICTURE_MAX_FIT + 1 : (int)below, err);
		return rc;
	}
	for (; below < side && rc == 0; below *= 2)
		rc = add_level(p, (int)below, err);
	return rc < 0 ? rc : add_level(p, side < tile ? tile : side, err);
}

int
adds_pyramid_offset(int R, int S, int n, int k)
{
	return n == 1 ? 0 : (int)((2 * (int64_t)k * (R - S) + (n - 1)) / (2 * (n - 1)));
}

/* the tiles of one level out of its square, row by row */
static uint8_t *
cut_level(uint8_t *to, const uint8_t *square, int R, int S, int n)
{
	const size_t ld = 3 * (size_t)R, row = 3 * (size_t)S;
	int r, c, y;

	for (r = 0; r < n; r++)
		for (c = 0; c < n; c++)
			for (y = 0; y < S; y++, to += row)
				memcpy(to, square + (size_t)(adds_pyramid_offset(R, S, n, r) + y) * ld + 3 * (size_t)adds_pyramid_offset(R, S, n, c),
				       row);
	return to;
}

static int32_t *
note_level(int32_t *where, const struct adds_pyramid *p, int level)
{
	const int R = p->side[level], S = p->tile, n = p->grid[level];
	int r, c;

	for (r = 0; r < n; r++)
		for (c = 0; c < n; c++) {
			*where++ = level;
			*where++ = r;
			*where++ = c;
			*where++ = adds_pyramid_offset(R, S, n, r);
			*where++ = adds_pyramid_offset(R, S, n, c);
		}
	return where;
}

int
adds_pyramid_cut(const struct adds_pyramid *p, const struct adds_picture *picture, enum adds_fit fit,
                 enum adds_filter filter, uint8_t *tiles, int32_t *where, struct adds_error *err)
{
	const size_t top = (size_t)p->side[p->levels - 1], tile = (size_t)p->tile * (size_t)p->tile * 3;
	uint8_t *square = NULL;
	int i, rc = 0;

	if (p->tiles > 1 && !(square = malloc(top * top * 3)))
		return adds_fail(err, ADDS_ENOMEM, "out of memory for a level of %zu pixels", top);
	for (i = 0; i < p->levels && rc == 0; i++) {
		const int whole = p->grid[i] == 1;

		rc = adds_picture_fit(whole ? tiles : square, p->side[i], picture, fit, filter, err);
		if (rc < 0)
			break;
		tiles = whole ? tiles + tile : cut_level(tiles, square, p->side[i], p->tile, p->grid[i]);
		if (where)
			where = note_level(where, p, i);
	}
	free(square);
	return rc;
}
