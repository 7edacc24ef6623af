/* SPDX-License-Identifier: MIT
 * adamw.cu - AdamW (Loshchilov and Hutter 2019) as PyTorch computes it, with a
 * running mean of the weights: one kernel over the parameters of all groups */
#include <math.h>
#include <stdlib.h>

#include "cuda.cuh"

struct step {
	int64_t begin; /* first parameter of the group */
	float decay, size, beta1, rest1, beta2, rest2, root, eps, grad_scale, ema, ema_rest;
};

static struct step
step_of(const struct adamw_group *g, const struct adamw_args *a)
{
	const double bias1 = 1 - pow(a->beta1, (double)a->step), bias2 = 1 - pow(a->beta2, (double)a->step);
	struct step s;

	s.begin = g->begin;
	s.decay = (float)(1 - (double)g->lr * (double)g->weight_decay);
	s.size = (float)((double)g->lr / bias1);
	s.beta1 = (float)a->beta1;
	s.rest1 = (float)(1 - a->beta1);
	s.beta2 = (float)a->beta2;
	s.rest2 = (float)(1 - a->beta2);
	s.root = (float)sqrt(bias2);
	s.eps = (float)a->eps;
	s.grad_scale = a->grad_scale;
	s.ema = (float)a->ema;
	s.ema_rest = (float)(1 - a->ema);
	return s;
}

static int
run(struct cuda_state *s, float *w, const float *g, float *m, float *v, float *e, const struct step *host_steps,
    const int64_t *host_at, int64_t n, struct adds_error *err)
{
	struct upload u[2] = { { host_steps, (size_t)n * sizeof(*host_steps), NULL },
		               { host_at, (size_t)(n + 1) * sizeof(*host_at), NULL } };
	const struct step *steps;
	const int64_t *at;

	TRY(cuda_upload(s, u, 2, err));
	steps = (const struct step *)u[0].device;
	at = (const int64_t *)u[1].device;
	return each(
		s, 1, host_at[n], [=] __device__(int64_t, int64_t i) {
			const int64_t group = index_segment(at, n, i);
			const struct step t = steps[group];
			const int64_t p = t.begin + (i - at[group]);
			const float d = g[p] * t.grad_scale;

			m[p] = m[p] * t.beta1 + t.rest1 * d;
			v[p] = v[p] * t.beta2 + t.rest2 * d * d;
			w[p] = w[p] * t.decay - t.size * (m[p] / (sqrtf(v[p]) / t.root + t.eps));
			if (e)
				e[p] = e[p] * t.ema + t.ema_rest * w[p];
		},
		"adamw", err);
}

int
cuda_adamw(struct backend *b, float *w, const float *g, float *m, float *v, float *e, const struct adamw_group *groups,
           int64_t n, const struct adamw_args *args, struct adds_error *err)
{
	struct step *steps = (struct step *)malloc((size_t)n * sizeof(*steps) + 1);
	int64_t *at = (int64_t *)malloc((size_t)(n + 1) * sizeof(*at)), i;
	int rc = 0;

	if (!steps || !at)
		rc = adds_fail(err, ADDS_ENOMEM, "out of memory");
	for (i = 0; rc == 0 && i < n; i++) {
		if (i == 0)
			at[0] = 0;
		steps[i] = step_of(&groups[i], args);
		at[i + 1] = at[i] + (groups[i].end - groups[i].begin);
	}
	if (rc == 0 && n > 0)
		rc = run(cuda_enter(b), w, g, m, v, args->ema > 0 ? e : NULL, steps, at, n, err);
	free(steps);
	free(at);
	return rc;
}
