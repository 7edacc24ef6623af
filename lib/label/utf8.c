/* SPDX-License-Identifier: MIT
 * utf8.c - white space and validity of names */
#include "hierarchy.h"

static int
is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

size_t
adds_trim(const char **s, size_t n)
{
	while (n && is_space((*s)[0])) {
		++*s;
		n--;
	}
	while (n && is_space((*s)[n - 1]))
		n--;
	return n;
}

/* bytes of the sequence at s, or 0 (Unicode, table 3-7) */
static size_t
sequence(const unsigned char *s, size_t n)
{
	unsigned char lo = 0x80, hi = 0xbf;
	size_t i, len;

	if (s[0] < 0x80)
		return 1;
	if (s[0] < 0xc2 || s[0] > 0xf4)
		return 0;
	len = s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3
	                                    : 4;
	if (n < len)
		return 0;
	if (s[0] == 0xe0)
		lo = 0xa0;
	else if (s[0] == 0xed)
		hi = 0x9f;
	else if (s[0] == 0xf0)
		lo = 0x90;
	else if (s[0] == 0xf4)
		hi = 0x8f;
	if (s[1] < lo || s[1] > hi)
		return 0;
	for (i = 2; i < len; i++)
		if (s[i] < 0x80 || s[i] > 0xbf)
			return 0;
	return len;
}

int
adds_utf8_valid(const char *s, size_t n)
{
	size_t len;

	for (; n; s += len, n -= len)
		if (!(len = sequence((const unsigned char *)s, n)))
			return 0;
	return 1;
}
