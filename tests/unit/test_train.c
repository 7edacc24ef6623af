/* SPDX-License-Identifier: MIT
 * test_train.c - the data set of a training, and what stops one */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/train/train.h"
#include "foreign.h"
#include "unit.h"

enum { D = 8,
       L = 4 };

static struct adds_error err;

static void
fine(int ok)
{
	ck_assert_msg(ok, "%s", err.msg);
}

/* a label stream of "animal", "cat", "dog", "tree" with one-hot texts */
static void
make_texts(struct adds_texts *t)
{
	static const char *const names[L] = { "tree", "dog", "cat", "animal" };
	int i;

	memset(t, 0, sizeof(*t));
	t->n = L;
	t->width = D;
	t->vocab = adds_vocab_new();
	t->embedding = calloc(L * D, sizeof(float));
	t->header = adds_header_new(ADDS_KIND_LABELS, &err);
	for (i = 0; i < L; i++) {
		fine(adds_vocab_add(t->vocab, names[i], strlen(names[i]), &err) == i);
		t->embedding[i * D + i] = 1;
	}
}

struct example {
	const char *path;
	int labelled, npos, nneg; /* nneg -1: none stated */
	int32_t pos[3], neg[3];
	float token; /* added to all values of its first token */
	int tokens;
};

static void
write_example(struct adds_writer *w, const struct example *x)
{
	struct adds_message *m = adds_picture_new(x->path, strlen(x->path), -1, NULL, &err);
	const int64_t npos = x->npos, nneg = x->nneg, shape[2] = { x->tokens, D }, one[2] = { 1, 6 };
	const int32_t tile[6] = { 0, 0, 0, 0, 0, x->tokens };
	float token[3 * D];
	int i;

	for (i = 0; i < 3 * D; i++)
		token[i] = (float)((i * 7 + x->path[0] * 3) % 11) - 5 + (i < D ? x->token : 0);
	fine(m && adds_message_add(m, "tokens", ADDS_F32, 2, shape, token, &err) == 0);
	fine(adds_message_add(m, "tiles", ADDS_I32, 2, one, tile, &err) == 0);
	if (x->labelled)
		fine(adds_message_add(m, "pos", ADDS_I32, 1, &npos, x->pos, &err) == 0);
	if (x->labelled && x->nneg >= 0)
		fine(adds_message_add(m, "neg", ADDS_I32, 1, &nneg, x->neg, &err) == 0);
	fine(adds_writer_write(w, m, &err) == 0);
	adds_message_free(m);
}

/* features whose vocabulary is "animal", "cat" (an animal), "dog" (one, too), "rock" */
static void
write_features(char *path, size_t size, const char *name, const struct example *x, size_t n)
{
	static const char *const names[4] = { "animal", "cat", "dog", "rock" };
	struct adds_vocab *v = adds_vocab_new();
	struct adds_message *h = adds_header_new(ADDS_KIND_FEATURES, &err);
	struct adds_writer *w;
	size_t i;

	snprintf(path, size, "%s/%s", scratch(), name);
	for (i = 0; i < 4; i++)
		fine(adds_vocab_add(v, names[i], strlen(names[i]), &err) >= 0);
	fine(adds_vocab_imply(v, 1, 0, &err) == 0 && adds_vocab_imply(v, 2, 0, &err) == 0);
	fine(adds_vocab_to_header(v, h, &err) == 0 && adds_message_set_string(h, "tokens", "all", &err) == 0);
	fine((w = adds_writer_open(path, NULL, &err)) != NULL && adds_writer_header(w, h, &err) == 0);
	for (i = 0; i < n; i++)
		write_example(w, x + i);
	fine(adds_writer_finish(w, NULL, &err) == 0);
	adds_message_free(h);
	adds_vocab_free(v);
}

/* clang-format off */
static const struct example some[] = {
	{ "a", 1, 1, -1, { 1 },    { 0 },    0, 2 }, /* a cat, and so an animal; no dog */
	{ "b", 0, 0, -1, { 0 },    { 0 },    0, 1 }, /* unlabelled */
	{ "c", 1, 0, -1, { 0 },    { 0 },    0, 3 }, /* none of the labels */
	{ "d", 1, 1, 1,  { 2 },    { 1 },    0, 1 }, /* a dog, certainly no cat */
	{ "e", 1, 1, 0,  { 3 },    { 0 },    0, 1 }, /* a rock, all else unknown */
};
/* clang-format on */

START_TEST(targets_are_in_the_label_streams_order)
{
	/* tree, dog, cat, animal */
	static const int8_t want[4][L] = { { -1, 0, 1, 1 }, { -1, 0, 0, 0 }, { -1, 1, 0, 1 }, { -1, -1, -1, -1 } };
	static const int64_t positives[L] = { 0, 1, 1, 2 }, negatives[L] = { 0, 2, 2, 1 };
	const int64_t list[4] = { 0, 1, 2, 3 };
	int64_t p[L], n[L];
	struct adds_dataset *d;
	struct adds_texts texts;
	int8_t target[L];
	char path[256];
	int i;

	make_texts(&texts);
	write_features(path, sizeof(path), "targets.adds", some, 5);
	fine((d = adds_dataset_open(path, &texts, 0, &err)) != NULL);
	fine(adds_dataset_load(d, 1 << 20, NULL, NULL, &err) == 0);
	ck_assert_int_eq(d->n, 4);
	ck_assert_uint_eq(d->unlabelled, 1);
	ck_assert_uint_eq(d->map.ignored, 1);
	ck_assert_str_eq(d->map.first, "'rock'");
	for (i = 0; i < 4; i++) {
		adds_dataset_targets(d, i, target);
		ck_assert_mem_eq(target, want[i], L);
	}
	adds_dataset_count(d, list, 4, p, n);
	ck_assert_mem_eq(p, positives, sizeof(p));
	ck_assert_mem_eq(n, negatives, sizeof(n));
	ck_assert_str_eq(adds_dataset_path(d, 2), "d");
	adds_dataset_free(d);
	fine(adds_dataset_open(path, &texts, 1, &err) == NULL);
	ck_assert_int_eq(err.code, ADDS_EMISMATCH);
	adds_texts_release(&texts);
}
END_TEST

START_TEST(a_file_gives_the_tokens_that_memory_gives)
{
	struct adds_dataset *a, *b;
	struct adds_texts texts;
	char path[256];
	int64_t i;

	make_texts(&texts);
	write_features(path, sizeof(path), "memory.adds", some, 5);
	fine((a = adds_dataset_open(path, &texts, 0, &err)) && (b = adds_dataset_open(path, &texts, 0, &err)));
	fine(adds_dataset_load(a, 1 << 20, NULL, NULL, &err) == 0 && adds_dataset_load(b, 40, NULL, NULL, &err) == 0);
	ck_assert(a->in_memory && !b->in_memory);
	ck_assert_str_eq(a->digest, b->digest);
	for (i = a->n - 1; i >= 0; i--) {
		const void *x = adds_dataset_tokens(a, i, &err), *y = adds_dataset_tokens(b, i, &err);

		fine(x && y);
		ck_assert_mem_eq(x, y, (size_t)(a->item[i].tokens * D) * sizeof(float));
	}
	adds_dataset_free(a);
	adds_dataset_free(b);
	adds_texts_release(&texts);
}
END_TEST

START_TEST(the_digest_sees_every_change)
{
	static const char want[] = "tokens, targets and paths";
	struct example changed[5];
	struct adds_dataset *d;
	struct adds_texts texts;
	char path[256], digest[4][33];
	int i, k;

	make_texts(&texts);
	for (i = 0; i < 4; i++) {
		memcpy(changed, some, sizeof(some));
		if (i == 1)
			changed[0].token = 1e-6f;
		else if (i == 2)
			changed[3].nneg = 0;
		else if (i == 3)
			changed[2].path = "x";
		write_features(path, sizeof(path), "digest.adds", changed, 5);
		fine((d = adds_dataset_open(path, &texts, 0, &err)) != NULL);
		fine(adds_dataset_load(d, 1 << 20, NULL, NULL, &err) == 0);
		strcpy(digest[i], d->digest);
		for (k = 0; k < i; k++)
			ck_assert_msg(strcmp(digest[i], digest[k]) != 0, "%s: %d and %d", want, i, k);
		adds_dataset_free(d);
	}
	adds_texts_release(&texts);
}
END_TEST

START_TEST(splits_are_by_path_and_leave_none_out)
{
	static char name[400][8];
	static struct example many[400];
	int64_t train[400], val[400], n, m, i;
	struct adds_dataset *d;
	struct adds_texts texts;
	char path[256];

	make_texts(&texts);
	for (i = 0; i < 400; i++) {
		snprintf(name[i], sizeof(name[i]), "p%d", (int)i);
		many[i] = some[0];
		many[i].path = name[i];
	}
	write_features(path, sizeof(path), "split.adds", many, 400);
	fine((d = adds_dataset_open(path, &texts, 0, &err)) && adds_dataset_load(d, 1 << 20, NULL, NULL, &err) == 0);
	adds_dataset_split(d, 0.2, train, &n, val, &m);
	ck_assert_int_eq(n + m, 400);
	ck_assert(m > 48 && m < 112); /* four deviations about 80 */
	adds_dataset_split(d, 0, train, &n, val, &m);
	ck_assert(n == 400 && m == 0);
	adds_dataset_free(d);
	adds_texts_release(&texts);
}
END_TEST

static struct adds_train_options
plain_options(void)
{
	struct adds_train_options o = { .method = ADDS_METHOD_DECODER,
		                        .decoder = { .layers = 1, .heads = 1, .prior = 0 },
		                        .loss = { .kind = LOSS_ASL, .gamma_neg = 4, .clip = 0.05f, .detach = 1 },
		                        .optimizer = { .lr = 1e-3, .head = 1, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8 },
		                        .epochs = 2,
		                        .batch = 2,
		                        .budget = 1024,
		                        .save_every = 1e9,
		                        .rows = 1024,
		                        .min_positives = 1 };

	return o;
}

/* trains on the features of the file with no validation, on a device that is closed then; its code */
static int
train_with(struct backend *b, const struct adds_watch *watch, const char *path, const char *folder,
           const struct adds_train_options *o, int64_t *untrainable)
{
	struct adds_error why;
	struct adds_trainer t;
	struct adds_dataset *d;
	struct adds_texts texts;
	struct adds_run run;
	int64_t *list, n, m;
	int rc, stopped, older;
	char dir[256];

	make_texts(&texts);
	snprintf(dir, sizeof(dir), "%s/%s", scratch(), folder);
	fine(b != NULL);
	fine((d = adds_dataset_open(path, &texts, 0, &err)) && adds_dataset_load(d, 1 << 20, NULL, NULL, &err) == 0);
	list = malloc(64 * sizeof(*list));
	adds_dataset_split(d, 0, list, &n, list, &m);
	fine(adds_run_init(&run, dir, 1, &err) == 0);
	rc = adds_trainer_init(&t, b, &texts, o, d, list, n, NULL, NULL, 0, NULL, &err);
	*untrainable = t.untrainable;
	if (rc == 0)
		rc = adds_trainer_run(&t, &run, watch, 0, &stopped, &older, &why, &err);
	adds_trainer_release(&t);
	adds_run_release(&run);
	adds_dataset_free(d);
	adds_texts_release(&texts);
	backend_close(b);
	return rc;
}

static int
train_on(const char *path, const char *folder, const struct adds_train_options *o, int64_t *untrainable)
{
	return train_with(backend_open("cpu", 1, NULL, 0, &err), NULL, path, folder, o, untrainable);
}

START_TEST(labels_without_both_answers_are_not_trained)
{
	const struct adds_train_options o = plain_options();
	int64_t untrainable;
	char path[256];

	write_features(path, sizeof(path), "half.adds", some, 4);
	fine(train_on(path, "half", &o, &untrainable) == 0);
	ck_assert_int_eq(untrainable, 0);
	write_features(path, sizeof(path), "half.adds", some, 3); /* no dog is left */
	fine(train_on(path, "half2", &o, &untrainable) == 0);
	ck_assert_int_eq(untrainable, 1);
	write_features(path, sizeof(path), "half.adds", some, 1);
	ck_assert_int_eq(train_on(path, "half3", &o, &untrainable), ADDS_EMISMATCH);
}
END_TEST

START_TEST(a_loss_that_is_no_number_names_its_pictures)
{
	struct adds_train_options o = plain_options();
	int64_t untrainable;
	char path[256];

	o.optimizer.lr = 1e38; /* one step, and the weights are beyond all bounds */
	o.batch = 4;
	write_features(path, sizeof(path), "far.adds", some, 4);
	ck_assert_int_eq(train_on(path, "far", &o, &untrainable), ADDS_EFORMAT);
	ck_assert_msg(strstr(err.msg, "epoch 2, step ") && strstr(err.msg, "'d'"), "%s", err.msg);
}
END_TEST

/* ---- on a device of its own memory ---- */

static void
same_final(const char *a, const char *b)
{
	char command[512];

	snprintf(command, sizeof(command), "cmp %s/%s/final.safetensors %s/%s/final.safetensors", scratch(), a, scratch(), b);
	ck_assert_int_eq(system(command), 0);
}

struct watched {
	struct backend *b;
	int64_t waits, allocations, steps, most_waits, most_allocations;
	size_t most;
	int notes;
};

static void
see_step(void *to, const struct adds_step *s)
{
	struct watched *w = to;
	const int64_t waits = foreign_waits(w->b) - w->waits, allocations = foreign_allocations(w->b) - w->allocations;

	if (s->in_epoch > 1) {
		w->most_waits = waits > w->most_waits ? waits : w->most_waits;
		w->most_allocations = s->epoch > 1 && allocations > w->most_allocations ? allocations : w->most_allocations;
		w->steps++;
	}
	w->waits += waits;
	w->allocations += allocations;
}

/* A step waits for the loss (and takes the logits along) and for the gradient's norm; memory is taken in the first epoch. */
START_TEST(a_step_waits_for_loss_and_norm_alone)
{
	struct adds_train_options o = plain_options();
	struct watched w = { .b = foreign_over(cpu_open(1, &err), &err) };
	const struct adds_watch watch = { .to = &w, .step = see_step };
	int64_t untrainable;
	char path[256];

	o.epochs = 4;
	o.batch = 2;
	write_features(path, sizeof(path), "device.adds", some, 5);
	fine(train_with(w.b, &watch, path, "waits", &o, &untrainable) == 0);
	ck_assert_int_ge(w.steps, 4);
	ck_assert_int_eq(w.most_waits, 3);
	ck_assert_int_eq(w.most_allocations, 0);
}
END_TEST

START_TEST(features_that_stay_on_the_device_train_the_same)
{
	const struct adds_train_options o = plain_options();
	struct backend *b;
	int64_t untrainable;
	char path[256];

	write_features(path, sizeof(path), "stay.adds", some, 5);
	fine(train_on(path, "stay-cpu", &o, &untrainable) == 0);
	fine(train_with(foreign_over(cpu_open(1, &err), &err), NULL, path, "stay", &o, &untrainable) == 0);
	same_final("stay-cpu", "stay");
	fine((b = foreign_over(cpu_open(1, &err), &err)) != NULL);
	b->memory = 64; /* none of them fit */
	fine(train_with(b, NULL, path, "copied", &o, &untrainable) == 0);
	same_final("stay-cpu", "copied");
}
END_TEST

static void
see_most(void *to, const struct adds_step *s)
{
	struct watched *w = to;
	size_t most;

	(void)s;
	foreign_used(w->b, &most);
	w->most = most;
}

static void
see_note(void *to, const char *text)
{
	struct watched *w = to;

	w->notes += strstr(text, "no memory for") != NULL;
}

/* The most that a training had in use, less a little: it then has to take fewer pictures at once */
START_TEST(without_memory_a_step_is_taken_in_parts)
{
	struct adds_train_options o = plain_options();
	struct example many[40];
	struct backend *b;
	int64_t untrainable;
	char path[256], names[40][2];
	struct watched w = { 0 };
	const struct adds_watch watch = { .to = &w, .step = see_most, .note = see_note };
	int i;

	for (i = 0; i < 40; i++) {
		many[i] = some[i % 4 == 1 ? 3 : i % 4];
		names[i][0] = (char)('A' + i);
		names[i][1] = '\0';
		many[i].path = names[i];
	}
	o.batch = 40;
	write_features(path, sizeof(path), "many.adds", many, 40);
	fine((b = foreign_over(cpu_open(1, &err), &err)) != NULL);
	w.b = b;
	fine(train_with(b, &watch, path, "whole", &o, &untrainable) == 0);
	fine((b = foreign_over(cpu_open(1, &err), &err)) != NULL);
	foreign_limit(b, w.most - w.most / 5);
	ck_assert_int_eq(w.notes, 0);
	w.b = b;
	fine(train_with(b, &watch, path, "parts", &o, &untrainable) == 0);
	ck_assert_int_ge(w.notes, 1);
	fine((b = foreign_over(cpu_open(1, &err), &err)) != NULL);
	foreign_limit(b, 1000);
	ck_assert_int_eq(train_with(b, NULL, path, "nothing", &o, &untrainable), ADDS_ENOMEM);
}
END_TEST

Suite *train_suite(void);

Suite *
train_suite(void)
{
	Suite *s = suite_create("train");
	TCase *c = tcase_create("train");

	tcase_set_timeout(c, 60);
	tcase_add_test(c, targets_are_in_the_label_streams_order);
	tcase_add_test(c, a_file_gives_the_tokens_that_memory_gives);
	tcase_add_test(c, the_digest_sees_every_change);
	tcase_add_test(c, splits_are_by_path_and_leave_none_out);
	tcase_add_test(c, labels_without_both_answers_are_not_trained);
	tcase_add_test(c, a_loss_that_is_no_number_names_its_pictures);
	tcase_add_test(c, a_step_waits_for_loss_and_norm_alone);
	tcase_add_test(c, features_that_stay_on_the_device_train_the_same);
	tcase_add_test(c, without_memory_a_step_is_taken_in_parts);
	suite_add_tcase(s, c);
	return s;
}
