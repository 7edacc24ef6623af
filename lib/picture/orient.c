/* SPDX-License-Identifier: MIT
 * orient.c - EXIF orientation: reading it, and turning pixels upright */
#include <stdlib.h>
#include <string.h>

#include "decode.h"

enum { TAG_ORIENTATION = 0x0112,
       TYPE_SHORT = 3,
       ENTRY = 12 };

static unsigned
get16(const uint8_t *p, int big)
{
	return big ? (unsigned)p[0] << 8 | p[1] : (unsigned)p[1] << 8 | p[0];
}

static uint32_t
get32(const uint8_t *p, int big)
{
	return big ? (uint32_t)get16(p, 1) << 16 | get16(p + 2, 1) : (uint32_t)get16(p + 2, 0) << 16 | get16(p, 0);
}

int
adds_exif_orientation(const uint8_t *tiff, size_t len)
{
	size_t at, i, n;
	int big;

	if (len < 8 || (memcmp(tiff, "II", 2) != 0 && memcmp(tiff, "MM", 2) != 0))
		return 1;
	big = tiff[0] == 'M';
	at = get32(tiff + 4, big);
	if (get16(tiff + 2, big) != 42 || at > len - 2)
		return 1;
	n = get16(tiff + at, big);
	at += 2;
	for (i = 0; i < n && len - at >= ENTRY; i++, at += ENTRY) {
		const uint8_t *entry = tiff + at;
		unsigned value;

		if (get16(entry, big) != TAG_ORIENTATION)
			continue;
		value = get16(entry + 8, big);
		return get16(entry + 2, big) == TYPE_SHORT && get32(entry + 4, big) == 1 &&
		                       value >= 1 && value <= 8
		               ? (int)value
		               : 1;
	}
	return 1;
}

/* where pixel (0,0) of the upright picture comes from, and the steps to its neighbours to the right and below */
struct walk {
	ptrdiff_t start, right, down;
};

static struct walk
walk_of(int orientation, ptrdiff_t w, ptrdiff_t h)
{
	const ptrdiff_t across = w - 1, below = (h - 1) * w;

	switch (orientation) {
	case 2:
		return (struct walk){ across, -1, w };
	case 3:
		return (struct walk){ below + across, -1, -w };
	case 4:
		return (struct walk){ below, 1, -w };
	case 5:
		return (struct walk){ 0, w, 1 };
	case 6:
		return (struct walk){ below, -w, 1 };
	case 7:
		return (struct walk){ below + across, -w, -1 };
	case 8:
		return (struct walk){ across, w, -1 };
	default:
		return (struct walk){ 0, 1, w };
	}
}

/* in blocks, so that a turned picture is not read one cache line a pixel */
static void
turn(uint8_t *to, const uint8_t *from, int width, int height, struct walk k)
{
	enum { BLOCK = 32 };
	int x0, y0, x, y;

	for (y0 = 0; y0 < height; y0 += BLOCK)
		for (x0 = 0; x0 < width; x0 += BLOCK)
			for (y = y0; y < height && y < y0 + BLOCK; y++)
				for (x = x0; x < width && x < x0 + BLOCK; x++) {
					const uint8_t *s = from + 3 * (k.start + x * k.right + y * k.down);
					uint8_t *d = to + 3 * ((size_t)y * (size_t)width + (size_t)x);

					d[0] = s[0];
					d[1] = s[1];
					d[2] = s[2];
				}
}

int
adds_picture_orient(struct adds_picture *p, int orientation, struct adds_error *err)
{
	const int turned = orientation >= 5;
	const int width = turned ? p->height : p->width, height = turned ? p->width : p->height;
	uint8_t *upright;

	if (orientation < 2 || orientation > 8)
		return 0;
	upright = malloc((size_t)width * (size_t)height * 3);
	if (!upright)
		return adds_fail(err, ADDS_ENOMEM, "out of memory for %d x %d pixels", width, height);
	turn(upright, p->pixels, width, height, walk_of(orientation, p->width, p->height));
	free(p->pixels);
	p->pixels = upright;
	p->width = width;
	p->height = height;
	return 0;
}
