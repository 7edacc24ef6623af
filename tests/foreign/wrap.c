/* SPDX-License-Identifier: MIT
 *
 * wrap.c - linked with -Wl,--wrap=cpu_open, a program that opens the CPU gets
 * the foreign device (tests/unit/foreign.h) in its place. FOREIGN_MEMORY in the
 * environment: bytes that can be had, whatever it says that were free.
 */
#include <stdlib.h>

#include "../unit/foreign.h"

struct backend *__real_cpu_open(int threads, struct adds_error *err);
struct backend *__wrap_cpu_open(int threads, struct adds_error *err);

struct backend *
__wrap_cpu_open(int threads, struct adds_error *err)
{
	const char *memory = getenv("FOREIGN_MEMORY");
	struct backend *b = foreign_over(__real_cpu_open(threads, err), err);

	if (b && memory)
		foreign_limit(b, (size_t)strtoull(memory, NULL, 10));
	return b;
}
