/* SPDX-License-Identifier: MIT
 * png.c - PNG by libpng, with every checksum checked */
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <png.h>

#include "decode.h"

enum { MAX_CHUNK = 8 << 20,
       MAX_CACHED_CHUNKS = 64 };

struct png_job {
	png_structp png;
	png_infop info;
	jmp_buf back;
	struct adds_error *err;
	int code;
	const uint8_t *bytes;
	size_t len, at;
	int complete; /* all rows are here */
	struct adds_picture *p;
	const struct adds_picture_options *options;
};

static void
on_error(png_structp png, png_const_charp text)
{
	struct png_job *job = png_get_error_ptr(png);

	job->code = adds_fail(job->err, ADDS_EFORMAT, "PNG: %s", text);
	longjmp(job->back, 1);
}

static void
on_warning(png_structp png, png_const_charp text)
{
	(void)png;
	(void)text;
}

static void
on_read(png_structp png, png_bytep to, size_t n)
{
	struct png_job *job = png_get_io_ptr(png);

	if (n > job->len - job->at && job->complete)
		longjmp(job->back, 1); /* only what stands behind the pixels is missing */
	if (n > job->len - job->at)
		png_error(png, "the file ends early: it is truncated");
	memcpy(to, job->bytes + job->at, n);
	job->at += n;
}

/* the eXIf chunk; lengths are checked here, the checksum by libpng */
static int
orientation_of(const uint8_t *b, size_t len)
{
	size_t at = 8;

	while (len - at >= 12) {
		const size_t n = (size_t)b[at] << 24 | (size_t)b[at + 1] << 16 | (size_t)b[at + 2] << 8 | b[at + 3];

		if (n > len - at - 12)
			break;
		if (memcmp(b + at + 4, "eXIf", 4) == 0)
			return adds_exif_orientation(b + at + 8, n);
		at += 12 + n;
	}
	return 1;
}

/* Everything becomes 8-bit RGB or RGBA (16 bits by their high byte); returns the channels. */
static int
ask_for_rgb(struct png_job *job)
{
	const int type = png_get_color_type(job->png, job->info), depth = png_get_bit_depth(job->png, job->info);
	const int alpha = (type & PNG_COLOR_MASK_ALPHA) != 0;
	const int key = png_get_valid(job->png, job->info, PNG_INFO_tRNS) != 0 && !alpha;

	job->p->mode = ADDS_PICTURE_RGB;
	if (job->options->reference && (type == PNG_COLOR_TYPE_PALETTE || (type == PNG_COLOR_TYPE_GRAY && depth == 1)))
		job->p->mode = ADDS_PICTURE_INDEXED;
	if (job->options->reference && alpha)
		job->p->mode = ADDS_PICTURE_RGBA;
	png_set_expand(job->png);
	png_set_strip_16(job->png);
	png_set_gray_to_rgb(job->png);
	if (job->options->reference && key)
		png_set_strip_alpha(job->png);
	return alpha || (key && !job->options->reference) ? 4 : 3;
}

static void
read_rows(struct png_job *job, int channels)
{
	const int passes = png_set_interlace_handling(job->png);
	int pass, y;

	png_read_update_info(job->png, job->info);
	if (png_get_rowbytes(job->png, job->info) != (size_t)job->p->width * (size_t)channels)
		png_error(job->png, "rows of an unexpected length");
	for (pass = 0; pass < passes; pass++)
		for (y = 0; y < job->p->height; y++)
			png_read_row(job->png, job->p->pixels + (size_t)y * (size_t)job->p->width * (size_t)channels, NULL);
}

static void
set_limits(png_structp png)
{
	/* profiles and texts may be compressed, and tell us nothing */
	static const png_byte skipped[] = "iCCP\0zTXt\0iTXt\0tEXt\0sPLT\0eXIf";

	png_set_user_limits(png, ADDS_PICTURE_MAX_SIDE, ADDS_PICTURE_MAX_SIDE);
	png_set_chunk_cache_max(png, MAX_CACHED_CHUNKS);
	png_set_chunk_malloc_max(png, MAX_CHUNK);
	png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, skipped, 6);
	png_set_crc_action(png, PNG_CRC_ERROR_QUIT, PNG_CRC_ERROR_QUIT);
}

/* everything that may jump back to adds_png_decode */
static int
decode(struct png_job *job)
{
	int channels, rc;

	job->png = png_create_read_struct(PNG_LIBPNG_VER_STRING, job, on_error, on_warning);
	job->info = job->png ? png_create_info_struct(job->png) : NULL;
	if (!job->info)
		return adds_fail(job->err, ADDS_ENOMEM, "out of memory");
	png_set_read_fn(job->png, job, on_read);
	set_limits(job->png);
	png_read_info(job->png, job->info);
	channels = ask_for_rgb(job);
	rc = adds_picture_alloc(job->p, png_get_image_width(job->png, job->info),
	                        png_get_image_height(job->png, job->info), channels, job->options, job->err);
	if (rc < 0)
		return rc;
	read_rows(job, channels);
	if (channels == 4 && job->p->mode != ADDS_PICTURE_RGBA)
		adds_picture_flatten(job->p);
	job->complete = 1;
	png_read_end(job->png, NULL); /* checks the rest of the checksums */
	return 0;
}

int
adds_png_decode(struct adds_picture *p, int *orientation, const uint8_t *bytes, size_t len,
                const struct adds_picture_options *options, struct adds_error *err)
{
	struct png_job job;

	memset(&job, 0, sizeof(job));
	job.err = err;
	job.bytes = bytes;
	job.len = len;
	job.p = p;
	job.options = options;
	*orientation = orientation_of(bytes, len);
	if (setjmp(job.back) == 0)
		job.code = decode(&job);
	png_destroy_read_struct(&job.png, &job.info, NULL);
	return job.code;
}
