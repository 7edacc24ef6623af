/* SPDX-License-Identifier: MIT
 * report_text.c - a report as a table, as TSV, as JSON */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"

/* text that grows; broken once memory is out */
struct text {
	char *s;
	size_t n, room;
	int broken;
};

__attribute__((format(printf, 2, 3))) static void
add(struct text *t, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (t->n + (size_t)n + 1 > t->room) {
		char *more = realloc(t->s, 2 * (t->n + (size_t)n) + 256);

		if (!more) {
			t->broken = 1;
			return;
		}
		t->s = more;
		t->room = 2 * (t->n + (size_t)n) + 256;
	}
	va_start(ap, fmt);
	vsnprintf(t->s + t->n, t->room - t->n, fmt, ap);
	va_end(ap);
	t->n += (size_t)n;
}

static char *
finish(struct text *t)
{
	if (!t->broken)
		return t->s;
	free(t->s);
	return NULL;
}

/* a share as ".749", "1.000", or "-" */
static void
add_share(struct text *t, int width, double x)
{
	char s[32];

	if (isnan(x))
		snprintf(s, sizeof(s), "-");
	else
		snprintf(s, sizeof(s), "%.4f", x);
	add(t, "%*s", width, s);
}

/* a row of the first table behind its counts */
static void
add_ranking(struct text *t, const struct adds_report *r, int group)
{
	const struct adds_report_group *x = &r->group[group];
	int i;

	add_share(t, 9, x->map);
	add_share(t, 13, x->picture_ap);
	for (i = 0; i < r->options.tops; i++) {
		add_share(t, 10, x->top[i].op);
		add_share(t, 7, x->top[i].or_);
		add_share(t, 7, x->top[i].of1);
	}
	add(t, "\n");
}

static void
ranking_rows(struct text *t, const struct adds_report *r, const struct adds_report *zero)
{
	int g, i;

	add(t, "%-9s%7s%10s%9s%13s", "labels", "count", "measured", "mAP", "picture AP");
	for (i = 0; i < r->options.tops; i++)
		add(t, "     P@%-3d  R@%-3d F1@%-3d", r->options.top[i], r->options.top[i], r->options.top[i]);
	add(t, "\n");
	for (g = 0; g < r->groups; g++) {
		const struct adds_report_group *x = &r->group[g];

		add(t, "%-9s%7lld%10lld", x->name, (long long)x->labels, (long long)x->measured);
		add_ranking(t, r, g);
		if (!zero)
			continue;
		add(t, "%-26s", "zero-shot");
		add_ranking(t, zero, g);
	}
}

static void
threshold_rows(struct text *t, const struct adds_report *r)
{
	int g, i;

	if (!r->options.cuts)
		return;
	add(t, "\n%-8s%6s%9s%8s%8s%10s%8s%8s%8s%10s\n", "labels", "at", "CP", "CR", "CF1", "macro F1", "OP", "OR", "OF1",
	    "accuracy");
	for (g = 0; g < r->groups; g++)
		for (i = 0; i < r->options.cuts; i++) {
			const struct adds_prf *p = &r->group[g].cut[i];

			add(t, "%-8s%6.3g", r->group[g].name, r->options.cut[i]);
			add_share(t, 9, p->cp);
			add_share(t, 8, p->cr);
			add_share(t, 8, p->cf1);
			add_share(t, 10, p->macro_f1);
			add_share(t, 8, p->op);
			add_share(t, 8, p->or_);
			add_share(t, 8, p->of1);
			add_share(t, 10, p->accuracy);
			add(t, "\n");
		}
}

char *
adds_report_table(const struct adds_report *r, const struct adds_scores *s, const struct adds_report *zero)
{
	struct text t = { NULL, 0, 0, 0 };

	add(&t, "%lld labelled %s, %lld unlabelled, %lld %s\n\n", (long long)s->n, ADDS_PLURAL(s->n, "picture", "pictures"),
	    (long long)s->unlabelled, (long long)s->errors, ADDS_PLURAL(s->errors, "error", "errors"));
	ranking_rows(&t, r, zero);
	threshold_rows(&t, r);
	if (!isnan(r->group[0].calibration_error))
		add(&t, "\ncalibration error %.4f\n", r->group[0].calibration_error);
	if (r->skipped)
		add(&t, "\n%lld %s with fewer than %lld known positives %s left out of mAP\n",
		    (long long)r->skipped, ADDS_PLURAL(r->skipped, "label", "labels"),
		    (long long)(r->options.min_positives > 1 ? r->options.min_positives : 1),
		    ADDS_PLURAL(r->skipped, "is", "are"));
	return finish(&t);
}

static void
add_ap(struct text *t, double ap)
{
	if (isnan(ap))
		add(t, "-");
	else
		add(t, "%.6f", ap);
}

char *
adds_report_labels(const struct adds_report *r, const struct adds_scores *s, const struct adds_report *zero)
{
	struct text t = { NULL, 0, 0, 0 };
	int64_t j;

	add(&t, "label\tgroup\tpositives\tAP%s%s\n",
	    r->options.cuts ? "\tprecision\trecall\tF1" : "", zero ? "\tzero-shot AP" : "");
	for (j = 0; j < s->L; j++) {
		const struct adds_counts *c = &r->counts[j];
		const double tp = (double)c->tp, said = tp + (double)c->fp, there = tp + (double)c->fn;

		if (!s->header.known[j])
			continue;
		add(&t, "%s\t%s\t%lld\t", adds_vocab_name(s->header.labels, (size_t)j),
		    !r->options.unseen ? "all" : r->options.unseen[j] ? "unseen"
		                                                      : "seen",
		    (long long)r->positives[j]);
		add_ap(&t, r->ap[j]);
		if (r->options.cuts)
			add(&t, "\t%.6f\t%.6f\t%.6f", said > 0 ? tp / said : 0, there > 0 ? tp / there : 0,
			    said + there > 0 ? 2 * tp / (said + there) : 0);
		if (zero) {
			add(&t, "\t");
			add_ap(&t, zero->ap[j]);
		}
		add(&t, "\n");
	}
	return finish(&t);
}

static void
share(cJSON *j, const char *key, double x)
{
	if (isnan(x))
		cJSON_AddNullToObject(j, key);
	else
		cJSON_AddNumberToObject(j, key, x);
}

static cJSON *
prf_json(const struct adds_prf *p)
{
	cJSON *j = cJSON_CreateObject();

	share(j, "CP", p->cp);
	share(j, "CR", p->cr);
	share(j, "CF1", p->cf1);
	share(j, "macro_F1", p->macro_f1);
	share(j, "OP", p->op);
	share(j, "OR", p->or_);
	share(j, "OF1", p->of1);
	share(j, "accuracy", p->accuracy);
	return j;
}

static cJSON *
group_json(const struct adds_report *r, const struct adds_report_group *g)
{
	cJSON *j = cJSON_CreateObject(), *top = cJSON_CreateObject(), *gated = cJSON_CreateObject(), *cut = cJSON_CreateObject();
	char key[32];
	int i;

	cJSON_AddNumberToObject(j, "labels", (double)g->labels);
	cJSON_AddNumberToObject(j, "measured", (double)g->measured);
	share(j, "mAP", g->map);
	share(j, "picture_AP", g->picture_ap);
	share(j, "calibration_error", g->calibration_error);
	for (i = 0; i < r->options.tops; i++) {
		snprintf(key, sizeof(key), "%d", r->options.top[i]);
		cJSON_AddItemToObject(top, key, prf_json(&g->top[i]));
		if (r->options.cuts)
			cJSON_AddItemToObject(gated, key, prf_json(&g->top_gated[i]));
	}
	for (i = 0; i < r->options.cuts; i++) {
		snprintf(key, sizeof(key), "%g", r->options.cut[i]);
		cJSON_AddItemToObject(cut, key, prf_json(&g->cut[i]));
	}
	cJSON_AddItemToObject(j, "top", top);
	cJSON_AddItemToObject(j, "top_gated", gated);
	cJSON_AddItemToObject(j, "at", cut);
	return j;
}

static cJSON *
labels_json(const struct adds_report *r, const struct adds_scores *s, const struct adds_report *zero)
{
	cJSON *list = cJSON_CreateArray();
	int64_t j;

	for (j = 0; j < s->L; j++) {
		cJSON *l;

		if (!s->header.known[j])
			continue;
		l = cJSON_CreateObject();
		cJSON_AddStringToObject(l, "name", adds_vocab_name(s->header.labels, (size_t)j));
		cJSON_AddNumberToObject(l, "positives", (double)r->positives[j]);
		share(l, "AP", r->ap[j]);
		if (zero)
			share(l, "zero_shot_AP", zero->ap[j]);
		if (r->options.unseen)
			cJSON_AddNumberToObject(l, "unseen", r->options.unseen[j]);
		cJSON_AddItemToArray(list, l);
	}
	return list;
}

static cJSON *
groups_json(const struct adds_report *r)
{
	cJSON *groups = cJSON_CreateObject();
	int g;

	for (g = 0; g < r->groups; g++)
		cJSON_AddItemToObject(groups, r->group[g].name, group_json(r, &r->group[g]));
	return groups;
}

cJSON *
adds_report_json(const struct adds_report *r, const struct adds_scores *s, const struct adds_report *zero)
{
	static const char *const aps[] = { "step", "sklearn", "voc" };
	cJSON *j = cJSON_CreateObject();

	cJSON_AddStringToObject(j, "adds", "report");
	cJSON_AddNumberToObject(j, "format", 1);
	cJSON_AddStringToObject(j, "score", s->header.kind == ADDS_SCORE_LOGIT ? "logit" : "similarity");
	cJSON_AddStringToObject(j, "checkpoint", s->header.checkpoint);
	cJSON_AddStringToObject(j, "ap", aps[r->options.ap]);
	cJSON_AddNumberToObject(j, "pictures", (double)s->n);
	cJSON_AddNumberToObject(j, "unlabelled", (double)s->unlabelled);
	cJSON_AddNumberToObject(j, "errors", (double)s->errors);
	cJSON_AddNumberToObject(j, "skipped", (double)r->skipped);
	cJSON_AddItemToObject(j, "groups", groups_json(r));
	cJSON_AddItemToObject(j, "labels", labels_json(r, s, zero));
	if (zero)
		cJSON_AddItemToObject(cJSON_AddObjectToObject(j, "zero_shot"), "groups", groups_json(zero));
	return j;
}
