/* SPDX-License-Identifier: MIT
 *
 * store.h - bytes that the ranks of a machine hold once: a file that lies in
 * memory and has no name, which the first of them writes and all map.
 *
 * Knows: stream/, ranks.h. Room train/.
 */
#ifndef ADDS_STORE_H
#define ADDS_STORE_H

#include "ranks.h"

struct adds_store {
	int fd; /* -1: not open */
	size_t size;
	const char *base; /* mapped; NULL: not yet */
};

/* Opens an empty one. -1: the system has none. */
int adds_store_open(struct adds_store *s);
void adds_store_close(struct adds_store *s);

/* Appends n bytes. */
int adds_store_write(struct adds_store *s, const void *data, size_t n, struct adds_error *err);

/* All ranks of the machine call it: what the first wrote (nothing, where its store is not open) is mapped by each. -1: there is
 * nothing, or this rank cannot see it. */
int adds_store_share(struct adds_store *s, struct adds_ranks *ranks);

#endif
