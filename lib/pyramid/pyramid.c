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
				memcpy(to,
				       square + (size_t)(adds_pyramid_offset(R, S, n, r) + y) * ld +
				               3 * (size_t)adds_pyramid_offset(R, S, n, c),
				       row);
	return to;
}

struct adds_cutter {
	struct adds_pyramid plan;
	struct adds_fitter *fitter;
	uint8_t *squares[ADDS_PYRAMID_MAX_LEVELS]; /* of levels with more than one tile; NULL for the others */
};

struct adds_cutter *
adds_cutter_new(const struct adds_pyramid *p, struct adds_error *err)
{
	struct adds_cutter *c = calloc(1, sizeof(*c));
	int i;

	if (!c) {
		adds_fail(err, ADDS_ENOMEM, "out of memory for pictures");
		return NULL;
	}
	c->plan = *p;
	if (!(c->fitter = adds_fitter_new(err)))
		goto fail;
	for (i = 0; i < p->levels; i++) {
		const size_t side = (size_t)p->side[i];

		if (p->grid[i] > 1 && !(c->squares[i] = malloc(side * side * 3))) {
			adds_fail(err, ADDS_ENOMEM, "out of memory for a level of %zu pixels", side);
			goto fail;
		}
	}
	return c;
fail:
	adds_cutter_free(c);
	return NULL;
}

void
adds_cutter_free(struct adds_cutter *c)
{
	int i;

	for (i = 0; c && i < ADDS_PYRAMID_MAX_LEVELS; i++)
		free(c->squares[i]);
	if (c)
		adds_fitter_free(c->fitter);
	free(c);
}

int
adds_cutter_read(struct adds_cutter *c, const void *bytes, size_t len, const struct adds_picture_options *options,
                 enum adds_fit fit, enum adds_filter filter, uint8_t *tiles, int32_t dimensions[2],
                 const char **stage, struct adds_error *err)
{
	const struct adds_pyramid *p = &c->plan;
	const size_t tile = (size_t)p->tile * (size_t)p->tile * 3;
	struct adds_square squares[ADDS_PYRAMID_MAX_LEVELS];
	uint8_t *to = tiles;
	int i, rc;

	for (i = 0; i < p->levels; to += tile * (size_t)(p->grid[i] * p->grid[i]), i++)
		squares[i] = (struct adds_square){ p->side[i], c->squares[i] ? c->squares[i] : to };
	rc = adds_fitter_read(c->fitter, bytes, len, options, fit, filter, squares, p->levels, dimensions, stage, err);
	for (i = 0; i < p->levels && rc == 0; i++)
		tiles = c->squares[i] ? cut_level(tiles, c->squares[i], p->side[i], p->tile, p->grid[i]) : tiles + tile;
	return rc;
}
