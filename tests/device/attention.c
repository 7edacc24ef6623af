/* SPDX-License-Identifier: MIT
 * attention.c - attention and its gradients, ragged and causal */
#include "suite.h"

struct shape {
	int heads, hd, causal, n;
	enum dtype t;
	int64_t q[4], k[4]; /* rows of each segment */
	int even;           /* rows an even number apart: bf16 is read two by two then */
};

struct whole {
	const struct shape *s;
	struct segs qs, ks;
	double *q, *k, *v, *weight, scale;
};

static struct segs
segments(const int64_t *length, int n)
{
	int64_t *at = room((size_t)(n + 1) * sizeof(*at));
	int i;

	for (i = 0; i < n; i++)
		at[i + 1] = at[i] + length[i];
	return (struct segs){ n, at };
}

/* one query of one head: y[hd]; returns the logarithm of the sum */
static double
query(const struct whole *w, double *y, int64_t r, int seg, int h)
{
	const int64_t width = (int64_t)w->s->heads * w->s->hd, k0 = w->ks.at[seg];
	const int64_t all = w->ks.at[seg + 1] - k0, seen = r - w->qs.at[seg] + 1;
	const int64_t n = w->s->causal && seen < all ? seen : all;
	double most = -INFINITY, sum = 0, *p = malloc((size_t)(n + 1) * sizeof(*p));
	int64_t j;
	int c;

	for (j = 0; j < n; j++) {
		double dot = 0;

		for (c = 0; c < w->s->hd; c++)
			dot += w->q[r * width + h * w->s->hd + c] * w->k[(k0 + j) * width + h * w->s->hd + c];
		p[j] = w->scale * dot;
		most = fmax(most, p[j]);
	}
	memset(y, 0, (size_t)w->s->hd * sizeof(*y));
	for (j = 0; j < n; j++)
		sum += exp(p[j] - most);
	for (j = 0; j < n; j++)
		for (c = 0; c < w->s->hd; c++)
			y[c] += exp(p[j] - most) / sum * w->v[(k0 + j) * width + h * w->s->hd + c];
	free(p);
	return most + log(sum);
}

static void
forward(const struct whole *w, double *y, double *lse)
{
	const int heads = w->s->heads;
	int64_t r;
	int s, h;

	for (s = 0; s < w->s->n; s++)
		for (r = w->qs.at[s]; r < w->qs.at[s + 1]; r++)
			for (h = 0; h < heads; h++)
				lse[r * heads + h] = query(w, y + (r * heads + h) * w->s->hd, r, s, h);
}

static double
weighed(void *arg)
{
	const struct whole *w = arg;
	const int64_t rows = w->qs.at[w->qs.n], width = (int64_t)w->s->heads * w->s->hd;
	double *y = calloc((size_t)(rows * width) + 1, sizeof(*y));
	double *lse = calloc((size_t)(rows * w->s->heads) + 1, sizeof(*lse)), sum = 0;
	int64_t i;

	forward(w, y, lse);
	for (i = 0; i < rows * width; i++)
		sum += y[i] * w->weight[i];
	free(lse);
	free(y);
	return sum;
}

static void
backward(const struct shape *s, struct whole *w, struct mat q, struct mat k, struct mat v, struct mat y, void *lse,
         float *dy)
{
	const int64_t rq = q.rows, rk = k.rows, width = q.cols;
	struct mat dq = blank(rq, width, DT_F32), dk = blank(rk, width, DT_F32), dv = blank(rk, width, DT_F32);

	w->weight = doubles(dy, rq * width);
	done(dev->ops->attention_backward(dev, dq, dk, dv, up(dy, rq, width, DT_F32), y, lse, q, k, v, s->heads,
	                                  (float)w->scale, s->causal, w->qs, w->ks, &fault));
	slope("dq", down(dq), w->q, rq * width, weighed, w, 1e-4, 1e-5);
	slope("dk", down(dk), w->k, rk * width, weighed, w, 1e-4, 1e-5);
	slope("dv", down(dv), w->v, rk * width, weighed, w, 1e-4, 1e-5);
}

/* error seen: 5e-7 in f32; bf16 rounds Y to 8 bits */
static void
attention_case(const struct shape *s, int gradients)
{
	struct whole w = { .s = s, .qs = segments(s->q, s->n), .ks = segments(s->k, s->n) };
	const int64_t width = (int64_t)s->heads * s->hd, rq = w.qs.at[s->n], rk = w.ks.at[s->n];
	float *q, *k, *v, *dy, *got;
	double *want, *want_lse;
	struct mat mq, mk, mv, my;
	void *lse;

	begin("attention", "%lld x %lld, %d heads of %d, causal %d, type %d, %d segments%s", (long long)rq, (long long)rk,
	      s->heads, s->hd, s->causal, (int)s->t, s->n, s->even ? ", even rows" : "");
	row_pad += s->even;
	w.scale = (double)(float)(1 / sqrt((double)s->hd));
	q = uniform(rq * width, -3, 3);
	k = uniform(rk * width, -3, 3);
	v = uniform(rk * width, -1, 1);
	dy = uniform(rq * width, -1, 1);
	mq = up(q, rq, width, s->t);
	mk = up(k, rk, width, s->t);
	mv = up(v, rk, width, s->t);
	my = blank(rq, width, s->t);
	lse = up_bytes(NULL, (size_t)(rq * s->heads) * sizeof(float));
	done(dev->ops->attention(dev, my, lse, mq, mk, mv, s->heads, (float)w.scale, s->causal, w.qs, w.ks, &fault));
	w.q = doubles(q, rq * width);
	w.k = doubles(k, rk * width);
	w.v = doubles(v, rk * width);
	want = room((size_t)(rq * width) * sizeof(*want));
	want_lse = room((size_t)(rq * s->heads) * sizeof(*want_lse));
	forward(&w, want, want_lse);
	near_("y", down(my), want, rq * width, s->t == DT_BF16 ? 8e-3 : 1e-6, s->t == DT_BF16 ? 4e-3 : 2e-6);
	got = room((size_t)(rq * s->heads) * sizeof(*got));
	down_bytes(got, lse, (size_t)(rq * s->heads) * sizeof(*got));
	near_("lse", got, want_lse, rq * s->heads, s->t == DT_BF16 ? 1e-5 : 1e-6, s->t == DT_BF16 ? 1e-5 : 2e-6);
	if (gradients)
		backward(s, &w, mq, mk, mv, my, lse, dy);
	end();
}

/* bf16, rows an odd and an even number apart */
static void
narrow_case(struct shape s)
{
	s.t = DT_BF16;
	for (s.even = 0; s.even < 2; s.even++)
		attention_case(&s, 0);
}

static void
widths(void)
{
	static const int list[] = { 1, 8, 31, 32, 40, 64, 72, 80, 96, 104, 128 };
	struct shape s = { 2, 0, 0, 2, DT_F32, { 9, 33 }, { 35, 7 }, 0 };
	size_t i;

	for (i = 0; i < sizeof(list) / sizeof(*list); i++) {
		s.hd = list[i];
		s.causal = (int)i & 1;
		attention_case(&s, 1);
		narrow_case(s);
	}
}

static void
lengths(void)
{
	int i, j, causal;

	for (i = 0; i < SIZES; i++)
		for (j = 1; j < SIZES; j++)
			for (causal = 0; causal < 2; causal++) {
				struct shape s = { 1, 64, causal, 1, DT_F32, { size_list[i] }, { size_list[j] }, 0 };

				if (size_list[i] * size_list[j] > 33 * 1000)
					continue;
				attention_case(&s, size_list[i] * size_list[j] <= 2000);
				narrow_case(s);
			}
}

static void
ragged(void)
{
	struct shape s = { 3, 24, 0, 4, DT_F32, { 5, 0, 70, 1 }, { 130, 4, 65, 1 }, 0 };

	attention_case(&s, 1);
	s.causal = 1;
	attention_case(&s, 1);
	s = (struct shape){ 12, 64, 0, 3, DT_F32, { 50, 50, 50 }, { 50, 50, 50 }, 0 };
	attention_case(&s, 0);
	s = (struct shape){ 8, 64, 1, 4, DT_F32, { 7, 12, 9, 77 }, { 7, 12, 9, 77 }, 0 };
	attention_case(&s, 0);
	narrow_case(s);
	narrow_case((struct shape){ 3, 80, 0, 4, DT_BF16, { 5, 0, 70, 1 }, { 130, 4, 65, 1 }, 0 });
	narrow_case((struct shape){ 2, 128, 0, 2, DT_BF16, { 257, 16 }, { 257, 64 }, 0 });
	narrow_case((struct shape){ 2, 64, 1, 2, DT_BF16, { 400, 265 }, { 400, 265 }, 0 });
}

/* scores far apart: the running maximum has to be taken off */
static void
large_scores(void)
{
	float q[2] = { 300, -300 }, k[4] = { 1, -1, 0.5f, 0.98f }, v[4] = { 1, 2, 3, 4 };
	const int64_t at[2] = { 0, 2 }, kt[2] = { 0, 4 };
	const double e = exp(300 * (double)0.98f - 300), want[2] = { (1 + 4 * e) / (1 + e), 2 };
	struct mat y;

	begin("attention", "with scores of 300");
	y = blank(2, 1, DT_F32);
	done(dev->ops->attention(dev, y, NULL, up(q, 2, 1, DT_F32), up(k, 4, 1, DT_F32), up(v, 4, 1, DT_F32), 1, 1, 0,
	                         (struct segs){ 1, at }, (struct segs){ 1, kt }, &fault));
	near_("y", down(y), want, 2, 2e-5, 0);
	end();
}

void
test_attention(void)
{
	widths();
	lengths();
	ragged();
	large_scores();
}
