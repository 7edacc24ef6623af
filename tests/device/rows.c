/* SPDX-License-Identifier: MIT
 * rows.c - LayerNorm, softmax, unit length, rows by number */
#include <float.h>

#include "suite.h"

/* ---- LayerNorm ---- */

struct norm {
	int64_t rows, cols;
	double *s, *w, *bias, *weight; /* weight: of the outputs in the sum that is differentiated */
	double eps;
};

static void
norm_row(const struct norm *n, const double *s, double *y, double *mean, double *rstd)
{
	double m = 0, v = 0;
	int64_t c;

	for (c = 0; c < n->cols; c++)
		m += s[c] / (double)n->cols;
	for (c = 0; c < n->cols; c++)
		v += (s[c] - m) * (s[c] - m) / (double)n->cols;
	*mean = m;
	*rstd = 1 / sqrt(v + n->eps);
	for (c = 0; c < n->cols; c++)
		y[c] = (s[c] - m) * *rstd * n->w[c] + n->bias[c];
}

static double
norm_sum(void *arg)
{
	const struct norm *n = arg;
	double *y = calloc((size_t)n->cols + 1, sizeof(*y)), mean, rstd, sum = 0;
	int64_t r, c;

	for (r = 0; y && r < n->rows; r++) {
		norm_row(n, n->s + r * n->cols, y, &mean, &rstd);
		for (c = 0; c < n->cols; c++)
			sum += y[c] * n->weight[r * n->cols + c];
	}
	free(y);
	return sum;
}

/* error seen: 4e-7 of outputs up to 4 */
static void
layernorm_case(int64_t rows, int64_t cols, enum dtype yt, int residual, int bias)
{
	const int64_t size = rows * cols;
	float *x, *r, *w, *b, *mean, *rstd;
	struct mat mx, mr = none(), my, sum = none();
	void *dmean, *drstd;
	struct norm n = { rows, cols, NULL, NULL, NULL, NULL, 1e-5 };
	double *want, *want_mean, *want_rstd;
	int64_t i;

	begin("layernorm", "%lldx%lld type %d residual %d bias %d", (long long)rows, (long long)cols, (int)yt, residual, bias);
	x = uniform(size, -1, 3);
	r = uniform(size, -1, 1);
	w = uniform(cols, 0.5, 1.5);
	b = uniform(cols, -1, 1);
	mx = up(x, rows, cols, DT_F32);
	if (residual) {
		mr = up(r, rows, cols, DT_F32);
		sum = blank(rows, cols, DT_F32);
	}
	my = blank(rows, cols, yt);
	dmean = up_bytes(NULL, (size_t)rows * sizeof(float));
	drstd = up_bytes(NULL, (size_t)rows * sizeof(float));
	done(dev->ops->layernorm(dev, my, sum, dmean, drstd, mx, mr, up_bytes(w, (size_t)cols * sizeof(*w)),
	                         bias ? up_bytes(b, (size_t)cols * sizeof(*b)) : NULL, 1e-5f, &fault));
	n.s = doubles(x, size);
	for (i = 0; residual && i < size; i++)
		n.s[i] = (double)(x[i] + r[i]);
	n.w = doubles(w, cols);
	n.bias = doubles(b, cols);
	if (!bias)
		memset(n.bias, 0, (size_t)cols * sizeof(*n.bias));
	want = room((size_t)size * sizeof(*want));
	want_mean = room((size_t)rows * sizeof(*want_mean));
	want_rstd = room((size_t)rows * sizeof(*want_rstd));
	for (i = 0; i < rows; i++)
		norm_row(&n, n.s + i * cols, want + i * cols, &want_mean[i], &want_rstd[i]);
	near_("y", down(my), want, size, yt == DT_BF16 ? 8e-3 : 2e-6, cols == 1 ? 1e-3 : 4e-6);
	if (residual)
		near_("sum", down(sum), n.s, size, 0, 0);
	mean = room((size_t)rows * sizeof(*mean));
	rstd = room((size_t)rows * sizeof(*rstd));
	down_bytes(mean, dmean, (size_t)rows * sizeof(*mean));
	down_bytes(rstd, drstd, (size_t)rows * sizeof(*rstd));
	if (cols) {
		near_("mean", mean, want_mean, rows, 1e-6, 1e-6);
		near_("rstd", rstd, want_rstd, rows, 2e-6, 0);
	}
	end();
}

/* error seen: dX 1e-6, dw and dbias 2e-6·√rows */
static void
layernorm_backward_case(int64_t rows, int64_t cols, float beta)
{
	const int64_t size = rows * cols;
	float *s, *w, *dy, *dx, *dw0, *got, *mean, *rstd;
	struct norm n = { rows, cols, NULL, NULL, NULL, NULL, 1e-5 };
	double *y, m, v;
	struct mat ms, mdy, mdx;
	float *dw, *dbias;
	int64_t i;

	begin("layernorm_backward", "%lldx%lld beta %g", (long long)rows, (long long)cols, (double)beta);
	s = uniform(size, -2, 2);
	w = uniform(cols, 0.5, 1.5);
	dy = uniform(size, -1, 1);
	dx = uniform(size, -1, 1);
	dw0 = uniform(cols, -1, 1);
	n.s = doubles(s, size);
	n.w = doubles(w, cols);
	n.bias = room((size_t)cols * sizeof(*n.bias));
	n.weight = doubles(dy, size);
	y = room((size_t)cols * sizeof(*y));
	mean = room((size_t)rows * sizeof(*mean));
	rstd = room((size_t)rows * sizeof(*rstd));
	for (i = 0; i < rows; i++) {
		norm_row(&n, n.s + i * cols, y, &m, &v);
		mean[i] = (float)m;
		rstd[i] = (float)v;
	}
	ms = up(s, rows, cols, DT_F32);
	mdy = up(dy, rows, cols, DT_F32);
	mdx = beta == 0 ? blank(rows, cols, DT_F32) : up(dx, rows, cols, DT_F32);
	dw = up_bytes(dw0, (size_t)cols * sizeof(*dw0));
	dbias = up_bytes(dw0, (size_t)cols * sizeof(*dw0));
	done(dev->ops->layernorm_backward(dev, mdx, beta, dw, dbias, mdy, ms, up_bytes(mean, (size_t)rows * sizeof(*mean)),
	                                  up_bytes(rstd, (size_t)rows * sizeof(*rstd)),
	                                  up_bytes(w, (size_t)cols * sizeof(*w)), &fault));
	got = down(mdx);
	for (i = 0; beta != 0 && i < size; i++)
		got[i] -= beta * dx[i];
	slope("dx", got, n.s, size, norm_sum, &n, 1e-5, 2e-5);
	got = room((size_t)cols * sizeof(*got));
	down_bytes(got, dw, (size_t)cols * sizeof(*got));
	for (i = 0; i < cols; i++)
		got[i] -= dw0[i];
	slope("dw", got, n.w, cols, norm_sum, &n, 1e-5, 1e-5 * (1 + sqrt((double)rows)));
	down_bytes(got, dbias, (size_t)cols * sizeof(*got));
	for (i = 0; i < cols; i++)
		got[i] -= dw0[i];
	slope("dbias", got, n.bias, cols, norm_sum, &n, 1e-5, 1e-5 * (1 + sqrt((double)rows)));
	end();
}

/* ---- softmax ---- */

struct soft {
	int64_t rows, cols;
	double *x, *weight, scale;
};

static void
soft_row(double *y, const double *x, double scale, int64_t n)
{
	double most = -INFINITY, sum = 0;
	int64_t c;

	for (c = 0; c < n; c++)
		most = fmax(most, scale * x[c]);
	for (c = 0; c < n; c++)
		sum += y[c] = exp(scale * x[c] - most);
	for (c = 0; c < n; c++)
		y[c] /= sum;
}

static double
soft_sum(void *arg)
{
	const struct soft *s = arg;
	double *y = calloc((size_t)s->cols + 1, sizeof(*y)), sum = 0;
	int64_t r, c;

	for (r = 0; y && r < s->rows; r++) {
		soft_row(y, s->x + r * s->cols, s->scale, s->cols);
		for (c = 0; c < s->cols; c++)
			sum += y[c] * s->weight[r * s->cols + c];
	}
	free(y);
	return sum;
}

/* error seen: 4e-7 relative, 1e-5 in slopes by differences */
static void
softmax_case(int64_t rows, int64_t cols, float scale, int in_place)
{
	const int64_t size = rows * cols;
	struct soft s = { rows, cols, NULL, NULL, (double)scale };
	float *x, *dy, *y;
	double *want;
	struct mat mx, my, mdx;
	int64_t r;

	begin("softmax", "%lldx%lld scale %g%s", (long long)rows, (long long)cols, (double)scale, in_place ? " in place" : "");
	x = uniform(size, -30, 30);
	dy = uniform(size, -1, 1);
	s.x = doubles(x, size);
	s.weight = doubles(dy, size);
	want = room((size_t)size * sizeof(*want));
	for (r = 0; r < rows; r++)
		soft_row(want + r * cols, s.x + r * cols, s.scale, cols);
	mx = up(x, rows, cols, DT_F32);
	my = in_place ? mx : blank(rows, cols, DT_F32);
	done(dev->ops->softmax(dev, my, mx, scale, &fault));
	y = down(my);
	near_("y", y, want, size, 2e-5, 1e-7);
	mdx = in_place ? up(dy, rows, cols, DT_F32) : blank(rows, cols, DT_F32);
	done(dev->ops->softmax_backward(dev, mdx, up(y, rows, cols, DT_F32),
	                                in_place ? mdx : up(dy, rows, cols, DT_F32), scale,
	                                &fault));
	slope("dx", down(mdx), s.x, size, soft_sum, &s, 1e-4, 1e-6);
	end();
}

/* scores of −∞ weigh nothing */
static void
softmax_masked(void)
{
	float x[3] = { 1, -INFINITY, 2 };
	const double e = exp(-1), want[3] = { e / (1 + e), 0, 1 / (1 + e) };
	struct mat mx, my;

	begin("softmax", "with a score of -inf");
	mx = up(x, 1, 3, DT_F32);
	my = blank(1, 3, DT_F32);
	done(dev->ops->softmax(dev, my, mx, 1, &fault));
	near_("y", down(my), want, 3, 1e-6, 0);
	end();
}

/* e^x at the ends of f32; below -87 zero will do */
static void
exp_edges(void)
{
	static const float edge[] = { INFINITY, -INFINITY, NAN, 88.72f, 88.73f, 1e30f, -1e30f, -86.9f, -87.1f, 0, -0.0f, 1 };
	enum { N = 37,
	       EDGES = sizeof(edge) / sizeof(*edge) };
	float x[N];
	double want[N];
	struct mat y;
	int i;

	begin("exp_affine", "at the ends of f32");
	for (i = 0; i < N; i++) {
		x[i] = edge[i % EDGES];
		want[i] = exp((double)x[i]) > (double)FLT_MAX ? INFINITY : exp((double)x[i]);
	}
	y = blank(1, N, DT_F32);
	done(dev->ops->exp_affine(dev, y, up(x, 1, N, DT_F32), 1, 0, &fault));
	near_("y", down(y), want, N, 1e-5, 2e-38);
	end();
}

/* ---- the others ---- */

static void
l2norm_case(int64_t rows, int64_t cols, int in_place)
{
	float *x;
	double *want;
	struct mat mx, my;
	int64_t r, c;

	begin("l2norm", "%lldx%lld%s", (long long)rows, (long long)cols, in_place ? " in place" : "");
	x = uniform(rows * cols, -3, 3);
	if (rows > 1)
		memset(x, 0, (size_t)cols * sizeof(*x)); /* a row of zeros stays */
	want = doubles(x, rows * cols);
	for (r = 0; r < rows; r++) {
		double s = 0;

		for (c = 0; c < cols; c++)
			s += want[r * cols + c] * want[r * cols + c];
		for (c = 0; c < cols; c++)
			want[r * cols + c] /= fmax(sqrt(s), 1e-12);
	}
	mx = up(x, rows, cols, DT_F32);
	my = in_place ? mx : blank(rows, cols, DT_F32);
	done(dev->ops->l2norm(dev, my, mx, 1e-12f, &fault));
	near_("y", down(my), want, rows * cols, 1e-6, 0);
	end();
}

static int32_t *
numbers(int64_t n, int64_t most)
{
	int32_t *index = room((size_t)n * sizeof(*index));
	int64_t i;

	for (i = 0; i < n; i++)
		index[i] = (int32_t)below(most);
	return index;
}

static void
gather_case(int64_t rows, int64_t cols, enum dtype yt, enum dtype xt)
{
	float *x;
	double *want;
	int32_t *index;
	struct mat mx, my;
	int64_t r, c;

	begin("gather", "%lldx%lld types %d %d", (long long)rows, (long long)cols, (int)yt, (int)xt);
	x = uniform(7 * cols, -3, 3);
	mx = up(x, 7, cols, xt);
	index = numbers(rows, 7);
	my = blank(rows, cols, yt);
	done(dev->ops->gather(dev, my, mx, index, &fault));
	want = room((size_t)(rows * cols) * sizeof(*want));
	for (r = 0; r < rows; r++)
		for (c = 0; c < cols; c++)
			want[r * cols + c] = (double)x[index[r] * cols + c];
	near_("y", down(my), want, rows * cols, yt == xt || yt == DT_F32 ? 0 : yt == DT_BF16 ? 4e-3
	                                                                                     : 5e-4,
	      0);
	end();
}

/* types that are copied as they are */
static void
gather_integers(void)
{
	static const enum dtype types[] = { DT_I32, DT_U8, DT_I8, DT_F64 };
	static const int32_t index[3] = { 4, 0, 4 };
	unsigned char x[5 * 3 * 8], want[3 * 3 * 8], got[3 * 3 * 8];
	size_t t, i, size;
	void *y;

	for (t = 0; t < sizeof(types) / sizeof(*types); t++) {
		begin("gather", "type %d as it is", (int)types[t]);
		size = 3 * dtype_size(types[t]);
		for (i = 0; i < 5 * size; i++)
			x[i] = (unsigned char)below(256);
		for (i = 0; i < 3; i++)
			memcpy(want + i * size, x + (size_t)index[i] * size, size);
		y = up_bytes(NULL, 3 * size);
		done(dev->ops->gather(dev, mat_of(y, types[t], 3, 3),
		                      mat_of(up_bytes(x, 5 * size), types[t], 5, 3), index,
		                      &fault));
		down_bytes(got, y, 3 * size);
		same("y", got, want, 3 * size);
		end();
	}
}

/* error seen: 0 (the same order of f32 additions) */
static void
scatter_case(int64_t rows, int64_t cols)
{
	float *x, *y;
	double *want;
	int32_t *index;
	struct mat my;
	int64_t r, c;

	begin("scatter_add", "%lldx%lld", (long long)rows, (long long)cols);
	x = uniform(rows * cols, -3, 3);
	y = uniform(5 * cols, -3, 3);
	index = numbers(rows, 5);
	my = up(y, 5, cols, DT_F32);
	done(dev->ops->scatter_add(dev, my, up(x, rows, cols, DT_F32), index, &fault));
	for (r = 0; r < rows; r++)
		for (c = 0; c < cols; c++)
			y[index[r] * cols + c] += x[r * cols + c];
	want = doubles(y, 5 * cols);
	near_("y", down(my), want, 5 * cols, 0, 0);
	end();
}

static void
pool_case(int64_t segments, int64_t cols)
{
	int64_t *at, i, j, c;
	int32_t *index;
	float *x;
	double *want;
	struct mat my;

	begin("pool", "%lldx%lld", (long long)segments, (long long)cols);
	at = room((size_t)(segments + 1) * sizeof(*at));
	for (i = 0; i < segments; i++)
		at[i + 1] = at[i] + 1 + below(6);
	x = uniform(40 * cols, -3, 3);
	index = numbers(at[segments], 40);
	my = blank(segments, cols, DT_F32);
	done(dev->ops->pool(dev, my, up(x, 40, cols, DT_F32), index, (struct segs){ segments, at }, &fault));
	want = room((size_t)(segments * cols) * sizeof(*want));
	for (i = 0; i < segments; i++)
		for (j = at[i]; j < at[i + 1]; j++)
			for (c = 0; c < cols; c++)
				want[i * cols + c] += (double)x[index[j] * cols + c] / (double)(at[i + 1] - at[i]);
	near_("y", down(my), want, segments * cols, 1e-6, 1e-6);
	end();
}

static void
convert_case(int64_t rows, int64_t cols, enum dtype yt, enum dtype xt)
{
	float *x, *rounded;
	struct mat mx, my;

	begin("convert", "%lldx%lld types %d %d", (long long)rows, (long long)cols, (int)yt, (int)xt);
	x = uniform(rows * cols, -70000, 70000);
	if (rows * cols > 8) {
		x[0] = INFINITY;
		x[1] = 65519.99f; /* the largest that f16 does not round to infinity */
		x[2] = 65520;
		x[3] = 3e-8f; /* subnormal in f16 */
		x[4] = -0.0f;
		x[5] = 1.00048828125f; /* halfway between two f16 */
		x[6] = 1.01171875f;    /* halfway between two bf16 */
		x[7] = 2e-5f;
	}
	mx = up(x, rows, cols, xt);
	my = blank(rows, cols, yt);
	done(dev->ops->convert(dev, my, mx, &fault));
	rounded = room((size_t)(rows * cols) * sizeof(*rounded));
	memcpy(rounded, x, (size_t)(rows * cols) * sizeof(*rounded));
	up(rounded, rows, cols, yt);
	near_("y", down(my), doubles(rounded, rows * cols), rows * cols, 0, 0);
	end();
}

static void
topk_case(int64_t rows, int64_t cols, int k)
{
	float *x;
	int32_t *index, *got;
	int64_t r, i, j;

	begin("topk", "%lldx%lld k %d", (long long)rows, (long long)cols, k);
	x = uniform(rows * cols, 0, 1);
	for (i = 0; i < rows * cols; i++)
		x[i] = floorf(x[i] * 50); /* ties */
	index = up_bytes(NULL, (size_t)(rows * k) * sizeof(*index));
	done(dev->ops->topk(dev, index, up(x, rows, cols, DT_F32), k, &fault));
	got = room((size_t)(rows * k) * sizeof(*got));
	down_bytes(got, index, (size_t)(rows * k) * sizeof(*got));
	for (r = 0; r < rows; r++)
		for (i = 0; i < k; i++) {
			int32_t want = -1;

			for (j = 0; j < cols; j++) /* the best of those behind the one before */
				if ((i == 0 || x[r * cols + j] < x[r * cols + got[r * k + i - 1]] ||
				     (x[r * cols + j] == x[r * cols + got[r * k + i - 1]] && j > got[r * k + i - 1])) &&
				    (want < 0 || x[r * cols + j] > x[r * cols + want]))
					want = (int32_t)j;
			same("index", &got[r * k + i], &want, sizeof(want));
		}
	end();
}

static void
each_size(int64_t rows, int64_t cols, int i)
{
	static const enum dtype types[3] = { DT_F32, DT_BF16, DT_F16 };
	const enum dtype a = types[i % 3], b = types[(i + 1) % 3];

	layernorm_case(rows, cols, i & 1 ? DT_BF16 : DT_F32, i >> 1 & 1, i % 3 != 0);
	softmax_case(rows, cols, i & 1 ? 0.125f : 1, i >> 1 & 1);
	l2norm_case(rows, cols, i & 1);
	gather_case(rows, cols, a, b);
	scatter_case(rows, cols);
	pool_case(rows, cols);
	convert_case(rows, cols, a, b);
	convert_case(rows, cols, b, a);
	topk_case(rows, cols, (int)(cols < 5 ? cols : 5));
	if (rows * cols <= 33 * 1000 && cols > 1)
		layernorm_backward_case(rows, cols, i & 1 ? 0.5f : 0);
}

void
test_rows(void)
{
	int i, j;

	for (i = 0; i < SIZES; i++)
		for (j = 0; j < SIZES; j++)
			if (size_list[i] * size_list[j] <= 33 * 1000)
				each_size(size_list[i], size_list[j], i * SIZES + j);
	layernorm_case(3, 13000, DT_F32, 1, 1); /* rows too long for a kernel's own memory */
	layernorm_case(2, 12225, DT_BF16, 0, 1);
	layernorm_backward_case(1000, 33, 0);
	softmax_case(2, 13000, 1, 0);
	gather_integers();
	topk_case(3, 1000, 1000);
	softmax_masked();
	exp_edges();
}
