/* SPDX-License-Identifier: MIT
 * test_schedule.c - learning rates over a run */
#include "../../lib/train/schedule.h"
#include "unit.h"

/* PyTorch 1.13, OneCycleLR(max_lr=1, pct_start=.2) */
START_TEST(one_cycle_is_pytorchs)
{
	static const double want10[] = { 0.04, 1.0, 0.961939918, 0.853553976, 0.691342951,
		                         0.500002, 0.308661049, 0.146450024, 0.0380640815, 4e-06 };
	static const struct {
		int64_t step;
		double want;
	} of100[] = { { 0, 0.04 },
		      { 1, 0.0465465744 },
		      { 7, 0.327186196 },
		      { 10, 0.559638086 },
		      { 11, 0.637833034 },
		      { 20, 0.99961452 },
		      { 98, 0.000389480338 },
		      { 99, 4e-06 } };
	struct adds_schedule s = { ADDS_SCHEDULE_ONE_CYCLE, 10, 0.2 };
	size_t i;

	for (i = 0; i < 10; i++)
		ck_assert_double_eq_tol(adds_schedule_at(&s, (int64_t)i), want10[i], 1e-9);
	s.steps = 100;
	for (i = 0; i < sizeof(of100) / sizeof(*of100); i++)
		ck_assert_double_eq_tol(adds_schedule_at(&s, of100[i].step), of100[i].want, 1e-9);
}
END_TEST

START_TEST(short_runs_have_a_rate_above_zero)
{
	struct adds_schedule s = { ADDS_SCHEDULE_ONE_CYCLE, 1, 0.2 };
	int64_t i;

	for (s.steps = 1; s.steps < 12; s.steps++)
		for (i = 0; i < s.steps; i++) {
			const double x = adds_schedule_at(&s, i);

			ck_assert(x > 0 && x <= 1);
		}
}
END_TEST

START_TEST(constant_warms_up_from_zero)
{
	const struct adds_schedule s = { ADDS_SCHEDULE_CONSTANT, 1000, 100 };

	ck_assert_double_eq(adds_schedule_at(&s, 0), 0);
	ck_assert_double_eq_tol(adds_schedule_at(&s, 25), 0.25, 1e-12);
	ck_assert_double_eq(adds_schedule_at(&s, 100), 1);
	ck_assert_double_eq(adds_schedule_at(&s, 999), 1);
}
END_TEST

START_TEST(cosine_falls_to_zero)
{
	const struct adds_schedule s = { ADDS_SCHEDULE_COSINE, 110, 10 };

	ck_assert_double_eq_tol(adds_schedule_at(&s, 5), 0.5, 1e-12);
	ck_assert_double_eq_tol(adds_schedule_at(&s, 10), 1, 1e-12);
	ck_assert_double_eq_tol(adds_schedule_at(&s, 60), 0.5, 1e-12);
	ck_assert_double_eq_tol(adds_schedule_at(&s, 110), 0, 1e-12);
}
END_TEST

Suite *schedule_suite(void);

Suite *
schedule_suite(void)
{
	Suite *s = suite_create("schedule");
	TCase *c = tcase_create("schedule");

	tcase_add_test(c, one_cycle_is_pytorchs);
	tcase_add_test(c, short_runs_have_a_rate_above_zero);
	tcase_add_test(c, constant_warms_up_from_zero);
	tcase_add_test(c, cosine_falls_to_zero);
	suite_add_tcase(s, c);
	return s;
}
