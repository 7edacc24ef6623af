/* SPDX-License-Identifier: MIT
 * json.c - JSON trees from text that was checked, and back as canonical text */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "record.h"

int
adds_buf_reserve(struct adds_buf *b, size_t n)
{
	size_t cap = b->cap ? b->cap : 256;
	unsigned char *p;

	if (b->failed)
		return -1;
	if (n <= b->cap - b->n)
		return 0;
	while (cap - b->n < n) {
		if (cap > SIZE_MAX / 2) {
			b->failed = 1;
			return -1;
		}
		cap *= 2;
	}
	if (!(p = realloc(b->p, cap))) {
		b->failed = 1;
		return -1;
	}
	b->p = p;
	b->cap = cap;
	return 0;
}

void
adds_buf_add(struct adds_buf *b, const void *bytes, size_t n)
{
	if (!n || adds_buf_reserve(b, n) < 0)
		return;
	memcpy(b->p + b->n, bytes, n);
	b->n += n;
}

void
adds_buf_text(struct adds_buf *b, const char *text)
{
	adds_buf_add(b, text, strlen(text));
}

void
adds_buf_release(struct adds_buf *b)
{
	free(b->p);
	memset(b, 0, sizeof(*b));
}

static void
quote_control(struct adds_buf *b, unsigned char c)
{
	static const char plain[] = "\b\f\n\r\t\"\\", letter[] = "bfnrt\"\\";
	const char *at = strchr(plain, c);
	char text[8];

	if (at)
		snprintf(text, sizeof(text), "\\%c", letter[at - plain]);
	else
		snprintf(text, sizeof(text), "\\u%04x", c);
	adds_buf_text(b, text);
}

void
adds_json_quote(struct adds_buf *b, const char *text)
{
	const char *from = text;

	adds_buf_text(b, "\"");
	for (; *text; text++)
		if ((unsigned char)*text < 0x20 || *text == '"' || *text == '\\') {
			adds_buf_add(b, from, (size_t)(text - from));
			quote_control(b, (unsigned char)*text);
			from = text + 1;
		}
	adds_buf_add(b, from, (size_t)(text - from));
	adds_buf_text(b, "\"");
}

/* whole numbers without fraction; others with the fewest digits that read
 * back as the same double */
static void
append_number(struct adds_buf *b, double x)
{
	char text[40];
	int digits;

	if (fabs(x) <= 9007199254740992.0 && x == (double)(long long)x) {
		snprintf(text, sizeof(text), "%lld", (long long)x);
	} else if (!isfinite(x)) {
		snprintf(text, sizeof(text), "null");
	} else {
		for (digits = 15; digits <= 17; digits++) {
			snprintf(text, sizeof(text), "%.*g", digits, x);
			if (strtod(text, NULL) == x)
				break;
		}
	}
	adds_buf_text(b, text);
}

static int
by_key(const void *a, const void *b)
{
	return strcmp((*(const cJSON *const *)a)->string, (*(const cJSON *const *)b)->string);
}

/* children of an object, sorted by key; NULL: no memory */
static const cJSON **
sorted(const cJSON *object, size_t *n)
{
	const cJSON **list, *child;
	size_t i = 0;

	*n = (size_t)cJSON_GetArraySize(object);
	if (!(list = malloc((*n + 1) * sizeof(*list))))
		return NULL;
	cJSON_ArrayForEach(child, object)
		list[i++] = child;
	qsort(list, *n, sizeof(*list), by_key);
	return list;
}

static void
append_object(struct adds_buf *b, const cJSON *object)
{
	size_t i, n;
	const cJSON **list = sorted(object, &n);

	if (!list) {
		b->failed = 1;
		return;
	}
	adds_buf_text(b, "{");
	for (i = 0; i < n; i++) {
		if (i)
			adds_buf_text(b, ",");
		adds_json_quote(b, list[i]->string);
		adds_buf_text(b, ":");
		adds_json_append(b, list[i]);
	}
	adds_buf_text(b, "}");
	free(list);
}

static void
append_array(struct adds_buf *b, const cJSON *array)
{
	const cJSON *child;

	adds_buf_text(b, "[");
	cJSON_ArrayForEach(child, array)
	{
		if (child != array->child)
			adds_buf_text(b, ",");
		adds_json_append(b, child);
	}
	adds_buf_text(b, "]");
}

void
adds_json_append(struct adds_buf *b, const cJSON *json)
{
	if (cJSON_IsObject(json))
		append_object(b, json);
	else if (cJSON_IsArray(json))
		append_array(b, json);
	else if (cJSON_IsString(json))
		adds_json_quote(b, json->valuestring);
	else if (cJSON_IsNumber(json))
		append_number(b, json->valuedouble);
	else
		adds_buf_text(b, cJSON_IsTrue(json) ? "true" : cJSON_IsFalse(json) ? "false"
		                                                                   : "null");
}

char *
adds_json_print(const cJSON *json)
{
	struct adds_buf b = { 0 };

	adds_json_append(&b, json);
	adds_buf_add(&b, "", 1);
	if (b.failed)
		adds_buf_release(&b);
	return (char *)b.p;
}

/* no key twice in one object, no number beyond a double */
static int
check_tree(const cJSON *json, const char *name, struct adds_error *err)
{
	const cJSON **list = NULL, *child;
	size_t i, n;
	int rc = 0;

	if (cJSON_IsNumber(json) && !isfinite(json->valuedouble))
		return adds_fail(err, ADDS_EFORMAT, "%s: a number that is too large", name);
	if (cJSON_IsObject(json)) {
		if (!(list = sorted(json, &n)))
			return adds_fail(err, ADDS_ENOMEM, "%s: out of memory", name);
		for (i = 1; i < n && rc == 0; i++)
			if (strcmp(list[i - 1]->string, list[i]->string) == 0)
				rc = adds_fail(err, ADDS_EFORMAT, "%s: the key '%s' stands twice in one object", name,
				               list[i]->string);
		free(list);
	}
	if (rc == 0 && (cJSON_IsObject(json) || cJSON_IsArray(json)))
		cJSON_ArrayForEach(child, json) if ((rc = check_tree(child, name, err)) < 0) break;
	return rc;
}

cJSON *
adds_json_parse(const char *text, size_t len, size_t limit, const char *name, struct adds_error *err)
{
	cJSON *json;

	if (adds_json_check(text, len, limit, name, err) < 0)
		return NULL;
	if (!(json = cJSON_ParseWithLength(text, len))) {
		adds_fail(err, ADDS_ENOMEM, "%s: cannot build the tree of %zu bytes of JSON", name, len);
		return NULL;
	}
	if (check_tree(json, name, err) < 0) {
		cJSON_Delete(json);
		return NULL;
	}
	return json;
}
