/* SPDX-License-Identifier: MIT
 * rows.c - rows by number: adding, averaging, choosing */
#include <math.h>

#include "cpu.h"

enum {
	STRIP = 256, /* columns that one thread works on */
};

int
cpu_scatter_add(struct backend *b, struct mat y, struct mat x, const int32_t *index, struct adds_error *err)
{
	int64_t c0, r, c;

	(void)err;
	assert(y.cols == x.cols);
#pragma omp parallel for private(r, c) num_threads(cpu_threads(b, x.rows *x.cols))
	for (c0 = 0; c0 < y.cols; c0 += STRIP) /* all rows in order: an index may stand twice */
		for (r = 0; r < x.rows; r++) {
			float *a = row_f32(y, index[r]);
			const float *f = row_f32(x, r);

			for (c = c0; c < min_i64(c0 + STRIP, y.cols); c++)
				a[c] += f[c];
		}
	return 0;
}

int
cpu_pool(struct backend *b, struct mat y, struct mat x, const int32_t *index, struct segs s, struct adds_error *err)
{
	int64_t i, j, c;

	(void)err;
	assert(s.n == y.rows && y.cols == x.cols);
#pragma omp parallel for private(j, c) num_threads(cpu_threads(b, s.n ? s.at[s.n] * y.cols : 0))
	for (i = 0; i < s.n; i++) {
		float *a = row_f32(y, i);
		const int64_t n = s.at[i + 1] - s.at[i];

		memset(a, 0, (size_t)y.cols * sizeof(*a));
		for (j = s.at[i]; j < s.at[i + 1]; j++)
			for (c = 0; c < y.cols; c++)
				a[c] += row_f32(x, index[j])[c];
		for (c = 0; n > 1 && c < y.cols; c++)
			a[c] /= (float)n;
	}
	return 0;
}

/* is a before b in descending order? NaN comes last */
static int
before(float a, float b)
{
	return a > b || (isnan(b) && !isnan(a));
}

int
cpu_topk(struct backend *b, int32_t *index, struct mat x, int k, struct adds_error *err)
{
	int64_t r, c;

	(void)err;
	assert(k >= 0 && k <= x.cols);
#pragma omp parallel for private(c) num_threads(cpu_threads(b, x.rows *x.cols))
	for (r = 0; r < x.rows; r++) {
		const float *f = row_f32(x, r);
		int32_t *best = index + r * k;
		int n = 0, i;

		for (c = 0; k && c < x.cols; c++) {
			if (n == k && !before(f[c], f[best[n - 1]]))
				continue;
			for (i = n < k ? n++ : n - 1; i > 0 && before(f[c], f[best[i - 1]]); i--)
				best[i] = best[i - 1];
			best[i] = (int32_t)c;
		}
	}
	return 0;
}
