/* SPDX-License-Identifier: MIT
 *
 * salvage.h - what is whole in a broken stream.
 * Knows: reader.h.
 */
#ifndef ADDS_SALVAGE_H
#define ADDS_SALVAGE_H

#include "../adds.h"

struct adds_salvaged {
	uint64_t records, errors;
	uint64_t broken; /* places where something was lost */
	uint64_t lost;   /* bytes of the compressed file that gave nothing */
	int ended;       /* the last thing met was an end record */
};

/* Goes through a regular file, frame by frame, and gives what is whole to
 * take: the first header, then records of parts that agree with it. After a
 * frame that is broken it goes on at the next one; of a frame that the end of
 * the file cuts off, the records before the cut are given. take returns 0, or
 * a code that ends it. ADDS_EFORMAT: no header was found. */
int adds_salvage(const char *path, int (*take)(void *arg, const struct adds_message *m), void *arg,
                 struct adds_salvaged *what, struct adds_error *err);

#endif
