/* SPDX-License-Identifier: MIT
 * vocab.c - names, their rows, and what they imply */
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "hierarchy.h"

enum {
	MAX_NAME = 1024,
	MAX_LABELS = 1 << 24,
	MAX_LEVELS = 64,
};

struct adds_vocab *
adds_vocab_new(void)
{
	return calloc(1, sizeof(struct adds_vocab));
}

void
adds_vocab_free(struct adds_vocab *v)
{
	size_t i;

	if (!v)
		return;
	for (i = 0; i < v->n; i++) {
		free(v->label[i].name);
		free(v->label[i].parents);
	}
	free(v->label);
	free(v->slot);
	free(v->place);
	free(v);
}

struct adds_vocab *
adds_vocab_copy(const struct adds_vocab *v, struct adds_error *err)
{
	struct adds_vocab *copy = adds_vocab_new();
	size_t i, j;

	if (!copy) {
		adds_fail(err, ADDS_ENOMEM, "out of memory for a vocabulary of %zu labels", v->n);
		return NULL;
	}
	for (i = 0; i < v->n; i++)
		if (adds_vocab_add(copy, v->label[i].name, v->label[i].len, err) < 0)
			goto fail;
	for (i = 0; i < v->n; i++)
		for (j = 0; j < v->label[i].nparents; j++)
			if (adds_vocab_link(copy, (int32_t)i, v->label[i].parents[j], err) < 0)
				goto fail;
	for (i = 0; i < v->nplaces; i++)
		if (adds_vocab_place(copy, v->place[i].name, v->place[i].parent, err) < 0)
			goto fail;
	return copy;
fail:
	adds_vocab_free(copy);
	return NULL;
}

size_t
adds_vocab_size(const struct adds_vocab *v)
{
	return v->n;
}

const char *
adds_vocab_name(const struct adds_vocab *v, size_t i)
{
	return v->label[i].name;
}

/* the slot that holds the name, or the empty one where it would stand */
static size_t
find_slot(const struct adds_vocab *v, const char *name, size_t len)
{
	size_t i = (size_t)XXH3_64bits(name, len) & (v->slots - 1);
	int32_t row;

	while ((row = v->slot[i]) >= 0 &&
	       (v->label[row].len != len || memcmp(v->label[row].name, name, len) != 0))
		i = (i + 1) & (v->slots - 1);
	return i;
}

int64_t
adds_vocab_find(const struct adds_vocab *v, const char *name, size_t len)
{
	return v->slots ? v->slot[find_slot(v, name, len)] : -1;
}

static void
fill_slots(struct adds_vocab *v)
{
	size_t i;

	for (i = 0; i < v->slots; i++)
		v->slot[i] = -1;
	for (i = 0; i < v->n; i++)
		v->slot[find_slot(v, v->label[i].name, v->label[i].len)] = (int32_t)i;
}

static int
grow(struct adds_vocab *v, struct adds_error *err)
{
	const size_t room = v->room ? 2 * v->room : 64;
	struct adds_label *label = realloc(v->label, room * sizeof(*label));
	int32_t *slot;

	if (!label)
		return adds_fail(err, ADDS_ENOMEM, "out of memory for a vocabulary of %zu labels", room);
	v->label = label;
	if (!(slot = realloc(v->slot, 2 * room * sizeof(*slot))))
		return adds_fail(err, ADDS_ENOMEM, "out of memory for a vocabulary of %zu labels", room);
	v->slot = slot;
	v->slots = 2 * room;
	v->room = room;
	fill_slots(v);
	return 0;
}

static int
check_name(const char *name, size_t len, struct adds_error *err)
{
	if (len == 0)
		return adds_fail(err, ADDS_EFORMAT, "a label without a name");
	if (len > MAX_NAME)
		return adds_fail(err, ADDS_ELIMIT, "label '%.40s…' has %zu bytes, at most %d are allowed", name, len,
		                 MAX_NAME);
	if (memchr(name, 0, len))
		return adds_fail(err, ADDS_EFORMAT, "label '%.*s' holds a NUL byte", (int)len, name);
	if (!adds_utf8_valid(name, len))
		return adds_fail(err, ADDS_EFORMAT, "label '%.*s' is not UTF-8: convert the file", (int)len, name);
	return 0;
}

int64_t
adds_vocab_add(struct adds_vocab *v, const char *name, size_t len, struct adds_error *err)
{
	struct adds_label *l;
	size_t slot;
	int rc;

	len = adds_trim(&name, len);
	if ((rc = check_name(name, len, err)) < 0)
		return rc;
	if (v->n == v->room && (rc = grow(v, err)) < 0)
		return rc;
	slot = find_slot(v, name, len);
	if (v->slot[slot] >= 0)
		return v->slot[slot];
	if (v->n == MAX_LABELS)
		return adds_fail(err, ADDS_ELIMIT, "more than %d labels", MAX_LABELS);
	l = &v->label[v->n];
	*l = (struct adds_label){ .name = malloc(len + 1), .len = (uint32_t)len, .place = -1 };
	if (!l->name)
		return adds_fail(err, ADDS_ENOMEM, "out of memory for a vocabulary of %zu labels", v->n + 1);
	memcpy(l->name, name, len);
	l->name[len] = '\0';
	v->slot[slot] = (int32_t)v->n;
	return (int64_t)v->n++;
}

int
adds_vocab_link(struct adds_vocab *v, int32_t child, int32_t parent, struct adds_error *err)
{
	struct adds_label *l = &v->label[child];
	int32_t *more;
	size_t i;

	for (i = 0; i < l->nparents; i++)
		if (l->parents[i] == parent)
			return 0;
	if (!(more = realloc(l->parents, (l->nparents + 1) * sizeof(*more))))
		return adds_fail(err, ADDS_ENOMEM, "out of memory for the parents of '%s'", l->name);
	l->parents = more;
	l->parents[l->nparents++] = parent;
	return 0;
}

/* Kahn's algorithm from the children up: whoever is left over lies on a cycle */
int
adds_vocab_check_parents(const struct adds_vocab *v, struct adds_error *err)
{
	int32_t *children = calloc(v->n + 1, sizeof(*children)); /* not yet taken */
	int32_t *queue = malloc((v->n + 1) * sizeof(*queue));
	int32_t *level = calloc(v->n + 1, sizeof(*level));
	size_t i, j, head = 0, tail = 0;
	int rc = 0;

	if (!children || !queue || !level) {
		rc = adds_fail(err, ADDS_ENOMEM, "out of memory for a hierarchy of %zu labels", v->n);
		goto out;
	}
	for (i = 0; i < v->n; i++)
		for (j = 0; j < v->label[i].nparents; j++)
			children[v->label[i].parents[j]]++;
	for (i = 0; i < v->n; i++)
		if (children[i] == 0)
			queue[tail++] = (int32_t)i;
	while (head < tail) {
		const struct adds_label *l = &v->label[queue[head]];
		const int32_t above = level[queue[head++]] + 1;

		if (above > MAX_LEVELS) {
			rc = adds_fail(err, ADDS_ELIMIT, "the hierarchy above '%s' has more than %d levels", l->name,
			               MAX_LEVELS);
			goto out;
		}
		for (j = 0; j < l->nparents; j++) {
			if (level[l->parents[j]] < above)
				level[l->parents[j]] = above;
			if (--children[l->parents[j]] == 0)
				queue[tail++] = l->parents[j];
		}
	}
	for (i = 0; i < v->n && children[i] == 0; i++)
		continue;
	if (i < v->n)
		rc = adds_fail(err, ADDS_EFORMAT, "label '%s' would imply itself through its parents", v->label[i].name);
out:
	free(children);
	free(queue);
	free(level);
	return rc;
}

int
adds_vocab_imply(struct adds_vocab *v, int32_t child, int32_t parent, struct adds_error *err)
{
	struct adds_label *l;
	size_t before;
	int rc;

	if (child < 0 || (size_t)child >= v->n || parent < 0 || (size_t)parent >= v->n)
		return adds_fail(err, ADDS_EFORMAT, "parents: row %d or %d is not within the %zu labels", (int)child,
		                 (int)parent, v->n);
	l = &v->label[child];
	before = l->nparents;
	if ((rc = adds_vocab_link(v, child, parent, err)) < 0 || l->nparents == before)
		return rc;
	if ((rc = adds_vocab_check_parents(v, err)) < 0)
		l->nparents = before;
	return rc;
}

size_t
adds_vocab_parents(const struct adds_vocab *v, int32_t child, const int32_t **parents)
{
	*parents = v->label[child].parents;
	return v->label[child].nparents;
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(((const struct adds_label *)a)->name, ((const struct adds_label *)b)->name);
}

/* UTF-8 sorts by bytes as by code points. Each label carries its old row through the sort in len. */
int
adds_vocab_sort_from(struct adds_vocab *v, size_t from, int32_t **to, struct adds_error *err)
{
	size_t i, j;

	if (!(*to = malloc((v->n + 1) * sizeof(**to))))
		return adds_fail(err, ADDS_ENOMEM, "out of memory for a vocabulary of %zu labels", v->n);
	for (i = 0; i < v->n; i++)
		v->label[i].len = (uint32_t)i;
	if (v->n > from)
		qsort(v->label + from, v->n - from, sizeof(*v->label), by_name);
	for (i = 0; i < v->n; i++) {
		(*to)[v->label[i].len] = (int32_t)i;
		v->label[i].len = (uint32_t)strlen(v->label[i].name);
	}
	for (i = 0; i < v->n; i++)
		for (j = 0; j < v->label[i].nparents; j++)
			v->label[i].parents[j] = (*to)[v->label[i].parents[j]];
	for (i = 0; i < v->nplaces; i++)
		v->place[i].name = (*to)[v->place[i].name];
	fill_slots(v);
	return 0;
}

int
adds_vocab_sort(struct adds_vocab *v, struct adds_error *err)
{
	int32_t *to;
	const int rc = adds_vocab_sort_from(v, 0, &to, err);

	free(to);
	return rc;
}

/* first member that is not below row */
static size_t
lower_bound(const int32_t *set, size_t n, int32_t row)
{
	size_t lo = 0;

	while (lo < n) {
		const size_t mid = lo + (n - lo) / 2;

		if (set[mid] < row)
			lo = mid + 1;
		else
			n = mid;
	}
	return lo;
}

int
adds_set_has(const int32_t *set, size_t n, int32_t row)
{
	const size_t i = lower_bound(set, n, row);

	return i < n && set[i] == row;
}

size_t
adds_set_add(int32_t *set, size_t n, int32_t row)
{
	const size_t i = lower_bound(set, n, row);

	if (i < n && set[i] == row)
		return n;
	memmove(set + i + 1, set + i, (n - i) * sizeof(*set));
	set[i] = row;
	return n + 1;
}

/* A parent put in before place i has not been looked at: go back to it. */
size_t
adds_vocab_close(const struct adds_vocab *v, int32_t *set, size_t n)
{
	size_t i, j;

	for (i = 0; i < n;) {
		const struct adds_label *l = &v->label[set[i]];
		size_t next = i + 1;

		for (j = 0; j < l->nparents; j++) {
			const size_t at = lower_bound(set, n, l->parents[j]);
			const size_t before = n;

			n = adds_set_add(set, n, l->parents[j]);
			if (n > before && at < next)
				next = at;
		}
		i = next;
	}
	return n;
}

int
adds_vocab_hash(const struct adds_vocab *v, char hex[65], struct adds_error *err)
{
	size_t i, n = 0;
	char *all;

	for (i = 0; i < v->n; i++)
		n += v->label[i].len + 1;
	if (!(all = malloc(n + 1)))
		return adds_fail(err, ADDS_ENOMEM, "out of memory for %zu labels", v->n);
	n = 0;
	for (i = 0; i < v->n; i++) {
		memcpy(all + n, v->label[i].name, v->label[i].len + 1);
		n += v->label[i].len + 1;
	}
	adds_sha256_hex(hex, all, n);
	free(all);
	return 0;
}
