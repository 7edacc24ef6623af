/* SPDX-License-Identifier: MIT
 * directions.c - label texts as directions about their mean, and how near two are */
#include <math.h>
#include <string.h>

#include "ridge_inside.h"

void
adds_mean_text(float *mean, const float *texts, int64_t D, const int32_t *rows, int64_t n)
{
	int64_t i, j;

	for (j = 0; j < D; j++) {
		double sum = 0;

		for (i = 0; i < n; i++)
			sum += (double)texts[(rows ? rows[i] : i) * D + j];
		mean[j] = n ? (float)(sum / (double)n) : 0;
	}
}

void
adds_centred_texts(float *U, const float *texts, int64_t D, const int32_t *rows, int64_t n, const float *mean)
{
	int64_t i, j;

	for (i = 0; i < n; i++) {
		const float *t = texts + (rows ? rows[i] : i) * D;
		double sum = 0, length;

		for (j = 0; j < D; j++)
			sum += ((double)t[j] - (double)mean[j]) * ((double)t[j] - (double)mean[j]);
		length = sqrt(sum);
		for (j = 0; j < D; j++)
			U[i * D + j] = length < 1e-6 ? 0 : (float)(((double)t[j] - (double)mean[j]) / length);
	}
}

int
adds_text_kernel(struct backend *b, struct mat k, struct mat a, struct mat bm, double tau, struct adds_error *err)
{
	const int rc = adds_product(b, k, a, 0, bm, 1, 1, 0, err);

	return rc < 0 ? rc : b->ops->exp_affine(b, k, k, (float)(1 / tau), (float)(-1 / tau), err);
}
