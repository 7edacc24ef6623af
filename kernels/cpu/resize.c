/* SPDX-License-Identifier: MIT
 * resize.c - RGB pictures by plans made elsewhere; the passes are resample.h's */
#include <stdlib.h>

#include "../resample.h"
#include "cpu.h"

/* the axis of a plan; one that keeps the size copies, whatever its weights */
static int
axis_of(struct resample_axis *a, const struct resample_plan *plan, struct adds_error *err)
{
	struct resample_plan same = { plan->in, plan->out, plan->first, plan->count, 1, NULL, NULL, NULL };
	int32_t *number;
	int i, rc;

	if (plan->in != plan->out)
		return resample_axis_from(a, plan, err);
	if (!(number = cpu_scratch(3 * (size_t)plan->count * sizeof(*number), err)))
		return ADDS_ENOMEM;
	for (i = 0; i < plan->count; i++) {
		number[i] = plan->first + i;
		number[plan->count + i] = 1;
		number[2 * plan->count + i] = 1 << 22;
	}
	same.lo = number;
	same.n = number + plan->count;
	same.weight = number + 2 * plan->count;
	rc = resample_axis_from(a, &same, err);
	free(number);
	return rc;
}

int
cpu_resize(struct backend *b, uint8_t *y, const uint8_t *x, const struct resample_plan *h,
           const struct resample_plan *v, struct adds_error *err)
{
	struct resample_axis across, down;
	struct resampler *r = NULL;
	int rc;

	(void)b;
	if (!h->count || !v->count)
		return 0;
	memset(&across, 0, sizeof(across));
	memset(&down, 0, sizeof(down));
	if ((rc = axis_of(&across, h, err)) < 0 || (rc = axis_of(&down, v, err)) < 0)
		goto out;
	if ((rc = resampler_new(&r, &across, &down, 3, RESAMPLE_AUTO, err)) == 0)
		rc = resample_picture(r, y, 3 * (size_t)h->count, x, 3 * (size_t)h->in, err);
out:
	resampler_free(r);
	resample_axis_release(&across);
	resample_axis_release(&down);
	return rc;
}
