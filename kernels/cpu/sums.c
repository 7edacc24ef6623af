/* SPDX-License-Identifier: MIT
 * sums.c - sums, in an order that depends on the shape alone */
#include <stdlib.h>

#include "cpu.h"
#include "simd.h"

enum {
	STRIP = 256,   /* columns that one thread sums */
	BLOCK = 32,    /* rows summed in f32 before they join the f64 sum */
	PIECE = 16384, /* elements of one partial dot product */
};

static void
colsum_strip(const struct simd *simd, float *y, struct mat x, int64_t c0, int64_t n, float beta)
{
	double total[STRIP] = { 0 };
	int64_t r0, r, c;

	for (r0 = 0; r0 < x.rows; r0 += BLOCK) {
		float part[STRIP] = { 0 };

		for (r = r0; r < min_i64(r0 + BLOCK, x.rows); r++)
			simd->add(part, part, row_f32(x, r) + c0, n);
		for (c = 0; c < n; c++)
			total[c] += (double)part[c];
	}
	for (c = 0; c < n; c++)
		y[c0 + c] = (float)(total[c] + (beta == 0 ? 0 : (double)beta * (double)y[c0 + c]));
}

int
cpu_colsum(struct backend *b, float *y, struct mat x, float beta, struct adds_error *err)
{
	int64_t c;

	(void)err;
#pragma omp parallel for num_threads(cpu_threads(b, x.rows *x.cols))
	for (c = 0; c < x.cols; c += STRIP)
		colsum_strip(cpu_state(b)->simd, y, x, c, min_i64(STRIP, x.cols - c), beta);
	return 0;
}

/* Σ x·z (z NULL: Σ x) in eight lanes, joined pairwise */
static double
dot_piece(const float *x, const float *z, int64_t n)
{
	double s[8] = { 0 };
	int64_t i;
	int l;

	for (i = 0; i + 8 <= n; i += 8)
		for (l = 0; l < 8; l++)
			s[l] += z ? (double)x[i + l] * (double)z[i + l] : (double)x[i + l];
	for (; i < n; i++)
		s[i & 7] += z ? (double)x[i] * (double)z[i] : (double)x[i];
	return ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]));
}

int
cpu_rowdot(struct backend *b, float *y, struct mat x, struct mat z, float beta, struct adds_error *err)
{
	int64_t r;

	(void)err;
#pragma omp parallel for num_threads(cpu_threads(b, x.rows *x.cols))
	for (r = 0; r < x.rows; r++) {
		const double s = dot_piece(row_f32(x, r), z.p ? row_f32(z, r) : NULL, x.cols);

		y[r] = (float)(s + (beta == 0 ? 0 : (double)beta * (double)y[r]));
	}
	return 0;
}

int
cpu_dot(struct backend *b, double *host, struct mat x, struct mat z, struct adds_error *err)
{
	const int64_t pieces = ceil_div(x.cols, PIECE), n = x.rows * pieces;
	double *part;
	int64_t i;

	*host = 0;
	if (!n)
		return 0;
	if (!(part = cpu_scratch((size_t)n * sizeof(*part), err)))
		return ADDS_ENOMEM;
#pragma omp parallel for num_threads(cpu_threads(b, x.rows *x.cols))
	for (i = 0; i < n; i++) {
		const int64_t r = i / pieces, c = i % pieces * PIECE;

		part[i] = dot_piece(row_f32(x, r) + c, z.p ? row_f32(z, r) + c : NULL, min_i64(PIECE, x.cols - c));
	}
	for (i = 0; i < n; i++)
		*host += part[i];
	free(part);
	return 0;
}
