/* SPDX-License-Identifier: MIT
 *
 * resize.cu - RGB pictures by plans made elsewhere, bit for bit what the
 * processor computes: integers, horizontal pass first, bytes in between.
 */
#include "cuda.cuh"

/* a plan on the device; taps 0: a copy */
struct axis {
	const int32_t *lo, *n, *weight;
	int first, taps;
};

/* output i of the axis, of bytes step apart from x (input 0) */
__device__ static uint8_t
resampled(const struct axis &a, const uint8_t *x, int64_t step, int64_t i)
{
	if (!a.taps)
		return x[(a.first + i) * step];
	return index_resample(x + a.lo[i] * step, step, a.weight + i * a.taps, a.n[i]);
}

/* rows of x from *begin to *end are what the vertical pass reads */
static void
needed(const struct resample_plan *v, int64_t *begin, int64_t *end)
{
	int i;

	*begin = v->first;
	*end = v->first + v->count;
	if (v->in == v->out)
		return;
	*begin = v->in;
	*end = 0;
	for (i = 0; i < v->count; i++) {
		*begin = index_min(*begin, v->lo[i]);
		*end = *end > v->lo[i] + v->n[i] ? *end : v->lo[i] + v->n[i];
	}
}

static void
upload_plan(struct upload *u, const struct resample_plan *p)
{
	const size_t n = p->in == p->out ? 0 : (size_t)p->count * sizeof(int32_t);

	u[0].host = p->lo;
	u[1].host = p->n;
	u[2].host = p->weight;
	u[0].bytes = u[1].bytes = n;
	u[2].bytes = n * (size_t)p->taps;
}

static struct axis
axis_of(const struct upload *u, const struct resample_plan *p)
{
	const struct axis a = { (const int32_t *)u[0].device, (const int32_t *)u[1].device, (const int32_t *)u[2].device,
		                p->first, p->in == p->out ? 0 : p->taps };

	return a;
}

int
cuda_resize(struct backend *b, uint8_t *y, const uint8_t *x, const struct resample_plan *h,
            const struct resample_plan *v, struct adds_error *err)
{
	struct cuda_state *s = cuda_enter(b);
	const int64_t width = h->count, in_width = h->in;
	struct upload u[6];
	struct axis across, down;
	int64_t begin, end;
	uint8_t *middle;
	void *scratch;

	if (!h->count || !v->count)
		return 0;
	needed(v, &begin, &end);
	upload_plan(u, h);
	upload_plan(u + 3, v);
	TRY(cuda_upload(s, u, 6, err));
	TRY(cuda_scratch(s, &scratch, (size_t)((end - begin) * width) * 3, err));
	across = axis_of(u, h);
	down = axis_of(u + 3, v);
	middle = (uint8_t *)scratch;
	TRY(each(
		s, end - begin, 3 * width, [=] __device__(int64_t r, int64_t c) {
			middle[r * 3 * width + c] = resampled(across, x + (begin + r) * in_width * 3 + c % 3, 3, c / 3);
		},
		"resize", err));
	return each(
		s, v->count, 3 * width, [=] __device__(int64_t i, int64_t c) {
			y[i * 3 * width + c] = resampled(down, middle - begin * 3 * width + c, 3 * width, i);
		},
		"resize", err);
}
