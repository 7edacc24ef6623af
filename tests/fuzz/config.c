/* SPDX-License-Identifier: MIT
 * config.c - any bytes as the JSON beside a model's weights: open_clip_config.json, config.json or preprocessor_config.json, by
 * the first byte. What is taken are numbers that a model may have. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/clip/config.h"
#include "../../lib/stream/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_side(const struct adds_clip_side *s)
{
	if (s->heads < -1 || s->heads == 0 || s->head_width < -1 || s->image_size < -1 || s->eps != s->eps ||
	    !memchr(s->refused, 0, sizeof(s->refused)))
		abort();
}

static void
check(const struct adds_clip_json *j)
{
	int i;

	check_side(&j->image);
	check_side(&j->text);
	if (!memchr(j->tokenizer, 0, sizeof(j->tokenizer)))
		abort();
	for (i = 0; i < 3; i++)
		if (!isfinite(j->mean[i]) || !isfinite(j->std[i]) || (j->normalised && !(j->std[i] > 0)))
			abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	typedef int read_fn(struct adds_clip_json *, const struct cJSON *, const char *, struct adds_error *);
	static read_fn *const reads[] = { adds_clip_json_openclip, adds_clip_json_hf, adds_clip_json_processor };
	static const struct adds_clip_side nothing = { .heads = -1, .head_width = -1, .act = -1, .eps = -1, .image_size = -1 };
	struct adds_clip_json j = { .image = nothing, .text = nothing, .causal = 1, .eos = -1, .pad = -1 };
	struct adds_error err;
	cJSON *json;

	if (!size || !(json = adds_json_parse((const char *)data + 1, size - 1, 1 << 20, "fuzz", &err)))
		return 0;
	if (reads[*data % 3](&j, json, "fuzz", &err) >= 0)
		check(&j);
	cJSON_Delete(json);
	return 0;
}
