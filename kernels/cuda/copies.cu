/* SPDX-License-Identifier: MIT
 * copies.cu - copies beside the computation: pinned memory, a stream of its own for uploads */
#include "cuda.cuh"

int
cuda_host_alloc(struct backend *b, void **p, size_t bytes, struct adds_error *err)
{
	cuda_enter(b);
	*p = NULL;
	CU(cudaMallocHost(p, bytes ? bytes : 1));
	return 0;
}

void
cuda_host_release(struct backend *b, void *p)
{
	cuda_enter(b);
	if (p)
		cudaFreeHost(p);
}

/* What is computed behind it waits for the copy; the copy waits for nothing but copies and allocations. */
int
cuda_send(struct backend *b, void *dst, const void *host, size_t bytes, struct adds_error *err)
{
	struct cuda_state *s = cuda_enter(b);

	if (!bytes)
		return 0;
	CU(cudaMemcpyAsync(dst, host, bytes, cudaMemcpyHostToDevice, s->up));
	CU(cudaEventRecord(s->arrived, s->up));
	CU(cudaStreamWaitEvent(s->stream, s->arrived, 0));
	return 0;
}

int
cuda_fetch(struct backend *b, void *host, const void *src, size_t bytes, struct adds_error *err)
{
	struct cuda_state *s = cuda_enter(b);

	if (bytes)
		CU(cudaMemcpyAsync(host, src, bytes, cudaMemcpyDeviceToHost, s->stream));
	return 0;
}

/* The stream has been made to wait for every send before, so that one event is enough. */
int
cuda_mark(struct backend *b, int n, struct adds_error *err)
{
	struct cuda_state *s = cuda_enter(b);

	assert(n >= 0 && n < BACKEND_MARKS);
	CU(cudaEventRecord(s->marks[n], s->stream));
	return 0;
}

int
cuda_wait(struct backend *b, int n, struct adds_error *err)
{
	struct cuda_state *s = cuda_enter(b);

	assert(n >= 0 && n < BACKEND_MARKS);
	CU(cudaEventSynchronize(s->marks[n]));
	return 0;
}
