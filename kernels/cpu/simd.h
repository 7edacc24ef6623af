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
	HEAD_QUERIES = 264, /* queries that one call of head takes */
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
	int narrow; /* 1: q, k and v are bf16 and their products may be of it:
	             * an even number of columns, rows an even number apart */
};

/* of the whole segment; f32, dq, dk and dv are overwritten */
struct head_gradients {
	struct mat dq, dk, dv, dy;
};

/* What a word of 32 bits of a row or a panel holds: an f32; two bf16; four bytes, unsigned in rows (128 more than
 * the number) and signed in panels, whose sums are whole numbers */
enum form {
	FORM_F32,
	FORM_BF16,
	FORM_INT8,
	FORMS,
};

/* what becomes of a sum of products before it is stored */
struct epilogue {
	float alpha, beta;
	enum activation act;
	const float *bias;  /* of the block's first column, or NULL */
	const int32_t *off; /* sums are whole numbers: this is taken off, in place of alpha comes row·scale; or NULL */
	const float *scale; /* of the block's columns */
	const float *row;   /* of its rows */
	struct mat r;       /* the block's part of R, f32 or like Y; p NULL for none */
	struct mat y;       /* the block's part of Y */
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
	/* C[rows, panel_width] (+)= A[rows,k]·panel, k and lda in words, C f32 or int32_t; first: C is not read; soon: the
	 * panel that comes next, which is fetched ahead, or this one. NULL where the instruction set has no such products;
	 * those of bf16 and, but for AVX2's, of bytes need instructions beyond the set's own (product_traits) */
	void (*tile[FORMS])(void *c, int64_t ldc, const void *a, int64_t lda, const void *panel,
	                    int64_t k, int64_t rows, int first,
	                    const void *soon);
	/* the same of A's rows as tiles made of its columns: element (i,l) of A was at a + i + l·lda; y: [rows·k] */
	void (*pack_tiles)(float *y, const float *a, int64_t lda, int64_t k, int64_t rows);
	void (*tile_packed[FORMS])(void *c, int64_t ldc, const void *y, const void *panel, int64_t k, int64_t rows, int first,
	                           const void *soon);
	/* c: [rows, panel_width] of each panel, step apart */
	void (*finish)(const void *c, int64_t step, const struct epilogue *e);

	/* ---- n elements of type t (f32, bf16, f16) to f32, and back (convert.c) ---- */
	void (*load)(float *y, const void *x, enum dtype t, int64_t n);
	void (*store)(void *y, enum dtype t, const float *x, int64_t n);
	/* n words of two bf16: of x, and of z in the upper half, or (NULL) zeros */
	void (*pair)(uint32_t *y, const float *x, const float *z, int64_t n);

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
	/* y = round(x/scale) + 128; returns scale, the largest |x| over 127; NaN where one of x is not finite */
	float (*quantise)(uint8_t *y, const float *x, int64_t n);
	/* words whose products are added in 16 bits before they join the sums in 32 (rows and panels are filled up to a
	 * multiple of it); 0: every product of bytes fits */
	int group8;

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

/* words of a row of k bytes */
static inline int64_t
cpu_int8_words(const struct simd *s, int64_t k)
{
	const int64_t words = (k + 3) / 4, group = s->group8 ? s->group8 : 1;

	return (words + group - 1) / group * group;
}

/* the widest that the processor has; avx512 0: at most AVX2 */
const struct simd *cpu_simd_best(int avx512);

#endif
