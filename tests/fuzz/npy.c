/* SPDX-License-Identifier: MIT
 * npy.c - any bytes as a .npy file: refused, or an array that lies inside the file */
#include <setjmp.h>

#include "../../cmd/cat_npy.c"
#include "file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct adds_error cat_err;
static jmp_buf refused;

/* what adds-cat has for this */
void
die(const char *fmt, ...)
{
	(void)fmt;
	longjmp(refused, 1);
}

int
cat_need(int rc)
{
	if (rc < 0)
		die("%s", cat_err.msg);
	return rc;
}

static void
check(const struct cat_npy *a)
{
	const size_t rows = (size_t)a->shape[0], each = a->row / adds_dtype_size(a->dtype);
	const unsigned char *map = a->map;
	int i;

	if (a->rank < 1 || a->rank > ADDS_MAX_RANK || a->data < map || a->data + rows * a->row != map + a->mapped)
		abort();
	for (i = 0; i < a->rank; i++)
		if (a->shape[i] < 0)
			abort();
	if (rows && each) {
		cat_npy_number(a, 0);
		cat_npy_number(a, rows * each - 1);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct cat_npy a;
	const char *path = file_of("x.npy", data, size);
	const int next = dup(0); /* the number that the file gets */

	close(next);
	if (setjmp(refused) == 0) {
		cat_npy_open(&a, path);
		check(&a);
	} else {
		close(next); /* left open where the program ends */
	}
	cat_npy_close(&a);
	return 0;
}
