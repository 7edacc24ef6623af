/* SPDX-License-Identifier: MIT
 * scan.c - reading JSON front to back without a tree: vocabularies have 50,000
 * members and are wanted in milliseconds */
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "text.h"

enum { DEPTH = 64 };

int
adds_scan_bad(struct adds_scan *s, const char *what)
{
	return adds_fail(s->err, ADDS_EFORMAT, "'%s': byte %zu: %s", s->name, (size_t)(s->p - s->start), what);
}

static void
space(struct adds_scan *s)
{
	while (s->p < s->end && (*s->p == ' ' || *s->p == '\n' || *s->p == '\t' || *s->p == '\r'))
		s->p++;
}

static int
at(struct adds_scan *s, char c)
{
	space(s);
	return s->p < s->end && *s->p == c;
}

int
adds_scan_expect(struct adds_scan *s, char c)
{
	const char what[] = { '\'', c, '\'', ' ', 'i', 's', ' ', 'm', 'i', 's', 's', 'i', 'n', 'g', '\0' };

	if (!at(s, c))
		return adds_scan_bad(s, what);
	s->p++;
	space(s);
	return 0;
}

/* four hex digits */
static int32_t
unit(struct adds_scan *s)
{
	int32_t x = 0;
	int i;

	for (i = 0; i < 4; i++, s->p++) {
		const char *digits = "0123456789abcdef0123456789ABCDEF";
		const char *d = s->p < s->end && *s->p ? strchr(digits, *s->p) : NULL;

		if (!d)
			return -1;
		x = x * 16 + (int32_t)((d - digits) % 16);
	}
	return x;
}

/* the character of an escape; p is behind the backslash */
static int32_t
escaped(struct adds_scan *s)
{
	static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
	const char *name;
	int32_t c, low;

	if (s->p == s->end || !*s->p)
		return -1;
	if (*s->p != 'u') {
		name = strchr(names, *s->p++);
		return name ? values[name - names] : -1;
	}
	s->p++;
	if ((c = unit(s)) < 0xd800 || c > 0xdfff)
		return c;
	if (c > 0xdbff || s->end - s->p < 6 || s->p[0] != '\\' || s->p[1] != 'u')
		return -1;
	s->p += 2;
	low = unit(s);
	return low < 0xdc00 || low > 0xdfff ? -1 : 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
}

int
adds_scan_string(struct adds_scan *s, char *out, size_t size, size_t *len)
{
	size_t n = 0;
	int32_t c;

	if (!at(s, '"'))
		return adds_scan_bad(s, "a string is missing");
	for (s->p++; s->p < s->end && *s->p != '"';) {
		if (n + 5 > size)
			return adds_scan_bad(s, "the string is too long");
		if ((unsigned char)*s->p < 0x20)
			return adds_scan_bad(s, "a control character in a string");
		if (*s->p != '\\') {
			out[n++] = *s->p++;
			continue;
		}
		s->p++;
		if ((c = escaped(s)) < 0)
			return adds_scan_bad(s, "no such escape");
		n += (size_t)utf8proc_encode_char(c, (utf8proc_uint8_t *)out + n);
	}
	if (s->p == s->end)
		return adds_scan_bad(s, "the text ends inside a string");
	s->p++;
	out[n] = '\0';
	*len = n;
	space(s);
	return 0;
}

int
adds_scan_int(struct adds_scan *s, int64_t *x)
{
	const char *first;

	space(s);
	*x = 0;
	for (first = s->p; s->p < s->end && *s->p >= '0' && *s->p <= '9' && s->p - first < 18; s->p++)
		*x = *x * 10 + (*s->p - '0');
	if (s->p == first || (s->p < s->end && strchr(".eE0123456789", *s->p) && *s->p))
		return adds_scan_bad(s, "a whole number is missing");
	space(s);
	return 0;
}

static int
skip_string(struct adds_scan *s)
{
	for (s->p++; s->p < s->end && *s->p != '"'; s->p++)
		if (*s->p == '\\' && s->p + 1 < s->end)
			s->p++;
	if (s->p == s->end)
		return adds_scan_bad(s, "the text ends inside a string");
	s->p++;
	return 0;
}

static int
skip_plain(struct adds_scan *s)
{
	const char *first = s->p;

	while (s->p < s->end && *s->p && !strchr(" \n\t\r,]}", *s->p))
		s->p++;
	return s->p == first ? adds_scan_bad(s, "a value is missing") : 0;
}

int
adds_scan_skip(struct adds_scan *s)
{
	int depth = 0, rc;

	do {
		space(s);
		if (s->p == s->end)
			return adds_scan_bad(s, "the text ends inside a value");
		if (*s->p == '{' || *s->p == '[') {
			if (++depth > DEPTH)
				return adds_scan_bad(s, "nested too deeply");
			s->p++;
		} else if (*s->p == '}' || *s->p == ']') {
			if (--depth < 0)
				return adds_scan_bad(s, "a value is missing");
			s->p++;
		} else if (depth && (*s->p == ',' || *s->p == ':')) {
			s->p++;
		} else if ((rc = *s->p == '"' ? skip_string(s) : skip_plain(s)) < 0) {
			return rc;
		}
	} while (depth);
	space(s);
	return 0;
}

/* 1 before the next item of what close ends, 0 behind it */
static int
item(struct adds_scan *s, int first, char open, char close)
{
	int rc;

	if (first && (rc = adds_scan_expect(s, open)) < 0)
		return rc;
	if (at(s, close)) {
		s->p++;
		space(s);
		return 0;
	}
	if (!first && (rc = adds_scan_expect(s, ',')) < 0)
		return rc;
	return 1;
}

int
adds_scan_element(struct adds_scan *s, int first)
{
	return item(s, first, '[', ']');
}

int
adds_scan_member(struct adds_scan *s, int first, char *key, size_t size, size_t *len)
{
	int rc = item(s, first, '{', '}');

	if (rc <= 0)
		return rc;
	if ((rc = adds_scan_string(s, key, size, len)) < 0)
		return rc;
	return (rc = adds_scan_expect(s, ':')) < 0 ? rc : 1;
}
