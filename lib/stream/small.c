/* SPDX-License-Identifier: MIT
 * small.c - small files whole, and SHA-256 */
#include <errno.h>
#include <fcntl.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "json.h"
#include "record.h"

static int
read_all(struct adds_buf *b, int fd, size_t limit, const char *name, struct adds_error *err)
{
	for (;;) {
		ssize_t got;

		if (adds_buf_reserve(b, 65536) < 0)
			return adds_fail(err, ADDS_ENOMEM, "%s: out of memory", name);
		got = read(fd, b->p + b->n, b->cap - b->n);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return adds_fail_errno(err, "%s: cannot read", name);
		if (got == 0)
			break;
		b->n += (size_t)got;
		if (b->n > limit)
			return adds_fail(err, ADDS_ELIMIT, "%s: more than %zu bytes, the limit", name, limit);
	}
	adds_buf_add(b, "", 1);
	return b->failed ? adds_fail(err, ADDS_ENOMEM, "%s: out of memory", name) : 0;
}

int
adds_refuse_folder(const char *path, const char *needed, const char *usual, struct adds_error *err)
{
	char file[4096];
	struct stat st;

	if (stat(path, &st) < 0 || !S_ISDIR(st.st_mode))
		return 0;
	if (usual && snprintf(file, sizeof(file), "%s/%s", path, usual) < (int)sizeof(file) && access(file, R_OK) == 0)
		return adds_fail(err, ADDS_EIO, "'%s' is a folder, and %s is needed: give '%s'", path, needed, file);
	return adds_fail(err, ADDS_EIO, "'%s' is a folder, and %s is needed", path, needed);
}

char *
adds_read_file(const char *path, size_t limit, size_t *len, struct adds_error *err)
{
	const int standard = strcmp(path, "-") == 0;
	const int fd = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	struct adds_buf b = { 0 };
	int rc;

	if (fd < 0) {
		adds_fail_errno(err, "cannot open '%s'", path);
		return NULL;
	}
	rc = read_all(&b, fd, limit, standard ? "<stdin>" : path, err);
	if (!standard)
		close(fd);
	if (rc < 0) {
		adds_buf_release(&b);
		return NULL;
	}
	if (len)
		*len = b.n - 1;
	return (char *)b.p;
}

/* room for one more byte and the NUL behind it: 0, or the error */
static int
grow(char **line, size_t *room, size_t limit)
{
	const size_t more = *room < 128 ? 256 : 2 * *room < limit + 2 ? 2 * *room
	                                                              : limit + 2;
	char *p = realloc(*line, more);

	if (!p)
		return ADDS_ENOMEM;
	*line = p;
	*room = more;
	return 0;
}

ssize_t
adds_read_line(FILE *f, int end, size_t limit, char **line, size_t *room)
{
	size_t n = 0;
	int c;

	while ((c = getc_unlocked(f)) != EOF) {
		if (n == limit)
			return ADDS_ELIMIT;
		if (n + 2 > *room && grow(line, room, limit) < 0)
			return ADDS_ENOMEM;
		(*line)[n++] = (char)c;
		if (c == end)
			break;
	}
	if (n)
		(*line)[n] = '\0';
	return (ssize_t)n;
}

int
adds_write_all(int fd, const void *data, size_t n)
{
	const char *p = data;

	while (n) {
		const ssize_t put = write(fd, p, n < 1 << 30 ? n : 1 << 30);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return -1;
		p += put;
		n -= (size_t)put;
	}
	return 0;
}

void
adds_sha256_hex(char out[65], const void *data, size_t len)
{
	static const char digit[] = "0123456789abcdef";
	unsigned char md[SHA256_DIGEST_LENGTH];
	size_t i;

	SHA256(data, len, md);
	for (i = 0; i < sizeof(md); i++) {
		out[2 * i] = digit[md[i] >> 4];
		out[2 * i + 1] = digit[md[i] & 15];
	}
	out[64] = '\0';
}
