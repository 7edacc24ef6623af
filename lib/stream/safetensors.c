/* SPDX-License-Identifier: MIT
 * safetensors.c - a message from its bytes, with every check that the format
 * asks for, and back to its canonical bytes */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "message.h"
#include "record.h"

static uint64_t
get64(const unsigned char *p)
{
	uint64_t x = 0;
	int i;

	for (i = 7; i >= 0; i--)
		x = x << 8 | p[i];
	return x;
}

static int
find_dtype(const char *name)
{
	int d;

	for (d = 0; name && d <= ADDS_U64; d++)
		if (strcmp(adds_dtype_name((enum adds_dtype)d), name) == 0)
			return d;
	return -1;
}

/* a whole number from 0 to 2^53 */
static int
whole(const cJSON *item, uint64_t *x)
{
	if (!cJSON_IsNumber(item) || !(item->valuedouble >= 0 && item->valuedouble <= 9007199254740992.0))
		return -1;
	*x = (uint64_t)item->valuedouble;
	return (double)*x == item->valuedouble ? 0 : -1;
}

static int
read_shape(struct adds_tensor *t, const cJSON *shape, struct adds_error *err)
{
	const cJSON *item;
	uint64_t x;

	if (!cJSON_IsArray(shape))
		return adds_fail(err, ADDS_EFORMAT, "tensor '%s' has no shape", t->name);
	cJSON_ArrayForEach(item, shape)
	{
		if (t->rank == ADDS_MAX_RANK)
			return adds_fail(err, ADDS_ELIMIT, "tensor '%s' has more than %d dimensions", t->name, ADDS_MAX_RANK);
		if (whole(item, &x) < 0)
			return adds_fail(err, ADDS_EFORMAT, "tensor '%s': a dimension that is no whole number", t->name);
		t->shape[t->rank++] = (int64_t)x;
	}
	return 0;
}

/* one member of the header */
static int
read_tensor(struct adds_entry *e, const cJSON *info, struct adds_error *err)
{
	const cJSON *offsets = cJSON_GetObjectItemCaseSensitive(info, "data_offsets");
	const char *dtype = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(info, "dtype"));
	struct adds_tensor *t = &e->t;
	const int d = find_dtype(dtype);
	uint64_t end;
	size_t size;
	int i;

	if (!cJSON_IsObject(info) || cJSON_GetArraySize(offsets) != 2)
		return adds_fail(err, ADDS_EFORMAT, "tensor '%s' lacks its dtype, shape or data_offsets", t->name);
	if (d < 0)
		return adds_fail(err, ADDS_EFORMAT, "tensor '%s': the type '%s' is not read here", t->name,
		                 dtype ? dtype : "none");
	t->dtype = (enum adds_dtype)d;
	if (read_shape(t, cJSON_GetObjectItemCaseSensitive(info, "shape"), err) < 0)
		return err ? err->code : ADDS_EFORMAT;
	if (whole(offsets->child, &e->begin) < 0 || whole(offsets->child->next, &end) < 0 || end < e->begin)
		return adds_fail(err, ADDS_EFORMAT, "tensor '%s': bad data_offsets", t->name);
	size = adds_dtype_size(t->dtype);
	for (i = 0; i < t->rank; i++)
		if (adds_mul_size(size, (size_t)t->shape[i], &size) < 0)
			return adds_fail(err, ADDS_ELIMIT, "tensor '%s': its shape is beyond the address space", t->name);
	if (end - e->begin != size)
		return adds_fail(err, ADDS_EFORMAT, "tensor '%s': %llu bytes, but its shape needs %zu", t->name,
		                 (unsigned long long)(end - e->begin), size);
	t->size = size;
	return 0;
}

static int
by_begin(const void *a, const void *b)
{
	const struct adds_entry *s = a, *t = b;

	if (s->begin != t->begin)
		return s->begin < t->begin ? -1 : 1;
	/* empty tensors stand before the one that begins where they do */
	return (s->t.size > t->t.size) - (s->t.size < t->t.size);
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(((const struct adds_entry *)a)->name, ((const struct adds_entry *)b)->name);
}

static int
read_metadata(struct adds_message *m, const cJSON *metadata, size_t limit, struct adds_error *err)
{
	const cJSON *item;

	if (!cJSON_IsObject(metadata))
		return adds_fail(err, ADDS_EFORMAT, "'__metadata__' is not an object");
	cJSON_ArrayForEach(item, metadata)
	{
		if (!cJSON_IsString(item))
			return adds_fail(err, ADDS_EFORMAT, "'__metadata__': the value of '%s' is not a string", item->string);
		if (strcmp(item->string, "adds") == 0) {
			m->meta = adds_json_parse(item->valuestring, strlen(item->valuestring), limit, "metadata 'adds'", err);
			if (!m->meta)
				return err ? err->code : ADDS_EFORMAT;
			if (!cJSON_IsObject(m->meta))
				return adds_fail(err, ADDS_EFORMAT, "metadata 'adds' is not an object");
			continue;
		}
		if (!m->other && !(m->other = cJSON_CreateObject()))
			return adds_fail(err, ADDS_ENOMEM, "out of memory");
		if (!cJSON_AddStringToObject(m->other, item->string, item->valuestring))
			return adds_fail(err, ADDS_ENOMEM, "out of memory");
	}
	return 0;
}

static int
read_members(struct adds_message *m, const cJSON *head, size_t limit, struct adds_error *err)
{
	const size_t n = (size_t)cJSON_GetArraySize(head);
	const cJSON *item;
	int rc;

	if (n > m->cap) {
		free(m->entry);
		m->cap = 0;
		if (!(m->entry = malloc(n * sizeof(*m->entry))))
			return adds_fail(err, ADDS_ENOMEM, "out of memory");
		m->cap = n;
	}
	cJSON_ArrayForEach(item, head)
	{
		struct adds_entry *e;

		if (strcmp(item->string, "__metadata__") == 0) {
			if ((rc = read_metadata(m, item, limit, err)) < 0)
				return rc;
			continue;
		}
		e = &m->entry[m->n];
		memset(e, 0, sizeof(*e));
		if (!(e->name = strdup(item->string)))
			return adds_fail(err, ADDS_ENOMEM, "out of memory");
		e->t.name = e->name;
		m->n++;
		if ((rc = read_tensor(e, item, err)) < 0)
			return rc;
	}
	if (!m->meta && !(m->meta = cJSON_CreateObject()))
		return adds_fail(err, ADDS_ENOMEM, "out of memory");
	return 0;
}

/* no holes, no overlaps; *size: the bytes of all */
static int
check_offsets(struct adds_message *m, uint64_t *size, struct adds_error *err)
{
	uint64_t at = 0;
	size_t i;

	qsort(m->entry, m->n, sizeof(*m->entry), by_begin);
	for (i = 0; i < m->n; i++) {
		if (m->entry[i].begin != at)
			return adds_fail(err, ADDS_EFORMAT, "tensor '%s' begins at %llu, not where the one before it ends (%llu)",
			                 m->entry[i].name, (unsigned long long)m->entry[i].begin, (unsigned long long)at);
		at += m->entry[i].t.size;
	}
	*size = at;
	return 0;
}

/* from offsets to pointers */
static int
place_data(struct adds_message *m, const unsigned char *data, struct adds_error *err)
{
	size_t i;

	for (i = 0; i < m->n; i++) {
		struct adds_entry *e = &m->entry[i];

		e->t.data = data + e->begin;
		if ((uintptr_t)e->t.data % adds_dtype_size(e->t.dtype) == 0)
			continue;
		if (!(e->own = malloc(e->t.size ? e->t.size : 1)))
			return adds_fail(err, ADDS_ENOMEM, "tensor '%s': no memory for %zu bytes", e->name, e->t.size);
		memcpy(e->own, e->t.data, e->t.size);
		e->t.data = e->own;
	}
	qsort(m->entry, m->n, sizeof(*m->entry), by_name);
	return 0;
}

static int
parse(struct adds_message *m, const unsigned char *p, size_t avail, size_t limit, size_t json_limit, size_t *used,
      struct adds_error *err)
{
	cJSON *head;
	uint64_t n, size = 0;
	int rc;

	if (avail < 8)
		return adds_fail(err, ADDS_ETRUNCATED, "%zu bytes, too few for a message", avail);
	if ((n = get64(p)) > json_limit)
		return adds_fail(
			err, ADDS_ELIMIT,
			"the first 8 bytes are no length of a header, which has up to %zu bytes",
			json_limit);
	if (n > avail - 8)
		return adds_fail(err, ADDS_ETRUNCATED, "ends inside a message's header");
	if (!(head = adds_json_parse((const char *)p + 8, (size_t)n, json_limit, "message header", err)))
		return err ? err->code : ADDS_EFORMAT;
	rc = cJSON_IsObject(head) ? read_members(m, head, json_limit, err)
	                          : adds_fail(err, ADDS_EFORMAT, "a message's header is not a JSON object");
	cJSON_Delete(head);
	if (rc < 0 || (rc = check_offsets(m, &size, err)) < 0)
		return rc;
	if (size > limit || 8 + n > limit - size)
		return adds_fail(err, ADDS_ELIMIT, "a message of %llu bytes, the limit is %zu",
		                 (unsigned long long)(8 + n + size), limit);
	*used = (size_t)(8 + n + size);
	if (size > avail - 8 - n)
		return adds_fail(err, ADDS_ETRUNCATED, "ends inside a message's tensors: %llu bytes are missing",
		                 (unsigned long long)(size - (avail - 8 - n)));
	return place_data(m, p + 8 + n, err);
}

int
adds_message_parse(struct adds_message *m, const void *bytes, size_t avail, size_t limit, size_t json_limit,
                   size_t *used, struct adds_error *err)
{
	struct adds_error own;
	int rc;

	adds_message_clear(m);
	*used = 0;
	rc = parse(m, bytes, avail, limit, json_limit, used, err ? err : &own);
	if (rc < 0) {
		adds_message_clear(m);
		if (!(m->meta = cJSON_CreateObject()))
			return adds_fail(err, ADDS_ENOMEM, "out of memory");
	}
	return rc;
}

/* ---- back to bytes ---- */

/* tensors by descending element size, then name: with the padded header every
 * one is aligned for its type */
static int
by_place(const void *a, const void *b)
{
	const struct adds_tensor *s = *(const struct adds_tensor *const *)a, *t = *(const struct adds_tensor *const *)b;
	const size_t x = adds_dtype_size(s->dtype), y = adds_dtype_size(t->dtype);

	if (x != y)
		return x > y ? -1 : 1;
	return strcmp(s->name, t->name);
}

static void
put_metadata(struct adds_buf *b, const struct adds_message *m)
{
	cJSON *all = m->other ? cJSON_Duplicate(m->other, 1) : cJSON_CreateObject();

	if (!all || !cJSON_AddStringToObject(all, "adds", adds_message_json(m)) || (!m->json && m->meta->child)) {
		b->failed = 1;
	} else {
		adds_buf_text(b, "\"__metadata__\":");
		adds_json_append(b, all);
	}
	cJSON_Delete(all);
}

static void
put_tensor(struct adds_buf *b, const struct adds_tensor *t, size_t begin)
{
	char text[64];
	int i;

	adds_json_quote(b, t->name);
	snprintf(text, sizeof(text), ":{\"data_offsets\":[%zu,%zu]", begin, begin + t->size);
	adds_buf_text(b, text);
	snprintf(text, sizeof(text), ",\"dtype\":\"%s\",\"shape\":[", adds_dtype_name(t->dtype));
	adds_buf_text(b, text);
	for (i = 0; i < t->rank; i++) {
		snprintf(text, sizeof(text), "%s%lld", i ? "," : "", (long long)t->shape[i]);
		adds_buf_text(b, text);
	}
	adds_buf_text(b, "]}");
}

/* the members in order of name, the metadata among them */
static void
put_members(struct adds_buf *b, const struct adds_message *m, const size_t *begin)
{
	int metadata = 0;
	size_t i;

	adds_buf_text(b, "{");
	for (i = 0; i <= m->n; i++) {
		if (!metadata && (i == m->n || strcmp(m->entry[i].name, "__metadata__") > 0)) {
			if (i)
				adds_buf_text(b, ",");
			put_metadata(b, m);
			metadata = 1;
		}
		if (i < m->n) {
			if (i || metadata)
				adds_buf_text(b, ",");
			put_tensor(b, &m->entry[i].t, begin[i]);
		}
	}
	adds_buf_text(b, "}");
}

static void
put_padding(struct adds_buf *b, size_t head)
{
	while (!b->failed && (b->n - head) % 8)
		adds_buf_text(b, " ");
}

static void
put_length(struct adds_buf *b, size_t head)
{
	const uint64_t n = b->n - head - 8;
	int i;

	for (i = 0; i < 8; i++)
		b->p[head + (size_t)i] = (unsigned char)(n >> 8 * i);
}

int
adds_message_bytes(const struct adds_message *m, struct adds_buf *b, size_t json_limit, struct adds_error *err)
{
	const struct adds_tensor **order = malloc((m->n + 1) * sizeof(*order));
	size_t *begin = malloc((m->n + 1) * sizeof(*begin)), at = 0, i;
	const size_t head = b->n;
	int rc = 0;

	if (!order || !begin) {
		rc = adds_fail(err, ADDS_ENOMEM, "out of memory");
		goto out;
	}
	for (i = 0; i < m->n; i++)
		order[i] = &m->entry[i].t;
	qsort(order, m->n, sizeof(*order), by_place);
	for (i = 0; i < m->n; i++) {
		begin[(const struct adds_entry *)(const void *)order[i] - m->entry] = at;
		at += order[i]->size;
	}
	adds_buf_add(b, "\0\0\0\0\0\0\0", 8);
	put_members(b, m, begin);
	put_padding(b, head);
	if (!b->failed && b->n - head - 8 > json_limit) {
		rc = adds_fail(err, ADDS_ELIMIT,
		               "a message's header of %zu bytes, the limit is %zu", b->n - head - 8,
		               json_limit);
		b->n = head;
		goto out;
	}
	if (!b->failed)
		put_length(b, head);
	for (i = 0; i < m->n; i++)
		adds_buf_add(b, order[i]->data, order[i]->size);
	if (b->failed)
		rc = adds_fail(err, ADDS_ENOMEM, "no memory for a message of %zu bytes", at);
out:
	free(order);
	free(begin);
	return rc;
}
