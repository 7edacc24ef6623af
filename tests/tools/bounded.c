/* SPDX-License-Identifier: MIT
 * bounded.c - runs a program that must not take much
 *
 * usage: bounded SECONDS MIB PROGRAM [ARGUMENT ...]
 *
 * Its status is that of the program, or 99 with a line on standard output where that died of a signal, took more than
 * SECONDS of processor time or held more than MIB MiB of memory. Under AddressSanitizer, which holds memory of its own, only
 * the rest is looked at. After a minute it is killed. */
#define _DEFAULT_SOURCE /* wait4 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MINUTE = 60,
       BEYOND = 99 };

#ifdef __SANITIZE_ADDRESS__
static const double slower = 10;
static const int counts_memory = 0;
#else
static const double slower = 1;
static const int counts_memory = 1;
#endif

int
main(int argc, char **argv)
{
	const double seconds = argc > 3 ? slower * atof(argv[1]) : 0, mib = argc > 3 ? atof(argv[2]) : 0;
	double took, held;
	struct rusage used;
	int status;
	pid_t pid;

	if (argc < 4)
		return 2;
	if ((pid = fork()) == 0) {
		alarm(MINUTE);
		execvp(argv[3], argv + 3);
		_exit(127);
	}
	if (pid < 0 || wait4(pid, &status, 0, &used) < 0)
		return BEYOND;
	took = (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
	       1e-6 * (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
	held = (double)used.ru_maxrss / 1024;
	if (WIFEXITED(status) && took <= seconds && (held <= mib || !counts_memory))
		return WEXITSTATUS(status);
	printf("%s %d, %.2f s, %.1f MiB\n", WIFEXITED(status) ? "status" : "signal",
	       WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status), took, held);
	return BEYOND;
}
