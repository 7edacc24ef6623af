/* SPDX-License-Identifier: MIT
 * resample.c - the tables of a resampler, plain passes, and the ring of rows between the passes */
#include <stdlib.h>
#include <string.h>

#include "resample_passes.h"

/* ---- tables of the horizontal pass ---- */

static uint32_t
half_pair(int32_t a, int32_t b)
{
	return (uint32_t)(a & 0xffff) | (uint32_t)b << 16;
}

void
resample_halves(int32_t to[2], int32_t a, int32_t b)
{
	const int32_t la = (int16_t)(a & 0xffff), lb = (int16_t)(b & 0xffff);

	to[0] = (int32_t)half_pair(la, lb);
	to[1] = (int32_t)half_pair((a - la) >> 16, (b - lb) >> 16);
}

/* weight j of an axis' output k; 0 outside */
static int32_t
weight_of(const struct resample_axis *a, int k, int j)
{
	return j >= 0 && j < a->n[k] ? a->weight[(size_t)k * (size_t)a->plan.taps + (size_t)j] : 0;
}

/* the pixels that quad q has values of, up to *last; returns the first */
static int
pixels_of(const struct resampler *r, int q, int *last)
{
	const int64_t from = (int64_t)q * r->values, end = from + r->values;
	const int64_t most = (int64_t)r->width;

	*last = (int)(((end < most ? end : most) - 1) / r->channels);
	return (int)(from / r->channels);
}

/* the first input pixel of a quad, and its taps; of a quad that needs none: one that may be read,
 * and one tap (its weight is 0) */
static int
base_of(const struct resampler *r, int q, int *taps)
{
	const struct resample_axis *h = r->h;
	int last, i, n, first, base = -1;

	*taps = 1;
	for (i = pixels_of(r, q, &last); i <= last; i++)
		if (h->n[i]) {
			base = base < 0 || h->lo[i] < base ? h->lo[i] : base;
			*taps = h->n[i] > *taps ? h->n[i] : *taps;
		}
	if (base >= 0)
		return base;
	resample_axis_needs(h, &first, &n);
	return first;
}

/* do the first taps of each quad lie within 16 bytes? */
static int
quads_fit(const struct resampler *r)
{
	int q, i, last, taps;

	for (q = 0; q < r->quads; q++) {
		const int base = base_of(r, q, &taps);

		for (i = pixels_of(r, q, &last); i <= last; i++)
			if (r->h->n[i] && (r->h->lo[i] - base + 2) * r->channels > 16)
				return 0;
	}
	return 1;
}

static void
lay_out(struct resampler *r, int values)
{
	r->values = values;
	r->quads = (int)((r->width + (size_t)values - 1) / (size_t)values);
}

static void
fill_lane(struct resampler *r, int q, int lane, int base)
{
	struct resample_quad *to = &r->quad[q];
	const int64_t value = (int64_t)q * r->values + lane;
	const int pixel = (int)(value / r->channels), at = (int)(value % r->channels);
	int16_t *w = r->across + (size_t)q * (size_t)r->taps * 16 + 2 * (size_t)lane;
	int32_t halves[2];
	int p, from;

	memset(to->cut + 4 * lane, 0x80, 4);
	if (lane >= r->values || value >= (int64_t)r->width)
		return;
	to->start[lane] = (1 << (RESAMPLE_BITS - 1)) + r->h->bias[pixel];
	if (!r->h->n[pixel])
		return;
	from = (r->h->lo[pixel] - base) * r->channels + at;
	to->cut[4 * lane] = (uint8_t)from;
	to->cut[4 * lane + 2] = (uint8_t)(from + r->channels);
	for (p = 0; p < r->taps; p++, w += 16) {
		resample_halves(halves, weight_of(r->h, pixel, 2 * p), weight_of(r->h, pixel, 2 * p + 1));
		memcpy(w, &halves[0], 4);
		memcpy(w + 8, &halves[1], 4);
	}
}

/* As many pairs for each quad, for the sake of branches, unless that would read behind the last input. */
static void
fill_quads(struct resampler *r)
{
	int q, lane, taps, first, n;

	resample_axis_needs(r->h, &first, &n);
	for (q = 0; q < r->quads; q++) {
		const int base = base_of(r, q, &taps);
		const int64_t at = (int64_t)base * r->channels, most = at + (int64_t)r->step * (r->taps - 1) + 16;

		r->quad[q].at = (int32_t)at;
		r->quad[q].pairs = most <= (int64_t)(first + n) * r->channels + RESAMPLE_BEHIND ? r->taps : (taps + 1) / 2;
		for (lane = 0; lane < RESAMPLE_QUAD; lane++)
			fill_lane(r, q, lane, base);
	}
}

static int
init_across(struct resampler *r, struct adds_error *err)
{
	size_t n, m;
	int i, most = 1;

	r->step = 2 * r->channels;
	lay_out(r, RESAMPLE_QUAD);
	if (!quads_fit(r))
		lay_out(r, r->channels);
	for (i = 0; i < r->h->plan.count; i++)
		most = r->h->n[i] > most ? r->h->n[i] : most;
	r->taps = (most + 1) / 2;
	if (adds_mul_size((size_t)r->quads, (size_t)r->taps, &n) || adds_mul_size(n, 16 * sizeof(*r->across), &m))
		return adds_fail(err, ADDS_ELIMIT, "resizing needs too many weights");
	r->quad = calloc((size_t)r->quads, sizeof(*r->quad));
	r->across = calloc(m, 1);
	if (!r->quad || !r->across)
		return adds_fail(err, ADDS_ENOMEM, "out of memory for the weights of resizing");
	fill_quads(r);
	return 0;
}

/* ---- of the vertical one ---- */

static void
fill_down(struct resampler *r, int i)
{
	const struct resample_axis *v = r->v;
	struct resample_down *d = &r->down[i];
	int32_t *w = r->weigh + (size_t)i * (size_t)r->most * 2;
	int p;

	for (p = 0; p < d->pairs; p++) {
		const int j = 2 * (d->pair + p) - v->lo[i];

		resample_halves(w + 2 * p, weight_of(v, i, j), weight_of(v, i, j + 1));
	}
}

static int
init_down(struct resampler *r, struct adds_error *err)
{
	const struct resample_axis *v = r->v;
	const int count = v->plan.count;
	size_t n, m;
	int i;

	r->most = 1;
	if (!(r->down = calloc((size_t)count, sizeof(*r->down))))
		return adds_fail(err, ADDS_ENOMEM, "out of memory for the weights of resizing");
	for (i = 0; i < count; i++) {
		struct resample_down *d = &r->down[i];

		d->start = (1 << (RESAMPLE_BITS - 1)) + v->bias[i];
		d->pair = v->lo[i] / 2;
		d->pairs = v->n[i] ? (v->lo[i] + v->n[i] + 1) / 2 - d->pair : 0;
		r->most = d->pairs > r->most ? d->pairs : r->most;
	}
	if (adds_mul_size((size_t)count, (size_t)r->most, &n) || adds_mul_size(n, 2 * sizeof(*r->weigh), &m))
		return adds_fail(err, ADDS_ELIMIT, "resizing needs too many weights");
	if (!(r->weigh = calloc(m, 1)))
		return adds_fail(err, ADDS_ENOMEM, "out of memory for the weights of resizing");
	for (i = 0; i < count; i++)
		fill_down(r, i);
	return 0;
}

/* ---- plain passes ---- */

static int
byte_of(int32_t sum)
{
	sum >>= RESAMPLE_BITS;
	return sum < 0 ? 0 : sum > 255 ? 255
	                               : sum;
}

static void
plain_horizontal(const struct resampler *r, int16_t *pairs, size_t ldp, const uint8_t *x, size_t ldx, int32_t skip)
{
	const struct resample_plan *p = &r->h->plan;
	int row, i, c, j;

	for (row = 0; row < RESAMPLE_ROWS; row++, x += ldx)
		for (i = 0; i < p->count; i++) {
			const int32_t *w = p->weight + (size_t)i * (size_t)p->taps;
			const int64_t at = (int64_t)p->lo[i] * r->channels - skip;

			for (c = 0; c < r->channels; c++) {
				int32_t sum = (1 << (RESAMPLE_BITS - 1)) + r->h->bias[i];

				for (j = 0; j < p->n[i]; j++)
					sum += x[at + j * r->channels + c] * w[j];
				pairs[(size_t)(row / 2) * ldp + 2 * (size_t)(i * r->channels + c) +
				      (size_t)(row % 2)] = (int16_t)byte_of(sum);
			}
		}
}

static void
plain_vertical(const struct resampler *r, uint8_t *y, int i, const int16_t *const *pairs)
{
	const struct resample_plan *p = &r->v->plan;
	const int32_t *w = p->weight + (size_t)i * (size_t)p->taps;
	const int odd = p->lo[i] % 2;
	size_t k;
	int j;

	for (k = 0; k < r->width; k++) {
		int32_t sum = r->down[i].start;

		for (j = 0; j < p->n[i]; j++)
			sum += pairs[(j + odd) / 2][2 * k + (size_t)((j + odd) % 2)] * w[j];
		y[k] = (uint8_t)byte_of(sum);
	}
}

const struct resample_passes resample_portable = { plain_horizontal, plain_vertical };

/* ---- which passes ---- */

int
resample_has(enum resample_isa isa)
{
#if defined(__x86_64__) && defined(__GNUC__)
	if (isa == RESAMPLE_AVX2)
		return __builtin_cpu_supports("avx2") != 0;
#endif
	return isa != RESAMPLE_AVX2;
}

static const struct resample_passes *
passes_of(enum resample_isa isa)
{
	if (isa == RESAMPLE_AUTO)
		isa = resample_has(RESAMPLE_AVX2) ? RESAMPLE_AVX2 : RESAMPLE_PORTABLE;
#if defined(__x86_64__) && defined(__GNUC__)
	if (isa == RESAMPLE_AVX2)
		return &resample_avx2;
#endif
	return &resample_portable;
}

/* ---- the resampler ---- */

static int
init_ring(struct resampler *r, struct adds_error *err)
{
	const size_t columns = (r->width + RESAMPLE_COLUMNS - 1) / RESAMPLE_COLUMNS * RESAMPLE_COLUMNS;
	const int block = RESAMPLE_ROWS / 2;
	size_t n;

	r->ldp = 2 * (columns + RESAMPLE_QUAD);
	r->size = (r->most + block - 1) / block * block + block;
	if (adds_mul_size((size_t)r->size * sizeof(*r->ring), r->ldp, &n))
		return adds_fail(err, ADDS_ELIMIT, "resizing needs too much memory");
	r->ring = calloc(n, 1);
	r->tap = calloc((size_t)r->most, sizeof(*r->tap));
	if (!r->ring || !r->tap)
		return adds_fail(err, ADDS_ENOMEM, "out of memory for resizing");
	return 0;
}

int
resampler_new(struct resampler **out, const struct resample_axis *h, const struct resample_axis *v, int channels,
              enum resample_isa isa, struct adds_error *err)
{
	struct resampler *r = *out = calloc(1, sizeof(*r));
	int rc;

	if (!r)
		return adds_fail(err, ADDS_ENOMEM, "out of memory for resizing");
	r->passes = passes_of(isa);
	r->h = h;
	r->v = v;
	r->channels = channels;
	r->width = (size_t)h->plan.count * (size_t)channels;
	if ((rc = init_across(r, err)) < 0 || (rc = init_down(r, err)) < 0)
		return rc;
	return init_ring(r, err);
}

void
resampler_free(struct resampler *r)
{
	if (!r)
		return;
	free(r->quad);
	free(r->across);
	free(r->down);
	free(r->weigh);
	free(r->ring);
	free(r->tap);
	free(r);
}

void
resampler_needs(const struct resampler *r, int across[2], int down[2])
{
	resample_axis_needs(r->h, &across[0], &across[1]);
	resample_axis_needs(r->v, &down[0], &down[1]);
}

/* ---- rows ---- */

/* the output rows that need no input from row end on */
static void
emit(struct resampler *r, int end)
{
	const struct resample_plan *v = &r->v->plan;

	for (; r->next < v->count; r->next++) {
		const struct resample_down *d = &r->down[r->next];
		int p;

		if (d->pairs && v->lo[r->next] + v->n[r->next] > end)
			return;
		for (p = 0; p < d->pairs; p++)
			r->tap[p] = r->ring + (size_t)((d->pair + p) % r->size) * r->ldp;
		r->passes->vertical(r, r->y + (size_t)r->next * r->ldy, r->next, r->tap);
	}
}

void
resampler_begin(struct resampler *r, uint8_t *y, size_t ldy)
{
	r->y = y;
	r->ldy = ldy;
	r->next = 0;
	emit(r, 0);
}

void
resampler_rows(struct resampler *r, const uint8_t *x, size_t ldx, int left, int first, int rows)
{
	const int end = first + rows;

	for (; first < end; first += RESAMPLE_ROWS, x += RESAMPLE_ROWS * ldx) {
		const int behind = end - first < RESAMPLE_ROWS ? end : first + RESAMPLE_ROWS;

		if (r->next == r->v->plan.count)
			return;
		if (behind <= r->v->lo[r->next])
			continue;
		r->passes->horizontal(r, r->ring + (size_t)(first / 2 % r->size) * r->ldp, r->ldp, x, ldx, left * r->channels);
		emit(r, behind);
	}
}

/* The last rows are copied to where there is room behind them. */
int
resample_picture(struct resampler *r, uint8_t *y, size_t ldy, const uint8_t *x, size_t ldx, struct adds_error *err)
{
	int first, n, left, columns, end, tail, i;
	uint8_t *copy;

	resample_axis_needs(r->v, &first, &n);
	resample_axis_needs(r->h, &left, &columns);
	end = first + n;
	tail = end - (int)((RESAMPLE_BEHIND + ldx - 1) / ldx);
	tail = tail < 0 ? 0 : tail / RESAMPLE_ROWS * RESAMPLE_ROWS;
	copy = calloc((size_t)(end - tail + RESAMPLE_ROWS), ldx + RESAMPLE_BEHIND);
	if (!copy)
		return adds_fail(err, ADDS_ENOMEM, "out of memory for resizing");
	for (i = tail; i < end; i++)
		memcpy(copy + (size_t)(i - tail) * ldx, x + (size_t)i * ldx, (size_t)(left + columns) * (size_t)r->channels);
	first = first / RESAMPLE_ROWS * RESAMPLE_ROWS;
	resampler_begin(r, y, ldy);
	if (first < tail)
		resampler_rows(r, x + (size_t)first * ldx, ldx, 0, first, tail - first);
	resampler_rows(r, copy, ldx, 0, tail, end - tail);
	free(copy);
	return 0;
}
