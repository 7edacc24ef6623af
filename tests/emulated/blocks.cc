/* SPDX-License-Identifier: MIT
 * blocks.cc - the threads of a block as fibers, what a warp does together, narrow numbers */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "cuda_runtime.h"

enum {
	STACK = 256 << 10,
	MOST = 1024, /* threads of a block */
	WARP = 32,
	WORDS = 32, /* bytes that a lane may exchange */
};

enum state {
	READY,
	AT_WARP,  /* waits for the other lanes */
	AT_BLOCK, /* waits at __syncthreads */
	DONE,
};

struct fiber {
	void *sp;
	char *stack;
	enum state state;
	int turn; /* which of the two slots it wrote last */
	unsigned char slot[2][WORDS];
};

dim3 threadIdx, blockIdx, gridDim;

static fiber fibers[MOST];
static void *outside; /* stack pointer of the one who runs the block */
static unsigned current;
static const std::function<void()> *body;
static void *shared;

void
emulated_breach(const char *what)
{
	fprintf(stderr, "emulated device: %s (block %u of %u, thread %u)\n", what, blockIdx.x, gridDim.x, threadIdx.x);
	abort();
}

/* saves what a call must keep, changes stacks, and goes on there */
extern "C" void emulated_switch(void **save, void *to);
asm(".text\n"
    ".globl emulated_switch\n"
    "emulated_switch:\n"
    "	push %rbp\n	push %rbx\n	push %r12\n	push %r13\n	push %r14\n	push %r15\n"
    "	mov %rsp, (%rdi)\n"
    "	mov %rsi, %rsp\n"
    "	pop %r15\n	pop %r14\n	pop %r13\n	pop %r12\n	pop %rbx\n	pop %rbp\n"
    "	ret\n");

static void
leave(enum state why)
{
	fiber *f = &fibers[current];

	f->state = why;
	emulated_switch(&f->sp, outside);
}

static void
first(void)
{
	(*body)();
	leave(DONE);
}

static void
fiber_init(fiber *f)
{
	void **top;

	if (!f->stack)
		f->stack = (char *)mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (f->stack == MAP_FAILED)
		emulated_breach("no memory for stacks");
	top = (void **)(f->stack + STACK);
	top[-1] = NULL;
	top[-2] = (void *)first;
	f->sp = top - 8; /* six registers below */
	f->state = READY;
	f->turn = 0;
}

static void
resume(unsigned t)
{
	current = t;
	threadIdx.x = t;
	emulated_switch(&outside, fibers[t].sp);
}

/* how many of the threads t0 … t0+n-1 are in that state */
static unsigned
count(unsigned t0, unsigned n, enum state s)
{
	unsigned i, k = 0;

	for (i = 0; i < n; i++)
		k += fibers[t0 + i].state == s;
	return k;
}

static void
release(unsigned t0, unsigned n)
{
	unsigned i;

	for (i = 0; i < n; i++)
		fibers[t0 + i].state = READY;
}

/* the lanes of a warp until all wait for the block or are done */
static void
run_warp(unsigned t0, int backwards)
{
	unsigned i;

	for (;;) {
		for (i = 0; i < WARP; i++) {
			const unsigned t = t0 + (backwards ? WARP - 1 - i : i);

			if (fibers[t].state == READY)
				resume(t);
		}
		if (count(t0, WARP, AT_WARP) == 0)
			return;
		if (count(t0, WARP, AT_WARP) != WARP)
			emulated_breach("lanes of a warp part ways where they exchange values");
		release(t0, WARP);
	}
}

static void
run_block(unsigned threads, int backwards)
{
	const unsigned warps = threads / WARP;
	unsigned i;

	for (i = 0; i < threads; i++)
		fiber_init(&fibers[i]);
	for (;;) {
		for (i = 0; i < warps; i++)
			run_warp((backwards ? warps - 1 - i : i) * WARP, backwards);
		if (count(0, threads, DONE) == threads)
			return;
		if (count(0, threads, AT_BLOCK) != threads)
			emulated_breach("threads of a block part ways at a barrier");
		release(0, threads);
	}
}

void
emulated_run(dim3 grid, unsigned threads, size_t bytes, const std::function<void()> &f)
{
	static int backwards;
	unsigned x, y, z;

	body = &f;
	gridDim = grid;
	shared = bytes ? malloc(bytes) : NULL;
	for (z = 0; z < grid.z; z++)
		for (y = 0; y < grid.y; y++)
			for (x = 0; x < grid.x; x++, backwards = !backwards) {
				blockIdx = dim3(x, y, z);
				if (bytes)
					memset(shared, 0xff, bytes);
				run_block(threads, backwards);
			}
	free(shared);
	shared = NULL;
}

void *
emulated_shared(void)
{
	return shared;
}

void
__syncthreads(void)
{
	leave(AT_BLOCK);
}

void
emulated_exchange(const void *mine, size_t bytes)
{
	fiber *f = &fibers[current];

	if (bytes > WORDS)
		emulated_breach("a lane exchanges too much");
	f->turn = !f->turn;
	memcpy(f->slot[f->turn], mine, bytes);
	leave(AT_WARP);
}

const void *
emulated_lane(int lane)
{
	return fibers[current / WARP * WARP + (unsigned)lane].slot[fibers[current].turn];
}

/* ---- the product of a warp, by the tables of the PTX manual for m16n8k16 ---- */

struct fragment {
	uint32_t a[4], b[2];
};

static float
half_of(uint32_t word, int upper)
{
	return __uint_as_float(upper ? word & 0xffff0000u : word << 16);
}

static float
factor_a(int row, int k)
{
	const struct fragment *f = (const struct fragment *)emulated_lane(row % 8 * 4 + k % 8 / 2);

	return half_of(f->a[row / 8 + k / 8 * 2], k % 2);
}

static float
factor_b(int k, int col)
{
	const struct fragment *f = (const struct fragment *)emulated_lane(col * 4 + k % 8 / 2);

	return half_of(f->b[k / 8], k % 2);
}

void
mma_bf16(float d[4], const uint32_t a[4], uint32_t b0, uint32_t b1)
{
	const struct fragment mine = { { a[0], a[1], a[2], a[3] }, { b0, b1 } };
	const int lane = (int)(current % WARP);
	int i, k;

	emulated_exchange(&mine, sizeof(mine));
	for (i = 0; i < 4; i++)
		for (k = 0; k < 16; k++)
			d[i] += factor_a(lane / 4 + (i >= 2 ? 8 : 0), k) * factor_b(k, lane % 4 * 2 + i % 2);
}

/* ---- numbers of 16 bits ---- */

float
f32_of_f16(uint16_t h)
{
	const int e = h >> 10 & 31, f = h & 1023;
	const float v = e == 31 ? (f ? NAN : INFINITY) : e ? ldexpf((float)(1024 + f), e - 25)
	                                                   : ldexpf((float)f, -24);

	return h & 0x8000 ? -v : v;
}

uint16_t
f16_of_f32(float x)
{
	const uint16_t sign = signbit(x) ? 0x8000 : 0;
	int e;
	long f;

	x = fabsf(x);
	if (isnan(x))
		return 0x7fff;
	if (x >= 65520)
		return sign | 0x7c00;
	if (x < ldexpf(1, -14))
		return (uint16_t)(sign | lrintf(ldexpf(x, 24)));
	frexpf(x, &e);                    /* x = m·2^e, ½ ≤ m < 1 */
	f = lrintf(ldexpf(x, 11 - e));    /* 1,024 … 2,048 */
	return (uint16_t)(sign | ((long)(e + 13) * 1024 + f)); /* a carry goes into the exponent */
}

uint16_t
bf16_of_f32(float x)
{
	uint32_t u;

	memcpy(&u, &x, sizeof(u));
	if (isnan(x))
		return 0x7fff;
	return (uint16_t)((u + 0x7fff + (u >> 16 & 1)) >> 16);
}
