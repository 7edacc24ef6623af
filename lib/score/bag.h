/* SPDX-License-Identifier: MIT
 *
 * bag.h - the tokens of a few pictures side by side, ready to be scored.
 *
 * Knows: stream/, decoder/ (which rows a reading takes).
 */
#ifndef ADDS_BAG_H
#define ADDS_BAG_H

#include "../decoder/decoder.h"
#include "../stream/record.h"

struct adds_bag {
	int64_t width;    /* D */
	int64_t n, rows;  /* pictures; ΣT */
	int64_t *at;      /* [n + 1]: first token of each picture */
	float *tokens;    /* [rows, D] unit rows */
	int borrowed;     /* 1: tokens are another bag's */
	int32_t *read;    /* rows that zero-shot reads, picture by picture … */
	int64_t *read_at; /* … [n + 1] */
	int64_t room_n, room_rows;
};

/* Adds the picture of rec; choice: the stream's "tokens". Rows in f16 and bf16
 * are renormalised. A record without tokens or of another width is ADDS_EFORMAT. */
int adds_bag_add(struct adds_bag *bag, const struct adds_record *rec, enum adds_read read, const char *choice,
                 struct adds_error *err);
/* Pictures first … first+n-1 of a bag, whose tokens it borrows; part is released like any other before bag changes. */
int adds_bag_part(struct adds_bag *part, const struct adds_bag *bag, int64_t first, int64_t n, struct adds_error *err);
void adds_bag_clear(struct adds_bag *bag);
void adds_bag_release(struct adds_bag *bag);

#endif
