/* SPDX-License-Identifier: MIT
 *
 * philox.h - counter-based random numbers: what is drawn depends on key and
 * counter alone, so that a resumed run draws what an undisturbed one would.
 *
 * Knows: kernels/philox.h. Room train/.
 */
#ifndef ADDS_PHILOX_H
#define ADDS_PHILOX_H

#include <stdint.h>

/* what a number is for: part of its counter, so that no two uses share numbers (dropout's counters have 0 there) */
enum adds_random_use {
	ADDS_RANDOM_ORDER = 1, /* the order of the pictures in an epoch */
	ADDS_RANDOM_LABELS,    /* the labels drawn for a step */
};

/* A number below n (n > 0): number i of the round. */
uint64_t adds_philox_below(uint64_t n, uint64_t key, uint64_t i, uint32_t round, enum adds_random_use use);

/* The order of n things in a round: order [n] becomes a permutation of 0 … n-1. */
void adds_philox_order(int64_t *order, int64_t n, uint64_t key, uint32_t round);

#endif
