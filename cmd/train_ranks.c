/* SPDX-License-Identifier: MIT
 * train_ranks.c - adds-train as one of several ranks: who waits for whom, who speaks, how all end together */
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "train.h"

enum { GO = -1,
       PATIENCE = 10 /* seconds for the others to hear of a failure */ };

static struct adds_ranks ranks;
static int awaited; /* rank 0: the others wait for its word */

/* the last thing that a rank does, however it ends */
static void
leave(int status)
{
	if (awaited)
		adds_ranks_share(&ranks, &status, sizeof(status));
	else if (status != CMD_DONE && adds_ranks_give_up(&ranks, PATIENCE) < 0)
		adds_ranks_kill(&ranks, status);
	awaited = 0;
	adds_ranks_close(&ranks);
}

/* rank 0 said how it goes on: it is ready, or it has ended with a status */
static void
wait_for_first(void)
{
	static char name[40];
	int word = GO;

	snprintf(name, sizeof(name), "adds-train: rank %d", ranks.rank);
	cmd_call(name);
	adds_ranks_share(&ranks, &word, sizeof(word));
	if (word == GO)
		return;
	ranks.failed = 0;
	cmd_exit(word);
}

struct adds_ranks *
train_join(void)
{
	struct adds_error err;

	if (adds_ranks_open(&ranks, &err) < 0) {
		if (ranks.rank > 0) { /* the first says it; a launcher ends all when one has ended */
			sleep(1);
			cmd_quiet = 2;
		}
		die("%s", err.msg);
	}
	cmd_at_end = leave;
	if (ranks.rank > 0)
		wait_for_first();
	else
		awaited = ranks.size > 1;
	return &ranks;
}

void
train_ready(struct adds_ranks *r)
{
	int word = GO;

	if (awaited)
		adds_ranks_share(r, &word, sizeof(word));
	awaited = 0;
}

void
train_agree(struct adds_ranks *r, struct adds_run *run, int rc, struct adds_error *err)
{
	if (adds_ranks_agree(r, rc, NULL, err) == 0)
		return;
	if (r->failed >= 0 && r->failed != r->rank)
		cmd_quiet = 2; /* the rank that failed says why */
	if (run)
		train_give_up(run, "%s", err->msg);
	die("%s", err->msg);
}

/* With "cuda" (or "auto") a rank takes the GPU of its number on the machine, unless its launcher shows it a single one. */
static const char *
gpu_of(const struct adds_ranks *r, const char *device, char *name, size_t n)
{
	const char *visible = getenv("CUDA_VISIBLE_DEVICES");

	if (r->size == 1 || (visible && !strchr(visible, ',')) || (strcmp(device, "cuda") != 0 && strcmp(device, "auto") != 0))
		return device;
	snprintf(name, n, "cuda:%d", r->local);
	return name;
}

/* All cores, shared out among the ranks of the machine; those that a launcher bound this rank to, if it did. */
static int
threads_of(const struct adds_ranks *r, const struct train_args *a)
{
	const int mine = omp_get_num_procs(), share = (int)sysconf(_SC_NPROCESSORS_ONLN) / r->locals;

	if (a->threads || r->size == 1)
		return (int)a->threads;
	return mine < share ? mine : share > 1 ? share
	                                       : 1;
}

struct backend *
train_device(const struct adds_ranks *r, const struct train_args *a, char *why, size_t n, struct adds_error *err)
{
	const int threads = threads_of(r, a), is_auto = strcmp(a->device, "auto") == 0;
	char name[24];
	const char *device = gpu_of(r, a->device, name, sizeof(name));
	struct backend *b = backend_open(device, threads, why, n, err);

	if (b || !is_auto || device == a->device)
		return b;
	snprintf(why, n, "%s", err->msg);
	return backend_open("cpu", threads, NULL, 0, err);
}
