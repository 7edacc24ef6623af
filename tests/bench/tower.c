/* SPDX-License-Identifier: MIT
 *
 * tower.c - pictures a second of CLIP's picture tower with made-up weights:
 * the tower alone, and with its pictures copied to the device and the tokens
 * back while it computes. Needs nothing but the tree and a compiler.
 *
 * usage: tower [DEVICE [PRECISION [BATCH]]]
 * DEVICE auto, PRECISION the best there is. A processor gets two layers and
 * four pictures, to show that it runs: its figures are made by clip.c.
 */
#include <string.h>

#include "../../lib/clip/image.h"
#include "../../lib/clip/lanes.h"
#include "bench.h"

enum {
	RUNS = 5,    /* the best of */
	BATCHES = 8, /* in each */
};

struct shape {
	const char *name;
	int side, patch, width, layers, heads, joint;
	enum activation act;
};

static const struct shape shapes[] = {
	{ "ViT-L/14", 224, 14, 1024, 24, 16, 768, ACT_QUICK_GELU },
	{ "ViT-B/32", 224, 32, 768, 12, 12, 512, ACT_QUICK_GELU },
};

static struct backend *b;
static struct adds_error err;

static void
check(int rc)
{
	if (rc >= 0)
		return;
	fprintf(stderr, "tower: %s\n", err.msg);
	exit(1);
}

static float *
made_up(int64_t n, float size)
{
	float *x = malloc((size_t)n * sizeof(*x));
	int64_t i;

	if (!x)
		exit(1);
	for (i = 0; i < n; i++)
		x[i] = size * ((float)(i * 7919 % 2003) / 1001.5f - 1);
	return x;
}

/* a device vector of n numbers around middle */
static const float *
vector(int64_t n, float middle)
{
	float *x = made_up(n, 0.1f);
	void *p;
	int64_t i;

	for (i = 0; i < n; i++)
		x[i] += middle;
	check(b->ops->alloc(b, &p, (size_t)n * sizeof(*x), &err));
	check(b->ops->put(b, p, x, (size_t)n * sizeof(*x), &err));
	free(x);
	return p;
}

/* one array of numbers serves all weights: a device has copies of its own */
static float *numbers;

static struct packed *
weight(const struct adds_clip *m, int64_t n, int64_t k)
{
	struct packed *w;

	check(b->ops->pack(b, &w, numbers, DT_F32, n, k, 0, m->precision, &err));
	return w;
}

static struct adds_clip_block
block(const struct adds_clip *m, const struct shape *s)
{
	const int D = s->width;
	struct adds_clip_block k = { .heads = s->heads, .inner = D, .hidden = 4 * D };

	k.ln1_w = vector(D, 1);
	k.ln1_b = vector(D, 0);
	k.ln2_w = vector(D, 1);
	k.ln2_b = vector(D, 0);
	k.qkv_b = vector(3 * D, 0);
	k.out_b = vector(D, 0);
	k.fc_b = vector(4 * D, 0);
	k.proj_b = vector(D, 0);
	k.qkv = weight(m, 3 * D, D);
	k.out = weight(m, D, D);
	k.fc = weight(m, 4 * D, D);
	k.proj = weight(m, D, 4 * D);
	return k;
}

static struct adds_clip *
model(const struct shape *s, int layers, enum precision prec)
{
	struct adds_clip *m = calloc(1, sizeof(*m));
	struct adds_clip_config *c;
	const int D = s->width;
	int i;

	if (!m)
		exit(1);
	c = &m->cfg;
	m->b = b;
	m->precision = prec;
	m->type = prec == PREC_BF16 ? DT_BF16 : DT_F32;
	c->S = s->side;
	c->P = s->patch;
	c->g = s->side / s->patch;
	c->N = c->g * c->g + 1;
	c->D = D;
	c->E = s->joint;
	m->image = (struct adds_clip_tower){ .ready = 1,
		                             .D = D,
		                             .layers = layers,
		                             .hd = D / s->heads,
		                             .inner = D,
		                             .hidden = 4 * D,
		                             .act = s->act,
		                             .eps = 1e-5f };
	m->image.block = calloc((size_t)layers, sizeof(*m->image.block));
	for (i = 0; i < layers; i++)
		m->image.block[i] = block(m, s);
	m->image.ln_w = vector(D, 1);
	m->image.ln_b = vector(D, 0);
	m->image.pos = vector((int64_t)c->N * D, 0);
	m->image.proj = weight(m, s->joint, D);
	m->conv = weight(m, D, 3 * (int64_t)s->patch * s->patch);
	m->cls = vector(D, 0);
	m->pre_w = vector(D, 1);
	m->pre_b = vector(D, 0);
	m->table = vector(768, 0);
	return m;
}

/* a process measures a model or two: their memory goes with it, the packed weights before the device is closed */
static void
model_free(struct adds_clip *m)
{
	int i;

	for (i = 0; i < m->image.layers; i++) {
		b->ops->unpack(b, m->image.block[i].qkv);
		b->ops->unpack(b, m->image.block[i].out);
		b->ops->unpack(b, m->image.block[i].fc);
		b->ops->unpack(b, m->image.block[i].proj);
	}
	b->ops->unpack(b, m->image.proj);
	b->ops->unpack(b, m->conv);
	b->ops->release(b, m->arena);
	free(m->image.block);
	free(m);
}

/* seconds of BATCHES batches; copies 1: each with its pictures sent */
static double
some_batches(struct adds_clip_lanes *l, const uint8_t *pictures, int copies)
{
	const int lanes = adds_clip_lanes_count(l);
	const int64_t n = adds_clip_lanes_tiles(l);
	const double start = bench_now();
	const void *tokens;
	int i;

	for (i = 0; i < BATCHES + lanes; i++) {
		const int lane = i % lanes;

		if (i >= lanes)
			check(adds_clip_lanes_land(l, lane, &tokens, &err));
		if (i >= BATCHES)
			continue;
		if (copies)
			check(adds_clip_lanes_put(l, lane, 0, pictures, n, &err));
		check(adds_clip_lanes_start(l, lane, n, &err));
	}
	return bench_now() - start;
}

static void
measure(struct adds_clip *m, const struct shape *s, int64_t batch, enum adds_tokens tokens, int pool)
{
	struct adds_clip_lanes *l = adds_clip_lanes_new(m, batch, tokens, pool, DT_F16, &err);
	double best[2] = { 1e30, 1e30 };
	void *pictures;
	int64_t n;
	size_t bytes, i;
	int k;

	if (!l)
		check(-1);
	n = adds_clip_lanes_tiles(l);
	bytes = (size_t)n * (size_t)s->side * (size_t)s->side * 3;
	check(b->ops->host_alloc(b, &pictures, bytes, &err));
	for (i = 0; i < bytes; i++)
		((uint8_t *)pictures)[i] = (uint8_t)(i * 2654435761u >> 24);
	for (k = 0; k < 2 * RUNS; k++) {
		const double t = some_batches(l, pictures, !(k & 1));

		best[k & 1] = t < best[k & 1] ? t : best[k & 1];
	}
	printf("%s%s, %s, batch %lld, %.0f MB: the tower alone %.1f pictures/s, with copies %.1f\n",
	       s->name, m->image.layers < s->layers ? " (2 layers)" : "",
	       tokens == ADDS_TOKENS_CLS ? "class token" : "all tokens, pool 4", (long long)n,
	       1e-6 * (double)adds_clip_lanes_bytes(l), BATCHES * (double)n / best[1],
	       BATCHES * (double)n / best[0]);
	fflush(stdout);
	adds_clip_lanes_free(l);
	b->ops->host_release(b, pictures);
}

int
main(int argc, char **argv)
{
	enum precision prec = PREC_AUTO;
	int64_t batch = argc > 3 ? atoll(argv[3]) : 0;
	size_t i;

	if (!(b = backend_open(argc > 1 ? argv[1] : "auto", 0, NULL, 0, &err)))
		check(-1);
	if (argc > 2)
		prec = strcmp(argv[2], "bf16") == 0 ? PREC_BF16 : strcmp(argv[2], "int8") == 0 ? PREC_INT8
		                                                                               : PREC_F32;
	prec = backend_precision(b, prec);
	printf("# %s, %s\n", b->device, prec == PREC_BF16 ? "bf16" : prec == PREC_INT8 ? "int8"
	                                                                               : "f32");
	numbers = made_up(4 * 1024 * 1024, 0.03f);
	if (!batch)
		batch = b->memory ? 256 : 4;
	for (i = 0; i < sizeof(shapes) / sizeof(*shapes); i++) {
		struct adds_clip *m = model(&shapes[i], b->memory ? shapes[i].layers : 2, prec);

		measure(m, &shapes[i], batch, ADDS_TOKENS_CLS, 1);
		measure(m, &shapes[i], batch, ADDS_TOKENS_ALL, 4);
		model_free(m);
	}
	free(numbers);
	backend_close(b);
	return 0;
}
