/* SPDX-License-Identifier: MIT
 * sums.c - sums over columns, rows and everything */
#include "suite.h"

/* error seen: 2e-5 in sums of 1,000 numbers up to 3 */
static void
colsum_case(int64_t rows, int64_t cols, float beta)
{
	float *x, *y, *got;
	double *want;
	void *dy;
	int64_t r, c;

	begin("colsum", "%lldx%lld beta %g", (long long)rows, (long long)cols, (double)beta);
	x = uniform(rows * cols, -3, 3);
	y = uniform(cols, -3, 3);
	dy = up_bytes(y, (size_t)cols * sizeof(*y));
	done(dev->ops->colsum(dev, dy, up(x, rows, cols, DT_F32), beta, &fault));
	want = room((size_t)cols * sizeof(*want));
	for (c = 0; c < cols; c++) {
		want[c] = (double)beta * (double)y[c];
		for (r = 0; r < rows; r++)
			want[c] += (double)x[r * cols + c];
	}
	got = room((size_t)cols * sizeof(*got));
	down_bytes(got, dy, (size_t)cols * sizeof(*got));
	near_("y", got, want, cols, 1e-6, 3e-6 * (1 + sqrt((double)rows)));
	end();
}

static void
rowdot_case(int64_t rows, int64_t cols, float beta, int plain)
{
	float *x, *z, *y, *got;
	double *want;
	struct mat mz = none();
	void *dy;
	int64_t r, c;

	begin("rowdot", "%lldx%lld beta %g%s", (long long)rows, (long long)cols, (double)beta, plain ? " plain" : "");
	x = uniform(rows * cols, -3, 3);
	z = uniform(rows * cols, -1, 1);
	y = uniform(rows, -3, 3);
	dy = up_bytes(y, (size_t)rows * sizeof(*y));
	if (!plain)
		mz = up(z, rows, cols, DT_F32);
	done(dev->ops->rowdot(dev, dy, up(x, rows, cols, DT_F32), mz, beta, &fault));
	want = room((size_t)rows * sizeof(*want));
	for (r = 0; r < rows; r++) {
		want[r] = (double)beta * (double)y[r];
		for (c = 0; c < cols; c++)
			want[r] += (double)x[r * cols + c] * (plain ? 1 : (double)z[r * cols + c]);
	}
	got = room((size_t)rows * sizeof(*got));
	down_bytes(got, dy, (size_t)rows * sizeof(*got));
	near_("y", got, want, rows, 1e-6, 1e-5);
	end();
}

/* error seen: 1e-15 relative to the sum of magnitudes */
static void
dot_case(int64_t rows, int64_t cols, int plain)
{
	struct mat mz = none();
	float *x, *z;
	double got = NAN, want = 0, most = 0;
	int64_t i;

	begin("dot", "%lldx%lld%s", (long long)rows, (long long)cols, plain ? " plain" : "");
	x = uniform(rows * cols, -3, 3);
	z = uniform(rows * cols, -1, 1);
	if (!plain)
		mz = up(z, rows, cols, DT_F32);
	done(dev->ops->dot(dev, &got, up(x, rows, cols, DT_F32), mz, &fault));
	for (i = 0; i < rows * cols; i++) {
		const double d = (double)x[i] * (plain ? 1 : (double)z[i]);

		want += d;
		most += fabs(d);
	}
	if (!(fabs(got - want) <= 1e-13 * most))
		done(adds_fail(&fault, -1, "sum is %.17g, want %.17g", got, want));
	end();
}

void
test_sums(void)
{
	int i, j;

	for (i = 0; i < SIZES; i++)
		for (j = 0; j < SIZES; j++) {
			if (size_list[i] * size_list[j] > 33 * 1000)
				continue;
			colsum_case(size_list[i], size_list[j], j & 1 ? 0.5f : 0);
			rowdot_case(size_list[i], size_list[j], j & 1 ? 0.5f : 0, i & 1);
			dot_case(size_list[i], size_list[j], i & 1);
		}
	colsum_case(5000, 300, 1);
	dot_case(1, 100000, 0);
}
