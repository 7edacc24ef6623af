/* SPDX-License-Identifier: MIT
 * train.c - losses and the optimizer */
#include "suite.h"

/* ---- loss ---- */

struct cells {
	int64_t n;
	double *z, *weight;
	const int8_t *target;
	struct loss_args a;
	double *frozen; /* focal weights at the start, for the detached form */
};

static double
log_sigmoid(double z)
{
	return -fmax(-z, 0) - log1p(exp(-fabs(z)));
}

static double
focal(const struct cells *c, int64_t i)
{
	const double p = 1 / (1 + exp(-c->z[i])), m = c->a.kind == LOSS_ASL ? (double)c->a.clip : 0;

	if (c->a.kind == LOSS_BCE)
		return 1;
	return c->target[i] ? pow(1 - p, (double)c->a.gamma_pos) : pow(fmax(p - m, 0), (double)c->a.gamma_neg);
}

static double
total(void *arg)
{
	const struct cells *c = arg;
	const double m = c->a.kind == LOSS_ASL ? (double)c->a.clip : 0;
	double sum = 0;
	int64_t i;

	for (i = 0; i < c->n; i++) {
		const double p = 1 / (1 + exp(-c->z[i])), w = c->a.detach ? c->frozen[i] : focal(c, i);

		if (c->target[i] < 0)
			continue;
		if (c->target[i])
			sum -= c->weight[i] * w * log_sigmoid(c->z[i]);
		else
			sum -= c->weight[i] * w * (m > 0 ? log1p(-fmax(p - m, 0)) : log_sigmoid(-c->z[i]));
	}
	return sum;
}

/* error seen: 1e-7 relative in slopes (they are rounded to f32), 1e-12 in the sum */
static void
loss_case(int64_t rows, int64_t cols, struct loss_args a, int weighed)
{
	const int64_t n = rows * cols;
	struct cells c = { n, NULL, NULL, NULL, a, NULL };
	float *z, *weight, *got;
	int8_t *target;
	double sum = NAN, want;
	struct mat dz, mz;
	void *dt, *dw = NULL;
	int64_t i;

	begin("loss", "kind %d gamma %g %g clip %g detach %d, %lldx%lld%s", (int)a.kind, (double)a.gamma_pos, (double)a.gamma_neg,
	      (double)a.clip, a.detach, (long long)rows, (long long)cols, weighed ? " weighed" : "");
	z = uniform(n, -6, 6);
	weight = uniform(n, 0, 2);
	target = room((size_t)n);
	c.frozen = room((size_t)n * sizeof(*c.frozen));
	for (i = 0; i < n; i++)
		target[i] = (int8_t)(below(3) - 1);
	c.target = target;
	c.z = doubles(z, n);
	c.weight = doubles(weight, n);
	for (i = 0; i < n; i++) {
		if (!weighed)
			c.weight[i] = 1;
		c.frozen[i] = focal(&c, i);
	}
	/* z and dz of the backend are dense rows of cols, as the targets are */
	mz = mat_of(up_bytes(z, (size_t)n * sizeof(*z)), DT_F32, rows, cols);
	dz = mat_of(up_bytes(NULL, (size_t)n * sizeof(*z)), DT_F32, rows, cols);
	dt = up_bytes(target, (size_t)n);
	if (weighed)
		dw = up_bytes(weight, (size_t)n * sizeof(*weight));
	done(dev->ops->loss(dev, dz, &sum, mz, dt, dw, 0.5f, &a, &fault));
	want = total(&c);
	if (!(fabs(sum - want) <= 1e-6 * fabs(want) + 1e-6))
		done(adds_fail(&fault, -1, "sum is %.17g, want %.17g", sum, want));
	got = room((size_t)n * sizeof(*got));
	down_bytes(got, dz.p, (size_t)n * sizeof(*got));
	for (i = 0; i < n; i++)
		got[i] *= 2;
	slope("dz", got, c.z, n, total, &c, 1e-5, 1e-6);
	done(dev->ops->loss(dev, none(), &sum, mz, dt, dw, 0.5f, &a, &fault));
	end();
}

/* Logits of any size: finite slopes, no NaN; a NaN where the target is unknown does no harm. */
static void
loss_extremes(struct loss_args a)
{
	const float z[10] = { 1e4f, -1e4f, 1e4f, -1e4f, 88, -88, 110, -110, NAN, INFINITY };
	const int8_t target[10] = { 1, 1, 0, 0, 1, 0, 0, 1, -1, -1 };
	float got[10];
	double sum = NAN;
	struct mat dz;
	int i;

	begin("loss", "of extreme logits, kind %d gamma %g detach %d", (int)a.kind, (double)a.gamma_pos, a.detach);
	dz = mat_of(up_bytes(NULL, sizeof(z)), DT_F32, 1, 10);
	done(dev->ops->loss(dev, dz, &sum, mat_of(up_bytes(z, sizeof(z)), DT_F32, 1, 10), up_bytes(target, sizeof(target)), NULL,
	                    1, &a, &fault));
	down_bytes(got, dz.p, sizeof(got));
	for (i = 0; i < 10; i++)
		if (!isfinite(got[i]) || (target[i] < 0 && got[i] != 0))
			done(adds_fail(&fault, -1, "slope %d is %g", i, (double)got[i]));
	if (!isfinite(sum))
		done(adds_fail(&fault, -1, "sum is %g", sum));
	end();
}

/* ---- AdamW ---- */

static void
adamw_step(double *w, double g, double *m, double *v, double *e, const struct adamw_group *o, const struct adamw_args *a)
{
	const double b1 = 1 - pow(a->beta1, (double)a->step), b2 = 1 - pow(a->beta2, (double)a->step);

	g *= (double)a->grad_scale;
	*w *= 1 - (double)o->lr * (double)o->weight_decay;
	*m = a->beta1 * *m + (1 - a->beta1) * g;
	*v = a->beta2 * *v + (1 - a->beta2) * g * g;
	*w -= (double)o->lr / b1 * *m / (sqrt(*v) / sqrt(b2) + a->eps);
	if (a->ema > 0)
		*e = a->ema * *e + (1 - a->ema) * *w;
}

/* error seen over ten steps: 4e-7 relative to weights of about 1 */
static void
adamw_case(int64_t n, double ema)
{
	struct adamw_args a = { .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .ema = ema, .grad_scale = 0.5f };
	const struct adamw_group groups[2] = { { 0, n / 3, 1e-3f, 0.01f }, { n / 3 + (n > 3), n, 1e-2f, 0 } };
	float *w, *m, *v, *g, *got;
	double *dw, *dm, *dv, *de;
	void *pw, *pm, *pv, *pe;
	const size_t size = (size_t)n * sizeof(float);
	int64_t i;
	int k;

	begin("adamw", "%lld, ema %g", (long long)n, ema);
	w = uniform(n, -1, 1);
	m = uniform(n, 0, 0);
	v = uniform(n, 0, 0);
	dw = doubles(w, n);
	dm = doubles(m, n);
	dv = doubles(v, n);
	de = doubles(w, n);
	pw = up_bytes(w, size);
	pm = up_bytes(m, size);
	pv = up_bytes(v, size);
	pe = up_bytes(w, size);
	for (a.step = 1; a.step <= 10; a.step++) {
		g = uniform(n, -1, 1);
		done(dev->ops->adamw(dev, pw, up_bytes(g, size), pm, pv, ema > 0 ? pe : NULL, groups, 2, &a, &fault));
		for (k = 0; k < 2; k++)
			for (i = groups[k].begin; i < groups[k].end; i++)
				adamw_step(&dw[i], (double)g[i], &dm[i], &dv[i], &de[i], &groups[k], &a);
	}
	got = room(size);
	down_bytes(got, pw, size);
	near_("w", got, dw, n, 2e-6, 2e-6);
	down_bytes(got, pm, size);
	near_("m", got, dm, n, 2e-6, 1e-7);
	down_bytes(got, pv, size);
	near_("v", got, dv, n, 2e-6, 0);
	down_bytes(got, pe, size);
	near_("e", got, de, n, 2e-6, 1e-6);
	end();
}

void
test_train(void)
{
	static const struct loss_args kinds[] = {
		{ LOSS_ASL, 0, 4, 0.05f, 1 },
		{ LOSS_ASL, 1, 4, 0.05f, 0 },
		{ LOSS_ASL, 0.5f, 2.5f, 0.1f, 0 },
		{ LOSS_ASL, 2, 7, 0, 1 },
		{ LOSS_FOCAL_BCE, 2, 2, 0, 0 },
		{ LOSS_FOCAL_BCE, 2, 2, 0, 1 },
		{ LOSS_BCE, 0, 0, 0, 0 },
	};
	size_t i;
	int j;

	for (i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		for (j = 0; j < SIZES; j++) {
			loss_case(3, size_list[j], kinds[i], j & 1);
			loss_case(size_list[j], 7, kinds[i], j & 1);
		}
		loss_extremes(kinds[i]);
	}
	for (j = 0; j < SIZES; j++) {
		adamw_case(size_list[j], 0);
		adamw_case(size_list[j], 0.9997);
	}
	adamw_case(20000, 0.9);
}
