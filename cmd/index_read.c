/* SPDX-License-Identifier: MIT
 * index_read.c - a label file or a picture, read whole */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "index.h"

static int
read_all(struct index_bytes *b, int fd, const char *path, size_t limit, struct adds_error *err)
{
	char *more;
	ssize_t n;

	for (b->len = 0;; b->len += (size_t)n) {
		if (b->len == b->room) {
			if (b->room >= limit)
				return adds_fail(err, ADDS_ELIMIT, "'%s' has more than %zu bytes", path, limit);
			b->room = b->room ? 2 * b->room : 65536;
			if (!(more = realloc(b->p, b->room)))
				return adds_fail(err, ADDS_ENOMEM, "out of memory for '%s'", path);
			b->p = more;
		}
		do
			n = read(fd, b->p + b->len, b->room - b->len);
		while (n < 0 && errno == EINTR);
		if (n < 0)
			return adds_fail_errno(err, "cannot read '%s'", path);
		if (n == 0)
			return 0;
	}
}

int
index_read(struct index_bytes *b, const char *path, size_t limit, int may_miss, struct adds_error *err)
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	int rc;

	if (fd < 0 && may_miss && errno == ENOENT)
		return 0;
	if (fd < 0)
		return adds_fail_errno(err, "cannot open '%s'", path);
	rc = read_all(b, fd, path, limit, err);
	close(fd);
	return rc < 0 ? rc : 1;
}
