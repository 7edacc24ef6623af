/* SPDX-License-Identifier: MIT
 * table.c - entries of a table, by key; from a table's names to a vocabulary */
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <xxhash.h>

#include "hierarchy.h"
#include "table.h"

enum { MAX_ENTRIES = 1 << 28 };

static int
no_memory(const struct adds_table *t, struct adds_error *err)
{
	return adds_fail(err, ADDS_ENOMEM, "out of memory for '%s'", t->path);
}

void
adds_table_free(struct adds_table *t)
{
	size_t i;

	if (!t)
		return;
	for (i = 0; i < t->n; i++) {
		free((char *)t->entry[i].key);
		free(t->entry[i].pos.item);
		free(t->entry[i].neg.item);
	}
	free(t->entry);
	free(t->slot);
	free(t->first);
	free(t->row);
	adds_vocab_free(t->names);
	free(t);
}

struct adds_table_entry *
adds_table_add(struct adds_table *t, struct adds_error *err)
{
	struct adds_table_entry *more;
	size_t room;

	if (t->n == t->room) {
		room = t->room ? 2 * t->room : 256;
		if (room > MAX_ENTRIES || !(more = realloc(t->entry, room * sizeof(*more)))) {
			no_memory(t, err);
			return NULL;
		}
		t->entry = more;
		t->room = room;
	}
	t->entry[t->n] = (struct adds_table_entry){ 0 };
	return &t->entry[t->n++];
}

/* the slot of a key, or the empty one where it would be */
static size_t
find_slot(const struct adds_table *t, const char *key, size_t len)
{
	size_t i = (size_t)XXH3_64bits(key, len) & (t->slots - 1);
	const struct adds_table_entry *e;

	for (; t->slot[i]; i = (i + 1) & (t->slots - 1)) {
		e = &t->entry[t->slot[i] - 1];
		if (e->key_len == len && memcmp(e->key, key, len) == 0)
			break;
	}
	return i;
}

static struct adds_table_entry *
look_up(const struct adds_table *t, const char *key, size_t len)
{
	const uint32_t number = t->slots ? t->slot[find_slot(t, key, len)] : 0;

	return number ? &t->entry[number - 1] : NULL;
}

static int
grow_slots(struct adds_table *t, struct adds_error *err)
{
	const size_t slots = t->slots ? 2 * t->slots : 1024;
	uint32_t *slot = calloc(slots, sizeof(*slot));
	size_t i;

	if (!slot)
		return no_memory(t, err);
	free(t->slot);
	t->slot = slot;
	t->slots = slots;
	for (i = 0; i < t->n; i++)
		if (t->entry[i].key)
			t->slot[find_slot(t, t->entry[i].key, t->entry[i].key_len)] = (uint32_t)i + 1;
	return 0;
}

int
adds_table_name(struct adds_table *t, size_t i, const char *key, size_t len, struct adds_error *err)
{
	char *copy;
	int rc;

	while (len > 2 && key[0] == '.' && key[1] == '/') {
		key += 2;
		len -= 2;
	}
	if (len == 0 || len > 4096)
		return adds_fail(err, ADDS_EFORMAT, "a file name of %zu bytes", len);
	if (2 * (t->n + 1) > t->slots && (rc = grow_slots(t, err)) < 0)
		return rc;
	if (t->slot[find_slot(t, key, len)])
		return adds_fail(err, ADDS_EFORMAT, "'%s': '%.*s' stands twice", t->path, (int)len, key);
	if (!(copy = malloc(len + 1)))
		return no_memory(t, err);
	memcpy(copy, key, len);
	copy[len] = '\0';
	t->entry[i].key = copy;
	t->entry[i].key_len = (uint32_t)len;
	t->slot[find_slot(t, key, len)] = (uint32_t)i + 1;
	return 0;
}

struct adds_table_entry *
adds_table_entry(struct adds_table *t, const char *key, size_t len, struct adds_error *err)
{
	struct adds_table_entry *e = look_up(t, key, len);

	if (e)
		return e;
	if (!adds_table_add(t, err) || adds_table_name(t, t->n - 1, key, len, err) < 0)
		return NULL;
	return &t->entry[t->n - 1];
}

int
adds_table_row(struct adds_table *t, const char *name, size_t len, uint64_t place, int32_t *row, struct adds_error *err)
{
	const int64_t r = adds_vocab_add(t->names, name, len, err);
	uint64_t *more;
	size_t room;

	if (r < 0)
		return (int)r;
	*row = (int32_t)r;
	if (t->first_room < t->names->n) {
		room = t->first_room ? 2 * t->first_room : 256;
		if (!(more = realloc(t->first, room * sizeof(*more))))
			return no_memory(t, err);
		memset(more + t->first_room, 0xff, (room - t->first_room) * sizeof(*more));
		t->first = more;
		t->first_room = room;
	}
	if (place < t->first[r])
		t->first[r] = place;
	return 0;
}

int
adds_table_mention(struct adds_mentions *m, int32_t row, struct adds_error *err)
{
	size_t i;
	int32_t rc;

	for (i = 0; i < m->n; i++)
		if (m->item[i].row == row && m->item[i].up < 0)
			return 0;
	rc = adds_mention_add(m, row, -1, err);
	return rc < 0 ? rc : 0;
}

static int
ends_in(const char *path, const char *extension)
{
	const size_t n = strlen(path), k = strlen(extension);

	return n > k && strcasecmp(path + n - k, extension) == 0;
}

static int
read_form(struct adds_table *t, int supercategories, struct adds_error *err)
{
	if (ends_in(t->path, ".jsonl") || ends_in(t->path, ".ndjson"))
		return adds_table_jsonl(t, err);
	if (ends_in(t->path, ".csv") || ends_in(t->path, ".tsv"))
		return adds_table_csv(t, err);
	if (ends_in(t->path, ".json"))
		return adds_table_coco(t, supercategories, err);
	return adds_fail(err, ADDS_EARG, "'%s': a table of labels is named .json (COCO), .jsonl, .ndjson, .csv or .tsv",
	                 t->path);
}

struct adds_table *
adds_table_read(const char *path, int supercategories, struct adds_error *err)
{
	struct adds_table *t = calloc(1, sizeof(*t));

	if (!t || !(t->names = adds_vocab_new())) {
		free(t);
		adds_fail(err, ADDS_ENOMEM, "out of memory for '%s'", path);
		return NULL;
	}
	t->path = path;
	if (read_form(t, supercategories, err) < 0) {
		adds_table_free(t);
		return NULL;
	}
	return t;
}

int
adds_table_bind(struct adds_table *t, size_t labels, adds_row_of *row_of, void *arg, struct adds_error *err)
{
	const size_t n = t->names->n;
	size_t i, known = 0;

	free(t->row);
	if (!(t->row = malloc((n + 1) * sizeof(*t->row))))
		return no_memory(t, err);
	for (i = 0; i < n; i++) {
		if (row_of(arg, t->names->label[i].name, t->names->label[i].len, &t->row[i], err) < 0)
			return adds_fail_in(err, "'%s' %s %llu", t->path, t->by_line ? "line" : "byte",
			                    (unsigned long long)t->first[i]);
		known += t->row[i] >= 0;
	}
	t->covers = known == labels;
	return 0;
}

/* path without the folder of the table, or NULL where it lies elsewhere */
static const char *
beside(const struct adds_table *t, const char *path)
{
	const char *slash = strrchr(t->path, '/');
	const size_t n = slash ? (size_t)(slash + 1 - t->path) : 0;

	return strncmp(path, t->path, n) == 0 ? path + n : NULL;
}

struct adds_table_entry *
adds_table_find(const struct adds_table *t, const char *path, const char *relative)
{
	const char *const near = beside(t, path), *const slash = strrchr(path, '/');
	const char *const last = slash ? slash + 1 : path, *const dot = strrchr(last, '.');
	struct adds_table_entry *e = NULL;

	if (near)
		e = look_up(t, near, strlen(near));
	if (!e)
		e = look_up(t, relative, strlen(relative));
	if (!e)
		e = look_up(t, path, strlen(path));
	if (!e)
		e = look_up(t, last, strlen(last));
	if (!e && dot)
		e = look_up(t, last, (size_t)(dot - last));
	return e && e->labelled ? e : NULL;
}

static int
copy_mentions(struct adds_mentions *to, const struct adds_mentions *from, const int32_t *row, struct adds_error *err)
{
	size_t i;
	int32_t rc;

	for (i = 0; i < from->n; i++)
		if ((rc = adds_mention_add(to, row[from->item[i].row], from->item[i].up, err)) < 0)
			return rc;
	return 0;
}

/* Negatives by name: all of the table's that are not in pos (which ascends: it was
 * read column by column). */
static int
the_others(struct adds_statement *s, const struct adds_table *t, const struct adds_table_entry *e,
           struct adds_error *err)
{
	size_t i, at = 0;
	int32_t rc;

	s->has_neg = 1;
	for (i = 0; i < t->names->n; i++) {
		if (at < e->pos.n && (size_t)e->pos.item[at].row == i)
			at++;
		else if ((rc = adds_mention_add(&s->neg, t->row[i], -1, err)) < 0)
			return rc;
	}
	return 0;
}

int
adds_table_statement(struct adds_statement *s, const struct adds_table *t, const struct adds_table_entry *e,
                     struct adds_error *err)
{
	int rc;

	adds_statement_clear(s);
	s->has_pos = 1;
	s->has_neg = e->has_neg;
	if ((rc = copy_mentions(&s->pos, &e->pos, t->row, err)) < 0)
		return rc;
	if (e->complete && t->covers)
		s->complete = 1;
	else if (e->complete)
		return the_others(s, t, e, err);
	return copy_mentions(&s->neg, &e->neg, t->row, err);
}
