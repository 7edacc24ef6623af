/* SPDX-License-Identifier: MIT
 * fail.c - filling a struct adds_error */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "fail.h"

#ifndef ADDS_VERSION
#define ADDS_VERSION "0"
#endif

const char *
adds_version(void)
{
	return ADDS_VERSION;
}

static void
clean(char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			*s = '?';
}

int
adds_fail(struct adds_error *err, int code, const char *fmt, ...)
{
	va_list ap;

	if (!err)
		return code;
	err->code = code;
	va_start(ap, fmt);
	vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
	va_end(ap);
	clean(err->msg);
	return code;
}

int
adds_fail_errno(struct adds_error *err, const char *fmt, ...)
{
	const int reason = errno;
	size_t n;
	va_list ap;

	if (!err)
		return ADDS_EIO;
	err->code = ADDS_EIO;
	va_start(ap, fmt);
	vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
	va_end(ap);
	n = strlen(err->msg);
	snprintf(err->msg + n, sizeof(err->msg) - n, ": %s",
	         reason == EISDIR ? "it is a folder: name a file in it" : strerror(reason));
	clean(err->msg);
	return ADDS_EIO;
}

int
adds_fail_in(struct adds_error *err, const char *fmt, ...)
{
	char text[sizeof(err->msg)];
	size_t n;
	va_list ap;

	if (!err)
		return ADDS_EFORMAT;
	memcpy(text, err->msg, sizeof(text));
	va_start(ap, fmt);
	vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
	va_end(ap);
	n = strlen(err->msg);
	snprintf(err->msg + n, sizeof(err->msg) - n, ": %s", text);
	clean(err->msg);
	return err->code;
}

int
adds_mul_size(size_t a, size_t b, size_t *out)
{
	if (b && a > SIZE_MAX / b)
		return -1;
	*out = a * b;
	return 0;
}
