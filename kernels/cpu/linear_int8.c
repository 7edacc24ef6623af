/* SPDX-License-Identifier: MIT
 *
 * linear_int8.c - products in eight bits, summed exactly in 32. A row of x is
 * stored as round(x / scale) + 128, for the instructions want one unsigned
 * factor; 128·Σw is taken off afterwards. Processors without VNNI add pairs of
 * products in 16 bits: there W has seven bits, so that 2·255·64 fits.
 */
#include <math.h>
#include <omp.h>
#include <stdlib.h>

#include "cpu.h"
#include "linear.h"
#include "product.h"
#include "simd.h"

static float
largest(const float *x, int64_t n)
{
	float most = 0;
	int64_t i;

	for (i = 0; i < n; i++)
		most = fmaxf(most, fabsf(x[i]));
	return most;
}

/* column j of W: n numbers to int8, most at the largest */
static void
pack_column(struct packed *w, int64_t j, int most, float *line)
{
	int64_t l;
	float factor;

	if (w->bi == 1)
		cpu_load(line, (const char *)w->w + (size_t)(j * w->bj) * dtype_size(w->t), w->t, w->k);
	else
		for (l = 0; l < w->k; l++)
			cpu_load(line + l, (const char *)w->w + (size_t)(l * w->bi + j) * dtype_size(w->t), w->t, 1);
	w->scale8[j] = largest(line, w->k) / (float)most;
	factor = w->scale8[j] > 0 ? 1 / w->scale8[j] : 0;
	w->off8[j] = 0;
	for (l = 0; l < w->k; l++) {
		w->w8[j * w->k + l] = (int8_t)lrintf(line[l] * factor);
		w->off8[j] += 128 * w->w8[j * w->k + l];
	}
}

static int
pack(struct backend *b, struct packed *w, struct adds_error *err)
{
	const size_t n = (size_t)w->n, k = (size_t)w->k;
	float *lines = cpu_scratch((size_t)b->threads * k * sizeof(*lines), err);
	int64_t j;

	w->w8 = cpu_scratch(n * k, err);
	w->scale8 = cpu_scratch(n * sizeof(*w->scale8), err);
	w->off8 = cpu_scratch(n * sizeof(*w->off8), err);
	if (lines && w->w8 && w->scale8 && w->off8) {
#pragma omp parallel for num_threads(b->threads)
		for (j = 0; j < w->n; j++)
			pack_column(w, j, cpu_state(b)->int8, lines + omp_get_thread_num() * w->k);
		b->packed_bytes += n * k + n * (sizeof(*w->scale8) + sizeof(*w->off8));
		free(lines);
		cpu_linear_spared(w);
		return 0;
	}
	free(lines);
	free(w->w8);
	free(w->scale8);
	free(w->off8);
	w->w8 = NULL;
	w->scale8 = NULL;
	w->off8 = NULL;
	return ADDS_ENOMEM;
}

struct room {
	uint8_t *x8;  /* [m,k] */
	float *scale; /* [m] */
	int32_t *sum; /* [m,n] */
	float *line;  /* [threads, max(n,k)] */
	int64_t longest;
};

static void
room_free(struct room *r)
{
	free(r->x8);
	free(r->scale);
	free(r->sum);
	free(r->line);
}

static int
room_new(struct room *r, int64_t m, const struct packed *w, int threads, struct adds_error *err)
{
	r->longest = w->n > w->k ? w->n : w->k;
	r->x8 = cpu_scratch((size_t)(m * w->k), err);
	r->scale = cpu_scratch((size_t)m * sizeof(*r->scale), err);
	r->sum = cpu_scratch((size_t)(m * w->n) * sizeof(*r->sum), err);
	r->line = cpu_scratch((size_t)(threads * r->longest) * sizeof(*r->line), err);
	return r->x8 && r->scale && r->sum && r->line ? 0 : ADDS_ENOMEM;
}

static void
quantise_row(const struct simd *simd, struct room *m, struct mat x, int64_t i, float *line)
{
	const float *row = line;

	if (x.t == DT_F32)
		row = row_f32(x, i);
	else
		cpu_load(line, mat_at(x, i, 0), x.t, x.cols);
	m->scale[i] = simd->quantise(m->x8 + i * x.cols, row, x.cols);
}

static void
finish_row(const struct simd *simd, const struct room *m, struct mat y, const struct packed *w, const float *bias,
           enum activation act, struct mat r, int64_t i, float *line)
{
	float *to = y.t == DT_F32 ? row_f32(y, i) : line;

	simd->restore(to, m->sum + i * w->n, w->off8, w->scale8, m->scale[i], bias, act, r.p ? row_f32(r, i) : NULL, w->n);
	if (y.t != DT_F32)
		cpu_store(mat_at(y, i, 0), y.t, line, w->n);
}

static int
multiply(struct backend *b, const struct room *m, int64_t rows, const struct packed *w, struct adds_error *err)
{
	const int before = omp_get_max_threads();
	struct product p;
	int rc;

	memset(&p, 0, sizeof(p));
	p.m = rows;
	p.n = w->n;
	p.k = w->k;
	p.ai = w->k;
	p.aj = 1;
	p.bi = 1;
	p.bj = w->k;
	p.ci = w->n;
	p.at = DT_U8;
	p.bt = DT_I8;
	p.ct = DT_I32;
	p.alpha = 1;
	p.threads = b->threads;
	omp_set_num_threads(b->threads);
	rc = cpu_product_run(cpu_state(b)->products, &p, m->sum, m->x8, w->w8, NULL, err);
	omp_set_num_threads(before);
	return rc;
}

int
cpu_linear_int8(struct backend *b, struct mat y, struct mat x, struct packed *w, const float *bias,
                enum activation act, struct mat r, struct adds_error *err)
{
	const struct simd *simd = cpu_state(b)->simd;
	struct room m = { 0 };
	int64_t i;
	int rc;

	if (!w->w8 && (rc = pack(b, w, err)) < 0)
		return rc;
	if ((rc = room_new(&m, x.rows, w, b->threads, err)) < 0)
		goto out;
#pragma omp parallel for num_threads(b->threads)
	for (i = 0; i < x.rows; i++)
		quantise_row(simd, &m, x, i, m.line + omp_get_thread_num() * m.longest);
	if ((rc = multiply(b, &m, x.rows, w, err)) < 0)
		goto out;
#pragma omp parallel for num_threads(b->threads)
	for (i = 0; i < y.rows; i++)
		finish_row(simd, &m, y, w, bias, act, r, i, m.line + omp_get_thread_num() * m.longest);
out:
	room_free(&m);
	return rc;
}
