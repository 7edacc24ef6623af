/* SPDX-License-Identifier: MIT
 *
 * cpu.h - what the files of the CPU backend share. One file per family of
 * operations; a call is cut into rows (or blocks whose size depends on the
 * shape alone) and those are shared out among threads, so that no result
 * depends on how many there are.
 */
#ifndef CPU_H
#define CPU_H

#include <assert.h>
#include <string.h>

#include "../kernels.h"

struct products;
struct simd;

struct cpu_state {
	struct products *products; /* the library's matrix products ready to run, by shape */
	int amx;                   /* 1: products of bf16 are the library's; all else is blocked.h's */
	const struct simd *simd;
	const struct simd *simd_int8; /* the one whose products of bytes are used, or NULL */
};

static inline struct cpu_state *
cpu_state(const struct backend *b)
{
	return (struct cpu_state *)b->state;
}

static inline void *
mat_at(struct mat m, int64_t r, int64_t c)
{
	return (char *)m.p + (size_t)(r * m.ld + c) * dtype_size(m.t);
}

static inline float *
row_f32(struct mat m, int64_t r)
{
	return (float *)m.p + r * m.ld;
}

static inline int64_t
min_i64(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static inline int64_t
ceil_div(int64_t a, int64_t b)
{
	return (a + b - 1) / b;
}

/* Threads worth starting for work of so many elements: to wake one that sleeps, and to wait for it,
 * takes some 10 microseconds. */
static inline int
cpu_threads(const struct backend *b, int64_t elements)
{
	const int64_t most = 1 + elements / 32768;

	return (int)min_i64(b->threads, most);
}

static inline float
bf16_to_f32(uint16_t x)
{
	const uint32_t u = (uint32_t)x << 16;
	float f;

	memcpy(&f, &u, sizeof(f));
	return f;
}

/* to nearest, ties to even; NaN stays NaN */
static inline uint16_t
f32_to_bf16(float x)
{
	uint32_t u;

	memcpy(&u, &x, sizeof(u));
	if ((u & 0x7fffffffu) > 0x7f800000u)
		return (uint16_t)(u >> 16 | 0x40);
	return (uint16_t)((u + 0x7fffu + (u >> 16 & 1)) >> 16);
}

float cpu_f16_to_f32(uint16_t x);
uint16_t cpu_f32_to_f16(float x);

/* memory for working, aligned to 64 bytes; NULL with err filled */
void *cpu_scratch(size_t bytes, struct adds_error *err);

/* ---- the operations, file by file; see kernels.h ---- */

/* memory.c */
int cpu_alloc(struct backend *b, void **p, size_t bytes, struct adds_error *err);
void cpu_release(struct backend *b, void *p);
int cpu_put(struct backend *b, void *dst, const void *host, size_t bytes, struct adds_error *err);
int cpu_get(struct backend *b, void *host, const void *src, size_t bytes, struct adds_error *err);
int cpu_copy(struct backend *b, struct mat y, struct mat x, struct adds_error *err);
int cpu_fill(struct backend *b, struct mat y, float value, struct adds_error *err);
int cpu_sync(struct backend *b, struct adds_error *err);
int cpu_host_alloc(struct backend *b, void **p, size_t bytes, struct adds_error *err);
void cpu_host_release(struct backend *b, void *p);
int cpu_mark(struct backend *b, int n, struct adds_error *err);
int cpu_replay(struct backend *b, struct recording **r, int (*calls)(void *arg, struct adds_error *err), void *arg,
               struct adds_error *err);
void cpu_forget(struct backend *b, struct recording *r);

/* linear.c, gemm.c */
int cpu_pack(struct backend *b, struct packed **out, const void *w, enum dtype t, int64_t n, int64_t k, int transposed,
             enum precision prec, struct adds_error *err);
void cpu_unpack(struct backend *b, struct packed *w);
void cpu_spare(struct backend *b, struct packed *w, enum spare how);
int cpu_linear(struct backend *b, struct mat y, struct mat x, const struct packed *w, const float *bias,
               enum activation act, struct mat r, struct segs segs, struct adds_error *err);
int cpu_gemm(struct backend *b, const struct gemm_job *jobs, int64_t n, enum precision prec, struct adds_error *err);

/* norm.c */
int cpu_layernorm(struct backend *b, struct mat y, struct mat sum, float *mean, float *rstd, struct mat x, struct mat r,
                  const float *w, const float *bias, float eps, struct adds_error *err);
int cpu_layernorm_backward(struct backend *b, struct mat dx, float beta, float *dw, float *dbias, struct mat dy,
                           struct mat s, const float *mean, const float *rstd, const float *w, struct adds_error *err);
int cpu_l2norm(struct backend *b, struct mat y, struct mat x, float eps, struct adds_error *err);

/* softmax.c */
int cpu_softmax(struct backend *b, struct mat y, struct mat x, float scale, struct adds_error *err);
int cpu_softmax_backward(struct backend *b, struct mat dx, struct mat y, struct mat dy, float scale,
                         struct adds_error *err);

/* attention.c */
int cpu_attention(struct backend *b, struct mat y, float *lse, struct mat q, struct mat k, struct mat v, int heads,
                  float scale, int causal, struct segs qs, struct segs ks, struct adds_error *err);
int cpu_attention_backward(struct backend *b, struct mat dq, struct mat dk, struct mat dv, struct mat dy, struct mat y,
                           const float *lse, struct mat q, struct mat k, struct mat v, int heads, float scale,
                           int causal, struct segs qs, struct segs ks, struct adds_error *err);

/* rows.c */
int cpu_gather(struct backend *b, struct mat y, struct mat x, const int32_t *index, struct adds_error *err);
int cpu_scatter_add(struct backend *b, struct mat y, struct mat x, const int32_t *index, struct adds_error *err);
int cpu_pool(struct backend *b, struct mat y, struct mat x, const int32_t *index, struct segs s,
             struct adds_error *err);
int cpu_convert(struct backend *b, struct mat y, struct mat x, struct adds_error *err);
/* a copy of x in bf16, whose memory is the caller's to free; p NULL: no memory for it */
struct mat cpu_bf16_copy(struct backend *b, struct mat x, struct adds_error *err);
int cpu_topk(struct backend *b, int32_t *index, struct mat x, int k, struct adds_error *err);

/* elements.c */
int cpu_axpby(struct backend *b, struct mat y, float alpha, struct mat x, float beta, struct adds_error *err);
int cpu_mul(struct backend *b, struct mat y, struct mat x, struct mat z, struct adds_error *err);
int cpu_exp_affine(struct backend *b, struct mat y, struct mat x, float alpha, float beta, struct adds_error *err);
int cpu_add_row(struct backend *b, struct mat y, float alpha, const float *row, struct adds_error *err);
int cpu_add_col(struct backend *b, struct mat y, float alpha, const float *col, struct adds_error *err);
int cpu_scale_row(struct backend *b, struct mat y, const float *col, struct adds_error *err);
int cpu_act(struct backend *b, struct mat y, struct mat x, enum activation a, struct adds_error *err);
int cpu_act_backward(struct backend *b, struct mat dx, struct mat x, struct mat dy, enum activation a,
                     struct adds_error *err);
int cpu_dropout(struct backend *b, struct mat y, struct mat x, float p, uint64_t seed, uint64_t offset,
                struct adds_error *err);

/* sums.c */
int cpu_colsum(struct backend *b, float *y, struct mat x, float beta, struct adds_error *err);
int cpu_rowdot(struct backend *b, float *y, struct mat x, struct mat z, float beta, struct adds_error *err);
int cpu_dot(struct backend *b, double *host, struct mat x, struct mat z, struct adds_error *err);

/* segments.c */
int cpu_seg_max(struct backend *b, struct mat y, struct mat x, struct segs s, struct adds_error *err);
int cpu_seg_softmax(struct backend *b, struct mat y, struct mat x, float scale, struct segs s, struct adds_error *err);
int cpu_seg_dot(struct backend *b, struct mat y, struct mat x, struct mat z, struct segs s, struct adds_error *err);
int cpu_seg_spread(struct backend *b, struct mat y, struct mat x, struct mat z, struct segs s, struct adds_error *err);

/* embed.c */
int cpu_patchify(struct backend *b, struct mat y, const uint8_t *images, const float *table, int64_t n, int side,
                 int patch, struct adds_error *err);
int cpu_embed_patches(struct backend *b, struct mat y, struct mat x, const float *cls, const float *pos, int64_t n,
                      int64_t g2, struct adds_error *err);
int cpu_embed_tokens(struct backend *b, struct mat y, const int32_t *id, const int32_t *at, struct mat table,
                     const float *pos, struct adds_error *err);

/* resize.c */
int cpu_resize(struct backend *b, uint8_t *y, const uint8_t *x, const struct resample_plan *h,
               const struct resample_plan *v, struct adds_error *err);

/* loss.c, adamw.c */
int cpu_loss(struct backend *b, struct mat dz, double *host_sum, struct mat z, const int8_t *target,
             const float *weight, float scale, const struct loss_args *args, struct adds_error *err);
int cpu_adamw(struct backend *b, float *w, const float *g, float *m, float *v, float *e,
              const struct adamw_group *groups, int64_t n, const struct adamw_args *args, struct adds_error *err);

#endif
