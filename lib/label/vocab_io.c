/* SPDX-License-Identifier: MIT
 * vocab_io.c - a vocabulary from and to headers, JSON and lists */
#include <stdlib.h>
#include <string.h>

#include "hierarchy.h"

#define MAX_FILE ((size_t)64 << 20)

int
adds_vocab_take_names(struct adds_vocab *v, const struct adds_tensor *t, struct adds_error *err)
{
	const char *s = t->data, *end = s + t->size, *nul;
	size_t before;

	if (t->dtype != ADDS_U8 || t->rank != 1)
		return adds_fail(err, ADDS_EFORMAT, "'%s' is not a row of bytes", t->name);
	for (; s < end; s = nul + 1) {
		if (!(nul = memchr(s, 0, (size_t)(end - s))))
			return adds_fail(err, ADDS_EFORMAT, "'%s' does not end with a NUL byte", t->name);
		before = v->n;
		if (adds_vocab_add(v, s, (size_t)(nul - s), err) < 0)
			return adds_fail_in(err, "'%s'", t->name);
		if (v->n == before || v->label[before].len != (size_t)(nul - s))
			return adds_fail(err, ADDS_EFORMAT, "'%s': '%s' stands twice, or between white space", t->name, s);
	}
	return 0;
}

static int
read_parents(struct adds_vocab *v, const struct adds_tensor *t, struct adds_error *err)
{
	const int32_t *e = t->data;
	int64_t i;
	int rc;

	if (t->dtype != ADDS_I32 || t->rank != 2 || t->shape[1] != 2)
		return adds_fail(err, ADDS_EFORMAT, "'parents' is not a table of pairs of rows");
	for (i = 0; i < 2 * t->shape[0]; i++)
		if (e[i] < 0 || (size_t)e[i] >= v->n)
			return adds_fail(err, ADDS_EFORMAT, "'parents': row %d is not within the %zu labels", (int)e[i],
			                 v->n);
	for (i = 0; i < t->shape[0]; i++)
		if ((rc = adds_vocab_link(v, e[2 * i], e[2 * i + 1], err)) < 0)
			return rc;
	if (adds_vocab_check_parents(v, err) < 0)
		return adds_fail_in(err, "'parents'");
	return 0;
}

struct adds_vocab *
adds_vocab_from_header(const struct adds_message *header, struct adds_error *err)
{
	const struct adds_tensor *labels = adds_message_tensor(header, "labels");
	const struct adds_tensor *parents = adds_message_tensor(header, "parents");
	struct adds_vocab *v = adds_vocab_new();

	if (!v) {
		adds_fail(err, ADDS_ENOMEM, "out of memory for a vocabulary");
		return NULL;
	}
	if ((labels && adds_vocab_take_names(v, labels, err) < 0) || (parents && read_parents(v, parents, err) < 0)) {
		adds_vocab_free(v);
		return NULL;
	}
	return v;
}

int
adds_vocab_put_names(const struct adds_vocab *v, struct adds_message *m, const char *tensor, struct adds_error *err)
{
	int64_t n = 0, at = 0;
	char *all;
	size_t i;
	int rc;

	for (i = 0; i < v->n; i++)
		n += v->label[i].len + 1;
	if (!(all = malloc((size_t)n + 1)))
		return adds_fail(err, ADDS_ENOMEM, "out of memory for %zu labels", v->n);
	for (i = 0; i < v->n; i++) {
		memcpy(all + at, v->label[i].name, v->label[i].len + 1);
		at += v->label[i].len + 1;
	}
	rc = adds_message_add(m, tensor, ADDS_U8, 1, &n, all, err);
	free(all);
	return rc;
}

int
adds_vocab_to_header(const struct adds_vocab *v, struct adds_message *header, struct adds_error *err)
{
	int64_t shape[2] = { 0, 2 };
	int32_t *e;
	size_t i, j, n = 0;
	int rc;

	if ((rc = adds_vocab_put_names(v, header, "labels", err)) < 0)
		return rc;
	for (i = 0; i < v->n; i++)
		shape[0] += (int64_t)v->label[i].nparents;
	if (shape[0] == 0) {
		adds_message_remove(header, "parents");
		return 0;
	}
	if (!(e = malloc((size_t)shape[0] * 2 * sizeof(*e))))
		return adds_fail(err, ADDS_ENOMEM, "out of memory for the parents of %zu labels", v->n);
	for (i = 0; i < v->n; i++)
		for (j = 0; j < v->label[i].nparents; j++) {
			e[n++] = (int32_t)i;
			e[n++] = v->label[i].parents[j];
		}
	rc = adds_message_add(header, "parents", ADDS_I32, 2, shape, e, err);
	free(e);
	return rc;
}

/* Every key and every string is a name, wherever it stands; keys are the places
 * above what they hold. The parser has bounded the depth. */
static int
read_tree(struct adds_vocab *v, const cJSON *json, int32_t parent, struct adds_error *err)
{
	const cJSON *c;

	cJSON_ArrayForEach(c, json)
	{
		const char *name = cJSON_IsString(c) ? c->valuestring : c->string;
		int32_t place = parent;
		int64_t row;

		if (c->string && cJSON_IsString(c)) {
			if ((row = adds_vocab_add(v, c->string, strlen(c->string), err)) < 0 ||
			    (place = adds_vocab_place(v, (int32_t)row, parent, err)) < 0)
				return -1;
		}
		if (name) {
			if ((row = adds_vocab_add(v, name, strlen(name), err)) < 0 ||
			    (place = adds_vocab_place(v, (int32_t)row, place, err)) < 0)
				return -1;
		}
		if ((cJSON_IsObject(c) || cJSON_IsArray(c)) && read_tree(v, c, place, err) < 0)
			return -1;
	}
	return 0;
}

static int
read_json(struct adds_vocab *v, const char *text, size_t len, const char *path, struct adds_error *err)
{
	cJSON *json = adds_json_parse(text, len, MAX_FILE, path, err);
	int rc;

	if (!json)
		return -1;
	if ((rc = read_tree(v, json, -1, err)) < 0 || (rc = adds_vocab_settle(v, err)) < 0)
		adds_fail_in(err, "'%s'", path);
	else
		rc = adds_vocab_sort(v, err);
	cJSON_Delete(json);
	return rc;
}

/* one name a line, up to a tab */
static int
read_lines(struct adds_vocab *v, const char *s, size_t len, const char *path, struct adds_error *err)
{
	const char *end = s + len, *line, *stop;
	size_t number = 0, n, before;

	for (; s < end; s = stop + 1) {
		if (!(stop = memchr(s, '\n', (size_t)(end - s))))
			stop = end;
		number++;
		line = memchr(s, '\t', (size_t)(stop - s));
		n = (size_t)((line ? line : stop) - s);
		line = s;
		if ((n = adds_trim(&line, n)) == 0)
			continue;
		before = v->n;
		if (adds_vocab_add(v, line, n, err) < 0)
			return adds_fail_in(err, "'%s' line %zu", path, number);
		if (v->n == before)
			return adds_fail(err, ADDS_EFORMAT, "'%s' line %zu: '%.*s' stands twice: remove one", path,
			                 number, (int)n, line);
	}
	return 0;
}

struct adds_vocab *
adds_vocab_parse(const char *text, size_t len, const char *name, struct adds_error *err)
{
	struct adds_vocab *v = adds_vocab_new();
	const size_t bom = len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
	const char *s = text + bom;
	size_t left;
	int rc;

	if (!v) {
		adds_fail(err, ADDS_ENOMEM, "out of memory for a vocabulary");
		return NULL;
	}
	len -= bom;
	left = adds_trim(&s, len);
	rc = left && (*s == '{' || *s == '[') ? read_json(v, s, left, name, err)
	                                      : read_lines(v, text + bom, len, name, err);
	if (rc == 0 && v->n == 0)
		rc = adds_fail(err, ADDS_EFORMAT, "'%s' holds no label", name);
	if (rc < 0) {
		adds_vocab_free(v);
		return NULL;
	}
	return v;
}

struct adds_vocab *
adds_vocab_read(const char *path, struct adds_error *err)
{
	struct adds_vocab *v = NULL;
	size_t len;
	char *text = adds_read_file(path, MAX_FILE, &len, err);

	if (text)
		v = adds_vocab_parse(text, len, strcmp(path, "-") == 0 ? "<stdin>" : path, err);
	free(text);
	return v;
}
