/* SPDX-License-Identifier: MIT
 * tokenizer.c - a prompt to token ids: clean, split, encode, frame */
#include <stdlib.h>
#include <string.h>

#include "../stream/record.h"
#include "pieces.h"

enum { NORMAL_MAX = 16 * ADDS_TEXT_MAX }; /* bytes of a text that rules have rewritten */

struct adds_tokenizer {
	struct adds_vocabulary v;
	enum adds_specials specials;
	enum adds_cleaning cleaning;
	struct adds_pieces *pieces; /* of a SigLIP; then v is empty */
};

struct adds_tokenizer *
adds_tokenizer_open(const char *folder, int vocab_size, enum adds_specials specials, struct adds_error *err)
{
	struct adds_tokenizer *t = calloc(1, sizeof(*t));

	if (!t) {
		adds_fail(err, ADDS_ENOMEM, "out of memory");
		return NULL;
	}
	t->specials = specials;
	t->cleaning = ADDS_CLEAN_LOWER;
	if (adds_vocabulary_load(&t->v, folder, vocab_size, err) < 0) {
		free(t);
		return NULL;
	}
	return t;
}

struct adds_tokenizer *
adds_tokenizer_open_sentencepiece(const char *folder, int vocab_size, enum adds_cleaning cleaning, struct adds_error *err)
{
	struct adds_tokenizer *t = calloc(1, sizeof(*t));

	if (!t) {
		adds_fail(err, ADDS_ENOMEM, "out of memory");
		return NULL;
	}
	if (!(t->pieces = adds_pieces_load(folder, vocab_size, err))) {
		free(t);
		return NULL;
	}
	t->v.bos = -1;
	t->v.eot = t->pieces->end;
	t->cleaning = cleaning != ADDS_CLEAN_BY_KIND ? cleaning : t->pieces->byte_pair ? ADDS_CLEAN_LOWER
	                                                                               : ADDS_CLEAN_CANONICAL;
	return t;
}

void
adds_tokenizer_free(struct adds_tokenizer *t)
{
	if (!t)
		return;
	adds_bpe_free(t->v.bpe);
	adds_pieces_free(t->pieces);
	free(t);
}

int
adds_tokenizer_bos(const struct adds_tokenizer *t)
{
	return t->v.bos;
}

int
adds_tokenizer_eot(const struct adds_tokenizer *t)
{
	return t->v.eot;
}

enum adds_cleaning
adds_tokenizer_cleaning(const struct adds_tokenizer *t)
{
	return t->cleaning;
}

void
adds_tokenizer_digest(const struct adds_tokenizer *t, char hex[65])
{
	hex[0] = '\0';
	if (t->pieces)
		adds_sha256_hex(hex, t->pieces->file, t->pieces->size);
}

struct sequence {
	int32_t *ids;
	int n, context;
	int truncated;
};

static void
add(struct sequence *s, int32_t id)
{
	if (s->n < s->context)
		s->ids[s->n++] = id;
	else
		s->truncated = 1;
}

/* the ids of one word: at most as many as its UTF-8 has bytes */
static int
add_word(const struct adds_tokenizer *t, struct sequence *s, const int32_t *c, size_t n, struct adds_error *err)
{
	size_t len;
	long i, count = -1;
	char *word = adds_codepoints_encode(c, n, &len);
	int32_t *ids = malloc(4 * n * sizeof(*ids));

	if (word && ids)
		count = adds_bpe_encode(t->v.bpe, (unsigned char *)word, len, ids);
	for (i = 0; i < count; i++)
		add(s, ids[i]);
	free(word);
	free(ids);
	return count < 0 ? adds_fail(err, ADDS_ENOMEM, "out of memory") : 0;
}

static int
add_words(const struct adds_tokenizer *t, struct sequence *s, const struct adds_codepoints *text, struct adds_error *err)
{
	enum adds_word what;
	size_t at = 0, from = 0;
	int rc;

	while (!s->truncated && (what = adds_next_word(text, t->specials, &at, &from)) != ADDS_WORD_NONE) {
		if (what != ADDS_WORD_TEXT)
			add(s, what == ADDS_WORD_BOS ? t->v.bos : t->v.eot);
		else if ((rc = add_word(t, s, text->c + from, at - from, err)) < 0)
			return rc;
	}
	return 0;
}

/* the ids of a cleaned text, as far as they fit */
static int
add_pieces(const struct adds_tokenizer *t, struct sequence *s, const struct adds_codepoints *text, struct adds_error *err)
{
	struct adds_buf normal = { 0 };
	struct adds_codepoints ids = { 0 };
	size_t len, i;
	char *utf8 = adds_codepoints_encode(text->c, text->n, &len);
	int rc;

	if (utf8)
		adds_pieces_normalise(t->pieces, &normal, utf8, len);
	if (utf8 && normal.n > NORMAL_MAX)
		rc = adds_fail(err, ADDS_ELIMIT, "a text of %zu bytes after the vocabulary's rules, the limit is %d", normal.n, NORMAL_MAX);
	else if (!utf8 || normal.failed || adds_pieces_encode(t->pieces, &ids, (char *)normal.p, normal.n) < 0)
		rc = adds_fail(err, ADDS_ENOMEM, "out of memory");
	else
		rc = 0;
	for (i = 0; i < ids.n; i++)
		add(s, ids.c[i]);
	adds_codepoints_release(&ids);
	adds_buf_release(&normal);
	free(utf8);
	return rc;
}

/* what a SigLIP reads behind its text */
static void
fill_up(const struct adds_tokenizer *t, struct sequence *s)
{
	while (s->n < s->context)
		add(s, t->pieces->byte_pair ? t->pieces->pad : t->pieces->end);
}

int
adds_tokenizer_encode(const struct adds_tokenizer *t, const char *text, size_t len, int32_t *ids, int context,
                      int *truncated, struct adds_error *err)
{
	struct sequence s = { .ids = ids, .context = context };
	struct adds_codepoints clean = { 0 };
	int rc;

	if (context < 2)
		return adds_fail(err, ADDS_EARG, "a context of %d has no room for a text", context);
	if ((rc = adds_text_clean_codepoints(&clean, t->cleaning, text, len, err)) == 0) {
		if (t->v.bos >= 0)
			add(&s, t->v.bos);
		rc = t->pieces ? add_pieces(t, &s, &clean, err) : add_words(t, &s, &clean, err);
		add(&s, t->v.eot);
		if (t->pieces)
			fill_up(t, &s);
	}
	adds_codepoints_release(&clean);
	if (rc < 0)
		return rc;
	if (s.truncated)
		ids[context - 1] = t->v.eot;
	if (truncated)
		*truncated = s.truncated;
	return s.n;
}
