/* SPDX-License-Identifier: MIT
 *
 * event.h - TensorBoard event files: records of length, masked CRC-32C,
 * protocol buffer, masked CRC-32C, each written whole, so that a reader never
 * stops at half a record. Room train/.
 */
#ifndef ADDS_EVENT_H
#define ADDS_EVENT_H

#include <stddef.h>
#include <stdint.h>

#include "../fail.h"

struct adds_events;

/* Begins a new file "events.out.tfevents.SECONDS.adds.SESSION" in the folder,
 * with the version event first. session counts the starts of one run; from
 * the second on, a session event says that what follows replaces all from
 * step on (TensorBoard then drops overlapping points). */
struct adds_events *adds_events_open(const char *folder, int session, int64_t step, struct adds_error *err);
void adds_events_close(struct adds_events *e);

/* One scalar; buffered until the next flush. */
int adds_events_scalar(struct adds_events *e, const char *tag, int64_t step, double value, struct adds_error *err);
int adds_events_flush(struct adds_events *e, struct adds_error *err);

/* Flushed, and on the disk. */
int adds_events_sync(struct adds_events *e, struct adds_error *err);

/* CRC-32C (Castagnoli), and as TFRecord masks it. */
uint32_t adds_crc32c(const void *data, size_t len);
uint32_t adds_crc32c_masked(const void *data, size_t len);

#endif
