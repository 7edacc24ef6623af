/* SPDX-License-Identifier: MIT
 *
 * scores.c - attention of wide heads by matrix products: O = softmax(scale·(A·Bᵀ + bias))·V, picture by
 * picture, forward and backward.
 *
 * The softmax matrices are kept for backward where the caller has memory for
 * them; else they are made anew there from A and B, a bounded number of
 * pictures at a time. Either way gives the same bits.
 */
#include "decoder_inside.h"

/* softmax elements that are in work at once, unless one picture has more */
#define IN_WORK ((int64_t)16 << 20)

/* How many of n scores are taken together, and the floats of their matrices. */
static int64_t
take(const struct score *s, int64_t n, int64_t *floats)
{
	int64_t i;

	*floats = 0;
	for (i = 0; i < n; i++) {
		const int64_t more = s[i].a.rows * s[i].b.rows;

		if (i && *floats + more > IN_WORK)
			break;
		*floats += more;
	}
	return i;
}

static void
place(struct score *s, int64_t n, float *p, float *dp)
{
	int64_t i;

	for (i = 0; i < n; i++) {
		s[i].p = f32(p, s[i].a.rows, s[i].b.rows);
		s[i].dp = f32(dp, s[i].a.rows, s[i].b.rows);
		p += s[i].a.rows * s[i].b.rows;
		if (dp)
			dp += s[i].a.rows * s[i].b.rows;
	}
}

/* Number of scores from s on whose matrices have equally long rows: together they are one matrix, of *rows rows. */
static int64_t
alike(const struct score *s, int64_t n, int64_t *rows)
{
	int64_t i;

	*rows = 0;
	for (i = 0; i < n && s[i].p.cols == s[0].p.cols; i++)
		*rows += s[i].p.rows;
	return i;
}

static void
probabilities(struct run *r, const struct score *s, int64_t n, float scale)
{
	int64_t i, rows;

	for (i = 0; i < n; i++) {
		adds_dec_job(r, s[i].p, s[i].a, 0, s[i].b, 1, 0);
		adds_dec_finish(r, s[i].bias, ACT_NONE);
	}
	adds_dec_run(r);
	for (i = 0; i < n;) {
		const struct score *first = &s[i];
		struct mat m;

		i += alike(first, n - i, &rows);
		m = f32(first->p.p, rows, first->p.cols);
		OP(r, softmax, m, m, scale);
	}
}

void
adds_dec_scores(struct run *r, struct score *s, int64_t n, float scale, float *kept)
{
	int64_t i, m, j, floats;

	for (i = 0; i < n && r->rc >= 0; i += m) {
		m = take(s + i, n - i, &floats);
		place(s + i, m, kept ? kept : adds_dec_floats(r, &r->d->p, floats), NULL);
		if (r->rc < 0)
			return;
		probabilities(r, s + i, m, scale);
		for (j = i; j < i + m; j++)
			adds_dec_job(r, s[j].o, s[j].p, 0, s[j].v, 0, 0);
		adds_dec_run(r);
		if (kept)
			kept += floats;
	}
}

static void
softmax_backward(struct run *r, const struct score *s, int64_t n, float scale)
{
	int64_t i, rows;

	for (i = 0; i < n;) {
		const struct score *first = &s[i];
		struct mat p, dp;

		i += alike(first, n - i, &rows);
		p = f32(first->p.p, rows, first->p.cols);
		dp = f32(first->dp.p, rows, first->p.cols);
		OP(r, softmax_backward, dp, p, dp, scale);
	}
}

static void
gradients(struct run *r, const struct score *s, int64_t n, float scale)
{
	int64_t j;

	for (j = 0; j < n; j++) {
		adds_dec_job(r, s[j].dp, s[j].o, 0, s[j].v, 1, 0);
		if (s[j].dv.p)
			adds_dec_job(r, s[j].dv, s[j].p, 1, s[j].o, 0, s[j].beta_v);
	}
	adds_dec_run(r);
	softmax_backward(r, s, n, scale);
	for (j = 0; j < n; j++) {
		if (s[j].da.p)
			adds_dec_job(r, s[j].da, s[j].dp, 0, s[j].b, 0, s[j].beta_a);
		if (s[j].db.p)
			adds_dec_job(r, s[j].db, s[j].dp, 1, s[j].a, 0, s[j].beta_b);
	}
	adds_dec_run(r);
	for (j = 0; j < n; j++)
		if (s[j].dbias)
			OP(r, colsum, s[j].dbias, s[j].dp, s[j].beta_bias);
}

void
adds_dec_scores_backward(struct run *r, struct score *s, int64_t n, float scale, float *kept)
{
	int64_t i, m, floats;

	for (i = 0; i < n && r->rc >= 0; i += m) {
		float *p, *dp;

		m = take(s + i, n - i, &floats);
		p = kept ? kept : adds_dec_floats(r, &r->d->p, floats);
		dp = adds_dec_floats(r, &r->d->dp, floats);
		if (r->rc < 0)
			return;
		place(s + i, m, p, dp);
		if (!kept)
			probabilities(r, s + i, m, scale);
		gradients(r, s + i, m, scale);
		if (kept)
			kept += floats;
	}
}
