/* SPDX-License-Identifier: MIT
 *
 * dtype.h - numbers of a stream or a weight file, as devices know them.
 *
 * Knows: adds.h, kernels/. For every room.
 */
#ifndef ADDS_DTYPE_H
#define ADDS_DTYPE_H

#include "../kernels/kernels.h"
#include "adds.h"

/* t: ADDS_F16, ADDS_BF16, or else f32 */
static inline enum dtype
adds_device_dtype(enum adds_dtype t)
{
	return t == ADDS_F16 ? DT_F16 : t == ADDS_BF16 ? DT_BF16
	                                               : DT_F32;
}

#endif
