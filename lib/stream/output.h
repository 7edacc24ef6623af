/* SPDX-License-Identifier: MIT
 *
 * output.h - a file that is there whole or not at all.
 * Knows: fail.h. Programs write every file through this.
 */
#ifndef ADDS_OUTPUT_H
#define ADDS_OUTPUT_H

#include <stddef.h>

#include "../fail.h"

struct adds_output;

/* Opens path for writing. "-" is standard output; what is there and is no
 * regular file (/dev/full, a named pipe) is written directly; everything else
 * goes to a file without a name in the same folder, or one with a temporary
 * name where the system cannot do that. */
struct adds_output *adds_output_open(const char *path, struct adds_error *err);

int adds_output_write(struct adds_output *o, const void *data, size_t n, struct adds_error *err);

/* Writes again over bytes that were written before; a regular file that is not standard output. */
int adds_output_patch(struct adds_output *o, uint64_t at, const void *data, size_t n, struct adds_error *err);

/* Is it a regular file (also: standard output that was sent to one)? */
int adds_output_is_file(const struct adds_output *o);
const char *adds_output_name(const struct adds_output *o);

/* Syncs, puts the file into place under its name, unless the file there holds the same
 * bytes, which is then left untouched; frees o, also on failure. */
int adds_output_commit(struct adds_output *o, struct adds_error *err);

/* Gives up; the old file stays; frees o. */
void adds_output_abort(struct adds_output *o);

/* For a program that ends at once: removes the temporary names of all that are still open. */
void adds_output_abandon(void);

#endif
