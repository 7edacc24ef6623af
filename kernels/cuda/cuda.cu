/* SPDX-License-Identifier: MIT
 * cuda.cu - the table of the CUDA backend, opening a GPU, errors of the runtime */
#include <stdio.h>
#include <stdlib.h>

#include "cuda.cuh"
#include "library.cuh"

enum {
	OLDEST = 8, /* compute capability that the code is made for: 8.0 and up */
};

int
cuda_fail(struct adds_error *err, cudaError_t e, const char *call)
{
	cudaGetLastError(); /* or the next call would report it again */
	return adds_fail(err, e == cudaErrorMemoryAllocation ? ADDS_ENOMEM : ADDS_EDEVICE, "the GPU failed in '%s': %s", call,
	                 cudaGetErrorString(e));
}

struct cuda_state *
cuda_enter(const struct backend *b)
{
	struct cuda_state *s = (struct cuda_state *)b->state;

	cudaSetDevice(s->device); /* it is the thread's, and threads come and go; it was there when we opened it */
	return s;
}

static void
state_free(struct cuda_state *s)
{
	int i;

	if (!s)
		return;
	library_close(s->library);
	if (s->stream) {
		cudaStreamSynchronize(s->stream);
		if (s->scratch.p)
			cudaFreeAsync(s->scratch.p, s->stream);
		if (s->arrays.p)
			cudaFreeAsync(s->arrays.p, s->stream);
		cudaStreamSynchronize(s->stream);
	}
	for (i = 0; i < RING_SLOTS; i++)
		if (s->sent[i])
			cudaEventDestroy(s->sent[i]);
	for (i = 0; i < BACKEND_MARKS; i++)
		if (s->marks[i])
			cudaEventDestroy(s->marks[i]);
	if (s->arrived)
		cudaEventDestroy(s->arrived);
	if (s->made)
		cudaEventDestroy(s->made);
	if (s->ring)
		cudaFreeHost(s->ring);
	if (s->up)
		cudaStreamDestroy(s->up);
	if (s->stream)
		cudaStreamDestroy(s->stream);
	cudaGetLastError();
	free(s);
}

static void
cuda_close(struct backend *b)
{
	state_free(cuda_enter(b));
	free(b);
}

static const struct backend_ops cuda_ops = {
	.name = "cuda",
	.close = cuda_close,
	.alloc = cuda_alloc,
	.release = cuda_release,
	.put = cuda_put,
	.get = cuda_get,
	.copy = cuda_copy,
	.fill = cuda_fill,
	.sync = cuda_sync,
	.host_alloc = cuda_host_alloc,
	.host_release = cuda_host_release,
	.send = cuda_send,
	.fetch = cuda_fetch,
	.mark = cuda_mark,
	.wait = cuda_wait,
	.replay = cuda_replay,
	.forget = cuda_forget,
	.pack = cuda_pack,
	.unpack = cuda_unpack,
	.spare = cuda_spare,
	.linear = cuda_linear,
	.gemm = cuda_gemm,
	.layernorm = cuda_layernorm,
	.layernorm_backward = cuda_layernorm_backward,
	.softmax = cuda_softmax,
	.softmax_backward = cuda_softmax_backward,
	.attention = cuda_attention,
	.attention_backward = cuda_attention_backward,
	.l2norm = cuda_l2norm,
	.gather = cuda_gather,
	.scatter_add = cuda_scatter_add,
	.pool = cuda_pool,
	.convert = cuda_convert,
	.axpby = cuda_axpby,
	.mul = cuda_mul,
	.exp_affine = cuda_exp_affine,
	.add_row = cuda_add_row,
	.add_col = cuda_add_col,
	.scale_row = cuda_scale_row,
	.act = cuda_act,
	.act_backward = cuda_act_backward,
	.dropout = cuda_dropout,
	.colsum = cuda_colsum,
	.rowdot = cuda_rowdot,
	.dot = cuda_dot,
	.seg_max = cuda_seg_max,
	.seg_softmax = cuda_seg_softmax,
	.seg_dot = cuda_seg_dot,
	.seg_spread = cuda_seg_spread,
	.topk = cuda_topk,
	.patchify = cuda_patchify,
	.embed_patches = cuda_embed_patches,
	.embed_tokens = cuda_embed_tokens,
	.resize = cuda_resize,
	.loss = cuda_loss,
	.adamw = cuda_adamw,
};

/* is there such a GPU, and new enough? */
static int
look_for(int device, struct cudaDeviceProp *prop, struct adds_error *err)
{
	cudaError_t e;
	int n = 0;

	if ((e = cudaGetDeviceCount(&n)) != cudaSuccess) {
		cudaGetLastError();
		return adds_fail(
			err, ADDS_EDEVICE,
			"no GPU can be used: cudaGetDeviceCount says '%s' (nvidia-smi shows whether there is a GPU with a driver)",
			cudaGetErrorString(e));
	}
	if (device >= n)
		return adds_fail(err, ADDS_EDEVICE, "no device 'cuda:%d': this machine has %d GPU%s, numbered from 0", device, n,
		                 n == 1 ? "" : "s");
	CU(cudaGetDeviceProperties(prop, device));
	if (prop->major < OLDEST)
		return adds_fail(
			err, ADDS_EDEVICE,
			"'cuda:%d' (%s) has compute capability %d.%d, and the program needs 8.0 or more",
			device, prop->name, prop->major, prop->minor);
	return 0;
}

/* the pool of the device keeps what is released, for the next that asks */
static int
keep_memory(int device, struct adds_error *err)
{
	uint64_t all = UINT64_MAX;
	cudaMemPool_t pool;

	CU(cudaDeviceGetDefaultMemPool(&pool, device));
	CU(cudaMemPoolSetAttribute(pool, cudaMemPoolAttrReleaseThreshold, &all));
	return 0;
}

static int
state_init(struct cuda_state *s, struct adds_error *err)
{
	int i;

	CU(cudaSetDevice(s->device));
	TRY(keep_memory(s->device, err));
	CU(cudaStreamCreateWithFlags(&s->stream, cudaStreamNonBlocking));
	CU(cudaStreamCreateWithFlags(&s->up, cudaStreamNonBlocking));
	CU(cudaEventCreateWithFlags(&s->arrived, cudaEventDisableTiming));
	CU(cudaEventCreateWithFlags(&s->made, cudaEventDisableTiming));
	CU(cudaMallocHost((void **)&s->ring, (size_t)RING_SLOTS * RING_BYTES));
	for (i = 0; i < RING_SLOTS; i++)
		CU(cudaEventCreateWithFlags(&s->sent[i], cudaEventDisableTiming));
	for (i = 0; i < BACKEND_MARKS; i++)
		CU(cudaEventCreateWithFlags(&s->marks[i], cudaEventDisableTiming | cudaEventBlockingSync));
	TRY(cuda_reserve(s, err));
	return library_open(&s->library, err);
}

struct backend *
cuda_open(int device, int threads, struct adds_error *err)
{
	struct cudaDeviceProp prop;
	struct cuda_state *s;
	struct backend *b;
	size_t all;

	if (look_for(device, &prop, err) < 0)
		return NULL;
	b = (struct backend *)calloc(1, sizeof(*b));
	s = (struct cuda_state *)calloc(1, sizeof(*s));
	if (!b || !s) {
		adds_fail(err, ADDS_ENOMEM, "out of memory");
		free(b);
		free(s);
		return NULL;
	}
	b->ops = &cuda_ops;
	b->state = s;
	b->threads = threads > 0 ? threads : 1;
	b->bf16 = 1;
	s->device = device;
	s->processors = prop.multiProcessorCount;
	s->shared = prop.sharedMemPerBlockOptin;
	if (state_init(s, err) < 0) {
		cuda_close(b);
		return NULL;
	}
	cudaStreamSynchronize(s->stream); /* what was reserved is taken */
	cudaMemGetInfo(&b->memory, &all);
	snprintf(b->device, sizeof(b->device), "cuda:%d, %.32s%s", device, prop.name, s->library ? "" : ", without cuBLASLt");
	return b;
}
