/* SPDX-License-Identifier: MIT
 * clean.c - the cleaning that CLIP's tokenizer does before it looks for words:
 * ftfy.fix_text (without its guesses at wrongly decoded text), HTML entities
 * twice, white space collapsed, lowercase */
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "text.h"

enum { ESC = 0x1b,
       FULLWIDTH_FIRST = 0xff01,
       FULLWIDTH_LAST = 0xffef,
       NFC_INERT_BELOW = 0x300 };

struct ligature {
	int32_t c, parts[3];
};

static const struct ligature ligatures[] = {
	{ 0x132, { 'I', 'J' } }, { 0x133, { 'i', 'j' } }, { 0x149, { 0x2bc, 'n' } }, { 0x1c4, { 'D', 0x17d } }, { 0x1c5, { 'D', 0x17e } }, { 0x1c6, { 'd', 0x17e } }, { 0x1c7, { 'L', 'J' } }, { 0x1c8, { 'L', 'j' } }, { 0x1c9, { 'l', 'j' } }, { 0x1ca, { 'N', 'J' } }, { 0x1cb, { 'N', 'j' } }, { 0x1cc, { 'n', 'j' } }, { 0x1f1, { 'D', 'Z' } }, { 0x1f2, { 'D', 'z' } }, { 0x1f3, { 'd', 'z' } }, { 0xfb00, { 'f', 'f' } }, { 0xfb01, { 'f', 'i' } }, { 0xfb02, { 'f', 'l' } }, { 0xfb03, { 'f', 'f', 'i' } }, { 0xfb04, { 'f', 'f', 'l' } }, { 0xfb05, { 0x17f, 't' } }, { 0xfb06, { 's', 't' } }
};

/* a character with curly quotes made straight */
static int32_t
uncurl(int32_t c)
{
	if (c == 0x2bc || (c >= 0x2018 && c <= 0x201b))
		return '\'';
	if (c >= 0x201c && c <= 0x201f)
		return '"';
	return c;
}

static int
push_ligature(struct adds_codepoints *out, int32_t c)
{
	size_t i, k;

	for (i = 0; i < sizeof(ligatures) / sizeof(*ligatures); i++)
		if (ligatures[i].c == c) {
			for (k = 0; k < 3 && ligatures[i].parts[k]; k++)
				adds_codepoints_push(out, uncurl(ligatures[i].parts[k]));
			return 1;
		}
	return 0;
}

/* fullwidth and halfwidth forms by NFKC */
static void
push_width(struct adds_codepoints *out, int32_t c)
{
	utf8proc_int32_t parts[8];
	int boundary = 0;
	const utf8proc_option_t how = UTF8PROC_STABLE | UTF8PROC_COMPAT | UTF8PROC_COMPOSE;
	utf8proc_ssize_t i, n = utf8proc_decompose_char(c, parts, 8, how, &boundary);

	if (n > 0 && n <= 8)
		n = utf8proc_normalize_utf32(parts, n, how);
	for (i = 0; i < n; i++)
		adds_codepoints_push(out, uncurl(parts[i]));
}

/* single characters: C1 controls, ligatures, widths, quotes */
static void
replace_characters(struct adds_codepoints *out, const struct adds_codepoints *in)
{
	size_t i;

	for (i = 0; i < in->n; i++) {
		const int32_t c = adds_windows1252(in->c[i]);

		if (c >= 0x132 && push_ligature(out, c))
			continue;
		if (c >= FULLWIDTH_FIRST && c <= FULLWIDTH_LAST)
			push_width(out, c);
		else
			adds_codepoints_push(out, c == 0x3000 ? ' ' : uncurl(c));
	}
}

static int
removed_control(int32_t c)
{
	return (c >= 0 && c <= 8) || c == 0xb || (c >= 0xe && c <= 0x1f) || c == 0x7f || (c >= 0x206a && c <= 0x206f) ||
	       c == 0xfeff || (c >= 0xfff9 && c <= 0xfffc);
}

/* characters of a terminal's escape sequence at s, 0 if there is none */
static size_t
escape_sequence(const int32_t *s, size_t n)
{
	size_t i = 2;

	if (n < 3 || s[0] != ESC || s[1] != '[')
		return 0;
	while (i < n && (s[i] == ';' || adds_is_digit(s[i])))
		i++;
	return i < n && ((s[i] >= 'a' && s[i] <= 'z') || (s[i] >= 'A' && s[i] <= 'Z')) ? i + 1 : 0;
}

/* line breaks to '\n'; terminal escapes and controls away */
static void
remove_controls(struct adds_codepoints *out, const struct adds_codepoints *in)
{
	size_t i, skip;

	for (i = 0; i < in->n; i++) {
		const int32_t c = in->c[i];

		if (c == '\r' || c == 0x2028 || c == 0x2029 || c == 0x85) {
			adds_codepoints_push(out, '\n');
			i += c == '\r' && i + 1 < in->n && in->c[i + 1] == '\n';
		} else if ((skip = escape_sequence(in->c + i, in->n - i))) {
			i += skip - 1;
		} else if (!removed_control(c)) {
			adds_codepoints_push(out, c);
		}
	}
}

static void
copy(struct adds_codepoints *out, const struct adds_codepoints *in)
{
	size_t i;

	for (i = 0; i < in->n; i++)
		adds_codepoints_push(out, in->c[i]);
}

static void
compose(struct adds_codepoints *out, const struct adds_codepoints *in)
{
	char *s;
	utf8proc_uint8_t *composed = NULL;
	utf8proc_ssize_t n = -1;
	size_t i, len;

	for (i = 0; i < in->n && in->c[i] < NFC_INERT_BELOW; i++)
		continue;
	if (i == in->n) {
		copy(out, in);
		return;
	}
	if ((s = adds_codepoints_encode(in->c, in->n, &len)))
		n = utf8proc_map((utf8proc_uint8_t *)s, (utf8proc_ssize_t)len, &composed, UTF8PROC_STABLE | UTF8PROC_COMPOSE);
	if (n < 0 || adds_codepoints_decode(out, (char *)composed, (size_t)n, NULL) < 0)
		out->failed = 1;
	free(composed);
	free(s);
}

static int
same(const struct adds_codepoints *a, const struct adds_codepoints *b)
{
	return a->n == b->n && (a->n == 0 || memcmp(a->c, b->c, a->n * sizeof(*a->c)) == 0);
}

static void
swap(struct adds_codepoints *a, struct adds_codepoints *b)
{
	const struct adds_codepoints t = *a;

	*a = *b;
	*b = t;
	b->n = 0;
}

typedef void step(struct adds_codepoints *out, const struct adds_codepoints *in);

/* t through one step, by way of the spare buffer */
static void
apply(struct adds_codepoints *t, struct adds_codepoints *spare, step *f)
{
	spare->n = 0;
	spare->failed |= t->failed;
	f(spare, t);
	swap(t, spare);
}

/* one line through all steps of ftfy until none changes it */
static void
fix_line(struct adds_codepoints *line, struct adds_codepoints *spare, struct adds_codepoints *before, int unescape)
{
	do {
		before->n = 0;
		copy(before, line);
		if (unescape)
			apply(line, spare, adds_unescape_strict);
		apply(line, spare, replace_characters);
		apply(line, spare, remove_controls);
		apply(line, spare, compose);
	} while (!line->failed && !before->failed && !same(before, line));
	line->failed |= before->failed;
}

/* line by line; from the first line with a '<' on the text is taken for HTML
 * whose entities are meant to stand */
static void
fix_text(struct adds_codepoints *out, const struct adds_codepoints *in)
{
	struct adds_codepoints line = { 0 }, spare = { 0 }, before = { 0 };
	int unescape = 1;
	size_t i = 0, n;

	while (i < in->n && !out->failed) {
		line.n = 0;
		for (n = 0; i < in->n && !(n && in->c[i - 1] == '\n'); n++, i++) {
			unescape &= in->c[i] != '<';
			adds_codepoints_push(&line, in->c[i]);
		}
		fix_line(&line, &spare, &before, unescape);
		copy(out, &line);
		out->failed |= line.failed;
	}
	adds_codepoints_release(&line);
	adds_codepoints_release(&spare);
	adds_codepoints_release(&before);
}

/* runs of white space to one space, none at the ends */
static void
collapse(struct adds_codepoints *out, const struct adds_codepoints *in)
{
	size_t i;
	int gap = 0;

	for (i = 0; i < in->n; i++) {
		if (adds_is_space(in->c[i])) {
			gap = out->n > 0;
			continue;
		}
		if (gap)
			adds_codepoints_push(out, ' ');
		gap = 0;
		adds_codepoints_push(out, in->c[i]);
	}
}

/* '_' is a space, ASCII's other punctuation is nothing (big_vision's canonicalize_text) */
static void
drop_punctuation(struct adds_codepoints *out, const struct adds_codepoints *in)
{
	size_t i;

	for (i = 0; i < in->n; i++)
		if (in->c[i] == '_')
			adds_codepoints_push(out, ' ');
		else if (in->c[i] <= 0 || in->c[i] > 0x7f || !strchr("!\"#$%&'()*+,-./:;<=>?@[\\]^`{|}~", in->c[i]))
			adds_codepoints_push(out, in->c[i]);
}

int
adds_text_clean_codepoints(struct adds_codepoints *t, enum adds_cleaning how, const char *text, size_t len,
                           struct adds_error *err)
{
	static step *const first[] = { fix_text, adds_unescape_html, adds_unescape_html, NULL };
	static step *const then[][4] = {
		[ADDS_CLEAN_SPACE] = { collapse },
		[ADDS_CLEAN_LOWER] = { collapse, adds_lowercase },
		[ADDS_CLEAN_CANONICAL] = { drop_punctuation, adds_lowercase, collapse },
	};
	struct adds_codepoints spare = { 0 };
	step *const *s;
	int rc;

	t->n = 0;
	if (len > ADDS_TEXT_MAX)
		return adds_fail(err, ADDS_ELIMIT, "a text of %zu bytes, the limit is %d", len, ADDS_TEXT_MAX);
	if ((rc = adds_codepoints_decode(t, text, len, err)) < 0)
		return rc;
	for (s = first; *s; s++)
		apply(t, &spare, *s);
	for (s = then[how]; *s; s++)
		apply(t, &spare, *s);
	adds_codepoints_release(&spare);
	return t->failed ? adds_fail(err, ADDS_ENOMEM, "out of memory") : 0;
}

char *
adds_text_clean(const char *text, size_t len, struct adds_error *err)
{
	struct adds_codepoints t = { 0 };
	char *s = NULL;
	size_t n;

	if (adds_text_clean_codepoints(&t, ADDS_CLEAN_LOWER, text, len, err) == 0 && !(s = adds_codepoints_encode(t.c, t.n, &n)))
		adds_fail(err, ADDS_ENOMEM, "out of memory");
	adds_codepoints_release(&t);
	return s;
}
