/* SPDX-License-Identifier: MIT
 * decode.h - what the decoders of the room share */
#ifndef ADDS_DECODE_H
#define ADDS_DECODE_H

#include "picture.h"

/* The decoders: p->pixels as the file stores them (orientation not applied), *orientation from 1 to 8. */
int adds_jpeg_decode(struct adds_picture *p, int *orientation, const uint8_t *bytes, size_t len,
                     const struct adds_picture_options *options, struct adds_error *err);
int adds_png_decode(struct adds_picture *p, int *orientation, const uint8_t *bytes, size_t len,
                    const struct adds_picture_options *options, struct adds_error *err);
int adds_webp_decode(struct adds_picture *p, int *orientation, const uint8_t *bytes, size_t len,
                     const struct adds_picture_options *options, struct adds_error *err);

/* the part of a picture that is needed */
struct adds_window {
	int left, columns, top, rows;
};

/* who takes a picture's rows as they are decoded */
struct adds_rows {
	void *ctx;
	/* The size is known: what is needed of it into *need. */
	int (*begin)(void *ctx, int width, int height, struct adds_window *need, struct adds_error *err);
	/* Rows first … first+rows-1 without the columns before left, as resampler_rows wants them. */
	void (*take)(void *ctx, const uint8_t *x, size_t ldx, int left, int first, int rows);
};

/* A JPEG row by row, orientation not applied; p->width and p->height are filled in. */
int adds_jpeg_rows(struct adds_picture *p, const uint8_t *bytes, size_t len, const struct adds_picture_options *options,
                   const struct adds_rows *to, struct adds_error *err);
int adds_jpeg_orientation(const uint8_t *bytes, size_t len);
/* Is it one, by its first bytes? */
int adds_is_jpeg(const uint8_t *bytes, size_t len);

/* Checks the size against the limits and notes it. */
int adds_picture_size(struct adds_picture *p, int64_t width, int64_t height, const struct adds_picture_options *options,
                      struct adds_error *err);
/* The same, then takes memory for channels bytes a pixel. */
int adds_picture_alloc(struct adds_picture *p, int64_t width, int64_t height, int channels,
                       const struct adds_picture_options *options, struct adds_error *err);

/* RGBA pixels to RGB over white, in place (Pillow's paste with a mask) */
void adds_picture_flatten(struct adds_picture *p);

/* The orientation (1 to 8) of a TIFF structure, as EXIF holds it; 1 if it says nothing valid. */
int adds_exif_orientation(const uint8_t *tiff, size_t len);

/* Turns the pixels upright. */
int adds_picture_orient(struct adds_picture *p, int orientation, struct adds_error *err);

/* v·a/255 rounded, as Pillow has it */
static inline unsigned
adds_mul255(unsigned v, unsigned a)
{
	const unsigned t = v * a + 128;

	return ((t >> 8) + t) >> 8;
}

#endif
