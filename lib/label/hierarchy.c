/* SPDX-License-Identifier: MIT
 * hierarchy.c - places of names, and which of them a name implies */
#include <stdlib.h>

#include "hierarchy.h"

enum { MAX_PLACES = 1 << 24 };

int32_t
adds_vocab_place(struct adds_vocab *v, int32_t name, int32_t parent, struct adds_error *err)
{
	struct adds_place *more;
	size_t room;
	int32_t p;

	for (p = v->label[name].place; p >= 0; p = v->place[p].next)
		if (v->place[p].parent == parent)
			return p;
	if (v->nplaces == MAX_PLACES)
		return adds_fail(err, ADDS_ELIMIT, "a hierarchy of more than %d places", MAX_PLACES);
	if (v->nplaces == v->places_room) {
		room = v->places_room ? 2 * v->places_room : 64;
		if (!(more = realloc(v->place, room * sizeof(*more))))
			return adds_fail(err, ADDS_ENOMEM, "out of memory for a hierarchy of %zu places", room);
		v->place = more;
		v->places_room = room;
	}
	p = (int32_t)v->nplaces++;
	v->place[p] = (struct adds_place){ name, parent, v->label[name].place };
	v->label[name].place = p;
	return p;
}

static int
has_one_place(const struct adds_vocab *v, int32_t name)
{
	const int32_t p = v->label[name].place;

	return p >= 0 && v->place[p].next < 0;
}

/* A parent with several places implies nothing further, so the walk goes on
 * above it until a parent that does. */
int
adds_vocab_settle(struct adds_vocab *v, struct adds_error *err)
{
	size_t i;
	int32_t p;
	int rc;

	for (i = 0; i < v->n; i++) {
		if (!has_one_place(v, (int32_t)i))
			continue;
		for (p = v->place[v->label[i].place].parent; p >= 0; p = v->place[p].parent) {
			if ((rc = adds_vocab_link(v, (int32_t)i, v->place[p].name, err)) < 0)
				return rc;
			if (has_one_place(v, v->place[p].name))
				break;
		}
	}
	return adds_vocab_check_parents(v, err);
}

/* whether the place lies below chain[n-1], … chain[0], from the inside out */
static int
lies_below(const struct adds_vocab *v, int32_t place, const int32_t *chain, size_t n)
{
	int32_t p;

	for (p = v->place[place].parent; p >= 0 && n; p = v->place[p].parent)
		if (v->place[p].name == chain[n - 1])
			n--;
	return n == 0;
}

size_t
adds_vocab_imply_chain(const struct adds_vocab *v, const int32_t *chain, size_t n, int32_t *set, size_t nset)
{
	int32_t p, found = -1;

	for (p = v->label[chain[n - 1]].place; p >= 0; p = v->place[p].next) {
		if (!lies_below(v, p, chain, n - 1))
			continue;
		if (found >= 0)
			return nset;
		found = p;
	}
	if (found < 0)
		return nset;
	for (p = v->place[found].parent; p >= 0; p = v->place[p].parent)
		nset = adds_set_add(set, nset, v->place[p].name);
	return nset;
}
