/* SPDX-License-Identifier: MIT
 * job.h - one record on its way through adds_forward_run; for forward.c only */
#ifndef ADDS_JOB_H
#define ADDS_JOB_H

#include "forward.h"

enum adds_job_state {
	ADDS_JOB_PASS,   /* no picture: passed on as it is */
	ADDS_JOB_FAILED, /* could not be read: stage and err say why */
	ADDS_JOB_TILES,  /* tiles wait for the encoder */
	ADDS_JOB_TOKENS, /* tokens are there */
};

struct adds_job {
	struct adds_message *m;
	struct adds_record rec;
	enum adds_job_state state;
	const char *stage;
	struct adds_error err;
	char *path;
	int stamped; /* st holds */
	struct adds_file_stat st;
	struct adds_note note;
	char sha256[65];
	int32_t dimensions[2]; /* height, width upright */
	int opened, found;
	uint64_t batch; /* the last one that has tiles of it */
	uint8_t *tiles; /* [tiles, S, S, 3] of the backend's host_alloc; kept from job to job, as is tokens */
	void *tokens;   /* [T, E] in the stream's dtype */
};

/* Its tiles and tokens. */
int adds_job_room(struct adds_job *j, const struct adds_forward *f, struct adds_error *err);

/* Takes over m. */
int adds_job_start(struct adds_job *j, struct adds_message *m, int64_t labels, struct adds_error *err);
/* Reads, looks up, decodes, cuts: leaves TILES, TOKENS or FAILED. An error is one of the run, not of the picture. */
int adds_job_prepare(struct adds_job *j, const struct adds_forward *f, struct adds_cutter *cutter, struct adds_error *err);
/* The message to be written, which the job keeps. */
struct adds_message *adds_job_message(struct adds_job *j, const struct adds_settings *s, const int32_t *tiles,
                                      struct adds_error *err);
void adds_job_clear(struct adds_job *j);                                 /* for the next record */
void adds_job_release(struct adds_job *j, const struct adds_forward *f); /* for good */

/* The size and time of a record's file: 1, or 0 if it has none (embedded) or none that can be looked at. */
int adds_job_look(struct adds_file_stat *st, const struct adds_record *rec);

#endif
