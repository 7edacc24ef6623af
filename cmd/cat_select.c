/* SPDX-License-Identifier: MIT
 * cat_select.c - records of several files in order, those that were asked for */
#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/stream/reader.h"
#include "cat.h"

struct cat_source {
	const struct cat_options *o;
	char **files;
	int n, at, join;
	struct adds_reader *r;       /* of the file being read */
	struct adds_message *header; /* of the first, where files are joined */
	struct adds_message *end;
	uint64_t number, chosen;
	int stopped;
};

struct adds_error cat_err;

int
cat_need(int rc)
{
	if (rc < 0)
		die("%s", cat_err.msg);
	return rc;
}

void *
cat_need_ptr(void *p)
{
	if (!p)
		die("%s", cat_err.msg);
	return p;
}

/* one item of the list "joined" of end, unless it is there or is the header's own */
static void
note_provenance(struct cat_source *s, const cJSON *steps)
{
	cJSON *end = adds_message_meta(s->end), *list = cJSON_GetObjectItemCaseSensitive(end, "joined");
	const cJSON *item;

	if (!steps || cJSON_Compare(steps, cJSON_GetObjectItemCaseSensitive(adds_message_meta_const(s->header), "provenance"), 1))
		return;
	if (!list && !(list = cJSON_AddArrayToObject(end, "joined")))
		die("out of memory");
	cJSON_ArrayForEach(item, list) if (cJSON_Compare(steps, item, 1)) return;
	cJSON_AddItemToArray(list, cJSON_Duplicate(steps, 1));
}

static void
open_file(struct cat_source *s)
{
	const struct adds_message *header;

	s->r = cat_need_ptr(adds_reader_open(cmd_input(s->files[s->at]), NULL, &cat_err));
	header = adds_reader_header(s->r);
	if (!s->join || s->at == 0) {
		adds_message_free(s->header);
		s->header = cat_need_ptr(adds_message_copy(header, &cat_err));
		s->number = s->chosen = 0;
		return;
	}
	if (adds_join_check(s->r, s->header, header, &cat_err) < 0)
		die("%s: %s", adds_reader_name(s->r), cat_err.msg);
}

struct cat_source *
cat_open(char **files, int n, int join, const struct cat_options *o)
{
	struct cat_source *s = cmd_alloc(1, sizeof(*s));
	static char dash[] = "-", *standard[] = { dash, NULL };

	s->o = o;
	s->files = n ? files : standard;
	s->n = n ? n : 1;
	s->join = join;
	open_file(s);
	return s;
}

const struct adds_message *
cat_header(const struct cat_source *s)
{
	return s->header;
}

const char *
cat_name(const struct cat_source *s)
{
	const char *last = s->files[s->n - 1];

	if (s->r)
		return adds_reader_name(s->r);
	return strcmp(last, "-") == 0 ? "<stdin>" : last;
}

static void
close_file(struct cat_source *s)
{
	const struct adds_message *end = adds_reader_end(s->r);
	const cJSON *list, *item;

	cmd_warn_lines(adds_reader_warnings(s->r));
	if (end && !s->end) {
		s->end = cat_need_ptr(adds_message_copy(end, &cat_err));
	} else if (end) {
		note_provenance(s, cJSON_GetObjectItemCaseSensitive(
					   adds_message_meta_const(adds_reader_header(s->r)),
					   "provenance"));
		list = cJSON_GetObjectItemCaseSensitive(adds_message_meta_const(end), "joined");
		cJSON_ArrayForEach(item, list)
			note_provenance(s, item);
	}
	adds_reader_close(s->r);
	s->r = NULL;
}

int
cat_next_file(struct cat_source *s)
{
	if (s->r)
		close_file(s);
	if (++s->at >= s->n)
		return 0;
	if (!s->join) {
		adds_message_free(s->end);
		s->end = NULL;
		s->stopped = 0;
	}
	open_file(s);
	return 1;
}

/* what --rows chooses: a slice, or the numbers of a file, sorted, and the SHA-256 of its bytes */
static struct {
	int is_slice;
	unsigned long long slice[3]; /* from, up to, step */
	uint64_t *row;
	size_t n;
	char hash[65];
} chosen;

/* A:B:C, each of which may be left out */
static void
slice_read(const char *text)
{
	const char *p = text;
	char *end;
	int k;

	chosen.is_slice = 1;
	chosen.slice[1] = UINT64_MAX;
	chosen.slice[2] = 1;
	errno = 0;
	for (k = 0; k < 3 && *p; k++) {
		if (*p != ':') {
			chosen.slice[k] = strtoull(p, &end, 10);
			p = end;
		}
		p += k < 2 && *p == ':';
	}
	if (*p || errno || !chosen.slice[2])
		usage("--rows: '%s' is not like 10:20 or ::5: whole numbers, from, up to and step", text);
}

static int
by_number(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void
list_read(const char *path)
{
	size_t len, cap = 0;
	char *text, *p, *end;

	p = text = cat_need_ptr(adds_read_file(path, (size_t)1 << 30, &len, &cat_err));
	adds_sha256_hex(chosen.hash, text, len);
	while (*(p += strspn(p, " \t\r\n"))) {
		if (chosen.n == cap && !(chosen.row = realloc(chosen.row, (cap = cap ? 2 * cap : 1024) * sizeof(*chosen.row))))
			die("out of memory");
		chosen.row[chosen.n] = strtoull(p, &end, 10);
		if (end == p || *p == '-')
			die("%s: byte %zu: a row number was expected", path, (size_t)(p - text));
		chosen.n++;
		p = end;
	}
	free(text);
	if (chosen.n)
		qsort(chosen.row, chosen.n, sizeof(*chosen.row), by_number);
}

void
cat_rows_open(const char *rows)
{
	if (strchr(rows, ':') && !rows[strspn(rows, "0123456789:")])
		slice_read(rows);
	else
		list_read(rows);
}

int
cat_row_chosen(const char *rows, uint64_t row)
{
	const unsigned long long *v = chosen.slice;

	if (!rows)
		return 1;
	if (chosen.is_slice)
		return row >= v[0] && row < v[1] && (row - v[0]) % v[2] == 0;
	return chosen.n && bsearch(&row, chosen.row, chosen.n, sizeof(row), by_number) != NULL;
}

void
cat_rows_check(const char *rows, uint64_t total)
{
	if (chosen.n && chosen.row[chosen.n - 1] >= total)
		die("%s: there is no row %llu: there are %llu, counted from 0", rows,
		    (unsigned long long)chosen.row[chosen.n - 1], (unsigned long long)total);
}

static int
path_chosen(const struct opt_list *patterns, const struct adds_record *rec)
{
	const char *bytes = rec->type == ADDS_RECORD_LABEL ? rec->name : rec->path;
	const size_t n = rec->type == ADDS_RECORD_LABEL ? rec->name_len : rec->path_len;
	char *text;
	size_t i;
	int yes = 0;

	if (!patterns->n)
		return 1;
	if (!bytes)
		return 0;
	text = cmd_alloc(n + 1, 1);
	memcpy(text, bytes, n);
	for (i = 0; i < patterns->n && !yes; i++)
		yes = fnmatch(patterns->item[i], text, 0) == 0;
	free(text);
	return yes;
}

static int
is_chosen(struct cat_source *s, const struct adds_message *m)
{
	struct adds_record rec;

	if (!cat_row_chosen(s->o->rows, s->number))
		return 0;
	if (!s->o->only && !s->o->paths.n)
		return 1;
	if (adds_record_parse(&rec, m, 0, &cat_err) < 0)
		die("%s: record %llu: %s", cat_name(s), (unsigned long long)s->number, cat_err.msg);
	return (!s->o->only || (int)rec.type + 1 == s->o->only) && path_chosen(&s->o->paths, &rec);
}

int
cat_read(struct cat_source *s, const struct adds_message **m, uint64_t *number)
{
	int yes;

	if (s->o->head >= 0 && s->chosen >= (uint64_t)s->o->head) {
		s->stopped = 1;
		return 0;
	}
	for (;;) {
		while (cat_need(adds_reader_read(s->r, m, &cat_err)) > 0) {
			if (number)
				*number = s->number;
			yes = is_chosen(s, *m);
			s->number++;
			if (yes) {
				s->chosen++;
				return 1;
			}
		}
		if (!s->join || !cat_next_file(s)) {
			cat_rows_check(s->o->rows, s->number);
			return 0;
		}
	}
}

const struct adds_message *
cat_end(const struct cat_source *s)
{
	if (s->stopped)
		return NULL;
	return s->r ? adds_reader_end(s->r) : s->end;
}

int
cat_selective(const struct cat_options *o)
{
	return o->head >= 0 || o->paths.n || o->rows || o->only;
}

cJSON *
cat_choice(const struct cat_options *o)
{
	static const char *const kinds[] = { "picture", "label", "error", "other" };
	cJSON *choice;

	if (!cat_selective(o))
		return NULL;
	choice = cJSON_CreateObject();
	if (o->head >= 0)
		cJSON_AddNumberToObject(choice, "head", (double)o->head);
	if (o->paths.n)
		cJSON_AddItemToObject(choice, "path", cJSON_CreateStringArray(o->paths.item, (int)o->paths.n));
	if (o->rows)
		cJSON_AddStringToObject(choice, "rows", chosen.is_slice ? o->rows : "a list");
	if (o->rows && !chosen.is_slice)
		cJSON_AddStringToObject(choice, "rows_sha256", chosen.hash);
	if (o->only)
		cJSON_AddStringToObject(choice, "only", kinds[o->only - 1]);
	return choice;
}

void
cat_close(struct cat_source *s)
{
	if (s->r)
		close_file(s);
	adds_message_free(s->header);
	adds_message_free(s->end);
	free(s);
}
