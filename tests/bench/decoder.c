/* SPDX-License-Identifier: MIT
 *
 * decoder.c - milliseconds a picture of a training step of the DM-decoder
 * (forward, loss, backward, AdamW) and of evaluation; the best of some rounds. The ceiling (CPU) is
 * the step's own matrix products alone, each call of them again with the same
 * operands, ours or oneDNN's, whichever is faster.
 *
 * usage: decoder L T D BATCH [PRECISION [DEVICE]]
 */
#include <omp.h>
#include <string.h>

#include "../../kernels/cpu/product.h"
#include "../../kernels/philox.h"
#include "../../lib/decoder/decoder.h"
#include "bench.h"

#define ROUNDS 4

struct shape {
	int64_t L, T;
	int D;
	int64_t batch;
};

struct bench {
	struct backend *b;
	struct adds_decoder *d;
	struct adds_decoder_batch x;
	struct mat logits, dlogits;
	float *m, *v;
	int8_t *target;
	int64_t *at;
	enum precision prec;
	struct adamw_group groups[64];
	int64_t ngroups;
};

static void
check(int rc, const struct adds_error *err)
{
	if (rc < 0)
		bench_stop(err->msg);
}

/* device memory of n made-up numbers */
static float *
made_up(struct backend *b, int64_t n, uint64_t seed)
{
	float *host = calloc((size_t)n, sizeof(*host));
	struct adds_error err;
	void *p = NULL;
	int64_t i;

	if (!host)
		exit(1);
	for (i = 0; seed && i < n; i++)
		host[i] = 3.4f * philox_uniform(philox_word(seed, (uint64_t)i)) - 1.7f;
	check(b->ops->alloc(b, &p, (size_t)n * sizeof(float), &err), &err);
	check(b->ops->put(b, p, host, (size_t)n * sizeof(float), &err), &err);
	free(host);
	return p;
}

static void
prepare(struct bench *o, const struct shape *s)
{
	const struct adds_decoder_config c = { .width = s->D, .layers = 2, .heads = 1, .ff = 4 * s->D, .dropout = .1f };
	const struct adds_param *p;
	struct adds_error err;
	size_t n, i;

	if (!(o->d = adds_decoder_new(o->b, &c, &err)))
		check(-1, &err);
	check(adds_decoder_init(o->d, ADDS_INIT_ALIGNED, 1, 0, 0, &err), &err);
	o->at = calloc((size_t)s->batch + 1, sizeof(*o->at));
	for (i = 0; i < (size_t)s->batch; i++)
		o->at[i + 1] = o->at[i] + s->T;
	o->x.labels = mat_of(made_up(o->b, s->L * s->D, 1), DT_F32, s->L, s->D);
	o->x.tokens = mat_of(made_up(o->b, s->batch * s->T * s->D, 2), DT_F32, s->batch * s->T, s->D);
	o->x.pictures = (struct segs){ s->batch, o->at };
	o->x.labels_version = 1;
	o->logits = mat_of(made_up(o->b, s->batch * s->L, 0), DT_F32, s->batch, s->L);
	o->dlogits = mat_of(made_up(o->b, s->batch * s->L, 0), DT_F32, s->batch, s->L);
	o->target = (int8_t *)made_up(o->b, s->batch * s->L, 0);
	o->m = made_up(o->b, adds_decoder_size(o->d), 0);
	o->v = made_up(o->b, adds_decoder_size(o->d), 0);
	p = adds_decoder_params(o->d, &n);
	for (i = 0; i < n && o->ngroups < 64; i++)
		if (p[i].trained)
			o->groups[o->ngroups++] =
				(struct adamw_group){ p[i].offset, p[i].offset + p[i].size, 1e-4f,
				                      p[i].decay ? 1e-2f : 0 };
}

static void
finish(struct bench *o)
{
	const struct backend_ops *ops = o->b->ops;

	ops->release(o->b, o->x.labels.p);
	ops->release(o->b, o->x.tokens.p);
	ops->release(o->b, o->logits.p);
	ops->release(o->b, o->dlogits.p);
	ops->release(o->b, o->target);
	ops->release(o->b, o->m);
	ops->release(o->b, o->v);
	adds_decoder_free(o->d);
	free(o->at);
	o->ngroups = 0;
}

static void
step(struct bench *o, int number)
{
	const struct loss_args loss = { .kind = LOSS_ASL, .gamma_neg = 4, .clip = .05f, .detach = 1 };
	const struct adamw_args args = { .step = number, .beta1 = .9, .beta2 = .999, .eps = 1e-8, .grad_scale = 1 };
	const int64_t size = adds_decoder_size(o->d);
	struct adds_error err;
	float *g = adds_decoder_gradients(o->d, &err);
	double sum;

	check(o->b->ops->fill(o->b, mat_of(g, DT_F32, 1, size), 0, &err), &err);
	check(adds_decoder_train_forward(o->d, o->logits, &o->x, o->prec, 1, (uint64_t)number, 0, &err), &err);
	check(o->b->ops->loss(o->b, o->dlogits, &sum, o->logits, o->target, NULL, 1, &loss, &err), &err);
	check(adds_decoder_backward(o->d, o->dlogits, &o->x, o->prec, &err), &err);
	check(o->b->ops->adamw(o->b, adds_decoder_weights(o->d), g, o->m, o->v, NULL, o->groups, o->ngroups, &args, &err), &err);
	check(o->b->ops->sync(o->b, &err), &err);
}

static void
evaluate(struct bench *o)
{
	struct adds_error err;

	check(adds_decoder_forward(o->d, o->logits, &o->x, o->prec, &err), &err);
	check(o->b->ops->sync(o->b, &err), &err);
}

/* milliseconds a picture at best; number 0: evaluation */
static double
best_of(struct bench *o, int64_t batch, int training)
{
	double best = 1e9;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		const double t = bench_now();

		if (training)
			step(o, i + 1);
		else
			evaluate(o);
		best = bench_now() - t < best ? bench_now() - t : best;
	}
	return 1e3 * best / (double)batch;
}

/* ---- the ceiling: the products of a step, alone ---- */

enum { CALLS = 512 };

struct call {
	struct gemm_job *jobs;
	int64_t n;
};

static struct {
	struct call call[CALLS];
	int n;
	int (*gemm)(struct backend *b, const struct gemm_job *jobs, int64_t n, enum precision prec, struct adds_error *err);
} recorded;

static int
record(struct backend *b, const struct gemm_job *jobs, int64_t n, enum precision prec, struct adds_error *err)
{
	if (recorded.n < CALLS) {
		struct call *c = &recorded.call[recorded.n++];

		c->n = n;
		if (!(c->jobs = malloc((size_t)n * sizeof(*jobs))))
			exit(1);
		memcpy(c->jobs, jobs, (size_t)n * sizeof(*jobs));
	}
	return recorded.gemm(b, jobs, n, prec, err);
}

/* one job by oneDNN */
static void
by_library(struct products *ps, const struct gemm_job *j, int threads)
{
	struct adds_error err;
	struct product p;

	memset(&p, 0, sizeof(p));
	p.m = j->c.rows, p.n = j->c.cols, p.k = j->ta ? j->a.rows : j->a.cols;
	p.ai = j->ta ? 1 : j->a.ld, p.aj = j->ta ? j->a.ld : 1;
	p.bi = j->tb ? 1 : j->b.ld, p.bj = j->tb ? j->b.ld : 1;
	p.ci = j->c.ld;
	p.add = j->beta != 0;
	p.alpha = j->alpha;
	p.threads = threads;
	check(cpu_product_run(ps, &p, j->c.p, j->a.p, j->b.p, NULL, &err), &err);
}

static void
call_by_library(struct products *ps, const struct call *c, int threads)
{
	int64_t i;

	if (c->n < 2 * threads) {
		omp_set_num_threads(threads);
		for (i = 0; i < c->n; i++)
			by_library(ps, &c->jobs[i], threads);
		return;
	}
#pragma omp parallel num_threads(threads)
	{
		omp_set_num_threads(1);
#pragma omp for schedule(dynamic)
		for (i = 0; i < c->n; i++)
			by_library(ps, &c->jobs[i], 1);
	}
}

/* seconds of a call at best; ps NULL: without oneDNN */
static double
alone(struct bench *o, struct products *ps, const struct call *c)
{
	struct adds_error err;
	double best = 1e9, t;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		t = bench_now();
		check(recorded.gemm(o->b, c->jobs, c->n, o->prec, &err), &err);
		best = bench_now() - t < best ? bench_now() - t : best;
		if (!ps)
			continue;
		t = bench_now();
		call_by_library(ps, c, o->b->threads);
		best = bench_now() - t < best ? bench_now() - t : best;
	}
	return best;
}

/* NULL: in bf16, which it has rounded by us, or built without it */
static struct products *
library(const struct bench *o)
{
#ifdef ADDS_NO_DNNL
	(void)o;
	return NULL;
#else
	struct adds_error err;

	return o->prec == PREC_F32 ? cpu_products_new(&err) : NULL;
#endif
}

/* milliseconds a picture */
static double
ceiling(struct bench *o, int64_t batch)
{
	const struct backend_ops *ops = o->b->ops;
	struct backend_ops recording = *ops;
	struct products *ps = library(o);
	double sum = 0;
	int i;

	recorded.gemm = ops->gemm;
	recording.gemm = record;
	o->b->ops = &recording;
	step(o, ROUNDS + 1);
	o->b->ops = ops;
	for (i = 0; i < recorded.n; i++) {
		sum += alone(o, ps, &recorded.call[i]);
		free(recorded.call[i].jobs);
	}
	cpu_products_free(ps);
	return 1e3 * sum / (double)batch;
}

static void
line(const char *what, const struct shape *s, const char *precision, const char *who, double ms)
{
	char name[128];

	snprintf(name, sizeof(name), "decoder %s L%lld T%lld D%d %s", what, (long long)s->L, (long long)s->T, s->D, precision);
	bench_line(name, who, ms, "ms a picture", "less");
}

int
main(int argc, char **argv)
{
	struct shape s = { 80, 1285, 768, 8 };
	const char *precision = argc > 5 ? argv[5] : "f32";
	struct bench o = { 0 };
	struct adds_error err;

	if (argc > 4)
		s = (struct shape){ atoll(argv[1]), atoll(argv[2]), atoi(argv[3]), atoll(argv[4]) };
	if (!(o.b = backend_open(argc > 6 ? argv[6] : "auto", 0, NULL, 0, &err)))
		check(-1, &err);
	o.prec = backend_precision(o.b, strcmp(precision, "bf16") == 0 ? PREC_BF16 : PREC_F32);
	prepare(&o, &s);
	line("step", &s, precision, "ADDS", best_of(&o, s.batch, 1));
	if (strcmp(o.b->ops->name, "cpu") == 0)
		line("step", &s, precision, "ceiling", ceiling(&o, s.batch));
	line("evaluation", &s, precision, "ADDS", best_of(&o, s.batch, 0));
	finish(&o);
	backend_close(o.b);
	return 0;
}
