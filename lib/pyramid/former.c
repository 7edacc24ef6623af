/* SPDX-License-Identifier: MIT
 * former.c - tokens out of an earlier run's stream */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "former.h"

/* where the tokens of one content are */
struct place {
	char sha256[32];
	uint64_t record;
};

struct adds_former {
	struct adds_reader *reader;
	pthread_mutex_t lock; /* over the reader */
	struct place *places; /* by sha256 */
	size_t n, cap;
	size_t bytes; /* of a picture's tokens */
	enum adds_dtype dtype;
};

static int
by_content(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(((const struct place *)a)->sha256));
}

/* 64 digits to 32 bytes: 1, or 0 if they are no such digits */
static int
from_hex(char to[32], const char *hex)
{
	static const char digits[] = "0123456789abcdef";
	int i;

	if (!hex || strlen(hex) != 64 || strspn(hex, digits) != 64)
		return 0;
	for (i = 0; i < 32; i++)
		to[i] = (char)((strchr(digits, hex[2 * i]) - digits) << 4 | (strchr(digits, hex[2 * i + 1]) - digits));
	return 1;
}

/* ---- is it one that today's run would have written? ---- */

static int
same_field(const struct adds_message *a, const struct adds_message *b, const char *key)
{
	const cJSON *x = cJSON_GetObjectItemCaseSensitive(adds_message_meta_const(a), key);
	const cJSON *y = cJSON_GetObjectItemCaseSensitive(adds_message_meta_const(b), key);

	return (!x && !y) || (x && y && cJSON_Compare(x, y, 1));
}

/* the last program that wrote the stream, with its version and options */
static const cJSON *
writer_of(const struct adds_message *m)
{
	const cJSON *all = cJSON_GetObjectItemCaseSensitive(adds_message_meta_const(m), "provenance");

	return cJSON_GetArrayItem(all, cJSON_GetArraySize(all) - 1);
}

static int
check_header(const struct adds_message *former, const struct adds_message *today, struct adds_error *err)
{
	static const char *const fields[] = { "model", "prep", "side", "levels", "tokens", "pool", "dtype", "precision" };
	size_t i;

	for (i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (!same_field(former, today, fields[i]))
			return adds_fail(
				err, ADDS_EARG,
				"was made with another '%s': its tokens are not those of this run",
				fields[i]);
	if (!cJSON_Compare(writer_of(former), writer_of(today), 1))
		return adds_fail(
			err, ADDS_EARG,
			"was made by another version of adds-pyramid, with other options, or was worked on "
			"since: its tokens may not be those of this run");
	return 0;
}

/* ---- reading it ---- */

/* the tokens and the size of a record, or NULL */
static const struct adds_tensor *
tokens_of(const struct adds_former *f, const struct adds_message *m, int32_t dimensions[2])
{
	const struct adds_tensor *tokens = adds_message_tensor(m, "tokens"), *size = adds_message_tensor(m, "size");

	if (!tokens || tokens->dtype != f->dtype || tokens->size != f->bytes || !size ||
	    size->dtype != ADDS_I32 || size->size != 8)
		return NULL;
	memcpy(dimensions, size->data, 8);
	return dimensions[0] > 0 && dimensions[1] > 0 ? tokens : NULL;
}

static int
add_place(struct adds_former *f, const struct place *p, struct adds_error *err)
{
	if (f->n == f->cap) {
		const size_t cap = f->cap ? 2 * f->cap : 1024;
		struct place *grown = realloc(f->places, cap * sizeof(*grown));

		if (!grown)
			return adds_fail(err, ADDS_ENOMEM, "out of memory for %zu pictures", cap);
		f->places = grown;
		f->cap = cap;
	}
	f->places[f->n++] = *p;
	return 0;
}

/* Every record is read, in order: so every checksum is verified. */
static int
list(struct adds_former *f, struct adds_error *err)
{
	const int64_t total = adds_reader_total(f->reader, err);
	const struct adds_message *m;
	int32_t dimensions[2];
	struct place p;
	int64_t i;
	int rc;

	if (total < 0)
		return (int)total;
	for (i = 0; i < total; i++) {
		if ((rc = adds_reader_at(f->reader, (uint64_t)i, &m, err)) < 0)
			return rc;
		p.record = (uint64_t)i;
		if (tokens_of(f, m, dimensions) && from_hex(p.sha256, adds_message_string(m, "sha256")) &&
		    (rc = add_place(f, &p, err)) < 0)
			return rc;
	}
	if (f->n)
		qsort(f->places, f->n, sizeof(*f->places), by_content);
	return 0;
}

struct adds_former *
adds_former_open(const char *path, const struct adds_message *header, const struct adds_settings *s, struct adds_error *err)
{
	struct adds_former *f = calloc(1, sizeof(*f));

	if (!f) {
		adds_fail(err, ADDS_ENOMEM, "out of memory");
		return NULL;
	}
	pthread_mutex_init(&f->lock, NULL);
	f->bytes = adds_settings_bytes(s);
	f->dtype = s->dtype;
	if (!(f->reader = adds_reader_open(path, NULL, err)))
		goto fail;
	if (check_header(adds_reader_header(f->reader), header, err) < 0) {
		adds_fail_in(err, "'%s'", path);
		goto fail;
	}
	if (list(f, err) < 0)
		goto fail;
	return f;
fail:
	adds_former_free(f);
	return NULL;
}

void
adds_former_free(struct adds_former *f)
{
	if (!f)
		return;
	adds_reader_close(f->reader);
	pthread_mutex_destroy(&f->lock);
	free(f->places);
	free(f);
}

int
adds_former_get(struct adds_former *f, const char sha256[65], void *data, size_t size, int32_t dimensions[2])
{
	const struct adds_tensor *tokens = NULL;
	const struct adds_message *m;
	const struct place *p;
	struct adds_error err;
	struct place want;

	if (!f->n || !from_hex(want.sha256, sha256) ||
	    !(p = bsearch(&want, f->places, f->n, sizeof(*f->places), by_content)))
		return 0;
	pthread_mutex_lock(&f->lock);
	if (adds_reader_at(f->reader, p->record, &m, &err) == 0 && (tokens = tokens_of(f, m, dimensions)) && tokens->size == size)
		memcpy(data, tokens->data, size);
	else
		tokens = NULL;
	pthread_mutex_unlock(&f->lock);
	return tokens != NULL;
}
