/* SPDX-License-Identifier: MIT
 * segments.c - segments of rows, column by column */
#include <math.h>

#include "cpu.h"
#include "simd.h"

enum {
	STRIP = 256, /* columns that one thread works on */
};

/* calls do_strip(…, begin, end, c0, n) for every segment and strip of columns */
#define EACH_STRIP(b, s, cols, call) \
	do { \
		const int64_t strips_ = ceil_div(cols, STRIP), n_ = (s).n * strips_; \
		const int64_t work_ = (s).n ? (s).at[(s).n] * (cols) : 0; \
		int64_t i_; \
		_Pragma("omp parallel for num_threads(cpu_threads(b, work_))") for (i_ = 0; i_ < n_; i_++) \
		{ \
			const int64_t seg = i_ / strips_, c0 = i_ % strips_ * STRIP; \
			const int64_t begin = (s).at[seg], end = (s).at[seg + 1]; \
			const int64_t n = min_i64(STRIP, (cols)-c0); \
			call; \
		} \
	} while (0)

static void
max_strip(float *y, struct mat x, int64_t begin, int64_t end, int64_t c0, int64_t n)
{
	int64_t r, c;

	for (c = 0; c < n; c++)
		y[c] = -INFINITY;
	for (r = begin; r < end; r++)
		for (c = 0; c < n; c++)
			y[c] = row_f32(x, r)[c0 + c] > y[c] ? row_f32(x, r)[c0 + c] : y[c];
}

int
cpu_seg_max(struct backend *b, struct mat y, struct mat x, struct segs s, struct adds_error *err)
{
	(void)err;
	assert(y.rows == s.n && y.cols == x.cols);
	EACH_STRIP(b, s, x.cols, max_strip(row_f32(y, seg) + c0, x, begin, end, c0, n));
	return 0;
}

static void
softmax_strip(const struct simd *simd, struct mat y, struct mat x, float scale, int64_t begin, int64_t end, int64_t c0,
              int64_t n)
{
	float most[STRIP], sum[STRIP] = { 0 };
	int64_t r, c;

	for (c = 0; c < n; c++)
		most[c] = -INFINITY;
	for (r = begin; r < end; r++)
		for (c = 0; c < n; c++) {
			const float v = scale * row_f32(x, r)[c0 + c];

			most[c] = v > most[c] ? v : most[c];
		}
	for (r = begin; r < end; r++) {
		float *a = row_f32(y, r) + c0;

		for (c = 0; c < n; c++)
			a[c] = scale * row_f32(x, r)[c0 + c] - most[c];
		simd->exp_affine(a, a, 1, 0, n);
		for (c = 0; c < n; c++)
			sum[c] += a[c];
	}
	for (r = begin; r < end; r++)
		for (c = 0; c < n; c++)
			row_f32(y, r)[c0 + c] /= sum[c];
}

int
cpu_seg_softmax(struct backend *b, struct mat y, struct mat x, float scale, struct segs s, struct adds_error *err)
{
	(void)err;
	assert(y.rows == x.rows && y.cols == x.cols);
	EACH_STRIP(b, s, x.cols, softmax_strip(cpu_state(b)->simd, y, x, scale, begin, end, c0, n));
	return 0;
}

static void
dot_strip(float *y, struct mat x, struct mat z, int64_t begin, int64_t end, int64_t c0, int64_t n)
{
	int64_t r, c;

	memset(y, 0, (size_t)n * sizeof(*y));
	for (r = begin; r < end; r++)
		for (c = 0; c < n; c++)
			y[c] += row_f32(x, r)[c0 + c] * row_f32(z, r)[c0 + c];
}

int
cpu_seg_dot(struct backend *b, struct mat y, struct mat x, struct mat z, struct segs s, struct adds_error *err)
{
	(void)err;
	assert(y.rows == s.n && y.cols == x.cols && x.rows == z.rows && x.cols == z.cols);
	EACH_STRIP(b, s, x.cols, dot_strip(row_f32(y, seg) + c0, x, z, begin, end, c0, n));
	return 0;
}

static void
spread_strip(struct mat y, struct mat x, const float *z, int64_t begin, int64_t end, int64_t c0, int64_t n)
{
	int64_t r, c;

	for (r = begin; r < end; r++)
		for (c = 0; c < n; c++)
			row_f32(y, r)[c0 + c] = row_f32(x, r)[c0 + c] * z[c];
}

int
cpu_seg_spread(struct backend *b, struct mat y, struct mat x, struct mat z, struct segs s, struct adds_error *err)
{
	(void)err;
	assert(z.rows == s.n && y.cols == x.cols && y.rows == x.rows && z.cols == x.cols);
	EACH_STRIP(b, s, x.cols, spread_strip(y, x, row_f32(z, seg) + c0, begin, end, c0, n));
	return 0;
}
