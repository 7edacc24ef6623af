/* SPDX-License-Identifier: MIT
 * table.c - any bytes as a label file of many pictures, COCO, JSON Lines or CSV, or as a vocabulary, by the first byte. What is
 * taken gives statements whose rows are of the vocabulary, and a vocabulary without a name that stands twice. */
#include "../../lib/label/table.h"
#include "file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int
row_of(void *arg, const char *name, size_t len, int32_t *row, struct adds_error *err)
{
	(void)err;
	*row = (int32_t)adds_vocab_find(arg, name, len);
	return 0;
}

static void
check_rows(const struct adds_mentions *m, size_t labels)
{
	size_t i;

	for (i = 0; i < m->n; i++)
		if (m->item[i].row < -1 || m->item[i].row >= (int64_t)labels)
			abort();
}

static void
check_vocabulary(const struct adds_vocab *v)
{
	const size_t n = adds_vocab_size(v);
	const int32_t *parents;
	size_t i, k;

	for (i = 0; i < n; i++) {
		const char *name = adds_vocab_name(v, i);

		if (adds_vocab_find(v, name, strlen(name)) != (int64_t)i)
			abort();
		for (k = adds_vocab_parents(v, (int32_t)i, &parents); k; k--)
			if (parents[k - 1] < 0 || (size_t)parents[k - 1] >= n)
				abort();
	}
}

static void
read_table(const char *path, int supercategories)
{
	struct adds_error err;
	struct adds_table *t = adds_table_read(path, supercategories, &err);
	struct adds_statement s = { 0 };
	size_t i;

	if (!t)
		return;
	check_vocabulary(t->names);
	if (adds_table_bind(t, adds_vocab_size(t->names), row_of, t->names, &err) < 0)
		abort();
	for (i = 0; i < t->n; i++) {
		if (adds_table_statement(&s, t, &t->entry[i], &err) == 0) {
			check_rows(&s.pos, adds_vocab_size(t->names));
			check_rows(&s.neg, adds_vocab_size(t->names));
		}
	}
	adds_table_find(t, "folder/a.jpg", "a.jpg");
	adds_statement_release(&s);
	adds_table_free(t);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[] = { "t.json", "t.jsonl", "t.csv", "t.tsv", "vocabulary" };
	const int form = size ? data[0] % 5 : 0;
	struct adds_vocab *v;
	struct adds_error err;
	const char *path;

	if (!size)
		return 0;
	path = file_of(names[form], data + 1, size - 1);
	if (form < 4) {
		read_table(path, data[0] >= 128);
	} else if ((v = adds_vocab_read(path, &err))) {
		check_vocabulary(v);
		adds_vocab_free(v);
	}
	return 0;
}
