/* SPDX-License-Identifier: MIT
 *
 * philox.h - counter-based random numbers, Philox4x32-10 (Salmon et al. 2011):
 * what is drawn depends on key and counter alone, so that a resumed run draws
 * what an undisturbed one would.
 */
#ifndef ADDS_PHILOX_H
#define ADDS_PHILOX_H

#include <stdint.h>

/* what a draw is for: the highest word of its counter */
enum adds_stream_of_random {
	ADDS_RANDOM_ORDER = 1, /* the order of the pictures in an epoch */
	ADDS_RANDOM_LABELS,    /* the labels drawn for a step */
};

/* Four words for counter (a, b, use) under key. */
void adds_philox(uint32_t out[4], uint64_t key, uint64_t a, uint32_t b, uint32_t use);

/* A number below n (n > 0), from draw number i of (b, use) under key. */
uint64_t adds_philox_below(uint64_t n, uint64_t key, uint64_t i, uint32_t b, uint32_t use);

/* The order of n things in round number round: order[n] becomes a permutation of 0 … n-1. */
void adds_philox_order(int64_t *order, int64_t n, uint64_t key, uint32_t round);

#endif
