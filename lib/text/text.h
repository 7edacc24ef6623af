/* SPDX-License-Identifier: MIT
 *
 * text.h - inside the room text/: code points, the steps of cleaning, the
 * words of a text, byte-pair merges. Others use tokenizer.h.
 */
#ifndef ADDS_TEXT_H
#define ADDS_TEXT_H

#include "tokenizer.h"

enum {
	ADDS_TEXT_MAX = 16384, /* bytes of one text */
};

/* ---- code points ---- */

/* A growing row of code points. When memory runs out, failed becomes 1 and
 * stays so: whoever fills it asks once, at the end. */
struct adds_codepoints {
	int32_t *c;
	size_t n, cap;
	int failed;
};

void adds_codepoints_push(struct adds_codepoints *t, int32_t c);
void adds_codepoints_release(struct adds_codepoints *t);

/* Appends UTF-8 text; the error names the byte that is none. */
int adds_codepoints_decode(struct adds_codepoints *t, const char *text, size_t len, struct adds_error *err);

/* As UTF-8 with a NUL behind it; the caller frees it. NULL: out of memory. */
char *adds_codepoints_encode(const int32_t *c, size_t n, size_t *len);

/* ---- classes of characters ---- */

int adds_is_letter(int32_t c); /* general category L* */
int adds_is_number(int32_t c); /* N* */
int adds_is_digit(int32_t c);  /* Nd */
int adds_is_space(int32_t c);  /* what Python's str.split takes for white space */

/* Full lowercase of in, appended to out: U+0130 becomes two characters, a capital
 * sigma at the end of a word the final one. */
void adds_lowercase(struct adds_codepoints *out, const struct adds_codepoints *in);

/* What Windows-1252 has at 0x80 … 0x9f; holes stand for themselves. */
int32_t adds_windows1252(int32_t c);

/* ---- HTML entities ---- */

struct adds_entity {
	const char *name; /* without '&' and ';' */
	const char *text; /* UTF-8 */
	int legacy;       /* 1: also valid without ';' */
};

extern const struct adds_entity adds_entities[]; /* HTML5's, in strcmp order */
extern const size_t adds_entity_count;
extern const struct adds_entity adds_capital_entities[]; /* their capitals, as ftfy takes them */
extern const size_t adds_capital_entity_count;

/* By the rules of HTML5 for text (';' may lack; longest legacy prefix). */
void adds_unescape_html(struct adds_codepoints *out, const struct adds_codepoints *in);

/* By ftfy's: ';' is needed, names in capitals are taken too. */
void adds_unescape_strict(struct adds_codepoints *out, const struct adds_codepoints *in);

/* ---- cleaning ---- */

/* Cleaned text of at most ADDS_TEXT_MAX bytes into t, which is emptied before. */
int adds_text_clean_codepoints(struct adds_codepoints *t, enum adds_cleaning how, const char *text, size_t len,
                               struct adds_error *err);

/* ---- words ---- */

enum adds_word {
	ADDS_WORD_NONE, /* the end of the text */
	ADDS_WORD_TEXT,
	ADDS_WORD_BOS,
	ADDS_WORD_EOT,
};

/* The next word of cleaned text at or after *at: its first code point in *from, one
 * behind its last in *at. */
enum adds_word adds_next_word(const struct adds_codepoints *t, enum adds_specials specials, size_t *at, size_t *from);

/* ---- byte-pair encoding ---- */

struct adds_bpe;

/* The 512 byte symbols and no merge. merges: how many will come at most. */
struct adds_bpe *adds_bpe_new(size_t merges);
void adds_bpe_free(struct adds_bpe *b);

/* Adds one merge, the next in rank, of two symbols in the spelling of the vocabulary
 * files (bytes as printable characters, "</w>" at the end of a word). Its id is 512 +
 * rank. -1: no such spelling; -2: out of memory. */
int adds_bpe_merge(struct adds_bpe *b, const char *left, size_t nleft, const char *right, size_t nright);

size_t adds_bpe_merges(const struct adds_bpe *b);

/* For vocabularies with their own numbers: forget all ids; give the symbol of a spelling an id (1; 0: there
 * is no such symbol); is there a symbol without one? (-1, or its number for adds_bpe_spelling) */
void adds_bpe_forget_ids(struct adds_bpe *b);
int adds_bpe_set_id(struct adds_bpe *b, const char *spelling, size_t len, int32_t id);
int32_t adds_bpe_without_id(const struct adds_bpe *b);
void adds_bpe_spelling(const struct adds_bpe *b, int32_t symbol, char *out, size_t size);

/* Encodes one word of len ≥ 1 bytes: ids into out (room for len), their number; -1: out of memory. */
long adds_bpe_encode(const struct adds_bpe *b, const unsigned char *word, size_t len, int32_t *out);

/* ---- vocabulary files ---- */

struct adds_vocabulary {
	struct adds_bpe *bpe;
	int bos, eot;
};

/* Fills v from the folder, or from CLIP's own file (see adds_tokenizer_open). */
int adds_vocabulary_load(struct adds_vocabulary *v, const char *folder, int vocab_size, struct adds_error *err);

/* A whole file, gzip or plain, with a NUL behind it; reading stops behind line number lines (0: the end). NULL
 * with err->code ADDS_EIO, *absent 1, when there is no such file. The caller frees it. */
char *adds_read_text(const char *path, size_t limit, size_t lines, size_t *len, int *absent, struct adds_error *err);

/* ---- scanning JSON without building a tree ---- */

struct adds_scan {
	const char *start, *p, *end;
	const char *name; /* of the file, for errors */
	struct adds_error *err;
};

/* Each moves p behind what it read, white space included, and returns 0, or an
 * error that names file and byte. */
int adds_scan_expect(struct adds_scan *s, char c);
int adds_scan_string(struct adds_scan *s, char *out, size_t size, size_t *len); /* unescaped, with a NUL */
int adds_scan_int(struct adds_scan *s, int64_t *x);
int adds_scan_skip(struct adds_scan *s); /* one value of any kind */
int adds_scan_bad(struct adds_scan *s, const char *what);

/* Inside an object or array: 1 and p before the next member (the key read into
 * key, for an object), 0 behind the closing bracket, or an error. first: 1 for
 * the first call. */
int adds_scan_member(struct adds_scan *s, int first, char *key, size_t size, size_t *len);
int adds_scan_element(struct adds_scan *s, int first);

#endif
