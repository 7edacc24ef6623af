/* SPDX-License-Identifier: MIT
 *
 * index.cuh - the index arithmetic of the kernels. Plain C that compiles for
 * the processor too, so that it can be tested without a GPU.
 */
#ifndef CUDA_INDEX_CUH
#define CUDA_INDEX_CUH

#include <stdint.h>

#ifdef __CUDACC__
#define INDEX_FN static __host__ __device__ inline
#else
#define INDEX_FN static inline
#endif

enum {
	COLUMN_ROWS = 64, /* rows of a column that one thread sums before the sums are joined */
	SUM_PIECE = 8192, /* elements of a matrix that one block sums */
	TILE_OWN = 64,    /* rows of the tile that a block of attention owns */
	TILE_PASS = 32,   /* rows of the tiles that pass by it */
	PATCH_CHANNELS = 3,
};

INDEX_FN int64_t
index_ceil(int64_t a, int64_t b)
{
	return (a + b - 1) / b;
}

INDEX_FN int64_t
index_min(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* row and column of element i of a matrix; short division where it will do */
INDEX_FN void
index_cell(int64_t i, int64_t cols, int64_t *r, int64_t *c)
{
	if (((uint64_t)i | (uint64_t)cols) >> 32 == 0) {
		*r = (uint32_t)i / (uint32_t)cols;
		*c = (uint32_t)i % (uint32_t)cols;
	} else {
		*r = i / cols;
		*c = i % cols;
	}
}

/* the segment that row r is in: at[s] ≤ r < at[s + 1], over n segments of which some may be empty; r < at[n] */
INDEX_FN int64_t
index_segment(const int64_t *at, int64_t n, int64_t r)
{
	int64_t lo = 0, hi = n;

	while (hi - lo > 1) {
		const int64_t mid = (lo + hi) / 2;

		if (at[mid] <= r)
			lo = mid;
		else
			hi = mid;
	}
	return lo;
}

/* how many keys the queries first … first+rows-1 of a segment look at, of n */
INDEX_FN int64_t
index_keys(int causal, int64_t first, int64_t rows, int64_t n)
{
	return causal ? index_min(first + rows, n) : n;
}

/* the first query that looks at key number key of its segment */
INDEX_FN int64_t
index_first_query(int causal, int64_t key)
{
	return causal ? key : 0;
}

/* does query i look at key j? both within a segment of nq and nk */
INDEX_FN int
index_sees(int causal, int64_t i, int64_t nq, int64_t j, int64_t nk)
{
	return i < nq && j < nk && (!causal || j <= i);
}

/* ---- fragments of mma.m16n8k16 (PTX ISA, 16-bit factors): who of a warp holds what ---- */

/* A[16][16]: register reg (0 … 3) of a lane holds this element and the one to its right */
INDEX_FN void
index_mma_a(int lane, int reg, int *row, int *col)
{
	*row = lane / 4 + 8 * (reg & 1);
	*col = 2 * (lane % 4) + 8 * (reg >> 1);
}

/* B[16][8]: register reg (0, 1) holds this element and the one below it */
INDEX_FN void
index_mma_b(int lane, int reg, int *row, int *col)
{
	*row = 2 * (lane % 4) + 8 * reg;
	*col = lane / 4;
}

/* C[16][8]: element i (0 … 3) of a lane */
INDEX_FN void
index_mma_c(int lane, int i, int *row, int *col)
{
	*row = lane / 4 + 8 * (i >> 1);
	*col = 2 * (lane % 4) + (i & 1);
}

/* Two C side by side as one A: register reg is made of elements *i and *i + 1 of C number *block, of the same lane. */
INDEX_FN void
index_mma_a_of_c(int reg, int *block, int *i)
{
	*block = reg >> 1;
	*i = 2 * (reg & 1);
}

/* byte of a picture u8 [n, side, side, 3] that element (row, col) of its patches [n·g², 3·patch²] is made of; *channel its
 * channel */
INDEX_FN int64_t
index_patch(int64_t row, int64_t col, int side, int patch, int *channel)
{
	const int64_t g = side / patch, area = (int64_t)patch * patch;
	const int64_t image = row / (g * g), place = row % (g * g);
	const int64_t c = col / area, i = col % area / patch, j = col % patch;
	const int64_t line = image * side + place / g * patch + i;

	*channel = (int)c;
	return (line * side + place % g * patch + j) * PATCH_CHANNELS + c;
}

/* one output byte: n inputs step bytes apart under weights of 22 bits, rounded and kept in 0 … 255 */
INDEX_FN uint8_t
index_resample(const uint8_t *x, int64_t step, const int32_t *weight, int n)
{
	int32_t sum = 1 << 21;
	int i;

	for (i = 0; i < n; i++)
		sum += (int32_t)x[i * step] * weight[i];
	sum >>= 22;
	return (uint8_t)(sum < 0 ? 0 : sum > 255 ? 255
	                                         : sum);
}

/* is value a at column i before value b at column j in descending order? ties by lower column, NaN last */
INDEX_FN int
index_before(float a, int64_t i, float b, int64_t j)
{
	const int na = a != a, nb = b != b;

	if (na != nb)
		return nb;
	return na || a == b ? i < j : a > b;
}

#endif
