/* SPDX-License-Identifier: MIT
 * ranks.c - what holds for every transport, and for one process */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "ranks.h"

/* what mpirun or srun say about a process they start; fallback where they say nothing */
static long
launcher_says(const char *open_mpi, const char *other, long fallback)
{
	const char *value = getenv(open_mpi);

	if (!value)
		value = getenv(other);
	return value ? strtol(value, NULL, 10) : fallback;
}

int
adds_ranks_open(struct adds_ranks *r, struct adds_error *err)
{
	const long want = launcher_says("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", 1);
	int rc;

	*r = (struct adds_ranks){ .size = 1, .locals = 1, .failed = -1 };
	if ((rc = adds_ranks_join(r, err)) < 0)
		return rc;
	if (r->size == 1 && want > 1) {
		adds_ranks_close(r);
		r->rank = (int)launcher_says("OMPI_COMM_WORLD_RANK", "PMI_RANK", 0);
		return adds_fail(err, ADDS_EARG, "started as one of %ld processes that shall train together, but %s", want,
		                 adds_ranks_unseen);
	}
	return 0;
}

void
adds_ranks_close(struct adds_ranks *r)
{
	if (r->ops)
		r->ops->close(r);
	r->ops = NULL;
}

void
adds_ranks_kill(struct adds_ranks *r, int status)
{
	if (r->ops)
		r->ops->kill(r, status);
}

int
adds_ranks_first(const struct adds_ranks *r)
{
	return !r || r->rank == 0;
}

int
adds_ranks_size(const struct adds_ranks *r)
{
	return r ? r->size : 1;
}

int
adds_ranks_rank(const struct adds_ranks *r)
{
	return r ? r->rank : 0;
}

int
adds_ranks_agree(struct adds_ranks *r, int rc, int *any, struct adds_error *err)
{
	int x[2] = { rc < 0 ? adds_ranks_rank(r) : INT_MAX, any && *any ? 0 : 1 };

	if (!r || !r->ops || r->failed >= 0)
		return rc;
	r->ops->least(r, x, 2, -1);
	if (any)
		*any = x[1] == 0;
	if (x[0] == INT_MAX)
		return 0;
	r->failed = x[0];
	return rc < 0 ? rc : adds_fail(err, ADDS_EIO, "rank %d could not go on", r->failed);
}

int
adds_ranks_give_up(struct adds_ranks *r, double seconds)
{
	int x[2] = { r->rank, 1 };

	if (!r->ops || r->failed >= 0)
		return 0;
	if (r->ops->least(r, x, 2, seconds) < 0)
		return -1;
	r->failed = x[0];
	return 0;
}

void
adds_ranks_add(struct adds_ranks *r, float *sum, const float *x, int64_t n, int count)
{
	int64_t i;

	if (r && r->ops)
		r->ops->add(r, sum, x, n, count);
	else
		for (i = 0; i < n && count > 0; i++)
			sum[i] += x[i];
}

void
adds_ranks_collect(struct adds_ranks *r, void *all, const void *mine, const size_t *at)
{
	if (r && r->ops)
		r->ops->collect(r, all, mine, at);
}

void
adds_ranks_share(struct adds_ranks *r, void *p, size_t n)
{
	if (r && r->ops)
		r->ops->share(r, p, n);
}

void
adds_ranks_share_local(struct adds_ranks *r, void *p, size_t n)
{
	if (r && r->ops)
		r->ops->share_local(r, p, n);
}
