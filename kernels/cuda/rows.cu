/* SPDX-License-Identifier: MIT
 * rows.cu - rows by number: taking, adding, averaging, choosing */
#include <stdlib.h>

#include "cuda.cuh"

int
cuda_gather(struct backend *b, struct mat y, struct mat x, const int32_t *index, struct adds_error *err)
{
	struct cuda_state *s = cuda_enter(b);
	struct upload u = { index, (size_t)y.rows * sizeof(*index), NULL };
	const size_t size = dtype_size(y.t);
	const int raw = y.t == x.t;
	const int32_t *at;

	assert(y.cols == x.cols);
	if (!y.rows || !y.cols)
		return 0;
	TRY(cuda_upload(s, &u, 1, err));
	at = (const int32_t *)u.device;
	return each(
		s, y.rows, y.cols, [=] __device__(int64_t r, int64_t c) {
			const int64_t to = r * y.ld + c, from = at[r] * x.ld + c;

			if (!raw)
				mat_store(y, r, c, mat_load(x, at[r], c));
			else if (size == 4)
				((uint32_t *)y.p)[to] = ((const uint32_t *)x.p)[from];
			else if (size == 2)
				((uint16_t *)y.p)[to] = ((const uint16_t *)x.p)[from];
			else if (size == 1)
				((uint8_t *)y.p)[to] = ((const uint8_t *)x.p)[from];
			else
				((double *)y.p)[to] = ((const double *)x.p)[from];
		},
		"gather", err);
}

/* ---- scatter_add: the rows that go to one place have one owner ---- */

struct pair {
	int32_t to, from;
};

static int
by_place(const void *a, const void *b)
{
	const struct pair *p = (const struct pair *)a, *q = (const struct pair *)b;

	return p->to != q->to ? (p->to > q->to) - (p->to < q->to) : (p->from > q->from) - (p->from < q->from);
}

/* pairs sorted; at: where each place begins among them; returns the number of places */
static int64_t
sort_pairs(struct pair *pair, int64_t *at, const int32_t *index, int64_t n)
{
	int64_t i, places = 0;

	for (i = 0; i < n; i++) {
		pair[i].to = index[i];
		pair[i].from = (int32_t)i;
	}
	qsort(pair, (size_t)n, sizeof(*pair), by_place);
	for (i = 0; i < n; i++)
		if (i == 0 || pair[i].to != pair[i - 1].to)
			at[places++] = i;
	at[places] = n;
	return places;
}

static int
scatter_sorted(struct cuda_state *s, struct mat y, struct mat x, const struct pair *pair, const int64_t *at,
               int64_t places, struct adds_error *err)
{
	struct upload u[2] = { { pair, (size_t)x.rows * sizeof(*pair), NULL }, { at, (size_t)(places + 1) * sizeof(*at), NULL } };
	const struct pair *list;
	const int64_t *begin;

	TRY(cuda_upload(s, u, 2, err));
	list = (const struct pair *)u[0].device;
	begin = (const int64_t *)u[1].device;
	return each(
		s, places, y.cols, [=] __device__(int64_t i, int64_t c) {
			float *to = &mat_f32(y, list[begin[i]].to, c), sum = *to;
			int64_t j;

			for (j = begin[i]; j < begin[i + 1]; j++)
				sum += mat_f32(x, list[j].from, c);
			*to = sum;
		},
		"scatter_add", err);
}

int
cuda_scatter_add(struct backend *b, struct mat y, struct mat x, const int32_t *index, struct adds_error *err)
{
	struct pair *pair;
	int64_t *at;
	int rc = ADDS_ENOMEM;

	assert(y.cols == x.cols);
	if (!x.rows || !x.cols)
		return 0;
	pair = (struct pair *)malloc((size_t)x.rows * sizeof(*pair));
	at = (int64_t *)malloc((size_t)(x.rows + 1) * sizeof(*at));
	if (pair && at)
		rc = scatter_sorted(cuda_enter(b), y, x, pair, at, sort_pairs(pair, at, index, x.rows), err);
	else
		adds_fail(err, ADDS_ENOMEM, "out of memory");
	free(pair);
	free(at);
	return rc;
}

int
cuda_pool(struct backend *b, struct mat y, struct mat x, const int32_t *index, struct segs g, struct adds_error *err)
{
	struct cuda_state *s = cuda_enter(b);
	struct upload u[2] = { upload_segs(g), { index, (size_t)(g.n ? g.at[g.n] : 0) * sizeof(*index), NULL } };
	const int64_t *at;
	const int32_t *row;

	assert(g.n == y.rows && y.cols == x.cols);
	if (!g.n || !y.cols)
		return 0;
	TRY(cuda_upload(s, u, 2, err));
	at = (const int64_t *)u[0].device;
	row = (const int32_t *)u[1].device;
	return each(
		s, y.rows, y.cols, [=] __device__(int64_t i, int64_t c) {
			const int64_t n = at[i + 1] - at[i];
			float sum = 0;
			int64_t j;

			for (j = at[i]; j < at[i + 1]; j++)
				sum += mat_f32(x, row[j], c);
			mat_f32(y, i, c) = n > 1 ? sum / (float)n : sum;
		},
		"pool", err);
}

/* ---- topk: the next in descending order, k times ---- */

struct candidate {
	float value;
	int64_t at; /* -1: none */
};

__device__ static struct candidate
better(struct candidate a, struct candidate b)
{
	if (a.at < 0 || (b.at >= 0 && index_before(b.value, b.at, a.value, a.at)))
		return b;
	return a;
}

/* the best of the block; all threads get it */
__device__ static struct candidate
block_best(struct candidate mine)
{
	__shared__ struct candidate part[BLOCK];
	int d;

	part[threadIdx.x] = mine;
	__syncthreads();
	for (d = BLOCK / 2; d; d >>= 1) {
		if ((int)threadIdx.x < d)
			part[threadIdx.x] = better(part[threadIdx.x], part[threadIdx.x + d]);
		__syncthreads();
	}
	mine = part[0];
	__syncthreads();
	return mine;
}

__global__ static void
topk_kernel(int32_t *index, struct mat x, int k)
{
	const int64_t r = blockIdx.x;
	struct candidate last = { 0, -1 };
	int64_t c;
	int i;

	for (i = 0; i < k; i++) {
		struct candidate best = { 0, -1 };

		for (c = threadIdx.x; c < x.cols; c += BLOCK) {
			const struct candidate one = { mat_f32(x, r, c), c };

			if (last.at < 0 || index_before(last.value, last.at, one.value, c))
				best = better(best, one);
		}
		last = block_best(best);
		if (threadIdx.x == 0)
			index[r * k + i] = (int32_t)last.at;
	}
}

int
cuda_topk(struct backend *b, int32_t *index, struct mat x, int k, struct adds_error *err)
{
	struct cuda_state *s = cuda_enter(b);

	assert(k >= 0 && k <= x.cols);
	if (!x.rows || !k)
		return 0;
	LAUNCH(topk_kernel, (unsigned)x.rows, BLOCK, 0, s->stream)(index, x, k);
	CU_LAUNCHED("topk");
	return 0;
}
