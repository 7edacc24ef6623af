/* SPDX-License-Identifier: MIT
 * event.c - TensorBoard event files without TensorBoard */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../stream/record.h"
#include "event.h"

enum {
	EVENT_MAX = 1024, /* bytes of one event */
	BUFFER_SIZE = 65536,
	TAG_MAX = 512,
	/* wire types, and field numbers of tensorboard's event.proto and summary.proto */
	VARINT = 0,
	FIXED64 = 1,
	BYTES = 2,
	FIXED32 = 5,
	EVENT_WALL_TIME = 1,
	EVENT_STEP = 2,
	EVENT_FILE_VERSION = 3,
	EVENT_SUMMARY = 5,
	EVENT_SESSION_LOG = 7,
	SUMMARY_VALUE = 1,
	VALUE_TAG = 1,
	VALUE_SIMPLE = 2,
	SESSION_STATUS = 1,
	SESSION_START = 1,
};

struct adds_events {
	int fd;
	char *path;
	size_t len;
	unsigned char buffer[BUFFER_SIZE];
};

struct proto {
	unsigned char byte[EVENT_MAX];
	size_t len;
};

uint32_t
adds_crc32c(const void *data, size_t len)
{
	const unsigned char *p = data;
	uint32_t crc = 0xffffffffu;
	int bit;

	while (len--) {
		crc ^= *p++;
		for (bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (0x82f63b78u & (0u - (crc & 1)));
	}
	return ~crc;
}

uint32_t
adds_crc32c_masked(const void *data, size_t len)
{
	const uint32_t crc = adds_crc32c(data, len);

	return (crc >> 15 | crc << 17) + 0xa282ead8u;
}

static void
put_little(unsigned char *p, uint64_t x, int bytes)
{
	int i;

	for (i = 0; i < bytes; i++)
		p[i] = (unsigned char)(x >> 8 * i);
}

static void
add_varint(struct proto *p, uint64_t x)
{
	for (; x >= 0x80; x >>= 7)
		p->byte[p->len++] = (unsigned char)(x | 0x80);
	p->byte[p->len++] = (unsigned char)x;
}

static void
add_key(struct proto *p, int field, int wire)
{
	add_varint(p, (uint64_t)(field << 3 | wire));
}

static void
add_fixed(struct proto *p, int field, const void *value, int bytes)
{
	uint64_t x = 0;
	uint32_t x32;

	if (bytes == 8) {
		memcpy(&x, value, 8);
	} else {
		memcpy(&x32, value, 4);
		x = x32;
	}
	add_key(p, field, bytes == 8 ? FIXED64 : FIXED32);
	put_little(p->byte + p->len, x, bytes);
	p->len += (size_t)bytes;
}

static void
add_bytes(struct proto *p, int field, const void *value, size_t len)
{
	add_key(p, field, BYTES);
	add_varint(p, len);
	memcpy(p->byte + p->len, value, len);
	p->len += len;
}

/* an event of now, without its content */
static void
begin_event(struct proto *p, int64_t step)
{
	struct timespec t;
	double wall;

	clock_gettime(CLOCK_REALTIME, &t);
	wall = (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
	p->len = 0;
	add_fixed(p, EVENT_WALL_TIME, &wall, 8);
	if (step) {
		add_key(p, EVENT_STEP, VARINT);
		add_varint(p, (uint64_t)step);
	}
}

int
adds_events_flush(struct adds_events *e, struct adds_error *err)
{
	if (adds_write_all(e->fd, e->buffer, e->len) < 0)
		return adds_fail_errno(err, "cannot write '%s'", e->path);
	e->len = 0;
	return 0;
}

int
adds_events_sync(struct adds_events *e, struct adds_error *err)
{
	const int rc = adds_events_flush(e, err);

	if (rc == 0 && fsync(e->fd) < 0)
		return adds_fail_errno(err, "cannot sync '%s'", e->path);
	return rc;
}

static int
add_record(struct adds_events *e, const struct proto *p, struct adds_error *err)
{
	unsigned char *at;
	int rc;

	if (e->len + p->len + 16 > BUFFER_SIZE && (rc = adds_events_flush(e, err)) < 0)
		return rc;
	at = e->buffer + e->len;
	put_little(at, p->len, 8);
	put_little(at + 8, adds_crc32c_masked(at, 8), 4);
	memcpy(at + 12, p->byte, p->len);
	put_little(at + 12 + p->len, adds_crc32c_masked(p->byte, p->len), 4);
	e->len += p->len + 16;
	return 0;
}

static int
add_session_start(struct adds_events *e, int64_t step, struct adds_error *err)
{
	struct proto session = { .len = 0 }, event;

	add_key(&session, SESSION_STATUS, VARINT);
	add_varint(&session, SESSION_START);
	begin_event(&event, step);
	add_bytes(&event, EVENT_SESSION_LOG, session.byte, session.len);
	return add_record(e, &event, err);
}

static int
begin_file(struct adds_events *e, int session, int64_t step, struct adds_error *err)
{
	static const char version[] = "brain.Event:2";
	struct proto event;
	int rc;

	begin_event(&event, 0);
	add_bytes(&event, EVENT_FILE_VERSION, version, sizeof(version) - 1);
	if ((rc = add_record(e, &event, err)) < 0)
		return rc;
	if (session > 1 && (rc = add_session_start(e, step, err)) < 0)
		return rc;
	return adds_events_flush(e, err);
}

struct adds_events *
adds_events_open(const char *folder, int session, int64_t step, struct adds_error *err)
{
	struct adds_events *e = calloc(1, sizeof(*e));
	const size_t size = strlen(folder) + 80;

	if (!e || !(e->path = malloc(size))) {
		free(e);
		adds_fail(err, ADDS_ENOMEM, "out of memory");
		return NULL;
	}
	snprintf(e->path, size, "%s/events.out.tfevents.%010lld.adds.%04d", folder, (long long)time(NULL), session);
	e->fd = open(e->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
	if (e->fd < 0) {
		adds_fail_errno(err, "cannot create '%s'", e->path);
		free(e->path);
		free(e);
		return NULL;
	}
	if (begin_file(e, session, step, err) < 0) {
		adds_events_close(e);
		return NULL;
	}
	return e;
}

void
adds_events_close(struct adds_events *e)
{
	if (!e)
		return;
	close(e->fd);
	free(e->path);
	free(e);
}

int
adds_events_scalar(struct adds_events *e, const char *tag, int64_t step, double value, struct adds_error *err)
{
	struct proto scalar = { .len = 0 }, summary = { .len = 0 }, event;
	const float simple = (float)value;
	const size_t len = strlen(tag);

	if (len > TAG_MAX)
		return adds_fail(err, ADDS_ELIMIT, "an event's tag of %zu bytes", len);
	add_bytes(&scalar, VALUE_TAG, tag, len);
	add_fixed(&scalar, VALUE_SIMPLE, &simple, 4);
	add_bytes(&summary, SUMMARY_VALUE, scalar.byte, scalar.len);
	begin_event(&event, step);
	add_bytes(&event, EVENT_SUMMARY, summary.byte, summary.len);
	return add_record(e, &event, err);
}
