/* SPDX-License-Identifier: MIT
 *
 * linear.cu - rows times a weight matrix, with bias, activation and residual.
 *
 * In one call of the library where it has the epilogue; else the product goes
 * to scratch memory, so many rows at a time that it stays in the cache, and a
 * kernel of our own finishes it. The library's GELU is the tanh form: the erf
 * form and QuickGELU are ours.
 */
#include <stdlib.h>

#include "library.cuh"

enum {
	CHUNK_BYTES = 24 << 20, /* scratch of a chunk of rows */
	CHUNK_ROWS = 128,       /* chunks are multiples of it */
};

struct packed {
	struct mat w; /* device, f32 or bf16, W[n][k] or W[k][n] */
	const void *host; /* the caller's array, of host_bytes: copied */
	size_t host_bytes;
	int64_t n, k;
	int transposed, tf32;
	size_t bytes;
};

/* the host array h of type t to device memory of p's type */
static int
weight_put(struct backend *b, struct packed *p, const void *h, enum dtype t, struct adds_error *err)
{
	struct cuda_state *s = cuda_enter(b);
	struct mat as_is = p->w;
	void *raw;

	if (t == p->w.t)
		return cuda_put_bytes(s, p->w.p, h, p->bytes, err);
	as_is.t = t;
	TRY(cuda_scratch(s, &raw, (size_t)mat_cells(p->w) * dtype_size(t), err));
	as_is.p = raw;
	TRY(cuda_put_bytes(s, raw, h, (size_t)mat_cells(p->w) * dtype_size(t), err));
	return convert_many(s, p->w, 0, as_is, 0, 1, err);
}

int
cuda_pack(struct backend *b, struct packed **out, const void *w, enum dtype t, int64_t n, int64_t k, int transposed,
          enum precision prec, struct adds_error *err)
{
	struct packed *p = (struct packed *)calloc(1, sizeof(*p));
	int rc;

	*out = NULL;
	if (!p)
		return adds_fail(err, ADDS_ENOMEM, "out of memory");
	prec = backend_precision(b, prec);
	p->w = transposed ? mat_of(NULL, DT_F32, k, n) : mat_of(NULL, DT_F32, n, k);
	p->w.t = prec == PREC_BF16 ? DT_BF16 : DT_F32;
	p->n = n;
	p->k = k;
	p->transposed = transposed;
	p->tf32 = prec == PREC_TF32;
	p->bytes = (size_t)(n * k) * dtype_size(p->w.t);
	p->host = w;
	p->host_bytes = (size_t)(n * k) * dtype_size(t);
	if ((rc = cuda_alloc(b, &p->w.p, p->bytes, err)) < 0 || (rc = weight_put(b, p, w, t, err)) < 0) {
		cuda_release(b, p->w.p);
		free(p);
		return rc;
	}
	b->packed_bytes += p->bytes;
	*out = p;
	return 0;
}

void
cuda_unpack(struct backend *b, struct packed *w)
{
	if (!w)
		return;
	b->packed_bytes -= w->bytes;
	cuda_release(b, w->w.p);
	free(w);
}

/* All copies were made by pack. */
void
cuda_spare(struct backend *b, struct packed *w, enum spare how)
{
	(void)b;
	backend_spare(w->host, w->host_bytes, how);
}

/* what one call of linear asks for, or a chunk of its rows */
struct linear {
	struct mat y, x, r;
	const struct packed *w;
	const float *bias;
	enum activation act;
};

static struct product
product_of(const struct linear *l, struct mat d)
{
	struct product p;

	memset(&p, 0, sizeof(p));
	p.d = d;
	p.a = l->x;
	p.b = l->w->w;
	p.tb = !l->w->transposed;
	p.alpha = 1;
	p.act = ACT_NONE;
	p.tf32 = l->w->tf32;
	p.any_rows = 1;
	p.count = 1;
	return p;
}

/* Does the library have the whole of it? Its bias is of the output's type, so f32 outputs alone have one; how exact its GELU
 * is, it does not say: good for bf16. */
static int
fused(const struct linear *l)
{
	if (l->y.t == DT_BF16)
		return !l->bias && l->act == ACT_NONE && !l->r.p;
	if (l->bias && (uintptr_t)l->bias % 16)
		return 0;
	return l->act == ACT_NONE || (!l->r.p && (l->act == ACT_RELU || (l->act == ACT_GELU_TANH && l->w->w.t == DT_BF16)));
}

/* 1: it could not after all */
static int
in_one_call(struct cuda_state *s, const struct linear *l, struct adds_error *err)
{
	struct product p = product_of(l, l->y);

	p.bias = l->bias;
	p.act = l->act;
	if (l->r.p) {
		p.c = l->r;
		p.beta = 1;
	}
	return library_product(s, &p, err);
}

/* Y = act(Z + bias) + R */
static int
finish(struct cuda_state *s, const struct linear *l, struct mat z, struct adds_error *err)
{
	const struct mat y = l->y, r = l->r;
	const float *bias = l->bias;
	const enum activation act = l->act;

	return each(
		s, y.rows, y.cols, [=] __device__(int64_t i, int64_t c) {
			const float x = mat_f32(z, i, c) + (bias ? bias[c] : 0);

			mat_store(y, i, c, activate(x, act) + (r.p ? mat_load(r, i, c) : 0));
		},
		"linear", err);
}

static int
in_two_steps(struct cuda_state *s, const struct linear *l, struct mat z, struct adds_error *err)
{
	const struct product p = product_of(l, z);
	int rc = library_product(s, &p, err);

	if (rc == 1)
		rc = plain_product(s, &p, err);
	return rc < 0 ? rc : finish(s, l, z, err);
}

/* columns of a scratch matrix: rows begin where the library likes it */
static int64_t
padded(int64_t cols)
{
	return index_ceil(cols, 8) * 8;
}

/* where a chunk's product and the X of the weight's type go, in scratch */
static int
chunk_mats(struct cuda_state *s, const struct linear *l, int64_t rows, struct mat *z, struct mat *x,
           struct adds_error *err)
{
	const size_t z_bytes = (size_t)(rows * padded(l->w->n)) * sizeof(float);
	void *p;

	*z = mat_of(NULL, DT_F32, rows, l->w->n);
	*x = mat_of(NULL, l->w->w.t, rows, l->w->k);
	z->ld = padded(l->w->n);
	x->ld = padded(l->w->k);
	TRY(cuda_scratch(s, &p, z_bytes + (size_t)(rows * x->ld) * dtype_size(x->t), err));
	z->p = p;
	x->p = (char *)p + z_bytes;
	return 0;
}

static int
run_chunk(struct cuda_state *s, struct linear l, struct mat z, struct mat x, struct adds_error *err)
{
	int rc;

	if (l.x.t != l.w->w.t) {
		TRY(convert_many(s, x, 0, l.x, 0, 1, err));
		l.x = x;
	}
	if (fused(&l) && (rc = in_one_call(s, &l, err)) != 1)
		return rc;
	return in_two_steps(s, &l, z, err);
}

static int64_t
chunk_rows(const struct linear *l)
{
	const int64_t row = padded(l->w->n) * 4 + padded(l->w->k) * 4;
	const int64_t rows = CHUNK_BYTES / row / CHUNK_ROWS * CHUNK_ROWS;

	return index_min(l->y.rows, rows > CHUNK_ROWS ? rows : (int64_t)CHUNK_ROWS);
}

int
cuda_linear(struct backend *b, struct mat y, struct mat x, const struct packed *w, const float *bias,
            enum activation act, struct mat r, struct segs segs, struct adds_error *err)
{
	struct cuda_state *s = cuda_enter(b);
	struct linear l = { y, x, r, w, bias, act }, part = l;
	struct mat z, narrow;
	int64_t r0, rows;
	int rc;

	(void)segs; /* no row depends on another */
	assert(y.rows == x.rows && y.cols == w->n && x.cols == w->k);
	if (!y.rows || !y.cols)
		return 0;
	if (x.t == w->w.t && fused(&l) && (rc = in_one_call(s, &l, err)) != 1)
		return rc;
	rows = chunk_rows(&l);
	TRY(chunk_mats(s, &l, rows, &z, &narrow, err));
	for (r0 = 0; r0 < y.rows; r0 += rows) {
		z.rows = narrow.rows = index_min(rows, y.rows - r0);
		part.y = mat_part(y, r0, z.rows, 0, y.cols);
		part.x = mat_part(x, r0, z.rows, 0, x.cols);
		if (r.p)
			part.r = mat_part(r, r0, z.rows, 0, r.cols);
		TRY(run_chunk(s, part, z, narrow, err));
	}
	return 0;
}
