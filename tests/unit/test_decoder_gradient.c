/* SPDX-License-Identifier: MIT
 * test_decoder_gradient.c - gradients of the decoder against finite differences, parameter by parameter */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "decoder_fixture.h"

struct form {
	struct adds_decoder_config c;
	int64_t labels, context;
	int64_t tokens[3];
};

static const struct form forms[] = {
	{ { .width = 12, .layers = 1, .heads = 1, .ff = 10 }, 4, 0, { 2, 7, 5 } },
	{ { .width = 12, .layers = 2, .heads = 1, .ff = 10, .prior = 1 }, 4, 0, { 2, 7, 5 } },
	{ { .width = 12, .layers = 3, .heads = 1, .ff = 10, .dropout = .3f }, 4, 3, { 2, 9, 7 } },
	{ { .width = 12, .layers = 3, .heads = 3, .ff = 10, .dropout = .3f, .prior = 1 }, 4, 3, { 2, 9, 5 } },
	{ { .width = 12, .layers = 2, .heads = 2, .ff = 10, .no_visual_update = 1 }, 4, 3, { 1, 1, 1 } },
	{ { .width = 260, .layers = 2, .heads = 2, .ff = 8, .dropout = .1f }, 3, 2, { 2, 4, 1 } },
};

/* the sum of logits times dlogits, whose gradient backward gives */
static double
value(struct fixture *f)
{
	const int64_t n = f->x.pictures.n * f->x.labels.rows;
	double s = 0;
	int64_t i;

	fixture_train(f, 3);
	for (i = 0; i < n; i++)
		s += (double)f->logits[i] * (double)f->dlogits[i];
	return s;
}

/* (value(w + εu) − value(w − εu)) / 2ε along the direction u within one parameter */
static double
difference(struct fixture *f, const struct adds_param *p, const float *u, double eps)
{
	float *w = adds_decoder_weights(f->d) + p->offset;
	double side[2];
	int64_t i;
	int k;

	for (k = 0; k < 2; k++) {
		for (i = 0; i < p->size; i++)
			w[i] += (float)((k ? -2 : 1) * eps) * u[i];
		side[k] = value(f);
	}
	for (i = 0; i < p->size; i++)
		w[i] += (float)eps * u[i];
	return (side[0] - side[1]) / (2 * eps);
}

static double
along(const float *g, const float *u, int64_t n)
{
	double s = 0;
	int64_t i;

	for (i = 0; i < n; i++)
		s += (double)g[i] * (double)u[i];
	return s;
}

START_TEST(gradients_equal_finite_differences)
{
	const struct form *form = &forms[_i];
	struct fixture f;
	const float *g;
	float *u;
	double worst = 0;
	size_t i;

	fixture_open(&f, &form->c, 1, form->labels, form->context, 3, form->tokens);
	fixture_train(&f, 3);
	g = fixture_backward(&f);
	ck_assert_ptr_nonnull(u = malloc((size_t)f.d->size * sizeof(*u)));
	for (i = 0; i < f.d->nparams; i++) {
		const struct adds_param *p = &f.d->params[i];
		double want, got, off;

		made_up(u, p->size, 77);
		got = along(g + p->offset, u, p->size);
		want = difference(&f, p, u, 4e-3 / sqrt((double)p->size));
		off = fabs(got - want) / (1 + fabs(want));
		worst = worse(worst, off);
		if (!(off <= 2e-2)) /* seen: 6e-3, the differences' own error in f32 */
			ck_abort_msg("%s: %g along a direction, differences say %g", p->name, got, want);
		ck_assert(p->trained || along(g + p->offset, g + p->offset, p->size) == 0);
	}
	if (getenv("UNIT_VERBOSE"))
		printf("# form %d: worst relative difference %.2g\n", _i, worst);
	free(u);
	fixture_close(&f);
}
END_TEST

Suite *decoder_gradient_suite(void);

Suite *
decoder_gradient_suite(void)
{
	Suite *s = suite_create("decoder_gradient");
	TCase *c = tcase_create("decoder_gradient");

	tcase_set_timeout(c, 60);
	tcase_add_loop_test(c, gradients_equal_finite_differences, 0, sizeof(forms) / sizeof(forms[0]));
	suite_add_tcase(s, c);
	return s;
}
