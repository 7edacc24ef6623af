/* SPDX-License-Identifier: MIT
 * test_metrics.c - average precision against worked examples and a plain
 * double-precision sort */
#include <math.h>
#include <stdlib.h>

#include "../../lib/metric/metrics.h"
#include "unit.h"

/* scores with ties: .9+ .8- .8+ .5+ .1- ; unknown in between */
static const float tied[] = { 0.8f, 0.9f, 7.0f, 0.8f, 0.1f, 0.5f };
static const int8_t tied_y[] = { 0, 1, -1, 1, 0, 1 };

START_TEST(worked_example)
{
	struct adds_error err;
	size_t p;

	/* order by index in the tie: + - + + - */
	ck_assert_double_eq_tol(adds_average_precision(tied, tied_y, 6, 1, ADDS_AP_STEP, &p, &err),
	                        (1.0 + 2.0 / 3 + 3.0 / 4) / 3, 1e-15);
	ck_assert_uint_eq(p, 3);
	/* thresholds .9 (R 1/3, P 1), .8 (R 2/3, P 2/3), .5 (R 1, P 3/4): scikit-learn 0.8055555555555556 */
	ck_assert_double_eq_tol(
		adds_average_precision(tied, tied_y, 6, 1, ADDS_AP_SKLEARN, NULL, &err),
		0.8055555555555556, 1e-15);
	/* envelope: 1, 3/4, 3/4 */
	ck_assert_double_eq_tol(adds_average_precision(tied, tied_y, 6, 1, ADDS_AP_VOC, NULL, &err), 2.5 / 3, 1e-15);
}
END_TEST

START_TEST(no_positive_is_not_a_number)
{
	const int8_t y[] = { 0, 0, -1, 0, 0, 0 };
	struct adds_error err;

	ck_assert(isnan(adds_average_precision(tied, y, 6, 1, ADDS_AP_STEP, NULL, &err)));
	ck_assert(isnan(adds_average_precision(tied, y, 0, 1, ADDS_AP_STEP, NULL, &err)));
}
END_TEST

START_TEST(signs_and_zeros_sort)
{
	const float s[] = { -0.0f, 0.0f, -1e-30f, 1e-30f, -INFINITY, INFINITY };
	const int8_t y[] = { 1, 0, 1, 0, 1, 0 };
	struct adds_error err;

	/* inf- 1e-30- -0+ 0- -1e-30+ -inf+ : -0 ties with 0, earlier index first */
	ck_assert_double_eq_tol(adds_average_precision(s, y, 6, 1, ADDS_AP_STEP, NULL, &err),
	                        (1.0 / 3 + 2.0 / 5 + 3.0 / 6) / 3, 1e-15);
}
END_TEST

enum { N = 531,
       L = 37 };

static float scores[N * L];
static int8_t targets[N * L];

static void
fill(void)
{
	uint32_t s = 7;
	int i;

	for (i = 0; i < N * L; i++) {
		s = s * 1664525u + 1013904223u;
		scores[i] = (float)((int)(s >> 22) - 512) / 64;
		s = s * 1664525u + 1013904223u;
		targets[i] = (s >> 24) < 40 ? 1 : (s >> 24) < 60 ? -1
		                                                 : 0;
	}
}

START_TEST(mean_equals_columns_for_any_threads)
{
	double ap[L], want[L], mean, sum = 0;
	int64_t pos[L];
	struct adds_error err;
	int j, threads;

	fill();
	for (j = 0; j < L; j++)
		sum += want[j] = adds_average_precision(scores + j, targets + j, N, L, ADDS_AP_STEP, NULL, &err);
	for (threads = 1; threads <= 3; threads++) {
		ck_assert_int_eq(adds_mean_ap(&mean, ap, pos, scores, targets, NULL, N, L, 0, ADDS_AP_STEP, threads, &err), L);
		for (j = 0; j < L; j++)
			ck_assert(ap[j] == want[j]);
		ck_assert_double_eq_tol(mean, sum / L, 1e-15);
	}
}
END_TEST

enum { MANY = 3000 };

/* how scores may lie, and what of the sorting that asks for */
static float
odd_score(int how, uint32_t r)
{
	switch (how) {
	case 0: /* all octaves, infinities, zeros: too far apart for 31 bits */
		return r % 50 == 0 ? 0 : r % 51 == 0 ? -INFINITY
		                                     : ldexpf(r & 1 ? -1 : 1, (int)(r >> 8) % 250 - 125);
	case 1: /* neighbours, beside a single one far away: the upper bits tell nothing */
		return r % 997 == 0 ? 1e-20f : nextafterf(1, 2) + (float)((r >> 8) % 500) * 0x1p-23f;
	case 2: /* few values */
		return (float)((int)(r >> 8) % 5) - 2;
	default:
		return (float)(int32_t)r * 1e-9f;
	}
}

/* by counting what stands before each positive */
static double
plain_ap(const float *s, const int8_t *y)
{
	double sum = 0;
	int i, j, positives = 0;

	for (i = 0; i < MANY; i++) {
		int before = 1, hits = 1;

		for (j = 0; y[i] > 0 && j < MANY; j++)
			if (y[j] >= 0 && (s[j] > s[i] || (s[j] == s[i] && j < i))) {
				before++;
				hits += y[j];
			}
		sum += y[i] > 0 ? (double)hits / before : 0;
		positives += y[i] > 0;
	}
	return sum / positives;
}

START_TEST(sorted_however_scores_lie)
{
	static float s[MANY];
	static int8_t y[MANY];
	struct adds_error err;
	uint32_t r = 3;
	int how, i;

	for (how = 0; how < 4; how++) {
		for (i = 0; i < MANY; i++) {
			r = r * 1664525u + 1013904223u;
			s[i] = odd_score(how, r);
			r = r * 1664525u + 1013904223u;
			y[i] = (r >> 24) < 40 ? 1 : (r >> 24) < 60 ? -1
			                                           : 0;
		}
		ck_assert_double_eq_tol(adds_average_precision(s, y, MANY, 1, ADDS_AP_STEP, NULL, &err), plain_ap(s, y), 1e-12);
	}
}
END_TEST

START_TEST(labels_are_left_out)
{
	uint8_t measured[L] = { 0 };
	double ap[L], mean;
	struct adds_error err;

	fill();
	measured[3] = measured[5] = 1;
	ck_assert_int_eq(adds_mean_ap(&mean, ap, NULL, scores, targets, measured, N, L, 0, ADDS_AP_STEP, 2, &err), 2);
	ck_assert_double_eq_tol(mean, (ap[3] + ap[5]) / 2, 1e-15);
	ck_assert(isnan(ap[0]));
	ck_assert_int_eq(adds_mean_ap(&mean, ap, NULL, scores, targets, NULL, N, L, N, ADDS_AP_STEP, 2, &err), 0);
	ck_assert(isnan(mean));
}
END_TEST

START_TEST(accuracy_counts_known_cells)
{
	const float z[] = { 2, -2, 0.5f, -3 };
	const int8_t y[] = { 1, 0, 1, -1 };

	ck_assert_double_eq_tol(adds_accuracy(z, y, NULL, 2, 2, 0.6), 1.0, 1e-15);     /* σ(.5) = .622 */
	ck_assert_double_eq_tol(adds_accuracy(z, y, NULL, 2, 2, 0.9), 1.0 / 3, 1e-15); /* σ(2) = .881 */
}
END_TEST

Suite *metrics_suite(void);

Suite *
metrics_suite(void)
{
	Suite *s = suite_create("metrics");
	TCase *c = tcase_create("metrics");

	tcase_add_test(c, worked_example);
	tcase_add_test(c, no_positive_is_not_a_number);
	tcase_add_test(c, signs_and_zeros_sort);
	tcase_add_test(c, mean_equals_columns_for_any_threads);
	tcase_add_test(c, sorted_however_scores_lie);
	tcase_add_test(c, labels_are_left_out);
	tcase_add_test(c, accuracy_counts_known_cells);
	suite_add_tcase(s, c);
	return s;
}
