/* SPDX-License-Identifier: MIT
 * batch.c - pictures and labels on the device */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../dtype.h"
#include "batch.h"

int
adds_room_reserve(struct backend *b, struct adds_room *r, size_t bytes, struct adds_error *err)
{
	int rc;

	if (bytes <= r->bytes)
		return 0;
	adds_room_release(b, r);
	bytes += bytes / 4;
	if ((rc = b->ops->alloc(b, &r->p, bytes, err)) < 0)
		return rc;
	r->bytes = bytes;
	return 0;
}

void
adds_room_release(struct backend *b, struct adds_room *r)
{
	b->ops->release(b, r->p);
	r->p = NULL;
	r->bytes = 0;
}

/* Y = factor · (rows of X, f32, made unit vectors in place) */
static int
unit_rows(struct backend *b, struct mat y, struct mat x, float factor, struct adds_error *err)
{
	int rc;

	if ((rc = b->ops->l2norm(b, x, x, 1e-12f, err)) < 0)
		return rc;
	return b->ops->axpby(b, y, factor, x, 0, err);
}

static int
put_texts(struct adds_batch *t, struct adds_error *err)
{
	const int64_t L = t->texts->n, D = t->texts->width;
	const size_t bytes = (size_t)(L * D) * sizeof(float);
	int rc;

	if ((rc = adds_room_reserve(t->b, &t->all, bytes, err)) < 0 ||
	    (rc = adds_room_reserve(t->b, &t->raw, bytes, err)) < 0 ||
	    (rc = t->b->ops->put(t->b, t->raw.p, t->texts->embedding, bytes, err)) < 0)
		return rc;
	return unit_rows(t->b, mat_of(t->all.p, DT_F32, L, D), mat_of(t->raw.p, DT_F32, L, D), sqrtf((float)D), err);
}

int
adds_batch_init(struct adds_batch *t, struct backend *b, const struct adds_texts *texts, struct adds_error *err)
{
	memset(t, 0, sizeof(*t));
	t->b = b;
	t->texts = texts;
	return put_texts(t, err);
}

void
adds_batch_shrink(struct adds_batch *t)
{
	adds_room_release(t->b, &t->raw);
	adds_room_release(t->b, &t->tokens);
	adds_room_release(t->b, &t->z0);
}

void
adds_batch_release(struct adds_batch *t)
{
	if (!t->b)
		return;
	adds_batch_shrink(t);
	adds_room_release(t->b, &t->all);
	adds_room_release(t->b, &t->labels);
	free(t->at);
	free(t->read_at);
	free(t->read);
	free(t->index);
	free(t->stage);
	adds_resident_free(t->own[0]);
	adds_resident_free(t->own[1]);
	memset(t, 0, sizeof(*t));
}

int64_t
adds_batch_keep(struct adds_batch *t, struct adds_dataset *d, size_t limit, struct adds_error *err)
{
	struct adds_resident **own = t->own[0] ? &t->own[1] : &t->own[0];
	int rc;

	if (d->resident || *own)
		return 0;
	if ((rc = adds_resident_new(own, t->b, d, limit, err)) < 0)
		return rc;
	return *own ? (int64_t)adds_resident_bytes(*own) : 0;
}

int
adds_batch_labels(struct adds_batch *t, const int32_t *columns, int64_t K, struct adds_error *err)
{
	const int64_t D = t->texts->width;
	const struct mat all = mat_of(t->all.p, DT_F32, t->texts->n, D);
	int rc;

	t->x.labels_version++;
	t->K = columns ? K : t->texts->n;
	if (!columns) {
		t->x.labels = all;
		return 0;
	}
	if ((rc = adds_room_reserve(t->b, &t->labels, (size_t)(K * D) * sizeof(float), err)) < 0)
		return rc;
	t->x.labels = mat_of(t->labels.p, DT_F32, K, D);
	return t->b->ops->gather(t->b, t->x.labels, all, columns, err);
}

/* host arrays for n pictures, of rows tokens together */
static int
reserve_host(struct adds_batch *t, int64_t n, int64_t rows, struct adds_error *err)
{
	if ((size_t)n + 1 > t->at_room) {
		free(t->at);
		free(t->read_at);
		t->at_room = 2 * ((size_t)n + 1);
		t->at = malloc(t->at_room * sizeof(*t->at));
		t->read_at = malloc(t->at_room * sizeof(*t->read_at));
	}
	if ((size_t)rows + 1 > t->read_room) {
		free(t->read);
		t->read_room = (size_t)rows + (size_t)rows / 4 + 1;
		t->read = malloc(t->read_room * sizeof(*t->read));
	}
	if (t->at && t->read_at && t->read)
		return 0;
	t->at_room = t->read_room = 0;
	return adds_fail(err, ADDS_ENOMEM, "out of memory for %lld tokens", (long long)rows);
}

/* which rows of the batch are whose, and which of them zero-shot reads */
static void
fill_offsets(struct adds_batch *t, const struct adds_dataset *d, const int64_t *list, int64_t n)
{
	int64_t i, k, rows = 0, read = 0;

	for (i = 0; i < n; i++) {
		const struct adds_item *item = d->item + list[i];

		t->at[i] = rows;
		t->read_at[i] = read;
		for (k = 0; k < item->nread; k++)
			t->read[read++] = (int32_t)rows + d->rows[item->read + k];
		rows += item->tokens;
	}
	t->at[n] = rows;
	t->read_at[n] = read;
}

/* ---- tokens that are copied for each batch ---- */

/* tokens of all pictures behind each other in stage, as they are stored */
static int
stage_tokens(struct adds_batch *t, struct adds_dataset *d, const int64_t *list, int64_t n, struct adds_error *err)
{
	const size_t row = (size_t)t->texts->width * adds_dtype_size(d->dtype), bytes = (size_t)t->at[n] * row;
	int64_t i;

	if (bytes > t->stage_room) {
		free(t->stage);
		t->stage_room = bytes + bytes / 4;
		if (!(t->stage = malloc(t->stage_room))) {
			t->stage_room = 0;
			return adds_fail(err, ADDS_ENOMEM, "out of memory for %lld tokens", (long long)t->at[n]);
		}
	}
	for (i = 0; i < n; i++) {
		const void *data = adds_dataset_tokens(d, list[i], err);

		if (!data)
			return err ? err->code : ADDS_EIO;
		memcpy(t->stage + (size_t)t->at[i] * row, data, (size_t)(t->at[i + 1] - t->at[i]) * row);
	}
	return 0;
}

/* f32 into unit; raw: room for them as they are stored */
static int
put_tokens(struct adds_batch *t, struct mat unit, void *raw, struct adds_dataset *d, const int64_t *list, int64_t n,
           struct adds_error *err)
{
	const size_t stored = (size_t)(unit.rows * unit.cols) * adds_dtype_size(d->dtype);
	struct mat m = unit;
	int rc;

	if ((rc = stage_tokens(t, d, list, n, err)) < 0)
		return rc;
	if (d->dtype == ADDS_F32)
		return t->b->ops->put(t->b, unit.p, t->stage, stored, err);
	m.p = raw;
	m.t = adds_device_dtype(d->dtype);
	if ((rc = t->b->ops->put(t->b, raw, t->stage, stored, err)) < 0)
		return rc;
	return t->b->ops->convert(t->b, unit, m, err);
}

/* ---- tokens that stay on the device ---- */

static int
gather_tokens(struct adds_batch *t, struct mat unit, struct adds_resident *r, const int64_t *list,
              int64_t n, struct adds_error *err)
{
	int64_t i, k, row;

	if ((size_t)unit.rows > t->index_room) {
		free(t->index);
		t->index_room = (size_t)unit.rows + (size_t)unit.rows / 4;
		if (!(t->index = malloc(t->index_room * sizeof(*t->index)))) {
			t->index_room = 0;
			return adds_fail(err, ADDS_ENOMEM, "out of memory for %lld tokens", (long long)unit.rows);
		}
	}
	for (i = 0; i < n; i++) {
		if ((row = adds_resident_row(r, list[i], err)) < 0)
			return (int)row;
		for (k = t->at[i]; k < t->at[i + 1]; k++)
			t->index[k] = (int32_t)(row + k - t->at[i]);
	}
	return t->b->ops->gather(t->b, unit, adds_resident_rows(r), t->index, err);
}

int
adds_batch_pictures(struct adds_batch *t, struct adds_dataset *d, const int64_t *list, int64_t n,
                    struct adds_error *err)
{
	const int64_t D = t->texts->width;
	int64_t i, rows = 0;
	struct mat unit;
	size_t f32;
	int rc;

	for (i = 0; i < n; i++)
		rows += d->item[list[i]].tokens;
	f32 = (size_t)(rows * D) * sizeof(float);
	/* raw holds the tokens as f32 and, behind them, as they are stored where they are copied */
	if ((rc = reserve_host(t, n, rows, err)) < 0 ||
	    (rc = adds_room_reserve(t->b, &t->raw, d->resident || d->dtype == ADDS_F32 ? f32 : 2 * f32, err)) < 0 ||
	    (rc = adds_room_reserve(t->b, &t->tokens, f32, err)) < 0)
		return rc;
	fill_offsets(t, d, list, n);
	unit = mat_of(t->raw.p, DT_F32, rows, D);
	rc = d->resident ? gather_tokens(t, unit, d->resident, list, n, err)
	                 : put_tokens(t, unit, (char *)t->raw.p + f32, d, list, n, err);
	if (rc < 0)
		return rc;
	t->n = n;
	t->x.tokens = mat_of(t->tokens.p, DT_F32, rows, D);
	t->x.pictures = (struct segs){ n, t->at };
	t->x.z0 = mat_of(NULL, DT_F32, n, t->K);
	return unit_rows(t->b, t->x.tokens, unit, sqrtf((float)D), err);
}

int
adds_batch_zero_shot(struct adds_batch *t, struct adds_error *err)
{
	const struct segs read = { t->n, t->read_at };
	int rc;

	if ((rc = adds_room_reserve(t->b, &t->z0, (size_t)(t->n * t->K) * sizeof(float), err)) < 0)
		return rc;
	t->x.z0 = mat_of(t->z0.p, DT_F32, t->n, t->K);
	return adds_zero_shot(t->b, t->x.z0, t->x.tokens, t->read, read, t->x.labels, 1 / (float)t->texts->width, err);
}

int64_t
adds_batch_fit(const struct adds_dataset *d, const int64_t *list, int64_t n, int64_t K, int64_t rows)
{
	int64_t i, tokens = 0;

	for (i = 0; i < n; i++) {
		tokens += d->item[list[i]].tokens;
		if (i && (tokens > rows || (i + 1) * K > rows))
			break;
	}
	return i;
}
