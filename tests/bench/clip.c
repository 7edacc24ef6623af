/* SPDX-License-Identifier: MIT
 *
 * clip.c - pictures a second of the image tower, labels a second of the text
 * tower and, of ViT-B/32, the time to the first embedding; in each precision
 * that the processor has. The ceiling is what the products alone would take
 * (oneDNN, same shapes, each at its best).
 *
 * usage: clip [SHAPE [LABELS [BATCH]]]
 * SHAPE: b32, b16, l14, l14-336, tinyclip-8m (default: b32). BATCH: the larger of two batches. By default
 * about as many rows for every shape, and one thread takes only batch 1 of L/14, as fits into minutes; of
 * L/14-336 a round with 32 takes an hour on two cores. mkmodel is looked for in PATH.
 */
#include <omp.h>
#include <string.h>
#include <unistd.h>

#include "../../kernels/cpu/product.h"
#include "../../lib/clip/clip.h"
#include "bench.h"

static struct {
	const char *shape, *precision_name;
	enum precision precision;
	int threads; /* 0: all */
	char folder[256];
} o = { .shape = "b32", .precision = PREC_F32, .precision_name = "f32" };

static const double SECONDS = 1.5; /* of one measurement at least */

static void
check(int rc, const struct adds_error *err)
{
	if (rc < 0)
		bench_stop(err->msg);
}

/* ---- the ceiling: one product ---- */

/* the best rate of C[m,n] = A[m,k]·B[n,k]ᵀ, in operations a second */
static double
product_rate(struct products *ps, int64_t m, int64_t n, int64_t k)
{
	const int bf16 = o.precision == PREC_BF16;
	const size_t e = bf16 ? 2 : 4;
	void *a = calloc((size_t)(m * k), e), *b = calloc((size_t)(n * k), e), *c = calloc((size_t)(m * n), e);
	struct adds_error err;
	struct product p;
	double best = 1e30, begin = bench_now();
	int i;

	memset(&p, 0, sizeof(p));
	p.m = m, p.n = n, p.k = k;
	p.ai = k, p.aj = 1, p.bi = 1, p.bj = k, p.ci = n;
	p.at = p.bt = p.ct = bf16 ? DT_BF16 : DT_F32;
	p.alpha = 1;
	p.threads = o.threads;
	for (i = 0; i < 2 || bench_now() - begin < SECONDS / 8; i++) {
		const double t = bench_now();

		check(cpu_product_run(ps, &p, c, a, b, NULL, &err), &err);
		if (bench_now() - t < best)
			best = bench_now() - t;
	}
	free(a);
	free(b);
	free(c);
	return 2.0 * (double)m * (double)n * (double)k / best;
}

/* seconds that a picture's products take in a batch, each at its best */
static double
ceiling(const struct adds_clip_config *c, int batch)
{
	struct adds_error err;
	struct products *ps = cpu_products_new(&err);
	const int64_t R = batch * c->N, D = c->D, M = c->M;
	const double one = 2.0 * c->N * c->D;
	double t;

	check(ps ? 0 : -1, &err);
	omp_set_num_threads(o.threads);
	t = c->L * one * 3 * (double)D / product_rate(ps, R, 3 * D, D);
	t += c->L * one * (double)D / product_rate(ps, R, D, D);
	t += c->L * one * (double)M / product_rate(ps, R, M, D);
	t += c->L * one * (double)M / product_rate(ps, R, D, M);
	t += 2.0 * c->g * c->g * 3 * c->P * c->P * (double)D / product_rate(ps, batch * c->g * c->g, D, 3 * c->P * c->P);
	cpu_products_free(ps);
	return t;
}

/* ---- towers ---- */

/* the folder of a model with random weights */
static void
make(void)
{
	char command[512];

	snprintf(o.folder, sizeof(o.folder), "%s/clip-%s", bench_folder(), o.shape);
	if (access(o.folder, R_OK) == 0)
		return;
	snprintf(command, sizeof(command), "mkmodel --shape %s --act quick_gelu %s", o.shape, o.folder);
	if (system(command)) {
		fprintf(stderr, "clip: '%s' failed: is mkmodel in PATH?\n", command);
		exit(1);
	}
}

static double
pictures(struct adds_clip *m, int batch)
{
	const struct adds_clip_config *c = adds_clip_config(m);
	const size_t bytes = (size_t)batch * (size_t)c->S * (size_t)c->S * 3;
	uint8_t *tiles = malloc(bytes);
	float *out = malloc((size_t)batch * (size_t)c->E * sizeof(*out));
	double best = 1e30, begin = bench_now();
	struct adds_error err;
	size_t i;
	int n;

	for (i = 0; i < bytes; i++)
		tiles[i] = (uint8_t)(i * 7 + i / 3001);
	/* the first two calls warm up: weights are packed at the second */
	for (n = 0; n < 4 || bench_now() - begin < SECONDS; n++) {
		const double t = bench_now();

		check(adds_clip_images(m, tiles, batch, ADDS_TOKENS_CLS, 1, out, &err), &err);
		if (bench_now() - t < best)
			best = bench_now() - t;
	}
	free(tiles);
	free(out);
	return batch / best;
}

/* prompts of 5 to 13 tokens, 8.8 in the mean, as label names in a template are */
static double
labels(struct adds_clip *m, int n)
{
	const struct adds_clip_config *c = adds_clip_config(m);
	int32_t *ids = malloc((size_t)n * 16 * sizeof(*ids));
	int64_t *at = calloc((size_t)n + 1, sizeof(*at)), i, j;
	float *out = malloc((size_t)n * (size_t)c->E * sizeof(*out));
	struct adds_error err;
	double seconds;

	for (i = 0; i < n; i++) {
		static const int lengths[] = { 8, 9, 8, 10, 7, 8, 9, 11, 9, 9 };

		at[i + 1] = at[i] + lengths[i % 10];
		for (j = at[i]; j < at[i + 1]; j++)
			ids[j] = j == at[i] ? c->V - 2 : j == at[i + 1] - 1 ? c->V - 1
			                                                    : (int32_t)((i * 131 + j * 17) % (c->V - 2));
	}
	/* once for the packing of weights, then all */
	check(adds_clip_texts(m, ids, at, n < 64 ? n : 64, 1, out, &err), &err);
	seconds = -bench_now();
	check(adds_clip_texts(m, ids, at, n, 1, out, &err), &err);
	seconds += bench_now();
	free(ids);
	free(at);
	free(out);
	return n / seconds;
}

static struct adds_clip *
opened(struct backend **b, int image, int text)
{
	const struct adds_clip_options options = {
		.precision = o.precision, .image_tower = image, .text_tower = text, .activation = -1
	};
	struct adds_error err;
	struct adds_clip *m;

	*b = backend_open("cpu", o.threads, NULL, 0, &err);
	check(*b ? 0 : -1, &err);
	m = adds_clip_open(o.folder, *b, &options, NULL, 0, &err);
	check(m ? 0 : -1, &err);
	return m;
}

/* a process of its own: from its start to the first embedding */
static void
first(const char *program)
{
	char command[512], name[64];
	double best = 1e30;
	int i;

	snprintf(command, sizeof(command), "%s --first %s", program, o.folder);
	for (i = 0; i < 5; i++) {
		const double t = bench_now();

		if (system(command))
			exit(1);
		if (bench_now() - t < best)
			best = bench_now() - t;
	}
	snprintf(name, sizeof(name), "first picture %s", o.shape);
	bench_line(name, "ADDS", best, "s", "less");
	bench_line(name, "limit", 0.15, "s", "less");
}

static void
run_first(void)
{
	static uint8_t tile[336 * 336 * 3];
	float out[4096];
	struct backend *b;
	struct adds_clip *m = opened(&b, 1, 0);
	struct adds_error err;

	check(adds_clip_images(m, tile, 1, ADDS_TOKENS_CLS, 1, out, &err), &err);
	exit(0); /* as a filter does: the system takes the memory back */
}

static void
bench_images(int threads, const int *batches, int n)
{
	struct backend *b;
	struct adds_clip *m;
	char name[128];
	int i;

	o.threads = threads;
	m = opened(&b, 1, 0);
	for (i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "image tower %s %s, batch %d, %s", o.shape, o.precision_name, batches[i],
		         threads ? "1 thread" : "all cores");
		bench_line(name, "ADDS", pictures(m, batches[i]), "pictures/s", "more");
		if (o.precision != PREC_INT8) {
			o.threads = b->threads;
			bench_line(name, "ceiling", 1 / ceiling(adds_clip_config(m), batches[i]), "pictures/s", "more");
		}
	}
	adds_clip_free(m);
	backend_close(b);
}

static void
bench_texts(int n)
{
	struct backend *b;
	struct adds_clip *m;
	char name[128];

	o.threads = 0;
	m = opened(&b, 0, 1);
	snprintf(name, sizeof(name), "text tower %s %s, all cores", o.shape, o.precision_name);
	bench_line(name, "ADDS", labels(m, n), "labels/s", "more");
	adds_clip_free(m);
	backend_close(b);
}

/* 1: the processor has products of this precision */
static int
has(enum precision p)
{
	struct adds_error err;
	struct backend *b = backend_open("cpu", 1, NULL, 0, &err);
	int yes;

	check(b ? 0 : -1, &err);
	yes = backend_precision(b, p) == p;
	backend_close(b);
	return yes;
}

int
main(int argc, char **argv)
{
	static const enum precision precisions[] = { PREC_F32, PREC_BF16, PREC_INT8 };
	static const char *const names[] = { "f32", "bf16", "int8" };
	int batches[] = { 1, 32 }, i;

	if (argc > 2 && strcmp(argv[1], "--first") == 0) {
		snprintf(o.folder, sizeof(o.folder), "%s", argv[2]);
		run_first();
	}
	if (argc > 1)
		o.shape = argv[1];
	batches[1] = argc > 3 ? atoi(argv[3]) : strcmp(o.shape, "b16") == 0 ? 8
	                                : strncmp(o.shape, "l14", 3) == 0   ? 4
	                                                                    : 32;
	make();
	if (strcmp(o.shape, "b32") == 0)
		first(argv[0]);
	for (i = 0; i < 3; i++) {
		o.precision = precisions[i];
		o.precision_name = names[i];
		if (!has(o.precision))
			continue;
		bench_images(0, batches, 2);
		bench_images(1, batches, argc <= 3 && strncmp(o.shape, "l14", 3) == 0 ? 1 : 2);
	}
	o.precision = PREC_F32;
	o.precision_name = "f32";
	if (strcmp(o.shape, "b32") == 0)
		bench_texts(argc > 2 ? atoi(argv[2]) : 10000);
	return 0;
}
