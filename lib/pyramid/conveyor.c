/* SPDX-License-Identifier: MIT
 * conveyor.c - jobs that pass through stages in order */
#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "conveyor.h"

struct conveyor {
	pthread_mutex_t lock;
	pthread_cond_t moved[ADDS_CONVEYOR_MAX_STAGES]; /* something that this stage may wait for has happened */
	void **jobs;
	int *done; /* of each job: how many stages it has behind it */
	int njobs, nstages;
	const struct adds_stage *stages;
	void *ctx;
	uint64_t next[ADDS_CONVEYOR_MAX_STAGES]; /* number of the job that the stage takes next */
	uint64_t finished;                       /* jobs that have left the last stage */
	int ended;                               /* the first stage has nothing more */
	int code;                                /* of the first failure */
	struct adds_error *err;
};

struct worker {
	struct conveyor *c;
	int stage;
	pthread_t thread;
};

/* how many jobs, from next on, stage k could take now */
static int
ready(const struct conveyor *c, int k)
{
	int n = 0;

	if (k == 0)
		return !c->ended && c->next[0] < c->finished + (uint64_t)c->njobs;
	while (n < c->stages[k].batch && c->next[k] + (uint64_t)n < c->next[0] && n < c->njobs &&
	       c->done[(c->next[k] + (uint64_t)n) % (uint64_t)c->njobs] == k)
		n++;
	return n;
}

static int
over(const struct conveyor *c, int k)
{
	return c->code < 0 || (c->ended && (k == 0 || c->next[k] == c->next[0]));
}

static void
wake(struct conveyor *c, int k)
{
	pthread_cond_broadcast(&c->moved[k]);
}

static void
wake_all(struct conveyor *c)
{
	int k;

	for (k = 0; k < c->nstages; k++)
		wake(c, k);
}

/* takes n jobs (the lock is held); returns the number of the first */
static uint64_t
take(struct conveyor *c, int k, int n, void **jobs)
{
	const uint64_t first = c->next[k];
	int i;

	for (i = 0; i < n; i++) {
		const size_t slot = (size_t)((first + (uint64_t)i) % (uint64_t)c->njobs);

		jobs[i] = c->jobs[slot];
		c->done[slot] = -1; /* in work */
	}
	c->next[k] += (uint64_t)n;
	return first;
}

/* hands n jobs on (the lock is held) */
static void
pass(struct conveyor *c, int k, uint64_t first, int n, int rc, const struct adds_error *err)
{
	int i;

	if (rc < 0 && c->code == 0) {
		c->code = rc;
		if (c->err)
			*c->err = *err;
	}
	if (k == 0 && rc == 0) { /* the job taken was not filled */
		c->next[0]--;
		c->ended = 1;
	}
	if (rc < 0 || c->ended) {
		wake_all(c);
		if (rc < 0 || k == 0)
			return;
	}
	for (i = 0; i < n; i++)
		c->done[(first + (uint64_t)i) % (uint64_t)c->njobs] = k + 1;
	if (k == c->nstages - 1)
		c->finished += (uint64_t)n;
	wake(c, (k + 1) % c->nstages);
}

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void
wait_for_jobs(struct conveyor *c, int k)
{
	const double start = now();

	pthread_cond_wait(&c->moved[k], &c->lock);
	if (c->stages[k].waited && !over(c, k))
		*c->stages[k].waited += now() - start;
}

static void
run_stage(struct conveyor *c, int k, void **jobs)
{
	struct adds_error err;
	uint64_t first;
	int n, rc;

	err.msg[0] = '\0';
	pthread_mutex_lock(&c->lock);
	while (!over(c, k)) {
		if ((n = ready(c, k)) == 0) {
			wait_for_jobs(c, k);
			continue;
		}
		first = take(c, k, n, jobs);
		pthread_mutex_unlock(&c->lock);
		rc = c->stages[k].run(c->ctx, jobs, n, &err);
		pthread_mutex_lock(&c->lock);
		pass(c, k, first, n, rc, &err);
	}
	wake_all(c);
	pthread_mutex_unlock(&c->lock);
}

static void *
work(void *arg)
{
	struct worker *w = arg;
	void **jobs = calloc((size_t)w->c->stages[w->stage].batch, sizeof(*jobs));
	struct adds_error err;

	if (jobs) {
		run_stage(w->c, w->stage, jobs);
	} else {
		pthread_mutex_lock(&w->c->lock);
		pass(w->c, w->stage, 0, 0, adds_fail(&err, ADDS_ENOMEM, "out of memory"), &err);
		pthread_mutex_unlock(&w->c->lock);
	}
	free(jobs);
	return NULL;
}

/* Starts the threads; returns how many are running. */
static int
start(struct worker *workers, struct conveyor *c, int *own, struct adds_error *err)
{
	int k, i, n = 0;

	*own = -1;
	for (k = 0; k < c->nstages; k++) {
		if (c->stages[k].threads == 0)
			*own = k;
		for (i = 0; i < c->stages[k].threads; i++, n++) {
			workers[n].c = c;
			workers[n].stage = k;
			if (pthread_create(&workers[n].thread, NULL, work, &workers[n]) == 0)
				continue;
			pthread_mutex_lock(&c->lock);
			pass(c, k, 0, 0, adds_fail(err, ADDS_EIO, "cannot start a thread"), err);
			pthread_mutex_unlock(&c->lock);
			return n;
		}
	}
	return n;
}

int
adds_conveyor_run(void **jobs, int njobs, const struct adds_stage *stages, int nstages, void *ctx,
                  struct adds_error *err)
{
	struct conveyor c = { .jobs = jobs, .njobs = njobs, .nstages = nstages, .stages = stages, .ctx = ctx, .err = err };
	struct adds_error own_err;
	struct worker *workers, own = { &c, 0, pthread_self() };
	int k, n, total = 0;

	assert(njobs > 0 && nstages >= 2 && nstages <= ADDS_CONVEYOR_MAX_STAGES);
	assert(stages[0].threads <= 1 && stages[nstages - 1].threads <= 1);
	for (k = 0; k < nstages; k++)
		total += stages[k].threads;
	workers = calloc((size_t)total + 1, sizeof(*workers));
	c.done = calloc((size_t)njobs, sizeof(*c.done));
	if (!workers || !c.done) {
		free(workers);
		free(c.done);
		return adds_fail(err, ADDS_ENOMEM, "out of memory");
	}
	pthread_mutex_init(&c.lock, NULL);
	for (k = 0; k < nstages; k++)
		pthread_cond_init(&c.moved[k], NULL);
	n = start(workers, &c, &own.stage, &own_err);
	if (own.stage >= 0)
		work(&own);
	while (n-- > 0)
		pthread_join(workers[n].thread, NULL);
	for (k = 0; k < nstages; k++)
		pthread_cond_destroy(&c.moved[k]);
	pthread_mutex_destroy(&c.lock);
	free(workers);
	free(c.done);
	return c.code;
}
