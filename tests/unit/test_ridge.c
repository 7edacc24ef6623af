/* SPDX-License-Identifier: MIT
 * test_ridge.c - the ridge against its definition in numpy (tests/gen/ridge.py).
 *
 * Chosen grid points must be equal; A, scores and logits within 10^-5 of the
 * largest, at the reference's number of steps. Largest errors seen: A 1.1e-6,
 * scores 1.1e-6, logits 7.6e-7; mu 5e-7. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/decoder/decoder.h"
#include "../../lib/ridge/ridge.h"
#include "unit.h"

static const char *const cases[] = {
	"one_token",
	"unknown_cells",
	"five_tiles",
	"ragged",
	"kin",
	"kin_tiles",
	"few_labels",
	"same_texts",
	"same_pictures",
	"one_label",
	"one_sided",
	"one_picture",
	"shapes",
};

struct golden {
	struct adds_message *m;
	char *bytes;
	struct backend *b;
	struct mat tokens, test;
	struct adds_vocab *names;
	struct adds_ridge_data data;
	struct adds_ridge_options options;
};

static const void *
tensor(const struct golden *g, const char *name, int64_t *rows)
{
	const struct adds_tensor *t = adds_message_tensor(g->m, name);

	ck_assert_msg(t != NULL, "no tensor '%s'", name);
	if (rows)
		*rows = t->shape[0];
	return t->data;
}

/* unit rows [n, D] on the device, from a tensor of floats or of bytes that are to be scaled */
static struct mat
rows(const struct golden *g, const char *name)
{
	const struct adds_tensor *t = adds_message_tensor(g->m, name);
	const int64_t n = t->shape[0], D = t->shape[1];
	float *x = malloc((size_t)(n * D) * sizeof(*x));
	struct mat m = mat_of(NULL, DT_F32, n, D);
	struct adds_error err;
	int64_t i, j;

	if (t->dtype == ADDS_F32)
		memcpy(x, t->data, (size_t)(n * D) * sizeof(*x));
	for (i = 0; t->dtype == ADDS_I8 && i < n; i++) {
		const int8_t *q = (const int8_t *)t->data + i * D;
		double sum = 0;

		for (j = 0; j < D; j++)
			sum += q[j] * q[j];
		for (j = 0; j < D; j++)
			x[i * D + j] = (float)(q[j] / sqrt(sum));
	}
	ck_assert_int_eq(g->b->ops->alloc(g->b, &m.p, (size_t)(n * D) * 4, &err), 0);
	ck_assert_int_eq(g->b->ops->put(g->b, m.p, x, (size_t)(n * D) * 4, &err), 0);
	free(x);
	return m;
}

static void
load(struct golden *g, const char *name, int threads)
{
	struct adds_error err;
	char path[256], label[16];
	int64_t i, n;

	snprintf(path, sizeof(path), "data/ridge/%s.safetensors", name);
	memset(g, 0, sizeof(*g));
	ck_assert_msg((g->m = adds_checkpoint_read(path, &g->bytes, NULL, &err)) != NULL, "%s", err.msg);
	ck_assert((g->b = backend_open("cpu", threads, NULL, 0, &err)) != NULL);
	g->tokens = rows(g, "tokens");
	g->test = rows(g, "test_tokens");
	g->data.tokens = g->tokens;
	g->data.pictures.at = tensor(g, "at", &n);
	g->data.pictures.n = n - 1;
	g->data.texts = tensor(g, "texts", &g->data.labels);
	g->data.targets = tensor(g, "targets", NULL);
	g->data.may = tensor(g, "may", NULL);
	g->data.beta = (float)adds_message_number(g->m, "beta", 0);
	g->options = (struct adds_ridge_options){ 0, 10000, 512, 0, threads, NULL };
	g->names = adds_vocab_new();
	for (i = 0; i < g->data.labels; i++) {
		snprintf(label, sizeof(label), "label %d", (int)i);
		ck_assert_int_eq(adds_vocab_add(g->names, label, strlen(label), &err), i);
	}
}

static void
unload(struct golden *g)
{
	g->b->ops->release(g->b, g->tokens.p);
	g->b->ops->release(g->b, g->test.p);
	backend_close(g->b);
	adds_vocab_free(g->names);
	adds_message_free(g->m);
	free(g->bytes);
}

static void
same_number(const struct golden *g, const char *name, const char *key, double got, double tolerance)
{
	const double want = adds_message_number(g->m, key, NAN);

	ck_assert_msg(fabs(got - want) <= tolerance * fabs(want), "%s: %s is %.9g, want %.9g", name, key, got, want);
}

/* within a share of the largest wanted value */
static void
same_array(const char *name, const char *what, const float *got, const double *want, int64_t n, double share)
{
	double largest = 0, worst = 0;
	int64_t i;

	for (i = 0; i < n; i++) {
		largest = fmax(largest, fabs(want[i]));
		worst = worse(worst, fabs((double)got[i] - want[i]));
	}
	if (getenv("UNIT_VERBOSE"))
		printf("# %s: %s %.2g\n", name, what, worst / largest);
	ck_assert_msg(worst <= share * largest, "%s: %s off by %.3g of %.3g", name, what, worst, largest);
}

static void
compare_scores(const struct golden *g, const char *name, const struct adds_ridge *m)
{
	struct adds_error err;
	struct adds_ridge_scorer *s = adds_ridge_scorer_new(g->b, m, g->names, g->data.texts, &err);
	int64_t n;
	const int64_t *at = tensor(g, "test_at", &n);
	const int64_t cells = (n - 1) * g->data.labels;
	float *scores = malloc((size_t)cells * 4), *logits = malloc((size_t)cells * 4);

	ck_assert(s != NULL);
	ck_assert_msg(adds_ridge_run(s, scores, logits, g->test, (struct segs){ n - 1, at }, &err) == 0, "%s", err.msg);
	same_array(name, "scores", scores, tensor(g, "scores", NULL), cells, 1e-5);
	if (strcmp(name, "same_pictures")) /* scores that do not vary have no slope */
		same_array(name, "logits", logits, tensor(g, "logits", NULL), cells, 1e-5);
	free(scores);
	free(logits);
	adds_ridge_scorer_free(s);
}

START_TEST(equals_the_definition)
{
	const char *name = cases[_i];
	struct golden g;
	struct adds_ridge *m;
	struct adds_error err;
	int64_t K;

	load(&g, name, 2);
	g.options.steps = (int)adds_message_number(g.m, "steps", 0);
	ck_assert_msg(adds_ridge_train(&m, g.b, &g.data, g.names, &g.options, &err) == 0, "%s", err.msg);
	ck_assert_int_eq(m != NULL, adds_message_number(g.m, "learnt", -1) == 1);
	if (m) {
		tensor(&g, "labels", &K);
		ck_assert_int_eq(m->K, K);
		same_number(&g, name, "lam", m->lambda, 0);
		same_number(&g, name, "share", m->share, 0);
		same_number(&g, name, "sharp", m->sharp, 0);
		same_number(&g, name, "rho_trained", m->rho_trained, 0);
		same_number(&g, name, "rho_untrained", m->rho_untrained, 0);
		if (getenv("UNIT_VERBOSE"))
			printf("# %s: %d steps, %g wanted\n", name, m->steps, adds_message_number(g.m, "steps", 0));
		same_number(&g, name, "sigma", m->sigma, 1e-5);
		same_number(&g, name, "scale", m->scale, 1e-5);
		same_number(&g, name, "s", m->s, 1e-5);
		same_number(&g, name, "d90", m->d90, 1e-5);
		same_array(name, "mu", m->mu, tensor(&g, "mu", NULL), m->D, 1e-5);
		if (strcmp(name, "shapes") &&
		    strcmp(name, "same_pictures")) /* scores stand for the large one; pictures that
		                                      are all one teach nothing */
			same_array(name, "A", m->A, tensor(&g, "A", NULL), m->K * m->D, 1e-5);
		compare_scores(&g, name, m);
	}
	adds_ridge_free(m);
	unload(&g);
}
END_TEST

START_TEST(same_bits_for_any_threads_and_through_a_file)
{
	const char *name = cases[_i];
	struct golden g[3];
	struct adds_ridge *m[3], *back;
	struct adds_message *file = adds_message_new();
	struct adds_error err;
	int i;

	for (i = 0; i < 3; i++) {
		load(&g[i], name, i + 1);
		g[i].options.steps = (int)adds_message_number(g[i].m, "steps", 0);
		ck_assert_int_eq(adds_ridge_train(&m[i], g[i].b, &g[i].data, g[i].names, &g[i].options, &err), 0);
	}
	for (i = 1; m[0] && i < 3; i++) {
		ck_assert_mem_eq(m[0]->A, m[i]->A, (size_t)(m[0]->K * m[0]->D) * sizeof(float));
		ck_assert_mem_eq(m[0]->offset, m[i]->offset, (size_t)m[0]->K * sizeof(double));
		ck_assert(m[0]->slope_trained == m[i]->slope_trained);
	}
	if (m[0]) {
		ck_assert_int_eq(adds_ridge_to_message(m[0], file, &err), 0);
		ck_assert_msg((back = adds_ridge_from_message(file, &err)) != NULL, "%s", err.msg);
		ck_assert_mem_eq(m[0]->A, back->A, (size_t)(m[0]->K * m[0]->D) * sizeof(float));
		compare_scores(&g[0], name, back);
		adds_ridge_free(back);
	}
	adds_message_free(file);
	for (i = 0; i < 3; i++) {
		adds_ridge_free(m[i]);
		unload(&g[i]);
	}
}
END_TEST

START_TEST(strict_zero_shot_keeps_untrained_labels)
{
	struct golden g;
	struct adds_ridge *m;
	struct adds_error err;

	load(&g, "kin", 2);
	g.options.strict_zero_shot = 1;
	ck_assert_int_eq(adds_ridge_train(&m, g.b, &g.data, g.names, &g.options, &err), 0);
	ck_assert(m->share == 0 && m->sharp == 0 && m->rho_untrained == 0);
	adds_ridge_free(m);
	unload(&g);
}
END_TEST

START_TEST(a_part_is_enough_to_choose_on)
{
	struct golden g;
	struct adds_ridge *m;
	struct adds_error err;

	load(&g, "kin_tiles", 2);
	g.options.select_pictures = 90;
	g.options.select_labels = 16;
	ck_assert_msg(adds_ridge_train(&m, g.b, &g.data, g.names, &g.options, &err) == 0, "%s", err.msg);
	ck_assert(m->K == 20 && m->judged <= 16 && isfinite(m->slope_trained) && isfinite(m->slope_untrained));
	ck_assert(m->calibration_error < 0.1);
	adds_ridge_free(m);
	unload(&g);
}
END_TEST

struct watched {
	int64_t asked, stop_at, done, of;
};

static int
stop_at(void *to)
{
	struct watched *w = to;

	return ++w->asked == w->stop_at;
}

static void
fits(void *to, int64_t done, int64_t of)
{
	struct watched *w = to;

	ck_assert(done >= w->done && of >= w->of);
	w->done = done;
	w->of = of;
}

/* the ridge of g, watched and stopped at a question; NULL: it was stopped */
static struct adds_ridge *
train_watched(struct golden *g, struct watched *w, int64_t at)
{
	const struct adds_ridge_watch watch = { w, fits, stop_at };
	struct adds_ridge *m;
	struct adds_error err;

	*w = (struct watched){ .stop_at = at };
	g->options.watch = &watch;
	ck_assert_int_eq(adds_ridge_train(&m, g->b, &g->data, g->names, &g->options, &err), at ? 1 : 0);
	ck_assert_int_eq(m == NULL, at != 0);
	g->options.watch = NULL;
	return m;
}

START_TEST(stops_where_it_is_told_to)
{
	struct golden g;
	struct watched w;
	struct adds_ridge *m, *same;
	struct adds_error err;
	int64_t questions, at;

	load(&g, "kin_tiles", 2);
	g.options.select_pictures = _i ? 90 : 10000; /* with fits of their own for the calibration, and without */
	ck_assert_int_eq(adds_ridge_train(&m, g.b, &g.data, g.names, &g.options, &err), 0);
	same = train_watched(&g, &w, 0);
	ck_assert_mem_eq(m->A, same->A, (size_t)(m->K * m->D) * sizeof(float));
	ck_assert(m->slope_trained == same->slope_trained && m->slope_untrained == same->slope_untrained);
	ck_assert_int_eq(w.done, w.of);
	ck_assert_int_eq(w.of, 3 * 4 * 5 + (_i ? 4 : 1));
	questions = w.asked;
	ck_assert_int_gt(questions, w.of);
	for (at = 1; at < questions; at += questions / 7) {
		train_watched(&g, &w, at);
		ck_assert_int_eq(w.asked, at);
		ck_assert(w.done < w.of || !w.of);
	}
	train_watched(&g, &w, questions);
	adds_ridge_free(m);
	adds_ridge_free(same);
	unload(&g);
}
END_TEST

Suite *ridge_suite(void);

Suite *
ridge_suite(void)
{
	Suite *s = suite_create("ridge");
	TCase *c = tcase_create("ridge");
	const int n = sizeof(cases) / sizeof(*cases);

	tcase_set_timeout(c, 300);
	tcase_add_loop_test(c, equals_the_definition, 0, n);
	tcase_add_loop_test(c, same_bits_for_any_threads_and_through_a_file, 0, n - 1); /* the last is large */
	tcase_add_test(c, strict_zero_shot_keeps_untrained_labels);
	tcase_add_test(c, a_part_is_enough_to_choose_on);
	tcase_add_loop_test(c, stops_where_it_is_told_to, 0, 2);
	suite_add_tcase(s, c);
	return s;
}
