/* SPDX-License-Identifier: MIT
 * utf8.c - white space and validity of names */
#include "../stream/json.h"
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

int
adds_utf8_valid(const char *s, size_t n)
{
	size_t len;

	for (; n; s += len, n -= len)
		if (!(len = adds_utf8_char((const unsigned char *)s, n)))
			return 0;
	return 1;
}
