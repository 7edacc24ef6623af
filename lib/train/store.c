/* SPDX-License-Identifier: MIT
 * store.c - bytes that the ranks of a machine hold once */
#define _GNU_SOURCE /* memfd_create */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../stream/record.h"
#include "store.h"

int
adds_store_open(struct adds_store *s)
{
	*s = (struct adds_store){ .fd = memfd_create("adds-features", MFD_CLOEXEC) };
	return s->fd < 0 ? -1 : 0;
}

void
adds_store_close(struct adds_store *s)
{
	if (s->base)
		munmap((void *)(uintptr_t)s->base, s->size);
	if (s->fd >= 0)
		close(s->fd);
	*s = (struct adds_store){ .fd = -1 };
}

int
adds_store_write(struct adds_store *s, const void *data, size_t n, struct adds_error *err)
{
	if (adds_write_all(s->fd, data, n) < 0)
		return adds_fail_errno(err, "no memory for features: lower --memory");
	s->size += n;
	return 0;
}

static int
map(struct adds_store *s)
{
	void *p = s->size ? mmap(NULL, s->size, PROT_READ, MAP_SHARED, s->fd, 0) : MAP_FAILED;

	if (p == MAP_FAILED) {
		adds_store_close(s);
		return -1;
	}
	s->base = p;
	return 0;
}

int
adds_store_share(struct adds_store *s, struct adds_ranks *ranks)
{
	struct {
		long process;
		int fd;
		size_t size;
	} first = { (long)getpid(), s->fd, s->fd < 0 ? 0 : s->size };
	char path[64];

	adds_ranks_share_local(ranks, &first, sizeof(first));
	if (first.size == 0)
		return -1;
	if (ranks && ranks->local > 0) {
		snprintf(path, sizeof(path), "/proc/%ld/fd/%d", first.process, first.fd);
		*s = (struct adds_store){ .fd = open(path, O_RDONLY | O_CLOEXEC), .size = first.size };
	}
	return s->fd < 0 ? -1 : map(s);
}
