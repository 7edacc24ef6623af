/* SPDX-License-Identifier: MIT
 * test_tokenizer_golden.c - token ids of 49,000 texts equal those of OpenCLIP's
 * tokenizer (with ftfy), in both spellings of the special tokens; the files are
 * made by gen/tokens.py */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/text/text.h"
#include "../tools/odd-texts.h"
#include "unit.h"

enum { CLIP = 49408,
       ROOM = 16384 };

struct golden {
	struct adds_tokenizer *t[2]; /* even texts: OpenAI's special tokens; odd ones: OpenCLIP's */
	const unsigned char *want;
	uint64_t total;
	size_t n, texts, left_out, wrong;
	char *data;
};

static void
begin(struct golden *g, const char *path)
{
	const enum adds_specials specials[2] = { ADDS_SPECIALS_OPENAI, ADDS_SPECIALS_OPENCLIP };
	struct adds_error err;
	int absent, k;

	*g = (struct golden){ .total = FNV_START };
	for (k = 0; k < 2; k++)
		ck_assert_ptr_nonnull(g->t[k] = adds_tokenizer_open(NULL, CLIP, specials[k], &err));
	ck_assert_ptr_nonnull(g->data = adds_read_text(tree(path), 1 << 20, 0, &g->n, &absent, &err));
	g->want = (unsigned char *)g->data;
	g->n = (g->n - 8) / 2;
}

static void
check(struct golden *g, const char *text, size_t len)
{
	static int32_t ids[ROOM];
	struct adds_error err;
	uint64_t h = FNV_START;
	unsigned digest, want;
	int i, n;

	ck_assert_uint_lt(g->texts, g->n);
	want = g->want[2 * g->texts] | (unsigned)g->want[2 * g->texts + 1] << 8;
	n = adds_tokenizer_encode(g->t[g->texts++ % 2], text, len, ids, ROOM, NULL, &err);
	ck_assert_msg(n >= 2, "text %zu: %s", g->texts - 1, n < 0 ? err.msg : "too few");
	if (want == 0) {
		g->left_out++;
		return;
	}
	for (i = 1; i < n - 1; i++)
		h = fnv_number(h, (uint32_t)ids[i]);
	g->total = fnv_number(fnv_number(g->total, (uint32_t)h), (uint32_t)(h >> 32));
	digest = (unsigned)((h ^ h >> 16 ^ h >> 32 ^ h >> 48) & 0xffff);
	if ((digest ? digest : 1) == want)
		return;
	if (g->wrong++ < 5)
		printf("# text %zu has other ids: '%.*s'\n", g->texts - 1, (int)len, text);
}

static void
end(struct golden *g, const char *what)
{
	uint64_t want = 0;
	int i;

	for (i = 7; i >= 0; i--)
		want = want << 8 | g->want[2 * g->n + (size_t)i];
	printf("# %s: %zu texts, %zu equal the reference, %zu left out (wrongly decoded text that it repairs)\n", what, g->texts,
	       g->texts - g->left_out - g->wrong, g->left_out);
	ck_assert_uint_eq(g->texts, g->n);
	ck_assert_uint_eq(g->wrong, 0);
	ck_assert_msg(g->total == want, "%s: the digest over all ids differs", what);
	adds_tokenizer_free(g->t[0]);
	adds_tokenizer_free(g->t[1]);
	free(g->data);
}

static void
check_lines(struct golden *g, const char *path)
{
	size_t len;
	int absent;
	char *text = adds_read_text(path, 1 << 22, 0, &len, &absent, NULL), *p = text, *stop;

	ck_assert_ptr_nonnull(text);
	for (; (stop = strchr(p, '\n')); p = stop + 1)
		if (stop > p)
			check(g, p, (size_t)(stop - p));
	free(text);
}

START_TEST(label_names_of_free_licence)
{
	struct golden g;

	begin(&g, "tests/data/text/labels.digests");
	check_lines(&g, tree("tests/data/text/labels.txt.gz"));
	end(&g, "label names");
	ck_assert_uint_ge(g.texts, 20000);
}
END_TEST

START_TEST(label_names_for_research_use)
{
	struct golden g;
	const char *path = shared_data("label_sets/nuswide_tags1000.txt", "the ids of NUS-WIDE's label names");

	if (!path)
		return;
	begin(&g, "tests/data/text/nuswide.digests");
	check_lines(&g, path);
	check_lines(&g, shared_data("label_sets/nuswide_concepts81.txt", "NUS-WIDE's concepts"));
	end(&g, "NUS-WIDE's names");
}
END_TEST

START_TEST(odd_texts_over_all_of_unicode)
{
	struct golden g;
	char s[ODD_SIZE];
	uint64_t i;

	begin(&g, "tests/data/text/odd.digests");
	for (i = 0; i < ODD_TEXTS; i++)
		check(&g, s, odd_text(i, s));
	end(&g, "odd texts");
	ck_assert_uint_lt(g.left_out, ODD_TEXTS / 20);
}
END_TEST

Suite *tokenizer_golden_suite(void);

Suite *
tokenizer_golden_suite(void)
{
	Suite *s = suite_create("tokenizer_golden");
	TCase *c = tcase_create("tokenizer_golden");

	tcase_set_timeout(c, 120);
	tcase_add_test(c, label_names_of_free_licence);
	tcase_add_test(c, label_names_for_research_use);
	tcase_add_test(c, odd_texts_over_all_of_unicode);
	suite_add_tcase(s, c);
	return s;
}
