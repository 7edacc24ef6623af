/* SPDX-License-Identifier: MIT
 * decoder_fixture.c - a decoder and a batch of made-up features */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../../kernels/philox.h"
#include "decoder_fixture.h"

void
made_up(float *x, int64_t n, uint64_t seed)
{
	int64_t i;

	for (i = 0; i < n; i++)
		x[i] = 2 * philox_uniform(philox_word(seed, (uint64_t)i)) - 1;
}

void
made_up_rows(float *x, int64_t rows, int64_t width, uint64_t seed)
{
	int64_t r, i;

	made_up(x, rows * width, seed);
	for (r = 0; r < rows; r++) {
		float *row = x + r * width;
		double s = 0;

		for (i = 0; i < width; i++)
			s += (double)row[i] * row[i];
		for (i = 0; i < width; i++)
			row[i] *= (float)sqrt((double)width / s);
	}
}

static float *
floats(int64_t n)
{
	float *p = calloc((size_t)n + 1, sizeof(*p));

	ck_assert_ptr_nonnull(p);
	return p;
}

static void
noisy_start(struct adds_decoder *d)
{
	struct adds_error err;
	float *noise = floats(d->size), *w;
	int64_t i;
	size_t p;

	ck_assert_int_eq(adds_decoder_init(d, ADDS_INIT_ALIGNED, 7, 20, -6, &err), 0);
	w = adds_decoder_weights(d);
	made_up(noise, d->size, 99);
	for (p = 0; p < d->nparams; p++)
		for (i = d->params[p].offset; i < d->params[p].offset + d->params[p].size; i++)
			w[i] += .05f * noise[i];
	free(noise);
}

void
fixture_open(struct fixture *f, const struct adds_decoder_config *c, int threads, int64_t labels, int64_t context,
             int64_t n, const int64_t *tokens)
{
	struct adds_error err;
	const int64_t D = c->width;
	int64_t i;

	memset(f, 0, sizeof(*f));
	for (i = 0; i < n; i++)
		f->at[i + 1] = f->at[i] + tokens[i];
	ck_assert_ptr_nonnull(f->b = backend_open("cpu", threads, NULL, 0, &err));
	ck_assert_ptr_nonnull(f->d = adds_decoder_new(f->b, c, &err));
	noisy_start(f->d);
	made_up_rows(f->labels = floats(labels * D), labels, D, 1);
	made_up_rows(f->context = floats(context * D), context, D, 2);
	made_up_rows(f->tokens = floats(f->at[n] * D), f->at[n], D, 3);
	made_up(f->z0 = floats(n * labels), n * labels, 4);
	made_up(f->gate = floats(labels), labels, 5);
	f->logits = floats(n * labels);
	made_up(f->dlogits = floats(n * labels), n * labels, 6);
	f->x.labels = f32(f->labels, labels, D);
	f->x.context = context ? f32(f->context, context, D) : no_mat;
	f->x.tokens = f32(f->tokens, f->at[n], D);
	f->x.pictures = (struct segs){ n, f->at };
	f->x.z0 = c->prior ? f32(f->z0, n, labels) : no_mat;
	f->x.gate = f->gate;
	f->x.labels_version = 1;
}

void
fixture_close(struct fixture *f)
{
	adds_decoder_free(f->d);
	backend_close(f->b);
	free(f->labels);
	free(f->context);
	free(f->tokens);
	free(f->z0);
	free(f->gate);
	free(f->logits);
	free(f->dlogits);
}

struct mat
fixture_logits(const struct fixture *f)
{
	return f32(f->logits, f->x.pictures.n, f->x.labels.rows);
}

void
fixture_forward(struct fixture *f, int64_t first, int64_t n)
{
	struct adds_decoder_batch x = f->x;
	struct adds_error err;
	int64_t at[16], i;

	for (i = 0; i <= n; i++)
		at[i] = f->at[first + i] - f->at[first];
	x.pictures = (struct segs){ n, at };
	x.tokens = rows_part(x.tokens, f->at[first], at[n]);
	x.z0 = rows_part(x.z0, first, n);
	if (adds_decoder_forward(f->d, rows_part(fixture_logits(f), first, n), &x, PREC_F32, &err) < 0)
		ck_abort_msg("%s", err.msg);
}

void
fixture_train(struct fixture *f, uint64_t step)
{
	struct adds_error err;

	if (adds_decoder_train_forward(f->d, fixture_logits(f), &f->x, PREC_F32, 11, step, 0, &err) < 0)
		ck_abort_msg("%s", err.msg);
}

const float *
fixture_backward(struct fixture *f)
{
	const struct mat dlogits = f32(f->dlogits, f->x.pictures.n, f->x.labels.rows);
	struct adds_error err;
	float *g = adds_decoder_gradients(f->d, &err);

	memset(g, 0, (size_t)f->d->size * sizeof(*g));
	if (adds_decoder_backward(f->d, dlogits, &f->x, PREC_F32, &err) < 0)
		ck_abort_msg("%s", err.msg);
	return g;
}
