/* SPDX-License-Identifier: MIT
 * message.c - fuzz target: any bytes as one safetensors message. What is
 * accepted is written, read and written again, and must not change. */
#include <stdlib.h>
#include <string.h>

#include "../../lib/stream/message.h"
#include "../../lib/stream/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct adds_message *m = adds_message_new(), *again = adds_message_new();
	struct adds_buf a = { 0 }, b = { 0 };
	struct adds_record rec;
	struct adds_error err;
	size_t used;

	if (!m || !again)
		abort();
	if (adds_message_parse(m, data, size, 1 << 24, 1 << 20, &used, &err) == 0) {
		adds_record_parse(&rec, m, 0, &err);
		if (adds_message_bytes(m, &a, 1 << 23, &err) < 0 ||
		    adds_message_parse(again, a.p, a.n, 1 << 25, 1 << 23, &used, &err) < 0 || used != a.n ||
		    adds_message_bytes(again, &b, 1 << 23, &err) < 0 || a.n != b.n || memcmp(a.p, b.p, a.n) != 0)
			abort();
	}
	adds_buf_release(&a);
	adds_buf_release(&b);
	adds_message_free(m);
	adds_message_free(again);
	return 0;
}
