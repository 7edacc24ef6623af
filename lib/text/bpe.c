/* SPDX-License-Identifier: MIT
 * bpe.c - byte-pair encoding over symbol numbers: spellings are needed while
 * merges are read, afterwards a pair of symbols gives the next one */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>
#include <xxhash.h>

#include "text.h"

enum {
	BYTES = 256,
	PRINTABLE = 188,  /* bytes that stand for themselves in a spelling */
	BASE = 2 * BYTES, /* symbols without a merge: each byte, and each byte that ends a word */
	LONGEST = 1024,   /* bytes of one symbol */
	NO_RANK = INT32_MAX,
	ON_STACK = 256,
};

/* a symbol is its bytes and one more: 1 at the end of a word, else 0 */
struct symbol {
	uint32_t at, len;
	int32_t id;
};

struct pair {
	uint64_t key; /* 0: empty */
	int32_t rank;
};

struct adds_bpe {
	unsigned char byte_of[BYTES]; /* base symbol → byte */
	int32_t of_byte[BYTES];
	struct symbol *symbol;
	size_t symbols, symbols_cap;
	unsigned char *text;
	size_t text_len, text_cap;
	int32_t *of_text;    /* hash table: symbol + 1, by its bytes */
	struct pair *pair;   /* hash table */
	int32_t *result;     /* the symbol that the merge of a rank makes */
	size_t merges, mask; /* mask: of both tables */
};

static int
printable(int b)
{
	return (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
}

static void
number_bytes(struct adds_bpe *b)
{
	int byte, n = 0, rest = PRINTABLE;

	for (byte = 0; byte < BYTES; byte++) {
		const int i = printable(byte) ? n++ : rest++;

		b->byte_of[i] = (unsigned char)byte;
		b->of_byte[byte] = i;
	}
}

/* the slot of these bytes: it holds their symbol + 1, or 0 where they belong */
static int32_t *
text_slot(const struct adds_bpe *b, const unsigned char *s, size_t len)
{
	size_t i = XXH3_64bits(s, len) & b->mask;

	while (b->of_text[i]) {
		const struct symbol *y = &b->symbol[b->of_text[i] - 1];

		if (y->len == len && memcmp(b->text + y->at, s, len) == 0)
			break;
		i = (i + 1) & b->mask;
	}
	return &b->of_text[i];
}

static struct pair *
pair_slot(const struct adds_bpe *b, int32_t left, int32_t right)
{
	const uint64_t key = ((uint64_t)left << 32 | (uint32_t)right) + 1;
	size_t i = (size_t)((key * 0x9e3779b97f4a7c15u) >> 32) & b->mask;

	while (b->pair[i].key && b->pair[i].key != key)
		i = (i + 1) & b->mask;
	return &b->pair[i];
}

static int
reserve_text(struct adds_bpe *b, size_t len)
{
	unsigned char *more;
	size_t cap = b->text_cap;

	while (cap - b->text_len < len)
		cap = cap ? 2 * cap : 1 << 16;
	if (cap == b->text_cap)
		return 0;
	if (cap > UINT32_MAX || !(more = realloc(b->text, cap)))
		return -1;
	b->text = more;
	b->text_cap = cap;
	return 0;
}

/* the symbol of these bytes, made if there was none; -2: no room */
static int32_t
intern(struct adds_bpe *b, const unsigned char *s, size_t len)
{
	int32_t *slot = text_slot(b, s, len);

	if (*slot)
		return *slot - 1;
	if (b->symbols == b->symbols_cap || reserve_text(b, len) < 0)
		return -2;
	memcpy(b->text + b->text_len, s, len);
	b->symbol[b->symbols] = (struct symbol){ (uint32_t)b->text_len, (uint32_t)len, -1 };
	b->text_len += len;
	*slot = (int32_t)++b->symbols;
	return *slot - 1;
}

struct adds_bpe *
adds_bpe_new(size_t merges)
{
	struct adds_bpe *b = calloc(1, sizeof(*b));
	size_t slots = 2048;
	int i, end;

	if (!b)
		return NULL;
	b->symbols_cap = BASE + 3 * merges; /* a merge may name two symbols and make a third */
	while (slots < 4 * (BASE + merges) || slots < b->symbols_cap + b->symbols_cap / 4)
		slots *= 2;
	b->mask = slots - 1;
	b->symbol = calloc(b->symbols_cap, sizeof(*b->symbol));
	b->result = calloc(merges + 1, sizeof(*b->result));
	b->of_text = calloc(slots, sizeof(*b->of_text));
	b->pair = calloc(slots, sizeof(*b->pair));
	if (!b->symbol || !b->result || !b->of_text || !b->pair || reserve_text(b, 3 * BASE) < 0) {
		adds_bpe_free(b);
		return NULL;
	}
	number_bytes(b);
	for (end = 0; end < 2; end++)
		for (i = 0; i < BYTES; i++) {
			const unsigned char s[2] = { b->byte_of[i], (unsigned char)end };
			const int32_t symbol = intern(b, s, 2);

			b->symbol[symbol].id = symbol;
		}
	return b;
}

void
adds_bpe_free(struct adds_bpe *b)
{
	if (!b)
		return;
	free(b->symbol);
	free(b->text);
	free(b->of_text);
	free(b->pair);
	free(b->result);
	free(b);
}

/* the bytes of a spelling and the one behind them into out (room for LONGEST);
 * 0: it is none */
static size_t
from_spelling(const struct adds_bpe *b, const char *s, size_t len, unsigned char *out)
{
	const int end = len > 4 && memcmp(s + len - 4, "</w>", 4) == 0;
	size_t i, n = 0;
	utf8proc_int32_t c;
	utf8proc_ssize_t step;

	if (end)
		len -= 4;
	for (i = 0; i < len; i += (size_t)step) {
		step = utf8proc_iterate((const utf8proc_uint8_t *)s + i, (utf8proc_ssize_t)(len - i), &c);
		if (step <= 0 || n + 2 > LONGEST)
			return 0;
		if (c >= BYTES && c < 2 * BYTES - PRINTABLE)
			out[n++] = b->byte_of[PRINTABLE + c - BYTES];
		else if (c < BYTES && printable(c))
			out[n++] = (unsigned char)c;
		else
			return 0;
	}
	out[n] = (unsigned char)end;
	return n ? n + 1 : 0;
}

int
adds_bpe_merge(struct adds_bpe *b, const char *left, size_t nleft, const char *right, size_t nright)
{
	unsigned char s[2 * LONGEST], t[LONGEST];
	const size_t n = from_spelling(b, left, nleft, s), m = from_spelling(b, right, nright, t);
	int32_t l, r, both;
	struct pair *p;

	if (!n || !m || s[n - 1])
		return -1;
	if ((l = intern(b, s, n)) < 0 || (r = intern(b, t, m)) < 0)
		return -2;
	memcpy(s + n - 1, t, m);
	if ((both = intern(b, s, n - 1 + m)) < 0)
		return -2;
	p = pair_slot(b, l, r);
	p->key = ((uint64_t)l << 32 | (uint32_t)r) + 1;
	p->rank = (int32_t)b->merges;
	b->symbol[both].id = (int32_t)(BASE + b->merges);
	b->result[b->merges++] = both;
	return 0;
}

size_t
adds_bpe_merges(const struct adds_bpe *b)
{
	return b->merges;
}

void
adds_bpe_forget_ids(struct adds_bpe *b)
{
	size_t i;

	for (i = 0; i < b->symbols; i++)
		b->symbol[i].id = -1;
}

int
adds_bpe_set_id(struct adds_bpe *b, const char *spelling, size_t len, int32_t id)
{
	unsigned char s[LONGEST];
	const size_t n = from_spelling(b, spelling, len, s);
	int32_t *slot;

	if (!n || !*(slot = text_slot(b, s, n)))
		return 0;
	b->symbol[*slot - 1].id = id;
	return 1;
}

int32_t
adds_bpe_without_id(const struct adds_bpe *b)
{
	size_t i;

	for (i = 0; i < b->symbols; i++)
		if (b->symbol[i].id < 0)
			return (int32_t)i;
	return -1;
}

void
adds_bpe_spelling(const struct adds_bpe *b, int32_t symbol, char *out, size_t size)
{
	const struct symbol *y = &b->symbol[symbol];
	size_t i, n = 0;

	for (i = 0; i + 1 < y->len && n + 8 < size; i++) {
		const int byte = b->text[y->at + i];

		n += (size_t)utf8proc_encode_char(printable(byte) ? byte : BYTES + b->of_byte[byte] - PRINTABLE,
		                                  (utf8proc_uint8_t *)out + n);
	}
	snprintf(out + n, size - n, "%s", b->text[y->at + y->len - 1] ? "</w>" : "");
}

static int32_t
rank_of(const struct adds_bpe *b, int32_t left, int32_t right)
{
	const struct pair *p = pair_slot(b, left, right);

	return p->key ? p->rank : NO_RANK;
}

/* Merges all occurrences of the pair of this rank, left to right. symbol has n
 * numbers, rank the ranks of the n − 1 pairs and NO_RANK. Returns the new n. */
static size_t
merge_all(const struct adds_bpe *b, int32_t *symbol, int32_t *rank, size_t n, int32_t which)
{
	size_t i, k = 0;

	for (i = 0; i < n; i++, k++) {
		const int pair = rank[i] == which;

		symbol[k] = pair ? b->result[which] : symbol[i];
		rank[k] = rank[i + pair];
		if (k && (pair || (i && symbol[k - 1] == b->result[which])))
			rank[k - 1] = rank_of(b, symbol[k - 1], symbol[k]);
		i += (size_t)pair;
	}
	return k;
}

/* the place of the lowest rank among n */
static size_t
lowest(const int32_t *rank, size_t n)
{
	size_t i, best = 0;

	for (i = 1; i < n; i++)
		if (rank[i] < rank[best])
			best = i;
	return best;
}

long
adds_bpe_encode(const struct adds_bpe *b, const unsigned char *word, size_t len, int32_t *out)
{
	int32_t stack[ON_STACK], *rank = stack, which;
	size_t i, n = len;

	if (len > ON_STACK && !(rank = malloc(len * sizeof(*rank))))
		return -1;
	for (i = 0; i < len; i++)
		out[i] = b->of_byte[word[i]] + (i + 1 == len ? BYTES : 0);
	for (i = 0; i + 1 < len; i++)
		rank[i] = rank_of(b, out[i], out[i + 1]);
	rank[len - 1] = NO_RANK;
	while (n > 1 && (which = rank[lowest(rank, n)]) != NO_RANK)
		n = merge_all(b, out, rank, n, which);
	for (i = 0; i < n; i++)
		out[i] = b->symbol[out[i]].id;
	if (rank != stack)
		free(rank);
	return (long)n;
}
