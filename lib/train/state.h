/* SPDX-License-Identifier: MIT
 *
 * state.h - where a run stands: what it takes to go on as if nothing had
 * happened. Kept as safetensors, under a digest of its own; the one before is
 * kept too, should the newest be broken.
 *
 * Knows: stream/, run.h, optimizer.h, ranks.h. Room train/.
 */
#ifndef ADDS_STATE_H
#define ADDS_STATE_H

#include "optimizer.h"
#include "ranks.h"
#include "run.h"

enum { ADDS_THRESHOLDS = 4 }; /* of the accuracies: .6, .7, .8, .9 */

/* sums over the steps of an epoch */
struct adds_sums {
	double loss, labels, accuracy[ADDS_THRESHOLDS];
};

struct adds_state {
	int64_t epoch;    /* epochs done */
	int64_t in_epoch; /* steps done of the one after */
	int64_t step;     /* steps done in all */
	int64_t log_size;
	int64_t session; /* starts of the program */
	int64_t best_epoch;
	double best_map, best_accuracy[ADDS_THRESHOLDS];
	struct adds_sums sums; /* of the epoch that is under way */
};

/* Writes s, and the weights and moments that o points at. data is the digest
 * of what the run is trained on. */
int adds_state_save(const struct adds_state *s, const char *data, struct adds_optimizer *o, const struct adds_run *r,
                    struct adds_error *err);

/* Reads the newest state that is whole back into s and o. Returns 1, or 0 where
 * there is none; *older (may be NULL) becomes 1 where the newest was broken,
 * and why then says how. Another digest of the data is ADDS_EMISMATCH. */
int adds_state_load(struct adds_state *s, const char *data, struct adds_optimizer *o, const struct adds_run *r,
                    int *older, struct adds_error *why, struct adds_error *err);

/* Rank 0's state for all ranks, with the weights and moments that o points at. rc: how reading it went; all agree on it. */
int adds_state_share(struct adds_state *s, struct adds_optimizer *o, struct adds_ranks *ranks, int rc, struct adds_error *err);

/* Do all ranks have the same weights? They have, unless their machines compute differently: ADDS_EDEVICE. */
int adds_state_compare(struct adds_optimizer *o, struct adds_ranks *ranks, struct adds_error *err);

#endif
