/* SPDX-License-Identifier: MIT
 *
 * cuda_runtime.h - as much of CUDA as kernels/cuda uses, on the processor: the
 * same kernels, compiled by a C++ compiler, run where there is no GPU.
 *
 * The threads of a block are fibers that change only at barriers and where a
 * warp exchanges values, first to last in one block and last to first in the
 * next, so that a barrier that is missing shows in the results. What is put on
 * a stream waits in its queue. EMULATED_ORDER says when it runs: "late" (when
 * somebody waits for it), "ahead" (all streams but the first at once), or a
 * number, by which streams are moved on at random. Fresh memory holds NaN; with
 * AddressSanitizer every access of a kernel is checked.
 *
 * The device has 2 multiprocessors, EMULATED_SHARED bytes of shared memory for
 * a block at most (as consumers' cards 101,376) and EMULATED_MEMORY bytes.
 */
#ifndef EMULATED_CUDA_RUNTIME_H
#define EMULATED_CUDA_RUNTIME_H

#include <functional>
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <tuple>
#include <type_traits>

#define CUDART_VERSION 13000
#define __global__
#define __device__
#define __host__
#define __shared__ static
#define __align__(n) __attribute__((aligned(n)))
#define LAUNCH(kernel, grid, block, bytes, stream) emulated_launch(kernel, grid, block, bytes, stream)
#define DYNAMIC_SHARED(type, name) type *const name = (type *)emulated_shared()

struct dim3 {
	unsigned x, y, z;
	dim3(unsigned a = 1, unsigned b = 1, unsigned c = 1) : x(a), y(b), z(c) {}
};
struct __align__(16) uint4 {
	uint32_t x, y, z, w;
};

/* of the thread that runs */
extern dim3 threadIdx, blockIdx, gridDim;

/* ---- inside kernels ---- */

void *emulated_shared(void);
void __syncthreads(void);
/* Each lane of a warp puts up to 32 bytes; then all can see those of the others, until the next exchange but one. */
void emulated_exchange(const void *mine, size_t bytes);
const void *emulated_lane(int lane);

template <class T>
static inline T
__shfl_xor_sync(unsigned mask, T x, int d, int width = 32)
{
	T y;

	if (mask != 0xffffffffu || d >= width)
		__builtin_trap();
	emulated_exchange(&x, sizeof(x));
	memcpy(&y, emulated_lane((int)(threadIdx.x % 32) ^ d), sizeof(y));
	return y;
}

static inline float
__uint_as_float(uint32_t u)
{
	float f;

	memcpy(&f, &u, sizeof(f));
	return f;
}

float f32_of_f16(uint16_t h);
uint16_t f16_of_f32(float x);
uint16_t bf16_of_f32(float x);

static inline uint32_t
bf16_pair(float first, float second)
{
	return bf16_of_f32(first) | (uint32_t)bf16_of_f32(second) << 16;
}

void mma_bf16(float d[4], const uint32_t a[4], uint32_t b0, uint32_t b1);

/* ---- the runtime ---- */

enum cudaError_t {
	cudaSuccess = 0,
	cudaErrorInvalidValue = 1,
	cudaErrorMemoryAllocation = 2,
	cudaErrorInvalidConfiguration = 9,
	cudaErrorStreamCaptureUnsupported = 900,
	cudaErrorStreamCaptureInvalidated = 901,
};
enum cudaMemcpyKind {
	cudaMemcpyHostToDevice = 1,
	cudaMemcpyDeviceToHost = 2,
	cudaMemcpyDeviceToDevice = 3,
};
enum {
	cudaStreamNonBlocking = 1,
	cudaEventDisableTiming = 2,
	cudaEventBlockingSync = 1,
	cudaStreamCaptureModeRelaxed = 2,
	cudaMemPoolAttrReleaseThreshold = 4,
	cudaFuncAttributeMaxDynamicSharedMemorySize = 8,
};

struct cudaDeviceProp {
	char name[256];
	int major, minor, multiProcessorCount;
	size_t sharedMemPerBlockOptin;
};

typedef struct emulated_stream *cudaStream_t;
typedef struct emulated_event *cudaEvent_t;
typedef struct emulated_graph *cudaGraph_t;
typedef struct emulated_graph *cudaGraphExec_t;
typedef struct emulated_pool *cudaMemPool_t;

cudaError_t cudaGetLastError(void);
const char *cudaGetErrorString(cudaError_t e);
cudaError_t cudaSetDevice(int device);
cudaError_t cudaGetDeviceCount(int *n);
cudaError_t cudaGetDeviceProperties(cudaDeviceProp *prop, int device);
cudaError_t cudaDeviceGetDefaultMemPool(cudaMemPool_t *pool, int device);
cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t pool, int attribute, void *value);
cudaError_t cudaMemPoolTrimTo(cudaMemPool_t pool, size_t keep);
cudaError_t cudaMemGetInfo(size_t *unused, size_t *all);
cudaError_t cudaMalloc(void **p, size_t bytes);
cudaError_t cudaFree(void *p);
cudaError_t cudaMallocHost(void **p, size_t bytes);
cudaError_t cudaFreeHost(void *p);
cudaError_t cudaMallocAsync(void **p, size_t bytes, cudaStream_t s);
cudaError_t cudaFreeAsync(void *p, cudaStream_t s);
cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, cudaMemcpyKind kind, cudaStream_t s);
cudaError_t cudaMemcpy2DAsync(void *to, size_t to_pitch, const void *from, size_t from_pitch, size_t width, size_t rows,
                              cudaMemcpyKind kind, cudaStream_t s);
cudaError_t cudaStreamCreateWithFlags(cudaStream_t *s, unsigned flags);
cudaError_t cudaStreamDestroy(cudaStream_t s);
cudaError_t cudaStreamSynchronize(cudaStream_t s);
cudaError_t cudaStreamWaitEvent(cudaStream_t s, cudaEvent_t e, unsigned flags);
cudaError_t cudaEventCreateWithFlags(cudaEvent_t *e, unsigned flags);
cudaError_t cudaEventDestroy(cudaEvent_t e);
cudaError_t cudaEventRecord(cudaEvent_t e, cudaStream_t s);
cudaError_t cudaEventSynchronize(cudaEvent_t e);
cudaError_t cudaStreamBeginCapture(cudaStream_t s, int mode);
cudaError_t cudaStreamEndCapture(cudaStream_t s, cudaGraph_t *graph);
cudaError_t cudaGraphInstantiate(cudaGraphExec_t *exec, cudaGraph_t graph, unsigned long long flags);
cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t s);
cudaError_t cudaGraphDestroy(cudaGraph_t graph);
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec);
cudaError_t emulated_shared_limit(const void *kernel, int attribute, int bytes);

template <class K>
static inline cudaError_t
cudaFuncSetAttribute(K kernel, int attribute, int value)
{
	return emulated_shared_limit((const void *)kernel, attribute, value);
}

/* ---- launches ---- */

/* puts work on a stream, or into the graph that captures it */
cudaError_t emulated_put(cudaStream_t s, std::function<void()> work);
/* the same for a grid of blocks, each of whose threads calls body */
void emulated_grid(const void *kernel, dim3 grid, dim3 block, size_t bytes, cudaStream_t s, std::function<void()> body);
/* all threads of all blocks, now */
void emulated_run(dim3 grid, unsigned threads, size_t bytes, const std::function<void()> &body);
/* ends the program: what no program may do with a device */
void emulated_breach(const char *what);

template <class... P>
struct emulated_call {
	void (*kernel)(P...);
	dim3 grid, block;
	size_t bytes;
	cudaStream_t stream;

	template <class... A>
	void
	operator()(A &&...a) const
	{
		std::tuple<std::decay_t<P>...> args(std::forward<A>(a)...);
		void (*const k)(P...) = kernel;

		emulated_grid((const void *)k, grid, block, bytes, stream, [k, args]() { std::apply(k, args); });
	}
};

template <class... P>
static inline emulated_call<P...>
emulated_launch(void (*kernel)(P...), dim3 grid, dim3 block, size_t bytes, cudaStream_t stream)
{
	return { kernel, grid, block, bytes, stream };
}

#endif
