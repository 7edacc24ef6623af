/* SPDX-License-Identifier: MIT
 * statement.c - nested tags out of JSON, plain ones out of text */
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "hierarchy.h"
#include "statement.h"

enum {
	MAX_NAME = 1024,
	MAX_KEYS = 1 << 22,
};

void
adds_statement_clear(struct adds_statement *t)
{
	t->pos.n = t->neg.n = t->nvector = 0;
	t->has_neg = t->has_pos = t->has_vector = t->complete = 0;
}

void
adds_statement_release(struct adds_statement *t)
{
	free(t->pos.item);
	free(t->neg.item);
	free(t->vector);
	memset(t, 0, sizeof(*t));
}

void
adds_statement_reader_release(struct adds_statement_reader *r)
{
	adds_pull_release(&r->pull);
	free(r->key);
	memset(r, 0, sizeof(*r));
}

int32_t
adds_mention_add(struct adds_mentions *m, int32_t row, int32_t up, struct adds_error *err)
{
	struct adds_mention *more;
	size_t room;

	if (m->n == m->room) {
		room = m->room ? 2 * m->room : 4;
		if (room > INT32_MAX || !(more = realloc(m->item, room * sizeof(*more))))
			return adds_fail(err, ADDS_ENOMEM, "out of memory for %zu tags", room);
		m->item = more;
		m->room = room;
	}
	m->item[m->n] = (struct adds_mention){ row, up };
	return (int32_t)m->n++;
}

/* A tag by name; errors get the place in the file in front. */
static int32_t
mention(struct adds_mentions *m, struct adds_statement_reader *r, const char *name, size_t len, int32_t up,
        struct adds_error *err)
{
	struct adds_error why;
	int32_t row;
	int rc;

	if ((rc = r->row_of(r->arg, name, len, &row, &why)) < 0)
		return adds_pull_fail(&r->pull, err, rc, "%s", why.msg);
	return adds_mention_add(m, row, up, err);
}

static void
insert_key(uint64_t *table, size_t room, uint64_t hash)
{
	size_t i = (size_t)hash & (room - 1);

	while (table[i])
		i = (i + 1) & (room - 1);
	table[i] = hash;
}

static int
grow_keys(struct adds_statement_reader *r, struct adds_error *err)
{
	const size_t room = r->key_room ? 2 * r->key_room : 64;
	uint64_t *table;
	size_t i;

	if (r->keys >= MAX_KEYS)
		return adds_pull_fail(&r->pull, err, ADDS_ELIMIT, "more than %d keys", MAX_KEYS);
	if (!(table = calloc(room, sizeof(*table))))
		return adds_fail(err, ADDS_ENOMEM, "out of memory for the keys of '%s'", r->pull.name);
	for (i = 0; i < r->key_room; i++)
		if (r->key[i])
			insert_key(table, room, r->key[i]);
	free(r->key);
	r->key = table;
	r->key_room = room;
	return 0;
}

void
adds_statement_forget(struct adds_statement_reader *r)
{
	if (r->keys)
		memset(r->key, 0, r->key_room * sizeof(*r->key));
	r->keys = 0;
	r->objects = 0;
}

/* Two keys with one 64-bit hash would be refused as well, which chance does not
 * bring about. */
int
adds_statement_key(struct adds_statement_reader *r, uint64_t object, struct adds_error *err)
{
	const uint64_t hash = XXH3_64bits_withSeed(r->pull.text, r->pull.len, object) | 1;
	size_t i;
	int rc;

	if (2 * (r->keys + 1) > r->key_room && (rc = grow_keys(r, err)) < 0)
		return rc;
	for (i = (size_t)hash & (r->key_room - 1); r->key[i]; i = (i + 1) & (r->key_room - 1))
		if (r->key[i] == hash)
			return adds_pull_fail(&r->pull, err, ADDS_EFORMAT, "the key stands twice in its object");
	r->key[i] = hash;
	r->keys++;
	return 0;
}

/* The value of a key, which is a tag unless the value is false or null. */
static int
read_pair(struct adds_mentions *m, struct adds_statement_reader *r, int32_t up, struct adds_error *err)
{
	const size_t len = r->pull.len;
	char key[MAX_NAME];
	int32_t below;
	int token;

	if (len > sizeof(key))
		return adds_pull_fail(&r->pull, err, ADDS_ELIMIT, "a name of more than %d bytes", MAX_NAME);
	memcpy(key, r->pull.text, len);
	if ((token = adds_pull_next(&r->pull, err)) < 0)
		return token;
	if (token == ADDS_TOKEN_FALSE || token == ADDS_TOKEN_NULL)
		return 0;
	if ((below = mention(m, r, key, len, up, err)) < 0)
		return below;
	return adds_statement_value(m, r, token, below, 0, err);
}

static int
read_object(struct adds_mentions *m, struct adds_statement_reader *r, int32_t up, struct adds_error *err)
{
	const uint64_t object = ++r->objects;
	int token, rc;

	while ((token = adds_pull_next(&r->pull, err)) != ADDS_TOKEN_OBJECT_END) {
		if (token < 0)
			return token;
		if ((rc = adds_statement_key(r, object, err)) < 0 || (rc = read_pair(m, r, up, err)) < 0)
			return rc;
	}
	return 0;
}

static int
read_array(struct adds_mentions *m, struct adds_statement_reader *r, int32_t up, int strict, struct adds_error *err)
{
	int token, rc;

	while ((token = adds_pull_next(&r->pull, err)) != ADDS_TOKEN_ARRAY_END) {
		if (token < 0)
			return token;
		if (strict && token == ADDS_TOKEN_NUMBER)
			return adds_pull_fail(&r->pull, err, ADDS_EFORMAT, "a number is no name: labels are named by words");
		if ((rc = adds_statement_value(m, r, token, up, strict, err)) < 0)
			return rc;
	}
	return 0;
}

int
adds_statement_value(struct adds_mentions *m, struct adds_statement_reader *r, int token, int32_t up, int strict,
                     struct adds_error *err)
{
	int32_t rc;

	switch (token) {
	case ADDS_TOKEN_STRING:
		rc = mention(m, r, r->pull.text, r->pull.len, up, err);
		return rc < 0 ? rc : 0;
	case ADDS_TOKEN_OBJECT:
		return read_object(m, r, up, err);
	case ADDS_TOKEN_ARRAY:
		return read_array(m, r, up, strict, err);
	default:
		return 0;
	}
}

/* 0 or 1 of a vector, or an error */
static int
read_bit(struct adds_statement_reader *r, int token, struct adds_error *err)
{
	static const char *const zeros[] = { "0", "0.0", "-0", "-0.0" }, *const ones[] = { "1", "1.0" };
	size_t i;

	if (token == ADDS_TOKEN_TRUE || token == ADDS_TOKEN_FALSE)
		return token == ADDS_TOKEN_TRUE;
	if (token == ADDS_TOKEN_NUMBER) {
		for (i = 0; i < sizeof(zeros) / sizeof(*zeros); i++)
			if (adds_pull_is(&r->pull, zeros[i]))
				return 0;
		for (i = 0; i < sizeof(ones) / sizeof(*ones); i++)
			if (adds_pull_is(&r->pull, ones[i]))
				return 1;
	}
	return adds_pull_fail(&r->pull, err, ADDS_EFORMAT, "neither 0 nor 1");
}

static int
read_vector(struct adds_statement *t, struct adds_statement_reader *r, struct adds_error *err)
{
	unsigned char *more;
	int token, bit;

	if ((token = adds_pull_next(&r->pull, err)) < 0)
		return token;
	if (token != ADDS_TOKEN_ARRAY)
		return adds_pull_fail(&r->pull, err, ADDS_EFORMAT, "not a list of 0 and 1");
	t->has_vector = 1;
	while ((token = adds_pull_next(&r->pull, err)) != ADDS_TOKEN_ARRAY_END) {
		if (token < 0)
			return token;
		if ((bit = read_bit(r, token, err)) < 0)
			return bit;
		if (t->nvector == t->vector_room) {
			const size_t room = t->vector_room ? 2 * t->vector_room : 1024;

			if (!(more = realloc(t->vector, room)))
				return adds_fail(err, ADDS_ENOMEM, "out of memory for a vector of %zu labels", room);
			t->vector = more;
			t->vector_room = room;
		}
		t->vector[t->nvector++] = (unsigned char)bit;
	}
	return 0;
}

static int
read_negatives(struct adds_statement *t, struct adds_statement_reader *r, struct adds_error *err)
{
	const int token = adds_pull_next(&r->pull, err);

	if (token < 0)
		return token;
	t->has_neg = 1;
	return adds_statement_value(&t->neg, r, token, -1, 0, err);
}

/* the object at the top, with its two keys that are no tags */
static int
read_top(struct adds_statement *t, struct adds_statement_reader *r, struct adds_error *err)
{
	const uint64_t object = ++r->objects;
	int token, rc;

	while ((token = adds_pull_next(&r->pull, err)) != ADDS_TOKEN_OBJECT_END) {
		if (token < 0)
			return token;
		if ((rc = adds_statement_key(r, object, err)) < 0)
			return rc;
		if (adds_pull_is(&r->pull, "encoded_labels")) {
			rc = read_vector(t, r, err);
		} else if (adds_pull_is(&r->pull, "negative_labels")) {
			rc = read_negatives(t, r, err);
		} else {
			t->has_pos = 1;
			rc = read_pair(&t->pos, r, -1, err);
		}
		if (rc < 0)
			return rc;
	}
	return 0;
}

int
adds_statement_json(struct adds_statement *t, struct adds_statement_reader *r, const char *name, const char *text, size_t len,
                    struct adds_error *err)
{
	int token, rc;

	adds_statement_clear(t);
	adds_statement_forget(r);
	if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
		text += 3;
		len -= 3;
	}
	adds_pull_text(&r->pull, name, text, len);
	if ((token = adds_pull_next(&r->pull, err)) < 0)
		return token;
	if (token == ADDS_TOKEN_ARRAY)
		t->has_pos = 1;
	if (token == ADDS_TOKEN_OBJECT)
		rc = read_top(t, r, err);
	else if (token == ADDS_TOKEN_ARRAY)
		rc = read_array(&t->pos, r, -1, 0, err);
	else
		rc = adds_pull_fail(&r->pull, err, ADDS_EFORMAT, "a label file is an object or a list of tags");
	if (rc < 0)
		return rc;
	rc = adds_pull_next(&r->pull, err);
	return rc < 0 ? rc : 0;
}

/* one line of a tag file */
static int
read_line(struct adds_statement *t, struct adds_statement_reader *r, const struct adds_vocab *known, const char *s, size_t len,
          struct adds_error *err)
{
	const char *const end = s + len;
	const char *word, *comma;
	int32_t rc;
	size_t n;

	word = s;
	n = adds_trim(&word, len);
	if (known && n && adds_vocab_find(known, word, n) >= 0)
		return (rc = mention(&t->pos, r, word, n, -1, err)) < 0 ? rc : 0;
	for (; s <= end; s = comma + 1) {
		if (!(comma = memchr(s, ',', (size_t)(end - s))))
			comma = end;
		word = s;
		if ((n = adds_trim(&word, (size_t)(comma - s))) == 0)
			continue;
		r->pull.start = word;
		if ((rc = mention(&t->pos, r, word, n, -1, err)) < 0)
			return rc;
	}
	return 0;
}

int
adds_statement_text(struct adds_statement *t, struct adds_statement_reader *r, const struct adds_vocab *known, const char *name,
                    const char *text, size_t len, struct adds_error *err)
{
	const char *const end = text + len;
	const char *stop;
	int rc;

	adds_statement_clear(t);
	t->has_pos = 1;
	if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
		text += 3;
	adds_pull_text(&r->pull, name, text, (size_t)(end - text));
	for (; text < end; text = stop + 1) {
		if (!(stop = memchr(text, '\n', (size_t)(end - text))))
			stop = end;
		if ((rc = read_line(t, r, known, text, (size_t)(stop - text), err)) < 0)
			return rc;
	}
	return 0;
}
