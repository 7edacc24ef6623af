/* SPDX-License-Identifier: MIT
 * cat_jsonl.c - a stream as JSON Lines: one object a message */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/stream/json.h"
#include "cat.h"

/* bytes as a JSON string where they are UTF-8; else "NAME_hex" holds them */
static void
add_bytes(cJSON *to, const char *name, const char *p, size_t n)
{
	char *text = cmd_alloc(2 * n + 1, 1), key[64];
	size_t i, len;

	for (i = 0; i < n && (len = adds_utf8_char((const unsigned char *)p + i, n - i)) && p[i]; i += len)
		continue;
	if (i >= n) {
		memcpy(text, p, n);
		cJSON_AddStringToObject(to, name, text);
	} else {
		for (i = 0; i < n; i++)
			sprintf(text + 2 * i, "%02x", (unsigned char)p[i]);
		snprintf(key, sizeof(key), "%s_hex", name);
		cJSON_AddStringToObject(to, key, text);
	}
	free(text);
}

static void
add_names(cJSON *to, const char *key, const int32_t *rows, size_t n, const char *const *names, size_t labels)
{
	cJSON *list = cJSON_AddArrayToObject(to, key);
	size_t i;

	for (i = 0; i < n; i++)
		cJSON_AddItemToArray(list, (size_t)rows[i] < labels ? cJSON_CreateString(names[rows[i]])
		                                                    : cJSON_CreateNumber(rows[i]));
}

/* a float as the double with the fewest digits that read back as it */
static double
brief(float x)
{
	char text[32];
	int digits;

	if (!isfinite((double)x))
		return (double)x;
	for (digits = 6; digits <= 9; digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, (double)x);
		if (strtof(text, NULL) == x)
			break;
	}
	return strtod(text, NULL);
}

static double
element(const struct adds_tensor *t, size_t i)
{
	float x;

	switch (t->dtype) {
	case ADDS_BOOL:
	case ADDS_U8:
		return ((const uint8_t *)t->data)[i];
	case ADDS_I8:
		return ((const int8_t *)t->data)[i];
	case ADDS_I16:
		return ((const int16_t *)t->data)[i];
	case ADDS_U16:
		return ((const uint16_t *)t->data)[i];
	case ADDS_I32:
		return ((const int32_t *)t->data)[i];
	case ADDS_U32:
		return ((const uint32_t *)t->data)[i];
	case ADDS_I64:
		return (double)((const int64_t *)t->data)[i];
	case ADDS_U64:
		return (double)((const uint64_t *)t->data)[i];
	case ADDS_F64:
		return ((const double *)t->data)[i];
	case ADDS_F32:
		return brief(((const float *)t->data)[i]);
	case ADDS_F16:
		adds_f16_to_f32(&x, (const uint16_t *)t->data + i, 1);
		return brief(x);
	default:
		adds_bf16_to_f32(&x, (const uint16_t *)t->data + i, 1);
		return brief(x);
	}
}

/* type, shape and, if wanted, all values in one flat list */
static void
add_tensor(cJSON *to, const struct adds_tensor *t, int values)
{
	cJSON *item = cJSON_AddObjectToObject(to, t->name), *shape, *list;
	size_t i, n = t->size / adds_dtype_size(t->dtype);
	int k;

	cJSON_AddStringToObject(item, "dtype", adds_dtype_name(t->dtype));
	shape = cJSON_AddArrayToObject(item, "shape");
	for (k = 0; k < t->rank; k++)
		cJSON_AddItemToArray(shape, cJSON_CreateNumber((double)t->shape[k]));
	if (!values)
		return;
	list = cJSON_AddArrayToObject(item, "values");
	for (i = 0; i < n; i++)
		cJSON_AddItemToArray(list, cJSON_CreateNumber(element(t, i)));
}

static void
add_scores(cJSON *to, const struct adds_record *rec, const char *const *names, size_t labels)
{
	cJSON *scores = cJSON_AddObjectToObject(to, "scores");
	char text[32];
	size_t i;

	for (i = 0; i < rec->nscores; i++) {
		cJSON *x = isfinite((double)rec->scores[i]) ? cJSON_CreateNumber(brief(rec->scores[i])) : cJSON_CreateNull();

		snprintf(text, sizeof(text), "%zu", i);
		cJSON_AddItemToObject(scores, i < labels ? names[i] : text, x);
	}
}

static void
add_picture(cJSON *to, const struct adds_record *rec, const char *const *names, size_t labels)
{
	if (rec->path)
		add_bytes(to, "path", rec->path, rec->path_len);
	if (rec->width) {
		cJSON_AddNumberToObject(to, "height", rec->height);
		cJSON_AddNumberToObject(to, "width", rec->width);
	}
	if (rec->pos)
		add_names(to, "positive", rec->pos, rec->npos, names, labels);
	if (rec->neg)
		add_names(to, "negative", rec->neg, rec->nneg, names, labels);
	if (rec->scores)
		add_scores(to, rec, names, labels);
}

/* tensors that were shown in words already */
static int
is_shown(const char *name)
{
	static const char *const shown[] = { "path", "pos", "neg", "size", "scores", "name" };
	size_t i;

	for (i = 0; i < sizeof(shown) / sizeof(*shown); i++)
		if (strcmp(shown[i], name) == 0)
			return 1;
	return 0;
}

static void
put_line(const struct adds_message *m, cJSON *line, int values, int all)
{
	cJSON *tensors = cJSON_CreateObject();
	const struct adds_tensor *t;
	char *text;
	size_t i;

	for (i = 0; (t = adds_message_tensor_at(m, i)); i++)
		if (all || !is_shown(t->name))
			add_tensor(tensors, t, values);
	if (tensors->child)
		cJSON_AddItemToObject(line, "tensors", tensors);
	else
		cJSON_Delete(tensors);
	if (!(text = adds_json_print(line)))
		die("out of memory");
	puts(text);
	free(text);
	cJSON_Delete(line);
}

static cJSON *
fields_of(const struct adds_message *m)
{
	cJSON *line = cJSON_Duplicate(adds_message_meta_const(m), 1);

	if (!line)
		die("out of memory");
	return line;
}

static void
put_header(const struct adds_message *header, const char *const *names, size_t labels, int values)
{
	cJSON *line = fields_of(header), *list;
	size_t i;

	if (names) {
		list = cJSON_AddArrayToObject(line, "labels");
		for (i = 0; i < labels; i++)
			cJSON_AddItemToArray(list, cJSON_CreateString(names[i]));
	}
	put_line(header, line, values, 1);
}

void
cat_jsonl(struct cat_source *s, const struct cat_options *o)
{
	const struct adds_message *m;
	struct adds_record rec;
	uint64_t number;
	const char **names;
	size_t labels;
	cJSON *line;

	do {
		names = cat_labels(cat_header(s), &labels);
		put_header(cat_header(s), names, labels, o->values);
		while (cat_read(s, &m, &number)) {
			if (adds_record_parse(&rec, m, (int64_t)labels, &cat_err) < 0)
				die("%s: record %llu: %s", cat_name(s), (unsigned long long)number, cat_err.msg);
			line = fields_of(m);
			add_picture(line, &rec, names, labels);
			if (rec.name)
				add_bytes(line, "name", rec.name, rec.name_len);
			put_line(m, line, o->values, rec.type == ADDS_RECORD_OTHER);
		}
		free(names);
		if (cat_end(s))
			put_line(cat_end(s), fields_of(cat_end(s)), o->values, 1);
	} while (cat_next_file(s));
}
