/* SPDX-License-Identifier: MIT
 *
 * weights.h - the tensors of safetensors files, mapped, never copied.
 *
 * Knows: stream/ (JSON). Private to the programs; nothing of CLIP in it.
 */
#ifndef ADDS_WEIGHTS_H
#define ADDS_WEIGHTS_H

#include <stddef.h>
#include <stdint.h>

#include "../fail.h"

#define ADDS_WEIGHTS_MAX_HEADER (16u << 20)
#define ADDS_WEIGHTS_MAX_FILES 64

struct adds_weight {
	char *name;
	int dtype; /* enum adds_dtype, or -1: a type we have no use for */
	int rank;
	int64_t shape[ADDS_MAX_RANK];
	const unsigned char *data; /* in the mapped file: of any alignment */
	size_t size;
};

struct adds_weights {
	struct adds_weight *t; /* sorted by name */
	size_t n;
	struct adds_mapping {
		void *p;
		size_t size;
	} file[ADDS_WEIGHTS_MAX_FILES];
	int files;
};

/* Maps a safetensors file and adds its tensors to w (which begins as zeros).
 * Everything the format demands is checked: a header of at most 16 MiB, shapes
 * and types that agree with the offsets, no hole, no overlap, no byte behind
 * the last tensor, no name twice (over all files). After a failure w can still be released. */
int adds_weights_add(struct adds_weights *w, const char *path, struct adds_error *err);

/* The same for bytes in memory, which must outlive w; name is for messages. */
int adds_weights_parse(struct adds_weights *w, const void *bytes, size_t len, const char *name, struct adds_error *err);

const struct adds_weight *adds_weights_find(const struct adds_weights *w, const char *name);
void adds_weights_release(struct adds_weights *w);

/* Does t lie in a file that adds_weights_add has mapped? */
int adds_weights_mapped(const struct adds_weights *w, const struct adds_weight *t);

/* n elements of t from element first on, as f32. t must be F32, F16 or BF16. */
void adds_weight_floats(float *out, const struct adds_weight *t, size_t first, size_t n);

#endif
