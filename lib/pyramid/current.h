/* SPDX-License-Identifier: MIT
 *
 * current.h - is a finished output still what a run would give?
 *
 * Beside the cache's entries stands, for each output, a note of what it was
 * made from: its header, and a hash for each record of the index and the size
 * and time of the picture's file. A run goes through its input and compares; as
 * long as all agrees, nothing is opened, decoded or written. From the first
 * difference on it works as ever, and takes the records before it from the old
 * output.
 *
 * Knows: cache.h, stream/.
 */
#ifndef ADDS_CURRENT_H
#define ADDS_CURRENT_H

#include "../stream/record.h"
#include "cache.h"

struct adds_current;

struct adds_note {
	uint64_t low, high; /* both 0: never agrees */
};

/* header: of the output to be. The note of an earlier run is opened if there is one, and if the output has not been touched
 * since; without with_errors, only if it has no error records. */
struct adds_current *adds_current_open(struct adds_cache *c, const char *output, const struct adds_message *header,
                                       int with_errors, struct adds_error *err);
void adds_current_free(struct adds_current *n);

/* What is to be noted of one record: m, and the state of its file (NULL: it has none, or cannot be looked at). */
struct adds_note adds_current_note(const struct adds_message *m, const struct adds_file_stat *st);

/* The next record of the earlier run: 1 if it agrees, 0 from the first difference on. */
int adds_current_agrees(struct adds_current *n, struct adds_note note);
/* After the last record: was that all of it? *errors: its error records. */
int adds_current_whole(struct adds_current *n, uint64_t *errors);
/* How many records have agreed. */
uint64_t adds_current_records(const struct adds_current *n);

/* Notes one record of this run (those that agreed are noted already). */
int adds_current_add(struct adds_current *n, struct adds_note note, struct adds_error *err);
/* The output has been put into place: the note becomes valid. */
int adds_current_finish(struct adds_current *n, uint64_t errors, struct adds_error *err);

#endif
