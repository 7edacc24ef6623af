/* SPDX-License-Identifier: MIT
 *
 * philox.h - Philox4x32-10, a counter-based random generator (Salmon et al.,
 * "Parallel random numbers: as easy as 1, 2, 3", 2011). Any number of the
 * sequence can be had by itself, in any order, on any device.
 */
#ifndef PHILOX_H
#define PHILOX_H

#include <stdint.h>

#ifdef __CUDACC__
#define PHILOX_FN static __host__ __device__ inline
#else
#define PHILOX_FN static inline
#endif

/* out: the four words of block (hi, lo) under key */
PHILOX_FN void
philox4x32(uint32_t out[4], uint64_t hi, uint64_t lo, uint64_t key)
{
	uint32_t c0 = (uint32_t)lo, c1 = (uint32_t)(lo >> 32);
	uint32_t c2 = (uint32_t)hi, c3 = (uint32_t)(hi >> 32);
	uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
	int round;

	for (round = 0; round < 10; round++) {
		const uint64_t a = (uint64_t)0xd2511f53u * c0;
		const uint64_t b = (uint64_t)0xcd9e8d57u * c2;

		c0 = (uint32_t)(b >> 32) ^ c1 ^ k0;
		c1 = (uint32_t)b;
		c2 = (uint32_t)(a >> 32) ^ c3 ^ k1;
		c3 = (uint32_t)a;
		k0 += 0x9e3779b9u;
		k1 += 0xbb67ae85u;
	}
	out[0] = c0;
	out[1] = c1;
	out[2] = c2;
	out[3] = c3;
}

/* word number n of the sequence of seed: word n mod 4 of block n / 4 */
PHILOX_FN uint32_t
philox_word(uint64_t seed, uint64_t n)
{
	uint32_t w[4];

	philox4x32(w, 0, n >> 2, seed);
	return w[n & 3];
}

/* a number in [0, 1) made of the upper 24 bits of a word */
PHILOX_FN float
philox_uniform(uint32_t word)
{
	return (float)(word >> 8) * (1.0f / 16777216.0f);
}

/* what dropout asks: is the element whose word this is kept? */
PHILOX_FN int
philox_kept(uint32_t word, float p)
{
	return (double)word >= (double)p * 4294967296.0;
}

#endif
