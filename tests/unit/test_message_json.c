/* SPDX-License-Identifier: MIT
 * test_message_json.c - JSON from outside, and canonical JSON */
#include <stdlib.h>
#include <string.h>

#include "../../lib/stream/record.h"
#include "unit.h"

static struct adds_error err;

static const struct {
	const char *text, *says; /* says NULL: accepted */
} cases[] = {
	/* clang-format off */
	{ "{\"a\":[1,-2.5e+3,true,false,null,\"\\ud83d\\ude00\"]}", NULL },
	{ " \t\r\n[]\n", NULL },
	{ "0", NULL }, { "-0.0E-0", NULL }, { "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", NULL },
	{ "{\"A\":1,\"a\":2}", NULL },
	{ "", "ends where a value" }, { "  ", "ends where a value" }, { "[1", "',' or ']'" }, { "[1,]", "not a number" },
	{ "{\"a\"}", "':' is missing" }, { "{a:1}", "key in quotes" }, { "{\"a\":1,}", "key in quotes" }, { "{\"a\":1 \"b\":2}", "',' or '}'" },
	{ "01", "not a number" }, { "1.", "not a number" }, { ".5", "not a number" }, { "+1", "not a number" }, { "1e", "not a number" },
	{ "-", "not a number" }, { "NaN", "not a number" }, { "Infinity", "not a number" }, { "1e999", "too large" },
	{ "nul", "neither a value" }, { "trux", "neither a value" }, { "[] []", "behind the value" },
	{ "\"a", "ends inside a string" }, { "\"\t\"", "control character" }, { "\"\\x\"", "unknown escape" }, { "\"\\u12g4\"", "four hex" },
	{ "\"\\u0000\"", "NUL" }, { "\"\\ud800\"", "surrogate" }, { "\"\\udc00\"", "surrogate" }, { "\"\\ud800\\u0041\"", "surrogate" },
	{ "\"\xff\"", "not UTF-8" }, { "\"\xc0\x80\"", "not UTF-8" }, { "\"\xed\xa0\x80\"", "not UTF-8" }, { "\"\xf4\x90\x80\x80\"", "not UTF-8" },
	{ "\"\xe2\x82\"", "not UTF-8" }, { "\xef\xbb\xbf{}", "not a number" },
	{ "{\"a\":1,\"b\":{\"x\":0,\"x\":0}}", "'x' stands twice" }, { "[{\"a\":1,\"\\u0061\":1}]", "'a' stands twice" },
	{ "\"0123456789012345678901234567890123456789012345678901234567890123456789\"", NULL },
	{ "0123456789", "not a number" },
	{ "123456789012345678901234567890123456789012345678901234567890123456789", "60 characters" },
	/* clang-format on */
};

START_TEST(json_is_checked_strictly)
{
	cJSON *json = adds_json_parse(cases[_i].text, strlen(cases[_i].text), 100, "in.json", &err);

	if (cases[_i].says)
		ck_assert_msg(!json && strstr(err.msg, cases[_i].says) &&
		                      strncmp(err.msg, "in.json", 7) == 0,
		              "%s: %s", cases[_i].text, json ? "accepted" : err.msg);
	else
		ck_assert_msg(json != NULL, "%s: %s", cases[_i].text, err.msg);
	cJSON_Delete(json);
}
END_TEST

START_TEST(limits_hold)
{
	char deep[200];
	cJSON *json;

	ck_assert_ptr_null(adds_json_parse("[1,2]", 5, 4, "x", &err));
	ck_assert_int_eq(err.code, ADDS_ELIMIT);
	ck_assert_ptr_null(adds_json_parse("\"a\0b\"", 5, 9, "x", &err));
	ck_assert_msg(strstr(err.msg, "byte 2 of the JSON: a NUL byte") != NULL, "%s", err.msg);
	memset(deep, '[', 100);
	memset(deep + 100, ']', 100);
	ck_assert_ptr_null(adds_json_parse(deep, 200, 200, "x", &err));
	ck_assert_int_eq(err.code, ADDS_ELIMIT);
	json = adds_json_parse(deep + 36, 128, 200, "x", &err);
	ck_assert_ptr_nonnull(json);
	cJSON_Delete(json);
}
END_TEST

START_TEST(numbers_are_written_one_way)
{
	static const char *const pairs[][2] = {
		{ "1.0", "1" },
		{ "-0", "0" },
		{ "1e3", "1000" },
		{ "0.10", "0.1" },
		{ "1e-7", "1e-07" },
		{ "1e300", "1e+300" },
		{ "9007199254740992", "9007199254740992" },
		{ "0.30000000000000004", "0.30000000000000004" },
		{ "-2.50", "-2.5" },
	};
	size_t i;

	for (i = 0; i < sizeof(pairs) / sizeof(*pairs); i++) {
		cJSON *json = adds_json_parse(pairs[i][0], strlen(pairs[i][0]), 100, "x", &err);
		char *text = adds_json_print(json);

		ck_assert_str_eq(text, pairs[i][1]);
		free(text);
		cJSON_Delete(json);
	}
}
END_TEST

START_TEST(keys_are_sorted_by_bytes)
{
	static const char in[] = "{\"b\":{\"z\":0,\"é\":1,\"a\":2},\"B\":[{\"y\":0,\"x\":\"\\u001f\\u007f\"}],\"\":null}";
	cJSON *json = adds_json_parse(in, strlen(in), 100, "x", &err);
	char *text = adds_json_print(json);

	ck_assert_str_eq(text, "{\"\":null,\"B\":[{\"x\":\"\\u001f\177\",\"y\":0}],\"b\":{\"a\":2,\"z\":0,\"é\":1}}");
	free(text);
	cJSON_Delete(json);
}
END_TEST

Suite *message_json_suite(void);

Suite *
message_json_suite(void)
{
	Suite *s = suite_create("message_json");
	TCase *c = tcase_create("message_json");

	tcase_add_loop_test(c, json_is_checked_strictly, 0, sizeof(cases) / sizeof(*cases));
	tcase_add_test(c, limits_hold);
	tcase_add_test(c, numbers_are_written_one_way);
	tcase_add_test(c, keys_are_sorted_by_bytes);
	suite_add_tcase(s, c);
	return s;
}
