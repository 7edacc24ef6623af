/* SPDX-License-Identifier: MIT
 * table.c - the inner loops of one instruction set */
#include "simd.h"

const struct simd SIMD_NAME(cpu_simd) = {
	.name = VL == 16 ? "AVX-512" : VL == 8 ? "AVX2"
	                                       : "no AVX2",
	.panel_width = PANEL,
	.pack_panel = SIMD_NAME(cpu_pack_panel),
	.tile[FORM_F32] = SIMD_NAME(cpu_tile),
#if VL == 16
	.tile[FORM_BF16] = SIMD_NAME(cpu_tile_bf16),
#endif
#if VL >= 8
	.tile[FORM_INT8] = SIMD_NAME(cpu_tile_int8),
#endif
	.pack_tiles = SIMD_NAME(cpu_pack_tiles),
	.tile_packed[FORM_F32] = SIMD_NAME(cpu_tile_packed),
#if VL == 16
	.tile_packed[FORM_BF16] = SIMD_NAME(cpu_tile_packed_bf16),
#endif
	.finish = SIMD_NAME(cpu_finish),
	.load = SIMD_NAME(cpu_load),
	.store = SIMD_NAME(cpu_store),
	.pair = SIMD_NAME(cpu_pair),
	.act = SIMD_NAME(cpu_row_act),
	.act_backward = SIMD_NAME(cpu_row_act_backward),
	.exp_affine = SIMD_NAME(cpu_row_exp_affine),
	.softmax = SIMD_NAME(cpu_row_softmax),
	.softmax_backward = SIMD_NAME(cpu_row_softmax_backward),
	.layernorm = SIMD_NAME(cpu_row_layernorm),
	.layernorm_backward = SIMD_NAME(cpu_row_layernorm_backward),
	.axpby = SIMD_NAME(cpu_row_axpby),
	.add = SIMD_NAME(cpu_row_add),
	.norm_sums = SIMD_NAME(cpu_row_norm_sums),
	.dropout = SIMD_NAME(cpu_row_dropout),
	.adamw = SIMD_NAME(cpu_adamw),
	.dot = SIMD_NAME(cpu_row_dot),
	.quantise = SIMD_NAME(cpu_row_quantise),
	.group8 = GROUP8,
	.head_work = SIMD_NAME(cpu_head_work),
	.head = SIMD_NAME(cpu_head),
	.head_backward_work = SIMD_NAME(cpu_head_backward_work),
	.head_backward = SIMD_NAME(cpu_head_backward),
};
