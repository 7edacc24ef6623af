/* SPDX-License-Identifier: MIT
 * pull.c - JSON (RFC 8259) piece by piece */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hierarchy.h"
#include "pull.h"

#define WINDOW ((size_t)1 << 20)

/* states of a level */
enum {
	FIRST, /* nothing yet */
	AFTER, /* after an element or a pair */
	VALUE, /* after a key and its colon */
};

static void
restart(struct adds_pull *p, const char *name, const char *s, const char *end)
{
	p->name = name;
	p->line = 0;
	p->fd = -1;
	p->eof = 1;
	p->done = 0;
	p->depth = 0;
	p->s = p->start = p->window = s;
	p->end = end;
	p->window_at = 0;
}

void
adds_pull_text(struct adds_pull *p, const char *name, const char *text, size_t len)
{
	restart(p, name, text, text + len);
}

int
adds_pull_file(struct adds_pull *p, const char *path, struct adds_error *err)
{
	if (!p->buffer && !(p->buffer = malloc(WINDOW)))
		return adds_fail(err, ADDS_ENOMEM, "out of memory for reading '%s'", path);
	restart(p, path, p->buffer, p->buffer);
	p->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (p->fd < 0)
		return adds_fail_errno(err, "cannot open '%s'", path);
	p->eof = 0;
	return 0;
}

void
adds_pull_release(struct adds_pull *p)
{
	if (p->buffer && p->fd >= 0)
		close(p->fd);
	free(p->buffer);
	free(p->scratch);
	memset(p, 0, sizeof(*p));
}

const char *
adds_pull_path(const struct adds_pull *p, char *out, size_t size)
{
	size_t n = (size_t)snprintf(out, size, "$");
	int i;

	for (i = 0; i < p->depth && n < size; i++) {
		const struct adds_pull_level *l = &p->level[i];

		if (l->array)
			n += (size_t)snprintf(out + n, size - n, "[%llu]", (unsigned long long)l->index);
		else if (l->state != FIRST)
			n += (size_t)snprintf(out + n, size - n, ".%.*s", (int)l->key_len, l->key);
	}
	return out;
}

int
adds_pull_fail(const struct adds_pull *p, struct adds_error *err, int code, const char *fmt, ...)
{
	const unsigned long long at = p->window_at + (uint64_t)(p->start - p->window);
	char path[256], what[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	adds_pull_path(p, path, sizeof(path));
	if (p->line)
		return adds_fail(err, code, "'%s' line %llu byte %llu, %s: %s", p->name, (unsigned long long)p->line, at,
		                 path, what);
	return adds_fail(err, code, "'%s' byte %llu, %s: %s", p->name, at, path, what);
}

int
adds_pull_is(const struct adds_pull *p, const char *word)
{
	return strlen(word) == p->len && memcmp(p->text, word, p->len) == 0;
}

/* More bytes behind those from start on, which move to the front: 1, 0 at the
 * end of the input, or an error. */
static int
refill(struct adds_pull *p, struct adds_error *err)
{
	const size_t kept = (size_t)(p->end - p->start);
	const size_t shift = (size_t)(p->start - p->window);
	ssize_t n;

	if (p->eof)
		return 0;
	if (kept == WINDOW)
		return adds_pull_fail(p, err, ADDS_ELIMIT, "a string or number of more than %zu bytes", WINDOW);
	memmove(p->buffer, p->start, kept);
	p->s -= shift;
	p->start = p->window = p->buffer;
	p->window_at += shift;
	p->end = p->buffer + kept;
	do
		n = read(p->fd, p->buffer + kept, WINDOW - kept);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return adds_fail_errno(err, "cannot read '%s'", p->name);
	if (n == 0) {
		p->eof = 1;
		close(p->fd);
		p->fd = -1;
		return 0;
	}
	p->end += n;
	return 1;
}

/* The next byte that is no white space, not taken: 1, or 0 at the end. */
static int
skip_space(struct adds_pull *p, struct adds_error *err)
{
	int rc;

	for (;;) {
		while (p->s < p->end && (*p->s == ' ' || *p->s == '\n' || *p->s == '\r' || *p->s == '\t'))
			p->s++;
		p->start = p->s;
		if (p->s < p->end)
			return 1;
		if ((rc = refill(p, err)) <= 0)
			return rc;
	}
}

static int
early(const struct adds_pull *p, struct adds_error *err)
{
	return adds_pull_fail(p, err, ADDS_EFORMAT, "the JSON ends early");
}

static int
hex4(const char *s)
{
	int i, x = 0;

	for (i = 0; i < 4; i++) {
		const char c = s[i];

		if (c >= '0' && c <= '9')
			x = 16 * x + c - '0';
		else if ((c | 32) >= 'a' && (c | 32) <= 'f')
			x = 16 * x + (c | 32) - 'a' + 10;
		else
			return -1;
	}
	return x;
}

static size_t
put_utf8(char *out, unsigned c)
{
	if (c < 0x80) {
		out[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (char)(0xc0 | c >> 6);
		out[1] = (char)(0x80 | (c & 63));
		return 2;
	}
	if (c < 0x10000) {
		out[0] = (char)(0xe0 | c >> 12);
		out[1] = (char)(0x80 | (c >> 6 & 63));
		out[2] = (char)(0x80 | (c & 63));
		return 3;
	}
	out[0] = (char)(0xf0 | c >> 18);
	out[1] = (char)(0x80 | (c >> 12 & 63));
	out[2] = (char)(0x80 | (c >> 6 & 63));
	out[3] = (char)(0x80 | (c & 63));
	return 4;
}

/* the code point of \uXXXX, or of two that are a pair; *s stands behind the u; -1 if it is none */
static int
unicode_escape(const char **s, const char *end)
{
	int c, low;

	if (end - *s < 4 || (c = hex4(*s)) <= 0 || (c >= 0xdc00 && c < 0xe000))
		return -1;
	*s += 4;
	if (c < 0xd800 || c >= 0xdc00)
		return c;
	if (end - *s < 6 || (*s)[0] != '\\' || (*s)[1] != 'u' || (low = hex4(*s + 2)) < 0xdc00 || low >= 0xe000)
		return -1;
	*s += 6;
	return 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
}

/* text into scratch, escapes undone; it never grows by that */
static int
unescape(struct adds_pull *p, struct adds_error *err)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	const char *s = p->text, *const end = s + p->len, *e;
	size_t n = 0;
	int c;

	if (p->scratch_room < p->len) {
		free(p->scratch);
		p->scratch_room = 0;
		if (!(p->scratch = malloc(p->len)))
			return adds_fail(err, ADDS_ENOMEM, "out of memory for a string of '%s'", p->name);
		p->scratch_room = p->len;
	}
	while (s < end) {
		if (*s != '\\') {
			p->scratch[n++] = *s++;
			continue;
		}
		s++;
		if (*s == 'u') {
			s++;
			if ((c = unicode_escape(&s, end)) < 0)
				return adds_pull_fail(p, err, ADDS_EFORMAT, "an escape that is no character, or NUL");
			n += put_utf8(p->scratch + n, (unsigned)c);
		} else if ((e = memchr(from, *s, sizeof(from) - 1))) {
			p->scratch[n++] = to[e - from];
			s++;
		} else {
			return adds_pull_fail(p, err, ADDS_EFORMAT, "an unknown escape in a string");
		}
	}
	p->text = p->scratch;
	p->len = n;
	return 0;
}

/* at least n bytes at s */
static int
need(struct adds_pull *p, ptrdiff_t n, struct adds_error *err)
{
	int rc;

	while (p->end - p->s < n)
		if ((rc = refill(p, err)) <= 0)
			return rc < 0 ? rc : early(p, err);
	return 0;
}

/* the string whose quote is at s; text and len afterwards */
static int
read_string(struct adds_pull *p, struct adds_error *err)
{
	unsigned char high = 0;
	int escapes = 0, rc;

	for (p->s++;;) {
		while (p->s < p->end && *p->s != '"' && *p->s != '\\' && (unsigned char)*p->s >= 0x20)
			high |= (unsigned char)*p->s++;
		if ((rc = need(p, 1, err)) < 0)
			return rc;
		if (*p->s == '"')
			break;
		if (*p->s == '\\') {
			if ((rc = need(p, 2, err)) < 0)
				return rc;
			escapes = 1;
			p->s += 2;
		} else if ((unsigned char)*p->s < 0x20) {
			return adds_pull_fail(p, err, ADDS_EFORMAT, "a control character in a string");
		}
	}
	p->text = p->start + 1;
	p->len = (size_t)(p->s - p->text);
	p->s++;
	if (escapes && (rc = unescape(p, err)) < 0)
		return rc;
	if (high & 0x80 && !adds_utf8_valid(p->text, p->len))
		return adds_pull_fail(p, err, ADDS_EFORMAT, "a string that is not UTF-8");
	return 0;
}

static const char *
digits(const char *s, const char *end)
{
	const char *const from = s;

	while (s < end && *s >= '0' && *s <= '9')
		s++;
	return s > from ? s : NULL;
}

static int
is_number(const char *s, const char *end)
{
	if (s < end && *s == '-')
		s++;
	if (s < end && *s == '0')
		s++;
	else if (!(s = digits(s, end)))
		return 0;
	if (s < end && *s == '.' && !(s = digits(s + 1, end)))
		return 0;
	if (s < end && (*s | 32) == 'e') {
		s++;
		if (s < end && (*s == '+' || *s == '-'))
			s++;
		if (!(s = digits(s, end)))
			return 0;
	}
	return s == end;
}

/* a number, true, false or null: all bytes that such a word can hold */
static int
read_word(struct adds_pull *p, struct adds_error *err)
{
	int rc;

	for (;;) {
		while (p->s < p->end && (((*p->s | 32) >= 'a' && (*p->s | 32) <= 'z') || (*p->s >= '0' && *p->s <= '9') ||
		                         *p->s == '-' || *p->s == '+' || *p->s == '.'))
			p->s++;
		if (p->s < p->end)
			break;
		if ((rc = refill(p, err)) < 0)
			return rc;
		if (rc == 0)
			break;
	}
	p->text = p->start;
	p->len = (size_t)(p->s - p->start);
	if (is_number(p->start, p->s))
		return ADDS_TOKEN_NUMBER;
	if (adds_pull_is(p, "true"))
		return ADDS_TOKEN_TRUE;
	if (adds_pull_is(p, "false"))
		return ADDS_TOKEN_FALSE;
	if (adds_pull_is(p, "null"))
		return ADDS_TOKEN_NULL;
	return adds_pull_fail(p, err, ADDS_EFORMAT, "expected a value");
}

static int
open_level(struct adds_pull *p, int array, struct adds_error *err)
{
	if (p->depth == ADDS_PULL_DEPTH)
		return adds_pull_fail(p, err, ADDS_ELIMIT, "nested more than %d deep", ADDS_PULL_DEPTH);
	p->s++;
	p->level[p->depth].array = (uint8_t)array;
	p->level[p->depth].state = FIRST;
	p->level[p->depth].index = 0;
	p->level[p->depth++].key_len = 0;
	return array ? ADDS_TOKEN_ARRAY : ADDS_TOKEN_OBJECT;
}

static int
close_level(struct adds_pull *p)
{
	const int array = p->level[--p->depth].array;

	p->s++;
	return array ? ADDS_TOKEN_ARRAY_END : ADDS_TOKEN_OBJECT_END;
}

static int
read_value(struct adds_pull *p, struct adds_error *err)
{
	int rc;

	if (p->depth)
		p->level[p->depth - 1].state = AFTER;
	else
		p->done = 1;
	if (*p->s == '"')
		return (rc = read_string(p, err)) < 0 ? rc : ADDS_TOKEN_STRING;
	if (*p->s == '{' || *p->s == '[')
		return open_level(p, *p->s == '[', err);
	return read_word(p, err);
}

/* the key; it stays in the level for the path */
static int
read_key(struct adds_pull *p, struct adds_error *err)
{
	struct adds_pull_level *l = &p->level[p->depth - 1];
	int rc;

	if (*p->s != '"')
		return adds_pull_fail(p, err, ADDS_EFORMAT, "expected a key in quotes");
	if ((rc = read_string(p, err)) < 0)
		return rc;
	l->key_len = (uint8_t)(p->len < ADDS_PULL_KEY ? p->len : ADDS_PULL_KEY);
	memcpy(l->key, p->text, l->key_len);
	l->state = VALUE;
	return ADDS_TOKEN_KEY;
}

/* The colon is taken with the value, so that the key's text stays in the window. */
static int
take_colon(struct adds_pull *p, struct adds_error *err)
{
	int rc;

	if (*p->s != ':')
		return adds_pull_fail(p, err, ADDS_EFORMAT, "expected ':' behind the key");
	p->s++;
	if ((rc = skip_space(p, err)) < 0)
		return rc;
	return rc ? 0 : early(p, err);
}

/* a comma and what follows it, or the end of the level */
static int
next_in_level(struct adds_pull *p, struct adds_error *err)
{
	struct adds_pull_level *l = &p->level[p->depth - 1];
	int rc;

	if (*p->s == (l->array ? ']' : '}'))
		return close_level(p);
	if (l->state == AFTER) {
		if (*p->s != ',')
			return adds_pull_fail(p, err, ADDS_EFORMAT, "expected ',' or '%c'", l->array ? ']' : '}');
		p->s++;
		l->index++;
		if ((rc = skip_space(p, err)) < 0)
			return rc;
		if (rc == 0)
			return early(p, err);
	}
	return l->array ? read_value(p, err) : read_key(p, err);
}

int
adds_pull_next(struct adds_pull *p, struct adds_error *err)
{
	int rc;

	if ((rc = skip_space(p, err)) < 0)
		return rc;
	if (p->depth == 0 && p->done)
		return rc == 0 ? ADDS_TOKEN_END
		               : adds_pull_fail(p, err, ADDS_EFORMAT, "something behind the end of the JSON");
	if (rc == 0)
		return early(p, err);
	if (p->depth == 0)
		return read_value(p, err);
	if (p->level[p->depth - 1].state == VALUE)
		return (rc = take_colon(p, err)) < 0 ? rc : read_value(p, err);
	return next_in_level(p, err);
}

int
adds_pull_skip(struct adds_pull *p, int token, struct adds_error *err)
{
	const int depth = p->depth;

	if (token == ADDS_TOKEN_KEY) {
		if ((token = adds_pull_next(p, err)) < 0)
			return token;
		return adds_pull_skip(p, token, err);
	}
	if (token != ADDS_TOKEN_OBJECT && token != ADDS_TOKEN_ARRAY)
		return 0;
	while (p->depth >= depth)
		if ((token = adds_pull_next(p, err)) < 0)
			return token;
	return 0;
}
