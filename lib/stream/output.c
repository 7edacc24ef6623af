/* SPDX-License-Identifier: MIT
 * output.c - a file that is there whole or not at all */
#define _GNU_SOURCE /* O_TMPFILE */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "output.h"
#include "record.h"

struct adds_output {
	char *path;      /* for messages */
	char *target;    /* links resolved; NULL: written directly */
	char *temporary; /* its name beside the target */
	int named;       /* the temporary name exists */
	int fd, owned, is_file;
	struct adds_output *next; /* in the list of all that are open */
};

/* What is open, for adds_output_abandon: a program that ends in the middle leaves no temporary file. */
static struct adds_output *all;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void
enlist(struct adds_output *o)
{
	pthread_mutex_lock(&lock);
	o->next = all;
	all = o;
	pthread_mutex_unlock(&lock);
}

static void
strike_out(const struct adds_output *o)
{
	struct adds_output **p;

	pthread_mutex_lock(&lock);
	for (p = &all; *p; p = &(*p)->next)
		if (*p == o) {
			*p = o->next;
			break;
		}
	pthread_mutex_unlock(&lock);
}

static void
release(struct adds_output *o)
{
	strike_out(o);
	free(o->path);
	free(o->target);
	free(o->temporary);
	free(o);
}

/* the folder of path, in malloced memory */
static char *
folder_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (!slash)
		return strdup(".");
	return slash == path ? strdup("/") : strndup(path, (size_t)(slash - path));
}

static int
open_temporary(struct adds_output *o)
{
	char *folder = folder_of(o->target);
	int fd;

	if (!folder) {
		errno = ENOMEM;
		return -1;
	}
	fd = open(folder, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0666);
	free(folder);
	if (fd >= 0 && access("/proc/self/fd", X_OK) == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	fd = open(o->temporary, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0666);
	o->named = fd >= 0;
	return fd;
}

/* names of the target and of the temporary file */
static int
choose_names(struct adds_output *o)
{
	const size_t room = strlen(o->path) + PATH_MAX + 40;
	static unsigned counter;

	if (!(o->target = realpath(o->path, NULL)) && !(o->target = strdup(o->path)))
		return -1;
	if (!(o->temporary = malloc(room)))
		return -1;
	snprintf(o->temporary, room, "%s.tmp-%ld-%u", o->target, (long)getpid(),
	         __atomic_fetch_add(&counter, 1, __ATOMIC_RELAXED));
	unlink(o->temporary);
	return 0;
}

/* not a regular file: /dev/full, a terminal, a pipe with a name */
static int
open_special(struct adds_output *o)
{
	o->fd = open(o->path, O_WRONLY | O_CLOEXEC);
	o->owned = 1;
	return o->fd;
}

static int
open_any(struct adds_output *o)
{
	struct stat st;
	const int there = stat(o->path, &st) == 0;

	if (strcmp(o->path, "-") == 0) {
		o->fd = STDOUT_FILENO;
		o->is_file = fstat(o->fd, &st) == 0 && S_ISREG(st.st_mode);
		free(o->path);
		return (o->path = strdup("<stdout>")) ? 0 : -1;
	}
	if (there && !S_ISREG(st.st_mode))
		return open_special(o);
	if (choose_names(o) < 0)
		return -1;
	if ((o->fd = open_temporary(o)) < 0)
		return -1;
	o->owned = o->is_file = 1;
	return there ? fchmod(o->fd, st.st_mode & 07777) : 0;
}

struct adds_output *
adds_output_open(const char *path, struct adds_error *err)
{
	struct adds_output *o = calloc(1, sizeof(*o));

	if (!o || !(o->path = strdup(path))) {
		free(o);
		adds_fail(err, ADDS_ENOMEM, "out of memory");
		return NULL;
	}
	o->fd = -1;
	enlist(o);
	if (open_any(o) < 0) {
		adds_fail_errno(err, "%s: cannot write", path);
		adds_output_abort(o);
		return NULL;
	}
	return o;
}

int
adds_output_write(struct adds_output *o, const void *data, size_t n, struct adds_error *err)
{
	return adds_write_all(o->fd, data, n) < 0 ? adds_fail_errno(err, "%s: cannot write", o->path) : 0;
}

int
adds_output_patch(struct adds_output *o, uint64_t at, const void *data, size_t n, struct adds_error *err)
{
	const char *p = data;

	while (n) {
		const ssize_t put = pwrite(o->fd, p, n, (off_t)at);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return adds_fail_errno(err, "%s: cannot write", o->path);
		p += put;
		at += (uint64_t)put;
		n -= (size_t)put;
	}
	return 0;
}

int
adds_output_is_file(const struct adds_output *o)
{
	return o->is_file;
}

const char *
adds_output_name(const struct adds_output *o)
{
	return o->path;
}

static ssize_t
read_whole(int fd, char *buf, size_t n)
{
	size_t got = 0;
	ssize_t k;

	while (got < n && (k = read(fd, buf + got, n - got)) != 0) {
		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return -1;
		got += (size_t)k;
	}
	return (ssize_t)got;
}

/* does the file that stands there hold the same bytes? */
static int
same_bytes(int a, int b)
{
	enum { CHUNK = 1 << 16 };
	char *p = malloc(2 * CHUNK);
	ssize_t n = -1, m;

	while (p && (n = read_whole(a, p, CHUNK)) > 0)
		if ((m = read_whole(b, p + CHUNK, CHUNK)) != n || memcmp(p, p + CHUNK, (size_t)n) != 0) {
			n = -1;
			break;
		}
	free(p);
	return n == 0;
}

static int
is_current(const struct adds_output *o)
{
	struct stat now, old;
	char self[64];
	int a, b, same = 0;

	if (fstat(o->fd, &now) < 0 || stat(o->target, &old) < 0 || now.st_size != old.st_size)
		return 0;
	snprintf(self, sizeof(self), "/proc/self/fd/%d", o->fd);
	a = open(o->named ? o->temporary : self, O_RDONLY | O_CLOEXEC);
	b = open(o->target, O_RDONLY | O_CLOEXEC);
	if (a >= 0 && b >= 0)
		same = same_bytes(a, b);
	if (a >= 0)
		close(a);
	if (b >= 0)
		close(b);
	return same;
}

static int
sync_folder(const struct adds_output *o)
{
	char *folder = folder_of(o->target);
	const int fd = folder ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	int rc;

	free(folder);
	if (fd < 0)
		return -1;
	rc = fsync(fd);
	if (rc < 0 && errno == EINVAL) /* folders of some file systems cannot be synced */
		rc = 0;
	close(fd);
	return rc;
}

static int
give_name(struct adds_output *o)
{
	char self[64];

	if (o->named)
		return 0;
	snprintf(self, sizeof(self), "/proc/self/fd/%d", o->fd);
	if (linkat(AT_FDCWD, self, AT_FDCWD, o->temporary, AT_SYMLINK_FOLLOW) < 0)
		return -1;
	o->named = 1;
	return 0;
}

static int
close_own(struct adds_output *o)
{
	const int fd = o->owned ? o->fd : -1;

	o->owned = 0;
	return fd < 0 ? 0 : close(fd);
}

/* under its name, whole: the file was synced and closed before, so that whatever can be said against it is said while the
 * old one is there */
static int
put_into_place(struct adds_output *o)
{
	if (fsync(o->fd) < 0 || give_name(o) < 0 || close_own(o) < 0 || rename(o->temporary, o->target) < 0)
		return -1;
	o->named = 0;
	return sync_folder(o);
}

int
adds_output_commit(struct adds_output *o, struct adds_error *err)
{
	int rc = 0;

	if (o->target && !is_current(o) && put_into_place(o) < 0)
		rc = adds_fail_errno(err, "%s: cannot write", o->path);
	if (close_own(o) < 0 && rc == 0)
		rc = adds_fail_errno(err, "%s: cannot write", o->path);
	adds_output_abort(o);
	return rc;
}

void
adds_output_abort(struct adds_output *o)
{
	if (!o)
		return;
	close_own(o);
	if (o->named)
		unlink(o->temporary);
	release(o);
}

void
adds_output_abandon(void)
{
	const struct adds_output *o;

	pthread_mutex_lock(&lock);
	for (o = all; o; o = o->next)
		if (o->named)
			unlink(o->temporary);
	pthread_mutex_unlock(&lock);
}
