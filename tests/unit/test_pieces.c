/* SPDX-License-Identifier: MIT
 * test_pieces.c - SentencePiece models: ids of 48,000 texts equal those of the library, through normalisation, unigram,
 * byte-pair, bytes, unused and user's pieces (gen/pieces.py); SigLIP's framing; what is refused */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../lib/text/pieces.h"
#include "../tools/odd-texts.h"
#include "unit.h"

enum { CONTEXT = 16,
       BLOCK = 64,
       ROWS = 1000,
       SUFFIX_ROWS = 600 };

static const char *const models[] = { "nfkc", "bytes", "suffix" };
static const char *const files[] = { "spiece.model", "tokenizer.model", "sentencepiece.model" }; /* one for each */

/* the one label that the reference's cleaning takes for wrongly decoded, and repairs */
static const char mojibake[] = "Ad\xc3\x83\xc2\xa9lie penguin\n";

/* ---- the files of gen/pieces.py ---- */

static unsigned char *
model_bytes(const char *name, size_t *len)
{
	struct adds_error err;
	char path[64], *s;
	int absent;

	snprintf(path, sizeof(path), "tests/data/text/%s.model%s", name, strcmp(name, "nfkc") ? "" : ".gz");
	s = adds_read_text(tree(path), 1 << 24, 0, len, &absent, &err);
	ck_assert_msg(s != NULL, "%s", s ? "" : err.msg);
	return (unsigned char *)s;
}

static struct adds_pieces *
model(const char *name)
{
	struct adds_error err;
	size_t len;
	unsigned char *s = model_bytes(name, &len);
	struct adds_pieces *p = adds_pieces_parse(s, len, name, &err);

	ck_assert_msg(p != NULL, "%s", p ? "" : err.msg);
	return p;
}

static void
put_file(const char *name, const void *data, size_t len)
{
	char path[512];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", scratch(), name);
	ck_assert_ptr_nonnull(f = fopen(path, "wb"));
	ck_assert_uint_eq(fwrite(data, 1, len, f), len);
	fclose(f);
}

static void
clear(void)
{
	char path[512];
	size_t i;

	for (i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "%s/%s", scratch(), files[i]);
		unlink(path);
	}
}

/* a folder with this model in it */
static const char *
folder_with(const char *name, const char *file)
{
	size_t len;
	unsigned char *s = model_bytes(name, &len);

	clear();
	put_file(file, s, len);
	free(s);
	return scratch();
}

/* ---- golden ids ---- */

struct golden {
	const struct adds_pieces *p;    /* texts as they are, or … */
	const struct adds_tokenizer *t; /* … as SigLIP reads them */
	char *file;
	const char *blocks; /* of the next ones, in hexadecimal */
	size_t texts, n, wrong;
	uint64_t want, total, block;
};

static void
begin(struct golden *g, const char *name, const char *set)
{
	char head[64];
	size_t len;
	int absent, at = 0;
	const char *line;

	g->file = adds_read_text(tree("tests/data/text/pieces.digests"), 1 << 20, 0, &len, &absent, NULL);
	ck_assert_ptr_nonnull(g->file);
	snprintf(head, sizeof(head), "%s %s ", name, set);
	ck_assert_ptr_nonnull(line = strstr(g->file, head));
	ck_assert_int_eq(sscanf(line + strlen(head), "%zu %lx%n", &g->n, &g->want, &at), 2);
	g->blocks = line + strlen(head) + at;
	g->total = g->block = FNV_START;
}

static void
encode(const struct golden *g, struct adds_codepoints *ids, const char *text, size_t len)
{
	struct adds_buf normal = { 0 };
	int32_t framed[CONTEXT];
	int i;

	if (g->t) {
		ck_assert_int_eq(adds_tokenizer_encode(g->t, text, len, framed, CONTEXT, NULL, NULL), CONTEXT);
		for (i = 0; i < CONTEXT; i++)
			adds_codepoints_push(ids, framed[i]);
		return;
	}
	adds_pieces_normalise(g->p, &normal, text, len);
	ck_assert_int_eq(adds_pieces_encode(g->p, ids, (char *)normal.p, normal.n), 0);
	adds_buf_release(&normal);
}

static void
end_block(struct golden *g, const char *text, size_t len)
{
	const uint64_t h = g->block;
	char *next;
	const unsigned long want = strtoul(g->blocks, &next, 16);

	ck_assert_ptr_ne(next, g->blocks);
	g->blocks = next;
	g->block = FNV_START;
	if (((h ^ h >> 16 ^ h >> 32 ^ h >> 48) & 0xffff) != want && g->wrong++ < 3)
		printf("# up to text %zu some have other ids; that is '%.*s'\n", g->texts - 1, (int)len, text);
}

static void
check(struct golden *g, const char *text, size_t len)
{
	struct adds_codepoints ids = { 0 };
	size_t i;

	encode(g, &ids, text, len);
	g->total = fnv_number(g->total, (uint32_t)ids.n);
	g->block = fnv_number(g->block, (uint32_t)ids.n);
	for (i = 0; i < ids.n; i++) {
		g->total = fnv_number(g->total, (uint32_t)ids.c[i]);
		g->block = fnv_number(g->block, (uint32_t)ids.c[i]);
	}
	adds_codepoints_release(&ids);
	if (++g->texts % BLOCK == 0 || g->texts == g->n)
		end_block(g, text, len);
}

static void
end(struct golden *g, const char *name, const char *set)
{
	ck_assert_uint_eq(g->texts, g->n);
	ck_assert_msg(g->wrong == 0, "%s, %s: %zu blocks of %d differ", name, set, g->wrong, BLOCK);
	ck_assert_msg(g->total == g->want, "%s, %s: the digest over all ids differs", name, set);
	free(g->file);
}

static void
check_labels(struct golden *g)
{
	size_t len;
	int absent;
	char *text = adds_read_text(tree("tests/data/text/labels.txt.gz"), 1 << 22, 0, &len, &absent, NULL), *p = text, *stop;

	ck_assert_ptr_nonnull(text);
	for (; (stop = strchr(p, '\n')); p = stop + 1)
		if (stop > p && !(g->t && strncmp(p, mojibake, sizeof(mojibake) - 1) == 0))
			check(g, p, (size_t)(stop - p));
	free(text);
}

START_TEST(ids_of_label_names)
{
	struct adds_pieces *p = model(models[_i]);
	struct golden g = { .p = p };

	begin(&g, models[_i], "labels");
	check_labels(&g);
	end(&g, models[_i], "labels");
	adds_pieces_free(p);
}
END_TEST

START_TEST(ids_of_odd_texts_over_all_of_unicode)
{
	struct adds_pieces *p = model(models[_i]);
	struct golden g = { .p = p };
	char s[ODD_SIZE];
	uint64_t i;

	begin(&g, models[_i], "odd");
	for (i = 0; i < ODD_TEXTS; i++)
		check(&g, s, odd_text(i, s));
	end(&g, models[_i], "odd");
	adds_pieces_free(p);
}
END_TEST

START_TEST(ids_as_siglip_has_them)
{
	struct adds_error err;
	struct adds_tokenizer *t = adds_tokenizer_open_sentencepiece(folder_with(models[_i], files[_i]),
	                                                             _i == 2 ? SUFFIX_ROWS : ROWS, ADDS_CLEAN_BY_KIND, &err);
	struct golden g = { .t = t };

	ck_assert_msg(t != NULL, "%s", t ? "" : err.msg);
	begin(&g, models[_i], "siglip");
	check_labels(&g);
	end(&g, models[_i], "siglip");
	adds_tokenizer_free(t);
}
END_TEST

/* ---- SigLIP's cleaning and frame ---- */

#define PUNCTUATION "!\"#$%&'()*+,-./:;<=>?@[\\]^`{|}~"

START_TEST(what_a_text_loses)
{
	/* as it is, with collapsed space; in small letters; without punctuation */
	static const char *const texts[][4] = {
		{ " A photo of 2 Cats!", "A photo of 2 Cats!", "a photo of 2 cats!", "a photo of 2 cats" },
		{ "T-Shirt & jeans_(blue)", "T-Shirt & jeans_(blue)", "t-shirt & jeans_(blue)", "tshirt jeans blue" },
		{ "  _a__b_ \t c ", "_a__b_ c", "_a__b_ c", "a b c" },
		{ "\xc3\x89T \xe2\x80\x94 don\xe2\x80\x99t", "\xc3\x89T \xe2\x80\x94 don't", "\xc3\xa9t \xe2\x80\x94 don't",
		  "\xc3\xa9t \xe2\x80\x94 dont" },
		{ PUNCTUATION, PUNCTUATION, PUNCTUATION, "" },
		{ "x &lt;b&gt; y &amp; Z", "x <b> y & Z", "x <b> y & z", "x b y z" },
	};
	static const enum adds_cleaning how[] = { ADDS_CLEAN_SPACE, ADDS_CLEAN_LOWER, ADDS_CLEAN_CANONICAL };
	struct adds_codepoints t = { 0 };
	size_t i, k, n;
	char *s;

	for (i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		for (k = 0; k < 3; k++) {
			ck_assert_int_eq(adds_text_clean_codepoints(&t, how[k], texts[i][0], strlen(texts[i][0]), NULL), 0);
			ck_assert_ptr_nonnull(s = adds_codepoints_encode(t.c, t.n, &n));
			ck_assert_str_eq(s, texts[i][1 + k]);
			free(s);
		}
	adds_codepoints_release(&t);
}
END_TEST

START_TEST(a_text_is_cut_and_filled_up)
{
	struct adds_tokenizer *t =
		adds_tokenizer_open_sentencepiece(folder_with("bytes", "tokenizer.model"), ROWS, ADDS_CLEAN_BY_KIND, NULL);
	int32_t ids[64];
	int cut, i, n;

	ck_assert_ptr_nonnull(t);
	ck_assert_int_eq(adds_tokenizer_bos(t), -1);
	ck_assert_int_eq(adds_tokenizer_eot(t), 1);
	ck_assert_int_eq(n = adds_tokenizer_encode(t, "a cat", 5, ids, 64, &cut, NULL), 64);
	ck_assert_int_eq(cut, 0);
	for (i = 63; ids[i] == 0; i--)
		continue;
	ck_assert_int_eq(ids[i], 1);
	ck_assert(i > 0 && i < 6);
	/* as many ids as there is room for with the end; one more is cut */
	ck_assert_int_eq(adds_tokenizer_encode(t, "a cat", 5, ids, i + 1, &cut, NULL), i + 1);
	ck_assert(!cut && ids[i] == 1);
	ck_assert_int_eq(adds_tokenizer_encode(t, "a cat", 5, ids, i, &cut, NULL), i);
	ck_assert(cut && ids[i - 1] == 1);
	ck_assert_int_eq(adds_tokenizer_encode(t, "", 0, ids, 4, &cut, NULL), 4);
	ck_assert(!cut && ids[0] == 1 && ids[1] == 0 && ids[3] == 0);
	ck_assert_int_eq(adds_tokenizer_encode(t, "a", 1, ids, 1, &cut, NULL), ADDS_EARG);
	ck_assert_int_eq(adds_tokenizer_encode(t, "caf\xe9", 4, ids, 9, &cut, NULL), ADDS_EFORMAT);
	adds_tokenizer_free(t);
}
END_TEST

START_TEST(cleaning_by_kind_or_as_told)
{
	char digest[65];
	int i;

	for (i = 0; i < 3; i++) {
		const int rows = i == 2 ? SUFFIX_ROWS : ROWS;
		struct adds_tokenizer *t =
			adds_tokenizer_open_sentencepiece(folder_with(models[i], files[i]), rows, ADDS_CLEAN_BY_KIND, NULL);

		ck_assert_ptr_nonnull(t);
		ck_assert_int_eq(adds_tokenizer_cleaning(t), i == 1 ? ADDS_CLEAN_LOWER : ADDS_CLEAN_CANONICAL);
		adds_tokenizer_digest(t, digest);
		ck_assert_uint_eq(strlen(digest), 64);
		adds_tokenizer_free(t);
		ck_assert_ptr_nonnull(t = adds_tokenizer_open_sentencepiece(scratch(), rows, ADDS_CLEAN_SPACE, NULL));
		ck_assert_int_eq(adds_tokenizer_cleaning(t), ADDS_CLEAN_SPACE);
		adds_tokenizer_free(t);
	}
}
END_TEST

/* a rule makes 64 bytes of two */
START_TEST(a_text_that_rules_make_too_long)
{
	struct adds_error err;
	struct adds_tokenizer *t = adds_tokenizer_open_sentencepiece(folder_with("suffix", "spiece.model"), SUFFIX_ROWS,
	                                                             ADDS_CLEAN_BY_KIND, &err);
	char text[2 * 4097];
	int32_t ids[CONTEXT];
	size_t i;

	ck_assert_ptr_nonnull(t);
	for (i = 0; i < sizeof(text); i += 2)
		memcpy(text + i, "\xc2\xa4", 2);
	ck_assert_int_eq(adds_tokenizer_encode(t, text, 2 * 4000, ids, CONTEXT, NULL, &err), CONTEXT);
	ck_assert_int_eq(adds_tokenizer_encode(t, text, sizeof(text), ids, CONTEXT, NULL, &err), ADDS_ELIMIT);
	ck_assert_ptr_nonnull(strstr(err.msg, "after the vocabulary's rules"));
	adds_tokenizer_free(t);
}
END_TEST

/* ---- what is refused ---- */

static void
check_refused(int rows, int code, const char *part)
{
	struct adds_error err;

	ck_assert_ptr_null(adds_tokenizer_open_sentencepiece(scratch(), rows, ADDS_CLEAN_BY_KIND, &err));
	ck_assert_msg(strstr(err.msg, part) != NULL, "'%s' does not say '%s'", err.msg, part);
	ck_assert_int_eq(err.code, code);
}

static void
check_taken(int rows)
{
	struct adds_error err;
	struct adds_tokenizer *t = adds_tokenizer_open_sentencepiece(scratch(), rows, ADDS_CLEAN_BY_KIND, &err);

	ck_assert_msg(t != NULL, "%s", t ? "" : err.msg);
	adds_tokenizer_free(t);
}

START_TEST(a_folder_without_or_with_another_model)
{
	clear();
	check_refused(ROWS, ADDS_EIO, "spiece.model");
	folder_with("bytes", "spiece.model");
	check_refused(ROWS - 1, ADDS_EFORMAT, "belongs to another model");
	check_refused(ROWS + 128, ADDS_EFORMAT, "1000 pieces");
	check_taken(ROWS + 127);
	put_file("spiece.model", "", 0);
	check_refused(ROWS, ADDS_EFORMAT, "no pieces");
	put_file("spiece.model", "version https://git-lfs.github.com/spec/v1\n", 43);
	check_refused(ROWS, ADDS_EFORMAT, "byte");
}
END_TEST

/* fields of protocol buffers, written by hand */
static size_t
piece(unsigned char *out, const char *text, unsigned type, unsigned char top)
{
	const size_t n = strlen(text);
	const unsigned char score[] = { 0x15, 0, 0, 0, top };

	out[0] = 0x0a;
	out[1] = (unsigned char)(2 + n + sizeof(score) + 2);
	out[2] = 0x0a;
	out[3] = (unsigned char)n;
	memcpy(out + 4, text, n);
	memcpy(out + 4 + n, score, sizeof(score));
	out[9 + n] = 0x18;
	out[10 + n] = (unsigned char)type;
	return 11 + n;
}

START_TEST(models_that_lack_something)
{
	static const struct {
		const char *text;
		unsigned type;
		unsigned char top; /* of the score */
		const char *said;
	} cases[] = {
		{ "<unk>", ADDS_PIECE_NORMAL, 0, "what is unknown" },
		{ "</s>", ADDS_PIECE_CONTROL, 0, NULL },
		{ "b", ADDS_PIECE_NORMAL, 0, "the end of a text" },
		{ "a", ADDS_PIECE_USER, 0, "the same" },
		{ "", ADDS_PIECE_NORMAL, 0, "an empty piece" },
		{ "b", 7, 0, "an unknown type" },
	};
	unsigned char s[256];
	size_t i, n;

	clear();
	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		n = piece(s, "a", ADDS_PIECE_NORMAL, 0);
		n += piece(s + n, cases[i].text, cases[i].type, cases[i].top);
		if (i > 0)
			n += piece(s + n, "<unk>", ADDS_PIECE_UNKNOWN, 0);
		put_file("spiece.model", s, n);
		if (cases[i].said)
			check_refused((int)i + 4, ADDS_EFORMAT, cases[i].said);
		else
			check_taken(3);
	}
	n = piece(s, "<unk>", ADDS_PIECE_UNKNOWN, 0);
	n += piece(s + n, "</s>", ADDS_PIECE_CONTROL, 0);
	memcpy(s + n, "\x12\x02\x18\x03", 4); /* trainer_spec.model_type WORD */
	put_file("spiece.model", s, n + 4);
	check_refused(2, ADDS_EFORMAT, "words or characters");
	memcpy(s + n, "\x12\x02\x18\x02", 4); /* BPE */
	put_file("spiece.model", s, n + 4);
	check_refused(2, ADDS_EFORMAT, "for padding");
	memcpy(s + n, "\x12\x03\x98\x02\x01", 5); /* byte_fallback */
	put_file("spiece.model", s, n + 5);
	check_refused(2, ADDS_EFORMAT, "0 bytes");
	memcpy(s + n, "\x1a\x0b\x12\x09\x04\0\0\0zzzzz", 13); /* a table of rules without its last NUL */
	put_file("spiece.model", s, n + 13);
	check_refused(2, ADDS_EFORMAT, "table of rules");
	memcpy(s + n, "\x1a\x0b\x12\x09\x08\0\0\0zzzz", 13); /* longer than its bytes */
	put_file("spiece.model", s, n + 13);
	check_refused(2, ADDS_EFORMAT, "table of rules");
}
END_TEST

/* cut anywhere: refused, or a model of what is there, which still cuts texts */
START_TEST(a_model_cut_anywhere)
{
	size_t len, n, taken = 0, refused = 0;
	unsigned char *all = model_bytes("suffix", &len), *s;

	for (n = 0; n < len; n += 1 + n % 7) {
		struct golden g = { 0 };
		struct adds_codepoints ids = { 0 };
		struct adds_error err;
		struct adds_pieces *p;

		ck_assert_ptr_nonnull(s = malloc(n ? n : 1));
		memcpy(s, all, n);
		if (!(p = adds_pieces_parse(s, n, "cut", &err))) {
			refused++;
			continue;
		}
		g.p = p;
		encode(&g, &ids, "A \xef\xac\x81ne cat", 10);
		ck_assert_uint_gt(ids.n, 0);
		adds_codepoints_release(&ids);
		adds_pieces_free(p);
		taken++;
	}
	ck_assert(taken > 10 && refused > 10);
	free(all);
}
END_TEST

Suite *pieces_suite(void);

Suite *
pieces_suite(void)
{
	Suite *s = suite_create("pieces");
	TCase *c = tcase_create("pieces");

	tcase_set_timeout(c, 120);
	tcase_add_loop_test(c, ids_of_label_names, 0, 3);
	tcase_add_loop_test(c, ids_of_odd_texts_over_all_of_unicode, 0, 3);
	tcase_add_loop_test(c, ids_as_siglip_has_them, 0, 3);
	tcase_add_test(c, what_a_text_loses);
	tcase_add_test(c, a_text_is_cut_and_filled_up);
	tcase_add_test(c, cleaning_by_kind_or_as_told);
	tcase_add_test(c, a_text_that_rules_make_too_long);
	tcase_add_test(c, a_folder_without_or_with_another_model);
	tcase_add_test(c, models_that_lack_something);
	tcase_add_test(c, a_model_cut_anywhere);
	suite_add_tcase(s, c);
	return s;
}
