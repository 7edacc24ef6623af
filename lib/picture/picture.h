/* SPDX-License-Identifier: MIT
 *
 * picture.h - a picture file's bytes to upright RGB, and RGB to another size.
 *
 * Knows: fail.h, kernels/ (the resampling passes). Room picture/: JPEG, PNG,
 * WebP, EXIF orientation, resize, fit. Messages do not name the file: the caller does.
 */
#ifndef ADDS_PICTURE_H
#define ADDS_PICTURE_H

#include <stddef.h>
#include <stdint.h>

#include "../fail.h"

#define ADDS_PICTURE_MAX_BYTES (512u << 20)
#define ADDS_PICTURE_MAX_PIXELS 200000000
#define ADDS_PICTURE_MAX_SIDE 65500
#define ADDS_PICTURE_MIN_FIT 16 /* sides that adds_picture_fit makes */
#define ADDS_PICTURE_MAX_FIT 16384

struct adds_picture_options {
	int reference;      /* 1: as Pillow and OpenCLIP do: EXIF ignored, alpha dropped after
	                     * resizing premultiplied, palettes resized by nearest */
	int64_t max_pixels; /* 0: ADDS_PICTURE_MAX_PIXELS */
};

/* how a picture's own mode asks to be resized (only with reference) */
enum adds_picture_mode {
	ADDS_PICTURE_RGB,     /* 3 channels */
	ADDS_PICTURE_RGBA,    /* 4 channels: premultiply, resize, unpremultiply, drop alpha */
	ADDS_PICTURE_INDEXED, /* 3 channels, resized by nearest */
};

struct adds_picture {
	int width, height; /* upright */
	enum adds_picture_mode mode;
	uint8_t *pixels; /* [height, width, 3 or 4] */
};

/* Decodes by content (PNG, JPEG, WebP magic). Sizes are checked before memory
 * is taken. The caller releases p, also after a failure. */
int adds_picture_decode(struct adds_picture *p, const void *bytes, size_t len, const struct adds_picture_options *options,
                        struct adds_error *err);
void adds_picture_release(struct adds_picture *p);

enum adds_fit {
	ADDS_FIT_PAD,    /* padded to a white square first: left = (side - w) div 2, top likewise */
	ADDS_FIT_CROP,   /* shorter side to side (longer truncated), centre crop (round half even) */
	ADDS_FIT_SQUASH, /* both sides to side */
};

enum adds_filter {
	ADDS_FILTER_BICUBIC,
	ADDS_FILTER_BILINEAR,
};

struct adds_square {
	int side;
	uint8_t *out; /* [side, side, 3] */
};

/* Keeps the weights of resizing from picture to picture; for one thread at a time. */
struct adds_fitter;
#define ADDS_FITTER_SQUARES 16

struct adds_fitter *adds_fitter_new(struct adds_error *err);
void adds_fitter_free(struct adds_fitter *f);

/* A file's bytes as n ≤ ADDS_FITTER_SQUARES squares, with the bytes that adds_picture_decode and adds_picture_fit give. The
 * pixels of most JPEGs are never there as a whole, and what no square needs is left out as far as the format allows.
 * dimensions: height and width upright; *stage: "decode" or "resize", what failed. */
int adds_fitter_read(struct adds_fitter *f, const void *bytes, size_t len, const struct adds_picture_options *options,
                     enum adds_fit fit, enum adds_filter filter, const struct adds_square *squares, int n,
                     int32_t dimensions[2], const char **stage, struct adds_error *err);

/* The picture as a side×side RGB square, bit for bit Pillow's result for that
 * fit and filter. out: [side, side, 3]. */
int adds_picture_fit(uint8_t *out, int side, const struct adds_picture *p, enum adds_fit fit, enum adds_filter filter,
                     struct adds_error *err);

#endif
