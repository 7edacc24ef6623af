/* SPDX-License-Identifier: MIT
 * current.c - is a finished output still what a run would give? */
#define _XOPEN_SOURCE 700 /* realpath */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <xxhash.h>

#include "current.h"

/* what stands before the notes; written as it is: the folder is this machine's */
struct head {
	char magic[8];
	struct adds_note header; /* of the output's header */
	int64_t size, mtime;
	uint64_t inode, records, errors;
};

static const char MAGIC[8] = "ADDSout1";

struct adds_current {
	char *output, *path, *temporary;
	FILE *old, *new;
	struct head head, now;
	uint64_t agreed, added;
	int differs;
};

static int
note_output(struct head *h, const char *output)
{
	struct stat st;

	if (stat(output, &st) < 0 || !S_ISREG(st.st_mode))
		return -1;
	h->size = st.st_size;
	h->mtime = st.st_mtim.tv_sec * 1000000000ll + st.st_mtim.tv_nsec;
	h->inode = (uint64_t)st.st_ino;
	return 0;
}

/* DIR/outputs/<SHA-256 of the output's full path>: the folder's real path and the name, since the file need not exist */
static int
find_place(struct adds_current *n, struct adds_cache *c, struct adds_error *err)
{
	const char *slash = strrchr(n->output, '/');
	char folder[PATH_MAX], text[2 * PATH_MAX], hex[65];
	char *real;

	snprintf(folder, sizeof(folder), "%.*s", slash ? (int)(slash - n->output) + 1 : 1, slash ? n->output : ".");
	real = realpath(folder, NULL);
	if (!real)
		return adds_fail_errno(err, "cannot open '%s'", folder);
	adds_sha256_hex(hex, text, (size_t)snprintf(text, sizeof(text), "%s/%s", real, slash ? slash + 1 : n->output));
	free(real);
	snprintf(text, sizeof(text), "%s/outputs/%s", adds_cache_folder(c), hex);
	n->path = strdup(text);
	strcat(text, ".XXXXXX");
	n->temporary = strdup(text);
	return n->path && n->temporary ? 0 : adds_fail(err, ADDS_ENOMEM, "out of memory");
}

/* the note of the earlier run, if it is about the output that is there and about the same header */
static void
open_old(struct adds_current *n, int with_errors)
{
	n->old = fopen(n->path, "rb");
	if (n->old && fread(&n->head, sizeof(n->head), 1, n->old) == 1 && note_output(&n->now, n->output) == 0 &&
	    memcmp(n->head.magic, n->now.magic, sizeof(MAGIC)) == 0 &&
	    n->head.header.low == n->now.header.low && n->head.header.high == n->now.header.high && n->head.size == n->now.size &&
	    n->head.mtime == n->now.mtime && n->head.inode == n->now.inode &&
	    (with_errors || !n->head.errors))
		return;
	n->differs = 1;
}

struct adds_current *
adds_current_open(struct adds_cache *c, const char *output, const struct adds_message *header, int with_errors,
                  struct adds_error *err)
{
	struct adds_current *n = calloc(1, sizeof(*n));
	int fd;

	if (!n || !(n->output = strdup(output))) {
		adds_fail(err, ADDS_ENOMEM, "out of memory");
		goto fail;
	}
	memcpy(n->now.magic, MAGIC, sizeof(MAGIC));
	n->now.header = adds_current_note(header, NULL);
	if (find_place(n, c, err) < 0)
		goto fail;
	open_old(n, with_errors);
	fd = mkstemp(n->temporary);
	if (fd < 0 || !(n->new = fdopen(fd, "wb"))) {
		adds_fail_errno(err, "cannot write into the cache '%s'", n->path);
		if (fd >= 0) {
			close(fd);
			unlink(n->temporary);
		}
		goto fail;
	}
	if (fwrite(&n->now, sizeof(n->now), 1, n->new) == 1)
		return n;
	adds_fail_errno(err, "cannot write into the cache '%s'", n->path);
fail:
	adds_current_free(n);
	return NULL;
}

void
adds_current_free(struct adds_current *n)
{
	if (!n)
		return;
	if (n->old)
		fclose(n->old);
	if (n->new) {
		fclose(n->new);
		unlink(n->temporary);
	}
	free(n->output);
	free(n->path);
	free(n->temporary);
	free(n);
}

struct adds_note
adds_current_note(const struct adds_message *m, const struct adds_file_stat *st)
{
	const char *json = adds_message_json(m);
	XXH128_hash_t h = XXH3_128bits(json, strlen(json));
	struct adds_file_stat none = { -1, -1 };
	struct adds_note note;
	size_t i;

	if (st && adds_too_new(st->mtime))
		return (struct adds_note){ 0, 0 };
	for (i = 0; i < adds_message_tensors(m); i++) {
		const struct adds_tensor *t = adds_message_tensor_at(m, i);

		h = XXH3_128bits_withSeed(t->name, strlen(t->name), h.low64 ^ h.high64 * 31);
		h = XXH3_128bits_withSeed(t->data, t->size, h.low64 ^ h.high64 * 31);
	}
	h = XXH3_128bits_withSeed(st ? st : &none, sizeof(none), h.low64 ^ h.high64 * 31);
	note.low = h.low64;
	note.high = h.high64 | 1;
	return note;
}

int
adds_current_agrees(struct adds_current *n, struct adds_note note)
{
	struct adds_note old;

	if (n->differs)
		return 0;
	if (n->agreed < n->head.records && note.high && fread(&old, sizeof(old), 1, n->old) == 1 && old.low == note.low &&
	    old.high == note.high && adds_current_add(n, note, NULL) == 0) {
		n->agreed++;
		return 1;
	}
	n->differs = 1;
	return 0;
}

int
adds_current_whole(struct adds_current *n, uint64_t *errors)
{
	*errors = n->head.errors;
	return !n->differs && n->agreed == n->head.records;
}

uint64_t
adds_current_records(const struct adds_current *n)
{
	return n->agreed;
}

int
adds_current_add(struct adds_current *n, struct adds_note note, struct adds_error *err)
{
	n->added++;
	if (fwrite(&note, sizeof(note), 1, n->new) == 1)
		return 0;
	return adds_fail_errno(err, "cannot write into the cache '%s'", n->path);
}

int
adds_current_finish(struct adds_current *n, uint64_t errors, struct adds_error *err)
{
	int failed;

	n->now.records = n->added;
	n->now.errors = errors;
	if (note_output(&n->now, n->output) < 0)
		return 0; /* no regular file: nothing to compare next time */
	failed = fseek(n->new, 0, SEEK_SET) < 0 || fwrite(&n->now, sizeof(n->now), 1, n->new) != 1;
	failed |= fclose(n->new) != 0;
	n->new = NULL;
	if (!failed && rename(n->temporary, n->path) == 0)
		return 0;
	adds_fail_errno(err, "cannot write into the cache '%s'", n->path);
	unlink(n->temporary);
	return ADDS_EIO;
}
