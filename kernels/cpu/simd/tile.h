/* SPDX-License-Identifier: MIT
 *
 * tile.h - the inner loops of matrix products, for every form of factors. Rows
 * of A and panels of B are words of 32 bits: one f32, two bf16, four bytes. The
 * file that includes this has defined
 *
 *	TILE   rows of C that are summed at once
 *	sums   the type of a vector of C
 *	add    a function: s + the products of a vector of words of B and one word
 *	       of A in all places
 *
 * or, in place of add, OWN_COLUMNS and a function add_columns. Every element of C is a
 * chain of additions over ascending words, so that its bits depend on its row
 * of A and its column of B alone.
 */
#ifndef TILE_H
#define TILE_H

#include "simd.h"

enum {
	LINE = 16,                         /* words of a cache line */
	PACE = 48 * LINE / (TILE * PANEL), /* words of a row for each line that is fetched ahead: 48 rows fetch a panel */
};

INLINE vu
load_words(const uint32_t *p)
{
	vu v;

	memcpy(&v, p, sizeof(v));
	return v;
}

INLINE vu
splat_word(const uint32_t *p)
{
	uint32_t w;

	memcpy(&w, p, sizeof(w));
#if VL == 16
	return (vu)_mm512_set1_epi32((int)w);
#elif VL == 8
	return (vu)_mm256_set1_epi32((int)w);
#else
	return (vu){ w, w, w, w };
#endif
}

/* sums to C, or added to what it holds */
INLINE void
put_sums(uint32_t *c, sums s, int first)
{
	sums old;

	if (!first) {
		memcpy(&old, c, sizeof(old));
		s = old + s;
	}
	memcpy(c, &s, sizeof(s));
}

/* s += columns l … end-1 of A by rows of the panel */
INLINE void add_columns(const int R, const int packed, sums (*s)[2], const uint32_t *a, int64_t lda, const uint32_t *panel,
                        int64_t l, int64_t end);

#ifndef OWN_COLUMNS
INLINE void
add_columns(const int R, const int packed, sums (*s)[2], const uint32_t *a, int64_t lda,
            const uint32_t *panel, int64_t l, int64_t end)
{
	int i;

	for (; l < end; l++) {
		const vu b0 = load_words(panel + l * PANEL), b1 = load_words(panel + l * PANEL + VL);

#pragma GCC unroll 12
		for (i = 0; i < R; i++) {
			const vu x = splat_word(packed ? a + l * R + i : a + i * lda + l);

			s[i][0] = add(s[i][0], b0, x);
			s[i][1] = add(s[i][1], b1, x);
		}
	}
}
#endif

/* A row by row, lda apart, or (packed) column by column, R apart */
INLINE void
tile_of(const int R, const int packed, uint32_t *c, int64_t ldc, const uint32_t *a, int64_t lda, const uint32_t *panel, int64_t k,
        int first, const uint32_t *soon)
{
	sums s[TILE][2];
	int64_t l;
	int i;

#pragma GCC unroll 12
	for (i = 0; i < R; i++)
		s[i][0] = s[i][1] = (sums){ 0 };
	for (l = 0; l + PACE <= k; l += PACE, soon += LINE) {
		__builtin_prefetch(soon, 0, 2);
		add_columns(R, packed, s, a, lda, panel, l, l + PACE);
	}
	add_columns(R, packed, s, a, lda, panel, l, k);
#pragma GCC unroll 12
	for (i = 0; i < R; i++) {
		put_sums(c + i * ldc, s[i][0], first);
		put_sums(c + i * ldc + VL, s[i][1], first);
	}
}

/* Rows of the next tile: at the end none of one to three rows where four or five can be had, because too few sums
 * under way leave the multipliers waiting. */
INLINE int64_t
tile_rows(int64_t rows)
{
	static const int8_t last[14] = { 0, 1, 2, 3, 4, 5, 6, 4, 4, 5, 6, 6, 6, 5 };

	if (TILE < 6)
		return min_i64(TILE, rows);
	if (TILE > 6 && (rows == TILE || rows > TILE + 3))
		return TILE;
	return rows < 14 ? last[rows] : 6;
}

INLINE void
tiles(const int packed, uint32_t *c, int64_t ldc, const uint32_t *a, int64_t lda, const uint32_t *panel, int64_t k, int64_t rows,
      int first, const uint32_t *soon)
{
	const uint32_t *end = soon + k * PANEL;

	while (rows) {
		const int64_t n = tile_rows(rows);

		switch (n) {
		case TILE:
			tile_of(TILE, packed, c, ldc, a, lda, panel, k, first, soon);
			break;
#if TILE > 6
		case 6:
			tile_of(6, packed, c, ldc, a, lda, panel, k, first, soon);
			break;
#endif
#if TILE > 5
		case 5:
			tile_of(5, packed, c, ldc, a, lda, panel, k, first, soon);
			break;
		case 4:
			tile_of(4, packed, c, ldc, a, lda, panel, k, first, soon);
			break;
		case 3:
			tile_of(3, packed, c, ldc, a, lda, panel, k, first, soon);
			break;
#endif
		case 2:
			tile_of(2, packed, c, ldc, a, lda, panel, k, first, soon);
			break;
		default:
			tile_of(1, packed, c, ldc, a, lda, panel, k, first, soon);
		}
		soon += k / PACE * LINE;
		soon = soon < end ? soon : panel; /* all of it is on its way */
		rows -= n;
		c += n * ldc;
		a += n * (packed ? k : lda);
	}
}

#endif
