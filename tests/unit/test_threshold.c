/* SPDX-License-Identifier: MIT
 * test_threshold.c - decisions, thresholds and tags against plain loops over
 * random scores with ties and unknown cells; thresholds files */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/metric/counts.h"
#include "../../lib/score/tags.h"
#include "../../lib/score/threshold.h"
#include "unit.h"

enum { N = 211,
       L = 9 };

static const char names[] = "a\nb\nc\nd\ne\nf\ng\nh\ni\n";
static float scores[N * L];
static int8_t targets[N * L];
static struct adds_error err;

/* eighths, so that many tie; label 0 has no positive, label 1 two */
static struct adds_scores
fill(uint32_t s)
{
	struct adds_scores x = { 0 };
	int i;

	for (i = 0; i < N * L; i++) {
		const int j = i % L, rare = j == 0 || (j == 1 && i / L != 7 && i / L != 90);

		s = s * 1664525u + 1013904223u;
		scores[i] = (float)((int)(s >> 26) - 32) / 8;
		s = s * 1664525u + 1013904223u;
		targets[i] = (s >> 24) < 60 ? -1 : (s >> 24) < 130 && !rare ? 1
		                                                            : 0;
		if (targets[i] == 1)
			scores[i] += 2;
	}
	targets[7 * L + 1] = targets[90 * L + 1] = 1;
	x.header.kind = ADDS_SCORE_LOGIT;
	x.header.calibrated = 1;
	x.header.checkpoint = "digest";
	x.header.labels = adds_vocab_parse(names, strlen(names), "names", &err);
	x.n = N;
	x.L = L;
	x.scores = scores;
	x.targets = targets;
	return x;
}

/* decisions of one label, or of all (-1), at a threshold */
static struct adds_counts
plain_counts(int label, double cut)
{
	struct adds_counts c = { 0, 0, 0, 0 };
	int i;

	for (i = 0; i < N * L; i++) {
		if (targets[i] < 0 || (label >= 0 && i % L != label))
			continue;
		if (scores[i] >= cut)
			*(targets[i] ? &c.tp : &c.fp) += 1;
		else
			*(targets[i] ? &c.fn : &c.tn) += 1;
	}
	return c;
}

static double
worth(enum adds_fit_method method, double target, const struct adds_counts *c)
{
	const double p = (double)c->tp / (double)(c->tp + c->fp), r = (double)c->tp / (double)(c->tp + c->fn);

	if (!c->tp)
		return -INFINITY;
	switch (method) {
	case ADDS_FIT_PRECISION:
		return p >= target ? r : -INFINITY;
	case ADDS_FIT_RECALL:
		return r >= target ? p : -INFINITY;
	case ADDS_FIT_BALANCE:
		return -fabs(p - r);
	default:
		return 2 * p * r / (p + r);
	}
}

/* the best that any threshold can do, tried between all eighths */
static double
plain_best(enum adds_fit_method method, double target, int label)
{
	double best = -INFINITY, cut;

	for (cut = -8 + 1.0 / 16; cut < 8; cut += 0.125) {
		const struct adds_counts c = plain_counts(label, cut);

		best = fmax(best, worth(method, target, &c));
	}
	return best;
}

static void
check_cut(const struct adds_cut *cut, enum adds_fit_method method, double target, int label)
{
	const struct adds_counts c = plain_counts(label, (float)cut->threshold);
	const double best = plain_best(method, target, label);

	ck_assert_double_eq_tol(worth(method, target, &c), best, 1e-12);
	ck_assert_double_eq_tol(cut->precision, (double)c.tp / (double)(c.tp + c.fp), 1e-12);
	ck_assert_double_eq_tol(cut->recall, (double)c.tp / (double)(c.tp + c.fn), 1e-12);
	ck_assert_int_eq(cut->positives, c.tp + c.fn);
}

START_TEST(no_threshold_is_better)
{
	static const enum adds_fit_method methods[] = { ADDS_FIT_F1, ADDS_FIT_PRECISION, ADDS_FIT_RECALL, ADDS_FIT_BALANCE };
	uint32_t seed;
	size_t m;
	int j;

	for (seed = 1; seed < 12; seed++)
		for (m = 0; m < sizeof(methods) / sizeof(*methods); m++) {
			const double target = methods[m] == ADDS_FIT_PRECISION ? 0.6 : 0.8;
			struct adds_scores s = fill(seed);
			struct adds_thresholds t;

			ck_assert_int_eq(adds_thresholds_fit(&t, &s, methods[m], target, 3, 1 + (int)(seed % 3), &err), 0);
			check_cut(&t.global, methods[m], target, -1);
			for (j = 0; j < L; j++) {
				ck_assert_int_eq(t.cut[j].fallback, j < 2);
				if (t.cut[j].fallback)
					ck_assert(t.cut[j].threshold == t.global.threshold);
				else
					check_cut(&t.cut[j], methods[m], target, j);
			}
			ck_assert_int_eq(t.cut[0].positives, 0);
			ck_assert_int_eq(t.cut[1].positives, 2);
			adds_thresholds_release(&t);
			adds_vocab_free(s.header.labels);
		}
}
END_TEST

START_TEST(a_target_out_of_reach_is_never_met)
{
	struct adds_scores s = fill(3);
	struct adds_thresholds t, back;
	char path[128], *text;
	float cut[L];
	FILE *f;
	int i;

	for (i = 0; i < N * L; i++)
		scores[i] = 1;
	ck_assert_int_eq(adds_thresholds_fit(&t, &s, ADDS_FIT_PRECISION, 0.99, 3, 1, &err), 0);
	ck_assert(isinf(t.global.threshold));
	snprintf(path, sizeof(path), "%s/never.json", scratch());
	ck_assert_ptr_nonnull(text = adds_thresholds_print(&t, &err));
	ck_assert_ptr_nonnull(f = fopen(path, "w"));
	fputs(text, f);
	fclose(f);
	ck_assert_int_eq(adds_thresholds_read(&back, path, &err), 0);
	ck_assert_int_eq(adds_thresholds_for(cut, &back, &s.header, 0, &err), 0);
	ck_assert(isinf(cut[4]) && cut[4] > 0);
	free(text);
	adds_thresholds_release(&t);
	adds_thresholds_release(&back);
	adds_vocab_free(s.header.labels);
}
END_TEST

START_TEST(a_file_holds_the_same_bits)
{
	struct adds_scores s = fill(5);
	struct adds_thresholds t, back;
	char path[128], *text, *again;
	float a[L], b[L];
	FILE *f;

	ck_assert_int_eq(adds_thresholds_fit(&t, &s, ADDS_FIT_F1, 0, 3, 2, &err), 0);
	snprintf(path, sizeof(path), "%s/same.json", scratch());
	ck_assert_ptr_nonnull(text = adds_thresholds_print(&t, &err));
	ck_assert_ptr_nonnull(f = fopen(path, "w"));
	fputs(text, f);
	fclose(f);
	ck_assert_int_eq(adds_thresholds_read(&back, path, &err), 0);
	ck_assert_ptr_nonnull(again = adds_thresholds_print(&back, &err));
	ck_assert_str_eq(text, again);
	ck_assert_int_eq(adds_thresholds_for(a, &t, &s.header, 0, &err), 0);
	ck_assert_int_eq(adds_thresholds_for(b, &back, &s.header, 0, &err), 0);
	ck_assert_mem_eq(a, b, sizeof(a));
	s.header.checkpoint = "other";
	ck_assert_int_eq(adds_thresholds_for(b, &back, &s.header, 0, &err), ADDS_EMISMATCH);
	ck_assert_int_eq(adds_thresholds_for(b, &back, &s.header, 1, &err), 0);
	ck_assert(b[3] == (float)t.global.threshold);
	s.header.kind = ADDS_SCORE_SIMILARITY;
	ck_assert_int_eq(adds_thresholds_for(b, &back, &s.header, 1, &err), ADDS_EMISMATCH);
	free(text);
	free(again);
	adds_thresholds_release(&t);
	adds_thresholds_release(&back);
	adds_vocab_free(s.header.labels);
}
END_TEST

/* every cut and many changed bytes of a good file are read or refused, never more */
START_TEST(a_broken_file_is_refused)
{
	struct adds_scores s = fill(5);
	struct adds_thresholds t, back;
	char path[128], *text;
	size_t n, i, good = 0;
	FILE *f;

	ck_assert_int_eq(adds_thresholds_fit(&t, &s, ADDS_FIT_F1, 0, 3, 2, &err), 0);
	snprintf(path, sizeof(path), "%s/broken.json", scratch());
	ck_assert_ptr_nonnull(text = adds_thresholds_print(&t, &err));
	n = strlen(text);
	for (i = 0; i < 2 * n; i++) {
		ck_assert_ptr_nonnull(f = fopen(path, "w"));
		if (i >= n)
			text[i - n] ^= 0x11;
		fwrite(text, 1, i < n ? i : n, f);
		if (i >= n)
			text[i - n] ^= 0x11;
		fclose(f);
		if (adds_thresholds_read(&back, path, &err) == 0)
			good++;
		ck_assert(i >= n || good == 0);
		adds_thresholds_release(&back);
	}
	free(text);
	adds_thresholds_release(&t);
	adds_vocab_free(s.header.labels);
}
END_TEST

/* the labels before label j in its picture's order */
static int
plain_rank(const float *s, const int8_t *y, int j)
{
	int i, before = 0;

	for (i = 0; i < L; i++)
		before += (!y || y[i] >= 0) && (s[i] > s[j] || (s[i] == s[j] && i < j));
	return before;
}

START_TEST(counts_are_those_of_plain_loops)
{
	struct adds_scores s = fill(8);
	struct adds_counts cut[L] = { { 0 } }, top[L] = { { 0 } }, want[L] = { { 0 } };
	float at[L];
	int i, j;

	for (j = 0; j < L; j++)
		at[j] = (float)j / 4 - 1;
	adds_count_cut(cut, scores, targets, N, L, at);
	for (j = 0; j < L; j++) {
		const struct adds_counts c = plain_counts(j, at[j]);

		ck_assert_mem_eq(&cut[j], &c, sizeof(c));
	}
	ck_assert_int_eq(adds_count_top(top, scores, targets, NULL, N, L, 3, 0.5f, 3, &err), 0);
	for (i = 0; i < N * L; i++) {
		const float *row = scores + i / L * L;
		const int8_t *y = targets + i / L * L;

		j = i % L;
		if (y[j] < 0)
			continue;
		if (plain_rank(row, y, j) < 3 && row[j] >= 0.5f)
			*(y[j] ? &want[j].tp : &want[j].fp) += 1;
		else
			*(y[j] ? &want[j].fn : &want[j].tn) += 1;
	}
	ck_assert_mem_eq(top, want, sizeof(top));
	adds_vocab_free(s.header.labels);
}
END_TEST

START_TEST(means_by_hand)
{
	/* P, R: 1/2 and 1; 0 (never said) and 0; no positive: left out of the means, not of the sums */
	const struct adds_counts c[3] = { { 2, 2, 0, 4 }, { 0, 0, 3, 5 }, { 0, 1, 0, 7 } };
	struct adds_prf p;

	adds_prf(&p, c, NULL, 3);
	ck_assert_double_eq_tol(p.cp, 0.25, 1e-15);
	ck_assert_double_eq_tol(p.cr, 0.5, 1e-15);
	ck_assert_double_eq_tol(p.cf1, 2 * 0.25 * 0.5 / 0.75, 1e-15);
	ck_assert_double_eq_tol(p.macro_f1, (4.0 / 6 + 0) / 2, 1e-15);
	ck_assert_double_eq_tol(p.op, 2.0 / 5, 1e-15);
	ck_assert_double_eq_tol(p.or_, 2.0 / 5, 1e-15);
	ck_assert_double_eq_tol(p.accuracy, 18.0 / 24, 1e-15);
}
END_TEST

START_TEST(tags_are_those_of_plain_loops)
{
	struct adds_scores s = fill(9);
	uint8_t excluded[L] = { 0, 0, 1, 0, 0, 0, 0, 1, 0 };
	int32_t rows[L];
	int64_t room[2 * L], n;
	float cut[L];
	int r, j, k;

	for (j = 0; j < L; j++)
		cut[j] = (float)j / 4 - 1;
	for (r = 0; r < N; r++) {
		const float *row = scores + r * L;
		struct adds_tag_rule rule = { cut, r % 4, 0, r % 2 ? excluded : NULL, 1 };

		n = adds_tags_pick(rows, room, row, s.header.labels, &rule);
		for (j = k = 0; j < L; j++)
			k += row[j] >= cut[j] && !(rule.excluded && rule.excluded[j]);
		ck_assert_int_eq(n, rule.top && k > rule.top ? rule.top : k);
		for (k = 0; k < n; k++) {
			ck_assert(row[rows[k]] >= cut[rows[k]] && !(rule.excluded && rule.excluded[rows[k]]));
			ck_assert(k == 0 || plain_rank(row, NULL, rows[k - 1]) < plain_rank(row, NULL, rows[k]));
		}
	}
	adds_vocab_free(s.header.labels);
}
END_TEST

START_TEST(the_last_bit_of_a_score_ranks)
{
	struct adds_scores s = fill(9);
	float row[L] = { -1, -1, 0, 0, 0, 0, 0, 0, 0 };
	struct adds_tag_rule rule = { NULL, 3, 0, NULL, 0 };
	int32_t rows[L];
	int64_t room[2 * L];

	row[4] = 2;
	row[6] = nextafterf(2, 3);
	row[8] = nextafterf(row[6], 3);
	ck_assert_int_eq(adds_tags_pick(rows, room, row, s.header.labels, &rule), 3);
	ck_assert_int_eq(rows[0], 8);
	ck_assert_int_eq(rows[1], 6);
	ck_assert_int_eq(rows[2], 4);
	rule.top = 0;
	rule.mcut = 1;
	ck_assert_int_eq(adds_tags_pick(rows, room, row, s.header.labels, &rule), 3);
	adds_vocab_free(s.header.labels);
}
END_TEST

Suite *threshold_suite(void);

Suite *
threshold_suite(void)
{
	Suite *s = suite_create("threshold");
	TCase *c = tcase_create("threshold");

	tcase_set_timeout(c, 60);
	tcase_add_test(c, no_threshold_is_better);
	tcase_add_test(c, a_target_out_of_reach_is_never_met);
	tcase_add_test(c, a_file_holds_the_same_bits);
	tcase_add_test(c, a_broken_file_is_refused);
	tcase_add_test(c, counts_are_those_of_plain_loops);
	tcase_add_test(c, means_by_hand);
	tcase_add_test(c, tags_are_those_of_plain_loops);
	tcase_add_test(c, the_last_bit_of_a_score_ranks);
	suite_add_tcase(s, c);
	return s;
}
