/* SPDX-License-Identifier: MIT
 * writer.c - messages into frames, frames into a file or pipe */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "frame.h"
#include "message.h"
#include "output.h"
#include "record.h"

/* one line of the seek table */
struct line {
	uint32_t csize, dsize;
};

struct adds_writer {
	struct adds_output *out;
	ZSTD_CCtx *zstd;
	struct adds_buf frame; /* messages of the open frame */
	size_t in_frame;       /* records in it */
	uint64_t records, errors;
	struct adds_buf first; /* int64_t: first record of each record frame */
	int started;           /* the header is there */
	/* the compressor's side, alone or in its thread */
	struct adds_buf work, packed; /* a frame before and after compression */
	struct adds_buf lines;        /* struct line */
	int threaded, busy, stop, rc;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct adds_error failed;
};

/* compresses what is in work and writes it */
static int
pack(struct adds_writer *w, struct adds_error *err)
{
	const size_t bound = ZSTD_compressBound(w->work.n);
	struct line line;
	size_t n;

	w->packed.n = 0;
	if (adds_buf_reserve(&w->packed, bound) < 0)
		return adds_fail(err, ADDS_ENOMEM, "%s: no memory for a frame of %zu bytes", adds_output_name(w->out), bound);
	n = ZSTD_compress2(w->zstd, w->packed.p, w->packed.cap, w->work.p, w->work.n);
	if (ZSTD_isError(n))
		return adds_fail(err, ADDS_ENOMEM, "%s: zstd: %s", adds_output_name(w->out), ZSTD_getErrorName(n));
	line = (struct line){ (uint32_t)n, (uint32_t)w->work.n };
	adds_buf_add(&w->lines, &line, sizeof(line));
	return adds_output_write(w->out, w->packed.p, n, err);
}

static void *
compressor(void *arg)
{
	struct adds_writer *w = arg;

	pthread_mutex_lock(&w->lock);
	for (;;) {
		while (!w->busy && !w->stop)
			pthread_cond_wait(&w->changed, &w->lock);
		if (!w->busy)
			break;
		pthread_mutex_unlock(&w->lock);
		if (w->rc == 0)
			w->rc = pack(w, &w->failed);
		pthread_mutex_lock(&w->lock);
		w->busy = 0;
		pthread_cond_broadcast(&w->changed);
	}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

/* waits until the compressor has nothing to do; its verdict so far */
static int
settle(struct adds_writer *w, struct adds_error *err)
{
	if (w->threaded) {
		pthread_mutex_lock(&w->lock);
		while (w->busy)
			pthread_cond_wait(&w->changed, &w->lock);
		pthread_mutex_unlock(&w->lock);
	}
	if (w->rc < 0)
		*err = w->failed;
	return w->rc;
}

/* hands the open frame to the compressor */
static int
close_frame(struct adds_writer *w, struct adds_error *err)
{
	const struct adds_buf frame = w->frame;
	int rc;

	if (!frame.n)
		return 0;
	if ((rc = settle(w, err)) < 0)
		return rc;
	w->frame = w->work;
	w->frame.n = 0;
	w->work = frame;
	w->in_frame = 0;
	if (!w->threaded) {
		if ((w->rc = pack(w, &w->failed)) < 0)
			*err = w->failed;
		return w->rc;
	}
	pthread_mutex_lock(&w->lock);
	w->busy = 1;
	pthread_cond_broadcast(&w->changed);
	pthread_mutex_unlock(&w->lock);
	return 0;
}

static int
start_thread(struct adds_writer *w, struct adds_error *err)
{
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->changed, NULL);
	if (pthread_create(&w->thread, NULL, compressor, w) != 0) {
		pthread_mutex_destroy(&w->lock);
		pthread_cond_destroy(&w->changed);
		return adds_fail(err, ADDS_ENOMEM, "cannot start a thread");
	}
	w->threaded = 1;
	return 0;
}

static void
stop_thread(struct adds_writer *w)
{
	if (!w->threaded)
		return;
	pthread_mutex_lock(&w->lock);
	w->stop = 1;
	pthread_cond_broadcast(&w->changed);
	pthread_mutex_unlock(&w->lock);
	pthread_join(w->thread, NULL);
	pthread_mutex_destroy(&w->lock);
	pthread_cond_destroy(&w->changed);
	w->threaded = 0;
}

static void
release(struct adds_writer *w)
{
	stop_thread(w);
	ZSTD_freeCCtx(w->zstd);
	adds_buf_release(&w->frame);
	adds_buf_release(&w->work);
	adds_buf_release(&w->packed);
	adds_buf_release(&w->lines);
	adds_buf_release(&w->first);
	free(w);
}

static int
set_up(struct adds_writer *w, const char *path, const struct adds_writer_options *options, struct adds_error *err)
{
	const int level = options && options->level ? options->level : 1;

	if (!(w->zstd = ZSTD_createCCtx()) ||
	    ZSTD_isError(ZSTD_CCtx_setParameter(w->zstd, ZSTD_c_checksumFlag, 1)))
		return adds_fail(err, ADDS_ENOMEM, "out of memory");
	if (level < ZSTD_minCLevel() || level > ZSTD_maxCLevel() ||
	    ZSTD_isError(ZSTD_CCtx_setParameter(w->zstd, ZSTD_c_compressionLevel, level)))
		return adds_fail(err, ADDS_EARG, "zstd has no level %d", level);
	if (!(w->out = adds_output_open(path, err)))
		return err->code;
	return options && options->threaded ? start_thread(w, err) : 0;
}

struct adds_writer *
adds_writer_open(const char *path, const struct adds_writer_options *options, struct adds_error *err)
{
	struct adds_writer *w = calloc(1, sizeof(*w));
	struct adds_error own;

	err = err ? err : &own;
	if (!w) {
		adds_fail(err, ADDS_ENOMEM, "out of memory");
		return NULL;
	}
	if (set_up(w, path, options, err) < 0) {
		adds_writer_abort(w);
		return NULL;
	}
	return w;
}

/* appends the message's bytes to the open frame */
static int
append(struct adds_writer *w, const struct adds_message *m, struct adds_error *err)
{
	const size_t before = w->frame.n;
	int rc = adds_message_bytes(m, &w->frame, ADDS_JSON_LIMIT, err);

	if (rc == 0 && w->frame.n - before > ADDS_MESSAGE_LIMIT)
		rc = adds_fail(err, ADDS_ELIMIT, "a message of %zu bytes, the limit is %zu", w->frame.n - before,
		               ADDS_MESSAGE_LIMIT);
	if (rc < 0) {
		w->frame.n = before;
		w->frame.failed = 0;
		adds_fail_in(err, "%s: record %llu", adds_output_name(w->out), (unsigned long long)w->records);
	}
	return rc;
}

int
adds_writer_header(struct adds_writer *w, const struct adds_message *m, struct adds_error *err)
{
	const char *record = adds_message_string(m, "record");
	struct adds_error own;
	int rc;

	err = err ? err : &own;
	if (w->started || !record || strcmp(record, "header") != 0)
		return adds_fail(err, ADDS_EARG, "%s: a header stands once, at the begin", adds_output_name(w->out));
	if ((rc = append(w, m, err)) < 0)
		return rc;
	w->started = 1;
	return close_frame(w, err);
}

/* closes the frame before the record that was appended last, at before: that one begins the next frame */
static int
close_before(struct adds_writer *w, size_t before, struct adds_error *err)
{
	const size_t n = w->frame.n - before;
	int rc;

	w->frame.n = before;
	if ((rc = close_frame(w, err)) < 0)
		return rc;
	adds_buf_add(&w->frame, w->work.p + before, n);
	if (!w->frame.failed)
		return 0;
	w->frame.failed = 0;
	return adds_fail(err, ADDS_ENOMEM, "%s: no memory for a message of %zu bytes", adds_output_name(w->out), n);
}

/* counts a record that was appended, at before; the frame may be full without or with it */
static int
count(struct adds_writer *w, size_t before, int error, struct adds_error *err)
{
	const int64_t number = (int64_t)w->records;
	int rc;

	if (w->in_frame && w->frame.n > ADDS_FRAME_BYTES && (rc = close_before(w, before, err)) < 0)
		return rc;
	if (w->in_frame++ == 0)
		adds_buf_add(&w->first, &number, sizeof(number));
	w->records++;
	w->errors += error;
	if (w->frame.n >= ADDS_FRAME_BYTES || w->in_frame == ADDS_FRAME_RECORDS)
		return close_frame(w, err);
	return 0;
}

int
adds_writer_write_bytes(struct adds_writer *w, const void *bytes, size_t n, int error, struct adds_error *err)
{
	const size_t before = w->frame.n;
	struct adds_error own;

	err = err ? err : &own;
	adds_buf_add(&w->frame, bytes, n);
	if (w->frame.failed || n > ADDS_MESSAGE_LIMIT) {
		w->frame.failed = 0;
		return adds_fail(err, ADDS_ELIMIT, "%s: record %llu: no room for a message of %zu bytes",
		                 adds_output_name(w->out), (unsigned long long)w->records, n);
	}
	return count(w, before, error, err);
}

int
adds_writer_write(struct adds_writer *w, const struct adds_message *m, struct adds_error *err)
{
	const char *record = adds_message_string(m, "record");
	const size_t before = w->frame.n;
	struct adds_error own;
	int rc;

	err = err ? err : &own;
	if (!w->started || !record || strcmp(record, "header") == 0 || strcmp(record, "end") == 0)
		return adds_fail(err, ADDS_EARG, "%s: '%s' is no record to write here", adds_output_name(w->out),
		                 record ? record : "none");
	if ((rc = append(w, m, err)) < 0)
		return rc;
	return count(w, before, strcmp(record, "error") == 0, err);
}

static struct adds_message *
end_record(const struct adds_writer *w, const struct adds_message *extra, struct adds_error *err)
{
	const int64_t frames = (int64_t)(w->first.n / sizeof(int64_t));
	struct adds_message *m;

	if (extra)
		m = adds_message_copy(extra, err);
	else if (!(m = adds_message_new()))
		adds_fail(err, ADDS_ENOMEM, "out of memory");
	if (!m)
		return NULL;
	if (w->first.failed) {
		adds_fail(err, ADDS_ENOMEM, "out of memory");
	} else if (adds_message_set_string(m, "record", "end", err) == 0 &&
	           adds_message_set_number(m, "records", (double)w->records, err) == 0 &&
	           adds_message_set_number(m, "errors", (double)w->errors, err) == 0 &&
	           adds_message_add(m, "first", ADDS_I64, 1, &frames, w->first.p, err) == 0) {
		return m;
	}
	adds_message_free(m);
	return NULL;
}

static void
put32(struct adds_buf *b, uint32_t x)
{
	const unsigned char p[4] = { (unsigned char)x, (unsigned char)(x >> 8), (unsigned char)(x >> 16),
		                     (unsigned char)(x >> 24) };

	adds_buf_add(b, p, sizeof(p));
}

/* the table of zstd's seekable format: a skippable frame */
static int
write_table(struct adds_writer *w, struct adds_error *err)
{
	const struct line *lines = (const struct line *)(const void *)w->lines.p;
	const size_t n = w->lines.n / sizeof(*lines);
	struct adds_buf b = { 0 };
	size_t i;
	int rc;

	put32(&b, 0x184d2a5e);
	put32(&b, (uint32_t)(8 * n + 9));
	for (i = 0; i < n; i++) {
		put32(&b, lines[i].csize);
		put32(&b, lines[i].dsize);
	}
	put32(&b, (uint32_t)n);
	adds_buf_add(&b, "", 1); /* no checksums here: the frames have their own */
	put32(&b, 0x8f92eab1);
	if (b.failed || w->lines.failed)
		rc = adds_fail(err, ADDS_ENOMEM, "%s: no memory for the seek table", adds_output_name(w->out));
	else
		rc = adds_output_write(w->out, b.p, b.n, err);
	adds_buf_release(&b);
	return rc;
}

static int
finish(struct adds_writer *w, const struct adds_message *extra, struct adds_error *err)
{
	struct adds_message *end;
	int rc;

	if (!w->started)
		return adds_fail(err, ADDS_EARG, "%s: a stream needs a header", adds_output_name(w->out));
	if ((rc = close_frame(w, err)) < 0)
		return rc;
	if (!(end = end_record(w, extra, err)))
		return err->code;
	rc = append(w, end, err);
	adds_message_free(end);
	if (rc < 0 || (rc = close_frame(w, err)) < 0 || (rc = settle(w, err)) < 0)
		return rc;
	return adds_output_is_file(w->out) ? write_table(w, err) : 0;
}

int
adds_writer_finish(struct adds_writer *w, const struct adds_message *extra, struct adds_error *err)
{
	struct adds_error own;
	int rc;

	err = err ? err : &own;
	if ((rc = finish(w, extra, err)) < 0) {
		adds_writer_abort(w);
		return rc;
	}
	rc = adds_output_commit(w->out, err);
	release(w);
	return rc;
}

void
adds_writer_abort(struct adds_writer *w)
{
	if (!w)
		return;
	stop_thread(w);
	adds_output_abort(w->out);
	release(w);
}

uint64_t
adds_writer_records(const struct adds_writer *w)
{
	return w->records;
}

uint64_t
adds_writer_errors(const struct adds_writer *w)
{
	return w->errors;
}
