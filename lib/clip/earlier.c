/* SPDX-License-Identifier: MIT
 * earlier.c - embeddings of an earlier label stream */
#include <stdlib.h>
#include <string.h>

#include "earlier.h"

/* the options of the last step that the program did, or NULL */
static const cJSON *
options_of(const struct adds_message *header, const char *program)
{
	const cJSON *step, *name, *found = NULL;

	cJSON_ArrayForEach(step, cJSON_GetObjectItemCaseSensitive(adds_message_meta_const(header), "provenance"))
	{
		name = cJSON_GetObjectItemCaseSensitive(step, "program");
		if (cJSON_IsString(name) && strcmp(name->valuestring, program) == 0)
			found = cJSON_GetObjectItemCaseSensitive(step, "options");
	}
	return found;
}

static const char *
difference(const struct adds_message *header, const char *model, const char *program, const cJSON *options)
{
	const char *its = adds_message_string(header, "model");

	if (!its || strcmp(its, model) != 0)
		return "model";
	return cJSON_Compare(options_of(header, program), options, 1) ? NULL : "options";
}

static int
take(struct adds_earlier *e, size_t i, const struct adds_message *m, const struct adds_record *rec, struct adds_error *err)
{
	const cJSON *prompts = cJSON_GetObjectItemCaseSensitive(adds_message_meta_const(m), "prompts");
	size_t cells;

	if (i >= adds_vocab_size(e->vocab) || adds_vocab_find(e->vocab, rec->name, rec->name_len) != (int64_t)i)
		return adds_fail(err, ADDS_EFORMAT, "record %zu: another label than in the header", i);
	if (i == 0) {
		e->width = rec->width_embedding;
		if (e->width == 0 || adds_mul_size(adds_vocab_size(e->vocab) * sizeof(float), e->width, &cells) ||
		    !(e->embedding = malloc(cells)))
			return adds_fail(err, ADDS_ENOMEM, "record %zu: no memory for embeddings of %zu values", i, e->width);
	}
	if (rec->width_embedding != e->width)
		return adds_fail(err, ADDS_EMISMATCH, "record %zu: an embedding of %zu values, not %zu as before", i,
		                 rec->width_embedding, e->width);
	memcpy(e->embedding + i * e->width, rec->embedding, e->width * sizeof(float));
	if (prompts && !(e->prompts[i] = cJSON_Duplicate(prompts, 1)))
		return adds_fail(err, ADDS_ENOMEM, "out of memory");
	return 0;
}

static int
take_all(struct adds_earlier *e, struct adds_reader *r, struct adds_error *err)
{
	const struct adds_message *m;
	struct adds_record rec;
	size_t i = 0;
	int rc;

	if (!(e->vocab = adds_vocab_from_header(adds_reader_header(r), err)))
		return adds_fail_in(err, "%s: header", adds_reader_name(r));
	if (!(e->prompts = calloc(adds_vocab_size(e->vocab) + 1, sizeof(*e->prompts))))
		return adds_fail(err, ADDS_ENOMEM, "out of memory");
	while ((rc = adds_reader_read(r, &m, err)) > 0) {
		if (adds_record_parse(&rec, m, (int64_t)adds_vocab_size(e->vocab), err) < 0 ||
		    (rec.type == ADDS_RECORD_LABEL && take(e, i++, m, &rec, err) < 0))
			return adds_fail_in(err, "%s", adds_reader_name(r));
	}
	return rc;
}

int
adds_earlier_read(struct adds_earlier *e, const char *path, const char *model, const char *program,
                  const cJSON *options, struct adds_error *err)
{
	struct adds_reader *r;
	int rc = 0;

	*e = (struct adds_earlier){ 0 };
	if (!(r = adds_reader_open_kind(path, 1u << ADDS_KIND_LABELS, err)))
		return err ? err->code : ADDS_EFORMAT;
	if (!(e->other = difference(adds_reader_header(r), model, program, options)))
		rc = take_all(e, r, err);
	adds_reader_close(r);
	return rc;
}

void
adds_earlier_release(struct adds_earlier *e)
{
	size_t i;

	for (i = 0; e->prompts && i < adds_vocab_size(e->vocab); i++)
		cJSON_Delete(e->prompts[i]);
	free(e->prompts);
	free(e->embedding);
	adds_vocab_free(e->vocab);
	*e = (struct adds_earlier){ 0 };
}

const float *
adds_earlier_find(const struct adds_earlier *e, const char *name, char *const *prompts, size_t n)
{
	const int64_t row = e->vocab ? adds_vocab_find(e->vocab, name, strlen(name)) : -1;
	const cJSON *item;
	size_t i = 0;

	if (row < 0 || !e->embedding || !e->prompts[row])
		return NULL;
	cJSON_ArrayForEach(item, e->prompts[row])
	{
		if (i == n || !cJSON_IsString(item) || strcmp(item->valuestring, prompts[i++]) != 0)
			return NULL;
	}
	return i == n ? e->embedding + (size_t)row * e->width : NULL;
}
