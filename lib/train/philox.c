/* SPDX-License-Identifier: MIT
 * philox.c - Philox4x32-10 */
#include "philox.h"

enum { ROUNDS = 10 };

void
adds_philox(uint32_t out[4], uint64_t key, uint64_t a, uint32_t b, uint32_t use)
{
	uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
	uint32_t c0 = (uint32_t)a, c1 = (uint32_t)(a >> 32), c2 = b, c3 = use;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		const uint64_t p0 = (uint64_t)0xd2511f53u * c0;
		const uint64_t p1 = (uint64_t)0xcd9e8d57u * c2;

		c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
		c1 = (uint32_t)p1;
		c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
		c3 = (uint32_t)p0;
		k0 += 0x9e3779b9u;
		k1 += 0xbb67ae85u;
	}
	out[0] = c0;
	out[1] = c1;
	out[2] = c2;
	out[3] = c3;
}

uint64_t
adds_philox_below(uint64_t n, uint64_t key, uint64_t i, uint32_t b, uint32_t use)
{
	uint32_t w[4];
	uint64_t x, low;

	/* the high half of n·x for a 64-bit x, by 32-bit parts */
	adds_philox(w, key, i, b, use);
	x = (uint64_t)w[1] << 32 | w[0];
	low = (n & 0xffffffffu) * (x & 0xffffffffu);
	low = (low >> 32) + (n >> 32) * (x & 0xffffffffu);
	return (n >> 32) * (x >> 32) + (low >> 32) + (((low & 0xffffffffu) + (n & 0xffffffffu) * (x >> 32)) >> 32);
}

void
adds_philox_order(int64_t *order, int64_t n, uint64_t key, uint32_t round)
{
	int64_t i;

	for (i = 0; i < n; i++) {
		const int64_t j = (int64_t)adds_philox_below((uint64_t)i + 1, key, (uint64_t)i, round, ADDS_RANDOM_ORDER);

		order[i] = order[j];
		order[j] = i;
	}
}
