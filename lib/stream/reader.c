/* SPDX-License-Identifier: MIT
 * reader.c - the messages of a stream, in order */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "reader.h"
#include "record.h"

static const struct adds_limits defaults = { ADDS_MESSAGE_LIMIT, ADDS_JSON_LIMIT, 27 };

int
adds_reader_fail(const struct adds_reader *r, uint64_t record, uint64_t offset, struct adds_error *err)
{
	const struct adds_error e = *err;

	if (e.code == ADDS_ETRUNCATED)
		return adds_fail(
			err, ADDS_ETRUNCATED,
			"%.300s: record %llu at byte %llu: %.300s: %llu records before it are whole, "
			"and adds-cat --salvage keeps them",
			r->name, (unsigned long long)record, (unsigned long long)offset, e.msg,
			(unsigned long long)record);
	return adds_fail_in(err, "%s: record %llu at byte %llu", r->name, (unsigned long long)record,
	                    (unsigned long long)offset);
}

void
adds_reader_warn(struct adds_reader *r, const char *text)
{
	if (r->warnings.n && strstr((const char *)r->warnings.p, text))
		return;
	if (r->warnings.n)
		r->warnings.p[r->warnings.n - 1] = '\n';
	adds_buf_add(&r->warnings, text, strlen(text) + 1);
}

int
adds_header_check(const struct adds_message *m, struct adds_error *err)
{
	const char *record = adds_message_string(m, "record");

	if (!record || strcmp(record, "header") != 0)
		return adds_fail(err, ADDS_EFORMAT, "a stream begins with a header, here is '%s'", record ? record : "no record");
	if (adds_message_number(m, "format", 0) != 1)
		return adds_fail(err, ADDS_EFORMAT, "format %g, this program reads format 1: a newer ADDS is needed",
		                 adds_message_number(m, "format", 0));
	return adds_header_kind(m, err) < 0 ? err->code : 0;
}

/* the next message, whatever it is: 1, or 0 at the end of the input */
static int
next_message(struct adds_reader *r, struct adds_error *err)
{
	size_t used;
	int rc;

	while (r->pos == r->frame.data.n) {
		r->base += r->frame.data.n;
		r->pos = r->begin = 0;
		r->frame.data.n = 0;
		if ((rc = adds_frame_next(&r->frame, &r->frames, &r->in, err)) <= 0)
			return rc;
		r->frames_read++;
	}
	r->begin = r->pos;
	rc = adds_message_parse(r->message, r->frame.data.p + r->pos, r->frame.data.n - r->pos, r->limits.message,
	                        r->limits.json, &used, err);
	if (rc == ADDS_ETRUNCATED)
		return adds_fail(err, ADDS_EFORMAT, "a message reaches beyond its frame");
	if (rc < 0)
		return rc;
	r->pos += used;
	return 1;
}

static int
keep_provenance(struct adds_reader *r, struct adds_error *err)
{
	const cJSON *of = cJSON_GetObjectItemCaseSensitive(r->message->meta, "provenance"), *item;
	cJSON *copy;

	if (!of || cJSON_Compare(of, cJSON_GetObjectItemCaseSensitive(r->header->meta, "provenance"), 1))
		return 0;
	if (!r->joined && !(r->joined = cJSON_CreateArray()))
		return adds_fail(err, ADDS_ENOMEM, "out of memory");
	cJSON_ArrayForEach(item, r->joined) if (cJSON_Compare(of, item, 1)) return 0;
	if (!(copy = cJSON_Duplicate(of, 1)) || !cJSON_AddItemToArray(r->joined, copy)) {
		cJSON_Delete(copy);
		return adds_fail(err, ADDS_ENOMEM, "out of memory");
	}
	return 0;
}

static int
begin_part(struct adds_reader *r, struct adds_error *err)
{
	int rc;

	if ((rc = adds_header_check(r->message, err)) < 0)
		return rc;
	r->of_part = r->errors_of_part = 0;
	r->place = ADDS_IN_PART;
	if (r->parts++ == 0)
		return (r->header = adds_message_copy(r->message, err)) ? 0 : err->code;
	if ((rc = adds_join_check(r, r->header, r->message, err)) < 0)
		return rc;
	return keep_provenance(r, err);
}

static int
set_counts(struct adds_reader *r, struct adds_error *err)
{
	int rc;

	if ((rc = adds_message_set_number(r->end, "records", (double)r->records, err)) < 0 ||
	    (rc = adds_message_set_number(r->end, "errors", (double)r->errors, err)) < 0)
		return rc;
	if (r->parts > 1)
		adds_message_remove(r->end, "first");
	return 0;
}

/* provenance that an end record of a part carries from an earlier join */
static int
keep_joined(struct adds_reader *r, struct adds_error *err)
{
	cJSON *list = cJSON_DetachItemFromObjectCaseSensitive(r->message->meta, "joined"), *item;
	int rc = 0;

	while (rc == 0 && cJSON_IsArray(list) && (item = cJSON_DetachItemFromArray(list, 0))) {
		cJSON *old = cJSON_DetachItemFromObjectCaseSensitive(r->message->meta, "provenance");

		cJSON_Delete(old);
		cJSON_AddItemToObject(r->message->meta, "provenance", item);
		rc = keep_provenance(r, err);
		cJSON_DeleteItemFromObjectCaseSensitive(r->message->meta, "provenance");
	}
	cJSON_Delete(list);
	return rc;
}

static int
end_part(struct adds_reader *r, struct adds_error *err)
{
	const double records = adds_message_number(r->message, "records", -1);
	const double errors = adds_message_number(r->message, "errors", -1);
	int rc;

	if (records != (double)r->of_part || errors != (double)r->errors_of_part)
		return adds_fail(
			err, ADDS_EFORMAT,
			"the end record counts %.0f records and %.0f errors, the stream has %llu and %llu",
			records, errors, (unsigned long long)r->of_part,
			(unsigned long long)r->errors_of_part);
	r->place = ADDS_AFTER_END;
	if ((rc = keep_joined(r, err)) < 0)
		return rc;
	if (!r->end && !(r->end = adds_message_copy(r->message, err)))
		return err->code;
	return set_counts(r, err);
}

/* at the real end of the input */
static int
finish(struct adds_reader *r, struct adds_error *err)
{
	cJSON *joined = r->joined;

	if (r->place != ADDS_AFTER_END)
		return adds_fail(err, ADDS_ETRUNCATED, "the stream ends early, without its end record");
	r->place = ADDS_AT_END;
	r->joined = NULL;
	if (joined && !cJSON_AddItemToObject(adds_message_meta(r->end), "joined", joined)) {
		cJSON_Delete(joined);
		return adds_fail(err, ADDS_ENOMEM, "out of memory");
	}
	return 0;
}

/* a message inside a part: 1 a record, 0 the end record */
static int
take_record(struct adds_reader *r, struct adds_error *err)
{
	const char *record = adds_message_string(r->message, "record");

	if (!record)
		return adds_fail(err, ADDS_EFORMAT, "a message without 'record'");
	if (strcmp(record, "end") == 0)
		return end_part(r, err);
	if (strcmp(record, "header") == 0)
		return adds_fail(err, ADDS_ETRUNCATED, "a header before the end record: the stream before it was cut off");
	if (strcmp(record, "error") == 0) {
		r->errors++;
		r->errors_of_part++;
	} else if (strcmp(record, "picture") != 0 && strcmp(record, "label") != 0 &&
	           adds_message_number(r->message, "optional", 0) != 1) {
		return adds_fail(err, ADDS_EFORMAT, "a record of the unknown kind '%s': a newer ADDS is needed", record);
	}
	r->records++;
	r->of_part++;
	return 1;
}

static int
read_on(struct adds_reader *r, struct adds_error *err)
{
	int rc;

	while ((rc = next_message(r, err)) > 0) {
		if (r->place == ADDS_IN_PART) {
			if ((rc = take_record(r, err)) != 0)
				return rc;
		} else if ((rc = begin_part(r, err)) < 0) {
			return rc;
		}
	}
	return rc < 0 ? rc : finish(r, err);
}

static int
broken(struct adds_reader *r, struct adds_error *err)
{
	r->place = ADDS_BROKEN;
	adds_reader_fail(r, r->records, r->base + r->begin, err);
	r->failed = *err;
	return err->code;
}

int
adds_reader_read(struct adds_reader *r, const struct adds_message **m, struct adds_error *err)
{
	struct adds_error own;
	int rc;

	err = err ? err : &own;
	if (r->place == ADDS_BROKEN) {
		*err = r->failed;
		return err->code;
	}
	if (r->place == ADDS_AT_END)
		return 0;
	if ((rc = read_on(r, err)) < 0)
		return broken(r, err);
	*m = rc ? r->message : NULL;
	return rc;
}

/* the header, and nothing behind it */
static int
read_header(struct adds_reader *r, struct adds_error *err)
{
	int rc = next_message(r, err);

	if (rc == 0)
		return adds_fail(err, ADDS_ETRUNCATED, "%s: empty: not even the header of a stream is there", r->name);
	if (rc > 0)
		rc = begin_part(r, err);
	if (rc < 0)
		return adds_fail_in(err, "%s: header at byte %llu", r->name, (unsigned long long)r->base);
	return 0;
}

/* a reader of a descriptor from which the first n bytes have been read already */
static struct adds_reader *
start(int fd, int positional, uint64_t offset, const void *begun, size_t n, const char *name,
      const struct adds_limits *limits, struct adds_error *err)
{
	struct adds_reader *r = calloc(1, sizeof(*r));

	if (!r || !(r->name = strdup(name)) || !(r->message = adds_message_new())) {
		adds_fail(err, ADDS_ENOMEM, "%s: out of memory", name);
		goto fail;
	}
	r->fd = fd;
	r->limits = limits ? *limits : defaults;
	r->start = offset;
	if (adds_frames_init(&r->frames, r->limits.message, r->limits.json, r->limits.window_log, err) < 0 ||
	    adds_input_init(&r->in, fd, err) < 0) {
		adds_fail_in(err, "%s", name);
		goto fail;
	}
	if ((r->in.positional = positional))
		adds_input_seek(&r->in, offset);
	if (n)
		memcpy(r->in.buf, begun, n);
	r->in.len = n;
	if (read_header(r, err) < 0)
		goto fail;
	return r;
fail:
	adds_reader_close(r);
	return NULL;
}

struct adds_reader *
adds_reader_start(int fd, int owned, int positional, uint64_t offset, const char *name,
                  const struct adds_limits *limits, struct adds_error *err)
{
	struct adds_reader *r = start(fd, positional, offset, NULL, 0, name, limits, err);

	if (r)
		r->owned = owned;
	return r;
}

struct adds_reader *
adds_reader_open_begun(int fd, const char *name, const void *begun, size_t n, struct adds_error *err)
{
	struct adds_error own;

	err = err ? err : &own;
	if (n > ADDS_INPUT_SIZE) {
		adds_fail(err, ADDS_EARG, "%s: %zu bytes have been read ahead, at most %d may", name, n, ADDS_INPUT_SIZE);
		return NULL;
	}
	return start(fd, 0, 0, begun, n, name, NULL, err);
}

struct adds_reader *
adds_reader_open(const char *path, const struct adds_limits *limits, struct adds_error *err)
{
	const int standard = strcmp(path, "-") == 0;
	const int fd = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	struct adds_error own;
	struct adds_reader *r;
	off_t at;

	err = err ? err : &own;
	if (fd < 0) {
		adds_fail_errno(err, "cannot open '%s'", path);
		return NULL;
	}
	at = lseek(fd, 0, SEEK_CUR);
	r = adds_reader_start(fd, !standard, 0, at > 0 ? (uint64_t)at : 0, standard ? "<stdin>" : path, limits, err);
	if (!r && !standard)
		close(fd);
	return r;
}

void
adds_reader_close(struct adds_reader *r)
{
	if (!r)
		return;
	if (r->owned)
		close(r->fd);
	adds_index_free(r->index);
	adds_frames_release(&r->frames);
	adds_input_release(&r->in);
	adds_buf_release(&r->frame.data);
	adds_buf_release(&r->warnings);
	adds_message_free(r->header);
	adds_message_free(r->end);
	adds_message_free(r->message);
	cJSON_Delete(r->joined);
	free(r->name);
	free(r);
}

const char *
adds_reader_name(const struct adds_reader *r)
{
	return r->name;
}

const struct adds_message *
adds_reader_header(const struct adds_reader *r)
{
	return r->header;
}

const struct adds_message *
adds_reader_end(const struct adds_reader *r)
{
	return r->place == ADDS_AT_END ? r->end : NULL;
}

uint64_t
adds_reader_records(const struct adds_reader *r)
{
	return r->records;
}

const char *
adds_reader_warnings(const struct adds_reader *r)
{
	return r->warnings.n ? (const char *)r->warnings.p : NULL;
}
