/* SPDX-License-Identifier: MIT
 * rows.c - inner loops over one row */
#include "reduce.h"
#include "simd.h"

void
SIMD_NAME(cpu_row_act)(float *y, const float *x, enum activation a, int64_t n)
{
	int64_t i;

	for (i = 0; i + VL <= n; i += VL)
		store(y + i, activate_(load(x + i), a));
	if (i < n)
		store_some(y + i, activate_(load_some(x + i, n - i), a), n - i);
}

/* derivative at x */
INLINE vf
activation_slope(vf x, enum activation a)
{
	const vf one = splat(1), zero = splat(0);
	vf e, s, tail;

	switch (a) {
	case ACT_RELU:
		return if_less(zero, x, one, zero);
	case ACT_GELU:
		e = exp_(x * x * splat(-0.5f));
		tail = normal_tail(x, e);
		return fma_(x * splat(0.3989422804f), e, if_less(x, zero, tail, one - tail));
	case ACT_QUICK_GELU:
		s = sigmoid_(splat(1.702f) * x);
		return fma_(splat(1.702f) * x * s, one - s, s);
	case ACT_GELU_TANH:
		s = gelu_tanh_gate(x);
		return fma_(x * s * (one - s), splat(1.5957691216f) * fma_(x * x, splat(0.134145f), one), s);
	default:
		return one;
	}
}

void
SIMD_NAME(cpu_row_act_backward)(float *dx, const float *x, const float *dy, enum activation a, int64_t n)
{
	int64_t i;

	for (i = 0; i + VL <= n; i += VL)
		store(dx + i, load(dy + i) * activation_slope(load(x + i), a));
	if (i < n)
		store_some(dx + i, load_some(dy + i, n - i) * activation_slope(load_some(x + i, n - i), a), n - i);
}

void
SIMD_NAME(cpu_row_exp_affine)(float *y, const float *x, float alpha, float beta, int64_t n)
{
	int64_t i;

	for (i = 0; i + VL <= n; i += VL)
		store(y + i, exp_(fma_(splat(alpha), load(x + i), splat(beta))));
	if (i < n)
		store_some(y + i, exp_(fma_(splat(alpha), load_some(x + i, n - i), splat(beta))), n - i);
}

float
SIMD_NAME(cpu_row_dot)(const float *x, const float *z, int64_t n)
{
	struct lanes s = lanes_zero();
	int64_t i;
	int l;

	for (i = 0; i + LANES <= n; i += LANES)
		for (l = 0; l < PARTS; l++)
			s.v[l] = fma_(load(x + i + l * VL), load(z + i + l * VL), s.v[l]);
	if (i < n) {
		const struct lanes a = lanes_some(x + i, n - i, 0), b = lanes_some(z + i, n - i, 0);

		for (l = 0; l < PARTS; l++)
			s.v[l] = fma_(a.v[l], b.v[l], s.v[l]);
	}
	return lanes_sum(&s);
}

void
SIMD_NAME(cpu_row_softmax)(float *y, const float *x, float scale, int64_t n)
{
	const float most = largest(x, scale, n);

	multiply(y, y, 1 / exponentials(y, x, scale, most, n), n);
}

void
SIMD_NAME(cpu_row_softmax_backward)(float *dx, const float *y, const float *dy, float scale, int64_t n)
{
	const float s = SIMD_NAME(cpu_row_dot)(y, dy, n);
	int64_t i;

	for (i = 0; i + VL <= n; i += VL)
		store(dx + i, splat(scale) * load(y + i) * (load(dy + i) - splat(s)));
	for (; i < n; i++)
		dx[i] = scale * y[i] * (dy[i] - s);
}

/* ---- LayerNorm ---- */

static float
sum(const float *x, int64_t n)
{
	struct lanes s = lanes_zero();
	int64_t i;
	int l;

	for (i = 0; i + LANES <= n; i += LANES)
		for (l = 0; l < PARTS; l++)
			s.v[l] += load(x + i + l * VL);
	if (i < n) {
		float a[LANES] = { 0 };

		memcpy(a, x + i, (size_t)(n - i) * sizeof(*a));
		for (l = 0; l < PARTS; l++)
			s.v[l] += load(a + l * VL);
	}
	return lanes_sum(&s);
}

/* Σ (x − mean)² */
static float
spread(const float *x, float mean, int64_t n)
{
	struct lanes s = lanes_zero();
	int64_t i;
	int l;

	for (i = 0; i + LANES <= n; i += LANES)
		for (l = 0; l < PARTS; l++) {
			const vf d = load(x + i + l * VL) - splat(mean);

			s.v[l] = fma_(d, d, s.v[l]);
		}
	if (i < n) {
		float a[LANES];

		for (l = 0; l < LANES; l++)
			a[l] = l < n - i ? x[i + l] - mean : 0;
		for (l = 0; l < PARTS; l++)
			s.v[l] = fma_(load(a + l * VL), load(a + l * VL), s.v[l]);
	}
	return lanes_sum(&s);
}

void
SIMD_NAME(cpu_row_layernorm)(float *y, float *mean, float *rstd, const float *s, const float *w, const float *bias,
                             float eps, int64_t n)
{
	const float m = sum(s, n) / (float)n, r = 1 / sqrtf(spread(s, m, n) / (float)n + eps);
	int64_t i;

	*mean = m;
	*rstd = r;
	for (i = 0; i + VL <= n; i += VL) {
		const vf x = (load(s + i) - splat(m)) * splat(r);

		store(y + i, fma_(x, load(w + i), bias ? load(bias + i) : splat(0)));
	}
	if (i < n) {
		const vf x = (load_some(s + i, n - i) - splat(m)) * splat(r);

		store_some(y + i, fma_(x, load_some(w + i, n - i), bias ? load_some(bias + i, n - i) : splat(0)), n - i);
	}
}

/* g = w·dy: dx = rstd·(g − mean(g) − x̂·mean(g·x̂)) */
void
SIMD_NAME(cpu_row_layernorm_backward)(float *dx, float beta, const float *dy, const float *s, float mean, float rstd,
                                      const float *w, int64_t n)
{
	struct lanes sg = lanes_zero(), sx = lanes_zero();
	float g[LANES] = { 0 }, x[LANES] = { 0 }, mg, mx;
	int64_t i;
	int l;

	for (i = 0; i < n; i += LANES) {
		const int64_t m = min_i64(LANES, n - i);

		for (l = 0; l < m; l++) {
			g[l] = dy[i + l] * w[i + l];
			x[l] = (s[i + l] - mean) * rstd;
		}
		for (; l < LANES; l++)
			g[l] = 0;
		for (l = 0; l < PARTS; l++) {
			sg.v[l] += load(g + l * VL);
			sx.v[l] = fma_(load(g + l * VL), load(x + l * VL), sx.v[l]);
		}
	}
	mg = lanes_sum(&sg) / (float)n;
	mx = lanes_sum(&sx) / (float)n;
	for (i = 0; i < n; i++) {
		const float d = rstd * (dy[i] * w[i] - mg - (s[i] - mean) * rstd * mx);

		dx[i] = beta == 0 ? d : beta * dx[i] + d;
	}
}
