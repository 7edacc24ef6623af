/* SPDX-License-Identifier: MIT
 * texts.c - label streams */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "texts.h"

static int
set_row(struct adds_texts *t, int64_t i, const struct adds_record *rec, const char *name, struct adds_error *err)
{
	float *row;
	double sum = 0;
	size_t k;

	if (i >= t->n)
		return adds_fail(err, ADDS_EFORMAT, "%s: record %lld: more labels than the %lld of the header", name,
		                 (long long)i, (long long)t->n);
	if (adds_vocab_find(t->vocab, rec->name, rec->name_len) != i)
		return adds_fail(err, ADDS_EFORMAT, "%s: record %lld: label '%.*s' where the header has '%s'", name,
		                 (long long)i, (int)(rec->name_len > 200 ? 200 : rec->name_len), rec->name,
		                 adds_vocab_name(t->vocab, (size_t)i));
	if (i == 0) {
		size_t cells;

		if (rec->width_embedding == 0 || rec->width_embedding > 65536)
			return adds_fail(err, ADDS_ELIMIT, "%s: record 0: an embedding of %zu values", name,
			                 rec->width_embedding);
		t->width = (int)rec->width_embedding;
		if (adds_mul_size((size_t)t->n, rec->width_embedding, &cells) ||
		    !(t->embedding = calloc(cells, sizeof(float))))
			return adds_fail(err, ADDS_ENOMEM, "out of memory");
	}
	if (rec->width_embedding != (size_t)t->width)
		return adds_fail(err, ADDS_EMISMATCH, "%s: record %lld: an embedding of %zu values, not %d as before", name,
		                 (long long)i, rec->width_embedding, t->width);
	for (k = 0; k < rec->width_embedding; k++)
		sum += (double)rec->embedding[k] * rec->embedding[k];
	if (!(sum > 0) || !isfinite(sum))
		return adds_fail(err, ADDS_EFORMAT, "%s: record %lld: the embedding of '%s' has no direction", name,
		                 (long long)i, adds_vocab_name(t->vocab, (size_t)i));
	row = t->embedding + (size_t)i * (size_t)t->width;
	for (k = 0; k < rec->width_embedding; k++)
		row[k] = (float)(rec->embedding[k] / sqrt(sum));
	return 0;
}

static int
read_rows(struct adds_texts *t, struct adds_reader *r, struct adds_error *err)
{
	const struct adds_message *m;
	struct adds_record rec;
	int64_t i = 0;
	int rc;

	while ((rc = adds_reader_read(r, &m, err)) > 0) {
		if (adds_record_parse(&rec, m, t->n, err) < 0)
			return adds_fail_in(err, "%s: record %lld", adds_reader_name(r), (long long)i);
		if (rec.type == ADDS_RECORD_LABEL && (rc = set_row(t, i++, &rec, adds_reader_name(r), err)) < 0)
			return rc;
	}
	if (rc < 0)
		return rc;
	if (i < t->n)
		return adds_fail(err, ADDS_EFORMAT, "%s: %lld %s, the header has %lld", adds_reader_name(r), (long long)i,
		                 ADDS_PLURAL(i, "label", "labels"), (long long)t->n);
	return 0;
}

int
adds_texts_read(struct adds_texts *t, const char *path, struct adds_error *err)
{
	struct adds_reader *r;
	int rc = -1;

	memset(t, 0, sizeof(*t));
	if (!(r = adds_reader_open_kind(path, 1u << ADDS_KIND_LABELS, err)))
		return err ? err->code : ADDS_EFORMAT;
	if (!(t->header = adds_message_copy(adds_reader_header(r), err)) ||
	    !(t->vocab = adds_vocab_from_header(t->header, err))) {
		rc = adds_fail_in(err, "%s", adds_reader_name(r));
		goto out;
	}
	t->n = (int64_t)adds_vocab_size(t->vocab);
	if (t->n == 0) {
		rc = adds_fail(err, ADDS_EFORMAT, "%s: a label stream without labels", adds_reader_name(r));
		goto out;
	}
	rc = read_rows(t, r, err);
out:
	adds_reader_close(r);
	return rc;
}

void
adds_texts_release(struct adds_texts *t)
{
	adds_vocab_free(t->vocab);
	adds_message_free(t->header);
	free(t->embedding);
	memset(t, 0, sizeof(*t));
}

const char *
adds_texts_model(const struct adds_texts *t)
{
	const char *model = adds_message_string(t->header, "model");

	return model ? model : "";
}
