/* SPDX-License-Identifier: MIT
 * accumulate.c - gradients of parts, added in order */
#include <stdlib.h>
#include <string.h>

#include "accumulate.h"

/* what every number can be added to and stay as it is, 0 with its sign too */
#define NOTHING (-0.0f)

int64_t
adds_part_begin(int64_t n, int parts, int k)
{
	return n * k / parts;
}

static struct mat
row(const struct adds_accumulator *a, float *p)
{
	return mat_of(p, DT_F32, 1, adds_decoder_size(a->decoder));
}

static int
make_room(struct adds_accumulator *a, struct adds_error *err)
{
	const size_t bytes = (size_t)adds_decoder_size(a->decoder) * sizeof(float);
	void *p = NULL;
	int rc;

	if (adds_ranks_size(a->ranks) > 1) {
		a->total = malloc(bytes + 1);
		a->mine = malloc(bytes + 1);
		return a->total && a->mine ? 0 : adds_fail(err, ADDS_ENOMEM, "out of memory for the gradients of other ranks");
	}
	if (a->parts == 1)
		return 0;
	rc = a->b->ops->alloc(a->b, &p, bytes, err);
	a->sum = p;
	return rc;
}

int
adds_accumulator_init(struct adds_accumulator *a, struct adds_decoder *decoder, struct backend *b,
                      struct adds_ranks *ranks, int parts, struct adds_error *err)
{
	memset(a, 0, sizeof(*a));
	a->b = b;
	a->ranks = ranks;
	a->decoder = decoder;
	a->parts = parts;
	if (parts < adds_ranks_size(ranks))
		return adds_fail(
			err, ADDS_EARG,
			"the gradients of a step come from %d part%s (--accumulate), too few for %d ranks: start at most %d",
			parts, parts == 1 ? "" : "s", ranks->size, parts);
	return make_room(a, err);
}

void
adds_accumulator_release(struct adds_accumulator *a)
{
	if (!a->b)
		return;
	a->b->ops->release(a->b, a->sum);
	free(a->total);
	free(a->mine);
	memset(a, 0, sizeof(*a));
}

int
adds_accumulator_add(struct adds_accumulator *a, int rc, int k, int count, struct adds_error *err)
{
	const int64_t size = adds_decoder_size(a->decoder);
	float *g = rc < 0 ? NULL : adds_decoder_gradients(a->decoder, err);
	int64_t i;

	if (rc == 0 && !g)
		rc = err ? err->code : ADDS_ENOMEM;
	if (rc == 0 && a->mine)
		rc = a->b->ops->get(a->b, a->mine, g, (size_t)size * sizeof(*g), err);
	if ((rc = adds_ranks_agree(a->ranks, rc, NULL, err)) < 0)
		return rc;
	if (!a->mine)
		return a->sum ? a->b->ops->axpby(a->b, row(a, a->sum), 1, row(a, g), k ? 1 : 0, err) : 0;
	for (i = 0; k == 0 && i < size; i++)
		a->total[i] = NOTHING;
	adds_ranks_add(a->ranks, a->total, a->mine, size, count);
	return 0;
}

int
adds_accumulator_finish(struct adds_accumulator *a, struct adds_error *err)
{
	const size_t bytes = (size_t)adds_decoder_size(a->decoder) * sizeof(float);
	float *g = adds_decoder_gradients(a->decoder, err);

	if (!g)
		return err ? err->code : ADDS_ENOMEM;
	if (a->mine)
		return a->b->ops->put(a->b, g, a->total, bytes, err);
	return a->sum ? a->b->ops->copy(a->b, row(a, g), row(a, a->sum), err) : 0;
}
