/* SPDX-License-Identifier: MIT
 * attention.c - attention of heads over segments, and its gradients: shared
 * out by segment and head; the work itself is in simd/head.c, head_backward.c */
#include <omp.h>
#include <stdlib.h>

#include "cpu.h"
#include "simd.h"

/* a piece of work: queries from of head h of segment seg */
struct piece {
	int64_t seg, from;
	int h;
};

/* head number i of all segments; 0 queries: the whole segment's */
static struct head
head_of(struct mat y, float *lse, struct mat q, struct mat k, struct mat v, int heads, const struct piece *p, int64_t rows,
        struct segs qs, struct segs ks)
{
	const int64_t hd = q.cols / heads, q0 = qs.at[p->seg] + p->from, k0 = ks.at[p->seg];
	const int64_t nq = min_i64(rows, qs.at[p->seg + 1] - q0), nk = ks.at[p->seg + 1] - k0;
	struct head h = { 0 };

	h.q = mat_part(q, q0, nq, p->h * hd, hd);
	h.k = mat_part(k, k0, nk, p->h * hd, hd);
	h.v = mat_part(v, k0, nk, p->h * hd, hd);
	h.y = mat_part(y, q0, nq, p->h * hd, hd);
	h.lse = lse ? lse + q0 * heads + p->h : NULL;
	h.step = heads;
	h.first = p->from;
	return h;
}

/* all pieces of at most rows queries; NULL with err filled */
static struct piece *
pieces_of(struct segs qs, int heads, int64_t rows, int64_t *count, struct adds_error *err)
{
	const int64_t most = (qs.n + (qs.n ? qs.at[qs.n] / rows : 0)) * heads;
	struct piece *list = cpu_scratch((size_t)most * sizeof(*list), err);
	int64_t s, from, n = 0;
	int h;

	for (s = 0; list && s < qs.n; s++)
		for (h = 0; h < heads; h++)
			for (from = 0; from < qs.at[s + 1] - qs.at[s]; from += rows)
				list[n++] = (struct piece){ s, from, h };
	*count = n;
	return list;
}

/* is it bf16, two by two? */
static int
in_words(struct mat x)
{
	return x.t == DT_BF16 && x.ld % 2 == 0;
}

int
cpu_attention(struct backend *b, struct mat y, float *lse, struct mat q, struct mat k, struct mat v, int heads,
              float scale, int causal, struct segs qs, struct segs ks, struct adds_error *err)
{
	const struct simd *simd = cpu_state(b)->simd;
	const size_t size = (simd->head_work() + 63) / 64 * 64;
	const int narrow = b->bf16 && in_words(q) && in_words(k) && in_words(v) && q.cols / heads % 2 == 0;
	struct piece *list;
	int64_t i, n;
	char *work;
	int threads;

	assert(qs.n == ks.n && q.cols % heads == 0 && q.cols / heads <= HEAD_WIDTH);
	if (!(list = pieces_of(qs, heads, HEAD_QUERIES, &n, err)))
		return ADDS_ENOMEM;
	threads = (int)min_i64(b->threads, n ? n : 1);
	if ((work = cpu_scratch((size_t)threads * size, err)))
#pragma omp parallel for schedule(dynamic) num_threads(threads)
		for (i = 0; i < n; i++) {
			struct head h = head_of(y, lse, q, k, v, heads, &list[i], HEAD_QUERIES, qs, ks);

			h.scale = scale;
			h.causal = causal;
			h.narrow = narrow;
			simd->head(&h, work + (size_t)omp_get_thread_num() * size);
		}
	free(list);
	free(work);
	return work ? 0 : ADDS_ENOMEM;
}

/* rows of a key matrix that no query of the segment looks at get zeros too: head_backward writes all */
int
cpu_attention_backward(struct backend *b, struct mat dq, struct mat dk, struct mat dv, struct mat dy, struct mat y,
                       const float *lse, struct mat q, struct mat k, struct mat v, int heads, float scale, int causal,
                       struct segs qs, struct segs ks, struct adds_error *err)
{
	const struct simd *simd = cpu_state(b)->simd;
	const size_t size = (simd->head_backward_work() + 63) / 64 * 64;
	const int threads = qs.n ? (int)min_i64(b->threads, qs.n * heads) : 1;
	const int64_t hd = q.cols / heads;
	char *work;
	int64_t i;

	assert(qs.n == ks.n && q.cols % heads == 0 && hd <= HEAD_WIDTH);
	if (!(work = cpu_scratch((size_t)threads * size, err)))
		return ADDS_ENOMEM;
#pragma omp parallel for schedule(dynamic) num_threads(threads)
	for (i = 0; i < qs.n * heads; i++) {
		const struct piece p = { i / heads, 0, (int)(i % heads) };
		const int64_t q0 = qs.at[p.seg], k0 = ks.at[p.seg];
		struct head h = head_of(y, (float *)(uintptr_t)lse, q, k, v, heads, &p, INT64_MAX, qs, ks);
		const struct head_gradients g = {
			mat_part(dq, q0, h.q.rows, p.h * hd, hd),
			mat_part(dk, k0, h.k.rows, p.h * hd, hd),
			mat_part(dv, k0, h.k.rows, p.h * hd, hd),
			mat_part(dy, q0, h.q.rows, p.h * hd, hd),
		};

		h.scale = scale;
		h.causal = causal;
		simd->head_backward(&h, &g, work + (size_t)omp_get_thread_num() * size);
	}
	free(work);
	return 0;
}
