/* SPDX-License-Identifier: MIT
 * memory.c - the most memory that each filter holds, with a tenth of the records and with all of them: it is to be the same.
 * A million index records through adds-cat, 100,000 small pictures through adds-pyramid (a model made by mkmodel), their
 * features through adds-eval, the scores through adds-threshold. And what adds-pyramid holds with a ViT-B/32, of which it may
 * hold the weights, a tenth more, and the buffers that it states. usage: memory [PICTURES [RECORDS]] */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../lib/adds.h"
#include "../../lib/stream/record.h"
#include "bench.h"

static char folder[] = "/tmp/adds-bench-memory-XXXXXX";

/* runs a command in the folder; the most memory that one of its programs held, in MB */
static double
run(const char *format, ...)
{
	char command[1024], text[32];
	int ends[2], status;
	va_list ap;
	ssize_t n;
	pid_t child;

	va_start(ap, format);
	vsnprintf(command, sizeof(command), format, ap);
	va_end(ap);
	if (pipe(ends) < 0 || (child = fork()) < 0)
		bench_stop("cannot start a process");
	if (child == 0) { /* a process of its own, whose children are these programs alone */
		const int rc = system(command);
		const int len = snprintf(text, sizeof(text), "%.6f", bench_peak(RUSAGE_CHILDREN));

		_exit(rc != 0 || write(ends[1], text, (size_t)len) != len);
	}
	close(ends[1]);
	n = read(ends[0], text, sizeof(text) - 1);
	close(ends[0]);
	if (waitpid(child, &status, 0) < 0 || status != 0 || n <= 0)
		bench_stop(command);
	text[n] = '\0';
	return atof(text);
}

/* of all and of a tenth: no more than a twentieth and two megabytes above */
static void
report(const char *what, double tenth, double all)
{
	char name[128];

	snprintf(name, sizeof(name), "most memory: %s", what);
	bench_line(name, "ADDS", all, "MB", "less");
	bench_line(name, "a tenth of the records", tenth, "MB", "less");
	bench_line(name, "limit", 1.05 * tenth + 2, "MB", "less");
}

static void
check(int failed, const struct adds_error *err)
{
	if (failed)
		bench_stop(err->msg);
}

/* an index of n records that names the same few pictures again and again */
static void
write_index(const char *path, long n)
{
	struct adds_error err;
	struct adds_writer *w = adds_writer_open(path, NULL, &err);
	struct adds_message *m = adds_message_new();
	const int64_t one = 1, labels = 8;
	int32_t pos;
	long i;

	check(!w || !m || adds_message_set_string(m, "record", "header", &err) < 0 ||
	              adds_message_set_number(m, "format", 1, &err) < 0 ||
	              adds_message_set_string(m, "kind", "index", &err) < 0 ||
	              adds_message_add(m, "labels", ADDS_U8, 1, &labels, "cat\0dog", &err) < 0 ||
	              adds_writer_header(w, m, &err) < 0,
	      &err);
	adds_message_free(m);
	for (i = 0; i < n; i++) {
		char name[64];
		const int64_t len = snprintf(name, sizeof(name), "p/%04ld.jpg", i % 1000);

		pos = (int32_t)(i % 2);
		m = adds_message_new();
		check(!m || adds_message_set_string(m, "record", "picture", &err) < 0 ||
		              adds_message_add(m, "path", ADDS_U8, 1, &len, name, &err) < 0 ||
		              adds_message_add(m, "pos", ADDS_I32, 1, &one, &pos, &err) < 0 || adds_writer_write(w, m, &err) < 0,
		      &err);
		adds_message_free(m);
	}
	check(adds_writer_finish(w, NULL, &err) < 0, &err);
}

static void
make_pictures(const char *from)
{
	run("mkdir p && i=0 && while [ $i -lt 1000 ]; do ln -s '%s' p/$(printf %%04d $i).jpg; i=$((i + 1)); done", from);
}

/* the number of megabytes behind a text in what -v said */
static double
stated(const char *said, const char *behind)
{
	const char *at = strstr(said, behind);

	if (!at)
		bench_stop(behind);
	return atof(at + strlen(behind));
}

static void
tower(void)
{
	static const char name[] = "memory of adds-pyramid, ViT-B/32 f32";
	struct adds_error err;
	struct stat st;
	double held, limit;
	size_t n;
	char *said;

	run("mkmodel --shape b32 --towers image b32");
	write_index("few.adds", 96);
	held = run("adds-pyramid -v -m b32 --precision f32 --device cpu --levels 1 -o few.f few.adds 2>said");
	said = adds_read_file("said", 1 << 20, &n, &err);
	check(!said || stat("b32/open_clip_model.safetensors", &st) < 0, &err);
	limit = 1.1e-6 * (double)st.st_size + stated(said, "tiles at once, in ") + stated(said, "packed for products: ");
	bench_line(name, "ADDS", held, "MB", "less");
	bench_line(name, "limit", limit, "MB", "less");
	free(said);
}

int
main(int argc, char **argv)
{
	const long pictures = argc > 1 ? atol(argv[1]) : 100000, records = argc > 2 ? atol(argv[2]) : 1000000;
	char here[4096], picture[4200];
	double at[2];
	int k;

	if (!getcwd(here, sizeof(here)) || !mkdtemp(folder) || chdir(folder) < 0)
		bench_stop(folder);
	snprintf(picture, sizeof(picture), "%s/tests/data/picture/rgb_420.jpg", here);
	make_pictures(picture);
	run("mkmodel model && printf 'cat\\ndog\\n' >words.txt && adds-encode-text -m model -o labels.adds words.txt");
	for (k = 0; k < 2; k++) {
		write_index("long.adds", k ? records : records / 10);
		at[k] = run(
			"adds-cat -o copy.adds long.adds && adds-cat --verify copy.adds >verified && adds-cat --jsonl copy.adds >/dev/null");
	}
	report("adds-cat, copied, verified, as text", at[0], at[1]);
	write_index("all.adds", pictures);
	write_index("tenth.adds", pictures / 10);
	at[0] = run("adds-pyramid -q -m model --levels 1 -o tenth.f tenth.adds");
	at[1] = run("adds-pyramid -q -m model --levels 1 -o all.f all.adds");
	report("adds-pyramid", at[0], at[1]);
	at[0] = run("adds-eval -q -t labels.adds --zero-shot --no-metrics -o tenth.s tenth.f");
	at[1] = run("adds-eval -q -t labels.adds --zero-shot --no-metrics -o all.s all.f");
	report("adds-eval, scores alone", at[0], at[1]);
	at[0] = run(
		"adds-threshold -q -o tenth.json tenth.s && adds-threshold --apply tenth.json --format jsonl tenth.s >/dev/null");
	at[0] = run("adds-threshold -q --apply tenth.json --format jsonl tenth.s >tags");
	at[1] = run("adds-threshold -q --apply tenth.json --format jsonl all.s >tags");
	report("adds-threshold --apply", at[0], at[1]);
	tower();
	chdir("/");
	run("rm -rf %s", folder);
	return 0;
}
