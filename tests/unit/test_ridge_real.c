/* SPDX-License-Identifier: MIT
 * test_ridge_real.c - the ridge on CLIP's features of 984 photographs, which
 * are looked for in the shared data: against its definition in numpy
 * (tests/gen/ridge_real.py), and where there is nothing to learn.
 *
 * Chosen grid points must be equal, scores and logits within 10^-5 of the
 * largest, at the reference's number of steps. Seen: 7.4e-7 and 8.6e-7. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/decoder/decoder.h"
#include "../../lib/metric/metrics.h"
#include "../../lib/ridge/ridge.h"
#include "../../lib/stream/record.h"
#include "unit.h"

enum { PICTURES = 984,
       LABELS = 64,
       WIDTH = 512,
       SHUFFLES = 10 };

#define FOLDER "clip_vitb32_flickr8k/"

struct photos {
	struct backend *b;
	float *features, *texts; /* [PICTURES, WIDTH], [LABELS, WIDTH] unit rows */
	int8_t *targets;         /* [PICTURES, LABELS] */
	uint8_t seen[LABELS];
	int64_t *at; /* one token a picture */
	struct adds_vocab *names;
};

static void *
read_array(const char *name, size_t bytes)
{
	const char *path = shared_data(name, "the ridge on features of photographs");
	FILE *f = path ? fopen(path, "rb") : NULL;
	void *data = malloc(bytes);

	if (!f) {
		free(data);
		return NULL;
	}
	ck_assert(fseek(f, -(long)bytes, SEEK_END) == 0 && fread(data, 1, bytes, f) == bytes);
	fclose(f);
	return data;
}

static float *
unit_rows(uint16_t *half, int64_t n)
{
	float *x = malloc((size_t)(n * WIDTH) * sizeof(*x));
	int64_t i, j;

	adds_f16_to_f32(x, half, (size_t)(n * WIDTH));
	free(half);
	for (i = 0; i < n; i++) {
		double sum = 0;

		for (j = 0; j < WIDTH; j++)
			sum += (double)x[i * WIDTH + j] * (double)x[i * WIDTH + j];
		for (j = 0; j < WIDTH; j++)
			x[i * WIDTH + j] = (float)((double)x[i * WIDTH + j] / sqrt(sum));
	}
	return x;
}

/* which labels are "seen" in the table, whose last column says so */
static void
read_split(struct photos *p)
{
	FILE *f = fopen(shared_data(FOLDER "labels.tsv", "the labels of photographs"), "r");
	struct adds_error err;
	char line[512], *name;
	int k;

	ck_assert(f && fgets(line, sizeof(line), f));
	p->names = adds_vocab_new();
	for (k = 0; k < LABELS; k++) {
		ck_assert_ptr_nonnull(fgets(line, sizeof(line), f));
		p->seen[k] = strstr(line, "\tseen") != NULL;
		strtok(line, "\t");
		ck_assert_ptr_nonnull(name = strtok(NULL, "\t"));
		ck_assert_int_eq(adds_vocab_add(p->names, name, strlen(name), &err), k);
	}
	fclose(f);
}

/* 0 where the data are not there */
static int
load(struct photos *p, int threads)
{
	struct adds_error err;
	uint16_t *half = read_array(FOLDER "image_features.npy", (size_t)PICTURES * WIDTH * 2);
	int64_t i;

	memset(p, 0, sizeof(*p));
	if (!half)
		return 0;
	p->features = unit_rows(half, PICTURES);
	p->texts = unit_rows(read_array(FOLDER "label_text.npy", (size_t)LABELS * WIDTH * 2), LABELS);
	p->targets = read_array(FOLDER "label_mentions.npy", (size_t)PICTURES * LABELS);
	for (i = 0; i < PICTURES * LABELS; i++) /* two captions of five make a positive, one says nothing */
		p->targets[i] = p->targets[i] >= 2 ? 1 : p->targets[i] == 1 ? -1
		                                                            : 0;
	p->at = malloc((PICTURES + 1) * sizeof(*p->at));
	for (i = 0; i <= PICTURES; i++)
		p->at[i] = i;
	read_split(p);
	ck_assert((p->b = backend_open("cpu", threads, NULL, 0, &err)) != NULL);
	return 1;
}

static void
unload(struct photos *p)
{
	backend_close(p->b);
	adds_vocab_free(p->names);
	free(p->features);
	free(p->texts);
	free(p->targets);
	free(p->at);
}

/* seven pictures of ten teach, the others test */
struct part {
	float *rows;       /* [n, WIDTH] */
	struct mat tokens; /* the same on the device */
	int8_t *targets;   /* [n, LABELS] */
	int64_t n;
};

static void
shuffle(float *rows, int64_t n, uint64_t seed)
{
	uint64_t state = seed * 2862933555777941757u + 3037000493u;
	float row[WIDTH];
	int64_t i;

	for (i = n - 1; i > 0; i--) {
		const int64_t j = (int64_t)((state = state * 6364136223846793005u + 1442695040888963407u) >> 33) % (i + 1);

		memcpy(row, rows + i * WIDTH, sizeof(row));
		memcpy(rows + i * WIDTH, rows + j * WIDTH, sizeof(row));
		memcpy(rows + j * WIDTH, row, sizeof(row));
	}
}

/* seed: 0, or rows are shuffled among the pictures */
static void
take(struct part *o, const struct photos *p, int test, uint64_t seed)
{
	struct adds_error err;
	int64_t i;

	o->n = 0;
	o->rows = malloc((size_t)PICTURES * WIDTH * sizeof(*o->rows));
	o->targets = malloc((size_t)PICTURES * LABELS);
	for (i = 0; i < PICTURES; i++)
		if ((i % 10 >= 7) == test) {
			memcpy(o->rows + o->n * WIDTH, p->features + i * WIDTH, WIDTH * sizeof(*o->rows));
			memcpy(o->targets + o->n * LABELS, p->targets + i * LABELS, LABELS);
			o->n++;
		}
	if (seed)
		shuffle(o->rows, o->n, seed);
	o->tokens = mat_of(NULL, DT_F32, o->n, WIDTH);
	ck_assert_int_eq(p->b->ops->alloc(p->b, &o->tokens.p, (size_t)o->n * WIDTH * 4, &err), 0);
	ck_assert_int_eq(p->b->ops->put(p->b, o->tokens.p, o->rows, (size_t)o->n * WIDTH * 4, &err), 0);
}

static void
drop(struct part *o, const struct photos *p)
{
	p->b->ops->release(p->b, o->tokens.p);
	free(o->rows);
	free(o->targets);
}

static struct adds_ridge *
train(const struct photos *p, const struct part *a, const uint8_t *may, int steps)
{
	const struct adds_ridge_options o = { 0, 10000, 512, steps, p->b->threads, NULL };
	struct adds_ridge_data data = { .tokens = a->tokens,
		                        .pictures = { a->n, p->at },
		                        .labels = LABELS,
		                        .texts = p->texts,
		                        .targets = a->targets,
		                        .may = may,
		                        .beta = 100 };
	struct adds_ridge *m;
	struct adds_error err;

	ck_assert_msg(adds_ridge_train(&m, p->b, &data, p->names, &o, &err) == 0, "%s", err.msg);
	ck_assert_ptr_nonnull(m);
	return m;
}

static void
score(float *scores, float *logits, const struct photos *p, const struct part *x, const struct adds_ridge *m)
{
	struct adds_error err;
	struct adds_ridge_scorer *s = adds_ridge_scorer_new(p->b, m, p->names, p->texts, &err);

	ck_assert_msg(s && adds_ridge_run(s, scores, logits, x->tokens, (struct segs){ x->n, p->at }, &err) == 0, "%s", err.msg);
	adds_ridge_scorer_free(s);
}

/* mAP over the labels with 3 positives: all of them, or those that are listed */
static double
mean_ap(const float *scores, const struct part *x, const uint8_t *listed)
{
	struct adds_error err;
	double mean;

	ck_assert(adds_mean_ap(&mean, NULL, NULL, scores, x->targets, listed, x->n, LABELS, 3, ADDS_AP_STEP, 1, &err) > 0);
	return mean;
}

static void
same(const struct adds_message *g, const char *key, double got, double tolerance)
{
	const double want = adds_message_number(g, key, NAN);

	ck_assert_msg(fabs(got - want) <= tolerance * fabs(want), "%s is %.9g, want %.9g", key, got, want);
}

static void
same_cells(const struct adds_message *g, const char *name, const char *largest, const float *got)
{
	const struct adds_tensor *t = adds_message_tensor(g, name);
	const double *want = (const double *)t->data, most = adds_message_number(g, largest, NAN);
	const int64_t *cells = (const int64_t *)adds_message_tensor(g, "cells")->data;
	double worst = 0;
	int64_t i;

	for (i = 0; i < t->shape[0]; i++)
		worst = worse(worst, fabs((double)got[cells[i]] - want[i]));
	if (getenv("UNIT_VERBOSE"))
		printf("# %s: %.2g of the largest, %lld cells\n", name, worst / most, (long long)t->shape[0]);
	ck_assert_msg(worst <= 1e-5 * most, "%s off by %.3g of %.3g", name, worst, most);
}

static void
same_choice(const struct adds_message *g, const struct adds_ridge *m)
{
	ck_assert_int_eq(m->K, adds_message_tensor(g, "labels")->shape[0]);
	same(g, "lam", m->lambda, 0);
	same(g, "share", m->share, 0);
	same(g, "sharp", m->sharp, 0);
	same(g, "rho_trained", m->rho_trained, 0);
	same(g, "rho_untrained", m->rho_untrained, 0);
	same(g, "scale", m->scale, 1e-5);
	same(g, "s", m->s, 1e-5);
	same(g, "d90", m->d90, 1e-5);
}

START_TEST(equals_the_definition)
{
	struct photos p;
	struct part a, b;
	struct adds_error err;
	struct adds_message *g;
	struct adds_ridge *m;
	float *scores, *logits;
	uint8_t unseen[LABELS];
	char *bytes;
	int k;

	if (!load(&p, 2))
		return;
	ck_assert_ptr_nonnull(g = adds_checkpoint_read(_i ? "data/ridge/flickr8k_all.safetensors"
	                                                  : "data/ridge/flickr8k.safetensors",
	                                               &bytes, NULL, &err));
	take(&a, &p, 0, 0);
	take(&b, &p, 1, 0);
	m = train(&p, &a, adds_message_tensor(g, "may")->data, (int)adds_message_number(g, "steps", 0));
	same_choice(g, m);
	scores = malloc((size_t)(b.n * LABELS) * sizeof(*scores));
	logits = malloc((size_t)(b.n * LABELS) * sizeof(*logits));
	score(scores, logits, &p, &b, m);
	same_cells(g, "scores", "largest_score", scores);
	same_cells(g, "logits", "largest_logit", logits);
	for (k = 0; k < LABELS; k++)
		unseen[k] = !p.seen[k];
	same(g, "seen", mean_ap(scores, &b, p.seen), 3e-3); /* neighbours in rank may change places */
	same(g, "unseen", mean_ap(scores, &b, unseen), 3e-3);
	free(scores);
	free(logits);
	adds_ridge_free(m);
	adds_message_free(g);
	free(bytes);
	drop(&a, &p);
	drop(&b, &p);
	unload(&p);
}
END_TEST

/* CLIP's own scores: the cosines */
static void
zero_shot(float *scores, const struct photos *p, const struct part *x)
{
	int64_t i, k, j;

	for (i = 0; i < x->n; i++)
		for (k = 0; k < LABELS; k++) {
			double sum = 0;

			for (j = 0; j < WIDTH; j++)
				sum += (double)x->rows[i * WIDTH + j] * (double)p->texts[k * WIDTH + j];
			scores[i * LABELS + k] = (float)sum;
		}
}

/* What pictures look like and what they are labelled no longer belong together: nothing can be
 * learnt, and nothing may be lost. */
START_TEST(shuffled_pictures_keep_zero_shot)
{
	struct photos p;
	struct part a, b;
	struct adds_ridge *m;
	double zero, got;
	float *scores;

	if (!load(&p, 2))
		return;
	take(&a, &p, 0, _i + 1);
	take(&b, &p, 1, 0);
	scores = malloc((size_t)(b.n * LABELS) * sizeof(*scores));
	zero_shot(scores, &p, &b);
	zero = mean_ap(scores, &b, NULL);
	m = train(&p, &a, p.seen, 0);
	score(scores, NULL, &p, &b, m);
	got = mean_ap(scores, &b, NULL);
	if (getenv("UNIT_VERBOSE"))
		printf("# shuffle %d: zero-shot %.4f, then %.4f; a %g, strengths %g %g\n", _i, zero,
		       got, m->share, m->rho_trained, m->rho_untrained);
	ck_assert_msg(got >= zero - 0.01, "mAP %.4f, zero-shot %.4f", got, zero);
	free(scores);
	adds_ridge_free(m);
	drop(&a, &p);
	drop(&b, &p);
	unload(&p);
}
END_TEST

Suite *ridge_real_suite(void);

Suite *
ridge_real_suite(void)
{
	Suite *s = suite_create("ridge_real");
	TCase *c = tcase_create("photographs");

	tcase_set_timeout(c, 300);
	tcase_add_loop_test(c, equals_the_definition, 0, 2);
	tcase_add_loop_test(c, shuffled_pictures_keep_zero_shot, 0, SHUFFLES);
	suite_add_tcase(s, c);
	return s;
}
