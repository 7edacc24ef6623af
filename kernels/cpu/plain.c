/* SPDX-License-Identifier: MIT
 * plain.c - stands in for dnnl.c where there is no oneDNN (ADDS_NO_DNNL): all
 * products are then blocked.h's */
#include "cpu.h"
#include "product.h"

#ifdef ADDS_NO_DNNL
struct products *
cpu_products_new(struct adds_error *err)
{
	return cpu_scratch(1, err);
}

void
cpu_products_free(struct products *p)
{
	cpu_release(NULL, p);
}

struct product_traits
cpu_products_traits(void)
{
	const struct product_traits t = { .avx512 = 1, .isa = "" };

	return t;
}

int
cpu_product_run(struct products *p, const struct product *w, void *c, const void *a, const void *b, const float *bias,
                struct adds_error *err)
{
	(void)p;
	(void)w;
	(void)c;
	(void)a;
	(void)b;
	(void)bias;
	return adds_fail(err, ADDS_EDEVICE, "this program was built without oneDNN");
}
#endif
