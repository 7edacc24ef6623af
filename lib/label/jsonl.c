/* SPDX-License-Identifier: MIT
 * jsonl.c - JSON Lines: an object a line, with the file's name and its labels */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../stream/record.h"
#include "hierarchy.h"
#include "table.h"

#define MAX_LINE ((size_t)16 << 20)

struct jsonl {
	struct adds_table *t;
	struct adds_statement_reader r;
	struct adds_statement s;
	char file[4096];
	size_t file_len;
	int labelled, any, named; /* named: 'labels' or 'tags' was there */
};

static int
row_of(void *arg, const char *name, size_t len, int32_t *row, struct adds_error *err)
{
	struct jsonl *j = arg;

	return adds_table_row(j->t, name, len, j->r.pull.line, row, err);
}

static int
read_file_name(struct jsonl *j, struct adds_error *err)
{
	struct adds_pull *p = &j->r.pull;
	const int token = adds_pull_next(p, err);

	if (token < 0)
		return token;
	if (token != ADDS_TOKEN_STRING || p->len == 0 || p->len > sizeof(j->file))
		return adds_pull_fail(p, err, ADDS_EFORMAT, "not a file name");
	if (j->file_len)
		return adds_pull_fail(p, err, ADDS_EFORMAT, "a second file name");
	memcpy(j->file, p->text, p->len);
	j->file_len = p->len;
	return 0;
}

static int
read_labels(struct jsonl *j, struct adds_mentions *m, struct adds_error *err)
{
	const int token = adds_pull_next(&j->r.pull, err);

	if (token < 0)
		return token;
	if (token == ADDS_TOKEN_NULL)
		return 0;
	if (token != ADDS_TOKEN_STRING && token != ADDS_TOKEN_ARRAY && token != ADDS_TOKEN_OBJECT)
		return adds_pull_fail(&j->r.pull, err, ADDS_EFORMAT, "neither a name nor a list of names");
	if (m == &j->s.pos && j->named++)
		return adds_pull_fail(
			&j->r.pull, err, ADDS_EFORMAT,
			"the line has 'labels' and 'tags': one of them is to name its labels");
	j->labelled = j->any = 1;
	return adds_statement_value(m, &j->r, token, -1, 1, err);
}

static int
read_fields(struct jsonl *j, struct adds_error *err)
{
	struct adds_pull *p = &j->r.pull;
	const uint64_t object = ++j->r.objects;
	int token, rc;

	while ((token = adds_pull_next(p, err)) != ADDS_TOKEN_OBJECT_END) {
		if (token < 0)
			return token;
		if ((rc = adds_statement_key(&j->r, object, err)) < 0)
			return rc;
		if (adds_pull_is(p, "file_name") || adds_pull_is(p, "path") || adds_pull_is(p, "file")) {
			rc = read_file_name(j, err);
		} else if (adds_pull_is(p, "labels") || adds_pull_is(p, "tags")) {
			rc = read_labels(j, &j->s.pos, err);
		} else if (adds_pull_is(p, "negative_labels")) {
			j->s.has_neg = 1;
			rc = read_labels(j, &j->s.neg, err);
		} else {
			rc = adds_pull_skip(p, ADDS_TOKEN_KEY, err);
		}
		if (rc < 0)
			return rc;
	}
	if (!j->file_len)
		return adds_pull_fail(p, err, ADDS_EFORMAT, "the line lacks 'file_name'");
	token = adds_pull_next(p, err);
	return token < 0 ? token : 0;
}

/* a copy of exact size */
static int
copy(struct adds_mentions *to, const struct adds_mentions *from, struct adds_error *err)
{
	if (from->n == 0)
		return 0;
	if (!(to->item = malloc(from->n * sizeof(*to->item))))
		return adds_fail(err, ADDS_ENOMEM, "out of memory for %zu tags", from->n);
	memcpy(to->item, from->item, from->n * sizeof(*to->item));
	to->n = to->room = from->n;
	return 0;
}

static int
keep(struct jsonl *j, struct adds_error *err)
{
	const size_t before = j->t->n;
	struct adds_table_entry *e = adds_table_entry(j->t, j->file, j->file_len, err);
	int rc;

	if (!e)
		return ADDS_EFORMAT;
	if (j->t->n == before)
		return adds_pull_fail(&j->r.pull, err, ADDS_EFORMAT, "'%s' stands twice", e->key);
	e->labelled = j->labelled;
	e->has_neg = j->s.has_neg;
	if ((rc = copy(&e->pos, &j->s.pos, err)) < 0)
		return rc;
	return copy(&e->neg, &j->s.neg, err);
}

static int
read_line(struct jsonl *j, uint64_t number, const char *s, size_t len, struct adds_error *err)
{
	int rc;

	if (number == 1 && len >= 3 && memcmp(s, "\xef\xbb\xbf", 3) == 0) {
		s += 3;
		len -= 3;
	}
	if ((len = adds_trim(&s, len)) == 0)
		return 0;
	adds_statement_clear(&j->s);
	adds_statement_forget(&j->r);
	j->file_len = 0;
	j->labelled = j->named = 0;
	adds_pull_text(&j->r.pull, j->t->path, s, len);
	j->r.pull.line = number;
	if ((rc = adds_pull_next(&j->r.pull, err)) < 0)
		return rc;
	if (rc != ADDS_TOKEN_OBJECT)
		return adds_pull_fail(&j->r.pull, err, ADDS_EFORMAT, "the line is not an object");
	if ((rc = read_fields(j, err)) < 0)
		return rc;
	return keep(j, err);
}

static int
read_lines(struct jsonl *j, FILE *f, struct adds_error *err)
{
	char *line = NULL;
	size_t room = 0;
	uint64_t number = 0;
	ssize_t n;
	int rc = 0;

	while (rc == 0 && (n = adds_read_line(f, '\n', MAX_LINE, &line, &room)) != 0) {
		number++;
		if (n > 0)
			rc = read_line(j, number, line, (size_t)n, err);
		else if (n == ADDS_ELIMIT)
			rc = adds_fail(err, ADDS_ELIMIT, "'%s' line %llu: more than %zu bytes", j->t->path,
			               (unsigned long long)number, MAX_LINE);
		else
			rc = adds_fail(err, ADDS_ENOMEM, "out of memory for '%s'", j->t->path);
	}
	if (rc == 0 && ferror(f))
		rc = adds_fail_errno(err, "cannot read '%s'", j->t->path);
	free(line);
	return rc;
}

int
adds_table_jsonl(struct adds_table *t, struct adds_error *err)
{
	struct jsonl *j = calloc(1, sizeof(*j));
	FILE *f;
	int rc;

	if (!j)
		return adds_fail(err, ADDS_ENOMEM, "out of memory for '%s'", t->path);
	j->t = t;
	j->r.row_of = row_of;
	j->r.arg = j;
	t->by_line = 1;
	if ((f = fopen(t->path, "r"))) {
		rc = read_lines(j, f, err);
		fclose(f);
	} else {
		rc = adds_fail_errno(err, "cannot open '%s'", t->path);
	}
	if (rc == 0 && !j->any)
		rc = adds_fail(err, ADDS_EFORMAT, "'%s': no line has 'labels' or 'tags'", t->path);
	adds_statement_reader_release(&j->r);
	adds_statement_release(&j->s);
	free(j);
	return rc;
}
