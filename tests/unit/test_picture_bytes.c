/* SPDX-License-Identifier: MIT
 * test_picture_bytes.c - the short way to a picture's bytes gives those of the long one */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/stream/json.h"
#include "../../lib/stream/message.h"
#include "../../lib/stream/record.h"
#include "unit.h"

static const int32_t rows[] = { 0, 1, 7, 300, 70000, 16777215 };

static void
same(const char *path, int64_t bytes, int64_t mtime, int npos, int nneg)
{
	struct adds_picture_fields f = { path, strlen(path), bytes, mtime, npos < 0 ? NULL : rows, nneg < 0 ? NULL : rows, 0, 0 };
	unsigned char *out = malloc(ADDS_PICTURE_BYTES(strlen(path), 12));
	const int64_t pos = npos, neg = nneg;
	struct adds_buf b = { 0 };
	struct adds_error err = { 0 };
	struct adds_message *m;
	char text[32];
	size_t n;

	f.npos = npos < 0 ? 0 : (size_t)npos;
	f.nneg = nneg < 0 ? 0 : (size_t)nneg;
	snprintf(text, sizeof(text), "%lld", (long long)mtime);
	m = adds_picture_new(path, strlen(path), bytes, text, &err);
	ck_assert_ptr_nonnull(m);
	if (npos >= 0)
		ck_assert_int_eq(adds_message_add(m, "pos", ADDS_I32, 1, &pos, rows, &err), 0);
	if (nneg >= 0)
		ck_assert_int_eq(adds_message_add(m, "neg", ADDS_I32, 1, &neg, rows, &err), 0);
	ck_assert_int_eq(adds_message_bytes(m, &b, ADDS_JSON_LIMIT, &err), 0);
	n = adds_picture_bytes(out, &f);
	ck_assert_uint_eq(n, b.n);
	ck_assert_mem_eq(out, b.p, n);
	adds_buf_release(&b);
	adds_message_free(m);
	free(out);
}

START_TEST(all_forms_are_the_same)
{
	int npos, nneg;

	for (npos = -1; npos <= 6; npos++)
		for (nneg = -1; nneg <= 6; nneg++) {
			same("a.jpg", 0, 0, npos, nneg);
			same("folder/\xff\"\\ pi\tcture.jpeg", 123456789012, 1700000000123456789, npos, nneg);
			same("x", 10, -1, npos, nneg);
		}
}
END_TEST

Suite *picture_bytes_suite(void);

Suite *
picture_bytes_suite(void)
{
	Suite *s = suite_create("picture_bytes");
	TCase *c = tcase_create("picture_bytes");

	tcase_add_test(c, all_forms_are_the_same);
	suite_add_tcase(s, c);
	return s;
}
