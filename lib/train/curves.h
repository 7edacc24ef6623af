/* SPDX-License-Identifier: MIT
 *
 * curves.h - a run's log as a picture: curves.svg in its folder.
 *
 * Knows: run.h, plot/, train.h (the log).
 */
#ifndef ADDS_CURVES_H
#define ADDS_CURVES_H

#include "run.h"

/* The loss of steps is drawn as at most so many points: of more steps, each point is the mean of as many steps as that takes. */
enum { ADDS_CURVES_POINTS = 400 };

/* Draws mAP on the validation pictures by epoch, with what CLIP alone, the ridge and the blend come to, and the loss by step.
 * A run without validation has no picture: nothing is written. The same log gives the same bytes. */
int adds_curves_write(const struct adds_run *r, struct adds_error *err);

#endif
