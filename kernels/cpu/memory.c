/* SPDX-License-Identifier: MIT
 * memory.c - memory of the CPU backend */
#include <stdlib.h>

#include "cpu.h"

void *
cpu_scratch(size_t bytes, struct adds_error *err)
{
	void *p = NULL;

	if (posix_memalign(&p, 64, bytes ? bytes : 1)) {
		adds_fail(err, ADDS_ENOMEM, "out of memory for %zu bytes", bytes);
		return NULL;
	}
	return p;
}

int
cpu_alloc(struct backend *b, void **p, size_t bytes, struct adds_error *err)
{
	(void)b;
	*p = cpu_scratch(bytes, err);
	return *p ? 0 : ADDS_ENOMEM;
}

void
cpu_release(struct backend *b, void *p)
{
	(void)b;
	free(p);
}

int
cpu_put(struct backend *b, void *dst, const void *host, size_t bytes, struct adds_error *err)
{
	(void)b;
	(void)err;
	if (bytes)
		memcpy(dst, host, bytes);
	return 0;
}

int
cpu_get(struct backend *b, void *host, const void *src, size_t bytes, struct adds_error *err)
{
	(void)b;
	(void)err;
	if (bytes)
		memcpy(host, src, bytes);
	return 0;
}

int
cpu_copy(struct backend *b, struct mat y, struct mat x, struct adds_error *err)
{
	const size_t bytes = (size_t)y.cols * dtype_size(y.t);
	int64_t r;

	(void)err;
	assert(y.t == x.t && y.rows == x.rows && y.cols == x.cols);
	if (!bytes)
		return 0;
#pragma omp parallel for num_threads(cpu_threads(b, y.rows *y.cols))
	for (r = 0; r < y.rows; r++)
		memcpy(mat_at(y, r, 0), mat_at(x, r, 0), bytes);
	return 0;
}

static void
fill_row(void *p, enum dtype t, float value, int64_t n)
{
	int64_t i;

	switch (t) {
	case DT_I8:
	case DT_U8:
		memset(p, (int)value, (size_t)n);
		break;
	case DT_I32:
		for (i = 0; i < n; i++)
			((int32_t *)p)[i] = (int32_t)value;
		break;
	case DT_F64:
		for (i = 0; i < n; i++)
			((double *)p)[i] = (double)value;
		break;
	case DT_F32:
		for (i = 0; i < n; i++)
			((float *)p)[i] = value;
		break;
	default:
		for (i = 0; i < n; i++)
			((uint16_t *)p)[i] = t == DT_BF16 ? f32_to_bf16(value) : cpu_f32_to_f16(value);
	}
}

int
cpu_fill(struct backend *b, struct mat y, float value, struct adds_error *err)
{
	int64_t r;

	(void)err;
#pragma omp parallel for num_threads(cpu_threads(b, y.rows *y.cols))
	for (r = 0; r < y.rows; r++)
		fill_row(mat_at(y, r, 0), y.t, value, y.cols);
	return 0;
}

int
cpu_sync(struct backend *b, struct adds_error *err)
{
	(void)b;
	(void)err;
	return 0;
}

int
cpu_host_alloc(struct backend *b, void **p, size_t bytes, struct adds_error *err)
{
	return cpu_alloc(b, p, bytes, err);
}

void
cpu_host_release(struct backend *b, void *p)
{
	cpu_release(b, p);
}

int
cpu_mark(struct backend *b, int n, struct adds_error *err)
{
	(void)b;
	(void)err;
	assert(n >= 0 && n < BACKEND_MARKS);
	(void)n;
	return 0;
}

int
cpu_replay(struct backend *b, struct recording **r, int (*calls)(void *arg, struct adds_error *err), void *arg,
           struct adds_error *err)
{
	(void)b;
	(void)r;
	return calls(arg, err);
}

void
cpu_forget(struct backend *b, struct recording *r)
{
	(void)b;
	(void)r;
}
