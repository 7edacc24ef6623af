/* SPDX-License-Identifier: MIT
 * embed.c - what comes in front of a transformer: patches and embeddings */
#include "cpu.h"
#include "simd.h"

/* one row of patches: y0 is the first of the g rows of Y */
static void
patch_line(const struct simd *s, struct mat y, int64_t y0, const uint8_t *image, const float *table, int side, int patch, int py)
{
	float line[512];
	int px, c, i, j;

	for (px = 0; px < side / patch; px++)
		for (c = 0; c < 3; c++)
			for (i = 0; i < patch; i++) {
				const uint8_t *p = image +
				                   ((size_t)(py * patch + i) * (size_t)side +
				                    (size_t)(px * patch)) *
				                           3 +
				                   c;

				for (j = 0; j < patch; j++)
					line[j] = table[c * 256 + p[3 * j]];
				s->store(mat_at(y, y0 + px, (c * patch + i) * patch), y.t, line, patch);
			}
}

int
cpu_patchify(struct backend *b, struct mat y, const uint8_t *images, const float *table, int64_t n, int side,
             int patch, struct adds_error *err)
{
	const int g = side / patch;
	int64_t i;

	(void)err;
	assert(patch <= 512 && y.rows == n * g * g && y.cols == 3 * patch * patch);
#pragma omp parallel for num_threads(cpu_threads(b, y.rows *y.cols))
	for (i = 0; i < n * g; i++)
		patch_line(cpu_state(b)->simd, y, i * g,
		           images + (size_t)(i / g) * (size_t)side * (size_t)side * 3, table, side, patch,
		           (int)(i % g));
	return 0;
}

static void
add_rows(float *y, const float *a, const float *c, int64_t n)
{
	int64_t i;

	for (i = 0; i < n; i++)
		y[i] = a[i] + c[i];
}

int
cpu_embed_patches(struct backend *b, struct mat y, struct mat x, const float *cls, const float *pos, int64_t n,
                  int64_t g2, struct adds_error *err)
{
	const int64_t d = y.cols, T = g2 + (cls ? 1 : 0);
	int64_t i;

	(void)err;
	assert(y.rows == n * T && x.rows == n * g2 && x.cols == d);
#pragma omp parallel for num_threads(cpu_threads(b, y.rows *d))
	for (i = 0; i < n * T; i++) {
		const int64_t t = i % T, j = cls ? t - 1 : t;

		add_rows(row_f32(y, i), j < 0 ? cls : row_f32(x, i / T * g2 + j), pos + t * d, d);
	}
	return 0;
}

int
cpu_embed_tokens(struct backend *b, struct mat y, const int32_t *id, const int32_t *at, struct mat table,
                 const float *pos, struct adds_error *err)
{
	const int64_t d = y.cols;
	int64_t i;

	(void)err;
	assert(table.cols == d);
#pragma omp parallel for num_threads(cpu_threads(b, y.rows *d))
	for (i = 0; i < y.rows; i++) {
		cpu_state(b)->simd->load(row_f32(y, i), mat_at(table, id[i], 0), table.t, d);
		add_rows(row_f32(y, i), row_f32(y, i), pos + at[i] * d, d);
	}
	return 0;
}
