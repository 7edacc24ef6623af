/* SPDX-License-Identifier: MIT
 *
 * resident.h - the tokens of a dataset that stay on the device, as they are
 * stored, where it has memory for all of them: each picture is copied when it
 * is first wanted, and never again.
 *
 * Knows: dataset.h. Room train/.
 */
#ifndef ADDS_RESIDENT_H
#define ADDS_RESIDENT_H

#include "dataset.h"

struct adds_resident;

/* Memory for all tokens of d, of limit bytes at most. *r NULL with 0: there is not so much, or the backend works in the
 * host's memory anyway. While it lives d->resident leads to it. */
int adds_resident_new(struct adds_resident **r, struct backend *b, struct adds_dataset *d, size_t limit, struct adds_error *err);
void adds_resident_free(struct adds_resident *r);
size_t adds_resident_bytes(const struct adds_resident *r);

/* All rows that it has room for, [rows, D] as stored; and the first of picture i, whose tokens are there from now on. */
struct mat adds_resident_rows(const struct adds_resident *r);
int64_t adds_resident_row(struct adds_resident *r, int64_t i, struct adds_error *err);

#endif
