/* SPDX-License-Identifier: MIT
 * blocked.c - products by our own loops: cutting, packing, sharing out */
#include <omp.h>
#include <stdlib.h>

#include "blocked.h"
#include "cpu.h"

enum {
	ROWS = 120,      /* of a block of C: a multiple of every tile height; with DEEP, A's part fits the second cache */
	DEEP = 384,      /* products summed before they join C: B's part of a panel fits the first cache */
	COLS = 256,      /* of a block of C at most */
	WIDEST = 32,     /* panel */
	ONCE = 64 << 20, /* bytes of panels packed beforehand, at most */
	SHARE = 1 << 19, /* multiplications that are worth a thread */
	ALIAS = 4096,    /* bytes: rows so far apart, or a multiple, share places in the caches */
};

struct room {
	float a[ROWS * DEEP];
	float panel[DEEP * WIDEST];
	float c[ROWS * COLS];
};

static int64_t
panels_of(const struct simd *s, int64_t n)
{
	return ceil_div(n, s->panel_width);
}

size_t
cpu_blocked_panel_bytes(const struct simd *s, int64_t n, int64_t k)
{
	return (size_t)(panels_of(s, n) * s->panel_width * k) * sizeof(float);
}

static void
pack_one(const struct simd *s, float *panel, const void *b, enum dtype t, int64_t bi, int64_t bj, int64_t n, int64_t j,
         int64_t l0, int64_t k)
{
	const int64_t j0 = j * s->panel_width;
	const char *at = (const char *)b + (size_t)(l0 * bi + j0 * bj) * dtype_size(t);

	s->pack_panel(panel, at, t, bi, bj, k, min_i64(s->panel_width, n - j0));
}

void
cpu_blocked_pack(const struct simd *s, float *panels, const void *b, enum dtype t, int64_t bi, int64_t bj, int64_t n,
                 int64_t k, int threads)
{
	int64_t j;

#pragma omp parallel for num_threads(threads)
	for (j = 0; j < panels_of(s, n); j++)
		pack_one(s, panels + j * s->panel_width * k, b, t, bi, bj, n, j, 0, k);
}

/* rows r0 … of A, columns l0 …, as f32 row by row */
static void
pack_rows(const struct simd *s, float *y, const struct blocked *w, int64_t r0, int64_t rows, int64_t l0, int64_t k)
{
	const char *a = (const char *)w->a + (size_t)(r0 * w->ai + l0 * w->aj) * dtype_size(w->at);
	float line[ROWS];
	int64_t r, l;

	for (r = 0; w->aj == 1 && r < rows; r++)
		s->load(y + r * DEEP, a + (size_t)(r * w->ai) * dtype_size(w->at), w->at, k);
	for (l = 0; w->aj != 1 && l < k; l++) {
		s->load(line, a + (size_t)(l * w->aj) * dtype_size(w->at), w->at, rows);
		for (r = 0; r < rows; r++)
			y[r * DEEP + l] = line[r];
	}
}

struct block {
	int64_t r0, rows, j0, panels; /* rows of C, panels of B */
};

/* A's part of a block, as the inner loops read it */
struct part {
	const float *a;
	int64_t ld; /* 0: packed as tiles */
};

static struct part
part_of(const struct simd *s, const struct blocked *w, const struct block *b, float *room, int64_t l0, int64_t k)
{
	const float *a = (const float *)w->a + b->r0 * w->ai + l0 * w->aj;

	assert(w->ai == 1 || w->aj == 1);
	if (w->at == DT_F32 && w->aj == 1 && w->ai * (int64_t)sizeof(float) % ALIAS)
		return (struct part){ a, w->ai };
	if (w->at == DT_F32 && w->aj != 1) {
		s->pack_tiles(room, a, w->aj, k, b->rows);
		return (struct part){ room, 0 };
	}
	pack_rows(s, room, w, b->r0, b->rows, l0, k);
	return (struct part){ room, DEEP };
}

/* part of a panel that was packed beforehand: row l of panel j of the block */
static const float *
packed_at(const struct simd *s, const struct blocked *w, const struct block *b, int64_t j, int64_t l)
{
	return w->panels + ((b->j0 + j) * w->k + l) * s->panel_width;
}

/* adds the products of columns l0 … of A to the block of C */
static void
add_slice(const struct simd *s, const struct blocked *w, const struct block *b, struct room *m, int64_t l0, int64_t k)
{
	const struct part a = part_of(s, w, b, m->a, l0, k);
	const float *panel = m->panel, *soon = m->panel;
	int64_t j;

	for (j = 0; j < b->panels; j++) {
		float *c = m->c + j * ROWS * s->panel_width;

		if (!w->panels) {
			pack_one(s, m->panel, w->b, w->bt, w->bi, w->bj, w->n, b->j0 + j, l0, k);
		} else {
			panel = soon = packed_at(s, w, b, j, l0);
			if (j + 1 < b->panels)
				soon = packed_at(s, w, b, j + 1, l0);
			else if (l0 + k < w->k)
				soon = packed_at(s, w, b, 0, l0 + k);
		}
		if (a.ld)
			s->tile[w->form](c, s->panel_width, a.a, a.ld, panel, k, b->rows, l0 == 0, soon);
		else
			s->tile_packed[w->form](c, s->panel_width, a.a, panel, k, b->rows, l0 == 0, soon);
	}
}

static void
run_block(const struct simd *s, const struct blocked *w, const struct block *b, struct room *m)
{
	const int64_t c0 = b->j0 * s->panel_width, n = min_i64(b->panels * s->panel_width, w->n - c0);
	struct epilogue e = { .alpha = w->alpha, .beta = w->beta, .act = w->act, .r = w->r };
	int64_t l0;

	if (!w->k)
		memset(m->c, 0, sizeof(m->c));
	for (l0 = 0; l0 < w->k; l0 += DEEP)
		add_slice(s, w, b, m, l0, min_i64(DEEP, w->k - l0));
	e.bias = w->bias ? w->bias + c0 : NULL;
	if (w->form == FORM_INT8) {
		e.off = w->off + c0;
		e.scale = w->scale + c0;
		e.row = w->row + b->r0;
	}
	e.y = mat_part(w->y, b->r0, b->rows, c0, n);
	if (w->r.p)
		e.r = mat_part(w->r, b->r0, b->rows, c0, n);
	s->finish(m->c, ROWS * s->panel_width, &e);
}

/* how one product is cut; bits do not depend on it */
struct cut {
	int64_t wide; /* panels of a block */
	int64_t across, down;
};

static struct cut
cut(const struct simd *s, const struct blocked *w, int64_t jobs, int threads)
{
	const int64_t panels = panels_of(s, w->n);
	const int each = w->aj == 1 ? 4 : 2; /* blocks for a thread: fewer where each packs the rows of A for itself */
	struct cut c = { COLS / s->panel_width, 0, ceil_div(w->m, ROWS) };

	while (c.wide > 1 && jobs * c.down * ceil_div(panels, c.wide) < each * threads)
		c.wide = (c.wide + 1) / 2;
	c.across = ceil_div(panels, c.wide);
	return c;
}

static void
run_number(const struct simd *s, const struct blocked *w, const struct cut *c, int64_t i, struct room *m)
{
	struct block b = { i / c->across * ROWS, 0, i % c->across * c->wide, 0 };

	b.rows = min_i64(ROWS, w->m - b.r0);
	b.panels = min_i64(c->wide, panels_of(s, w->n) - b.j0);
	run_block(s, w, &b, m);
}

/* first[i]: number of the first block of job i */
static void
share_out(const struct simd *s, const struct blocked *jobs, const struct cut *cuts, const int64_t *first, int64_t n,
          int threads, struct room *rooms)
{
	int64_t i;

#pragma omp parallel num_threads(threads)
	{
		struct room *mine = rooms + omp_get_thread_num();
		int64_t j = 0;

#pragma omp for schedule(monotonic \
                         : dynamic)
		for (i = 0; i < first[n]; i++) {
			while (i >= first[j + 1])
				j++;
			run_number(s, &jobs[j], &cuts[j], i - first[j], mine);
		}
	}
}

/* threads worth starting for these products: each some ten microseconds of multiplications */
static int
threads_for(const struct blocked *jobs, int64_t n, int threads)
{
	double work = 0;
	int64_t i;

	for (i = 0; i < n; i++)
		work += (double)jobs[i].m * (double)jobs[i].n * (double)jobs[i].k;
	work = 1 + work / SHARE;
	return work < threads ? (int)work : threads;
}

/* bytes of a job's panels where packing them once pays, else 0 */
static size_t
packs_once(const struct simd *s, const struct blocked *w)
{
	const size_t bytes = cpu_blocked_panel_bytes(s, w->n, w->k);

	return !w->panels && w->m > 2 * ROWS ? bytes : 0;
}

static int
run_jobs(const struct simd *s, const struct blocked *jobs, int64_t n, int threads, struct adds_error *err)
{
	struct cut *cuts = cpu_scratch((size_t)n * sizeof(*cuts), err);
	int64_t *first = cpu_scratch((size_t)(n + 1) * sizeof(*first), err), i;
	struct room *rooms = NULL;
	int rc = ADDS_ENOMEM;

	if (!cuts || !first)
		goto out;
	threads = threads_for(jobs, n, threads);
	first[0] = 0;
	for (i = 0; i < n; i++) {
		cuts[i] = cut(s, &jobs[i], n, threads);
		first[i + 1] = first[i] + (jobs[i].n ? cuts[i].across * cuts[i].down : 0);
	}
	threads = (int)min_i64(threads, first[n] ? first[n] : 1);
	if (!(rooms = cpu_scratch((size_t)threads * sizeof(*rooms), err)))
		goto out;
	share_out(s, jobs, cuts, first, n, threads, rooms);
	rc = 0;
out:
	free(rooms);
	free(first);
	free(cuts);
	return rc;
}

/* Where many blocks of rows would each pack the same panels, they are packed once, into *room, which the
 * caller frees; what does not fit is packed by each block as before. */
static int
pack_once(const struct simd *s, struct blocked *jobs, int64_t n, int threads, void **room, struct adds_error *err)
{
	size_t bytes = 0, used = 0, one;
	int64_t i;

	for (i = 0; i < n; i++)
		bytes += packs_once(s, &jobs[i]);
	if (!bytes)
		return 0;
	if (!(*room = cpu_scratch(bytes < ONCE ? bytes : ONCE, err)))
		return ADDS_ENOMEM;
	for (i = 0; i < n; i++) {
		struct blocked *w = &jobs[i];

		if (!(one = packs_once(s, w)) || used + one > ONCE)
			continue;
		cpu_blocked_pack(s, (float *)*room + used / sizeof(float), w->b, w->bt, w->bi, w->bj, w->n, w->k, threads);
		w->panels = (const float *)*room + used / sizeof(float);
		used += one;
	}
	return 0;
}

int
cpu_blocked_run(const struct simd *s, const struct blocked *jobs, int64_t n, int threads, struct adds_error *err)
{
	struct blocked *own = cpu_scratch((size_t)n * sizeof(*own), err);
	void *room = NULL;
	int rc = own ? 0 : ADDS_ENOMEM;

	if (rc == 0) {
		memcpy(own, jobs, (size_t)n * sizeof(*own));
		rc = pack_once(s, own, n, threads, &room, err);
	}
	if (rc == 0)
		rc = run_jobs(s, own, n, threads, err);
	free(room);
	free(own);
	return rc;
}
