/* SPDX-License-Identifier: MIT
 *
 * kernels.c - speed of the heavy kernels at the towers' shapes, on a device
 * (first argument, default cpu; second: threads, 0 all; third: f32 or bf16).
 * Everything is a share of the ceiling: on the CPU oneDNN's own f32 product of
 * [1600,768] by [768,3072], else a large square product of the backend.
 * LayerNorm and softmax in GB/s. Best of several runs.
 */
#include <string.h>

#include <omp.h>

#include "../../kernels/cpu/product.h"
#include "../../kernels/kernels.h"
#include "bench.h"

enum {
	RUNS = 7,
};

static struct backend *dev;
static struct adds_error err;
static double ceiling; /* Gop/s */

static void
check(int rc)
{
	if (rc < 0)
		bench_stop(err.msg);
}

/* numbers of a simple sequence, on the device */
static struct mat
numbers(int64_t rows, int64_t cols)
{
	float *h = malloc((size_t)(rows * cols) * sizeof(*h));
	struct mat m = mat_of(NULL, DT_F32, rows, cols);
	int64_t i;

	if (!h)
		exit(1);
	for (i = 0; i < rows * cols; i++)
		h[i] = (float)(i * 7919 % 2001 - 1000) / 1000;
	check(dev->ops->alloc(dev, &m.p, (size_t)(rows * cols) * sizeof(*h), &err));
	check(dev->ops->put(dev, m.p, h, (size_t)(rows * cols) * sizeof(*h), &err));
	free(h);
	return m;
}

static struct segs
cut(int64_t n, int64_t length)
{
	int64_t *at = malloc((size_t)(n + 1) * sizeof(*at)), i;

	if (!at)
		exit(1);
	for (i = 0; i <= n; i++)
		at[i] = i * length;
	return (struct segs){ n, at };
}

/* seconds of the fastest run */
static double
best(void (*f)(void *), void *arg)
{
	double least = 1e30;
	int i;

	for (i = 0; i < RUNS; i++) {
		const double start = bench_now();

		f(arg);
		check(dev->ops->sync(dev, &err));
		if (bench_now() - start < least)
			least = bench_now() - start;
	}
	return least;
}

struct job {
	struct mat y, x, r, q, k, v;
	struct packed *w;
	float *bias;
	enum activation act;
	int heads;
	struct segs s;
	enum precision prec;
};

static void
run_linear(void *arg)
{
	const struct job *j = arg;

	check(dev->ops->linear(dev, j->y, j->x, j->w, j->bias, j->act, j->r, j->s, &err));
}

static void
run_gemm(void *arg)
{
	const struct job *j = arg;
	const struct gemm_job g = { j->y, j->x, j->q, 0, 1, 1, 0, NULL, ACT_NONE };

	check(dev->ops->gemm(dev, &g, 1, j->prec, &err));
}

static void
run_attention(void *arg)
{
	const struct job *j = arg;

	check(dev->ops->attention(dev, j->y, NULL, j->q, j->k, j->v, j->heads, 0.125f, 0, j->s, j->s, &err));
}

static void
run_layernorm(void *arg)
{
	const struct job *j = arg;

	check(dev->ops->layernorm(dev, j->y, (struct mat){ 0 }, NULL, NULL, j->x, (struct mat){ 0 },
	                          j->bias, j->bias, 1e-5f, &err));
}

static void
run_softmax(void *arg)
{
	const struct job *j = arg;

	check(dev->ops->softmax(dev, j->y, j->x, 1, &err));
}

static void
release(struct job *j)
{
	dev->ops->release(dev, j->y.p);
	dev->ops->release(dev, j->x.p);
	dev->ops->release(dev, j->q.p);
	dev->ops->release(dev, j->k.p);
	dev->ops->release(dev, j->v.p);
	dev->ops->release(dev, j->bias);
	dev->ops->unpack(dev, j->w);
	free((void *)(uintptr_t)j->s.at);
}

static void
linear(int64_t tiles, int64_t T, int64_t n, int64_t k, enum activation act, int residual, enum precision prec)
{
	float *w = calloc((size_t)(n * k), sizeof(*w));
	struct job j = { .act = act, .s = cut(tiles, T), .prec = prec };
	const double ops = 2.0 * (double)(tiles * T) * (double)n * (double)k;
	int64_t i;
	double s;

	if (!w)
		exit(1);
	for (i = 0; i < n * k; i++)
		w[i] = (float)(i % 13 - 6) / 100;
	check(dev->ops->pack(dev, &j.w, w, DT_F32, n, k, 0, prec, &err));
	j.x = numbers(tiles * T, k);
	j.y = numbers(tiles * T, n);
	j.bias = numbers(1, n).p;
	if (residual)
		j.r = j.y;
	s = best(run_linear, &j);
	printf("linear %4lld x %4lld -> %4lld act %d residual %d: %8.1f Gop/s  %4.0f %% of the ceiling\n", (long long)(tiles * T),
	       (long long)k, (long long)n, (int)act, residual, ops / s * 1e-9, 100 * ops / s * 1e-9 / ceiling);
	release(&j);
	free(w);
}

static void
gemm(int64_t n, enum precision prec)
{
	struct job j = { .prec = prec };
	double s;

	j.x = numbers(n, n);
	j.q = numbers(n, n);
	j.y = numbers(n, n);
	s = best(run_gemm, &j);
	s = 2.0 * (double)n * (double)n * (double)n / s * 1e-9;
	if (ceiling == 0)
		ceiling = s;
	printf("gemm %lld: %.1f Gop/s  %.0f %% of the ceiling\n", (long long)n, s, 100 * s / ceiling);
	release(&j);
}

#ifndef ADDS_NO_DNNL
struct library {
	struct products *products;
	struct product what;
	struct job job;
};

static void
run_library(void *arg)
{
	const struct library *l = arg;

	check(cpu_product_run(l->products, &l->what, l->job.y.p, l->job.x.p, l->job.q.p, NULL, &err));
}

static void
library(void)
{
	struct library l;

	if (strcmp(dev->ops->name, "cpu") != 0)
		return;
	memset(&l, 0, sizeof(l));
	l.products = cpu_products_new(&err);
	check(l.products ? 0 : err.code);
	l.job.x = numbers(1600, 768);
	l.job.q = numbers(3072, 768);
	l.job.y = numbers(1600, 3072);
	l.what = (struct product){ .m = 1600,
		                   .n = 3072,
		                   .k = 768,
		                   .ai = 768,
		                   .aj = 1,
		                   .bi = 1,
		                   .bj = 768,
		                   .ci = 3072,
		                   .alpha = 1 };
	l.what.threads = dev->threads;
	omp_set_num_threads(dev->threads);
	ceiling = 2.0 * 1600 * 3072 * 768 / best(run_library, &l) * 1e-9;
	printf("oneDNN [1600,768] x [768,3072]: %.1f Gop/s, the ceiling\n", ceiling);
	release(&l.job);
	cpu_products_free(l.products);
}
#endif

static void
attention(int64_t tiles, int64_t T, int heads, int64_t hd)
{
	const double ops = 4.0 * (double)tiles * (double)(T * T) * (double)(heads * hd);
	struct job j = { .s = cut(tiles, T), .heads = heads };
	double s;

	j.q = numbers(tiles * T, heads * hd);
	j.k = numbers(tiles * T, heads * hd);
	j.v = numbers(tiles * T, heads * hd);
	j.y = numbers(tiles * T, heads * hd);
	s = best(run_attention, &j);
	printf("attention %lld tiles of %lld, %d heads of %lld: %8.1f Gop/s  %4.0f %% of the ceiling\n",
	       (long long)tiles, (long long)T, heads, (long long)hd, ops / s * 1e-9,
	       100 * ops / s * 1e-9 / ceiling);
	release(&j);
}

static void
rows(int64_t n, int64_t d)
{
	struct job j = { 0 };
	const double bytes = 8.0 * (double)n * (double)d;

	j.x = numbers(n, d);
	j.y = numbers(n, d);
	j.bias = numbers(1, d).p;
	printf("layernorm %lld x %lld: %.1f GB/s\n", (long long)n, (long long)d, bytes / best(run_layernorm, &j) * 1e-9);
	printf("softmax %lld x %lld: %.1f GB/s\n", (long long)n, (long long)d, bytes / best(run_softmax, &j) * 1e-9);
	release(&j);
}

int
main(int argc, char **argv)
{
	const char *device = argc > 1 ? argv[1] : "cpu";
	enum precision prec;

	if (!(dev = backend_open(device, argc > 2 ? atoi(argv[2]) : 0, NULL, 0, &err))) {
		fprintf(stderr, "kernels: %s\n", err.msg);
		return 1;
	}
	prec = backend_precision(dev, argc > 3 && strcmp(argv[3], "bf16") == 0 ? PREC_BF16 : PREC_F32);
	printf("%s\n", dev->device);
#ifndef ADDS_NO_DNNL
	library();
#endif
	gemm(2048, prec);
	linear(32, 50, 2304, 768, ACT_NONE, 0, prec);
	linear(32, 50, 768, 768, ACT_NONE, 1, prec);
	linear(32, 50, 3072, 768, ACT_GELU, 0, prec);
	linear(32, 50, 3072, 768, ACT_QUICK_GELU, 0, prec);
	linear(32, 50, 768, 3072, ACT_NONE, 1, prec);
	linear(1, 50, 3072, 768, ACT_GELU, 0, prec);
	linear(4, 257, 4096, 1024, ACT_GELU, 0, prec);
	linear(200, 8, 2048, 512, ACT_QUICK_GELU, 0, prec);
	attention(32, 50, 12, 64);
	attention(4, 257, 16, 64);
	attention(2, 577, 16, 64);
	rows(1600, 768);
	backend_close(dev);
	return 0;
}
