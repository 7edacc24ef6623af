/* SPDX-License-Identifier: MIT
 * seal.c - the checksum that a file of one message carries in its own header */
#include <stdio.h>
#include <string.h>
#include <xxhash.h>

#include "message.h"

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
