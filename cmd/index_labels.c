/* SPDX-License-Identifier: MIT
 * index_labels.c - the vocabulary, and the labels of one picture after the other */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../lib/label/hierarchy.h"
#include "index.h"

#define MAX_LABEL_FILE ((size_t)16 << 20)

static const char TAGS[] = "organized_Tags.json";

/* FOLDER/NAME, or FOLDER/../NAME: the caller frees it */
static char *
in_folder(const char *folder, const char *above, const char *name)
{
	const size_t n = strlen(folder) + strlen(above) + strlen(name) + 2;
	char *path = cmd_alloc(n, 1);

	snprintf(path, n, "%s%s%s%s", folder, folder[strlen(folder) - 1] == '/' ? "" : "/", above, name);
	return path;
}

static int
is_folder(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* the vocabulary of a folder: in it, or in the one above */
static char *
find_tags(const char *folder)
{
	char *path;

	if (!is_folder(folder))
		return NULL;
	path = in_folder(folder, "", TAGS);
	if (access(path, F_OK) == 0)
		return path;
	free(path);
	path = in_folder(folder, "../", TAGS);
	if (access(path, F_OK) == 0)
		return path;
	free(path);
	return NULL;
}

/* Two folders may each have a vocabulary if it is the same. */
static void
check_same(const struct adds_vocab *v, const char *one, const char *two)
{
	struct adds_error err;
	struct adds_vocab *other = adds_vocab_read(two, &err);
	char a[65], b[65];

	if (!other)
		die("%s", err.msg);
	if (adds_vocab_hash(v, a, &err) < 0 || adds_vocab_hash(other, b, &err) < 0)
		die("%s", err.msg);
	adds_vocab_free(other);
	if (strcmp(a, b) != 0)
		die("'%s' and '%s' name different labels: say which with --tags", one, two);
}

static const struct adds_vocab *sorted_by;

static int
by_label(const void *a, const void *b)
{
	return strcmp(adds_vocab_name(sorted_by, (size_t) * (const int32_t *)a),
	              adds_vocab_name(sorted_by, (size_t) * (const int32_t *)b));
}

static void
read_vocabulary(struct index_labels *l, const char *path)
{
	struct adds_error err;
	size_t i;

	if (!(l->v = adds_vocab_read(path, &err)))
		die("%s", err.msg);
	l->origin = path;
	l->base = adds_vocab_size(l->v);
	l->order = cmd_alloc(l->base, sizeof(*l->order));
	for (i = 0; i < l->base; i++)
		l->order[i] = (int32_t)i;
	sorted_by = l->v;
	qsort(l->order, l->base, sizeof(*l->order), by_label);
	say("%zu %s in '%s'", l->base, ADDS_PLURAL(l->base, "label", "labels"), path);
}

int
index_vocabulary(struct index_labels *l, const char *tags, const char *const *argument, size_t n)
{
	char *path;
	size_t i;

	if (tags) {
		read_vocabulary(l, tags);
		return 1;
	}
	for (i = 0; i < n; i++) {
		if (!(path = find_tags(argument[i])))
			continue;
		if (!l->v) {
			read_vocabulary(l, path);
			continue;
		}
		check_same(l->v, l->origin, path);
		free(path);
	}
	if (l->v)
		return 1;
	if (!(l->v = adds_vocab_new()))
		die("out of memory");
	return 0;
}

static void
add_table(struct index_labels *l, const char *path)
{
	struct adds_error err;
	struct adds_table *t = adds_table_read(path, l->supercategories, &err);

	if (!t)
		die("%s", err.msg);
	say("'%s': pictures: %zu, labels: %zu", path, t->n, adds_vocab_size(t->names));
	l->table = realloc(l->table, (l->tables + 1) * sizeof(*l->table));
	if (!l->table)
		die("out of memory");
	l->table[l->tables++] = t;
}

void
index_tables(struct index_labels *l, const struct opt_list *tables, const char *const *argument, size_t n)
{
	char *path;
	size_t i;

	for (i = 0; i < tables->n; i++)
		add_table(l, tables->item[i]);
	for (i = 0; i < n && !tables->n; i++) {
		if (!is_folder(argument[i]))
			continue;
		path = in_folder(argument[i], "", "metadata.jsonl");
		if (access(path, F_OK) == 0)
			add_table(l, path);
		else
			free(path);
	}
}

/* Unknown names with --on-unknown stop, skip or (in the first pass) add. */
static int
row_of(void *arg, const char *name, size_t len, int32_t *row, struct adds_error *err)
{
	struct index_labeller *r = arg;
	int64_t found;

	len = adds_trim(&name, len);
	found = adds_vocab_find(r->v, name, len);
	if (found < 0 && r->add && (found = adds_vocab_add(r->v, name, len, err)) < 0)
		return (int)found;
	*row = (int32_t)found;
	if (found >= 0)
		return 0;
	if (r->l->on_unknown == INDEX_STOP)
		return adds_fail(err, ADDS_EFORMAT, "'%.*s' is not in the vocabulary '%s': add it there, or use --on-unknown",
		                 (int)(len < 200 ? len : 200), name, r->l->origin);
	if (r->unknown++ == 0)
		snprintf(r->first_unknown, sizeof(r->first_unknown), "%.*s", (int)(len < 60 ? len : 60), name);
	*row = -1;
	return 0;
}

/* Parents that a table states (COCO's supercategories) join the vocabulary's. */
static void
bind_parents(struct index_labels *l, const struct adds_table *t)
{
	struct adds_error err;
	const int32_t *parents;
	size_t i, j, n;

	for (i = 0; i < adds_vocab_size(t->names); i++) {
		n = adds_vocab_parents(t->names, (int32_t)i, &parents);
		for (j = 0; j < n; j++)
			if (t->row[i] >= 0 && t->row[parents[j]] >= 0 &&
			    adds_vocab_imply(l->v, t->row[i], t->row[parents[j]], &err) < 0)
				die("'%s': %s", t->path, err.msg);
	}
}

void
index_bind(struct index_labels *l, int add)
{
	struct index_labeller r;
	struct adds_error err;
	size_t i;

	index_labeller_init(&r, l, l->v, add);
	for (i = 0; i < l->tables; i++) {
		if (adds_table_bind(l->table[i], adds_vocab_size(l->v), row_of, &r, &err) < 0)
			die("%s", err.msg);
		bind_parents(l, l->table[i]);
	}
	if (r.unknown)
		warn("%llu %s not in the vocabulary and left out, the first: '%s'", (unsigned long long)r.unknown,
		     ADDS_PLURAL(r.unknown, "label of a table is", "labels of tables are"), r.first_unknown);
	index_labeller_release(&r);
}

void
index_labeller_init(struct index_labeller *r, const struct index_labels *l, struct adds_vocab *v, int add)
{
	memset(r, 0, sizeof(*r));
	r->l = l;
	r->v = v;
	r->add = add;
	r->reader.row_of = row_of;
	r->reader.arg = r;
}

void
index_labeller_release(struct index_labeller *r)
{
	adds_statement_reader_release(&r->reader);
	adds_statement_release(&r->statement);
	adds_targets_release(&r->targets);
	free(r->text.p);
}

/* Reads PICTURE.EXTENSION or, short, STEM.EXTENSION, if it is there: its path in path. */
static int
read_beside(struct index_labeller *r, const struct index_picture *p, unsigned which, char *path, size_t size,
            struct adds_error *err)
{
	const char *extension = which & (INDEX_LONG_JSON | INDEX_SHORT_JSON) ? ".json" : ".txt";
	size_t n = strlen(p->path);

	if (!(r->l->beside & which) || !(p->beside & (which | INDEX_NOT_LISTED)))
		return 0;
	if (which & (INDEX_SHORT_JSON | INDEX_SHORT_TEXT))
		n = (size_t)(strrchr(p->path, '.') - p->path);
	if (n + 6 > size)
		return adds_fail(err, ADDS_ELIMIT, "'%.100s…': a path of %zu bytes", p->path, n);
	memcpy(path, p->path, n);
	strcpy(path + n, extension);
	return index_read(&r->text, path, MAX_LABEL_FILE, p->beside & INDEX_NOT_LISTED, err);
}

static int
read_statement(struct index_labeller *r, const char *path, int json, struct adds_error *err)
{
	int rc;

	if (!json)
		return adds_statement_text(&r->statement, &r->reader, r->v, path, r->text.p, r->text.len, err);
	if ((rc = adds_statement_json(&r->statement, &r->reader, path, r->text.p, r->text.len, err)) < 0)
		return rc;
	if (r->statement.has_vector && !r->l->base)
		return adds_fail(
			err, ADDS_EFORMAT,
			"'%s' $.encoded_labels needs the vocabulary it was made for: put %s into the folder, or use --tags",
			path, TAGS);
	return 0;
}

/* The targets of what was read; the vocabulary may have grown since the vector's. */
static int
settle(struct index_labeller *r, const char *name, struct adds_error *err)
{
	const int rc = adds_targets_of(&r->targets, r->v, &r->statement, r->l->order, r->l->base, name, err);

	if (rc < 0)
		return rc;
	if (r->l->unknown_rest && !r->statement.complete)
		r->targets.has_neg = 1;
	return 1;
}

const struct adds_table_entry *
index_entry(const struct index_labels *l, const struct index_picture *p, const struct adds_table **t)
{
	const struct adds_table_entry *first = NULL;
	struct adds_table_entry *e;
	size_t i;

	for (i = 0; i < l->tables; i++) {
		if (!(e = adds_table_find(l->table[i], p->path, p->path + p->relative)))
			continue;
		if (!__atomic_load_n(&e->used, __ATOMIC_RELAXED))
			__atomic_store_n(&e->used, 1, __ATOMIC_RELAXED);
		if (first)
			continue;
		first = e;
		*t = l->table[i];
	}
	return first;
}

/* entries that have labels and spoke of no picture; the first three in names */
static size_t
count_unused(const struct adds_table *t, size_t *entries, char *names, size_t size)
{
	size_t unused = 0, n = 0, i;

	*entries = 0;
	names[0] = '\0';
	for (i = 0; i < t->n; i++) {
		const struct adds_table_entry *e = &t->entry[i];

		*entries += e->labelled != 0;
		if (!e->labelled || e->used)
			continue;
		if (unused++ < 3)
			n += (size_t)snprintf(names + n, size - n, "%s'%.100s'", n ? ", " : "", e->key);
	}
	return unused;
}

void
index_report_tables(const struct index_labels *l, const struct index_pictures *p)
{
	size_t n, entries, used = 0, i;
	char names[512];

	for (i = 0; i < l->tables; i++)
		used += count_unused(l->table[i], &entries, names, sizeof(names)) < entries;
	for (i = 0; p->n && i < l->tables; i++) {
		n = count_unused(l->table[i], &entries, names, sizeof(names));
		if (!used) {
			warn("no picture has labels in '%s'%s: it names %s, the first picture is '%s'", l->table[i]->path,
			     l->tables > 1 ? ", nor in the other tables" : "", *names ? names : "none", p->item[0].path);
			return;
		}
		if (n)
			warn("'%s': %zu of %zu entries %s no picture: %s%s", l->table[i]->path, n, entries,
			     ADDS_PLURAL(n, "matches", "match"), names, n > 3 ? ", ..." : "");
	}
}

int
index_label(struct index_labeller *r, const struct index_picture *p, struct adds_error *err)
{
	static const unsigned which[] = { INDEX_LONG_JSON, INDEX_SHORT_JSON, INDEX_LONG_TEXT, INDEX_SHORT_TEXT };
	const struct adds_table *t = NULL;
	const struct adds_table_entry *const e = index_entry(r->l, p, &t);
	char path[4096];
	size_t i;
	int rc;

	if (e) {
		rc = adds_table_statement(&r->statement, t, e, err);
		return rc < 0 ? rc : settle(r, t->path, err);
	}
	for (i = 0; i < sizeof(which) / sizeof(*which); i++) {
		if ((rc = read_beside(r, p, which[i], path, sizeof(path), err)) < 0)
			return rc;
		if (rc == 0)
			continue;
		if ((rc = read_statement(r, path, i < 2, err)) < 0)
			return rc;
		return settle(r, path, err);
	}
	return 0;
}
