/* SPDX-License-Identifier: MIT
 * test_curve.c - precision over recall against worked examples and scikit-learn */
#include <math.h>

#include "../../lib/metric/curve.h"
#include "unit.h"

enum { STEPS = ADDS_CURVE_STEPS };

/* one label; in order: .9+ .8- .8+ .5+ .1-, and an unknown cell */
static const float tied[] = { 0.8f, 0.9f, 7.0f, 0.8f, 0.1f, 0.5f };
static const int8_t tied_y[] = { 0, 1, -1, 1, 0, 1 };

START_TEST(worked_example)
{
	struct adds_curve c;
	struct adds_error err;
	int k;

	ck_assert_int_eq(adds_curve_make(&c, tied, tied_y, NULL, 6, 1, 1, &err), 0);
	ck_assert_int_eq(c.labels, 1);
	ck_assert_int_eq(c.cells, 5);
	ck_assert_int_eq(c.positives, 3);
	/* recall 1/3 at .9 with precision 1, 2/3 at .8 with 2/3, 1 at .5 with 3/4; 66/200 is below 1/3, 133/200 below 2/3 */
	for (k = 0; k <= STEPS; k++) {
		const double want = k <= 66 ? 1 : k <= 133 ? 2.0 / 3
		                                           : 0.75;

		ck_assert_double_eq_tol(c.micro[k], want, 1e-15);
		ck_assert_double_eq_tol(c.macro[k], want, 0x1p-32);
	}
}
END_TEST

/* two labels, three pictures: all cells in one ranking are + - + - - +, the labels + + - and - - + */
START_TEST(all_cells_and_the_mean_of_labels)
{
	const float s[] = { 9, 8, 7, 5, 6, 1 };
	const int8_t y[] = { 1, 0, 1, 0, 0, 1 };
	struct adds_curve c;
	struct adds_error err;

	ck_assert_int_eq(adds_curve_make(&c, s, y, NULL, 3, 2, 2, &err), 0);
	ck_assert_double_eq_tol(c.micro[0], 1, 1e-15);
	ck_assert_double_eq_tol(c.micro[66], 1, 1e-15);        /* recall 1/3 */
	ck_assert_double_eq_tol(c.micro[67], 2.0 / 3, 1e-15);  /* 2/3: two of three */
	ck_assert_double_eq_tol(c.micro[134], 3.0 / 6, 1e-15); /* 1: three of six */
	ck_assert_double_eq_tol(c.macro[0], (1 + 1.0 / 3) / 2, 0x1p-32);
	ck_assert_double_eq_tol(c.macro[STEPS], (1 + 1.0 / 3) / 2, 0x1p-32);
}
END_TEST

START_TEST(labels_without_a_curve)
{
	const float s[] = { 9, 8, 7, 5, 6, 1 };
	const int8_t y[] = { 1, 0, 1, 0, 0, -1 };
	const uint8_t measured[] = { 0, 1 };
	struct adds_curve c;
	struct adds_error err;

	/* the second has no positive: neither it nor its cells count */
	ck_assert_int_eq(adds_curve_make(&c, s, y, NULL, 3, 2, 1, &err), 0);
	ck_assert_int_eq(c.labels, 1);
	ck_assert_int_eq(c.cells, 3);
	ck_assert_double_eq_tol(c.micro[STEPS], 1, 1e-15);
	/* and the first is not measured: nothing is left */
	ck_assert_int_eq(adds_curve_make(&c, s, y, measured, 3, 2, 1, &err), 0);
	ck_assert_int_eq(c.labels, 0);
	ck_assert(c.micro[0] == 0 && c.macro[STEPS] == 0);
	ck_assert_int_eq(adds_curve_make(&c, s, y, NULL, 0, 2, 1, &err), 0);
	ck_assert_int_eq(c.labels, 0);
}
END_TEST

enum { N = 331,
       L = 23 };

static float scores[N * L];
static int8_t targets[N * L];

/* the cells of tests/gen/curve.py */
static void
fill(void)
{
	uint32_t s = 7;
	int i;

	for (i = 0; i < N * L; i++) {
		uint32_t r;

		r = s = s * 1664525u + 1013904223u;
		s = s * 1664525u + 1013904223u;
		targets[i] = s >> 24 < 40 ? 1 : s >> 24 < 60 ? -1
		                                             : 0;
		scores[i] = (float)((int)(r >> 22) - 512 + (targets[i] > 0 ? (int)(r % 300) : 0)) / 64;
	}
}

/* printed by tests/gen/curve.py */
static const double sklearn_micro[] = {
	1.000000000000, 1.000000000000, 1.000000000000, 1.000000000000, 0.524663677130, 0.346793349169,
	0.290909090909, 0.258003766478, 0.236935565703, 0.225792630677, 0.220007521625, 0.214285714286,
	0.207765263782, 0.202724358974, 0.199464198734, 0.198910081744, 0.195488721805, 0.193190661479,
	0.191438979964, 0.184740962852, 0.167335818755
};
static const double sklearn_macro[] = {
	0.961352657005, 0.964426877470, 0.951649175412, 0.793677283453, 0.581210912252, 0.427926361105,
	0.329552911367, 0.292306410537, 0.265226489941, 0.246861974030, 0.232021271512, 0.224361866104,
	0.212952951150, 0.207497849035, 0.203395667982, 0.200942735925, 0.198778309119, 0.197237373830,
	0.194385105327, 0.187979161216, 0.179948334608
};

START_TEST(as_scikit_learn_for_any_threads)
{
	struct adds_curve c, one;
	struct adds_error err;
	int k, threads;

	fill();
	for (threads = 1; threads <= 3; threads++) {
		ck_assert_int_eq(adds_curve_make(&c, scores, targets, NULL, N, L, threads, &err), 0);
		one = threads == 1 ? c : one;
		for (k = 0; k <= STEPS; k++) {
			ck_assert(c.micro[k] == one.micro[k] && c.macro[k] == one.macro[k]);
			if (k % 10)
				continue;
			ck_assert_double_eq_tol(c.micro[k], sklearn_micro[k / 10], 1e-11);
			ck_assert_double_eq_tol(c.macro[k], sklearn_macro[k / 10], 0x1p-32);
		}
	}
}
END_TEST

Suite *curve_suite(void);

Suite *
curve_suite(void)
{
	Suite *s = suite_create("curve");
	TCase *c = tcase_create("curve");

	tcase_add_test(c, worked_example);
	tcase_add_test(c, all_cells_and_the_mean_of_labels);
	tcase_add_test(c, labels_without_a_curve);
	tcase_add_test(c, as_scikit_learn_for_any_threads);
	suite_add_tcase(s, c);
	return s;
}
