/* SPDX-License-Identifier: MIT
 * test_ranks.c - gradients out of parts, and ranks that train together: here
 * threads of one process, over a transport of our own */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/train/train.h"
#include "decoder_fixture.h"
#include "foreign.h"

enum { MOST = 4,
       PATH_ROOM = 300 };

static struct adds_error err;

static void
fine(int ok)
{
	ck_assert_msg(ok, "%s", err.msg);
}

/* ---- gradients of parts ---- */

START_TEST(parts_leave_no_picture_out)
{
	int64_t n;
	int parts, k;

	for (n = 0; n < 20; n++)
		for (parts = 1; parts < 25; parts++) {
			ck_assert_int_eq(adds_part_begin(n, parts, 0), 0);
			ck_assert_int_eq(adds_part_begin(n, parts, parts), n);
			for (k = 0; k < parts; k++) {
				const int64_t size = adds_part_begin(n, parts, k + 1) - adds_part_begin(n, parts, k);

				ck_assert(size >= n / parts && size <= n / parts + 1);
			}
		}
}
END_TEST

/* The sum of four parts' gradients, made up, one after the other: (((a + b) + c) + d), in f32. */
static void
sum_by_hand(float *sum, int64_t size, int parts)
{
	float *part = malloc((size_t)size * sizeof(*part));
	int64_t i;
	int k;

	for (k = 0; k < parts; k++) {
		made_up(part, size, (uint64_t)k + 1);
		for (i = 0; i < size; i++)
			sum[i] = k ? sum[i] + part[i] : part[i];
	}
	free(part);
}

static void
sums_of(struct backend *b, int parts)
{
	const struct adds_decoder_config c = { .width = 8, .layers = 1, .heads = 1, .ff = 16 };
	struct adds_decoder *d = adds_decoder_new(b, &c, &err);
	const int64_t size = adds_decoder_size(d);
	const size_t bytes = (size_t)size * sizeof(float);
	float *want = malloc(bytes), *part = malloc(bytes), *got = malloc(bytes), *g = adds_decoder_gradients(d, &err);
	struct adds_accumulator a;
	int k;

	fine(g != NULL && adds_accumulator_init(&a, d, b, NULL, parts, &err) == 0);
	sum_by_hand(want, size, parts);
	for (k = 0; k < parts; k++) {
		made_up(part, size, (uint64_t)k + 1);
		if (k == 0)
			part[0] = want[0] = -0.0f; /* its sign survives where it is alone */
		if (k > 0)
			part[0] = -0.0f;
		fine(b->ops->put(b, g, part, bytes, &err) == 0 && adds_accumulator_add(&a, 0, k, 1, &err) == 0);
	}
	fine(adds_accumulator_finish(&a, &err) == 0 && b->ops->get(b, got, g, bytes, &err) == 0);
	ck_assert_mem_eq(got, want, bytes);
	free(want);
	free(part);
	free(got);
	adds_accumulator_release(&a);
	adds_decoder_free(d);
	backend_close(b);
}

START_TEST(gradients_of_parts_are_added_in_order)
{
	int parts;

	for (parts = 1; parts <= 4; parts++) {
		sums_of(cpu_open(1, &err), parts);
		sums_of(foreign_over(cpu_open(1, &err), &err), parts);
	}
}
END_TEST

START_TEST(more_ranks_than_parts_are_refused)
{
	struct adds_ranks three = { .size = 3, .locals = 3, .failed = -1 };
	struct adds_accumulator a;

	ck_assert_int_eq(adds_accumulator_init(&a, NULL, NULL, &three, 2, &err), ADDS_EARG);
	ck_assert_str_eq(
		err.msg,
		"the gradients of a step come from 2 parts (--accumulate), too few for 3 ranks: start at most 2");
}
END_TEST

/* ---- a transport between threads ---- */

static struct {
	pthread_barrier_t all;
	void *at[MOST];
	const void *from[MOST];
} meeting;

static void
meet(void)
{
	pthread_barrier_wait(&meeting.all);
}

static void
thread_close(struct adds_ranks *r)
{
	(void)r;
}

static void
thread_kill(struct adds_ranks *r, int status)
{
	(void)r;
	(void)status;
}

static int
thread_least(struct adds_ranks *r, int *x, int n, double seconds)
{
	int least[2], i, k;

	(void)seconds;
	meeting.at[r->rank] = x;
	meet();
	for (k = 0; k < n; k++)
		for (least[k] = x[k], i = 0; i < r->size; i++)
			if (((int *)meeting.at[i])[k] < least[k])
				least[k] = ((int *)meeting.at[i])[k];
	meet();
	memcpy(x, least, (size_t)n * sizeof(*x));
	return 0;
}

static void
thread_add(struct adds_ranks *r, float *sum, const float *x, int64_t n, int count)
{
	int64_t i;
	int k;

	meeting.from[r->rank] = x;
	meet();
	for (k = 0; k < count; k++)
		for (i = 0; i < n; i++)
			sum[i] += ((const float *)meeting.from[k])[i];
	meet();
}

static void
thread_collect(struct adds_ranks *r, void *all, const void *mine, const size_t *at)
{
	int i;

	meeting.from[r->rank] = mine;
	meet();
	for (i = 1; r->rank == 0 && i < r->size; i++)
		memcpy((char *)all + at[i], meeting.from[i], at[i + 1] - at[i]);
	meet();
}

static void
thread_share(struct adds_ranks *r, void *p, size_t n)
{
	meeting.at[r->rank] = p;
	meet();
	if (r->rank)
		memcpy(p, meeting.at[0], n);
	meet();
}

static const struct adds_ranks_ops threads = { thread_close, thread_kill, thread_least,
	                                       thread_add, thread_collect, thread_share,
	                                       thread_share };

/* ---- a training ---- */

static char labels[PATH_ROOM], features[PATH_ROOM], others[PATH_ROOM];

static void
make(char *path, const char *name, const char *options)
{
	char command[600];

	snprintf(path, PATH_ROOM, "%s/%s", scratch(), name);
	snprintf(command, sizeof(command), "mkstream --labels 30 --width 8 %s -o %s", options, path);
	ck_assert_msg(system(command) == 0, "'%s' failed: is mkstream in PATH, as tests/run puts it?", command);
}

static void
make_streams(void)
{
	make(labels, "l.adds", "--kind labels");
	make(features, "f.adds", "--kind features --records 50 --tokens 3 --ragged 1 --positive 6");
	make(others, "o.adds", "--kind features --records 50 --tokens 3 --ragged 1 --positive 6 --seed 1");
}

struct training {
	struct adds_train_options o;
	struct adds_ranks ranks;
	const char *features;
	char dir[PATH_ROOM]; /* "": not rank 0 */
	int spoilt;          /* 1: a picture cannot be read once the training runs */
	int (*stop)(void *to);
	int rc, stopped;
	int held; /* 1: tokens were in memory, the ranks' in a store */
	struct adds_error err;
};

static struct adds_train_options
options_of(int accumulate)
{
	struct adds_train_options o = {
		.method = ADDS_METHOD_DECODER,
		.decoder = { .layers = 2, .heads = 2, .dropout = 0.2f },
		.init = ADDS_INIT_RANDOM,
		.loss = { .kind = LOSS_ASL, .gamma_neg = 4, .clip = 0.05f, .detach = 1 },
		.optimizer = { .lr = 1e-2,
		               .head = 1,
		               .beta1 = 0.9,
		               .beta2 = 0.999,
		               .eps = 1e-8,
		               .ema = 0.9 },
		.epochs = 2,
		.batch = 7,
		.budget = 12,
		.save_every = 1e9,
		.rows = 64,
		.min_positives = 1
	};

	o.accumulate = accumulate;
	return o;
}

/* a file's picture number i, gone */
static void
spoil(struct adds_dataset *d, int64_t i)
{
	d->item[i].data = NULL;
	d->item[i].record = 99999;
}

static void *
train(void *arg)
{
	struct training *x = arg;
	const struct adds_watch watch = { .stop = x->stop };
	struct adds_error why;
	struct adds_texts texts;
	struct adds_trainer t;
	struct adds_dataset *d;
	struct adds_run run = { .log = -1 };
	struct backend *b = cpu_open(1, &x->err);
	int64_t *list = malloc(64 * sizeof(*list)), *val = malloc(64 * sizeof(*val)), n, m;
	int older;

	memset(&t, 0, sizeof(t));
	x->rc = adds_texts_read(&texts, labels, &x->err);
	d = adds_dataset_open(x->features, &texts, 0, &x->err);
	if (x->rc < 0 || !d || (x->rc = adds_dataset_load_one(d, 1 << 20, NULL, NULL, &x->ranks, &x->err)) < 0)
		return NULL;
	x->rc = adds_ranks_agree(&x->ranks, 0, NULL, &x->err);
	adds_dataset_lend(d, &x->ranks);
	x->held = d->in_memory && (x->ranks.size == 1 || d->store.base);
	adds_dataset_split(d, 0.3, list, &n, val, &m);
	x->o.ranks = &x->ranks;
	if (*x->dir)
		x->rc = adds_run_init(&run, x->dir, 1, &x->err);
	if (x->rc == 0)
		x->rc = adds_trainer_init(&t, b, &texts, &x->o, d, list, n, d, val, m, NULL, &x->err);
	if (x->spoilt)
		spoil(d, list[n - 1]);
	if (x->rc == 0)
		x->rc = adds_trainer_run(&t, *x->dir ? &run : NULL, &watch, 1, &x->stopped, &older, &why, &x->err);
	adds_trainer_release(&t);
	adds_run_release(&run);
	adds_dataset_free(d);
	adds_texts_release(&texts);
	backend_close(b);
	return NULL;
}

static void
prepare(struct training *x, int rank, int size, int accumulate, const char *folder)
{
	*x = (struct training){ .o = options_of(accumulate), .features = features };
	x->ranks = (struct adds_ranks){ rank, size, rank, size, -1, size > 1 ? &threads : NULL, NULL };
	if (rank == 0)
		snprintf(x->dir, sizeof(x->dir), "%s/%s", scratch(), folder);
}

static void
train_together(struct training *x, int size)
{
	pthread_t thread[MOST];
	int i;

	pthread_barrier_init(&meeting.all, NULL, (unsigned)size);
	for (i = 0; i < size; i++)
		ck_assert_int_eq(pthread_create(thread + i, NULL, train, x + i), 0);
	for (i = 0; i < size; i++)
		pthread_join(thread[i], NULL);
	pthread_barrier_destroy(&meeting.all);
}

static void
train_alone(int accumulate, const char *folder)
{
	struct training x;

	prepare(&x, 0, 1, accumulate, folder);
	train(&x);
	ck_assert_msg(x.rc == 0, "%s", x.err.msg);
}

static int
is_same(const char *a, const char *b, const char *name)
{
	char command[3 * PATH_ROOM];

	snprintf(command, sizeof(command), "cmp -s %s/%s/%s %s/%s/%s", scratch(), a, name, scratch(), b, name);
	return system(command) == 0;
}

static void
same_run(const char *a, const char *b)
{
	static const char *const names[] = { "final.safetensors", "best.safetensors",
		                             "last.safetensors", "log.jsonl", "state.safetensors" };
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(*names); i++)
		ck_assert_msg(is_same(a, b, names[i]), "%s and %s differ in %s", a, b, names[i]);
}

START_TEST(ranks_end_with_the_bits_of_one_process)
{
	static const struct {
		int ranks, parts;
	} cases[] = { { 2, 2 }, { 3, 3 }, { 3, 5 }, { 2, 9 } };
	struct training x[MOST];
	char alone[16], together[16];
	size_t c;
	int i;

	make_streams();
	for (c = 0; c < sizeof(cases) / sizeof(*cases); c++) {
		snprintf(alone, sizeof(alone), "alone%zu", c);
		snprintf(together, sizeof(together), "ranks%zu", c);
		train_alone(cases[c].parts, alone);
		for (i = 0; i < cases[c].ranks; i++)
			prepare(x + i, i, cases[c].ranks, cases[c].parts, together);
		train_together(x, cases[c].ranks);
		for (i = 0; i < cases[c].ranks; i++)
			ck_assert_msg(x[i].rc == 0 && x[i].held, "rank %d: %s", i, x[i].err.msg);
		same_run(alone, together);
	}
	train_alone(1, "one");
	train_alone(0, "none");
	same_run("one", "none");
	ck_assert(!is_same("one", "alone0", "final.safetensors"));
}
END_TEST

START_TEST(one_that_cannot_go_on_ends_all)
{
	struct training x[MOST];
	int i;

	make_streams();
	for (i = 0; i < 3; i++)
		prepare(x + i, i, 3, 3, "fails");
	x[1].spoilt = 1;
	train_together(x, 3);
	for (i = 0; i < 3; i++)
		ck_assert_msg(x[i].rc < 0 && x[i].ranks.failed == 1, "rank %d: %d", i, x[i].rc);
	ck_assert_msg(strstr(x[1].err.msg, "99999"), "%s", x[1].err.msg);
	ck_assert_str_eq(x[0].err.msg, "rank 1 could not go on");
}
END_TEST

START_TEST(other_data_are_noticed)
{
	struct training x[MOST];

	make_streams();
	prepare(x, 0, 2, 2, "other");
	prepare(x + 1, 1, 2, 2, "");
	x[1].features = others;
	train_together(x, 2);
	ck_assert(x[0].rc < 0 && x[1].rc == ADDS_EMISMATCH && x[0].ranks.failed == 1);
	ck_assert_msg(strstr(x[1].err.msg, "other features or labels than rank 0"), "%s", x[1].err.msg);
}
END_TEST

static int
stop_at_third(void *to)
{
	static int asked;

	(void)to;
	return ++asked == 3;
}

START_TEST(one_that_is_told_to_stop_stops_all_and_they_go_on)
{
	struct training x[MOST];
	int i, again;

	make_streams();
	train_alone(2, "undisturbed");
	for (again = 0; again < 2; again++) {
		for (i = 0; i < 2; i++)
			prepare(x + i, i, 2, 2, "stopped");
		x[1].stop = again ? NULL : stop_at_third;
		train_together(x, 2);
		for (i = 0; i < 2; i++)
			ck_assert_msg(x[i].rc == 0 && x[i].stopped == !again, "rank %d: %d, %d", i, x[i].rc, x[i].stopped);
	}
	ck_assert(is_same("undisturbed", "stopped", "final.safetensors") && is_same("undisturbed", "stopped", "log.jsonl"));
}
END_TEST

Suite *ranks_suite(void);

Suite *
ranks_suite(void)
{
	Suite *s = suite_create("ranks");
	TCase *c = tcase_create("ranks");

	tcase_set_timeout(c, 60);
	tcase_add_test(c, parts_leave_no_picture_out);
	tcase_add_test(c, gradients_of_parts_are_added_in_order);
	tcase_add_test(c, more_ranks_than_parts_are_refused);
	tcase_add_test(c, ranks_end_with_the_bits_of_one_process);
	tcase_add_test(c, one_that_cannot_go_on_ends_all);
	tcase_add_test(c, other_data_are_noticed);
	tcase_add_test(c, one_that_is_told_to_stop_stops_all_and_they_go_on);
	suite_add_tcase(s, c);
	return s;
}
