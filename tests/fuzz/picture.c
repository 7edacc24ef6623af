/* SPDX-License-Identifier: MIT
 * picture.c - fuzz target: any bytes as a picture file. The first byte chooses
 * how it is decoded and fitted; the rest is the file. */
#include <stdint.h>
#include <stdlib.h>

#include "../../lib/picture/picture.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum { SIDE = 40 };
	static uint8_t square[SIDE * SIDE * 3];
	struct adds_picture_options o = { 0, 4000000 };
	struct adds_error err;
	struct adds_picture p;
	unsigned how;

	if (!size)
		return 0;
	how = data[0];
	o.reference = (int)(how & 1);
	if (adds_picture_decode(&p, data + 1, size - 1, &o, &err) == 0 &&
	    adds_picture_fit(square, SIDE, &p, (enum adds_fit)(how / 2 % 3), how & 8 ? ADDS_FILTER_BILINEAR : ADDS_FILTER_BICUBIC,
	                     &err) < 0)
		abort(); /* what decodes can be fitted */
	adds_picture_release(&p);
	return 0;
}
