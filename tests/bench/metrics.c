/* SPDX-License-Identifier: MIT
 * metrics.c - mAP and thresholds of a score matrix. Prints one line of JSON for
 * each; tests/bench/peers/metrics.py measures scikit-learn on such a matrix.
 * usage: metrics [PICTURES [LABELS [THREADS]]] */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "../../lib/metric/metrics.h"
#include "../../lib/score/threshold.h"

static struct adds_error err;

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void
need(int ok)
{
	if (ok)
		return;
	fprintf(stderr, "metrics: %s\n", *err.msg ? err.msg : "out of memory");
	exit(1);
}

static double
processor(void)
{
	return (double)clock() / CLOCKS_PER_SEC;
}

static double
uniform(void)
{
	static uint64_t state = 1;

	state = state * 6364136223846793005u + 1442695040888963407u;
	return (double)(state >> 11) * 0x1p-53;
}

/* three of a hundred cells are positive, and score higher */
static void
fill(struct adds_scores *s)
{
	const int64_t cells = s->n * s->L;
	int64_t i;

	need((s->scores = malloc((size_t)cells * sizeof(*s->scores))) && (s->targets = malloc((size_t)cells)));
	for (i = 0; i < cells; i++) {
		s->targets[i] = uniform() < 0.03;
		s->scores[i] = (float)(uniform() + uniform() + uniform() - 1.5 + (s->targets[i] ? 0.7 : 0));
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

static void
print(const char *what, const struct adds_scores *s, int threads, double seconds, double cpu, double value)
{
	struct rusage r;

	getrusage(RUSAGE_SELF, &r);
	printf("{\"bench\":\"%s\",\"labels\":%lld,\"memory_per_score_byte\":%.3f,\"pictures\":%lld,\"processor\":%.3f,\"seconds\":%.3f,\"threads\":%d,\"value\":%.6f}\n",
	       what, (long long)s->L, 1024 * (double)r.ru_maxrss / (4 * (double)(s->n * s->L)), (long long)s->n, cpu, seconds, threads, value);
	fflush(stdout);
}

int
main(int argc, char **argv)
{
	const int threads = argc > 3 ? atoi(argv[3]) : 2;
	struct adds_scores s = { 0 };
	struct adds_thresholds t;
	double mean, start, began, cpu = INFINITY, best = INFINITY;
	int round;

	s.n = argc > 1 ? atoll(argv[1]) : 100000;
	s.L = argc > 2 ? atoll(argv[2]) : 1000;
	s.header.checkpoint = "none";
	s.header.labels = numbered(s.L);
	fill(&s);
	for (round = 0; round < 3; round++) {
		start = now();
		began = processor();
		need(adds_mean_ap(&mean, NULL, NULL, s.scores, s.targets, NULL, s.n, s.L, 1, ADDS_AP_STEP, threads, &err) >= 0);
		best = fmin(best, now() - start);
		cpu = fmin(cpu, processor() - began);
	}
	print("mAP", &s, threads, best, cpu, mean);
	for (best = cpu = INFINITY, round = 0; round < 3; round++) {
		start = now();
		began = processor();
		need(adds_thresholds_fit(&t, &s, ADDS_FIT_F1, 0, 5, threads, &err) == 0);
		best = fmin(best, now() - start);
		cpu = fmin(cpu, processor() - began);
		mean = t.global.f1;
		adds_thresholds_release(&t);
	}
	print("thresholds", &s, threads, best, cpu, mean);
	adds_vocab_free(s.header.labels);
	free(s.scores);
	free(s.targets);
	return 0;
}
