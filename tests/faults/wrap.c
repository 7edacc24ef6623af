/* SPDX-License-Identifier: MIT
 *
 * wrap.c - a program one of whose calls of the system fails, or is its last
 *
 * Linked with -Wl,--wrap for each function below, a program counts its calls that write (or, with FAULT_READS set, those that
 * read) and, at number FAULT_AT, does what FAULT_KIND says:
 *
 *   EIO, ENOSPC  the call fails; close fails when the file is closed
 *   EINTR        a write or read is interrupted before its first byte; other calls are as ever
 *   short        a write or read stops after half of its bytes; other calls are as ever
 *   full         a write stops after half of its bytes, and this and every later one finds the disk full
 *   kill         SIGKILL before the call
 *   torn         SIGKILL after half of a write's bytes; before the call where it is another
 *
 * FAULT_LOG names a file that gets a line for each counted call, "NUMBER CALL PATH", PATH being what was opened. Standard error
 * is never counted, nor are files of libraries. Streams of stdio count through cookies, by what they read and write at a time.
 */
#define _GNU_SOURCE /* fopencookie, O_TMPFILE */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILES = 1024 };

enum kind {
	NOTHING,
	FAILS,
	INTERRUPTED,
	SHORT,
	FULL,
	KILL,
	TORN,
};

static const struct {
	const char *name;
	enum kind kind;
	int reason; /* errno */
} kinds[] = {
	{ "EIO", FAILS, EIO },
	{ "ENOSPC", FAILS, ENOSPC },
	{ "EINTR", INTERRUPTED, EINTR },
	{ "short", SHORT, 0 },
	{ "full", FULL, ENOSPC },
	{ "kill", KILL, 0 },
	{ "torn", TORN, 0 },
};

static struct {
	pthread_mutex_t lock; /* for all that follows */
	int ready, reads, log, reason;
	enum kind kind;
	unsigned long at, count;
	char *path[FILES]; /* of the open descriptors; NULL: not counted */
	char writes[FILES];
} fault = { .lock = PTHREAD_MUTEX_INITIALIZER, .log = -1 };

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __real_mkstemp(char *name);
int __wrap_mkstemp(char *name);
int __real_close(int fd);
int __wrap_close(int fd);
ssize_t __real_write(int fd, const void *p, size_t n);
ssize_t __wrap_write(int fd, const void *p, size_t n);
ssize_t __real_pwrite(int fd, const void *p, size_t n, off_t at);
ssize_t __wrap_pwrite(int fd, const void *p, size_t n, off_t at);
ssize_t __real_read(int fd, void *p, size_t n);
ssize_t __wrap_read(int fd, void *p, size_t n);
ssize_t __real_pread(int fd, void *p, size_t n, off_t at);
ssize_t __wrap_pread(int fd, void *p, size_t n, off_t at);
int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __real_ftruncate(int fd, off_t size);
int __wrap_ftruncate(int fd, off_t size);
int __real_truncate(const char *path, off_t size);
int __wrap_truncate(const char *path, off_t size);
int __real_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to);
int __real_linkat(int a, const char *from, int b, const char *to, int flags);
int __wrap_linkat(int a, const char *from, int b, const char *to, int flags);
int __real_symlink(const char *text, const char *path);
int __wrap_symlink(const char *text, const char *path);
int __real_mkdir(const char *path, mode_t mode);
int __wrap_mkdir(const char *path, mode_t mode);
int __real_unlink(const char *path);
int __wrap_unlink(const char *path);
int __real_rmdir(const char *path);
int __wrap_rmdir(const char *path);
struct dirent *__real_readdir(DIR *d);
struct dirent *__wrap_readdir(DIR *d);
FILE *__real_fopen(const char *path, const char *mode);
FILE *__wrap_fopen(const char *path, const char *mode);
FILE *__real_fdopen(int fd, const char *mode);
FILE *__wrap_fdopen(int fd, const char *mode);

/* ---- what is to happen ---- */

static void
get_ready(void)
{
	const char *kind = getenv("FAULT_KIND"), *at = getenv("FAULT_AT"), *log = getenv("FAULT_LOG");
	size_t i;

	fault.ready = 1;
	fault.reads = getenv("FAULT_READS") != NULL;
	fault.at = at ? strtoul(at, NULL, 10) : 0;
	if (log)
		fault.log = __real_open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
	for (i = 0; kind && i < sizeof(kinds) / sizeof(*kinds); i++)
		if (strcmp(kind, kinds[i].name) == 0) {
			fault.kind = kinds[i].kind;
			fault.reason = kinds[i].reason;
		}
}

/* Counts a call; what is to become of it. */
static enum kind
count(int reads, const char *call, const char *path)
{
	enum kind k = NOTHING;
	char line[PATH_MAX + 64];
	int n;

	pthread_mutex_lock(&fault.lock);
	if (!fault.ready)
		get_ready();
	if (fault.reads == reads) {
		fault.count++;
		if (fault.at && (fault.count == fault.at || (fault.kind == FULL && fault.count > fault.at)))
			k = fault.kind;
		n = snprintf(line, sizeof(line), "%lu %s %s\n", fault.count, call, path);
		if (fault.log >= 0 && __real_write(fault.log, line, (size_t)n) < 0)
			abort();
	}
	pthread_mutex_unlock(&fault.lock);
	return k;
}

/* The call as a whole fails, or is the program's last: 1, with errno set. */
static int
fails(int reads, const char *call, const char *path)
{
	const enum kind k = count(reads, call, path);

	if (k == KILL || k == TORN)
		raise(SIGKILL);
	if (k != FAILS)
		return 0;
	errno = fault.reason;
	return 1;
}

/* ---- descriptors ---- */

static int
keep(int fd, const char *path, int writes)
{
	if (fd < 0 || fd >= FILES)
		return fd;
	pthread_mutex_lock(&fault.lock);
	free(fault.path[fd]);
	fault.path[fd] = strdup(path);
	fault.writes[fd] = (char)writes;
	pthread_mutex_unlock(&fault.lock);
	return fd;
}

/* The name under which a descriptor's calls count; NULL: they do not. */
static const char *
name_of(int fd)
{
	if (fd == STDIN_FILENO)
		return "<stdin>";
	if (fd == STDOUT_FILENO)
		return "<stdout>";
	return fd >= 0 && fd < FILES ? fault.path[fd] : NULL;
}

int
__wrap_open(const char *path, int flags, ...)
{
	const int writes = (flags & O_ACCMODE) != O_RDONLY, nameless = (flags & O_TMPFILE) == O_TMPFILE;
	char name[PATH_MAX];
	mode_t mode = 0;
	va_list ap;

	va_start(ap, flags);
	if (flags & O_CREAT || nameless)
		mode = va_arg(ap, mode_t);
	va_end(ap);
	if (fails(!writes, nameless ? "tmpfile" : "open", path))
		return -1;
	snprintf(name, sizeof(name), "%s%s", path, nameless ? "/(new)" : "");
	return keep(__real_open(path, flags, mode), name, writes);
}

int
__wrap_mkstemp(char *name)
{
	return fails(0, "mkstemp", name) ? -1 : keep(__real_mkstemp(name), name, 1);
}

int
__wrap_close(int fd)
{
	const char *name = name_of(fd);
	char *path = NULL;
	int bad = 0;

	if (name && fd > STDERR_FILENO) {
		bad = fault.writes[fd] && fails(0, "close", name);
		pthread_mutex_lock(&fault.lock);
		path = fault.path[fd];
		fault.path[fd] = NULL;
		pthread_mutex_unlock(&fault.lock);
		free(path);
	}
	if (!bad)
		return __real_close(fd);
	__real_close(fd);
	errno = fault.reason;
	return -1;
}

/* ---- bytes ---- */

/* How many of the bytes are to be passed on: all, half of them, or (-1) none, with errno set. A torn call dies after them. */
static ssize_t
portion(int reads, const char *call, int fd, size_t n, enum kind *k)
{
	const char *name = name_of(fd);
	const size_t half = n > 1 ? n / 2 : n;
	static int full;

	*k = name ? count(reads, call, name) : NOTHING;
	switch (*k) {
	case KILL:
		raise(SIGKILL);
		/* fall through */
	case FAILS:
	case INTERRUPTED:
		errno = fault.reason;
		return -1;
	case FULL:
		errno = fault.reason;
		return full++ || n < 2 ? -1 : (ssize_t)half;
	case SHORT:
	case TORN:
		return (ssize_t)half;
	default:
		return (ssize_t)n;
	}
}

static ssize_t
done(ssize_t n, enum kind k)
{
	if (k == TORN)
		raise(SIGKILL);
	return n;
}

ssize_t
__wrap_write(int fd, const void *p, size_t n)
{
	enum kind k;
	const ssize_t m = portion(0, "write", fd, n, &k);

	return m < 0 ? m : done(__real_write(fd, p, (size_t)m), k);
}

ssize_t
__wrap_pwrite(int fd, const void *p, size_t n, off_t at)
{
	enum kind k;
	const ssize_t m = portion(0, "pwrite", fd, n, &k);

	return m < 0 ? m : done(__real_pwrite(fd, p, (size_t)m, at), k);
}

ssize_t
__wrap_read(int fd, void *p, size_t n)
{
	enum kind k;
	const ssize_t m = portion(1, "read", fd, n, &k);

	return m < 0 ? m : done(__real_read(fd, p, (size_t)m), k);
}

ssize_t
__wrap_pread(int fd, void *p, size_t n, off_t at)
{
	enum kind k;
	const ssize_t m = portion(1, "pread", fd, n, &k);

	return m < 0 ? m : done(__real_pread(fd, p, (size_t)m, at), k);
}

/* ---- the rest ---- */

int
__wrap_fsync(int fd)
{
	const char *name = name_of(fd);

	return name && fails(0, "fsync", name) ? -1 : __real_fsync(fd);
}

int
__wrap_ftruncate(int fd, off_t size)
{
	const char *name = name_of(fd);

	return name && fails(0, "ftruncate", name) ? -1 : __real_ftruncate(fd, size);
}

int
__wrap_truncate(const char *path, off_t size)
{
	return fails(0, "truncate", path) ? -1 : __real_truncate(path, size);
}

int
__wrap_rename(const char *from, const char *to)
{
	return fails(0, "rename", to) ? -1 : __real_rename(from, to);
}

int
__wrap_linkat(int a, const char *from, int b, const char *to, int flags)
{
	return fails(0, "linkat", to) ? -1 : __real_linkat(a, from, b, to, flags);
}

int
__wrap_symlink(const char *text, const char *path)
{
	return fails(0, "symlink", path) ? -1 : __real_symlink(text, path);
}

int
__wrap_mkdir(const char *path, mode_t mode)
{
	return fails(0, "mkdir", path) ? -1 : __real_mkdir(path, mode);
}

int
__wrap_unlink(const char *path)
{
	return fails(0, "unlink", path) ? -1 : __real_unlink(path);
}

int
__wrap_rmdir(const char *path)
{
	return fails(0, "rmdir", path) ? -1 : __real_rmdir(path);
}

struct dirent *
__wrap_readdir(DIR *d)
{
	return fails(1, "readdir", "/") ? NULL : __real_readdir(d);
}

/* ---- stdio: its streams read and write through the above ---- */

static int
descriptor(void *cookie)
{
	return (int)(intptr_t)cookie - 1;
}

static ssize_t
cookie_read(void *cookie, char *p, size_t n)
{
	return __wrap_read(descriptor(cookie), p, n);
}

static ssize_t
cookie_write(void *cookie, const char *p, size_t n)
{
	const ssize_t put = __wrap_write(descriptor(cookie), p, n);

	return put < 0 ? 0 : put; /* stdio's way to say so */
}

static int
cookie_seek(void *cookie, off64_t *at, int whence)
{
	*at = lseek(descriptor(cookie), *at, whence);
	return *at < 0 ? -1 : 0;
}

static int
cookie_close(void *cookie)
{
	return __wrap_close(descriptor(cookie));
}

FILE *
__wrap_fdopen(int fd, const char *mode)
{
	const cookie_io_functions_t all = { cookie_read, cookie_write, cookie_seek, cookie_close };

	return fopencookie((void *)(intptr_t)(fd + 1), mode, all);
}

FILE *
__wrap_fopen(const char *path, const char *mode)
{
	const int flags = *mode == 'r' ? O_RDONLY : O_WRONLY | O_CREAT | (*mode == 'a' ? O_APPEND : O_TRUNC);
	const int fd = __wrap_open(path, flags | O_CLOEXEC, 0666);

	return fd < 0 ? NULL : __wrap_fdopen(fd, mode);
}
