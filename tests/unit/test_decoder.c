/* SPDX-License-Identifier: MIT
 * test_decoder.c - properties of the decoder that hold for any weights */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "decoder_fixture.h"

static const int64_t ragged[4] = { 3, 12, 5, 12 };

static const struct adds_decoder_config forms[] = {
	{ .width = 24, .layers = 2, .heads = 1, .ff = 40, .prior = 1, .dropout = .2f },
	{ .width = 24, .layers = 3, .heads = 3, .ff = 40, .prior = 0, .dropout = .2f },
	{ .width = 264, .layers = 2, .heads = 2, .ff = 16, .prior = 1, .dropout = .2f },
};

enum { FORMS = sizeof(forms) / sizeof(forms[0]) };

static float *
copy_of(const float *x, int64_t n)
{
	float *y = malloc((size_t)n * sizeof(*y));

	ck_assert_ptr_nonnull(y);
	memcpy(y, x, (size_t)n * sizeof(*y));
	return y;
}

static void
same_bits(const float *a, const float *b, int64_t n)
{
	ck_assert_mem_eq(a, b, (size_t)n * sizeof(*a));
}

START_TEST(a_picture_does_not_depend_on_its_batch)
{
	struct fixture f;
	float *all;
	int64_t i;

	fixture_open(&f, &forms[_i], 2, 7, 4, 4, ragged);
	fixture_forward(&f, 0, 4);
	all = copy_of(f.logits, 28);
	memset(f.logits, 0, 28 * sizeof(float));
	for (i = 0; i < 4; i++)
		fixture_forward(&f, i, 1);
	same_bits(f.logits, all, 28);
	free(all);
	fixture_close(&f);
}
END_TEST

START_TEST(evaluation_and_training_without_dropout_agree)
{
	struct adds_decoder_config c = forms[_i];
	struct fixture f;
	float *all;

	c.dropout = 0;
	fixture_open(&f, &c, 1, 7, 4, 4, ragged);
	fixture_forward(&f, 0, 4);
	all = copy_of(f.logits, 28);
	fixture_train(&f, 1);
	check_close("logits", f.logits, all, 28, 1e-6, 1e-6); /* seen: 4.8e-7 */
	free(all);
	fixture_close(&f);
}
END_TEST

START_TEST(any_number_of_threads_gives_the_same_bits)
{
	struct fixture one, three;

	fixture_open(&one, &forms[_i], 1, 7, 4, 4, ragged);
	fixture_open(&three, &forms[_i], 3, 7, 4, 4, ragged);
	fixture_train(&one, 5);
	fixture_train(&three, 5);
	same_bits(one.logits, three.logits, 28);
	same_bits(fixture_backward(&one), fixture_backward(&three), one.d->size);
	fixture_close(&one);
	fixture_close(&three);
}
END_TEST

START_TEST(softmax_made_anew_gives_the_same_bits)
{
	struct fixture f;
	float *g;

	fixture_open(&f, &forms[0], 2, 7, 4, 4, ragged);
	fixture_train(&f, 5);
	g = copy_of(fixture_backward(&f), f.d->size);
	f.d->keep_bytes = 0;
	fixture_train(&f, 5);
	same_bits(fixture_backward(&f), g, f.d->size);
	free(g);
	fixture_close(&f);
}
END_TEST

/* Labels score by themselves without the visual update: four of them are fewer than the tokens, twelve are not. */
START_TEST(both_orders_of_products_agree)
{
	struct adds_decoder_config c = forms[0];
	const int64_t tokens[2] = { 8, 9 };
	struct fixture few, many;
	int64_t i;

	c.no_visual_update = 1;
	c.prior = 0;
	fixture_open(&few, &c, 1, 4, 0, 2, tokens);
	fixture_open(&many, &c, 1, 12, 0, 2, tokens);
	few.x.gate = many.x.gate = NULL;
	fixture_forward(&few, 0, 2);
	fixture_forward(&many, 0, 2);
	for (i = 0; i < 2; i++)
		check_close("logits", few.logits + 4 * i, many.logits + 12 * i, 4, 1e-5, 1e-6); /* seen: 1.8e-7 */
	fixture_close(&few);
	fixture_close(&many);
}
END_TEST

START_TEST(with_the_visual_update_a_label_depends_on_its_company)
{
	struct adds_decoder_config c = forms[0];
	const int64_t tokens[1] = { 8 };
	struct fixture few, many;
	double apart = 0;
	int64_t i;

	c.prior = 0;
	fixture_open(&few, &c, 1, 4, 0, 1, tokens);
	fixture_open(&many, &c, 1, 6, 0, 1, tokens);
	few.x.gate = many.x.gate = NULL;
	fixture_forward(&few, 0, 1);
	fixture_forward(&many, 0, 1);
	for (i = 0; i < 4; i++)
		apart = fmax(apart, fabs((double)few.logits[i] - (double)many.logits[i]));
	ck_assert(apart > 1e-3);
	/* but not where both look at the same context */
	many.x.context = few.x.context = f32(few.labels, 4, 24);
	many.x.labels_version = few.x.labels_version = 2;
	fixture_forward(&few, 0, 1);
	fixture_forward(&many, 0, 1);
	check_close("logits", few.logits, many.logits, 4, 1e-5, 1e-6); /* seen: 1.2e-7 */
	fixture_close(&few);
	fixture_close(&many);
}
END_TEST

START_TEST(what_is_kept_of_the_labels_is_dropped_with_them_and_the_weights)
{
	struct fixture f, fresh;

	fixture_open(&f, &forms[0], 1, 7, 0, 4, ragged);
	fixture_open(&fresh, &forms[0], 1, 7, 0, 4, ragged);
	fixture_forward(&f, 0, 4);
	made_up_rows(f.labels, 7, 24, 50);
	f.x.labels_version = 2;
	memcpy(fresh.labels, f.labels, 7 * 24 * sizeof(float));
	fixture_forward(&f, 0, 4);
	fixture_forward(&fresh, 0, 4);
	same_bits(f.logits, fresh.logits, 28);
	adds_decoder_weights(f.d)[f.d->at[0].mha[0].in_w + 5] += 1;
	fixture_train(&fresh, 1);
	adds_decoder_weights(fresh.d)[f.d->at[0].mha[0].in_w + 5] += 1;
	fixture_forward(&f, 0, 4);
	fixture_forward(&fresh, 0, 4);
	same_bits(f.logits, fresh.logits, 28);
	fixture_close(&f);
	fixture_close(&fresh);
}
END_TEST

/* A training batch cut in two draws the same numbers: those of a picture hang on its index. */
START_TEST(dropout_does_not_depend_on_the_batch)
{
	struct fixture f;
	struct adds_decoder_batch second;
	struct adds_error err;
	const int64_t at[3] = { 0, 5, 17 };
	float *all;

	fixture_open(&f, &forms[0], 1, 7, 4, 4, ragged);
	fixture_train(&f, 5);
	all = copy_of(f.logits, 28);
	second = f.x;
	second.pictures = (struct segs){ 2, at };
	second.tokens = rows_part(f.x.tokens, f.at[2], 17);
	second.z0 = rows_part(f.x.z0, 2, 2);
	ck_assert_int_eq(
		adds_decoder_train_forward(f.d, rows_part(fixture_logits(&f), 0, 2), &second, PREC_F32, 11, 5, 2, &err), 0);
	check_close("logits", f.logits, all + 14, 14, 1e-6, 1e-6); /* seen: 0 */
	fixture_train(&f, 6);
	ck_assert(fabs((double)f.logits[0] - (double)all[0]) > 1e-4);
	free(all);
	fixture_close(&f);
}
END_TEST

START_TEST(no_layers_is_the_prior_alone)
{
	const struct adds_decoder_config c = { .width = 24, .prior = 1 };
	const float *g, dlogits[3] = { 1, 2, -1 };
	struct adds_error err;
	struct fixture f;
	int64_t i;

	fixture_open(&f, &c, 1, 3, 0, 1, ragged);
	ck_assert_int_eq(adds_decoder_init(f.d, ADDS_INIT_ALIGNED, 0, 20, -6, &err), 0);
	fixture_forward(&f, 0, 1);
	for (i = 0; i < 3; i++)
		ck_assert_float_eq_tol(f.logits[i], 20 * f.z0[i] - 6, 1e-5f);
	fixture_train(&f, 0);
	memcpy(f.dlogits, dlogits, sizeof(dlogits));
	g = fixture_backward(&f);
	ck_assert_float_eq_tol(g[f.d->head.scale], f.z0[0] + 2 * f.z0[1] - f.z0[2], 1e-5f);
	ck_assert_float_eq_tol(g[f.d->head.bias], 2, 1e-5f);
	fixture_close(&f);
}
END_TEST

START_TEST(with_the_prior_training_starts_at_zero_shot)
{
	struct adds_error err;
	struct fixture f;
	const float *g;
	int64_t i;

	fixture_open(&f, &forms[0], 1, 7, 0, 4, ragged);
	ck_assert_int_eq(adds_decoder_init(f.d, ADDS_INIT_RANDOM, 3, 20, -6, &err), 0);
	fixture_train(&f, 0);
	for (i = 0; i < 28; i++)
		ck_assert_float_eq_tol(f.logits[i], 20 * f.z0[i] - 6, 1e-5f);
	g = fixture_backward(&f);
	ck_assert(fabsf(g[f.d->head.final_w]) > 0); /* and goes on from there */
	fixture_close(&f);
}
END_TEST

START_TEST(starting_weights_are_distributed_as_pytorch_does)
{
	const struct adds_decoder_config c = { .width = 64, .layers = 2, .heads = 8, .ff = 256 };
	struct adds_error err;
	struct fixture f;
	double most[2] = { 0, 0 }, sum = 0;
	const float *w;
	int64_t i;

	fixture_open(&f, &c, 1, 1, 0, 1, ragged);
	ck_assert_int_eq(adds_decoder_init(f.d, ADDS_INIT_RANDOM, 3, 0, 0, &err), 0);
	w = adds_decoder_weights(f.d);
	for (i = 0; i < 3 * 64 * 64; i++) {
		most[0] = fmax(most[0], fabs((double)w[f.d->at[1].mha[0].in_w + i]));
		sum += (double)w[f.d->at[1].mha[0].in_w + i];
	}
	for (i = 0; i < 256 * 64; i++)
		most[1] = fmax(most[1], fabs((double)w[f.d->at[1].w2 + i]));
	ck_assert(most[0] <= sqrt(6.0 / 256) && most[0] > .999 * sqrt(6.0 / 256));
	ck_assert(most[1] <= 1.0 / 16 && most[1] > .999 / 16);
	ck_assert(fabs(sum) < 4 * sqrt(2.0 / 256) * sqrt(3 * 64 * 64));
	ck_assert_float_eq(w[f.d->at[1].norm[3].w], 1);
	ck_assert_float_eq(w[f.d->at[1].mha[1].in_b], 0);
	ck_assert_int_eq(adds_decoder_init(f.d, ADDS_INIT_ALIGNED, 3, 0, 0, &err), 0);
	w = adds_decoder_weights(f.d) + f.d->at[1].mha[1].in_w;
	for (i = 0; i < 3 * 64 * 64; i++)
		ck_assert_float_eq(w[i], i % 64 == i / 64 % 64);
	fixture_close(&f);
}
END_TEST

START_TEST(configurations_that_cannot_be_are_refused)
{
	static const struct adds_decoder_config bad[] = {
		{ .width = 0, .layers = 1, .heads = 1, .ff = 4 },
		{ .width = 24, .layers = 1, .heads = 5, .ff = 4 },
		{ .width = 24, .layers = 1, .heads = 0, .ff = 4 },
		{ .width = 24, .layers = 0 },
		{ .width = 24, .layers = 1000, .heads = 1, .ff = 4 },
		{ .width = 24, .layers = 1, .heads = 1, .ff = -1 },
		{ .width = 24, .layers = 1, .heads = 1, .ff = 4, .dropout = 1 },
	};
	struct adds_error err;
	struct backend *b = backend_open("cpu", 1, NULL, 0, &err);
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_ptr_null(adds_decoder_new(b, &bad[i], &err));
	backend_close(b);
}
END_TEST

START_TEST(a_picture_without_tokens_is_refused)
{
	const int64_t none[2] = { 3, 0 };
	struct adds_error err;
	struct fixture f;

	fixture_open(&f, &forms[0], 1, 7, 0, 2, none);
	ck_assert_int_eq(adds_decoder_forward(f.d, fixture_logits(&f), &f.x, PREC_F32, &err), ADDS_EARG);
	ck_assert_str_eq(err.msg, "picture 1 of the batch has no tokens");
	fixture_close(&f);
}
END_TEST

Suite *decoder_suite(void);

Suite *
decoder_suite(void)
{
	Suite *s = suite_create("decoder");
	TCase *c = tcase_create("decoder");

	tcase_set_timeout(c, 60);
	tcase_add_loop_test(c, a_picture_does_not_depend_on_its_batch, 0, FORMS);
	tcase_add_loop_test(c, evaluation_and_training_without_dropout_agree, 0, FORMS);
	tcase_add_loop_test(c, any_number_of_threads_gives_the_same_bits, 0, FORMS);
	tcase_add_test(c, softmax_made_anew_gives_the_same_bits);
	tcase_add_test(c, both_orders_of_products_agree);
	tcase_add_test(c, with_the_visual_update_a_label_depends_on_its_company);
	tcase_add_test(c, what_is_kept_of_the_labels_is_dropped_with_them_and_the_weights);
	tcase_add_test(c, dropout_does_not_depend_on_the_batch);
	tcase_add_test(c, no_layers_is_the_prior_alone);
	tcase_add_test(c, with_the_prior_training_starts_at_zero_shot);
	tcase_add_test(c, starting_weights_are_distributed_as_pytorch_does);
	tcase_add_test(c, configurations_that_cannot_be_are_refused);
	tcase_add_test(c, a_picture_without_tokens_is_refused);
	suite_add_tcase(s, c);
	return s;
}
