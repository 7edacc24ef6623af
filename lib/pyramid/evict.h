/* SPDX-License-Identifier: MIT
 * evict.h - keeps the cache's folder below its limit; for cache.c only */
#ifndef ADDS_EVICT_H
#define ADDS_EVICT_H

#include <stdint.h>

struct adds_evict {
	uint64_t limit, total; /* bytes; total is known once counted is set */
	int counted;
};

void adds_evict_init(struct adds_evict *e, uint64_t limit);

/* An entry of that many bytes has come. Above the limit, the entries (and links) that were not used for the longest time
 * go, until nine tenths of it are left; temporary files of runs long dead go too. */
void adds_evict_added(struct adds_evict *e, const char *dir, uint64_t bytes);

#endif
