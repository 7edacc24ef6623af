/* SPDX-License-Identifier: MIT
 *
 * reader.h - the inside of a reader: messages in order (reader.c), agreement
 * of joined streams (join.c), random access (seek.c).
 * Knows: frame.h, message.h.
 */
#ifndef ADDS_READER_H
#define ADDS_READER_H

#include "frame.h"
#include "message.h"

enum adds_place {
	ADDS_AT_BEGIN,  /* a header must come */
	ADDS_IN_PART,   /* records, or the end record */
	ADDS_AFTER_END, /* a header, or the end of the input */
	ADDS_AT_END,
	ADDS_BROKEN,
};

struct adds_index;

struct adds_reader {
	char *name;
	int fd, owned;
	struct adds_limits limits;
	struct adds_frames frames;
	struct adds_input in;
	struct adds_frame frame;
	size_t pos;       /* in the frame: behind the message just read */
	size_t begin;     /* in the frame: of the message just read */
	uint64_t base;    /* of the frame in the decompressed stream */
	uint64_t start;   /* of the stream in the file, where the descriptor stood */
	uint64_t records; /* read so far */
	uint64_t of_part, errors_of_part, errors;
	uint64_t frames_read, misfits; /* frames; parts whose `first` does not name their frames' records */
	int parts;
	enum adds_place place;
	struct adds_message *header, *end, *message;
	cJSON *joined; /* provenance of later headers */
	struct adds_buf warnings;
	struct adds_error failed; /* once broken, it stays so */
	struct adds_index *index;
};

/* A reader of an open descriptor, at its place (positional: by pread from
 * offset on). The descriptor stays the caller's unless owned. */
struct adds_reader *adds_reader_start(int fd, int owned, int positional, uint64_t offset, const char *name,
                                      const struct adds_limits *limits, struct adds_error *err);

/* Puts "name: record N at byte OFFSET" in front; ADDS_ETRUNCATED says what is whole. */
int adds_reader_fail(const struct adds_reader *r, uint64_t record, uint64_t offset, struct adds_error *err);

/* One line more in the warnings, unless it stands there. */
void adds_reader_warn(struct adds_reader *r, const char *text);

/* Is this the header of a stream that we read? */
int adds_header_check(const struct adds_message *m, struct adds_error *err);

/* May the stream of this header follow that of first? ADDS_EMISMATCH names
 * the field and both values; a difference that does no harm is a warning. */
int adds_join_check(struct adds_reader *r, const struct adds_message *first, const struct adds_message *next,
                    struct adds_error *err);

/* Do the seek tables agree with the frames? 1 yes, 0 there is none (or the
 * input is no regular file), ADDS_EFORMAT no. */
int adds_reader_check_table(struct adds_reader *r, struct adds_error *err);

void adds_index_free(struct adds_index *index);

#endif
