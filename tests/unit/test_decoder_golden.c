/* SPDX-License-Identifier: MIT
 *
 * test_decoder_golden.c - logits, loss, every gradient and ten steps of AdamW
 * against PyTorch's in float64 (tests/gen/decoder.py).
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/stream/message.h"
#include "decoder_fixture.h"

static const char *const files[] = {
	"data/decoder_heads.safetensors",
	"data/decoder_orders.safetensors",
	"data/decoder_context.safetensors",
};

struct golden {
	struct backend *b;
	struct adds_decoder *d;
	struct adds_message *m;
	char *bytes;
	struct adds_decoder_batch x;
	int64_t n, L;
	struct mat logits, dlogits;
	int8_t *target;
};

static struct mat
tensor(const struct adds_message *m, const char *name)
{
	const struct adds_tensor *t = adds_message_tensor(m, name);
	struct mat o = no_mat;

	if (!t)
		return o;
	o = f32((float *)(uintptr_t)t->data, t->shape[0], t->rank > 1 ? t->shape[1] : 1);
	return o;
}

/* a copy on the device; p NULL for a matrix that is not there */
static struct mat
up(struct golden *g, struct mat host)
{
	struct adds_error err;
	struct mat m = host;

	if (!host.p)
		return host;
	ck_assert_int_eq(g->b->ops->alloc(g->b, &m.p, (size_t)(m.rows * m.cols) * sizeof(float), &err), 0);
	ck_assert_int_eq(g->b->ops->put(g->b, m.p, host.p, (size_t)(m.rows * m.cols) * sizeof(float), &err), 0);
	return m;
}

static void
down(struct golden *g, float *host, const float *device, int64_t n)
{
	struct adds_error err;

	ck_assert_int_eq(g->b->ops->get(g->b, host, device, (size_t)n * sizeof(*host), &err), 0);
}

static void
golden_open(struct golden *g, const char *path)
{
	struct adds_error err;
	void *target = NULL;
	const struct adds_tensor *at;

	memset(g, 0, sizeof(*g));
	ck_assert_ptr_nonnull(g->b = backend_open("cpu", 2, NULL, 0, &err));
	if (!(g->m = adds_checkpoint_read(path, &g->bytes, NULL, &err)))
		ck_abort_msg("%s", err.msg);
	if (!(g->d = adds_decoder_from_message(g->b, g->m, NULL, NULL, &err)))
		ck_abort_msg("%s", err.msg);
	at = adds_message_tensor(g->m, "in.at");
	g->n = at->shape[0] - 1;
	g->x.pictures = (struct segs){ g->n, at->data };
	g->x.labels = up(g, tensor(g->m, "in.labels"));
	g->x.tokens = up(g, tensor(g->m, "in.tokens"));
	g->x.context = up(g, tensor(g->m, "in.context"));
	g->x.z0 = up(g, tensor(g->m, "in.z0"));
	g->x.gate = up(g, tensor(g->m, "in.gate")).p;
	g->L = g->x.labels.rows;
	g->logits = up(g, tensor(g->m, "out.logits"));
	g->dlogits = up(g, tensor(g->m, "out.logits"));
	ck_assert_int_eq(g->b->ops->alloc(g->b, &target, (size_t)(g->n * g->L), &err), 0);
	ck_assert_int_eq(g->b->ops->put(g->b, target, adds_message_tensor(g->m, "in.target")->data,
	                                (size_t)(g->n * g->L), &err),
	                 0);
	g->target = target;
}

static void
golden_close(struct golden *g)
{
	void *const all[] = { g->x.labels.p, g->x.tokens.p, g->x.context.p, g->x.z0.p, (void *)(uintptr_t)g->x.gate, g->logits.p,
		              g->dlogits.p, g->target };
	size_t i;

	for (i = 0; i < sizeof(all) / sizeof(*all); i++)
		g->b->ops->release(g->b, all[i]);
	adds_decoder_free(g->d);
	adds_message_free(g->m);
	free(g->bytes);
	backend_close(g->b);
}

/* forward, loss, backward */
static double
pass(struct golden *g)
{
	const struct loss_args args = { .kind = LOSS_ASL, .gamma_neg = 4, .clip = .05f, .detach = 1 };
	struct adds_error err;
	float *grads = adds_decoder_gradients(g->d, &err);
	double loss;

	ck_assert_int_eq(g->b->ops->fill(g->b, f32(grads, 1, g->d->size), 0, &err), 0);
	ck_assert_int_eq(adds_decoder_train_forward(g->d, g->logits, &g->x, PREC_F32, 1, 1, 0, &err), 0);
	ck_assert_int_eq(g->b->ops->loss(g->b, g->dlogits, &loss, g->logits, g->target, NULL, 1, &args, &err), 0);
	ck_assert_int_eq(adds_decoder_backward(g->d, g->dlogits, &g->x, PREC_F32, &err), 0);
	return loss;
}

static void
compare(struct golden *g, const char *prefix, const float *device, double rtol, double atol)
{
	float *got = malloc((size_t)g->d->size * sizeof(*got));
	char name[128];
	size_t i;

	down(g, got, device, g->d->size);

	for (i = 0; i < g->d->nparams; i++) {
		const struct adds_param *p = &g->d->params[i];
		struct mat want;

		snprintf(name, sizeof(name), "%s%s", prefix, p->name);
		want = tensor(g->m, name);
		ck_assert_int_eq(want.p != NULL, p->trained);
		if (want.p)
			check_close(name, got + p->offset, want.p, (size_t)p->size, rtol, atol);
	}
	free(got);
}

START_TEST(logits_loss_and_gradients)
{
	struct adds_error err;
	struct golden g;
	float logits[64];
	double loss;

	golden_open(&g, files[_i]);
	loss = pass(&g);
	down(&g, logits, g.logits.p, g.n * g.L);
	check_close("logits", logits, tensor(g.m, "out.logits").p, (size_t)(g.n * g.L), 2e-6, 2e-6); /* seen: 9.5e-7 */
	ck_assert_double_eq_tol(loss, (double)*(float *)tensor(g.m, "out.loss").p, 1e-6 * loss);     /* seen: 7e-8 of it */
	compare(&g, "grad.", adds_decoder_gradients(g.d, &err), 2e-6, 1e-6);                         /* seen: 3.9e-7 */
	golden_close(&g);
}
END_TEST

START_TEST(evaluation)
{
	struct adds_error err;
	struct golden g;
	float logits[64];

	golden_open(&g, files[_i]);
	ck_assert_int_eq(adds_decoder_forward(g.d, g.logits, &g.x, PREC_F32, &err), 0);
	down(&g, logits, g.logits.p, g.n * g.L);
	check_close("logits", logits, tensor(g.m, "out.logits").p, (size_t)(g.n * g.L), 2e-6, 2e-6); /* seen: 9.5e-7 */
	golden_close(&g);
}
END_TEST

static size_t
groups_of(const struct adds_decoder *d, struct adamw_group *group)
{
	size_t i, n = 0;

	for (i = 0; i < d->nparams; i++) {
		const struct adds_param *p = &d->params[i];

		if (p->trained)
			group[n++] = (struct adamw_group){ p->offset, p->offset + p->size, 1e-3f, p->decay ? 1e-2f : 0 };
	}
	return n;
}

static float *
zeros(struct golden *g, int64_t n)
{
	struct adds_error err;
	void *p = NULL;

	ck_assert_int_eq(g->b->ops->alloc(g->b, &p, (size_t)n * sizeof(float), &err), 0);
	ck_assert_int_eq(g->b->ops->fill(g->b, f32(p, 1, n), 0, &err), 0);
	return p;
}

START_TEST(ten_steps_of_adamw)
{
	struct adamw_args args = { .beta1 = .9, .beta2 = .999, .eps = 1e-8, .grad_scale = 1 };
	struct adamw_group group[128];
	struct adds_error err;
	struct golden g;
	float *m, *v;
	size_t n;

	golden_open(&g, files[_i]);
	n = groups_of(g.d, group);
	m = zeros(&g, g.d->size);
	v = zeros(&g, g.d->size);
	for (args.step = 1; args.step <= 10; args.step++) {
		pass(&g);
		ck_assert_int_eq(g.b->ops->adamw(g.b, adds_decoder_weights(g.d), adds_decoder_gradients(g.d, &err), m, v, NULL,
		                                 group, (int64_t)n, &args, &err),
		                 0);
	}
	compare(&g, "step.", adds_decoder_weights(g.d), 1e-6, 2e-6); /* seen: 3.6e-7, prior.scale of 20: 1.9e-6 */
	g.b->ops->release(g.b, m);
	g.b->ops->release(g.b, v);
	golden_close(&g);
}
END_TEST

Suite *decoder_golden_suite(void);

Suite *
decoder_golden_suite(void)
{
	Suite *s = suite_create("decoder_golden");
	TCase *c = tcase_create("decoder_golden");

	tcase_set_timeout(c, 60);
	tcase_add_loop_test(c, logits_loss_and_gradients, 0, 3);
	tcase_add_loop_test(c, evaluation, 0, 3);
	tcase_add_loop_test(c, ten_steps_of_adamw, 0, 3);
	suite_add_tcase(s, c);
	return s;
}
