/* SPDX-License-Identifier: MIT
 *
 * head_backward.c - gradients of one head of attention. The weights are
 * computed again from the logarithms of their sums, block by block:
 * P = exp(scale·Q·Kᵀ − lse), dP = dY·Vᵀ, dS = scale·P·(dP − Σ dY·Y);
 * dQ = dS·K, dK = dSᵀ·Q, dV = Pᵀ·dY. Keys in the outer loop, so that dQ
 * gathers over the blocks of keys in order.
 */
#include "simd.h"

#define pack_panel SIMD_NAME(cpu_pack_panel)
#define add_tile SIMD_NAME(cpu_tile)

enum {
	KEYS = 128,
	QUERIES = 60, /* a multiple of every tile height */
};

struct room {
	float kt[HEAD_WIDTH * KEYS], vt[HEAD_WIDTH * KEYS];        /* panels of columns: keys */
	float k[KEYS * HEAD_WIDTH];                                /* panels of columns: of the head */
	float q[QUERIES * HEAD_WIDTH], dy[QUERIES * HEAD_WIDTH];   /* rows */
	float qp[QUERIES * HEAD_WIDTH], dyp[QUERIES * HEAD_WIDTH]; /* the same as panels */
	float p[QUERIES * KEYS], ds[QUERIES * KEYS];
	float pt[KEYS * QUERIES], dst[KEYS * QUERIES];
	float dq[QUERIES * HEAD_WIDTH], dk[KEYS * HEAD_WIDTH], dv[KEYS * HEAD_WIDTH];
};

size_t
SIMD_NAME(cpu_head_backward_work)(void)
{
	return sizeof(struct room);
}

/* panels of columns of x's rows r0 … r0+n-1 */
static void
pack(float *panels, struct mat x, int64_t r0, int64_t n)
{
	int64_t j;

	for (j = 0; j < x.cols; j += PANEL)
		pack_panel(panels + j * n, mat_at(x, r0, j), x.t, x.ld, 1, n, min_i64(PANEL, x.cols - j));
}

/* the same of x transposed */
static void
pack_transposed(float *panels, struct mat x, int64_t r0, int64_t n)
{
	int64_t j;

	for (j = 0; j < n; j += PANEL)
		pack_panel(panels + j * x.cols, mat_at(x, r0 + j, 0), x.t, 1, x.ld, x.cols, min_i64(PANEL, n - j));
}

/* C[rows, n] (+)= A[rows,k]·panels */
static void
product(float *c, int64_t ldc, const float *a, int64_t lda, const float *panels, int64_t rows, int64_t n, int64_t k,
        int first)
{
	int64_t j;

	for (j = 0; j < n; j += PANEL)
		add_tile(c + j, ldc, a, lda, panels + j * k, k, rows, first, panels + j * k);
}

/* one query: from scores in p and dP in ds to P and dS of n keys; of the others in total, zeros */
static void
weights(float *p, float *ds, float lse, float delta, float scale, int64_t n, int64_t total)
{
	int64_t j;

	for (j = 0; j < n; j += VL) {
		const vf w = exp_(fma_(splat(scale), load(p + j), splat(-lse)));

		store(p + j, w);
		store(ds + j, splat(scale) * w * (load(ds + j) - splat(delta)));
	}
	for (j = n > 0 ? n : 0; j < total; j++)
		p[j] = ds[j] = 0;
}

static void
transpose(float *y, const float *x, int64_t rows, int64_t cols)
{
	int64_t r, c;

	for (c = 0; c < cols; c++)
		for (r = 0; r < rows; r++)
			y[c * QUERIES + r] = x[r * KEYS + c];
}

static void
load_queries(const struct head *h, const struct head_gradients *g, struct room *m, int64_t q0, int64_t rows)
{
	int64_t r;

	for (r = 0; r < rows; r++) {
		load_row(m->q + r * HEAD_WIDTH, mat_at(h->q, q0 + r, 0), h->q.t, h->q.cols);
		load_row(m->dy + r * HEAD_WIDTH, mat_at(g->dy, q0 + r, 0), g->dy.t, h->q.cols);
	}
	pack(m->qp, h->q, q0, rows);
	pack(m->dyp, g->dy, q0, rows);
}

static float
delta_of(const struct head *h, const struct room *m, int64_t q, int64_t r)
{
	float y[HEAD_WIDTH];

	load_row(y, mat_at(h->y, q, 0), h->y.t, h->q.cols);
	return SIMD_NAME(cpu_row_dot)(y, m->dy + r * HEAD_WIDTH, h->q.cols);
}

static void
add_queries(const struct head_gradients *g, const struct room *m, int64_t q0, int64_t rows)
{
	int64_t r, c;

	for (r = 0; r < rows; r++)
		for (c = 0; c < g->dq.cols; c++)
			row_f32(g->dq, q0 + r)[c] += m->dq[r * HEAD_WIDTH + c];
}

/* queries q0 … against n keys from k0 */
static void
block(const struct head *h, const struct head_gradients *g, struct room *m, int64_t q0, int64_t rows, int64_t k0,
      int64_t n)
{
	const int64_t hd = h->q.cols;
	int64_t r;

	load_queries(h, g, m, q0, rows);
	product(m->p, KEYS, m->q, HEAD_WIDTH, m->kt, rows, n, hd, 1);
	product(m->ds, KEYS, m->dy, HEAD_WIDTH, m->vt, rows, n, hd, 1);
	for (r = 0; r < rows; r++)
		weights(m->p + r * KEYS, m->ds + r * KEYS, h->lse[(q0 + r) * h->step], delta_of(h, m, q0 + r, r), h->scale,
		        h->causal ? min_i64(n, q0 + r + 1 - k0) : n, n);
	product(m->dq, HEAD_WIDTH, m->ds, KEYS, m->k, rows, hd, n, 1);
	add_queries(g, m, q0, rows);
	transpose(m->pt, m->p, rows, n);
	transpose(m->dst, m->ds, rows, n);
	product(m->dv, HEAD_WIDTH, m->pt, QUERIES, m->dyp, n, hd, rows, 0);
	product(m->dk, HEAD_WIDTH, m->dst, QUERIES, m->qp, n, hd, rows, 0);
}

static void
keys(const struct head *h, const struct head_gradients *g, struct room *m, int64_t k0, int64_t n)
{
	int64_t q0, r;

	pack_transposed(m->kt, h->k, k0, n);
	pack_transposed(m->vt, h->v, k0, n);
	pack(m->k, h->k, k0, n);
	memset(m->dk, 0, sizeof(m->dk));
	memset(m->dv, 0, sizeof(m->dv));
	for (q0 = 0; q0 < h->q.rows; q0 += QUERIES) {
		const int64_t rows = min_i64(QUERIES, h->q.rows - q0);

		if (!h->causal || q0 + rows > k0)
			block(h, g, m, q0, rows, k0, n);
	}
	for (r = 0; r < n; r++) {
		memcpy(row_f32(g->dk, k0 + r), m->dk + r * HEAD_WIDTH, (size_t)h->q.cols * sizeof(float));
		memcpy(row_f32(g->dv, k0 + r), m->dv + r * HEAD_WIDTH, (size_t)h->q.cols * sizeof(float));
	}
}

void
SIMD_NAME(cpu_head_backward)(const struct head *h, const struct head_gradients *g, void *work)
{
	int64_t r, k0;

	for (r = 0; r < h->q.rows; r++)
		memset(row_f32(g->dq, r), 0, (size_t)h->q.cols * sizeof(float));
	for (k0 = 0; k0 < h->k.rows; k0 += KEYS)
		keys(h, g, work, k0, min_i64(KEYS, h->k.rows - k0));
}
