/* SPDX-License-Identifier: MIT
 *
 * tags.h - which labels a picture gets: by thresholds, the best K, or the
 * largest gap in its scores; and sidecar files that can be undone.
 *
 * Knows: stream/, label/.
 */
#ifndef ADDS_TAGS_H
#define ADDS_TAGS_H

#include "../label/vocab.h"

struct adds_tag_rule {
	const float *cut;        /* [L]: score ≥ cut; NULL: no thresholds */
	int64_t top;             /* at most that many, 0: any number */
	int mcut;                /* 1: those above the middle of the largest gap between the picture's sorted scores */
	const uint8_t *excluded; /* [L]: 1 is never a tag; NULL: none */
	int parents;             /* 1: a tag brings its parents, whatever their scores */
};

/* Rows of the labels that a picture with these scores [L] gets, by falling
 * score (ties: the lower row), into rows [L]. Returns how many; room: [2·L] scratch. */
int64_t adds_tags_pick(int32_t *rows, int64_t *room, const float *scores, const struct adds_vocab *labels,
                       const struct adds_tag_rule *rule);

/* ---- sidecars: one UTF-8 text file a picture, and a ledger of what was written ---- */

enum adds_sidecar_clash {
	ADDS_SIDECAR_KEEP,   /* a file that we did not write stays: ADDS_EMISMATCH */
	ADDS_SIDECAR_APPEND, /* its text stays, and tags that it lacks are added behind it in its style */
	ADDS_SIDECAR_REPLACE,
};

struct adds_sidecars;

/* ledger: a JSON Lines file, read if it is there and appended to: {"before":text or null,"file":path,
 * "picture":path,"sha256":of what was written}. */
struct adds_sidecars *adds_sidecars_open(const char *ledger, struct adds_error *err);
void adds_sidecars_close(struct adds_sidecars *s);

/* Writes the n tags of picture, with separator between, to path (temporary file, fsync, rename), entering it in the
 * ledger first. A file that holds that text already is left alone. One that was written for another picture since the ledger
 * was opened is never written (ADDS_EMISMATCH), one of another picture before that only where clash allows it. Returns 1
 * written, 0 as it was. */
int adds_sidecars_write(struct adds_sidecars *s, const char *path, const char *picture, const char *const *tag, size_t n,
                        const char *separator, enum adds_sidecar_clash clash, struct adds_error *err);

/* Takes back what a ledger says was written, last first: files that still hold
 * what was written are removed or given their former text; others are left and counted in *changed, but for those that hold
 * their former text: a run was killed before it wrote them. */
int adds_sidecars_undo(const char *ledger, int64_t *undone, int64_t *changed, struct adds_error *err);

#endif
