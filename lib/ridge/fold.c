/* SPDX-License-Identifier: MIT
 * fold.c - one picture fold: its pictures are scored by what the others teach */
#include <stdlib.h>
#include <string.h>

#include "ridge_inside.h"

static int
deal(struct adds_ridge_fold *o, int p, int64_t N, struct adds_error *err)
{
	int64_t i;

	o->list_a = malloc((size_t)(N + 1) * sizeof(int64_t));
	o->list_b = malloc((size_t)(N + 1) * sizeof(int64_t));
	if (!o->list_a || !o->list_b)
		return adds_fail(err, ADDS_ENOMEM, "out of memory for %lld pictures", (long long)N);
	for (i = 0; i < N; i++)
		if (i % ADDS_RIDGE_PICTURE_FOLDS == p)
			o->list_b[o->nb++] = i;
		else
			o->list_a[o->na++] = i;
	return 0;
}

/* what is known of the pictures that teach */
static int
copy_rows(struct adds_ridge_fold *o, const float *Z, const int8_t *targets, int64_t L, struct adds_error *err)
{
	int64_t i;

	o->Z = malloc((size_t)(o->na * L + 1) * sizeof(float));
	o->y = malloc((size_t)(o->na * L) + 1);
	o->H = malloc((size_t)(o->nb * o->n + 1) * sizeof(float));
	if (!o->Z || !o->y || !o->H)
		return adds_fail(err, ADDS_ENOMEM, "out of memory for %lld pictures", (long long)(o->na + o->nb));
	for (i = 0; i < o->na; i++) {
		memcpy(o->Z + i * L, Z + o->list_a[i] * L, (size_t)L * sizeof(*Z));
		memcpy(o->y + i * L, targets + o->list_a[i] * L, (size_t)L);
	}
	return 0;
}

int
adds_fold_init(struct adds_ridge_fold *o, int p, const struct adds_tileset *s, const float *Z, const int8_t *targets, int64_t L,
               const float *texts, int64_t n, double beta, struct adds_error *err)
{
	const int64_t D = s->v.cols;
	struct mat t = { 0 };
	int rc;

	memset(o, 0, sizeof(*o));
	o->texts = texts;
	o->n = n;
	if ((rc = deal(o, p, s->n, err)) < 0 || (rc = copy_rows(o, Z, targets, L, err)) < 0 ||
	    (rc = adds_tileset_take(&o->a, s, o->list_a, o->na, err)) < 0 ||
	    (rc = adds_tileset_take(&o->b, s, o->list_b, o->nb, err)) < 0 || (rc = adds_device(s->b, &o->w, n, D, err)) < 0)
		return rc;
	if ((rc = adds_device_put(s->b, &t, texts, n, D, err)) == 0)
		rc = adds_pool_weights(&o->p, &o->b, t, beta, err);
	s->b->ops->release(s->b, t.p);
	return rc;
}

int
adds_fold_correct(float *to, struct adds_ridge_fold *o, const struct adds_ridge_fit *f, struct adds_error *err)
{
	int64_t i;
	int rc;

	if ((rc = adds_fit_weights(o->w, f, o->texts, o->n, err)) < 0 ||
	    (rc = adds_correction(o->H, &o->b, o->p, o->w, f->mu, err)) < 0)
		return rc;
	for (i = 0; i < o->nb; i++)
		memcpy(to + o->list_b[i] * o->n, o->H + i * o->n, (size_t)o->n * sizeof(float));
	return 0;
}

void
adds_fold_release(struct adds_ridge_fold *o)
{
	if (o->b.b) {
		o->b.b->ops->release(o->b.b, o->p.p);
		o->b.b->ops->release(o->b.b, o->w.p);
	}
	adds_tileset_release(&o->a);
	adds_tileset_release(&o->b);
	free(o->list_a);
	free(o->list_b);
	free(o->Z);
	free(o->y);
	free(o->H);
}
