/* SPDX-License-Identifier: MIT
 * foreign_compute.c - the operations of the foreign device: pointers checked and translated, the processor's called */
#include <stdlib.h>

#include "foreign_inside.h"

/* n numbers, or NULL */
static float *
hf(const struct foreign *f, const char *call, const float *p, int64_t n)
{
	return p ? foreign_home(f, call, p, (size_t)n * sizeof(float)) : NULL;
}

static struct segs
hs(const char *call, struct segs s)
{
	foreign_ours(call, s.at, s.n > 0);
	return s;
}

static int64_t
last(struct segs s)
{
	return s.n > 0 ? s.at[s.n] : 0;
}

/* ---- products ---- */

static int
foreign_pack(struct backend *b, struct packed **out, const void *w, enum dtype t, int64_t n, int64_t k, int transposed,
             enum precision prec, struct adds_error *err)
{
	struct foreign *f = foreign_enter(b);
	const int rc = f->inner->ops->pack(f->inner, out, foreign_ours("pack", w, (size_t)(n * k)),
	                                   t, n, k, transposed, prec, err);

	b->packed_bytes = f->inner->packed_bytes;
	return rc;
}

static void
foreign_unpack(struct backend *b, struct packed *w)
{
	struct foreign *f = foreign_enter(b);

	f->inner->ops->unpack(f->inner, w);
	b->packed_bytes = f->inner->packed_bytes;
}

static void
foreign_spare(struct backend *b, struct packed *w, enum spare how)
{
	struct foreign *f = foreign_enter(b);

	f->inner->ops->spare(f->inner, w, how);
}

static int
foreign_linear(struct backend *b, struct mat y, struct mat x, const struct packed *w, const float *bias, enum activation act,
               struct mat r, struct segs segs, struct adds_error *err)
{
	struct foreign *f = foreign_enter(b);
	const int rc = f->inner->ops->linear(
		f->inner, foreign_mat(f, "linear", y), foreign_mat(f, "linear", x), w,
		hf(f, "linear", bias, y.cols), act, foreign_mat(f, "linear", r),
		segs.at ? hs("linear", segs) : segs, err);

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
				foreign_breach("gemm", "jobs that are not independent");
}

static int
foreign_gemm(struct backend *b, const struct gemm_job *jobs, int64_t n, enum precision prec, struct adds_error *err)
{
	struct foreign *f = foreign_enter(b);
	struct gemm_job *own;
	int64_t i;
	int rc;

	foreign_ours("gemm", jobs, n > 0);
	check_independent(jobs, n);
	if (!(own = malloc((size_t)(n + 1) * sizeof(*own))))
		return adds_fail(err, ADDS_ENOMEM, "out of memory");
	for (i = 0; i < n; i++) {
		own[i] = jobs[i];
		own[i].a = foreign_mat(f, "gemm", jobs[i].a);
		own[i].b = foreign_mat(f, "gemm", jobs[i].b);
		own[i].c = foreign_mat(f, "gemm", jobs[i].c);
		own[i].bias = hf(f, "gemm", jobs[i].bias, jobs[i].c.cols);
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
	struct foreign *f = foreign_enter(b);
	const char *me = "layernorm";

	return f->inner->ops->layernorm(f->inner, foreign_mat(f, me, y), foreign_mat(f, me, sum),
	                                hf(f, me, mean, x.rows), hf(f, me, rstd, x.rows),
	                                foreign_mat(f, me, x), foreign_mat(f, me, r),
	                                hf(f, me, w, x.cols), hf(f, me, bias, x.cols), eps, err);
}

static int
foreign_layernorm_backward(struct backend *b, struct mat dx, float beta, float *dw, float *dbias, struct mat dy, struct mat s,
                           const float *mean, const float *rstd, const float *w, struct adds_error *err)
{
	struct foreign *f = foreign_enter(b);
	const char *me = "layernorm_backward";

	return f->inner->ops->layernorm_backward(
		f->inner, foreign_mat(f, me, dx), beta, hf(f, me, dw, dy.cols),
		hf(f, me, dbias, dy.cols), foreign_mat(f, me, dy), foreign_mat(f, me, s),
		hf(f, me, mean, dy.rows), hf(f, me, rstd, dy.rows), hf(f, me, w, dy.cols), err);
}

static int
foreign_softmax(struct backend *b, struct mat y, struct mat x, float scale, struct adds_error *err)
{
	struct foreign *f = foreign_enter(b);

	return f->inner->ops->softmax(f->inner, foreign_mat(f, "softmax", y), foreign_mat(f, "softmax", x), scale, err);
}

static int
foreign_softmax_backward(struct backend *b, struct mat dx, struct mat y, struct mat dy, float scale, struct adds_error *err)
{
	struct foreign *f = foreign_enter(b);
	const char *me = "softmax_backward";

	return f->inner->ops->softmax_backward(f->inner, foreign_mat(f, me, dx),
	                                       foreign_mat(f, me, y), foreign_mat(f, me, dy), scale,
	                                       err);
}

static int
foreign_attention(struct backend *b, struct mat y, float *lse, struct mat q, struct mat k, struct mat v, int heads, float scale,
                  int causal, struct segs qs, struct segs ks, struct adds_error *err)
{
	struct foreign *f = foreign_enter(b);
	const char *me = "attention";

	return f->inner->ops->attention(f->inner, foreign_mat(f, me, y),
	                                hf(f, me, lse, last(qs) * heads), foreign_mat(f, me, q),
	                                foreign_mat(f, me, k), foreign_mat(f, me, v), heads, scale,
	                                causal, hs(me, qs), hs(me, ks), err);
}

static int
foreign_attention_backward(struct backend *b, struct mat dq, struct mat dk, struct mat dv, struct mat dy, struct mat y,
                           const float *lse, struct mat q, struct mat k, struct mat v, int heads, float scale, int causal,
                           struct segs qs, struct segs ks, struct adds_error *err)
{
	struct foreign *f = foreign_enter(b);
	const char *me = "attention_backward";

	return f->inner->ops->attention_backward(
		f->inner, foreign_mat(f, me, dq), foreign_mat(f, me, dk), foreign_mat(f, me, dv),
		foreign_mat(f, me, dy), foreign_mat(f, me, y), hf(f, me, lse, last(qs) * heads),
		foreign_mat(f, me, q), foreign_mat(f, me, k), foreign_mat(f, me, v), heads, scale,
		causal, hs(me, qs), hs(me, ks), err);
}

static int
foreign_l2norm(struct backend *b, struct mat y, struct mat x, float eps, struct adds_error *err)
{
	struct foreign *f = foreign_enter(b);

	return f->inner->ops->l2norm(f->inner, foreign_mat(f, "l2norm", y), foreign_mat(f, "l2norm", x), eps, err);
}

static void
check_index(const char *call, const int32_t *index, int64_t n, int64_t rows)
{
	int64_t i;

	foreign_ours(call, index, (size_t)n);
	for (i = 0; i < n; i++)
		if (index[i] < 0 || index[i] >= rows)
			foreign_breach(call, "a row that is not there");
}

static int
foreign_gather(struct backend *b, struct mat y, struct mat x, const int32_t *index, struct adds_error *err)
{
	struct foreign *f = foreign_enter(b);

	check_index("gather", index, y.rows, x.rows);
	return f->inner->ops->gather(f->inner, foreign_mat(f, "gather", y), foreign_mat(f, "gather", x), index, err);
}

static int
foreign_scatter_add(struct backend *b, struct mat y, struct mat x, const int32_t *index, struct adds_error *err)
{
	struct foreign *f = foreign_enter(b);

	check_index("scatter_add", index, x.rows, y.rows);
	return f->inner->ops->scatter_add(f->inner, foreign_mat(f, "scatter_add", y),
	                                  foreign_mat(f, "scatter_add", x), index, err);
}

static int
foreign_pool(struct backend *b, struct mat y, struct mat x, const int32_t *index, struct segs s, struct adds_error *err)
{
	struct foreign *f = foreign_enter(b);

	check_index("pool", index, last(s), x.rows);
	return f->inner->ops->pool(f->inner, foreign_mat(f, "pool", y), foreign_mat(f, "pool", x), index, hs("pool", s), err);
}

static int
foreign_convert(struct backend *b, struct mat y, struct mat x, struct adds_error *err)
{
	struct foreign *f = foreign_enter(b);

	return f->inner->ops->convert(f->inner, foreign_mat(f, "convert", y), foreign_mat(f, "convert", x), err);
}

/* ---- elements ---- */

static int
foreign_axpby(struct backend *b, struct mat y, float alpha, struct mat x, float beta, struct adds_error *err)
{
	struct foreign *f = foreign_enter(b);

	return f->inner->ops->axpby(f->inner, foreign_mat(f, "axpby", y), alpha, foreign_mat(f, "axpby", x), beta, err);
}

static int
foreign_mul(struct backend *b, struct mat y, struct mat x, struct mat z, struct adds_error *err)
{
	struct foreign *f = foreign_enter(b);

	return f->inner->ops->mul(f->inner, foreign_mat(f, "mul", y), foreign_mat(f, "mul", x), foreign_mat(f, "mul", z), err);
}

static int
foreign_exp_affine(struct backend *b, struct mat y, struct mat x, float alpha, float beta, struct adds_error *err)
{
	struct foreign *f = foreign_enter(b);

	return f->inner->ops->exp_affine(f->inner, foreign_mat(f, "exp_affine", y),
	                                 foreign_mat(f, "exp_affine", x), alpha, beta, err);
}

static int
foreign_add_row(struct backend *b, struct mat y, float alpha, const float *row, struct adds_error *err)
{
	struct foreign *f = foreign_enter(b);

	return f->inner->ops->add_row(f->inner, foreign_mat(f, "add_row", y), alpha, hf(f, "add_row", row, y.cols), err);
}

static int
foreign_add_col(struct backend *b, struct mat y, float alpha, const float *col, struct adds_error *err)
{
	struct foreign *f = foreign_enter(b);

	return f->inner->ops->add_col(f->inner, foreign_mat(f, "add_col", y), alpha, hf(f, "add_col", col, y.rows), err);
}

static int
foreign_scale_row(struct backend *b, struct mat y, const float *col, struct adds_error *err)
{
	struct foreign *f = foreign_enter(b);

	return f->inner->ops->scale_row(f->inner, foreign_mat(f, "scale_row", y), hf(f, "scale_row", col, y.rows), err);
}

static int
foreign_act(struct backend *b, struct mat y, struct mat x, enum activation a, struct adds_error *err)
{
	struct foreign *f = foreign_enter(b);

	return f->inner->ops->act(f->inner, foreign_mat(f, "act", y), foreign_mat(f, "act", x), a, err);
}

static int
foreign_act_backward(struct backend *b, struct mat dx, struct mat x, struct mat dy, enum activation a, struct adds_error *err)
{
	struct foreign *f = foreign_enter(b);
	const char *me = "act_backward";

	return f->inner->ops->act_backward(f->inner, foreign_mat(f, me, dx), foreign_mat(f, me, x),
	                                   foreign_mat(f, me, dy), a, err);
}

static int
foreign_dropout(struct backend *b, struct mat y, struct mat x, float p, uint64_t seed, uint64_t offset, struct adds_error *err)
{
	struct foreign *f = foreign_enter(b);

	return f->inner->ops->dropout(f->inner, foreign_mat(f, "dropout", y), foreign_mat(f, "dropout", x), p, seed, offset, err);
}

/* ---- sums ---- */

static int
foreign_colsum(struct backend *b, float *y, struct mat x, float beta, struct adds_error *err)
{
	struct foreign *f = foreign_enter(b);

	return f->inner->ops->colsum(f->inner, hf(f, "colsum", y, x.cols), foreign_mat(f, "colsum", x), beta, err);
}

static int
foreign_rowdot(struct backend *b, float *y, struct mat x, struct mat z, float beta, struct adds_error *err)
{
	struct foreign *f = foreign_enter(b);

	return f->inner->ops->rowdot(f->inner, hf(f, "rowdot", y, x.rows),
	                             foreign_mat(f, "rowdot", x), foreign_mat(f, "rowdot", z), beta,
	                             err);
}

static int
foreign_dot(struct backend *b, double *host, struct mat x, struct mat z, struct adds_error *err)
{
	struct foreign *f = foreign_enter_waiting(b, "dot");

	foreign_ours("dot", host, 1);
	return f->inner->ops->dot(f->inner, host, foreign_mat(f, "dot", x), foreign_mat(f, "dot", z), err);
}

/* ---- segments ---- */

static int
foreign_seg_max(struct backend *b, struct mat y, struct mat x, struct segs s, struct adds_error *err)
{
	struct foreign *f = foreign_enter(b);

	return f->inner->ops->seg_max(f->inner, foreign_mat(f, "seg_max", y),
	                              foreign_mat(f, "seg_max", x), hs("seg_max", s), err);
}

static int
foreign_seg_softmax(struct backend *b, struct mat y, struct mat x, float scale, struct segs s, struct adds_error *err)
{
	struct foreign *f = foreign_enter(b);
	const char *me = "seg_softmax";

	return f->inner->ops->seg_softmax(f->inner, foreign_mat(f, me, y), foreign_mat(f, me, x), scale, hs(me, s), err);
}

static int
foreign_seg_dot(struct backend *b, struct mat y, struct mat x, struct mat z, struct segs s, struct adds_error *err)
{
	struct foreign *f = foreign_enter(b);
	const char *me = "seg_dot";

	return f->inner->ops->seg_dot(f->inner, foreign_mat(f, me, y), foreign_mat(f, me, x),
	                              foreign_mat(f, me, z), hs(me, s), err);
}

static int
foreign_seg_spread(struct backend *b, struct mat y, struct mat x, struct mat z, struct segs s, struct adds_error *err)
{
	struct foreign *f = foreign_enter(b);
	const char *me = "seg_spread";

	return f->inner->ops->seg_spread(f->inner, foreign_mat(f, me, y), foreign_mat(f, me, x),
	                                 foreign_mat(f, me, z), hs(me, s), err);
}

static int
foreign_topk(struct backend *b, int32_t *index, struct mat x, int k, struct adds_error *err)
{
	struct foreign *f = foreign_enter(b);
	const size_t bytes = (size_t)(x.rows * k) * sizeof(*index);

	return f->inner->ops->topk(f->inner, foreign_home(f, "topk", index, bytes), foreign_mat(f, "topk", x), k, err);
}

/* ---- CLIP ---- */

static int
foreign_patchify(struct backend *b, struct mat y, const uint8_t *images, const float *table, int64_t n, int side, int patch,
                 struct adds_error *err)
{
	struct foreign *f = foreign_enter(b);
	const char *me = "patchify";

	return f->inner->ops->patchify(
		f->inner, foreign_mat(f, me, y),
		foreign_home(f, me, images, (size_t)n * (size_t)side * (size_t)side * 3),
		hf(f, me, table, 768), n, side, patch, err);
}

static int
foreign_embed_patches(struct backend *b, struct mat y, struct mat x, const float *cls, const float *pos, int64_t n, int64_t g2,
                      struct adds_error *err)
{
	struct foreign *f = foreign_enter(b);
	const char *me = "embed_patches";

	return f->inner->ops->embed_patches(f->inner, foreign_mat(f, me, y), foreign_mat(f, me, x), hf(f, me, cls, y.cols),
	                                    hf(f, me, pos, (g2 + (cls != NULL)) * y.cols), n, g2, err);
}

static int
foreign_embed_tokens(struct backend *b, struct mat y, const int32_t *id, const int32_t *at, struct mat table, const float *pos,
                     struct adds_error *err)
{
	struct foreign *f = foreign_enter(b);
	const char *me = "embed_tokens";
	int64_t i, most = 0;

	check_index(me, id, y.rows, table.rows);
	foreign_ours(me, at, (size_t)y.rows);
	for (i = 0; i < y.rows; i++)
		most = at[i] >= most ? at[i] + 1 : most;
	return f->inner->ops->embed_tokens(f->inner, foreign_mat(f, me, y), id, at,
	                                   foreign_mat(f, me, table), hf(f, me, pos, most * y.cols),
	                                   err);
}

static int
foreign_resize(struct backend *b, uint8_t *y, const uint8_t *x, const struct resample_plan *h, const struct resample_plan *v,
               struct adds_error *err)
{
	struct foreign *f = foreign_enter(b);
	const size_t to = (size_t)h->count * (size_t)v->count * 3, from = (size_t)h->in * (size_t)v->in * 3;

	foreign_ours("resize", h->lo, 0);
	foreign_ours("resize", v->lo, 0);
	return f->inner->ops->resize(f->inner, foreign_home(f, "resize", y, to), foreign_home(f, "resize", x, from), h, v, err);
}

/* ---- training ---- */

static int
foreign_loss(struct backend *b, struct mat dz, double *host_sum, struct mat z, const int8_t *target, const float *weight,
             float scale, const struct loss_args *args, struct adds_error *err)
{
	struct foreign *f = foreign_enter_waiting(b, "loss");
	const int64_t cells = z.rows * z.cols;

	foreign_ours("loss", host_sum, 1);
	return f->inner->ops->loss(f->inner, foreign_mat(f, "loss", dz), host_sum,
	                           foreign_mat(f, "loss", z),
	                           foreign_home(f, "loss", target, (size_t)cells),
	                           hf(f, "loss", weight, cells), scale, args, err);
}

static int
foreign_adamw(struct backend *b, float *w, const float *g, float *m, float *v, float *e, const struct adamw_group *groups,
              int64_t n, const struct adamw_args *args, struct adds_error *err)
{
	struct foreign *f = foreign_enter(b);
	int64_t i, most = 0;

	foreign_ours("adamw", groups, (size_t)n);
	for (i = 0; i < n; i++)
		most = groups[i].end > most ? groups[i].end : most;
	return f->inner->ops->adamw(f->inner, hf(f, "adamw", w, most), hf(f, "adamw", g, most), hf(f, "adamw", m, most),
	                            hf(f, "adamw", v, most), hf(f, "adamw", e, most), groups, n, args, err);
}

const struct backend_ops foreign_compute = {
	.pack = foreign_pack,
	.unpack = foreign_unpack,
	.spare = foreign_spare,
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
