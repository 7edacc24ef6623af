/* SPDX-License-Identifier: MIT
 * cmd.c - messages, terminals, exit status */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "../lib/stream/output.h"
#include "cmd.h"

int cmd_quiet, cmd_verbose;
void (*cmd_at_end)(int status);

static const char *name = "adds";
static double started, last_progress;
static int progress_shown;

void cmd_opt_name(const char *name); /* opt.c */

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* the wrong way round: no file gets the number of a closed descriptor, and what is read or written through it fails */
static void
open_standard_descriptors(void)
{
	int fd;

	for (fd = 0; fd < 3; fd++)
		if (fcntl(fd, F_GETFD) < 0)
			open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY);
}

void
cmd_init(const char *program)
{
	struct sigaction dfl;
	sigset_t set;

	name = program;
	cmd_opt_name(program);
	open_standard_descriptors();
	memset(&dfl, 0, sizeof(dfl));
	dfl.sa_handler = SIG_DFL;
	sigaction(SIGPIPE, &dfl, NULL);
	sigemptyset(&set);
	sigaddset(&set, SIGPIPE);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	started = now();
}

void
cmd_wait_briefly(char **argv)
{
	char self[4096];
	ssize_t n;

	if (getenv("GOMP_SPINCOUNT") || getenv("OMP_WAIT_POLICY"))
		return;
	n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	if (n <= 0 || n >= (ssize_t)sizeof(self) - 1 || setenv("GOMP_SPINCOUNT", "1000", 1) != 0)
		return;
	self[n] = '\0';
	execv(self, argv); /* without it the program is slower, not wrong */
}

void
cmd_call(const char *other)
{
	name = other;
}

double
cmd_seconds(void)
{
	return now() - started;
}

__attribute__((noreturn)) static void
end(int status)
{
	if (status != CMD_DONE)
		adds_output_abandon();
	if (cmd_at_end)
		cmd_at_end(status);
	exit(status);
}

static void
message(const char *fmt, va_list ap)
{
	char text[2048];
	char *s;

	cmd_progress_end();
	fflush(stdout);
	vsnprintf(text, sizeof(text), fmt, ap);
	for (s = text; *s; s++)
		if (((unsigned char)*s < 0x20 && *s != '\n') || *s == 0x7f)
			*s = '?';
	fprintf(stderr, "%s: %s\n", name, text);
}

void
die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (cmd_quiet < 2)
		message(fmt, ap);
	va_end(ap);
	end(CMD_FAILED);
}

void
fault(const char *fmt, ...)
{
	va_list ap;

	if (cmd_quiet > 1)
		return;
	va_start(ap, fmt);
	message(fmt, ap);
	va_end(ap);
}

void
usage(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	message(fmt, ap);
	va_end(ap);
	fprintf(stderr, "%s: '%s --help' lists the options\n", name, name);
	end(CMD_USAGE);
}

void
warn(const char *fmt, ...)
{
	va_list ap;

	if (cmd_quiet)
		return;
	va_start(ap, fmt);
	message(fmt, ap);
	va_end(ap);
}

void
cmd_warn_lines(const char *lines)
{
	while (lines && *lines) {
		const size_t n = strcspn(lines, "\n");

		warn("%.*s", (int)n, lines);
		lines += n + (lines[n] == '\n');
	}
}

void
say(const char *fmt, ...)
{
	va_list ap;

	if (!cmd_verbose)
		return;
	va_start(ap, fmt);
	message(fmt, ap);
	va_end(ap);
}

const char *
cmd_input(const char *path)
{
	if (strcmp(path, "-") == 0 && isatty(STDIN_FILENO))
		die("standard input is a terminal: name a file, or pipe a stream into %s", name);
	return path;
}

const char *
cmd_output(const char *path)
{
	if (strcmp(path, "-") == 0 && isatty(STDOUT_FILENO))
		die("standard output is a terminal: use -o FILE, or pipe it into another program");
	return path;
}

const char *
cmd_model(const char *given)
{
	const char *path = given ? given : getenv("ADDS_MODEL");

	if (!path || !*path)
		usage("no model: name its folder with -m, or in the variable ADDS_MODEL");
	return path;
}

static int
progress_wanted(void)
{
	static int wanted = -1;
	struct stat st;

	if (wanted < 0)
		wanted = !cmd_quiet && isatty(STDERR_FILENO) &&
		         !(fstat(STDOUT_FILENO, &st) == 0 && S_ISFIFO(st.st_mode));
	return wanted;
}

void
cmd_progress(const char *fmt, ...)
{
	const double t = now();
	va_list ap;

	if (!progress_wanted() || t - last_progress < 0.16)
		return;
	last_progress = t;
	progress_shown = 1;
	fprintf(stderr, "\r%s: ", name);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputs("\033[K", stderr);
	fflush(stderr);
}

void
cmd_progress_end(void)
{
	if (!progress_shown)
		return;
	progress_shown = 0;
	fputs("\r\033[K", stderr);
	fflush(stderr);
}

void
cmd_cost(uint64_t records, const char *noun)
{
	const double s = cmd_seconds();
	struct rusage r;

	getrusage(RUSAGE_SELF, &r);
	say("%llu %.*s in %.2f s, %.1f/s, %.2f s of processor time, %.1f MB at most", (unsigned long long)records,
	    (int)(strlen(noun) - (records == 1)), noun, s,
	    s > 0 ? (double)records / s : 0,
	    (double)r.ru_utime.tv_sec + 1e-6 * (double)r.ru_utime.tv_usec + (double)r.ru_stime.tv_sec +
	            1e-6 * (double)r.ru_stime.tv_usec,
	    (double)r.ru_maxrss / 1024);
}

void
cmd_exit(int status)
{
	cmd_progress_end();
	if (fflush(stdout) || ferror(stdout) || (fclose(stdout) && errno != EBADF)) {
		if (cmd_quiet < 2)
			fprintf(stderr, "%s: <stdout>: cannot write: %s\n", name, strerror(errno));
		end(CMD_FAILED);
	}
	end(status);
}

void *
cmd_alloc(size_t n, size_t size)
{
	void *p = calloc(n ? n : 1, size ? size : 1);

	if (!p)
		die("out of memory");
	return p;
}
