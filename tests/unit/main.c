/* SPDX-License-Identifier: MIT
 * main.c - all suites of unit tests, or those that are named. suites.h is made
 * by the Makefile from the names of the test_*.c files. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "unit.h"

#define SUITE(name) Suite *name##_suite(void);
#include "suites.h"
#undef SUITE

double
worse(double a, double b)
{
	return isnan(a) || b <= a ? a : b;
}

uint64_t
fnv(uint64_t h, const void *bytes, size_t n)
{
	const unsigned char *s = bytes;

	while (n--)
		h = (h ^ *s++) * 0x100000001b3u;
	return h;
}

uint64_t
fnv_number(uint64_t h, uint32_t x)
{
	const unsigned char s[] = { x & 0xff, x >> 8 & 0xff, x >> 16 & 0xff, x >> 24 };

	return fnv(h, s, sizeof(s));
}

void
check_close(const char *what, const float *got, const float *want, size_t n, double rtol, double atol)
{
	double worst = -1, most = 0;
	size_t i, at = 0;

	for (i = 0; i < n; i++) {
		const double d = fabs((double)got[i] - (double)want[i]);
		const double excess = d - (atol + rtol * fabs((double)want[i]));

		most = worse(most, d);
		if (!isnan(worst) && !(excess <= worst)) {
			worst = excess;
			at = i;
		}
	}
	if (getenv("UNIT_VERBOSE"))
		printf("# %s: largest error %.3g over %zu values\n", what, most, n);
	if (n && !(worst <= 0))
		ck_abort_msg("%s: element %zu of %zu is %.9g, want %.9g", what, at, n, (double)got[at], (double)want[at]);
}

const char *
shared_data(const char *path, const char *what)
{
	static char full[4096];
	const char *dir = getenv("ADDS_DATA");

	snprintf(full, sizeof(full), "%s/%s", dir ? dir : "../../shared/data", path);
	if (access(full, R_OK) == 0)
		return full;
	printf("# SKIP %s: '%s' is not there\n", what, full);
	fflush(stdout);
	return NULL;
}

const char *
tree(const char *path)
{
	static char full[4096];

	snprintf(full, sizeof(full), "../%s", path);
	return full;
}

size_t
resident(size_t *of_files)
{
	FILE *f = fopen("/proc/self/statm", "r");
	unsigned long size, pages = 0, shared = 0;
	int n = 0;

	if (f) {
		n = fscanf(f, "%lu %lu %lu", &size, &pages, &shared);
		fclose(f);
	}
	if (of_files)
		*of_files = n == 3 ? shared * (size_t)sysconf(_SC_PAGESIZE) : 0;
	return n == 3 ? pages * (size_t)sysconf(_SC_PAGESIZE) : 0;
}

static char folder[64];

const char *
scratch(void)
{
	return folder;
}

static int
wanted(const char *name, int argc, char **argv)
{
	int i;

	for (i = 1; i < argc; i++)
		if (strcmp(argv[i], name) == 0)
			return 1;
	return argc == 1;
}

int
main(int argc, char **argv)
{
	SRunner *r = srunner_create(NULL);
	char command[128];
	int failed;

	snprintf(folder, sizeof(folder), "/tmp/adds-unit-XXXXXX");
	if (!mkdtemp(folder))
		return 1;
#define SUITE(name) \
	if (wanted(#name, argc, argv)) \
		srunner_add_suite(r, name##_suite());
#include "suites.h"
#undef SUITE
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	if (system(command))
		return 1;
	return failed ? 1 : 0;
}
