/* SPDX-License-Identifier: MIT
 * message.c - fields and tensors of a message in memory */
#include <stdlib.h>
#include <string.h>

#include "message.h"
#include "record.h"

static const struct {
	const char *name;
	size_t size;
} dtypes[] = {
	/* clang-format off */
	[ADDS_BOOL] = { "BOOL", 1 }, [ADDS_U8] = { "U8", 1 }, [ADDS_I8] = { "I8", 1 },
	[ADDS_I16] = { "I16", 2 }, [ADDS_U16] = { "U16", 2 }, [ADDS_F16] = { "F16", 2 }, [ADDS_BF16] = { "BF16", 2 },
	[ADDS_I32] = { "I32", 4 }, [ADDS_U32] = { "U32", 4 }, [ADDS_F32] = { "F32", 4 },
	[ADDS_F64] = { "F64", 8 }, [ADDS_I64] = { "I64", 8 }, [ADDS_U64] = { "U64", 8 },
	/* clang-format on */
};

size_t
adds_dtype_size(enum adds_dtype dtype)
{
	return (unsigned)dtype <= ADDS_U64 ? dtypes[dtype].size : 0;
}

const char *
adds_dtype_name(enum adds_dtype dtype)
{
	return (unsigned)dtype <= ADDS_U64 ? dtypes[dtype].name : "?";
}

struct adds_message *
adds_message_new(void)
{
	struct adds_message *m = calloc(1, sizeof(*m));

	if (m && !(m->meta = cJSON_CreateObject())) {
		free(m);
		return NULL;
	}
	return m;
}

static void
release_entry(struct adds_entry *e)
{
	free(e->name);
	free(e->own);
}

void
adds_message_clear(struct adds_message *m)
{
	size_t i;

	for (i = 0; i < m->n; i++)
		release_entry(&m->entry[i]);
	m->n = 0;
	cJSON_Delete(m->meta);
	cJSON_Delete(m->other);
	free(m->json);
	m->meta = m->other = NULL;
	m->json = NULL;
	m->lent = 0;
}

void
adds_message_free(struct adds_message *m)
{
	if (!m)
		return;
	adds_message_clear(m);
	free(m->entry);
	free(m);
}

cJSON *
adds_message_meta(struct adds_message *m)
{
	m->lent = 1;
	return m->meta;
}

const cJSON *
adds_message_meta_const(const struct adds_message *m)
{
	return m->meta;
}

/* the text is a cache behind a const message */
const char *
adds_message_json(const struct adds_message *m)
{
	struct adds_message *cache = (struct adds_message *)m;

	if (m->lent || !m->json) {
		free(m->json);
		cache->json = adds_json_print(m->meta);
	}
	return m->json ? m->json : "{}";
}

static void
replace_meta(struct adds_message *m, cJSON *meta)
{
	cJSON_Delete(m->meta);
	free(m->json);
	m->meta = meta;
	m->json = NULL;
	m->lent = 0;
}

int
adds_message_set_json(struct adds_message *m, const char *text, struct adds_error *err)
{
	cJSON *meta = adds_json_parse(text, strlen(text), ADDS_WEIGHTS_JSON_LIMIT, "the message's JSON", err);

	if (!meta)
		return err ? err->code : ADDS_EFORMAT;
	if (!cJSON_IsObject(meta)) {
		cJSON_Delete(meta);
		return adds_fail(err, ADDS_EFORMAT, "the message's JSON is not an object");
	}
	replace_meta(m, meta);
	return 0;
}

const char *
adds_message_string(const struct adds_message *m, const char *key)
{
	return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(m->meta, key));
}

double
adds_message_number(const struct adds_message *m, const char *key, double fallback)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(m->meta, key);

	return cJSON_IsNumber(item) ? item->valuedouble : fallback;
}

static int
set_item(struct adds_message *m, const char *key, cJSON *item, struct adds_error *err)
{
	if (!item)
		return adds_fail(err, ADDS_ENOMEM, "out of memory");
	cJSON_DeleteItemFromObjectCaseSensitive(m->meta, key);
	free(m->json);
	m->json = NULL;
	if (!cJSON_AddItemToObject(m->meta, key, item)) {
		cJSON_Delete(item);
		return adds_fail(err, ADDS_ENOMEM, "out of memory");
	}
	return 0;
}

int
adds_message_set_string(struct adds_message *m, const char *key, const char *value, struct adds_error *err)
{
	return set_item(m, key, cJSON_CreateString(value), err);
}

int
adds_message_set_number(struct adds_message *m, const char *key, double value, struct adds_error *err)
{
	return set_item(m, key, cJSON_CreateNumber(value), err);
}

/* place of the first entry whose name is not before name */
static size_t
place(const struct adds_message *m, const char *name)
{
	size_t lo = 0, hi = m->n;

	while (lo < hi) {
		const size_t mid = lo + (hi - lo) / 2;

		if (strcmp(m->entry[mid].name, name) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static int
there(const struct adds_message *m, size_t i, const char *name)
{
	return i < m->n && strcmp(m->entry[i].name, name) == 0;
}

static int
check_name(const char *name, struct adds_error *err)
{
	const size_t n = strlen(name);
	size_t i, len;

	if (!n || n > 1024 || strcmp(name, "__metadata__") == 0)
		return adds_fail(err, ADDS_EARG, "'%s' cannot be the name of a tensor", name);
	for (i = 0; i < n; i += len)
		if (!(len = adds_utf8_char((const unsigned char *)name + i, n - i)))
			return adds_fail(err, ADDS_EARG, "the name of a tensor is not UTF-8");
	return 0;
}

/* the bytes of a tensor, overflow checked */
static int
tensor_size(size_t *size, enum adds_dtype dtype, int rank, const int64_t *shape, struct adds_error *err)
{
	int i;

	if (rank < 0 || rank > ADDS_MAX_RANK || !adds_dtype_size(dtype))
		return adds_fail(err, ADDS_EARG, "a tensor of rank %d, the limit is %d", rank, ADDS_MAX_RANK);
	*size = adds_dtype_size(dtype);
	for (i = 0; i < rank; i++)
		if (shape[i] < 0 || adds_mul_size(*size, (size_t)shape[i], size) < 0)
			return adds_fail(err, ADDS_ELIMIT, "a tensor's shape is beyond the address space");
	return 0;
}

/* makes room for one entry at place i */
static int
open_gap(struct adds_message *m, size_t i)
{
	if (m->n == m->cap) {
		const size_t cap = m->cap ? 2 * m->cap : 8;
		struct adds_entry *more = realloc(m->entry, cap * sizeof(*more));

		if (!more)
			return -1;
		m->entry = more;
		m->cap = cap;
	}
	memmove(m->entry + i + 1, m->entry + i, (m->n - i) * sizeof(*m->entry));
	m->n++;
	return 0;
}

int
adds_message_add(struct adds_message *m, const char *name, enum adds_dtype dtype, int rank, const int64_t *shape,
                 const void *data, struct adds_error *err)
{
	const size_t i = place(m, name);
	const int replaces = there(m, i, name);
	struct adds_entry e = { 0 };
	size_t size;

	if (check_name(name, err) < 0 || tensor_size(&size, dtype, rank, shape, err) < 0)
		return adds_fail_in(err, "tensor '%s'", name);
	e.name = strdup(name);
	e.own = malloc(size ? size : 1);
	if (!e.name || !e.own || (!replaces && open_gap(m, i) < 0)) {
		release_entry(&e);
		return adds_fail(err, ADDS_ENOMEM, "tensor '%s': no memory for %zu bytes", name, size);
	}
	if (size)
		memcpy(e.own, data, size);
	e.t = (struct adds_tensor){ .name = e.name, .dtype = dtype, .rank = rank, .data = e.own, .size = size };
	if (rank)
		memcpy(e.t.shape, shape, (size_t)rank * sizeof(*shape));
	if (replaces)
		release_entry(&m->entry[i]);
	m->entry[i] = e;
	return 0;
}

int
adds_message_remove(struct adds_message *m, const char *name)
{
	const size_t i = place(m, name);

	if (!there(m, i, name))
		return 0;
	release_entry(&m->entry[i]);
	m->n--;
	memmove(m->entry + i, m->entry + i + 1, (m->n - i) * sizeof(*m->entry));
	return 1;
}

const struct adds_tensor *
adds_message_tensor(const struct adds_message *m, const char *name)
{
	const size_t i = place(m, name);

	return there(m, i, name) ? &m->entry[i].t : NULL;
}

const struct adds_tensor *
adds_message_tensor_at(const struct adds_message *m, size_t i)
{
	return i < m->n ? &m->entry[i].t : NULL;
}

size_t
adds_message_tensors(const struct adds_message *m)
{
	return m->n;
}

static int
is_among(const char *name, const char *const *names)
{
	for (; *names; names++)
		if (strcmp(name, *names) == 0)
			return 1;
	return 0;
}

struct adds_message *
adds_message_copy(const struct adds_message *m, struct adds_error *err)
{
	static const char *const none[] = { NULL };

	return adds_message_copy_without(m, none, err);
}

struct adds_message *
adds_message_copy_without(const struct adds_message *m, const char *const *names, struct adds_error *err)
{
	struct adds_message *copy = calloc(1, sizeof(*copy));
	size_t i;

	if (!copy || !(copy->meta = cJSON_Duplicate(m->meta, 1)) ||
	    (m->other && !(copy->other = cJSON_Duplicate(m->other, 1)))) {
		adds_fail(err, ADDS_ENOMEM, "out of memory");
		goto fail;
	}
	for (i = 0; i < m->n; i++) {
		const struct adds_tensor *t = &m->entry[i].t;

		if (!is_among(t->name, names) && adds_message_add(copy, t->name, t->dtype, t->rank, t->shape, t->data, err) < 0)
			goto fail;
	}
	return copy;
fail:
	adds_message_free(copy);
	return NULL;
}
