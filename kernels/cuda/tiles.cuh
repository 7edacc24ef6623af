/* SPDX-License-Identifier: MIT
 *
 * tiles.cuh - what attention forward and backward share. A block of threads
 * owns a tile of TILE_OWN queries (or keys) of one head and passes by all
 * tiles of TILE_PASS keys (or queries) of the segment, or of P·LANES where it
 * is short of shared memory: sums have the same order. Tiles lie in shared
 * memory as f32, heads padded with zeros to W columns; a thread works on the
 * 4 own rows 4·ty … and every 16th column (or passing row) from tx.
 */
#ifndef CUDA_TILES_CUH
#define CUDA_TILES_CUH

#include "cuda.cuh"

enum {
	LANES = 16,               /* threads that share own rows: half a warp */
	OWN = TILE_OWN / LANES,   /* own rows of a thread */
	PASS = TILE_PASS / LANES, /* passing rows of a thread */
	SCORE_LD = TILE_PASS + 1,
};

/* one call of attention or its backward; device arrays */
struct attention {
	struct mat y, q, k, v, dy, dq, dk, dv;
	float *lse;
	const float *delta; /* Σ dY·Y of each query and head */
	int heads, hd, causal;
	float scale;
	int64_t n;
	const int64_t *qs, *ks, *tiles; /* offsets of queries, keys and tiles of each segment */
};

/* the tile of a block */
struct place {
	int64_t q0, nq, k0, nk; /* the segment: first rows and lengths */
	int64_t from;           /* first own row within the segment */
	int h;
};

__device__ static inline struct place
place_of_block(const struct attention &a)
{
	const int64_t s = index_segment(a.tiles, a.n, blockIdx.x);
	struct place p;

	p.q0 = a.qs[s];
	p.nq = a.qs[s + 1] - p.q0;
	p.k0 = a.ks[s];
	p.nk = a.ks[s + 1] - p.k0;
	p.from = (blockIdx.x - a.tiles[s]) * TILE_OWN;
	p.h = (int)blockIdx.y;
	return p;
}

/* rows from … from+rows-1 of a segment (that has n and begins at row0 of m), head h, to tile[rows][W + 1]; zeros outside */
template <int W>
__device__ static inline void
load_tile(float *tile, const struct mat &m, int64_t row0, int64_t from, int64_t n, int rows, int h, int hd)
{
	int i;

	for (i = threadIdx.x; i < rows * W; i += BLOCK) {
		const int r = i / W, c = i % W;
		const int inside = from + r < n && c < hd;

		tile[r * (W + 1) + c] = inside ? mat_load(m, row0 + from + r, (int64_t)h * hd + c) : 0;
	}
}

/* out[i][j] = own row 4·ty + i times passing row tx + 16·j */
template <int W, int P = PASS>
__device__ static inline void
multiply_rows(float out[OWN][P], const float *own, const float *pass)
{
	const int tx = threadIdx.x % LANES, ty = threadIdx.x / LANES;
	int i, j, c;

	for (i = 0; i < OWN; i++)
		for (j = 0; j < P; j++)
			out[i][j] = 0;
	for (c = 0; c < W; c++)
		for (i = 0; i < OWN; i++)
			for (j = 0; j < P; j++)
				out[i][j] += own[(ty * OWN + i) * (W + 1) + c] * pass[(tx + j * LANES) * (W + 1) + c];
}

/* sum[i][j] += Σ_l score[4·ty + i][l] · pass[l][tx + 16·j] */
template <int W, int P = PASS>
__device__ static inline void
multiply_scores(float sum[OWN][W / LANES], const float *score, const float *pass)
{
	const int tx = threadIdx.x % LANES, ty = threadIdx.x / LANES;
	int i, j, l;

	for (l = 0; l < P * LANES; l++)
		for (i = 0; i < OWN; i++)
			for (j = 0; j < W / LANES; j++)
				sum[i][j] += score[(ty * OWN + i) * SCORE_LD + l] * pass[l * (W + 1) + tx + j * LANES];
}

template <int P>
__device__ static inline void
put_scores(float *score, const float in[OWN][P])
{
	const int tx = threadIdx.x % LANES, ty = threadIdx.x / LANES;
	int i, j;

	for (i = 0; i < OWN; i++)
		for (j = 0; j < P; j++)
			score[(ty * OWN + i) * SCORE_LD + tx + j * LANES] = in[i][j];
}

/* own rows of a head to m */
template <int W>
__device__ static inline void
store_rows(const struct mat &m, int64_t row0, int64_t from, int64_t n, int h, int hd, const float in[OWN][W / LANES])
{
	const int tx = threadIdx.x % LANES, ty = threadIdx.x / LANES;
	int i, j;

	for (i = 0; i < OWN; i++)
		for (j = 0; j < W / LANES; j++) {
			const int64_t r = from + ty * OWN + i;
			const int c = tx + j * LANES;

			if (r < n && c < hd)
				mat_store(m, row0 + r, (int64_t)h * hd + c, in[i][j]);
		}
}

/* attention.cu: uploads the offsets of a.qs, a.ks and the tiles of `of`; *tiles their number */
int attention_places(struct cuda_state *s, struct attention *a, struct segs qs, struct segs ks, struct segs of,
                     int64_t *tiles, struct adds_error *err);

/* attention_mma.cu: forward of bf16 with tensor cores; 1: not for these types and widths */
int attention_mma(struct cuda_state *s, const struct attention &a, int64_t tiles, struct adds_error *err);

/* more shared memory than a kernel has without asking */
template <class K>
static int
allow_shared(K kernel, size_t bytes, struct adds_error *err)
{
	CU(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, (int)bytes));
	return 0;
}

#endif
