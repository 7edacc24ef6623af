/* SPDX-License-Identifier: MIT
 * frame.c - zstd frames (RFC 8878), one at a time and verified whole: no byte
 * is handed out before the checksum of its frame is known to be right */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "frame.h"

enum {
	FRAME_HEADER_MIN = 5, /* magic number and descriptor */
	SKIPPABLE_HEADER = 8,
	CHECKSUM_FLAG = 4,
	READ_SIZE = 1 << 17,
	WHOLE = 450000, /* of a frame that is decompressed in one piece, at most */
};

uint32_t
adds_get32(const unsigned char *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

uint64_t
adds_get64(const unsigned char *p)
{
	return adds_get32(p) | (uint64_t)adds_get32(p + 4) << 32;
}

int
adds_input_init(struct adds_input *in, int fd, struct adds_error *err)
{
	struct stat st;

	memset(in, 0, sizeof(*in));
	in->fd = fd;
	in->regular = fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
	if (!(in->buf = malloc(ADDS_INPUT_SIZE)))
		return adds_fail(err, ADDS_ENOMEM, "out of memory");
	return 0;
}

void
adds_input_release(struct adds_input *in)
{
	free(in->buf);
	in->buf = NULL;
}

void
adds_input_seek(struct adds_input *in, uint64_t offset)
{
	in->offset = offset;
	in->pos = in->len = 0;
	in->eof = 0;
}

static size_t
available(const struct adds_input *in)
{
	return in->len - in->pos;
}

static void
consume(struct adds_input *in, size_t n)
{
	in->pos += n;
	in->offset += n;
}

/* tries to have at least n (≤ ADDS_INPUT_SIZE) bytes in the buffer; fewer at the end of the input */
static int
fill(struct adds_input *in, size_t n, struct adds_error *err)
{
	if (available(in) >= n)
		return 0;
	if (ADDS_INPUT_SIZE - in->pos < n) {
		memmove(in->buf, in->buf + in->pos, available(in));
		in->len -= in->pos;
		in->pos = 0;
	}
	while (available(in) < n && !in->eof) {
		unsigned char *to = in->buf + in->len;
		const size_t missing = n - available(in), left = ADDS_INPUT_SIZE - in->len;
		const size_t want = missing > READ_SIZE ? missing : READ_SIZE, room = want < left ? want : left;
		const ssize_t got = in->positional ? pread(in->fd, to, room, (off_t)(in->offset + available(in)))
		                                   : read(in->fd, to, room);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return adds_fail_errno(err, "cannot read");
		if (got == 0)
			in->eof = 1;
		in->len += (size_t)got;
	}
	return 0;
}

int
adds_frames_init(struct adds_frames *f, size_t limit, size_t json_limit, int window_log, struct adds_error *err)
{
	f->limit = limit;
	f->json_limit = json_limit;
	if (!(f->zstd = ZSTD_createDCtx()))
		return adds_fail(err, ADDS_ENOMEM, "out of memory");
	if (ZSTD_isError(ZSTD_DCtx_setParameter(f->zstd, ZSTD_d_windowLogMax, window_log)))
		return adds_fail(err, ADDS_EARG, "a window of 2^%d bytes is none that zstd has", window_log);
	return 0;
}

void
adds_frames_release(struct adds_frames *f)
{
	ZSTD_freeDCtx(f->zstd);
	f->zstd = NULL;
}

static int
ends_early(struct adds_error *err)
{
	return adds_fail(err, ADDS_ETRUNCATED, "the stream ends early, inside a zstd frame");
}

static int
skip_frame(struct adds_frame *frame, struct adds_input *in, struct adds_error *err)
{
	uint64_t left = SKIPPABLE_HEADER + (uint64_t)adds_get32(in->buf + in->pos + 4);
	int rc;

	frame->skipped += left;
	while (left) {
		const size_t n = available(in) < left ? available(in) : (size_t)left;

		consume(in, n);
		left -= n;
		if (left && (rc = fill(in, 1, err)) < 0)
			return rc;
		if (left && !available(in))
			return ends_early(err);
	}
	return 0;
}

/* 1: a frame with data begins here, 0: the input ends here */
static int
find_frame(struct adds_frame *frame, struct adds_input *in, struct adds_error *err)
{
	int rc;

	for (;;) {
		uint32_t magic;

		if ((rc = fill(in, SKIPPABLE_HEADER, err)) < 0)
			return rc;
		if (!available(in))
			return 0;
		if (available(in) < 4)
			return adds_fail(err, ADDS_ETRUNCATED, "%zu bytes where a zstd frame should begin", available(in));
		magic = adds_get32(in->buf + in->pos);
		if ((magic & 0xfffffff0u) == ZSTD_MAGIC_SKIPPABLE_START) {
			if (available(in) < SKIPPABLE_HEADER)
				return ends_early(err);
			if ((rc = skip_frame(frame, in, err)) < 0)
				return rc;
			continue;
		}
		if (magic != ZSTD_MAGICNUMBER)
			return adds_fail(err, ADDS_EFORMAT, "%sno zstd frame begins at byte %llu of the compressed file",
			                 in->offset ? "" : "this is no stream, as the programs of adds(7) write them: ",
			                 (unsigned long long)in->offset);
		if (available(in) < FRAME_HEADER_MIN)
			return ends_early(err);
		if (!(in->buf[in->pos + 4] & CHECKSUM_FLAG))
			return adds_fail(err, ADDS_EFORMAT, "a zstd frame without content checksum (zstd --check writes it)");
		return 1;
	}
}

/* as soon as the length of the first message is there: is it one? A bomb
 * then ends before it has grown. */
static int
plausible(const struct adds_frame *frame, const struct adds_frames *f, struct adds_error *err)
{
	const size_t most = f->limit + ADDS_FRAME_BYTES;
	uint64_t head;

	if (frame->data.n > most)
		return adds_fail(err, ADDS_ELIMIT, "a frame of more than %zu bytes, the limit", most);
	if (frame->data.n < 8)
		return 0;
	if ((head = adds_get64(frame->data.p)) > f->json_limit)
		return adds_fail(err, ADDS_ELIMIT, "a message's header of %llu bytes, the limit is %zu: not a stream of ADDS?",
		                 (unsigned long long)head, f->json_limit);
	return head >= 2 ? 0 : adds_fail(err, ADDS_EFORMAT, "a message's header of %d bytes", (int)head);
}

/* Where a frame of usual size lies in the buffer as a whole, and there is room for all of it, zstd decompresses it in one
 * piece, without a copy. A pipe is not waited for. *room is the frame's size, or 0: with more room zstd would lay the literals
 * of a block 128 KiB behind it, and some processors are slow to move bytes by about a multiple of a page's size. */
static int
make_room(size_t *room, struct adds_frame *frame, struct adds_input *in, struct adds_error *err)
{
	const unsigned long long size = ZSTD_getFrameContentSize(in->buf + in->pos, available(in));

	*room = 0;
	if (size > WHOLE) /* unknown, too */
		return 0;
	*room = (size_t)size;
	if (adds_buf_reserve(&frame->data, (size_t)size) < 0)
		return adds_fail(err, ADDS_ENOMEM, "no memory for a frame of %llu bytes", size);
	return in->regular ? fill(in, ZSTD_compressBound((size_t)size), err) : 0;
}

/* decompresses from the input to the end of the frame */
static int
decompress(struct adds_frame *frame, struct adds_frames *f, struct adds_input *in, struct adds_error *err)
{
	struct adds_buf *d = &frame->data;
	size_t left = 1, room;
	int rc;

	if ((rc = make_room(&room, frame, in, err)) < 0)
		return rc;
	while (left) {
		ZSTD_inBuffer from;
		ZSTD_outBuffer to;

		if ((rc = fill(in, 1, err)) < 0)
			return rc;
		if (d->cap - d->n < 4096 && adds_buf_reserve(d, d->cap ? d->cap : ADDS_FRAME_BYTES) < 0)
			return adds_fail(err, ADDS_ENOMEM, "no memory for a frame of %zu bytes", d->cap);
		from = (ZSTD_inBuffer){ in->buf + in->pos, available(in), 0 };
		to = (ZSTD_outBuffer){ d->p, d->n < room ? room : d->cap, d->n };
		left = ZSTD_decompressStream(f->zstd, &to, &from);
		if (ZSTD_isError(left))
			return adds_fail(err, ADDS_EFORMAT, "broken zstd frame at byte %llu of the compressed file: %s",
			                 (unsigned long long)frame->at, ZSTD_getErrorName(left));
		if (left && !from.size && to.pos == d->n)
			return ends_early(err);
		consume(in, from.pos);
		d->n = to.pos;
		if ((rc = plausible(frame, f, err)) < 0)
			return rc;
	}
	return 0;
}

int
adds_frame_next(struct adds_frame *frame, struct adds_frames *f, struct adds_input *in, struct adds_error *err)
{
	int rc;

	frame->data.n = 0;
	frame->whole = 0;
	frame->skipped = 0;
	if ((rc = find_frame(frame, in, err)) <= 0)
		return rc;
	ZSTD_DCtx_reset(f->zstd, ZSTD_reset_session_only);
	frame->at = in->offset;
	if ((rc = decompress(frame, f, in, err)) < 0) {
		frame->whole = frame->data.n;
		frame->data.n = 0;
		return rc;
	}
	frame->csize = in->offset - frame->at;
	return 1;
}
