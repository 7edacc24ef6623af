/* SPDX-License-Identifier: MIT
 * webp.c - WebP by libwebp; of an animation the first frame */
#include <string.h>

#include <webp/decode.h>
#include <webp/demux.h>

#include "decode.h"

/* The EXIF chunk: a TIFF structure, with or without JPEG's "Exif" before it. */
static int
orientation_of(const uint8_t *b, size_t len)
{
	size_t at = 12;

	while (len - at >= 8) {
		const size_t n = (size_t)b[at + 7] << 24 | (size_t)b[at + 6] << 16 | (size_t)b[at + 5] << 8 | b[at + 4];
		const uint8_t *data = b + at + 8;

		if (n > len - at - 8)
			break;
		if (memcmp(b + at, "EXIF", 4) == 0) {
			const size_t skip = n >= 6 && memcmp(data, "Exif\0\0", 6) == 0 ? 6 : 0;

			return adds_exif_orientation(data + skip, n - skip);
		}
		at += 8 + n;
		if (n % 2 && at < len)
			at++;
	}
	return 1;
}

static int
bad(struct adds_error *err)
{
	return adds_fail(err, ADDS_EFORMAT, "WebP: the file is broken or truncated");
}

/* the first frame as the animation decoder shows it, RGBA on its canvas */
static int
first_frame(struct adds_picture *p, const uint8_t *bytes, size_t len, struct adds_error *err)
{
	const WebPData data = { bytes, len };
	WebPAnimDecoderOptions how;
	WebPAnimDecoder *d;
	uint8_t *canvas;
	int time, ok;

	WebPAnimDecoderOptionsInit(&how);
	how.color_mode = MODE_RGBA;
	d = WebPAnimDecoderNew(&data, &how);
	if (!d)
		return bad(err);
	ok = WebPAnimDecoderGetNext(d, &canvas, &time);
	if (ok)
		memcpy(p->pixels, canvas, (size_t)p->width * (size_t)p->height * 4);
	WebPAnimDecoderDelete(d);
	return ok ? 0 : bad(err);
}

static int
whole(struct adds_picture *p, const uint8_t *bytes, size_t len, int channels, struct adds_error *err)
{
	const size_t ld = (size_t)p->width * (size_t)channels, size = ld * (size_t)p->height;

	if (channels == 4 ? !WebPDecodeRGBAInto(bytes, len, p->pixels, size, (int)ld)
	                  : !WebPDecodeRGBInto(bytes, len, p->pixels, size, (int)ld))
		return bad(err);
	return 0;
}

int
adds_webp_decode(struct adds_picture *p, int *orientation, const uint8_t *bytes, size_t len,
                 const struct adds_picture_options *options, struct adds_error *err)
{
	WebPBitstreamFeatures f;
	int channels, rc;

	*orientation = orientation_of(bytes, len);
	if (WebPGetFeatures(bytes, len, &f) != VP8_STATUS_OK)
		return bad(err);
	channels = f.has_alpha || f.has_animation ? 4 : 3;
	if ((rc = adds_picture_alloc(p, f.width, f.height, channels, options, err)) < 0)
		return rc;
	rc = f.has_animation ? first_frame(p, bytes, len, err) : whole(p, bytes, len, channels, err);
	if (rc < 0)
		return rc;
	p->mode = channels == 4 && options->reference ? ADDS_PICTURE_RGBA : ADDS_PICTURE_RGB;
	if (channels == 4 && !options->reference)
		adds_picture_flatten(p);
	return 0;
}
