/* SPDX-License-Identifier: MIT
 * bf16.c - inner loops of products of bf16, a word of two of them, sums in f32; and what wants the same instructions */
#include "reduce.h"
#include "simd.h"

#ifdef __AVX512BF16__
#define TILE 12

typedef vf sums;

INLINE vf
add(vf s, vu b, vu x)
{
	return (vf)_mm512_dpbf16_ps((__m512)s, (__m512bh)x, (__m512bh)b);
}

#include "tile.h"

void
SIMD_NAME(cpu_tile_bf16)(void *c, int64_t ldc, const void *a, int64_t lda, const void *panel, int64_t k, int64_t rows, int first,
                         const void *soon)
{
	tiles(0, c, ldc, a, lda, panel, k, rows, first, soon);
}

void
SIMD_NAME(cpu_tile_packed_bf16)(void *c, int64_t ldc, const void *a, const void *panel, int64_t k, int64_t rows, int first,
                                const void *soon)
{
	tiles(1, c, ldc, a, 0, panel, k, rows, first, soon);
}

float
SIMD_NAME(cpu_exponentials_bf16)(uint16_t *y, const float *x, float scale, float most, int64_t n)
{
	return exponentials_of(1, y, x, scale, most, n);
}
#endif
