/* SPDX-License-Identifier: MIT
 * test_pull.c - JSON piece by piece: what is taken, what is refused, and that the
 * window makes no difference */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/label/pull.h"
#include "unit.h"

/* all tokens as letters, and the texts between them; NULL with err filled */
static const char *
tokens(struct adds_pull *p, struct adds_error *err)
{
	static char out[4096];
	size_t n = 0;
	int token;

	while ((token = adds_pull_next(p, err)) != ADDS_TOKEN_END) {
		if (token < 0)
			return NULL;
		out[n++] = ".{}[]KSNTFn"[token];
		if (token == ADDS_TOKEN_KEY || token == ADDS_TOKEN_STRING || token == ADDS_TOKEN_NUMBER)
			n += (size_t)snprintf(out + n, sizeof(out) - n, "%.*s ", (int)p->len, p->text);
	}
	out[n] = '\0';
	return out;
}

static void
gives(const char *text, const char *want)
{
	struct adds_pull p = { 0 };
	struct adds_error err = { 0 };
	const char *got;

	adds_pull_text(&p, "x.json", text, strlen(text));
	got = tokens(&p, &err);
	ck_assert_msg(got != NULL, "%s: %s", text, err.msg);
	ck_assert_str_eq(got, want);
	adds_pull_release(&p);
}

static void
refused(const char *text, size_t len, int code, const char *part)
{
	struct adds_pull p = { 0 };
	struct adds_error err = { 0 };

	adds_pull_text(&p, "x.json", text, len);
	ck_assert_msg(tokens(&p, &err) == NULL, "'%s' was taken", text);
	ck_assert_int_eq(err.code, code);
	ck_assert_msg(strstr(err.msg, part) != NULL, "'%s' lacks '%s'", err.msg, part);
	adds_pull_release(&p);
}

START_TEST(values_of_all_kinds)
{
	gives(" {\"a\" : [1, -0.5e+3 ,true,false,null,\"x\"],\"b\":{}}\n", "{Ka [N1 N-0.5e+3 TFnSx ]Kb {}}");
	gives("[]", "[]");
	gives("\"x\"", "Sx ");
	gives("0", "N0 ");
	gives("[[[]],{\"\":\"\"}]", "[[[]]{K S }]");
}
END_TEST

START_TEST(escapes_are_undone)
{
	gives("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "S\"\\/\b\f\n\r\t ");
	gives("\"\\u00e9\\u20AC\\ud83d\\udc15x\"", "S\xc3\xa9\xe2\x82\xac\xf0\x9f\x90\x95x ");
	gives("{\"\\u006bey\":1}", "{Kkey N1 }");
}
END_TEST

START_TEST(what_is_no_json_is_refused)
{
	static const struct {
		const char *text, *part;
	} cases[] = {
		{ "", "ends early" },
		{ "{", "ends early" },
		{ "[1", "ends early" },
		{ "[1,", "ends early" },
		{ "[1,]", "expected a value" },
		{ "[,1]", "expected a value" },
		{ "[1 2]", "expected ',' or ']'" },
		{ "{\"a\":1,}", "expected a key" },
		{ "{\"a\" 1}", "expected ':'" },
		{ "{\"a\":}", "expected a value" },
		{ "{a:1}", "expected a key" },
		{ "{\"a\":1]", "expected ',' or '}'" },
		{ "[1}", "expected ',' or ']'" },
		{ "1 2", "behind the end" },
		{ "{}x", "behind the end" },
		{ "01", "expected a value" },
		{ "1.", "expected a value" },
		{ ".5", "expected a value" },
		{ "1e", "expected a value" },
		{ "+1", "expected a value" },
		{ "-", "expected a value" },
		{ "nan", "expected a value" },
		{ "True", "expected a value" },
		{ "\"a", "ends early" },
		{ "\"a\\", "ends early" },
		{ "\"a\\\"", "ends early" },
		{ "\"\\x\"", "unknown escape" },
		{ "\"\\u0000\"", "no character" },
		{ "\"\\u12\"", "no character" },
		{ "\"\\ud800\"", "no character" },
		{ "\"\\ud800\\u0041\"", "no character" },
		{ "\"\\udc00\"", "no character" },
		{ "\"\n\"", "control character" },
		{ "\"\xff\"", "not UTF-8" },
		{ "\"\xc3\"", "not UTF-8" },
	};
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		refused(cases[i].text, strlen(cases[i].text), ADDS_EFORMAT, cases[i].part);
	refused("\"a\0b\"", 5, ADDS_EFORMAT, "control character");
	refused("[1]\0", 4, ADDS_EFORMAT, "behind the end");
}
END_TEST

START_TEST(depth_is_bounded)
{
	char text[131];

	memset(text, '[', 65);
	memset(text + 65, ']', 65);
	text[130] = '\0';
	refused(text, 130, ADDS_ELIMIT, "nested more than 64");
	refused("[[1", 3, ADDS_EFORMAT, "ends early");
	text[129] = '\0';
	gives(text + 1, text + 1);
}
END_TEST

START_TEST(errors_name_byte_and_path)
{
	const char *text = "{\"a\":{\"b\":[1,{\"c\":tru}]}}";

	refused(text, strlen(text), ADDS_EFORMAT, "'x.json' byte 18, $.a.b[1].c: expected a value");
}
END_TEST

START_TEST(skipping_ends_behind_the_value)
{
	const char *text = "{\"a\":{\"x\":[1,{\"y\":2}]},\"b\":3}";
	struct adds_pull p = { 0 };
	struct adds_error err = { 0 };

	adds_pull_text(&p, "x", text, strlen(text));
	ck_assert_int_eq(adds_pull_next(&p, &err), ADDS_TOKEN_OBJECT);
	ck_assert_int_eq(adds_pull_next(&p, &err), ADDS_TOKEN_KEY);
	ck_assert_int_eq(adds_pull_skip(&p, ADDS_TOKEN_KEY, &err), 0);
	ck_assert_int_eq(adds_pull_next(&p, &err), ADDS_TOKEN_KEY);
	ck_assert(adds_pull_is(&p, "b"));
	adds_pull_release(&p);
}
END_TEST

/* Over 3 MiB, so that strings, escapes and numbers lie across the ends of windows. */
START_TEST(a_file_gives_what_memory_gives)
{
	struct adds_pull file = { 0 }, memory = { 0 };
	struct adds_error err = { 0 };
	char path[128], *text = malloc(4 << 20);
	size_t n = 0, i;
	FILE *f;

	ck_assert_ptr_nonnull(text);
	text[n++] = '[';
	for (i = 0; n < (3 << 20); i++)
		n += (size_t)sprintf(text + n, "{\"key%zu\":%zu.5e-3,\"\\u00e9\\\\%.*s\": \"\xc3\xa9\\\"\"},\n", i, i * 7919,
		                     (int)(i % 37), "0123456789012345678901234567890123456");
	n += (size_t)sprintf(text + n, "0]");
	snprintf(path, sizeof(path), "%s/pull.json", scratch());
	f = fopen(path, "wb");
	ck_assert_uint_eq(fwrite(text, 1, n, f), n);
	fclose(f);
	ck_assert_int_eq(adds_pull_file(&file, path, &err), 0);
	adds_pull_text(&memory, path, text, n);
	for (;;) {
		const int a = adds_pull_next(&file, &err), b = adds_pull_next(&memory, &err);

		if (a < 0)
			ck_abort_msg("%s", err.msg);
		if (a != b || file.window_at + (uint64_t)(file.s - file.window) != (uint64_t)(memory.s - text))
			ck_abort_msg("token %d, not %d, at byte %zu", a, b, (size_t)(memory.s - text));
		if (a == ADDS_TOKEN_END)
			break;
		if ((a == ADDS_TOKEN_KEY || a == ADDS_TOKEN_STRING || a == ADDS_TOKEN_NUMBER) &&
		    (file.len != memory.len || memcmp(file.text, memory.text, file.len) != 0))
			ck_abort_msg("another text at byte %zu", (size_t)(memory.s - text));
	}
	adds_pull_release(&file);
	adds_pull_release(&memory);
	free(text);
}
END_TEST

START_TEST(a_string_beyond_the_window_is_refused)
{
	struct adds_pull p = { 0 };
	struct adds_error err = { 0 };
	char path[128];
	FILE *f;
	int i;

	snprintf(path, sizeof(path), "%s/long.json", scratch());
	f = fopen(path, "wb");
	fputc('"', f);
	for (i = 0; i < 2 << 20; i++)
		fputc('a', f);
	fputc('"', f);
	fclose(f);
	ck_assert_int_eq(adds_pull_file(&p, path, &err), 0);
	ck_assert_int_eq(adds_pull_next(&p, &err), ADDS_ELIMIT);
	adds_pull_release(&p);
	ck_assert_int_eq(adds_pull_file(&p, "/not/there", &err), ADDS_EIO);
	adds_pull_release(&p);
}
END_TEST

Suite *pull_suite(void);

Suite *
pull_suite(void)
{
	Suite *s = suite_create("pull");
	TCase *c = tcase_create("pull");

	tcase_add_test(c, values_of_all_kinds);
	tcase_add_test(c, escapes_are_undone);
	tcase_add_test(c, what_is_no_json_is_refused);
	tcase_add_test(c, depth_is_bounded);
	tcase_add_test(c, errors_name_byte_and_path);
	tcase_add_test(c, skipping_ends_behind_the_value);
	tcase_add_test(c, a_file_gives_what_memory_gives);
	tcase_add_test(c, a_string_beyond_the_window_is_refused);
	suite_add_tcase(s, c);
	return s;
}
