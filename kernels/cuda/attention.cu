/* SPDX-License-Identifier: MIT
 *
 * attention.cu - attention of heads over segments. The scores of a tile exist
 * only in shared memory, the softmax runs along (FlashAttention, Dao et al.
 * 2022): per query the largest score so far and the sum of exponentials under it.
 */
#include <stdlib.h>

#include "tiles.cuh"

int
attention_places(struct cuda_state *s, struct attention *a, struct segs qs, struct segs ks, struct segs of,
                 int64_t *tiles, struct adds_error *err)
{
	int64_t *at = (int64_t *)malloc((size_t)(of.n + 1) * sizeof(*at)), i;
	struct upload list[3] = { upload_segs(qs), upload_segs(ks), { at, (size_t)(of.n + 1) * sizeof(*at), NULL } };
	int rc;

	if (!at)
		return adds_fail(err, ADDS_ENOMEM, "out of memory");
	at[0] = 0;
	for (i = 0; i < of.n; i++)
		at[i + 1] = at[i] + index_ceil(of.at[i + 1] - of.at[i], TILE_OWN);
	*tiles = at[of.n];
	rc = cuda_upload(s, list, 3, err);
	free(at);
	a->n = of.n;
	a->qs = (const int64_t *)list[0].device;
	a->ks = (const int64_t *)list[1].device;
	a->tiles = (const int64_t *)list[2].device;
	return rc;
}

template <class Op>
__device__ static float
lanes_reduce(float x, Op op)
{
	int d;

	for (d = LANES / 2; d; d >>= 1)
		x = op(x, __shfl_xor_sync(0xffffffffu, x, d, LANES));
	return x;
}

/* a thread's view of the running softmax of its rows */
template <int W>
struct running {
	float most[OWN], sum[OWN], out[OWN][W / LANES];
};

/* scores of a tile to weights; what was summed under a smaller maximum is scaled down */
template <int W>
__device__ static void
update(struct running<W> &run, float score[OWN][PASS], const struct attention &a, const struct place &p, int64_t key)
{
	const int tx = threadIdx.x % LANES, ty = threadIdx.x / LANES;
	int i, j;

	for (i = 0; i < OWN; i++) {
		const int64_t query = p.from + ty * OWN + i;
		float most = run.most[i], sum = 0, shrink;

		for (j = 0; j < PASS; j++) {
			const int sees = index_sees(a.causal, query, p.nq, key + tx + j * LANES, p.nk);

			score[i][j] = sees ? a.scale * score[i][j] : -INFINITY;
			most = fmaxf(most, score[i][j]);
		}
		most = lanes_reduce(most, max_op());
		shrink = most == -INFINITY ? 1 : expf(run.most[i] - most);
		for (j = 0; j < PASS; j++) {
			score[i][j] = score[i][j] == -INFINITY ? 0 : expf(score[i][j] - most);
			sum += score[i][j];
		}
		run.sum[i] = run.sum[i] * shrink + lanes_reduce(sum, add_op());
		run.most[i] = most;
		for (j = 0; j < W / LANES; j++)
			run.out[i][j] *= shrink;
	}
}

template <int W>
__device__ static void
finish(struct running<W> &run, const struct attention &a, const struct place &p)
{
	const int tx = threadIdx.x % LANES, ty = threadIdx.x / LANES;
	int i, j;

	for (i = 0; i < OWN; i++) {
		const int64_t r = p.from + ty * OWN + i;
		const float share = run.sum[i] > 0 ? 1 / run.sum[i] : 0;

		for (j = 0; j < W / LANES; j++)
			run.out[i][j] *= share;
		if (a.lse && tx == 0 && r < p.nq)
			a.lse[(p.q0 + r) * a.heads + p.h] = run.most[i] + logf(run.sum[i]);
	}
	store_rows<W>(a.y, p.q0, p.from, p.nq, p.h, a.hd, run.out);
}

template <int W>
static size_t
shared_bytes(void)
{
	return ((TILE_OWN + TILE_PASS) * (W + 1) + TILE_OWN * SCORE_LD) * sizeof(float);
}

template <int W>
__global__ static void
attention_kernel(struct attention a)
{
	DYNAMIC_SHARED(float, shared);
	float *q = shared, *kv = q + TILE_OWN * (W + 1), *weight = kv + TILE_PASS * (W + 1);
	const struct place p = place_of_block(a);
	const int64_t keys = index_keys(a.causal, p.from, TILE_OWN, p.nk);
	struct running<W> run;
	float score[OWN][PASS];
	int64_t key;
	int i, j;

	for (i = 0; i < OWN; i++) {
		run.most[i] = -INFINITY;
		run.sum[i] = 0;
		for (j = 0; j < W / LANES; j++)
			run.out[i][j] = 0;
	}
	load_tile<W>(q, a.q, p.q0, p.from, p.nq, TILE_OWN, p.h, a.hd);
	for (key = 0; key < keys; key += TILE_PASS) {
		__syncthreads();
		load_tile<W>(kv, a.k, p.k0, key, p.nk, TILE_PASS, p.h, a.hd);
		__syncthreads();
		multiply_rows<W>(score, q, kv);
		update<W>(run, score, a, p, key);
		put_scores<PASS>(weight, score);
		__syncthreads();
		load_tile<W>(kv, a.v, p.k0, key, p.nk, TILE_PASS, p.h, a.hd);
		__syncthreads();
		multiply_scores<W>(run.out, weight, kv);
	}
	finish<W>(run, a, p);
}

template <int W>
static int
launch(struct cuda_state *s, const struct attention &a, int64_t tiles, struct adds_error *err)
{
	const dim3 grid((unsigned)tiles, (unsigned)a.heads);

	TRY(allow_shared(attention_kernel<W>, shared_bytes<W>(), err));
	LAUNCH(attention_kernel<W>, grid, BLOCK, shared_bytes<W>(), s->stream)(a);
	CU_LAUNCHED("attention");
	return 0;
}

int
cuda_attention(struct backend *b, struct mat y, float *lse, struct mat q, struct mat k, struct mat v, int heads,
               float scale, int causal, struct segs qs, struct segs ks, struct adds_error *err)
{
	struct cuda_state *s = cuda_enter(b);
	struct attention a;
	int64_t tiles;
	int rc;

	assert(qs.n == ks.n && q.cols % heads == 0 && q.cols / heads <= 128);
	if (!qs.n || !qs.at[qs.n] || !q.cols)
		return 0;
	memset(&a, 0, sizeof(a));
	a.y = y;
	a.q = q;
	a.k = k;
	a.v = v;
	a.lse = lse;
	a.heads = heads;
	a.hd = (int)(q.cols / heads);
	a.scale = scale;
	a.causal = causal;
	TRY(attention_places(s, &a, qs, ks, qs, &tiles, err));
	if ((rc = attention_mma(s, a, tiles, err)) != 1)
		return rc;
	return a.hd <= 32   ? launch<32>(s, a, tiles, err)
	       : a.hd <= 64 ? launch<64>(s, a, tiles, err)
	                    : launch<128>(s, a, tiles, err);
}
