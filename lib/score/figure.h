/* SPDX-License-Identifier: MIT
 *
 * figure.h - a report as a picture: precision over recall, and the average
 * precision of each label as a bar.
 *
 * Knows: report.h, plot/.
 */
#ifndef ADDS_FIGURE_H
#define ADDS_FIGURE_H

#include "report.h"

enum { ADDS_FIGURE_BARS = 60 }; /* of more labels the best and the worst are shown, half of these each */

struct adds_figure_options {
	const uint8_t *trained; /* [L]: 1 for labels that training saw; NULL: it is not known */
	const float *zero_shot; /* [n, L] of the same pictures, drawn beside; NULL: none */
};

/* SVG text of r, which was made of s; the caller frees it. The same report gives the same bytes, for any threads. */
char *adds_figure_report(const struct adds_report *r, const struct adds_scores *s, const struct adds_figure_options *options,
                         struct adds_error *err);

#endif
