/* SPDX-License-Identifier: MIT
 * test_pyramid.c - levels, tiles, offsets */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/pyramid/pyramid.h"
#include "../../lib/stream/record.h"
#include "unit.h"

static struct adds_pyramid
planned(int tile, int levels, int side)
{
	struct adds_pyramid p;
	struct adds_error err = { 0 };

	ck_assert_msg(adds_pyramid_plan(&p, tile, levels, side, &err) == 0, "%s", err.msg);
	return p;
}

START_TEST(side_640_with_336_has_1_and_4_tiles_of_stride_304)
{
	const struct adds_pyramid p = planned(336, 0, 640);

	ck_assert_int_eq(p.levels, 2);
	ck_assert_int_eq(p.side[0], 336);
	ck_assert_int_eq(p.side[1], 640);
	ck_assert_int_eq(p.tiles, 5);
	ck_assert_int_eq(adds_pyramid_offset(640, 336, 2, 0), 0);
	ck_assert_int_eq(adds_pyramid_offset(640, 336, 2, 1), 304);
}
END_TEST

START_TEST(side_1344_has_21_tiles)
{
	const struct adds_pyramid p = planned(336, 0, 1344);

	ck_assert_int_eq(p.levels, 3);
	ck_assert_int_eq(p.tiles, 21);
	ck_assert_int_eq(planned(336, 3, 0).side[2], 1344);
	ck_assert_int_eq(planned(336, 3, 0).tiles, 21);
}
END_TEST

START_TEST(a_side_below_the_tile_is_one_tile)
{
	const struct adds_pyramid p = planned(224, 0, 100);

	ck_assert_int_eq(p.levels, 1);
	ck_assert_int_eq(p.side[0], 224);
	ck_assert_int_eq(p.tiles, 1);
	ck_assert_int_eq(planned(224, 0, 224).levels, 1);
	ck_assert_int_eq(planned(224, 0, 225).tiles, 1 + 4);
}
END_TEST

/* Offsets are spread evenly, rounded half up, from 0 to R − S, with no gap between tiles. */
START_TEST(offsets_cover_the_level)
{
	int R, k;

	for (R = 24; R < 400; R++) {
		const int S = 24, n = (R + S - 1) / S;
		int last = 0;

		for (k = 0; k < n; k++) {
			const int at = adds_pyramid_offset(R, S, n, k);

			ck_assert_int_le(at - last, S);
			ck_assert_int_ge(at, last);
			last = at;
		}
		ck_assert_int_eq(last, n == 1 ? 0 : R - S);
	}
	ck_assert_int_eq(adds_pyramid_offset(31, 10, 4, 1), 7);
	ck_assert_int_eq(adds_pyramid_offset(29, 10, 3, 1), 10); /* 9.5 */
}
END_TEST

START_TEST(too_much_is_refused)
{
	struct adds_pyramid p;
	struct adds_error err = { 0 };

	ck_assert_int_eq(adds_pyramid_plan(&p, 224, 8, 0, &err), ADDS_EARG);
	ck_assert_int_eq(adds_pyramid_plan(&p, 224, 0, 1 << 30, &err), ADDS_EARG);
	ck_assert_int_eq(adds_pyramid_plan(&p, 8, 1, 0, &err), ADDS_EARG);
	ck_assert_int_eq(adds_pyramid_plan(&p, 16, 0, 16384, &err), ADDS_EARG);
}
END_TEST

/* each tile is the part of its level's square that its place says */
static void
check_tiles(const char *name)
{
	const struct adds_pyramid p = planned(16, 0, 40);
	const struct adds_picture_options options = { 0, 0 };
	struct adds_error err = { 0 };
	struct adds_cutter *c = adds_cutter_new(&p, &err);
	struct adds_picture picture;
	uint8_t tiles[14 * 16 * 16 * 3], square[40 * 40 * 3];
	const uint8_t *at = tiles;
	const char *stage;
	int32_t size[2];
	char path[128], *bytes;
	size_t len;
	int level, row, col, y;

	ck_assert_int_eq(p.tiles, 1 + 4 + 9);
	snprintf(path, sizeof(path), "tests/data/picture/%s", name);
	bytes = adds_read_file(tree(path), 1 << 20, &len, &err);
	ck_assert_ptr_nonnull(bytes);
	ck_assert_int_eq(adds_cutter_read(c, bytes, len, &options, ADDS_FIT_PAD,
	                                  ADDS_FILTER_BICUBIC, tiles, size, &stage, &err),
	                 0);
	ck_assert_int_eq(adds_picture_decode(&picture, bytes, len, &options, &err), 0);
	ck_assert_int_eq(size[0], picture.height);
	ck_assert_int_eq(size[1], picture.width);
	for (level = 0; level < p.levels; level++) {
		const int R = p.side[level], n = p.grid[level];

		ck_assert_int_eq(adds_picture_fit(square, R, &picture, ADDS_FIT_PAD, ADDS_FILTER_BICUBIC, &err), 0);
		for (row = 0; row < n; row++)
			for (col = 0; col < n; col++)
				for (y = 0; y < 16; y++, at += 48)
					ck_assert_mem_eq(
						at,
						square + ((adds_pyramid_offset(R, 16, n, row) + y) *
					                          R +
					                  adds_pyramid_offset(R, 16, n, col)) *
								 3,
						48);
	}
	adds_picture_release(&picture);
	adds_cutter_free(c);
	free(bytes);
}

START_TEST(tiles_are_parts_of_their_levels)
{
	check_tiles("rgb.png");
	check_tiles("rgb_420.jpg");
}
END_TEST

Suite *pyramid_suite(void);

Suite *
pyramid_suite(void)
{
	Suite *s = suite_create("pyramid");
	TCase *c = tcase_create("pyramid");

	tcase_add_test(c, side_640_with_336_has_1_and_4_tiles_of_stride_304);
	tcase_add_test(c, side_1344_has_21_tiles);
	tcase_add_test(c, a_side_below_the_tile_is_one_tile);
	tcase_add_test(c, offsets_cover_the_level);
	tcase_add_test(c, too_much_is_refused);
	tcase_add_test(c, tiles_are_parts_of_their_levels);
	suite_add_tcase(s, c);
	return s;
}
