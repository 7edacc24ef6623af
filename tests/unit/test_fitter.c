/* SPDX-License-Identifier: MIT
 * test_fitter.c - squares made while rows are decoded, against those of the picture decoded whole */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

#include "../../lib/picture/picture.h"
#include "../../lib/stream/record.h"
#include "unit.h"

struct kind {
	const char *name;
	int components, h, v; /* sampling of the first component */
	int progressive, restart;
};

static const struct kind kinds[] = {
	{ "4:4:4", 3, 1, 1, 0, 0 },
	{ "4:2:2", 3, 2, 1, 0, 0 },
	{ "4:2:0", 3, 2, 2, 0, 0 },
	{ "4:4:0", 3, 1, 2, 0, 0 },
	{ "4:1:1", 3, 4, 1, 0, 0 },
	{ "4:2:0 with restarts", 3, 2, 2, 0, 3 },
	{ "progressive", 3, 2, 2, 1, 0 },
	{ "gray", 1, 1, 1, 0, 0 },
};

/* a JPEG of soft colours with texture; the caller frees it */
static unsigned char *
encoded(const struct kind *k, int width, int height, unsigned long *len)
{
	struct jpeg_compress_struct c;
	struct jpeg_error_mgr mgr;
	unsigned char *bytes = NULL;
	uint8_t *row = malloc((size_t)width * 3);
	int x;

	ck_assert_ptr_nonnull(row);
	c.err = jpeg_std_error(&mgr);
	jpeg_create_compress(&c);
	jpeg_mem_dest(&c, &bytes, len);
	c.image_width = (JDIMENSION)width;
	c.image_height = (JDIMENSION)height;
	c.input_components = k->components;
	c.in_color_space = k->components == 1 ? JCS_GRAYSCALE : JCS_RGB;
	jpeg_set_defaults(&c);
	jpeg_set_quality(&c, 85, TRUE);
	c.comp_info[0].h_samp_factor = k->h;
	c.comp_info[0].v_samp_factor = k->v;
	c.restart_interval = (unsigned)k->restart;
	if (k->progressive)
		jpeg_simple_progression(&c);
	jpeg_start_compress(&c, TRUE);
	while (c.next_scanline < c.image_height) {
		const int y = (int)c.next_scanline;

		for (x = 0; x < width * k->components; x++)
			row[x] = (uint8_t)(5 * x + 9 * y + x * y / 7 % 64);
		jpeg_write_scanlines(&c, &row, 1);
	}
	jpeg_finish_compress(&c);
	jpeg_destroy_compress(&c);
	free(row);
	return bytes;
}

enum { SIDES = 3,
       LONGEST = 96 };

/* squares of three sides at once, against one after the other */
static void
compare(struct adds_fitter *f, const char *name, const void *bytes, size_t len, int reference)
{
	static const int sides[SIDES] = { 24, LONGEST, 17 };
	static uint8_t out[SIDES][LONGEST * LONGEST * 3], want[LONGEST * LONGEST * 3];
	const struct adds_picture_options o = { reference, 0 };
	struct adds_square squares[SIDES];
	struct adds_error err = { 0 };
	struct adds_picture p;
	const char *stage;
	int32_t size[2];
	int fit, i;

	ck_assert_msg(adds_picture_decode(&p, bytes, len, &o, &err) == 0, "%s: %s", name, err.msg);
	for (i = 0; i < SIDES; i++)
		squares[i] = (struct adds_square){ sides[i], out[i] };
	for (fit = ADDS_FIT_PAD; fit <= ADDS_FIT_SQUASH; fit++) {
		ck_assert_msg(adds_fitter_read(f, bytes, len, &o, (enum adds_fit)fit,
		                               ADDS_FILTER_BICUBIC, squares, SIDES, size, &stage,
		                               &err) == 0,
		              "%s: %s", name, err.msg);
		ck_assert_int_eq(size[0], p.height);
		ck_assert_int_eq(size[1], p.width);
		for (i = 0; i < SIDES; i++) {
			ck_assert_int_eq(adds_picture_fit(want, sides[i], &p, (enum adds_fit)fit, ADDS_FILTER_BICUBIC, &err), 0);
			ck_assert_msg(
				memcmp(out[i], want, (size_t)sides[i] * (size_t)sides[i] * 3) == 0,
				"%s, %d x %d: fit %d, side %d", name, p.width, p.height, fit,
				sides[i]);
		}
	}
	adds_picture_release(&p);
}

START_TEST(jpegs_of_all_samplings)
{
	static const int sizes[][2] = { { 1, 1 }, { 3, 200 }, { 200, 3 }, { 33, 31 }, { 640, 90 }, { 90, 640 }, { 517, 120 }, { 121, 350 }, { 64, 64 } };
	struct adds_fitter *f = adds_fitter_new(NULL);
	size_t k, s;

	for (k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++)
		for (s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
			unsigned long len;
			unsigned char *bytes = encoded(&kinds[k], sizes[s][0], sizes[s][1], &len);

			compare(f, kinds[k].name, bytes, len, 0);
			free(bytes);
		}
	adds_fitter_free(f);
}
END_TEST

START_TEST(files_of_all_kinds)
{
	FILE *list = fopen(tree("tests/data/picture/pictures.tsv"), "r");
	struct adds_fitter *f = adds_fitter_new(NULL);
	char name[64], path[128];
	struct adds_error err;
	int n = 0;

	ck_assert_ptr_nonnull(list);
	while (fscanf(list, "%63s %*[^\n]", name) == 1) {
		size_t len;
		char *bytes;

		snprintf(path, sizeof(path), "tests/data/picture/%s", name);
		bytes = adds_read_file(tree(path), 1 << 20, &len, &err);
		ck_assert_ptr_nonnull(bytes);
		compare(f, name, bytes, len, 0);
		compare(f, name, bytes, len, 1);
		free(bytes);
		n++;
	}
	fclose(list);
	adds_fitter_free(f);
	ck_assert_int_eq(n, 32);
}
END_TEST

/* also where the part that is missing is not needed: a crop of the middle */
START_TEST(truncated_files_are_refused)
{
	struct adds_fitter *f = adds_fitter_new(NULL);
	unsigned long len;
	unsigned char *bytes = encoded(&kinds[2], 60, 300, &len);
	uint8_t out[32 * 32 * 3];
	const struct adds_square square = { 32, out };
	const struct adds_picture_options o = { 0, 0 };
	size_t k;

	for (k = 0; k < len; k += 7) {
		struct adds_error err = { 0 };
		const char *stage = "";
		int32_t size[2];
		void *cut = malloc(k ? k : 1); /* exact, so that a sanitizer sees reads behind it */

		ck_assert_ptr_nonnull(cut);
		memcpy(cut, bytes, k);
		ck_assert_int_lt(adds_fitter_read(f, cut, k, &o, ADDS_FIT_CROP, ADDS_FILTER_BICUBIC,
		                                  &square, 1, size, &stage, &err),
		                 0);
		ck_assert_str_eq(stage, "decode");
		ck_assert_int_ne(err.msg[0], 0);
		free(cut);
	}
	free(bytes);
	adds_fitter_free(f);
}
END_TEST

/* More sizes than are kept, and back to the first. */
START_TEST(tables_are_made_anew)
{
	struct adds_fitter *f = adds_fitter_new(NULL);
	int k;

	for (k = 0; k < 30; k++) {
		unsigned long len;
		unsigned char *bytes = encoded(&kinds[0], 20 + k % 17, 50, &len);

		compare(f, "sizes", bytes, len, 0);
		free(bytes);
	}
	adds_fitter_free(f);
}
END_TEST

Suite *fitter_suite(void);

Suite *
fitter_suite(void)
{
	Suite *s = suite_create("fitter");
	TCase *c = tcase_create("fitter");

	tcase_set_timeout(c, 60);
	tcase_add_test(c, jpegs_of_all_samplings);
	tcase_add_test(c, files_of_all_kinds);
	tcase_add_test(c, truncated_files_are_refused);
	tcase_add_test(c, tables_are_made_anew);
	suite_add_tcase(s, c);
	return s;
}
