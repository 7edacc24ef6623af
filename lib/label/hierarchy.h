/* SPDX-License-Identifier: MIT
 *
 * hierarchy.h - where names stand in a hierarchy. A name may stand in several
 * places ("wood" as material and as landscape); only a name with one place
 * implies its parents by itself.
 *
 * Knows: vocab.h. The inside of a vocabulary, for this room alone.
 */
#ifndef ADDS_HIERARCHY_H
#define ADDS_HIERARCHY_H

#include "vocab.h"

/* one place: a name below another place (-1: at the top) */
struct adds_place {
	int32_t name, parent;
	int32_t next; /* the next place of the same name, or -1 */
};

struct adds_label {
	char *name;
	uint32_t len;
	int32_t place; /* the first of its places, or -1 */
	int32_t *parents;
	size_t nparents;
};

struct adds_vocab {
	struct adds_label *label;
	size_t n, room;
	int32_t *slot; /* hash table of rows, -1 empty; a power of two */
	size_t slots;
	struct adds_place *place;
	size_t nplaces, places_room;
};

/* The place of the name below the place parent (-1: at the top), new unless it
 * is there; its number, or an error. */
int32_t adds_vocab_place(struct adds_vocab *v, int32_t name, int32_t parent, struct adds_error *err);

/* After the last place: the parents that each name with one place implies. */
int adds_vocab_settle(struct adds_vocab *v, struct adds_error *err);

/* Of the places of chain[n-1], those below chain[n-2], … chain[0] (rows, from
 * the outside in; levels of the hierarchy may be left out); when just one
 * is, the rows above it are added to set (ascending and unique). Returns the new count of set. */
size_t adds_vocab_imply_chain(const struct adds_vocab *v, const int32_t *chain, size_t n, int32_t *set, size_t nset);

/* Sorts the names from row from on by code point. *to: the new row of each old
 * one, for the caller to free. */
int adds_vocab_sort_from(struct adds_vocab *v, size_t from, int32_t **to, struct adds_error *err);

/* Adds a row to an ascending set; returns the new count. */
size_t adds_set_add(int32_t *set, size_t n, int32_t row);
int adds_set_has(const int32_t *set, size_t n, int32_t row);

/* Non-zero if the bytes are UTF-8: shortest forms, no surrogates, at most U+10FFFF. */
int adds_utf8_valid(const char *s, size_t n);

/* Moves *s past leading ASCII white space; returns the length without that behind. */
size_t adds_trim(const char **s, size_t n);

/* Checks the graph of all parents at once: no cycle, at most 64 levels. */
int adds_vocab_check_parents(const struct adds_vocab *v, struct adds_error *err);

/* Appends a parent without a check for cycles; one that is there stays single. */
int adds_vocab_link(struct adds_vocab *v, int32_t child, int32_t parent, struct adds_error *err);

#endif
