/* SPDX-License-Identifier: MIT
 * job.c - one record: its picture's bytes, tiles, tokens, message */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "job.h"

static int
out_of_memory(struct adds_error *err)
{
	return adds_fail(err, ADDS_ENOMEM, "out of memory");
}

/* the picture's own failure, of which an error record tells */
static int
failed(struct adds_job *j, const char *stage)
{
	j->state = ADDS_JOB_FAILED;
	j->stage = stage;
	return 0;
}

static struct adds_file_stat
stamp_of(const struct stat *st)
{
	return (struct adds_file_stat){ st->st_size, st->st_mtim.tv_sec * 1000000000ll + st->st_mtim.tv_nsec };
}

int
adds_job_look(struct adds_file_stat *stamp, const struct adds_record *rec)
{
	char path[PATH_MAX];
	struct stat st;

	if (rec->type != ADDS_RECORD_PICTURE || rec->image || rec->path_len >= sizeof(path))
		return 0;
	memcpy(path, rec->path, rec->path_len);
	path[rec->path_len] = '\0';
	if (strlen(path) != rec->path_len || stat(path, &st) < 0)
		return 0;
	*stamp = stamp_of(&st);
	return 1;
}

int
adds_job_start(struct adds_job *j, struct adds_message *m, int64_t labels, struct adds_error *err)
{
	int rc;

	j->m = m;
	j->state = ADDS_JOB_PASS;
	j->stamped = j->opened = j->found = 0;
	if ((rc = adds_record_parse(&j->rec, m, labels, err)) < 0)
		return rc;
	if (j->rec.type != ADDS_RECORD_PICTURE)
		return 0;
	if (!(j->path = malloc(j->rec.path_len + 1)))
		return out_of_memory(err);
	memcpy(j->path, j->rec.path, j->rec.path_len);
	j->path[j->rec.path_len] = '\0';
	return 0;
}

/* ---- bytes ---- */

static int
read_whole(int fd, uint8_t **bytes, size_t *len, struct adds_error *err)
{
	size_t cap = *len + 1, n = 0;
	uint8_t *p = malloc(cap);
	ssize_t got;

	if (!p)
		return out_of_memory(err);
	while ((got = read(fd, p + n, cap - n)) != 0) {
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			adds_fail_errno(err, "cannot read");
			free(p);
			return ADDS_EIO;
		}
		n += (size_t)got;
		if (n == cap) { /* it has grown since */
			free(p);
			return adds_fail(err, ADDS_EIO, "changes while it is read");
		}
	}
	*bytes = p;
	*len = n;
	return 0;
}

/* the bytes of a regular file, and its stamp before and after (which must be the same to be noted) */
static int
load(struct adds_job *j, uint8_t **bytes, size_t *len, struct adds_error *err)
{
	const int fd = open(j->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	int rc;

	if (fd < 0)
		return adds_fail_errno(err, "cannot open");
	if (fstat(fd, &st) < 0) {
		rc = adds_fail_errno(err, "cannot open");
	} else if (!S_ISREG(st.st_mode)) {
		rc = adds_fail(err, ADDS_EIO, "is not a regular file");
	} else if (st.st_size > (off_t)ADDS_PICTURE_MAX_BYTES) {
		rc = adds_fail(err, ADDS_ELIMIT, "has %lld bytes; at most %u are read",
		               (long long)st.st_size, ADDS_PICTURE_MAX_BYTES);
	} else {
		const struct adds_file_stat before = stamp_of(&st);
		struct adds_file_stat after;

		*len = (size_t)st.st_size;
		rc = read_whole(fd, bytes, len, err);
		if (rc == 0 && fstat(fd, &st) == 0) {
			after = stamp_of(&st);
			j->stamped = j->stamped && before.size == j->st.size && before.mtime == j->st.mtime &&
			             after.size == j->st.size && after.mtime == j->st.mtime;
		}
	}
	close(fd);
	return rc;
}

/* ---- tiles or tokens ---- */

static int
look_up(struct adds_job *j, const struct adds_forward *f)
{
	const int64_t most = f->settings->picture.max_pixels > 0 ? f->settings->picture.max_pixels : ADDS_PICTURE_MAX_PIXELS;

	const size_t bytes = adds_settings_bytes(f->settings);

	if (!(f->cache && adds_cache_get(f->cache, j->sha256, j->tokens, bytes, j->dimensions)) &&
	    !(f->former && adds_former_get(f->former, j->sha256, j->tokens, bytes, j->dimensions)))
		return 0;
	if ((int64_t)j->dimensions[0] * j->dimensions[1] > most)
		return 0; /* kept by a run with a higher limit */
	j->state = ADDS_JOB_TOKENS;
	j->found = 1;
	return 1;
}

static int
decode(struct adds_job *j, const struct adds_forward *f, struct adds_cutter *cutter, const uint8_t *bytes, size_t len,
       struct adds_error *err)
{
	const struct adds_settings *s = f->settings;
	const char *stage;
	int rc = adds_cutter_read(cutter, bytes, len, &s->picture, s->fit, s->clip.filter, j->tiles,
	                          j->dimensions, &stage, &j->err);

	j->opened = 1;
	if (rc < 0)
		failed(j, stage);
	else
		j->state = ADDS_JOB_TILES;
	if (rc != ADDS_ENOMEM)
		return 0;
	if (err)
		*err = j->err; /* a lack of memory is the run's, or its records would depend on what else runs */
	return rc;
}

int
adds_job_room(struct adds_job *j, const struct adds_forward *f, struct adds_error *err)
{
	const struct adds_settings *s = f->settings;
	const size_t bytes = (size_t)s->plan.tiles * (size_t)s->plan.tile * (size_t)s->plan.tile * 3;
	void *tiles;
	int rc;

	if (!(j->tokens = malloc(adds_settings_bytes(s))))
		return out_of_memory(err);
	if ((rc = f->backend->ops->host_alloc(f->backend, &tiles, bytes, err)) == 0)
		j->tiles = tiles;
	return rc;
}

static int
prepare_file(struct adds_job *j, const struct adds_forward *f, struct adds_cutter *cutter, struct adds_error *err)
{
	uint8_t *bytes = NULL;
	size_t len = 0;
	int rc;

	if (strlen(j->path) != j->rec.path_len) {
		adds_fail(&j->err, ADDS_EFORMAT, "the path holds a NUL");
		return failed(j, "open");
	}
	j->stamped = adds_job_look(&j->st, &j->rec);
	if (f->cache && j->stamped && adds_cache_recall(f->cache, j->sha256, j->path, j->st) && look_up(j, f))
		return 0;
	if ((rc = load(j, &bytes, &len, &j->err)) < 0) {
		if (rc == ADDS_ENOMEM)
			return out_of_memory(err);
		return failed(j, "open");
	}
	adds_sha256_hex(j->sha256, bytes, len);
	if (f->cache && j->stamped)
		adds_cache_remember(f->cache, j->sha256, j->path, j->st);
	rc = look_up(j, f) ? 0 : decode(j, f, cutter, bytes, len, err);
	j->opened = 1;
	free(bytes);
	return rc;
}

int
adds_job_prepare(struct adds_job *j, const struct adds_forward *f, struct adds_cutter *cutter, struct adds_error *err)
{
	int rc = 0;

	if (j->rec.type == ADDS_RECORD_PICTURE) {
		if (j->rec.image) {
			adds_sha256_hex(j->sha256, j->rec.image, j->rec.image_len);
			rc = look_up(j, f) ? 0 : decode(j, f, cutter, j->rec.image, j->rec.image_len, err);
		} else {
			rc = prepare_file(j, f, cutter, err);
		}
	}
	if (f->current)
		j->note = adds_current_note(j->m, j->stamped ? &j->st : NULL);
	return rc;
}

/* ---- the message ---- */

static int
add_features(struct adds_job *j, const struct adds_settings *s, const int32_t *tiles, struct adds_error *err)
{
	const int64_t two = 2, shape[2] = { adds_settings_tokens(s), s->clip.E }, rows[2] = { s->plan.tiles, 6 };
	int rc;

	adds_message_remove(j->m, "image");
	if ((rc = adds_message_set_string(j->m, "sha256", j->sha256, err)) < 0 ||
	    (rc = adds_message_add(j->m, "size", ADDS_I32, 1, &two, j->dimensions, err)) < 0 ||
	    (rc = adds_message_add(j->m, "tiles", ADDS_I32, 2, rows, tiles, err)) < 0)
		return rc;
	return adds_message_add(j->m, "tokens", s->dtype, 2, shape, j->tokens, err);
}

struct adds_message *
adds_job_message(struct adds_job *j, const struct adds_settings *s, const int32_t *tiles, struct adds_error *err)
{
	struct adds_message *m;

	if (j->state == ADDS_JOB_PASS)
		return j->m;
	if (j->state != ADDS_JOB_FAILED)
		return add_features(j, s, tiles, err) < 0 ? NULL : j->m;
	m = adds_error_new(j->path, j->rec.path_len, j->stage, j->err.msg, err);
	if (m) {
		adds_message_free(j->m);
		j->m = m;
	}
	return m;
}

void
adds_job_clear(struct adds_job *j)
{
	adds_message_free(j->m);
	free(j->path);
	j->m = NULL;
	j->path = NULL;
}

void
adds_job_release(struct adds_job *j, const struct adds_forward *f)
{
	adds_job_clear(j);
	f->backend->ops->host_release(f->backend, j->tiles);
	free(j->tokens);
}
