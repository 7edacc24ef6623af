/* SPDX-License-Identifier: MIT
 *
 * foreign.h - a device whose memory is not the host's, for machines without
 * one. It computes on the processor, but its pointers lead nowhere until they
 * are translated inside a call, and every call is checked: device pointers lie
 * in live allocations with all that the call reads and writes, host pointers
 * do not, fresh memory holds NaN, nothing waits or allocates while calls are
 * recorded. A breach ends the program with a line that names the call.
 */
#ifndef FOREIGN_H
#define FOREIGN_H

#include "../../kernels/kernels.h"

/* Takes over inner, an open CPU. NULL on failure. */
struct backend *foreign_over(struct backend *inner, struct adds_error *err);

/* alloc fails where more than this would be in use; 0: no limit */
void foreign_limit(struct backend *b, size_t bytes);
/* bytes in use, and the most there were */
size_t foreign_used(const struct backend *b, size_t *most);
/* calls so far that wait for the device (get, sync, dot, loss), and allocations */
int64_t foreign_waits(const struct backend *b);
int64_t foreign_allocations(const struct backend *b);
/* runs of replay so far that a recording would have served */
int64_t foreign_replays(const struct backend *b);

#endif
