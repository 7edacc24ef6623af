/* SPDX-License-Identifier: MIT
 * targets.c - from tags to rows: parents, verified negatives, vectors */
#include <stdlib.h>
#include <string.h>

#include "hierarchy.h"
#include "statement.h"

void
adds_targets_release(struct adds_targets *g)
{
	free(g->pos);
	free(g->neg);
	memset(g, 0, sizeof(*g));
}

static int
make_room(struct adds_targets *g, size_t n, struct adds_error *err)
{
	if (g->pos && g->room >= n)
		return 0;
	adds_targets_release(g);
	g->pos = malloc((n + 1) * sizeof(*g->pos));
	g->neg = malloc((n + 1) * sizeof(*g->neg));
	if (!g->pos || !g->neg) {
		adds_targets_release(g);
		return adds_fail(err, ADDS_ENOMEM, "out of memory for %zu labels", n);
	}
	g->room = n;
	return 0;
}

/* the rows of all mentions, each once */
static size_t
rows_of(int32_t *set, const struct adds_mentions *m)
{
	size_t i, n = 0;

	for (i = 0; i < m->n; i++)
		if (m->item[i].row >= 0)
			n = adds_set_add(set, n, m->item[i].row);
	return n;
}

/* what a mention implies by its nesting: needed only for names with several places */
static size_t
imply_nested(const struct adds_vocab *v, const struct adds_mentions *m, size_t i, int32_t *set, size_t n)
{
	int32_t chain[ADDS_PULL_DEPTH + 1];
	size_t at = ADDS_PULL_DEPTH + 1;
	int32_t j;

	for (j = (int32_t)i; j >= 0 && at; j = m->item[j].up)
		if (m->item[j].row >= 0)
			chain[--at] = m->item[j].row;
	return adds_vocab_imply_chain(v, chain + at, ADDS_PULL_DEPTH + 1 - at, set, n);
}

static size_t
with_parents(const struct adds_vocab *v, const struct adds_mentions *m, int32_t *set, size_t n)
{
	size_t i;

	for (i = 0; i < m->n; i++) {
		const int32_t row = m->item[i].row;

		if (row >= 0 && v->label[row].place >= 0 && v->place[v->label[row].place].next >= 0)
			n = imply_nested(v, m, i, set, n);
	}
	return adds_vocab_close(v, set, n);
}

/* Whoever implies a label that does not hold does not hold either. Rows are
 * passed until nothing is new: at most once for each level. */
static size_t
with_children(const struct adds_vocab *v, int32_t *set, size_t n)
{
	size_t before, i, j;

	if (n == 0)
		return n;
	do {
		before = n;
		for (i = 0; i < v->n; i++)
			for (j = 0; j < v->label[i].nparents; j++)
				if (adds_set_has(set, n, v->label[i].parents[j]))
					n = adds_set_add(set, n, (int32_t)i);
	} while (n > before);
	return n;
}

static int
check_conflicts(const struct adds_targets *g, const struct adds_vocab *v, const char *name, struct adds_error *err)
{
	size_t i;

	for (i = 0; i < g->nneg; i++)
		if (adds_set_has(g->pos, g->npos, g->neg[i]))
			return adds_fail(
				err, ADDS_EFORMAT,
				"'%s': '%s' is both a tag and a negative, by itself or through its parents",
				name, v->label[g->neg[i]].name);
	return 0;
}

static int32_t
row_at(const int32_t *order, size_t i)
{
	return order ? order[i] : (int32_t)i;
}

/* The vector against the tags by word: no tag of the file may be 0 (said), and
 * nothing may be 1 that is no tag and not implied by one (pos). */
static int
check_vector(const struct adds_targets *g, const struct adds_vocab *v, const struct adds_statement *t, const int32_t *order,
             const int32_t *said, size_t nsaid, const char *name, struct adds_error *err)
{
	size_t i;

	for (i = 0; i < t->nvector; i++) {
		const int32_t row = row_at(order, i);

		if (t->vector[i] && !adds_set_has(g->pos, g->npos, row))
			return adds_fail(
				err, ADDS_EFORMAT,
				"'%s' $.encoded_labels[%zu] is 1, but '%s' is none of the file's tags",
				name, i, v->label[row].name);
		if (!t->vector[i] && adds_set_has(said, nsaid, row))
			return adds_fail(err, ADDS_EFORMAT, "'%s' $.encoded_labels[%zu] is 0, but '%s' is one of the file's tags",
			                 name, i, v->label[row].name);
	}
	return 0;
}

static size_t
rows_of_vector(int32_t *set, const struct adds_statement *t, const int32_t *order)
{
	size_t i, n = 0;

	for (i = 0; i < t->nvector; i++)
		if (t->vector[i])
			n = adds_set_add(set, n, row_at(order, i));
	return n;
}

static int
positives(struct adds_targets *g, const struct adds_vocab *v, const struct adds_statement *t, const int32_t *order,
          const char *name, struct adds_error *err)
{
	size_t nsaid;

	if (t->has_vector && !t->has_pos) {
		g->npos = adds_vocab_close(v, g->pos, rows_of_vector(g->pos, t, order));
		return 0;
	}
	g->npos = rows_of(g->pos, &t->pos);
	nsaid = g->npos;
	if (t->has_vector)
		memcpy(g->neg, g->pos, nsaid * sizeof(*g->pos));
	g->npos = with_parents(v, &t->pos, g->pos, g->npos);
	return t->has_vector ? check_vector(g, v, t, order, g->neg, nsaid, name, err) : 0;
}

int
adds_targets_of(struct adds_targets *g, const struct adds_vocab *v, const struct adds_statement *t, const int32_t *order,
                size_t norder, const char *name, struct adds_error *err)
{
	int rc;

	if ((rc = make_room(g, v->n, err)) < 0)
		return rc;
	if (t->has_vector && t->nvector != norder)
		return adds_fail(err, ADDS_EFORMAT,
		                 "'%s' $.encoded_labels has %zu %s, but the vocabulary %zu %s",
		                 name, t->nvector, ADDS_PLURAL(t->nvector, "value", "values"),
		                 norder, ADDS_PLURAL(norder, "label", "labels"));
	if ((rc = positives(g, v, t, order, name, err)) < 0)
		return rc;
	g->has_neg = t->has_neg;
	g->nneg = t->has_neg ? with_children(v, g->neg, rows_of(g->neg, &t->neg)) : 0;
	return check_conflicts(g, v, name, err);
}
