/* SPDX-License-Identifier: MIT
 * bag.c - the tokens of a few pictures side by side */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bag.h"

static int
resize(void *pointer, size_t n, size_t size, struct adds_error *err)
{
	void **p = pointer;
	void *more;
	size_t bytes;

	if (adds_mul_size(n, size, &bytes))
		return adds_fail(err, ADDS_ELIMIT, "%zu tokens do not fit memory", n);
	if (!(more = realloc(*p, bytes ? bytes : 1)))
		return adds_fail(err, ADDS_ENOMEM, "out of memory for %zu tokens", n);
	*p = more;
	return 0;
}

static int
make_room(struct adds_bag *bag, int64_t T, struct adds_error *err)
{
	int rc;

	if (bag->n + 1 > bag->room_n) {
		const int64_t more = 2 * bag->room_n + 16;

		if ((rc = resize(&bag->at, (size_t)more + 1, sizeof(*bag->at), err)) < 0 ||
		    (rc = resize(&bag->read_at, (size_t)more + 1, sizeof(*bag->read_at), err)) < 0)
			return rc;
		bag->room_n = more;
	}
	if (bag->rows + T > bag->room_rows) {
		const int64_t more = bag->rows + T + bag->room_rows / 2;

		if ((rc = resize(&bag->tokens, (size_t)more * (size_t)bag->width, sizeof(*bag->tokens), err)) < 0 ||
		    (rc = resize(&bag->read, (size_t)more, sizeof(*bag->read), err)) < 0)
			return rc;
		bag->room_rows = more;
	}
	return 0;
}

static void
normalise(float *row, int64_t D)
{
	double sum = 0;
	int64_t i;

	for (i = 0; i < D; i++)
		sum += (double)row[i] * row[i];
	if (sum > 0)
		for (i = 0; i < D; i++)
			row[i] = (float)(row[i] / sqrt(sum));
}

int
adds_bag_add(struct adds_bag *bag, const struct adds_record *rec, enum adds_read read, const char *choice, struct adds_error *err)
{
	const struct adds_tensor *t = rec->tokens;
	int64_t T, i;
	float *out;
	int rc;

	if (!t || t->rank != 2 || t->shape[1] != bag->width || t->shape[0] < 1)
		return adds_fail(err, ADDS_EFORMAT, "'%.*s' has no tokens of width %lld", (int)rec->path_len, rec->path,
		                 (long long)bag->width);
	if (!adds_tensor_is_finite(t))
		return adds_fail(err, ADDS_EFORMAT, "'%.*s' has tokens that are not finite: encode it anew", (int)rec->path_len,
		                 rec->path);
	T = t->shape[0];
	if ((rc = make_room(bag, T, err)) < 0)
		return rc;
	if (!bag->n)
		bag->at[0] = bag->read_at[0] = 0;
	out = bag->tokens + bag->rows * bag->width;
	if ((rc = adds_tensor_to_f32(out, t, err)) < 0)
		return rc;
	if (t->dtype != ADDS_F32)
		for (i = 0; i < T; i++)
			normalise(out + i * bag->width, bag->width);
	{
		int32_t *rows = bag->read + bag->read_at[bag->n];
		const int64_t n = adds_read_rows(rows, read, rec->tiles, rec->ntiles, choice, T);

		for (i = 0; i < n; i++)
			rows[i] += (int32_t)bag->rows;
		bag->read_at[bag->n + 1] = bag->read_at[bag->n] + n;
	}
	bag->rows += T;
	bag->at[++bag->n] = bag->rows;
	return 0;
}

int
adds_bag_part(struct adds_bag *part, const struct adds_bag *bag, int64_t first, int64_t n, struct adds_error *err)
{
	const int64_t row = bag->at[first], read = bag->read_at[first], nread = bag->read_at[first + n] - read;
	int64_t i;

	*part = (struct adds_bag){ .width = bag->width, .n = n, .rows = bag->at[first + n] - row, .borrowed = 1 };
	part->tokens = bag->tokens + row * bag->width;
	part->at = malloc((size_t)(n + 1) * sizeof(*part->at));
	part->read_at = malloc((size_t)(n + 1) * sizeof(*part->read_at));
	part->read = malloc((size_t)(nread + 1) * sizeof(*part->read));
	if (!part->at || !part->read_at || !part->read)
		return adds_fail(err, ADDS_ENOMEM, "out of memory for %lld pictures", (long long)n);
	for (i = 0; i <= n; i++) {
		part->at[i] = bag->at[first + i] - row;
		part->read_at[i] = bag->read_at[first + i] - read;
	}
	for (i = 0; i < nread; i++)
		part->read[i] = bag->read[read + i] - (int32_t)row;
	return 0;
}

void
adds_bag_clear(struct adds_bag *bag)
{
	bag->n = bag->rows = 0;
}

void
adds_bag_release(struct adds_bag *bag)
{
	free(bag->at);
	if (!bag->borrowed)
		free(bag->tokens);
	free(bag->read);
	free(bag->read_at);
	memset(bag, 0, sizeof(*bag));
}
