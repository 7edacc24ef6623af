/* SPDX-License-Identifier: MIT
 * simd.c - which instruction set */
#include "simd.h"

const struct simd *
cpu_simd_best(int avx512)
{
#ifdef ADDS_X86
	if (avx512 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq"))
		return &cpu_simd_avx512;
	if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
		return &cpu_simd_avx2;
#endif
	(void)avx512;
	return &cpu_simd_base;
}
