/* SPDX-License-Identifier: MIT
 * bf16.c - inner loops of products of bf16: a word is two of them, sums are f32 */
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
#endif
