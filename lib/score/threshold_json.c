/* SPDX-License-Identifier: MIT
 * threshold_json.c - a thresholds file: JSON out and in.
 *
 *   {"adds":"thresholds","calibrated":0,"checkpoint":"…","format":1,
 *    "global":{…},"labels":[{"f1":…,"fallback":0,"name":"…","positives":…,
 *    "precision":…,"recall":…,"threshold":…}, …],"labels_sha256":"…",
 *    "method":"f1","min_positives":5,"score":"logit","target":0}
 *
 * A threshold of null is one that no score reaches. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "threshold.h"

enum { MAX_FILE = 256 << 20 };

static const char *const methods[] = { "f1", "precision", "recall", "balance", "mcut", NULL };
static const char *const kinds[] = { "logit", "similarity", NULL };

static cJSON *
cut_json(const struct adds_cut *c)
{
	cJSON *j = cJSON_CreateObject();

	if (isfinite(c->threshold))
		cJSON_AddNumberToObject(j, "threshold", c->threshold);
	else
		cJSON_AddNullToObject(j, "threshold");
	cJSON_AddNumberToObject(j, "precision", c->precision);
	cJSON_AddNumberToObject(j, "recall", c->recall);
	cJSON_AddNumberToObject(j, "f1", c->f1);
	cJSON_AddNumberToObject(j, "positives", (double)c->positives);
	return j;
}

char *
adds_thresholds_print(const struct adds_thresholds *t, struct adds_error *err)
{
	cJSON *j = cJSON_CreateObject(), *labels = cJSON_CreateArray();
	char *text;
	size_t i;

	cJSON_AddStringToObject(j, "adds", "thresholds");
	cJSON_AddNumberToObject(j, "format", 1);
	cJSON_AddStringToObject(j, "score", kinds[t->kind]);
	cJSON_AddNumberToObject(j, "calibrated", t->calibrated);
	cJSON_AddStringToObject(j, "checkpoint", t->checkpoint);
	cJSON_AddStringToObject(j, "labels_sha256", t->labels_sha256);
	cJSON_AddStringToObject(j, "method", methods[t->method]);
	cJSON_AddNumberToObject(j, "target", t->target);
	cJSON_AddNumberToObject(j, "min_positives", (double)t->min_positives);
	cJSON_AddItemToObject(j, "global", cut_json(&t->global));
	cJSON_AddItemToObject(j, "labels", labels);
	for (i = 0; i < t->n; i++) {
		cJSON *c = cut_json(&t->cut[i]);

		cJSON_AddStringToObject(c, "name", t->name[i]);
		cJSON_AddNumberToObject(c, "fallback", t->cut[i].fallback);
		cJSON_AddItemToArray(labels, c);
	}
	if (!(text = adds_json_print(j)))
		adds_fail(err, ADDS_ENOMEM, "out of memory for %zu labels", t->n);
	cJSON_Delete(j);
	return text;
}

static double
number(const cJSON *j, const char *key, double fallback)
{
	const cJSON *x = cJSON_GetObjectItemCaseSensitive(j, key);

	return cJSON_IsNumber(x) ? x->valuedouble : fallback;
}

/* a number of things; what is none is 0 */
static int64_t
count(const cJSON *j, const char *key)
{
	const double x = number(j, key, 0);

	return x >= 0 && x < 0x1p53 ? (int64_t)x : 0;
}

static const char *
string(const cJSON *j, const char *key)
{
	const cJSON *x = cJSON_GetObjectItemCaseSensitive(j, key);

	return cJSON_IsString(x) ? x->valuestring : NULL;
}

/* the place of the word at key in list, or -1 */
static int
word(const cJSON *j, const char *key, const char *const *list)
{
	const char *s = string(j, key);
	int i;

	for (i = 0; s && list[i]; i++)
		if (strcmp(s, list[i]) == 0)
			return i;
	return -1;
}

static int
read_cut(struct adds_cut *c, const cJSON *j, const char *what, struct adds_error *err)
{
	const cJSON *x = cJSON_GetObjectItemCaseSensitive(j, "threshold");

	if (!cJSON_IsNumber(x) && !cJSON_IsNull(x))
		return adds_fail(err, ADDS_EFORMAT, "%s.threshold is neither a number nor null", what);
	c->threshold = cJSON_IsNumber(x) ? x->valuedouble : INFINITY;
	c->precision = number(j, "precision", 0);
	c->recall = number(j, "recall", 0);
	c->f1 = number(j, "f1", 0);
	c->positives = count(j, "positives");
	c->fallback = number(j, "fallback", 0) != 0;
	return 0;
}

static int
read_labels(struct adds_thresholds *t, const cJSON *labels, struct adds_error *err)
{
	const cJSON *l;
	char what[64];
	int rc;

	if (!cJSON_IsArray(labels))
		return adds_fail(err, ADDS_EFORMAT, "$.labels is not a list");
	t->name = calloc((size_t)cJSON_GetArraySize(labels) + 1, sizeof(*t->name));
	t->cut = calloc((size_t)cJSON_GetArraySize(labels) + 1, sizeof(*t->cut));
	if (!t->name || !t->cut)
		return adds_fail(err, ADDS_ENOMEM, "out of memory for the labels");
	cJSON_ArrayForEach(l, labels)
	{
		const char *name = string(l, "name");

		snprintf(what, sizeof(what), "$.labels[%zu]", t->n);
		if (!name)
			return adds_fail(err, ADDS_EFORMAT, "%s.name is not a string", what);
		if ((rc = read_cut(&t->cut[t->n], l, what, err)) < 0)
			return rc;
		if (!(t->name[t->n] = strdup(name)))
			return adds_fail(err, ADDS_ENOMEM, "out of memory for the labels");
		t->n++;
	}
	return 0;
}

static int
read_json(struct adds_thresholds *t, const cJSON *j, struct adds_error *err)
{
	const char *adds = string(j, "adds"), *checkpoint = string(j, "checkpoint"), *hash = string(j, "labels_sha256");
	const int kind = word(j, "score", kinds), method = word(j, "method", methods);
	int rc;

	if (!adds || strcmp(adds, "thresholds") || number(j, "format", 0) != 1)
		return adds_fail(err, ADDS_EFORMAT, "not a thresholds file of adds-threshold (format 1)");
	if (kind < 0 || method < 0 || !checkpoint || !hash || strlen(hash) != 64 || strlen(checkpoint) > ADDS_MAX_CHECKPOINT)
		return adds_fail(
			err, ADDS_EFORMAT,
			"one of $.score, $.method, $.checkpoint, $.labels_sha256 is missing or unknown");
	t->kind = (enum adds_score_kind)kind;
	t->method = (enum adds_fit_method)method;
	t->calibrated = number(j, "calibrated", 0) == 1;
	t->target = number(j, "target", 0);
	t->min_positives = count(j, "min_positives");
	strncpy(t->checkpoint, checkpoint, sizeof(t->checkpoint) - 1);
	memcpy(t->labels_sha256, hash, 64);
	if ((rc = read_cut(&t->global, cJSON_GetObjectItemCaseSensitive(j, "global"), "$.global", err)) < 0)
		return rc;
	return read_labels(t, cJSON_GetObjectItemCaseSensitive(j, "labels"), err);
}

int
adds_thresholds_read(struct adds_thresholds *t, const char *path, struct adds_error *err)
{
	cJSON *j = NULL;
	char *text;
	size_t len;
	int rc;

	memset(t, 0, sizeof(*t));
	if (adds_refuse_folder(path, "a thresholds file of adds-threshold", "thresholds.json", err) < 0 ||
	    !(text = adds_read_file(path, MAX_FILE, &len, err)))
		return err->code;
	if (!(j = adds_json_parse(text, len, MAX_FILE, path, err)))
		rc = err->code;
	else if ((rc = read_json(t, j, err)) < 0)
		adds_fail_in(err, "%s", path);
	cJSON_Delete(j);
	free(text);
	return rc;
}
