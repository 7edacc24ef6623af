/* SPDX-License-Identifier: MIT
 * json_check.c - is this JSON, strictly, and within our limits? The tree
 * builder is lenient and recursive, so nothing reaches it unchecked. */
#include <string.h>

#include "json.h"

enum { MAX_DEPTH = 64,
       MAX_VALUES = 1 << 22 }; /* each is a node of the tree, of some hundred bytes */

struct scan {
	const unsigned char *s;
	size_t i, n;
	int depth, values;
	const char *name;
	struct adds_error *err;
};

static int
bad(const struct scan *c, int code, const char *what)
{
	return adds_fail(c->err, code, "%s: byte %zu of the JSON: %s", c->name, c->i, what);
}

/* the next byte, 0 at the end (a NUL byte in the text is refused before) */
static int
peek(const struct scan *c)
{
	return c->i < c->n ? c->s[c->i] : 0;
}

static void
space(struct scan *c)
{
	while (c->i < c->n && memchr(" \t\n\r", c->s[c->i], 4))
		c->i++;
}

size_t
adds_utf8_char(const unsigned char *s, size_t n)
{
	const unsigned char a = n ? s[0] : 0xff, b = n > 1 ? s[1] : 0;
	size_t len, i;

	if (a < 0x80)
		return 1;
	if (a < 0xc2 || a > 0xf4)
		return 0;
	len = a < 0xe0 ? 2 : a < 0xf0 ? 3
	                              : 4;
	if (n < len || (a == 0xe0 && b < 0xa0) || (a == 0xed && b > 0x9f) || (a == 0xf0 && b < 0x90) ||
	    (a == 0xf4 && b > 0x8f))
		return 0;
	for (i = 1; i < len; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	return len;
}

/* four hex digits, or -1 */
static long
hex4(struct scan *c)
{
	static const char digits[] = "0123456789abcdef";
	long x = 0;
	int k;

	for (k = 0; k < 4; k++, c->i++) {
		const char *at = peek(c) ? strchr(digits, peek(c) | 0x20) : NULL;

		if (!at)
			return -1;
		x = 16 * x + (at - digits);
	}
	return x;
}

/* behind "\u" */
static int
unicode_escape(struct scan *c)
{
	const long high = hex4(c);
	long low;

	if (high < 0)
		return bad(c, ADDS_EFORMAT, "four hex digits are missing after '\\u'");
	if (high == 0)
		return bad(c, ADDS_EFORMAT, "a NUL character");
	if (high < 0xd800 || high > 0xdfff)
		return 0;
	if (high < 0xdc00 && peek(c) == '\\' && c->i + 1 < c->n && c->s[c->i + 1] == 'u') {
		c->i += 2;
		low = hex4(c);
		if (low >= 0xdc00 && low <= 0xdfff)
			return 0;
	}
	return bad(c, ADDS_EFORMAT, "half of a surrogate pair");
}

static int
escape(struct scan *c)
{
	const int letter = peek(c);

	if (!letter || !strchr("\"\\/bfnrtu", letter))
		return bad(c, ADDS_EFORMAT, "an unknown escape in a string");
	c->i++;
	return letter == 'u' ? unicode_escape(c) : 0;
}

static int
string(struct scan *c)
{
	size_t len;
	int rc;

	for (c->i++; c->i < c->n && c->s[c->i] != '"';) {
		if (c->s[c->i] < 0x20)
			return bad(c, ADDS_EFORMAT, "a control character in a string");
		if (c->s[c->i] == '\\') {
			c->i++;
			if ((rc = escape(c)) < 0)
				return rc;
			continue;
		}
		if (!(len = adds_utf8_char(c->s + c->i, c->n - c->i)))
			return bad(c, ADDS_EFORMAT, "not UTF-8");
		c->i += len;
	}
	if (c->i == c->n)
		return bad(c, ADDS_EFORMAT, "the text ends inside a string");
	c->i++;
	return 0;
}

static size_t
digits(struct scan *c)
{
	const size_t from = c->i;

	while (peek(c) >= '0' && peek(c) <= '9')
		c->i++;
	return c->i - from;
}

static int
number(struct scan *c)
{
	const size_t from = c->i;
	size_t whole;

	if (peek(c) == '-')
		c->i++;
	whole = c->i;
	if (!digits(c) || (c->s[whole] == '0' && c->i > whole + 1))
		return bad(c, ADDS_EFORMAT, "not a number");
	if (peek(c) == '.') {
		c->i++;
		if (!digits(c))
			return bad(c, ADDS_EFORMAT, "not a number");
	}
	if (peek(c) == 'e' || peek(c) == 'E') {
		c->i++;
		if (peek(c) == '+' || peek(c) == '-')
			c->i++;
		if (!digits(c))
			return bad(c, ADDS_EFORMAT, "not a number");
	}
	return c->i - from < 60 ? 0 : bad(c, ADDS_ELIMIT, "a number of more than 60 characters");
}

static int
word(struct scan *c, const char *text)
{
	const size_t n = strlen(text);

	if (c->n - c->i < n || memcmp(c->s + c->i, text, n) != 0)
		return bad(c, ADDS_EFORMAT, "neither a value nor 'true', 'false' or 'null'");
	c->i += n;
	return 0;
}

static int value(struct scan *c);

static int
key(struct scan *c)
{
	int rc;

	if (peek(c) != '"')
		return bad(c, ADDS_EFORMAT, "a key in quotes is missing");
	if ((rc = string(c)) < 0)
		return rc;
	space(c);
	if (peek(c) != ':')
		return bad(c, ADDS_EFORMAT, "':' is missing after a key");
	c->i++;
	return 0;
}

/* an array, or an object where end is '}' */
static int
list(struct scan *c, int end)
{
	int rc;

	if (++c->depth > MAX_DEPTH)
		return bad(c, ADDS_ELIMIT, "nested more than 64 deep");
	c->i++;
	space(c);
	if (peek(c) == end)
		goto out;
	for (;;) {
		space(c);
		if (end == '}' && (rc = key(c)) < 0)
			return rc;
		if ((rc = value(c)) < 0)
			return rc;
		space(c);
		if (peek(c) == end)
			break;
		if (peek(c) != ',')
			return bad(c, ADDS_EFORMAT, end == '}' ? "',' or '}' is missing" : "',' or ']' is missing");
		c->i++;
	}
out:
	c->i++;
	c->depth--;
	return 0;
}

static int
value(struct scan *c)
{
	if (++c->values > MAX_VALUES)
		return bad(c, ADDS_ELIMIT, "more than 4194304 values");
	space(c);
	switch (peek(c)) {
	case '{':
		return list(c, '}');
	case '[':
		return list(c, ']');
	case '"':
		return string(c);
	case 't':
		return word(c, "true");
	case 'f':
		return word(c, "false");
	case 'n':
		return word(c, "null");
	case 0:
		return bad(c, ADDS_EFORMAT, "the text ends where a value should stand");
	default:
		return number(c);
	}
}

int
adds_json_check(const char *text, size_t len, size_t limit, const char *name, struct adds_error *err)
{
	struct scan c = { .s = (const unsigned char *)text, .n = len, .name = name, .err = err };
	const char *nul;
	int rc;

	if (len > limit)
		return adds_fail(err, ADDS_ELIMIT, "%s: %zu bytes of JSON, the limit is %zu", name, len, limit);
	if ((nul = memchr(text, 0, len))) {
		c.i = (size_t)(nul - text);
		return bad(&c, ADDS_EFORMAT, "a NUL byte");
	}
	if ((rc = value(&c)) < 0)
		return rc;
	space(&c);
	return c.i == len ? 0 : bad(&c, ADDS_EFORMAT, "something stands behind the value");
}
