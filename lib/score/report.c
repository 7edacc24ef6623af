/* SPDX-License-Identifier: MIT
 * report.c - all metrics of a score matrix */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"

/* a probability as the score it is compared with */
static float
cut_score(const struct adds_scores *s, double cut)
{
	return (float)(s->header.kind == ADDS_SCORE_LOGIT ? log(cut / (1 - cut)) : cut);
}

static double
group_map(const struct adds_report *r, struct adds_report_group *g, const uint8_t *mask, int64_t L)
{
	double sum = 0;
	int64_t j, empty = 0;

	for (j = 0; j < L; j++) {
		if (!mask[j])
			continue;
		g->labels++;
		if (isnan(r->ap[j])) {
			empty += r->positives[j] == 0;
			continue;
		}
		sum += r->ap[j];
		g->measured++;
	}
	if (r->options.empty_zero)
		g->measured += empty;
	return g->measured ? sum / (double)g->measured : NAN;
}

static int
group_tops(struct adds_report *r, struct adds_report_group *g, const uint8_t *mask, const struct adds_scores *s,
           struct adds_counts *c, struct adds_error *err)
{
	const size_t bytes = ((size_t)s->L + 1) * sizeof(*c);
	const float gate = r->options.cuts ? cut_score(s, r->options.cut[0]) : -INFINITY;
	int i, rc;

	for (i = 0; i < r->options.tops; i++) {
		memset(c, 0, bytes);
		rc = adds_count_top(c, s->scores, s->targets, mask, s->n, s->L, r->options.top[i],
		                    -INFINITY, r->options.threads, err);
		if (rc < 0)
			return rc;
		adds_prf(&g->top[i], c, mask, s->L);
		memset(c, 0, bytes);
		if ((rc = adds_count_top(c, s->scores, s->targets, mask, s->n, s->L,
		                         r->options.top[i], gate, r->options.threads, err)) < 0)
			return rc;
		adds_prf(&g->top_gated[i], c, mask, s->L);
	}
	return 0;
}

static int
make_group(struct adds_report *r, const char *name, const uint8_t *mask, const struct adds_scores *s,
           struct adds_counts *const *cuts, struct adds_counts *room, struct adds_error *err)
{
	struct adds_report_group *g = &r->group[r->groups++];
	int64_t pictures;
	int i;

	memset(g, 0, sizeof(*g));
	g->name = name;
	g->map = group_map(r, g, mask, s->L);
	pictures = adds_picture_ap(&g->picture_ap, s->scores, s->targets, mask, s->n, s->L, r->options.threads, err);
	if (pictures < 0)
		return (int)pictures;
	g->calibration_error =
		s->header.calibrated ? adds_calibration_error(s->scores, s->targets, mask, s->n, s->L) : NAN;
	for (i = 0; i < r->options.cuts; i++)
		adds_prf(&g->cut[i], cuts[i], mask, s->L);
	return group_tops(r, g, mask, s, room, err);
}

static int
make_groups(struct adds_report *r, const struct adds_scores *s, uint8_t *mask, struct adds_counts *room, struct adds_error *err)
{
	struct adds_counts *cuts[ADDS_REPORT_CUTS];
	const uint8_t *known = s->header.known, *unseen = r->options.unseen;
	int64_t j;
	int i, rc;

	for (i = 0; i < r->options.cuts; i++)
		cuts[i] = r->counts + i * s->L;
	if ((rc = make_group(r, "all", known, s, cuts, room, err)) < 0 || !unseen)
		return rc;
	for (j = 0; j < s->L; j++)
		mask[j] = known[j] && !unseen[j];
	if ((rc = make_group(r, "seen", mask, s, cuts, room, err)) < 0)
		return rc;
	for (j = 0; j < s->L; j++)
		mask[j] = known[j] && unseen[j];
	return make_group(r, "unseen", mask, s, cuts, room, err);
}

int
adds_report_make(struct adds_report *r, const struct adds_scores *s, const struct adds_report_options *options,
                 struct adds_error *err)
{
	const size_t L = (size_t)s->L;
	uint8_t *mask = malloc(L + 1);
	float *cut = malloc((L + 1) * sizeof(*cut));
	struct adds_counts *room = malloc((L + 1) * sizeof(*room));
	double mean;
	int64_t j, measured;
	int i, rc;

	memset(r, 0, sizeof(*r));
	r->options = *options;
	r->ap = malloc((L + 1) * sizeof(*r->ap));
	r->positives = malloc((L + 1) * sizeof(*r->positives));
	r->counts = calloc(ADDS_REPORT_CUTS * L + 1, sizeof(*r->counts));
	if (!mask || !cut || !room || !r->ap || !r->positives || !r->counts) {
		rc = adds_fail(err, ADDS_ENOMEM, "out of memory for %zu labels", L);
		goto out;
	}
	measured = adds_mean_ap(&mean, r->ap, r->positives, s->scores, s->targets, s->header.known, s->n, s->L,
	                        options->min_positives, options->ap, options->threads, err);
	if ((rc = (int)(measured < 0 ? measured : 0)) < 0)
		goto out;
	for (j = 0; j < s->L; j++)
		r->skipped += s->header.known[j] && isnan(r->ap[j]);
	for (i = 0; i < options->cuts; i++) {
		for (j = 0; j < s->L; j++)
			cut[j] = cut_score(s, options->cut[i]);
		adds_count_cut(r->counts + i * s->L, s->scores, s->targets, s->n, s->L, cut);
	}
	rc = make_groups(r, s, mask, room, err);
out:
	free(mask);
	free(cut);
	free(room);
	return rc;
}

void
adds_report_release(struct adds_report *r)
{
	free(r->ap);
	free(r->positives);
	free(r->counts);
	memset(r, 0, sizeof(*r));
}
