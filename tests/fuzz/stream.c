/* SPDX-License-Identifier: MIT
 * stream.c - fuzz target: any bytes as a stream, read in order and by number.
 * Bytes that do not begin as a zstd frame are compressed here, so that what
 * lies behind the checksums is reached, too. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../lib/stream/reader.h"
#include "../../lib/stream/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t
compress(uint8_t *to, size_t room, const uint8_t *data, size_t size)
{
	static ZSTD_CCtx *zstd;
	size_t n;

	if (!zstd && (!(zstd = ZSTD_createCCtx()) || ZSTD_isError(ZSTD_CCtx_setParameter(zstd, ZSTD_c_checksumFlag, 1))))
		abort();
	n = ZSTD_compress2(zstd, to, room, data, size);
	if (ZSTD_isError(n))
		abort();
	return n;
}

/* one file for all inputs */
static int
input(const uint8_t *data, size_t size)
{
	static const uint8_t magic[4] = { 0x28, 0xb5, 0x2f, 0xfd };
	const size_t room = ZSTD_compressBound(size);
	uint8_t *packed = malloc(room);
	static FILE *f;

	if (!packed || (!f && !(f = tmpfile())))
		abort();
	if (size < 4 || memcmp(data, magic, 4) != 0) {
		size = compress(packed, room, data, size);
		data = packed;
	}
	if (ftruncate(fileno(f), 0) < 0 || pwrite(fileno(f), data, size, 0) != (ssize_t)size)
		abort();
	free(packed);
	return fileno(f);
}

/* in order: how many, or the error */
static int64_t
read_in_order(struct adds_reader *r)
{
	const struct adds_message *m;
	struct adds_record rec;
	struct adds_error err;
	int rc;

	while ((rc = adds_reader_read(r, &m, &err)) > 0) {
		struct adds_buf b = { 0 };

		adds_record_parse(&rec, m, 0, &err);
		if (adds_message_bytes(m, &b, 4 * ADDS_JSON_LIMIT, &err) < 0)
			abort();
		adds_buf_release(&b);
	}
	return rc < 0 ? rc : (int64_t)adds_reader_records(r);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct adds_limits limits = { 1 << 20, 1 << 16, 20 };
	struct adds_error err;
	struct adds_reader *r = adds_reader_start(input(data, size), 0, 1, 0, "input", &limits, &err);
	const struct adds_message *m;
	int64_t n, total, i;

	if (!r)
		return 0;
	n = read_in_order(r);
	total = adds_reader_total(r, &err);
	for (i = 0; i < total; i++)
		if (adds_reader_at(r, (uint64_t)i, &m, &err) < 0 && n >= 0 && n == total)
			abort(); /* what can be read in order can be read by number */
	adds_reader_close(r);
	return 0;
}
