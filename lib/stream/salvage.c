/* SPDX-License-Identifier: MIT
 * salvage.c - what is whole in a broken stream */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "reader.h"
#include "record.h"
#include "salvage.h"

struct salvage {
	const char *path;
	int (*take)(void *arg, const struct adds_message *m);
	void *arg;
	struct adds_salvaged *what;
	struct adds_message *header, *message;
	int inside; /* a header was met whose stream belongs here */
};

static int
header(struct salvage *s, struct adds_error *err)
{
	struct adds_reader none = { .name = (char *)s->path };
	int rc;

	s->inside = 0;
	if (adds_header_check(s->message, err) < 0)
		return 0;
	if (!s->header) {
		if (!(s->header = adds_message_copy(s->message, err)))
			return err->code;
		if ((rc = s->take(s->arg, s->header)) < 0)
			return rc;
	} else if (adds_join_check(&none, s->header, s->message, err) < 0) {
		adds_buf_release(&none.warnings);
		s->what->broken++;
		return 0;
	}
	adds_buf_release(&none.warnings);
	s->inside = 1;
	return 0;
}

static int
message(struct salvage *s, struct adds_error *err)
{
	const char *record = adds_message_string(s->message, "record");
	int rc;

	s->what->ended = 0;
	if (record && strcmp(record, "header") == 0)
		return header(s, err);
	if (!record || !s->inside)
		return 0;
	if (strcmp(record, "end") == 0) {
		s->what->ended = 1;
		return 0;
	}
	if ((rc = s->take(s->arg, s->message)) < 0)
		return rc;
	s->what->records++;
	s->what->errors += strcmp(record, "error") == 0;
	return 0;
}

/* the whole messages among n bytes; whole frames should have nothing else */
static int
messages(struct salvage *s, const struct adds_buf *data, size_t n, struct adds_error *err)
{
	size_t at, used;
	int rc;

	for (at = 0; at < n; at += used) {
		rc = adds_message_parse(s->message, data->p + at, n - at, ADDS_MESSAGE_LIMIT, ADDS_JSON_LIMIT, &used, err);
		if (rc == ADDS_ENOMEM)
			return rc;
		if (rc < 0)
			return 0;
		if ((rc = message(s, err)) < 0)
			return rc;
	}
	return 0;
}

/* moves to the next place at or behind from where a frame may begin; 0: there is none */
static int
next_magic(struct adds_input *in, uint64_t from, uint64_t size, const char *path, struct adds_error *err)
{
	static const unsigned char magic[4] = { 0x28, 0xb5, 0x2f, 0xfd };
	unsigned char buf[65536];

	while (from + 4 <= size) {
		const ssize_t n = pread(in->fd, buf, sizeof(buf), (off_t)from);
		ssize_t i;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return adds_fail_errno(err, "%s: cannot read", path);
		for (i = 0; i + 4 <= n; i++)
			if (memcmp(buf + i, magic, 4) == 0) {
				adds_input_seek(in, from + (uint64_t)i);
				return 1;
			}
		if (n < 4)
			break;
		from += (uint64_t)(n - 3);
	}
	return 0;
}

static int
go_through(struct salvage *s, int fd, uint64_t size, struct adds_error *err)
{
	struct adds_frames frames = { 0 };
	struct adds_input in = { 0 };
	struct adds_frame frame = { 0 };
	struct adds_error own;
	int rc;

	if ((rc = adds_frames_init(&frames, ADDS_MESSAGE_LIMIT, ADDS_JSON_LIMIT, 27, err)) < 0 ||
	    (rc = adds_input_init(&in, fd, err)) < 0)
		goto out;
	in.positional = 1;
	for (;;) {
		const uint64_t from = in.offset;
		uint64_t next;

		frame.at = from;
		rc = adds_frame_next(&frame, &frames, &in, &own);
		if (rc == ADDS_ENOMEM || rc == ADDS_EIO) {
			*err = own;
			adds_fail_in(err, "%s", s->path);
			break;
		}
		if (rc >= 0) {
			if (rc == 0 || (rc = messages(s, &frame.data, frame.data.n, err)) < 0)
				break;
			continue;
		}
		s->what->broken++;
		if (rc == ADDS_ETRUNCATED && (rc = messages(s, &frame.data, frame.whole, err)) < 0)
			break;
		s->what->ended = 0;
		if ((rc = next_magic(&in, frame.at + 1, size, s->path, err)) <= 0) {
			s->what->lost += size - frame.at;
			break;
		}
		next = in.offset;
		s->what->lost += next - frame.at;
	}
out:
	adds_frames_release(&frames);
	adds_input_release(&in);
	adds_buf_release(&frame.data);
	return rc;
}

int
adds_salvage(const char *path, int (*take)(void *arg, const struct adds_message *m), void *arg,
             struct adds_salvaged *what, struct adds_error *err)
{
	struct salvage s = { path, take, arg, what, NULL, adds_message_new(), 0 };
	const int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	int rc;

	memset(what, 0, sizeof(*what));
	if (fd < 0 || fstat(fd, &st) < 0)
		rc = adds_fail_errno(err, "cannot open '%s'", path);
	else if (!S_ISREG(st.st_mode))
		rc = adds_fail(err, ADDS_EARG, "%s: salvage needs a regular file", path);
	else if (!s.message)
		rc = adds_fail(err, ADDS_ENOMEM, "%s: out of memory", path);
	else
		rc = go_through(&s, fd, (uint64_t)st.st_size, err);
	if (rc == 0 && !s.header)
		rc = adds_fail(err, ADDS_EFORMAT, "%s: no header of a stream is whole: nothing can be saved", path);
	if (fd >= 0)
		close(fd);
	adds_message_free(s.header);
	adds_message_free(s.message);
	return rc;
}
