/* SPDX-License-Identifier: MIT
 * words.c - where the words of a cleaned text begin and end */
#include <string.h>

#include "text.h"

enum { LONG_S = 0x17f,
       IOTA_BELOW = 0x345 };

/* does the ASCII text w stand at s? ſ is an s, as where case is ignored */
static size_t
match(const int32_t *s, size_t n, const char *w, int *exact)
{
	const size_t len = strlen(w);
	size_t i;

	*exact = 1;
	if (len > n)
		return 0;
	for (i = 0; i < len; i++) {
		if (s[i] == w[i])
			continue;
		if (w[i] != 's' || s[i] != LONG_S)
			return 0;
		*exact = 0;
	}
	return len;
}

/* a special token at s, or one but for its long s: then it is a word */
static size_t
special(const int32_t *s, size_t n, enum adds_specials specials, enum adds_word *what)
{
	static const char *const spelling[][2] = {
		[ADDS_SPECIALS_OPENAI] = { "<|startoftext|>", "<|endoftext|>" },
		[ADDS_SPECIALS_OPENCLIP] = { "<start_of_text>", "<end_of_text>" },
	};
	size_t k, len;
	int exact;

	if (specials == ADDS_SPECIALS_PLAIN || s[0] != '<')
		return 0;
	for (k = 0; k < 2; k++)
		if ((len = match(s, n, spelling[specials][k], &exact))) {
			if (exact)
				*what = k ? ADDS_WORD_EOT : ADDS_WORD_BOS;
			return len;
		}
	return 0;
}

static size_t
contraction(const int32_t *s, size_t n)
{
	static const char *const endings[] = { "'s", "'t", "'re", "'ve", "'m", "'ll", "'d" };
	size_t k, len;
	int exact;

	if (s[0] != '\'')
		return 0;
	for (k = 0; k < sizeof(endings) / sizeof(*endings); k++)
		if ((len = match(s, n, endings[k], &exact)))
			return len;
	return 0;
}

enum kind {
	SPACE,
	LETTER,
	NUMBER,
	OTHER,
};

/* The combining iota below counts as space: it is no letter, but where case is
 * ignored it is one, so that the reference's pattern takes it neither way. */
static enum kind
kind_of(int32_t c)
{
	if (c >= 'a' && c <= 'z')
		return LETTER;
	if (adds_is_space(c) || c == IOTA_BELOW)
		return SPACE;
	if (adds_is_letter(c))
		return LETTER;
	return adds_is_number(c) ? NUMBER : OTHER;
}

/* a run of letters, one number, or a run of what is neither */
static size_t
run(const int32_t *s, size_t n)
{
	const enum kind first = kind_of(s[0]);
	size_t len = 1;

	if (first != NUMBER)
		while (len < n && kind_of(s[len]) == first)
			len++;
	return len;
}

enum adds_word
adds_next_word(const struct adds_codepoints *t, enum adds_specials specials, size_t *at, size_t *from)
{
	enum adds_word what = ADDS_WORD_TEXT;
	size_t len;

	while (*at < t->n && kind_of(t->c[*at]) == SPACE)
		++*at;
	if (*at == t->n)
		return ADDS_WORD_NONE;
	*from = *at;
	if (!(len = special(t->c + *at, t->n - *at, specials, &what)) && !(len = contraction(t->c + *at, t->n - *at)))
		len = run(t->c + *at, t->n - *at);
	*at += len;
	return what;
}
