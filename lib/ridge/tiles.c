/* SPDX-License-Identifier: MIT
 * tiles.c - pictures as segments of token rows; reading and pooling over them */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ridge_inside.h"

enum { BLOCK_FLOATS = 32 << 20 };

struct segs
adds_tileset_segs(const struct adds_tileset *s)
{
	return (struct segs){ s->n, s->at };
}

static int
copy_offsets(struct adds_tileset *s, int64_t n, struct adds_error *err)
{
	s->n = n;
	if (!(s->at = calloc((size_t)n + 1, sizeof(*s->at))))
		return adds_fail(err, ADDS_ENOMEM, "out of memory for %lld pictures", (long long)n);
	return 0;
}

static void
see_single(struct adds_tileset *s)
{
	int64_t i;

	s->single = 1;
	for (i = 0; i < s->n; i++)
		s->single &= s->at[i + 1] - s->at[i] == 1;
}

int
adds_tileset_view(struct adds_tileset *s, struct backend *b, struct mat tokens, struct segs pictures, struct adds_error *err)
{
	int rc;

	memset(s, 0, sizeof(*s));
	s->b = b;
	s->v = tokens;
	if ((rc = copy_offsets(s, pictures.n, err)) < 0)
		return rc;
	memcpy(s->at, pictures.at, ((size_t)pictures.n + 1) * sizeof(*s->at));
	see_single(s);
	return 0;
}

int
adds_tileset_take(struct adds_tileset *s, const struct adds_tileset *from, const int64_t *list, int64_t n, struct adds_error *err)
{
	int32_t *rows;
	int64_t i, r, at = 0;
	int rc;

	memset(s, 0, sizeof(*s));
	s->b = from->b;
	if ((rc = copy_offsets(s, n, err)) < 0)
		return rc;
	for (i = 0; i < n; i++)
		s->at[i + 1] = s->at[i] + from->at[list[i] + 1] - from->at[list[i]];
	if (!(rows = malloc(((size_t)s->at[n] + 1) * sizeof(*rows))))
		return adds_fail(err, ADDS_ENOMEM, "out of memory for %lld tokens", (long long)s->at[n]);
	for (i = 0; i < n; i++)
		for (r = from->at[list[i]]; r < from->at[list[i] + 1]; r++)
			rows[at++] = (int32_t)r;
	if ((rc = adds_device(s->b, &s->v, s->at[n], from->v.cols, err)) == 0)
		rc = s->b->ops->gather(s->b, s->v, from->v, rows, err);
	s->own = s->v.p;
	free(rows);
	/* a set of one-token pictures out of a mixed one is still read tile by tile, as the whole is */
	s->single = from->single;
	return rc;
}

void
adds_tileset_release(struct adds_tileset *s)
{
	if (s->b)
		s->b->ops->release(s->b, s->own);
	free(s->at);
	memset(s, 0, sizeof(*s));
}

int
adds_device(struct backend *b, struct mat *m, int64_t rows, int64_t cols, struct adds_error *err)
{
	const size_t bytes = (size_t)(rows * cols) * sizeof(float);

	*m = mat_of(NULL, DT_F32, rows, cols);
	return b->ops->alloc(b, &m->p, bytes ? bytes : sizeof(float), err);
}

int
adds_device_put(struct backend *b, struct mat *m, const float *host, int64_t rows, int64_t cols, struct adds_error *err)
{
	const int rc = adds_device(b, m, rows, cols, err);

	return rc < 0 ? rc : b->ops->put(b, m->p, host, (size_t)(rows * cols) * sizeof(float), err);
}

int
adds_product(struct backend *b, struct mat c, struct mat a, int ta, struct mat bm, int tb, float alpha, float beta,
             struct adds_error *err)
{
	const struct gemm_job job = { c, a, bm, ta, tb, alpha, beta, NULL, ACT_NONE };

	return b->ops->gemm(b, &job, 1, PREC_F32, err);
}

int64_t
adds_ridge_block(int64_t rows, int64_t labels)
{
	int64_t block = rows > 0 ? BLOCK_FLOATS / rows : labels;

	block = block < 64 ? 64 : block / 64 * 64; /* whole panels of a product */
	return block < labels ? block : labels;
}

/* cosines of one block of labels into c [R, width]: texts minus a share of their mean */
static int
block_cosines(struct mat c, const struct adds_tileset *s, const float *texts, const float *mean_text, double share, int64_t width,
              struct adds_error *err)
{
	const int64_t D = s->v.cols;
	float *t = malloc((size_t)(width * D + 1) * sizeof(*t));
	struct mat d = { 0 };
	int64_t i, j;
	int rc;

	if (!t)
		return adds_fail(err, ADDS_ENOMEM, "out of memory for %lld texts", (long long)width);
	for (i = 0; i < width; i++)
		for (j = 0; j < D; j++)
			t[i * D + j] = (float)((double)texts[i * D + j] - share * (double)mean_text[j]);
	if ((rc = adds_device_put(s->b, &d, t, width, D, err)) == 0)
		rc = adds_product(s->b, c, s->v, 0, d, 1, 1, 0, err);
	s->b->ops->release(s->b, d.p);
	free(t);
	return rc;
}

int
adds_read_sigma(double *sigma, const struct adds_tileset *s, const float *texts, int64_t L, const float *mean_text, double share,
                struct adds_error *err)
{
	const int64_t block = adds_ridge_block(s->v.rows, L);
	const double n = (double)s->v.rows * (double)L;
	double sum = 0, squares = 0, x;
	struct mat c = { 0 };
	int64_t l;
	int rc = 0;

	*sigma = 1;
	if (s->single || n < 2)
		return 0;
	if ((rc = adds_device(s->b, &c, s->v.rows, block, err)) < 0)
		return rc;
	for (l = 0; rc == 0 && l < L; l += block) {
		const int64_t width = L - l < block ? L - l : block;
		const struct mat part = mat_of(c.p, DT_F32, s->v.rows, width);

		if ((rc = block_cosines(part, s, texts + l * s->v.cols, mean_text, share, width, err)) < 0 ||
		    (rc = s->b->ops->dot(s->b, &x, part, mat_of(NULL, DT_F32, 0, 0), err)) < 0)
			break;
		sum += x;
		if ((rc = s->b->ops->dot(s->b, &x, part, part, err)) == 0)
			squares += x;
	}
	s->b->ops->release(s->b, c.p);
	*sigma = sqrt((squares - sum * sum / n) / (n - 1));
	return rc;
}

/* one block's reading into z [n, width], in place of c's cosines; w: as c */
static int
read_block(struct mat z, struct mat c, struct mat w, const struct adds_tileset *s, double sharp,
           double sigma, struct adds_error *err)
{
	const struct segs at = adds_tileset_segs(s);
	int rc;

	if (s->single)
		return s->b->ops->copy(s->b, z, c, err);
	if (sharp == 0)
		return s->b->ops->seg_max(s->b, z, c, at, err);
	if ((rc = s->b->ops->seg_softmax(s->b, w, c, (float)(sharp / sigma), at, err)) < 0)
		return rc;
	return s->b->ops->seg_dot(s->b, z, w, c, at, err);
}

static int
get_columns(float *out, int64_t L, int64_t l, struct backend *b, struct mat z, struct adds_error *err)
{
	const size_t n = (size_t)(z.rows * z.cols);
	float *host = malloc((n + 1) * sizeof(*host));
	int64_t i;
	int rc;

	if (!host)
		return adds_fail(err, ADDS_ENOMEM, "out of memory for %zu scores", n);
	if ((rc = b->ops->get(b, host, z.p, n * sizeof(*host), err)) == 0)
		for (i = 0; i < z.rows; i++)
			memcpy(out + i * L + l, host + i * z.cols, (size_t)z.cols * sizeof(*host));
	free(host);
	return rc;
}

int
adds_read_tiles(float *Z, const struct adds_tileset *s, const float *texts, int64_t L, const float *mean_text, double share,
                double sharp, double sigma, struct adds_error *err)
{
	const int64_t block = adds_ridge_block(s->v.rows, L);
	struct mat c, w = { 0 }, z = { 0 };
	int64_t l;
	int rc;

	if ((rc = adds_device(s->b, &c, s->v.rows, block, err)) < 0 || (rc = adds_device(s->b, &w, s->v.rows, block, err)) < 0 ||
	    (rc = adds_device(s->b, &z, s->n, block, err)) < 0)
		goto out;
	for (l = 0; l < L; l += block) {
		const int64_t width = L - l < block ? L - l : block;
		const struct mat cl = mat_of(c.p, DT_F32, s->v.rows, width), wl = mat_of(w.p, DT_F32, s->v.rows, width);
		const struct mat zl = mat_of(z.p, DT_F32, s->n, width);

		if ((rc = block_cosines(cl, s, texts + l * s->v.cols, mean_text, share, width, err)) < 0 ||
		    (rc = read_block(zl, cl, wl, s, sharp, sigma, err)) < 0 || (rc = get_columns(Z, L, l, s->b, zl, err)) < 0)
			goto out;
	}
out:
	s->b->ops->release(s->b, c.p);
	s->b->ops->release(s->b, w.p);
	s->b->ops->release(s->b, z.p);
	return rc;
}

int
adds_pool_weights(struct mat *p, const struct adds_tileset *s, struct mat texts, double beta, struct adds_error *err)
{
	int rc;

	*p = mat_of(NULL, DT_F32, s->v.rows, texts.rows);
	if (s->single || texts.rows == 0)
		return 0;
	if ((rc = adds_device(s->b, p, s->v.rows, texts.rows, err)) < 0 ||
	    (rc = adds_product(s->b, *p, s->v, 0, texts, 1, 1, 0, err)) < 0)
		return rc;
	return s->b->ops->seg_softmax(s->b, *p, *p, (float)beta, adds_tileset_segs(s), err);
}

/* ---- corrections of a fitted model ---- */

/* (φ − μ)·w of one block of labels into h [n, width] */
static int
correct_block(struct mat h, struct mat g, const struct adds_tileset *s, struct mat p, struct mat w, struct mat mu, float *shift,
              struct adds_error *err)
{
	int rc;

	if ((rc = adds_product(s->b, g, s->v, 0, w, 1, 1, 0, err)) < 0)
		return rc;
	rc = p.p ? s->b->ops->seg_dot(s->b, h, p, g, adds_tileset_segs(s), err) : s->b->ops->copy(s->b, h, g, err);
	if (rc < 0)
		return rc;
	if ((rc = adds_product(s->b, mat_of(shift, DT_F32, 1, w.rows), mu, 0, w, 1, 1, 0, err)) < 0)
		return rc;
	return s->b->ops->add_row(s->b, h, -1, shift, err);
}

int
adds_correction(float *H, const struct adds_tileset *s, struct mat p, struct mat w, const float *mu, struct adds_error *err)
{
	const int64_t L = w.rows, block = adds_ridge_block(s->v.rows, L);
	struct mat g = { 0 }, h = { 0 }, m = { 0 }, shift = { 0 };
	int64_t l;
	int rc;

	if ((rc = adds_device(s->b, &g, s->v.rows, block, err)) < 0 || (rc = adds_device(s->b, &h, s->n, block, err)) < 0 ||
	    (rc = adds_device_put(s->b, &m, mu, 1, w.cols, err)) < 0 || (rc = adds_device(s->b, &shift, 1, block, err)) < 0)
		goto out;
	for (l = 0; l < L; l += block) {
		const int64_t width = L - l < block ? L - l : block;
		const struct mat hl = mat_of(h.p, DT_F32, s->n, width);
		struct mat pl = p;

		if (p.p)
			pl = mat_part(p, 0, p.rows, l, width);
		if ((rc = correct_block(hl, mat_of(g.p, DT_F32, s->v.rows, width), s, pl, mat_part(w, l, width, 0, w.cols), m,
		                        shift.p, err)) < 0 ||
		    (rc = get_columns(H, L, l, s->b, hl, err)) < 0)
			goto out;
	}
out:
	s->b->ops->release(s->b, g.p);
	s->b->ops->release(s->b, h.p);
	s->b->ops->release(s->b, m.p);
	s->b->ops->release(s->b, shift.p);
	return rc;
}
