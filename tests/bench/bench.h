/* SPDX-License-Identifier: MIT
 *
 * bench.h - what the benches share: clocks, made-up numbers, and the line that a
 * measurement prints (tests/bench/run says what becomes of it).
 */
#ifndef BENCH_H
#define BENCH_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

static inline double
bench_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* the end of a bench that cannot go on; run says which it was */
static inline void
bench_stop(const char *why)
{
	fprintf(stderr, "# stopped: %s\n", *why ? why : "out of memory");
	exit(1);
}

/* seconds of processor time of all threads */
static inline double
bench_cpu(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* the next of a fixed sequence of numbers in [0, 1) */
static inline double
bench_uniform(void)
{
	static uint64_t state = 1;

	state = state * 6364136223846793005u + 1442695040888963407u;
	return (double)(state >> 11) * 0x1p-53;
}

/* most memory that this process (RUSAGE_SELF) or one of its children has held, in MB */
static inline double
bench_peak(int who)
{
	struct rusage r;

	getrusage(who, &r);
	return (double)r.ru_maxrss / 1024;
}

/* the folder for what a bench and its peer make and share; tests/bench/run clears it */
static inline const char *
bench_folder(void)
{
	const char *folder = getenv("BENCH_DIR");

	return folder ? folder : "/tmp";
}

/* better: "more" or "less"; name: the same for all who are compared; by: a library and its version, or NULL */
static inline void
bench_line(const char *name, const char *who, double value, const char *unit, const char *better)
{
	printf("{\"name\":\"%s\",\"who\":\"%s\",\"value\":%.6g,\"unit\":\"%s\",\"better\":\"%s\"}\n",
	       name, who, value, unit, better);
	fflush(stdout);
}

#endif
