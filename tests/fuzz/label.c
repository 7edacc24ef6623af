/* SPDX-License-Identifier: MIT
 * label.c - label files of any bytes: JSON with its nesting, vector and negatives,
 * and tag files. What is taken must give targets that are sorted, closed under
 * parents and free of contradictions. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/label/hierarchy.h"
#include "../../lib/label/statement.h"

static const char *const names[] = { "animal", "cat", "dog", "oak", "poodle", "sky", "tree", "wood" };

/* animal > dog > poodle, animal > cat; tree > wood > oak, and wood by itself */
static struct adds_vocab *
make_vocabulary(void)
{
	struct adds_vocab *v = adds_vocab_new();
	int32_t place[8];
	size_t i;

	for (i = 0; i < 8; i++)
		if (!v || adds_vocab_add(v, names[i], strlen(names[i]), NULL) != (int64_t)i)
			abort();
	place[0] = adds_vocab_place(v, 0, -1, NULL);
	place[6] = adds_vocab_place(v, 6, -1, NULL);
	adds_vocab_place(v, 5, -1, NULL);
	adds_vocab_place(v, 1, place[0], NULL);
	place[2] = adds_vocab_place(v, 2, place[0], NULL);
	adds_vocab_place(v, 4, place[2], NULL);
	place[7] = adds_vocab_place(v, 7, place[6], NULL);
	adds_vocab_place(v, 3, place[7], NULL);
	adds_vocab_place(v, 7, -1, NULL);
	if (adds_vocab_settle(v, NULL) < 0)
		abort();
	return v;
}

static int
row_of(void *arg, const char *name, size_t len, int32_t *row, struct adds_error *err)
{
	len = adds_trim(&name, len);
	*row = (int32_t)adds_vocab_find(arg, name, len);
	return len && memcmp(name, "!", 1) == 0 ? adds_fail(err, ADDS_EFORMAT, "no") : 0;
}

static void
check(const struct adds_vocab *v, const int32_t *set, size_t n)
{
	const int32_t *parents;
	size_t i, j, k;

	for (i = 0; i < n; i++) {
		if (set[i] < 0 || set[i] > 7 || (i && set[i] <= set[i - 1]))
			abort();
		k = adds_vocab_parents(v, set[i], &parents);
		for (j = 0; j < k; j++)
			if (!adds_set_has(set, n, parents[j]))
				abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct adds_vocab *v = make_vocabulary();
	struct adds_statement_reader r = { .row_of = row_of, .arg = v };
	struct adds_statement s = { 0 };
	struct adds_targets g = { 0 };
	char *text = malloc(size + 1);
	int way;
	size_t i;

	if (!text)
		abort();
	if (size)
		memcpy(text, data, size);
	for (way = 0; way < 2; way++) {
		if ((way ? adds_statement_text(&s, &r, v, "x", text, size, NULL)
		         : adds_statement_json(&s, &r, "x", text, size, NULL)) < 0 ||
		    adds_targets_of(&g, v, &s, NULL, 8, "x", NULL) < 0)
			continue;
		check(v, g.pos, g.npos);
		for (i = 0; i < g.nneg; i++)
			if (adds_set_has(g.pos, g.npos, g.neg[i]))
				abort();
	}
	free(text);
	adds_targets_release(&g);
	adds_statement_release(&s);
	adds_statement_reader_release(&r);
	adds_vocab_free(v);
	return 0;
}
