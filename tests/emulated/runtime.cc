/* SPDX-License-Identifier: MIT
 * runtime.cc - memory, streams, events and graphs of the emulated device */
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <stdio.h>
#include <stdlib.h>
#include <vector>

#include "cuda_runtime.h"

enum {
	SHARED = 48 << 10, /* bytes of shared memory that a kernel has without asking */
	GRID_YZ = 65535,
};

/* how often an event was recorded, and which of those places has been reached */
struct tickets {
	uint64_t recorded, reached;
	cudaStream_t stream; /* where it was recorded last */
};

struct operation {
	std::function<void()> work;
	std::shared_ptr<tickets> until; /* waits for this one, or NULL */
	uint64_t ticket;
};

struct emulated_graph {
	std::vector<operation> list;
	bool broken;
};

struct emulated_stream {
	std::deque<operation> queue;
	emulated_graph *capture;
	size_t number;
};

struct emulated_event {
	std::shared_ptr<tickets> t;
};

static std::recursive_mutex lock;
static std::vector<cudaStream_t> streams;
static std::map<const char *, size_t> pieces; /* device memory */
static std::map<const void *, size_t> shared_of;
static size_t used, numbers;
static cudaError_t last;

#define LOCKED const std::lock_guard<std::recursive_mutex> locked(lock)

static size_t
setting(const char *name, size_t otherwise)
{
	const char *v = getenv(name);

	return v ? (size_t)strtoull(v, NULL, 10) : otherwise;
}

/* an error stays until somebody asks for the last one */
static cudaError_t
failed(cudaError_t e)
{
	return last = e;
}

/* ---- streams ---- */

static bool
ready(cudaStream_t s)
{
	return !s->queue.empty() && (!s->queue.front().until || s->queue.front().until->reached >= s->queue.front().ticket);
}

static void
run_front(cudaStream_t s)
{
	while (!ready(s)) {
		const operation &front = s->queue.front();

		if (front.until->stream == s || front.until->stream->queue.empty())
			emulated_breach("a stream waits for what will never come");
		run_front(front.until->stream);
	}
	const operation now = s->queue.front();

	s->queue.pop_front();
	if (now.work)
		now.work();
}

/* after something was put on a stream: what happens by itself */
static void
stir(void)
{
	static const char *const order = getenv("EMULATED_ORDER");
	static uint64_t seed = order ? strtoull(order, NULL, 10) : 0;
	size_t i;

	if (!order || strcmp(order, "late") == 0)
		return;
	if (strcmp(order, "ahead") == 0) {
		for (cudaStream_t s : streams)
			while (s->number && ready(s))
				run_front(s);
		return;
	}
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	cudaStream_t s = streams[(seed >> 33) % streams.size()];

	for (i = seed >> 40 & 3; i && ready(s); i--)
		run_front(s);
}

static cudaError_t
put(cudaStream_t s, operation o)
{
	if (s->capture) {
		s->capture->list.push_back(std::move(o));
		return cudaSuccess;
	}
	s->queue.push_back(std::move(o));
	stir();
	return cudaSuccess;
}

cudaError_t
emulated_put(cudaStream_t s, std::function<void()> work)
{
	LOCKED;
	return put(s, { std::move(work), nullptr, 0 });
}

/* what a stream that is captured must not be asked for */
static cudaError_t
not_captured(cudaStream_t s)
{
	if (!s->capture)
		return cudaSuccess;
	s->capture->broken = true;
	return failed(cudaErrorStreamCaptureUnsupported);
}

cudaError_t
cudaStreamCreateWithFlags(cudaStream_t *s, unsigned)
{
	LOCKED;
	*s = new emulated_stream();
	(*s)->number = numbers++ % 2; /* the second of each device is that of the uploads */
	streams.push_back(*s);
	return cudaSuccess;
}

cudaError_t
cudaStreamSynchronize(cudaStream_t s)
{
	LOCKED;
	if (not_captured(s) != cudaSuccess)
		return last;
	while (!s->queue.empty())
		run_front(s);
	return cudaSuccess;
}

cudaError_t
cudaStreamDestroy(cudaStream_t s)
{
	LOCKED;
	size_t i;

	cudaStreamSynchronize(s);
	for (i = 0; streams[i] != s; i++)
		;
	streams.erase(streams.begin() + (ptrdiff_t)i);
	delete s;
	return cudaSuccess;
}

cudaError_t
cudaEventCreateWithFlags(cudaEvent_t *e, unsigned)
{
	*e = new emulated_event{ std::make_shared<tickets>() };
	return cudaSuccess;
}

cudaError_t
cudaEventDestroy(cudaEvent_t e)
{
	LOCKED;
	delete e;
	return cudaSuccess;
}

cudaError_t
cudaEventRecord(cudaEvent_t e, cudaStream_t s)
{
	LOCKED;
	const std::shared_ptr<tickets> t = e->t;
	const uint64_t ticket = ++t->recorded;

	if (s->capture)
		emulated_breach("an event recorded into a graph");
	t->stream = s;
	return put(s, { [t, ticket]() { t->reached = ticket; }, nullptr, 0 });
}

cudaError_t
cudaEventSynchronize(cudaEvent_t e)
{
	LOCKED;
	while (e->t->reached < e->t->recorded)
		run_front(e->t->stream);
	return cudaSuccess;
}

cudaError_t
cudaStreamWaitEvent(cudaStream_t s, cudaEvent_t e, unsigned)
{
	LOCKED;
	if (s->capture)
		emulated_breach("a wait recorded into a graph");
	return put(s, { nullptr, e->t, e->t->recorded });
}

/* ---- memory ---- */

static void
check_device(const void *p, size_t bytes)
{
	const char *c = (const char *)p;
	auto i = pieces.upper_bound(c);

	if (i == pieces.begin() || c + bytes > (--i)->first + i->second)
		emulated_breach("a copy from or to what is not the device's memory");
}

static void
check_host(const void *p)
{
	const char *c = (const char *)p;
	auto i = pieces.upper_bound(c);

	if (i != pieces.begin() && c < (--i)->first + i->second)
		emulated_breach("a copy takes the device's memory for the host's");
}

/* memory of its size and not a byte more */
static void *
new_piece(size_t bytes)
{
	char *p;

	if (used + bytes > setting("EMULATED_MEMORY", (size_t)1 << 32) || !(p = (char *)aligned_alloc(256, (bytes + 255) / 256 * 256)))
		return NULL;
	used += bytes;
	pieces[p] = bytes;
	return p;
}

static void
drop_piece(void *p)
{
	auto i = pieces.find((const char *)p);

	if (i == pieces.end())
		emulated_breach("freed what was not allocated");
	used -= i->second;
	pieces.erase(i);
	free(p);
}

cudaError_t
cudaMallocAsync(void **p, size_t bytes, cudaStream_t s)
{
	LOCKED;
	if (s->capture)
		emulated_breach("an allocation recorded into a graph");
	if (!(*p = new_piece(bytes)))
		return failed(cudaErrorMemoryAllocation);
	void *const q = *p;

	/* only here on this stream it is the caller's: what was written before is lost */
	return put(s, { [q, bytes]() { memset(q, 0xff, bytes); }, nullptr, 0 });
}

cudaError_t
cudaFreeAsync(void *p, cudaStream_t s)
{
	LOCKED;
	if (s->capture)
		emulated_breach("memory freed into a graph");
	return put(s, { [p]() { drop_piece(p); }, nullptr, 0 });
}

cudaError_t
cudaMalloc(void **p, size_t bytes)
{
	LOCKED;
	*p = new_piece(bytes);
	return *p ? cudaSuccess : failed(cudaErrorMemoryAllocation);
}

cudaError_t
cudaFree(void *p)
{
	LOCKED;
	for (cudaStream_t s : streams)
		cudaStreamSynchronize(s);
	drop_piece(p);
	return cudaSuccess;
}

cudaError_t
cudaMallocHost(void **p, size_t bytes)
{
	*p = malloc(bytes);
	return *p ? cudaSuccess : failed(cudaErrorMemoryAllocation);
}

cudaError_t
cudaFreeHost(void *p)
{
	free(p);
	return cudaSuccess;
}

cudaError_t
cudaMemcpy2DAsync(void *to, size_t to_pitch, const void *from, size_t from_pitch, size_t width, size_t rows,
                  cudaMemcpyKind kind, cudaStream_t s)
{
	LOCKED;
	if (!rows || !width)
		return cudaSuccess;
	if (rows > 1 && (width > to_pitch || width > from_pitch))
		return failed(cudaErrorInvalidValue);
	return put(s, { [=]() {
		size_t r;

		for (r = 0; r < rows; r++) {
			char *y = (char *)to + r * to_pitch;
			const char *x = (const char *)from + r * from_pitch;

			kind == cudaMemcpyDeviceToHost ? check_host(y) : check_device(y, width);
			kind == cudaMemcpyHostToDevice ? check_host(x) : check_device(x, width);
			memcpy(y, x, width);
		}
	}, nullptr, 0 });
}

cudaError_t
cudaMemcpyAsync(void *to, const void *from, size_t bytes, cudaMemcpyKind kind, cudaStream_t s)
{
	return cudaMemcpy2DAsync(to, bytes, from, bytes, bytes, 1, kind, s);
}

cudaError_t
cudaMemGetInfo(size_t *unused, size_t *all)
{
	LOCKED;
	*all = setting("EMULATED_MEMORY", (size_t)1 << 32);
	*unused = *all - used;
	return cudaSuccess;
}

/* ---- graphs ---- */

cudaError_t
cudaStreamBeginCapture(cudaStream_t s, int)
{
	LOCKED;
	s->capture = new emulated_graph();
	return cudaSuccess;
}

cudaError_t
cudaStreamEndCapture(cudaStream_t s, cudaGraph_t *graph)
{
	LOCKED;
	*graph = s->capture;
	s->capture = NULL;
	if (!(*graph)->broken)
		return cudaSuccess;
	delete *graph;
	*graph = NULL;
	return failed(cudaErrorStreamCaptureInvalidated);
}

cudaError_t
cudaGraphInstantiate(cudaGraphExec_t *exec, cudaGraph_t graph, unsigned long long)
{
	*exec = new emulated_graph(*graph);
	return cudaSuccess;
}

cudaError_t
cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t s)
{
	LOCKED;
	for (const operation &o : exec->list)
		put(s, o);
	return cudaSuccess;
}

cudaError_t
cudaGraphDestroy(cudaGraph_t graph)
{
	delete graph;
	return cudaSuccess;
}

cudaError_t
cudaGraphExecDestroy(cudaGraphExec_t exec)
{
	delete exec;
	return cudaSuccess;
}

/* ---- launches ---- */

cudaError_t
emulated_shared_limit(const void *kernel, int attribute, int bytes)
{
	LOCKED;
	if (attribute != cudaFuncAttributeMaxDynamicSharedMemorySize || (size_t)bytes > setting("EMULATED_SHARED", 99 << 10))
		return failed(cudaErrorInvalidValue);
	shared_of[kernel] = (size_t)bytes;
	return cudaSuccess;
}

void
emulated_grid(const void *kernel, dim3 grid, dim3 block, size_t bytes, cudaStream_t s, std::function<void()> body)
{
	LOCKED;
	const size_t most = shared_of.count(kernel) ? shared_of[kernel] : (size_t)SHARED;

	if (!grid.x || grid.x > INT32_MAX || !grid.y || grid.y > GRID_YZ || !grid.z || grid.z > GRID_YZ || !block.x ||
	    block.x > 1024 || block.x % 32 || block.y != 1 || block.z != 1 || bytes > most) {
		failed(cudaErrorInvalidConfiguration);
		return;
	}
	put(s, { [=]() { emulated_run(grid, block.x, bytes, body); }, nullptr, 0 });
}

/* ---- the device ---- */

cudaError_t
cudaGetLastError(void)
{
	LOCKED;
	const cudaError_t e = last;

	last = cudaSuccess;
	return e;
}

const char *
cudaGetErrorString(cudaError_t e)
{
	return e == cudaErrorMemoryAllocation      ? "out of memory"
	       : e == cudaErrorInvalidValue        ? "invalid argument"
	       : e == cudaErrorInvalidConfiguration ? "invalid configuration argument"
	                                            : "operation not permitted when stream is capturing";
}

cudaError_t
cudaSetDevice(int)
{
	return cudaSuccess;
}

cudaError_t
cudaGetDeviceCount(int *n)
{
	*n = 1;
	return cudaSuccess;
}

cudaError_t
cudaGetDeviceProperties(cudaDeviceProp *prop, int)
{
	memset(prop, 0, sizeof(*prop));
	snprintf(prop->name, sizeof(prop->name), "emulated");
	prop->major = 8;
	prop->minor = 6;
	prop->multiProcessorCount = 2;
	prop->sharedMemPerBlockOptin = setting("EMULATED_SHARED", 99 << 10);
	return cudaSuccess;
}

cudaError_t
cudaDeviceGetDefaultMemPool(cudaMemPool_t *pool, int)
{
	*pool = NULL;
	return cudaSuccess;
}

cudaError_t
cudaMemPoolSetAttribute(cudaMemPool_t, int, void *)
{
	return cudaSuccess;
}

cudaError_t
cudaMemPoolTrimTo(cudaMemPool_t, size_t)
{
	return cudaSuccess;
}
