/* SPDX-License-Identifier: MIT
 * merges.c - any bytes as merges.txt, vocab.json or tokenizer.json, by the first byte */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "../../lib/text/text.h"

enum { SIZE = 614 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
put(const char *folder, const char *name, const void *data, size_t size)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	if (!(f = fopen(path, "wb")) || fwrite(data, 1, size, f) != size || fclose(f))
		abort();
}

static void
clear(const char *folder)
{
	static const char *const names[] = { "merges.txt", "vocab.json", "tokenizer.json" };
	char path[128];
	int i;

	for (i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
		unlink(path);
	}
	rmdir(folder);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char merges[] = "#version: 0.2\ni n\nt h\n";
	char folder[] = "/tmp/adds-fuzz-XXXXXX";
	const int form = size ? data[0] % 3 : 0;
	struct adds_tokenizer *t;
	struct adds_error err;
	int32_t ids[16];
	int i, n;

	if (!mkdtemp(folder))
		abort();
	if (size) {
		data++;
		size--;
	}
	put(folder, form == 0 ? "merges.txt" : form == 1 ? "vocab.json"
	                                                 : "tokenizer.json",
	    data, size);
	if (form == 1)
		put(folder, "merges.txt", merges, sizeof(merges) - 1);
	if ((t = adds_tokenizer_open(folder, SIZE, ADDS_SPECIALS_OPENAI, &err))) {
		n = adds_tokenizer_encode(t, "in the <|startoftext|> thing", 28, ids, 16, NULL, &err);
		for (i = 0; i < n; i++)
			if (ids[i] < 0 || ids[i] >= SIZE)
				abort();
		adds_tokenizer_free(t);
	}
	clear(folder);
	return 0;
}
