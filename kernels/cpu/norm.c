/* SPDX-License-Identifier: MIT
 * norm.c - LayerNorm and unit length, row by row */
#include <math.h>
#include <omp.h>
#include <stdlib.h>

#include "cpu.h"
#include "simd.h"

enum {
	STRIP = 256, /* columns of dw that one thread sums */
	QUICK = 4,   /* elements that take as long as one of other work */
	BLOCK = 32,  /* rows of dw summed in f32 before they join the f64 sum */
};

int
cpu_layernorm(struct backend *b, struct mat y, struct mat sum, float *mean, float *rstd, struct mat x, struct mat r,
              const float *w, const float *bias, float eps, struct adds_error *err)
{
	const struct simd *simd = cpu_state(b)->simd;
	const int threads = cpu_threads(b, y.rows * y.cols / QUICK);
	float *work;
	int64_t i;

	assert(y.rows == x.rows && y.cols == x.cols);
	if (!(work = cpu_scratch((size_t)threads * (size_t)y.cols * sizeof(*work), err)))
		return ADDS_ENOMEM;
#pragma omp parallel for num_threads(threads)
	for (i = 0; i < y.rows; i++) {
		float *room = work + omp_get_thread_num() * y.cols, *s = sum.p ? row_f32(sum, i) : room;
		float *o = y.t == DT_F32 ? row_f32(y, i) : room;
		float m, d;

		if (r.p && x.t == DT_F32) {
			simd->add(s, row_f32(x, i), row_f32(r, i), x.cols);
		} else {
			simd->load(s, mat_at(x, i, 0), x.t, x.cols);
			if (r.p)
				simd->add(s, s, row_f32(r, i), x.cols);
		}
		simd->layernorm(o, &m, &d, s, w, bias, eps, y.cols);
		if (y.t != DT_F32)
			simd->store(mat_at(y, i, 0), y.t, o, y.cols);
		if (mean)
			mean[i] = m;
		if (rstd)
			rstd[i] = d;
	}
	free(work);
	return 0;
}

static void
layernorm_backward_strip(const struct simd *simd, float *dw, float *dbias, struct mat dy,
                         struct mat s, const float *mean, const float *rstd, int64_t c0, int64_t n)
{
	double tw[STRIP] = { 0 }, tb[STRIP] = { 0 };
	int64_t r0, r, c;

	for (r0 = 0; r0 < dy.rows; r0 += BLOCK) {
		float pw[STRIP] = { 0 }, pb[STRIP] = { 0 };

		for (r = r0; r < min_i64(r0 + BLOCK, dy.rows); r++)
			simd->norm_sums(pw, pb, row_f32(dy, r) + c0, row_f32(s, r) + c0, mean[r], rstd[r], n);
		for (c = 0; c < n; c++) {
			tw[c] += (double)pw[c];
			tb[c] += (double)pb[c];
		}
	}
	for (c = 0; c < n; c++) {
		if (dw)
			dw[c0 + c] += (float)tw[c];
		if (dbias)
			dbias[c0 + c] += (float)tb[c];
	}
}

int
cpu_layernorm_backward(struct backend *b, struct mat dx, float beta, float *dw, float *dbias, struct mat dy,
                       struct mat s, const float *mean, const float *rstd, const float *w, struct adds_error *err)
{
	const struct simd *simd = cpu_state(b)->simd;
	const int threads = cpu_threads(b, dy.rows * dy.cols);
	int64_t r, c;

	(void)err;
	assert(dy.rows == s.rows && dy.cols == s.cols);
	if (dw || dbias) /* first: dX may be where dY is */
#pragma omp parallel for num_threads(threads)
		for (c = 0; c < dy.cols; c += STRIP)
			layernorm_backward_strip(simd, dw, dbias, dy, s, mean, rstd, c, min_i64(STRIP, dy.cols - c));
	if (dx.p)
#pragma omp parallel for num_threads(threads)
		for (r = 0; r < dy.rows; r++)
			simd->layernorm_backward(row_f32(dx, r), beta, row_f32(dy, r),
			                         row_f32(s, r), mean[r], rstd[r], w, dy.cols);
	return 0;
}

int
cpu_l2norm(struct backend *b, struct mat y, struct mat x, float eps, struct adds_error *err)
{
	const struct simd *simd = cpu_state(b)->simd;
	int64_t r, c;

	(void)err;
	assert(y.rows == x.rows && y.cols == x.cols);
#pragma omp parallel for private(c) num_threads(cpu_threads(b, y.rows *y.cols))
	for (r = 0; r < y.rows; r++) {
		const float *f = row_f32(x, r);
		const float factor = 1 / fmaxf(sqrtf(simd->dot(f, f, y.cols)), eps);
		float *a = row_f32(y, r);

		for (c = 0; c < y.cols; c++)
			a[c] = f[c] * factor;
	}
	return 0;
}
