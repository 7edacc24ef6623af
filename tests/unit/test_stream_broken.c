/* SPDX-License-Identifier: MIT
 * test_stream_broken.c - streams that are broken, odd or hostile */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

#include "../../lib/stream/reader.h"
#include "../../lib/stream/record.h"
#include "../../lib/stream/salvage.h"
#include "unit.h"

static struct adds_error err;

static struct adds_message *
header(enum adds_kind kind, const char *precision)
{
	struct adds_message *m = adds_header_new(kind, &err);
	const int64_t n = 8;

	ck_assert_int_eq(adds_message_add(m, "labels", ADDS_U8, 1, &n, "cat\0dog", &err), 0);
	if (precision)
		ck_assert_int_eq(adds_message_set_string(m, "precision", precision, &err), 0);
	return m;
}

/* the bytes of a stream of n small pictures, through a file of its own */
static struct adds_buf
stream(int n, const char *precision)
{
	struct adds_buf b = { 0 };
	char path[4200], name[32];
	struct adds_writer *w;
	struct adds_message *m = header(ADDS_KIND_INDEX, precision);
	const int32_t row = 1;
	const int64_t one = 1;
	char *bytes;
	size_t size;
	int i;

	snprintf(path, sizeof(path), "%s/made", scratch());
	w = adds_writer_open(path, NULL, &err);
	ck_assert_int_eq(adds_writer_header(w, m, &err), 0);
	adds_message_free(m);
	for (i = 0; i < n; i++) {
		m = adds_picture_new(name, (size_t)snprintf(name, sizeof(name), "%d.png", i), i, NULL, &err);
		ck_assert_int_eq(adds_message_add(m, "pos", ADDS_I32, 1, &one, &row, &err), 0);
		ck_assert_int_eq(adds_writer_write(w, m, &err), 0);
		adds_message_free(m);
	}
	ck_assert_int_eq(adds_writer_finish(w, NULL, &err), 0);
	bytes = adds_read_file(path, (size_t)1 << 30, &size, &err);
	adds_buf_add(&b, bytes, size);
	free(bytes);
	return b;
}

/* a reader of bytes */
static struct adds_reader *
reader(const void *bytes, size_t n, const struct adds_limits *limits)
{
	static FILE *f;

	if (!f)
		f = tmpfile();
	ck_assert(f && ftruncate(fileno(f), 0) == 0 && pwrite(fileno(f), bytes, n, 0) == (ssize_t)n);
	return adds_reader_start(fileno(f), 0, 1, 0, "x.adds", limits, &err);
}

/* all messages of a stream, decompressed; -1 and nothing if it is refused */
static int
contents(struct adds_buf *all, const void *bytes, size_t n)
{
	struct adds_reader *r = reader(bytes, n, NULL);
	const struct adds_message *m;
	int rc = -1;

	all->n = 0;
	if (!r)
		return -1;
	adds_message_bytes(adds_reader_header(r), all, ADDS_JSON_LIMIT, &err);
	while ((rc = adds_reader_read(r, &m, &err)) > 0)
		adds_message_bytes(m, all, ADDS_JSON_LIMIT, &err);
	if (rc == 0)
		adds_message_bytes(adds_reader_end(r), all, ADDS_JSON_LIMIT, &err);
	adds_reader_close(r);
	return rc;
}

START_TEST(every_flipped_bit_is_refused_or_harmless)
{
	struct adds_buf b = stream(3, NULL), want = { 0 }, got = { 0 };
	size_t bit, refused = 0;

	ck_assert_int_eq(contents(&want, b.p, b.n), 0);
	for (bit = 0; bit < 8 * b.n; bit++) {
		b.p[bit / 8] ^= (unsigned char)(1u << bit % 8);
		if (contents(&got, b.p, b.n) < 0)
			refused++;
		else
			ck_assert_msg(got.n == want.n && memcmp(got.p, want.p, want.n) == 0, "bit %zu changes what is read", bit);
		b.p[bit / 8] ^= (unsigned char)(1u << bit % 8);
	}
	/* harmless are a bit that zstd does not use in each of three frames, and the seek table */
	ck_assert_uint_ge(refused, 8 * (b.n - 45) - 3);
	adds_buf_release(&b);
	adds_buf_release(&want);
	adds_buf_release(&got);
}
END_TEST

START_TEST(a_flip_never_changes_a_record_by_number)
{
	struct adds_buf b = stream(130, NULL), got = { 0 }, want = { 0 };
	const struct adds_message *m;
	struct adds_reader *r;
	size_t at;

	for (at = 0; at < b.n; at += at < b.n - 60 ? 97 : 1) {
		b.p[at] ^= 0x10;
		r = reader(b.p, b.n, NULL);
		if (r && adds_reader_at(r, 70, &m, &err) == 0) {
			got.n = 0;
			adds_message_bytes(m, &got, ADDS_JSON_LIMIT, &err);
			if (!want.n)
				adds_buf_add(&want, got.p, got.n);
			ck_assert(got.n == want.n && memcmp(got.p, want.p, want.n) == 0);
		}
		adds_reader_close(r);
		b.p[at] ^= 0x10;
	}
	ck_assert_uint_gt(want.n, 0);
	adds_buf_release(&b);
	adds_buf_release(&got);
	adds_buf_release(&want);
}
END_TEST

/* number of the picture at place i, by its path */
static int
picture_at(struct adds_reader *r, uint64_t i)
{
	const struct adds_message *m;
	struct adds_record rec;

	ck_assert_msg(adds_reader_at(r, i, &m, &err) == 0, "%s", err.msg);
	ck_assert_int_eq(adds_record_parse(&rec, m, 2, &err), 0);
	return atoi(rec.path);
}

START_TEST(a_lost_seek_table_is_rebuilt_with_a_warning)
{
	struct adds_buf b = stream(200, NULL);
	const size_t table = 8 + 9 + 8 * (2 + 4); /* header, end, and four frames of 64 records */
	struct adds_reader *r = reader(b.p, b.n - table, NULL);

	ck_assert_int_eq(adds_reader_total(r, &err), 200);
	ck_assert_int_eq(picture_at(r, 199), 199);
	ck_assert_int_eq(picture_at(r, 0), 0);
	ck_assert_msg(strstr(adds_reader_warnings(r), "the seek table is missing") != NULL, "%s", adds_reader_warnings(r));
	adds_reader_close(r);
	adds_buf_release(&b);
}
END_TEST

START_TEST(a_seek_table_that_lies_is_found_out)
{
	struct adds_buf b = stream(200, NULL);
	unsigned char *line = b.p + b.n - 9 - 8 * 6; /* of the header's frame */
	struct adds_reader *r;

	/* one frame a byte longer, the next one shorter: all sums are as before */
	line[8]++;
	line[16]--;
	r = reader(b.p, b.n, NULL);
	ck_assert_int_eq(adds_reader_total(r, &err), 200);
	ck_assert_int_eq(picture_at(r, 100), 100);
	ck_assert_msg(strstr(adds_reader_warnings(r), "disagrees with the frames") != NULL, "%s", adds_reader_warnings(r));
	ck_assert_int_eq(adds_reader_check_table(r, &err), ADDS_EFORMAT);
	adds_reader_close(r);
	adds_buf_release(&b);
}
END_TEST

START_TEST(one_table_of_two_is_missing)
{
	struct adds_buf b = stream(100, NULL), two = { 0 };
	struct adds_reader *r;

	adds_buf_add(&two, b.p, b.n - 8 - 9 - 8 * 4);
	adds_buf_add(&two, b.p, b.n);
	r = reader(two.p, two.n, NULL);
	ck_assert_int_eq(adds_reader_total(r, &err), 200);
	ck_assert_int_eq(picture_at(r, 163), 63);
	ck_assert_ptr_nonnull(adds_reader_warnings(r));
	adds_reader_close(r);
	adds_buf_release(&b);
	adds_buf_release(&two);
}
END_TEST

START_TEST(precision_may_differ_with_a_warning)
{
	struct adds_buf a = stream(2, "f32"), b = stream(3, "bf16"), all = { 0 };
	struct adds_reader *r;
	const struct adds_message *m;
	int rc;

	adds_buf_add(&a, b.p, b.n);
	ck_assert_msg(contents(&all, a.p, a.n) == 0, "%s", err.msg);
	r = reader(a.p, a.n, NULL);
	while ((rc = adds_reader_read(r, &m, &err)) > 0)
		continue;
	ck_assert_str_eq(
		adds_reader_warnings(r),
		"x.adds: joined streams were computed in different precision: \"f32\" and \"bf16\"");
	adds_reader_close(r);
	adds_buf_release(&a);
	adds_buf_release(&b);
	adds_buf_release(&all);
}
END_TEST

/* ---- streams put together by hand ---- */

static void
put_frame(struct adds_buf *b, const void *bytes, size_t n, int checksum)
{
	ZSTD_CCtx *z = ZSTD_createCCtx();
	const size_t room = ZSTD_compressBound(n);
	void *packed = malloc(room);

	ZSTD_CCtx_setParameter(z, ZSTD_c_checksumFlag, checksum);
	adds_buf_add(b, packed, ZSTD_compress2(z, packed, room, bytes, n));
	free(packed);
	ZSTD_freeCCtx(z);
}

static void
put_message(struct adds_buf *b, const char *json)
{
	struct adds_message *m = adds_message_new();

	ck_assert_msg(adds_message_set_json(m, json, &err) == 0, "%s", err.msg);
	ck_assert_int_eq(adds_message_bytes(m, b, ADDS_JSON_LIMIT, &err), 0);
	adds_message_free(m);
}

#define HEAD "{\"format\":1,\"kind\":\"index\",\"record\":\"header\"}"
#define PICTURE "{\"record\":\"picture\"}"
#define END(n) "{\"errors\":0,\"record\":\"end\",\"records\":" #n "}"

static const struct {
	const char *messages[5];
	const char *says; /* NULL: fine */
} sequences[] = {
	/* clang-format off */
	{ { HEAD, PICTURE, END(1) }, NULL },
	{ { HEAD, END(0), HEAD, END(0) }, NULL },
	{ { HEAD, "{\"optional\":1,\"record\":\"note\"}", END(1) }, NULL },
	{ { HEAD, "{\"record\":\"note\"}", END(1) }, "unknown kind 'note'" },
	{ { HEAD, "{\"optional\":1}", END(1) }, "without 'record'" },
	{ { PICTURE, END(1) }, "begins with a header" },
	{ { "{\"format\":2,\"kind\":\"index\",\"record\":\"header\"}", END(0) }, "format 2" },
	{ { "{\"format\":1,\"kind\":\"other\",\"record\":\"header\"}", END(0) }, "unknown kind 'other'" },
	{ { HEAD }, "without its end record: 0 records" },
	{ { HEAD, PICTURE }, "without its end record: 1 records" },
	{ { HEAD, PICTURE, HEAD, END(0) }, "a header before the end record" },
	{ { HEAD, PICTURE, END(2) }, "counts 2 records" },
	{ { HEAD, "{\"reason\":\"\",\"record\":\"error\",\"stage\":\"\"}", END(1) }, "0 errors, the stream has 1 and 1" },
	{ { HEAD, END(0), PICTURE }, "begins with a header" },
	{ { HEAD, END(0), END(0) }, "begins with a header" },
	{ { HEAD, END(0), "{\"format\":1,\"kind\":\"labels\",\"record\":\"header\"}", END(0) }, "'kind' is \"labels\", in the first \"index\"" },
	/* clang-format on */
};

START_TEST(messages_come_in_order)
{
	struct adds_buf plain = { 0 }, b = { 0 }, all = { 0 };
	int i, rc, together;

	for (together = 0; together < 2; together++) {
		b.n = plain.n = 0;
		for (i = 0; i < 5 && sequences[_i].messages[i]; i++) {
			put_message(&plain, sequences[_i].messages[i]);
			if (together)
				continue;
			put_frame(&b, plain.p, plain.n, 1);
			plain.n = 0;
		}
		if (together)
			put_frame(&b, plain.p, plain.n, 1);
		rc = contents(&all, b.p, b.n);
		if (sequences[_i].says)
			ck_assert_msg(rc < 0 && strstr(err.msg, sequences[_i].says), "%d: %s", _i, rc < 0 ? err.msg : "accepted");
		else
			ck_assert_msg(rc == 0, "%d: %s", _i, err.msg);
	}
	adds_buf_release(&b);
	adds_buf_release(&all);
	adds_buf_release(&plain);
}
END_TEST

START_TEST(frames_are_checked)
{
	struct adds_buf plain = { 0 }, b = { 0 }, all = { 0 };
	static const char zeros[1 << 16];

	put_message(&plain, HEAD);
	put_frame(&b, plain.p, plain.n, 0);
	ck_assert(contents(&all, b.p, b.n) < 0 && strstr(err.msg, "without content checksum"));
	b.n = 0;
	put_frame(&b, plain.p, plain.n - 1, 1);
	ck_assert(contents(&all, b.p, b.n) < 0 && strstr(err.msg, "reaches beyond its frame"));
	ck_assert(contents(&all, "GIF89a..", 8) < 0 && strstr(err.msg, "this is no stream") &&
	          strstr(err.msg, "no zstd frame begins at byte 0"));
	ck_assert(contents(&all, "", 0) < 0 && strstr(err.msg, "x.adds: empty"));
	b.n = 0;
	put_frame(&b, zeros, sizeof(zeros), 1);
	ck_assert(contents(&all, b.p, b.n) < 0 && strstr(err.msg, "header of 0 bytes"));
	b.n = 0;
	put_message(&plain, END(0));
	put_frame(&b, plain.p, plain.n, 1);
	ck_assert_int_eq(contents(&all, b.p, b.n), 0);
	adds_buf_add(&b, "rubbish!", 8);
	ck_assert(contents(&all, b.p, b.n) < 0 && strstr(err.msg, "no zstd frame begins"));
	adds_buf_release(&b);
	adds_buf_release(&all);
	adds_buf_release(&plain);
}
END_TEST

START_TEST(limits_are_kept_before_memory_is_taken)
{
	const struct adds_limits small = { 4096, 256, 27 };
	struct adds_buf plain = { 0 }, b = { 0 };
	static char bomb[1 << 22];
	struct adds_reader *r;

	put_message(&plain, HEAD);
	put_message(&plain, END(0));
	memset(bomb, ' ', sizeof(bomb));
	memcpy(bomb, plain.p, plain.n);
	put_frame(&b, bomb, sizeof(bomb), 1);
	r = reader(b.p, b.n, &small);
	ck_assert_ptr_null(r);
	ck_assert_msg(err.code == ADDS_ELIMIT && strstr(err.msg, "a frame of more than"), "%s", err.msg);
	b.n = 0;
	memset(bomb, 0, 8);
	bomb[2] = 1;
	put_frame(&b, bomb, sizeof(bomb), 1);
	r = reader(b.p, b.n, &small);
	ck_assert_ptr_null(r);
	ck_assert_msg(err.code == ADDS_ELIMIT && strstr(err.msg, "header of 65536 bytes, the limit is 256"), "%s", err.msg);
	adds_buf_release(&plain);
	adds_buf_release(&b);
}
END_TEST

static int
count(void *arg, const struct adds_message *m)
{
	int *n = arg;

	*n += strcmp(adds_message_string(m, "record"), "header") != 0;
	return 0;
}

START_TEST(salvage_finds_what_is_whole)
{
	struct adds_buf b = stream(200, NULL);
	struct adds_salvaged what;
	char path[4200];
	int n = 0, cut;
	FILE *f;

	snprintf(path, sizeof(path), "%s/broken", scratch());
	for (cut = 0; cut < 2; cut++) {
		const size_t size = cut ? b.n / 2 : b.n;

		b.p[b.n / 3] ^= 1; /* in the second frame of records */
		ck_assert((f = fopen(path, "w")) && fwrite(b.p, 1, size, f) == size && fclose(f) == 0);
		b.p[b.n / 3] ^= 1;
		n = 0;
		ck_assert_msg(adds_salvage(path, count, &n, &what, &err) == 0, "%s", err.msg);
		ck_assert_int_eq(what.records, n);
		ck_assert_int_eq(what.ended, !cut);
		ck_assert_msg(cut ? n >= 64 && n < 136 : n == 136, "%d records", n);
	}
	ck_assert((f = fopen(path, "w")) && fwrite(b.p, 1, 20, f) == 20 && fclose(f) == 0);
	ck_assert_int_eq(adds_salvage(path, count, &n, &what, &err), ADDS_EFORMAT);
	adds_buf_release(&b);
}
END_TEST

Suite *stream_broken_suite(void);

Suite *
stream_broken_suite(void)
{
	Suite *s = suite_create("stream_broken");
	TCase *c = tcase_create("stream_broken");

	tcase_set_timeout(c, 120);
	tcase_add_test(c, every_flipped_bit_is_refused_or_harmless);
	tcase_add_test(c, a_flip_never_changes_a_record_by_number);
	tcase_add_test(c, a_lost_seek_table_is_rebuilt_with_a_warning);
	tcase_add_test(c, a_seek_table_that_lies_is_found_out);
	tcase_add_test(c, one_table_of_two_is_missing);
	tcase_add_test(c, precision_may_differ_with_a_warning);
	tcase_add_loop_test(c, messages_come_in_order, 0, sizeof(sequences) / sizeof(*sequences));
	tcase_add_test(c, frames_are_checked);
	tcase_add_test(c, limits_are_kept_before_memory_is_taken);
	tcase_add_test(c, salvage_finds_what_is_whole);
	suite_add_tcase(s, c);
	return s;
}
