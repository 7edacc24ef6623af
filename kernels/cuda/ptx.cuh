/* SPDX-License-Identifier: MIT
 *
 * ptx.cuh - all that is written for nvcc alone: launches, shared memory whose
 * size is known late, single instructions. Compiled for a processor
 * (tests/emulated) the kernels find the same names in its cuda_runtime.h.
 */
#ifndef CUDA_PTX_CUH
#define CUDA_PTX_CUH

#include <stdint.h>

#ifdef __CUDACC__

#define LAUNCH(kernel, grid, block, bytes, stream) kernel<<<grid, block, bytes, stream>>>
#define DYNAMIC_SHARED(type, name) extern __shared__ type name[]

/* by single instructions: the headers for these types take longer to compile than all else */
__device__ static inline float
f32_of_f16(uint16_t h)
{
	float x;

	asm("cvt.f32.f16 %0, %1;"
	    : "=f"(x)
	    : "h"(h));
	return x;
}

__device__ static inline uint16_t
f16_of_f32(float x)
{
	uint16_t h;

	asm("cvt.rn.f16.f32 %0, %1;"
	    : "=h"(h)
	    : "f"(x));
	return h;
}

/* to nearest, ties to even */
__device__ static inline uint16_t
bf16_of_f32(float x)
{
	uint16_t h;

	asm("cvt.rn.bf16.f32 %0, %1;"
	    : "=h"(h)
	    : "f"(x));
	return h;
}

/* two numbers rounded, the first in the lower half */
__device__ static inline uint32_t
bf16_pair(float first, float second)
{
	uint32_t p;

	asm("cvt.rn.bf16x2.f32 %0, %1, %2;"
	    : "=r"(p)
	    : "f"(second), "f"(first));
	return p;
}

/* D += A·B of a warp: bf16 factors in the fragments of index.cuh */
__device__ static inline void
mma_bf16(float d[4], const uint32_t a[4], uint32_t b0, uint32_t b1)
{
	asm volatile(
		"mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
		: "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
		: "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

#endif
#endif
