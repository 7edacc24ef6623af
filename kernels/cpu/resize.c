/* SPDX-License-Identifier: MIT
 * resize.c - RGB pictures by 22-bit fixed-point weights, as Pillow computes
 * them: a horizontal pass rounded to bytes, then a vertical one */
#include <stdlib.h>

#include "cpu.h"

enum {
	BITS = 22,
};

static uint8_t
clip8(int32_t sum)
{
	const int32_t v = sum >> BITS;

	return (uint8_t)(v < 0 ? 0 : v > 255 ? 255
	                                     : v);
}

static void
horizontal(uint8_t *y, const uint8_t *x, const struct resample_plan *h)
{
	int i, c, j;

	for (i = 0; i < h->count; i++) {
		const int32_t *w = h->weight + (size_t)i * (size_t)h->taps;
		const uint8_t *p = x + 3 * (size_t)h->lo[i];

		for (c = 0; c < 3; c++) {
			int32_t sum = 1 << (BITS - 1);

			for (j = 0; j < h->n[i]; j++)
				sum += w[j] * p[3 * j + c];
			y[3 * i + c] = clip8(sum);
		}
	}
}

/* one output row of n bytes from rows of the middle picture */
static void
vertical(uint8_t *y, const uint8_t *x, const int32_t *w, int taps, size_t n)
{
	size_t i;
	int j;

	for (i = 0; i < n; i++) {
		int32_t sum = 1 << (BITS - 1);

		for (j = 0; j < taps; j++)
			sum += w[j] * x[(size_t)j * n + i];
		y[i] = clip8(sum);
	}
}

int
cpu_resize(struct backend *b, uint8_t *y, const uint8_t *x, const struct resample_plan *h,
           const struct resample_plan *v, struct adds_error *err)
{
	const int same_h = h->in == h->out, same_v = v->in == v->out;
	const size_t n = 3 * (size_t)h->count, in = 3 * (size_t)h->in;
	int first, last, r;
	uint8_t *mid;

	if (!h->count || !v->count)
		return 0;
	first = same_v ? v->first : v->lo[0];
	last = same_v ? v->first + v->count : v->lo[v->count - 1] + v->n[v->count - 1];
	if (!(mid = cpu_scratch((size_t)(last - first) * n, err)))
		return ADDS_ENOMEM;
#pragma omp parallel for num_threads(cpu_threads(b, (last - first) * (int64_t)in))
	for (r = first; r < last; r++) {
		uint8_t *m = mid + (size_t)(r - first) * n;

		if (same_h)
			memcpy(m, x + (size_t)r * in + 3 * (size_t)h->first, n);
		else
			horizontal(m, x + (size_t)r * in, h);
	}
#pragma omp parallel for num_threads(cpu_threads(b, v->count *(int64_t)n))
	for (r = 0; r < v->count; r++)
		if (same_v)
			memcpy(y + (size_t)r * n, mid + (size_t)r * n, n);
		else
			vertical(y + (size_t)r * n, mid + (size_t)(v->lo[r] - first) * n,
			         v->weight + (size_t)r * (size_t)v->taps, v->n[r], n);
	free(mid);
	return 0;
}
