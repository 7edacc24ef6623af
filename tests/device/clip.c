/* SPDX-License-Identifier: MIT
 * clip.c - patches, embeddings, resizing */
#include "../../kernels/philox.h"
#include "suite.h"

static uint8_t *
bytes(int64_t n)
{
	uint8_t *x = room((size_t)n);
	int64_t i;

	for (i = 0; i < n; i++)
		x[i] = (uint8_t)below(256);
	return x;
}

static void
patchify_case(int64_t n, int side, int patch, enum dtype t)
{
	const int g = side / patch;
	const int64_t rows = n * g * g, cols = 3 * patch * patch;
	uint8_t *image;
	float *table;
	double *want;
	struct mat y;
	int64_t r, c;

	begin("patchify", "%lld pictures of %d, patch %d, type %d", (long long)n, side, patch, (int)t);
	image = bytes(n * side * side * 3);
	table = uniform(3 * 256, -2, 2);
	y = blank(rows, cols, t);
	done(dev->ops->patchify(dev, y, up_bytes(image, (size_t)(n * side * side * 3)), up_bytes(table, 768 * sizeof(*table)), n,
	                        side, patch, &fault));
	want = room((size_t)(rows * cols) * sizeof(*want));
	for (r = 0; r < rows; r++)
		for (c = 0; c < cols; c++) {
			const int64_t i = r / (g * g), py = r / g % g, px = r % g;
			const int64_t channel = c / (patch * patch), line = c / patch % patch, column = c % patch;
			const int64_t at = ((i * side + py * patch + line) * side + px * patch + column) * 3 + channel;

			want[r * cols + c] = (double)table[channel * 256 + image[at]];
		}
	near_("y", down(y), want, rows * cols, t == DT_BF16 ? 4e-3 : 0, 0);
	end();
}

static void
patches_case(int64_t n, int64_t g2, int64_t d, int with_cls)
{
	const int64_t T = g2 + with_cls;
	float *x, *cls, *pos;
	double *want;
	struct mat y;
	int64_t i, j, c;

	begin("embed_patches", "%lld pictures of %lld, width %lld, cls %d", (long long)n, (long long)g2, (long long)d, with_cls);
	x = uniform(n * g2 * d, -1, 1);
	cls = uniform(d, -1, 1);
	pos = uniform(T * d, -1, 1);
	y = blank(n * T, d, DT_F32);
	done(dev->ops->embed_patches(dev, y, up(x, n * g2, d, DT_F32), with_cls ? up_bytes(cls, (size_t)d * sizeof(*cls)) : NULL,
	                             up_bytes(pos, (size_t)(T * d) * sizeof(*pos)), n, g2, &fault));
	want = room((size_t)(n * T * d) * sizeof(*want));
	for (i = 0; i < n; i++)
		for (j = 0; j < T; j++)
			for (c = 0; c < d; c++) {
				const float a = with_cls && j == 0 ? cls[c] : x[(i * g2 + j - with_cls) * d + c];

				want[(i * T + j) * d + c] = (double)(a + pos[j * d + c]);
			}
	near_("y", down(y), want, n * T * d, 0, 0);
	end();
}

static void
tokens_case(int64_t n, int64_t d, enum dtype t)
{
	float *table, *pos;
	int32_t *id, *at;
	double *want;
	struct mat y;
	int64_t i, c;

	begin("embed_tokens", "%lldx%lld type %d", (long long)n, (long long)d, (int)t);
	table = uniform(11 * d, -1, 1);
	pos = uniform(7 * d, -1, 1);
	id = room((size_t)n * sizeof(*id));
	at = room((size_t)n * sizeof(*at));
	for (i = 0; i < n; i++) {
		id[i] = (int32_t)below(11);
		at[i] = (int32_t)below(7);
	}
	y = blank(n, d, DT_F32);
	done(dev->ops->embed_tokens(dev, y, id, at, up(table, 11, d, t), up_bytes(pos, (size_t)(7 * d) * sizeof(*pos)), &fault));
	want = room((size_t)(n * d) * sizeof(*want));
	for (i = 0; i < n; i++)
		for (c = 0; c < d; c++)
			want[i * d + c] = (double)(table[id[i] * d + c] + pos[at[i] * d + c]);
	near_("y", down(y), want, n * d, 0, 0);
	end();
}

/* ---- resize: plans of random weights that sum to one, some negative ---- */

static struct resample_plan
plan(int in, int out, int first, int count)
{
	struct resample_plan p = { in, out, first, count, 6, NULL, NULL, NULL };
	int32_t *lo = room((size_t)count * sizeof(*lo)), *n = room((size_t)count * sizeof(*n));
	int32_t *w = room((size_t)count * 6 * sizeof(*w));
	int i, j;

	for (i = 0; i < count; i++) {
		int32_t rest = 1 << 22;

		lo[i] = (int32_t)((int64_t)(first + i) * in / out);
		n[i] = in - lo[i] < 5 ? in - lo[i] : 5;
		for (j = 0; j + 1 < n[i]; j++)
			rest -= w[i * 6 + j] = (int32_t)below(3 << 20) - (1 << 20);
		w[i * 6 + j] = rest;
	}
	p.lo = lo;
	p.n = n;
	p.weight = w;
	return p;
}

static uint8_t
clip8(int64_t sum)
{
	const int64_t v = (sum + (1 << 21)) >> 22;

	return (uint8_t)(v < 0 ? 0 : v > 255 ? 255
	                                     : v);
}

/* one pass over pixels: out[lines][count] from in, stepping by step pixels along the dimension and over by across */
static void
pass(uint8_t *y, const uint8_t *x, const struct resample_plan *p, int64_t lines, int64_t step, int64_t across, int64_t ystep,
     int64_t yacross)
{
	int64_t l, i, c, j;

	for (l = 0; l < lines; l++)
		for (i = 0; i < p->count; i++)
			for (c = 0; c < 3; c++) {
				int64_t sum = 0;

				if (p->in == p->out) {
					y[3 * (l * yacross + i * ystep) + c] = x[3 * (l * across + (p->first + i) * step) + c];
					continue;
				}
				for (j = 0; j < p->n[i]; j++)
					sum += (int64_t)p->weight[i * p->taps + j] *
					       x[3 * (l * across + (p->lo[i] + j) * step) + c];
				y[3 * (l * yacross + i * ystep) + c] = clip8(sum);
			}
}

static void
resize_case(struct resample_plan (*make)(int, int, int, int), const int *h, const int *v)
{
	struct resample_plan ph, pv;
	uint8_t *x, *mid, *want, *got;
	size_t size;
	void *y;

	begin("resize", "%dx%d to %dx%d of %dx%d", h[0], v[0], h[3], v[3], h[1], v[1]);
	ph = make(h[0], h[1], h[2], h[3]);
	pv = make(v[0], v[1], v[2], v[3]);
	x = bytes((int64_t)3 * h[0] * v[0]);
	mid = room((size_t)3 * (size_t)h[3] * (size_t)v[0]);
	size = (size_t)3 * (size_t)h[3] * (size_t)v[3];
	want = room(size);
	pass(mid, x, &ph, v[0], 1, h[0], 1, h[3]);
	pass(want, mid, &pv, h[3], h[3], 1, h[3], 1);
	y = up_bytes(NULL, size);
	done(dev->ops->resize(dev, y, up_bytes(x, (size_t)3 * (size_t)h[0] * (size_t)v[0]), &ph, &pv, &fault));
	got = room(size);
	down_bytes(got, y, size);
	same("y", got, want, size);
	end();
}

void
test_clip(void)
{
	static const int sizes[][4] = {
		/* in, out, first, count */
		{ 40, 17, 0, 17 },
		{ 40, 17, 3, 9 },
		{ 9, 70, 0, 70 },
		{ 33, 33, 0, 33 },
		{ 33, 33, 4, 20 },
		{ 1, 5, 0, 5 },
		{ 300, 64, 0, 64 },
	};
	const size_t n = sizeof(sizes) / sizeof(*sizes);
	size_t i;

	for (i = 0; i < 2; i++) {
		patchify_case(1, 32, 32, i ? DT_BF16 : DT_F32);
		patchify_case(3, 56, 14, i ? DT_BF16 : DT_F32);
		patchify_case(2, 64, 16, i ? DT_BF16 : DT_F32);
		patchify_case(0, 32, 8, i ? DT_BF16 : DT_F32);
		patches_case(3, 49, 33, (int)i);
		patches_case(1, 1, 1000, (int)i);
		patches_case(0, 4, 32, (int)i);
	}
	for (i = 0; i < SIZES; i++) {
		tokens_case(size_list[i], 32, DT_F32);
		tokens_case(33, size_list[i], DT_BF16);
		tokens_case(7, size_list[i], DT_F16);
	}
	for (i = 0; i < n * n; i++)
		resize_case(plan, sizes[i / n], sizes[i % n]);
}
