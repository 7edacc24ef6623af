/* SPDX-License-Identifier: MIT
 * cat_text.c - a stream as text that a person understands */
#include <stdlib.h>
#include <string.h>

#include "cat.h"

enum { FEW = 6 }; /* names shown of a list */

const char **
cat_labels(const struct adds_message *header, size_t *n)
{
	const struct adds_tensor *t = adds_message_tensor(header, "labels");
	const char *p = t ? t->data : NULL, *end = p ? p + t->size : NULL, **list;
	size_t k = 0;

	*n = 0;
	if (!t || t->dtype != ADDS_U8)
		return NULL;
	list = cmd_alloc(t->size + 1, sizeof(*list));
	for (; p < end; p += strlen(p) + 1) {
		if (!memchr(p, 0, (size_t)(end - p)))
			die("the last name of the vocabulary does not end");
		list[k++] = p;
	}
	*n = k;
	return list;
}

/* bytes from outside, so that they cannot drive a terminal */
static void
put_bytes(const char *p, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		putchar((unsigned char)p[i] < 0x20 || p[i] == 0x7f ? '?' : p[i]);
}

static void
put_size(double bytes)
{
	static const char *const units[] = { "B", "kB", "MB", "GB" };
	int k = 0;

	for (; bytes >= 1000 && k < 3; k++)
		bytes /= 1000;
	printf(k ? "%.1f %s" : "%.0f %s", bytes, units[k]);
}

/* a field of the header: the key, then its value without quotes where it is a string */
static void
put_field(const cJSON *item)
{
	char *text;

	if (cJSON_IsString(item)) {
		printf("  %-12s ", item->string);
		put_bytes(item->valuestring, strlen(item->valuestring));
		putchar('\n');
		return;
	}
	if (!(text = adds_json_print(item)))
		die("out of memory");
	printf("  %-12s %s\n", item->string, text);
	free(text);
}

static void
put_step(const cJSON *step)
{
	const char *program = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(step, "program"));
	const char *version = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(step, "version"));
	const cJSON *options = cJSON_GetObjectItemCaseSensitive(step, "options");
	char *text = options ? adds_json_print(options) : NULL;

	printf("  %-12s %s %s%s%s\n", "made by", program ? program : "?", version ? version : "?", text ? " " : "",
	       text ? text : "");
	free(text);
}

static void
put_vocabulary(const struct adds_message *header)
{
	const struct adds_tensor *parents = adds_message_tensor(header, "parents");
	size_t n, i;
	const char **names = cat_labels(header, &n);

	if (!names)
		return;
	printf("  %-12s %zu", "labels", n);
	for (i = 0; i < n && i < FEW; i++) {
		fputs(i ? ", " : ": ", stdout);
		put_bytes(names[i], strlen(names[i]));
	}
	puts(n > FEW ? ", …" : "");
	if (parents)
		printf("  %-12s %lld\n", "parents", (long long)parents->shape[0]);
	free(names);
}

static void
put_header(struct cat_source *s)
{
	const struct adds_message *header = cat_header(s);
	const cJSON *meta = adds_message_meta_const(header), *item;
	const cJSON *steps = cJSON_GetObjectItemCaseSensitive(meta, "provenance");

	put_bytes(cat_name(s), strlen(cat_name(s)));
	printf(": %s\n", adds_message_string(header, "kind"));
	cJSON_ArrayForEach(item, meta)
	{
		if (strcmp(item->string, "record") != 0 && strcmp(item->string, "kind") != 0 &&
		    strcmp(item->string, "format") != 0 && strcmp(item->string, "provenance") != 0)
			put_field(item);
	}
	put_vocabulary(header);
	cJSON_ArrayForEach(item, steps)
		put_step(item);
}

static void
put_rows(const char *sign, const int32_t *rows, size_t n, const char *const *names, size_t labels)
{
	size_t i;

	for (i = 0; i < n && i < 2 * FEW; i++) {
		printf(i ? ", " : "  %s", sign);
		if ((size_t)rows[i] < labels)
			put_bytes(names[rows[i]], strlen(names[rows[i]]));
		else
			printf("label %ld", (long)rows[i]);
	}
	if (n > 2 * FEW)
		printf(", … (%zu)", n);
}

/* the best three labels */
static void
put_scores(const float *x, size_t n, const char *const *names, size_t labels)
{
	size_t i, k, best, shown[3] = { 0, 0, 0 };

	for (k = 0; k < 3 && k < n; k++) {
		best = n;
		for (i = 0; i < n; i++) {
			if ((k > 0 && i == shown[0]) || (k > 1 && i == shown[1]))
				continue;
			if (best == n || x[i] > x[best])
				best = i;
		}
		shown[k] = best;
		printf("  %s%.3g ", k ? "" : "best: ", (double)x[best]);
		if (best < labels)
			put_bytes(names[best], strlen(names[best]));
	}
}

static void
put_picture(const struct adds_record *rec, const char *const *names, size_t labels)
{
	put_bytes(rec->path, rec->path_len);
	if (rec->width)
		printf("  %d×%d", rec->width, rec->height);
	if (rec->bytes >= 0) {
		fputs("  ", stdout);
		put_size((double)rec->bytes);
	}
	if (rec->image) {
		fputs("  embedded ", stdout);
		put_size((double)rec->image_len);
	}
	if (rec->tokens)
		printf("  %lld×%lld %s", (long long)rec->tokens->shape[0], (long long)rec->tokens->shape[1],
		       adds_dtype_name(rec->tokens->dtype));
	if (rec->ntiles)
		printf(" in %zu tile%s", rec->ntiles, rec->ntiles == 1 ? "" : "s");
	if (!rec->pos)
		fputs("  unlabelled", stdout);
	else if (!rec->npos)
		fputs(rec->neg ? "" : "  none of the labels", stdout);
	else
		put_rows("is: ", rec->pos, rec->npos, names, labels);
	if (rec->nneg)
		put_rows("is not: ", rec->neg, rec->nneg, names, labels);
	if (rec->neg && rec->npos + rec->nneg < labels)
		fputs("  rest unknown", stdout);
	if (rec->scores)
		put_scores(rec->scores, rec->nscores, names, labels);
}

static void
put_label(const struct adds_record *rec, const struct adds_message *m)
{
	const cJSON *prompts = cJSON_GetObjectItemCaseSensitive(adds_message_meta_const(m), "prompts");
	const char *prompt = prompts ? cJSON_GetStringValue(prompts->child) : NULL;

	put_bytes(rec->name, rec->name_len);
	printf("  %zu numbers", rec->width_embedding);
	if (prompt) {
		fputs("  \"", stdout);
		put_bytes(prompt, strlen(prompt));
		putchar('"');
	}
	if (prompts && cJSON_GetArraySize(prompts) > 1)
		printf(" and %d more", cJSON_GetArraySize(prompts) - 1);
}

static void
put_record(const struct adds_record *rec, const struct adds_message *m, const char *const *names, size_t labels)
{
	switch (rec->type) {
	case ADDS_RECORD_PICTURE:
		put_picture(rec, names, labels);
		break;
	case ADDS_RECORD_LABEL:
		put_label(rec, m);
		break;
	case ADDS_RECORD_ERROR:
		put_bytes(rec->path, rec->path_len);
		fputs("  ERROR in ", stdout);
		put_bytes(rec->stage, strlen(rec->stage));
		fputs(": ", stdout);
		put_bytes(rec->reason, strlen(rec->reason));
		break;
	default:
		fputs(adds_message_json(m), stdout);
	}
}

static void
put_end(const struct adds_message *end)
{
	const double records = adds_message_number(end, "records", 0), errors = adds_message_number(end, "errors", 0);
	const cJSON *joined = cJSON_GetObjectItemCaseSensitive(adds_message_meta_const(end), "joined");

	printf("end: %.0f record%s, %.0f error%s", records, records == 1 ? "" : "s", errors, errors == 1 ? "" : "s");
	if (joined)
		printf(", joined from streams with %d other histories", cJSON_GetArraySize(joined));
	putchar('\n');
}

void
cat_text(struct cat_source *s, const struct cat_options *o)
{
	const struct adds_message *m;
	struct adds_record rec;
	uint64_t number;
	const char **names;
	size_t labels;

	(void)o;
	do {
		names = cat_labels(cat_header(s), &labels);
		put_header(s);
		while (cat_read(s, &m, &number)) {
			if (adds_record_parse(&rec, m, (int64_t)labels, &cat_err) < 0)
				die("%s: record %llu: %s", cat_name(s), (unsigned long long)number, cat_err.msg);
			printf("%6llu  ", (unsigned long long)number);
			put_record(&rec, m, names, labels);
			putchar('\n');
		}
		free(names);
		if (cat_end(s))
			put_end(cat_end(s));
	} while (cat_next_file(s));
}
