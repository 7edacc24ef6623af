/* SPDX-License-Identifier: MIT
 * products.c - linear and gemm, against loops in double precision */
#include "suite.h"

static double
activate(double x, enum activation a)
{
	switch (a) {
	case ACT_RELU:
		return x > 0 ? x : 0;
	case ACT_GELU:
		return 0.5 * x * (1 + erf(x / sqrt(2)));
	case ACT_QUICK_GELU:
		return x / (1 + exp(-1.702 * x));
	case ACT_GELU_TANH:
		return 0.5 * x * (1 + tanh(sqrt(2 / acos(-1)) * (x + 0.044715 * x * x * x)));
	default:
		return x;
	}
}

struct shape {
	int64_t m, n, k;
	int transposed;
	enum activation act;
	int residual; /* 1: another matrix, 2: Y itself */
	int bias;
	enum dtype wt, xt, yt;
	enum precision prec;
};

/* rows in three segments, one of them empty */
static struct segs
thirds(int64_t m)
{
	int64_t *at = room(4 * sizeof(*at));

	at[1] = at[2] = m / 3;
	at[3] = m;
	return (struct segs){ 3, at };
}

/* W[n,k] as an array of type t */
static void *
weight(float *w, int64_t n, enum dtype t)
{
	struct mat m;
	void *h;

	if (t == DT_F32)
		return w;
	m = up(w, 1, n, t);
	h = room((size_t)n * dtype_size(t));
	done(dev->ops->get(dev, h, m.p, (size_t)n * dtype_size(t), &fault));
	return h;
}

static double *
linear_want(const struct shape *s, const float *x, const float *w, const float *bias, const float *r)
{
	double *want = room((size_t)(s->m * s->n) * sizeof(*want));
	int64_t i, j, l;

	for (i = 0; i < s->m; i++)
		for (j = 0; j < s->n; j++) {
			double sum = bias ? (double)bias[j] : 0;

			for (l = 0; l < s->k; l++)
				sum += (double)x[i * s->k + l] * (double)(s->transposed ? w[l * s->n + j] : w[j * s->k + l]);
			want[i * s->n + j] = activate(sum, s->act) + (r ? (double)r[i * s->n + j] : 0);
		}
	return want;
}

/* Tolerances: f32 sums of k products of numbers up to 1, error seen 4e-7·√k;
 * with bf16 or int8 factors, their rounding. */
static double
linear_tolerance(const struct shape *s)
{
	const enum precision p = backend_precision(dev, s->prec);
	const double unit = p == PREC_INT8 ? 2e-2 : p == PREC_BF16 ? 8e-3
	                                    : p == PREC_TF32       ? 1e-3
	                                                           : 1e-6;

	return unit * (1 + sqrt((double)s->k)) + (s->yt == DT_BF16 ? 4e-3 * (2 + sqrt((double)s->k)) : 0);
}

static void
linear_case(const struct shape *s)
{
	float *x, *w, *bias, *r, *y0;
	struct packed *packed = NULL;
	struct mat mx, my, mr = none();
	const double tol = linear_tolerance(s);

	begin("linear", "%lldx%lldx%lld%s act %d residual %d types %d %d %d precision %d", (long long)s->m, (long long)s->n,
	      (long long)s->k, s->transposed ? " transposed" : "", (int)s->act, s->residual, (int)s->wt, (int)s->xt,
	      (int)s->yt, (int)s->prec);
	x = uniform(s->m * s->k, -1, 1);
	w = uniform(s->n * s->k, -1, 1);
	bias = s->bias ? uniform(s->n, -1, 1) : NULL;
	r = s->residual ? uniform(s->m * s->n, -1, 1) : NULL;
	mx = up(x, s->m, s->k, s->xt);
	if (s->residual == 1)
		mr = up(r, s->m, s->n, DT_F32);
	y0 = r;
	my = s->residual == 2 ? up(y0, s->m, s->n, s->yt) : blank(s->m, s->n, s->yt);
	if (s->residual == 2)
		mr = my;
	done(dev->ops->pack(dev, &packed, weight(w, s->n * s->k, s->wt), s->wt, s->n, s->k, s->transposed, s->prec, &fault));
	done(dev->ops->linear(dev, my, mx, packed, bias ? up_bytes(bias, (size_t)s->n * sizeof(*bias)) : NULL, s->act, mr,
	                      thirds(s->m), &fault));
	near_("y", down(my), linear_want(s, x, w, bias, r), s->m * s->n, tol, tol);
	dev->ops->unpack(dev, packed);
	end();
}

static void
linear_sizes(void)
{
	struct shape s = { 0 };
	int i, j;

	for (i = 0; i < SIZES; i++)
		for (j = 0; j < SIZES; j++) {
			s.m = size_list[i];
			s.n = size_list[j];
			s.k = size_list[(i + j) % SIZES];
			s.bias = j & 1;
			s.residual = (i + 2 * j) % 3;
			s.act = (enum activation)((i + j) % 5);
			s.transposed = i & 1;
			if (s.m * s.n * s.k <= 33 * 1000 * 1000)
				linear_case(&s);
		}
}

/* in bf16 and in bytes: words that are filled up, edges of panels, more rows than a block has */
static void
linear_narrow(void)
{
	struct shape s = { .bias = 1 };
	int i, j, p;

	for (i = 0; i < SIZES; i++)
		for (j = 0; j < SIZES; j++)
			for (p = 0; p < 2; p++) {
				s.prec = p ? PREC_INT8 : PREC_BF16;
				s.m = size_list[(i + 3 * j) % SIZES];
				s.n = size_list[j];
				s.k = size_list[i];
				s.xt = j & 1 && !p ? DT_BF16 : DT_F32;
				s.yt = i & 1 && !p ? DT_BF16 : DT_F32;
				s.wt = (i + j) & 1 ? DT_BF16 : DT_F32;
				s.act = (enum activation)((i + j) % 5);
				s.transposed = j & 1;
				if (s.m * s.n * s.k <= 8 * 1000 * 1000)
					linear_case(&s);
			}
}

/* of rows in turn: 1, -1, and both */
static float
sign(int64_t row, int64_t i)
{
	if (row % 3 < 2)
		return row % 3 ? -1 : 1;
	return i & 1 ? -1 : 1;
}

/* Factors that are all as large as bytes can be, of one sign and of both: no sum on the way may be cut off. */
static void
linear_largest(int64_t k)
{
	const int64_t M = 7, N = 37;
	float *x = room((size_t)(M * k) * sizeof(*x)), *w = room((size_t)(N * k) * sizeof(*w));
	struct shape s = { M, N, k, 0, ACT_NONE, 0, 0, DT_F32, DT_F32, DT_F32, PREC_INT8 };
	const double tol = backend_precision(dev, PREC_INT8) == PREC_INT8 ? 1e-5 : linear_tolerance(&s);
	struct packed *packed = NULL;
	struct mat my;
	int64_t i;

	begin("linear", "%lld products of the largest bytes", (long long)k);
	for (i = 0; i < M * k; i++)
		x[i] = sign(i / k, i);
	for (i = 0; i < N * k; i++)
		w[i] = 0.5f * sign(i / k, i);
	my = blank(M, N, DT_F32);
	done(dev->ops->pack(dev, &packed, weight(w, N * k, DT_F32), DT_F32, N, k, 0, PREC_INT8, &fault));
	done(dev->ops->linear(dev, my, up(x, M, k, DT_F32), packed, NULL, ACT_NONE, none(), thirds(M), &fault));
	near_("y", down(my), linear_want(&s, x, w, NULL, NULL), M * N, tol, tol);
	dev->ops->unpack(dev, packed);
	end();
}

/* in bytes: a column of numbers too small to have an inverse, a weight and a token that are not finite */
static void
linear_odd_numbers(void)
{
	enum {
		M = 5,
		N = 35,
		K = 70,
	};
	float *x = uniform(M * K, -1, 1), *w = uniform(N * K, -1, 1);
	struct packed *packed = NULL;
	const float *got;
	struct mat my;
	const double all = M * N;
	float right = 0;
	int i;

	begin("linear", "bytes of tiny numbers, and of none");
	for (i = 0; i < K; i++)
		w[i] = 1e-40f;
	w[K + 3] = NAN;
	x[K + 3] = NAN;
	my = blank(M, N, DT_F32);
	done(dev->ops->pack(dev, &packed, weight(w, N * K, DT_F32), DT_F32, N, K, 0, PREC_INT8, &fault));
	done(dev->ops->linear(dev, my, up(x, M, K, DT_F32), packed, NULL, ACT_NONE, none(), thirds(M), &fault));
	got = down(my);
	for (i = 0; i < M * N; i++)
		right += i / N == 1 || i % N == 1 ? !isfinite(got[i]) : fabsf(got[i]) < (i % N ? 1e4f : 1e-30f);
	near_("results of the kind they should be", &right, &all, 1, 0, 0);
	dev->ops->unpack(dev, packed);
	end();
}

/* a weight whose array is given up: the second product has only what the first one packed */
static void
linear_spared(int64_t m)
{
	const struct shape s = { m, 96, 64, 0, ACT_NONE, 0, 1, DT_F32, DT_F32, DT_F32, PREC_F32 };
	const size_t bytes = 96 * 64 * sizeof(float);
	float *x, *w, *bias, *array = malloc(bytes);
	struct packed *packed = NULL;
	struct mat mx, my;
	double *want;
	int i;

	begin("linear", "of %lld rows, its weight's array given up", (long long)m);
	x = uniform(m * s.k, -1, 1);
	w = uniform(s.n * s.k, -1, 1);
	bias = uniform(s.n, -1, 1);
	want = linear_want(&s, x, w, bias, NULL);
	if (!array)
		abort();
	memcpy(array, w, bytes);
	mx = up(x, m, s.k, DT_F32);
	done(dev->ops->pack(dev, &packed, array, DT_F32, s.n, s.k, 0, PREC_F32, &fault));
	dev->ops->spare(dev, packed, SPARE_ARRAY);
	for (i = 0; i < 2; i++) {
		my = blank(m, s.n, DT_F32);
		done(dev->ops->linear(dev, my, mx, packed,
		                      up_bytes(bias, (size_t)s.n * sizeof(*bias)), ACT_NONE, none(),
		                      thirds(m), &fault));
		near_("y", down(my), want, m * s.n, linear_tolerance(&s), linear_tolerance(&s));
	}
	dev->ops->unpack(dev, packed);
	end();
}

/* more rows than are taken at once: some of them, on both sides of a chunk's end */
static void
linear_tall(enum dtype t, enum precision prec)
{
	enum { M = 1700,
	       N = 4096,
	       K = 256 };
	static const int64_t rows[] = { 0, 127, 128, 1151, 1152, 1279, 1280, 1407, 1408, 1535, 1536, 1699 };
	const struct shape s = { M, N, K, 0, ACT_GELU, 0, 1, DT_F32, t, t, prec };
	const double tol = linear_tolerance(&s);
	float *x, *w, *bias, *got;
	struct packed *packed = NULL;
	struct mat mx, my;
	size_t i;
	int64_t j, l;

	begin("linear", "of %d rows, type %d precision %d", M, (int)t, (int)prec);
	x = uniform(M * K, -1, 1);
	w = uniform(N * K, -1, 1);
	bias = uniform(N, -1, 1);
	mx = up(x, M, K, t);
	my = blank(M, N, t);
	done(dev->ops->pack(dev, &packed, w, DT_F32, N, K, 0, prec, &fault));
	done(dev->ops->linear(dev, my, mx, packed, up_bytes(bias, N * sizeof(*bias)), ACT_GELU,
	                      none(), (struct segs){ 1, (int64_t[]){ 0, M } }, &fault));
	got = down(my);
	for (i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		double want[N];

		for (j = 0; j < N; j++) {
			double sum = (double)bias[j];

			for (l = 0; l < K; l++)
				sum += (double)x[rows[i] * K + l] * (double)w[j * K + l];
			want[j] = activate(sum, ACT_GELU);
		}
		near_("y", got + rows[i] * N, want, N, tol, tol);
	}
	dev->ops->unpack(dev, packed);
	end();
}

static void
linear_variants(void)
{
	static const enum dtype types[][3] = {
		{ DT_BF16, DT_F32, DT_F32 },
		{ DT_F16, DT_F32, DT_F32 },
		{ DT_F32, DT_BF16, DT_F32 },
		{ DT_BF16, DT_BF16, DT_BF16 },
		{ DT_F32, DT_F32, DT_BF16 },
	};
	struct shape s = { 50, 65, 257, 0, ACT_NONE, 0, 1, DT_F32, DT_F32, DT_F32, PREC_F32 };
	size_t i;
	int p;

	for (i = 0; i < 5; i++) {
		s.act = (enum activation)i;
		for (s.residual = 0; s.residual < 3; s.residual++)
			linear_case(&s);
	}
	s.residual = 0;
	for (p = PREC_F32; p <= PREC_TF32; p++)
		for (i = 0; i < sizeof(types) / sizeof(*types); i++) {
			s.wt = types[i][0];
			s.xt = types[i][1];
			s.yt = types[i][2];
			s.prec = (enum precision)p;
			s.transposed = (int)i & 1;
			linear_case(&s);
		}
	s = (struct shape){ 700, 96, 3072, 0, ACT_NONE, 1, 1, DT_F32, DT_F32, DT_F32, PREC_F32 };
	linear_case(&s);
	for (s.m = 0; s.m < 20; s.m++)
		linear_case(&s);
	linear_spared(1);
	linear_spared(130);
	linear_tall(DT_F32, PREC_F32);
	linear_tall(DT_BF16, PREC_BF16);
}

/* ---- gemm ---- */

struct gemm_case {
	int64_t m, n, k;
	int ta, tb;
	float alpha, beta;
	enum precision prec;
	int bias;
	enum activation act;
};

static void
gemm_want(double *want, const struct gemm_case *s, const float *a, const float *b, const float *c, const float *bias)
{
	int64_t i, j, l;

	for (i = 0; i < s->m; i++)
		for (j = 0; j < s->n; j++) {
			double sum = 0;

			for (l = 0; l < s->k; l++)
				sum += (double)(s->ta ? a[l * s->m + i] : a[i * s->k + l]) *
				       (double)(s->tb ? b[j * s->k + l] : b[l * s->n + j]);
			sum = activate((double)s->alpha * sum + (bias ? (double)bias[j] : 0), s->act);
			want[i * s->n + j] = sum + (s->beta == 0 ? 0 : (double)s->beta * (double)c[i * s->n + j]);
		}
}

/* one job of the call; fills in what it should give */
static struct gemm_job
job_of(const struct gemm_case *s, double **want)
{
	float *a = uniform(s->m * s->k, -1, 1), *b = uniform(s->n * s->k, -1, 1), *c = uniform(s->m * s->n, -1, 1);
	float *bias = s->bias ? uniform(s->n, -1, 1) : NULL;
	struct gemm_job j = { .ta = s->ta, .tb = s->tb, .alpha = s->alpha, .beta = s->beta, .act = s->act };

	j.a = s->ta ? up(a, s->k, s->m, DT_F32) : up(a, s->m, s->k, DT_F32);
	j.b = s->tb ? up(b, s->n, s->k, DT_F32) : up(b, s->k, s->n, DT_F32);
	j.c = s->beta == 0 ? blank(s->m, s->n, DT_F32) : up(c, s->m, s->n, DT_F32);
	if (bias)
		j.bias = up_bytes(bias, (size_t)s->n * sizeof(*bias));
	*want = room((size_t)(s->m * s->n) * sizeof(**want));
	gemm_want(*want, s, a, b, c, bias);
	return j;
}

static void
gemm_run(const struct gemm_case *s, int n)
{
	const enum precision p = backend_precision(dev, s->prec);
	/* a GPU adds the products of a block one after the other, the processor in many lanes */
	const double unit = p == PREC_BF16 ? 8e-3 : p == PREC_TF32                ? 1e-3
	                                    : strcmp(dev->ops->name, "cuda") == 0 ? 3e-6
	                                                                          : 1e-6;
	struct gemm_job jobs[8];
	double *want[8];
	int i;

	begin("gemm",
	      "%lldx%lldx%lld t %d %d alpha %g beta %g bias %d act %d precision %d, %d jobs",
	      (long long)s->m, (long long)s->n, (long long)s->k, s->ta, s->tb, (double)s->alpha,
	      (double)s->beta, s->bias, (int)s->act, (int)s->prec, n);
	for (i = 0; i < n; i++)
		jobs[i] = job_of(s, &want[i]);
	done(dev->ops->gemm(dev, jobs, n, s->prec, &fault));
	for (i = 0; i < n; i++)
		near_("c", down(jobs[i].c), want[i], s->m * s->n, unit, unit * (1 + sqrt((double)s->k)));
	end();
}

static void
gemm_cases(void)
{
	struct gemm_case s = { .alpha = 1 };
	int i, j, t;

	for (i = 0; i < SIZES; i++)
		for (j = 0; j < SIZES; j++)
			for (t = 0; t < 4; t++) {
				s.m = size_list[i];
				s.n = size_list[j];
				s.k = size_list[(i + j + t) % SIZES];
				s.ta = t & 1;
				s.tb = t >> 1;
				s.alpha = t == 2 ? -0.5f : 1;
				s.beta = t == 0 ? 0 : t == 1 ? 1
				                             : 0.25f;
				s.prec = t == 3 ? PREC_BF16 : PREC_F32;
				s.bias = s.beta == 0;
				s.act = s.bias ? (enum activation)((i + j) % 5) : ACT_NONE;
				if (s.m * s.n * s.k <= 33 * 1000 * 1000)
					gemm_run(&s, 1 + (i + j) % 3);
			}
	s = (struct gemm_case){ 40, 50, 5000, 1, 0, 1, 1, PREC_F32, 0, ACT_NONE };
	gemm_run(&s, 2);
	s = (struct gemm_case){ 40, 50, 5000, 1, 0, 0.5f, 0, PREC_F32, 1, ACT_RELU };
	gemm_run(&s, 2);
	s = (struct gemm_case){ 300, 700, 65, 0, 1, 1, 0, PREC_F32, 0, ACT_NONE };
	gemm_run(&s, 8);
	s = (struct gemm_case){ 77, 90, 64, 0, 1, 0.125f, 0, PREC_TF32, 0, ACT_NONE };
	gemm_run(&s, 3);
	/* transposed A, many rows of few columns and few rows of many */
	s = (struct gemm_case){ 700, 300, 900, 1, 0, 1, 1, PREC_F32, 0, ACT_NONE };
	gemm_run(&s, 1);
	s = (struct gemm_case){ 300, 700, 900, 1, 0, 1, 0.5f, PREC_F32, 0, ACT_NONE };
	gemm_run(&s, 1);
	s = (struct gemm_case){ 300, 700, 900, 1, 0, -1, 0, PREC_F32, 1, ACT_GELU };
	gemm_run(&s, 1);
}

static void
gemm_nothing(void)
{
	begin("gemm", "no jobs");
	done(dev->ops->gemm(dev, NULL, 0, PREC_F32, &fault));
	end();
}

void
test_products(void)
{
	linear_sizes();
	linear_variants();
	linear_narrow();
	linear_odd_numbers();
	linear_largest(16);
	linear_largest(1001);
	gemm_cases();
	gemm_nothing();
}
