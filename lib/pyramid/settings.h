/* SPDX-License-Identifier: MIT
 *
 * settings.h - all that decides what a picture's tokens are: in the header of
 * a feature stream, and as the key under which the cache keeps them.
 *
 * Knows: pyramid.h, clip/, stream/.
 */
#ifndef ADDS_SETTINGS_H
#define ADDS_SETTINGS_H

#include "../stream/record.h"
#include "pyramid.h"

struct adds_settings {
	struct adds_clip_config clip; /* fingerprint, S, g, E, mean, std, filter */
	const char *device;           /* of the backend: "cpu", "cuda" */
	struct adds_pyramid plan;
	int levels, side; /* as asked for: levels, or side where it is > 0 */
	enum adds_fit fit;
	struct adds_picture_options picture; /* reference, max_pixels */
	enum adds_tokens tokens;
	int pool;
	enum adds_dtype dtype; /* F16, BF16, F32 */
	enum precision precision;
};

extern const char *const adds_fit_names[], *const adds_tokens_names[], *const adds_precision_names[];

/* Tokens of one tile, of a picture; bytes of a picture's tokens. */
int adds_settings_tile_tokens(const struct adds_settings *s);
int64_t adds_settings_tokens(const struct adds_settings *s);
size_t adds_settings_bytes(const struct adds_settings *s);

/* Is the pooling possible, and does a picture fit into one message? */
int adds_settings_check(const struct adds_settings *s, struct adds_error *err);

/* The header of the feature stream made from that index stream: its vocabulary, provenance and unknown fields, and model, prep,
 * side or levels, tokens, pool, dtype, precision. */
struct adds_message *adds_settings_header(const struct adds_settings *s, const struct adds_message *index,
                                          struct adds_error *err);

/* The settings as text, which the caller frees: what all keys of a run have in common. */
char *adds_settings_text(const struct adds_settings *s, struct adds_error *err);

#endif
