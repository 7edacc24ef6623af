/* SPDX-License-Identifier: MIT
 * pieces_normalise.c - a text as SentencePiece's pieces are written: the model's rules (mostly NFKC), spaces in one
 * way (normalizer.cc; the table is a double array of darts-clone, longest match) */
#include <string.h>
#include <utf8proc.h>

#include "pieces.h"

static const char space[] = "\xe2\x96\x81"; /* U+2581 */

size_t
adds_pieces_step(const char *s, size_t n)
{
	static const unsigned char length[16] = { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 3, 4 };
	const size_t len = length[(unsigned char)*s >> 4];

	return len < n ? len : n;
}

size_t
adds_pieces_user(const struct adds_pieces *p, const char *s, size_t n)
{
	uint32_t h = ADDS_PIECES_HASH;
	size_t i, most = 0;
	int32_t id;

	for (i = 0; i < n && i < p->longest_user; i++) {
		h = adds_pieces_hash(h, s[i]);
		if ((id = adds_pieces_find_hashed(p, s, i + 1, h)) >= 0 && p->piece[id].type == ADDS_PIECE_USER)
			most = i + 1;
	}
	return most;
}

/* ---- rules ---- */

static uint32_t
unit(const struct adds_charsmap *m, size_t i)
{
	return adds_pieces_word(m->units + 4 * i);
}

static size_t
offset(uint32_t u)
{
	return (size_t)(u >> 10) << ((u & 1u << 9) >> 6);
}

/* The longest rule at s: what it writes in *out, else NULL; *used bytes of s are its. Places outside of the table,
 * which only a damaged file has, end the search. */
static const char *
rule(const struct adds_charsmap *m, const char *s, size_t n, size_t *used)
{
	const char *found = NULL;
	size_t at, i;
	uint32_t u;

	*used = 0;
	if (!m->nunits)
		return NULL;
	at = offset(unit(m, 0));
	for (i = 0; i < n; i++) {
		at ^= (unsigned char)s[i];
		if (at >= m->nunits)
			break;
		u = unit(m, at);
		if ((u & 0x800000ffu) != (unsigned char)s[i])
			break;
		at ^= offset(u);
		if (!(u >> 8 & 1))
			continue;
		if (at >= m->nunits || (unit(m, at) & 0x7fffffffu) >= m->nout)
			break;
		found = m->out + (unit(m, at) & 0x7fffffffu);
		*used = i + 1;
	}
	return found;
}

/* What stands for the first character or characters of s: len bytes; *used of s are read. */
static const char *
prefix(const struct adds_pieces *p, const char *s, size_t n, size_t *len, size_t *used)
{
	static const char replacement[] = "\xef\xbf\xbd";
	utf8proc_int32_t c;
	const char *out;

	if ((*used = *len = adds_pieces_user(p, s, n)))
		return s;
	if ((out = rule(&p->map, s, n, used))) {
		*len = strlen(out);
		return out;
	}
	*used = *len = adds_pieces_step(s, n);
	if (utf8proc_iterate((const utf8proc_uint8_t *)s, (utf8proc_ssize_t)n, &c) == (utf8proc_ssize_t)*len)
		return s;
	*used = 1;
	*len = 3;
	return replacement;
}

/* ---- spaces ---- */

static void
push_space(const struct adds_pieces *p, struct adds_buf *out)
{
	adds_buf_add(out, p->escape ? space : " ", p->escape ? 3 : 1);
}

static void
push(const struct adds_pieces *p, struct adds_buf *out, const char *s, size_t n)
{
	size_t i, from = 0;

	for (i = 0; i < n; i++)
		if (s[i] == ' ') {
			adds_buf_add(out, s + from, i - from);
			push_space(p, out);
			from = i + 1;
		}
	adds_buf_add(out, s + from, n - from);
}

/* spaces at the end of what was added behind begin */
static void
trim(const struct adds_pieces *p, struct adds_buf *out, size_t begin)
{
	const char *s = p->escape ? space : " ";
	const size_t n = p->escape ? 3 : 1;

	while (!out->failed && out->n >= begin + n && memcmp(out->p + out->n - n, s, n) == 0)
		out->n -= n;
}

void
adds_pieces_normalise(const struct adds_pieces *p, struct adds_buf *out, const char *text, size_t n)
{
	const size_t begin = out->n;
	size_t len, used;
	int after_space = p->squeeze;
	const char *s;

	for (; p->squeeze && n > 0; text += used, n -= used) {
		s = prefix(p, text, n, &len, &used);
		if (len != 1 || *s != ' ')
			break;
	}
	if (n == 0)
		return;
	if (p->prefix && !p->suffix)
		push_space(p, out);
	for (; n > 0; text += used, n -= used) {
		s = prefix(p, text, n, &len, &used);
		for (; after_space && len > 0 && *s == ' '; s++)
			len--;
		push(p, out, s, len);
		if (len > 0)
			after_space = s[len - 1] == ' ';
		after_space &= p->squeeze;
	}
	if (p->squeeze)
		trim(p, out, begin);
	if (p->prefix && p->suffix)
		push_space(p, out);
}
