/* SPDX-License-Identifier: MIT
 * resident.c - tokens that stay on the device */
#include <stdlib.h>

#include "../dtype.h"
#include "resident.h"

struct adds_resident {
	struct backend *b;
	struct adds_dataset *d;
	struct mat rows;
	int64_t *first; /* [n] of each picture */
	char *there;    /* [n] 1: copied */
};

/* where each picture will be; returns the rows of all */
static int64_t
lay_out(struct adds_resident *r)
{
	int64_t rows = 0, i;

	for (i = 0; i < r->d->n; i++) {
		r->first[i] = rows;
		rows += r->d->item[i].tokens;
	}
	return rows;
}

int
adds_resident_new(struct adds_resident **out, struct backend *b, struct adds_dataset *d, size_t limit, struct adds_error *err)
{
	const size_t row = (size_t)d->texts->width * adds_dtype_size(d->dtype);
	struct adds_resident *r;
	int64_t rows;
	int rc;

	*out = NULL;
	if (!b->memory || !d->n)
		return 0;
	if (!(r = calloc(1, sizeof(*r))))
		return adds_fail(err, ADDS_ENOMEM, "out of memory");
	r->b = b;
	r->d = d;
	r->first = malloc((size_t)d->n * sizeof(*r->first));
	r->there = calloc((size_t)d->n, 1);
	if (!r->first || !r->there) {
		adds_resident_free(r);
		return adds_fail(err, ADDS_ENOMEM, "out of memory for %lld pictures", (long long)d->n);
	}
	rows = lay_out(r);
	r->rows = mat_of(NULL, adds_device_dtype(d->dtype), rows, d->texts->width);
	rc = rows > INT32_MAX || (size_t)rows > limit / row ? ADDS_ENOMEM : b->ops->alloc(b, &r->rows.p, (size_t)rows * row, err);
	if (rc < 0) {
		adds_resident_free(r);
		return rc == ADDS_ENOMEM ? 0 : rc;
	}
	*out = d->resident = r;
	return 0;
}

void
adds_resident_free(struct adds_resident *r)
{
	if (!r)
		return;
	r->b->ops->release(r->b, r->rows.p);
	if (r->d->resident == r)
		r->d->resident = NULL;
	free(r->first);
	free(r->there);
	free(r);
}

size_t
adds_resident_bytes(const struct adds_resident *r)
{
	return (size_t)(r->rows.rows * r->rows.cols) * dtype_size(r->rows.t);
}

struct mat
adds_resident_rows(const struct adds_resident *r)
{
	return r->rows;
}

int64_t
adds_resident_row(struct adds_resident *r, int64_t i, struct adds_error *err)
{
	const int64_t n = r->d->item[i].tokens, D = r->rows.cols;
	const void *tokens;
	int rc;

	if (r->there[i])
		return r->first[i];
	if (!(tokens = adds_dataset_tokens(r->d, i, err)))
		return err->code;
	rc = r->b->ops->put(r->b, mat_part(r->rows, r->first[i], n, 0, D).p, tokens,
	                    (size_t)(n * D) * dtype_size(r->rows.t), err);
	if (rc < 0)
		return rc;
	r->there[i] = 1;
	return r->first[i];
}
