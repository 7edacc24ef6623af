/* SPDX-License-Identifier: MIT
 * cpu.c - the table of the CPU backend */
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>

#include "cpu.h"
#include "product.h"
#include "simd.h"

static void
cpu_close(struct backend *b)
{
	if (!b)
		return;
	if (b->state)
		cpu_products_free(cpu_state(b)->products);
	free(b->state);
	free(b);
}

static const struct backend_ops cpu_ops = {
	.name = "cpu",
	.close = cpu_close,
	.alloc = cpu_alloc,
	.release = cpu_release,
	.put = cpu_put,
	.get = cpu_get,
	.copy = cpu_copy,
	.fill = cpu_fill,
	.sync = cpu_sync,
	/* a call has finished when it returns, and all memory is the host's */
	.host_alloc = cpu_host_alloc,
	.host_release = cpu_host_release,
	.send = cpu_put,
	.fetch = cpu_get,
	.mark = cpu_mark,
	.wait = cpu_mark,
	.replay = cpu_replay,
	.forget = cpu_forget,
	.pack = cpu_pack,
	.unpack = cpu_unpack,
	.spare = cpu_spare,
	.linear = cpu_linear,
	.gemm = cpu_gemm,
	.layernorm = cpu_layernorm,
	.layernorm_backward = cpu_layernorm_backward,
	.softmax = cpu_softmax,
	.softmax_backward = cpu_softmax_backward,
	.attention = cpu_attention,
	.attention_backward = cpu_attention_backward,
	.l2norm = cpu_l2norm,
	.gather = cpu_gather,
	.scatter_add = cpu_scatter_add,
	.pool = cpu_pool,
	.convert = cpu_convert,
	.axpby = cpu_axpby,
	.mul = cpu_mul,
	.exp_affine = cpu_exp_affine,
	.add_row = cpu_add_row,
	.add_col = cpu_add_col,
	.scale_row = cpu_scale_row,
	.act = cpu_act,
	.act_backward = cpu_act_backward,
	.dropout = cpu_dropout,
	.colsum = cpu_colsum,
	.rowdot = cpu_rowdot,
	.dot = cpu_dot,
	.seg_max = cpu_seg_max,
	.seg_softmax = cpu_seg_softmax,
	.seg_dot = cpu_seg_dot,
	.seg_spread = cpu_seg_spread,
	.topk = cpu_topk,
	.patchify = cpu_patchify,
	.embed_patches = cpu_embed_patches,
	.embed_tokens = cpu_embed_tokens,
	.resize = cpu_resize,
	.loss = cpu_loss,
	.adamw = cpu_adamw,
};

struct backend *
cpu_open(int threads, struct adds_error *err)
{
	const struct product_traits traits = cpu_products_traits();
	struct backend *b = calloc(1, sizeof(*b));
	struct cpu_state *s = calloc(1, sizeof(*s));

	if (!b || !s) {
		free(b);
		free(s);
		adds_fail(err, ADDS_ENOMEM, "out of memory");
		return NULL;
	}
	b->ops = &cpu_ops;
	b->state = s;
	b->threads = threads > 0 ? threads : omp_get_num_procs();
	b->bf16 = traits.bf16;
	s->amx = traits.amx;
	s->simd = cpu_simd_best(traits.avx512);
	s->simd_int8 = cpu_simd_best(traits.vnni);
	b->int8 = s->simd_int8->tile[FORM_INT8] != NULL;
	snprintf(b->device, sizeof(b->device), "cpu, %d thread%s, %s", b->threads, b->threads == 1 ? "" : "s",
	         *traits.isa ? traits.isa : s->simd->name);
	if ((s->products = cpu_products_new(err)))
		return b;
	cpu_close(b);
	return NULL;
}
