/* SPDX-License-Identifier: MIT
 * record.c - the records of adds(5) as C structs */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "message.h"
#include "record.h"

static const char *const kinds[] = { "index", "labels", "features", "scores" };

const char *
adds_kind_name(enum adds_kind kind)
{
	return (unsigned)kind <= ADDS_KIND_SCORES ? kinds[kind] : "?";
}

int
adds_header_kind(const struct adds_message *header, struct adds_error *err)
{
	const char *kind = adds_message_string(header, "kind");
	int k;

	for (k = 0; kind && k <= ADDS_KIND_SCORES; k++)
		if (strcmp(kind, kinds[k]) == 0)
			return k;
	return adds_fail(err, ADDS_EFORMAT, "a stream of the unknown kind '%s'", kind ? kind : "none");
}

struct adds_message *
adds_header_new(enum adds_kind kind, struct adds_error *err)
{
	struct adds_message *m = adds_message_new();

	if (!m || adds_message_set_string(m, "record", "header", err) < 0 ||
	    adds_message_set_string(m, "kind", adds_kind_name(kind), err) < 0 ||
	    adds_message_set_number(m, "format", 1, err) < 0 || !cJSON_AddArrayToObject(m->meta, "provenance")) {
		adds_fail(err, ADDS_ENOMEM, "out of memory");
		adds_message_free(m);
		return NULL;
	}
	return m;
}

/* "labels (from adds-encode-text) or scores (from adds-eval -t)" */
static void
list_kinds(char list[160], unsigned wanted)
{
	static const char *const makers[] = { "adds-index", "adds-encode-text", "adds-pyramid", "adds-eval -t" };
	int k;

	*list = '\0';
	for (k = 0; k <= ADDS_KIND_SCORES; k++)
		if (wanted >> k & 1) {
			strcat(list, *list ? " or " : "");
			strcat(strcat(strcat(strcat(list, kinds[k]), " (from "), makers[k]), ")");
		}
}

int
adds_refuse_folder_for(const char *path, unsigned wanted, struct adds_error *err)
{
	char list[160], needed[200];

	list_kinds(list, wanted);
	snprintf(needed, sizeof(needed), "a stream of %s", list);
	return adds_refuse_folder(path, needed, wanted == 1u << ADDS_KIND_LABELS ? "labels.adds" : NULL, err);
}

struct adds_reader *
adds_reader_open_kind(const char *path, unsigned wanted, struct adds_error *err)
{
	struct adds_reader *r;
	char list[160];
	int kind;

	if (adds_refuse_folder_for(path, wanted, err) < 0 || !(r = adds_reader_open(path, NULL, err)))
		return NULL;
	if ((kind = adds_header_kind(adds_reader_header(r), err)) >= 0) {
		if (wanted >> kind & 1)
			return r;
		list_kinds(list, wanted);
		adds_fail(err, ADDS_EMISMATCH, "%s: a stream of %s, but one of %s is needed here", adds_reader_name(r),
		          kinds[kind], list);
	}
	adds_reader_close(r);
	return NULL;
}

int
adds_provenance_add(struct adds_message *header, const char *program, cJSON *options, struct adds_error *err)
{
	cJSON *list = cJSON_GetObjectItemCaseSensitive(adds_message_meta(header), "provenance");
	cJSON *step = cJSON_CreateObject();

	if (!list)
		list = cJSON_AddArrayToObject(header->meta, "provenance");
	if (!cJSON_IsArray(list) || !step || !cJSON_AddStringToObject(step, "program", program) ||
	    !cJSON_AddStringToObject(step, "version", adds_version())) {
		cJSON_Delete(step);
		cJSON_Delete(options);
		return adds_fail(err, ADDS_EFORMAT, "'provenance' of the header is not a list");
	}
	if (options)
		cJSON_AddItemToObject(step, "options", options);
	cJSON_AddItemToArray(list, step);
	return 0;
}

/* ---- reading a record ---- */

/* the tensor of that name if it is there: of this type and rank, else an error */
static int
find(const struct adds_tensor **t, const struct adds_message *m, const char *name, enum adds_dtype dtype, int rank,
     struct adds_error *err)
{
	*t = adds_message_tensor(m, name);
	if (!*t || ((*t)->dtype == dtype && (*t)->rank == rank))
		return 0;
	return adds_fail(err, ADDS_EFORMAT, "tensor '%s' is %s with %d dimensions, it should be %s with %d", name,
	                 adds_dtype_name((*t)->dtype), (*t)->rank, adds_dtype_name(dtype), rank);
}

static int
read_bytes(const char **p, size_t *n, const struct adds_message *m, const char *name, struct adds_error *err)
{
	const struct adds_tensor *t;
	int rc = find(&t, m, name, ADDS_U8, 1, err);

	if (rc < 0 || !t)
		return rc;
	*p = t->data;
	*n = t->size;
	return 0;
}

/* rows of the vocabulary, ascending and within it */
static int
read_rows(const int32_t **rows, size_t *n, const struct adds_message *m, const char *name, int64_t labels,
          struct adds_error *err)
{
	const struct adds_tensor *t;
	int rc = find(&t, m, name, ADDS_I32, 1, err);
	size_t i;

	if (rc < 0 || !t)
		return rc;
	*rows = t->data;
	*n = (size_t)t->shape[0];
	for (i = 0; i < *n; i++) {
		if ((*rows)[i] < 0 || (labels > 0 && (*rows)[i] >= labels))
			return adds_fail(err, ADDS_EFORMAT, "tensor '%s': row %ld, but the size of the vocabulary is %lld", name,
			                 (long)(*rows)[i], (long long)labels);
		if (i && (*rows)[i] <= (*rows)[i - 1])
			return adds_fail(err, ADDS_EFORMAT, "tensor '%s' is not ascending", name);
	}
	return 0;
}

static int
read_targets(struct adds_record *rec, const struct adds_message *m, int64_t labels, struct adds_error *err)
{
	size_t i, k = 0;
	int rc;

	if ((rc = read_rows(&rec->pos, &rec->npos, m, "pos", labels, err)) < 0 ||
	    (rc = read_rows(&rec->neg, &rec->nneg, m, "neg", labels, err)) < 0)
		return rc;
	for (i = 0; i < rec->npos; i++) {
		while (k < rec->nneg && rec->neg[k] < rec->pos[i])
			k++;
		if (k < rec->nneg && rec->neg[k] == rec->pos[i])
			return adds_fail(err, ADDS_EFORMAT, "label %ld stands in both 'pos' and 'neg'", (long)rec->pos[i]);
	}
	return 0;
}

static int
read_size(struct adds_record *rec, const struct adds_message *m, struct adds_error *err)
{
	const struct adds_tensor *t;
	const int32_t *size;
	int rc = find(&t, m, "size", ADDS_I32, 1, err);

	if (rc < 0 || !t)
		return rc;
	size = t->data;
	if (t->shape[0] != 2 || size[0] <= 0 || size[1] <= 0)
		return adds_fail(err, ADDS_EFORMAT, "tensor 'size' should hold a height and a width");
	rec->height = size[0];
	rec->width = size[1];
	return 0;
}

static int
read_tiles(struct adds_record *rec, const struct adds_message *m, struct adds_error *err)
{
	const struct adds_tensor *t;
	int64_t sum = 0;
	size_t i;
	int rc = find(&t, m, "tiles", ADDS_I32, 2, err);

	if (rc < 0 || !t)
		return rc;
	if (t->shape[1] != 6)
		return adds_fail(err, ADDS_EFORMAT, "tensor 'tiles' has %lld columns, it should have 6", (long long)t->shape[1]);
	rec->tiles = t->data;
	rec->ntiles = (size_t)t->shape[0];
	for (i = 0; i < rec->ntiles; i++) {
		if (rec->tiles[6 * i + 5] < 0)
			return adds_fail(err, ADDS_EFORMAT, "tile %zu has a negative number of tokens", i);
		sum += rec->tiles[6 * i + 5];
	}
	if (rec->tokens && sum != rec->tokens->shape[0])
		return adds_fail(err, ADDS_EFORMAT, "the tiles have %lld tokens, the tensor 'tokens' %lld", (long long)sum,
		                 (long long)rec->tokens->shape[0]);
	return 0;
}

static int
read_tokens(struct adds_record *rec, const struct adds_message *m, struct adds_error *err)
{
	const struct adds_tensor *t = adds_message_tensor(m, "tokens");

	if (!t)
		return 0;
	if (t->rank != 2 || t->shape[0] < 1 || t->shape[1] < 1)
		return adds_fail(err, ADDS_EFORMAT, "tensor 'tokens' should have the shape [T, D]");
	if (t->dtype != ADDS_F16 && t->dtype != ADDS_BF16 && t->dtype != ADDS_F32)
		return adds_fail(err, ADDS_EFORMAT, "tensor 'tokens' is %s, it should be F16, BF16 or F32",
		                 adds_dtype_name(t->dtype));
	rec->tokens = t;
	return 0;
}

static int
read_scores(struct adds_record *rec, const struct adds_message *m, int64_t labels, struct adds_error *err)
{
	const struct adds_tensor *t;
	int rc = find(&t, m, "scores", ADDS_F32, 1, err);

	if (rc < 0 || !t)
		return rc;
	rec->scores = t->data;
	rec->nscores = (size_t)t->shape[0];
	if (labels > 0 && t->shape[0] != labels)
		return adds_fail(err, ADDS_EFORMAT, "%lld scores, but the size of the vocabulary is %lld", (long long)t->shape[0],
		                 (long long)labels);
	return 0;
}

static int
read_picture(struct adds_record *rec, const struct adds_message *m, int64_t labels, struct adds_error *err)
{
	const char *bytes = adds_message_string(m, "bytes"), *image = NULL;
	int rc;

	rec->type = ADDS_RECORD_PICTURE;
	rec->bytes = bytes ? strtoll(bytes, NULL, 10) : (int64_t)adds_message_number(m, "bytes", -1);
	rec->mtime = adds_message_string(m, "mtime");
	rec->sha256 = adds_message_string(m, "sha256");
	if ((rc = read_bytes(&rec->path, &rec->path_len, m, "path", err)) < 0 ||
	    (rc = read_bytes(&image, &rec->image_len, m, "image", err)) < 0)
		return rc;
	if (!rec->path_len)
		return adds_fail(err, ADDS_EFORMAT, "a picture without a path");
	rec->image = (const unsigned char *)image;
	if ((rc = read_targets(rec, m, labels, err)) < 0 || (rc = read_size(rec, m, err)) < 0 ||
	    (rc = read_tokens(rec, m, err)) < 0 || (rc = read_tiles(rec, m, err)) < 0)
		return rc;
	return read_scores(rec, m, labels, err);
}

static int
read_label(struct adds_record *rec, const struct adds_message *m, struct adds_error *err)
{
	const struct adds_tensor *t;
	int rc;

	rec->type = ADDS_RECORD_LABEL;
	if ((rc = read_bytes(&rec->name, &rec->name_len, m, "name", err)) < 0 ||
	    (rc = find(&t, m, "embedding", ADDS_F32, 1, err)) < 0)
		return rc;
	if (!rec->name_len)
		return adds_fail(err, ADDS_EFORMAT, "a label without a name");
	if (!t || !t->size)
		return adds_fail(err, ADDS_EFORMAT, "a label without its embedding");
	rec->embedding = t->data;
	rec->width_embedding = (size_t)t->shape[0];
	return 0;
}

static int
read_error(struct adds_record *rec, const struct adds_message *m, struct adds_error *err)
{
	rec->type = ADDS_RECORD_ERROR;
	rec->stage = adds_message_string(m, "stage");
	rec->reason = adds_message_string(m, "reason");
	if (!rec->stage || !rec->reason)
		return adds_fail(err, ADDS_EFORMAT, "an error record without 'stage' or 'reason'");
	return read_bytes(&rec->path, &rec->path_len, m, "path", err);
}

int
adds_record_parse(struct adds_record *rec, const struct adds_message *m, int64_t labels, struct adds_error *err)
{
	const char *record = adds_message_string(m, "record");

	memset(rec, 0, sizeof(*rec));
	rec->bytes = -1;
	if (record && strcmp(record, "picture") == 0)
		return read_picture(rec, m, labels, err);
	if (record && strcmp(record, "label") == 0)
		return read_label(rec, m, err);
	if (record && strcmp(record, "error") == 0)
		return read_error(rec, m, err);
	rec->type = ADDS_RECORD_OTHER;
	return 0;
}

/* ---- new records ---- */

static int
add_bytes(struct adds_message *m, const char *name, const void *p, size_t n, struct adds_error *err)
{
	const int64_t shape = (int64_t)n;

	return adds_message_add(m, name, ADDS_U8, 1, &shape, p, err);
}

static struct adds_message *
record_new(const char *kind, const char *tensor, const void *p, size_t n, struct adds_error *err)
{
	struct adds_message *m = adds_message_new();

	if (!m) {
		adds_fail(err, ADDS_ENOMEM, "out of memory");
		return NULL;
	}
	if (adds_message_set_string(m, "record", kind, err) < 0 || add_bytes(m, tensor, p, n, err) < 0) {
		adds_message_free(m);
		return NULL;
	}
	return m;
}

struct adds_message *
adds_picture_new(const void *path, size_t path_len, int64_t bytes, const char *mtime, struct adds_error *err)
{
	struct adds_message *m = record_new("picture", "path", path, path_len, err);
	char text[24];

	snprintf(text, sizeof(text), "%lld", (long long)bytes);
	if (m && ((bytes >= 0 && adds_message_set_string(m, "bytes", text, err) < 0) ||
	          (mtime && adds_message_set_string(m, "mtime", mtime, err) < 0))) {
		adds_message_free(m);
		return NULL;
	}
	return m;
}

struct adds_message *
adds_error_new(const void *path, size_t path_len, const char *stage, const char *reason, struct adds_error *err)
{
	struct adds_message *m = record_new("error", "path", path, path_len, err);

	if (m && (adds_message_set_string(m, "stage", stage, err) < 0 ||
	          adds_message_set_string(m, "reason", reason, err) < 0)) {
		adds_message_free(m);
		return NULL;
	}
	return m;
}

struct adds_message *
adds_label_new(const char *name, size_t name_len, const float *embedding, int64_t width, const char *const *prompts,
               size_t nprompts, struct adds_error *err)
{
	struct adds_message *m = record_new("label", "name", name, name_len, err);
	cJSON *list = prompts ? cJSON_CreateStringArray(prompts, (int)nprompts) : NULL;

	if (m && adds_message_add(m, "embedding", ADDS_F32, 1, &width, embedding, err) == 0) {
		if (!list || cJSON_AddItemToObject(m->meta, "prompts", list))
			return m;
		adds_fail(err, ADDS_ENOMEM, "out of memory");
	}
	cJSON_Delete(list);
	adds_message_free(m);
	return NULL;
}
