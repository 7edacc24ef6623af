/* SPDX-License-Identifier: MIT
 * tags.c - which labels a picture gets */
#include <stdlib.h>
#include <string.h>

#include "../metric/columns.h"
#include "tags.h"

static int
by_number(const void *a, const void *b)
{
	const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

/* sort key of a label: falling score, then row */
static int64_t
rank(const float *scores, int64_t row)
{
	return (int64_t)adds_score_key(scores[row]) * ((int64_t)1 << 31) + row;
}

static int32_t
row_of(int64_t key)
{
	return (int32_t)(key & 0x7fffffff);
}

/* how many of the sorted labels lie above the largest gap (Largeron et al. 2012) */
static int64_t
above_gap(const int64_t *sorted, int64_t n, const float *scores)
{
	float best = -1;
	int64_t i, count = n;

	for (i = 0; i + 1 < n; i++) {
		const float gap = scores[row_of(sorted[i])] - scores[row_of(sorted[i + 1])];

		if (gap > best) {
			best = gap;
			count = i + 1;
		}
	}
	return count;
}

/* adds the parents of n picked rows and sorts anew */
static int64_t
with_parents(int32_t *rows, int64_t *room, int64_t n, const float *scores, const struct adds_vocab *labels,
             const struct adds_tag_rule *rule)
{
	int64_t i, kept = 0, all;

	for (i = 0; i < n; i++)
		room[i] = rows[i];
	qsort(room, (size_t)n, sizeof(*room), by_number);
	for (i = 0; i < n; i++)
		rows[i] = (int32_t)room[i];
	all = (int64_t)adds_vocab_close(labels, rows, (size_t)n);
	for (i = 0; i < all; i++)
		if (!rule->excluded || !rule->excluded[rows[i]])
			room[kept++] = rank(scores, rows[i]);
	qsort(room, (size_t)kept, sizeof(*room), by_number);
	for (i = 0; i < kept; i++)
		rows[i] = row_of(room[i]);
	return kept;
}

int64_t
adds_tags_pick(int32_t *rows, int64_t *room, const float *scores, const struct adds_vocab *labels,
               const struct adds_tag_rule *rule)
{
	const int64_t L = (int64_t)adds_vocab_size(labels);
	int64_t i, n = 0, picked = 0;

	for (i = 0; i < L; i++)
		if (!rule->excluded || !rule->excluded[i])
			room[n++] = rank(scores, i);
	qsort(room, (size_t)n, sizeof(*room), by_number);
	if (rule->mcut)
		n = above_gap(room, n, scores);
	if (rule->top && n > rule->top && !rule->cut)
		n = rule->top;
	for (i = 0; i < n && (!rule->top || picked < rule->top); i++) {
		const int32_t row = row_of(room[i]);

		if (!rule->cut || scores[row] >= rule->cut[row])
			rows[picked++] = row;
	}
	return rule->parents ? with_parents(rows, room, picked, scores, labels, rule) : picked;
}
