/* SPDX-License-Identifier: MIT
 * picture.c - which format, limits, memory, alpha over white */
#include <stdlib.h>
#include <string.h>

#include "decode.h"

static const struct {
	const char *name;
	size_t at, len;
	const char *magic;
} known[] = {
	/* clang-format off */
	{ "a GIF", 0, 4, "GIF8" },
	{ "a BMP", 0, 2, "BM" },
	{ "a TIFF", 0, 4, "II*\0" },
	{ "a TIFF", 0, 4, "MM\0*" },
	{ "HEIF or AVIF", 4, 4, "ftyp" },
	{ "JPEG 2000", 4, 4, "jP  " },
	{ "JPEG XL", 0, 2, "\xff\x0a" },
	{ "a PDF", 0, 4, "%PDF" },
	{ "text or HTML", 0, 1, "<" },
	/* clang-format on */
};

static int
unknown_format(const uint8_t *bytes, size_t len, struct adds_error *err)
{
	size_t i;

	for (i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (len >= known[i].at + known[i].len && memcmp(bytes + known[i].at, known[i].magic, known[i].len) == 0)
			return adds_fail(err, ADDS_EFORMAT, "is %s; JPEG, PNG and WebP are read: convert it", known[i].name);
	return adds_fail(err, ADDS_EFORMAT, "is neither JPEG nor PNG nor WebP");
}

int
adds_is_jpeg(const uint8_t *bytes, size_t len)
{
	return len >= 3 && memcmp(bytes, "\xff\xd8\xff", 3) == 0;
}

/* before any decoder is asked */
static int
check_length(size_t len, struct adds_error *err)
{
	if (len == 0)
		return adds_fail(err, ADDS_EFORMAT, "is empty");
	if (len > ADDS_PICTURE_MAX_BYTES)
		return adds_fail(err, ADDS_ELIMIT, "has %zu bytes; at most %u are read", len, ADDS_PICTURE_MAX_BYTES);
	return 0;
}

int
adds_picture_decode(struct adds_picture *p, const void *data, size_t len, const struct adds_picture_options *options,
                    struct adds_error *err)
{
	static const struct adds_picture_options plain;
	const uint8_t *bytes = data;
	int orientation = 1, rc;

	memset(p, 0, sizeof(*p));
	if (!options)
		options = &plain;
	if ((rc = check_length(len, err)) < 0)
		return rc;
	if (adds_is_jpeg(bytes, len))
		rc = adds_jpeg_decode(p, &orientation, bytes, len, options, err);
	else if (len >= 8 && memcmp(bytes, "\x89PNG\r\n\x1a\n", 8) == 0)
		rc = adds_png_decode(p, &orientation, bytes, len, options, err);
	else if (len >= 12 && memcmp(bytes, "RIFF", 4) == 0 && memcmp(bytes + 8, "WEBP", 4) == 0)
		rc = adds_webp_decode(p, &orientation, bytes, len, options, err);
	else
		rc = unknown_format(bytes, len, err);
	if (rc < 0)
		return rc;
	return options->reference ? 0 : adds_picture_orient(p, orientation, err);
}

void
adds_picture_release(struct adds_picture *p)
{
	free(p->pixels);
	p->pixels = NULL;
}

int
adds_picture_size(struct adds_picture *p, int64_t width, int64_t height, const struct adds_picture_options *options,
                  struct adds_error *err)
{
	const int64_t most = options->max_pixels > 0 ? options->max_pixels : ADDS_PICTURE_MAX_PIXELS;

	if (width < 1 || height < 1)
		return adds_fail(err, ADDS_EFORMAT, "has no pixels (%lld x %lld)", (long long)width, (long long)height);
	if (width > ADDS_PICTURE_MAX_SIDE || height > ADDS_PICTURE_MAX_SIDE)
		return adds_fail(err, ADDS_ELIMIT, "is %lld x %lld pixels; a side has at most %d", (long long)width,
		                 (long long)height, ADDS_PICTURE_MAX_SIDE);
	if (width * height > most)
		return adds_fail(err, ADDS_ELIMIT, "is %lld x %lld pixels; at most %lld are read (--max-pixels)",
		                 (long long)width, (long long)height, (long long)most);
	p->width = (int)width;
	p->height = (int)height;
	return 0;
}

int
adds_picture_alloc(struct adds_picture *p, int64_t width, int64_t height, int channels,
                   const struct adds_picture_options *options, struct adds_error *err)
{
	const int rc = adds_picture_size(p, width, height, options, err);

	if (rc < 0)
		return rc;
	p->pixels = malloc((size_t)width * (size_t)height * (size_t)channels);
	if (!p->pixels)
		return adds_fail(err, ADDS_ENOMEM, "out of memory for %lld x %lld pixels", (long long)width, (long long)height);
	return 0;
}

void
adds_picture_flatten(struct adds_picture *p)
{
	const size_t n = (size_t)p->width * (size_t)p->height;
	uint8_t *to = p->pixels;
	const uint8_t *from = p->pixels;
	size_t i;
	int c;

	for (i = 0; i < n; i++, from += 4, to += 3) {
		const unsigned a = from[3];

		for (c = 0; c < 3; c++)
			to[c] = (uint8_t)adds_mul255(1, from[c] * a + 255 * (255 - a));
	}
}
