/* SPDX-License-Identifier: MIT
 * reduce.h - the steps of a softmax over one row */
#ifndef REDUCE_H
#define REDUCE_H

#include "vec.h"

/* the largest of scale·x */
INLINE float
largest(const float *x, float scale, int64_t n)
{
	struct lanes m;
	int64_t i;
	int l;

	for (l = 0; l < PARTS; l++)
		m.v[l] = splat(-INFINITY);
	for (i = 0; i + LANES <= n; i += LANES)
		for (l = 0; l < PARTS; l++)
			m.v[l] = max_(splat(scale) * load(x + i + l * VL), m.v[l]);
	if (i < n) {
		const struct lanes t = lanes_some(x + i, n - i, x[i]);

		for (l = 0; l < PARTS; l++)
			m.v[l] = max_(splat(scale) * t.v[l], m.v[l]);
	}
	return lanes_max(&m);
}

/* y = e^(scale·x − most), in f32 or (narrow) rounded to bf16, then in whole LANES; returns the sum of what was not rounded */
INLINE float
exponentials_of(const int narrow, void *y, const float *x, float scale, float most, int64_t n)
{
	struct lanes s = lanes_zero();
	float e[LANES];
	int64_t i;
	int l;

	for (i = 0; i + LANES <= n; i += LANES)
		for (l = 0; l < PARTS; l++) {
			const int64_t at = i + l * VL;
			const vf v = exp_(splat(scale) * load(x + at) - splat(most));

			if (narrow)
				store_bf16((uint16_t *)y + at, v);
			else
				store((float *)y + at, v);
			s.v[l] += v;
		}
	if (i < n) {
		struct lanes t = lanes_some(x + i, n - i, 0);

		for (l = 0; l < PARTS; l++)
			store(e + l * VL, exp_(splat(scale) * t.v[l] - splat(most)));
		t = lanes_some(e, n - i, 0);
		for (l = 0; l < PARTS; l++) {
			if (narrow)
				store_bf16((uint16_t *)y + i + l * VL, t.v[l]);
			s.v[l] += t.v[l];
		}
		if (!narrow)
			memcpy((float *)y + i, e, (size_t)(n - i) * sizeof(*e));
	}
	return lanes_sum(&s);
}

INLINE float
exponentials(float *y, const float *x, float scale, float most, int64_t n)
{
	return exponentials_of(0, y, x, scale, most, n);
}

INLINE void
multiply(float *y, const float *x, float factor, int64_t n)
{
	int64_t i;

	for (i = 0; i + VL <= n; i += VL)
		store(y + i, load(x + i) * splat(factor));
	for (; i < n; i++)
		y[i] = x[i] * factor;
}

#endif
