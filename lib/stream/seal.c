/* SPDX-License-Identifier: MIT
 * seal.c - the checksum that a file of one message carries in its own header */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <xxhash.h>

#include "frame.h"
#include "message.h"
#include "record.h"

enum { DIGITS = 16 };

static const char key[] = "xxh64", zeros[] = "0000000000000000";

/* Where the digits stand: the metadata is JSON in a string of JSON, so quotes have a backslash. bytes end in NUL. */
static const char *
find_digits(const char *bytes)
{
	static const char before[] = "\\\"xxh64\\\":\\\"";
	const char *s = strstr(bytes + 8, before);

	s = s ? s + strlen(before) : NULL;
	return s && strspn(s, "0123456789abcdef") == DIGITS ? s : NULL;
}

/* of all bytes, the digits taken as zeros */
static int
checksum(char hex[DIGITS + 1], const char *bytes, size_t n, const char *digits)
{
	XXH64_state_t *h = XXH64_createState();

	if (!h)
		return -1;
	XXH64_reset(h, 0);
	XXH64_update(h, bytes, (size_t)(digits - bytes));
	XXH64_update(h, zeros, DIGITS);
	XXH64_update(h, digits + DIGITS, n - (size_t)(digits + DIGITS - bytes));
	snprintf(hex, DIGITS + 1, "%016llx", (unsigned long long)XXH64_digest(h));
	XXH64_freeState(h);
	return 0;
}

int
adds_seal_bytes(struct adds_message *m, struct adds_buf *b, size_t json_limit, struct adds_error *err)
{
	char hex[DIGITS + 1];
	const char *digits;
	int rc;

	if ((rc = adds_message_set_string(m, key, zeros, err)) < 0 || (rc = adds_message_bytes(m, b, json_limit, err)) < 0)
		return rc;
	adds_buf_add(b, "", 1);
	if (b->failed)
		return adds_fail(err, ADDS_ENOMEM, "out of memory");
	b->n--;
	if (!(digits = find_digits((const char *)b->p)) || checksum(hex, (const char *)b->p, b->n, digits) < 0)
		return adds_fail(err, ADDS_ENOMEM, "out of memory");
	memcpy(b->p + (digits - (const char *)b->p), hex, DIGITS);
	return 0;
}

int
adds_seal_check(const struct adds_message *m, const char *bytes, size_t n, struct adds_error *err)
{
	const char *said = adds_message_string(m, key), *digits = find_digits(bytes);
	char hex[DIGITS + 1];

	if (!said)
		return 0;
	if (!digits || digits + DIGITS > bytes + n)
		return adds_fail(err, ADDS_EFORMAT, "\"xxh64\" in the metadata is no checksum");
	if (checksum(hex, bytes, n, digits) < 0)
		return adds_fail(err, ADDS_ENOMEM, "out of memory");
	if (strcmp(hex, said))
		return adds_fail(err, ADDS_EFORMAT, "damaged: its bytes do not have the checksum that it was written with "
		                                    "(a program that changes a file takes \"xxh64\" out of its metadata)");
	return 0;
}

/* ---- reading ---- */

/* a stream of these programs in the place of a checkpoint is an easy mistake */
static int
check_kind(const void *bytes, size_t n, struct adds_error *err)
{
	if (n < 4 || adds_get32(bytes) != ZSTD_MAGICNUMBER)
		return 0;
	return adds_fail(err, ADDS_EFORMAT, "it is compressed with zstd, as a stream is: adds-cat shows what is in it");
}

/* the message as its first bytes show it, against the length of its file */
static int
check_length(struct adds_message *m, const void *head, size_t n, uint64_t size, size_t limit,
             size_t json_limit, struct adds_error *err)
{
	size_t used;
	const int rc = adds_message_parse(m, head, n, limit, json_limit, &used, err);

	if ((rc < 0 && rc != ADDS_ETRUNCATED) || !used)
		return rc;
	if (used > size)
		return adds_fail(err, ADDS_ETRUNCATED, "ends inside a message's tensors: %llu bytes are missing", (unsigned long long)(used - size));
	if (used < size)
		return adds_fail(err, ADDS_EFORMAT, "%llu bytes behind the last tensor", (unsigned long long)(size - used));
	return 0;
}

static int
check_head(struct adds_message *m, int fd, uint64_t size, size_t limit, size_t json_limit, struct adds_error *err)
{
	unsigned char first[8], *head;
	uint64_t n = 0;
	int i, rc;

	if (pread(fd, first, 8, 0) != 8)
		return 0; /* so short that reading it all tells */
	for (i = 7; i >= 0; i--)
		n = n << 8 | first[i];
	if ((rc = check_kind(first, 8, err)) < 0)
		return rc;
	if (n > json_limit || n > size - 8)
		return check_length(m, first, 8, size, limit, json_limit, err);
	if (!(head = malloc(8 + (size_t)n)))
		return adds_fail(err, ADDS_ENOMEM, "out of memory");
	if (pread(fd, head, 8 + (size_t)n, 0) == (ssize_t)(8 + n))
		rc = check_length(m, head, 8 + (size_t)n, size, limit, json_limit, err);
	free(head);
	return rc;
}

int
adds_message_read_file(struct adds_message *m, const char *path, const char *what, size_t limit,
                       size_t json_limit, char **bytes, size_t *n,
                       struct adds_error *err)
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	size_t used;
	int rc = 0;

	*bytes = NULL;
	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		rc = check_head(m, fd, (uint64_t)st.st_size, limit, json_limit, err);
	if (fd >= 0)
		close(fd);
	if (rc == 0 && !(*bytes = adds_read_file(path, limit, n, err)))
		return err->code;
	if (rc == 0 && (rc = check_kind(*bytes, *n, err)) == 0 &&
	    (rc = adds_message_parse(m, *bytes, *n, limit, json_limit, &used, err)) == 0 && used != *n)
		rc = adds_fail(err, ADDS_EFORMAT, "%zu bytes behind the last tensor", *n - used);
	if (rc == 0)
		return 0;
	adds_fail_in(err, "%s: not a %s", path, what);
	adds_message_clear(m);
	free(*bytes);
	*bytes = NULL;
	return rc;
}
