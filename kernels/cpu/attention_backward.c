/* SPDX-License-Identifier: MIT
 * attention_backward.c - gradients of attention; probabilities are computed
 * again from the stored logarithms of their sums */
#include <math.h>

#include "cpu.h"

enum {
	WIDEST = 128, /* of a head */
};

struct work {
	struct mat dq, dk, dv, dy, y, q, k, v;
	const float *lse;
	int heads, hd, causal;
	float scale;
};

static float
dot(const float *a, const float *b, int n)
{
	float s = 0;
	int i;

	for (i = 0; i < n; i++)
		s += a[i] * b[i];
	return s;
}

static void
clear(struct mat m, int64_t begin, int64_t end, int64_t c0, int n)
{
	int64_t r;

	for (r = begin; r < end; r++)
		memset(row_f32(m, r) + c0, 0, (size_t)n * sizeof(float));
}

/* query r of head h against n keys from k0 */
static void
query(const struct work *w, int64_t r, int h, int64_t k0, int64_t n)
{
	const int hd = w->hd;
	const int64_t c0 = (int64_t)h * hd;
	const float *q = row_f32(w->q, r) + c0, *dy = row_f32(w->dy, r) + c0;
	float *dq = row_f32(w->dq, r) + c0;
	const float delta = dot(dy, row_f32(w->y, r) + c0, hd), lse = w->lse[r * w->heads + h];
	int64_t j;
	int c;

	for (j = k0; j < k0 + n; j++) {
		const float *k = row_f32(w->k, j) + c0, *v = row_f32(w->v, j) + c0;
		float *dk = row_f32(w->dk, j) + c0, *dv = row_f32(w->dv, j) + c0;
		const float p = expf(w->scale * dot(q, k, hd) - lse);
		const float ds = w->scale * p * (dot(dy, v, hd) - delta);

		for (c = 0; c < hd; c++) {
			dq[c] += ds * k[c];
			dk[c] += ds * q[c];
			dv[c] += p * dy[c];
		}
	}
}

int
cpu_attention_backward(struct backend *b, struct mat dq, struct mat dk, struct mat dv, struct mat dy, struct mat y,
                       const float *lse, struct mat q, struct mat k, struct mat v, int heads, float scale, int causal,
                       struct segs qs, struct segs ks, struct adds_error *err)
{
	const struct work w = { dq, dk, dv, dy, y, q, k, v, lse, heads, (int)(q.cols / heads), causal, scale };
	int64_t i;

	(void)err;
	assert(qs.n == ks.n && q.cols % heads == 0 && w.hd <= WIDEST);
#pragma omp parallel for schedule(dynamic) num_threads(b->threads)
	for (i = 0; i < qs.n * heads; i++) {
		const int64_t s = i / heads, q0 = qs.at[s], k0 = ks.at[s], nk = ks.at[s + 1] - k0;
		const int h = (int)(i % heads);
		int64_t r;

		clear(dq, q0, qs.at[s + 1], (int64_t)h * w.hd, w.hd);
		clear(dk, k0, ks.at[s + 1], (int64_t)h * w.hd, w.hd);
		clear(dv, k0, ks.at[s + 1], (int64_t)h * w.hd, w.hd);
		for (r = q0; r < qs.at[s + 1]; r++)
			query(&w, r, h, k0, causal ? min_i64(nk, r - q0 + 1) : nk);
	}
	return 0;
}
