/* SPDX-License-Identifier: MIT
 * device.c - the name of a device on the command line */
#include "../kernels/kernels.h"
#include "cmd.h"

void
cmd_device(const char *name)
{
	if (!backend_is_name(name))
		usage("--device: '%s' is none of auto, cpu, cuda and cuda:N", name);
}
