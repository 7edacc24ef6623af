/* SPDX-License-Identifier: MIT
 * test_conveyor.c - order, bounds, failures; run under ThreadSanitizer too */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "../../lib/pyramid/conveyor.h"
#include "unit.h"

enum { JOBS = 5,
       TOTAL = 400 };

struct job {
	int number, worked, encoded;
};

struct line {
	int produced, written, in_flight, most_in_flight, largest_batch;
	int fail_stage, fail_at; /* this stage fails at that number */
	pthread_mutex_t lock;
};

static int
fill(void *ctx, void **jobs, int n, struct adds_error *err)
{
	struct line *l = ctx;
	struct job *j = jobs[0];

	ck_assert_int_eq(n, 1);
	if (l->fail_stage == 0 && l->produced == l->fail_at)
		return adds_fail(err, ADDS_EFORMAT, "stage 0 at %d", l->produced);
	if (l->produced == TOTAL)
		return 0;
	memset(j, 0, sizeof(*j));
	j->number = l->produced++;
	pthread_mutex_lock(&l->lock);
	if (++l->in_flight > l->most_in_flight)
		l->most_in_flight = l->in_flight;
	pthread_mutex_unlock(&l->lock);
	return 1;
}

static int
work(void *ctx, void **jobs, int n, struct adds_error *err)
{
	struct line *l = ctx;
	struct job *j = jobs[0];
	volatile int spin;

	ck_assert_int_eq(n, 1);
	if (l->fail_stage == 1 && j->number == l->fail_at)
		return adds_fail(err, ADDS_EFORMAT, "stage 1 at %d", j->number);
	for (spin = 0; spin < (j->number * 7919) % 5000; spin++)
		continue;
	j->worked = j->number + 1;
	return 0;
}

static int
encode(void *ctx, void **jobs, int n, struct adds_error *err)
{
	struct line *l = ctx;
	int i;

	if (n > l->largest_batch)
		l->largest_batch = n;
	for (i = 0; i < n; i++) {
		struct job *j = jobs[i];

		if (l->fail_stage == 2 && j->number == l->fail_at)
			return adds_fail(err, ADDS_EFORMAT, "stage 2 at %d", j->number);
		ck_assert_int_eq(j->worked, j->number + 1);
		j->encoded = 2 * j->number;
	}
	return 0;
}

static int
put(void *ctx, void **jobs, int n, struct adds_error *err)
{
	struct line *l = ctx;
	struct job *j = jobs[0];

	ck_assert_int_eq(n, 1);
	if (l->fail_stage == 3 && j->number == l->fail_at)
		return adds_fail(err, ADDS_EIO, "stage 3 at %d", j->number);
	ck_assert_int_eq(j->number, l->written);
	ck_assert_int_eq(j->encoded, 2 * j->number);
	l->written++;
	pthread_mutex_lock(&l->lock);
	l->in_flight--;
	pthread_mutex_unlock(&l->lock);
	return 0;
}

static int
run(struct line *l, int fail_stage, int fail_at, int workers, int njobs, struct adds_error *err)
{
	const struct adds_stage stages[] = { { 1, 1, fill, NULL },
		                             { workers, 1, work, NULL },
		                             { 0, 3, encode, NULL },
		                             { 1, 1, put, NULL } };
	struct job job[JOBS];
	void *jobs[JOBS];
	int i, rc;

	memset(l, 0, sizeof(*l));
	l->fail_stage = fail_stage;
	l->fail_at = fail_at;
	for (i = 0; i < JOBS; i++)
		jobs[i] = &job[i];
	pthread_mutex_init(&l->lock, NULL);
	rc = adds_conveyor_run(jobs, njobs, stages, 4, l, err);
	pthread_mutex_destroy(&l->lock);
	return rc;
}

START_TEST(order_is_kept_and_jobs_are_bounded)
{
	struct adds_error err = { 0 };
	struct line l;
	int workers, njobs;

	for (workers = 1; workers <= 4; workers++)
		for (njobs = 1; njobs <= JOBS; njobs += 2) {
			ck_assert_msg(run(&l, -1, 0, workers, njobs, &err) == 0, "%s", err.msg);
			ck_assert_int_eq(l.written, TOTAL);
			ck_assert_int_le(l.most_in_flight, njobs);
			ck_assert_int_le(l.largest_batch, 3);
		}
}
END_TEST

START_TEST(a_failure_anywhere_ends_it_with_its_sentence)
{
	struct adds_error err;
	char want[32];
	struct line l;
	int stage, at;

	for (stage = 0; stage < 4; stage++)
		for (at = 0; at < TOTAL; at += 133) {
			ck_assert_int_lt(run(&l, stage, at, 3, JOBS, &err), 0);
			snprintf(want, sizeof(want), "stage %d at %d", stage, at);
			ck_assert_str_eq(err.msg, want);
			ck_assert_int_le(l.written, at);
		}
}
END_TEST

/* The writer waits for a last job while nothing else moves: nobody may sleep for good. */
START_TEST(an_empty_source_ends_at_once)
{
	static const struct adds_stage nothing[] = { { 1, 1, fill, NULL },
		                                     { 2, 1, work, NULL },
		                                     { 0, 3, encode, NULL },
		                                     { 1, 1, put, NULL } };
	struct line l = { .produced = TOTAL, .fail_stage = -1 };
	struct adds_error err = { 0 };
	struct job job;
	void *jobs[] = { &job };

	ck_assert_int_eq(adds_conveyor_run(jobs, 1, nothing, 4, &l, &err), 0);
	ck_assert_int_eq(l.written, 0);
}
END_TEST

Suite *conveyor_suite(void);

Suite *
conveyor_suite(void)
{
	Suite *s = suite_create("conveyor");
	TCase *c = tcase_create("conveyor");

	tcase_set_timeout(c, 60);
	tcase_add_test(c, order_is_kept_and_jobs_are_bounded);
	tcase_add_test(c, a_failure_anywhere_ends_it_with_its_sentence);
	tcase_add_test(c, an_empty_source_ends_at_once);
	suite_add_tcase(s, c);
	return s;
}
