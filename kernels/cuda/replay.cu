/* SPDX-License-Identifier: MIT
 *
 * replay.cu - calls that come again and again as one CUDA graph.
 *
 * The first run is a plain one: it brings scratch memory to its size and
 * chooses the library's algorithms. The second is captured. Host arrays that
 * the calls upload are kept on the device with the graph. Scratch memory that
 * has moved since makes the graph stale, and it is captured anew.
 */
#include <stdlib.h>

#include "cuda.cuh"

struct kept {
	struct kept *next;
	void *device;
};

struct recording {
	int runs;      /* plain ones so far */
	int hopeless;  /* 1: these calls cannot be captured */
	void *scratch; /* where it was when they were captured */
	struct kept *kept;
	cudaGraphExec_t graph; /* NULL: none yet */
};

/* Behind a wait: nothing of it runs. */
static void
clear(struct cuda_state *s, struct recording *r)
{
	struct kept *k;

	if (r->graph)
		cudaGraphExecDestroy(r->graph);
	r->graph = NULL;
	while ((k = r->kept)) {
		r->kept = k->next;
		cudaFreeAsync(k->device, s->up);
		free(k);
	}
}

int
recording_keep(struct cuda_state *s, void **device, const void *host, size_t bytes, struct adds_error *err)
{
	struct kept *k = (struct kept *)calloc(1, sizeof(*k));

	if (!k)
		return adds_fail(err, ADDS_ENOMEM, "out of memory");
	k->next = s->recording->kept;
	s->recording->kept = k;
	/* the other stream is not captured: these happen now */
	CU(cudaMallocAsync(&k->device, bytes ? bytes : 1, s->up));
	if (bytes)
		CU(cudaMemcpyAsync(k->device, host, bytes, cudaMemcpyHostToDevice, s->up));
	CU(cudaStreamSynchronize(s->up));
	*device = k->device;
	return 0;
}

/* The calls of one run to r->graph; 1: it cannot be done. */
static int
capture(struct cuda_state *s, struct recording *r, int (*calls)(void *arg, struct adds_error *err), void *arg)
{
	struct adds_error ignored;
	cudaGraph_t graph = NULL;
	int rc;

	if (cudaStreamBeginCapture(s->stream, cudaStreamCaptureModeRelaxed) != cudaSuccess) {
		cudaGetLastError();
		return 1;
	}
	s->recording = r;
	rc = calls(arg, &ignored);
	s->recording = NULL;
	if (cudaStreamEndCapture(s->stream, &graph) != cudaSuccess || !graph)
		rc = 1;
	if (rc == 0 && cudaGraphInstantiate(&r->graph, graph, 0) != cudaSuccess)
		rc = 1;
	if (graph)
		cudaGraphDestroy(graph);
	cudaGetLastError();
	r->scratch = s->scratch.p;
	return rc ? 1 : 0;
}

int
cuda_replay(struct backend *b, struct recording **out, int (*calls)(void *arg, struct adds_error *err), void *arg,
            struct adds_error *err)
{
	struct cuda_state *s = cuda_enter(b);
	struct recording *r = *out;

	if (!r && !(r = *out = (struct recording *)calloc(1, sizeof(*r))))
		return adds_fail(err, ADDS_ENOMEM, "out of memory");
	if (r->graph && r->scratch != s->scratch.p) {
		CU(cudaStreamSynchronize(s->stream));
		clear(s, r);
	}
	if (!r->graph && (r->hopeless || r->runs++ == 0))
		return calls(arg, err);
	if (!r->graph && capture(s, r, calls, arg)) {
		clear(s, r);
		r->hopeless = 1;
		return calls(arg, err);
	}
	CU(cudaGraphLaunch(r->graph, s->stream));
	return 0;
}

void
cuda_forget(struct backend *b, struct recording *r)
{
	struct cuda_state *s = cuda_enter(b);

	if (!r)
		return;
	cudaStreamSynchronize(s->stream);
	clear(s, r);
	free(r);
}
