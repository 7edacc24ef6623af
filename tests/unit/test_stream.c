/* SPDX-License-Identifier: MIT
 * test_stream.c - streams written and read back: files, frames, joins */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <zstd.h>

#include "../../lib/stream/record.h"
#include "unit.h"

static struct adds_error err;

static const char *
file(const char *name)
{
	static char path[4][4200];
	static int k;

	k = (k + 1) % 4;
	snprintf(path[k], sizeof(path[k]), "%s/%s", scratch(), name);
	return path[k];
}

/* a feature stream of n pictures of two tokens; every 50th is an error record */
static void
write_stream(const char *path, int n, int width, const char *model, int threaded)
{
	const struct adds_writer_options options = { 1, threaded };
	struct adds_writer *w = adds_writer_open(path, &options, &err);
	struct adds_message *m = adds_header_new(ADDS_KIND_FEATURES, &err);
	const int64_t shape[2] = { 2, width }, labels = 8;
	float *x = calloc((size_t)width * 2, sizeof(*x));
	char name[32];
	int i, j;

	ck_assert_msg(w != NULL, "%s", err.msg);
	ck_assert_int_eq(adds_message_set_string(m, "model", model, &err), 0);
	ck_assert_int_eq(adds_message_add(m, "labels", ADDS_U8, 1, &labels, "cat\0dog", &err), 0);
	ck_assert_int_eq(adds_provenance_add(m, model, NULL, &err), 0);
	ck_assert_int_eq(adds_writer_header(w, m, &err), 0);
	adds_message_free(m);
	for (i = 0; i < n; i++) {
		const int len = snprintf(name, sizeof(name), "%05d.jpg", i);

		if (i % 50 == 49) {
			m = adds_error_new(name, (size_t)len, "decode", "broken", &err);
		} else {
			m = adds_picture_new(name, (size_t)len, 100 + i, "12345678901234567890", &err);
			for (j = 0; j < 2 * width; j++)
				x[j] = (float)(i * 7 + j) * 0.25f;
			ck_assert_int_eq(adds_message_add(m, "tokens", ADDS_F32, 2, shape, x, &err), 0);
		}
		ck_assert_msg(adds_writer_write(w, m, &err) == 0, "%s", err.msg);
		adds_message_free(m);
	}
	free(x);
	ck_assert_int_eq(adds_writer_records(w), n);
	ck_assert_int_eq(adds_writer_errors(w), n / 50);
	ck_assert_msg(adds_writer_finish(w, NULL, &err) == 0, "%s", err.msg);
}

/* reads all: the number of records, or the error's code */
static int
read_all(const char *path)
{
	struct adds_reader *r = adds_reader_open(path, NULL, &err);
	const struct adds_message *m;
	struct adds_record rec;
	int n = 0, rc;

	if (!r)
		return err.code;
	while ((rc = adds_reader_read(r, &m, &err)) > 0) {
		ck_assert_msg(adds_record_parse(&rec, m, 2, &err) == 0, "%s", err.msg);
		n++;
	}
	if (rc == 0)
		ck_assert(adds_reader_end(r) != NULL);
	adds_reader_close(r);
	return rc < 0 ? rc : n;
}

static char *
slurp(const char *path, size_t *n)
{
	char *p = adds_read_file(path, (size_t)1 << 30, n, &err);

	ck_assert_msg(p != NULL, "%s", err.msg);
	return p;
}

static void
spill(const char *path, const char *bytes, size_t n)
{
	FILE *f = fopen(path, "w");

	ck_assert(f && fwrite(bytes, 1, n, f) == n && fclose(f) == 0);
}

static void
join(const char *to, const char *a, const char *b)
{
	size_t n, m;
	char *p = slurp(a, &n), *q = slurp(b, &m);

	p = realloc(p, n + m);
	memcpy(p + n, q, m);
	spill(to, p, n + m);
	free(p);
	free(q);
}

START_TEST(what_is_written_is_read)
{
	struct adds_reader *r;
	const struct adds_message *m;
	struct adds_record rec;

	write_stream(file("a.adds"), 1, 3, "m", 0);
	r = adds_reader_open(file("a.adds"), NULL, &err);
	ck_assert_msg(r != NULL, "%s", err.msg);
	ck_assert_int_eq(adds_header_kind(adds_reader_header(r), &err), ADDS_KIND_FEATURES);
	ck_assert_str_eq(adds_message_string(adds_reader_header(r), "model"), "m");
	ck_assert_int_eq(adds_reader_read(r, &m, &err), 1);
	ck_assert_int_eq(adds_record_parse(&rec, m, 2, &err), 0);
	ck_assert_int_eq(rec.type, ADDS_RECORD_PICTURE);
	ck_assert_int_eq(rec.path_len, 9);
	ck_assert(memcmp(rec.path, "00000.jpg", 9) == 0);
	ck_assert_int_eq(rec.bytes, 100);
	ck_assert_str_eq(rec.mtime, "12345678901234567890");
	ck_assert_ptr_null(rec.pos);
	ck_assert_int_eq(rec.tokens->shape[1], 3);
	ck_assert(((const float *)rec.tokens->data)[5] == 1.25f);
	ck_assert_ptr_null(adds_reader_end(r));
	ck_assert_int_eq(adds_reader_read(r, &m, &err), 0);
	ck_assert_str_eq(adds_message_json(adds_reader_end(r)), "{\"errors\":0,\"record\":\"end\",\"records\":1}");
	adds_reader_close(r);
}
END_TEST

START_TEST(a_stream_may_be_empty)
{
	write_stream(file("none.adds"), 0, 3, "m", 0);
	ck_assert_int_eq(read_all(file("none.adds")), 0);
}
END_TEST

START_TEST(a_thread_changes_no_byte)
{
	size_t n, m;
	char *p, *q;

	write_stream(file("one.adds"), 1000, 100, "m", 0);
	write_stream(file("two.adds"), 1000, 100, "m", 1);
	p = slurp(file("one.adds"), &n);
	q = slurp(file("two.adds"), &m);
	ck_assert_uint_eq(n, m);
	ck_assert(memcmp(p, q, n) == 0);
	free(p);
	free(q);
	ck_assert_int_eq(read_all(file("one.adds")), 1000);
}
END_TEST

START_TEST(a_current_file_is_left_untouched)
{
	struct stat before, after;

	write_stream(file("same.adds"), 3, 3, "m", 0);
	ck_assert_int_eq(stat(file("same.adds"), &before), 0);
	write_stream(file("same.adds"), 3, 3, "m", 0);
	ck_assert_int_eq(stat(file("same.adds"), &after), 0);
	ck_assert_uint_eq(before.st_ino, after.st_ino);
	write_stream(file("same.adds"), 4, 3, "m", 0);
	ck_assert_int_eq(read_all(file("same.adds")), 4);
}
END_TEST

START_TEST(records_are_found_by_number)
{
	struct adds_reader *r;
	const struct adds_message *m;
	struct adds_record rec;
	char name[16];
	unsigned i, k;

	write_stream(file("seek.adds"), 1000, 100, "m", 0);
	r = adds_reader_open(file("seek.adds"), NULL, &err);
	ck_assert_int_eq(adds_reader_total(r, &err), 1000);
	for (i = 0; i < 1000; i++) {
		k = i * 617 % 1000;
		ck_assert_msg(adds_reader_at(r, k, &m, &err) == 0, "%s", err.msg);
		ck_assert_int_eq(adds_record_parse(&rec, m, 0, &err), 0);
		snprintf(name, sizeof(name), "%05u.jpg", k);
		ck_assert(memcmp(rec.path, name, 9) == 0);
	}
	ck_assert_int_eq(adds_reader_at(r, 1000, &m, &err), ADDS_EARG);
	ck_assert_ptr_null(adds_reader_warnings(r));
	adds_reader_close(r);
}
END_TEST

START_TEST(joined_streams_are_one)
{
	struct adds_reader *r;
	const struct adds_message *m;
	struct adds_record rec;
	int rc, n = 0;

	write_stream(file("a.adds"), 100, 3, "m", 0);
	write_stream(file("b.adds"), 70, 3, "m", 0);
	join(file("ab.adds"), file("a.adds"), file("b.adds"));
	r = adds_reader_open(file("ab.adds"), NULL, &err);
	while ((rc = adds_reader_read(r, &m, &err)) > 0)
		n++;
	ck_assert_msg(rc == 0, "%s", err.msg);
	ck_assert_int_eq(n, 170);
	ck_assert_str_eq(adds_message_json(adds_reader_end(r)), "{\"errors\":3,\"record\":\"end\",\"records\":170}");
	ck_assert_int_eq(adds_reader_total(r, &err), 170);
	ck_assert_int_eq(adds_reader_at(r, 130, &m, &err), 0);
	ck_assert_int_eq(adds_record_parse(&rec, m, 0, &err), 0);
	ck_assert(memcmp(rec.path, "00030.jpg", 9) == 0);
	ck_assert_ptr_null(adds_reader_warnings(r));
	adds_reader_close(r);
}
END_TEST

START_TEST(streams_that_differ_are_not_joined)
{
	write_stream(file("a.adds"), 10, 3, "m", 0);
	write_stream(file("b.adds"), 7, 3, "other", 0);
	join(file("ab.adds"), file("a.adds"), file("b.adds"));
	ck_assert_int_eq(read_all(file("ab.adds")), ADDS_EMISMATCH);
	ck_assert_msg(strstr(err.msg, "'model' is \"other\", in the first \"m\"") != NULL, "%s", err.msg);
}
END_TEST

START_TEST(every_truncation_is_found)
{
	size_t n, i, end;
	char *p;
	int rc;

	write_stream(file("whole.adds"), 5, 3, "m", 0);
	p = slurp(file("whole.adds"), &n);
	end = n - 9 - 8 - 8 * 3; /* the seek table of three frames: behind it all is whole */
	for (i = 0; i < n; i++) {
		spill(file("cut.adds"), p, i);
		rc = read_all(file("cut.adds"));
		if (i == end)
			ck_assert_int_eq(rc, 5);
		else
			ck_assert_msg(rc == ADDS_ETRUNCATED, "cut at %zu of %zu: %d %s", i, n, rc, err.msg);
	}
	free(p);
}
END_TEST

/* No frame of more than one record is larger than 256 KiB, nor smaller than it need be; a larger record has its own. */
START_TEST(frames_are_full_not_fuller)
{
	static const int widths[] = { 6000, 40000 }, records[] = { 5, 1 }; /* 48,000 and 320,000 bytes a record */
	const char *path = file("frames.adds");
	const int width = widths[_i], full = records[_i];
	size_t n, at, frames = 0;
	char *bytes;

	write_stream(path, 4 * full, width, "m", _i);
	ck_assert_ptr_nonnull(bytes = adds_read_file(path, 1 << 24, &n, &err));
	for (at = 0; at < n; frames++) {
		const size_t size = ZSTD_findFrameCompressedSize(bytes + at, n - at);
		const unsigned long long plain = ZSTD_getFrameContentSize(bytes + at, n - at);

		ck_assert(!ZSTD_isError(size));
		if (frames >= 1 && frames <= 4) /* the header before them, the end and the table behind */
			ck_assert(plain > (unsigned long long)(full * width * 8) && (full == 1 || plain <= 1 << 18));
		at += size;
	}
	ck_assert_uint_eq(frames, 1 + 4 + 2);
	ck_assert_int_eq(read_all(path), 4 * full);
	free(bytes);
}
END_TEST

Suite *stream_suite(void);

Suite *
stream_suite(void)
{
	Suite *s = suite_create("stream");
	TCase *c = tcase_create("stream");

	tcase_set_timeout(c, 60);
	tcase_add_test(c, what_is_written_is_read);
	tcase_add_test(c, a_stream_may_be_empty);
	tcase_add_test(c, a_thread_changes_no_byte);
	tcase_add_loop_test(c, frames_are_full_not_fuller, 0, 2);
	tcase_add_test(c, a_current_file_is_left_untouched);
	tcase_add_test(c, records_are_found_by_number);
	tcase_add_test(c, joined_streams_are_one);
	tcase_add_test(c, streams_that_differ_are_not_joined);
	tcase_add_test(c, every_truncation_is_found);
	suite_add_tcase(s, c);
	return s;
}
