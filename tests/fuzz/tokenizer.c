/* SPDX-License-Identifier: MIT
 * tokenizer.c - any bytes as a text: refused, or ids of the vocabulary. The first byte
 * chooses the context and the spelling of special tokens. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/text/text.h"

enum { CLIP = 49408,
       LONGEST = 77 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_ids(const struct adds_tokenizer *t, const int32_t *ids, int n, int context)
{
	int i;

	if (n < 2 || n > context || ids[0] != adds_tokenizer_bos(t) || ids[n - 1] != adds_tokenizer_eot(t))
		abort();
	for (i = 0; i < n; i++)
		if (ids[i] < 0 || ids[i] >= CLIP)
			abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct adds_tokenizer *tokenizers[3];
	int32_t ids[LONGEST + 1] = { [LONGEST] = -1 };
	struct adds_tokenizer **t = &tokenizers[size ? data[0] % 3 : 0];
	const int context = size ? 2 + data[0] % (LONGEST - 1) : LONGEST;
	struct adds_error err;
	char *clean;
	int n;

	if (!*t && !(*t = adds_tokenizer_open(NULL, CLIP, (enum adds_specials)(t - tokenizers), &err)))
		abort();
	if (size) {
		data++;
		size--;
	}
	ids[context] = -1;
	n = adds_tokenizer_encode(*t, (const char *)data, size, ids, context, NULL, &err);
	clean = adds_text_clean((const char *)data, size, &err);
	if ((n < 0) != !clean || ids[context] != -1)
		abort();
	if (clean) {
		check_ids(*t, ids, n, context);
		if (strchr(clean, '\n') || strstr(clean, "  "))
			abort();
	}
	free(clean);
	return 0;
}
