/* SPDX-License-Identifier: MIT
 *
 * forward.h - from an index stream to a feature stream: pictures are read,
 * decoded and cut on several threads, encoded in batches, written in order.
 * All memory is taken at the start; on a device of its own memory a batch is
 * copied while the one before is computed.
 *
 * Knows: all of pyramid/, clip/, stream/.
 */
#ifndef ADDS_FORWARD_H
#define ADDS_FORWARD_H

#include "current.h"
#include "former.h"
#include "settings.h"

struct adds_forward {
	/* what is given */
	const struct adds_settings *settings;
	struct adds_reader *in;
	struct adds_writer *out;
	const struct adds_message *header; /* of the output */
	struct adds_clip *model;
	struct adds_cache *cache;                       /* or NULL */
	struct adds_former *former;                     /* or NULL */
	struct adds_current *current;                   /* or NULL */
	const char *output;                             /* its name, with current */
	int threads;                                    /* that decode */
	struct backend *backend;                        /* the model's */
	int batch;                                      /* tiles encoded at once, at most; afterwards: that were */
	int stop;                                       /* a picture that cannot be read ends the run */
	void (*progress)(const struct adds_forward *f); /* after each record written; or NULL */
	void (*planned)(const struct adds_forward *f);  /* when batch, halved and device_bytes are known; or NULL */
	/* what comes of it */
	uint64_t pictures, errors; /* records written: pictures, error records (those passed on among them) */
	uint64_t opened, found;    /* pictures opened; tokens found in the cache */
	int halved;                /* tiles at once that the device had no memory for; 0: it had */
	size_t device_bytes;       /* of the batches, beside the weights */
	double waited;             /* seconds that the encoder waited for tiles */
	int kept;                  /* the output was current: nothing was written, out is untouched */
	struct adds_error first;   /* the first picture that could not be read; msg "" for none */
};

/* Reads in to its end. The writer is neither finished nor aborted. */
int adds_forward_run(struct adds_forward *f, struct adds_error *err);

#endif
