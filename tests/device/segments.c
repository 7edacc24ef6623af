/* SPDX-License-Identifier: MIT
 * segments.c - maxima, softmax and sums down the columns of segments */
#include "suite.h"

static struct segs
cut(int64_t n, int64_t *rows)
{
	int64_t *at = room((size_t)(n + 1) * sizeof(*at)), i;

	for (i = 0; i < n; i++)
		at[i + 1] = at[i] + (i % 4 == 2 ? 0 : 1 + below(40));
	*rows = at[n];
	return (struct segs){ n, at };
}

/* error seen: maxima and spreads 0, softmax 3e-7 relative, sums 1e-6 */
static void
segment_case(int64_t n, int64_t cols, float scale)
{
	int64_t rows, i, r, c;
	float *x, *z, *few;
	double *max, *dot, *soft, *spread;
	struct mat mx, mz, mfew, y;
	struct segs s;

	begin("seg_*", "%lld segments of %lld columns", (long long)n, (long long)cols);
	s = cut(n, &rows);
	x = uniform(rows * cols, -3, 3);
	z = uniform(rows * cols, -1, 1);
	few = uniform(n * cols, -1, 1);
	max = room((size_t)(n * cols) * sizeof(*max));
	dot = room((size_t)(n * cols) * sizeof(*dot));
	soft = room((size_t)(rows * cols) * sizeof(*soft));
	spread = room((size_t)(rows * cols) * sizeof(*spread));
	for (i = 0; i < n; i++)
		for (c = 0; c < cols; c++) {
			double most = -INFINITY, sum = 0;

			for (r = s.at[i]; r < s.at[i + 1]; r++) {
				most = fmax(most, (double)x[r * cols + c]);
				dot[i * cols + c] += (double)x[r * cols + c] * (double)z[r * cols + c];
				spread[r * cols + c] = (double)(x[r * cols + c] * few[i * cols + c]);
			}
			max[i * cols + c] = most;
			for (r = s.at[i]; r < s.at[i + 1]; r++)
				sum += exp((double)scale * ((double)x[r * cols + c] - most));
			for (r = s.at[i]; r < s.at[i + 1]; r++)
				soft[r * cols + c] = exp((double)scale * ((double)x[r * cols + c] - most)) / sum;
		}
	mx = up(x, rows, cols, DT_F32);
	mz = up(z, rows, cols, DT_F32);
	mfew = up(few, n, cols, DT_F32);
	y = blank(n, cols, DT_F32);
	done(dev->ops->seg_max(dev, y, mx, s, &fault));
	near_("max", down(y), max, n * cols, 0, 0);
	y = blank(n, cols, DT_F32);
	done(dev->ops->seg_dot(dev, y, mx, mz, s, &fault));
	near_("dot", down(y), dot, n * cols, 1e-6, 1e-5);
	y = blank(rows, cols, DT_F32);
	done(dev->ops->seg_spread(dev, y, mx, mfew, s, &fault));
	near_("spread", down(y), spread, rows * cols, 0, 0);
	y = n & 1 ? mx : blank(rows, cols, DT_F32);
	done(dev->ops->seg_softmax(dev, y, mx, scale, s, &fault));
	near_("softmax", down(y), soft, rows * cols, 2e-5, 1e-9);
	end();
}

void
test_segments(void)
{
	int i;

	for (i = 0; i < SIZES; i++) {
		segment_case(3, size_list[i], 1);
		segment_case(size_list[i], 33, 4);
	}
	segment_case(6, 300, 1);
}
