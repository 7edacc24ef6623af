/* SPDX-License-Identifier: MIT
 *
 * simd.h - inner loops that are compiled once for each instruction set
 * (kernels/cpu/simd/ with -DSIMD=base, avx2, avx512) and chosen when the
 * backend is opened. With fused multiply-add all of them give the same bits:
 * sums run in lanes whose number does not depend on the width of a register.
 */
#ifndef SIMD_H
#define SIMD_H

#include "../kernels.h"

enum {
	HEAD_QUERIES = 256, /* queries that one call of head takes */
	HEAD_WIDTH = 128,   /* of a head at most */
};

/* one head of one segment; hd is q.cols */
struct head {
	struct mat q, k, v, y; /* [nq,hd], [nk,hd], [nk,hd], [nq,hd] */
	float *lse;            /* of query i at i·step, or NULL */
	int64_t step;
	int64_t first; /* the place of q's first row in its segment, for causal */
	float scale;
	int causal;
};

/* of the whole segment; f32, dq, dk and dv are overwritten */
struct head_gradients {
	struct mat dq, dk, dv, dy;
};

/* what becomes of a sum of products before it is stored */
struct epilogue {
	float alpha, beta;
	enum activation act;
	const float *bias; /* of the block's first column, or NULL */
	struct mat r;      /* the block's part of R, f32 or like Y; p NULL for none */
	struct mat y;      /* the block's part of Y */
};

/* AdamW's numbers, the same for a group of parameters */
struct adamw_step {
	float decay, size, beta1, rest1, beta2, rest2, root, eps, grad_scale, ema, ema_rest;
};

struct simd {
	const char *name; /* "AVX2" */
	int panel_width;  /* columns of B that lie together in a panel: [k][panel_width] */

	/* ---- products (product.c) ---- */
	/* one panel of columns: element (l,j) of B is at b + l·bi + j·bj; past n zeros */
	void (*pack_panel)(float *panel, const void *b, enum dtype t, int64_t bi, int64_t bj, int64_t k, int64_t n);
	/* C[rows, panel_width] (+)= A[rows,k]·panel; first: C is not read; soon: the panel that comes next, which is fetched
	 * ahead, or this one */
	void (*tile)(float *c, int64_t ldc, const float *a, int64_t lda, const float *panel,
	             int64_t k, int64_t rows, int first, const float *soon);
	/* the same of A's rows as tiles made of its columns: element (i,l) of A was at a + i + l·lda; y: [rows·k] */
	void (*pack_tiles)(float *y, const float *a, int64_t lda, int64_t k, int64_t rows);
	void (*tile_packed)(float *c, int64_t ldc, const float *y, const float *panel, int64_t k,
	                    int64_t rows, int first, const float *soon);
	/* c: [rows, panel_width] of each panel, step apart */
	void (*finish)(const float *c, int64_t step, const struct epilogue *e);

	/* ---- rows (rows.c) ---- */
	void (*act)(float *y, const float *x, enum activation a, int64_t n);
	void (*act_backward)(float *dx, const float *x, const float *dy, enum activation a, int64_t n);
	void (*exp_affine)(float *y, const float *x, float alpha, float beta, int64_t n);
	void (*softmax)(float *y, const float *x, float scale, int64_t n);
	void (*softmax_backward)(float *dx, const float *y, const float *dy, float scale, int64_t n);
	/* s: n values; y may be s */
	void (*layernorm)(float *y, float *mean, float *rstd, const float *s, const float *w, const float *bias, float eps,
	                  int64_t n);
	void (*layernorm_backward)(float *dx, float beta, const float *dy, const float *s, float mean, float rstd,
	                           const float *w, int64_t n);
	float (*dot)(const float *x, const float *z, int64_t n);

	/* ---- eight bits (int8.c) ---- */
	float (*quantise)(
		uint8_t *y, const float *x,
		int64_t n); /* y = round(x/scale) + 128; returns scale, the largest |x| over 127 */
	/* y = act((sum − off)·scale·row + bias) + r; bias, r: NULL for none; y may be r */
	void (*restore)(float *y, const int32_t *sum, const int32_t *off, const float *scale, float row, const float *bias,
	                enum activation act, const float *r, int64_t n);

	/* ---- elements (elements.c) ---- */
	void (*axpby)(float *y, float alpha, const float *x, float beta, int64_t n);
	void (*add)(float *y, const float *x, const float *z, int64_t n); /* Y = X + Z; may be the same */
	/* what a row adds to the gradients of LayerNorm's weight and bias */
	void (*norm_sums)(float *dw, float *dbias, const float *dy, const float *s, float mean, float rstd, int64_t n);
	/* kept are those whose words are at least least; the first has word offset of seed's sequence */
	void (*dropout)(float *y, const float *x, uint32_t least, float scale, uint64_t seed, uint64_t offset, int64_t n);
	void (*adamw)(float *w, const float *g, float *m, float *v, float *e,
	              const struct adamw_step *s, int64_t n); /* e may be NULL */

	/* ---- attention (head.c, head_backward.c); work: memory of a thread, so many bytes ---- */
	size_t (*head_work)(void), (*head_backward_work)(void);
	void (*head)(const struct head *h, void *work); /* at most HEAD_QUERIES rows of q */
	void (*head_backward)(const struct head *h, const struct head_gradients *g, void *work);
};

extern const struct simd cpu_simd_base, cpu_simd_avx2, cpu_simd_avx512;

/* the widest that the processor has; avx512 0: at most AVX2 */
const struct simd *cpu_simd_best(int avx512);

#endif
