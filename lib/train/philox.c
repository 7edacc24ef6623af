/* SPDX-License-Identifier: MIT
 * philox.c - numbers below a bound, and orders, of Philox */
#include "../../kernels/philox.h"
#include "philox.h"

/* high 64 bits of a·b */
static uint64_t
high_product(uint64_t a, uint64_t b)
{
	const uint64_t a0 = a & 0xffffffffu, a1 = a >> 32, b0 = b & 0xffffffffu, b1 = b >> 32;
	const uint64_t middle = a1 * b0 + (a0 * b0 >> 32);

	return a1 * b1 + (middle >> 32) + (((middle & 0xffffffffu) + a0 * b1) >> 32);
}

uint64_t
adds_philox_below(uint64_t n, uint64_t key, uint64_t i, uint32_t round, enum adds_random_use use)
{
	uint32_t w[4];

	philox4x32(w, (uint64_t)use << 32 | round, i, key);
	return high_product(n, (uint64_t)w[1] << 32 | w[0]);
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
