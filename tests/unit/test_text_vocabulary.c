/* SPDX-License-Identifier: MIT
 * test_text_vocabulary.c - the forms in which vocabularies are published, whole
 * and broken; classes and lowercase of characters */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../lib/text/text.h"
#include "unit.h"

enum { SIZE = 514 + 300,
       CONTEXT = 77 };

static const char sentence[] = "this is the first one of the other kind, and not a last";

static const char *
in_scratch(const char *name)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/%s", scratch(), name);
	return path;
}

static void
put(const char *name, const char *text)
{
	FILE *f = fopen(in_scratch(name), "w");

	ck_assert_ptr_nonnull(f);
	fputs(text, f);
	fclose(f);
}

/* gives the file "part" its name */
static void
move_part(const char *name)
{
	char from[256];

	snprintf(from, sizeof(from), "%s", in_scratch("part"));
	ck_assert_int_eq(rename(from, in_scratch(name)), 0);
}

static void
clear(void)
{
	unlink(in_scratch("merges.txt"));
	unlink(in_scratch("vocab.json"));
	unlink(in_scratch("tokenizer.json"));
	unlink(in_scratch("bpe_simple_vocab_16e6.txt.gz"));
}

/* the first lines of CLIP's merge list */
static char *
merge_list(size_t lines)
{
	size_t len, i;
	int absent;
	char *s = adds_read_text(tree("examples/clip/bpe_simple_vocab_16e6.txt.gz"), 1 << 24, 0, &len, &absent, NULL), *p = s;

	ck_assert_ptr_nonnull(s);
	for (i = 0; i < lines; i++)
		p = strchr(p, '\n') + 1;
	*p = '\0';
	return s;
}

static int
encode(int32_t ids[CONTEXT])
{
	struct adds_error err;
	struct adds_tokenizer *t = adds_tokenizer_open(scratch(), SIZE, ADDS_SPECIALS_OPENAI, &err);
	int n;

	ck_assert_msg(t != NULL, "%s", t ? "" : err.msg);
	n = adds_tokenizer_encode(t, sentence, strlen(sentence), ids, CONTEXT, NULL, &err);
	adds_tokenizer_free(t);
	return n;
}

static void
check_refused(int size, int code, const char *part)
{
	struct adds_error err;

	ck_assert_ptr_null(adds_tokenizer_open(scratch(), size, ADDS_SPECIALS_OPENAI, &err));
	ck_assert_msg(strstr(err.msg, part) != NULL, "'%s' does not say '%s'", err.msg, part);
	ck_assert_int_eq(err.code, code);
}

/* text with \ and " of JSON escaped, é-like bytes as they are */
static void
put_json(FILE *f, const char *s)
{
	fputc('"', f);
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			fputc('\\', f);
		fputc(*s, f);
	}
	fputc('"', f);
}

/* vocab.json's object: the id of symbol i is SIZE − 1 − i, BOS 1, EOT 0 */
static void
put_reversed_ids(FILE *f)
{
	struct adds_vocabulary v;
	char s[256];
	int i;

	ck_assert_int_eq(adds_vocabulary_load(&v, scratch(), SIZE, NULL), 0);
	fputs("{\"<|endoftext|>\": 0, \"<|startoftext|>\":1", f);
	for (i = 0; i < SIZE - 2; i++) {
		adds_bpe_spelling(v.bpe, i, s, sizeof(s));
		fputs(",\n ", f);
		put_json(f, s);
		fprintf(f, ": %d", SIZE - 1 - i);
	}
	fputs("}", f);
	adds_bpe_free(v.bpe);
}

/* ids in the order of merges and reversed ones are the same tokens */
static void
check_reversed(const int32_t *plain, const int32_t *reversed, int n)
{
	int i;

	ck_assert_int_eq(plain[0], SIZE - 2);
	ck_assert_int_eq(reversed[0], 1);
	ck_assert_int_eq(plain[n - 1], SIZE - 1);
	ck_assert_int_eq(reversed[n - 1], 0);
	for (i = 1; i < n - 1; i++)
		ck_assert_int_eq(reversed[i], SIZE - 1 - plain[i]);
}

START_TEST(merges_stop_where_the_vocabulary_ends)
{
	char *all = merge_list(2000), *few = merge_list(301), *p;
	int32_t a[CONTEXT], b[CONTEXT];
	FILE *f;
	int n;

	put("merges.txt", all);
	n = encode(a);
	ck_assert_int_gt(n, 10);
	put("merges.txt", few);
	ck_assert_int_eq(encode(b), n);
	ck_assert_mem_eq(a, b, (size_t)n * sizeof(*a));
	ck_assert_ptr_nonnull(f = fopen(in_scratch("merges.txt"), "w"));
	for (p = few; *p; p++)
		fputs(*p == '\n' ? "\r\n" : (char[]){ *p, '\0' }, f);
	fclose(f);
	ck_assert_int_eq(encode(b), n);
	ck_assert_mem_eq(a, b, (size_t)n * sizeof(*a));
	put("bpe_simple_vocab_16e6.txt.gz", all);
	put("merges.txt", "");
	ck_assert_int_eq(encode(b), n);
	ck_assert_mem_eq(a, b, (size_t)n * sizeof(*a));
	clear();
	free(all);
	free(few);
}
END_TEST

START_TEST(ids_come_from_the_vocabulary_file)
{
	char *few = merge_list(301);
	int32_t a[CONTEXT], b[CONTEXT];
	FILE *f;
	int n;

	put("merges.txt", few);
	n = encode(a);
	ck_assert_ptr_nonnull(f = fopen(in_scratch("part"), "w"));
	put_reversed_ids(f);
	fclose(f);
	move_part("vocab.json");
	ck_assert_int_eq(encode(b), n);
	check_reversed(a, b, n);
	clear();
	free(few);
}
END_TEST

/* tokenizer.json with merges as "a b" (pairs 0) or ["a","b"] */
static void
put_tokenizer_json(const char *list, int pairs)
{
	char line[64], *gap;
	FILE *f = fopen(in_scratch("part"), "w");
	const char *p = strchr(list, '\n') + 1;
	size_t n;

	ck_assert_ptr_nonnull(f);
	fputs("{\"version\": \"1.0\", \"truncation\": null, \"added_tokens\": ["
	      "{\"id\": 0, \"content\": \"<|endoftext|>\", \"lstrip\": false}],"
	      " \"normalizer\": {\"a\": [1, {\"b\\\"\": -2e3}]}, \"model\": {\"type\": \"BPE\", \"dropout\": null,"
	      " \"end_of_word_suffix\": \"</w>\", \"merges\": [",
	      f);
	for (; *p; p += n + 1) {
		n = strcspn(p, "\n");
		snprintf(line, sizeof(line), "%.*s", (int)n, p);
		gap = strchr(line, ' ');
		if (pairs) {
			*gap = '\0';
			fputs("[", f);
			put_json(f, line);
			fputs(" , ", f);
			put_json(f, gap + 1);
			fputs("]", f);
		} else {
			put_json(f, line);
		}
		if (p[n + 1])
			fputs(",\n", f);
	}
	fputs("], \"vocab\": ", f);
	put_reversed_ids(f);
	fputs("}}\n", f);
	fclose(f);
}

START_TEST(tokenizer_json_is_read_in_both_forms)
{
	char *few = merge_list(301);
	int32_t a[CONTEXT], b[CONTEXT];
	int n, pairs;

	for (pairs = 0; pairs < 2; pairs++) {
		put("merges.txt", few);
		n = encode(a);
		put_tokenizer_json(few, pairs);
		move_part("tokenizer.json");
		unlink(in_scratch("merges.txt"));
		ck_assert_int_eq(encode(b), n);
		check_reversed(a, b, n);
		clear();
	}
	free(few);
}
END_TEST

START_TEST(broken_vocabularies_are_refused)
{
	clear();
	check_refused(SIZE, ADDS_EIO, "has no vocabulary: put ");
	check_refused(514, ADDS_EARG, "514 tokens");
	put("merges.txt", "#version: 0.2\ni n\nt h x\n");
	check_refused(SIZE, ADDS_EFORMAT, "merges.txt': line 3 is no merge");
	put("merges.txt", "#version: 0.2\ni n\nt\xc8\x80 h\n");
	check_refused(SIZE, ADDS_EFORMAT, "line 3");
	put("merges.txt", "#version: 0.2\n");
	check_refused(SIZE, ADDS_EFORMAT, "has no merges");
	put("merges.txt", "#version: 0.2\ni n\n");
	put("vocab.json", "{\"!\": 0}");
	check_refused(SIZE, ADDS_EFORMAT, "has no number for the token '\"'");
	put("vocab.json", "{\"!\": 814}");
	check_refused(SIZE, ADDS_EMISMATCH, "token '!' has the number 814");
	put("vocab.json", "{\"!\": -1}");
	check_refused(SIZE, ADDS_EFORMAT, "vocab.json': byte 6: a whole number is missing");
	put("vocab.json", "{\"!\": 1.5}");
	check_refused(SIZE, ADDS_EFORMAT, "a whole number is missing");
	put("vocab.json", "{\"\\ud800\": 1}");
	check_refused(SIZE, ADDS_EFORMAT, "no such escape");
	put("vocab.json", "{\"!\": 0");
	check_refused(SIZE, ADDS_EFORMAT, "',' is missing");
	put("vocab.json", "{\"!");
	check_refused(SIZE, ADDS_EFORMAT, "ends inside a string");
	clear();
	put("tokenizer.json", "{\"model\": {\"type\": \"Unigram\", \"vocab\": [[\"a\", 0]]}}");
	check_refused(SIZE, ADDS_EFORMAT, "its model is 'Unigram'");
	put("tokenizer.json", "[[[[[[[[[[[[[[[[[[");
	check_refused(SIZE, ADDS_EFORMAT, "'{' is missing");
	clear();
}
END_TEST

/* In Python, for all characters of Unicode 14: is it cased, is it case-ignorable,
 * as str.lower() shows beside a capital sigma. Here: samples of each sort. */
START_TEST(capital_sigma_looks_around)
{
	static const char *const texts[][2] = {
		{ "ΑΣ", "ας" },
		{ "Σ", "σ" },
		{ "ΑΣΑ", "ασα" },
		{ "Α.Σ", "α.ς" },
		{ "ΑΣ.Α", "ασ.α" },
		{ "1Σ", "1σ" },
		{ "ⒶΣ", "ⓐς" },
		{ "ªΣ", "ªς" },
		{ "ΑΣΑΣ ΣΑΣ", "ασας σας" },
		{ "Α:Σ", "α:ς" },
		{ "Α-Σ", "α-σ" },
		{ "İΣ", "i̇ς" },
		{ "ʰΣ", "ʰσ" },
	};
	size_t i;

	for (i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		char *s = adds_text_clean(texts[i][0], strlen(texts[i][0]), NULL);

		ck_assert_str_eq(s, texts[i][1]);
		free(s);
	}
}
END_TEST

START_TEST(entities_are_resolved_by_two_rules)
{
	static const char *const texts[][2] = {
		{ "&rsquo;", "'" },      /* by ftfy, which then straightens quotes */
		{ "<&rsquo;", "<’" },    /* text that looks like HTML: after ftfy only */
		{ "<\n&rsquo;", "< ’" }, /* and in all lines behind it */
		{ "&rsquo;\n<", "' <" },
		{ "&EACUTE;", "é" }, /* capitals, by ftfy alone */
		{ "<&EACUTE;", "<&eacute;" },
		{ "&ampamp;lt;", "&lt;" },
		{ "&#x41;&#66&#67x", "abcx" },
		{ "&#0;&#xd800;&#99999999999999999999;", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
		{ "a&#1;&#xffff;b", "ab" },
		{ "&#128;&#x93;", "€\"" },
		{ "&CounterClockwiseContourIntegral;", "∳" },
		{ "&notin;&notit;&nosuch;&", "∉¬it;&nosuch;&" },
		{ "\x1b[1;31mred\x1b[0m \x1b[x", "red" },
	};
	size_t i;

	for (i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		char *s = adds_text_clean(texts[i][0], strlen(texts[i][0]), NULL);

		ck_assert_str_eq(s, texts[i][1]);
		free(s);
	}
}
END_TEST

Suite *text_vocabulary_suite(void);

Suite *
text_vocabulary_suite(void)
{
	Suite *s = suite_create("text_vocabulary");
	TCase *c = tcase_create("text_vocabulary");

	tcase_set_timeout(c, 60);
	tcase_add_test(c, merges_stop_where_the_vocabulary_ends);
	tcase_add_test(c, ids_come_from_the_vocabulary_file);
	tcase_add_test(c, tokenizer_json_is_read_in_both_forms);
	tcase_add_test(c, broken_vocabularies_are_refused);
	tcase_add_test(c, capital_sigma_looks_around);
	tcase_add_test(c, entities_are_resolved_by_two_rules);
	suite_add_tcase(s, c);
	return s;
}
