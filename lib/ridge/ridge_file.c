/* SPDX-License-Identifier: MIT
 * ridge_file.c - a ridge model into a message and out of it: tensors
 * "ridge.*", and its numbers under "ridge" in the metadata */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ridge.h"

struct number {
	const char *key;
	size_t at;
};

#define NUMBER(field) \
	{ \
#field, offsetof(struct adds_ridge, field) \
	}
/* clang-format off */
static const struct number numbers[] = {
	NUMBER(scale), NUMBER(s), NUMBER(lambda), NUMBER(d90), NUMBER(share), NUMBER(sharp), NUMBER(sigma), NUMBER(beta),
	NUMBER(rho_trained), NUMBER(rho_untrained), NUMBER(slope_trained), NUMBER(intercept_trained),
	NUMBER(slope_untrained), NUMBER(intercept_untrained), NUMBER(mean_of_means), NUMBER(calibration_error),
	NUMBER(gain_reading.mean), NUMBER(gain_reading.error), NUMBER(gain_trained.mean), NUMBER(gain_trained.error),
	NUMBER(gain_untrained.mean), NUMBER(gain_untrained.error),
};
/* clang-format on */
enum { NUMBERS = sizeof(numbers) / sizeof(*numbers) };

static int
add(struct adds_message *m, const char *name, enum adds_dtype type, int64_t rows, int64_t cols,
    const void *data, struct adds_error *err)
{
	const int64_t shape[2] = { rows, cols };

	return adds_message_add(m, name, type, cols ? 2 : 1, shape, data, err);
}

int
adds_ridge_to_message(const struct adds_ridge *m, struct adds_message *message, struct adds_error *err)
{
	cJSON *j = cJSON_CreateObject();
	int i, rc;

	for (i = 0; i < NUMBERS; i++)
		cJSON_AddNumberToObject(j, numbers[i].key, *(const double *)((const char *)m + numbers[i].at));
	cJSON_AddNumberToObject(j, "steps", m->steps);
	cJSON_AddNumberToObject(j, "judged", (double)m->judged);
	cJSON_DeleteItemFromObjectCaseSensitive(adds_message_meta(message), "ridge");
	cJSON_AddItemToObject(adds_message_meta(message), "ridge", j);
	if ((rc = adds_vocab_put_names(m->names, message, "ridge.labels", err)) < 0 ||
	    (rc = add(message, "ridge.texts", ADDS_F32, m->K, m->D, m->texts, err)) < 0 ||
	    (rc = add(message, "ridge.A", ADDS_F32, m->K, m->D, m->A, err)) < 0 ||
	    (rc = add(message, "ridge.mean_text", ADDS_F32, m->D, 0, m->mean_text, err)) < 0 ||
	    (rc = add(message, "ridge.mu", ADDS_F32, m->D, 0, m->mu, err)) < 0 ||
	    (rc = add(message, "ridge.offset", ADDS_F64, m->K, 0, m->offset, err)) < 0 ||
	    (rc = add(message, "ridge.mean", ADDS_F64, m->K, 0, m->mean, err)) < 0)
		return rc;
	return add(message, "ridge.weight", ADDS_F64, m->K, 0, m->weight, err);
}

static void *
take(const struct adds_message *message, const char *name, enum adds_dtype type, int64_t rows,
     int64_t cols, struct adds_error *err)
{
	const struct adds_tensor *t = adds_message_tensor(message, name);
	void *copy;

	if (!t || t->dtype != type || t->rank != (cols ? 2 : 1) || t->shape[0] != rows || (cols && t->shape[1] != cols)) {
		adds_fail(err, ADDS_EFORMAT, "tensor '%s' of the ridge is missing or not of the shape of the others", name);
		return NULL;
	}
	if (!(copy = malloc(t->size + 1)))
		adds_fail(err, ADDS_ENOMEM, "out of memory for '%s'", name);
	else
		memcpy(copy, t->data, t->size);
	return copy;
}

static int
take_names(struct adds_ridge *m, const struct adds_message *message, struct adds_error *err)
{
	const struct adds_tensor *t = adds_message_tensor(message, "ridge.labels");

	if (!t)
		return adds_fail(err, ADDS_EFORMAT, "tensor 'ridge.labels' is missing");
	if (!(m->names = adds_vocab_new()))
		return adds_fail(err, ADDS_ENOMEM, "out of memory");
	return adds_vocab_take_names(m->names, t, err);
}

static int
take_numbers(struct adds_ridge *m, const struct adds_message *message, struct adds_error *err)
{
	const cJSON *j = cJSON_GetObjectItemCaseSensitive(adds_message_meta_const(message), "ridge"), *x;
	int i;

	for (i = 0; i < NUMBERS; i++) {
		x = cJSON_GetObjectItemCaseSensitive(j, numbers[i].key);
		if (!cJSON_IsNumber(x) || !isfinite(x->valuedouble))
			return adds_fail(err, ADDS_EFORMAT, "the ridge's number '%s' is missing", numbers[i].key);
		*(double *)((char *)m + numbers[i].at) = x->valuedouble;
	}
	x = cJSON_GetObjectItemCaseSensitive(j, "steps");
	m->steps = cJSON_IsNumber(x) ? x->valueint : 0;
	x = cJSON_GetObjectItemCaseSensitive(j, "judged");
	m->judged = cJSON_IsNumber(x) ? x->valueint : 0;
	if (m->scale == 0 || m->s == 0 || m->d90 <= 0 || m->sigma <= 0)
		return adds_fail(err, ADDS_EFORMAT, "the ridge's scale, s, sigma or d90 is zero");
	return 0;
}

struct adds_ridge *
adds_ridge_from_message(const struct adds_message *message, struct adds_error *err)
{
	const struct adds_tensor *A = adds_message_tensor(message, "ridge.A");
	struct adds_ridge *m = calloc(1, sizeof(*m));

	if (!m) {
		adds_fail(err, ADDS_ENOMEM, "out of memory");
		return NULL;
	}
	if (!A || A->rank != 2) {
		adds_fail(err, ADDS_EFORMAT, "no ridge: tensor 'ridge.A' is missing");
		goto failed;
	}
	m->K = A->shape[0];
	m->D = A->shape[1];
	if (take_numbers(m, message, err) < 0 || take_names(m, message, err) < 0)
		goto failed;
	if ((int64_t)adds_vocab_size(m->names) != m->K) {
		adds_fail(err, ADDS_EFORMAT, "the ridge has %lld rows for %zu labels",
		          (long long)m->K, adds_vocab_size(m->names));
		goto failed;
	}
	if ((m->A = take(message, "ridge.A", ADDS_F32, m->K, m->D, err)) &&
	    (m->texts = take(message, "ridge.texts", ADDS_F32, m->K, m->D, err)) &&
	    (m->mean_text = take(message, "ridge.mean_text", ADDS_F32, m->D, 0, err)) &&
	    (m->mu = take(message, "ridge.mu", ADDS_F32, m->D, 0, err)) &&
	    (m->offset = take(message, "ridge.offset", ADDS_F64, m->K, 0, err)) &&
	    (m->mean = take(message, "ridge.mean", ADDS_F64, m->K, 0, err)) &&
	    (m->weight = take(message, "ridge.weight", ADDS_F64, m->K, 0, err)))
		return m;
failed:
	adds_ridge_free(m);
	return NULL;
}
