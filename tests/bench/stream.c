/* SPDX-License-Identifier: MIT
 * stream.c - writing and reading a stream of f16 features, one thread, beside what libzstd alone does with the same bytes
 * at the same level, in memory and in one piece, as 'zstd -b' measures it. usage: stream [LEVEL [PICTURES]] */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <zstd.h>

#include "../../lib/adds.h"
#include "../../lib/stream/record.h"
#include "bench.h"

enum {
	T = 50,
	D = 512,
	ROUNDS = 19,
};

struct data {
	struct adds_message *header, **pictures;
	int n, level;
	char path[4096];
	char *plain; /* the stream, decompressed */
	size_t size;
	char *packed;
	size_t packed_size;
};

static void
check(int failed, const struct adds_error *err)
{
	if (failed)
		bench_stop(err->msg);
}

static double
gauss(uint64_t *state)
{
	double sum = -6;
	int i;

	for (i = 0; i < 12; i++) {
		*state = *state * 6364136223846793005u + 1442695040888963407u;
		sum += (double)(*state >> 11) / 9007199254740992.0;
	}
	return sum;
}

static struct adds_message *
picture(int number, uint64_t *state)
{
	static float token[D];
	static uint16_t tokens[T * D];
	const int64_t shape[2] = { T, D };
	struct adds_message *m = adds_message_new();
	struct adds_error err;
	char name[64];
	int64_t len;
	int t, d;

	for (t = 0; t < T; t++) {
		double sum = 0;

		for (d = 0; d < D; d++) {
			token[d] = (float)gauss(state);
			sum += (double)token[d] * token[d];
		}
		for (d = 0; d < D; d++)
			token[d] = (float)(token[d] / sqrt(sum));
		adds_f32_to_f16(tokens + t * D, token, D);
	}
	len = snprintf(name, sizeof(name), "pictures/%06d.jpg", number);
	check(!m || adds_message_set_string(m, "record", "picture", &err) < 0 ||
	              adds_message_add(m, "path", ADDS_U8, 1, &len, name, &err) < 0 ||
	              adds_message_add(m, "tokens", ADDS_F16, 2, shape, tokens, &err) < 0,
	      &err);
	return m;
}

static void
make(struct data *d)
{
	struct adds_error err;
	uint64_t state = 1;
	int i;

	d->header = adds_message_new();
	d->pictures = calloc((size_t)d->n, sizeof(struct adds_message *));
	if (!d->header || !d->pictures)
		exit(1);
	check(adds_message_set_string(d->header, "record", "header", &err) < 0 ||
	              adds_message_set_number(d->header, "format", 1, &err) < 0 ||
	              adds_message_set_string(d->header, "kind", "features", &err) < 0,
	      &err);
	for (i = 0; i < d->n; i++)
		d->pictures[i] = picture(i, &state);
}

static void
write_to(const struct data *d, const char *path)
{
	const struct adds_writer_options options = { .level = d->level };
	struct adds_error err;
	struct adds_writer *w = adds_writer_open(path, &options, &err);
	int i;

	check(!w || adds_writer_header(w, d->header, &err) < 0, &err);
	for (i = 0; i < d->n; i++)
		check(adds_writer_write(w, d->pictures[i], &err) < 0, &err);
	check(adds_writer_finish(w, NULL, &err) < 0, &err);
}

static void
write_stream(struct data *d)
{
	write_to(d, "/dev/null");
}

static void
read_stream(struct data *d)
{
	const struct adds_message *m;
	struct adds_error err;
	struct adds_reader *r = adds_reader_open(d->path, NULL, &err);
	int rc;

	check(!r, &err);
	while ((rc = adds_reader_read(r, &m, &err)) > 0)
		continue;
	check(rc < 0, &err);
	adds_reader_close(r);
}

/* the bytes as 'zstd -dc' gives them */
static void
unpack(struct data *d)
{
	struct adds_error err;
	size_t n, at;
	char *file = adds_read_file(d->path, (size_t)1 << 32, &n, &err);
	const size_t most = (size_t)d->n * (T * D * 2 + 4096) + 65536;

	check(!file, &err);
	if (!(d->plain = malloc(most)))
		exit(1);
	for (at = 0; at < n;) {
		const size_t frame = ZSTD_findFrameCompressedSize(file + at, n - at);
		const size_t got = ZSTD_decompress(d->plain + d->size, most - d->size, file + at, frame);

		if (ZSTD_isError(frame) || ZSTD_isError(got))
			exit(1);
		d->size += got;
		at += frame;
	}
	free(file);
	d->packed_size = ZSTD_compressBound(d->size);
	if (!(d->packed = malloc(d->packed_size)))
		exit(1);
}

static ZSTD_CCtx *
compressor(const struct data *d)
{
	static ZSTD_CCtx *c;

	if (!c && !(c = ZSTD_createCCtx()))
		exit(1);
	ZSTD_CCtx_setParameter(c, ZSTD_c_compressionLevel, d->level);
	ZSTD_CCtx_setParameter(c, ZSTD_c_checksumFlag, 1);
	return c;
}

static void
compress(struct data *d)
{
	const size_t n = ZSTD_compress2(compressor(d), d->packed, ZSTD_compressBound(d->size), d->plain, d->size);

	if (ZSTD_isError(n))
		exit(1);
	d->packed_size = n;
}

static void
decompress(struct data *d)
{
	static ZSTD_DCtx *c;
	static char *to;

	if ((!c && !(c = ZSTD_createDCtx())) || (!to && !(to = malloc(d->size))))
		exit(1);
	if (ZSTD_decompressDCtx(c, to, d->size, d->packed, d->packed_size) != d->size)
		exit(1);
}

/* ours and the library's in turns: what else the machine does is in both; *mbs: the best of each */
static void
rates(struct data *d, void (*ours)(struct data *), void (*alone)(struct data *), double mbs[2])
{
	void (*const work[2])(struct data *) = { ours, alone };
	int i, k;

	mbs[0] = mbs[1] = 0;
	for (i = 0; i <= ROUNDS; i++)
		for (k = 0; k < 2; k++) {
			const double start = bench_cpu();

			work[k](d);
			mbs[k] = fmax(mbs[k], (double)d->size / (bench_cpu() - start) / 1e6);
		}
}

static void
report(const struct data *d, const char *what, const double mbs[2])
{
	char name[64];

	snprintf(name, sizeof(name), "%s f16 features, level %d", what, d->level);
	bench_line(name, "ADDS", mbs[0], "MB/s", "more");
	bench_line(name, "libzstd", mbs[1], "MB/s", "more");
}

int
main(int argc, char **argv)
{
	struct data d = { .level = argc > 1 ? atoi(argv[1]) : 1, .n = argc > 2 ? atoi(argv[2]) : 500 };
	double mbs[2];

	snprintf(d.path, sizeof(d.path), "%s/stream.adds", bench_folder());
	make(&d);
	write_to(&d, d.path);
	unpack(&d);
	rates(&d, write_stream, compress, mbs);
	report(&d, "writing", mbs);
	rates(&d, read_stream, decompress, mbs);
	report(&d, "reading", mbs);
	remove(d.path);
	return 0;
}
