/* SPDX-License-Identifier: MIT
 *
 * blocked.h - products by our own loops, block by block: on processors where
 * the library's results depend on how much else is computed, and where there
 * is no library. A row's bits depend on that row and on B alone, so that rows
 * of any number of segments are computed together.
 */
#ifndef BLOCKED_H
#define BLOCKED_H

#include "simd.h"

/* Y[m,n] = act(alpha·A·B + bias) + beta·R
 * Of other forms than FORM_F32 A and B are words (at and bt DT_F32, which are as wide; simd.h), and k counts words; of
 * FORM_INT8 A lies row by row. */
struct blocked {
	const void *a, *b;
	const float *panels; /* B packed by cpu_blocked_pack, or NULL: b is read */
	enum form form;
	int64_t m, n, k;
	int64_t ai, aj, bi, bj; /* element (i,j) of A is at i·ai + j·aj; one of each pair is 1 */
	enum dtype at, bt;
	float alpha, beta;
	enum activation act;
	const float *bias; /* [n] or NULL */
	/* of FORM_INT8: sums less off [n], times row [m] and scale [n], in place of alpha */
	const int32_t *off;
	const float *scale, *row;
	struct mat r, y;
};

/* all of B as panels: size in bytes, and the packing itself */
size_t cpu_blocked_panel_bytes(const struct simd *s, int64_t n, int64_t k);
void cpu_blocked_pack(const struct simd *s, float *panels, const void *b, enum dtype t, int64_t bi, int64_t bj, int64_t n,
                      int64_t k, int threads);

/* n independent products on so many threads */
int cpu_blocked_run(const struct simd *s, const struct blocked *jobs, int64_t n, int threads, struct adds_error *err);

#endif
