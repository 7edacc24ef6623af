/* SPDX-License-Identifier: MIT
 *
 * run.h - the folder of a run: where its files lie, its log, its event files.
 *
 *   config.json          the options that shape the result
 *   labels.adds          the label stream
 *   features.adds, val.adds  features that came through a pipe
 *   log.jsonl            one JSON object a line: each step, each epoch
 *   curves.svg           the same as a picture (curves.h)
 *   events.out.tfevents.*  the same for TensorBoard
 *   best.safetensors     the checkpoint with the best mAP
 *   best-acc-0.6 … 0.9.safetensors   with the best accuracy at that threshold
 *   epoch-0010.safetensors, …        every N epochs, when asked for
 *   last.safetensors     the newest
 *   final.safetensors    after the last step: the run is complete
 *   state.safetensors, state-1.safetensors   the two newest states to resume from
 *
 * Knows: stream/, event.h. Room train/.
 */
#ifndef ADDS_RUN_H
#define ADDS_RUN_H

#include "../stream/record.h"
#include "event.h"

struct adds_run {
	char *dir;
	int log; /* descriptor of log.jsonl */
	struct adds_events *events;
};

enum adds_run_kind {
	ADDS_RUN_NONE,     /* nothing, an empty folder, or a run of which nothing is worth keeping */
	ADDS_RUN_OTHER,    /* a file, or a folder that holds other things */
	ADDS_RUN_BEGUN,    /* a run with a state, or with features that came through a pipe */
	ADDS_RUN_COMPLETE, /* a run with its final checkpoint */
};

/* What is at path? */
enum adds_run_kind adds_run_look(const char *path);

/* Makes the folder (when new is 1; its parent must exist) and opens the run's
 * log, which no second program can then open; what a killed run left of files that
 * were not whole is removed. The caller releases r, also
 * after a failure. */
int adds_run_init(struct adds_run *r, const char *dir, int new, struct adds_error *err);
void adds_run_release(struct adds_run *r);

/* Removes all files of a run that are in the folder, the log's content too. */
int adds_run_clear(struct adds_run *r, struct adds_error *err);

/* Gives up a run that never began: its files and, when nothing else is in it,
 * its folder go. 1: nothing was done, for features that came through a pipe are there. */
int adds_run_discard(struct adds_run *r);

/* "DIR/name"; the caller frees it. */
char *adds_run_path(const struct adds_run *r, const char *name, struct adds_error *err);

/* A text file of the run, atomically. */
int adds_run_put_text(const struct adds_run *r, const char *name, const char *text, struct adds_error *err);

/* A small JSON file of the run, atomically; and back (the caller deletes it). */
int adds_run_put_json(const struct adds_run *r, const char *name, const cJSON *json, struct adds_error *err);
cJSON *adds_run_get_json(const struct adds_run *r, const char *name, struct adds_error *err);

/* Appends one line to the log (line is only read). */
int adds_run_log(struct adds_run *r, const cJSON *line, struct adds_error *err);

/* Log and event file lie on the disk when it returns 0: before the file that says that the run is complete. */
int adds_run_sync(struct adds_run *r, struct adds_error *err);

/* Syncs the log and says how long it is; cuts it back to that length. */
int64_t adds_run_log_size(struct adds_run *r, struct adds_error *err);
int adds_run_log_cut(struct adds_run *r, int64_t size, struct adds_error *err);

/* Removes the event files of a start that came to nothing. */
int adds_run_drop_events(const struct adds_run *r, struct adds_error *err);

/* Keeps a pipe whole, as it comes: from descriptor fd to DIR/name. ready is
 * called with the file's path once the stream's header is there (it may refuse), before the rest is waited for. */
typedef int adds_run_ready(void *to, const char *path, struct adds_error *err);
int adds_run_spool(const struct adds_run *r, int fd, const char *name, adds_run_ready *ready, void *to,
                   struct adds_error *err);

/* Puts the run in from at the place of the run in to (if there is one), whose files are removed.
 * What is no file of a run stays in a folder beside it, "to.old" or with a number behind
 * that, which becomes *kept; else NULL. The caller frees it. Where it fails, to is as it was. */
int adds_run_replace(const char *from, const char *to, char **kept, struct adds_error *err);

#endif
