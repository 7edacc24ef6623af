/* SPDX-License-Identifier: MIT
 * cache.c - tokens of pictures kept in a folder, by content */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <xxhash.h>

#include "../stream/record.h"
#include "cache.h"
#include "evict.h"

enum {
	HEAD = 64,         /* bytes before the tokens: magic, key, dimensions, length */
	TAIL = 8,          /* and behind: XXH3 over all before */
	FRESH_SECONDS = 2, /* coarse time stamps of old file systems */
	DAY = 86400,
};

static const char MAGIC[8] = "ADDSpyr1";
static const char TAG[] = "Signature: 8a477f597d28d172789f06886806bc55\n"
			  "# This folder is a cache of adds-pyramid; it may be removed.\n";

struct adds_cache {
	char *dir, *cwd;
	char settings[65];    /* SHA-256 of the text */
	pthread_mutex_t lock; /* for what follows */
	struct adds_evict evict;
	struct adds_error trouble;
	int troubled;
};

static int
make_folder(const char *path, struct adds_error *err)
{
	if (mkdir(path, 0777) == 0 || errno == EEXIST)
		return 0;
	return adds_fail_errno(err, "cannot make the cache's folder '%s'", path);
}

/* the folders above: ~/.cache of a new account is not there */
static int
make_parents(const char *dir, struct adds_error *err)
{
	char path[PATH_MAX];
	const char *slash;
	int rc = 0;

	for (slash = strchr(dir, '/'); slash && rc == 0; slash = strchr(slash + 1, '/')) {
		snprintf(path, sizeof(path), "%.*s", (int)(slash - dir), dir);
		if (slash > dir)
			rc = make_folder(path, err);
	}
	return rc;
}

static int
write_tag(const char *dir, struct adds_error *err)
{
	char path[PATH_MAX];
	int fd, failed;

	snprintf(path, sizeof(path), "%s/CACHEDIR.TAG", dir);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (fd < 0)
		return errno == EEXIST ? 0 : adds_fail_errno(err, "cannot write into the cache '%s'", dir);
	failed = adds_write_all(fd, TAG, sizeof(TAG) - 1) < 0;
	failed |= close(fd) < 0;
	if (!failed)
		return 0;
	adds_fail_errno(err, "cannot write into the cache '%s'", dir);
	unlink(path); /* the next run would take it for whole */
	return ADDS_EIO;
}

/* the folder and those in it; the 2 × 256 for the first two digits are made when needed */
static int
make_folders(const char *dir, struct adds_error *err)
{
	static const char *const inside[] = { "", "/entries", "/known", "/outputs" };
	char path[PATH_MAX];
	size_t i;
	int rc;

	if (strlen(dir) > PATH_MAX - 128)
		return adds_fail(err, ADDS_EARG, "the name of the cache's folder is too long");
	if (access(dir, F_OK) < 0 && (rc = make_parents(dir, err)) < 0)
		return rc;
	for (i = 0; i < sizeof(inside) / sizeof(inside[0]); i++) {
		snprintf(path, sizeof(path), "%s%s", dir, inside[i]);
		if ((rc = make_folder(path, err)) < 0)
			return rc;
	}
	return write_tag(dir, err);
}

struct adds_cache *
adds_cache_open(const char *dir, uint64_t limit, const char *settings, struct adds_error *err)
{
	struct adds_cache *c = calloc(1, sizeof(*c));

	if (!c || !(c->dir = strdup(dir))) {
		adds_fail(err, ADDS_ENOMEM, "out of memory");
		goto fail;
	}
	adds_sha256_hex(c->settings, settings, strlen(settings));
	if (make_folders(dir, err) < 0)
		goto fail;
	if (!(c->cwd = malloc(PATH_MAX)) || !getcwd(c->cwd, PATH_MAX)) {
		adds_fail_errno(err, "cannot find the working folder");
		goto fail;
	}
	pthread_mutex_init(&c->lock, NULL);
	adds_evict_init(&c->evict, limit);
	return c;
fail:
	if (c) {
		free(c->dir);
		free(c->cwd);
		free(c);
	}
	return NULL;
}

void
adds_cache_close(struct adds_cache *c)
{
	if (!c)
		return;
	pthread_mutex_destroy(&c->lock);
	free(c->dir);
	free(c->cwd);
	free(c);
}

const char *
adds_cache_folder(const struct adds_cache *c)
{
	return c->dir;
}

const char *
adds_cache_trouble(struct adds_cache *c)
{
	return c->troubled ? c->trouble.msg : NULL;
}

static void
note_trouble(struct adds_cache *c, const struct adds_error *err)
{
	pthread_mutex_lock(&c->lock);
	if (!c->troubled)
		c->trouble = *err;
	c->troubled = 1;
	pthread_mutex_unlock(&c->lock);
}

/* DIR/what/ab/<64 digits>; the folder is made if make is set */
static void
place_of(char path[PATH_MAX], const struct adds_cache *c, const char *what, const char *hex, int make)
{
	snprintf(path, PATH_MAX, "%s/%s/%.2s", c->dir, what, hex);
	if (make)
		mkdir(path, 0777);
	snprintf(path, PATH_MAX, "%s/%s/%.2s/%s", c->dir, what, hex, hex);
}

/* ---- files that were seen ---- */

int
adds_too_new(int64_t mtime)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return mtime / 1000000000 > (int64_t)now.tv_sec - FRESH_SECONDS;
}

static void
place_of_file(char link[PATH_MAX], const struct adds_cache *c, const char *path, struct adds_file_stat st, int make)
{
	char text[2 * PATH_MAX + 64], hex[65];
	const int n = snprintf(text, sizeof(text), "%lld %lld %s%s%s", (long long)st.size, (long long)st.mtime,
	                       *path == '/' ? "" : c->cwd, *path == '/' ? "" : "/", path);

	adds_sha256_hex(hex, text, n < (int)sizeof(text) ? (size_t)n : sizeof(text) - 1);
	place_of(link, c, "known", hex, make);
}

/* A digest as 43 characters of base64: short enough for a link that lies in its inode. */
static const char LETTERS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static int
digit(char c)
{
	return c <= '9' ? c - '0' : c - 'a' + 10;
}

static void
to_link(char text[44], const char *sha256)
{
	unsigned bits = 0;
	int i, have = 0, n = 0;

	for (i = 0; i < 64; i++) {
		bits = bits << 4 | (unsigned)digit(sha256[i]);
		for (have += 4; have >= 6; have -= 6)
			text[n++] = LETTERS[bits >> (have - 6) & 63];
	}
	text[n++] = LETTERS[bits << (6 - have) & 63];
	text[n] = '\0';
}

/* the digest, or -1 if the text is none */
static int
from_link(char sha256[65], const char text[44])
{
	unsigned bits = 0;
	int i, have = 0, n = 0;

	for (i = 0; i < 43; i++) {
		const char *at = strchr(LETTERS, text[i]);

		if (!at || !text[i])
			return -1;
		bits = bits << 6 | (unsigned)(at - LETTERS);
		for (have += 6; have >= 4 && n < 64; have -= 4)
			sha256[n++] = "0123456789abcdef"[bits >> (have - 4) & 15];
	}
	sha256[64] = '\0';
	return 0;
}

static int
read_link(char sha256[65], const char *link)
{
	char text[64];

	if (readlink(link, text, sizeof(text)) != 43)
		return -1;
	text[43] = '\0';
	return from_link(sha256, text);
}

int
adds_cache_recall(struct adds_cache *c, char sha256[65], const char *path, struct adds_file_stat st)
{
	char link[PATH_MAX];

	if (strlen(path) >= PATH_MAX)
		return 0;
	place_of_file(link, c, path, st, 0);
	return read_link(sha256, link) == 0;
}

void
adds_cache_remember(struct adds_cache *c, const char sha256[65], const char *path, struct adds_file_stat st)
{
	char link[PATH_MAX], old[65], text[44];

	if (strlen(path) >= PATH_MAX || adds_too_new(st.mtime))
		return;
	place_of_file(link, c, path, st, 1);
	to_link(text, sha256);
	if (symlink(text, link) == 0 || errno != EEXIST)
		return; /* without the link the file will be opened again */
	if (read_link(old, link) == 0 && strcmp(old, sha256) == 0)
		return;
	unlink(link); /* same size and time, other content */
	if (symlink(text, link) < 0)
		return;
}

/* ---- entries ---- */

struct entry_head {
	unsigned char bytes[HEAD];
};

static void
put64(unsigned char *p, uint64_t v)
{
	int i;

	for (i = 0; i < 8; i++)
		p[i] = (unsigned char)(v >> (8 * i));
}

static uint64_t
get64(const unsigned char *p)
{
	uint64_t v = 0;
	int i;

	for (i = 7; i >= 0; i--)
		v = v << 8 | p[i];
	return v;
}

static void
key_of(char hex[65], const struct adds_cache *c, const char *sha256)
{
	char text[129];

	memcpy(text, c->settings, 64);
	memcpy(text + 64, sha256, 65);
	adds_sha256_hex(hex, text, 128);
}

/* magic, the first 32 digits of the key, height, width, length */
static struct entry_head
head_of(const char *key, const int32_t dimensions[2], size_t size)
{
	struct entry_head h;

	memcpy(h.bytes, MAGIC, 8);
	memcpy(h.bytes + 8, key, 32);
	put64(h.bytes + 40, (uint64_t)(uint32_t)dimensions[0]);
	put64(h.bytes + 48, (uint64_t)(uint32_t)dimensions[1]);
	put64(h.bytes + 56, size);
	return h;
}

static uint64_t
checksum(const struct entry_head *h, const void *data, size_t size)
{
	return XXH3_64bits_withSeed(data, size, XXH3_64bits(h->bytes, HEAD));
}

static int
read_all(int fd, void *to, size_t n)
{
	unsigned char *p = to;

	while (n) {
		const ssize_t got = read(fd, p, n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return -1;
		p += got;
		n -= (size_t)got;
	}
	return 0;
}

/* the least recently used go first: a use is noted once a day */
static void
note_use(int fd, const struct stat *st)
{
	if (st->st_mtim.tv_sec + DAY < time(NULL))
		futimens(fd, NULL);
}

int
adds_cache_get(struct adds_cache *c, const char sha256[65], void *data, size_t size, int32_t dimensions[2])
{
	struct entry_head h, want;
	unsigned char tail[TAIL];
	char path[PATH_MAX], key[65];
	struct stat st;
	int fd, ok;

	key_of(key, c, sha256);
	place_of(path, c, "entries", key, 0);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	ok = fstat(fd, &st) == 0 && (uint64_t)st.st_size == (uint64_t)size + HEAD + TAIL && read_all(fd, h.bytes, HEAD) == 0 &&
	     read_all(fd, data, size) == 0 && read_all(fd, tail, TAIL) == 0;
	if (ok) {
		dimensions[0] = (int32_t)get64(h.bytes + 40);
		dimensions[1] = (int32_t)get64(h.bytes + 48);
		want = head_of(key, dimensions, size);
		ok = memcmp(h.bytes, want.bytes, HEAD) == 0 && get64(tail) == checksum(&h, data, size) && dimensions[0] > 0 &&
		     dimensions[1] > 0;
	}
	if (ok)
		note_use(fd, &st);
	else
		unlink(path);
	close(fd);
	return ok;
}

static int
write_entry(const char *path, const struct entry_head *h, const void *data, size_t size, struct adds_error *err)
{
	unsigned char tail[TAIL];
	char temporary[PATH_MAX + 16];
	int fd;

	put64(tail, checksum(h, data, size));
	snprintf(temporary, sizeof(temporary), "%s.XXXXXX", path);
	fd = mkstemp(temporary);
	if (fd < 0)
		return adds_fail_errno(err, "cannot write into the cache: '%s'", path);
	if (adds_write_all(fd, h->bytes, HEAD) < 0 || adds_write_all(fd, data, size) < 0 || adds_write_all(fd, tail, TAIL) < 0 ||
	    fchmod(fd, 0644) < 0) {
		adds_fail_errno(err, "cannot write into the cache: '%s'", path);
		close(fd);
		unlink(temporary);
		return ADDS_EIO;
	}
	if (close(fd) < 0 || rename(temporary, path) < 0) {
		adds_fail_errno(err, "cannot write into the cache: '%s'", path);
		unlink(temporary);
		return ADDS_EIO;
	}
	return 0;
}

void
adds_cache_put(struct adds_cache *c, const char sha256[65], const void *data, size_t size, const int32_t dimensions[2])
{
	struct adds_error err;
	struct entry_head h;
	char path[PATH_MAX], key[65];

	key_of(key, c, sha256);
	h = head_of(key, dimensions, size);
	place_of(path, c, "entries", key, 1);
	if (write_entry(path, &h, data, size, &err) < 0) {
		note_trouble(c, &err);
		return;
	}
	pthread_mutex_lock(&c->lock);
	adds_evict_added(&c->evict, c->dir, size + HEAD + TAIL);
	pthread_mutex_unlock(&c->lock);
}
