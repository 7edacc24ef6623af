/* SPDX-License-Identifier: MIT
 * positions.c - position embeddings for another grid, resized as OpenCLIP does:
 * torch's bicubic interpolation with antialias, which is Pillow's filter
 * (a = −0.5, weights of the window divided by their sum). */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model.h"

static double
cubic(double x)
{
	const double a = -0.5;

	x = fabs(x);
	if (x < 1)
		return ((a + 2) * x - (a + 3)) * x * x + 1;
	return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
}

/* Row o of w [n1][n0]: the weights of the inputs for output o. */
static void
weights_of(double *w, int n1, int n0)
{
	const double scale = (double)n0 / n1, fs = scale > 1 ? scale : 1;
	int o, j;

	memset(w, 0, sizeof(*w) * (size_t)n1 * (size_t)n0);
	for (o = 0; o < n1; o++, w += n0) {
		const double c = (o + 0.5) * scale, support = 2 * fs;
		const int lo = (int)(c - support + 0.5) > 0 ? (int)(c - support + 0.5) : 0;
		const int hi = (int)(c + support + 0.5) < n0 ? (int)(c + support + 0.5) : n0;
		double sum = 0;

		for (j = lo; j < hi; j++)
			sum += w[j] = cubic((j - c + 0.5) / fs);
		for (j = lo; j < hi; j++)
			w[j] /= sum;
	}
}

/* One pass along the middle dimension: out[a][n1][D] from in[a][n0][D]. */
static void
pass(double *out, int n1, const double *in, int n0, const double *w, int a, int D)
{
	int i, o, j, c;

	for (i = 0; i < a; i++)
		for (o = 0; o < n1; o++) {
			double *y = out + ((size_t)i * (size_t)n1 + (size_t)o) * (size_t)D;

			memset(y, 0, sizeof(*y) * (size_t)D);
			for (j = 0; j < n0; j++) {
				const double *x = in + ((size_t)i * (size_t)n0 + (size_t)j) * (size_t)D;
				const double k = w[(size_t)o * (size_t)n0 + (size_t)j];

				for (c = 0; k != 0 && c < D; c++)
					y[c] += k * x[c];
			}
		}
}

int
adds_clip_resize_grid(float *out, int g1, const float *in, int g0, int D, struct adds_error *err)
{
	const size_t n0 = (size_t)g0 * (size_t)g0 * (size_t)D, n1 = (size_t)g1 * (size_t)g1 * (size_t)D;
	double *w = malloc(sizeof(*w) * (size_t)g0 * (size_t)g1), *x = malloc(sizeof(*x) * n0);
	double *y = malloc(sizeof(*y) * (size_t)g0 * (size_t)g1 * (size_t)D), *z = malloc(sizeof(*z) * n1);
	size_t i;
	int rc = 0;

	if (!w || !x || !y || !z) {
		rc = adds_fail(err, ADDS_ENOMEM, "out of memory");
		goto out;
	}
	for (i = 0; i < n0; i++)
		x[i] = in[i];
	weights_of(w, g1, g0);
	pass(y, g1, x, g0, w, g0, D);     /* along each row of patches */
	pass(z, g1, y, g0, w, 1, g1 * D); /* along the columns: a row of patches is one long channel */
	for (i = 0; i < n1; i++)
		out[i] = (float)z[i];
out:
	free(w);
	free(x);
	free(y);
	free(z);
	return rc;
}
