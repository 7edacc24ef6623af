/* SPDX-License-Identifier: MIT
 * unescape.c - HTML entities and character references to characters */
#include <string.h>
#include <utf8proc.h>

#include "text.h"

enum {
	REPLACEMENT = 0xfffd,
	LONGEST_NAME = 32, /* HTML5's longest name is shorter */
	LONGEST_STRICT = 24,
};

/* the entity of this name (ASCII, len characters) in a table, or NULL */
static const struct adds_entity *
find(const struct adds_entity *table, size_t count, const int32_t *name, size_t len)
{
	char key[LONGEST_NAME + 1];
	size_t lo = 0, hi = count, i;

	for (i = 0; i < len; i++) {
		if (name[i] <= 0 || name[i] > 0x7e)
			return NULL;
		key[i] = (char)name[i];
	}
	key[len] = '\0';
	while (lo < hi) {
		const size_t mid = lo + (hi - lo) / 2;
		const int order = strcmp(key, table[mid].name);

		if (order == 0)
			return &table[mid];
		if (order < 0)
			hi = mid;
		else
			lo = mid + 1;
	}
	return NULL;
}

static void
push_text(struct adds_codepoints *out, const struct adds_entity *e)
{
	adds_codepoints_decode(out, e->text, strlen(e->text), NULL);
}

static int
noncharacter(int32_t c)
{
	return (c >= 1 && c <= 8) || c == 0xb || (c >= 0xe && c <= 0x1f) || c == 0x7f || (c >= 0xfdd0 && c <= 0xfdef) ||
	       (c & 0xfffe) == 0xfffe;
}

/* the character of a numeric reference; nothing for those HTML5 drops */
static void
push_number(struct adds_codepoints *out, int32_t c)
{
	if (c == 0 || (c >= 0xd800 && c <= 0xdfff) || c > 0x10ffff)
		adds_codepoints_push(out, REPLACEMENT);
	else if (!noncharacter(c))
		adds_codepoints_push(out, adds_windows1252(c));
}

static int
digit_value(int32_t c, int base)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (base == 16 && c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (base == 16 && c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* "#123" or "#x7b" at s: its value (0x110000: any larger one) and how many
 * characters it has; 0: it is none */
static size_t
number(const int32_t *s, size_t n, int32_t *value)
{
	int base = 10;
	size_t i = 1, first;

	if (n < 2 || s[0] != '#')
		return 0;
	if (s[1] == 'x' || s[1] == 'X') {
		base = 16;
		i = 2;
	}
	*value = 0;
	for (first = i; i < n && digit_value(s[i], base) >= 0; i++)
		if (*value < 0x110000)
			*value = *value * base + digit_value(s[i], base);
	return i > first ? i : 0;
}

static int
ends_name(int32_t c)
{
	return c == '\t' || c == '\n' || c == '\f' || c == ' ' || c == '<' || c == '&' || c == '#' || c == ';';
}

/* a named reference at s (behind the '&'): how many characters it took, 0: none */
static size_t
named(struct adds_codepoints *out, const int32_t *s, size_t n)
{
	const struct adds_entity *e;
	size_t len = 0;

	while (len < n && len < LONGEST_NAME && !ends_name(s[len]))
		len++;
	if (len && len < n && s[len] == ';' && (e = find(adds_entities, adds_entity_count, s, len))) {
		push_text(out, e);
		return len + 1;
	}
	for (; len > 1; len--)
		if ((e = find(adds_entities, adds_entity_count, s, len)) && e->legacy) {
			push_text(out, e);
			return len;
		}
	return 0;
}

void
adds_unescape_html(struct adds_codepoints *out, const struct adds_codepoints *in)
{
	size_t i, took;
	int32_t value;

	for (i = 0; i < in->n; i++) {
		const int32_t *s = in->c + i + 1;
		const size_t left = in->n - i - 1;

		if (in->c[i] != '&') {
			adds_codepoints_push(out, in->c[i]);
		} else if ((took = number(s, left, &value))) {
			push_number(out, value);
			i += took + (took < left && s[took] == ';');
		} else if ((took = named(out, s, left))) {
			i += took;
		} else {
			adds_codepoints_push(out, '&');
		}
	}
}

static int
alphanumeric(int32_t c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* a reference at s in ftfy's strict form: how many characters it took, 0: none */
static size_t
strict(struct adds_codepoints *out, const int32_t *s, size_t n)
{
	const size_t hash = n && s[0] == '#';
	const struct adds_entity *e;
	size_t len = hash;
	int32_t value;

	while (len < n && len < hash + LONGEST_STRICT && alphanumeric(s[len]))
		len++;
	if (len == hash || len == n || s[len] != ';')
		return 0;
	if (hash) {
		if (number(s, len, &value) != len || value == ';')
			return 0;
		push_number(out, value);
		return len + 1;
	}
	if (!(e = find(adds_entities, adds_entity_count, s, len)) &&
	    !(e = find(adds_capital_entities, adds_capital_entity_count, s, len)))
		return 0;
	push_text(out, e);
	return len + 1;
}

void
adds_unescape_strict(struct adds_codepoints *out, const struct adds_codepoints *in)
{
	size_t i, took;

	for (i = 0; i < in->n; i++)
		if (in->c[i] == '&' && (took = strict(out, in->c + i + 1, in->n - i - 1)))
			i += took;
		else
			adds_codepoints_push(out, in->c[i]);
}
