/* SPDX-License-Identifier: MIT
 * safetensors.c - any bytes as a weight file, and its names */
#include <stddef.h>
#include <stdint.h>

#include "../../lib/clip/names.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct adds_weights w = { 0 };
	struct adds_clip_params p;
	struct adds_error err;
	unsigned char ends[64];
	float first;
	size_t i;

	if (adds_weights_parse(&w, data, size, "fuzz", &err) == 0) {
		if (adds_clip_params_init(&p, &w, &err) == 0)
			for (i = 0; i < p.n; i++) {
				const size_t bytes = adds_clip_param_size(&p.p[i]),
					     n = bytes < sizeof(ends) ? bytes : sizeof(ends);

				adds_clip_param_bytes(ends, &p.p[i], bytes - n, n);
				if (bytes >= 4)
					adds_weight_floats(&first, p.p[i].part[0], 0, p.p[i].part[0]->size >= 4);
			}
		adds_clip_params_release(&p);
	}
	adds_weights_release(&w);
	return 0;
}
