/* SPDX-License-Identifier: MIT
 * test_tokenizer.c - token ids against those of OpenAI's tokenizer (with ftfy) */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/text/text.h"
#include "unit.h"

enum { CLIP = 49408,
       CONTEXT = 77,
       BOS = 49406,
       EOT = 49407 };

static struct adds_tokenizer *
own(enum adds_specials specials)
{
	struct adds_error err;
	struct adds_tokenizer *t = adds_tokenizer_open(NULL, CLIP, specials, &err);

	ck_assert_msg(t != NULL, "%s", t ? "" : err.msg);
	return t;
}

/* ids between the outer BOS and EOT, as text */
static const char *
encode(const struct adds_tokenizer *t, const char *text, size_t len)
{
	static char out[2048];
	int32_t ids[CONTEXT];
	struct adds_error err;
	const int n = adds_tokenizer_encode(t, text, len, ids, CONTEXT, NULL, &err);
	size_t k = 0;
	int i;

	ck_assert_msg(n >= 2, "%s", n < 0 ? err.msg : "too few");
	ck_assert_int_eq(ids[0], BOS);
	ck_assert_int_eq(ids[n - 1], EOT);
	out[0] = '\0';
	for (i = 1; i < n - 1; i++)
		k += (size_t)snprintf(out + k, sizeof(out) - k, "%s%d", i > 1 ? " " : "", ids[i]);
	return out;
}

/* clang-format off */
static const struct {
	const char *text, *ids;
} golden[] = {
	{ "a photo of a cat", "320 1125 539 320 2368" },
	{ "A Photo of a CAT.", "320 1125 539 320 2368 269" },
	{ "a diagram", "320 22697" },
	{ "a dog", "320 1929" },
	{ "a cat", "320 2368" },
	{ "hello world", "3306 1002" },
	{ "hello, world!", "3306 267 1002 256" },
	{ "  multiple   spaces\tand\nnewlines ", "6470 9006 537 1218 3418" },
	{ "it's john's dog, they're we've i'm we'll he'd can't", "585 568 1742 568 1929 267 889 982 649 1200 328 880 649 1342 797 1896 753 713" },
	{ "DON'T", "847 713" },
	{ "DON\xe2\x80\x99T", "847 713" },
	{ "12345 3.14", "272 273 274 275 276 274 269 272 275" },
	{ "2x4 abc123def", "273 343 275 5334 272 273 274 11649" },
	{ "100%", "272 271 271 260" },
	{ "$9.99", "259 280 269 280 280" },
	{ "café naïve", "15304 1097 35689 563" },
	{ "\u00e9", "4166" },
	{ "e\u0301", "4166" },
	{ "\u00e9 (decomposed e\u0301)", "4166 263 561 19916 4166 264" },
	{ "straße", "1894 127 253 324" },
	{ "日本語", "39121 44353 34002 508" },
	{ "你好，世界", "47466 254 29290 377 267 19759 244 163 243 490" },
	{ "привет мир", "26302 16370 29503 110 22176 141 480 38018 16701 141 478" },
	{ "ΟΔΥΣΣΕΥΣ", "138 123 138 112 139 227 139 225 139 225 138 113 139 227 139 480" },
	{ "İstanbul", "328 16384 11231" },
	{ "\u212a kelvin", "330 32859" },
	{ "हिन्दी में", "29446 26721 26090 19389 29552 25751 26774 48612 30833" },
	{ "ราคา", "32225 12330 20537 366" },
	{ "ﬁne ﬂower", "3797 4055" },
	{ "“curly” ‘quotes’ — dash…", "257 20795 257 262 5808 262 2005 10206 959" },
	{ "ＦＵＬＬ　ｗｉｄｔｈ", "1476 23571" },
	{ "x² ½ Ⅷ ①", "343 41175 33613 158 227 371 158 239 510" },
	{ "🙂👍🏽 emoji", "32006 43722 16327" },
	{ "&lt;b&gt;bold&lt;/b&gt; &amp;amp; &copy; &eacute;", "283 321 285 8911 34308 321 285 261 5811 4166" },
	{ "AT&T R&D", "536 261 339 337 261 323" },
	{ "<|startoftext|> hi <|endoftext|>", "49406 1883 49407" },
	{ "<start_of_text>", "283 1572 318 539 318 4160 285" },
	{ "a_b-c/d\\e", "320 318 321 268 322 270 323 315 324" },
	{ "", "" },
	{ "!", "256" },
	{ "...", "678" },
	{ "@user #hashtag http://x.com/?q=1&r=2", "287 7031 258 9238 15066 12441 343 269 2464 14 286 336 284 272 261 337 284 273" },
	{ "''s", "8445 338" },
	{ "!'s", "13222 338" },
	{ "'soup", "568 32815" },
	{ "&notit; &ampx;", "126 361 585 282 261 343 282" },
	{ "'S 's'", "568 568 262" },
	{ "'ſ long s", "6 129 379 1538 338" },
	{ "zero\u200bwidth nb\u00a0sp", "5848 9844 23571 6813 4393" },
	{ "tab\x1csep\x1f end", "2648 10434 806" },
	{ "antidisestablishmentarianism", "3120 4262 7726 12658 1585 44351" },
	{ "supercalifragilisticexpialidocious", "1642 2857 13093 2076 5868 26850 835 639 38466" },
	{ "a photo of a really, functistaner big cat.", "320 1125 539 320 1414 267 8679 555 2203 528 1205 2368 269" },
};
/* clang-format on */

START_TEST(known_texts_have_the_known_ids)
{
	struct adds_tokenizer *t = own(ADDS_SPECIALS_OPENAI);
	size_t i;

	for (i = 0; i < sizeof(golden) / sizeof(*golden); i++) {
		const char *ids = encode(t, golden[i].text, strlen(golden[i].text));

		ck_assert_msg(strcmp(ids, golden[i].ids) == 0, "'%s': %s, not %s", golden[i].text, ids, golden[i].ids);
	}
	ck_assert_str_eq(encode(t, "\0nul\abell", 9), "29358 3718");
	adds_tokenizer_free(t);
}
END_TEST

START_TEST(special_tokens_have_two_spellings_or_none)
{
	struct adds_tokenizer *t = own(ADDS_SPECIALS_OPENCLIP);

	ck_assert_str_eq(encode(t, "<start_of_text>a cat<END_OF_TEXT>", 33), "49406 320 2368 49407");
	adds_tokenizer_free(t);
	t = own(ADDS_SPECIALS_PLAIN);
	ck_assert_str_eq(encode(t, "<start_of_text>", 15), "283 1572 318 539 318 4160 285");
	ck_assert_ptr_null(strstr(encode(t, "<|endoftext|>", 13), "49407"));
	adds_tokenizer_free(t);
}
END_TEST

START_TEST(long_texts_are_cut_and_keep_the_end_token)
{
	struct adds_tokenizer *t = own(ADDS_SPECIALS_OPENAI);
	int32_t ids[CONTEXT];
	char text[201];
	int i, cut = -1;

	for (i = 0; i < 200; i++)
		text[i] = i % 2 ? ' ' : 'a';
	ck_assert_int_eq(adds_tokenizer_encode(t, text, 200, ids, CONTEXT, &cut, NULL), CONTEXT);
	ck_assert_int_eq(cut, 1);
	for (i = 1; i < CONTEXT - 1; i++)
		ck_assert_int_eq(ids[i], 320);
	ck_assert_int_eq(ids[CONTEXT - 1], EOT);
	ck_assert_int_eq(adds_tokenizer_encode(t, text, 150, ids, CONTEXT, &cut, NULL), CONTEXT);
	ck_assert_int_eq(cut, 0);
	ck_assert_int_eq(adds_tokenizer_encode(t, text, 152, ids, CONTEXT, &cut, NULL), CONTEXT);
	ck_assert_int_eq(cut, 1);
	adds_tokenizer_free(t);
}
END_TEST

START_TEST(what_is_no_text_is_refused)
{
	struct adds_tokenizer *t = own(ADDS_SPECIALS_OPENAI);
	struct adds_error err;
	int32_t ids[CONTEXT];
	char *large = calloc(1, ADDS_TEXT_MAX + 1);

	ck_assert_int_eq(adds_tokenizer_encode(t, "caf\xe9", 4, ids, CONTEXT, NULL, &err), ADDS_EFORMAT);
	ck_assert_str_eq(err.msg, "text is not UTF-8 at its byte 3");
	ck_assert_int_eq(adds_tokenizer_encode(t, large, ADDS_TEXT_MAX + 1, ids, CONTEXT, NULL, &err), ADDS_ELIMIT);
	ck_assert_int_eq(adds_tokenizer_encode(t, "a", 1, ids, 1, NULL, &err), ADDS_EARG);
	free(large);
	adds_tokenizer_free(t);
}
END_TEST

Suite *tokenizer_suite(void);

Suite *
tokenizer_suite(void)
{
	Suite *s = suite_create("tokenizer");
	TCase *c = tcase_create("tokenizer");

	tcase_set_timeout(c, 60);
	tcase_add_test(c, known_texts_have_the_known_ids);
	tcase_add_test(c, special_tokens_have_two_spellings_or_none);
	tcase_add_test(c, long_texts_are_cut_and_keep_the_end_token);
	tcase_add_test(c, what_is_no_text_is_refused);
	suite_add_tcase(s, c);
	return s;
}
