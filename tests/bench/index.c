/* SPDX-License-Identifier: MIT
 * index.c - adds-index against a C loop that opens and reads the same label
 * files, and a COCO instances file of 450 MB.
 * usage: index [FILES [MEGABYTES]]   adds-index is found in $BUILD, or in $PATH */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

enum {
	PER_FOLDER = 1000,
	ROUNDS = 5,
};

static char root[] = "/tmp/adds-bench-index-XXXXXX";

static void
stop(const char *what)
{
	fprintf(stderr, "index: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* seconds of processor time of us (who RUSAGE_SELF) or of the programs we ran */
static double
processor(int who)
{
	struct rusage r;

	getrusage(who, &r);
	return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) + 1e-6 * (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec);
}

static FILE *
create(const char *path)
{
	FILE *f = fopen(path, "w");

	if (!f)
		stop(path);
	return f;
}

static const char *const shapes[] = { "circle", "square", "triangle", "star", "heart", "ring" };
static const char *const colours[] = { "red", "blue", "green", "pink" };

/* one nested label file, as people write them */
static void
write_labels(const char *path, unsigned i)
{
	FILE *f = create(path);
	unsigned k;

	fputc('{', f);
	for (k = 0; k < 3; k++)
		fprintf(f, "%s\"%s\": [\"%s %s\", \"%s %s\"]", k ? ", " : "", shapes[(i + k) % 6], colours[i / 6 % 4],
		        shapes[(i + k) % 6], colours[(i / 6 + k + 1) % 4], shapes[(i + k) % 6]);
	fputs("}\n", f);
	fclose(f);
}

static void
write_vocabulary(void)
{
	char path[128];
	unsigned s, c;
	FILE *f;

	snprintf(path, sizeof(path), "%s/pictures/organized_Tags.json", root);
	f = create(path);
	for (s = 0; s < 6; s++) {
		fprintf(f, "%s\"%s\": [", s ? ", " : "{", shapes[s]);
		for (c = 0; c < 4; c++)
			fprintf(f, "%s\"%s %s\"", c ? ", " : "", colours[c], shapes[s]);
		fputc(']', f);
	}
	fputs("}\n", f);
	fclose(f);
}

static void
write_folder(unsigned files)
{
	char path[128];
	unsigned i;

	snprintf(path, sizeof(path), "%s/pictures", root);
	if (mkdir(path, 0777) < 0)
		stop(path);
	write_vocabulary();
	for (i = 0; i < files; i++) {
		const int n = snprintf(path, sizeof(path), "%s/pictures/%03u", root, i / PER_FOLDER);

		if (i % PER_FOLDER == 0 && mkdir(path, 0777) < 0)
			stop(path);
		snprintf(path + n, sizeof(path) - (size_t)n, "/%06u.jpg", i);
		fclose(create(path));
		snprintf(path + n, sizeof(path) - (size_t)n, "/%06u.json", i);
		write_labels(path, i);
	}
}

/* the loop: open, read to the end, close */
static double
loop(unsigned files)
{
	static char buffer[65536];
	const double start = bench_now();
	char path[128];
	unsigned i;

	for (i = 0; i < files; i++) {
		int fd;

		snprintf(path, sizeof(path), "%s/pictures/%03u/%06u.json", root, i / PER_FOLDER, i);
		fd = open(path, O_RDONLY);
		if (fd < 0)
			stop(path);
		while (read(fd, buffer, sizeof(buffer)) > 0)
			continue;
		close(fd);
	}
	return bench_now() - start;
}

/* runs adds-index; seconds, and its peak memory in *kilobytes */
static double
run(char *const *argv, long *kilobytes)
{
	const double start = bench_now();
	struct rusage after;
	int status;
	pid_t child;

	if ((child = fork()) < 0)
		stop("fork");
	if (child == 0) {
		execvp(argv[0], argv);
		_exit(127);
	}
	if (waitpid(child, &status, 0) < 0 || status != 0) {
		fprintf(stderr, "index: '%s' failed\n", argv[0]);
		exit(1);
	}
	getrusage(RUSAGE_CHILDREN, &after);
	*kilobytes = after.ru_maxrss;
	return bench_now() - start;
}

static double
least(double a, double b)
{
	return a < b ? a : b;
}

static void
compare(char *program, unsigned files)
{
	char out[128], pictures[128], name[64];
	char *const argv[] = { program, "-q", "-o", out, pictures, NULL };
	double best_loop = 1e9, best = 1e9, loop_cpu = 1e9, cpu = 1e9, before;
	long kilobytes;
	int i;

	snprintf(out, sizeof(out), "%s/out.adds", root);
	snprintf(pictures, sizeof(pictures), "%s/pictures", root);
	write_folder(files);
	for (i = 0; i < ROUNDS; i++) {
		before = processor(RUSAGE_SELF);
		best_loop = least(best_loop, loop(files));
		loop_cpu = least(loop_cpu, processor(RUSAGE_SELF) - before);
		before = processor(RUSAGE_CHILDREN);
		best = least(best, run(argv, &kilobytes));
		cpu = least(cpu, processor(RUSAGE_CHILDREN) - before);
	}
	snprintf(name, sizeof(name), "index of %u files with labels", files);
	bench_line(name, "ADDS", best, "s", "less");
	bench_line(name, "a C loop", best_loop, "s", "less");
	fprintf(stderr,
	        "# processor time: the loop %.3f s, adds-index %.3f s; its memory %.1f MB\n",
	        loop_cpu, cpu, (double)kilobytes / 1024);
}

/* instances JSON of about that many bytes, with polygons as COCO has them */
static void
write_coco(const char *path, size_t bytes)
{
	FILE *f = create(path);
	size_t images = bytes / 3360, i, k; /* bytes of one with its seven annotations */
	uint64_t x = 1;

	fputs("{\"info\": {\"year\": 2017}, \"licenses\": [], \"images\": [", f);
	for (i = 0; i < images; i++)
		fprintf(f,
		        "%s{\"license\": 3,\"file_name\": \"%012zu.jpg\",\"height\": 427,\"width\": 640,\"id\": %zu}",
		        i ? "," : "", i, i);
	fputs("],\"annotations\": [", f);
	for (i = 0; i < 7 * images; i++) {
		fprintf(f, "%s{\"segmentation\": [[", i ? "," : "");
		for (k = 0; k < 54; k++) {
			x = x * 6364136223846793005u + 1442695040888963407u;
			fprintf(f, "%s%.2f", k ? "," : "", (double)(x >> 33) / 1e7);
		}
		fprintf(f,
		        "]],\"area\": 1234.5,\"iscrowd\": 0,\"image_id\": %zu,"
		        "\"bbox\": [1.5,2,3,4],\"category_id\": %zu,\"id\": %zu}",
		        i / 7, (size_t)(x >> 40) % 80 + 1, i);
	}
	fputs("],\"categories\": [", f);
	for (i = 1; i <= 80; i++)
		fprintf(f, "%s{\"supercategory\": \"thing\",\"id\": %zu,\"name\": \"category %zu\"}", i > 1 ? "," : "", i, i);
	fputs("]}", f);
	fclose(f);
}

static void
scan(char *program, size_t megabytes)
{
	char out[128], coco[128], folder[128], picture[160], name[64];
	char *const argv[] = { program, "-q", "-o", out, "--labels", coco, folder, NULL };
	struct stat st;
	long kilobytes;
	double t, cpu;

	snprintf(out, sizeof(out), "%s/coco.adds", root);
	snprintf(coco, sizeof(coco), "%s/coco.json", root);
	snprintf(folder, sizeof(folder), "%s/coco", root);
	snprintf(picture, sizeof(picture), "%s/000000000000.jpg", folder);
	write_coco(coco, megabytes << 20);
	if (mkdir(folder, 0777) < 0 || stat(coco, &st) < 0)
		stop(folder);
	fclose(create(picture));
	cpu = processor(RUSAGE_CHILDREN);
	t = run(argv, &kilobytes);
	cpu = processor(RUSAGE_CHILDREN) - cpu;
	fprintf(stderr, "# processor time: %.2f s\n", cpu);
	snprintf(name, sizeof(name), "COCO file of %.0f MB, seconds", (double)st.st_size / 1048576);
	bench_line(name, "ADDS", t, "s", "less");
	bench_line(name, "limit", 10, "s", "less");
	snprintf(name, sizeof(name), "COCO file of %.0f MB, memory", (double)st.st_size / 1048576);
	bench_line(name, "ADDS", (double)kilobytes / 1024, "MB", "less");
	bench_line(name, "limit", 1000, "MB", "less");
}

int
main(int argc, char **argv)
{
	const unsigned files = argc > 1 ? (unsigned)atoi(argv[1]) : 100000;
	const size_t megabytes = argc > 2 ? (size_t)atoi(argv[2]) : 450;
	const char *build = getenv("BUILD");
	char program[4096], command[64];

	snprintf(program, sizeof(program), "%s%sadds-index", build ? build : "", build ? "/" : "");
	if (!mkdtemp(root))
		stop(root);
	compare(program, files);
	scan(program, megabytes);
	snprintf(command, sizeof(command), "rm -rf %s", root);
	return system(command) != 0;
}
