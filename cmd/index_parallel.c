/* SPDX-License-Identifier: MIT
 * index_parallel.c - work on all pictures, in any order */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "index.h"

enum { BLOCK = 256 };

struct job {
	void (*work)(void *arg, int thread, size_t i);
	void *arg;
	size_t n, next;
	pthread_mutex_t lock;
};

struct worker {
	struct job *job;
	int number;
	pthread_t thread;
};

static void *
run(void *arg)
{
	const struct worker *w = arg;
	struct job *j = w->job;
	size_t i, end;

	for (;;) {
		pthread_mutex_lock(&j->lock);
		i = j->next;
		j->next = end = i + BLOCK < j->n ? i + BLOCK : j->n;
		pthread_mutex_unlock(&j->lock);
		if (i == end)
			return NULL;
		for (; i < end; i++)
			j->work(j->arg, w->number, i);
	}
}

void
index_parallel(size_t n, int threads, void (*work)(void *arg, int thread, size_t i), void *arg)
{
	struct job job = { work, arg, n, 0, PTHREAD_MUTEX_INITIALIZER };
	struct worker *w = cmd_alloc((size_t)threads, sizeof(*w));
	int t, rc;

	for (t = 0; t < threads; t++) {
		w[t].job = &job;
		w[t].number = t;
		if (t > 0 && (rc = pthread_create(&w[t].thread, NULL, run, &w[t])) != 0)
			die("cannot start a thread: %s", strerror(rc));
	}
	run(&w[0]);
	for (t = 1; t < threads; t++)
		pthread_join(w[t].thread, NULL);
	free(w);
}
