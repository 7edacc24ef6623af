/* SPDX-License-Identifier: MIT
 * adamw.c - AdamW (Loshchilov and Hutter 2019) as PyTorch computes it, with a
 * running mean of the weights */
#include <math.h>

#include "cpu.h"
#include "simd.h"

enum {
	PIECE = 4096, /* parameters that one thread takes at a time */
};

static struct adamw_step
step_of(const struct adamw_group *g, const struct adamw_args *a)
{
	const double bias1 = 1 - pow(a->beta1, (double)a->step), bias2 = 1 - pow(a->beta2, (double)a->step);
	const struct adamw_step s = {
		.decay = (float)(1 - (double)g->lr * (double)g->weight_decay),
		.size = (float)((double)g->lr / bias1),
		.beta1 = (float)a->beta1,
		.rest1 = (float)(1 - a->beta1),
		.beta2 = (float)a->beta2,
		.rest2 = (float)(1 - a->beta2),
		.root = (float)sqrt(bias2),
		.eps = (float)a->eps,
		.grad_scale = a->grad_scale,
		.ema = (float)a->ema,
		.ema_rest = (float)(1 - a->ema),
	};

	return s;
}

int
cpu_adamw(struct backend *b, float *w, const float *g, float *m, float *v, float *e, const struct adamw_group *groups,
          int64_t n, const struct adamw_args *args, struct adds_error *err)
{
	const struct simd *simd = cpu_state(b)->simd;
	float *mean = args->ema > 0 ? e : NULL;
	int64_t i, p;

	(void)err;
	for (i = 0; i < n; i++) {
		const struct adamw_step s = step_of(&groups[i], args);
		const int64_t end = groups[i].end;

#pragma omp parallel for num_threads(cpu_threads(b, end - groups[i].begin))
		for (p = groups[i].begin; p < end; p += PIECE)
			simd->adamw(w + p, g + p, m + p, v + p, mean ? mean + p : NULL, &s, min_i64(PIECE, end - p));
	}
	return 0;
}
