/* SPDX-License-Identifier: MIT
 * character.c - classes of characters, lowercase */
#include <stdlib.h>
#include <utf8proc.h>

#include "text.h"

struct range {
	int32_t first, last;
};

int
adds_is_letter(int32_t c)
{
	const utf8proc_category_t k = utf8proc_category(c);

	return k >= UTF8PROC_CATEGORY_LU && k <= UTF8PROC_CATEGORY_LO;
}

int
adds_is_number(int32_t c)
{
	const utf8proc_category_t k = utf8proc_category(c);

	return k >= UTF8PROC_CATEGORY_ND && k <= UTF8PROC_CATEGORY_NO;
}

int
adds_is_digit(int32_t c)
{
	return utf8proc_category(c) == UTF8PROC_CATEGORY_ND;
}

static int
in_ranges(int32_t c, const struct range *r, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (c >= r[i].first && c <= r[i].last)
			return 1;
	return 0;
}

int
adds_is_space(int32_t c)
{
	static const struct range spaces[] = {
		{ 0x09, 0x0d }, { 0x1c, 0x20 }, { 0x85, 0x85 }, { 0xa0, 0xa0 }, { 0x1680, 0x1680 }, { 0x2000, 0x200a }, { 0x2028, 0x2029 }, { 0x202f, 0x202f }, { 0x205f, 0x205f }, { 0x3000, 0x3000 }
	};

	return in_ranges(c, spaces, sizeof(spaces) / sizeof(*spaces));
}

int32_t
adds_windows1252(int32_t c)
{
	static const uint16_t table[32] = {
		0x20ac, 0x81, 0x201a, 0x192, 0x201e, 0x2026, 0x2020, 0x2021, 0x2c6, 0x2030, 0x160, 0x2039, 0x152, 0x8d,
		0x17d, 0x8f, 0x90, 0x2018, 0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014, 0x2dc, 0x2122, 0x161, 0x203a,
		0x153, 0x9d, 0x17e, 0x178
	};

	return c >= 0x80 && c <= 0x9f ? table[c - 0x80] : c;
}

/* Unicode's Cased: letters with case, and the symbols and numerals that have
 * Other_Uppercase or Other_Lowercase (those among them that are also
 * case-ignorable are never asked for) */
static int
cased(int32_t c)
{
	static const struct range others[] = {
		{ 0xaa, 0xaa }, { 0xba, 0xba }, { 0x2160, 0x217f }, { 0x24b6, 0x24e9 }, { 0x1f130, 0x1f149 }, { 0x1f150, 0x1f169 }, { 0x1f170, 0x1f189 }
	};
	const utf8proc_category_t k = utf8proc_category(c);

	return k == UTF8PROC_CATEGORY_LU || k == UTF8PROC_CATEGORY_LL || k == UTF8PROC_CATEGORY_LT ||
	       in_ranges(c, others, sizeof(others) / sizeof(*others));
}

/* Unicode's Case_Ignorable: marks, format characters, modifiers, and the
 * punctuation that may stand inside a word */
static int
case_ignorable(int32_t c)
{
	static const struct range inside[] = {
		{ 0x27, 0x27 }, { 0x2e, 0x2e }, { 0x3a, 0x3a }, { 0xb7, 0xb7 }, { 0x387, 0x387 }, { 0x55f, 0x55f }, { 0x5f4, 0x5f4 }, { 0x2018, 0x2019 }, { 0x2024, 0x2024 }, { 0x2027, 0x2027 }, { 0xfe13, 0xfe13 }, { 0xfe52, 0xfe52 }, { 0xfe55, 0xfe55 }, { 0xff07, 0xff07 }, { 0xff0e, 0xff0e }, { 0xff1a, 0xff1a }
	};
	const utf8proc_category_t k = utf8proc_category(c);

	return k == UTF8PROC_CATEGORY_MN || k == UTF8PROC_CATEGORY_ME || k == UTF8PROC_CATEGORY_CF ||
	       k == UTF8PROC_CATEGORY_LM || k == UTF8PROC_CATEGORY_SK ||
	       in_ranges(c, inside, sizeof(inside) / sizeof(*inside));
}

/* Unicode's Final_Sigma: a cased letter before it, none after it, whatever is
 * case-ignorable between */
static int
ends_word(const struct adds_codepoints *t, size_t at)
{
	size_t i;

	for (i = at; i > 0 && case_ignorable(t->c[i - 1]); i--)
		continue;
	if (i == 0 || !cased(t->c[i - 1]))
		return 0;
	for (i = at + 1; i < t->n && case_ignorable(t->c[i]); i++)
		continue;
	return i == t->n || !cased(t->c[i]);
}

void
adds_lowercase(struct adds_codepoints *out, const struct adds_codepoints *in)
{
	enum { CAPITAL_I_DOT = 0x130,
	       DOT_ABOVE = 0x307,
	       CAPITAL_SIGMA = 0x3a3,
	       SIGMA = 0x3c3,
	       FINAL_SIGMA = 0x3c2 };
	size_t i;

	for (i = 0; i < in->n; i++)
		if (in->c[i] == CAPITAL_I_DOT) {
			adds_codepoints_push(out, 'i');
			adds_codepoints_push(out, DOT_ABOVE);
		} else if (in->c[i] == CAPITAL_SIGMA) {
			adds_codepoints_push(out, ends_word(in, i) ? FINAL_SIGMA : SIGMA);
		} else {
			adds_codepoints_push(out, utf8proc_tolower(in->c[i]));
		}
}
