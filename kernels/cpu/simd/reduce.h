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
		float a[LANES];

		for (l = 0; l < LANES; l++)
			a[l] = l < n - i ? scale * x[i + l] : -INFINITY;
		for (l = 0; l < PARTS; l++)
			m.v[l] = max_(load(a + l * VL), m.v[l]);
	}
	return lanes_max(&m);
}

/* y = e^(scale·x − most); returns the sum */
INLINE float
exponentials(float *y, const float *x, float scale, float most, int64_t n)
{
	struct lanes s = lanes_zero();
	int64_t i;
	int l;

	for (i = 0; i + LANES <= n; i += LANES)
		for (l = 0; l < PARTS; l++) {
			const vf e = exp_(splat(scale) * load(x + i + l * VL) - splat(most));

			store(y + i + l * VL, e);
			s.v[l] += e;
		}
	if (i < n) {
		float a[LANES];

		for (l = 0; l < LANES; l++)
			a[l] = l < n - i ? scale * x[i + l] - most : -INFINITY;
		for (l = 0; l < PARTS; l++) {
			store(a + l * VL, exp_(load(a + l * VL)));
			s.v[l] += load(a + l * VL);
		}
		memcpy(y + i, a, (size_t)(n - i) * sizeof(*y));
	}
	return lanes_sum(&s);
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
