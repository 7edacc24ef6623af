/* SPDX-License-Identifier: MIT
 *
 * attention_mma.cu - forward attention of bf16 with tensor cores: the same
 * walk over tiles as attention.cu. A warp owns 16 queries whose scores,
 * weights and sums stay in registers, in the fragments of mma.m16n8k16; what
 * comes out of the first product is, rounded to bf16, what goes into the
 * second. Keys lie in shared memory row by row, values column by column, so
 * that either product reads pairs; rows are 4 words longer than they need be,
 * which keeps the lanes of a warp on different banks.
 */
#include "tiles.cuh"

enum {
	WARPS = 4,
	THREADS = 32 * WARPS,
	QUERIES = TILE_OWN / WARPS, /* of a warp */
	KEYS = 64,                  /* of a tile that passes by */
	BLOCKS = KEYS / 8,          /* score fragments of a warp */
	PAD = 4,
};

static_assert(QUERIES == 16, "a warp has the rows of one fragment");

/* eight elements of a row, from column c of head h on; zeros outside */
__device__ static inline uint4
eight(const struct mat &m, int64_t row, int inside, int h, int c, int hd, int wide)
{
	const uint16_t *p = (const uint16_t *)m.p + row * m.ld + (int64_t)h * hd + c;
	uint4 v = { 0, 0, 0, 0 };

	if (!inside || c >= hd)
		return v;
	if (wide)
		return *(const uint4 *)p;
	v.x = p[0] | (uint32_t)p[1] << 16;
	v.y = p[2] | (uint32_t)p[3] << 16;
	v.z = p[4] | (uint32_t)p[5] << 16;
	v.w = p[6] | (uint32_t)p[7] << 16;
	return v;
}

/* keys from … of the segment to tile[KEYS][W/2 + PAD]: threads side by side along a row */
template <int W>
__device__ static inline void
load_keys(uint32_t *tile, const struct attention &a, const struct place &p, int64_t from, int wide)
{
	int i;

	for (i = threadIdx.x; i < KEYS * (W / 8); i += THREADS) {
		const int r = i / (W / 8), c = i % (W / 8) * 8;
		const uint4 v = eight(a.k, p.k0 + from + r, from + r < p.nk, p.h, c, a.hd, wide);
		uint32_t *to = tile + r * (W / 2 + PAD) + c / 2;

		to[0] = v.x;
		to[1] = v.y;
		to[2] = v.z;
		to[3] = v.w;
	}
}

/* values from … of the segment, turned, to tile[W][KEYS/2 + PAD]: threads side by side along the keys */
template <int W>
__device__ static inline void
load_values(uint32_t *tile, const struct attention &a, const struct place &p, int64_t from, int wide)
{
	uint16_t *to = (uint16_t *)tile;
	int i, j;

	for (i = threadIdx.x; i < KEYS * (W / 8); i += THREADS) {
		const int r = i % KEYS, c = i / KEYS * 8;
		const uint4 v = eight(a.v, p.k0 + from + r, from + r < p.nk, p.h, c, a.hd, wide);
		const uint32_t word[4] = { v.x, v.y, v.z, v.w };

		for (j = 0; j < 8; j++)
			to[(c + j) * (KEYS + 2 * PAD) + r] = (uint16_t)(word[j / 2] >> 16 * (j & 1));
	}
}

/* what a lane keeps of its two rows (elements 0, 1 and 2, 3 of a fragment) */
template <int W>
struct rows {
	uint32_t q[W / 16][4];
	float most[2], sum[2], out[W / 8][4];
};

template <int W>
__device__ static inline void
begin(struct rows<W> &r, const struct attention &a, const struct place &p, int64_t query, int lane)
{
	int k, reg, i, row, col;

	for (k = 0; k < W / 16; k++)
		for (reg = 0; reg < 4; reg++) {
			const uint16_t *x;

			index_mma_a(lane, reg, &row, &col);
			x = (const uint16_t *)a.q.p + (p.q0 + query + row) * a.q.ld + (int64_t)p.h * a.hd + k * 16 + col;
			r.q[k][reg] = query + row < p.nq && k * 16 < a.hd ? x[0] | (uint32_t)x[1] << 16 : 0;
		}
	for (i = 0; i < 2; i++) {
		r.most[i] = -INFINITY;
		r.sum[i] = 0;
	}
	for (k = 0; k < W / 8; k++)
		for (i = 0; i < 4; i++)
			r.out[k][i] = 0;
}

/* score = Q·Kᵀ of a tile; fragments behind the last key stay zero */
template <int W>
__device__ static inline void
scores(float score[BLOCKS][4], const struct rows<W> &r, const uint32_t *keys, int64_t left, int lane)
{
	int j, k, i;

	for (j = 0; j < BLOCKS; j++) {
		for (i = 0; i < 4; i++)
			score[j][i] = 0;
		if (8 * j >= left)
			continue;
		for (k = 0; k < W / 16; k++) {
			const uint32_t *b = keys + (8 * j + lane / 4) * (W / 2 + PAD) + 8 * k + lane % 4;

			mma_bf16(score[j], r.q[k], b[0], b[4]);
		}
	}
}

/* over the four lanes that share rows */
template <class Op>
__device__ static inline float
of_rows(float x, Op op)
{
	x = op(x, __shfl_xor_sync(0xffffffffu, x, 1));
	return op(x, __shfl_xor_sync(0xffffffffu, x, 2));
}

/* scores to weights; what was summed under a smaller maximum is scaled down */
template <int W>
__device__ static inline void
weigh(struct rows<W> &r, float score[BLOCKS][4], const struct attention &a, const struct place &p, int64_t query, int64_t key,
      int lane)
{
	float most[2] = { r.most[0], r.most[1] }, shrink[2];
	int j, i, row, col;

	for (j = 0; j < BLOCKS; j++)
		for (i = 0; i < 4; i++) {
			index_mma_c(lane, i, &row, &col);
			score[j][i] =
				index_sees(a.causal, query + row, p.nq, key + 8 * j + col, p.nk)
					? a.scale * score[j][i]
					: -INFINITY;
			most[i / 2] = fmaxf(most[i / 2], score[j][i]);
		}
	for (i = 0; i < 2; i++) {
		most[i] = of_rows(most[i], max_op());
		shrink[i] = most[i] == -INFINITY ? 1 : expf(r.most[i] - most[i]);
		r.most[i] = most[i];
		r.sum[i] *= shrink[i];
	}
	for (j = 0; j < BLOCKS; j++)
		for (i = 0; i < 4; i++) {
			score[j][i] = score[j][i] == -INFINITY ? 0 : expf(score[j][i] - most[i / 2]);
			r.sum[i / 2] += score[j][i];
		}
	for (j = 0; j < W / 8; j++)
		for (i = 0; i < 4; i++)
			r.out[j][i] *= shrink[i / 2];
}

/* out += weights·V, sixteen keys at a time */
template <int W>
__device__ static inline void
gather(struct rows<W> &r, const float weight[BLOCKS][4], const uint32_t *values, int64_t left, int lane)
{
	int m, n, reg, block, i;

	for (m = 0; m < BLOCKS / 2; m++) {
		uint32_t w[4];

		if (16 * m >= left)
			continue;
		for (reg = 0; reg < 4; reg++) {
			index_mma_a_of_c(reg, &block, &i);
			w[reg] = bf16_pair(weight[2 * m + block][i], weight[2 * m + block][i + 1]);
		}
		for (n = 0; n < W / 8; n++) {
			const uint32_t *b = values + (8 * n + lane / 4) * (KEYS / 2 + PAD) + 8 * m + lane % 4;

			mma_bf16(r.out[n], w, b[0], b[4]);
		}
	}
}

template <int W>
__device__ static inline void
finish(struct rows<W> &r, const struct attention &a, const struct place &p, int64_t query, int lane)
{
	int n, i, row, col;

	for (i = 0; i < 2; i++)
		r.sum[i] = of_rows(r.sum[i], add_op());
	for (i = 0; i < 4; i += 2) {
		index_mma_c(lane, i, &row, &col);
		if (a.lse && lane % 4 == 0 && query + row < p.nq)
			a.lse[(p.q0 + query + row) * a.heads + p.h] = r.most[i / 2] + logf(r.sum[i / 2]);
	}
	for (n = 0; n < W / 8; n++)
		for (i = 0; i < 4; i++) {
			index_mma_c(lane, i, &row, &col);
			if (query + row < p.nq && 8 * n + col < a.hd)
				mat_store(a.y, p.q0 + query + row, (int64_t)p.h * a.hd + 8 * n + col,
				          r.sum[i / 2] > 0 ? r.out[n][i] / r.sum[i / 2] : 0);
		}
}

/* wide: keys and values can be read by 16 bytes */
template <int W>
__global__ static void
attention_mma_kernel(struct attention a, int wide)
{
	__shared__ __align__(16) uint32_t keys[KEYS * (W / 2 + PAD)];
	__shared__ __align__(16) uint32_t values[W * (KEYS / 2 + PAD)];
	const struct place p = place_of_block(a);
	const int lane = threadIdx.x % 32;
	const int64_t query = p.from + threadIdx.x / 32 * QUERIES, end = index_keys(a.causal, p.from, TILE_OWN, p.nk);
	const int busy = query < p.nq; /* else the warp only loads */
	struct rows<W> r;
	float score[BLOCKS][4];
	int64_t key;

	begin<W>(r, a, p, query, lane);
	for (key = 0; key < end; key += KEYS) {
		__syncthreads();
		load_keys<W>(keys, a, p, key, wide);
		load_values<W>(values, a, p, key, wide);
		__syncthreads();
		if (!busy)
			continue;
		scores<W>(score, r, keys, p.nk - key, lane);
		weigh<W>(r, score, a, p, query, key, lane);
		gather<W>(r, score, values, p.nk - key, lane);
	}
	if (busy)
		finish<W>(r, a, p, query, lane);
}

static int
by_sixteen_bytes(struct mat m, int hd)
{
	return (uintptr_t)m.p % 16 == 0 && m.ld % 8 == 0 && hd % 8 == 0;
}

template <int W>
static int
launch(struct cuda_state *s, const struct attention &a, int64_t tiles, struct adds_error *err)
{
	const dim3 grid((unsigned)tiles, (unsigned)a.heads);
	const int wide = by_sixteen_bytes(a.k, a.hd) && by_sixteen_bytes(a.v, a.hd);

	LAUNCH(attention_mma_kernel<W>, grid, THREADS, 0, s->stream)(a, wide);
	CU_LAUNCHED("attention");
	return 0;
}

int
attention_mma(struct cuda_state *s, const struct attention &a, int64_t tiles, struct adds_error *err)
{
	if (a.q.t != DT_BF16 || a.k.t != DT_BF16 || a.v.t != DT_BF16 || a.hd % 16)
		return 1;
	return a.hd <= 32   ? launch<32>(s, a, tiles, err)
	       : a.hd <= 64 ? launch<64>(s, a, tiles, err)
	       : a.hd <= 80 ? launch<80>(s, a, tiles, err)
	                    : launch<128>(s, a, tiles, err);
}
