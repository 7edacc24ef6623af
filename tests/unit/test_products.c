/* SPDX-License-Identifier: MIT
 * test_products.c - the library's products: ever new shapes take no more memory after a while */
#include <stdio.h>
#include <string.h>

#include "../../kernels/cpu/product.h"
#include "unit.h"

enum { MOST = 64 };

/* [m,k] ones times [k,n] ones */
static void
multiply(struct products *ps, int64_t m, int64_t n, int64_t k)
{
	static float a[MOST * MOST], b[MOST * MOST], c[MOST * MOST];
	struct adds_error err;
	struct product p;
	int i;

	for (i = 0; i < MOST * MOST; i++)
		a[i] = b[i] = 1;
	memset(&p, 0, sizeof(p));
	p.m = m, p.n = n, p.k = k;
	p.ai = k, p.aj = 1, p.bi = n, p.bj = 1, p.ci = n;
	p.at = p.bt = p.ct = DT_F32;
	p.alpha = 1;
	p.threads = 1;
	ck_assert_msg(cpu_product_run(ps, &p, c, a, b, NULL, &err) == 0, "%s", err.msg);
	ck_assert(c[0] == (float)k && c[m * n - 1] == (float)k);
}

static void
all_shapes(struct products *ps, int64_t k)
{
	int64_t m, n;

	for (m = 1; m <= 30; m++)
		for (n = 1; n <= 50; n++)
			multiply(ps, m, n, k);
}

START_TEST(kept_products_are_bounded)
{
	struct adds_error err;
	struct products *ps = cpu_products_new(&err);
	size_t before;

	ck_assert_msg(ps != NULL, "%s", err.msg);
	all_shapes(ps, 3);
	before = resident(NULL);
	all_shapes(ps, 4);
	all_shapes(ps, 5);
	all_shapes(ps, 3); /* those that went are made anew */
	printf("# products: %.1f MB for 1,500 shapes, %.1f MB more for 3,000 others\n", 1e-6 * (double)before,
	       1e-6 * ((double)resident(NULL) - (double)before));
#ifndef __SANITIZE_ADDRESS__ /* which keeps what was freed for a while */
	ck_assert_uint_le(resident(NULL), before + (8 << 20));
#endif
	cpu_products_free(ps);
}
END_TEST

Suite *
products_suite(void)
{
	Suite *s = suite_create("products");
	TCase *c = tcase_create("products");

	tcase_set_timeout(c, 60);
	tcase_add_test(c, kept_products_are_bounded);
	suite_add_tcase(s, c);
	return s;
}
