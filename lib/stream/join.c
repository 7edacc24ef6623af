/* SPDX-License-Identifier: MIT
 * join.c - which streams may follow one another */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reader.h"
#include "record.h"

/* fields that must agree; a difference in precision is only worth a warning */
static const char *const fields[] = {
	"kind",
	"model",
	"prep",
	"side",
	"levels",
	"tokens",
	"pool",
	"dtype",
	"templates",
	"logit_scale",
	"logit_bias",
	"checkpoint",
	"score",
	"calibrated",
};
static const char *const tensors[] = { "labels", "parents", "known" };

/* differs: both values, as text that the caller frees */
static int
differ(const struct adds_message *first, const struct adds_message *next, const char *key, char **a, char **b)
{
	const cJSON *x = cJSON_GetObjectItemCaseSensitive(first->meta, key);
	const cJSON *y = cJSON_GetObjectItemCaseSensitive(next->meta, key);

	*a = *b = NULL;
	if (!x && !y)
		return 0;
	*a = x ? adds_json_print(x) : strdup("nothing");
	*b = y ? adds_json_print(y) : strdup("nothing");
	if (*a && *b && strcmp(*a, *b) == 0) {
		free(*a);
		free(*b);
		return 0;
	}
	return 1;
}

static int
refuse_field(const char *key, char *a, char *b, struct adds_error *err)
{
	adds_fail(err, ADDS_EMISMATCH, "the joined streams do not belong together: '%s' is %.300s, in the first %.300s", key,
	          b ? b : "?", a ? a : "?");
	free(a);
	free(b);
	return ADDS_EMISMATCH;
}

static int
same_tensor(const struct adds_tensor *a, const struct adds_tensor *b)
{
	if (!a || !b)
		return a == b;
	return a->dtype == b->dtype && a->rank == b->rank &&
	       memcmp(a->shape, b->shape, (size_t)a->rank * sizeof(*a->shape)) == 0 &&
	       memcmp(a->data, b->data, a->size) == 0;
}

/* the name at from in quotes, or that there is none */
static const char *
quoted(char text[256], const char *names, size_t size, size_t from)
{
	if (from >= size)
		return "missing";
	snprintf(text, 256, "'%.*s'", (int)strnlen(names + from, size - from < 200 ? size - from : 200), names + from);
	return text;
}

/* the first name in which two vocabularies differ, for the message */
static int
refuse_vocabulary(const struct adds_tensor *a, const struct adds_tensor *b, struct adds_error *err)
{
	const char *p = a ? a->data : "", *q = b ? b->data : "";
	const size_t n = a ? a->size : 0, m = b ? b->size : 0;
	size_t i, from = 0, row = 0;
	char theirs[256], ours[256];

	for (i = 0; i < n && i < m && p[i] == q[i]; i++)
		if (!p[i]) {
			from = i + 1;
			row++;
		}
	return adds_fail(err, ADDS_EMISMATCH, "the joined streams do not belong together: label %zu is %s, in the first %s", row,
	                 quoted(theirs, q, m, from), quoted(ours, p, n, from));
}

int
adds_join_check(struct adds_reader *r, const struct adds_message *first, const struct adds_message *next,
                struct adds_error *err)
{
	char *a, *b, text[512];
	size_t i;

	for (i = 0; i < sizeof(fields) / sizeof(*fields); i++)
		if (differ(first, next, fields[i], &a, &b))
			return refuse_field(fields[i], a, b, err);
	for (i = 0; i < sizeof(tensors) / sizeof(*tensors); i++) {
		const struct adds_tensor *x = adds_message_tensor(first, tensors[i]), *y = adds_message_tensor(next, tensors[i]);

		if (same_tensor(x, y))
			continue;
		if (i == 0)
			return refuse_vocabulary(x, y, err);
		return adds_fail(err, ADDS_EMISMATCH, "the joined streams do not belong together: their '%s' differ", tensors[i]);
	}
	if (differ(first, next, "precision", &a, &b)) {
		snprintf(text, sizeof(text), "%s: joined streams were computed in different precision: %.100s and %.100s",
		         r->name, a ? a : "?", b ? b : "?");
		adds_reader_warn(r, text);
		free(a);
		free(b);
	}
	return 0;
}
