/* SPDX-License-Identifier: MIT
 * test_sampler.c - Selective Language Supervision, and the random numbers beneath it */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/train/philox.h"
#include "../../lib/train/sampler.h"
#include "unit.h"

enum { L = 200 };

static int64_t
draw(int64_t budget, uint64_t seed, uint64_t step, int positives, int32_t *chosen, float *weight)
{
	struct adds_sampler s;
	struct adds_error err;
	uint8_t positive[L] = { 0 };
	int64_t n;
	int i;

	for (i = 0; i < positives; i++)
		positive[i * 7 % L] = 1;
	ck_assert_int_eq(adds_sampler_init(&s, L, budget, seed, &err), 0);
	n = adds_sampler_draw(&s, step, positive, chosen, weight);
	adds_sampler_release(&s);
	return n;
}

START_TEST(as_many_labels_as_the_rule_says)
{
	static const struct {
		int64_t budget;
		int positives;
		int64_t want;
	} cases[] = { { 50, 10, 50 }, { 10, 10, 20 }, { 1, 0, 1 }, { 10, 150, 200 }, { 1024, 3, 200 }, { 200, 3, 200 } };
	int32_t chosen[L];
	float weight[L];
	size_t c;
	int64_t i;

	for (c = 0; c < sizeof(cases) / sizeof(*cases); c++) {
		const int64_t n = draw(cases[c].budget, 1, 2, cases[c].positives, chosen, weight);
		int64_t ones = 0;

		ck_assert_int_eq(n, cases[c].want);
		for (i = 1; i < n; i++)
			ck_assert_int_lt(chosen[i - 1], chosen[i]);
		for (i = 0; i < n; i++)
			ones += weight[i] == 1;
		ck_assert_int_ge(ones, n == L ? L : cases[c].positives);
	}
}
END_TEST

START_TEST(positives_are_always_there_and_weigh_one)
{
	int32_t chosen[L];
	float weight[L];
	const int64_t n = draw(40, 3, 9, 12, chosen, weight);
	int64_t i, found = 0;

	for (i = 0; i < n; i++) {
		const int is_positive = chosen[i] % 7 == 0 && chosen[i] < 12 * 7;

		found += is_positive;
		ck_assert_float_eq(weight[i], is_positive ? 1 : (float)(188.0 / 28.0));
	}
	ck_assert_int_eq(found, 12);
}
END_TEST

/* over many steps each negative is drawn as often as another, so that the weighted sum is that of all labels */
START_TEST(the_expected_loss_is_the_full_one)
{
	double seen[L] = { 0 };
	int32_t chosen[L];
	float weight[L];
	uint64_t step;
	int64_t i, n;

	for (step = 0; step < 4000; step++) {
		n = draw(40, 5, step, 10, chosen, weight);
		for (i = 0; i < n; i++)
			seen[chosen[i]] += weight[i];
	}
	/* a mean of 4,000 draws of weight 190/30 with chance 30/190: deviation .037 */
	for (i = 0; i < L; i++)
		ck_assert_double_eq_tol(seen[i] / 4000, 1, 0.16);
}
END_TEST

START_TEST(a_draw_depends_on_seed_and_step_alone)
{
	int32_t a[L], b[L];
	float wa[L], wb[L];

	draw(40, 7, 11, 5, a, wa);
	draw(40, 7, 11, 5, b, wb);
	ck_assert_mem_eq(a, b, 40 * sizeof(*a));
	draw(40, 7, 12, 5, b, wb);
	ck_assert_mem_ne(a, b, 40 * sizeof(*a));
	draw(40, 8, 11, 5, b, wb);
	ck_assert_mem_ne(a, b, 40 * sizeof(*a));
}
END_TEST

START_TEST(orders_are_permutations_and_differ)
{
	int64_t a[1000], b[1000], i, same = 0;
	char seen[1000] = { 0 };

	adds_philox_order(a, 1000, 1, 0);
	adds_philox_order(b, 1000, 1, 1);
	for (i = 0; i < 1000; i++) {
		ck_assert_int_eq(seen[a[i]]++, 0);
		same += a[i] == b[i];
	}
	ck_assert_int_lt(same, 12);
}
END_TEST

START_TEST(numbers_stay_below_their_bound)
{
	uint64_t i, x, low = 0;

	for (i = 0; i < 3000; i++) {
		x = adds_philox_below(UINT64_MAX / 3 * 2, 1, i, 0, ADDS_RANDOM_LABELS);
		ck_assert_uint_lt(x, UINT64_MAX / 3 * 2);
		low += x < UINT64_MAX / 3;
		ck_assert_uint_eq(adds_philox_below(1, 1, i, 0, ADDS_RANDOM_LABELS), 0);
		ck_assert_uint_lt(adds_philox_below(3, 1, i, 0, ADDS_RANDOM_LABELS), 3);
	}
	ck_assert(low > 1390 && low < 1610); /* four deviations about a half */
}
END_TEST

Suite *sampler_suite(void);

Suite *
sampler_suite(void)
{
	Suite *s = suite_create("sampler");
	TCase *c = tcase_create("sampler");

	tcase_add_test(c, as_many_labels_as_the_rule_says);
	tcase_add_test(c, positives_are_always_there_and_weigh_one);
	tcase_add_test(c, the_expected_loss_is_the_full_one);
	tcase_add_test(c, a_draw_depends_on_seed_and_step_alone);
	tcase_add_test(c, orders_are_permutations_and_differ);
	tcase_add_test(c, numbers_stay_below_their_bound);
	suite_add_tcase(s, c);
	return s;
}
