/* SPDX-License-Identifier: MIT
 *
 * clip.c - pictures a second of the image tower, labels a second of the text
 * tower, and the time to the first embedding; beside the first, what the
 * products alone would take at the machine's best (oneDNN, same shapes).
 *
 * usage: clip [--threads N] [--precision f32|bf16|int8] [--seconds S] [--json] [SHAPE …]
 * SHAPE: b32, b16, l14, l14-336, tinyclip-8m (default: b32). mkmodel is looked for in PATH.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../../kernels/cpu/product.h"
#include "../../lib/clip/clip.h"

static struct {
	int threads, json;
	double seconds;
	enum precision precision;
	const char *precision_name;
	char folder[64];
} o = { .seconds = 3, .precision = PREC_F32, .precision_name = "f32" };

static void
check(int rc, const struct adds_error *err)
{
	if (rc >= 0)
		return;
	fprintf(stderr, "clip: %s\n", err->msg);
	exit(1);
}

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void
report(const char *what, const char *shape, int batch, double value, const char *unit, double share)
{
	if (o.json)
		printf("{\"bench\":\"clip\",\"what\":\"%s\",\"shape\":\"%s\",\"precision\":\"%s\",\"threads\":%d,\"batch\":%d,"
		       "\"value\":%.4g,\"unit\":\"%s\",\"of_ceiling\":%.3f}\n",
		       what, shape, o.precision_name, o.threads, batch, value, unit, share);
	else if (share > 0)
		printf("%-14s %-12s %-5s batch %-3d %9.4g %s (%.0f %% of the products' ceiling)\n", what, shape, o.precision_name, batch,
		       value, unit, 100 * share);
	else
		printf("%-14s %-12s %-5s batch %-3d %9.4g %s\n", what, shape, o.precision_name, batch, value, unit);
	fflush(stdout);
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
	double best = 1e30, begin = now();
	int i;

	memset(&p, 0, sizeof(p));
	p.m = m, p.n = n, p.k = k;
	p.ai = k, p.aj = 1, p.bi = 1, p.bj = k, p.ci = n;
	p.at = p.bt = p.ct = bf16 ? DT_BF16 : DT_F32;
	p.alpha = 1;
	p.threads = o.threads;
	for (i = 0; i < 3 || now() - begin < o.seconds / 8; i++) {
		const double t = now();

		check(cpu_product_run(ps, &p, c, a, b, NULL, &err), &err);
		if (now() - t < best)
			best = now() - t;
	}
	free(a);
	free(b);
	free(c);
	return 2.0 * (double)m * (double)n * (double)k / best;
}

/* seconds that a picture's products take in a batch of 32, each at its best */
static double
ceiling(const struct adds_clip_config *c)
{
	struct adds_error err;
	struct products *ps = cpu_products_new(&err);
	const int64_t R = 32 * c->N, D = c->D, M = c->M;
	const double one = 2.0 * c->N * c->D;
	double t;

	check(ps ? 0 : -1, &err);
	t = c->L * one * 3 * (double)D / product_rate(ps, R, 3 * D, D);
	t += c->L * one * (double)D / product_rate(ps, R, D, D);
	t += c->L * one * (double)M / product_rate(ps, R, M, D);
	t += c->L * one * (double)M / product_rate(ps, R, D, M);
	t += 2.0 * c->g * c->g * 3 * c->P * c->P * (double)D / product_rate(ps, 32 * c->g * c->g, D, 3 * c->P * c->P);
	cpu_products_free(ps);
	return t;
}

/* ---- towers ---- */

static void
make(const char *shape)
{
	char command[256];

	snprintf(command, sizeof(command), "mkmodel --shape %s --act quick_gelu %s", shape, o.folder);
	if (system(command)) {
		fprintf(stderr, "clip: '%s' failed: is mkmodel in PATH?\n", command);
		exit(1);
	}
}

static void
forget(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", o.folder);
	if (system(command))
		exit(1);
}

static double
pictures(struct adds_clip *m, int batch)
{
	const struct adds_clip_config *c = adds_clip_config(m);
	const size_t bytes = (size_t)batch * (size_t)c->S * (size_t)c->S * 3;
	uint8_t *tiles = malloc(bytes);
	float *out = malloc((size_t)batch * (size_t)c->E * sizeof(*out));
	double best = 1e30, begin = now();
	struct adds_error err;
	size_t i;
	int n;

	for (i = 0; i < bytes; i++)
		tiles[i] = (uint8_t)(i * 7 + i / 3001);
	for (n = 0; n < 3 || now() - begin < o.seconds; n++) {
		const double t = now();

		check(adds_clip_images(m, tiles, batch, ADDS_TOKENS_CLS, 1, out, &err), &err);
		if (now() - t < best)
			best = now() - t;
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
	double best = 1e30;
	struct adds_error err;
	int k;

	for (i = 0; i < n; i++) {
		static const int lengths[] = { 8, 9, 8, 10, 7, 8, 9, 11, 9, 9 };

		at[i + 1] = at[i] + lengths[i % 10];
		for (j = at[i]; j < at[i + 1]; j++)
			ids[j] = j == at[i] ? c->V - 2 : j == at[i + 1] - 1 ? c->V - 1
			                                                    : (int32_t)((i * 131 + j * 17) % (c->V - 2));
	}
	for (k = 0; k < 3; k++) {
		const double t = now();

		check(adds_clip_texts(m, ids, at, n, 1, out, &err), &err);
		if (now() - t < best)
			best = now() - t;
	}
	free(ids);
	free(at);
	free(out);
	return n / best;
}

static struct adds_clip *
opened(struct backend **b, int image, int text)
{
	const struct adds_clip_options options = { .precision = o.precision, .image_tower = image, .text_tower = text, .activation = -1 };
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
first(const char *program, const char *shape)
{
	char command[256];
	double best = 1e30;
	int i;

	snprintf(command, sizeof(command), "%s --first %s --threads %d --precision %s", program, o.folder, o.threads, o.precision_name);
	for (i = 0; i < 5; i++) {
		const double t = now();

		if (system(command))
			exit(1);
		if (now() - t < best)
			best = now() - t;
	}
	report("first picture", shape, 1, best, "s", 0);
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
bench(const char *program, const char *shape)
{
	struct backend *b;
	struct adds_clip *m;
	double best;

	make(shape);
	first(program, shape);
	m = opened(&b, 1, 0);
	best = ceiling(adds_clip_config(m));
	report("pictures", shape, 1, pictures(m, 1), "/s", pictures(m, 1) * best);
	report("pictures", shape, 32, pictures(m, 32), "/s", pictures(m, 32) * best);
	adds_clip_free(m);
	backend_close(b);
	m = opened(&b, 0, 1);
	report("labels", shape, 1000, labels(m, 1000), "/s", 0);
	adds_clip_free(m);
	backend_close(b);
	forget();
}

int
main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "threads", 1, NULL, 'j' },
		{ "precision", 1, NULL, 'p' },
		{ "seconds", 1, NULL, 's' },
		{ "json", 0, NULL, 'J' },
		{ "first", 1, NULL, 'f' },
		{ NULL, 0, NULL, 0 },
	};
	int c, cold = 0;

	snprintf(o.folder, sizeof(o.folder), "/tmp/adds-bench-clip-%ld", (long)time(NULL));
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1)
		switch (c) {
		case 'j':
			o.threads = atoi(optarg);
			break;
		case 's':
			o.seconds = atof(optarg);
			break;
		case 'J':
			o.json = 1;
			break;
		case 'f':
			cold = 1;
			snprintf(o.folder, sizeof(o.folder), "%s", optarg);
			break;
		case 'p':
			o.precision_name = optarg;
			o.precision = strcmp(optarg, "bf16") == 0 ? PREC_BF16 : strcmp(optarg, "int8") == 0 ? PREC_INT8
			                                                                                    : PREC_F32;
			break;
		default:
			return 2;
		}
	if (cold)
		run_first();
	if (optind == argc)
		bench(argv[0], "b32");
	for (; optind < argc; optind++)
		bench(argv[0], argv[optind]);
	return 0;
}
