/* SPDX-License-Identifier: MIT
 * mkbomb.c - a small picture file that claims or demands much, on standard output
 *
 * usage: mkbomb png|jpeg|webp|canvas WIDTH HEIGHT    a file that has next to nothing behind this claim
 *        mkbomb scans WIDTH HEIGHT N                 a gray progressive JPEG that is whole, of 1 + N scans of a few bytes
 *        mkbomb profile MIB                          a PNG of one pixel whose colour profile is so many MiB of zeros, compressed
 * WIDTH and HEIGHT of scans are multiples of 8; canvas is an animated WebP. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <zlib.h>

static unsigned long width, height;

static void
put(const void *p, size_t n)
{
	if (fwrite(p, 1, n, stdout) != n)
		exit(1);
}

static void
put_big(unsigned long x, int bytes)
{
	while (bytes--)
		putchar((int)(x >> 8 * bytes & 255));
}

static void
put_little(unsigned long x, int bytes)
{
	for (; bytes--; x >>= 8)
		putchar((int)(x & 255));
}

/* ---- PNG ---- */

static void
chunk(const char *type, const void *data, size_t n)
{
	const uLong crc = crc32(crc32(0, (const Bytef *)type, 4), data, (uInt)n);

	put_big(n, 4);
	put(type, 4);
	put(data, n);
	put_big(crc, 4);
}

static void
png_head(void)
{
	const unsigned char head[13] = { (unsigned char)(width >> 24), (unsigned char)(width >> 16), (unsigned char)(width >> 8),
		                         (unsigned char)width, (unsigned char)(height >> 24), (unsigned char)(height >> 16),
		                         (unsigned char)(height >> 8), (unsigned char)height, 8, 2, 0, 0, 0 };

	put("\x89PNG\r\n\x1a\n", 8);
	chunk("IHDR", head, sizeof(head));
}

static void
png_rest(void)
{
	static const Bytef row[4];
	Bytef packed[64];
	uLongf n = sizeof(packed);

	compress(packed, &n, row, sizeof(row));
	chunk("IDAT", packed, n);
	chunk("IEND", "", 0);
}

static void
png_profile(size_t mib)
{
	const uLong n = mib << 20;
	uLongf packed = compressBound(n);
	Bytef *zeros = calloc(1, n), *out = malloc(packed + 6);

	if (!zeros || !out || compress(out + 6, &packed, zeros, n) != Z_OK)
		exit(1);
	memcpy(out, "zero\0", 6); /* its name, and the way it is compressed */
	width = height = 1;
	png_head();
	chunk("iCCP", out, packed + 6);
	png_rest();
	free(zeros);
	free(out);
}

/* ---- JPEG ---- */

static void
segment(int marker, const void *data, size_t n)
{
	putchar(0xff);
	putchar(marker);
	put_big(n + 2, 2);
	put(data, n);
}

static void
jpeg_head(int frame)
{
	const unsigned char head[9] = { 8, (unsigned char)(height >> 8), (unsigned char)height, (unsigned char)(width >> 8),
		                        (unsigned char)width, 1, 1, 0x11, 0 };
	unsigned char ones[65];

	memset(ones, 1, sizeof(ones));
	ones[0] = 0;
	put("\xff\xd8", 2);
	segment(0xdb, ones, sizeof(ones));
	segment(frame, head, sizeof(head));
}

/* a table of one code, a zero bit */
static void
huffman(int which, int symbol)
{
	unsigned char table[18] = { 0 };

	table[0] = (unsigned char)which;
	table[1] = 1;
	table[17] = (unsigned char)symbol;
	segment(0xc4, table, sizeof(table));
}

/* a scan whose bits are all zero */
static void
scan(int from, int to, unsigned long bits)
{
	const unsigned char head[6] = { 1, 1, 0, (unsigned char)from, (unsigned char)to, 0 };
	unsigned long i;

	segment(0xda, head, sizeof(head));
	for (i = 0; i < bits; i += 8)
		putchar(0);
}

static void
jpeg_scans(unsigned long n)
{
	const unsigned long blocks = width / 8 * (height / 8);

	jpeg_head(0xc2);
	huffman(0x00, 0);    /* no difference to the block before */
	huffman(0x10, 0xe0); /* nothing in 16384 blocks and as many as the next 14 bits say */
	scan(0, 0, blocks);
	while (n--)
		scan(1, 63, (blocks + 16383) / 16384 * 15);
	put("\xff\xd9", 2);
}

/* ---- WebP ---- */

static void
webp(int canvas)
{
	static const unsigned char key_frame[6] = { 0x10, 0, 0, 0x9d, 0x01, 0x2a };

	put("RIFF", 4);
	put_little(canvas ? 36 : 4 + 8 + 10, 4);
	put(canvas ? "WEBPVP8X" : "WEBPVP8 ", 8);
	put_little(10, 4);
	if (canvas) {
		put_little(2, 4);
		put_little(width - 1, 3);
		put_little(height - 1, 3);
		put("ANIM\6\0\0\0\0\0\0\0\0\0", 14);
	} else {
		put(key_frame, sizeof(key_frame));
		put_little(width, 2);
		put_little(height, 2);
	}
}

int
main(int argc, char **argv)
{
	const char *what = argc > 2 ? argv[1] : "";

	width = argc > 3 ? strtoul(argv[2], NULL, 10) : 0;
	height = argc > 3 ? strtoul(argv[3], NULL, 10) : 0;
	if (strcmp(what, "png") == 0) {
		png_head();
		png_rest();
	} else if (strcmp(what, "profile") == 0) {
		png_profile(strtoul(argv[2], NULL, 10));
	} else if (strcmp(what, "jpeg") == 0) {
		jpeg_head(0xc0);
		scan(0, 63, 8);
	} else if (strcmp(what, "scans") == 0) {
		jpeg_scans(argc > 4 ? strtoul(argv[4], NULL, 10) : 0);
	} else if (strcmp(what, "webp") == 0 || strcmp(what, "canvas") == 0) {
		webp(strcmp(what, "canvas") == 0);
	} else {
		return 2;
	}
	return fflush(stdout) != 0;
}
