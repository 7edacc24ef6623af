/* SPDX-License-Identifier: MIT
 *
 * decoder.c - milliseconds a picture of a training step of the DM-decoder
 * (forward, loss, backward, AdamW) and of evaluation, by the clock and, on a
 * machine that others use too, of processor time; the best of five.
 *
 * usage: decoder [THREADS [PRECISION [L T D BATCH]]]
 * THREADS 0 (all), PRECISION f32; without a shape: the three that are compared.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "../../kernels/philox.h"
#include "../../lib/decoder/decoder.h"

#define ROUNDS 5

struct shape {
	int64_t L, T;
	int D;
	int64_t batch;
};

static const struct shape shapes[] = {
	{ 80, 1285, 768, 8 },
	{ 80, 50, 512, 32 },
	{ 1000, 257, 768, 4 },
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
	if (rc >= 0)
		return;
	fprintf(stderr, "decoder: %s\n", err->msg);
	exit(1);
}

/* processor time of all threads */
static double
cpu(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + 1e-6 * (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
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
			o->groups[o->ngroups++] = (struct adamw_group){ p[i].offset, p[i].offset + p[i].size, 1e-4f, p[i].decay ? 1e-2f : 0 };
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

struct times {
	double clock, cpu;
};

/* number 0: evaluation */
static void
time_one(struct bench *o, int number, struct times *best)
{
	const double t = now(), c = cpu();

	if (number)
		step(o, number);
	else
		evaluate(o);
	best->clock = now() - t < best->clock ? now() - t : best->clock;
	best->cpu = cpu() - c < best->cpu ? cpu() - c : best->cpu;
}

static void
measure(struct bench *o, const struct shape *s)
{
	struct times train = { 1e9, 1e9 }, eval = { 1e9, 1e9 };
	const double per = 1e3 / (double)s->batch;
	int i;

	prepare(o, s);
	for (i = 0; i < ROUNDS; i++)
		time_one(o, i + 1, &train);
	for (i = 0; i < ROUNDS; i++)
		time_one(o, 0, &eval);
	printf("L %lld T %lld D %d batch %lld: step %.1f ms a picture (processor %.1f), evaluation %.1f (%.1f)\n", (long long)s->L,
	       (long long)s->T, s->D, (long long)s->batch, per * train.clock, per * train.cpu, per * eval.clock, per * eval.cpu);
	fflush(stdout);
	finish(o);
}

int
main(int argc, char **argv)
{
	struct bench o = { 0 };
	struct adds_error err;
	size_t i;

	if (!(o.b = backend_open("auto", argc > 1 ? atoi(argv[1]) : 0, NULL, 0, &err)))
		check(-1, &err);
	o.prec = argc > 2 && !strcmp(argv[2], "bf16") ? PREC_BF16 : PREC_F32;
	printf("# %s\n", o.b->device);
	if (argc > 6) {
		const struct shape s = { atoll(argv[3]), atoll(argv[4]), atoi(argv[5]), atoll(argv[6]) };

		measure(&o, &s);
	}
	for (i = 0; argc <= 6 && i < sizeof(shapes) / sizeof(shapes[0]); i++)
		measure(&o, &shapes[i]);
	backend_close(o.b);
	return 0;
}
