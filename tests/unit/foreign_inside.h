/* SPDX-License-Identifier: MIT
 * foreign_inside.h - what the two files of the foreign device share */
#ifndef FOREIGN_INSIDE_H
#define FOREIGN_INSIDE_H

#include "foreign.h"

/* no address of a program: between the halves that a processor's pages can have */
#define AWAY ((uintptr_t)1 << 56)

struct piece {
	char *p; /* as the host sees it */
	size_t bytes;
};

struct foreign {
	struct backend *inner;
	struct backend_ops ops;
	struct piece *piece; /* what is allocated */
	size_t pieces, room;
	size_t used, most, limit;
	int64_t waits, allocations, replays;
	int recording;
};

/* its slots for computing; those for memory are foreign.c's */
extern const struct backend_ops foreign_compute;

/* ends the program */
void foreign_breach(const char *call, const char *what);

/* the state at the beginning of a call; of one that waits, too */
struct foreign *foreign_enter(struct backend *b);
struct foreign *foreign_enter_waiting(struct backend *b, const char *call);

/* a device pointer as the host sees it, with the bytes that the call may touch; a host pointer as it is */
void *foreign_home(const struct foreign *f, const char *call, const void *p, size_t bytes);
const void *foreign_ours(const char *call, const void *host, size_t bytes);
struct mat foreign_mat(const struct foreign *f, const char *call, struct mat m);

#endif
