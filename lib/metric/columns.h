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

#include "../fail.h"

/* An unsigned number that is larger for a smaller score; -0 equals +0. And back. */
uint32_t adds_score_key(float score);
float adds_key_score(uint32_t key);

/* Sorts n entries (key << 1 | positive) by key, stably, with a as long as b;
 * the result is in whichever of the two is returned. */
uint64_t *adds_sort_keys(uint64_t *a, uint64_t *b, size_t n);

struct adds_column {
	int64_t label;
	size_t known, positives;
	const uint64_t *key; /* [known]: key << 1 | positive, scores falling, ties in the order of pictures */
};

typedef void adds_column_fn(void *ctx, const struct adds_column *c);

/* Calls fn for each of L columns of scores [n, L], known cells only (targets
 * [n, L]: 1, 0, −1 unknown), from several threads, each label once. */
int adds_columns_each(const float *scores, const int8_t *targets, int64_t n, int64_t L, int threads, adds_column_fn *fn,
                      void *ctx, struct adds_error *err);

#endif
