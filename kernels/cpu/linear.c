/* SPDX-License-Identifier: MIT
 *
 * linear.c - rows times a weight matrix, with bias, activation and residual:
 * by blocked.h's loops, on processors with AMX and in bf16 by the library.
 */
#include <omp.h>
#include <stdlib.h>

#include "blocked.h"
#include "cpu.h"
#include "linear.h"
#include "product.h"
#include "simd.h"

enum {
	LONGEST8 = 65536, /* bytes whose products' sum fits 32 bits */
	WORTH = 512,      /* rows of a first product for which panels are kept */
};

int
cpu_pack(struct backend *b, struct packed **out, const void *w, enum dtype t, int64_t n, int64_t k, int transposed,
         enum precision prec, struct adds_error *err)
{
	struct packed *p = calloc(1, sizeof(*p));

	*out = p;
	if (!p)
		return adds_fail(err, ADDS_ENOMEM, "out of memory");
	p->w = w;
	p->t = t;
	p->n = n;
	p->k = k;
	p->bi = transposed ? n : 1;
	p->bj = transposed ? 1 : k;
	p->prec = backend_precision(b, prec);
	if (p->prec == PREC_INT8 && k > LONGEST8)
		p->prec = PREC_F32;
	return 0;
}

void
cpu_spare(struct backend *b, struct packed *w, enum spare how)
{
	(void)b;
	w->spared = 1 + (int)how;
}

void
cpu_linear_spared(struct packed *w)
{
	if (w->spared)
		backend_spare(w->w, (size_t)(w->n * w->k) * dtype_size(w->t), (enum spare)(w->spared - 1));
	w->spared = 0;
	w->w = NULL;
}

void
cpu_linear_drop(struct packed *w)
{
	free(w->panels);
	free(w->plain);
	free(w->scale8);
	free(w->off8);
	w->panels = NULL;
	w->plain = NULL;
	w->scale8 = NULL;
	w->off8 = NULL;
}

void
cpu_unpack(struct backend *b, struct packed *w)
{
	if (!w)
		return;
	b->packed_bytes -= w->packed_bytes;
	cpu_linear_spared(w);
	cpu_linear_drop(w);
	free(w);
}

/* ---- by our own loops ---- */

/* Panels pay off with the second product, or with many rows; without memory for them it goes on without. */
static void
consider_panels(struct backend *b, struct packed *w, int64_t rows)
{
	const struct simd *simd = cpu_state(b)->simd;
	const size_t bytes = cpu_blocked_panel_bytes(simd, w->n, w->k);

	if (w->panels || !w->k)
		return;
	if (!w->seen && rows < WORTH) {
		w->seen = 1;
		return;
	}
	if (!(w->panels = cpu_scratch(bytes, NULL)))
		return;
	cpu_blocked_pack(simd, w->panels, w->w, w->t, w->bi, w->bj, w->n, w->k, b->threads);
	w->packed_bytes += bytes;
	b->packed_bytes += bytes;
	cpu_linear_spared(w);
}

static int
by_blocks(struct backend *b, struct mat y, struct mat x, struct packed *w, const float *bias, enum activation act,
          struct mat r, struct adds_error *err)
{
	struct blocked p = { .a = x.p, .b = w->w, .m = x.rows, .n = w->n, .k = w->k };

	consider_panels(b, w, x.rows);
	p.panels = w->panels;
	p.ai = x.ld;
	p.aj = 1;
	p.bi = w->bi;
	p.bj = w->bj;
	p.at = x.t;
	p.bt = w->t;
	p.alpha = 1;
	p.beta = 1;
	p.act = act;
	p.bias = bias;
	p.r = r;
	p.y = y;
	return cpu_blocked_run(cpu_state(b)->simd, &p, 1, b->threads, err);
}

/* ---- by the library ---- */

/* W in bf16, in the caller's array or a copy */
static const void *
weight_bf16(struct backend *b, struct packed *w, struct adds_error *err)
{
	const size_t bytes = (size_t)(w->n * w->k) * sizeof(uint16_t);

	if (w->t == DT_BF16)
		return w->w;
	if (!(w->plain = cpu_bf16_copy(b, mat_of((void *)(uintptr_t)w->w, w->t, w->n, w->k), err).p))
		return NULL;
	w->packed_bytes += bytes;
	b->packed_bytes += bytes;
	cpu_linear_spared(w);
	w->w = w->plain;
	w->t = DT_BF16;
	return w->w;
}

static void
lay_down(struct backend *b, struct mat y, struct mat r)
{
	int64_t i;

	if (r.p == y.p)
		return;
#pragma omp parallel for num_threads(b->threads)
	for (i = 0; i < y.rows; i++)
		cpu_state(b)->simd->store(mat_at(y, i, 0), y.t, row_f32(r, i), y.cols);
}

static int
by_library(struct backend *b, struct mat y, struct mat x, struct packed *w, const float *bias, enum activation act,
           struct mat r, struct adds_error *err)
{
	const void *weight = weight_bf16(b, w, err);
	const int before = omp_get_max_threads();
	struct product p;
	int rc;

	if (!weight)
		return ADDS_ENOMEM;
	if (r.p) /* the residual is laid down first, then added to */
		lay_down(b, y, r);
	memset(&p, 0, sizeof(p));
	p.m = x.rows;
	p.n = w->n;
	p.k = w->k;
	p.ai = x.ld;
	p.aj = 1;
	p.bi = w->bi;
	p.bj = w->bj;
	p.ci = y.ld;
	p.at = x.t;
	p.bt = x.t;
	p.ct = y.t;
	p.bias = bias != NULL;
	p.act = act;
	p.add = r.p != NULL;
	p.alpha = 1;
	p.threads = b->threads;
	omp_set_num_threads(b->threads);
	rc = cpu_product_run(cpu_state(b)->products, &p, y.p, x.p, weight, bias, err);
	omp_set_num_threads(before);
	return rc;
}

/* x rounded to bf16 where it is not */
static int
by_library_bf16(struct backend *b, struct mat y, struct mat x, struct packed *w, const float *bias,
                enum activation act, struct mat r, struct adds_error *err)
{
	struct mat narrow;
	int rc;

	if (x.t == DT_BF16)
		return by_library(b, y, x, w, bias, act, r, err);
	if (!(narrow = cpu_bf16_copy(b, x, err)).p)
		return ADDS_ENOMEM;
	rc = by_library(b, y, narrow, w, bias, act, r, err);
	free(narrow.p);
	return rc;
}

int
cpu_linear(struct backend *b, struct mat y, struct mat x, const struct packed *weight, const float *bias,
           enum activation act, struct mat r, struct segs segs, struct adds_error *err)
{
	struct packed *w = (struct packed *)(uintptr_t)weight; /* gathers copies of itself */

	(void)segs; /* no row depends on another */
	assert(y.rows == x.rows && y.cols == w->n && x.cols == w->k);
	if (!x.rows || !w->n)
		return 0;
	if (w->k && w->prec == PREC_BF16 && cpu_state(b)->amx)
		return by_library_bf16(b, y, x, w, bias, act, r, err);
	if (w->k && (w->prec == PREC_BF16 || w->prec == PREC_INT8))
		return cpu_linear_narrow(b, y, x, w, bias, act, r, err);
	return by_blocks(b, y, x, w, bias, act, r, err);
}
