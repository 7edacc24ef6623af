/* SPDX-License-Identifier: MIT
 * cache.c - a folder of pictures that has not changed since it was encoded: adds-pyramid with the cache and the output of
 * the run before, which is to be left in place. What is made: 2,000 contents, 50 files of each, and a model by mkmodel.
 * usage: cache [PICTURES] */
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../lib/adds.h"
#include "../../lib/stream/record.h"
#include "bench.h"

enum {
	PER_FOLDER = 1000,
	CONTENTS = 2000,
	ROUNDS = 3,
};

static char folder[] = "/tmp/adds-bench-cache-XXXXXX";
static struct adds_error err;

static void
need(int ok, const char *what)
{
	if (!ok)
		bench_stop(what);
}

/* the same picture again and again, with a number behind its end that makes the content another one */
static void
make_pictures(const char *from, long n)
{
	char path[64], *data;
	size_t size;
	long i;

	data = adds_read_file(from, 1 << 20, &size, &err);
	need(data != NULL, err.msg);
	for (i = 0; i < n; i++) {
		FILE *f;

		if (i % PER_FOLDER == 0) {
			snprintf(path, sizeof(path), "p/%03ld", i / PER_FOLDER);
			need(mkdir(path, 0777) == 0, path);
		}
		snprintf(path, sizeof(path), "p/%03ld/%06ld.jpg", i / PER_FOLDER, i);
		need((f = fopen(path, "wb")) && fwrite(data, 1, size, f) == size && fprintf(f, "%ld", i % CONTENTS) > 0 &&
		             fclose(f) == 0,
		     path);
	}
	free(data);
}

/* seconds of a command */
static double
timed(const char *command)
{
	const double start = bench_now();

	need(system(command) == 0, command);
	return bench_now() - start;
}

int
main(int argc, char **argv)
{
	static const char encode[] = "adds-pyramid -q -m model --levels 1 --cache c -o f.adds all.adds";
	const long pictures = argc > 1 ? atol(argv[1]) : 100000;
	char here[4096], picture[4200], name[96];
	struct stat before, after;
	int k;

	need(getcwd(here, sizeof(here)) && mkdtemp(folder) && chdir(folder) == 0 && mkdir("p", 0777) == 0, folder);
	snprintf(picture, sizeof(picture), "%s/tests/data/picture/rgb_420.jpg", here);
	make_pictures(picture, pictures);
	timed("mkmodel model && adds-index -q -o all.adds p");
	snprintf(name, sizeof(name), "unchanged re-run over %ld pictures", pictures);
	fprintf(stderr, "# first run: %.1f s\n", timed(encode));
	need(stat("f.adds", &before) == 0, "no output");
	for (k = 0; k < ROUNDS; k++)
		bench_line(name, "ADDS", timed(encode), "s", "less");
	need(stat("f.adds", &after) == 0 && after.st_ino == before.st_ino && after.st_mtime == before.st_mtime,
	     "the output was not left in place");
	bench_line(name, "limit", 5, "s", "less");
	need(chdir("/") == 0, "/");
	snprintf(picture, sizeof(picture), "rm -rf %s", folder);
	return system(picture) != 0;
}
