/* SPDX-License-Identifier: MIT
 * evict.c - keeps the cache's folder below its limit */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "evict.h"

enum {
	NAME = 64,        /* digits of an entry's name */
	LINK_BYTES = 256, /* what a symbolic link is counted as */
	DEAD = 3600,      /* seconds after which a temporary file has no owner any more */
};

struct found {
	char name[NAME + 1];
	char known; /* a link, not an entry */
	int64_t used;
	uint64_t bytes;
};

struct list {
	struct found *item;
	size_t n, cap;
};

void
adds_evict_init(struct adds_evict *e, uint64_t limit)
{
	*e = (struct adds_evict){ limit, 0, 0 };
}

static void
add(struct list *l, const char *name, int known, const struct stat *st)
{
	struct found *f;

	if (l->n == l->cap) {
		const size_t cap = l->cap ? 2 * l->cap : 1024;
		struct found *more = realloc(l->item, cap * sizeof(*more));

		if (!more)
			return; /* what is not seen stays */
		l->item = more;
		l->cap = cap;
	}
	f = &l->item[l->n++];
	memcpy(f->name, name, NAME + 1);
	f->known = (char)known;
	f->used = st->st_mtim.tv_sec * 1000000000ll + st->st_mtim.tv_nsec;
	f->bytes = known ? LINK_BYTES : (uint64_t)st->st_size;
}

/* l NULL: only what runs long dead have left goes */
static void
look_into(struct list *l, const char *folder, int known)
{
	DIR *d = opendir(folder);
	struct dirent *e;
	struct stat st;

	if (!d)
		return;
	while ((e = readdir(d))) {
		const size_t n = strlen(e->d_name);

		if (n < NAME || fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		if (n == NAME && l)
			add(l, e->d_name, known, &st);
		else if (n > NAME && st.st_mtim.tv_sec + DEAD < time(NULL))
			unlinkat(dirfd(d), e->d_name, 0);
	}
	closedir(d);
}

static void
look(struct list *l, const char *dir)
{
	char folder[PATH_MAX];
	int i;

	for (i = 0; i < 512; i++) {
		snprintf(folder, sizeof(folder), "%s/%s/%02x", dir, i < 256 ? "entries" : "known", i % 256);
		look_into(l, folder, i >= 256);
	}
	snprintf(folder, sizeof(folder), "%s/outputs", dir);
	look_into(NULL, folder, 0);
}

static int
older(const void *a, const void *b)
{
	const struct found *x = a, *y = b;

	return x->used < y->used ? -1 : x->used > y->used ? 1
	                                                  : memcmp(x->name, y->name, NAME);
}

static void
shrink(struct adds_evict *e, const struct list *l, const char *dir)
{
	char path[PATH_MAX];
	size_t i;

	for (i = 0; i < l->n && e->total > e->limit / 10 * 9; i++) {
		const struct found *f = &l->item[i];

		snprintf(path, sizeof(path), "%s/%s/%.2s/%s", dir, f->known ? "known" : "entries", f->name, f->name);
		unlink(path);
		e->total -= f->bytes;
	}
}

void
adds_evict_added(struct adds_evict *e, const char *dir, uint64_t bytes)
{
	struct list l = { NULL, 0, 0 };
	size_t i;

	if (!e->limit)
		return;
	e->total += bytes;
	if (e->counted && e->total <= e->limit)
		return;
	look(&l, dir);
	e->counted = 1;
	e->total = 0;
	for (i = 0; i < l.n; i++)
		e->total += l.item[i].bytes;
	if (e->total > e->limit) {
		qsort(l.item, l.n, sizeof(*l.item), older);
		shrink(e, &l, dir);
	}
	free(l.item);
}
