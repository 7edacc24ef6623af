/* SPDX-License-Identifier: MIT
 * backend.c - which device: cpu, cuda, or what is there */
#define _DEFAULT_SOURCE /* madvise: posix_madvise keeps the pages */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kernels.h"

/* the number behind "cuda:", 0 without one, -1 for rubbish */
static int
cuda_number(const char *device)
{
	const char *p = device + strlen("cuda");
	char *end;
	long n;

	if (!*p)
		return 0;
	if (*p != ':' || p[1] < '0' || p[1] > '9')
		return -1;
	n = strtol(p + 1, &end, 10);
	return *end || n > 4095 ? -1 : (int)n;
}

int
backend_is_name(const char *device)
{
	return strcmp(device, "auto") == 0 || strcmp(device, "cpu") == 0 ||
	       (strncmp(device, "cuda", 4) == 0 && cuda_number(device) >= 0);
}

struct backend *
backend_open(const char *device, int threads, char *why, size_t n, struct adds_error *err)
{
	struct adds_error reason;
	struct backend *b;

	if (why && n)
		*why = '\0';
	if (!backend_is_name(device)) {
		adds_fail(err, ADDS_EARG, "no device '%s': use auto, cpu, cuda or cuda:N", device);
		return NULL;
	}
	if (strcmp(device, "cpu") == 0)
		return cpu_open(threads, err);
	if (strcmp(device, "auto") != 0)
		return cuda_open(cuda_number(device), threads, err);
	if ((b = cuda_open(0, threads, &reason)))
		return b;
	if (why && n)
		snprintf(why, n, "%s", reason.msg);
	return cpu_open(threads, err);
}

void
backend_close(struct backend *b)
{
	if (b)
		b->ops->close(b);
}

void
backend_spare(const void *array, size_t bytes, enum spare how)
{
	const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), at = (uintptr_t)array;
	const uintptr_t first = (at + page - 1) / page * page, end = (at + bytes) / page * page;

	if (how == SPARE_ARRAY)
		free((void *)at);
	else if (array && first < end)
		madvise((void *)first, end - first, MADV_DONTNEED);
}

enum precision
backend_precision(const struct backend *b, enum precision p)
{
	if (p == PREC_AUTO)
		return b->bf16 ? PREC_BF16 : PREC_F32;
	if (p == PREC_INT8 && !b->int8)
		p = PREC_BF16; /* nearer to what was asked for than f32 */
	if (p == PREC_BF16 && !b->bf16)
		return PREC_F32;
	return p == PREC_TF32 && strcmp(b->ops->name, "cuda") != 0 ? PREC_F32 : p;
}
