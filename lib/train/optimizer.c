/* SPDX-License-Identifier: MIT
 * optimizer.c - AdamW over the decoder's parameters */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "optimizer.h"

static struct mat
row(float *p, int64_t n)
{
	return mat_of(p, DT_F32, 1, n);
}

static int
new_buffer(struct adds_optimizer *o, float **p, struct adds_error *err)
{
	const int64_t size = adds_decoder_size(o->decoder);
	void *room = NULL;
	int rc;

	if ((rc = o->b->ops->alloc(o->b, &room, (size_t)size * sizeof(float), err)) < 0)
		return rc;
	*p = room;
	return o->b->ops->fill(o->b, row(*p, size), 0, err);
}

/* Neighbours that are treated alike are one group. */
static int
make_groups(struct adds_optimizer *o, struct adds_error *err)
{
	size_t n, i;
	const struct adds_param *p = adds_decoder_params(o->decoder, &n);

	o->group = calloc(n + 1, sizeof(*o->group));
	o->scale = calloc(n + 1, sizeof(*o->scale));
	if (!o->group || !o->scale)
		return adds_fail(err, ADDS_ENOMEM, "out of memory");
	for (i = 0; i < n; i++) {
		const double scale = p[i].head ? o->o.head : 1;
		const float decay = p[i].decay ? (float)o->o.weight_decay : 0;
		struct adamw_group *g = o->group + o->ngroups;

		if (!p[i].trained)
			continue;
		if (o->ngroups && g[-1].end == p[i].offset && o->scale[o->ngroups - 1] == scale && g[-1].weight_decay == decay) {
			g[-1].end += p[i].size;
			continue;
		}
		*g = (struct adamw_group){ p[i].offset, p[i].offset + p[i].size, 0, decay };
		o->scale[o->ngroups++] = scale;
	}
	return 0;
}

int
adds_optimizer_init(struct adds_optimizer *o, struct adds_decoder *decoder, struct backend *b,
                    const struct adds_optimizer_options *options, struct adds_error *err)
{
	const int64_t size = adds_decoder_size(decoder);
	int rc;

	memset(o, 0, sizeof(*o));
	o->b = b;
	o->decoder = decoder;
	o->o = *options;
	if ((rc = make_groups(o, err)) < 0 || (rc = new_buffer(o, &o->m, err)) < 0 || (rc = new_buffer(o, &o->v, err)) < 0)
		return rc;
	if (!(options->ema > 0))
		return 0;
	if ((rc = new_buffer(o, &o->e, err)) < 0)
		return rc;
	return b->ops->copy(b, row(o->e, size), row(adds_decoder_weights(decoder), size), err);
}

void
adds_optimizer_release(struct adds_optimizer *o)
{
	if (!o->b)
		return;
	o->b->ops->release(o->b, o->m);
	o->b->ops->release(o->b, o->v);
	o->b->ops->release(o->b, o->e);
	free(o->group);
	free(o->scale);
	memset(o, 0, sizeof(*o));
}

int
adds_optimizer_zero(struct adds_optimizer *o, struct adds_error *err)
{
	float *g = adds_decoder_gradients(o->decoder, err);

	if (!g)
		return err ? err->code : ADDS_ENOMEM;
	return o->b->ops->fill(o->b, row(g, adds_decoder_size(o->decoder)), 0, err);
}

static double
ema_decay(const struct adds_optimizer *o)
{
	const double t = (double)o->step, early = (1 + t) / (10 + t);

	return o->e && early < o->o.ema ? early : o->e ? o->o.ema
	                                               : 0;
}

int
adds_optimizer_step(struct adds_optimizer *o, double factor, double *norm, struct adds_error *err)
{
	const int64_t size = adds_decoder_size(o->decoder);
	float *g = adds_decoder_gradients(o->decoder, err);
	struct adamw_args args = { .grad_scale = 1 };
	double sum;
	size_t i;
	int rc;

	if (!g)
		return err ? err->code : ADDS_ENOMEM;
	if ((rc = o->b->ops->dot(o->b, &sum, row(g, size), row(g, size), err)) < 0)
		return rc;
	*norm = sqrt(sum);
	if (!isfinite(*norm))
		return 0;
	if (o->o.clip > 0 && *norm > o->o.clip)
		args.grad_scale = (float)(o->o.clip / *norm);
	for (i = 0; i < o->ngroups; i++)
		o->group[i].lr = (float)(o->o.lr * factor * o->scale[i]);
	args.step = ++o->step;
	args.beta1 = (float)o->o.beta1;
	args.beta2 = (float)o->o.beta2;
	args.eps = (float)o->o.eps;
	args.ema = (float)ema_decay(o);
	return o->b->ops->adamw(o->b, adds_decoder_weights(o->decoder), g, o->m, o->v, o->e, o->group,
	                        (int64_t)o->ngroups, &args, err);
}

int
adds_optimizer_swap(struct adds_optimizer *o, struct adds_error *err)
{
	const int64_t size = adds_decoder_size(o->decoder);
	struct mat spare, w, e;
	float *p = NULL;
	int rc;

	if (!o->e)
		return 0;
	if ((rc = new_buffer(o, &p, err)) < 0)
		goto out;
	spare = row(p, size);
	w = row(adds_decoder_weights(o->decoder), size);
	e = row(o->e, size);
	if ((rc = o->b->ops->copy(o->b, spare, w, err)) < 0 || (rc = o->b->ops->copy(o->b, w, e, err)) < 0)
		goto out;
	rc = o->b->ops->copy(o->b, e, spare, err);
	adds_decoder_weights(o->decoder); /* what was kept of the old weights is stale */
out:
	o->b->ops->release(o->b, p);
	return rc;
}
