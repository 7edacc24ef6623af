/* SPDX-License-Identifier: MIT
 *
 * attention_backward.cu - gradients of attention, from Y and the logarithms
 * of the sums: the weights are computed again, tile by tile. One kernel owns
 * queries and gives dQ, one owns keys and gives dK and dV, so that each sum
 * has one owner and one order.
 *
 * P = exp(scale·QKᵀ − lse), dV = PᵀdY, dS = scale·P∘(dY·Vᵀ − Σ dY·Y),
 * dQ = dS·K, dK = dSᵀQ.
 */
#include "tiles.cuh"

/* Σ over the columns of a head of dY·Y: delta[row][head], a thread each */
static int
deltas(struct cuda_state *s, float *delta, const struct attention &a, int64_t rows, struct adds_error *err)
{
	const struct mat y = a.y, dy = a.dy;
	const int hd = a.hd, heads = a.heads;

	return each(
		s, rows, heads, [=] __device__(int64_t r, int64_t h) {
			float sum = 0;
			int c;

			for (c = 0; c < hd; c++)
				sum += mat_load(dy, r, h * hd + c) * mat_load(y, r, h * hd + c);
			delta[r * heads + h] = sum;
		},
		"attention_backward", err);
}

/* weight of key j for query i, given their product; 0 where it does not look */
__device__ static float
weight_of(const struct attention &a, const struct place &p, int64_t i, int64_t j, float product)
{
	if (!index_sees(a.causal, i, p.nq, j, p.nk))
		return 0;
	return expf(a.scale * product - a.lse[(p.q0 + i) * a.heads + p.h]);
}

/* gradient of that product, given the one of the weight */
__device__ static float
slope_of(const struct attention &a, const struct place &p, int64_t i, float weight, float dweight)
{
	return weight == 0 ? 0 : a.scale * weight * (dweight - a.delta[(p.q0 + i) * a.heads + p.h]);
}

template <int W>
__device__ static void
zero(float m[OWN][W / LANES])
{
	int i, j;

	for (i = 0; i < OWN; i++)
		for (j = 0; j < W / LANES; j++)
			m[i][j] = 0;
}

/* shared memory of both kernels: two tiles that are owned, two that pass by, two of scores */
template <int W, int P>
struct shared_tiles {
	float own[2][TILE_OWN * (W + 1)], pass[2][P * LANES * (W + 1)], score[2][TILE_OWN * SCORE_LD];
};

template <int W, int P>
__global__ static void
queries_kernel(struct attention a)
{
	DYNAMIC_SHARED(char, shared);
	struct shared_tiles<W, P> &t = *(struct shared_tiles<W, P> *)shared;
	const struct place p = place_of_block(a);
	const int64_t keys = index_keys(a.causal, p.from, TILE_OWN, p.nk);
	const int tx = threadIdx.x % LANES, ty = threadIdx.x / LANES;
	float dq[OWN][W / LANES], product[OWN][P], dweight[OWN][P];
	int64_t key;
	int i, j;

	zero<W>(dq);
	load_tile<W>(t.own[0], a.q, p.q0, p.from, p.nq, TILE_OWN, p.h, a.hd);
	load_tile<W>(t.own[1], a.dy, p.q0, p.from, p.nq, TILE_OWN, p.h, a.hd);
	for (key = 0; key < keys; key += P * LANES) {
		__syncthreads();
		load_tile<W>(t.pass[0], a.k, p.k0, key, p.nk, P * LANES, p.h, a.hd);
		load_tile<W>(t.pass[1], a.v, p.k0, key, p.nk, P * LANES, p.h, a.hd);
		__syncthreads();
		multiply_rows<W, P>(product, t.own[0], t.pass[0]);
		multiply_rows<W, P>(dweight, t.own[1], t.pass[1]);
		for (i = 0; i < OWN; i++)
			for (j = 0; j < P; j++) {
				const int64_t q = p.from + ty * OWN + i;
				const float w = weight_of(a, p, q, key + tx + j * LANES, product[i][j]);

				product[i][j] = slope_of(a, p, q, w, dweight[i][j]);
			}
		put_scores<P>(t.score[0], product);
		__syncthreads();
		multiply_scores<W, P>(dq, t.score[0], t.pass[0]);
	}
	store_rows<W>(a.dq, p.q0, p.from, p.nq, p.h, a.hd, dq);
}

/* the same with keys as owners: keys that no query looks at get zeros */
template <int W, int P>
__global__ static void
keys_kernel(struct attention a)
{
	DYNAMIC_SHARED(char, shared);
	struct shared_tiles<W, P> &t = *(struct shared_tiles<W, P> *)shared;
	const struct place p = place_of_block(a);
	const int tx = threadIdx.x % LANES, ty = threadIdx.x / LANES;
	float dk[OWN][W / LANES], dv[OWN][W / LANES], product[OWN][P], dweight[OWN][P];
	int64_t query = index_first_query(a.causal, p.from) / (P * LANES) * (P * LANES);
	int i, j;

	zero<W>(dk);
	zero<W>(dv);
	load_tile<W>(t.own[0], a.k, p.k0, p.from, p.nk, TILE_OWN, p.h, a.hd);
	load_tile<W>(t.own[1], a.v, p.k0, p.from, p.nk, TILE_OWN, p.h, a.hd);
	for (; query < p.nq; query += P * LANES) {
		__syncthreads();
		load_tile<W>(t.pass[0], a.q, p.q0, query, p.nq, P * LANES, p.h, a.hd);
		load_tile<W>(t.pass[1], a.dy, p.q0, query, p.nq, P * LANES, p.h, a.hd);
		__syncthreads();
		multiply_rows<W, P>(product, t.own[0], t.pass[0]);
		multiply_rows<W, P>(dweight, t.own[1], t.pass[1]);
		for (i = 0; i < OWN; i++)
			for (j = 0; j < P; j++) {
				const int64_t q = query + tx + j * LANES;
				const float w = weight_of(a, p, q, p.from + ty * OWN + i, product[i][j]);

				product[i][j] = w;
				dweight[i][j] = slope_of(a, p, q, w, dweight[i][j]);
			}
		put_scores<P>(t.score[0], product);
		put_scores<P>(t.score[1], dweight);
		__syncthreads();
		multiply_scores<W, P>(dv, t.score[0], t.pass[1]);
		multiply_scores<W, P>(dk, t.score[1], t.pass[0]);
	}
	store_rows<W>(a.dk, p.k0, p.from, p.nk, p.h, a.hd, dk);
	store_rows<W>(a.dv, p.k0, p.from, p.nk, p.h, a.hd, dv);
}

template <class K>
static int
launch(struct cuda_state *s, K kernel, size_t bytes, const struct attention &a, int64_t tiles, struct adds_error *err)
{
	if (!tiles)
		return 0;
	TRY(allow_shared(kernel, bytes, err));
	LAUNCH(kernel, dim3((unsigned)tiles, (unsigned)a.heads), BLOCK, bytes, s->stream)(a);
	CU_LAUNCHED("attention_backward");
	return 0;
}

template <int W, int P>
static int
run(struct cuda_state *s, struct attention a, struct segs qs, struct segs ks, struct adds_error *err)
{
	int64_t tiles;

	TRY(attention_places(s, &a, qs, ks, qs, &tiles, err));
	TRY(launch(s, queries_kernel<W, P>, sizeof(struct shared_tiles<W, P>), a, tiles, err));
	TRY(attention_places(s, &a, qs, ks, ks, &tiles, err));
	return launch(s, keys_kernel<W, P>, sizeof(struct shared_tiles<W, P>), a, tiles, err);
}

int
cuda_attention_backward(struct backend *b, struct mat dq, struct mat dk, struct mat dv, struct mat dy, struct mat y,
                        const float *lse, struct mat q, struct mat k, struct mat v, int heads, float scale, int causal,
                        struct segs qs, struct segs ks, struct adds_error *err)
{
	struct cuda_state *s = cuda_enter(b);
	struct attention a;
	void *delta;

	assert(qs.n == ks.n && q.cols % heads == 0 && q.cols / heads <= 128 && lse);
	if (!qs.n || !q.cols)
		return 0;
	memset(&a, 0, sizeof(a));
	a.y = y;
	a.q = q;
	a.k = k;
	a.v = v;
	a.dy = dy;
	a.dq = dq;
	a.dk = dk;
	a.dv = dv;
	a.lse = (float *)lse;
	a.heads = heads;
	a.hd = (int)(q.cols / heads);
	a.scale = scale;
	a.causal = causal;
	TRY(cuda_scratch(s, &delta, (size_t)(qs.at[qs.n] * heads) * sizeof(float), err));
	TRY(deltas(s, (float *)delta, a, qs.at[qs.n], err));
	a.delta = (const float *)delta;
	if (a.hd > 96 && s->shared < sizeof(struct shared_tiles<128, PASS>)) /* the 99 KB of consumers' cards */
		return run<128, 1>(s, a, qs, ks, err);
	return a.hd <= 32   ? run<32, PASS>(s, a, qs, ks, err)
	       : a.hd <= 64 ? run<64, PASS>(s, a, qs, ks, err)
	       : a.hd <= 96 ? run<96, PASS>(s, a, qs, ks, err)
	                    : run<128, PASS>(s, a, qs, ks, err);
}
