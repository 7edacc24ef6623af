/* SPDX-License-Identifier: MIT
 *
 * cache.h - tokens of pictures kept in a folder, by content.
 *
 *   DIR/entries/ab/<key>   a picture's tokens; the key is SHA-256 over the settings and the content's SHA-256
 *   DIR/known/ab/<place>   a symbolic link whose text is the SHA-256 of the content; place is SHA-256 over path, size and
 *                          modification time: an unchanged file need not be opened. (A link costs no block, and is made
 *                          and read in one call.)
 *   DIR/outputs/<place>    what a finished output was made from, see current.h
 *
 * Entries come into place by rename and carry a checksum that every reading verifies: a killed run, a full disk or a
 * second run beside this one can lose an entry, never falsify one. All functions may be called from any thread.
 *
 * Knows: fail.h, stream/ (SHA-256).
 */
#ifndef ADDS_CACHE_H
#define ADDS_CACHE_H

#include <stddef.h>
#include <stdint.h>

#include "../fail.h"

struct adds_cache;

/* limit: bytes of all entries, 0 for no limit. settings: the text that all keys of this run share. */
struct adds_cache *adds_cache_open(const char *dir, uint64_t limit, const char *settings, struct adds_error *err);
void adds_cache_close(struct adds_cache *c);
const char *adds_cache_folder(const struct adds_cache *c);

struct adds_file_stat {
	int64_t size, mtime; /* bytes; nanoseconds */
};

/* The content's SHA-256 of a file that was seen with this size and time: 1, or 0 if it was not. */
int adds_cache_recall(struct adds_cache *c, char sha256[65], const char *path, struct adds_file_stat st);
/* Notes it, unless the file is so new that it could change without its time changing. */
void adds_cache_remember(struct adds_cache *c, const char sha256[65], const char *path, struct adds_file_stat st);

/* The tokens of that content into data (size bytes) and its height and width: 1, or 0 if they are not there or damaged. */
int adds_cache_get(struct adds_cache *c, const char sha256[65], void *data, size_t size, int32_t dimensions[2]);
/* Keeps them; where that fails, the run goes on without (see adds_cache_trouble). */
void adds_cache_put(struct adds_cache *c, const char sha256[65], const void *data, size_t size, const int32_t dimensions[2]);

/* NULL, or a sentence about the first entry that could not be written */
const char *adds_cache_trouble(struct adds_cache *c);

/* Is a file with that time so new that another change may leave the time as it is? */
int adds_too_new(int64_t mtime);

#endif
