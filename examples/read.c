/* read.c - reads an ADDS stream from standard input with nothing but libzstd
 * and prints one line for each message: its size and its JSON header.
 * cc -o read read.c -lzstd && ./read <photos.adds */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#define LIMIT ((size_t)1 << 30) /* bytes of one message */

static unsigned char in[1 << 17];
static ZSTD_inBuffer from = { in, 0, 0 };
static ZSTD_DCtx *zstd;
static size_t left; /* 0: between two frames */

static void
die(const char *text)
{
	fprintf(stderr, "read: %s\n", text);
	exit(1);
}

/* n decompressed bytes; 0 at the end of the input, if it ends between two frames */
static int
get(void *to, size_t n)
{
	ZSTD_outBuffer out = { to, n, 0 };

	while (out.pos < n) {
		if (from.pos == from.size) {
			from.size = fread(in, 1, sizeof(in), stdin);
			from.pos = 0;
			if (from.size == 0 && (left || out.pos || ferror(stdin)))
				die("the stream ends early");
			if (from.size == 0)
				return 0;
		}
		left = ZSTD_decompressStream(zstd, &out, &from);
		if (ZSTD_isError(left))
			die(ZSTD_getErrorName(left));
	}
	return 1;
}

/* where the last tensor ends: the largest second number of "data_offsets":[a,b] */
static size_t
size_of_tensors(const char *head)
{
	size_t size = 0;

	while ((head = strstr(head, "\"data_offsets\":["))) {
		size_t end;

		head = strchr(head + 16, ',');
		if (!head || (end = strtoull(head + 1, NULL, 10)) > LIMIT)
			die("bad offsets");
		size = end > size ? end : size;
	}
	return size;
}

int
main(void)
{
	unsigned char length[8];
	int ended = 0, i;

	if (!(zstd = ZSTD_createDCtx()))
		die("out of memory");
	while (get(length, 8)) {
		uint64_t n = 0;
		size_t size;
		char *head, *data;

		for (i = 7; i >= 0; i--)
			n = n << 8 | length[i];
		if (n > 1 << 20 || !(head = calloc(n + 1, 1)) || !get(head, n))
			die("bad header");
		size = size_of_tensors(head);
		if (!(data = malloc(size + 1)) || (size && !get(data, size)))
			die("bad tensors");
		printf("%zu %s\n", (size_t)(8 + n) + size, head);
		ended = strstr(head, "\\\"record\\\":\\\"end\\\"") != NULL;
		free(head);
		free(data);
	}
	if (!ended)
		die("the stream ends early, without its end record");
	return 0;
}
