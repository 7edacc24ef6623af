/* SPDX-License-Identifier: MIT
 * resample.c - weights of one dimension, and both passes over a ring of rows */
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "resample.h"

enum {
	BITS = 22,   /* of a weight */
	SLACK = 64,  /* bytes that the passes may touch behind a row */
	ROWS = 4,    /* rows of one horizontal pass */
	BEHIND = 16, /* bytes that a horizontal pass may read behind an input row */
};

static double
bicubic(double x)
{
	const double a = -0.5;

	x = fabs(x);
	if (x < 1)
		return ((a + 2) * x - (a + 3)) * x * x + 1;
	if (x < 2)
		return (((x - 5) * x + 8) * x - 4) * a;
	return 0;
}

static double
bilinear(double x)
{
	x = fabs(x);
	return x < 1 ? 1 - x : 0;
}

/* ---- an axis ---- */

static int
alloc_axis(struct resample_axis *a, int count, int taps, struct adds_error *err)
{
	size_t n;

	a->groups = (taps + 3) / 4;
	if (adds_mul_size((size_t)count, (size_t)a->groups * 16, &n))
		return adds_fail(err, ADDS_ELIMIT, "resizing needs too many weights");
	a->lo = calloc((size_t)count, sizeof(*a->lo));
	a->n = calloc((size_t)count, sizeof(*a->n));
	a->bias = calloc((size_t)count, sizeof(*a->bias));
	a->weight = calloc((size_t)count * (size_t)taps, sizeof(*a->weight));
	a->packed = calloc(n, 1);
	a->pairs = calloc((size_t)count, sizeof(*a->pairs));
	if (!a->pairs || !a->lo || !a->n || !a->bias || !a->weight || !a->packed)
		return adds_fail(err, ADDS_ENOMEM, "out of memory for the weights of resizing");
	return 0;
}

/* weights of one output over all inputs, padding included: *lo and the count */
static int
weigh(double *w, int *lo, int in, int out, int i, double radius, double (*filter)(double))
{
	const double scale = (double)in / out, fs = scale < 1 ? 1 : scale, support = radius * fs, per_fs = 1 / fs;
	const double centre = (i + 0.5) * scale;
	double sum = 0;
	int hi, j, n;

	*lo = (int)(centre - support + 0.5);
	if (*lo < 0)
		*lo = 0;
	hi = (int)(centre + support + 0.5);
	if (hi > in)
		hi = in;
	n = hi - *lo;
	for (j = 0; j < n; j++)
		sum += w[j] = filter((j + *lo - centre + 0.5) * per_fs);
	for (j = 0; j < n; j++)
		if (sum != 0)
			w[j] /= sum;
	return n;
}

static int32_t
fixed(double w)
{
	const double scaled = w * (1 << BITS);

	return (int32_t)(w < 0 ? scaled - 0.5 : scaled + 0.5);
}

/* keeps the weights of inputs pad … pad+inside-1 of output k; those that fall on white padding become its bias */
static void
keep_inside(struct resample_axis *a, int k, const double *w, int lo, int n, int pad, int inside)
{
	int32_t *weight = a->weight + (size_t)k * (size_t)a->plan.taps;
	int j;

	a->lo[k] = lo < pad ? 0 : lo - pad;
	for (j = 0; j < n; j++) {
		const int at = lo + j - pad;

		if (at < 0 || at >= inside)
			a->bias[k] += 255 * fixed(w[j]);
		else
			weight[a->n[k]++] = fixed(w[j]);
	}
	if (a->lo[k] > inside - a->n[k])
		a->lo[k] = inside - a->n[k];
}

static uint32_t
halves(int32_t a, int32_t b, int high)
{
	const int32_t la = (int16_t)(a & 0xffff), lb = (int16_t)(b & 0xffff);

	if (!high)
		return (uint32_t)(la & 0xffff) | (uint32_t)lb << 16;
	return (uint32_t)(((a - la) >> 16) & 0xffff) | (uint32_t)((b - lb) >> 16) << 16;
}

/* a weight is 65,536·high + low, both in 16 bits with sign: the form that multiply-add of pairs wants */
static void
pack(struct resample_axis *a, int inside)
{
	const int taps = a->plan.taps;
	int32_t t[4];
	int k, g, j, most = 0;

	for (k = 0; k < a->plan.count; k++)
		if (a->n[k] > most)
			most = a->n[k];
	for (k = 0; k < a->plan.count; k++)
		a->pairs[k] = a->lo[k] + most < inside ? (most + 1) / 2 : (a->n[k] + 1) / 2;

	for (k = 0; k < a->plan.count; k++)
		for (g = 0; g < a->groups; g++) {
			int32_t *to = a->packed + ((size_t)k * (size_t)a->groups + (size_t)g) * 4;

			for (j = 0; j < 4; j++)
				t[j] = 4 * g + j < a->n[k] ? a->weight[(size_t)k * (size_t)taps + (size_t)(4 * g + j)] : 0;
			to[0] = (int32_t)halves(t[0], t[1], 0);
			to[1] = (int32_t)halves(t[2], t[3], 0);
			to[2] = (int32_t)halves(t[0], t[1], 1);
			to[3] = (int32_t)halves(t[2], t[3], 1);
		}
}

static void
point_plan(struct resample_axis *a)
{
	a->plan.lo = a->lo;
	a->plan.n = a->n;
	a->plan.weight = a->weight;
}

int
resample_axis_init(struct resample_axis *a, enum resample_filter filter, int in, int out, int first, int count,
                   int pad, int inside, struct adds_error *err)
{
	const double radius = filter == RESAMPLE_BICUBIC ? 2 : 1, scale = (double)in / out;
	const double support = radius * (scale < 1 ? 1 : scale);
	const int same = in == out, taps = same ? 1 : (int)ceil(support) * 2 + 1;
	double *w;
	int k, rc;

	memset(a, 0, sizeof(*a));
	assert(in > 0 && out > 0 && count > 0 && inside > 0 && pad >= 0 && pad + inside <= in && first + count <= out);
	a->plan = (struct resample_plan){ in, out, first, count, taps, NULL, NULL, NULL };
	if ((rc = alloc_axis(a, count, taps, err)) < 0)
		return rc;
	if (!(w = malloc((size_t)taps * sizeof(*w))))
		return adds_fail(err, ADDS_ENOMEM, "out of memory for the weights of resizing");
	for (k = 0; k < count; k++) {
		int lo = first + k, n = 1;

		w[0] = 1;
		if (!same)
			n = weigh(w, &lo, in, out, first + k, radius, filter == RESAMPLE_BICUBIC ? bicubic : bilinear);
		keep_inside(a, k, w, lo, n, pad, inside);
	}
	free(w);
	pack(a, inside);
	point_plan(a);
	return 0;
}

int
resample_axis_from(struct resample_axis *a, const struct resample_plan *plan, struct adds_error *err)
{
	const size_t count = (size_t)plan->count;
	int rc;

	memset(a, 0, sizeof(*a));
	a->plan = *plan;
	if ((rc = alloc_axis(a, plan->count, plan->taps, err)) < 0)
		return rc;
	memcpy(a->lo, plan->lo, count * sizeof(*a->lo));
	memcpy(a->n, plan->n, count * sizeof(*a->n));
	memcpy(a->weight, plan->weight, count * (size_t)plan->taps * sizeof(*a->weight));
	pack(a, plan->in);
	point_plan(a);
	return 0;
}

void
resample_axis_release(struct resample_axis *a)
{
	free(a->lo);
	free(a->n);
	free(a->bias);
	free(a->weight);
	free(a->packed);
	free(a->pairs);
	memset(a, 0, sizeof(*a));
}

/* ---- plain passes ---- */

static uint8_t
byte_of(int32_t sum)
{
	sum >>= BITS;
	return (uint8_t)(sum < 0 ? 0 : sum > 255 ? 255
	                                         : sum);
}

static void
portable_horizontal(uint8_t *const *y, const uint8_t *const *x, int rows, int channels, const struct resample_axis *h)
{
	const struct resample_plan *p = &h->plan;
	int r, i, c, j;

	for (r = 0; r < rows; r++)
		for (i = 0; i < p->count; i++) {
			const int32_t *w = p->weight + (size_t)i * (size_t)p->taps;
			const uint8_t *from = x[r] + (size_t)p->lo[i] * (size_t)channels;

			for (c = 0; c < channels; c++) {
				int32_t sum = (1 << (BITS - 1)) + h->bias[i];

				for (j = 0; j < p->n[i]; j++)
					sum += from[j * channels + c] * w[j];
				y[r][i * channels + c] = byte_of(sum);
			}
		}
}

static void
portable_vertical(uint8_t *y, const uint8_t *const *x, size_t width, const struct resample_axis *v, int i)
{
	const int32_t *w = v->plan.weight + (size_t)i * (size_t)v->plan.taps;
	size_t k;
	int j;

	for (k = 0; k < width; k++) {
		int32_t sum = (1 << (BITS - 1)) + v->bias[i];

		for (j = 0; j < v->plan.n[i]; j++)
			sum += x[j][k] * w[j];
		y[k] = byte_of(sum);
	}
}

const struct resample_passes resample_portable = { portable_horizontal, portable_vertical };

/* ---- both passes ---- */

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

/* rows behind the horizontal pass, of which the vertical one needs the newest few */
struct ring {
	const struct resample_passes *passes;
	const struct resample_axis *h;
	const uint8_t *x;
	size_t ldx, bytes; /* of an input row, and of the columns that exist */
	int channels, height;
	uint8_t *memory, *tail; /* tail: copies of the last input rows, with room behind each */
	int tails;              /* how many: those behind which less than BEHIND bytes are left */
	size_t width;           /* of a row here, with slack */
	int size, made;         /* rows here; input rows passed so far */
	const uint8_t **tap;    /* the rows that one output needs */
};

static uint8_t *
ring_row(const struct ring *g, int row)
{
	return g->memory + (size_t)(row % g->size) * g->width;
}

static int
ring_init(struct ring *g, const struct resample_axis *v, struct adds_error *err)
{
	const struct resample_plan *p = &v->plan;
	size_t n;
	int i, most = 1;

	for (i = 0; i < p->count; i++) {
		if (p->n[i] > most)
			most = p->n[i];
		if (p->n[i] && p->lo[i] + p->n[i] > g->height)
			g->height = p->lo[i] + p->n[i];
	}
	for (i = 0; i < g->h->plan.count; i++)
		if (g->h->plan.n[i] && (size_t)(g->h->plan.lo[i] + g->h->plan.n[i]) * (size_t)g->channels > g->bytes)
			g->bytes = (size_t)(g->h->plan.lo[i] + g->h->plan.n[i]) * (size_t)g->channels;
	g->width = (size_t)g->h->plan.count * (size_t)g->channels + SLACK;
	g->size = most + ROWS - 1;
	g->made = p->lo[0];
	if (adds_mul_size(g->width, (size_t)g->size, &n))
		return adds_fail(err, ADDS_ELIMIT, "resizing needs too much memory");
	g->memory = malloc(n);
	g->tails = 1 + (int)((BEHIND + g->ldx - 1) / g->ldx);
	if (g->tails > g->height)
		g->tails = g->height;
	g->tail = calloc((size_t)g->tails + 1, g->bytes + SLACK);
	g->tap = calloc((size_t)most, sizeof(*g->tap));
	if (!g->memory || !g->tail || !g->tap)
		return adds_fail(err, ADDS_ENOMEM, "out of memory for resizing");
	for (i = 0; i < g->tails; i++)
		memcpy(g->tail + (size_t)i * (g->bytes + SLACK), g->x + (size_t)(g->height - g->tails + i) * g->ldx, g->bytes);
	return 0;
}

static void
ring_release(struct ring *g)
{
	free(g->memory);
	free(g->tail);
	free(g->tap);
}

static const uint8_t *
input_row(const struct ring *g, int row)
{
	const int in_tail = row - (g->height - g->tails);

	return in_tail < 0 ? g->x + (size_t)row * g->ldx : g->tail + (size_t)in_tail * (g->bytes + SLACK);
}

/* passes input rows horizontally until row end-1 is here */
static void
ring_advance(struct ring *g, int end)
{
	while (g->made < end) {
		const int left = g->height - g->made, rows = left < ROWS ? left : ROWS;
		uint8_t *to[ROWS];
		const uint8_t *from[ROWS];
		int r;

		for (r = 0; r < rows; r++) {
			const int row = g->made + r;

			to[r] = ring_row(g, row);
			from[r] = input_row(g, row);
		}
		g->passes->horizontal(to, from, rows, g->channels, g->h);
		g->made += rows;
	}
}

int
resample_picture(uint8_t *y, size_t ldy, const uint8_t *x, size_t ldx, int channels, const struct resample_axis *h,
         const struct resample_axis *v, enum resample_isa isa, struct adds_error *err)
{
	const struct resample_plan *p = &v->plan;
	struct ring g = { .passes = passes_of(isa), .h = h, .x = x, .ldx = ldx, .channels = channels };
	int i, j, rc;

	if ((rc = ring_init(&g, v, err)) < 0)
		goto out;
	for (i = 0; i < p->count; i++) {
		if (p->n[i] && g.made < p->lo[i])
			g.made = p->lo[i];
		if (p->n[i])
			ring_advance(&g, p->lo[i] + p->n[i]);
		for (j = 0; j < p->n[i]; j++)
			g.tap[j] = ring_row(&g, p->lo[i] + j);
		g.passes->vertical(y + (size_t)i * ldy, g.tap, (size_t)h->plan.count * (size_t)channels, v, i);
	}
	rc = 0;
out:
	ring_release(&g);
	return rc;
}
