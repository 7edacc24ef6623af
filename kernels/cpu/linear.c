/* SPDX-License-Identifier: MIT
 * linear.c - rows times a weight matrix, with bias, activation and residual */
#include <omp.h>
#include <stdlib.h>

#include "cpu.h"
#include "product.h"

enum {
	BLOCK = 256, /* rows of a segment that one thread computes where bits depend on the cut */
};

struct packed {
	const float *w;  /* where it is read: the caller's array, or own */
	float *own;
	int64_t n, k, bi, bj; /* element (i of k, j of n) is at i·bi + j·bj */
};

int
cpu_pack(struct backend *b, struct packed **out, const void *w, enum dtype t, int64_t n, int64_t k, int transposed,
         enum precision prec, struct adds_error *err)
{
	struct packed *p = calloc(1, sizeof(*p));

	(void)b;
	(void)prec;
	*out = p;
	if (!p)
		return adds_fail(err, ADDS_ENOMEM, "out of memory");
	p->n = n;
	p->k = k;
	p->bi = transposed ? n : 1;
	p->bj = transposed ? 1 : k;
	p->w = w;
	if (t == DT_F32)
		return 0;
	if (!(p->own = cpu_scratch((size_t)(n * k) * sizeof(*p->own), err))) {
		free(p);
		*out = NULL;
		return ADDS_ENOMEM;
	}
	cpu_load(p->own, w, t, n * k);
	p->w = p->own;
	return 0;
}

void
cpu_unpack(struct backend *b, struct packed *w)
{
	(void)b;
	if (!w)
		return;
	free(w->own);
	free(w);
}

static void
product_of(struct product *p, struct mat y, struct mat x, const struct packed *w, const float *bias,
           enum activation act, int add, int threads)
{
	memset(p, 0, sizeof(*p));
	p->m = x.rows;
	p->n = w->n;
	p->k = w->k;
	p->ai = x.ld;
	p->aj = 1;
	p->bi = w->bi;
	p->bj = w->bj;
	p->ci = y.ld;
	p->at = x.t;
	p->ct = y.t;
	p->bias = bias != NULL;
	p->act = act;
	p->add = add;
	p->alpha = 1;
	p->threads = threads;
}

/* some rows: the residual is laid down first, then added to */
static int
some_rows(struct backend *b, struct mat y, struct mat x, const struct packed *w, const float *bias,
          enum activation act, struct mat r, int64_t begin, int64_t rows, int threads, struct adds_error *err)
{
	struct mat part = mat_part(y, begin, rows, 0, y.cols);
	struct product p;
	int64_t i;

	if (r.p && r.p != y.p)
		for (i = 0; i < rows; i++)
			cpu_store(mat_at(part, i, 0), y.t, row_f32(r, begin + i), y.cols);
	product_of(&p, part, mat_part(x, begin, rows, 0, x.cols), w, bias, act, r.p != NULL, threads);
	return product_run(cpu_state(b)->products, &p, part.p, mat_at(x, begin, 0), w->w, bias, err);
}

/* The rows of a block lie in one segment, and its length depends on the
 * segment's alone. Returns how many blocks; at[i] is the first row of block i. */
static int64_t
cut(int64_t *at, struct segs s)
{
	int64_t i, r, n = 0;

	for (i = 0; i < s.n; i++)
		for (r = s.at[i]; r < s.at[i + 1]; r += BLOCK)
			at[n++] = r;
	at[n] = s.at[s.n];
	return n;
}

static int
by_blocks(struct backend *b, struct mat y, struct mat x, const struct packed *w, const float *bias,
          enum activation act, struct mat r, struct segs s, struct adds_error *err)
{
	struct adds_error *first = err, mine;
	int64_t *at, i, n;
	int rc = 0;

	if (!(at = cpu_scratch((size_t)(s.n + x.rows / BLOCK + 1) * sizeof(*at), err)))
		return ADDS_ENOMEM;
	n = cut(at, s);
#pragma omp parallel private(mine) num_threads((int)min_i64(b->threads, n ? n : 1))
	{
		omp_set_num_threads(1);
#pragma omp for schedule(dynamic)
		for (i = 0; i < n; i++) {
			const int code = some_rows(b, y, x, w, bias, act, r, at[i], at[i + 1] - at[i], 1, &mine);

			if (code < 0)
#pragma omp critical(cpu_error)
			{
				rc = code;
				if (first)
					*first = mine;
			}
		}
	}
	free(at);
	return rc;
}

int
cpu_linear(struct backend *b, struct mat y, struct mat x, const struct packed *w, const float *bias,
           enum activation act, struct mat r, struct segs segs, struct adds_error *err)
{
	const int64_t whole[2] = { 0, x.rows };
	const int before = omp_get_max_threads();
	int rc;

	assert(y.rows == x.rows && y.cols == w->n && x.cols == w->k);
	if (!x.rows || !w->n)
		return 0;
	if (!segs.at)
		segs = (struct segs){ 1, whole };
	assert(segs.at[segs.n] == x.rows);
	if (!products_traits().steady)
		return by_blocks(b, y, x, w, bias, act, r, segs, err);
	omp_set_num_threads(b->threads);
	rc = some_rows(b, y, x, w, bias, act, r, 0, x.rows, b->threads, err);
	omp_set_num_threads(before);
	return rc;
}
