/* SPDX-License-Identifier: MIT
 * file.h - bytes as a file, for what reads files by their names */
#ifndef ADDS_FUZZ_FILE_H
#define ADDS_FUZZ_FILE_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char file_folder[] = "/tmp/adds-fuzz-XXXXXX", file_path[64];

static void
file_remove(void)
{
	unlink(file_path);
	rmdir(file_folder);
}

/* The path of a file of that name with these bytes, in place of the one before. */
static const char *
file_of(const char *name, const uint8_t *data, size_t size)
{
	FILE *f;

	if (*file_path)
		unlink(file_path);
	else if (!mkdtemp(file_folder) || atexit(file_remove) != 0)
		abort();
	snprintf(file_path, sizeof(file_path), "%s/%s", file_folder, name);
	if (!(f = fopen(file_path, "wb")) || fwrite(data, 1, size, f) != size || fclose(f))
		abort();
	return file_path;
}

#endif
