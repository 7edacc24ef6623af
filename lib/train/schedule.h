/* SPDX-License-Identifier: MIT
 *
 * schedule.h - the learning rate over the steps of a run, as a factor of its
 * peak. Room train/.
 */
#ifndef ADDS_SCHEDULE_H
#define ADDS_SCHEDULE_H

#include <stdint.h>

enum adds_schedule_kind {
	ADDS_SCHEDULE_ONE_CYCLE, /* up from 1/25 and down to 1/250,000 along half cosines (Smith 2018; PyTorch's OneCycleLR) */
	ADDS_SCHEDULE_COSINE,    /* linear warm-up, then down to 0 along half a cosine */
	ADDS_SCHEDULE_CONSTANT,  /* linear warm-up from 0, then 1 */
};

struct adds_schedule {
	enum adds_schedule_kind kind;
	int64_t steps; /* of the whole run */
	double warmup; /* below 1: share of the steps, else their number */
};

/* Factor of step number step, from 0. */
double adds_schedule_at(const struct adds_schedule *s, int64_t step);

#endif
