/* SPDX-License-Identifier: MIT
 *
 * linear_narrow.c - products of bf16 and of bytes by blocked.h's loops, over
 * panels that are packed once.
 *
 * Bytes: a row of x is stored as round(x / scale) + 128, for the instructions
 * want one unsigned factor; 128·Σw is taken off afterwards, so that the sums
 * are exact. A column of W has the largest scale at which they also are where
 * products are first added in 16 bits: 255·Σ|w| over four of them is below
 * 2^15 then.
 */
#include <float.h>
#include <math.h>
#include <omp.h>
#include <stdlib.h>

#include "blocked.h"
#include "cpu.h"
#include "linear.h"

enum {
	BYTE = 127,                /* largest weight */
	BYTES16 = (1 << 15) / 255, /* largest sum of weights whose products are added in 16 bits */
	ALIAS = 1024,              /* words: rows so far apart, or a multiple, share places in the caches */
	LINE = 16,                 /* words that such rows are moved apart */
	QUICK = 4,                 /* elements of a row that take as long as one of other work */
};

static const float ROUND = 12582912; /* 1.5·2^23: adding it rounds to a whole number */
static const float LESS = 0.996f;

/* what a product runs with */
struct way {
	const struct simd *simd;
	enum form form;
	int64_t words; /* of a row */
};

static struct way
way_of(const struct backend *b, const struct packed *w)
{
	const struct cpu_state *s = cpu_state(b);

	if (w->prec == PREC_BF16)
		return (struct way){ s->simd, FORM_BF16, ceil_div(w->k, 2) };
	return (struct way){ s->simd_int8, FORM_INT8, cpu_int8_words(s->simd_int8, w->k) };
}

/* ---- weights ---- */

static float
largest(const float *x, int64_t n)
{
	float most = 0;
	int64_t i;

	for (i = 0; i < n; i++)
		most = fabsf(x[i]) > most ? fabsf(x[i]) : most;
	return most;
}

/* the largest sum of magnitudes that one lane of 16 bits takes: of each word in a group half the bytes */
static float
largest_sum(const float *x, int64_t n, int group)
{
	float most = 0, sum[2];
	int64_t i, l;

	for (i = 0; i < n; i += 4 * group) {
		sum[0] = sum[1] = 0;
		for (l = i; l < min_i64(i + 4 * group, n); l++)
			sum[l / 2 % 2] += fabsf(x[l]);
		most = fmaxf(most, fmaxf(sum[0], sum[1]));
	}
	return most;
}

/* whole numbers next to x·factor */
static void
round_all(float *y, const float *x, float factor, int64_t n)
{
	int64_t l;

	for (l = 0; l < n; l++)
		y[l] = x[l] * factor + ROUND - ROUND;
}

/* Rounds x to bytes, in whole: [n]; returns what they were multiplied by.
 * Rounding may add to a sum; then a little less is taken. */
static float
round_column(float *whole, const float *x, int64_t n, int group)
{
	const float most = largest(x, n), sum = group ? largest_sum(x, n, group) : 0;
	float factor = most > 0 ? BYTE / most : 0;

	if (factor * sum > BYTES16)
		factor = BYTES16 / sum;
	if (!(factor <= FLT_MAX))
		factor = 0; /* smaller than what has an inverse */
	round_all(whole, x, factor, n);
	while (group && largest_sum(whole, n, group) > BYTES16) {
		factor *= LESS;
		round_all(whole, x, factor, n);
	}
	return factor;
}

static int
finite(const float *x, int64_t n)
{
	float zero = 0;
	int64_t i;

	for (i = 0; i < n; i++)
		zero += x[i] * 0;
	return zero == 0;
}

/* column j of W as bytes; x: its k numbers and room for as many. With one that is not finite its products are NaN. */
static void
column_bytes(struct packed *w, int64_t j, float *x, int8_t *y, int group)
{
	float *whole = x + w->k, factor;
	int32_t sum = 0;
	int64_t l;

	w->scale8[j] = NAN;
	w->off8[j] = 0;
	memset(y, 0, (size_t)w->k);
	if (!finite(x, w->k))
		return;
	factor = round_column(whole, x, w->k, group);
	for (l = 0; l < w->k; l++) {
		y[l] = (int8_t)whole[l];
		sum += y[l];
	}
	w->scale8[j] = factor > 0 ? 1 / factor : 0;
	w->off8[j] = 128 * sum;
}

/* column j of W in f32 */
static void
column(const struct simd *s, const struct packed *w, int64_t j, float *line)
{
	const char *at = (const char *)w->w + (size_t)(j * w->bj) * dtype_size(w->t);
	int64_t l;

	if (w->bi == 1)
		s->load(line, at, w->t, w->k);
	else
		for (l = 0; l < w->k; l++)
			s->load(line + l, at + (size_t)(l * w->bi) * dtype_size(w->t), w->t, 1);
}

/* panel number j by way of its columns as rows of words; line: 2·k f32 */
static void
pack_panel(const struct way *by, struct packed *w, int64_t j, uint32_t *rows, float *line)
{
	const int64_t width = by->simd->panel_width, n = min_i64(width, w->n - j * width);
	int64_t i;

	for (i = 0; i < n; i++) {
		uint32_t *row = rows + i * by->words;

		column(by->simd, w, j * width + i, line);
		if (by->form == FORM_BF16)
			by->simd->store(row, DT_BF16, line, w->k);
		else
			column_bytes(w, j * width + i, line, (int8_t *)row, by->simd->group8);
	}
	by->simd->pack_panel(w->panels + j * width * by->words, rows, DT_F32, 1, by->words, by->words, n);
}

static int
pack_all(struct backend *b, const struct way *by, struct packed *w, struct adds_error *err)
{
	const int64_t width = by->simd->panel_width;
	const size_t rows = (size_t)(width * by->words), line = 2 * (size_t)w->k;
	uint32_t *room = cpu_scratch((size_t)b->threads * (rows + line) * sizeof(*room), err);
	int64_t j;

	if (!room)
		return ADDS_ENOMEM;
	memset(room, 0, (size_t)b->threads * (rows + line) * sizeof(*room)); /* what fills a row's last word up */
#pragma omp parallel for num_threads(b->threads)
	for (j = 0; j < ceil_div(w->n, width); j++) {
		uint32_t *mine = room + (size_t)omp_get_thread_num() * (rows + line);

		pack_panel(by, w, j, mine, (float *)(mine + rows));
	}
	free(room);
	return 0;
}

static int
pack(struct backend *b, const struct way *by, struct packed *w, struct adds_error *err)
{
	const size_t n = (size_t)w->n, bytes = cpu_blocked_panel_bytes(by->simd, w->n, by->words);
	int rc = ADDS_ENOMEM;

	w->panels = cpu_scratch(bytes, err);
	if (by->form == FORM_INT8) {
		w->scale8 = cpu_scratch(n * sizeof(*w->scale8), err);
		w->off8 = cpu_scratch(n * sizeof(*w->off8), err);
	}
	if (w->panels && (by->form == FORM_BF16 || (w->scale8 && w->off8)))
		rc = pack_all(b, by, w, err);
	if (rc < 0) {
		cpu_linear_drop(w);
		return rc;
	}
	w->packed_bytes = bytes + (by->form == FORM_INT8 ? n * (sizeof(*w->scale8) + sizeof(*w->off8)) : 0);
	b->packed_bytes += w->packed_bytes;
	cpu_linear_spared(w);
	return 0;
}

/* ---- rows ---- */

/* x as rows of words: its own memory, or a copy */
struct rows {
	void *copy;   /* or NULL */
	float *scale; /* of bytes */
	const void *p;
	int64_t ld;
};

static void
rows_free(struct rows *r)
{
	free(r->copy);
	free(r->scale);
}

/* row i of x as words; line: k f32 */
static void
row_words(const struct way *by, struct rows *r, struct mat x, int64_t i, float *line)
{
	const char *from = mat_at(x, i, 0);
	uint32_t *to = (uint32_t *)r->copy + i * r->ld;
	const float *row = (const float *)from;

	to[by->words - 1] = 0;
	if (by->form == FORM_BF16 && x.t == DT_BF16) {
		memcpy(to, from, (size_t)x.cols * sizeof(uint16_t));
		return;
	}
	if (x.t != DT_F32) {
		by->simd->load(line, from, x.t, x.cols);
		row = line;
	}
	if (by->form == FORM_BF16) {
		by->simd->store(to, DT_BF16, row, x.cols);
		return;
	}
	memset(to + x.cols / 4, 0, (size_t)(by->words - x.cols / 4) * sizeof(*to));
	r->scale[i] = by->simd->quantise((uint8_t *)to, row, x.cols);
}

static int
rows_of(struct backend *b, const struct way *by, struct rows *r, struct mat x, struct adds_error *err)
{
	const int threads = cpu_threads(b, x.rows * x.cols / QUICK);
	float *lines;
	int64_t i;

	memset(r, 0, sizeof(*r));
	r->p = x.p;
	r->ld = x.ld / 2;
	if (by->form == FORM_BF16 && x.t == DT_BF16 && x.cols % 2 == 0 && x.ld % 2 == 0)
		return 0;
	r->ld = by->words + (by->words % ALIAS ? 0 : LINE);
	r->p = r->copy = cpu_scratch((size_t)(x.rows * r->ld) * sizeof(uint32_t), err);
	if (by->form == FORM_INT8)
		r->scale = cpu_scratch((size_t)x.rows * sizeof(*r->scale), err);
	lines = cpu_scratch((size_t)(threads * x.cols) * sizeof(*lines), err);
	if (!r->copy || !lines || (by->form == FORM_INT8 && !r->scale)) {
		free(lines);
		return ADDS_ENOMEM;
	}
#pragma omp parallel for num_threads(threads)
	for (i = 0; i < x.rows; i++)
		row_words(by, r, x, i, lines + omp_get_thread_num() * x.cols);
	free(lines);
	return 0;
}

int
cpu_linear_narrow(struct backend *b, struct mat y, struct mat x, struct packed *w, const float *bias,
                  enum activation act, struct mat r, struct adds_error *err)
{
	const struct way by = way_of(b, w);
	struct blocked p = { .m = x.rows, .n = w->n, .k = by.words, .aj = 1, .form = by.form, .alpha = 1, .beta = 1 };
	struct rows rows;
	int rc;

	if (!w->panels && (rc = pack(b, &by, w, err)) < 0)
		return rc;
	if ((rc = rows_of(b, &by, &rows, x, err)) == 0) {
		p.a = rows.p;
		p.ai = rows.ld;
		p.at = p.bt = DT_F32; /* as wide as words */
		p.panels = w->panels;
		p.off = w->off8;
		p.scale = w->scale8;
		p.row = rows.scale;
		p.bias = bias;
		p.act = act;
		p.r = r;
		p.y = y;
		rc = cpu_blocked_run(by.simd, &p, 1, b->threads, err);
	}
	rows_free(&rows);
	return rc;
}
