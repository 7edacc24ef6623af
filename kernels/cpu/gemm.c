/* SPDX-License-Identifier: MIT
 *
 * gemm.c - independent products: by blocked.h's loops; on processors with AMX,
 * in bf16, by the library, one after the other or, when there are many, a
 * thread each.
 */
#include <omp.h>
#include <stdlib.h>

#include "blocked.h"
#include "cpu.h"
#include "product.h"

enum {
	DEEP = 1024, /* longest sum that the library is given: longer ones it may cut by the number of threads */
};

static int64_t
inner(const struct gemm_job *j)
{
	return j->ta ? j->a.rows : j->a.cols;
}

/* ---- by the library ---- */

static void
scale_block(struct mat c, float beta)
{
	int64_t r, i;

	for (r = 0; r < c.rows; r++)
		for (i = 0; i < c.cols; i++)
			row_f32(c, r)[i] *= beta;
}

/* can it be done in bf16? */
static int
fits(const struct gemm_job *j)
{
	return j->a.t == DT_F32 && j->b.t == DT_F32 && inner(j) && j->c.rows && j->c.cols;
}

/* does the library add the bias, and so on, itself? */
static int
whole(const struct gemm_job *j)
{
	return j->alpha == 1 && inner(j) <= DEEP;
}

/* C = act(C + bias) */
static void
finish(struct backend *b, const struct gemm_job *j, int threads)
{
	const struct simd *simd = cpu_state(b)->simd;
	int64_t r;

#pragma omp parallel for num_threads(threads)
	for (r = 0; r < j->c.rows; r++) {
		float *c = row_f32(j->c, r);

		if (j->bias)
			simd->add(c, c, j->bias, j->c.cols);
		if (j->act != ACT_NONE)
			simd->act(c, c, j->act, j->c.cols);
	}
}

static int
run_library(struct backend *b, const struct gemm_job *j, int threads, struct adds_error *err)
{
	const int64_t K = inner(j), aj = j->ta ? j->a.ld : 1, bi = j->tb ? 1 : j->b.ld;
	struct product p;
	int64_t k;
	int rc;

	if (j->beta != 0 && j->beta != 1)
		scale_block(j->c, j->beta);
	for (k = 0; k < K; k += DEEP) {
		memset(&p, 0, sizeof(p));
		p.m = j->c.rows;
		p.n = j->c.cols;
		p.k = min_i64(DEEP, K - k);
		p.ai = j->ta ? 1 : j->a.ld;
		p.aj = aj;
		p.bi = bi;
		p.bj = j->tb ? j->b.ld : 1;
		p.ci = j->c.ld;
		p.at = j->a.t;
		p.bt = j->b.t;
		p.add = k > 0 || j->beta != 0;
		p.alpha = j->alpha;
		p.threads = threads;
		p.bias = whole(j) && j->bias;
		p.act = whole(j) ? j->act : ACT_NONE;
		rc = cpu_product_run(cpu_state(b)->products, &p, j->c.p, mat_at(j->a, j->ta ? k : 0, j->ta ? 0 : k),
		                     mat_at(j->b, j->tb ? 0 : k, j->tb ? k : 0), j->bias, err);
		if (rc < 0)
			return rc;
	}
	if (!whole(j) && (j->bias || j->act != ACT_NONE))
		finish(b, j, threads);
	return 0;
}

static int
by_library(struct backend *b, const struct gemm_job *j, int threads, struct adds_error *err)
{
	struct gemm_job narrow = *j;
	int rc = ADDS_ENOMEM;

	narrow.a = cpu_bf16_copy(b, j->a, err);
	narrow.b = narrow.a.p ? cpu_bf16_copy(b, j->b, err) : narrow.a;
	if (narrow.b.p) {
		rc = run_library(b, &narrow, threads, err);
		free(narrow.b.p);
	}
	free(narrow.a.p);
	return rc;
}

/* a thread each */
static int
many_by_library(struct backend *b, const struct gemm_job *jobs, int64_t n, struct adds_error *err)
{
	struct adds_error *out = err, mine;
	int64_t i;
	int rc = 0;

#pragma omp parallel private(mine) num_threads((int)min_i64(b->threads, n))
	{
		omp_set_num_threads(1);
#pragma omp for schedule(dynamic)
		for (i = 0; i < n; i++) {
			const int code = by_library(b, &jobs[i], 1, &mine);

			if (code < 0)
#pragma omp critical(cpu_error)
			{
				rc = code;
				if (out)
					*out = mine;
			}
		}
	}
	return rc;
}

static int
few_by_library(struct backend *b, const struct gemm_job *jobs, int64_t n, struct adds_error *err)
{
	const int before = omp_get_max_threads();
	int64_t i;
	int rc = 0;

	omp_set_num_threads(b->threads);
	for (i = 0; rc == 0 && i < n; i++)
		rc = by_library(b, &jobs[i], b->threads, err);
	omp_set_num_threads(before);
	return rc;
}

/* ---- by our own loops ---- */

static struct blocked
blocked_of(const struct gemm_job *j)
{
	struct blocked w = { .a = j->a.p, .b = j->b.p, .alpha = j->alpha, .beta = j->beta, .bias = j->bias, .act = j->act };

	w.m = j->c.rows;
	w.n = j->c.cols;
	w.k = inner(j);
	w.ai = j->ta ? 1 : j->a.ld;
	w.aj = j->ta ? j->a.ld : 1;
	w.bi = j->tb ? 1 : j->b.ld;
	w.bj = j->tb ? j->b.ld : 1;
	w.at = j->a.t;
	w.bt = j->b.t;
	w.y = j->c;
	if (j->beta != 0)
		w.r = j->c;
	return w;
}

/* m as words of two bf16 (simd.h): along its rows, or (down) of two rows each */
static size_t
words_of(struct mat m, int down)
{
	return (size_t)(down ? ceil_div(m.rows, 2) * m.cols : m.rows * ceil_div(m.cols, 2));
}

/* its rows are shared out among the threads of the parallel region that this is called in */
static void
fill_words(const struct simd *simd, uint32_t *words, struct mat m, int down)
{
	const int64_t rows = down ? ceil_div(m.rows, 2) : m.rows, cols = down ? m.cols : ceil_div(m.cols, 2);
	int64_t r;

#pragma omp for nowait schedule(static)
	for (r = 0; r < rows; r++) {
		uint32_t *row = words + r * cols;

		if (down) {
			simd->pair(row, row_f32(m, 2 * r), 2 * r + 1 < m.rows ? row_f32(m, 2 * r + 1) : NULL, m.cols);
		} else {
			row[cols - 1] = 0;
			simd->store(row, DT_BF16, row_f32(m, r), m.cols);
		}
	}
}

/* a product in bf16 of words that are still to be filled in, at words; returns where they end */
static uint32_t *
narrow(struct blocked *w, const struct gemm_job *j, uint32_t *words)
{
	w->form = FORM_BF16;
	w->k = ceil_div(w->k, 2);
	w->a = words;
	w->b = words + words_of(j->a, j->ta);
	w->ai = j->ta ? 1 : w->k;
	w->aj = j->ta ? w->m : 1;
	w->bi = j->tb ? 1 : w->n;
	w->bj = j->tb ? w->k : 1;
	return words + words_of(j->a, j->ta) + words_of(j->b, !j->tb);
}

/* the factors of those that can be done in bf16; *room is the caller's to free */
static int
narrow_all(struct backend *b, struct blocked *list, const struct gemm_job *jobs, int64_t n, void **room, struct adds_error *err)
{
	const struct simd *simd = cpu_state(b)->simd;
	size_t size = 0;
	uint32_t *next;
	int64_t i;

	for (i = 0; i < n; i++)
		if (fits(&jobs[i]))
			size += words_of(jobs[i].a, jobs[i].ta) + words_of(jobs[i].b, !jobs[i].tb);
	if (!(*room = cpu_scratch(size * sizeof(*next), err)))
		return ADDS_ENOMEM;
	for (i = 0, next = *room; i < n; i++)
		if (fits(&jobs[i]))
			next = narrow(&list[i], &jobs[i], next);
#pragma omp parallel private(i) num_threads(cpu_threads(b, (int64_t)size))
	for (i = 0; i < n; i++)
		if (list[i].form == FORM_BF16) {
			fill_words(simd, (uint32_t *)(uintptr_t)list[i].a, jobs[i].a, jobs[i].ta);
			fill_words(simd, (uint32_t *)(uintptr_t)list[i].b, jobs[i].b, !jobs[i].tb);
		}
	return 0;
}

/* all of them at once, each in bf16 where that is asked and can be */
static int
by_blocks(struct backend *b, const struct gemm_job *jobs, int64_t n, enum precision prec, struct adds_error *err)
{
	struct blocked *list = cpu_scratch((size_t)n * sizeof(*list), err);
	void *room = NULL;
	int64_t i;
	int rc = list ? 0 : ADDS_ENOMEM;

	for (i = 0; list && i < n; i++)
		list[i] = blocked_of(&jobs[i]);
	if (rc == 0 && prec == PREC_BF16)
		rc = narrow_all(b, list, jobs, n, &room, err);
	if (rc == 0)
		rc = cpu_blocked_run(cpu_state(b)->simd, list, n, b->threads, err);
	free(room);
	free(list);
	return rc;
}

static void
check(const struct gemm_job *j)
{
	assert((j->ta ? j->a.cols : j->a.rows) == j->c.rows);
	assert((j->tb ? j->b.rows : j->b.cols) == j->c.cols);
	assert(inner(j) == (j->tb ? j->b.cols : j->b.rows));
	assert(j->c.t == DT_F32);
	assert(j->beta == 0 || (!j->bias && j->act == ACT_NONE));
}

/* a mixed lot: each by what it would be computed with alone */
static int
one_by_one(struct backend *b, const struct gemm_job *jobs, int64_t n, enum precision prec, struct adds_error *err)
{
	int64_t i;
	int rc = 0;

	for (i = 0; rc == 0 && i < n; i++)
		rc = cpu_gemm(b, &jobs[i], 1, prec, err);
	return rc;
}

int
cpu_gemm(struct backend *b, const struct gemm_job *jobs, int64_t n, enum precision prec, struct adds_error *err)
{
	int64_t i, fitting = 0;

	prec = backend_precision(b, prec);
	for (i = 0; i < n; i++) {
		check(&jobs[i]);
		fitting += fits(&jobs[i]);
	}
	if (prec != PREC_BF16 || !cpu_state(b)->amx || fitting == 0)
		return by_blocks(b, jobs, n, prec, err);
	if (fitting < n)
		return one_by_one(b, jobs, n, prec, err);
	if (n >= 2 * b->threads)
		return many_by_library(b, jobs, n, err);
	return few_by_library(b, jobs, n, err);
}
