/* SPDX-License-Identifier: MIT
 * zeroshot.c - scores with no training at all: the best cosine of a label's text with a picture's tokens */
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "decoder_inside.h"

/* tokens that are in work at once, unless one picture has more */
#define IN_WORK 8192

static int64_t
take(struct segs s, int64_t p)
{
	int64_t n = 1;

	while (p + n < s.n && s.at[p + n + 1] - s.at[p] <= IN_WORK)
		n++;
	return n;
}

/* memory of one call */
struct work {
	void *tokens, *products;
	struct gemm_job *jobs;
	int64_t *at;
};

/* Pictures p … p+n-1: a product each, so that none depends on its neighbours. */
static int
score(struct backend *b, struct work *w, struct mat z0, struct mat tokens, const int32_t *rows, struct segs pictures,
      int64_t p, int64_t n, struct mat labels, float scale, struct adds_error *err)
{
	const int64_t first = pictures.at[p], total = pictures.at[p + n] - first;
	const struct mat x = f32(w->tokens, total, tokens.cols), s = f32(w->products, total, labels.rows);
	const struct segs segs = { n, w->at };
	int64_t i, jobs = 0;
	int rc;

	for (i = 0; i <= n; i++)
		w->at[i] = pictures.at[p + i] - first;
	for (i = 0; i < n; i++) {
		const int64_t row = w->at[i], count = w->at[i + 1] - row;

		if (count)
			w->jobs[jobs++] = (struct gemm_job){ rows_part(s, row, count),
				                             rows_part(x, row, count),
				                             labels,
				                             0,
				                             1,
				                             scale,
				                             0,
				                             NULL,
				                             ACT_NONE };
	}
	if ((rc = b->ops->gather(b, x, tokens, rows + first, err)) < 0)
		return rc;
	if ((rc = b->ops->gemm(b, w->jobs, jobs, PREC_F32, err)) < 0)
		return rc;
	return b->ops->seg_max(b, rows_part(z0, p, n), s, segs, err);
}

/* room for the largest part that will be taken */
static int
prepare(struct backend *b, struct work *w, struct segs pictures, int64_t width, int64_t labels, struct adds_error *err)
{
	int64_t most = 0, most_pictures = 0, p, n;
	size_t x, y;
	int rc;

	for (p = 0; p < pictures.n; p += n) {
		n = take(pictures, p);
		most_pictures = n > most_pictures ? n : most_pictures;
		if (pictures.at[p + n] - pictures.at[p] > most)
			most = pictures.at[p + n] - pictures.at[p];
	}
	if (adds_mul_size((size_t)most, (size_t)width * sizeof(float), &x) ||
	    adds_mul_size((size_t)most, (size_t)labels * sizeof(float), &y))
		return adds_fail(err, ADDS_ELIMIT, "a picture with %lld tokens", (long long)most);
	w->jobs = malloc((size_t)(most_pictures + 1) * sizeof(*w->jobs));
	w->at = malloc((size_t)(most_pictures + 1) * sizeof(*w->at));
	if (!w->jobs || !w->at)
		return adds_fail(err, ADDS_ENOMEM, "out of memory for zero-shot scores");
	if ((rc = b->ops->alloc(b, &w->tokens, x ? x : 1, err)) < 0)
		return rc;
	return b->ops->alloc(b, &w->products, y ? y : 1, err);
}

int
adds_zero_shot(struct backend *b, struct mat z0, struct mat tokens, const int32_t *rows, struct segs pictures,
               struct mat labels, float scale, struct adds_error *err)
{
	struct work w = { 0 };
	int64_t p, n;
	int rc;

	assert(z0.rows == pictures.n && z0.cols == labels.rows && tokens.cols == labels.cols);
	rc = prepare(b, &w, pictures, tokens.cols, labels.rows, err);
	for (p = 0; rc >= 0 && p < pictures.n; p += n) {
		n = take(pictures, p);
		rc = score(b, &w, z0, tokens, rows, pictures, p, n, labels, scale, err);
	}
	b->ops->release(b, w.tokens);
	b->ops->release(b, w.products);
	free(w.jobs);
	free(w.at);
	return rc < 0 ? rc : 0;
}

static int64_t
all(int32_t *rows, int64_t T)
{
	int64_t i;

	for (i = 0; i < T; i++)
		rows[i] = (int32_t)i;
	return T;
}

int64_t
adds_read_rows(int32_t *rows, enum adds_read read, const int32_t *tiles, size_t ntiles, const char *tokens, int64_t T)
{
	const int has_cls = !tokens || strcmp(tokens, "patch") != 0;
	int64_t row = 0, n = 0;
	size_t i;

	if (T < 1)
		return 0;
	if (read == ADDS_READ_CLS)
		return all(rows, has_cls || !ntiles ? 1 : tiles[5] < T ? tiles[5]
		                                                       : T);
	if (read == ADDS_READ_PATCH || !has_cls || !ntiles)
		return all(rows, T);
	for (i = 0; i < ntiles && row < T; i++) {
		rows[n++] = (int32_t)row;
		row += tiles[6 * i + 5];
	}
	return n;
}
