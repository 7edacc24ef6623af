/* SPDX-License-Identifier: MIT
 *
 * names.h - the dialects in which CLIP's tensors are named, and the one name
 * for each (OpenCLIP's) that the rest of the room uses.
 */
#ifndef ADDS_CLIP_NAMES_H
#define ADDS_CLIP_NAMES_H

#include "weights.h"

#define ADDS_CLIP_NAME 96 /* bytes of a canonical name, NUL included */
#define ADDS_CLIP_MAX_LAYERS 256

enum adds_clip_dialect {
	ADDS_CLIP_OPENCLIP = 1,
	ADDS_CLIP_HF = 2,
	ADDS_CLIP_TIMM = 4,
};

/* One tensor of the model: its canonical name and shape, and where its values
 * lie. parts are stacked along the first dimension (q, k, v). transposed: the
 * file holds the transpose of shape. */
struct adds_clip_param {
	char name[ADDS_CLIP_NAME];
	int dtype;
	int rank;
	int64_t shape[ADDS_MAX_RANK];
	int parts; /* 1, 2 or 3 */
	const struct adds_weight *part[3];
	int transposed;
};

struct adds_clip_params {
	struct adds_clip_param *p; /* sorted by name */
	size_t n;
	int dialects;                  /* bits of enum adds_clip_dialect that were met */
	int image, text;               /* 1: the file has tensors of that tower */
	int image_layers, text_layers; /* highest block + 1 */
	const char *other;             /* an architecture that is not ours, recognised by its tensors, or NULL */
};

/* Translates the names of w, which must outlive p. A tensor that no dialect
 * knows is passed over; two tensors with one meaning and parts that do not fit are errors. */
int adds_clip_params_init(struct adds_clip_params *p, const struct adds_weights *w, struct adds_error *err);
void adds_clip_params_release(struct adds_clip_params *p);

/* NULL if there is none */
const struct adds_clip_param *adds_clip_param_find(const struct adds_clip_params *p, const char *name);

/* The name that a canonical tensor has in these weights' own dialect, for messages; static per call site: out has n bytes. */
const char *adds_clip_native_name(char *out, size_t n, const struct adds_clip_params *p, const char *name);

/* Bytes offset … offset+len-1 of the tensor as it would stand, whole and in canonical orientation, in a file. */
void adds_clip_param_bytes(unsigned char *out, const struct adds_clip_param *p, size_t offset, size_t len);
size_t adds_clip_param_size(const struct adds_clip_param *p);

/* The tensor as f32 in canonical orientation; as many elements as its shape has. */
void adds_clip_param_floats(float *out, const struct adds_clip_param *p);

#endif
