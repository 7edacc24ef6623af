/* SPDX-License-Identifier: MIT
 * jpeg.c - JPEG by libjpeg's API: all samplings, gray, CMYK and YCCK */
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jerror.h>
#include <jpeglib.h>

#include "decode.h"

enum {
	MAX_SCANS = 200,
	ROWS_AT_ONCE = 16,
	MARKER_SOS = 0xda,
	MARKER_APP1 = 0xe1,
};

/* scans times pixels: a small file of empty progressive scans must not keep a core busy for minutes */
static const double MAX_SCAN_PIXELS = 4e9;

struct jpeg_job {
	struct jpeg_decompress_struct cinfo;
	struct jpeg_error_mgr mgr;
	struct jpeg_progress_mgr progress;
	jmp_buf back;
	struct adds_error *err;
	int code;
	struct adds_picture *p;
	const struct adds_picture_options *options;
	uint8_t *cmyk; /* one row, or NULL */
};

static void
on_error(j_common_ptr cinfo)
{
	struct jpeg_job *job = cinfo->client_data;
	char text[JMSG_LENGTH_MAX];

	cinfo->err->format_message(cinfo, text);
	job->code = adds_fail(job->err, cinfo->err->msg_code == JERR_OUT_OF_MEMORY ? ADDS_ENOMEM : ADDS_EFORMAT,
	                      "JPEG: %s", text);
	longjmp(job->back, 1);
}

/* Damage inside a scan is decoded over, as everybody does; the end of the file before the end of the picture is not. */
static void
on_message(j_common_ptr cinfo, int level)
{
	struct jpeg_job *job = cinfo->client_data;

	if (level >= 0)
		return;
	cinfo->err->num_warnings++;
	if (cinfo->err->msg_code != JWRN_JPEG_EOF)
		return;
	job->code = adds_fail(job->err, ADDS_EFORMAT, "JPEG: the file ends early: it is truncated");
	longjmp(job->back, 1);
}

static void
on_progress(j_common_ptr cinfo)
{
	struct jpeg_job *job = cinfo->client_data;
	const int scans = job->cinfo.input_scan_number;

	if (scans <= MAX_SCANS && (double)scans * job->p->width * job->p->height <= MAX_SCAN_PIXELS)
		return;
	job->code = adds_fail(job->err, ADDS_ELIMIT, "JPEG: has more than %d scans", scans - 1);
	longjmp(job->back, 1);
}

/* The first APP1 segment with EXIF before the first scan. */
static int
orientation_of(const uint8_t *b, size_t len)
{
	size_t at = 2;

	while (len - at >= 4 && b[at] == 0xff) {
		const unsigned marker = b[at + 1];
		const size_t n = (size_t)b[at + 2] << 8 | b[at + 3];

		if (marker == 0xff) { /* fill byte */
			at++;
			continue;
		}
		if (marker == MARKER_SOS || n < 2 || n > len - at - 2)
			break;
		if (marker == MARKER_APP1 && n >= 8 && memcmp(b + at + 4, "Exif\0\0", 6) == 0)
			return adds_exif_orientation(b + at + 10, n - 8);
		at += 2 + n;
	}
	return 1;
}

/* Adobe's convention, inverted values; the formula is Pillow's. */
static void
cmyk_row(uint8_t *rgb, const uint8_t *cmyk, int width)
{
	int x, c;

	for (x = 0; x < width; x++, rgb += 3, cmyk += 4) {
		const int nk = cmyk[3];

		for (c = 0; c < 3; c++) {
			const int v = nk - (int)adds_mul255(255u - cmyk[c], (unsigned)nk);

			rgb[c] = (uint8_t)(v < 0 ? 0 : v);
		}
	}
}

static void
read_rows(struct jpeg_job *job)
{
	struct jpeg_decompress_struct *c = &job->cinfo;
	const size_t ld = 3 * (size_t)c->output_width;
	JSAMPROW rows[ROWS_AT_ONCE];

	while (c->output_scanline < c->output_height) {
		uint8_t *to = job->p->pixels + ld * c->output_scanline;
		int i;

		if (job->cmyk) {
			rows[0] = job->cmyk;
			if (jpeg_read_scanlines(c, rows, 1) == 1)
				cmyk_row(to, job->cmyk, (int)c->output_width);
			continue;
		}
		for (i = 0; i < ROWS_AT_ONCE && c->output_scanline + (JDIMENSION)i < c->output_height; i++)
			rows[i] = to + (size_t)i * ld;
		jpeg_read_scanlines(c, rows, (JDIMENSION)i);
	}
}

/* everything that may jump back to adds_jpeg_decode */
static int
decode(struct jpeg_job *job, const uint8_t *bytes, size_t len)
{
	struct jpeg_decompress_struct *c = &job->cinfo;
	int rc;

	jpeg_create_decompress(c);
	c->client_data = job;
	jpeg_mem_src(c, bytes, (unsigned long)len);
	jpeg_read_header(c, TRUE);
	if ((rc = adds_picture_alloc(job->p, c->image_width, c->image_height, 3, job->options, job->err)) < 0)
		return rc;
	c->progress = &job->progress;
	c->out_color_space = c->num_components == 4 ? JCS_CMYK : JCS_RGB;
	if (c->num_components == 4 && !(job->cmyk = malloc(4 * (size_t)c->image_width)))
		return adds_fail(job->err, ADDS_ENOMEM, "out of memory for one row");
	jpeg_start_decompress(c);
	read_rows(job);
	jpeg_finish_decompress(c);
	return 0;
}

int
adds_jpeg_decode(struct adds_picture *p, int *orientation, const uint8_t *bytes, size_t len,
                 const struct adds_picture_options *options, struct adds_error *err)
{
	struct jpeg_job job;

	memset(&job, 0, sizeof(job));
	job.cinfo.err = jpeg_std_error(&job.mgr);
	job.cinfo.client_data = &job;
	job.mgr.error_exit = on_error;
	job.mgr.emit_message = on_message;
	job.progress.progress_monitor = on_progress;
	job.err = err;
	job.p = p;
	job.options = options;
	*orientation = orientation_of(bytes, len);
	if (setjmp(job.back) == 0)
		job.code = decode(&job, bytes, len);
	jpeg_destroy_decompress(&job.cinfo);
	free(job.cmyk);
	return job.code;
}
