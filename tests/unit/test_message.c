/* SPDX-License-Identifier: MIT
 * test_message.c - messages to and from safetensors' bytes */
#include <stdlib.h>
#include <string.h>

#include "../../lib/stream/message.h"
#include "../../lib/stream/record.h"
#include "unit.h"

static struct adds_error err;

/* a message of a header text and n bytes of tensors that count up, at an aligned place */
static int
parse(struct adds_message *m, const char *head, size_t n, size_t *used)
{
	static _Alignas(16) unsigned char bytes[8192];
	const size_t len = strlen(head);
	size_t i;

	ck_assert(8 + len + n <= sizeof(bytes));
	memset(bytes, 0, 8);
	bytes[0] = (unsigned char)len;
	bytes[1] = (unsigned char)(len >> 8);
	memcpy(bytes + 8, head, len);
	for (i = 0; i < n; i++)
		bytes[8 + len + i] = (unsigned char)i;
	return adds_message_parse(m, bytes, 8 + len + n, 1 << 20, 4096, used, &err);
}

#define ONE(text) "{\"a\":{" text "}}"
#define TWO(x, y) \
	"{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":" x \
	"},\"b\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":" y "}}"

static const struct {
	const char *head;
	size_t n;
	int code;
	const char *says;
} bad[] = {
	/* clang-format off */
	{ "", 0, ADDS_EFORMAT, "the text ends where a value should stand" },
	{ "[]", 0, ADDS_EFORMAT, "not a JSON object" },
	{ "{\"a\":1}", 0, ADDS_EFORMAT, "lacks its dtype" },
	{ ONE("\"dtype\":\"U8\",\"shape\":[2]"), 2, ADDS_EFORMAT, "lacks its dtype" },
	{ ONE("\"dtype\":\"F7\",\"shape\":[2],\"data_offsets\":[0,2]"), 2, ADDS_EFORMAT, "the type 'F7'" },
	{ ONE("\"dtype\":\"U8\",\"data_offsets\":[0,2]"), 2, ADDS_EFORMAT, "no shape" },
	{ ONE("\"dtype\":\"U8\",\"shape\":[-2],\"data_offsets\":[0,2]"), 2, ADDS_EFORMAT, "no whole number" },
	{ ONE("\"dtype\":\"U8\",\"shape\":[1.5],\"data_offsets\":[0,2]"), 2, ADDS_EFORMAT, "no whole number" },
	{ ONE("\"dtype\":\"U8\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,1]"), 1, ADDS_ELIMIT, "more than 8" },
	{ ONE("\"dtype\":\"F64\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,0]"), 0, ADDS_ELIMIT, "address space" },
	{ ONE("\"dtype\":\"F64\",\"shape\":[9007199254740992,1024],\"data_offsets\":[0,0]"), 0, ADDS_ELIMIT, "address space" },
	{ ONE("\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[2,0]"), 2, ADDS_EFORMAT, "bad data_offsets" },
	{ ONE("\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,3]"), 3, ADDS_EFORMAT, "its shape needs 2" },
	{ ONE("\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[1,3]"), 3, ADDS_EFORMAT, "begins at 1" },
	{ ONE("\"dtype\":\"U8\",\"shape\":[9],\"data_offsets\":[0,9]"), 8, ADDS_ETRUNCATED, "1 bytes are missing" },
	{ ONE("\"dtype\":\"U8\",\"shape\":[2000000],\"data_offsets\":[0,2000000]"), 0, ADDS_ELIMIT, "the limit is 1048576" },
	{ TWO("[0,2]", "[1,3]"), 4, ADDS_EFORMAT, "begins at 1" },
	{ TWO("[0,2]", "[3,5]"), 5, ADDS_EFORMAT, "begins at 3" },
	{ TWO("[0,2]", "[0,2]"), 4, ADDS_EFORMAT, "begins at 0" },
	{ "{\"a\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]},\"\\u0061\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}", 0,
	  ADDS_EFORMAT, "stands twice" },
	{ "{\"__metadata__\":[]}", 0, ADDS_EFORMAT, "not an object" },
	{ "{\"__metadata__\":{\"x\":1}}", 0, ADDS_EFORMAT, "not a string" },
	{ "{\"__metadata__\":{\"adds\":\"[]\"}}", 0, ADDS_EFORMAT, "'adds' is not an object" },
	{ "{\"__metadata__\":{\"adds\":\"{\\\"a\\\":}\"}}", 0, ADDS_EFORMAT, "metadata 'adds'" },
	{ "{} x", 0, ADDS_EFORMAT, "behind the value" },
	/* clang-format on */
};

START_TEST(bad_headers_are_refused)
{
	struct adds_message *m = adds_message_new();
	size_t used;
	int rc;

	rc = parse(m, bad[_i].head, bad[_i].n, &used);
	ck_assert_msg(rc == bad[_i].code && strstr(err.msg, bad[_i].says), "'%s': %d, %s",
	              bad[_i].head, rc, rc < 0 ? err.msg : "");
	adds_message_free(m);
}
END_TEST

START_TEST(what_the_format_allows_is_read)
{
	static const char head[] =
		" {\"\\u00fc\":{\"shape\":[3],\"more\":{},\"dtype\":\"F16\",\"data_offsets\":[1,7]},"
		"\"empty\":{\"dtype\":\"F32\",\"shape\":[0,9007199254740992],\"data_offsets\":[1,1]},"
		"\"one\":{\"dtype\":\"I8\",\"shape\":[],\"data_offsets\":[0,1]},\"__metadata__\":{\"format\":\"pt\"}} \n";
	struct adds_message *m = adds_message_new();
	const struct adds_tensor *t;
	size_t used;

	ck_assert_msg(parse(m, head, 7, &used) == 0, "%s", err.msg);
	ck_assert_uint_eq(used, 8 + strlen(head) + 7);
	ck_assert_uint_eq(adds_message_tensors(m), 3);
	t = adds_message_tensor(m, "ü");
	ck_assert(t && (uintptr_t)t->data % 2 == 0 && memcmp(t->data, "\1\2\3\4\5\6", 6) == 0);
	t = adds_message_tensor(m, "one");
	ck_assert(t && t->rank == 0 && t->size == 1);
	t = adds_message_tensor(m, "empty");
	ck_assert(t && t->size == 0 && t->shape[1] == (int64_t)1 << 53);
	ck_assert_ptr_null(adds_message_tensor(m, "two"));
	ck_assert_str_eq(adds_message_json(m), "{}");
	adds_message_free(m);
}
END_TEST

START_TEST(headers_longer_than_the_limit_are_not_looked_at)
{
	unsigned char bytes[16] = { 0, 0, 0, 0, 0, 0, 0, 0x80 };
	struct adds_message *m = adds_message_new();
	size_t used;

	ck_assert_int_eq(adds_message_parse(m, bytes, 16, 1 << 20, 4096, &used, &err), ADDS_ELIMIT);
	memset(bytes, 0, 8);
	bytes[0] = 9;
	ck_assert_int_eq(adds_message_parse(m, bytes, 16, 1 << 20, 4096, &used, &err), ADDS_ETRUNCATED);
	ck_assert_int_eq(adds_message_parse(m, bytes, 7, 1 << 20, 4096, &used, &err), ADDS_ETRUNCATED);
	adds_message_free(m);
}
END_TEST

static struct adds_message *
sample(int order)
{
	static const int64_t two = 2, none = 0, square[2] = { 1, 1 };
	static const double f64 = 0.5;
	struct adds_message *m = adds_message_new();
	int i;

	for (i = 0; i < 4; i++)
		switch ((i + order) % 4) {
		case 0:
			ck_assert_int_eq(adds_message_add(m, "path", ADDS_U8, 1, &two, "ab", &err), 0);
			break;
		case 1:
			ck_assert_int_eq(adds_message_add(m, "pos", ADDS_I32, 1, &none, NULL, &err), 0);
			break;
		case 2:
			ck_assert_int_eq(adds_message_add(m, "x", ADDS_F64, 2, square, &f64, &err), 0);
			break;
		default:
			ck_assert_int_eq(adds_message_add(m, "A", ADDS_U8, 1, &two, "xy", &err), 0);
		}
	ck_assert_int_eq(adds_message_set_json(
				 m,
				 order % 2 ? "{\"b\":[1.50,1e2,-0.0,0.1],\"a\":\"\\u00e4\\/\\n\"}"
					   : " {\"a\" : \"ä/\\u000a\", \"b\":[1.5,100,0,1e-1] }",
				 &err),
	                 0);
	return m;
}

START_TEST(the_same_message_is_the_same_bytes)
{
	static const char want[] = "........{\"A\":{\"data_offsets\":[8,10],\"dtype\":\"U8\",\"shape\":[2]},"
				   "\"__metadata__\":{\"adds\":\"{\\\"a\\\":\\\"ä/\\\\n\\\",\\\"b\\\":[1.5,100,0,0.1]}\"},"
				   "\"path\":{\"data_offsets\":[10,12],\"dtype\":\"U8\",\"shape\":[2]},"
				   "\"pos\":{\"data_offsets\":[8,8],\"dtype\":\"I32\",\"shape\":[0]},"
				   "\"x\":{\"data_offsets\":[0,8],\"dtype\":\"F64\",\"shape\":[1,1]}}";
	int order;

	for (order = 0; order < 4; order++) {
		struct adds_message *m = sample(order);
		struct adds_buf b = { 0 };
		size_t n = sizeof(want) - 1, i;

		ck_assert_int_eq(adds_message_bytes(m, &b, 4096, &err), 0);
		ck_assert_uint_eq(b.p[0] % 8, 0);
		for (i = 8; i < n; i++)
			ck_assert_msg(b.p[i] == (unsigned char)want[i], "order %d, byte %zu: %.*s", order, i, (int)(b.n - i - 12),
			              (char *)b.p + i);
		while (b.p[n] == ' ')
			n++;
		ck_assert_uint_eq(n, 8 + (size_t)b.p[0] + 256 * (size_t)b.p[1]);
		ck_assert_uint_eq(b.n, n + 12);
		ck_assert(memcmp(b.p + n, "\0\0\0\0\0\0\340\077xyab", 12) == 0);
		adds_buf_release(&b);
		adds_message_free(m);
	}
}
END_TEST

START_TEST(fields_and_tensors_change)
{
	struct adds_message *m = adds_message_new(), *copy;
	const int64_t one = 1;

	ck_assert_int_eq(adds_message_set_string(m, "s", "x", &err), 0);
	ck_assert_int_eq(adds_message_set_number(m, "n", 0.1, &err), 0);
	ck_assert_int_eq(adds_message_set_number(m, "n", 3, &err), 0);
	ck_assert_str_eq(adds_message_json(m), "{\"n\":3,\"s\":\"x\"}");
	cJSON_AddTrueToObject(adds_message_meta(m), "S");
	ck_assert_str_eq(adds_message_json(m), "{\"S\":true,\"n\":3,\"s\":\"x\"}");
	ck_assert_str_eq(adds_message_string(m, "s"), "x");
	ck_assert_ptr_null(adds_message_string(m, "n"));
	ck_assert(adds_message_number(m, "n", 9) == 3 && adds_message_number(m, "s", 9) == 9);
	ck_assert_int_eq(adds_message_add(m, "t", ADDS_U8, 1, &one, "a", &err), 0);
	ck_assert_int_eq(adds_message_add(m, "t", ADDS_U8, 1, &one, "b", &err), 0);
	ck_assert_uint_eq(adds_message_tensors(m), 1);
	copy = adds_message_copy(m, &err);
	ck_assert_int_eq(adds_message_remove(m, "t"), 1);
	ck_assert_int_eq(adds_message_remove(m, "t"), 0);
	ck_assert(*(const char *)adds_message_tensor(copy, "t")->data == 'b');
	ck_assert_int_eq(adds_message_add(m, "__metadata__", ADDS_U8, 1, &one, "b", &err), ADDS_EARG);
	ck_assert_int_eq(adds_message_add(m, "\xff", ADDS_U8, 1, &one, "b", &err), ADDS_EARG);
	ck_assert_int_eq(adds_message_set_json(m, "3", &err), ADDS_EFORMAT);
	adds_message_free(m);
	adds_message_free(copy);
}
END_TEST

Suite *message_suite(void);

Suite *
message_suite(void)
{
	Suite *s = suite_create("message");
	TCase *c = tcase_create("message");

	tcase_add_loop_test(c, bad_headers_are_refused, 0, sizeof(bad) / sizeof(*bad));
	tcase_add_test(c, what_the_format_allows_is_read);
	tcase_add_test(c, headers_longer_than_the_limit_are_not_looked_at);
	tcase_add_test(c, the_same_message_is_the_same_bytes);
	tcase_add_test(c, fields_and_tensors_change);
	suite_add_tcase(s, c);
	return s;
}
