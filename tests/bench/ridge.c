/* SPDX-License-Identifier: MIT
 * ridge.c - learning a label-kernel ridge, beside what its own matrix products
 * would take at the rate that such products reach alone ("ceiling"), its memory,
 * and eight epochs of the DM-decoder on the same features. The features and
 * targets are left in $BENCH_DIR, where tests/bench/peers/ridge.py learns from them.
 * usage: ridge [PICTURES [TILES [LABELS [WIDTH]]]]; at 100000 5 1000 512 it takes about half an hour */
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "../../lib/ridge/ridge.h"
#include "bench.h"

enum { PER_PICTURE = 3,
       ROUNDS = 5,
       SPAN = 2 << 20, /* tokens × labels of a product, as in the fit */
       SOME = 160 };

static struct adds_error err;

static void
need(int ok)
{
	if (!ok)
		bench_stop(err.msg);
}

/* ---- the work ---- */

struct world {
	int64_t n, tiles, L, D;
	float *tokens, *texts; /* [n·tiles, D], [L, D] */
	int8_t *targets;       /* [n, L] */
	uint8_t *may;
	int64_t *at;
	struct adds_vocab *names;
};

static void
unit_row(float *x, int64_t D)
{
	double sum = 0;
	int64_t j;

	for (j = 0; j < D; j++)
		sum += (double)x[j] * (double)x[j];
	for (j = 0; j < D; j++)
		x[j] = (float)((double)x[j] / sqrt(sum));
}

static void
noise(float *x, int64_t D)
{
	int64_t j;

	for (j = 0; j < D; j++)
		x[j] = (float)(bench_uniform() + bench_uniform() - 1);
}

/* a picture shows some labels, each on one of its tiles; what they look like is near to their texts */
static void
make_picture(struct world *w, const float *looks, int64_t i)
{
	float *rows = w->tokens + i * w->tiles * w->D;
	int64_t r, j;
	int s;

	for (r = 0; r < w->tiles; r++)
		noise(rows + r * w->D, w->D);
	for (s = 0; s < PER_PICTURE; s++) {
		const int64_t k = (int64_t)(bench_uniform() * (double)w->L), tile = (int64_t)(bench_uniform() * (double)w->tiles);

		w->targets[i * w->L + k] = 1;
		for (j = 0; j < w->D; j++)
			rows[tile * w->D + j] += (float)sqrt((double)w->D) * 0.2f * looks[k * w->D + j];
	}
	for (r = 0; r < w->tiles; r++)
		unit_row(rows + r * w->D, w->D);
}

static void
make_world(struct world *w)
{
	float *looks = malloc((size_t)(w->L * w->D) * sizeof(float));
	char name[32];
	int64_t i, j;

	w->tokens = malloc((size_t)(w->n * w->tiles * w->D) * sizeof(float));
	w->texts = malloc((size_t)(w->L * w->D) * sizeof(float));
	w->targets = calloc((size_t)(w->n * w->L), 1);
	w->may = malloc((size_t)w->L);
	w->at = malloc((size_t)(w->n + 1) * sizeof(*w->at));
	need(looks && w->tokens && w->texts && w->targets && w->may && w->at && (w->names = adds_vocab_new()));
	for (i = 0; i < w->L; i++) {
		noise(looks + i * w->D, w->D);
		unit_row(looks + i * w->D, w->D);
		noise(w->texts + i * w->D, w->D);
		unit_row(w->texts + i * w->D, w->D);
		for (j = 0; j < w->D; j++)
			w->texts[i * w->D + j] += looks[i * w->D + j];
		unit_row(w->texts + i * w->D, w->D);
		w->may[i] = 1;
		snprintf(name, sizeof(name), "label%lld", (long long)i);
		need(adds_vocab_add(w->names, name, strlen(name), &err) >= 0);
	}
	for (i = 0; i <= w->n; i++)
		w->at[i] = i * w->tiles;
	for (i = 0; i < w->n; i++)
		make_picture(w, looks, i);
	free(looks);
}

/* tiles 0: two dimensions */
static void
write_array(const char *file, const char *type, size_t size, const void *data, int64_t rows, int64_t tiles, int64_t cols)
{
	const size_t cells = (size_t)(rows * (tiles ? tiles : 1) * cols);
	char path[4096], head[128], shape[64];
	FILE *f;
	int n;

	if (tiles)
		snprintf(shape, sizeof(shape), "%lld, %lld, %lld", (long long)rows, (long long)tiles, (long long)cols);
	else
		snprintf(shape, sizeof(shape), "%lld, %lld", (long long)rows, (long long)cols);
	snprintf(path, sizeof(path), "%s/%s", bench_folder(), file);
	memset(head, ' ', sizeof(head));
	memcpy(head, "\x93NUMPY\1\0\x76", 10);
	n = snprintf(head + 10, sizeof(head) - 10, "{'descr': '%s', 'fortran_order': False, 'shape': (%s), }", type, shape);
	head[10 + n] = ' ';
	head[127] = '\n';
	need((f = fopen(path, "wb")) && fwrite(head, 1, sizeof(head), f) == sizeof(head) &&
	     fwrite(data, size, cells, f) == cells && fclose(f) == 0);
}

/* ---- counting ---- */

static struct backend_ops counting;
static int (*product)(struct backend *b, const struct gemm_job *jobs, int64_t n, enum precision prec, struct adds_error *err);
static double operations, in_products;

static int
count(struct backend *b, const struct gemm_job *jobs, int64_t n, enum precision prec, struct adds_error *e)
{
	const double start = bench_now();
	int64_t i;
	int rc;

	for (i = 0; i < n; i++)
		operations += 2.0 * (double)jobs[i].c.rows * (double)jobs[i].c.cols *
		              (double)(jobs[i].ta ? jobs[i].a.rows : jobs[i].a.cols);
	rc = product(b, jobs, n, prec, e);
	in_products += bench_now() - start;
	return rc;
}

static double
processor(void)
{
	return (double)clock() / CLOCKS_PER_SEC;
}

/* a span of tokens by the labels, and back */
static void
there_and_back(struct backend *b, struct mat v, struct mat w, struct mat g)
{
	struct gemm_job jobs[2] = { { .tb = 1, .alpha = 1 }, { .ta = 1, .alpha = 1e-3f } };

	jobs[0].a = jobs[1].b = v;
	jobs[0].b = jobs[1].c = w;
	jobs[0].c = jobs[1].a = g;
	need(product(b, &jobs[0], 1, PREC_F32, &err) == 0 && product(b, &jobs[1], 1, PREC_F32, &err) == 0);
}

/* operations a second of such products alone, as many tokens at a time as the fit takes: by the clock, and of processor time */
static void
rate(struct backend *b, struct mat v, int64_t labels, double *by_clock, double *of_processor)
{
	const int64_t most = v.rows < 50000 ? v.rows : 50000, span = SPAN / labels < most ? SPAN / labels : most;
	struct mat w = mat_of(NULL, DT_F32, labels, v.cols), g = mat_of(NULL, DT_F32, span, labels);
	const double work = 4.0 * (double)(most / span * span) * (double)labels * (double)v.cols;
	double best = INFINITY, least = INFINITY, start, began;
	int64_t at;
	int i;

	need(b->ops->alloc(b, &w.p, (size_t)(w.rows * w.cols) * 4, &err) == 0 &&
	     b->ops->alloc(b, &g.p, (size_t)(g.rows * g.cols) * 4, &err) == 0);
	for (i = 0; i < ROUNDS; i++) {
		need(b->ops->fill(b, w, 0.1f, &err) == 0);
		start = bench_now();
		began = processor();
		for (at = 0; at + span <= most; at += span)
			there_and_back(b, mat_part(v, at, span, 0, v.cols), w, g);
		need(b->ops->sync(b, &err) == 0);
		best = fmin(best, bench_now() - start);
		least = fmin(least, processor() - began);
	}
	b->ops->release(b, w.p);
	b->ops->release(b, g.p);
	*by_clock = work / best;
	*of_processor = work / least;
}

/* ---- ridge and decoder ---- */

static char name[128];

static void
learn(struct world *w, struct backend *b)
{
	const struct adds_ridge_options o = { 0, 10000, 512, 0, b->threads, NULL };
	struct adds_ridge_data data = { .pictures = { w->n, w->at },
		                        .labels = w->L,
		                        .texts = w->texts,
		                        .targets = w->targets,
		                        .may = w->may,
		                        .beta = 100 };
	struct mat v = mat_of(NULL, DT_F32, w->n * w->tiles, w->D);
	struct adds_ridge *m;
	char text[512];
	double peak, peak_processor, seconds, spent;

	need(b->ops->alloc(b, &v.p, (size_t)(v.rows * v.cols) * 4, &err) == 0 &&
	     b->ops->put(b, v.p, w->tokens, (size_t)(v.rows * v.cols) * 4, &err) == 0);
	free(w->tokens);
	w->tokens = NULL;
	counting = *b->ops;
	product = counting.gemm;
	rate(b, v, w->L, &peak, &peak_processor);
	counting.gemm = count;
	b->ops = &counting;
	data.tokens = v;
	seconds = -bench_now();
	spent = -processor();
	need(adds_ridge_train(&m, b, &data, w->names, &o, &err) == 0 && m);
	seconds += bench_now();
	spent += processor();
	adds_ridge_summary(m, text, sizeof(text));
	printf("# %s; last fit %d steps; %.3g operations, alone %.4g s at %.3g a second, %.4g s in products\n",
	       text, m->steps, operations, operations / peak, peak, in_products);
	bench_line(name, "ADDS", seconds, "s", "less");
	bench_line(name, "ceiling", operations / peak, "s", "less");
	snprintf(text, sizeof(text), "processor of %s", name);
	bench_line(text, "ADDS", spent, "s", "less");
	bench_line(text, "ceiling", operations / peak_processor, "s", "less");
	adds_ridge_free(m);
	b->ops->release(b, v.p);
}

/* one epoch of the first pictures, of eight epochs of all */
static void
train_decoder(const struct world *w)
{
	char command[8192];
	const char *dir = bench_folder();
	double start;

	snprintf(
		command, sizeof(command),
		"cd '%s' && seq %lld >paths && seq %lld >names && adds-cat --import features --npy x.npy --paths paths --labels names --targets y.npy "
		"--model-name bench -o all.adds && adds-cat --rows 0:%d -o f.adds all.adds && adds-cat --import labels --npy t.npy --labels names --model-name bench -o l.adds",
		dir, (long long)w->n, (long long)w->L, SOME);
	if (system(command) != 0)
		return;
	snprintf(
		command, sizeof(command),
		"cd '%s' && rm -rf run && adds-train -q --method decoder --epochs 1 --val-split 0 -t l.adds -o run f.adds",
		dir);
	start = bench_now();
	if (system(command) == 0)
		bench_line(name, "ADDS decoder", 8.0 * (double)w->n / SOME * (bench_now() - start), "s", "less");
}

int
main(int argc, char **argv)
{
	struct world w = { .n = argc > 1 ? atoll(argv[1]) : 2000,
		           .tiles = argc > 2 ? atoll(argv[2]) : 5,
		           .L = argc > 3 ? atoll(argv[3]) : 100,
		           .D = argc > 4 ? atoll(argv[4]) : 512 };
	struct backend *b;
	const int small = w.n >= SOME && w.n * w.tiles <= 20000;

	snprintf(name, sizeof(name), "learning %lld x %lld x %lld D%lld", (long long)w.n,
	         (long long)w.tiles, (long long)w.L, (long long)w.D);
	need((b = backend_open("cpu", 0, NULL, 0, &err)) != NULL);
	make_world(&w);
	if (small) {
		write_array("x.npy", "<f4", 4, w.tokens, w.n, w.tiles, w.D);
		write_array("t.npy", "<f4", 4, w.texts, w.L, 0, w.D);
		write_array("y.npy", "|i1", 1, w.targets, w.n, 0, w.L);
	}
	learn(&w, b);
	bench_line("memory of learning", "ADDS", bench_peak(RUSAGE_SELF), "MB", "less");
	bench_line("memory of learning", "limit", 8192, "MB", "less");
	if (small)
		train_decoder(&w);
	backend_close(b);
	adds_vocab_free(w.names);
	free(w.texts);
	free(w.targets);
	free(w.may);
	free(w.at);
	return 0;
}
