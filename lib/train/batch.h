/* SPDX-License-Identifier: MIT
 *
 * batch.h - pictures and labels on the device, as the decoder wants them.
 *
 * Knows: dataset.h, resident.h, decoder/. Room train/.
 */
#ifndef ADDS_BATCH_H
#define ADDS_BATCH_H

#include "resident.h"

/* device memory that grows */
struct adds_room {
	void *p;
	size_t bytes;
};

int adds_room_reserve(struct backend *b, struct adds_room *r, size_t bytes, struct adds_error *err);
void adds_room_release(struct backend *b, struct adds_room *r);

struct adds_batch {
	struct backend *b;
	const struct adds_texts *texts;
	struct adds_decoder_batch x; /* what the decoder gets; valid until the next change */
	int64_t n, K;                /* pictures and labels in it */

	struct adds_room all, raw, tokens, labels, z0;
	int64_t *at, *read_at; /* host: segments of tokens, of rows that zero-shot reads */
	int32_t *read;         /* host: those rows */
	int32_t *index;        /* host: rows of resident tokens */
	unsigned char *stage;  /* host: tokens as stored */
	size_t at_room, read_room, index_room, stage_room;
	struct adds_resident *own[2]; /* made by adds_batch_keep */
};

/* The caller releases t, also after a failure; texts must outlive it. */
int adds_batch_init(struct adds_batch *t, struct backend *b, const struct adds_texts *texts, struct adds_error *err);
void adds_batch_release(struct adds_batch *t);
/* Gives the pictures' memory back to the device; labels and what stays there are kept. */
void adds_batch_shrink(struct adds_batch *t);

/* From now on the tokens of d stay on the device once they are there, if they fit into limit bytes of it (and it has memory
 * of its own); else they are copied for each batch. The bits are the same. Returns the bytes taken, or a negative code. */
int64_t adds_batch_keep(struct adds_batch *t, struct adds_dataset *d, size_t limit, struct adds_error *err);

/* Rows columns[0 … K-1] of the label stream, or all of it (columns NULL). */
int adds_batch_labels(struct adds_batch *t, const int32_t *columns, int64_t K, struct adds_error *err);

/* Pictures list[0 … n-1] of d: unit tokens times √D, f32. */
int adds_batch_pictures(struct adds_batch *t, struct adds_dataset *d, const int64_t *list, int64_t n,
                        struct adds_error *err);

/* Zero-shot cosines x.z0 [n, K] of the labels and pictures in it. */
int adds_batch_zero_shot(struct adds_batch *t, struct adds_error *err);

/* How many pictures from list[0] on (at least one, at most n) have no more
 * than rows tokens together, and no more than rows label rows of K each. */
int64_t adds_batch_fit(const struct adds_dataset *d, const int64_t *list, int64_t n, int64_t K, int64_t rows);

#endif
