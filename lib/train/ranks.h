/* SPDX-License-Identifier: MIT
 *
 * ranks.h - the processes that train together: ranks 0 to size-1, each a copy
 * of the program that does its part of every step. One process is the usual
 * case, and for it everything here is a no-op. MPI stands behind the rest
 * (ranks_mpi.c, built with MPI=1; ranks_none.c stands in otherwise).
 *
 * All ranks make the same calls in the same order. A rank that cannot go on
 * says so at the next adds_ranks_agree, and calls nothing more; so every call
 * that moves data has an adds_ranks_agree before it, with nothing in between
 * that could fail. Errors of the transport itself end all ranks.
 *
 * Knows: fail.h. Room train/.
 */
#ifndef ADDS_RANKS_H
#define ADDS_RANKS_H

#include <stddef.h>
#include <stdint.h>

#include "../fail.h"

struct adds_ranks_ops;

struct adds_ranks {
	int rank, size;
	int local, locals;                /* the same, among the ranks of this machine */
	int failed;                       /* the lowest rank that could not go on, once all know it; else -1 */
	const struct adds_ranks_ops *ops; /* NULL: one process */
	void *state;                      /* the transport's own */
};

/* Joins the ranks that the program was started among. One of several that
 * cannot see the others is an error: the program was built without MPI, or with another one. r->rank then is what the
 * launcher calls it. */
int adds_ranks_open(struct adds_ranks *r, struct adds_error *err);

/* Leaves; all ranks do. */
void adds_ranks_close(struct adds_ranks *r);

/* Ends all ranks at once, wherever they are: this process goes on. */
void adds_ranks_kill(struct adds_ranks *r, int status);

/* r NULL stands for one process in all that follows. */
int adds_ranks_first(const struct adds_ranks *r); /* is it rank 0? */
int adds_ranks_size(const struct adds_ranks *r);
int adds_ranks_rank(const struct adds_ranks *r);

/* Can all go on? rc: negative where this rank cannot. Returns rc of one process;
 * 0 when all can; else a negative code, with r->failed set and, where it is another rank's
 * failure, err filled with a sentence that names the rank. any (may be NULL): becomes 1 where it is for one of them. */
int adds_ranks_agree(struct adds_ranks *r, int rc, int *any, struct adds_error *err);

/* The last call of a rank that cannot go on: waits so many seconds for the
 * others to hear of it. -1: they did not. */
int adds_ranks_give_up(struct adds_ranks *r, double seconds);

/* sum[i] += x[i] of rank 0, then of rank 1, … of rank count-1, for n numbers; every rank gets the sums. */
void adds_ranks_add(struct adds_ranks *r, float *sum, const float *x, int64_t n, int count);

/* Pieces in rank order: that of rank i belongs at bytes at[i] … at[i+1]-1 of all, which rank 0 gets. mine: this
 * rank's, on rank 0 already in its place. all is NULL elsewhere. */
void adds_ranks_collect(struct adds_ranks *r, void *all, const void *mine, const size_t *at);

/* n bytes of rank 0 for all. */
void adds_ranks_share(struct adds_ranks *r, void *p, size_t n);

/* n bytes of the first rank of this machine for the others of it. */
void adds_ranks_share_local(struct adds_ranks *r, void *p, size_t n);

/* ---- a transport ---- */

struct adds_ranks_ops {
	void (*close)(struct adds_ranks *r);
	void (*kill)(struct adds_ranks *r, int status);
	/* x[i] becomes the least of all ranks; -1: not within so many seconds (negative: waits for good) */
	int (*least)(struct adds_ranks *r, int *x, int n, double seconds);
	void (*add)(struct adds_ranks *r, float *sum, const float *x, int64_t n, int count);
	void (*collect)(struct adds_ranks *r, void *all, const void *mine, const size_t *at);
	void (*share)(struct adds_ranks *r, void *p, size_t n);
	void (*share_local)(struct adds_ranks *r, void *p, size_t n);
};

/* Joins, where the program was started among others: fills r; ops stays NULL for one process. */
int adds_ranks_join(struct adds_ranks *r, struct adds_error *err);

/* Why the others are not seen, and what to do. */
extern const char adds_ranks_unseen[];

#endif
