/* SPDX-License-Identifier: MIT
 * thresholds.c - any bytes as a thresholds file. What is taken is written, read and written again, and must not change. */
#include "../../lib/score/threshold.h"
#include "file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The file as text; NULL: refused. */
static char *
text_of(const void *data, size_t size)
{
	struct adds_thresholds t;
	struct adds_error err;
	char *text = NULL;

	if (adds_thresholds_read(&t, file_of("t.json", data, size), &err) == 0 && !(text = adds_thresholds_print(&t, &err)))
		abort();
	adds_thresholds_release(&t);
	return text;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *first = text_of(data, size), *second = first ? text_of(first, strlen(first)) : NULL;

	if (first && (!second || strcmp(first, second) != 0))
		abort();
	free(first);
	free(second);
	return 0;
}
