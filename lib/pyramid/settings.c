/* SPDX-License-Identifier: MIT
 * settings.c - what decides a picture's tokens: as a header, as a key */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "settings.h"

/* To be counted up when the same settings give other bits than before. */
static const char KEY_VERSION[] = "adds-pyramid 1";
static const size_t MAX_RECORD = (size_t)1 << 29;

const char *const adds_fit_names[] = { "pad", "crop", "squash", NULL };
const char *const adds_tokens_names[] = { "cls", "patch", "all", NULL };
const char *const adds_precision_names[] = { "f32", "bf16", "int8", "tf32", NULL };

static const char *
dtype_name(enum adds_dtype dtype)
{
	return dtype == ADDS_F16 ? "f16" : dtype == ADDS_BF16 ? "bf16"
	                                                      : "f32";
}

int
adds_settings_tile_tokens(const struct adds_settings *s)
{
	const int n = (s->clip.g + s->pool - 1) / s->pool;

	return (s->tokens != ADDS_TOKENS_PATCH) + (s->tokens != ADDS_TOKENS_CLS ? n * n : 0);
}

int64_t
adds_settings_tokens(const struct adds_settings *s)
{
	return (int64_t)s->plan.tiles * adds_settings_tile_tokens(s);
}

size_t
adds_settings_bytes(const struct adds_settings *s)
{
	return (size_t)adds_settings_tokens(s) * (size_t)s->clip.E * adds_dtype_size(s->dtype);
}

int
adds_settings_check(const struct adds_settings *s, struct adds_error *err)
{
	if (s->tokens != ADDS_TOKENS_CLS && s->pool > s->clip.g)
		return adds_fail(err, ADDS_EARG,
		                 "windows of %d x %d patches, but a tile has %d x %d", s->pool,
		                 s->pool, s->clip.g, s->clip.g);
	if (adds_settings_bytes(s) > MAX_RECORD)
		return adds_fail(
			err, ADDS_EARG,
			"%lld tokens a picture are %zu MB, a record has at most %zu: pool more, or take fewer levels",
			(long long)adds_settings_tokens(s), adds_settings_bytes(s) >> 20,
			MAX_RECORD >> 20);
	return 0;
}

/* the three numbers as the shortest decimals that are these floats */
static cJSON *
three(const float *v)
{
	double d[3];
	char text[32];
	int i, digits;

	for (i = 0; i < 3; i++)
		for (digits = 1; digits <= 9; digits++) {
			snprintf(text, sizeof(text), "%.*g", digits, (double)v[i]);
			d[i] = strtod(text, NULL);
			if ((float)d[i] == v[i])
				break;
		}
	return cJSON_CreateDoubleArray(d, 3);
}

/* what a level's square is made of: {"S","mean","std","filter","fit","reference"} */
static cJSON *
prep_json(const struct adds_settings *s)
{
	cJSON *prep = cJSON_CreateObject();

	if (prep && cJSON_AddNumberToObject(prep, "S", s->clip.S) && cJSON_AddItemToObject(prep, "mean", three(s->clip.mean)) &&
	    cJSON_AddItemToObject(prep, "std", three(s->clip.std)) &&
	    cJSON_AddStringToObject(prep, "filter", s->clip.filter == ADDS_FILTER_BILINEAR ? "bilinear" : "bicubic") &&
	    cJSON_AddStringToObject(prep, "fit", adds_fit_names[s->fit]) &&
	    cJSON_AddNumberToObject(prep, "reference", s->picture.reference))
		return prep;
	cJSON_Delete(prep);
	return NULL;
}

/* the fields of a feature header into object (those that stand there are replaced) */
static int
add_fields(cJSON *object, const struct adds_settings *s, struct adds_error *err)
{
	static const char *const ours[] = { "model", "prep", "side", "levels", "tokens", "pool", "dtype", "precision" };
	cJSON *prep = prep_json(s);
	size_t i;

	for (i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		cJSON_DeleteItemFromObjectCaseSensitive(object, ours[i]);
	if (!prep || !cJSON_AddItemToObject(object, "prep", prep) ||
	    !cJSON_AddStringToObject(object, "model", s->clip.fingerprint) ||
	    !cJSON_AddNumberToObject(object, s->side > 0 ? "side" : "levels", s->side > 0 ? s->side : s->levels) ||
	    !cJSON_AddStringToObject(object, "tokens", adds_tokens_names[s->tokens]) ||
	    !cJSON_AddNumberToObject(object, "pool", s->pool) ||
	    !cJSON_AddStringToObject(object, "dtype", dtype_name(s->dtype)) ||
	    !cJSON_AddStringToObject(object, "precision", adds_precision_names[s->precision]))
		return adds_fail(err, ADDS_ENOMEM, "out of memory");
	return 0;
}

struct adds_message *
adds_settings_header(const struct adds_settings *s, const struct adds_message *index, struct adds_error *err)
{
	struct adds_message *m = adds_message_copy(index, err);

	if (!m)
		return NULL;
	if (adds_message_set_string(m, "kind", adds_kind_name(ADDS_KIND_FEATURES), err) < 0 ||
	    add_fields(adds_message_meta(m), s, err) < 0) {
		adds_message_free(m);
		return NULL;
	}
	return m;
}

/* the settings as JSON text that the caller frees: the part of a key that all pictures share */
char *
adds_settings_text(const struct adds_settings *s, struct adds_error *err)
{
	cJSON *all = cJSON_CreateObject();
	char *text = NULL;

	if (all && add_fields(all, s, err) == 0) {
		cJSON_DeleteItemFromObjectCaseSensitive(all, "side"); /* two ways to ask for the same levels */
		cJSON_DeleteItemFromObjectCaseSensitive(all, "levels");
		if (cJSON_AddItemToObject(all, "sides", cJSON_CreateIntArray(s->plan.side, s->plan.levels)) &&
		    cJSON_AddStringToObject(all, "device", s->device) && cJSON_AddStringToObject(all, "version", KEY_VERSION))
			text = adds_json_print(all);
	}
	if (!text)
		adds_fail(err, ADDS_ENOMEM, "out of memory");
	cJSON_Delete(all);
	return text;
}
