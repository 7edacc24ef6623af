/* SPDX-License-Identifier: MIT
 * test_picture.c - decoding: small pictures of every kind against Pillow, a
 * suite of good and broken files, orientation, limits, truncation */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "../../lib/picture/decode.h"
#include "../../lib/stream/record.h"
#include "unit.h"

/* RGB as the picture holds it: alpha dropped */
static void
to_rgb(struct adds_picture *p)
{
	const size_t n = (size_t)p->width * (size_t)p->height;
	size_t i;

	for (i = 0; p->mode == ADDS_PICTURE_RGBA && i < n; i++)
		memmove(p->pixels + 3 * i, p->pixels + 4 * i, 3);
}

static char *
data(const char *name, size_t *len)
{
	char path[256];
	struct adds_error err;
	char *bytes;

	snprintf(path, sizeof(path), "tests/data/picture/%s", name);
	bytes = adds_read_file(tree(path), 1 << 20, len, &err);
	ck_assert_msg(bytes != NULL, "%s", err.msg);
	return bytes;
}

static uint64_t
decoded(const char *name, int reference, int *width, int *height)
{
	const struct adds_picture_options o = { reference, 0 };
	struct adds_error err = { 0 };
	struct adds_picture p;
	size_t len;
	char *bytes = data(name, &len);
	uint64_t h;

	ck_assert_msg(adds_picture_decode(&p, bytes, len, &o, &err) == 0, "%s: %s", name, err.msg);
	*width = p.width;
	*height = p.height;
	to_rgb(&p);
	h = fnv(FNV_START, p.pixels, (size_t)p.width * (size_t)p.height * 3);
	adds_picture_release(&p);
	free(bytes);
	return h;
}

/* 32 files; hashes by Pillow 9.4 (tests/gen/pictures.py): no byte may differ */
START_TEST(every_kind_decodes_to_pillows_pixels)
{
	FILE *f = fopen(tree("tests/data/picture/pictures.tsv"), "r");
	unsigned long long upright, plain;
	char name[64];
	int w, h, width, height, n = 0;

	ck_assert_ptr_nonnull(f);
	while (fscanf(f, "%63s %d %d %llx %llx", name, &w, &h, &upright, &plain) == 5) {
		ck_assert_msg(decoded(name, 0, &width, &height) == upright, "%s", name);
		ck_assert_msg(width == w && height == h, "%s is %d x %d", name, width, height);
		ck_assert_msg(decoded(name, 1, &width, &height) == plain, "%s, as the reference", name);
		n++;
	}
	fclose(f);
	ck_assert_int_eq(n, 32);
}
END_TEST

START_TEST(modes_of_the_reference)
{
	static const struct {
		const char *name;
		enum adds_picture_mode mode;
	} want[] = {
		{ "rgb.png", ADDS_PICTURE_RGB },
		{ "rgba.png", ADDS_PICTURE_RGBA },
		{ "gray_alpha.png", ADDS_PICTURE_RGBA },
		{ "one_bit.png", ADDS_PICTURE_INDEXED },
		{ "palette_alpha.png", ADDS_PICTURE_INDEXED },
		{ "alpha.webp", ADDS_PICTURE_RGBA },
		{ "key.png", ADDS_PICTURE_RGB },
	};
	size_t i;
	int reference;

	for (i = 0; i < sizeof(want) / sizeof(want[0]); i++)
		for (reference = 0; reference < 2; reference++) {
			const struct adds_picture_options o = { reference, 0 };
			struct adds_picture p;
			size_t len;
			char *bytes = data(want[i].name, &len);

			ck_assert_int_eq(adds_picture_decode(&p, bytes, len, &o, NULL), 0);
			ck_assert_int_eq(p.mode, reference ? want[i].mode : ADDS_PICTURE_RGB);
			adds_picture_release(&p);
			free(bytes);
		}
}
END_TEST

/* A cut file is refused, unless what is missing stands behind the pixels: a PNG's last checksum and IEND, for one. */
START_TEST(truncated_files_are_refused)
{
	static const struct {
		const char *name;
		size_t spare; /* bytes at the end without which the pixels are whole */
	} files[] = { { "rgb_420.jpg", 0 }, { "progressive.jpg", 0 }, { "rgb.png", 16 }, { "interlaced.png", 16 }, { "lossy.webp", 0 }, { "alpha.webp", 0 } };
	size_t i, k, len;

	for (i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		char *bytes = data(files[i].name, &len);

		for (k = 0; k < len - files[i].spare; k++) {
			struct adds_error err = { 0 };
			struct adds_picture p;
			char *cut = malloc(k + 1); /* exact, so that a sanitizer sees reads behind it */

			ck_assert_ptr_nonnull(cut);
			cut = realloc(cut, k ? k : 1);
			memcpy(cut, bytes, k);
			ck_assert_msg(adds_picture_decode(&p, cut, k, NULL, &err) < 0,
			              "%s: %zu of %zu bytes", files[i].name, k, len);
			ck_assert_int_ne(err.msg[0], 0);
			adds_picture_release(&p);
			free(cut);
		}
		free(bytes);
	}
}
END_TEST

START_TEST(sizes_are_checked_before_memory_is_taken)
{
	const struct adds_picture_options few = { 0, 21 * 14 - 1 }, enough = { 0, 21 * 14 };
	static const char *const names[] = { "rgb_444.jpg", "rgba.png", "lossy.webp" };
	struct adds_error err = { 0 };
	struct adds_picture p;
	size_t i, len;
	char *bytes;

	for (i = 0; i < 3; i++) {
		bytes = data(names[i], &len);
		ck_assert_int_eq(adds_picture_decode(&p, bytes, len, &few, &err), ADDS_ELIMIT);
		ck_assert_str_eq(err.msg, "is 21 x 14 pixels; at most 293 are read (--max-pixels)");
		adds_picture_release(&p);
		ck_assert_int_eq(adds_picture_decode(&p, bytes, len, &enough, &err), 0);
		adds_picture_release(&p);
		free(bytes);
	}
	/* a JPEG of a few hundred bytes that claims to have 65,500 x 65,500 pixels */
	bytes = data("gray.jpg", &len);
	for (i = 0; i + 8 < len && !((uint8_t)bytes[i] == 0xff && (uint8_t)bytes[i + 1] == 0xc0); i++)
		continue;
	memcpy(bytes + i + 5, "\xff\xdc\xff\xdc", 4);
	ck_assert_int_eq(adds_picture_decode(&p, bytes, len, NULL, &err), ADDS_ELIMIT);
	adds_picture_release(&p);
	free(bytes);
}
END_TEST

START_TEST(other_formats_are_named)
{
	static const struct {
		const char *bytes, *says;
		size_t len;
	} files[] = {
		{ "", "is empty", 0 },
		{ "GIF89a", "is a GIF; *", 6 },
		{ "BM\1\2\3", "is a BMP; *", 5 },
		{ "hello", "is neither JPEG nor PNG nor WebP", 5 },
		{ "\xff\xd8", "is neither JPEG nor PNG nor WebP", 2 },
	};
	size_t i;

	for (i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		struct adds_error err = { 0 };
		struct adds_picture p;
		const size_t n = strcspn(files[i].says, "*");

		ck_assert_int_eq(adds_picture_decode(&p, files[i].bytes, files[i].len, NULL, &err), ADDS_EFORMAT);
		ck_assert_msg(strncmp(err.msg, files[i].says, n) == 0, "%s", err.msg);
		adds_picture_release(&p);
	}
}
END_TEST

START_TEST(broken_exif_is_no_orientation)
{
	static const uint8_t good[] = "II*\0\x08\0\0\0\1\0\x12\1\3\0\1\0\0\0\6\0\0\0\0\0\0\0";
	uint8_t b[sizeof(good)];
	size_t len, i;

	ck_assert_int_eq(adds_exif_orientation(good, sizeof(good) - 1), 6);
	for (len = 0; len < 22; len++) {
		uint8_t *cut = malloc(len ? len : 1);

		ck_assert_ptr_nonnull(cut);
		memcpy(cut, good, len);
		ck_assert_int_eq(adds_exif_orientation(cut, len), 1);
		free(cut);
	}
	for (i = 0; i < 22; i++) { /* offsets and counts that point anywhere */
		int v, o;

		for (v = 0; v < 256; v++) {
			memcpy(b, good, sizeof(good));
			b[i] = (uint8_t)v;
			o = adds_exif_orientation(b, sizeof(good) - 1);
			ck_assert(o >= 1 && o <= 8);
		}
	}
}
END_TEST

/* ---- the decoder suite ---- */

struct tar {
	char *bytes;
	size_t len;
};

/* the file of that path within a tar */
static const char *
tar_find(const struct tar *t, const char *path, size_t *len)
{
	size_t at = 0;

	while (at + 512 <= t->len && t->bytes[at]) {
		const char *head = t->bytes + at;
		const size_t size = (size_t)strtoul(head + 124, NULL, 8);
		char name[264];

		if (head[345])
			snprintf(name, sizeof(name), "%.155s/%.100s", head + 345, head);
		else
			snprintf(name, sizeof(name), "%.100s", head);
		if (strcmp(name, path) == 0) {
			*len = size;
			return head + 512;
		}
		at += 512 + (size + 511) / 512 * 512;
	}
	return NULL;
}

/* ", path TAB how TAB why" of the committed list of differences: how, or NULL */
static const char *
expected(const char *list, const char *path)
{
	const size_t n = strlen(path);
	const char *line;

	for (line = list; *line; line += strcspn(line, "\n") + 1)
		if (strncmp(line, path, n) == 0 && line[n] == '\t')
			return line + n + 1;
	return NULL;
}

static void
md5_of(char hex[13], const struct adds_picture *p)
{
	unsigned char d[EVP_MAX_MD_SIZE];
	unsigned n;
	int i;

	EVP_Digest(p->pixels, (size_t)p->width * (size_t)p->height * 3, d, &n, EVP_md5(), NULL);
	for (i = 0; i < 6; i++)
		sprintf(hex + 2 * i, "%02x", d[i]);
}

/* "same", "pixels" (others), "refused", "read" (although the reference does not), or "no" (neither reads it) */
static const char *
verdict(const char *bytes, size_t len, int readable, const char *md5)
{
	const struct adds_picture_options o = { 1, 64000000 };
	struct adds_error err = { 0 };
	struct adds_picture p;
	char *copy = malloc(len ? len : 1); /* exact, for sanitizers */
	char hex[13] = "";
	int rc;

	ck_assert_ptr_nonnull(copy);
	memcpy(copy, bytes, len);
	rc = adds_picture_decode(&p, copy, len, &o, &err);
	ck_assert(rc == 0 || err.msg[0]);
	if (rc == 0) {
		to_rgb(&p);
		md5_of(hex, &p);
	}
	adds_picture_release(&p);
	free(copy);
	if (rc < 0)
		return readable ? "refused" : "no";
	return !readable ? "read" : strcmp(hex, md5) == 0 ? "same"
	                                                  : "pixels";
}

/* columns of one line of the manifest, cut at the tabs */
static int
columns(char *line, char **column)
{
	int n = 0;

	line[strcspn(line, "\n")] = '\0';
	for (; n < 9; n++) {
		column[n] = line;
		line += strcspn(line, "\t");
		if (!*line)
			return n + 1;
		*line++ = '\0';
	}
	return n;
}

static void
read_tar(struct tar *t, const char *name)
{
	struct adds_error err;
	const char *path;
	char in[64];

	snprintf(in, sizeof(in), "decoder_suite/%s", name);
	path = shared_data(in, "part of the decoder suite");
	ck_assert_ptr_nonnull(path);
	ck_assert_ptr_nonnull(t->bytes = adds_read_file(path, 64 << 20, &t->len, &err));
}

/* Of 1,962 files Pillow 9.4 reads 983 in our formats; we read 905 of them to the same pixels. The other 78, and 2 that we read
 * and it does not, stand in tests/data/picture/decoder_suite.tsv with the reason. */
START_TEST(decoder_suite)
{
	static const char *const names[] = { "pngsuite.tar", "exif_orientation.tar", "fuzz_corpus.tar", "pillow_images.tar" };
	const char *path = shared_data("decoder_suite/manifest.tsv", "decoding of the suite of good and broken pictures");
	struct tar tars[4];
	char line[4096], *column[9], *list;
	int i, same = 0, differ = 0, files = 0, same_formats = 0;
	size_t len;
	FILE *f;

	if (!path)
		return;
	f = fopen(path, "r");
	ck_assert_ptr_nonnull(f);
	for (i = 0; i < 4; i++)
		read_tar(&tars[i], names[i]);
	list = data("decoder_suite.tsv", &len);
	ck_assert_ptr_nonnull(fgets(line, sizeof(line), f)); /* the names of the columns */
	while (fgets(line, sizeof(line), f) && columns(line, column) >= 5) {
		const char *bytes, *got, *want = expected(list, column[1]);
		int ours, readable;

		for (i = 0; i < 3 && strcmp(names[i], column[0]) != 0; i++)
			continue;
		bytes = tar_find(&tars[i], column[1], &len);
		ck_assert_msg(bytes != NULL, "%s is not in %s", column[1], column[0]);
		ours = strstr("PNG JPEG WEBP MPO", column[4]) != NULL;
		readable = ours && strcmp(column[3], "ok") == 0;
		got = verdict(bytes, len, readable, column[8]);
		files++;
		same_formats += readable;
		same += strcmp(got, "same") == 0;
		differ += strcmp(got, "same") != 0 && strcmp(got, "no") != 0;
		if (!want)
			ck_assert_msg(strcmp(got, "same") == 0 || strcmp(got, "no") == 0, "%s: %s", column[1], got);
		else
			ck_assert_msg(strncmp(got, want, strlen(got)) == 0,
			              "%s: %s, but the list says %.40s", column[1], got, want);
	}
	printf("# decoder suite: %d files, %d readable in our formats, %d of them the same, %d differ as listed\n", files,
	       same_formats, same, differ);
	ck_assert_int_eq(same, same_formats - 78);
	for (i = 0; i < 4; i++)
		free(tars[i].bytes);
	free(list);
	fclose(f);
}
END_TEST

/* ---- CLIP's input tensor ---- */

/* decode, crop to 224, normalise: 7 photos, every one of 150,528 floats equal (difference seen: 0) */
START_TEST(tensors_of_clips_own_preprocessing)
{
	static const float mean[3] = { 0.48145466f, 0.4578275f, 0.40821073f }, std[3] = { 0.26862954f, 0.26130258f, 0.27577711f };
	static const char *const names[] = { "123_456", "208_495", "416_264", "456_123", "321_421", "389_535", "524_316" };
	enum { S = 224,
	       FLOATS = 3 * S * S,
	       HEAD = 128 };
	const char *path = shared_data("clip_vitb32_fixture/pixels.npy", "CLIP's input tensors of 7 photos");
	static uint8_t square[FLOATS];
	struct adds_error err = { 0 };
	size_t len, npy_len;
	char *npy, file[64];
	int k, c, i;

	if (!path)
		return;
	ck_assert_ptr_nonnull(npy = adds_read_file(path, 16 << 20, &npy_len, &err));
	ck_assert_uint_eq(npy_len, HEAD + 7 * FLOATS * sizeof(float));
	for (k = 0; k < 7; k++) {
		struct adds_picture p;
		char *bytes;

		snprintf(file, sizeof(file), "clip_vitb32_fixture/%s.jpg", names[k]);
		ck_assert_ptr_nonnull(path = shared_data(file, "a photo"));
		ck_assert_ptr_nonnull(bytes = adds_read_file(path, 1 << 20, &len, &err));
		ck_assert_int_eq(adds_picture_decode(&p, bytes, len, NULL, &err), 0);
		ck_assert_int_eq(adds_picture_fit(square, S, &p, ADDS_FIT_CROP, ADDS_FILTER_BICUBIC, &err), 0);
		for (c = 0; c < 3; c++)
			for (i = 0; i < S * S; i++) {
				float want, got = ((float)square[3 * i + c] / 255.0f - mean[c]) / std[c];

				memcpy(&want,
				       npy + HEAD +
				               sizeof(float) * ((size_t)k * FLOATS +
				                                (size_t)(c * S * S + i)),
				       sizeof(want));
				ck_assert_msg(got == want, "%s: %g, want %g", names[k], (double)got, (double)want);
			}
		adds_picture_release(&p);
		free(bytes);
	}
	free(npy);
}
END_TEST

Suite *picture_suite(void);

Suite *
picture_suite(void)
{
	Suite *s = suite_create("picture");
	TCase *c = tcase_create("picture");

	tcase_set_timeout(c, 180);
	tcase_add_test(c, every_kind_decodes_to_pillows_pixels);
	tcase_add_test(c, modes_of_the_reference);
	tcase_add_test(c, truncated_files_are_refused);
	tcase_add_test(c, sizes_are_checked_before_memory_is_taken);
	tcase_add_test(c, other_formats_are_named);
	tcase_add_test(c, broken_exif_is_no_orientation);
	tcase_add_test(c, decoder_suite);
	tcase_add_test(c, tensors_of_clips_own_preprocessing);
	suite_add_tcase(s, c);
	return s;
}
