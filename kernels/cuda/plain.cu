/* SPDX-License-Identifier: MIT
 *
 * plain.cu - products that the library does not have (mixed types, an empty
 * inner dimension) or where there is no library: 64×64 tiles, 4×4 a thread,
 * f32, the sum in one order.
 */
#include "library.cuh"

enum {
	TILE = 64,
	DEPTH = 16, /* of the inner dimension at a time */
	EACH = 4,   /* rows and columns of a thread */
	SIDE = TILE / EACH,
};

/* element (i, l) of op(A), 0 outside */
__device__ static float
factor_a(const struct product &p, int64_t i, int64_t l, int64_t inner)
{
	if (i >= p.d.rows || l >= inner)
		return 0;
	return p.ta ? mat_load(p.a, l, i) : mat_load(p.a, i, l);
}

__device__ static float
factor_b(const struct product &p, int64_t l, int64_t j, int64_t inner)
{
	if (j >= p.d.cols || l >= inner)
		return 0;
	return p.tb ? mat_load(p.b, j, l) : mat_load(p.b, l, j);
}

/* the matrices of product number z of the batch */
__device__ static void *
shifted(const struct mat &m, int64_t elements)
{
	return (char *)m.p + elements * (m.t == DT_F32 ? 4 : 2);
}

__global__ static void
plain_kernel(struct product p, int64_t inner, int64_t across)
{
	__shared__ float as[DEPTH][TILE + 1], bs[DEPTH][TILE + 1];
	const int64_t i0 = blockIdx.x / across * TILE, j0 = blockIdx.x % across * TILE;
	const int tx = threadIdx.x % SIDE, ty = threadIdx.x / SIDE;
	float sum[EACH][EACH] = { { 0 } };
	int64_t l0;
	int i, j, l;

	p.a.p = shifted(p.a, blockIdx.z * p.sa);
	p.b.p = shifted(p.b, blockIdx.z * p.sb);
	p.d.p = shifted(p.d, blockIdx.z * p.sd);
	for (l0 = 0; l0 < inner; l0 += DEPTH) {
		__syncthreads();
		for (i = threadIdx.x; i < DEPTH * TILE; i += BLOCK) {
			/* neighbours in memory go to neighbouring threads */
			const int la = p.ta ? i / TILE : i % DEPTH, ra = p.ta ? i % TILE : i / DEPTH;
			const int lb = p.tb ? i % DEPTH : i / TILE, cb = p.tb ? i / DEPTH : i % TILE;

			as[la][ra] = factor_a(p, i0 + ra, l0 + la, inner);
			bs[lb][cb] = factor_b(p, l0 + lb, j0 + cb, inner);
		}
		__syncthreads();
		for (l = 0; l < DEPTH; l++)
			for (i = 0; i < EACH; i++)
				for (j = 0; j < EACH; j++)
					sum[i][j] += as[l][ty + i * SIDE] * bs[l][tx + j * SIDE];
	}
	for (i = 0; i < EACH; i++)
		for (j = 0; j < EACH; j++) {
			const int64_t r = i0 + ty + i * SIDE, c = j0 + tx + j * SIDE;

			if (r < p.d.rows && c < p.d.cols)
				mat_store(p.d, r, c, p.alpha * sum[i][j] + (p.beta == 0 ? 0 : p.beta * mat_load(p.d, r, c)));
		}
}

int
plain_product(struct cuda_state *s, const struct product *p, struct adds_error *err)
{
	const int64_t across = index_ceil(p->d.cols, TILE), down = index_ceil(p->d.rows, TILE);

	assert(!p->c.p && !p->bias && p->act == ACT_NONE && p->count <= 65535);
	if (!across || !down)
		return 0;
	LAUNCH(plain_kernel, dim3((unsigned)(across * down), 1, (unsigned)p->count), BLOCK, 0, s->stream)(*p, product_inner(p),
	                                                                                              across);
	CU_LAUNCHED("product");
	return 0;
}
