/* SPDX-License-Identifier: MIT
 * plain.c - products by plain loops, for machines without oneDNN that only
 * test another device (ADDS_NO_DNNL) */
#ifdef ADDS_NO_DNNL
#include <stdlib.h>

#include "cpu.h"
#include "product.h"

struct products {
	int unused;
};

struct products *
products_new(struct adds_error *err)
{
	struct products *p = calloc(1, sizeof(*p));

	if (!p)
		adds_fail(err, ADDS_ENOMEM, "out of memory");
	return p;
}

void
products_free(struct products *p)
{
	free(p);
}

struct product_traits
products_traits(void)
{
	const struct product_traits t = { 1, 0, 0, "plain loops" };

	return t;
}

static float
element(const void *x, int32_t t, int64_t i)
{
	float f;

	cpu_load(&f, (const char *)x + (size_t)i * dtype_size((enum dtype)t), (enum dtype)t, 1);
	return f;
}

int
product_run(struct products *p, const struct product *w, void *c, const void *a, const void *b, const float *bias,
            struct adds_error *err)
{
	int64_t i, j, l;

	(void)p;
	(void)err;
#pragma omp parallel for private(j, l)
	for (i = 0; i < w->m; i++)
		for (j = 0; j < w->n; j++) {
			const int64_t at = i * w->ci + j;
			double sum = 0;
			float f;

			for (l = 0; l < w->k; l++)
				sum += (double)element(a, w->at, i * w->ai + l * w->aj) *
				       (double)element(b, w->bt, l * w->bi + j * w->bj);
			f = w->alpha * (float)sum + (w->bias ? bias[j] : 0);
			f = cpu_activate(f, (enum activation)w->act);
			if (w->add)
				f += element(c, w->ct, at);
			cpu_store((char *)c + (size_t)at * dtype_size((enum dtype)w->ct), (enum dtype)w->ct, &f, 1);
		}
	return 0;
}
#else
typedef int products_are_in_dnnl_c;
#endif
