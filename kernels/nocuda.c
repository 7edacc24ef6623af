/* SPDX-License-Identifier: MIT
 * nocuda.c - stands in for kernels/cuda where the program is built without it */
#include "kernels.h"

struct backend *
cuda_open(int device, int threads, struct adds_error *err)
{
	(void)device;
	(void)threads;
	adds_fail(err, ADDS_EDEVICE, "this program was built without CUDA (build it with 'make CUDA=1')");
	return NULL;
}
