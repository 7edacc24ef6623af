/* SPDX-License-Identifier: MIT
 * replay.c - runs a fuzz target over files and folders, in TAP: the corpus under make check. Where clang's fuzzer is not at hand
 * it is one, too: it changes the files at random, the same way each time.
 *
 * usage: TARGET [-rN] [-sSECONDS] [-eSEED] [-kFOLDER] FILE|FOLDER ...
 *
 * First each file as it is; then N rounds [0], in each of which one mutant of each file is run, until SECONDS of processor time
 * are used up [no end]. What makes the target crash, or busy for 20 seconds, is kept in FOLDER [/tmp]. */
#include <dirent.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
void __sanitizer_set_death_callback(void (*)(void)) __attribute__((weak));

enum { HANG = 20,
       GROWTH = 256, /* bytes that a mutant may be longer than its file */
       CHANGES = 6 };

struct input {
	char *path;
	uint8_t *data;
	size_t size;
};

static struct input *corpus;
static size_t files;
static uint64_t state = 1;
static const char *keep = "/tmp", *target = "target";
static const uint8_t *running; /* the input that the target has */
static size_t running_size;

/* ---- what was run when it crashed ---- */

static void
keep_input(void)
{
	char path[300];
	FILE *f;

	if (!running)
		return;
	snprintf(path, sizeof(path), "%s/%s-%ld", keep, target, (long)getpid());
	if ((f = fopen(path, "wb")) && fwrite(running, 1, running_size, f) == running_size && fclose(f) == 0)
		printf("# kept: %s\n", path);
	fflush(stdout);
	running = NULL;
}

static void
on_signal(int sig)
{
	keep_input();
	signal(sig, SIG_DFL);
	raise(sig);
}

static void
watch_out(void)
{
	static const int signals[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGALRM };
	size_t i;

	for (i = 0; i < sizeof(signals) / sizeof(*signals); i++)
		if (!__sanitizer_set_death_callback || signals[i] == SIGALRM || signals[i] == SIGABRT)
			signal(signals[i], on_signal);
	if (__sanitizer_set_death_callback)
		__sanitizer_set_death_callback(keep_input);
}

static void
run(const uint8_t *data, size_t size)
{
	running = data;
	running_size = size;
	alarm(HANG);
	LLVMFuzzerTestOneInput(data, size);
	running = NULL;
}

/* ---- mutants ---- */

static size_t
below(size_t n)
{
	uint64_t z = state += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return (size_t)((z ^ z >> 31) % (n ? n : 1));
}

/* a number that programs count wrong, of 1, 2, 4 or 8 bytes, the least or the greatest first */
static void
put_number(uint8_t *p, size_t n)
{
	static const uint64_t numbers[] = { 0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fffffff, 0x80000000u, 0xffffffffu,
		                            0x100000000u, 0x7fffffffffffffffu, 0x8000000000000000u, 0xffffffffffffffffu };
	const uint64_t x = numbers[below(sizeof(numbers) / sizeof(*numbers))];
	const size_t bytes = (size_t)1 << below(4), first = below(2);
	size_t i;

	for (i = 0; i < bytes && i < n; i++)
		p[i] = (uint8_t)(x >> 8 * (first ? bytes - 1 - i : i));
}

/* bytes of a file of the corpus at i, over what is there or between */
static size_t
splice(uint8_t *p, size_t n, size_t room, size_t i)
{
	const struct input *from = &corpus[below(files)];
	const size_t at = below(from->size), left = from->size - at, insert = below(2);
	size_t k = below((left < 64 ? left : 64) + 1);

	if (k > room - (insert ? n : i))
		k = room - (insert ? n : i);
	if (insert)
		memmove(p + i + k, p + i, n - i);
	memcpy(p + i, from->data + at, k);
	return insert ? n + k : i + k > n ? i + k
	                                  : n;
}

/* One change; the length afterwards. */
static size_t
change(uint8_t *p, size_t n, size_t room)
{
	const size_t i = below(n);
	size_t k;

	switch (n ? below(9) : 8) {
	case 0:
		p[i] ^= (uint8_t)(1u << below(8));
		break;
	case 1:
		p[i] = (uint8_t)below(256);
		break;
	case 2:
		p[i] = (uint8_t)(p[i] + 1);
		break;
	case 3:
		p[i] = (uint8_t) "\"\\{}[],:0-9.eE \n\t#'/\xff\xc3"[below(23)];
		break;
	case 4:
		put_number(p + i, n - i);
		break;
	case 5: /* left out */
		k = below(n - i < 32 ? n - i : 32) + 1;
		memmove(p + i, p + i + k, n - i - k);
		return n - k;
	case 6:
		return below(8) ? n : i;
	default:
		return splice(p, n, room, i);
	}
	return n;
}

/* A mutant of each file, in memory of just its size, so that a byte read beyond it is noticed. */
static void
run_mutants(void)
{
	size_t f, n, k;

	for (f = 0; f < files; f++) {
		const size_t room = corpus[f].size + GROWTH;
		uint8_t *p = malloc(room), *exact;

		if (!p)
			exit(1);
		memcpy(p, corpus[f].data, n = corpus[f].size);
		for (k = 1 + below(CHANGES); k; k--)
			n = change(p, n, room);
		if (!(exact = realloc(p, n ? n : 1)))
			exit(1);
		run(exact, n);
		free(exact);
	}
}

/* ---- files ---- */

static void load(const char *path);

static void
load_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	struct input *in;
	struct stat st;

	if (!(corpus = realloc(corpus, (files + 1) * sizeof(*corpus))))
		exit(1);
	in = &corpus[files++];
	in->size = f && fstat(fileno(f), &st) == 0 ? (size_t)st.st_size : 0;
	in->path = strdup(path);
	in->data = malloc(in->size ? in->size : 1);
	if (!f || !in->path || !in->data || fread(in->data, 1, in->size, f) != in->size) {
		printf("not ok 1 - %s cannot be read\n", path);
		exit(1);
	}
	fclose(f);
}

static int
visible(const struct dirent *d)
{
	return d->d_name[0] != '.';
}

static void
load_folder(const char *path)
{
	struct dirent **list;
	char name[4096];
	int i, n = scandir(path, &list, visible, alphasort);

	for (i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "%s/%s", path, list[i]->d_name);
		load(name);
		free(list[i]);
	}
	if (n >= 0)
		free(list);
}

static void
load(const char *path)
{
	struct stat st;

	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		load_folder(path);
	else
		load_file(path);
}

static double
seconds(void)
{
	return (double)clock() / CLOCKS_PER_SEC;
}

int
main(int argc, char **argv)
{
	double most = 0, begin;
	long rounds = 0, done;
	size_t f;
	int i;

	target = strrchr(argv[0], '/') ? strrchr(argv[0], '/') + 1 : argv[0];
	for (i = 1; i < argc; i++)
		if (strncmp(argv[i], "-r", 2) == 0)
			rounds = atol(argv[i] + 2);
		else if (strncmp(argv[i], "-s", 2) == 0)
			most = atof(argv[i] + 2);
		else if (strncmp(argv[i], "-e", 2) == 0)
			state = strtoull(argv[i] + 2, NULL, 10);
		else if (strncmp(argv[i], "-k", 2) == 0)
			keep = argv[i] + 2;
		else
			load(argv[i]);
	watch_out();
	for (f = 0; f < files; f++) {
		run(corpus[f].data, corpus[f].size);
		printf("ok %zu - %s\n", f + 1, corpus[f].path);
		fflush(stdout);
	}
	begin = seconds();
	for (done = 0; done < rounds && !(most > 0 && seconds() - begin > most); done++)
		run_mutants();
	if (rounds)
		printf("ok %zu - %ld mutants of each file\n", f + 1, done);
	printf("1..%zu\n", f + (rounds > 0));
	for (f = 0; f < files; f++) {
		free(corpus[f].path);
		free(corpus[f].data);
	}
	free(corpus);
	return 0;
}
