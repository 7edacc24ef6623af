/* SPDX-License-Identifier: MIT
 * test_resample.c - resizing, bit for bit against Pillow; both instruction sets alike */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../kernels/resample.h"
#include "../../lib/picture/picture.h"
#include "unit.h"

/* the picture of tests/gen/resize.py */
static struct adds_picture
painted(int w, int h, enum adds_picture_mode mode)
{
	struct adds_picture p = { w, h, mode, NULL };
	const int channels = mode == ADDS_PICTURE_RGBA ? 4 : 3;
	uint8_t *to;
	int x, y, c;

	to = p.pixels = malloc((size_t)w * (size_t)h * (size_t)channels);
	ck_assert_ptr_nonnull(to);
	for (y = 0; y < h; y++)
		for (x = 0; x < w; x++)
			for (c = 0; c < channels; c++)
				*to++ = (uint8_t)(c == 3 ? 4 * x + y : 7 * x + 13 * y + 29 * c + x * y);
	return p;
}

static uint64_t
fitted(int w, int h, enum adds_picture_mode mode, enum adds_fit fit, enum adds_filter filter, int side)
{
	struct adds_picture p = painted(w, h, mode);
	uint8_t *out = malloc((size_t)side * (size_t)side * 3);
	struct adds_error err = { 0 };
	uint64_t hash;

	ck_assert_ptr_nonnull(out);
	ck_assert_msg(adds_picture_fit(out, side, &p, fit, filter, &err) == 0, "%s", err.msg);
	hash = fnv(FNV_START, out, (size_t)side * (size_t)side * 3);
	free(out);
	adds_picture_release(&p);
	return hash;
}

static int
place(const char *word, const char *const *list)
{
	int i;

	for (i = 0; list[i]; i++)
		if (strcmp(list[i], word) == 0)
			return i;
	ck_abort_msg("'%s' in resize.tsv", word);
}

/* 180 pictures of all fits, filters and modes: hashes made by Pillow 9.4, no byte may differ */
START_TEST(squares_are_pillows)
{
	static const char *const modes[] = { "rgb", "rgba", "indexed", NULL };
	static const char *const fits[] = { "pad", "crop", "squash", NULL };
	static const char *const filters[] = { "bicubic", "bilinear", NULL };
	FILE *f = fopen(tree("tests/data/picture/resize.tsv"), "r");
	char mode[16], fit[16], filter[16];
	unsigned long long want;
	int w, h, side, n = 0;

	ck_assert_ptr_nonnull(f);
	while (fscanf(f, "%d %d %15s %15s %15s %d %llx", &w, &h, mode, fit, filter, &side, &want) == 7) {
		const uint64_t got = fitted(w, h, (enum adds_picture_mode)place(mode, modes), (enum adds_fit)place(fit, fits),
		                            (enum adds_filter)place(filter, filters), side);

		ck_assert_msg(got == want, "%dx%d %s %s %s %d: %016llx, want %016llx", w, h, mode, fit, filter, side,
		              (unsigned long long)got, want);
		n++;
	}
	fclose(f);
	ck_assert_int_eq(n, 180);
}
END_TEST

/* whole resized pictures and their centre crops */
START_TEST(published_hashes)
{
	static const struct {
		int w, h, side;
		enum adds_fit fit;
		enum adds_filter filter;
		uint64_t hash;
	} want[] = {
		/* clang-format off */
		{ 64, 48, 24, ADDS_FIT_CROP, ADDS_FILTER_BICUBIC, 0x1a3631ac8436eb52u },
		{ 61, 80, 24, ADDS_FIT_CROP, ADDS_FILTER_BICUBIC, 0x0bea1671c0e3d96fu },
		{ 37, 29, 32, ADDS_FIT_CROP, ADDS_FILTER_BICUBIC, 0xc22dda04cd5fa080u },
		{ 640, 480, 224, ADDS_FIT_CROP, ADDS_FILTER_BICUBIC, 0x50e5bdaf0c5c3e98u },
		{ 481, 640, 224, ADDS_FIT_CROP, ADDS_FILTER_BICUBIC, 0xac98264c818a6f0bu },
		{ 227, 224, 224, ADDS_FIT_CROP, ADDS_FILTER_BICUBIC, 0xb815dd920f372965u },
		{ 640, 480, 224, ADDS_FIT_CROP, ADDS_FILTER_BILINEAR, 0x77cb81ada22b4434u },
		{ 1000, 333, 336, ADDS_FIT_CROP, ADDS_FILTER_BICUBIC, 0xd22f51a096313114u },
		{ 300, 200, 224, ADDS_FIT_SQUASH, ADDS_FILTER_BICUBIC, 0xb29f4c6380f48cbcu },
		/* clang-format on */
	};
	size_t i;

	for (i = 0; i < sizeof(want) / sizeof(want[0]); i++)
		ck_assert_uint_eq(fitted(want[i].w, want[i].h, ADDS_PICTURE_RGB, want[i].fit, want[i].filter, want[i].side),
		                  want[i].hash);
}
END_TEST

/* the window first … first+count-1 of both dimensions, by one instruction set */
static uint8_t *
window(const struct adds_picture *p, const int *out, const int *first, const int *count, enum resample_isa isa)
{
	struct resample_axis h, v;
	struct resampler *r;
	struct adds_error err = { 0 };
	const int channels = p->mode == ADDS_PICTURE_RGBA ? 4 : 3;
	uint8_t *y = malloc((size_t)count[0] * (size_t)count[1] * (size_t)channels);

	ck_assert_ptr_nonnull(y);
	ck_assert_int_eq(resample_axis_init(&h, RESAMPLE_BICUBIC, p->width, out[0], first[0], count[0], 0, p->width, &err), 0);
	ck_assert_int_eq(resample_axis_init(&v, RESAMPLE_BICUBIC, p->height, out[1], first[1], count[1], 0, p->height, &err), 0);
	ck_assert_int_eq(resampler_new(&r, &h, &v, channels, isa, &err), 0);
	ck_assert_int_eq(resample_picture(r, y, (size_t)count[0] * (size_t)channels, p->pixels,
	                                  (size_t)p->width * (size_t)channels, &err),
	                 0);
	resampler_free(r);
	resample_axis_release(&h);
	resample_axis_release(&v);
	return y;
}

START_TEST(whole_pictures_have_the_published_hashes)
{
	static const struct {
		int w, h, out[2];
		uint64_t hash;
	} want[] = {
		{ 64, 48, { 32, 24 }, 0x3631ebf9341105d1u },
		{ 61, 80, { 24, 31 }, 0x9cb3e8561f9fa317u },
		{ 37, 29, { 40, 32 }, 0x64a6dd7b2e5f54b8u },
		{ 640, 480, { 298, 224 }, 0x754dbd0577854439u },
		{ 1000, 333, { 1009, 336 }, 0x7fac003bce0e7857u },
	};
	static const int zero[2];
	size_t i;

	for (i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		struct adds_picture p = painted(want[i].w, want[i].h, ADDS_PICTURE_RGB);
		uint8_t *y = window(&p, want[i].out, zero, want[i].out, RESAMPLE_AUTO);

		ck_assert_uint_eq(fnv(FNV_START, y, (size_t)want[i].out[0] * (size_t)want[i].out[1] * 3), want[i].hash);
		free(y);
		adds_picture_release(&p);
	}
}
END_TEST

static unsigned
draw(unsigned *state, unsigned n)
{
	*state = *state * 1664525u + 1013904223u;
	return (*state >> 8) % n;
}

START_TEST(instruction_sets_agree)
{
	unsigned s = 7;
	int k;

	if (!resample_has(RESAMPLE_AVX2)) {
		printf("# SKIP resampling with AVX2: this processor has none\n");
		return;
	}
	for (k = 0; k < 120; k++) {
		struct adds_picture p = painted(1 + (int)draw(&s, 90), 1 + (int)draw(&s, 90),
		                                k % 3 ? ADDS_PICTURE_RGB : ADDS_PICTURE_RGBA);
		const int out[2] = { 1 + (int)draw(&s, 120), 1 + (int)draw(&s, 120) };
		const int first[2] = { (int)draw(&s, (unsigned)out[0]), (int)draw(&s, (unsigned)out[1]) };
		const int count[2] = { 1 + (int)draw(&s, (unsigned)(out[0] - first[0])),
			               1 + (int)draw(&s, (unsigned)(out[1] - first[1])) };
		uint8_t *a = window(&p, out, first, count, RESAMPLE_AVX2);
		uint8_t *b = window(&p, out, first, count, RESAMPLE_PORTABLE);

		ck_assert_mem_eq(a, b, (size_t)count[0] * (size_t)count[1] * (p.mode == ADDS_PICTURE_RGBA ? 4 : 3));
		free(a);
		free(b);
		adds_picture_release(&p);
	}
}
END_TEST

START_TEST(a_window_is_a_crop_of_the_whole)
{
	struct adds_picture p = painted(123, 77, ADDS_PICTURE_RGB);
	static const int out[2] = { 50, 91 }, zero[2], first[2] = { 11, 40 }, count[2] = { 20, 33 };
	uint8_t *whole = window(&p, out, zero, out, RESAMPLE_AUTO), *part = window(&p, out, first, count, RESAMPLE_AUTO);
	int y;

	for (y = 0; y < count[1]; y++)
		ck_assert_mem_eq(part + y * count[0] * 3, whole + ((first[1] + y) * out[0] + first[0]) * 3, (size_t)count[0] * 3);
	free(whole);
	free(part);
	adds_picture_release(&p);
}
END_TEST

/* The weights of a plan made elsewhere (the device's interface) give the same bytes. */
START_TEST(a_borrowed_plan_gives_the_same_bytes)
{
	struct adds_picture p = painted(40, 30, ADDS_PICTURE_RGB);
	struct resample_axis h, v, h2, v2;
	struct resampler *r, *r2;
	struct adds_error err = { 0 };
	uint8_t a[17 * 19 * 3], b[17 * 19 * 3];

	ck_assert_int_eq(resample_axis_init(&h, RESAMPLE_BICUBIC, 40, 17, 0, 17, 0, 40, &err), 0);
	ck_assert_int_eq(resample_axis_init(&v, RESAMPLE_BICUBIC, 30, 19, 0, 19, 0, 30, &err), 0);
	ck_assert_int_eq(resample_axis_from(&h2, &h.plan, &err), 0);
	ck_assert_int_eq(resample_axis_from(&v2, &v.plan, &err), 0);
	ck_assert_int_eq(resampler_new(&r, &h, &v, 3, RESAMPLE_AUTO, &err), 0);
	ck_assert_int_eq(resampler_new(&r2, &h2, &v2, 3, RESAMPLE_AUTO, &err), 0);
	ck_assert_int_eq(resample_picture(r, a, 17 * 3, p.pixels, 40 * 3, &err), 0);
	ck_assert_int_eq(resample_picture(r2, b, 17 * 3, p.pixels, 40 * 3, &err), 0);
	resampler_free(r);
	resampler_free(r2);
	ck_assert_mem_eq(a, b, sizeof(a));
	resample_axis_release(&h);
	resample_axis_release(&v);
	resample_axis_release(&h2);
	resample_axis_release(&v2);
	adds_picture_release(&p);
}
END_TEST

/* A line of 1 × 65,500 pixels would be 224 × 14,672,000 before the crop, and 65,500 squared when padded. */
START_TEST(extreme_shapes_take_little_memory)
{
	static const enum adds_fit fits[] = { ADDS_FIT_PAD, ADDS_FIT_CROP, ADDS_FIT_SQUASH };
	size_t i;

	for (i = 0; i < 3; i++) {
		fitted(1, ADDS_PICTURE_MAX_SIDE, ADDS_PICTURE_RGB, fits[i], ADDS_FILTER_BICUBIC, 224);
		fitted(ADDS_PICTURE_MAX_SIDE, 1, ADDS_PICTURE_RGB, fits[i], ADDS_FILTER_BICUBIC, ADDS_PICTURE_MIN_FIT);
	}
}
END_TEST

START_TEST(sides_out_of_range_are_refused)
{
	struct adds_picture p = painted(4, 4, ADDS_PICTURE_RGB);
	struct adds_error err = { 0 };
	uint8_t out[3];

	ck_assert_int_eq(adds_picture_fit(out, 1, &p, ADDS_FIT_PAD, ADDS_FILTER_BICUBIC, &err), ADDS_EARG);
	ck_assert_int_eq(adds_picture_fit(out, ADDS_PICTURE_MAX_FIT + 1, &p, ADDS_FIT_PAD, ADDS_FILTER_BICUBIC, &err), ADDS_EARG);
	adds_picture_release(&p);
}
END_TEST

Suite *resample_suite(void);

Suite *
resample_suite(void)
{
	Suite *s = suite_create("resample");
	TCase *c = tcase_create("resample");

	tcase_set_timeout(c, 60);
	tcase_add_test(c, squares_are_pillows);
	tcase_add_test(c, published_hashes);
	tcase_add_test(c, whole_pictures_have_the_published_hashes);
	tcase_add_test(c, instruction_sets_agree);
	tcase_add_test(c, a_window_is_a_crop_of_the_whole);
	tcase_add_test(c, a_borrowed_plan_gives_the_same_bytes);
	tcase_add_test(c, extreme_shapes_take_little_memory);
	tcase_add_test(c, sides_out_of_range_are_refused);
	suite_add_tcase(s, c);
	return s;
}
