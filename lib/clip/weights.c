/* SPDX-License-Identifier: MIT
 * weights.c - safetensors files as published: mapped and checked.
 * The format: https://github.com/huggingface/safetensors */
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../stream/record.h"
#include "weights.h"

#define MAX_COUNT 9007199254740992.0 /* 2^53: what a JSON number holds exactly */

static const struct {
	const char *name;
	int bits;
	int dtype;
} types[] = {
	/* clang-format off */
	{ "BOOL", 8, ADDS_BOOL }, { "U8", 8, ADDS_U8 }, { "I8", 8, ADDS_I8 },
	{ "I16", 16, ADDS_I16 }, { "U16", 16, ADDS_U16 }, { "F16", 16, ADDS_F16 }, { "BF16", 16, ADDS_BF16 },
	{ "I32", 32, ADDS_I32 }, { "U32", 32, ADDS_U32 }, { "F32", 32, ADDS_F32 },
	{ "F64", 64, ADDS_F64 }, { "I64", 64, ADDS_I64 }, { "U64", 64, ADDS_U64 },
	{ "C64", 64, -1 }, { "F4", 4, -1 }, { "F6_E2M3", 6, -1 }, { "F6_E3M2", 6, -1 },
	{ "F8_E5M2", 8, -1 }, { "F8_E4M3", 8, -1 }, { "F8_E8M0", 8, -1 },
	{ "F8_E4M3FNUZ", 8, -1 }, { "F8_E5M2FNUZ", 8, -1 },
	/* clang-format on */
};

static int
compare_names(const void *a, const void *b)
{
	return strcmp(((const struct adds_weight *)a)->name, ((const struct adds_weight *)b)->name);
}

static int
compare_places(const void *a, const void *b)
{
	const struct adds_weight *x = a, *y = b;

	if (x->data != y->data)
		return x->data < y->data ? -1 : 1;
	return (x->size > y->size) - (x->size < y->size);
}

const struct adds_weight *
adds_weights_find(const struct adds_weights *w, const char *name)
{
	const struct adds_weight key = { .name = (char *)name };

	return w->n ? bsearch(&key, w->t, w->n, sizeof(*w->t), compare_names) : NULL;
}

void
adds_weights_release(struct adds_weights *w)
{
	size_t i;
	int f;

	for (i = 0; i < w->n; i++)
		free(w->t[i].name);
	free(w->t);
	for (f = 0; f < w->files; f++)
		munmap(w->file[f].p, w->file[f].size);
	memset(w, 0, sizeof(*w));
}

int
adds_weights_mapped(const struct adds_weights *w, const struct adds_weight *t)
{
	const uintptr_t at = (uintptr_t)t->data;
	int f;

	for (f = 0; f < w->files; f++)
		if (at >= (uintptr_t)w->file[f].p && at - (uintptr_t)w->file[f].p <= w->file[f].size)
			return 1;
	return 0;
}

/* A non-negative whole number, or -1. */
static int64_t
count_of(const cJSON *v)
{
	if (!cJSON_IsNumber(v) || !(v->valuedouble >= 0) || v->valuedouble > MAX_COUNT ||
	    v->valuedouble != (double)(int64_t)v->valuedouble)
		return -1;
	return (int64_t)v->valuedouble;
}

/* The format's numbers are digits alone; JSON's fractions and exponents would be taken for some. */
static int
only_digits(const char *s, size_t len)
{
	int string = 0;
	size_t i;

	for (i = 0; i < len; i++) {
		if (string && s[i] == '\\')
			i++;
		else if (s[i] == '"')
			string = !string;
		else if (!string && (s[i] == '-' || s[i] == '+' || s[i] == '.'))
			return 0;
		else if (!string && i && (s[i] == 'e' || s[i] == 'E') && s[i - 1] >= '0' && s[i - 1] <= '9')
			return 0;
	}
	return 1;
}

/* dtype and shape of one member of the header; the bytes it must have in *size. */
static int
read_type(struct adds_weight *t, size_t *size, const cJSON *v, const char *name, struct adds_error *err)
{
	const cJSON *dtype = cJSON_GetObjectItemCaseSensitive(v, "dtype");
	const cJSON *shape = cJSON_GetObjectItemCaseSensitive(v, "shape");
	const cJSON *dim;
	size_t i, bits = 0, product = 1;

	if (!cJSON_IsString(dtype) || !cJSON_IsArray(shape))
		return adds_fail(err, ADDS_EFORMAT, "%s: tensor '%s' lacks 'dtype' or 'shape'", name, t->name);
	for (i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (strcmp(types[i].name, dtype->valuestring) == 0) {
			bits = (size_t)types[i].bits;
			t->dtype = types[i].dtype;
		}
	if (!bits)
		return adds_fail(err, ADDS_EFORMAT, "%s: tensor '%s' has the unknown dtype '%.32s'", name, t->name,
		                 dtype->valuestring);
	cJSON_ArrayForEach(dim, shape)
	{
		const int64_t d = count_of(dim);

		if (d < 0)
			return adds_fail(err, ADDS_EFORMAT, "%s: tensor '%s': 'shape' holds something other than sizes",
			                 name, t->name);
		if (t->rank == ADDS_MAX_RANK)
			return adds_fail(err, ADDS_ELIMIT, "%s: tensor '%s' has more than %d dimensions", name, t->name,
			                 ADDS_MAX_RANK);
		t->shape[t->rank++] = d;
		if (adds_mul_size(product, (size_t)d, &product))
			return adds_fail(err, ADDS_ELIMIT, "%s: tensor '%s' is too large", name, t->name);
	}
	if (adds_mul_size(product, bits, size))
		return adds_fail(err, ADDS_ELIMIT, "%s: tensor '%s' is too large", name, t->name);
	if (*size % 8)
		return adds_fail(err, ADDS_EFORMAT, "%s: tensor '%s' does not fill whole bytes", name, t->name);
	*size /= 8;
	return 0;
}

static int
read_tensor(struct adds_weight *t, const cJSON *v, const unsigned char *data, size_t len, const char *name,
            struct adds_error *err)
{
	const cJSON *offsets = cJSON_GetObjectItemCaseSensitive(v, "data_offsets");
	int64_t begin, end;
	size_t size;
	int rc;

	if (!cJSON_IsObject(v))
		return adds_fail(err, ADDS_EFORMAT, "%s: tensor '%s' is not described by an object", name, v->string);
	if (!(t->name = strdup(v->string)))
		return adds_fail(err, ADDS_ENOMEM, "out of memory");
	if ((rc = read_type(t, &size, v, name, err)) < 0)
		return rc;
	if (cJSON_GetArraySize(offsets) != 2 || (begin = count_of(cJSON_GetArrayItem(offsets, 0))) < 0 ||
	    (end = count_of(cJSON_GetArrayItem(offsets, 1))) < begin)
		return adds_fail(err, ADDS_EFORMAT, "%s: tensor '%s': 'data_offsets' is not a pair of rising offsets", name,
		                 t->name);
	if ((uint64_t)end > len)
		return adds_fail(err, ADDS_ETRUNCATED, "%s: tensor '%s' ends at byte %" PRId64 " of the data, which has %zu",
		                 name, t->name, end, len);
	if ((size_t)(end - begin) != size)
		return adds_fail(err, ADDS_EFORMAT, "%s: tensor '%s' has %" PRId64 " bytes, its shape asks for %zu", name,
		                 t->name, end - begin, size);
	t->data = data + begin;
	t->size = size;
	return 0;
}

/* Tensors in the order of their places fill the data without a hole or an overlap. */
static int
check_places(struct adds_weight *t, size_t n, const unsigned char *data, size_t len, const char *name,
             struct adds_error *err)
{
	const unsigned char *at = data;
	size_t i;

	qsort(t, n, sizeof(*t), compare_places);
	for (i = 0; i < n; i++) {
		if (t[i].data != at)
			return adds_fail(err, ADDS_EFORMAT, "%s: tensor '%s' begins at byte %zu of the data, not at %zu", name,
			                 t[i].name, (size_t)(t[i].data - data), (size_t)(at - data));
		at += t[i].size;
	}
	if (at != data + len)
		return adds_fail(err, ADDS_EFORMAT, "%s: %zu bytes behind the last tensor", name, (size_t)(data + len - at));
	return 0;
}

static int
read_header(struct adds_weights *w, const cJSON *json, const unsigned char *data, size_t len, const char *name,
            struct adds_error *err)
{
	const size_t members = (size_t)cJSON_GetArraySize(json), before = w->n;
	struct adds_weight *t;
	const cJSON *v;
	size_t i;
	int rc;

	if (!cJSON_IsObject(json))
		return adds_fail(err, ADDS_EFORMAT, "%s: the header is not a JSON object", name);
	if (!(t = realloc(w->t, (w->n + members + 1) * sizeof(*t))))
		return adds_fail(err, ADDS_ENOMEM, "out of memory");
	w->t = t;
	cJSON_ArrayForEach(v, json)
	{
		if (strcmp(v->string, "__metadata__") == 0)
			continue;
		memset(&t[w->n], 0, sizeof(*t));
		if ((rc = read_tensor(&t[w->n++], v, data, len, name, err)) < 0)
			return rc;
	}
	if ((rc = check_places(t + before, w->n - before, data, len, name, err)) < 0)
		return rc;
	qsort(t, w->n, sizeof(*t), compare_names);
	for (i = 1; i < w->n; i++)
		if (strcmp(t[i - 1].name, t[i].name) == 0)
			return adds_fail(err, ADDS_EFORMAT, "%s: tensor '%s' stands twice", name, t[i].name);
	return 0;
}

int
adds_weights_parse(struct adds_weights *w, const void *bytes, size_t len, const char *name, struct adds_error *err)
{
	const unsigned char *p = bytes;
	uint64_t head = 0;
	cJSON *json;
	int i, rc;

	if (len < 8)
		return adds_fail(err, ADDS_ETRUNCATED, "%s: %zu bytes are too few for a safetensors file", name, len);
	for (i = 7; i >= 0; i--)
		head = head << 8 | p[i];
	if (head > ADDS_WEIGHTS_MAX_HEADER)
		return adds_fail(
			err, ADDS_ELIMIT,
			"%s: this is no safetensors file: its first 8 bytes are no length of a header, which has up to %u bytes",
			name, ADDS_WEIGHTS_MAX_HEADER);
	if (head > len - 8)
		return adds_fail(err, ADDS_ETRUNCATED, "%s: the header needs %" PRIu64 " bytes, the file has %zu", name, head,
		                 len - 8);
	if (!only_digits((const char *)p + 8, head))
		return adds_fail(err, ADDS_EFORMAT, "%s: the header has a number that is not written in digits alone", name);
	if (!(json = adds_json_parse((const char *)p + 8, head, ADDS_WEIGHTS_MAX_HEADER, name, err)))
		return err ? err->code : ADDS_EFORMAT;
	rc = read_header(w, json, p + 8 + head, len - 8 - head, name, err);
	cJSON_Delete(json);
	return rc;
}

/* The whole file, mapped; its place is noted in w, which unmaps it. */
static int
map_file(struct adds_weights *w, const char *path, int fd, struct adds_error *err)
{
	struct adds_mapping *m = &w->file[w->files];
	struct stat st;

	if (fstat(fd, &st) < 0)
		return adds_fail_errno(err, "cannot read '%s'", path);
	if (!S_ISREG(st.st_mode))
		return adds_fail(err, ADDS_EFORMAT, "'%s' is not a regular file", path);
	if (st.st_size < 8)
		return adds_fail(err, ADDS_ETRUNCATED, "%s: %lld bytes are too few for a safetensors file", path,
		                 (long long)st.st_size);
	m->size = (size_t)st.st_size;
	m->p = mmap(NULL, m->size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (m->p == MAP_FAILED)
		return adds_fail_errno(err, "cannot map '%s'", path);
	w->files++;
	return 0;
}

int
adds_weights_add(struct adds_weights *w, const char *path, struct adds_error *err)
{
	int fd, rc;

	if (w->files == ADDS_WEIGHTS_MAX_FILES)
		return adds_fail(err, ADDS_ELIMIT, "'%s' is one weight file too many (limit %d)", path, ADDS_WEIGHTS_MAX_FILES);
	if ((fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)) < 0)
		return adds_fail_errno(err, "cannot open '%s'", path);
	rc = map_file(w, path, fd, err);
	close(fd);
	if (rc < 0)
		return rc;
	return adds_weights_parse(w, w->file[w->files - 1].p, w->file[w->files - 1].size, path, err);
}

void
adds_weight_floats(float *out, const struct adds_weight *t, size_t first, size_t n)
{
	uint16_t h;
	size_t i;

	if (t->dtype == ADDS_F32) {
		memcpy(out, t->data + first * 4, n * 4);
		return;
	}
	for (i = 0; i < n; i++) {
		memcpy(&h, t->data + (first + i) * 2, 2);
		if (t->dtype == ADDS_F16)
			adds_f16_to_f32(out + i, &h, 1);
		else
			adds_bf16_to_f32(out + i, &h, 1);
	}
}
