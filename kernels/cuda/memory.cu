/* SPDX-License-Identifier: MIT
 * memory.cu - memory of the GPU, uploads through pinned buffers, copies */
#include "cuda.cuh"

enum {
	ALIGN = 256,
	SCRATCH_BYTES = 26 << 20, /* what linear needs, whatever its rows */
	ARRAYS_BYTES = 1 << 20,
};

/* What has been released stays with the device's pool, in pieces: where none is large enough, they are given back first. */
static cudaError_t
allocate(struct cuda_state *s, void **p, size_t bytes)
{
	cudaError_t e = cudaMallocAsync(p, bytes, s->stream);
	cudaMemPool_t pool;

	if (e != cudaErrorMemoryAllocation)
		return e;
	cudaGetLastError();
	cudaStreamSynchronize(s->up);
	cudaStreamSynchronize(s->stream);
	if (cudaDeviceGetDefaultMemPool(&pool, s->device) == cudaSuccess)
		cudaMemPoolTrimTo(pool, 0);
	return cudaMallocAsync(p, bytes, s->stream);
}

static int
room_grow(struct cuda_state *s, struct room *room, size_t bytes, struct adds_error *err)
{
	if (bytes <= room->size)
		return 0;
	if (s->recording) /* what was recorded so far would be left without its memory */
		return adds_fail(err, ADDS_EDEVICE, "calls that are recorded need more working memory than in the run before");
	if (room->p)
		CU(cudaFreeAsync(room->p, s->stream));
	room->p = NULL;
	room->size = bytes + bytes / 4 + ALIGN;
	if (allocate(s, (void **)&room->p, room->size) == cudaSuccess)
		return 0;
	cudaGetLastError();
	room->p = NULL; /* no more than is asked for, then */
	room->size = 0;
	CU(allocate(s, (void **)&room->p, bytes));
	room->size = bytes;
	return 0;
}

int
cuda_reserve(struct cuda_state *s, struct adds_error *err)
{
	TRY(room_grow(s, &s->arrays, ARRAYS_BYTES, err));
	return room_grow(s, &s->scratch, SCRATCH_BYTES, err);
}

int
cuda_scratch(struct cuda_state *s, void **p, size_t bytes, struct adds_error *err)
{
	TRY(room_grow(s, &s->scratch, bytes ? bytes : 1, err));
	*p = s->scratch.p;
	return 0;
}

/* The caller's memory is free again when it returns: it went into a pinned buffer. */
int
cuda_put_bytes(struct cuda_state *s, void *dst, const void *host, size_t bytes, struct adds_error *err)
{
	size_t done, n;

	for (done = 0; done < bytes; done += n) {
		char *pinned = s->ring + (size_t)s->slot * RING_BYTES;

		n = (size_t)index_min((int64_t)(bytes - done), RING_BYTES);
		CU(cudaEventSynchronize(s->sent[s->slot]));
		memcpy(pinned, (const char *)host + done, n);
		CU(cudaMemcpyAsync((char *)dst + done, pinned, n, cudaMemcpyHostToDevice, s->stream));
		CU(cudaEventRecord(s->sent[s->slot], s->stream));
		s->slot = (s->slot + 1) % RING_SLOTS;
	}
	return 0;
}

int
cuda_upload(struct cuda_state *s, struct upload *list, int n, struct adds_error *err)
{
	size_t bytes = 0;
	int i;

	for (i = 0; s->recording && i < n; i++)
		TRY(recording_keep(s, &list[i].device, list[i].host, list[i].bytes, err));
	if (s->recording)
		return 0;
	for (i = 0; i < n; i++)
		bytes += (list[i].bytes + ALIGN) / ALIGN * ALIGN;
	TRY(room_grow(s, &s->arrays, bytes, err));
	bytes = 0;
	for (i = 0; i < n; i++) {
		list[i].device = s->arrays.p + bytes;
		TRY(cuda_put_bytes(s, list[i].device, list[i].host, list[i].bytes, err));
		bytes += (list[i].bytes + ALIGN) / ALIGN * ALIGN;
	}
	return 0;
}

int
cuda_alloc(struct backend *b, void **p, size_t bytes, struct adds_error *err)
{
	struct cuda_state *s = cuda_enter(b);
	size_t unused = 0, all = 0;
	cudaError_t e;

	*p = NULL;
	e = allocate(s, p, bytes ? bytes : 1);
	if (e == cudaSuccess) { /* it is there for those who come behind; send has a stream of its own */
		CU(cudaEventRecord(s->made, s->stream));
		CU(cudaStreamWaitEvent(s->up, s->made, 0));
		return 0;
	}
	*p = NULL;
	if (e != cudaErrorMemoryAllocation)
		return cuda_fail(err, e, "cudaMallocAsync");
	cudaGetLastError();
	cudaMemGetInfo(&unused, &all);
	return adds_fail(err, ADDS_ENOMEM, "out of GPU memory: %zu bytes wanted, %zu of %zu free", bytes, unused, all);
}

void
cuda_release(struct backend *b, void *p)
{
	struct cuda_state *s = cuda_enter(b);

	if (p)
		cudaFreeAsync(p, s->stream);
}

int
cuda_put(struct backend *b, void *dst, const void *host, size_t bytes, struct adds_error *err)
{
	return cuda_put_bytes(cuda_enter(b), dst, host, bytes, err);
}

int
cuda_get(struct backend *b, void *host, const void *src, size_t bytes, struct adds_error *err)
{
	struct cuda_state *s = cuda_enter(b);

	if (bytes)
		CU(cudaMemcpyAsync(host, src, bytes, cudaMemcpyDeviceToHost, s->stream));
	CU(cudaStreamSynchronize(s->stream));
	return 0;
}

int
cuda_sync(struct backend *b, struct adds_error *err)
{
	CU(cudaStreamSynchronize(cuda_enter(b)->stream));
	return 0;
}

int
cuda_copy(struct backend *b, struct mat y, struct mat x, struct adds_error *err)
{
	struct cuda_state *s = cuda_enter(b);
	const size_t size = dtype_size(y.t), width = (size_t)y.cols * size;

	assert(y.t == x.t && y.rows == x.rows && y.cols == x.cols);
	if (!y.rows || !y.cols)
		return 0;
	if (y.rows == 1 || (y.ld == y.cols && x.ld == x.cols))
		CU(cudaMemcpyAsync(y.p, x.p, width * (size_t)y.rows, cudaMemcpyDeviceToDevice, s->stream));
	else
		CU(cudaMemcpy2DAsync(y.p, (size_t)y.ld * size, x.p, (size_t)x.ld * size, width, (size_t)y.rows,
		                     cudaMemcpyDeviceToDevice, s->stream));
	return 0;
}

int
cuda_fill(struct backend *b, struct mat y, float value, struct adds_error *err)
{
	return each(
		cuda_enter(b), y.rows, y.cols, [=] __device__(int64_t r, int64_t c) {
			const int64_t i = r * y.ld + c;

			if (y.t == DT_I8 || y.t == DT_U8)
				((uint8_t *)y.p)[i] = (uint8_t)(int)value;
			else if (y.t == DT_I32)
				((int32_t *)y.p)[i] = (int32_t)value;
			else if (y.t == DT_F64)
				((double *)y.p)[i] = (double)value;
			else
				mat_store(y, r, c, value);
		},
		"fill", err);
}
