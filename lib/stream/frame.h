/* SPDX-License-Identifier: MIT
 *
 * frame.h - one zstd frame after the other, from a file or a pipe.
 * Knows: json.h.
 */
#ifndef ADDS_FRAME_H
#define ADDS_FRAME_H

#include <zstd.h>

#include "json.h"

enum {
	ADDS_INPUT_SIZE = 1 << 19,
	ADDS_FRAME_BYTES = 1 << 18, /* a frame of more than one record has no more bytes */
	ADDS_FRAME_RECORDS = 64,    /* or as many records */
};

/* A buffered input. With positional set it reads by pread from offset on and
 * leaves the descriptor's own place alone. */
struct adds_input {
	int fd, positional, eof;
	int regular; /* a file: reading ahead does not wait */
	unsigned char *buf;
	size_t pos, len;
	uint64_t offset; /* of buf[pos] from where reading began, or in the file */
};

int adds_input_init(struct adds_input *in, int fd, struct adds_error *err);
void adds_input_release(struct adds_input *in);
void adds_input_seek(struct adds_input *in, uint64_t offset); /* positional only */

/* A frame, decompressed. */
struct adds_frame {
	struct adds_buf data;
	uint64_t at, csize; /* where it lies, compressed, and its length there */
	size_t whole;       /* of a frame that failed: bytes that were decompressed */
	uint64_t skipped;   /* skippable frames met before it: their bytes */
};

struct adds_frames {
	ZSTD_DCtx *zstd;
	size_t limit;      /* bytes of one message */
	size_t json_limit; /* of its header */
};

int adds_frames_init(struct adds_frames *f, size_t limit, size_t json_limit, int window_log, struct adds_error *err);
void adds_frames_release(struct adds_frames *f);

/* The next frame that holds data: 1, or 0 at the end of the input. Skippable
 * frames are skipped. The checksum has been verified when it returns 1. */
int adds_frame_next(struct adds_frame *frame, struct adds_frames *f, struct adds_input *in, struct adds_error *err);

uint32_t adds_get32(const unsigned char *p);
uint64_t adds_get64(const unsigned char *p);

#endif
