/* SPDX-License-Identifier: MIT
 * csv.c - labels in CSV or TSV (RFC 4180), in one of three forms that the first
 * line tells:
 *   file_name,labels        all labels of a picture in one field, between ; or |, else ,
 *   file_name,label[,confidence]   a label a line; confidence 0: verified not to hold,
 *                                  from 0.5 up: holds, between: unknown
 *   file_name,dog,cat,…     a column for each label: 1, 0, or empty or -1 for unknown */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "hierarchy.h"
#include "table.h"

enum {
	MAX_FIELDS = 1 << 20,
	MAX_RECORD = 16 << 20,
};

enum form {
	LIST,
	LONG,
	WIDE,
};

struct csv {
	struct adds_table *t;
	FILE *f;
	char separator;
	uint64_t line, next_line; /* where the record begins, and the one after it */
	char *text;               /* the fields of a record, each ended by NUL */
	size_t len, room;
	size_t *field; /* offsets in text */
	size_t n, fields_room;
	enum form form;
	size_t file, label, confidence; /* columns */
	int has_confidence;
	int32_t *column; /* WIDE: the local row of each column, -1 for the file */
	size_t columns;
};

static int
bad(const struct csv *c, struct adds_error *err, const char *what, const char *text)
{
	return adds_fail(err, ADDS_EFORMAT, "'%s' line %llu: %s '%.100s'", c->t->path, (unsigned long long)c->line, what,
	                 text);
}

static int
put(struct csv *c, char byte, struct adds_error *err)
{
	char *more;

	if (c->len == c->room) {
		if (c->room >= MAX_RECORD)
			return adds_fail(err, ADDS_ELIMIT, "'%s' line %llu: a record of more than %d bytes (a quote not closed?)",
			                 c->t->path, (unsigned long long)c->line, MAX_RECORD);
		c->room = c->room ? 2 * c->room : 4096;
		if (!(more = realloc(c->text, c->room)))
			return adds_fail(err, ADDS_ENOMEM, "out of memory for '%s'", c->t->path);
		c->text = more;
	}
	c->text[c->len++] = byte;
	return 0;
}

static int
begin_field(struct csv *c, struct adds_error *err)
{
	size_t *more;

	if (c->n == c->fields_room) {
		c->fields_room = c->fields_room ? 2 * c->fields_room : 64;
		if (c->n >= MAX_FIELDS || !(more = realloc(c->field, c->fields_room * sizeof(*more))))
			return adds_fail(err, ADDS_ELIMIT, "'%s' line %llu: more than %d fields", c->t->path,
			                 (unsigned long long)c->line, MAX_FIELDS);
		c->field = more;
	}
	c->field[c->n++] = c->len;
	return 0;
}

/* a field in quotes, the first of which is taken; two quotes are one */
static int
read_quoted(struct csv *c, struct adds_error *err)
{
	int ch, rc;

	while ((ch = getc(c->f)) != EOF) {
		if (ch == '\n')
			c->next_line++;
		if (ch == '"' && (ch = getc(c->f)) != '"') {
			ungetc(ch, c->f);
			return 0;
		}
		if ((rc = put(c, (char)ch, err)) < 0)
			return rc;
	}
	return bad(c, err, "a quote is not closed:", c->t->path);
}

/* the rest of a field; returns the byte that ended it: separator, '\n' or EOF */
static int
read_field(struct csv *c, int *ended, struct adds_error *err)
{
	int ch = getc(c->f), rc;

	if (ch == '"') {
		if ((rc = read_quoted(c, err)) < 0)
			return rc;
		ch = getc(c->f);
	}
	for (; ch != EOF && ch != '\n' && ch != c->separator; ch = getc(c->f)) {
		if (ch == 0)
			return bad(c, err, "a NUL byte in", c->t->path);
		if ((rc = put(c, (char)ch, err)) < 0)
			return rc;
	}
	while (ch != c->separator && c->len > c->field[c->n - 1] && c->text[c->len - 1] == '\r')
		c->len--;
	*ended = ch;
	return put(c, '\0', err);
}

/* the next record that is not empty: 1, 0 at the end, or an error */
static int
read_record(struct csv *c, struct adds_error *err)
{
	int ended = EOF, rc;

	do {
		c->n = c->len = 0;
		c->line = c->next_line;
		do {
			if ((rc = begin_field(c, err)) < 0 || (rc = read_field(c, &ended, err)) < 0)
				return rc;
		} while (ended == c->separator);
		c->next_line++;
		if (ended == EOF && ferror(c->f))
			return adds_fail_errno(err, "cannot read '%s'", c->t->path);
		if (c->n > 1 || c->text[0])
			return 1;
	} while (ended != EOF);
	return 0;
}

static const char *
field(const struct csv *c, size_t i)
{
	return c->text + c->field[i];
}

/* the column with one of the names (NULL-ended), or n */
static size_t
column_of(const struct csv *c, const char *const *names)
{
	size_t i, j;

	for (j = 0; names[j]; j++)
		for (i = 0; i < c->n; i++)
			if (strcasecmp(field(c, i), names[j]) == 0)
				return i;
	return c->n;
}

/* WIDE: the names of the columns are labels */
static int
read_columns(struct csv *c, struct adds_error *err)
{
	size_t i;

	c->form = WIDE;
	if (c->n < 2)
		return bad(c, err, "a column for the file and columns for labels are wanted, not", field(c, 0));
	if (!(c->column = malloc(c->n * sizeof(*c->column))))
		return adds_fail(err, ADDS_ENOMEM, "out of memory for '%s'", c->t->path);
	c->columns = c->n;
	for (i = 0; i < c->n; i++) {
		const size_t before = adds_vocab_size(c->t->names);

		c->column[i] = -1;
		if (i == c->file)
			continue;
		if (adds_table_row(c->t, field(c, i), strlen(field(c, i)), c->line, &c->column[i], err) < 0)
			return adds_fail_in(err, "'%s' line %llu column %zu", c->t->path, (unsigned long long)c->line, i + 1);
		if (adds_vocab_size(c->t->names) == before)
			return bad(c, err, "two columns for", field(c, i));
	}
	return 0;
}

static int
read_head(struct csv *c, struct adds_error *err)
{
	static const char *const files[] = { "file_name", "filename", "file", "path", "image", "image_name", "image_id",
		                             "imageid", "img", "id", NULL };
	static const char *const lists[] = { "labels", "tags", "classes", NULL };
	static const char *const singles[] = { "label", "tag", "class", "labelname", "label_name", NULL };
	static const char *const confidences[] = { "confidence", NULL };

	if ((c->file = column_of(c, files)) == c->n)
		return bad(c, err, "the first line names no column 'file_name':", field(c, 0));
	c->columns = c->n;
	if ((c->label = column_of(c, lists)) < c->n) {
		c->form = LIST;
		return 0;
	}
	if ((c->label = column_of(c, singles)) < c->n) {
		c->form = LONG;
		c->confidence = column_of(c, confidences);
		c->has_confidence = c->confidence < c->n;
		return 0;
	}
	return read_columns(c, err);
}

static int
mention(struct csv *c, struct adds_mentions *m, const char *name, size_t len, struct adds_error *err)
{
	int32_t row;

	if (adds_table_row(c->t, name, len, c->line, &row, err) < 0)
		return adds_fail_in(err, "'%s' line %llu", c->t->path, (unsigned long long)c->line);
	return adds_table_mention(m, row, err);
}

static int
read_list(struct csv *c, struct adds_table_entry *e, struct adds_error *err)
{
	const char *s = field(c, c->label), *word;
	const char *between = strchr(s, ';') ? ";" : strchr(s, '|') ? "|"
	                                                            : ",";
	size_t n;
	int rc;

	for (;; s += n + 1) {
		size_t len;

		n = strcspn(s, between);
		word = s;
		len = adds_trim(&word, n);
		if (len && (rc = mention(c, &e->pos, word, len, err)) < 0)
			return rc;
		if (!s[n])
			return 0;
	}
}

/* a number as it is: *x; or an error */
static int
number(struct csv *c, size_t i, double *x, struct adds_error *err)
{
	char *end;

	*x = strtod(field(c, i), &end);
	while (*end == ' ')
		end++;
	return *end || end == field(c, i) ? bad(c, err, "not a number:", field(c, i)) : 0;
}

static int
read_single(struct csv *c, struct adds_table_entry *e, struct adds_error *err)
{
	const char *name = field(c, c->label);
	double x = 1;
	int rc;

	if (c->has_confidence) {
		if ((rc = number(c, c->confidence, &x, err)) < 0)
			return rc;
		e->has_neg = 1;
	}
	if (x < 0 || x > 1)
		return bad(c, err, "a confidence is from 0 to 1, not", field(c, c->confidence));
	if (x > 0 && x < 0.5)
		return 0;
	return mention(c, x > 0 ? &e->pos : &e->neg, name, strlen(name), err);
}

static int
read_row(struct csv *c, struct adds_table_entry *e, struct adds_error *err)
{
	double x;
	size_t i;
	int32_t rc;

	e->complete = 1;
	for (i = 0; i < c->n; i++)
		if (i != c->file && (!*field(c, i) || strtod(field(c, i), NULL) < 0))
			e->complete = 0;
	e->has_neg = !e->complete;
	for (i = 0; i < c->n; i++) {
		if (i == c->file || !*field(c, i))
			continue;
		if ((rc = number(c, i, &x, err)) < 0)
			return rc;
		if (x != 0 && x != 1 && x != -1)
			return bad(c, err, "a label's column holds 1, 0, -1 or nothing, not", field(c, i));
		if (x == 1 && (rc = adds_mention_add(&e->pos, c->column[i], -1, err)) < 0)
			return rc;
		if (x == 0 && !e->complete && (rc = adds_mention_add(&e->neg, c->column[i], -1, err)) < 0)
			return rc;
	}
	return 0;
}

static int
read_entry(struct csv *c, struct adds_error *err)
{
	const size_t before = c->t->n;
	struct adds_table_entry *e;

	if (c->n != c->columns)
		return adds_fail(err, ADDS_EFORMAT, "'%s' line %llu: %zu fields, but the first line has %zu", c->t->path,
		                 (unsigned long long)c->line, c->n, c->columns);
	if (!*field(c, c->file))
		return bad(c, err, "no file name in", c->t->path);
	if (!(e = adds_table_entry(c->t, field(c, c->file), strlen(field(c, c->file)), err)))
		return ADDS_EFORMAT;
	if (c->t->n == before && c->form == WIDE)
		return bad(c, err, "a second line for", field(c, c->file));
	e->labelled = 1;
	switch (c->form) {
	case LIST:
		return read_list(c, e, err);
	case LONG:
		return read_single(c, e, err);
	default:
		return read_row(c, e, err);
	}
}

/* The separator: tab by the file's name, or where the first line has one. */
static int
begin(struct csv *c, struct adds_error *err)
{
	const size_t n = strlen(c->t->path);
	int ch, rc;

	if (!(c->f = fopen(c->t->path, "r")))
		return adds_fail_errno(err, "cannot open '%s'", c->t->path);
	c->separator = n > 4 && strcasecmp(c->t->path + n - 4, ".tsv") == 0 ? '\t' : ',';
	if ((ch = getc(c->f)) == 0xef) {
		getc(c->f);
		getc(c->f);
	} else if (ch != EOF) {
		ungetc(ch, c->f);
	}
	if ((rc = read_record(c, err)) < 0)
		return rc;
	return rc ? read_head(c, err) : adds_fail(err, ADDS_EFORMAT, "'%s' is empty", c->t->path);
}

int
adds_table_csv(struct adds_table *t, struct adds_error *err)
{
	struct csv c = { .t = t, .next_line = 1 };
	int rc;

	t->by_line = 1;
	rc = begin(&c, err);
	while (rc >= 0 && (rc = read_record(&c, err)) > 0)
		rc = read_entry(&c, err);
	if (c.f)
		fclose(c.f);
	free(c.text);
	free(c.field);
	free(c.column);
	return rc < 0 ? rc : 0;
}
