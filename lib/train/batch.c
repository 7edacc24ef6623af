/* SPDX-License-Identifier: MIT
 * batch.c - pictures and labels on the device */
#include <math.h>
#include <stdlib.h>
#include <string.h>

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
adds_batch_release(struct adds_batch *t)
{
	if (!t->b)
		return;
	adds_room_release(t->b, &t->all);
	adds_room_release(t->b, &t->raw);
	adds_room_release(t->b, &t->tokens);
	adds_room_release(t->b, &t->labels);
	adds_room_release(t->b, &t->z0);
	free(t->at);
	free(t->read_at);
	free(t->read);
	free(t->stage);
	memset(t, 0, sizeof(*t));
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

/* host arrays for n pictures, of rows tokens and bytes bytes together */
static int
reserve_host(struct adds_batch *t, int64_t n, int64_t rows, size_t bytes, struct adds_error *err)
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
	if (bytes > t->stage_room) {
		free(t->stage);
		t->stage_room = bytes + bytes / 4;
		t->stage = malloc(t->stage_room);
	}
	if (t->at && t->read_at && t->read && t->stage)
		return 0;
	t->at_room = t->read_room = t->stage_room = 0;
	return adds_fail(err, ADDS_ENOMEM, "out of memory for %lld tokens", (long long)rows);
}

static enum dtype
device_type(enum adds_dtype t)
{
	return t == ADDS_F16 ? DT_F16 : t == ADDS_BF16 ? DT_BF16
	                                               : DT_F32;
}

/* tokens of all pictures behind each other in stage, as they are stored */
static int
stage_tokens(struct adds_batch *t, struct adds_dataset *d, const int64_t *list, int64_t n, struct adds_error *err)
{
	const size_t row = (size_t)t->texts->width * adds_dtype_size(d->dtype);
	int64_t i, k, rows = 0, read = 0;

	for (i = 0; i < n; i++) {
		const struct adds_item *item = d->item + list[i];
		const void *data = adds_dataset_tokens(d, list[i], err);

		if (!data)
			return err ? err->code : ADDS_EIO;
		memcpy(t->stage + (size_t)rows * row, data, (size_t)item->tokens * row);
		t->at[i] = rows;
		t->read_at[i] = read;
		for (k = 0; k < item->nread; k++)
			t->read[read++] = (int32_t)rows + d->rows[item->read + k];
		rows += item->tokens;
	}
	t->at[n] = rows;
	t->read_at[n] = read;
	return 0;
}

static int
put_tokens(struct adds_batch *t, enum adds_dtype dtype, int64_t rows, struct adds_error *err)
{
	const int64_t D = t->texts->width;
	const size_t cells = (size_t)(rows * D), stored = cells * adds_dtype_size(dtype);
	const size_t f32 = cells * sizeof(float);
	const struct mat tokens = mat_of(NULL, DT_F32, rows, D);
	struct mat raw = tokens, unit = tokens;
	int rc;

	/* raw holds the stored tokens and, behind them unless they are f32, room for them as f32 */
	if ((rc = adds_room_reserve(t->b, &t->raw, 2 * f32, err)) < 0 ||
	    (rc = adds_room_reserve(t->b, &t->tokens, f32, err)) < 0)
		return rc;
	raw.p = (char *)t->raw.p + f32;
	raw.t = device_type(dtype);
	unit.p = t->raw.p;
	t->x.tokens = tokens;
	t->x.tokens.p = t->tokens.p;
	if (dtype == ADDS_F32)
		raw.p = unit.p;
	if ((rc = t->b->ops->put(t->b, raw.p, t->stage, stored, err)) < 0 ||
	    (dtype != ADDS_F32 && (rc = t->b->ops->convert(t->b, unit, raw, err)) < 0))
		return rc;
	return unit_rows(t->b, t->x.tokens, unit, sqrtf((float)D), err);
}

int
adds_batch_pictures(struct adds_batch *t, struct adds_dataset *d, const int64_t *list, int64_t n,
                    struct adds_error *err)
{
	int64_t i, rows = 0;
	int rc;

	for (i = 0; i < n; i++)
		rows += d->item[list[i]].tokens;
	if ((rc = reserve_host(t, n, rows, (size_t)(rows * t->texts->width) * adds_dtype_size(d->dtype), err)) < 0 ||
	    (rc = stage_tokens(t, d, list, n, err)) < 0 || (rc = put_tokens(t, d->dtype, rows, err)) < 0)
		return rc;
	t->n = n;
	t->x.pictures = (struct segs){ n, t->at };
	t->x.z0 = mat_of(NULL, DT_F32, n, t->K);
	return 0;
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
