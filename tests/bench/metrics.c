/* SPDX-License-Identifier: MIT
 *
 * metrics.c - average precision of every label and thresholds, fitted to a
 * score matrix; the most memory that both needed, beside twice the scores.
 *
 * usage: metrics [PICTURES [LABELS [THREADS]]]
 */
#include <math.h>
#include <string.h>

#include "../../lib/metric/metrics.h"
#include "../../lib/score/threshold.h"
#include "bench.h"

static struct adds_error err;

static void
need(int ok)
{
	if (!ok)
		bench_stop(err.msg);
}

/* three of a hundred cells are positive, and score higher */
static void
fill(struct adds_scores *s)
{
	const int64_t cells = s->n * s->L;
	int64_t i;

	need((s->scores = malloc((size_t)cells * sizeof(*s->scores))) && (s->targets = malloc((size_t)cells)));
	for (i = 0; i < cells; i++) {
		s->targets[i] = bench_uniform() < 0.03;
		s->scores[i] = (float)(bench_uniform() + bench_uniform() + bench_uniform() - 1.5 + (s->targets[i] ? 0.7 : 0));
	}
}

static struct adds_vocab *
numbered(int64_t n)
{
	struct adds_vocab *v = adds_vocab_new();
	char name[32];
	int64_t i;

	need(v != NULL);
	for (i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "label%lld", (long long)i);
		need(adds_vocab_add(v, name, strlen(name), &err) >= 0);
	}
	return v;
}

static double
average_precision(const struct adds_scores *s, int threads)
{
	const double start = bench_now();
	double mean;

	need(adds_mean_ap(&mean, NULL, NULL, s->scores, s->targets, NULL, s->n, s->L, 1, ADDS_AP_STEP, threads, &err) >= 0);
	return bench_now() - start;
}

static double
fit(const struct adds_scores *s, int threads)
{
	const double start = bench_now();
	struct adds_thresholds t;

	need(adds_thresholds_fit(&t, s, ADDS_FIT_F1, 0, 5, threads, &err) == 0);
	adds_thresholds_release(&t);
	return bench_now() - start;
}

static void
line(const char *what, const struct adds_scores *s, const char *who, double value, const char *unit)
{
	char name[128];

	snprintf(name, sizeof(name), "%s %lld x %lld", what, (long long)s->n, (long long)s->L);
	bench_line(name, who, value, unit, "less");
}

int
main(int argc, char **argv)
{
	const int threads = argc > 3 ? atoi(argv[3]) : 2;
	struct adds_scores s = { 0 };
	double ap = INFINITY, thresholds = INFINITY;
	int round;

	s.n = argc > 1 ? atoll(argv[1]) : 100000;
	s.L = argc > 2 ? atoll(argv[2]) : 1000;
	s.header.checkpoint = "none";
	s.header.labels = numbered(s.L);
	fill(&s);
	for (round = 0; round < 3; round++) {
		ap = fmin(ap, average_precision(&s, threads));
		thresholds = fmin(thresholds, fit(&s, threads));
	}
	line("average precision", &s, "ADDS", ap, "s");
	line("thresholds", &s, "ADDS", thresholds, "s");
	line("memory of metrics", &s, "ADDS", bench_peak(RUSAGE_SELF), "MB");
	line("memory of metrics", &s, "limit", 2 * 4e-6 * (double)(s.n * s.L) / 1.048576, "MB");
	adds_vocab_free(s.header.labels);
	free(s.scores);
	free(s.targets);
	return 0;
}
