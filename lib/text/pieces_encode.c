/* SPDX-License-Identifier: MIT
 * pieces_encode.c - normalised text to the ids of SentencePiece's pieces: the most probable cut (unigram_model.cc),
 * or merges in the order of their scores (bpe_model.cc) */
#include <stdlib.h>
#include <string.h>

#include "pieces.h"

/* what is unknown is this much less probable than the least probable piece */
static const float UNKNOWN_COST = 10;

/* a piece of the text, in the order of the text */
struct cut {
	const char *s;
	size_t n;
	int32_t id;
};

static void
push_bytes(const struct adds_pieces *p, struct adds_codepoints *ids, const char *s, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		adds_codepoints_push(ids, p->byte[(unsigned char)s[i]]);
}

/* the unknown as bytes, or a run of it as one id */
static void
push_cut(const struct adds_pieces *p, struct adds_codepoints *ids, const struct cut *c, int *after_unknown)
{
	const int unknown = c->id == p->unknown;

	if (unknown && p->byte_fallback)
		push_bytes(p, ids, c->s, c->n);
	else if (!unknown || !*after_unknown)
		adds_codepoints_push(ids, c->id);
	*after_unknown = unknown;
}

/* ---- unigram ---- */

/* the best way to a byte of the text: its score, its last piece and where that begins (-1: no way yet); of the bytes
 * on the best way to the end, where the next piece ends */
struct way {
	float score;
	int32_t id;
	ptrdiff_t from;
	size_t to;
};

static void
offer(struct way *w, float score, int32_t id, size_t from)
{
	if (w->from < 0 || score > w->score)
		*w = (struct way){ .score = score, .id = id, .from = (ptrdiff_t)from };
}

/* Offers all pieces that begin at byte at, and what is unknown if none has exactly its one character. A user's piece
 * counts for more than any cut of its bytes. */
static void
extend(const struct adds_pieces *p, struct way *way, const char *s, size_t at, size_t n)
{
	const size_t one = adds_pieces_step(s + at, n - at);
	const float here = way[at].score;
	uint32_t h = ADDS_PIECES_HASH;
	int single = 0;
	float score;
	size_t len;
	int32_t id;

	for (len = 1; len <= n - at && len <= p->longest; len++) {
		h = adds_pieces_hash(h, s[at + len - 1]);
		if ((id = adds_pieces_find_hashed(p, s + at, len, h)) < 0 || p->piece[id].type == ADDS_PIECE_UNUSED)
			continue;
		score = p->piece[id].type == ADDS_PIECE_USER ? (float)(0.1 * (double)(len - 1)) : p->piece[id].score;
		offer(&way[at + len], score + here, id, at);
		single |= len == one;
	}
	if (!single)
		offer(&way[at + one], p->least - UNKNOWN_COST + here, p->unknown, at);
}

static int
unigram(const struct adds_pieces *p, struct adds_codepoints *ids, const char *s, size_t n)
{
	struct way *way = malloc((n + 1) * sizeof(*way));
	int after_unknown = 0;
	size_t i;

	if (!way)
		return -1;
	for (i = 0; i <= n; i++)
		way[i] = (struct way){ .from = -1 };
	for (i = 0; i < n; i += adds_pieces_step(s + i, n - i))
		extend(p, way, s, i, n);
	for (i = n; i > 0; i = (size_t)way[i].from)
		way[way[i].from].to = i;
	for (i = 0; i < n; i = way[i].to)
		push_cut(p, ids, &(struct cut){ s + i, way[i].to - i, way[way[i].to].id }, &after_unknown);
	free(way);
	return 0;
}

/* ---- byte-pair ---- */

/* a symbol: n 0 when it has become a part of the one before; prev, next: -1 at the ends */
struct symbol {
	const char *s;
	size_t n;
	ptrdiff_t prev, next;
	int frozen; /* a user's piece: never merged */
};

/* two neighbours that make a piece; stale, if they have not len bytes any more */
struct pair {
	float score;
	ptrdiff_t left, right;
	size_t len;
};

struct merging {
	const struct adds_pieces *p;
	struct symbol *symbol;
	struct pair *heap; /* the best one first */
	size_t pairs;
	uint16_t *left; /* [pieces], or NULL: of an unused piece, which is cut again in the end, the bytes of its left part */
	int failed;     /* 1: memory ran out */
};

static int
better(const struct pair *a, const struct pair *b)
{
	return a->score > b->score || (a->score == b->score && a->left < b->left);
}

static void
heap_push(struct merging *m, struct pair pair)
{
	size_t i = m->pairs++;

	for (; i > 0 && better(&pair, &m->heap[(i - 1) / 2]); i = (i - 1) / 2)
		m->heap[i] = m->heap[(i - 1) / 2];
	m->heap[i] = pair;
}

static struct pair
heap_pop(struct merging *m)
{
	const struct pair top = m->heap[0], last = m->heap[--m->pairs];
	size_t i = 0, child;

	while ((child = 2 * i + 1) < m->pairs) {
		child += child + 1 < m->pairs && better(&m->heap[child + 1], &m->heap[child]);
		if (!better(&m->heap[child], &last))
			break;
		m->heap[i] = m->heap[child];
		i = child;
	}
	m->heap[i] = last;
	return top;
}

static void
consider(struct merging *m, ptrdiff_t left, ptrdiff_t right)
{
	const struct symbol *a, *b;
	int32_t id;

	if (left < 0 || right < 0)
		return;
	a = &m->symbol[left];
	b = &m->symbol[right];
	if (a->frozen || b->frozen || (id = adds_pieces_find(m->p, a->s, a->n + b->n)) < 0)
		return;
	heap_push(m, (struct pair){ m->p->piece[id].score, left, right, a->n + b->n });
	if (m->p->piece[id].type != ADDS_PIECE_UNUSED)
		return;
	if (!m->left && !(m->left = calloc((size_t)m->p->n, sizeof(*m->left))))
		m->failed = 1;
	else
		m->left[id] = (uint16_t)a->n;
}

static void
merge(struct merging *m, const struct pair *pair)
{
	struct symbol *a = &m->symbol[pair->left], *b = &m->symbol[pair->right];

	if (!a->n || !b->n || a->n + b->n != pair->len)
		return;
	a->n = pair->len;
	a->next = b->next;
	if (b->next >= 0)
		m->symbol[b->next].prev = pair->left;
	b->n = 0;
	consider(m, a->prev, pair->left);
	consider(m, pair->left, a->next);
}

/* the symbols, each a character or a user's piece; their number */
static size_t
cut_symbols(struct merging *m, const char *s, size_t n)
{
	size_t k = 0, len;

	for (; n > 0; s += len, n -= len, k++) {
		len = adds_pieces_user(m->p, s, n);
		m->symbol[k] = (struct symbol){ s, len, (ptrdiff_t)k - 1, (ptrdiff_t)k + 1, len > 0 };
		if (!len)
			m->symbol[k].n = len = adds_pieces_step(s, n);
	}
	if (k)
		m->symbol[k - 1].next = -1;
	return k;
}

/* A symbol as ids: an unused piece as the two that it was last made of, and so on; each is shorter than the one before. */
static void
push_symbol(const struct merging *m, struct adds_codepoints *ids, const char *s, size_t n, int *after_unknown)
{
	const int32_t id = adds_pieces_find(m->p, s, n);
	const int used = id >= 0 && m->p->piece[id].type != ADDS_PIECE_UNUSED;
	const size_t left = id >= 0 && !used && m->left ? m->left[id] : 0;

	if (left == 0) {
		push_cut(m->p, ids, &(struct cut){ s, n, used ? id : m->p->unknown }, after_unknown);
		return;
	}
	push_symbol(m, ids, s, left, after_unknown);
	push_symbol(m, ids, s + left, n - left, after_unknown);
}

static int
byte_pair(const struct adds_pieces *p, struct adds_codepoints *ids, const char *s, size_t n)
{
	struct merging m = { .p = p };
	int after_unknown = 0;
	ptrdiff_t i;
	size_t k;

	/* a pair for each place between characters, two more for each merge */
	m.symbol = malloc(n * sizeof(*m.symbol));
	m.heap = malloc(3 * n * sizeof(*m.heap));
	m.failed = !m.symbol || !m.heap;
	if (!m.failed) {
		k = cut_symbols(&m, s, n);
		for (i = 1; i < (ptrdiff_t)k; i++)
			consider(&m, i - 1, i);
		while (m.pairs > 0) {
			const struct pair best = heap_pop(&m);

			merge(&m, &best);
		}
		for (i = 0; i >= 0; i = m.symbol[i].next)
			push_symbol(&m, ids, m.symbol[i].s, m.symbol[i].n, &after_unknown);
	}
	free(m.symbol);
	free(m.heap);
	free(m.left);
	return m.failed ? -1 : 0;
}

int
adds_pieces_encode(const struct adds_pieces *p, struct adds_codepoints *ids, const char *text, size_t n)
{
	if (n > 0 && (p->byte_pair ? byte_pair(p, ids, text, n) : unigram(p, ids, text, n)) < 0)
		return -1;
	return ids->failed ? -1 : 0;
}
