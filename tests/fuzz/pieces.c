/* SPDX-License-Identifier: MIT
 * pieces.c - any bytes as a SentencePiece model; what is one has ids of its own for a text, whatever its rules do */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/text/pieces.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char text[] = "a cat  and a \xf0\x9f\x90\x88\xe2\x84\xa2 na\xc3\xafve \xff\n\nclipart";
	struct adds_buf normal = { 0 };
	struct adds_codepoints ids = { 0 };
	struct adds_pieces *p;
	unsigned char *own = malloc(size ? size : 1); /* not a byte more: the parser is to need none */
	struct adds_error err;
	size_t i;

	if (!own)
		abort();
	memcpy(own, data, size);
	if (!(p = adds_pieces_parse(own, size, "any", &err)))
		return 0;
	adds_pieces_normalise(p, &normal, text, sizeof(text) - 1);
	if (normal.failed || adds_pieces_encode(p, &ids, (char *)normal.p, normal.n) < 0)
		abort();
	for (i = 0; i < ids.n; i++)
		if (ids.c[i] < 0 || ids.c[i] >= p->n)
			abort();
	adds_codepoints_release(&ids);
	adds_buf_release(&normal);
	adds_pieces_free(p);
	return 0;
}
