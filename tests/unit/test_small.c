/* SPDX-License-Identifier: MIT
 * test_small.c - lines and files of a bounded length */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../lib/stream/message.h"
#include "../../lib/stream/record.h"
#include "unit.h"

static struct adds_error err;

static const char *
file_of(const char *bytes, size_t n)
{
	static char path[4200];
	FILE *f;

	snprintf(path, sizeof(path), "%s/file", scratch());
	ck_assert_ptr_nonnull(f = fopen(path, "wb"));
	ck_assert_uint_eq(fwrite(bytes, 1, n, f), n);
	ck_assert_int_eq(fclose(f), 0);
	return path;
}

START_TEST(lines_end_at_their_limit)
{
	static const char text[] = "one\n\n12345678\nlast\0one";
	static const ssize_t lengths[] = { 4, 1, 9, 8, 0 };
	FILE *f = fopen(file_of(text, sizeof(text) - 1), "rb");
	char *line = NULL;
	size_t room = 0, i;

	for (i = 0; i < sizeof(lengths) / sizeof(*lengths); i++)
		ck_assert_int_eq(adds_read_line(f, '\n', 9, &line, &room), lengths[i]);
	ck_assert_int_eq(memcmp(line, "last\0one", 9), 0);
	ck_assert_uint_le(room, 256);
	rewind(f);
	ck_assert_int_eq(adds_read_line(f, '\n', 4, &line, &room), 4);
	ck_assert_str_eq(line, "one\n");
	ck_assert_int_eq(adds_read_line(f, '\n', 4, &line, &room), 1);
	ck_assert_int_eq(adds_read_line(f, '\n', 4, &line, &room), ADDS_ELIMIT);
	rewind(f);
	ck_assert_int_eq(adds_read_line(f, '\0', 100, &line, &room), 19);
	fclose(f);
	free(line);
}
END_TEST

START_TEST(long_lines_take_no_more_than_their_limit)
{
	const size_t n = 100000;
	char *text = malloc(n), *line = NULL;
	size_t room = 0;
	FILE *f;

	memset(text, 'a', n);
	f = fopen(file_of(text, n), "rb");
	ck_assert_int_eq(adds_read_line(f, '\n', n, &line, &room), (int)n);
	ck_assert_int_eq(memcmp(line, text, n), 0);
	ck_assert_uint_le(room, n + 2);
	rewind(f);
	ck_assert_int_eq(adds_read_line(f, '\n', n - 1, &line, &room), ADDS_ELIMIT);
	fclose(f);
	free(line);
	free(text);
}
END_TEST

static int
read_message(const char *bytes, size_t n, size_t limit)
{
	struct adds_message *m = adds_message_new();
	char *read = NULL;
	size_t size;
	int rc = adds_message_read_file(m, file_of(bytes, n), "message of mine", limit, 1000, &read, &size, &err);

	if (rc == 0)
		ck_assert_int_eq(size == n && read[n] == '\0' && adds_message_tensor(m, "a")->size == 4 ? 0 : 1, 0);
	else
		ck_assert_ptr_null(read);
	adds_message_free(m);
	free(read);
	return rc;
}

START_TEST(a_file_is_as_long_as_its_header_says)
{
	static const char json[] = "{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}";
	char bytes[100] = { sizeof(json) - 1 };
	const size_t n = 8 + sizeof(json) - 1 + 4;

	memcpy(bytes + 8, json, sizeof(json) - 1);
	ck_assert_int_eq(read_message(bytes, n, 1000), 0);
	ck_assert_int_eq(read_message(bytes, n - 1, 1000), ADDS_ETRUNCATED);
	ck_assert_ptr_nonnull(strstr(err.msg, "/file: not a message of mine: ends inside a message's tensors: 1 bytes are missing"));
	ck_assert_int_eq(read_message(bytes, n + 3, 1000), ADDS_EFORMAT);
	ck_assert_ptr_nonnull(strstr(err.msg, "/file: not a message of mine: 3 bytes behind the last tensor"));
	ck_assert_int_eq(read_message(bytes, 20, 1000), ADDS_ETRUNCATED);
	ck_assert_int_eq(read_message(bytes, 7, 1000), ADDS_ETRUNCATED);
	ck_assert_int_eq(read_message(bytes, n, n - 1), ADDS_ELIMIT);
	bytes[2] = 1;
	ck_assert_int_eq(read_message(bytes, n, 1000), ADDS_ELIMIT);
	memcpy(bytes, "\x28\xb5\x2f\xfd", 4);
	ck_assert_int_eq(read_message(bytes, n, 1000), ADDS_EFORMAT);
	ck_assert_ptr_nonnull(strstr(err.msg, "it is compressed with zstd"));
}
END_TEST

START_TEST(a_descriptor_that_takes_nothing_is_told)
{
	int ends[2];

	ck_assert_int_eq(pipe(ends), 0);
	ck_assert_int_eq(adds_write_all(ends[1], "text", 4), 0);
	ck_assert_int_eq(adds_write_all(ends[0], "text", 4), -1);
	ck_assert_int_eq(adds_write_all(ends[0], "", 0), 0);
	close(ends[0]);
	close(ends[1]);
}
END_TEST

Suite *small_suite(void);

Suite *
small_suite(void)
{
	Suite *s = suite_create("small");
	TCase *c = tcase_create("small");

	tcase_add_test(c, lines_end_at_their_limit);
	tcase_add_test(c, long_lines_take_no_more_than_their_limit);
	tcase_add_test(c, a_file_is_as_long_as_its_header_says);
	tcase_add_test(c, a_descriptor_that_takes_nothing_is_told);
	suite_add_tcase(s, c);
	return s;
}
