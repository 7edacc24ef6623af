/* SPDX-License-Identifier: MIT
 *
 * decoder_inside.h - what the files of the decoder share.
 *
 * A pass works on n pictures at once. Label rows stand picture by picture, n·L
 * of them, and behind them the context's rows, n·C, where the visual branch
 * attends to a context of its own; token rows stand as the caller gave them.
 */
#ifndef DECODER_INSIDE_H
#define DECODER_INSIDE_H

#include "decoder.h"

/* device memory that grows */
struct adds_dec_buf {
	float *p;
	int64_t size; /* floats */
};

/* offsets of parameters in the flat buffer */
struct norm_at {
	int64_t w, b;
};

struct mha_at {
	int64_t in_w, in_b, out_w, out_b;
};

struct layer_at {
	struct norm_at norm[4];
	struct mha_at mha[2];
	int64_t w1, b1, w2, b2;
};

struct head_at {
	int64_t fc_w, fc_b, final_w, final_b, scale, bias;
};

/* what backward needs of one layer norm: X + R and the statistics of its rows */
struct norm_tape {
	struct adds_dec_buf s, mean, rstd;
};

/* and of one attention */
struct mha_tape {
	struct adds_dec_buf x;    /* projected queries [X, D] */
	struct adds_dec_buf z;    /* P·V before the output projection [X, D] */
	struct adds_dec_buf y;    /* two projections of the keys' rows [2, Y, D] or [Y, 2D] */
	struct adds_dec_buf bias; /* of scores, one a key [Y] */
	struct adds_dec_buf p;    /* softmax, where it is kept */
	struct adds_dec_buf lse;
};

struct layer_tape {
	struct norm_tape norm[4];
	struct mha_tape mha[2];
	struct adds_dec_buf a, c, hidden, q, v;
};

/* Weights of an attention with one head, multiplied out: S = (x·M + u)·yᵀ, out = (P·y)·Nᵀ + w; M = WqᵀWk, u = bq·Wk,
 * N = Wo·Wv, w = Wo·bv + bo. The key bias adds the same to all scores of a row, which softmax ignores. */
struct fused {
	struct mat m, n, u, w; /* [D, D], [D, D], [1, D], [1, D] */
};

/* Scaled dot product attention of one picture (one head of it): O = softmax(scale·(A·Bᵀ + bias))·V. */
struct score {
	struct mat a, b, v, o; /* backward: o is dO */
	struct mat p, dp;      /* [rows of a, rows of b] */
	const float *bias;
	struct mat da, db, dv;                   /* p NULL: not wanted */
	float beta_a, beta_b, beta_v, beta_bias; /* of what is in da, db, dv, dbias; dv is written before db */
	float *dbias;
};

struct range {
	int64_t row, rows;
};

/* rows of each picture: those of a segment, or each of them from base + p·stride */
struct rows_of {
	const int64_t *at;
	int64_t base, each, stride;
};

struct adds_decoder {
	struct backend *b;
	struct adds_decoder_config c;
	struct adds_param *params;
	size_t nparams;
	int64_t size;
	float *w, *g;
	struct layer_at *at;
	struct head_at head;

	struct adds_dec_buf *fused; /* [layers·2] */
	struct adds_dec_buf head_w; /* final_fc·fc [D], and the bias */
	int fused_valid;
	enum precision fused_prec;
	struct adds_dec_buf dfused;

	struct layer_tape *tape; /* [max(layers, 2)]; evaluation alternates between the first two */
	int64_t keep_bytes;      /* softmax matrices of a batch up to this size are kept for backward, else computed anew */

	/* first layer at evaluation: the same for all pictures */
	int first_valid, first_version;
	enum precision first_prec;
	int64_t first_labels, first_context;
	struct adds_dec_buf first_a, first_x;

	/* working memory */
	struct adds_dec_buf out, hidden, p, dp, logits, dlogits, small, extra;
	struct adds_dec_buf dq, dv[2], drow, dhidden, dx, dz, dy, dbias;

	/* of the last train_forward, for backward */
	uint64_t seed, step;
	int64_t first;
	int ready, kept; /* 1: a forward stands that backward can follow; its softmax matrices were kept */

	/* host arrays that grow */
	struct gemm_job *jobs;
	struct score *scores;
	struct range *ranges;
	int64_t *at_labels, *at_context, *at_tokens;
	size_t jobs_cap, scores_cap, ranges_cap, at_labels_cap, at_context_cap, at_tokens_cap;
	int64_t njobs;
};

/* One pass over a batch. After a failure rc is negative and every further step does nothing. */
struct run {
	struct adds_decoder *d;
	struct backend *b;
	enum precision prec;
	int rc;
	struct adds_error *err;
	int64_t n, L, C, T; /* pictures, labels, context rows (0: the labels themselves), tokens of all */
	const int64_t *at;  /* [n + 1] tokens of each */
	struct mat labels, context, tokens;
	int version;
	int train, keep;
	float dropout;
	uint64_t seed, step;
	int64_t first;
};

/* o->name(b, …, err) unless something failed before */
#define OP(r, name, ...) \
	((r)->rc < 0 ? (void)0 : (void)((r)->rc = (r)->b->ops->name((r)->b, __VA_ARGS__, (r)->err)))

static const struct mat no_mat = { NULL, DT_F32, 0, 0, 0 };

static inline struct mat
f32(float *p, int64_t rows, int64_t cols)
{
	return mat_of(p, DT_F32, rows, cols);
}

static inline struct mat
rows_part(struct mat m, int64_t row, int64_t rows)
{
	return m.p ? mat_part(m, row, rows, 0, m.cols) : m;
}

static inline int64_t
row_begin(const struct rows_of *s, int64_t p)
{
	return s->at ? s->at[p] : s->base + p * s->stride;
}

static inline int64_t
row_count(const struct rows_of *s, int64_t p)
{
	return s->at ? s->at[p + 1] - s->at[p] : s->each;
}

/* ---- run.c ---- */

/* n floats of device memory; NULL with rc set when there are none */
float *adds_dec_floats(struct run *r, struct adds_dec_buf *b, int64_t n);
struct mat adds_dec_mat(struct run *r, struct adds_dec_buf *b, int64_t rows, int64_t cols);
void adds_dec_release(struct backend *b, struct adds_dec_buf *buf);
/* room for n elements of a host array; 0, or -1 with rc set */
int adds_dec_grow(struct run *r, void *array, size_t *cap, size_t n, size_t element);

/* Collects a product C = alpha·op(A)·op(B) + beta·C; _run computes those collected, which must be independent. */
void adds_dec_job(struct run *r, struct mat c, struct mat a, int ta, struct mat b, int tb, float beta);
/* The product collected last gets a bias and an activation. */
void adds_dec_finish(struct run *r, const float *bias, enum activation act);
void adds_dec_run(struct run *r);

/* Ranges of rows of d->ranges: those of the pictures whose chosen entry is want (chosen NULL: all), of each group of rows.
 * Neighbours are joined in training; evaluation keeps pictures apart so that none depends on its batch. */
int64_t adds_dec_ranges(struct run *r, const struct rows_of *groups, int ngroups, const unsigned char *chosen, int want);

/* Over the n ranges of d->ranges: Y = X·op(W) + beta·Y; Y = act(X·op(W) + bias); dW += dYᵀ·X; db += column sums of dY. */
void adds_dec_project(struct run *r, struct mat y, struct mat x, struct mat w, int tw, float beta, int64_t n);
void adds_dec_linear(struct run *r, struct mat y, struct mat x, struct mat w, int tw,
                     const float *bias, enum activation act, int64_t n);
void adds_dec_weight_grad(struct run *r, struct mat dw, struct mat dy, struct mat x, int64_t n);
void adds_dec_bias_grad(struct run *r, float *db, struct mat dy, int64_t n);

/* weights and gradients by offset */
struct mat adds_dec_weight(const struct run *r, int64_t at, int64_t rows, int64_t cols);
struct mat adds_dec_grad(const struct run *r, int64_t at, int64_t rows, int64_t cols);

/* ---- scores.c ---- */

/* kept: memory for all softmax matrices, in order (they are then there for backward), or NULL. */
void adds_dec_scores(struct run *r, struct score *s, int64_t n, float scale, float *kept);
void adds_dec_scores_backward(struct run *r, struct score *s, int64_t n, float scale, float *kept);

/* ---- attend.c, heads.c ---- */

struct mha_call {
	const struct mha_at *at;
	struct adds_dec_buf *fused;
	struct mha_tape *t;
	struct mat x, y, out;    /* out [rows of x]; backward: the gradient of out, to which that of x is added */
	struct mat projected;    /* forward: queries already projected, rows as in from; p NULL: not */
	struct rows_of group[2]; /* query rows of each picture, in up to two groups */
	struct rows_of from[2];  /* where in x (and projected) they stand */
	int groups;
	struct rows_of keys;
	int want_dx;   /* backward */
	struct mat dy; /* gradient of y, p NULL: not wanted */
	float beta_y;
};

void adds_dec_mha(struct run *r, struct mha_call *c);
void adds_dec_mha_backward(struct run *r, struct mha_call *c);
/* Queries x[rows, D] projected as _mha would for pictures that project on the queries' side. */
void adds_dec_mha_queries(struct run *r, struct mat out, struct mat x, const struct mha_at *at, struct adds_dec_buf *fused);
void adds_dec_heads(struct run *r, struct mha_call *c);
void adds_dec_heads_backward(struct run *r, struct mha_call *c);
/* Floats of softmax that the call keeps for backward */
int64_t adds_dec_mha_kept(const struct run *r, const struct mha_call *c);

/* Products of weights, once per change of the weights */
struct fused adds_dec_fused(const struct run *r, const struct adds_dec_buf *f);
void adds_dec_fuse(struct run *r);

/* ---- layer.c, head.c ---- */

int adds_dec_visual(const struct adds_decoder *d, int layer); /* 1: its visual branch is computed */
void adds_dec_layer(struct run *r, int layer, struct mat *q, struct mat *v);
void adds_dec_layer_backward(struct run *r, int layer, struct mat *dq, struct mat *dv);
int adds_dec_first_fits(const struct run *r);
void adds_dec_head(struct run *r, struct mat logits, struct mat q, struct mat z0, const float *gate);
struct mat adds_dec_head_backward(struct run *r, struct mat dlogits, struct mat q, struct mat z0, const float *gate);

#endif
