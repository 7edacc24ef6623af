/* SPDX-License-Identifier: MIT
 * gemm.c - independent products, cut into blocks by their shape alone */
#include <omp.h>
#include <stdlib.h>

#include "cpu.h"
#include "product.h"

enum {
	ROWS = 256, /* of a block of C */
	COLS = 512,
	DEEP = 2047, /* longest sum taken at once */
};

static int64_t
blocks_of(const struct gemm_job *j)
{
	return ceil_div(j->c.rows, ROWS) * ceil_div(j->c.cols, COLS);
}

static void
scale_block(struct mat c, float beta)
{
	int64_t r, i;

	for (r = 0; r < c.rows; r++)
		for (i = 0; i < c.cols; i++)
			row_f32(c, r)[i] = beta == 0 ? 0 : beta * row_f32(c, r)[i];
}

/* C = alpha·op(A)·op(B) + beta·C, sums in pieces of DEEP */
static int
run(struct backend *b, struct mat c, struct mat a, struct mat w, const struct gemm_job *j, int threads,
    struct adds_error *err)
{
	const int64_t K = j->ta ? a.rows : a.cols;
	const int64_t aj = j->ta ? a.ld : 1, bi = j->tb ? 1 : w.ld;
	struct product p;
	int64_t k;
	int rc;

	if (!K || (j->beta != 0 && j->beta != 1))
		scale_block(c, j->beta);
	for (k = 0; k < K; k += DEEP) {
		memset(&p, 0, sizeof(p));
		p.m = c.rows;
		p.n = c.cols;
		p.k = min_i64(DEEP, K - k);
		p.ai = j->ta ? 1 : a.ld;
		p.aj = aj;
		p.bi = bi;
		p.bj = j->tb ? w.ld : 1;
		p.ci = c.ld;
		p.at = a.t;
		p.bt = w.t;
		p.add = k > 0 || j->beta != 0;
		p.alpha = j->alpha;
		p.threads = threads;
		rc = product_run(cpu_state(b)->products, &p, c.p, (char *)a.p + (size_t)(k * aj) * dtype_size(a.t),
		                 (char *)w.p + (size_t)(k * bi) * dtype_size(w.t), NULL, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* block number i of job j */
static int
run_block(struct backend *b, const struct gemm_job *j, int64_t i, struct adds_error *err)
{
	const int64_t wide = ceil_div(j->c.cols, COLS), r0 = i / wide * ROWS, c0 = i % wide * COLS;
	const int64_t rows = min_i64(ROWS, j->c.rows - r0), cols = min_i64(COLS, j->c.cols - c0);
	const struct mat a = j->ta ? mat_part(j->a, 0, j->a.rows, r0, rows) : mat_part(j->a, r0, rows, 0, j->a.cols);
	const struct mat w = j->tb ? mat_part(j->b, c0, cols, 0, j->b.cols) : mat_part(j->b, 0, j->b.rows, c0, cols);

	return run(b, mat_part(j->c, r0, rows, c0, cols), a, w, j, 1, err);
}

static int
run_blocks(struct backend *b, const struct gemm_job *jobs, const int64_t *first, int64_t n, struct adds_error *err)
{
	const int64_t total = first[n];
	struct adds_error *out = err, mine;
	int64_t i;
	int rc = 0;

#pragma omp parallel private(mine) num_threads((int)min_i64(b->threads, total ? total : 1))
	{
		int64_t j = 0;

		omp_set_num_threads(1);
#pragma omp for schedule(dynamic)
		for (i = 0; i < total; i++) {
			int code;

			while (i >= first[j + 1])
				j++;
			code = run_block(b, &jobs[j], i - first[j], &mine);
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

int
cpu_gemm(struct backend *b, const struct gemm_job *jobs, int64_t n, enum precision prec, struct adds_error *err)
{
	int64_t *first, i;
	int rc;

	(void)prec;
	if (!(first = cpu_scratch((size_t)(n + 1) * sizeof(*first), err)))
		return ADDS_ENOMEM;
	first[0] = 0;
	for (i = 0; i < n; i++) {
		assert((jobs[i].ta ? jobs[i].a.cols : jobs[i].a.rows) == jobs[i].c.rows);
		assert((jobs[i].tb ? jobs[i].b.rows : jobs[i].b.cols) == jobs[i].c.cols);
		assert((jobs[i].ta ? jobs[i].a.rows : jobs[i].a.cols) == (jobs[i].tb ? jobs[i].b.cols : jobs[i].b.rows));
		first[i + 1] = first[i] + blocks_of(&jobs[i]);
	}
	rc = run_blocks(b, jobs, first, n, err);
	free(first);
	return rc;
}
