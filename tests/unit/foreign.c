/* SPDX-License-Identifier: MIT
 * foreign.c - a device whose memory the host cannot touch */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "foreign.h"

/* no address of a program: between the halves that a processor's pages can have */
#define AWAY ((uintptr_t)1 << 56)

struct piece {
	char *p; /* as the host sees it */
	size_t bytes;
};

struct foreign {
	struct backend *inner;
	struct piece *piece; /* what is allocated */
	size_t pieces, room;
	size_t used, most, limit;
	int64_t waits, allocations, replays;
	int recording;
};

struct recording {
	int runs;
};

/* ---- checks ---- */

static void
breach(const char *call, const char *what)
{
	fprintf(stderr, "foreign device: %s: %s\n", call, what);
	abort();
}

static struct foreign *
state(const struct backend *b)
{
	return b->state;
}

/* the state at the beginning of a call */
static struct foreign *
enter(struct backend *b)
{
	struct foreign *f = state(b);

	f->inner->threads = b->threads;
	return f;
}

/* a device pointer as the host sees it, with the bytes that the call may touch */
static void *
home(const struct foreign *f, const char *call, const void *p, size_t bytes)
{
	char *h = (char *)((uintptr_t)p - AWAY);
	size_t i;

	if (!p) {
		if (bytes)
			breach(call, "NULL where device memory belongs");
		return NULL;
	}
	if ((uintptr_t)p < AWAY)
		breach(call, "host memory where device memory belongs");
	for (i = 0; i < f->pieces; i++)
		if (h >= f->piece[i].p && h <= f->piece[i].p + f->piece[i].bytes) {
			if (bytes <= (size_t)(f->piece[i].p + f->piece[i].bytes - h))
				return h;
			if (h < f->piece[i].p + f->piece[i].bytes)
				breach(call, "reaches behind the end of its memory");
		}
	if (bytes)
		breach(call, "memory that was never allocated, or has been released");
	return h;
}

static const void *
ours(const char *call, const void *host, size_t bytes)
{
	if (bytes && !host)
		breach(call, "NULL where a host array belongs");
	if ((uintptr_t)host >= AWAY)
		breach(call, "device memory where host memory belongs");
	return host;
}

static struct mat
hm(const struct foreign *f, const char *call, struct mat m)
{
	size_t bytes = 0;

	if (m.p && m.rows > 0 && m.cols > 0)
		bytes = (size_t)((m.rows - 1) * m.ld + m.cols) * dtype_size(m.t);
	m.p = home(f, call, m.p, bytes);
	return m;
}

static float *
hf(const struct foreign *f, const char *call, const float *p, int64_t n)
{
	return p ? home(f, call, p, (size_t)n * sizeof(float)) : NULL;
}

static struct segs
hs(const char *call, struct segs s)
{
	ours(call, s.at, s.n > 0);
	return s;
}

static int64_t
last(struct segs s)
{
	return s.n > 0 ? s.at[s.n] : 0;
}

/* ---- memory ---- */

static void
foreign_close(struct backend *b)
{
	struct foreign *f = state(b);

	if (f->pieces)
		fprintf(stderr, "foreign device: closed with %zu allocations left\n", f->pieces);
	if (f->pieces)
		abort();
	backend_close(f->inner);
	free(f->piece);
	free(f);
	free(b);
}

static int
foreign_alloc(struct backend *b, void **p, size_t bytes, struct adds_error *err)
{
	struct foreign *f = enter(b);
	struct piece *list;
	int rc;

	*p = NULL;
	if (f->recording)
		breach("alloc", "while calls are recorded");
	if (f->limit && f->used + bytes > f->limit)
		return adds_fail(err, ADDS_ENOMEM, "out of foreign memory: %zu bytes wanted, %zu of %zu in use", bytes, f->used, f->limit);
	if (f->pieces == f->room) {
		f->room = 2 * f->room + 64;
		if (!(list = realloc(f->piece, f->room * sizeof(*list))))
			return adds_fail(err, ADDS_ENOMEM, "out of memory");
		f->piece = list;
	}
	if ((rc = f->inner->ops->alloc(f->inner, p, bytes, err)) < 0)
		return rc;
	memset(*p, 0xff, bytes); /* NaN in every type */
	f->piece[f->pieces++] = (struct piece){ *p, bytes };
	f->used += bytes;
	f->most = f->used > f->most ? f->used : f->most;
	f->allocations++;
	*p = (void *)((uintptr_t)*p + AWAY);
	return 0;
}

static void
foreign_release(struct backend *b, void *p)
{
	struct foreign *f = enter(b);
	char *h = (char *)((uintptr_t)p - AWAY);
	size_t i;

	if (!p)
		return;
	if (f->recording)
		breach("release", "while calls are recorded");
	for (i = 0; i < f->pieces && f->piece[i].p != h; i++)
		;
	if (i == f->pieces)
		breach("release", "what alloc did not give, or a second time");
	f->used -= f->piece[i].bytes;
	memset(h, 0xff, f->piece[i].bytes);
	f->piece[i] = f->piece[--f->pieces];
	f->inner->ops->release(f->inner, h);
}

static int
foreign_put(struct backend *b, void *dst, const void *host, size_t bytes, struct adds_error *err)
{
	struct foreign *f = enter(b);

	if (f->recording)
		breach("put", "while calls are recorded");
	return f->inner->ops->put(f->inner, home(f, "put", dst, bytes), ours("put", host, bytes), bytes, err);
}

static int
foreign_get(struct backend *b, void *host, const void *src, size_t bytes, struct adds_error *err)
{
	struct foreign *f = enter(b);

	if (f->recording)
		breach("get", "while calls are recorded");
	f->waits++;
	ours("get", host, bytes);
	return f->inner->ops->get(f->inner, host, home(f, "get", src, bytes), bytes, err);
}

static int
foreign_copy(struct backend *b, struct mat y, struct mat x, struct adds_error *err)
{
	struct foreign *f = enter(b);

	return f->inner->ops->copy(f->inner, hm(f, "copy", y), hm(f, "copy", x), err);
}

static int
foreign_fill(struct backend *b, struct mat y, float value, struct adds_error *err)
{
	struct foreign *f = enter(b);

	return f->inner->ops->fill(f->inner, hm(f, "fill", y), value, err);
}

static int
foreign_sync(struct backend *b, struct adds_error *err)
{
	struct foreign *f = enter(b);

	if (f->recording)
		breach("sync", "while calls are recorded");
	f->waits++;
	return f->inner->ops->sync(f->inner, err);
}

static int
foreign_host_alloc(struct backend *b, void **p, size_t bytes, struct adds_error *err)
{
	struct foreign *f = enter(b);

	return f->inner->ops->host_alloc(f->inner, p, bytes, err);
}

static void
foreign_host_release(struct backend *b, void *p)
{
	ours("host_release", p, 0);
	state(b)->inner->ops->host_release(state(b)->inner, p);
}

static int
foreign_send(struct backend *b, void *dst, const void *host, size_t bytes, struct adds_error *err)
{
	struct foreign *f = enter(b);

	if (f->recording)
		breach("send", "while calls are recorded");
	return f->inner->ops->send(f->inner, home(f, "send", dst, bytes), ours("send", host, bytes), bytes, err);
}

static int
foreign_fetch(struct backend *b, void *host, const void *src, size_t bytes, struct adds_error *err)
{
	struct foreign *f = enter(b);

	if (f->recording)
		breach("fetch", "while calls are recorded");
	ours("fetch", host, bytes);
	return f->inner->ops->fetch(f->inner, host, home(f, "fetch", src, bytes), bytes, err);
}

static int
foreign_mark(struct backend *b, int n, struct adds_error *err)
{
	struct foreign *f = enter(b);

	if (f->recording)
		breach("mark", "while calls are recorded");
	return f->inner->ops->mark(f->inner, n, err);
}

static int
foreign_wait(struct backend *b, int n, struct adds_error *err)
{
	return state(b)->inner->ops->wait(state(b)->inner, n, err);
}

static int
foreign_replay(struct backend *b, struct recording **r, int (*calls)(void *arg, struct adds_error *err), void *arg,
               struct adds_error *err)
{
	struct foreign *f = enter(b);
	int rc;

	if (f->recording)
		breach("replay", "while calls are recorded");
	if (!*r && !(*r = calloc(1, sizeof(**r))))
		return adds_fail(err, ADDS_ENOMEM, "out of memory");
	f->replays += (*r)->runs++ > 0;
	f->recording = 1;
	rc = calls(arg, err);
	f->recording = 0;
	return rc;
}

static void
foreign_forget(struct backend *b, struct recording *r)
{
	(void)b;
	free(r);
}

/* ---- products ---- */

static int
foreign_pack(struct backend *b, struct packed **out, const void *w, enum dtype t, int64_t n, int64_t k, int transposed,
             enum precision prec, struct adds_error *err)
{
	struct foreign *f = enter(b);
	const int rc = f->inner->ops->pack(f->inner, out, ours("pack", w, (size_t)(n * k)), t, n, k, transposed, prec, err);

	b->packed_bytes = f->inner->packed_bytes;
	return rc;
}

static void
foreign_unpack(struct backend *b, struct packed *w)
{
	struct foreign *f = enter(b);

	f->inner->ops->unpack(f->inner, w);
	b->packed_bytes = f->inner->packed_bytes;
}

static int
foreign_linear(struct backend *b, struct mat y, struct mat x, const struct packed *w, const float *bias, enum activation act,
               struct mat r, struct segs segs, struct adds_error *err)
{
	struct foreign *f = enter(b);
	const int rc = f->inner->ops->linear(f->inner, hm(f, "linear", y), hm(f, "linear", x), w, hf(f, "linear", bias, y.cols), act,
	                                     hm(f, "linear", r), segs.at ? hs("linear", segs) : segs, err);

	b->packed_bytes = f->inner->packed_bytes;
	return rc;
}

/* Is an output another job's input or output? */
static void
check_independent(const struct gemm_job *jobs, int64_t n)
{
	int64_t i, j;

	for (i = 0; i < n; i++)
		for (j = i + 1; j < n && j < i + 64; j++)
			if (jobs[i].c.rows && jobs[i].c.cols &&
			    (jobs[i].c.p == jobs[j].c.p || jobs[i].c.p == jobs[j].a.p || jobs[i].c.p == jobs[j].b.p ||
			     jobs[j].c.p == jobs[i].a.p || jobs[j].c.p == jobs[i].b.p))
				breach("gemm", "jobs that are not independent");
}

static int
foreign_gemm(struct backend *b, const struct gemm_job *jobs, int64_t n, enum precision prec, struct adds_error *err)
{
	struct foreign *f = enter(b);
	struct gemm_job *own;
	int64_t i;
	int rc;

	ours("gemm", jobs, n > 0);
	check_independent(jobs, n);
	if (!(own = malloc((size_t)(n + 1) * sizeof(*own))))
		return adds_fail(err, ADDS_ENOMEM, "out of memory");
	for (i = 0; i < n; i++) {
		own[i] = jobs[i];
		own[i].a = hm(f, "gemm", jobs[i].a);
		own[i].b = hm(f, "gemm", jobs[i].b);
		own[i].c = hm(f, "gemm", jobs[i].c);
	}
	rc = f->inner->ops->gemm(f->inner, own, n, prec, err);
	free(own);
	return rc;
}

/* ---- rows ---- */

static int
foreign_layernorm(struct backend *b, struct mat y, struct mat sum, float *mean, float *rstd, struct mat x, struct mat r,
                  const float *w, const float *bias, float eps, struct adds_error *err)
{
	struct foreign *f = enter(b);
	const char *me = "layernorm";

	return f->inner->ops->layernorm(f->inner, hm(f, me, y), hm(f, me, sum), hf(f, me, mean, x.rows), hf(f, me, rstd, x.rows),
	                                hm(f, me, x), hm(f, me, r), hf(f, me, w, x.cols), hf(f, me, bias, x.cols), eps, err);
}

static int
foreign_layernorm_backward(struct backend *b, struct mat dx, float beta, float *dw, float *dbias, struct mat dy, struct mat s,
                           const float *mean, const float *rstd, const float *w, struct adds_error *err)
{
	struct foreign *f = enter(b);
	const char *me = "layernorm_backward";

	return f->inner->ops->layernorm_backward(f->inner, hm(f, me, dx), beta, hf(f, me, dw, dy.cols), hf(f, me, dbias, dy.cols),
	                                         hm(f, me, dy), hm(f, me, s), hf(f, me, mean, dy.rows), hf(f, me, rstd, dy.rows),
	                                         hf(f, me, w, dy.cols), err);
}

static int
foreign_softmax(struct backend *b, struct mat y, struct mat x, float scale, struct adds_error *err)
{
	struct foreign *f = enter(b);

	return f->inner->ops->softmax(f->inner, hm(f, "softmax", y), hm(f, "softmax", x), scale, err);
}

static int
foreign_softmax_backward(struct backend *b, struct mat dx, struct mat y, struct mat dy, float scale, struct adds_error *err)
{
	struct foreign *f = enter(b);
	const char *me = "softmax_backward";

	return f->inner->ops->softmax_backward(f->inner, hm(f, me, dx), hm(f, me, y), hm(f, me, dy), scale, err);
}

static int
foreign_attention(struct backend *b, struct mat y, float *lse, struct mat q, struct mat k, struct mat v, int heads, float scale,
                  int causal, struct segs qs, struct segs ks, struct adds_error *err)
{
	struct foreign *f = enter(b);
	const char *me = "attention";

	return f->inner->ops->attention(f->inner, hm(f, me, y), hf(f, me, lse, last(qs) * heads), hm(f, me, q), hm(f, me, k),
	                                hm(f, me, v), heads, scale, causal, hs(me, qs), hs(me, ks), err);
}

static int
foreign_attention_backward(struct backend *b, struct mat dq, struct mat dk, struct mat dv, struct mat dy, struct mat y,
                           const float *lse, struct mat q, struct mat k, struct mat v, int heads, float scale, int causal,
                           struct segs qs, struct segs ks, struct adds_error *err)
{
	struct foreign *f = enter(b);
	const char *me = "attention_backward";

	return f->inner->ops->attention_backward(f->inner, hm(f, me, dq), hm(f, me, dk), hm(f, me, dv), hm(f, me, dy), hm(f, me, y),
	                                         hf(f, me, lse, last(qs) * heads), hm(f, me, q), hm(f, me, k), hm(f, me, v), heads,
	                                         scale, causal, hs(me, qs), hs(me, ks), err);
}

static int
foreign_l2norm(struct backend *b, struct mat y, struct mat x, float eps, struct adds_error *err)
{
	struct foreign *f = enter(b);

	return f->inner->ops->l2norm(f->inner, hm(f, "l2norm", y), hm(f, "l2norm", x), eps, err);
}

static void
check_index(const char *call, const int32_t *index, int64_t n, int64_t rows)
{
	int64_t i;

	ours(call, index, (size_t)n);
	for (i = 0; i < n; i++)
		if (index[i] < 0 || index[i] >= rows)
			breach(call, "a row that is not there");
}

static int
foreign_gather(struct backend *b, struct mat y, struct mat x, const int32_t *index, struct adds_error *err)
{
	struct foreign *f = enter(b);

	check_index("gather", index, y.rows, x.rows);
	return f->inner->ops->gather(f->inner, hm(f, "gather", y), hm(f, "gather", x), index, err);
}

static int
foreign_scatter_add(struct backend *b, struct mat y, struct mat x, const int32_t *index, struct adds_error *err)
{
	struct foreign *f = enter(b);

	check_index("scatter_add", index, x.rows, y.rows);
	return f->inner->ops->scatter_add(f->inner, hm(f, "scatter_add", y), hm(f, "scatter_add", x), index, err);
}

static int
foreign_pool(struct backend *b, struct mat y, struct mat x, const int32_t *index, struct segs s, struct adds_error *err)
{
	struct foreign *f = enter(b);

	check_index("pool", index, last(s), x.rows);
	return f->inner->ops->pool(f->inner, hm(f, "pool", y), hm(f, "pool", x), index, hs("pool", s), err);
}

static int
foreign_convert(struct backend *b, struct mat y, struct mat x, struct adds_error *err)
{
	struct foreign *f = enter(b);

	return f->inner->ops->convert(f->inner, hm(f, "convert", y), hm(f, "convert", x), err);
}

/* ---- elements ---- */

static int
foreign_axpby(struct backend *b, struct mat y, float alpha, struct mat x, float beta, struct adds_error *err)
{
	struct foreign *f = enter(b);

	return f->inner->ops->axpby(f->inner, hm(f, "axpby", y), alpha, hm(f, "axpby", x), beta, err);
}

static int
foreign_mul(struct backend *b, struct mat y, struct mat x, struct mat z, struct adds_error *err)
{
	struct foreign *f = enter(b);

	return f->inner->ops->mul(f->inner, hm(f, "mul", y), hm(f, "mul", x), hm(f, "mul", z), err);
}

static int
foreign_exp_affine(struct backend *b, struct mat y, struct mat x, float alpha, float beta, struct adds_error *err)
{
	struct foreign *f = enter(b);

	return f->inner->ops->exp_affine(f->inner, hm(f, "exp_affine", y), hm(f, "exp_affine", x), alpha, beta, err);
}

static int
foreign_add_row(struct backend *b, struct mat y, float alpha, const float *row, struct adds_error *err)
{
	struct foreign *f = enter(b);

	return f->inner->ops->add_row(f->inner, hm(f, "add_row", y), alpha, hf(f, "add_row", row, y.cols), err);
}

static int
foreign_add_col(struct backend *b, struct mat y, float alpha, const float *col, struct adds_error *err)
{
	struct foreign *f = enter(b);

	return f->inner->ops->add_col(f->inner, hm(f, "add_col", y), alpha, hf(f, "add_col", col, y.rows), err);
}

static int
foreign_scale_row(struct backend *b, struct mat y, const float *col, struct adds_error *err)
{
	struct foreign *f = enter(b);

	return f->inner->ops->scale_row(f->inner, hm(f, "scale_row", y), hf(f, "scale_row", col, y.rows), err);
}

static int
foreign_act(struct backend *b, struct mat y, struct mat x, enum activation a, struct adds_error *err)
{
	struct foreign *f = enter(b);

	return f->inner->ops->act(f->inner, hm(f, "act", y), hm(f, "act", x), a, err);
}

static int
foreign_act_backward(struct backend *b, struct mat dx, struct mat x, struct mat dy, enum activation a, struct adds_error *err)
{
	struct foreign *f = enter(b);
	const char *me = "act_backward";

	return f->inner->ops->act_backward(f->inner, hm(f, me, dx), hm(f, me, x), hm(f, me, dy), a, err);
}

static int
foreign_dropout(struct backend *b, struct mat y, struct mat x, float p, uint64_t seed, uint64_t offset, struct adds_error *err)
{
	struct foreign *f = enter(b);

	return f->inner->ops->dropout(f->inner, hm(f, "dropout", y), hm(f, "dropout", x), p, seed, offset, err);
}

/* ---- sums ---- */

static int
foreign_colsum(struct backend *b, float *y, struct mat x, float beta, struct adds_error *err)
{
	struct foreign *f = enter(b);

	return f->inner->ops->colsum(f->inner, hf(f, "colsum", y, x.cols), hm(f, "colsum", x), beta, err);
}

static int
foreign_rowdot(struct backend *b, float *y, struct mat x, struct mat z, float beta, struct adds_error *err)
{
	struct foreign *f = enter(b);

	return f->inner->ops->rowdot(f->inner, hf(f, "rowdot", y, x.rows), hm(f, "rowdot", x), hm(f, "rowdot", z), beta, err);
}

static int
foreign_dot(struct backend *b, double *host, struct mat x, struct mat z, struct adds_error *err)
{
	struct foreign *f = enter(b);

	if (f->recording)
		breach("dot", "while calls are recorded");
	f->waits++;
	ours("dot", host, 1);
	return f->inner->ops->dot(f->inner, host, hm(f, "dot", x), hm(f, "dot", z), err);
}

/* ---- segments ---- */

static int
foreign_seg_max(struct backend *b, struct mat y, struct mat x, struct segs s, struct adds_error *err)
{
	struct foreign *f = enter(b);

	return f->inner->ops->seg_max(f->inner, hm(f, "seg_max", y), hm(f, "seg_max", x), hs("seg_max", s), err);
}

static int
foreign_seg_softmax(struct backend *b, struct mat y, struct mat x, float scale, struct segs s, struct adds_error *err)
{
	struct foreign *f = enter(b);
	const char *me = "seg_softmax";

	return f->inner->ops->seg_softmax(f->inner, hm(f, me, y), hm(f, me, x), scale, hs(me, s), err);
}

static int
foreign_seg_dot(struct backend *b, struct mat y, struct mat x, struct mat z, struct segs s, struct adds_error *err)
{
	struct foreign *f = enter(b);
	const char *me = "seg_dot";

	return f->inner->ops->seg_dot(f->inner, hm(f, me, y), hm(f, me, x), hm(f, me, z), hs(me, s), err);
}

static int
foreign_seg_spread(struct backend *b, struct mat y, struct mat x, struct mat z, struct segs s, struct adds_error *err)
{
	struct foreign *f = enter(b);
	const char *me = "seg_spread";

	return f->inner->ops->seg_spread(f->inner, hm(f, me, y), hm(f, me, x), hm(f, me, z), hs(me, s), err);
}

static int
foreign_topk(struct backend *b, int32_t *index, struct mat x, int k, struct adds_error *err)
{
	struct foreign *f = enter(b);
	const size_t bytes = (size_t)(x.rows * k) * sizeof(*index);

	return f->inner->ops->topk(f->inner, home(f, "topk", index, bytes), hm(f, "topk", x), k, err);
}

/* ---- CLIP ---- */

static int
foreign_patchify(struct backend *b, struct mat y, const uint8_t *images, const float *table, int64_t n, int side, int patch,
                 struct adds_error *err)
{
	struct foreign *f = enter(b);
	const char *me = "patchify";

	return f->inner->ops->patchify(f->inner, hm(f, me, y), home(f, me, images, (size_t)n * (size_t)side * (size_t)side * 3),
	                               hf(f, me, table, 768), n, side, patch, err);
}

static int
foreign_embed_patches(struct backend *b, struct mat y, struct mat x, const float *cls, const float *pos, int64_t n, int64_t g2,
                      struct adds_error *err)
{
	struct foreign *f = enter(b);
	const char *me = "embed_patches";

	return f->inner->ops->embed_patches(f->inner, hm(f, me, y), hm(f, me, x), hf(f, me, cls, y.cols),
	                                    hf(f, me, pos, (g2 + (cls != NULL)) * y.cols), n, g2, err);
}

static int
foreign_embed_tokens(struct backend *b, struct mat y, const int32_t *id, const int32_t *at, struct mat table, const float *pos,
                     struct adds_error *err)
{
	struct foreign *f = enter(b);
	const char *me = "embed_tokens";
	int64_t i, most = 0;

	check_index(me, id, y.rows, table.rows);
	ours(me, at, (size_t)y.rows);
	for (i = 0; i < y.rows; i++)
		most = at[i] >= most ? at[i] + 1 : most;
	return f->inner->ops->embed_tokens(f->inner, hm(f, me, y), id, at, hm(f, me, table), hf(f, me, pos, most * y.cols), err);
}

static int
foreign_resize(struct backend *b, uint8_t *y, const uint8_t *x, const struct resample_plan *h, const struct resample_plan *v,
               struct adds_error *err)
{
	struct foreign *f = enter(b);
	const size_t to = (size_t)h->count * (size_t)v->count * 3, from = (size_t)h->in * (size_t)v->in * 3;

	ours("resize", h->lo, 0);
	ours("resize", v->lo, 0);
	return f->inner->ops->resize(f->inner, home(f, "resize", y, to), home(f, "resize", x, from), h, v, err);
}

/* ---- training ---- */

static int
foreign_loss(struct backend *b, struct mat dz, double *host_sum, struct mat z, const int8_t *target, const float *weight,
             float scale, const struct loss_args *args, struct adds_error *err)
{
	struct foreign *f = enter(b);
	const int64_t cells = z.rows * z.cols;

	if (f->recording)
		breach("loss", "while calls are recorded");
	f->waits++;
	ours("loss", host_sum, 1);
	return f->inner->ops->loss(f->inner, hm(f, "loss", dz), host_sum, hm(f, "loss", z), home(f, "loss", target, (size_t)cells),
	                           hf(f, "loss", weight, cells), scale, args, err);
}

static int
foreign_adamw(struct backend *b, float *w, const float *g, float *m, float *v, float *e, const struct adamw_group *groups,
              int64_t n, const struct adamw_args *args, struct adds_error *err)
{
	struct foreign *f = enter(b);
	int64_t i, most = 0;

	ours("adamw", groups, (size_t)n);
	for (i = 0; i < n; i++)
		most = groups[i].end > most ? groups[i].end : most;
	return f->inner->ops->adamw(f->inner, hf(f, "adamw", w, most), hf(f, "adamw", g, most), hf(f, "adamw", m, most),
	                            hf(f, "adamw", v, most), hf(f, "adamw", e, most), groups, n, args, err);
}

/* ---- opening ---- */

static const struct backend_ops foreign_ops = {
	.name = "cpu", /* whose results it gives */
	.close = foreign_close,
	.alloc = foreign_alloc,
	.release = foreign_release,
	.put = foreign_put,
	.get = foreign_get,
	.copy = foreign_copy,
	.fill = foreign_fill,
	.sync = foreign_sync,
	.host_alloc = foreign_host_alloc,
	.host_release = foreign_host_release,
	.send = foreign_send,
	.fetch = foreign_fetch,
	.mark = foreign_mark,
	.wait = foreign_wait,
	.replay = foreign_replay,
	.forget = foreign_forget,
	.pack = foreign_pack,
	.unpack = foreign_unpack,
	.linear = foreign_linear,
	.gemm = foreign_gemm,
	.layernorm = foreign_layernorm,
	.layernorm_backward = foreign_layernorm_backward,
	.softmax = foreign_softmax,
	.softmax_backward = foreign_softmax_backward,
	.attention = foreign_attention,
	.attention_backward = foreign_attention_backward,
	.l2norm = foreign_l2norm,
	.gather = foreign_gather,
	.scatter_add = foreign_scatter_add,
	.pool = foreign_pool,
	.convert = foreign_convert,
	.axpby = foreign_axpby,
	.mul = foreign_mul,
	.exp_affine = foreign_exp_affine,
	.add_row = foreign_add_row,
	.add_col = foreign_add_col,
	.scale_row = foreign_scale_row,
	.act = foreign_act,
	.act_backward = foreign_act_backward,
	.dropout = foreign_dropout,
	.colsum = foreign_colsum,
	.rowdot = foreign_rowdot,
	.dot = foreign_dot,
	.seg_max = foreign_seg_max,
	.seg_softmax = foreign_seg_softmax,
	.seg_dot = foreign_seg_dot,
	.seg_spread = foreign_seg_spread,
	.topk = foreign_topk,
	.patchify = foreign_patchify,
	.embed_patches = foreign_embed_patches,
	.embed_tokens = foreign_embed_tokens,
	.resize = foreign_resize,
	.loss = foreign_loss,
	.adamw = foreign_adamw,
};

struct backend *
foreign_over(struct backend *inner, struct adds_error *err)
{
	struct backend *b = inner ? calloc(1, sizeof(*b)) : NULL;
	struct foreign *f = inner ? calloc(1, sizeof(*f)) : NULL;

	if (!b || !f) {
		if (inner)
			adds_fail(err, ADDS_ENOMEM, "out of memory");
		backend_close(inner);
		free(b);
		free(f);
		return NULL;
	}
	*b = *inner;
	b->ops = &foreign_ops;
	b->state = f;
	b->memory = (size_t)1 << 30;
	f->inner = inner;
	return b;
}

void
foreign_limit(struct backend *b, size_t bytes)
{
	state(b)->limit = bytes;
}

size_t
foreign_used(const struct backend *b, size_t *most)
{
	if (most)
		*most = state(b)->most;
	return state(b)->used;
}

int64_t
foreign_waits(const struct backend *b)
{
	return state(b)->waits;
}

int64_t
foreign_allocations(const struct backend *b)
{
	return state(b)->allocations;
}

int64_t
foreign_replays(const struct backend *b)
{
	return state(b)->replays;
}
