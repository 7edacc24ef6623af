/* SPDX-License-Identifier: MIT
 *
 * former.h - a feature stream of an earlier run as the source of tokens, by the content of pictures.
 *
 * Knows: settings.h, stream/.
 */
#ifndef ADDS_FORMER_H
#define ADDS_FORMER_H

#include "settings.h"

struct adds_former;

/* Reads the file once. header: of the output to be; a stream that was made with another model, other settings or by another
 * version is refused, as is a broken one. About 50 bytes a picture stay in memory. */
struct adds_former *adds_former_open(const char *path, const struct adds_message *header, const struct adds_settings *s,
                                     struct adds_error *err);
void adds_former_free(struct adds_former *f);

/* The tokens of that content into data (size bytes) and its height and width: 1, or 0 if they are not there. From any thread. */
int adds_former_get(struct adds_former *f, const char sha256[65], void *data, size_t size, int32_t dimensions[2]);

#endif
