/* SPDX-License-Identifier: MIT
 * attention.c - attention of heads over segments */
#include <math.h>
#include <omp.h>
#include <stdlib.h>

#include "cpu.h"

enum {
	WIDEST = 128, /* of a head */
};

struct work {
	struct mat y, q, k, v;
	float *lse;
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

/* one query: keys k0 … k0+n-1, one at a time, the sum rescaled when a larger score comes */
static void
query(const struct work *w, int64_t r, int h, int64_t k0, int64_t n)
{
	float q[WIDEST], k[WIDEST], v[WIDEST], y[WIDEST] = { 0 }, most = -INFINITY, sum = 0;
	const int hd = w->hd;
	int64_t j;
	int c;

	cpu_load(q, mat_at(w->q, r, (int64_t)h * hd), w->q.t, hd);
	for (j = 0; j < n; j++) {
		float s, p, old = 1;

		cpu_load(k, mat_at(w->k, k0 + j, (int64_t)h * hd), w->k.t, hd);
		cpu_load(v, mat_at(w->v, k0 + j, (int64_t)h * hd), w->v.t, hd);
		s = w->scale * dot(q, k, hd);
		if (s > most) {
			old = expf(most - s);
			most = s;
		}
		p = expf(s - most);
		sum = sum * old + p;
		for (c = 0; c < hd; c++)
			y[c] = y[c] * old + p * v[c];
	}
	for (c = 0; c < hd; c++)
		y[c] = n ? y[c] / sum : 0;
	cpu_store(mat_at(w->y, r, (int64_t)h * hd), w->y.t, y, hd);
	if (w->lse)
		w->lse[r * w->heads + h] = most + logf(sum);
}

int
cpu_attention(struct backend *b, struct mat y, float *lse, struct mat q, struct mat k, struct mat v, int heads,
              float scale, int causal, struct segs qs, struct segs ks, struct adds_error *err)
{
	const struct work w = { y, q, k, v, lse, heads, (int)(q.cols / heads), causal, scale };
	int64_t i;

	(void)err;
	assert(qs.n == ks.n && q.cols % heads == 0 && w.hd <= WIDEST);
#pragma omp parallel for schedule(dynamic) num_threads(b->threads)
	for (i = 0; i < qs.n * heads; i++) {
		const int64_t s = i / heads, q0 = qs.at[s], k0 = ks.at[s], nk = ks.at[s + 1] - k0;
		int64_t r;

		for (r = q0; r < qs.at[s + 1]; r++)
			query(&w, r, (int)(i % heads), k0, causal ? min_i64(nk, r - q0 + 1) : nk);
	}
	return 0;
}
