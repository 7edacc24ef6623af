/* SPDX-License-Identifier: MIT
 * simd/simd.h - what the files of one instruction set share */
#ifndef SIMD_SIMD_H
#define SIMD_SIMD_H

#include "vec.h"

#define PANEL (2 * VL) /* columns of B that lie together */
#define GROUP8 (VL == 8 ? 2 : 0)

void SIMD_NAME(cpu_tile)(void *c, int64_t ldc, const void *a, int64_t lda, const void *panel, int64_t k, int64_t rows, int first,
                         const void *soon);
void SIMD_NAME(cpu_tile_bf16)(void *c, int64_t ldc, const void *a, int64_t lda, const void *panel, int64_t k, int64_t rows,
                              int first, const void *soon);
void SIMD_NAME(cpu_tile_int8)(void *c, int64_t ldc, const void *a, int64_t lda, const void *panel, int64_t k, int64_t rows,
                              int first, const void *soon);
void SIMD_NAME(cpu_tile_packed)(void *c, int64_t ldc, const void *a, const void *panel, int64_t k, int64_t rows, int first,
                                const void *soon);
void SIMD_NAME(cpu_tile_packed_bf16)(void *c, int64_t ldc, const void *a, const void *panel, int64_t k, int64_t rows, int first,
                                     const void *soon);
void SIMD_NAME(cpu_pack_tiles)(float *y, const float *a, int64_t lda, int64_t k, int64_t rows);
void SIMD_NAME(cpu_pack_panel)(float *panel, const void *b, enum dtype t, int64_t bi, int64_t bj, int64_t k, int64_t n);
void SIMD_NAME(cpu_finish)(const void *c, int64_t step, const struct epilogue *e);

void SIMD_NAME(cpu_row_act)(float *y, const float *x, enum activation a, int64_t n);
void SIMD_NAME(cpu_row_act_backward)(float *dx, const float *x, const float *dy, enum activation a, int64_t n);
void SIMD_NAME(cpu_row_exp_affine)(float *y, const float *x, float alpha, float beta, int64_t n);
void SIMD_NAME(cpu_row_softmax)(float *y, const float *x, float scale, int64_t n);
void SIMD_NAME(cpu_row_softmax_backward)(float *dx, const float *y, const float *dy, float scale, int64_t n);
void SIMD_NAME(cpu_row_layernorm)(float *y, float *mean, float *rstd, const float *s, const float *w, const float *bias,
                                  float eps, int64_t n);
void SIMD_NAME(cpu_row_layernorm_backward)(float *dx, float beta, const float *dy, const float *s, float mean, float rstd,
                                           const float *w, int64_t n);
void SIMD_NAME(cpu_row_axpby)(float *y, float alpha, const float *x, float beta, int64_t n);
void SIMD_NAME(cpu_row_add)(float *y, const float *x, const float *z, int64_t n);
void SIMD_NAME(cpu_row_norm_sums)(float *dw, float *dbias, const float *dy, const float *s, float mean, float rstd, int64_t n);
void SIMD_NAME(cpu_row_dropout)(float *y, const float *x, uint32_t least, float scale, uint64_t seed, uint64_t offset, int64_t n);
void SIMD_NAME(cpu_adamw)(float *w, const float *g, float *m, float *v, float *e, const struct adamw_step *s, int64_t n);
float SIMD_NAME(cpu_row_dot)(const float *x, const float *z, int64_t n);

#define load_row SIMD_NAME(cpu_load)
#define store_row SIMD_NAME(cpu_store)
void SIMD_NAME(cpu_load)(float *y, const void *x, enum dtype t, int64_t n);
void SIMD_NAME(cpu_store)(void *y, enum dtype t, const float *x, int64_t n);
void SIMD_NAME(cpu_pair)(uint32_t *y, const float *x, const float *z, int64_t n);

float SIMD_NAME(cpu_row_quantise)(uint8_t *y, const float *x, int64_t n);
/* y = e^(scale·x − most) in bf16, n rounded up to LANES; returns the sum of the n */
float SIMD_NAME(cpu_exponentials_bf16)(uint16_t *y, const float *x, float scale, float most, int64_t n);
size_t SIMD_NAME(cpu_head_work)(void);
size_t SIMD_NAME(cpu_head_backward_work)(void);
void SIMD_NAME(cpu_head)(const struct head *h, void *work);
void SIMD_NAME(cpu_head_backward)(const struct head *h, const struct head_gradients *g, void *work);

#endif
