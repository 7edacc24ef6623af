/* SPDX-License-Identifier: MIT
 * odd-texts.h - a seeded generator of texts that are hard to clean and to
 * split, for the test of the tokenizer and for the program that shows them to
 * the reference. Text number i is always the same bytes. */
#ifndef ODD_TEXTS_H
#define ODD_TEXTS_H

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <utf8proc.h>

#include "../../lib/text/text.h"
#include "assigned.h"

enum {
	ODD_RUN = 16,                                   /* characters of one text of the sweep */
	ODD_SWEEP = (ASSIGNED + ODD_RUN - 1) / ODD_RUN, /* the first texts have every character once */
	ODD_MIXED = 14000,                              /* then texts of mixed pieces */
	ODD_TEXTS = ODD_SWEEP + ODD_MIXED,
	ODD_SIZE = 4096,
};

struct odd {
	char *s;
	size_t n;
	uint64_t state;
};

/* SplitMix64 */
static uint64_t
odd_random(struct odd *o, uint64_t below)
{
	uint64_t z = (o->state += 0x9e3779b97f4a7c15u);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return (z ^ (z >> 31)) % below;
}

static void
odd_put(struct odd *o, const char *s)
{
	const size_t n = strlen(s);

	if (o->n + n < ODD_SIZE) {
		memcpy(o->s + o->n, s, n);
		o->n += n;
	}
}

static void
odd_character(struct odd *o, int32_t c)
{
	if (o->n + 4 < ODD_SIZE)
		o->n += (size_t)utf8proc_encode_char(c, (utf8proc_uint8_t *)o->s + o->n);
}

/* the assigned character with this number */
static int32_t
odd_assigned(uint64_t i)
{
	const int32_t *r = assigned_ranges;

	for (; i >= (uint64_t)r[1]; r += 2)
		i -= (uint64_t)r[1];
	return r[0] + (int32_t)i;
}

static void
odd_entity(struct odd *o)
{
	static const char *const ends[] = { ";", ";", ";", "", "x;", " ", ";;", "&" };
	const struct adds_entity *e = &adds_entities[odd_random(o, adds_entity_count)];
	char name[64];
	size_t i;
	const uint64_t how = odd_random(o, 6);

	snprintf(name, sizeof(name), "%s", e->name);
	for (i = 0; how == 0 && name[i]; i++)
		if (name[i] >= 'a' && name[i] <= 'z')
			name[i] = (char)(name[i] - 'a' + 'A');
	odd_put(o, how == 1 ? "&amp;" : how == 2 ? "&amp;amp;"
	                                         : "&");
	odd_put(o, name);
	odd_put(o, ends[odd_random(o, 8)]);
}

/* can a numeric reference to x be tried? not if it may be assigned one day */
static int
odd_known(uint32_t x)
{
	const int32_t *r = assigned_ranges;
	const int32_t *end = r + sizeof(assigned_ranges) / sizeof(*assigned_ranges);

	for (; r < end; r += 2)
		if (x >= (uint32_t)r[0] && x < (uint32_t)r[0] + (uint32_t)r[1])
			return 1;
	return x < 0xa0 || x > 0x10ffff || (x >= 0xd800 && x < 0xe000) || (x & 0xfffe) == 0xfffe;
}

static void
odd_number(struct odd *o)
{
	static const uint32_t top[] = { 0x20, 0xa0, 0x180, 0x3000, 0x10000, 0x110000, 0xffffffff };
	char s[32];
	uint32_t x = (uint32_t)odd_random(o, top[odd_random(o, 7)]);

	if (!odd_known(x))
		x = (uint32_t)odd_assigned(x % ASSIGNED);
	snprintf(s, sizeof(s), odd_random(o, 2) ? "&#%u" : odd_random(o, 2) ? "&#x%x"
	                                                                    : "&#X%X",
	         x);
	odd_put(o, s);
	odd_put(o, odd_random(o, 4) ? ";" : "");
}

static void
odd_word(struct odd *o)
{
	static const char *const words[] = {
		"photo", "a", "of", "cat", "dog", "zebra", "the", "people", "riding", "horse", "skyscraper", "don", "they",
		"antelope", "x", "ice-cream", "snow_board", "traffic light", "ΟΔΟΣ", "Σ", "ΑΣ", "σοφός", "ΣΊΣΥΦΟΣ", "İzmir",
		"ISPARTA", "ıslak", "straße", "ÅNGSTRÖM", "naïve", "façade", "Москва", "ЩУКА", "東京", "서울", "हिन्दी",
		"ไทย", "עברית", "العربية", "ქართული", "ᏣᎳᎩ", "ﬃ", "ŉ", "Ǆ", "ſ", "K", "Å"
	};
	const char *w = words[odd_random(o, sizeof(words) / sizeof(*words))];
	char s[64];
	size_t i;
	const uint64_t how = odd_random(o, 5);

	snprintf(s, sizeof(s), "%s", w);
	for (i = 0; s[i] && how < 2; i++)
		if (s[i] >= 'a' && s[i] <= 'z' && (how == 0 || i == 0))
			s[i] = (char)(s[i] - 'a' + 'A');
	odd_put(o, s);
}

/* widths, conjoining jamo, presentation forms */
static void
odd_form(struct odd *o)
{
	odd_character(o, odd_random(o, 2) ? (int32_t)(0xff01 + odd_random(o, 0x5e)) : 0xff9e);
	odd_character(o, (int32_t)(0x1100 + odd_random(o, 0x13)));
	odd_character(o, (int32_t)(0x1161 + odd_random(o, 0x15)));
}

static void
odd_piece(struct odd *o)
{
	static const char *const quotes[] = { "'", "’", "‘", "ʼ", "“", "”", "\"", "''", "'s", "’S", "'t", "'re", "’ve", "'m",
		                              "'LL", "'d", "'ſ", "`", "´", "!'s", "‛", "‟" };
	static const char *const spaces[] = { " ", "  ", "\t", "\n", "\r\n", "\r", "\v", "\f", "\x1c", "\x1f", "\xc2\x85",
		                              "\u00a0", "\u1680", "\u2003", "\u2028", "\u2029", "\u202f", "\u205f", "\u3000",
		                              "\u200b", "\ufeff", "\u180e" };
	static const char *const marks[] = { "\x1b[31m", "\x1b[0;1m", "\x1b[", "\x1b[2", "\x01", "\x7f", "\xc2\x80", "\xc2\x91",
		                             "\xc2\x9f", "\u206a", "\ufff9", "\ufffc", "<", "<b>", "</w>",
		                             "<|startoftext|>", "<|ENDOFTEXT|>", "<start_of_text>", "<end_of_text>",
		                             "<ſtart_of_text>", "<|endoftext|", "&", "&;", "&#", "&#x;", "Σ.", "\u00ad", "\u0345",
		                             "ᾼ", "Ⅷ", "Ⓐ", "ª", "🅰" };
	uint64_t i, n;

	switch (odd_random(o, 12)) {
	case 0:
		odd_entity(o);
		break;
	case 1:
		odd_number(o);
		break;
	case 2:
		odd_put(o, quotes[odd_random(o, sizeof(quotes) / sizeof(*quotes))]);
		break;
	case 3:
		odd_put(o, spaces[odd_random(o, sizeof(spaces) / sizeof(*spaces))]);
		break;
	case 4:
		odd_put(o, marks[odd_random(o, sizeof(marks) / sizeof(*marks))]);
		break;
	case 5: /* a run of any characters */
		for (n = 1 + odd_random(o, 4), i = 0; i < n; i++)
			odd_character(o, odd_assigned(odd_random(o, ASSIGNED)));
		break;
	case 6: /* a letter and accents, in any order */
		odd_character(o, (int32_t)('A' + odd_random(o, 58)));
		for (n = odd_random(o, 4), i = 0; i < n; i++)
			odd_character(o, (int32_t)(0x300 + odd_random(o, 0x70)));
		break;
	case 7:
		odd_form(o);
		break;
	case 8: /* ASCII */
		for (n = 1 + odd_random(o, 5), i = 0; i < n; i++)
			odd_character(o, (int32_t)(0x20 + odd_random(o, 0x5f)));
		break;
	default:
		odd_word(o);
		break;
	}
}

/* Text number i (below ODD_TEXTS) into s (ODD_SIZE bytes, no NUL behind it); returns its length. */
static size_t
odd_text(uint64_t i, char *s)
{
	enum { STRIDE = 104729 }; /* a prime that does not divide ASSIGNED: neighbours are strangers */
	struct odd o = { s, 0, i * 0xd1342543de82ef95u + 1 };
	uint64_t k, n;

	if (i < ODD_SWEEP) {
		for (k = i * ODD_RUN; k < (i + 1) * ODD_RUN && k < ASSIGNED; k++)
			odd_character(&o, odd_assigned(k * STRIDE % ASSIGNED));
		return o.n;
	}
	for (n = 1 + odd_random(&o, 10), k = 0; k < n; k++) {
		odd_piece(&o);
		if (odd_random(&o, 3) == 0)
			odd_put(&o, " ");
	}
	return o.n;
}

#endif
