/* SPDX-License-Identifier: MIT
 * ranks_mpi.c - ranks over MPI
 *
 * Waiting is polite: ranks often share cores, and rank 0 alone writes, scores
 * and fits the ridge while the others wait, so nobody spins for longer than a
 * step's exchange takes. */
#include <mpi.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ranks.h"

enum { BLOCK = 1 << 22, /* numbers that are added at once */
       PIECE = 1 << 30, /* bytes of one message */
       NAP = 100000 /* nanoseconds */ };
#define SPIN 0.01 /* seconds */

struct state {
	MPI_Comm machine;                   /* the ranks of this machine */
	float *theirs;                      /* [BLOCK + size]: this rank's slice of a block, from each rank */
	int *counts, *places, *mine, *from; /* [size] of slices */
};

const char adds_ranks_unseen[] = "MPI shows it none of the others: it was built with another MPI than that of this mpirun";

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* -1: not within so many seconds (negative: any number) */
static int
wait_for(MPI_Request *q, double seconds)
{
	const struct timespec nap = { 0, NAP };
	const double begin = now();
	int done = 0;

	for (;;) {
		MPI_Test(q, &done, MPI_STATUS_IGNORE);
		if (done)
			return 0;
		if (seconds >= 0 && now() - begin > seconds)
			return -1;
		if (now() - begin < SPIN)
			sched_yield();
		else
			nanosleep(&nap, NULL);
	}
}

static void
mpi_close(struct adds_ranks *r)
{
	struct state *s = r->state;

	MPI_Comm_free(&s->machine);
	free(s->theirs);
	free(s->counts);
	free(s);
	r->state = NULL;
	MPI_Finalize();
}

static void
mpi_kill(struct adds_ranks *r, int status)
{
	(void)r;
	MPI_Abort(MPI_COMM_WORLD, status);
}

static int
mpi_least(struct adds_ranks *r, int *x, int n, double seconds)
{
	MPI_Request q;

	(void)r;
	MPI_Iallreduce(MPI_IN_PLACE, x, n, MPI_INT, MPI_MIN, MPI_COMM_WORLD, &q);
	return wait_for(&q, seconds);
}

/* where rank i's slice of m numbers begins */
static int
slice(const struct adds_ranks *r, int m, int i)
{
	return (int)((int64_t)m * i / r->size);
}

/* Each rank gets its slice of the block from all others, adds in rank order, and gives the sums to all: every number
 * travels as often as in a ring, and is added in the one order that does not hang on how ranks are arranged. */
static void
add_block(struct adds_ranks *r, float *sum, const float *x, int m, int count)
{
	struct state *s = r->state;
	const int begin = slice(r, m, r->rank), own = slice(r, m, r->rank + 1) - begin;
	MPI_Request q;
	int i, k;

	for (i = 0; i < r->size; i++) {
		s->places[i] = slice(r, m, i);
		s->counts[i] = slice(r, m, i + 1) - s->places[i];
		s->mine[i] = own;
		s->from[i] = own * i;
	}
	MPI_Ialltoallv(x, s->counts, s->places, MPI_FLOAT, s->theirs, s->mine, s->from, MPI_FLOAT, MPI_COMM_WORLD, &q);
	wait_for(&q, -1);
	for (i = 0; i < count; i++)
		for (k = 0; k < own; k++)
			sum[begin + k] += s->theirs[s->from[i] + k];
	MPI_Iallgatherv(MPI_IN_PLACE, 0, MPI_FLOAT, sum, s->counts, s->places, MPI_FLOAT, MPI_COMM_WORLD, &q);
	wait_for(&q, -1);
}

static void
mpi_add(struct adds_ranks *r, float *sum, const float *x, int64_t n, int count)
{
	int64_t i;

	for (i = 0; i < n; i += BLOCK)
		add_block(r, sum + i, x + i, n - i < BLOCK ? (int)(n - i) : BLOCK, count);
}

static void
mpi_collect(struct adds_ranks *r, void *all, const void *mine, const size_t *at)
{
	MPI_Request q;
	int i, k;
	size_t p;

	for (i = 1; i < r->size; i++)
		for (p = at[i]; p < at[i + 1] && (r->rank == 0 || r->rank == i); p += PIECE) {
			k = at[i + 1] - p < PIECE ? (int)(at[i + 1] - p) : PIECE;
			if (r->rank == 0)
				MPI_Irecv((char *)all + p, k, MPI_BYTE, i, 0, MPI_COMM_WORLD, &q);
			else
				MPI_Isend((const char *)mine + (p - at[i]), k, MPI_BYTE, 0, 0, MPI_COMM_WORLD, &q);
			wait_for(&q, -1);
		}
}

static void
share_in(MPI_Comm ranks, void *p, size_t n)
{
	MPI_Request q;
	size_t i;

	for (i = 0; i < n; i += PIECE) {
		MPI_Ibcast((char *)p + i, n - i < PIECE ? (int)(n - i) : PIECE, MPI_BYTE, 0, ranks, &q);
		wait_for(&q, -1);
	}
}

static void
mpi_share(struct adds_ranks *r, void *p, size_t n)
{
	(void)r;
	share_in(MPI_COMM_WORLD, p, n);
}

static void
mpi_share_local(struct adds_ranks *r, void *p, size_t n)
{
	const struct state *s = r->state;

	share_in(s->machine, p, n);
}

static const struct adds_ranks_ops ops = { mpi_close, mpi_kill, mpi_least, mpi_add, mpi_collect, mpi_share, mpi_share_local };

static void
find_local(struct adds_ranks *r)
{
	struct state *s = r->state;

	MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, r->rank, MPI_INFO_NULL, &s->machine);
	MPI_Comm_rank(s->machine, &r->local);
	MPI_Comm_size(s->machine, &r->locals);
}

static int
make_state(struct adds_ranks *r)
{
	struct state *s = calloc(1, sizeof(*s));
	const size_t size = (size_t)r->size;

	if (!(r->state = s))
		return -1;
	s->theirs = malloc((BLOCK + size) * sizeof(*s->theirs));
	s->counts = malloc(4 * size * sizeof(*s->counts));
	if (!s->theirs || !s->counts)
		return -1;
	s->places = s->counts + size;
	s->mine = s->places + size;
	s->from = s->mine + size;
	return 0;
}

/* Did a launcher start this process? Without one it is alone, and needs no MPI. */
static int
launched(void)
{
	return getenv("OMPI_COMM_WORLD_SIZE") || getenv("PMIX_RANK") || getenv("PMI_RANK") || getenv("PMI_SIZE");
}

int
adds_ranks_join(struct adds_ranks *r, struct adds_error *err)
{
	int level;

	if (!launched())
		return 0;
	MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &level);
	r->ops = &ops;
	MPI_Comm_rank(MPI_COMM_WORLD, &r->rank);
	MPI_Comm_size(MPI_COMM_WORLD, &r->size);
	if (make_state(r) < 0) {
		mpi_kill(r, 1);
		return adds_fail(err, ADDS_ENOMEM, "out of memory");
	}
	find_local(r);
	return 0;
}
