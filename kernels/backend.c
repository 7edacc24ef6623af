/* SPDX-License-Identifier: MIT
 * backend.c - which device: cpu, cuda, or what is there */
#include "kernels.h"
