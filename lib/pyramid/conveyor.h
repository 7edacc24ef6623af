/* SPDX-License-Identifier: MIT
 *
 * conveyor.h - jobs that pass through stages, each stage with threads of its
 * own, order kept, memory bounded by the number of jobs.
 *
 * The jobs form a ring. The first stage fills one after the other; a later
 * stage takes a job when the one before has done it; behind the last stage it
 * is free again. A stage with one thread sees the jobs in order.
 *
 * Knows: fail.h.
 */
#ifndef ADDS_CONVEYOR_H
#define ADDS_CONVEYOR_H

#include "../fail.h"

#define ADDS_CONVEYOR_MAX_STAGES 8

struct adds_stage {
	int threads; /* ≥ 1; 0: runs on the thread that calls adds_conveyor_run (one stage may) */
	int batch;   /* consecutive jobs that it takes at once, at most; ≥ 1 */
	/* jobs: 1 … batch of them. Returns 0, or a negative code with err filled, which ends the whole. The first stage gets one
	 * job and returns 1, or 0 when there is nothing more (the job then stays unused). */
	int (*run)(void *ctx, void **jobs, int n, struct adds_error *err);
	double *waited; /* or NULL: seconds that its threads have waited for jobs are added, those behind the last job not */
};

/* Runs until the first stage has ended and all jobs have passed, or a stage failed: the first failure is returned. The
 * first and the last stage have one thread. jobs: njobs of the caller's own, reused in turn. */
int adds_conveyor_run(void **jobs, int njobs, const struct adds_stage *stages, int nstages, void *ctx,
                      struct adds_error *err);

#endif
