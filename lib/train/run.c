/* SPDX-License-Identifier: MIT
 * run.c - the folder of a run */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../stream/output.h"
#include "run.h"

enum {
	CONFIG_LIMIT = 1 << 20,
	SPOOL_BLOCK = 1 << 16,
	SPOOL_HEADER_LIMIT = 64 << 20, /* bytes within which a stream's header must have come */
};

static char *
join(const char *dir, const char *name, struct adds_error *err)
{
	const size_t n = strlen(dir) + strlen(name) + 2;
	char *path = malloc(n);

	if (path)
		snprintf(path, n, "%s/%s", dir, name);
	else
		adds_fail(err, ADDS_ENOMEM, "out of memory");
	return path;
}

static int
has(const char *dir, const char *name)
{
	char *path = join(dir, name, NULL);
	const int there = path && access(path, F_OK) == 0;

	free(path);
	return there;
}

static int
ends_with(const char *name, const char *end)
{
	const size_t n = strlen(name), k = strlen(end);

	return n >= k && strcmp(name + n - k, end) == 0;
}

static int
is_events(const char *name)
{
	return strncmp(name, "events.out.tfevents.", 20) == 0;
}

/* Is it the name of a file that a run keeps? */
static int
is_kept(const char *name)
{
	static const char *const names[] = { "config.json", "log.jsonl", "curves.svg", "labels.adds", "features.adds", "val.adds",
		                             "features.adds~", "val.adds~" };
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (strcmp(name, names[i]) == 0)
			return 1;
	return is_events(name) || ends_with(name, ".safetensors");
}

/* Is it what a run that was killed left of a file on its way to its name (output.h)? */
static int
is_left(const char *name)
{
	const char *end = strstr(name, ".tmp-");
	char kept[64];

	if (!end || (size_t)(end - name) >= sizeof(kept))
		return 0;
	memcpy(kept, name, (size_t)(end - name));
	kept[end - name] = '\0';
	return is_kept(kept);
}

/* Is it the name of a file that a run writes? */
static int
is_ours(const char *name)
{
	return is_kept(name) || is_left(name);
}

/* Are all entries of the folder files of a run? -1: it cannot be read. */
static int
all_ours(const char *path)
{
	const struct dirent *e;
	DIR *d = opendir(path);
	int ours = 1;

	if (!d)
		return -1;
	while ((e = readdir(d)))
		ours = ours && (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 || is_ours(e->d_name));
	closedir(d);
	return ours;
}

enum adds_run_kind
adds_run_look(const char *path)
{
	struct stat st;
	int ours;

	if (stat(path, &st) < 0)
		return ADDS_RUN_NONE;
	ours = all_ours(path);
	if (ours < 0 || (!ours && !has(path, "log.jsonl")))
		return ADDS_RUN_OTHER;
	if (has(path, "final.safetensors"))
		return ADDS_RUN_COMPLETE;
	if (has(path, "state.safetensors") || has(path, "state-1.safetensors") || has(path, "features.adds"))
		return ADDS_RUN_BEGUN;
	return ours ? ADDS_RUN_NONE : ADDS_RUN_OTHER;
}

static int
open_log(struct adds_run *r, struct adds_error *err)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	char *path = adds_run_path(r, "log.jsonl", err);
	int rc = 0;

	if (!path)
		return ADDS_ENOMEM;
	r->log = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
	if (r->log < 0)
		rc = adds_fail_errno(err, "cannot open '%s'", path);
	else if (fcntl(r->log, F_SETLK, &lock) < 0 && (errno == EAGAIN || errno == EACCES))
		rc = adds_fail(err, ADDS_EIO, "another adds-train is at work in '%s'", r->dir);
	free(path);
	return rc;
}

/* unlinks the files of the folder whose names are chosen */
static int
remove_files(const char *dir, int (*chosen)(const char *name))
{
	const struct dirent *e;
	DIR *d = opendir(dir);
	int rc = 0;

	if (!d)
		return -1;
	while ((e = readdir(d))) {
		char *path = chosen(e->d_name) ? join(dir, e->d_name, NULL) : NULL;

		if (path && unlink(path) < 0)
			rc = -1;
		free(path);
	}
	closedir(d);
	return rc;
}

int
adds_run_init(struct adds_run *r, const char *dir, int new, struct adds_error *err)
{
	int rc;

	r->log = -1;
	r->events = NULL;
	if (!(r->dir = strdup(dir)))
		return adds_fail(err, ADDS_ENOMEM, "out of memory");
	if (new &&mkdir(dir, 0777) < 0 && errno != EEXIST)
		return adds_fail_errno(err, "cannot make the folder '%s'", dir);
	if ((rc = open_log(r, err)) < 0)
		return rc;
	if (remove_files(dir, is_left) < 0) /* nobody else is at work here */
		return adds_fail_errno(err, "cannot clear '%s'", dir);
	return 0;
}

void
adds_run_release(struct adds_run *r)
{
	adds_events_close(r->events);
	if (r->log >= 0)
		close(r->log);
	free(r->dir);
	r->dir = NULL;
	r->events = NULL;
	r->log = -1;
}

char *
adds_run_path(const struct adds_run *r, const char *name, struct adds_error *err)
{
	return join(r->dir, name, err);
}

int
adds_run_put_text(const struct adds_run *r, const char *name, const char *text, struct adds_error *err)
{
	char *path = adds_run_path(r, name, err);
	struct adds_output *o = path ? adds_output_open(path, err) : NULL;
	int rc;

	free(path);
	if (!o)
		return err ? err->code : ADDS_EIO;
	if ((rc = adds_output_write(o, text, strlen(text), err)) == 0)
		return adds_output_commit(o, err);
	adds_output_abort(o);
	return rc;
}

int
adds_run_put_json(const struct adds_run *r, const char *name, const cJSON *json, struct adds_error *err)
{
	char *text = adds_json_print(json), *line = text ? malloc(strlen(text) + 2) : NULL;
	int rc;

	if (line) {
		sprintf(line, "%s\n", text);
		rc = adds_run_put_text(r, name, line, err);
	} else
		rc = adds_fail(err, ADDS_ENOMEM, "out of memory");
	free(line);
	free(text);
	return rc;
}

cJSON *
adds_run_get_json(const struct adds_run *r, const char *name, struct adds_error *err)
{
	char *path = adds_run_path(r, name, err), *text = NULL;
	cJSON *json = NULL;
	size_t n;

	if (path && (text = adds_read_file(path, CONFIG_LIMIT, &n, err)))
		json = adds_json_parse(text, n, CONFIG_LIMIT, path, err);
	free(path);
	free(text);
	return json;
}

int
adds_run_log(struct adds_run *r, const cJSON *line, struct adds_error *err)
{
	char *text = adds_json_print(line), *grown;
	size_t n;
	int rc = 0;

	if (!text || !(grown = realloc(text, strlen(text) + 2))) {
		free(text);
		return adds_fail(err, ADDS_ENOMEM, "out of memory");
	}
	text = grown;
	n = strlen(text);
	text[n] = '\n';
	if (adds_write_all(r->log, text, n + 1) < 0)
		rc = adds_fail_errno(err, "cannot write '%s/log.jsonl'", r->dir);
	free(text);
	return rc;
}

int
adds_run_sync(struct adds_run *r, struct adds_error *err)
{
	const int64_t size = adds_run_log_size(r, err);

	return size < 0 ? (int)size : r->events ? adds_events_sync(r->events, err)
	                                        : 0;
}

int64_t
adds_run_log_size(struct adds_run *r, struct adds_error *err)
{
	struct stat st;

	if (fsync(r->log) < 0 || fstat(r->log, &st) < 0)
		return adds_fail_errno(err, "cannot sync '%s/log.jsonl'", r->dir);
	return (int64_t)st.st_size;
}

int
adds_run_log_cut(struct adds_run *r, int64_t size, struct adds_error *err)
{
	const int64_t now = adds_run_log_size(r, err);

	if (now < 0)
		return (int)now;
	if (now < size)
		return adds_fail(err, ADDS_ETRUNCATED, "'%s/log.jsonl' has lost %lld of its bytes", r->dir,
		                 (long long)(size - now));
	if (ftruncate(r->log, (off_t)size) < 0)
		return adds_fail_errno(err, "cannot cut '%s/log.jsonl'", r->dir);
	return 0;
}

/* Is the header there? Asks only readers' own opinion: a stream cut inside its header is ADDS_ETRUNCATED. */
static int
try_header(const char *path, int64_t size, adds_run_ready *ready, void *to, int *done, struct adds_error *err)
{
	struct adds_reader *reader = adds_reader_open(path, NULL, err);

	if (!reader) {
		const int cut = err->code == ADDS_ETRUNCATED && size < SPOOL_HEADER_LIMIT;

		return cut ? 0 : err->code;
	}
	adds_reader_close(reader);
	*done = 1;
	return ready(to, path, err);
}

static int
spool(int from, int to_fd, const char *path, adds_run_ready *ready, void *to, struct adds_error *err)
{
	char *block = malloc(SPOOL_BLOCK);
	int64_t size = 0;
	ssize_t n = 0;
	int rc = 0, done = 0;

	if (!block)
		return adds_fail(err, ADDS_ENOMEM, "out of memory");
	while (rc == 0 && (n = read(from, block, SPOOL_BLOCK)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			rc = adds_fail_errno(err, "cannot read the features' pipe");
		else if (adds_write_all(to_fd, block, (size_t)n) < 0)
			rc = adds_fail_errno(err, "cannot write '%s'", path);
		size += n;
		if (rc == 0 && !done)
			rc = try_header(path, size, ready, to, &done, err);
	}
	if (rc == 0 && !done)
		rc = adds_fail(err, ADDS_ETRUNCATED, "the features' pipe ended after %lld bytes, before its header was whole",
		               (long long)size);
	if (rc == 0 && fsync(to_fd) < 0)
		rc = adds_fail_errno(err, "cannot sync '%s'", path);
	free(block);
	return rc;
}

int
adds_run_spool(const struct adds_run *r, int fd, const char *name, adds_run_ready *ready, void *to,
               struct adds_error *err)
{
	char *path = adds_run_path(r, name, err), *part = path ? malloc(strlen(path) + 2) : NULL;
	struct adds_error local;
	int out = -1, rc = ADDS_ENOMEM;

	if (!part) {
		adds_fail(err, ADDS_ENOMEM, "out of memory");
		goto done;
	}
	sprintf(part, "%s~", path);
	if ((out = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666)) < 0) {
		rc = adds_fail_errno(err, "cannot create '%s'", part);
		goto done;
	}
	rc = spool(fd, out, part, ready, to, err ? err : &local);
	if (rc == 0 && rename(part, path) < 0)
		rc = adds_fail_errno(err, "cannot rename '%s'", part);
	if (rc < 0)
		unlink(part);
done:
	if (out >= 0)
		close(out);
	free(part);
	free(path);
	return rc;
}

static int
is_no_log(const char *name)
{
	return is_ours(name) && strcmp(name, "log.jsonl") != 0;
}

int
adds_run_clear(struct adds_run *r, struct adds_error *err)
{
	if (remove_files(r->dir, is_no_log) < 0)
		return adds_fail_errno(err, "cannot clear '%s'", r->dir);
	return adds_run_log_cut(r, 0, err);
}

int
adds_run_discard(struct adds_run *r)
{
	if (has(r->dir, "features.adds"))
		return 1;
	remove_files(r->dir, is_ours);
	rmdir(r->dir);
	return 0;
}

int
adds_run_drop_events(const struct adds_run *r, struct adds_error *err)
{
	if (remove_files(r->dir, is_events) < 0)
		return adds_fail_errno(err, "cannot remove old event files of '%s'", r->dir);
	return 0;
}

/* "to.old", or "to.old.2", …: a name that nothing has; the caller frees it */
static char *
free_name(const char *to, struct adds_error *err)
{
	const size_t n = strlen(to) + 24;
	char *name = malloc(n);
	struct stat st;
	int i;

	if (!name) {
		adds_fail(err, ADDS_ENOMEM, "out of memory");
		return NULL;
	}
	snprintf(name, n, "%s.old", to);
	for (i = 2; lstat(name, &st) == 0; i++)
		snprintf(name, n, "%s.old.%d", to, i);
	return name;
}

int
adds_run_replace(const char *from, const char *to, char **kept, struct adds_error *err)
{
	char *old = free_name(to, err);
	int moved, rc = 0;

	*kept = NULL;
	if (!old)
		return ADDS_ENOMEM;
	moved = rename(to, old) == 0;
	if (!moved && errno != ENOENT)
		rc = adds_fail_errno(err, "cannot move '%s' to '%s'", to, old);
	else if (rename(from, to) < 0) {
		rc = adds_fail_errno(err, "cannot move '%s' to '%s'", from, to);
		if (moved && rename(old, to) < 0)
			adds_fail_in(err, "the former run is now '%s'", old);
	} else if (moved) {
		remove_files(old, is_ours);
		if (rmdir(old) < 0 && errno != ENOENT) {
			*kept = old;
			return 0;
		}
	}
	free(old);
	return rc;
}
