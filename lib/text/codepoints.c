/* SPDX-License-Identifier: MIT
 * codepoints.c - rows of code points, to and from UTF-8 */
#include <stdlib.h>
#include <utf8proc.h>

#include "text.h"

static int
grow(struct adds_codepoints *t)
{
	const size_t cap = t->cap ? 2 * t->cap : 64;
	int32_t *c = realloc(t->c, cap * sizeof(*c));

	if (!c)
		return -1;
	t->c = c;
	t->cap = cap;
	return 0;
}

void
adds_codepoints_push(struct adds_codepoints *t, int32_t c)
{
	if (t->failed)
		return;
	if (t->n == t->cap && grow(t) < 0) {
		t->failed = 1;
		return;
	}
	t->c[t->n++] = c;
}

void
adds_codepoints_release(struct adds_codepoints *t)
{
	free(t->c);
	*t = (struct adds_codepoints){ 0 };
}

int
adds_codepoints_decode(struct adds_codepoints *t, const char *text, size_t len, struct adds_error *err)
{
	size_t i;
	utf8proc_int32_t c;
	utf8proc_ssize_t step;

	for (i = 0; i < len; i += (size_t)step) {
		step = utf8proc_iterate((const utf8proc_uint8_t *)text + i, (utf8proc_ssize_t)(len - i), &c);
		if (step <= 0)
			return adds_fail(err, ADDS_EFORMAT, "text is not UTF-8 at its byte %zu", i);
		adds_codepoints_push(t, c);
	}
	return t->failed ? adds_fail(err, ADDS_ENOMEM, "out of memory") : 0;
}

char *
adds_codepoints_encode(const int32_t *c, size_t n, size_t *len)
{
	char *s = malloc(4 * n + 1);
	size_t i;

	*len = 0;
	if (!s)
		return NULL;
	for (i = 0; i < n; i++)
		*len += (size_t)utf8proc_encode_char(c[i], (utf8proc_uint8_t *)s + *len);
	s[*len] = '\0';
	return s;
}
