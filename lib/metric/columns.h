/* SPDX-License-Identifier: MIT
 *
 * columns.h - the columns of a score matrix, each sorted by falling score.
 * Metrics and thresholds are both read off such columns.
 *
 * Knows: fail.h.
 */
#ifndef ADDS_COLUMNS_H
#define ADDS_COLUMNS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "../fail.h"

/* An unsigned number that is larger for a smaller score; -0 equals +0. */
static inline uint32_t
adds_score_key(float score)
{
	uint32_t u;

	if (score == 0)
		score = 0;
	memcpy(&u, &score, sizeof(u));
	return u & 0x80000000u ? u : ~u & 0x7fffffffu;
}

/* And back. */
static inline float
adds_key_score(uint32_t key)
{
	const uint32_t u = key & 0x80000000u ? key : ~key & 0x7fffffffu;
	float score;

	memcpy(&score, &u, sizeof(score));
	return score;
}

/* The smallest magnitude that is not 0 (0 where all are) and the largest, of scores as for adds_columns_each. */
void adds_magnitudes(float *least, float *most, const float *scores, int64_t n, int64_t L, int64_t stride, int threads);

/* Scores as numbers of 31 bits in the order of adds_score_key, by leaving out what lies between zero and the
 * smallest magnitude, and above the largest. Where that is not enough they are places among the column's own. */
struct adds_narrow {
	uint32_t least;     /* bits of the smallest magnitude that is not 0, less 1 */
	uint32_t most;      /* bits of the largest, less `least` */
	const float *table; /* NULL, or the scores of one column, falling, whose places are the numbers */
};

struct adds_column {
	int64_t label;
	size_t known, positives;
	const uint32_t *key; /* [known]: key << 1 | positive, scores falling, ties in the order of pictures */
	struct adds_narrow narrow;
};

/* The score of an entry of key[]. */
static inline float
adds_column_score(const struct adds_column *c, uint32_t entry)
{
	const uint32_t key = entry >> 1, most = c->narrow.most;
	const uint32_t size = key < most ? most - key : key - most, u = size ? size + c->narrow.least : 0;
	float score;

	if (c->narrow.table)
		return c->narrow.table[key];
	memcpy(&score, &u, sizeof(score));
	return key > most ? -score : score;
}

typedef void adds_column_fn(void *ctx, const struct adds_column *c);

/* Calls fn for each of L columns of scores [n, L], whose rows are `stride` apart, known cells only (targets, the
 * same: 1, 0, −1 unknown), from several threads, each label once. A thread needs 18·n·4 bytes. */
int adds_columns_each(const float *scores, const int8_t *targets, int64_t n, int64_t L, int64_t stride, int threads,
                      adds_column_fn *fn, void *ctx, struct adds_error *err);

#endif
