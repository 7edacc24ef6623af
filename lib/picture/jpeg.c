/* SPDX-License-Identifier: MIT
 * jpeg.c - JPEG by libjpeg's API: all samplings, gray, CMYK and YCCK */
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jerror.h>
#include <jpeglib.h>

#include "../../kernels/resample.h"
#include "decode.h"

enum {
	MAX_SCANS = 200,
	ROWS_AT_ONCE = 16, /* a multiple of RESAMPLE_ROWS */
	MARGIN = 4,        /* columns beside a window, so that chroma is interpolated there as in the whole picture */
	ALIGNED = 64,
	BESIDE = 16,
	MARKER_TEM = 0x01,
	MARKER_RST0 = 0xd0,
	MARKER_SOI = 0xd8,
	MARKER_EOI = 0xd9,
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
	uint8_t *cmyk;              /* one row, or NULL */
	const struct adds_rows *to; /* NULL: the whole picture into p */
	struct adds_window need;
	uint8_t *rows; /* [ROWS_AT_ONCE, width, 3], and what may be read behind it */
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

static int
check_scans(struct jpeg_job *job, int scans)
{
	const double most = MAX_SCAN_PIXELS / ((double)job->p->width * job->p->height);
	const int limit = most < MAX_SCANS ? (int)most : MAX_SCANS;

	return scans <= limit ? 0 : adds_fail(job->err, ADDS_ELIMIT, "JPEG: has more than %d scans", limit);
}

/* should libjpeg see scans where count_scans sees none */
static void
on_progress(j_common_ptr cinfo)
{
	struct jpeg_job *job = cinfo->client_data;

	if ((job->code = check_scans(job, job->cinfo.input_scan_number)) < 0)
		longjmp(job->back, 1);
}

/* of a segment with a length, from its marker on; 0: it is none, or reaches beyond the left bytes (at least 4) of the file */
static size_t
segment_bytes(const uint8_t *marker, size_t left)
{
	const size_t n = (size_t)marker[2] << 8 | marker[3];

	return n < 2 || n > left - 2 ? 0 : 2 + n;
}

/* of a whole file, from its markers (ITU-T T.81, B.1) */
static int
count_scans(const uint8_t *b, size_t len)
{
	const uint8_t *p = b + 2, *const end = b + len;
	int scans = 0;
	size_t n;

	while ((p = memchr(p, 0xff, (size_t)(end - p))) && end - p >= 4 && p[1] != MARKER_EOI) {
		if (p[1] == 0xff) {
			p++;
		} else if (p[1] <= MARKER_TEM || (p[1] >= MARKER_RST0 && p[1] < MARKER_SOI)) { /* alone, or a byte of a scan */
			p += 2;
		} else {
			scans += p[1] == MARKER_SOS;
			if (!(n = segment_bytes(p, (size_t)(end - p))))
				break;
			p += n;
		}
	}
	return scans;
}

/* The first APP1 segment with EXIF before the first scan. */
int
adds_jpeg_orientation(const uint8_t *b, size_t len)
{
	size_t at = 2;

	while (len - at >= 4 && b[at] == 0xff) {
		const unsigned marker = b[at + 1];
		const size_t n = segment_bytes(b + at, len - at);

		if (marker == 0xff) { /* fill byte */
			at++;
			continue;
		}
		if (marker == MARKER_SOS || !n)
			break;
		if (marker == MARKER_APP1 && n >= 10 && memcmp(b + at + 4, "Exif\0\0", 6) == 0)
			return adds_exif_orientation(b + at + 10, n - 10);
		at += n;
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

/* the next rows, up to ROWS_AT_ONCE; returns how many */
static int
read_block(struct jpeg_job *job, uint8_t *to, size_t ld)
{
	struct jpeg_decompress_struct *c = &job->cinfo;
	const JDIMENSION first = c->output_scanline, left = c->output_height - first;
	const JDIMENSION end = first + (left < ROWS_AT_ONCE ? left : ROWS_AT_ONCE);
	JSAMPROW rows[ROWS_AT_ONCE];
	JDIMENSION i;

	for (i = 0; i < end - first; i++)
		rows[i] = job->cmyk ? job->cmyk : to + i * ld;
	while ((i = c->output_scanline) < end) {
		jpeg_read_scanlines(c, rows + (i - first), job->cmyk ? 1 : end - i);
		if (job->cmyk)
			cmyk_row(to + (i - first) * ld, job->cmyk, (int)c->output_width);
	}
	return (int)(end - first);
}

static void
read_whole(struct jpeg_job *job)
{
	struct jpeg_decompress_struct *c = &job->cinfo;

	const size_t ld = 3 * (size_t)c->output_width;

	while (c->output_scanline < c->output_height)
		read_block(job, job->p->pixels + ld * c->output_scanline, ld);
}

/* From a row to the next: an odd number of cache lines, so that rows do not push each other out of the cache. libjpeg-turbo
 * writes rows that lie at multiples of 32 past the cache, where the resampler would have to wait for them: ours lie beside. */
static size_t
row_bytes(int width)
{
	return ((3 * (size_t)width + 63) / 64 | 1) * 64;
}

static uint8_t *
beside(uint8_t *p)
{
	return p + (BESIDE - (uintptr_t)p % ALIGNED) % ALIGNED;
}

/* May rows and columns be left out? libjpeg-turbo can, and does so most simply where one scan holds everything. */
static int
can_skip(struct jpeg_decompress_struct *c)
{
#ifdef LIBJPEG_TURBO_VERSION_NUMBER
	return !jpeg_has_multiple_scans(c) && !c->progressive_mode && !c->arith_code && c->num_components <= 3;
#else
	(void)c;
	return 0;
#endif
}

/* Leaves out rows up to row: decoded as far as their bits must be read. */
static void
skip_to(struct jpeg_job *job, int row)
{
#ifdef LIBJPEG_TURBO_VERSION_NUMBER
	if ((int)job->cinfo.output_scanline < row)
		jpeg_skip_scanlines(&job->cinfo, (JDIMENSION)row - job->cinfo.output_scanline);
#else
	(void)job;
	(void)row;
#endif
}

/* Leaves out columns that are not needed; returns how many at the left. */
static int
crop_columns(struct jpeg_job *job)
{
	JDIMENSION left = 0;
#ifdef LIBJPEG_TURBO_VERSION_NUMBER
	const int from = job->need.left > MARGIN ? job->need.left - MARGIN : 0;
	const int to = job->need.left + job->need.columns + MARGIN;
	JDIMENSION columns = (JDIMENSION)(to < job->p->width ? to - from : job->p->width - from);

	left = (JDIMENSION)from;
	if ((int)columns < job->p->width)
		jpeg_crop_scanline(&job->cinfo, &left, &columns);
#else
	(void)job;
#endif
	return (int)left;
}

/* The last row is always decoded: so a file that ends early is noticed. */
static void
read_rows(struct jpeg_job *job)
{
	struct jpeg_decompress_struct *c = &job->cinfo;
	const int skip = can_skip(c), left = skip ? crop_columns(job) : 0, end = job->need.top + job->need.rows;
	const int last = job->p->height - 1;
	const size_t ld = row_bytes((int)c->output_width);
	uint8_t *rows = beside(job->rows);

	if (skip)
		skip_to(job, job->need.top / ROWS_AT_ONCE * ROWS_AT_ONCE);
	while (c->output_scanline < c->output_height) {
		const int first = (int)c->output_scanline;
		int n;

		if (first >= end && skip)
			skip_to(job, last);
		n = read_block(job, rows, ld);
		if (first < end)
			job->to->take(job->to->ctx, rows, ld, left, first, n);
	}
}

static int
begin_rows(struct jpeg_job *job)
{
	struct jpeg_decompress_struct *c = &job->cinfo;
	int rc;

	if ((rc = adds_picture_size(job->p, c->image_width, c->image_height, job->options, job->err)) < 0 ||
	    (rc = job->to->begin(job->to->ctx, job->p->width, job->p->height, &job->need, job->err)) < 0)
		return rc;
	if (!(job->rows = malloc(ROWS_AT_ONCE * row_bytes((int)c->image_width) + ALIGNED + RESAMPLE_BEHIND)))
		return adds_fail(job->err, ADDS_ENOMEM, "out of memory for %d rows", ROWS_AT_ONCE);
	return 0;
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
	rc = job->to ? begin_rows(job)
	             : adds_picture_alloc(job->p, c->image_width, c->image_height, 3, job->options, job->err);
	if (rc == 0 && jpeg_has_multiple_scans(c))
		rc = check_scans(job, count_scans(bytes, len));
	if (rc < 0)
		return rc;
	c->progress = &job->progress;
	c->out_color_space = c->num_components == 4 ? JCS_CMYK : JCS_RGB;
	if (c->num_components == 4 && !(job->cmyk = malloc(4 * (size_t)c->image_width)))
		return adds_fail(job->err, ADDS_ENOMEM, "out of memory for one row");
	jpeg_start_decompress(c);
	if (job->to)
		read_rows(job);
	else
		read_whole(job);
	jpeg_finish_decompress(c);
	return 0;
}

int
adds_jpeg_rows(struct adds_picture *p, const uint8_t *bytes, size_t len, const struct adds_picture_options *options,
               const struct adds_rows *to, struct adds_error *err)
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
	job.to = to;
	if (setjmp(job.back) == 0)
		job.code = decode(&job, bytes, len);
	jpeg_destroy_decompress(&job.cinfo);
	free(job.cmyk);
	free(job.rows);
	return job.code;
}

int
adds_jpeg_decode(struct adds_picture *p, int *orientation, const uint8_t *bytes, size_t len,
                 const struct adds_picture_options *options, struct adds_error *err)
{
	*orientation = adds_jpeg_orientation(bytes, len);
	return adds_jpeg_rows(p, bytes, len, options, NULL, err);
}
