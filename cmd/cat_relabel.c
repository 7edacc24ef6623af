/* SPDX-License-Identifier: MIT
 * cat_relabel.c - vocabulary and targets of a new index for old features */
#include <stdlib.h>
#include <string.h>

#include "../lib/stream/reader.h"
#include "cat.h"

/* what the index says of a picture */
struct entry {
	char *path;
	size_t len, npos, nneg;
	int32_t *rows; /* positive, then negative */
	char *mtime;
	int64_t bytes;
	int labelled, has_neg, used;
};

struct book {
	struct entry *entry;
	size_t n, cap;
	struct adds_message *header;
};

static int
by_path(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	const int c = memcmp(x->path, y->path, x->len < y->len ? x->len : y->len);

	return c ? c : (x->len > y->len) - (x->len < y->len);
}

static void
note(struct book *b, const struct adds_record *rec)
{
	struct entry *e;

	if (b->n == b->cap && !(b->entry = realloc(b->entry, (b->cap = b->cap ? 2 * b->cap : 1024) * sizeof(*b->entry))))
		die("out of memory");
	e = &b->entry[b->n++];
	memset(e, 0, sizeof(*e));
	e->len = rec->path_len;
	e->path = memcpy(cmd_alloc(e->len, 1), rec->path, e->len);
	e->labelled = rec->pos != NULL;
	e->has_neg = rec->neg != NULL;
	e->npos = rec->npos;
	e->nneg = rec->nneg;
	e->bytes = rec->bytes;
	if (rec->mtime && !(e->mtime = strdup(rec->mtime)))
		die("out of memory");
	e->rows = cmd_alloc(e->npos + e->nneg, sizeof(*e->rows));
	if (e->npos)
		memcpy(e->rows, rec->pos, e->npos * sizeof(*e->rows));
	if (e->nneg)
		memcpy(e->rows + e->npos, rec->neg, e->nneg * sizeof(*e->rows));
}

static void
read_index(struct book *b, const char *path)
{
	struct adds_reader *r = cat_need_ptr(adds_reader_open_kind(cmd_input(path), 1u << ADDS_KIND_INDEX, &cat_err));
	const struct adds_message *m;
	struct adds_record rec;
	size_t labels, i;

	b->header = cat_need_ptr(adds_message_copy(adds_reader_header(r), &cat_err));
	free(cat_labels(b->header, &labels));
	while (cat_need(adds_reader_read(r, &m, &cat_err)) > 0) {
		if (adds_record_parse(&rec, m, (int64_t)labels, &cat_err) < 0)
			die("%s: record %llu: %s", path, (unsigned long long)adds_reader_records(r) - 1, cat_err.msg);
		if (rec.type == ADDS_RECORD_PICTURE)
			note(b, &rec);
	}
	adds_reader_close(r);
	if (b->n)
		qsort(b->entry, b->n, sizeof(*b->entry), by_path);
	for (i = 1; i < b->n; i++)
		if (by_path(&b->entry[i - 1], &b->entry[i]) == 0)
			die("%s: '%.*s' stands twice in it", path, (int)b->entry[i].len, b->entry[i].path);
}

static struct adds_message *
new_header(const struct book *b, const struct adds_message *old)
{
	static const char *const names[] = { "labels", "parents" };
	struct adds_message *m = cat_need_ptr(adds_message_copy(old, &cat_err));
	const cJSON *steps = cJSON_GetObjectItemCaseSensitive(adds_message_meta_const(b->header), "provenance");
	cJSON *options = cJSON_CreateObject();
	size_t i;

	for (i = 0; i < 2; i++) {
		const struct adds_tensor *t = adds_message_tensor(b->header, names[i]);

		adds_message_remove(m, names[i]);
		if (t)
			cat_need(adds_message_add(m, t->name, t->dtype, t->rank, t->shape, t->data, &cat_err));
	}
	cJSON_AddItemToObject(options, "relabel", steps ? cJSON_Duplicate(steps, 1) : cJSON_CreateArray());
	cat_need(adds_provenance_add(m, "adds-cat", options, &cat_err));
	return m;
}

static void
set_targets(struct adds_message *m, const struct entry *e)
{
	const int64_t npos = e ? (int64_t)e->npos : 0, nneg = e ? (int64_t)e->nneg : 0;

	adds_message_remove(m, "pos");
	adds_message_remove(m, "neg");
	if (e && e->labelled)
		cat_need(adds_message_add(m, "pos", ADDS_I32, 1, &npos, e->rows, &cat_err));
	if (e && e->has_neg)
		cat_need(adds_message_add(m, "neg", ADDS_I32, 1, &nneg, e->rows + npos, &cat_err));
}

struct tally {
	uint64_t absent, changed;
};

static void
relabel(const struct book *b, struct adds_message *m, const struct adds_record *rec, struct tally *t)
{
	const struct entry key = { .path = (char *)rec->path, .len = rec->path_len };
	struct entry *e = b->n ? bsearch(&key, b->entry, b->n, sizeof(key), by_path) : NULL;

	if (!e && t->absent++ < 3)
		warn("'%.*s' is not in the index: it is now unlabelled", (int)rec->path_len, rec->path);
	if (e) {
		e->used = 1;
		if ((e->bytes >= 0 && rec->bytes >= 0 && e->bytes != rec->bytes) ||
		    (e->mtime && rec->mtime && strcmp(e->mtime, rec->mtime) != 0))
			if (t->changed++ < 3)
				warn("'%.*s' has changed since its features were computed", (int)rec->path_len, rec->path);
	}
	set_targets(m, e);
}

static void
report(const struct book *b, const struct tally *t)
{
	size_t i, missing = 0;

	for (i = 0; i < b->n; i++)
		if (!b->entry[i].used && missing++ < 3)
			warn("'%.*s' of the index has no features yet", (int)b->entry[i].len, b->entry[i].path);
	if (t->absent > 3)
		warn("%llu %s not in the index and now unlabelled", (unsigned long long)t->absent,
		     ADDS_PLURAL(t->absent, "picture is", "pictures are"));
	if (t->changed > 3)
		warn("%llu %s features were computed", (unsigned long long)t->changed,
		     ADDS_PLURAL(t->changed, "picture has changed since its", "pictures have changed since their"));
	if (missing > 3)
		warn("%zu %s of the index %s no features yet: adds-pyramid computes them", missing,
		     ADDS_PLURAL(missing, "picture", "pictures"),
		     ADDS_PLURAL(missing, "has", "have"));
}

static void
release(struct book *b)
{
	size_t i;

	for (i = 0; i < b->n; i++) {
		free(b->entry[i].path);
		free(b->entry[i].mtime);
		free(b->entry[i].rows);
	}
	free(b->entry);
	adds_message_free(b->header);
}

void
cat_relabel(const char *index, struct cat_source *s, const struct cat_options *o)
{
	struct book b = { 0 };
	struct tally t = { 0, 0 };
	struct adds_writer *w;
	struct adds_message *m;
	const struct adds_message *old;
	struct adds_record rec;
	uint64_t number;

	if (cat_need(adds_header_kind(cat_header(s), &cat_err)) != ADDS_KIND_FEATURES)
		die("%s: --relabel is for features", cat_name(s));
	read_index(&b, index);
	w = cat_writer(o);
	m = new_header(&b, cat_header(s));
	cat_need(adds_writer_header(w, m, &cat_err));
	adds_message_free(m);
	while (cat_read(s, &old, &number)) {
		if (adds_record_parse(&rec, old, 0, &cat_err) < 0)
			die("%s: record %llu: %s", cat_name(s), (unsigned long long)number, cat_err.msg);
		if (rec.type != ADDS_RECORD_PICTURE) {
			cat_need(adds_writer_write(w, old, &cat_err));
			continue;
		}
		m = cat_need_ptr(adds_message_copy(old, &cat_err));
		relabel(&b, m, &rec, &t);
		cat_need(adds_writer_write(w, m, &cat_err));
		adds_message_free(m);
	}
	report(&b, &t);
	cmd_cost(adds_writer_records(w), "records");
	cat_need(adds_writer_finish(w, cat_end(s), &cat_err));
	release(&b);
}
