/* SPDX-License-Identifier: MIT
 * sampler.c - Selective Language Supervision */
#include <stdlib.h>
#include <string.h>

#include "philox.h"
#include "sampler.h"

int
adds_sampler_init(struct adds_sampler *s, int64_t labels, int64_t budget, uint64_t seed, struct adds_error *err)
{
	memset(s, 0, sizeof(*s));
	s->labels = labels;
	s->budget = budget;
	s->seed = seed;
	s->taken = calloc((size_t)labels + 1, 1);
	s->free = calloc((size_t)labels + 1, sizeof(*s->free));
	if (!s->taken || !s->free)
		return adds_fail(err, ADDS_ENOMEM, "out of memory");
	return 0;
}

void
adds_sampler_release(struct adds_sampler *s)
{
	free(s->taken);
	free(s->free);
	memset(s, 0, sizeof(*s));
}

/* Floyd's selection of k out of the m free labels: each set is as likely as another. */
static void
select_negatives(struct adds_sampler *s, uint64_t step, int64_t m, int64_t k)
{
	int64_t j;

	for (j = m - k; j < m; j++) {
		const uint64_t r = adds_philox_below((uint64_t)j + 1, s->seed, step, (uint32_t)j, ADDS_RANDOM_LABELS);
		const int64_t pick = s->free[r];

		s->taken[s->taken[pick] ? s->free[j] : pick] = 1;
	}
}

int64_t
adds_sampler_draw(struct adds_sampler *s, uint64_t step, const uint8_t *positive, int32_t *chosen, float *weight)
{
	int64_t i, n = 0, m = 0, p, k;
	float w;

	for (i = 0; i < s->labels; i++) {
		s->taken[i] = positive[i] != 0;
		if (!positive[i])
			s->free[m++] = i;
	}
	p = s->labels - m;
	k = s->budget > 2 * p ? s->budget : 2 * p;
	if (k > s->labels)
		k = s->labels;
	select_negatives(s, step, m, k - p);
	w = k > p ? (float)((double)m / (double)(k - p)) : 1;
	for (i = 0; i < s->labels; i++) {
		if (!s->taken[i])
			continue;
		chosen[n] = (int32_t)i;
		weight[n++] = positive[i] ? 1 : w;
	}
	return n;
}
