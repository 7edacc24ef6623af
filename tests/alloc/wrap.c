/* SPDX-License-Identifier: MIT
 *
 * wrap.c - a program in which one allocation after the other fails
 *
 * Linked with -Wl,--wrap=main and --wrap for each function below, a program runs itself many times, each time with another
 * of its own allocations failing: the first, the second, … up to the 200th, then ever fewer of them. Libraries that it is
 * linked with allocate as they like. First it runs undisturbed, which must succeed.
 *
 * A run must then end with status 0, or with 1 and a sentence on standard error that begins with the program's name; what
 * ALLOC_OUTPUT names must hold all that the first run wrote, or as much as there was before (nothing, unless ALLOC_KEEP is set).
 * With ALLOC_ONLY=N it runs once, the N-th allocation failing, for a debugger.
 * The last line on standard output says how many allocations there are and how many were tried; each mistake has a line.
 */
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS */
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { EACH = 200,
       SECONDS = 20 }; /* for one run */

/* shared with the child */
static struct {
	atomic_ulong count; /* allocations so far */
} * shared;
static unsigned long failing; /* which one fails; 0: none */
static char scratch[] = "/tmp/alloc-XXXXXX";

int __real_main(int argc, char **argv);
int __wrap_main(int argc, char **argv);
void *__real_malloc(size_t n);
void *__wrap_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__wrap_realloc(void *p, size_t n);
char *__real_strdup(const char *s);
char *__wrap_strdup(const char *s);
int __real_posix_memalign(void **p, size_t align, size_t n);
int __wrap_posix_memalign(void **p, size_t align, size_t n);

static int
fails(void)
{
	return shared && atomic_fetch_add(&shared->count, 1) + 1 == failing;
}

void *
__wrap_malloc(size_t n)
{
	return fails() ? NULL : __real_malloc(n);
}

void *
__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : __real_calloc(n, size);
}

void *
__wrap_realloc(void *p, size_t n)
{
	return fails() ? NULL : __real_realloc(p, n);
}

char *
__wrap_strdup(const char *s)
{
	return fails() ? NULL : __real_strdup(s);
}

int
__wrap_posix_memalign(void **p, size_t align, size_t n)
{
	return fails() ? 12 /* ENOMEM */ : __real_posix_memalign(p, align, n);
}

/* a file's bytes, or NULL where there is none */
static char *
contents(const char *path, size_t *n)
{
	FILE *f = path ? fopen(path, "rb") : NULL;
	struct stat st;
	char *bytes;

	*n = 0;
	if (!f || fstat(fileno(f), &st) < 0)
		return NULL;
	bytes = __real_malloc((size_t)st.st_size + 1);
	*n = fread(bytes, 1, (size_t)st.st_size, f);
	bytes[*n] = '\0';
	fclose(f);
	return bytes;
}

/* the child's status, as wait says it; what it said is in `scratch` */
static int
run(int argc, char **argv, unsigned long n)
{
	int status;
	pid_t pid;

	atomic_store(&shared->count, 0);
	fflush(stdout);
	if ((pid = fork()) == 0) {
		if (!freopen("/dev/null", "w", stdout) || !freopen(scratch, "w", stderr))
			_exit(99);
		alarm(SECONDS);
		failing = n;
		exit(__real_main(argc, argv));
	}
	waitpid(pid, &status, 0);
	return status;
}

/* Is the output whole, or what it was before? */
static int
output_is_whole(const char *want, size_t nwant, int failed)
{
	const char *path = getenv("ALLOC_OUTPUT");
	size_t n;
	char *now = contents(path, &n);
	const int ok = !path || (now ? n == nwant && memcmp(now, want, n) == 0 : failed);

	free(now);
	return ok;
}

static const char *
judge(int status, const char *name, const char *want, size_t nwant)
{
	static char text[300];
	size_t n;
	char *said = contents(scratch, &n), *line = said ? strrchr(said, '\n') : NULL;

	while (line && line > said && line[-1] != '\n')
		line--;
	snprintf(text, sizeof(text), "%s", line ? line : "nothing");
	free(said);
	if (WIFSIGNALED(status))
		return "dies of a signal";
	if (WEXITSTATUS(status) > 1)
		return "another status than 0 or 1";
	if (WEXITSTATUS(status) && strncmp(text, name, strlen(name)))
		return text;
	return output_is_whole(want, nwant, WEXITSTATUS(status)) ? NULL : "the output is neither whole nor as it was";
}

int
__wrap_main(int argc, char **argv)
{
	const char *name = strrchr(argv[0], '/') ? strrchr(argv[0], '/') + 1 : argv[0], *output = getenv("ALLOC_OUTPUT"), *wrong;
	unsigned long n, total, tried = 0, bad = 0;
	size_t nwant;
	char *want;
	int fd, status;

	if (getenv("ALLOC_ONLY")) {
		shared = calloc(1, sizeof(*shared));
		failing = strtoul(getenv("ALLOC_ONLY"), NULL, 10);
		return __real_main(argc, argv);
	}
	if ((fd = mkstemp(scratch)) < 0)
		return 1;
	close(fd);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	status = run(argc, argv, 0);
	want = contents(output, &nwant);
	total = shared->count;
	if (!WIFEXITED(status) || WEXITSTATUS(status) || (output && !want)) {
		printf("undisturbed, it does not succeed\n");
		unlink(scratch);
		return 1;
	}
	for (n = 1; n <= total; n += n < EACH ? 1 : n / 16) {
		if (output && !getenv("ALLOC_KEEP"))
			unlink(output);
		status = run(argc, argv, n);
		tried++;
		if (!(wrong = judge(status, name, want, nwant)))
			continue;
		bad++;
		printf("allocation %lu: status %x: %s\n", n, (unsigned)status, wrong);
	}
	printf("%lu allocations, %lu tried, %lu wrong\n", total, tried, bad);
	free(want);
	unlink(scratch);
	return bad > 0;
}
