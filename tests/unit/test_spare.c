/* SPDX-License-Identifier: MIT
 * test_spare.c - weights in a mapped file leave memory when products read copies of them */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../kernels/kernels.h"
#include "unit.h"

enum {
	N = 1024,
	K = 2048,
	ROWS = 512, /* enough for a weight to be packed */
};

static struct adds_error err;

/* a weight [N][K] in a file of its own, mapped for reading */
static float *
map_weight(void)
{
	char path[256];
	float *w;
	int fd, i;

	snprintf(path, sizeof(path), "%s/weight", scratch());
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	ck_assert(fd >= 0 && ftruncate(fd, N * K * (off_t)sizeof(*w)) == 0);
	w = mmap(NULL, N * K * sizeof(*w), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ck_assert(w != MAP_FAILED);
	for (i = 0; i < N * K; i++)
		w[i] = (float)(i * 2654435761u >> 16) / 65536 - 0.5f;
	munmap(w, N * K * sizeof(*w));
	w = mmap(NULL, N * K * sizeof(*w), PROT_READ, MAP_PRIVATE, fd, 0);
	ck_assert(w != MAP_FAILED);
	close(fd);
	return w;
}

static void
multiply(struct backend *b, float *y, float *x, struct packed *w, int64_t rows)
{
	const struct segs all = { 1, NULL };

	ck_assert_msg(b->ops->linear(b, mat_of(y, DT_F32, rows, N), mat_of(x, DT_F32, rows, K), w, NULL, ACT_NONE,
	                             mat_of(NULL, DT_F32, 0, 0), all, &err) == 0,
	              "%s", err.msg);
}

static float *
rows_of(int64_t cols)
{
	float *x = malloc((size_t)(ROWS * cols) * sizeof(*x));
	int64_t i;

	ck_assert(x != NULL);
	for (i = 0; i < ROWS * cols; i++)
		x[i] = (float)(i * 7919 % 2003) / 1001.5f - 1;
	return x;
}

START_TEST(pages_of_packed_weight)
{
	struct backend *b = backend_open("cpu", 2, NULL, 0, &err);
	float *w = map_weight(), *x = rows_of(K), *y = rows_of(N), *first = rows_of(N);
	const size_t bytes = N * K * sizeof(*w);
	struct packed *p;
	size_t in_place, packed;

	ck_assert(b && b->ops->pack(b, &p, w, DT_F32, N, K, 0, PREC_F32, &err) == 0);
	b->ops->spare(b, p, SPARE_PAGES);
	multiply(b, first, x, p, 1);
	resident(&in_place);
	ck_assert_uint_ge(in_place, bytes);
	multiply(b, y, x, p, ROWS);
	resident(&packed);
	ck_assert_int_eq(memcmp(y, first, N * sizeof(*y)), 0);
	if (b->packed_bytes) /* else the library multiplies with the file as it lies there */
		ck_assert_uint_le(packed, in_place - bytes / 10 * 9);
	b->ops->unpack(b, p);
	ck_assert_uint_eq(b->packed_bytes, 0);
	ck_assert(w[K] == (float)(K * 2654435761u >> 16) / 65536 - 0.5f); /* they are read again */
	backend_close(b);
	munmap(w, bytes);
	free(x);
	free(y);
	free(first);
}
END_TEST

/* an array of the weight's own, in three types: freed once, whether it was packed or not; the bits are those of f32 */
START_TEST(array_of_packed_weight)
{
	static const enum dtype types[] = { DT_F32, DT_BF16, DT_F16 };
	const uint16_t ones[] = { 0, 0x3f80, 0x3c00 };
	const enum dtype t = types[_i / 2];
	const int64_t rows = _i % 2 ? ROWS : 1;
	struct backend *b = backend_open("cpu", 2, NULL, 0, &err);
	float *x = rows_of(K), *y = rows_of(N), sum = 0;
	char *w = malloc((size_t)(N * K) * dtype_size(t));
	struct packed *p;
	int64_t i;

	for (i = 0; i < N * K; i++)
		if (t == DT_F32)
			((float *)w)[i] = 1;
		else
			((uint16_t *)w)[i] = ones[t];
	ck_assert(b && b->ops->pack(b, &p, w, t, N, K, 0, PREC_F32, &err) == 0);
	b->ops->spare(b, p, SPARE_ARRAY);
	for (i = 0; i < K; i++)
		x[i] = (float)(i % 8);
	for (i = 0; i < K; i++)
		sum += x[i];
	multiply(b, y, x, p, rows);
	multiply(b, y, x, p, rows);
	ck_assert(y[0] == sum && y[N - 1] == sum);
	b->ops->unpack(b, p);
	backend_close(b);
	free(x);
	free(y);
}
END_TEST

Suite *
spare_suite(void)
{
	Suite *s = suite_create("spare");
	TCase *c = tcase_create("weights");

	tcase_add_test(c, pages_of_packed_weight);
	tcase_add_loop_test(c, array_of_packed_weight, 0, 6);
	suite_add_tcase(s, c);
	return s;
}
