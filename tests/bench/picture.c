/* SPDX-License-Identifier: MIT
 * picture.c - pictures a second on one core: a JPEG to a 224-pixel square,
 * beside libjpeg-turbo's decoding alone, and tiles of a pyramid. usage: picture [FILE.jpg] (a 640 x
 * 480 scene is made without one) */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <jpeglib.h>

#include "../../lib/pyramid/pyramid.h"
#include "../../lib/stream/record.h"
#include "bench.h"

enum { WIDTH = 640,
       HEIGHT = 480,
       S = 224,
       ROUNDS = 5 };

static uint8_t square[S * S * 3];
static const double SECONDS = 0.6; /* of one round; the best of all counts */

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* soft colours with some texture: about 100 KB at quality 90, as a photo */
static void
paint_row(uint8_t *row, int y, unsigned *noise)
{
	int x, c;

	for (x = 0; x < WIDTH; x++)
		for (c = 0; c < 3; c++) {
			*noise = *noise * 1664525u + 1013904223u;
			row[3 * x + c] =
				(uint8_t)(128 + 70 * sin(x * 0.02 + c) * cos(y * 0.017 - c) +
			                  20 * sin(x * 0.9) * sin(y * 0.7) +
			                  (double)(*noise >> 28));
		}
}

static unsigned char *
scene(unsigned long *len)
{
	struct jpeg_compress_struct c;
	struct jpeg_error_mgr mgr;
	unsigned char *bytes = NULL;
	uint8_t row[WIDTH * 3];
	JSAMPROW rows[1] = { row };
	unsigned noise = 1;

	c.err = jpeg_std_error(&mgr);
	jpeg_create_compress(&c);
	jpeg_mem_dest(&c, &bytes, len);
	c.image_width = WIDTH;
	c.image_height = HEIGHT;
	c.input_components = 3;
	c.in_color_space = JCS_RGB;
	jpeg_set_defaults(&c);
	jpeg_set_quality(&c, 90, TRUE);
	jpeg_start_compress(&c, TRUE);
	while (c.next_scanline < c.image_height) {
		paint_row(row, (int)c.next_scanline, &noise);
		jpeg_write_scanlines(&c, rows, 1);
	}
	jpeg_finish_compress(&c);
	jpeg_destroy_compress(&c);
	return bytes;
}

/* libjpeg-turbo and nothing else: rows into one buffer that stays */
static void
bare(const unsigned char *bytes, unsigned long len)
{
	static uint8_t *pixels;
	struct jpeg_decompress_struct c;
	struct jpeg_error_mgr mgr;

	c.err = jpeg_std_error(&mgr);
	jpeg_create_decompress(&c);
	jpeg_mem_src(&c, bytes, len);
	jpeg_read_header(&c, TRUE);
	jpeg_start_decompress(&c);
	if (!pixels && !(pixels = malloc(3 * (size_t)c.output_width * c.output_height)))
		exit(1);
	while (c.output_scanline < c.output_height) {
		JSAMPROW row = pixels + 3 * (size_t)c.output_width * c.output_scanline;

		jpeg_read_scanlines(&c, &row, 1);
	}
	jpeg_finish_decompress(&c);
	jpeg_destroy_decompress(&c);
}

static void
check(int rc, const struct adds_error *err)
{
	if (rc != 0)
		bench_stop(err->msg);
}

static void
fitted(const unsigned char *bytes, unsigned long len, enum adds_fit fit)
{
	static struct adds_fitter *f;
	static const struct adds_picture_options options;
	const struct adds_square squares[1] = { { S, square } };
	const char *stage;
	struct adds_error err;
	int32_t size[2];

	if (!f && !(f = adds_fitter_new(&err)))
		check(ADDS_ENOMEM, &err);
	check(adds_fitter_read(f, bytes, len, &options, fit, ADDS_FILTER_BICUBIC, squares, 1, size, &stage, &err), &err);
}

static void
whole(const unsigned char *bytes, unsigned long len)
{
	fitted(bytes, len, ADDS_FIT_CROP);
}

static void
padded(const unsigned char *bytes, unsigned long len)
{
	fitted(bytes, len, ADDS_FIT_PAD);
}

/* calls a second, best of some rounds */
static double
rate(void (*f)(const unsigned char *, unsigned long), const unsigned char *bytes, unsigned long len)
{
	double best = 0;
	int round;

	for (round = 0; round < ROUNDS; round++) {
		const double start = now();
		double t;
		int n = 0;

		do {
			f(bytes, len);
			n++;
		} while ((t = now() - start) < SECONDS);
		if (n / t > best)
			best = n / t;
	}
	return best;
}

static void
three_levels(const unsigned char *bytes, unsigned long len)
{
	static uint8_t *tiles;
	static struct adds_cutter *c;
	static const struct adds_picture_options options;
	struct adds_pyramid plan;
	struct adds_error err;
	const char *stage;
	int32_t size[2];

	check(adds_pyramid_plan(&plan, S, 3, 0, &err), &err);
	if (!c && !((c = adds_cutter_new(&plan, &err)) && (tiles = malloc((size_t)plan.tiles * sizeof(square)))))
		exit(1);
	check(adds_cutter_read(c, bytes, len, &options, ADDS_FIT_PAD, ADDS_FILTER_BICUBIC, tiles, size, &stage, &err), &err);
}

/* for the peer: the same file */
static void
leave(const unsigned char *bytes, unsigned long len)
{
	char path[4096];
	FILE *f;

	snprintf(path, sizeof(path), "%s/scene.jpg", bench_folder());
	if (!(f = fopen(path, "wb")) || fwrite(bytes, 1, len, f) != len || fclose(f) != 0)
		exit(1);
}

int
main(int argc, char **argv)
{
	struct adds_error err = { 0 };
	unsigned long len;
	size_t n;
	unsigned char *bytes;
	double ours, alone, pad;

	if (argc > 1) {
		bytes = (unsigned char *)adds_read_file(argv[1], 64 << 20, &n, &err);
		len = n;
	} else {
		bytes = scene(&len);
	}
	if (!bytes)
		check(ADDS_EIO, &err);
	alone = rate(bare, bytes, len);
	leave(bytes, len);
	ours = rate(whole, bytes, len);
	pad = rate(padded, bytes, len);
	bench_line("JPEG 640 x 480 to 224, one core", "ADDS", ours, "pictures/s", "more");
	bench_line("JPEG 640 x 480 to 224, one core", "libjpeg-turbo alone", alone, "pictures/s", "more");
	bench_line("JPEG 640 x 480 padded to 224, one core", "ADDS", pad, "pictures/s", "more");
	bench_line("JPEG 640 x 480 to 21 tiles, one core", "ADDS", rate(three_levels, bytes, len), "pictures/s", "more");
	free(bytes);
	return 0;
}
