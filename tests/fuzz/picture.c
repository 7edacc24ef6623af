/* SPDX-License-Identifier: MIT
 * picture.c - fuzz target: any bytes as a picture file. The first byte chooses
 * how it is decoded and fitted; the rest is the file. Decoded whole and row by
 * row, it gives the same bytes. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/picture/picture.h"

enum { SIDE = 40 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t square[SIDE * SIDE * 3], again[SIDE * SIDE * 3];
	static struct adds_fitter *fitter;
	const struct adds_square squares[1] = { { SIDE, again } };
	struct adds_picture_options o = { 0, 4000000 };
	struct adds_error err;
	struct adds_picture p;
	enum adds_filter filter;
	enum adds_fit fit;
	const char *stage;
	int32_t dimensions[2];
	int rc;

	if (!size || (!fitter && !(fitter = adds_fitter_new(&err))))
		return 0;
	o.reference = (int)(data[0] & 1);
	fit = (enum adds_fit)(data[0] / 2 % 3);
	filter = data[0] & 8 ? ADDS_FILTER_BILINEAR : ADDS_FILTER_BICUBIC;
	rc = adds_picture_decode(&p, data + 1, size - 1, &o, &err);
	if (rc == 0 && adds_picture_fit(square, SIDE, &p, fit, filter, &err) < 0)
		abort(); /* what decodes can be fitted */
	adds_picture_release(&p);
	if (adds_fitter_read(fitter, data + 1, size - 1, &o, fit, filter, squares, 1, dimensions, &stage, &err) != rc)
		abort();
	if (rc == 0 && memcmp(square, again, sizeof(square)) != 0)
		abort();
	return 0;
}
