/* SPDX-License-Identifier: MIT
 * wait.c - threads that wait for each other do so without burning a core.
 *
 * GNU's OpenMP lets a thread that waits turn for some milliseconds before it
 * sleeps. On a machine with other work the thread waited for is often not
 * running, just because of that, and a call of microseconds takes a hundred times as
 * long. Where there are more OpenMP threads than cores the library turns for
 * a few microseconds only (its manual, GOMP_SPINCOUNT), and there is no call
 * that asks for this. So a team of threads that never work is kept asleep.
 */
#include <omp.h>
#include <pthread.h>
#include <stdlib.h>

#include "cpu.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t change = PTHREAD_COND_INITIALIZER;
static int asked, asleep;

/* A thread with a team of its own, which has nothing to do, and sleeps for good. */
static void *
sleep_in_a_team(void *size)
{
	int there = 0;

#pragma omp parallel num_threads((int)(intptr_t)size)
	{
#pragma omp atomic
		there++;
	}
	pthread_mutex_lock(&lock);
	asleep = there > 0;
	pthread_cond_broadcast(&change);
	for (;;)
		pthread_cond_wait(&change, &lock);
	return NULL;
}

void
cpu_wait_asleep(int threads)
{
	const intptr_t team = omp_get_num_procs() - threads + 2; /* one more than there are cores, with the threads that work */
	pthread_t id;

	if (threads < 2 || team < 2 || getenv("OMP_WAIT_POLICY") || getenv("GOMP_SPINCOUNT"))
		return;
	pthread_mutex_lock(&lock);
	if (!asked && pthread_create(&id, NULL, sleep_in_a_team, (void *)team) == 0) {
		pthread_detach(id);
		while (!asleep)
			pthread_cond_wait(&change, &lock);
	}
	asked = 1;
	pthread_mutex_unlock(&lock);
}
