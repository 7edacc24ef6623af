/* SPDX-License-Identifier: MIT
 * checkpoint.c - a decoder into a message and out of it, and as a safetensors file */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../label/vocab.h"
#include "../stream/message.h"
#include "../stream/output.h"
#include "decoder_inside.h"

#define FILE_LIMIT ((size_t)16 << 30)
#define MOST_TRAINED ((int64_t)1 << 22)

static const char prefix[] = "_orig_mod."; /* of a module that was compiled */

/* ---- writing ---- */

static cJSON *
config_json(const struct adds_decoder_config *c)
{
	cJSON *j = cJSON_CreateObject();

	if (!j || !cJSON_AddNumberToObject(j, "width", c->width) || !cJSON_AddNumberToObject(j, "layers", c->layers) ||
	    !cJSON_AddNumberToObject(j, "heads", c->heads) || !cJSON_AddNumberToObject(j, "ff", c->ff) ||
	    !cJSON_AddNumberToObject(j, "prior", c->prior) ||
	    !cJSON_AddNumberToObject(j, "no_visual_update", c->no_visual_update) ||
	    !cJSON_AddNumberToObject(j, "dropout", round((double)c->dropout * 1e6) / 1e6)) {
		cJSON_Delete(j);
		return NULL;
	}
	return j;
}

/* One of an object's own members, in place of what is there; takes item over. */
static int
set(cJSON *object, const char *key, cJSON *item, struct adds_error *err)
{
	if (!object || !item) {
		cJSON_Delete(item);
		return adds_fail(err, ADDS_ENOMEM, "out of memory for a checkpoint's metadata");
	}
	cJSON_DeleteItemFromObjectCaseSensitive(object, key);
	if (cJSON_AddItemToObject(object, key, item))
		return 0;
	cJSON_Delete(item);
	return adds_fail(err, ADDS_ENOMEM, "out of memory for a checkpoint's metadata");
}

static int
put_trained(struct adds_message *m, const struct adds_vocab *trained, const float *texts, int64_t width,
            struct adds_error *err)
{
	const int64_t shape[2] = { (int64_t)adds_vocab_size(trained), width };
	const int rc = adds_vocab_put_names(trained, m, "trained.labels", err);

	return rc < 0 ? rc : adds_message_add(m, "trained.texts", ADDS_F32, 2, shape, texts, err);
}

int
adds_decoder_to_message(struct adds_decoder *d, struct adds_message *m, const float *weights, const struct adds_vocab *trained,
                        const float *trained_texts, struct adds_error *err)
{
	const size_t bytes = (size_t)d->size * sizeof(float);
	float *own = NULL;
	int rc = 0;
	size_t i;

	if (!weights) {
		if (!(own = malloc(bytes)))
			return adds_fail(err, ADDS_ENOMEM, "out of memory for the decoder's weights");
		rc = d->b->ops->get(d->b, own, d->w, bytes, err);
		weights = own;
	}
	for (i = 0; rc >= 0 && i < d->nparams; i++) {
		const struct adds_param *p = &d->params[i];

		rc = adds_message_add(m, p->name, ADDS_F32, p->rank, p->shape, weights + p->offset, err);
	}
	free(own);
	if (rc >= 0 && trained && adds_vocab_size(trained))
		rc = put_trained(m, trained, trained_texts, d->c.width, err);
	if (rc >= 0)
		rc = set(adds_message_meta(m), "decoder", config_json(&d->c), err);
	return rc < 0 ? rc : 0;
}

int
adds_checkpoint_write(struct adds_message *m, const char *path, struct adds_error *err)
{
	struct adds_buf bytes = { 0 };
	struct adds_output *o = NULL;
	int rc;

	if ((rc = adds_seal_bytes(m, &bytes, ADDS_WEIGHTS_JSON_LIMIT, err)) < 0)
		goto out;
	if (!(o = adds_output_open(path, err))) {
		rc = err ? err->code : ADDS_EIO;
		goto out;
	}
	if ((rc = adds_output_write(o, bytes.p, bytes.n, err)) < 0) {
		adds_output_abort(o);
		goto out;
	}
	rc = adds_output_commit(o, err);
out:
	adds_buf_release(&bytes);
	return rc < 0 ? rc : 0;
}

/* moves the members of extra, which is deleted, into the message's metadata */
static int
add_extra(struct adds_message *m, cJSON *extra, struct adds_error *err)
{
	int rc = set(adds_message_meta(m), "method", cJSON_CreateString("decoder"), err);
	cJSON *item;

	while (extra && (item = extra->child)) {
		char *key = strdup(item->string);

		cJSON_DetachItemViaPointer(extra, item);
		if (rc < 0 || !key) {
			cJSON_Delete(item);
			rc = rc < 0 ? rc : adds_fail(err, ADDS_ENOMEM, "out of memory for a checkpoint's metadata");
		} else {
			rc = set(adds_message_meta(m), key, item, err);
		}
		free(key);
	}
	cJSON_Delete(extra);
	return rc;
}

int
adds_decoder_save(struct adds_decoder *d, const char *path, const float *weights, const struct adds_vocab *trained,
                  const float *trained_texts, cJSON *extra, struct adds_error *err)
{
	struct adds_message *m = adds_message_new();
	int rc;

	if (!m) {
		cJSON_Delete(extra);
		return adds_fail(err, ADDS_ENOMEM, "out of memory for a checkpoint");
	}
	if ((rc = add_extra(m, extra, err)) >= 0 &&
	    (rc = adds_decoder_to_message(d, m, weights, trained, trained_texts, err)) >= 0)
		rc = adds_checkpoint_write(m, path, err);
	adds_message_free(m);
	return rc < 0 ? rc : 0;
}

/* ---- reading ---- */

struct adds_message *
adds_checkpoint_read(const char *path, char **bytes, size_t *len, struct adds_error *err)
{
	struct adds_message *m = adds_message_new();
	size_t n;
	int rc = -1;

	*bytes = NULL;
	if (!m)
		adds_fail(err, ADDS_ENOMEM, "out of memory for a checkpoint");
	else if ((rc = adds_refuse_folder(path, "a checkpoint of adds-train", "best.safetensors", err)) == 0 &&
	         (rc = adds_message_read_file(m, path, "safetensors checkpoint", FILE_LIMIT, ADDS_WEIGHTS_JSON_LIMIT,
	                                      bytes, &n, err)) >= 0 &&
	         (rc = adds_seal_check(m, *bytes, n, err)) < 0)
		adds_fail_in(err, "%s", path);
	if (rc >= 0) {
		if (len)
			*len = n;
		return m;
	}
	adds_message_free(m);
	free(*bytes);
	*bytes = NULL;
	return NULL;
}

static const struct adds_tensor *
find(const struct adds_message *m, const char *name)
{
	const struct adds_tensor *t = adds_message_tensor(m, name);
	char full[160];

	snprintf(full, sizeof(full), "%s%s", prefix, name);
	return t ? t : adds_message_tensor(m, full);
}

/* a whole number below key of the "decoder" object, or what the shapes said */
static int
field(const cJSON *object, const char *key, int inferred)
{
	const cJSON *j = cJSON_GetObjectItemCaseSensitive(object, key);
	const double x = cJSON_IsNumber(j) ? j->valuedouble : cJSON_IsBool(j) ? cJSON_IsTrue(j)
	                                                                      : inferred;

	return x >= -1e9 && x <= 1e9 ? (int)x : -1;
}

static int
count_layers(const struct adds_message *m)
{
	char name[96];
	int n = 0;

	for (;; n++) {
		snprintf(name, sizeof(name), "decoder.layers.%d.norm1.weight", n);
		if (!find(m, name))
			return n;
	}
}

static int
extent(const struct adds_tensor *t, int axis)
{
	return t && t->rank > axis && t->shape[axis] <= 1 << 30 ? (int)t->shape[axis] : 0;
}

static int
read_config(struct adds_decoder_config *c, const struct adds_message *m, struct adds_error *err)
{
	const cJSON *j = cJSON_GetObjectItemCaseSensitive(adds_message_meta_const(m), "decoder");
	const cJSON *dropout = cJSON_GetObjectItemCaseSensitive(j, "dropout");
	const struct adds_tensor *w1 = find(m, "decoder.layers.0.ffn1.0.weight");

	if (!j && !find(m, "decoder.layers.0.norm1.weight"))
		return adds_fail(
			err, ADDS_EFORMAT,
			"neither metadata nor tensors of a decoder: this is no checkpoint of adds-train");
	c->layers = field(j, "layers", count_layers(m));
	c->width = field(j, "width", extent(find(m, "decoder.layers.0.norm1.weight"), 0));
	c->ff = field(j, "ff", extent(w1, 0));
	c->heads = field(j, "heads", 0);
	c->prior = field(j, "prior", find(m, "prior.scale") != NULL) != 0;
	c->no_visual_update = field(j, "no_visual_update", 0) != 0;
	c->dropout = cJSON_IsNumber(dropout) ? (float)dropout->valuedouble : 0;
	if (c->layers && !c->heads)
		return adds_fail(
			err, ADDS_EFORMAT,
			"the metadata's \"adds\" does not say \"decoder\":{\"heads\":N}, and no shape tells how many there are");
	return 0;
}

static int
take(float *w, const struct adds_param *p, const struct adds_message *m, struct adds_error *err)
{
	const struct adds_tensor *t = find(m, p->name);
	int64_t n = 1;
	int i, same, rc;

	if (!t)
		return adds_fail(err, ADDS_EFORMAT, "there is no tensor '%s'", p->name);
	same = t->rank == p->rank || (p->rank == 1 && p->size == 1 && !t->rank);
	for (i = 0; i < t->rank; i++) {
		same = same && t->shape[i] == p->shape[i];
		n *= t->shape[i];
	}
	if (!same)
		return adds_fail(err, ADDS_EMISMATCH,
		                 "tensor '%s' has %lld elements in %d dimensions, the configuration asks for %lld in %d", p->name,
		                 (long long)n, t->rank, (long long)p->size, p->rank);
	if ((rc = adds_tensor_to_f32(w + p->offset, t, err)) == 0 && !adds_tensor_is_finite(t))
		rc = adds_fail(err, ADDS_EFORMAT, "tensor '%s' holds numbers that are not finite", p->name);
	return rc;
}

static int
take_weights(struct adds_decoder *d, const struct adds_message *m, struct adds_error *err)
{
	float *w = calloc((size_t)d->size, sizeof(*w));
	int rc = 0;
	size_t i;

	if (!w)
		return adds_fail(err, ADDS_ENOMEM, "out of memory for the decoder's weights");
	for (i = 0; rc >= 0 && i < d->nparams; i++)
		rc = take(w, &d->params[i], m, err);
	if (rc >= 0)
		rc = d->b->ops->put(d->b, adds_decoder_weights(d), w, (size_t)d->size * sizeof(*w), err);
	free(w);
	return rc;
}

static int
take_trained(struct adds_vocab *v, float **texts, const struct adds_message *m, int width, struct adds_error *err)
{
	const struct adds_tensor *names = adds_message_tensor(m, "trained.labels");
	const struct adds_tensor *t = adds_message_tensor(m, "trained.texts");
	int rc;

	if ((rc = adds_vocab_take_names(v, names, err)) < 0)
		return rc;
	if (!t || t->rank != 2 || t->shape[1] != width || t->shape[0] != (int64_t)adds_vocab_size(v) ||
	    t->shape[0] > MOST_TRAINED)
		return adds_fail(err, ADDS_EFORMAT, "tensor 'trained.texts' is not [%zu, %d]", adds_vocab_size(v), width);
	if (!texts)
		return 0;
	if (!(*texts = malloc((size_t)t->shape[0] * (size_t)width * sizeof(float) + 1)))
		return adds_fail(err, ADDS_ENOMEM, "out of memory for the trained labels' texts");
	return adds_tensor_to_f32(*texts, t, err);
}

static int
read_trained(struct adds_vocab **trained, float **texts, const struct adds_message *m, int width, struct adds_error *err)
{
	struct adds_vocab *v;
	int rc;

	if (!adds_message_tensor(m, "trained.labels") || (!trained && !texts))
		return 0;
	if (!(v = adds_vocab_new()))
		return adds_fail(err, ADDS_ENOMEM, "out of memory for the trained labels");
	if ((rc = take_trained(v, texts, m, width, err)) < 0 || !trained)
		adds_vocab_free(v);
	else
		*trained = v;
	return rc;
}

struct adds_decoder *
adds_decoder_from_message(struct backend *b, const struct adds_message *m, struct adds_vocab **trained, float **trained_texts,
                          struct adds_error *err)
{
	struct adds_decoder_config c = { 0 };
	struct adds_decoder *d = NULL;

	if (trained)
		*trained = NULL;
	if (trained_texts)
		*trained_texts = NULL;
	if (read_config(&c, m, err) < 0 || !(d = adds_decoder_new(b, &c, err)))
		return NULL;
	if (take_weights(d, m, err) >= 0 && read_trained(trained, trained_texts, m, c.width, err) >= 0)
		return d;
	if (trained_texts) {
		free(*trained_texts);
		*trained_texts = NULL;
	}
	adds_decoder_free(d);
	return NULL;
}

struct adds_decoder *
adds_decoder_load(struct backend *b, const char *path, struct adds_vocab **trained, float **trained_texts, cJSON **meta,
                  struct adds_error *err)
{
	struct adds_decoder *d = NULL;
	struct adds_message *m;
	char *bytes;

	if (meta)
		*meta = NULL;
	if (!(m = adds_checkpoint_read(path, &bytes, NULL, err)))
		return NULL;
	if (!(d = adds_decoder_from_message(b, m, trained, trained_texts, err))) {
		adds_fail_in(err, "%s", path);
	} else if (meta && !(*meta = cJSON_Duplicate(adds_message_meta_const(m), 1))) {
		adds_fail(err, ADDS_ENOMEM, "%s: out of memory for the metadata", path);
		adds_decoder_free(d);
		d = NULL;
	}
	adds_message_free(m);
	free(bytes);
	return d;
}
