/* SPDX-License-Identifier: MIT
 *
 * init.c - starting weights, from Philox: number i of parameter p is word i of
 * the sequence of (seed, p), so that they do not depend on the order of making.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../../kernels/philox.h"
#include "decoder_inside.h"

static int
ends(const char *name, const char *end)
{
	const size_t n = strlen(name), m = strlen(end);

	return n >= m && !strcmp(name + n - m, end);
}

static void
fill(float *w, int64_t n, float value)
{
	int64_t i;

	for (i = 0; i < n; i++)
		w[i] = value;
}

static void
identity(float *w, int64_t n)
{
	int64_t i;

	fill(w, n * n, 0);
	for (i = 0; i < n; i++)
		w[i * n + i] = 1;
}

static void
uniform(float *w, int64_t n, double bound, uint64_t seed)
{
	int64_t i;

	for (i = 0; i < n; i++)
		w[i] = (float)((2.0 * (double)philox_uniform(philox_word(seed, (uint64_t)i)) - 1) * bound);
}

/* fan-in of the linear map that a weight or bias belongs to */
static int64_t
fan_in(const struct adds_decoder *d, const char *name)
{
	return strstr(name, "ffn1.2.") ? d->c.ff : d->c.width;
}

/* nn.Linear: U(±1/√fan_in) for both. nn.MultiheadAttention: in_proj Xavier-uniform over [3D, D], out_proj as nn.Linear,
 * biases 0. nn.LayerNorm: 1 and 0. */
static void
plain(const struct adds_decoder *d, float *w, const struct adds_param *p, uint64_t seed)
{
	const double D = d->c.width;

	if (strstr(p->name, ".norm"))
		fill(w, p->size, ends(p->name, "weight") ? 1 : 0);
	else if (strstr(p->name, "multihead_attn") && ends(p->name, "bias"))
		fill(w, p->size, 0);
	else if (ends(p->name, "in_proj_weight"))
		uniform(w, p->size, sqrt(6 / (4 * D)), seed);
	else
		uniform(w, p->size, 1 / sqrt((double)fan_in(d, p->name)), seed);
}

static void
aligned(const struct adds_decoder *d, float *w, const struct adds_param *p)
{
	const int64_t D = d->c.width;
	int i;

	if (ends(p->name, "in_proj_weight"))
		for (i = 0; i < 3; i++)
			identity(w + i * D * D, D);
	else if (ends(p->name, "out_proj.weight"))
		identity(w, D);
}

/* a start at the zero-shot score: the head says 0, yet learns */
static void
prior(const struct adds_decoder *d, float *w, const struct adds_param *p, float scale, float bias)
{
	if (!strcmp(p->name, "prior.scale"))
		*w = scale;
	else if (!strcmp(p->name, "prior.bias"))
		*w = bias;
	else if (!strcmp(p->name, "decoder.fc.weight"))
		identity(w, d->c.width);
	else if (p->head)
		fill(w, p->size, 0);
}

int
adds_decoder_init(struct adds_decoder *d, enum adds_init init, uint64_t seed, float scale, float bias,
                  struct adds_error *err)
{
	float *w = calloc((size_t)d->size, sizeof(*w));
	size_t i;
	int rc;

	if (!w)
		return adds_fail(err, ADDS_ENOMEM, "out of memory for the decoder's starting weights");
	for (i = 0; i < d->nparams; i++) {
		const struct adds_param *p = &d->params[i];

		plain(d, w + p->offset, p, seed ^ (uint64_t)(i + 1) << 40);
		if (init == ADDS_INIT_ALIGNED)
			aligned(d, w + p->offset, p);
		if (d->c.prior)
			prior(d, w + p->offset, p, scale, bias);
	}
	rc = d->b->ops->put(d->b, adds_decoder_weights(d), w, (size_t)d->size * sizeof(*w), err);
	free(w);
	return rc < 0 ? rc : 0;
}
