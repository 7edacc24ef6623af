/* SPDX-License-Identifier: MIT
 * run.c - memory, collected products and row ranges of a pass */
#include <assert.h>
#include <stdlib.h>

#include "decoder_inside.h"

float *
adds_dec_floats(struct run *r, struct adds_dec_buf *b, int64_t n)
{
	void *p = NULL;
	size_t bytes;

	if (r->rc < 0)
		return NULL;
	if (n <= b->size)
		return b->p;
	if (n < 0 || adds_mul_size((size_t)n, sizeof(float), &bytes)) {
		r->rc = adds_fail(r->err, ADDS_ELIMIT, "the decoder needs a matrix of %lld numbers: use a smaller batch",
		                  (long long)n);
		return NULL;
	}
	adds_dec_release(r->b, b);
	if ((r->rc = r->b->ops->alloc(r->b, &p, bytes, r->err)) < 0)
		return NULL;
	b->p = p;
	b->size = n;
	return b->p;
}

struct mat
adds_dec_mat(struct run *r, struct adds_dec_buf *b, int64_t rows, int64_t cols)
{
	return f32(adds_dec_floats(r, b, rows * cols), rows, cols);
}

void
adds_dec_release(struct backend *b, struct adds_dec_buf *buf)
{
	b->ops->release(b, buf->p);
	buf->p = NULL;
	buf->size = 0;
}

int
adds_dec_grow(struct run *r, void *array, size_t *cap, size_t n, size_t element)
{
	void **a = array;
	size_t most = *cap ? *cap : 64, bytes;
	void *p;

	if (r->rc < 0)
		return -1;
	if (n <= *cap)
		return 0;
	while (most < n)
		most *= 2;
	if (adds_mul_size(most, element, &bytes) || !(p = realloc(*a, bytes))) {
		r->rc = adds_fail(r->err, ADDS_ENOMEM, "out of memory for the decoder's lists");
		return -1;
	}
	*a = p;
	*cap = most;
	return 0;
}

void
adds_dec_job(struct run *r, struct mat c, struct mat a, int ta, struct mat b, int tb, float beta)
{
	struct adds_decoder *d = r->d;

	if (adds_dec_grow(r, &d->jobs, &d->jobs_cap, (size_t)d->njobs + 1, sizeof(*d->jobs)))
		return;
	d->jobs[d->njobs++] = (struct gemm_job){ .c = c, .a = a, .b = b, .ta = ta, .tb = tb, .alpha = 1, .beta = beta };
}

void
adds_dec_finish(struct run *r, const float *bias, enum activation act)
{
	struct adds_decoder *d = r->d;

	if (r->rc < 0)
		return;
	d->jobs[d->njobs - 1].bias = bias;
	d->jobs[d->njobs - 1].act = act;
}

void
adds_dec_run(struct run *r)
{
	if (r->d->njobs)
		OP(r, gemm, r->d->jobs, r->d->njobs, r->prec);
	r->d->njobs = 0;
}

int64_t
adds_dec_ranges(struct run *r, const struct rows_of *groups, int ngroups, const unsigned char *chosen, int want)
{
	struct adds_decoder *d = r->d;
	int64_t n = 0, p;
	int g;

	if (adds_dec_grow(r, &d->ranges, &d->ranges_cap, (size_t)(r->n * ngroups), sizeof(*d->ranges)))
		return 0;
	for (g = 0; g < ngroups; g++)
		for (p = 0; p < r->n; p++) {
			const struct range x = { row_begin(&groups[g], p), row_count(&groups[g], p) };

			if (chosen && chosen[p] != want)
				continue;
			if (r->train && n && d->ranges[n - 1].row + d->ranges[n - 1].rows == x.row)
				d->ranges[n - 1].rows += x.rows;
			else
				d->ranges[n++] = x;
		}
	return n;
}

static void
products(struct run *r, struct mat y, struct mat x, struct mat w, int tw, float beta,
         const float *bias, enum activation act, int64_t n)
{
	int64_t i;

	for (i = 0; i < n && r->rc >= 0; i++) {
		const struct range *g = &r->d->ranges[i];

		adds_dec_job(r, rows_part(y, g->row, g->rows), rows_part(x, g->row, g->rows), 0, w, tw, beta);
		adds_dec_finish(r, bias, act);
	}
	adds_dec_run(r);
}

void
adds_dec_project(struct run *r, struct mat y, struct mat x, struct mat w, int tw, float beta, int64_t n)
{
	products(r, y, x, w, tw, beta, NULL, ACT_NONE, n);
}

void
adds_dec_linear(struct run *r, struct mat y, struct mat x, struct mat w, int tw, const float *bias,
                enum activation act, int64_t n)
{
	products(r, y, x, w, tw, 0, bias, act, n);
}

void
adds_dec_weight_grad(struct run *r, struct mat dw, struct mat dy, struct mat x, int64_t n)
{
	int64_t i;

	for (i = 0; i < n && r->rc >= 0; i++) {
		const struct range *g = &r->d->ranges[i];

		adds_dec_job(r, dw, rows_part(dy, g->row, g->rows), 1, rows_part(x, g->row, g->rows), 0, 1);
		adds_dec_run(r);
	}
}

void
adds_dec_bias_grad(struct run *r, float *db, struct mat dy, int64_t n)
{
	int64_t i;

	for (i = 0; i < n && r->rc >= 0; i++)
		OP(r, colsum, db, rows_part(dy, r->d->ranges[i].row, r->d->ranges[i].rows), 1);
}

struct mat
adds_dec_weight(const struct run *r, int64_t at, int64_t rows, int64_t cols)
{
	return f32(r->d->w + at, rows, cols);
}

struct mat
adds_dec_grad(const struct run *r, int64_t at, int64_t rows, int64_t cols)
{
	assert(r->d->g);
	return f32(r->d->g + at, rows, cols);
}
