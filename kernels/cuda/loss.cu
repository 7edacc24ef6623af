/* SPDX-License-Identifier: MIT
 *
 * loss.cu - losses of multi-label classification, from logits.
 *
 * Asymmetric loss (Ridnik et al. 2021): p = σ(z), p_m = max(p − m, 0);
 * positives cost −(1−p)^γ₊·log p, negatives −p_m^γ₋·log(1−p_m). With m = 0 it
 * is the focal binary cross-entropy, with γ = 0 the plain one. log p and
 * log(1−p) come from the logit itself, so that nothing overflows or is
 * clamped. Computed in f64: the cells are few beside the products.
 */
#include "cuda.cuh"

struct cell {
	double loss, slope;
};

/* x^g where g is small and often whole */
__device__ static double
power(double x, double g)
{
	if (g == 0)
		return 1;
	if (g == 1)
		return x;
	if (g == 2)
		return x * x;
	if (g == 4)
		return x * x * x * x;
	return pow(x, g);
}

/* log(1 + e^x) */
__device__ static double
softplus(double x)
{
	return fmax(x, 0.0) + log1p(exp(-fabs(x)));
}

__device__ static double
logistic(double x)
{
	const double e = exp(-fabs(x));

	return (x < 0 ? e : 1) / (1 + e);
}

__device__ static struct cell
positive(double z, double g, int detach)
{
	const double p = logistic(z), q = logistic(-z), log_p = -softplus(-z);
	const double w = power(q, g);
	const double bend = detach || g == 0 || p == 0 ? 0 : g * p * log_p;
	const struct cell c = { w == 0 ? 0 : -w * log_p, w * (bend - q) };

	return c;
}

__device__ static struct cell
negative(double z, double g, double m, int detach)
{
	const double p = logistic(z), q = logistic(-z), pm = p - m, rest = q + m;
	struct cell c = { 0, 0 };
	double log_rest, w, bend;

	if (pm <= 0)
		return c;
	log_rest = m == 0 ? -softplus(z) : pm < 0.5 ? log1p(-pm)
	                                            : log(rest);
	w = power(pm, g);
	bend = detach || g == 0 ? 0 : g * log_rest / pm;
	c.loss = -w * log_rest;
	c.slope = m == 0 ? w * (p - (bend == 0 || q == 0 ? 0 : bend * p * q)) : w * (1 / rest - bend) * p * q;
	return c;
}

__device__ static struct cell
loss_cell(float z, int8_t target, const struct loss_args &a)
{
	const double gp = a.kind == LOSS_BCE ? 0 : (double)a.gamma_pos;
	const double gn = a.kind == LOSS_BCE ? 0 : (double)a.gamma_neg;
	const double m = a.kind == LOSS_ASL ? (double)a.clip : 0;

	return target > 0 ? positive((double)z, gp, a.detach) : negative((double)z, gn, m, a.detach);
}

int
cuda_loss(struct backend *b, struct mat dz, double *host_sum, struct mat z, const int8_t *target, const float *weight,
          float scale, const struct loss_args *args, struct adds_error *err)
{
	const struct loss_args a = *args;
	const int64_t L = z.cols;

	return sum_all(
		cuda_enter(b), host_sum, z.rows, L, [=] __device__(int64_t r, int64_t c) {
			const int8_t t = target[r * L + c];
			const double w = weight ? (double)weight[r * L + c] : 1;
			struct cell cell = { 0, 0 };

			if (t >= 0 && w != 0)
				cell = loss_cell(mat_f32(z, r, c), t, a);
			if (dz.p)
				mat_f32(dz, r, c) = w == 0 ? 0 : (float)((double)scale * w * cell.slope);
			return w == 0 ? 0.0 : w * cell.loss;
		},
		"loss", err);
}
