/* SPDX-License-Identifier: MIT
 * figure.c - a report as a picture */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../metric/curve.h"
#include "../plot/chart.h"
#include "figure.h"

enum {
	WIDTH = 960,
	MARGIN = 24,
	BOX_X = 92, /* of the curves */
	BOX_Y = 52,
	BOX_WIDTH = 540,
	BOX_HEIGHT = 340,
	SIDE_X = 664, /* what stands beside them */
	BARS_Y = 482, /* the heading above the bars */
	COLUMN_GAP = 28,
	ONE_COLUMN = ADDS_FIGURE_BARS / 2, /* as many bars at most */
	NOTE = 1200,                       /* bytes of a note: a name of 1,024 and what is said of it */
};

static const struct adds_pen of_labels = { ADDS_BLUE, 2.5, NULL }, of_cells = { ADDS_BLUE, 1.5, "6 4" };
static const struct adds_pen zero_labels = { ADDS_RED, 2, NULL }, zero_cells = { ADDS_RED, 1.5, "6 4" };
static const struct adds_pen of_chance = { ADDS_GREY, 1, "2 3" };

struct label {
	int64_t row;
	double ap;
};

struct figure {
	const struct adds_report *r;
	const struct adds_scores *s;
	const struct adds_figure_options *o;
	uint8_t *measured;   /* [L] */
	struct label *label; /* [n] the measured ones by falling AP */
	int64_t n;
	double *zero_ap; /* [L], NULL: no zero-shot beside */
	double zero_map;
	struct adds_curve curve, zero;
	struct adds_svg svg;
};

/* ---- numbers ---- */

static int
by_ap(const void *x, const void *y)
{
	const struct label *a = x, *b = y;

	if (a->ap != b->ap)
		return a->ap > b->ap ? -1 : 1;
	return a->row < b->row ? -1 : a->row > b->row;
}

/* which labels count in mAP; those without a positive, where they count as 0, have no curve */
static void
take_labels(struct figure *f)
{
	const struct adds_report *r = f->r;
	int64_t j;

	for (j = 0; j < f->s->L; j++) {
		f->measured[j] = f->s->header.known[j] && !isnan(r->ap[j]);
		if (f->measured[j])
			f->label[f->n++] = (struct label){ j, r->ap[j] };
		else if (f->s->header.known[j] && r->options.empty_zero && r->positives[j] == 0)
			f->label[f->n++] = (struct label){ j, 0 };
	}
	qsort(f->label, (size_t)f->n, sizeof(*f->label), by_ap);
}

/* the mean over labels where those without a positive count as 0 */
static void
count_empty(const struct figure *f, struct adds_curve *c)
{
	int k;

	for (k = 0; k <= ADDS_CURVE_STEPS; k++)
		c->macro[k] *= (double)c->labels / (double)f->n;
}

static int
measure_zero_shot(struct figure *f, struct adds_error *err)
{
	const struct adds_scores *s = f->s;
	const struct adds_report_options *o = &f->r->options;
	int64_t measured;
	int rc;

	if (!(f->zero_ap = malloc(((size_t)s->L + 1) * sizeof(*f->zero_ap))))
		return adds_fail(err, ADDS_ENOMEM, "out of memory for %lld labels", (long long)s->L);
	measured = adds_mean_ap(&f->zero_map, f->zero_ap, NULL, f->o->zero_shot, s->targets, f->measured, s->n, s->L,
	                        o->min_positives, o->ap, o->threads, err);
	if (measured < 0)
		return (int)measured;
	f->zero_map *= (double)measured / (double)f->n;
	if ((rc = adds_curve_make(&f->zero, f->o->zero_shot, s->targets, f->measured, s->n, s->L, o->threads, err)) < 0)
		return rc;
	count_empty(f, &f->zero);
	return 0;
}

static int
measure(struct figure *f, struct adds_error *err)
{
	const struct adds_scores *s = f->s;
	const size_t L = (size_t)s->L;
	int rc;

	f->measured = malloc(L + 1);
	f->label = malloc((L + 1) * sizeof(*f->label));
	if (!f->measured || !f->label)
		return adds_fail(err, ADDS_ENOMEM, "out of memory for %zu labels", L);
	take_labels(f);
	rc = adds_curve_make(&f->curve, s->scores, s->targets, f->measured, s->n, s->L, f->r->options.threads, err);
	if (rc < 0 || !f->curve.labels)
		return rc;
	count_empty(f, &f->curve);
	return f->o->zero_shot ? measure_zero_shot(f, err) : 0;
}

/* ---- precision and recall ---- */

static void
draw_curve(struct figure *f, const struct adds_frame *box, const double *precision, const struct adds_pen *pen)
{
	double recall[ADDS_CURVE_STEPS + 1];
	int k;

	for (k = 0; k <= ADDS_CURVE_STEPS; k++)
		recall[k] = (double)k / ADDS_CURVE_STEPS;
	adds_frame_curve(&f->svg, box, recall, precision, ADDS_CURVE_STEPS + 1, pen);
}

static void
draw_box(struct figure *f)
{
	struct adds_frame box = { BOX_X, BOX_Y, BOX_WIDTH, BOX_HEIGHT, adds_scale_of(0, 1, 5, 0), adds_scale_of(0, 1, 5, 0),
		                  "recall: how much of what is there is said to be there", "precision: how much of what is said is there" };

	adds_frame_draw(&f->svg, &box);
	adds_frame_level(&f->svg, &box, (double)f->curve.positives / (double)f->curve.cells, &of_chance);
	if (f->zero_ap) {
		draw_curve(f, &box, f->zero.micro, &zero_cells);
		draw_curve(f, &box, f->zero.macro, &zero_labels);
	}
	draw_curve(f, &box, f->curve.micro, &of_cells);
	draw_curve(f, &box, f->curve.macro, &of_labels);
}

/* name, and the two curves of it; y moves on */
static void
draw_method(struct figure *f, double *y, const char *name, double map,
            const struct adds_pen *labels, const struct adds_pen *cells)
{
	struct adds_type bold = adds_type_words;
	char text[80], number[ADDS_NUMBER_TEXT];

	bold.bold = 1;
	adds_svg_words_within(&f->svg, SIDE_X, *y, WIDTH - MARGIN - SIDE_X, &bold, name);
	snprintf(text, sizeof(text), "mean over labels, mAP %s", adds_number_text(number, map, 3));
	adds_legend(&f->svg, SIDE_X, *y + 22, WIDTH - MARGIN - SIDE_X, labels, text);
	adds_legend(&f->svg, SIDE_X, *y + 44, WIDTH - MARGIN - SIDE_X, cells, "all cells in one ranking");
	*y += 76;
}

static void
draw_fact(struct figure *f, double *y, int64_t n, const char *text)
{
	char words[160], number[ADDS_NUMBER_TEXT];

	snprintf(words, sizeof(words), "%s %s", adds_count_text(number, n), text);
	adds_svg_words(&f->svg, SIDE_X, *y, &adds_type_small, words);
	*y += 18;
}

static void
draw_facts(struct figure *f)
{
	const struct adds_scores *s = f->s;
	const int64_t left_out = f->r->group[0].labels - f->n;
	double y = BOX_Y + BOX_HEIGHT - 18 * (left_out > 0 ? 4 : 3);

	draw_fact(f, &y, s->n, ADDS_PLURAL(s->n, "labelled picture", "labelled pictures"));
	draw_fact(f, &y, f->n, ADDS_PLURAL(f->n, "label measured", "labels measured"));
	if (left_out > 0)
		draw_fact(f, &y, left_out,
		          ADDS_PLURAL(left_out, "label left out: too few positives", "labels left out: too few positives"));
	draw_fact(f, &y, f->curve.cells, "known cells (label, picture)");
	draw_fact(f, &y, f->curve.positives, "of them positive");
}

static void
draw_side(struct figure *f)
{
	char name[40], text[80], number[ADDS_NUMBER_TEXT];
	double y = BOX_Y + 12;

	if (strcmp(f->s->header.checkpoint, "zero-shot") == 0)
		snprintf(name, sizeof(name), "zero-shot");
	else
		snprintf(name, sizeof(name), "checkpoint %.12s", f->s->header.checkpoint);
	draw_method(f, &y, name, f->r->group[0].map, &of_labels, &of_cells);
	if (f->zero_ap)
		draw_method(f, &y, "zero-shot", f->zero_map, &zero_labels, &zero_cells);
	snprintf(text, sizeof(text), "by chance: %s",
	         adds_number_text(number, (double)f->curve.positives / (double)f->curve.cells, 3));
	adds_legend(&f->svg, SIDE_X, y, WIDTH - MARGIN - SIDE_X, &of_chance, text);
	draw_facts(f);
}

/* ---- bars ---- */

/* whether training saw labels: told, or known from the checkpoint; −1: not known */
static int
is_seen(const struct figure *f, int64_t row)
{
	if (f->r->options.unseen)
		return !f->r->options.unseen[row];
	return f->o->trained ? f->o->trained[row] : -1;
}

static void
draw_column(struct figure *f, double x, double y, double width, const struct label *label, size_t n)
{
	static const char *const after[] = { "", ", unseen", ", seen in training" };
	struct adds_bar bar[ADDS_FIGURE_BARS];
	char *note = malloc(n * NOTE + 1), count[ADDS_FIGURE_BARS][ADDS_NUMBER_TEXT], number[ADDS_NUMBER_TEXT];
	size_t i;

	if (!note) {
		f->svg.text.failed = 1;
		return;
	}
	for (i = 0; i < n; i++) {
		const int64_t row = label[i].row;
		const int seen = is_seen(f, row);

		bar[i].name = adds_vocab_name(f->s->header.labels, (size_t)row);
		bar[i].count = adds_count_text(count[i], f->r->positives[row]);
		bar[i].value = label[i].ap;
		bar[i].mark = f->zero_ap ? f->zero_ap[row] : NAN;
		bar[i].colour = seen == 0 ? ADDS_ORANGE : ADDS_BLUE;
		bar[i].note = note + i * NOTE;
		snprintf(note + i * NOTE, NOTE, "%s: %s, %s %s%s",
		         bar[i].name, adds_number_text(number, label[i].ap, 3), count[i],
		         ADDS_PLURAL(f->r->positives[row], "picture", "pictures"), after[1 + seen]);
	}
	adds_bars_draw(&f->svg, x, y, width, adds_bars_names(bar, n, width), bar, n);
	free(note);
}

/* the sample of a bar and what it stands for; returns how far it reaches */
static double
draw_sample(struct figure *f, double x, const char *colour, const char *words)
{
	adds_svg_bar(&f->svg, x, BARS_Y - 11, 16, 12, colour);
	adds_svg_words(&f->svg, x + 22, BARS_Y, &adds_type_words, words);
	return x + 22 + adds_words_width(words, adds_type_words.size) + 20;
}

static void
draw_bars_legend(struct figure *f)
{
	static const struct adds_pen mark = { ADDS_BLACK, 2, NULL };
	double x = 330;
	int64_t i;
	int there[3] = { 0 };

	for (i = 0; i < f->n; i++)
		there[1 + is_seen(f, f->label[i].row)] = 1;
	if (there[2])
		x = draw_sample(f, x, ADDS_BLUE, "seen in training");
	if (there[1])
		x = draw_sample(f, x, ADDS_ORANGE, "unseen");
	if (!f->zero_ap)
		return;
	adds_svg_line(&f->svg, x + 8, BARS_Y - 14, x + 8, BARS_Y + 3, &mark);
	adds_svg_words(&f->svg, x + 22, BARS_Y, &adds_type_words, "zero-shot");
}

/* how many bars stand in the first column, and in the second */
static void
columns(const struct figure *f, size_t n[2])
{
	const size_t shown = f->n < ADDS_FIGURE_BARS ? (size_t)f->n : ADDS_FIGURE_BARS;

	n[0] = shown <= ONE_COLUMN ? shown : (shown + 1) / 2;
	n[1] = shown - n[0];
}

static double
figure_height(const struct figure *f)
{
	size_t n[2];

	columns(f, n);
	return BARS_Y + 38 + (double)n[0] * ADDS_BAR_HEIGHT + 20 + MARGIN;
}

static void
draw_bars(struct figure *f)
{
	const double half = (WIDTH - 2 * MARGIN - COLUMN_GAP) / 2.0;
	char text[120], a[ADDS_NUMBER_TEXT], b[ADDS_NUMBER_TEXT];
	size_t n[2];

	columns(f, n);
	adds_svg_words(&f->svg, MARGIN, BARS_Y, &adds_type_title, "Average precision by label");
	draw_bars_legend(f);
	if (f->n > ADDS_FIGURE_BARS)
		snprintf(text, sizeof(text), "the best %d and the worst %d of %s labels; the %s between them %s not shown", ONE_COLUMN,
		         ONE_COLUMN, adds_count_text(a, f->n), adds_count_text(b, f->n - ADDS_FIGURE_BARS),
		         ADDS_PLURAL(f->n - ADDS_FIGURE_BARS, "is", "are"));
	else
		snprintf(text, sizeof(text), "beside each bar: average precision, and how many pictures have the label");
	adds_svg_words(&f->svg, MARGIN, BARS_Y + 20, &adds_type_small, text);
	if (!n[1]) {
		draw_column(f, MARGIN, BARS_Y + 32, WIDTH - 2 * MARGIN, f->label, n[0]);
		return;
	}
	draw_column(f, MARGIN, BARS_Y + 32, half, f->label, n[0]);
	draw_column(f, MARGIN + half + COLUMN_GAP, BARS_Y + 32, half, f->label + f->n - (int64_t)n[1], n[1]);
}

/* ---- the sheet ---- */

static const char title[] = "Precision and recall";

static void
draw(struct figure *f)
{
	adds_svg_open(&f->svg, WIDTH, figure_height(f), title,
	              "Above, precision over recall, as the mean over labels and over all cells; below, the average precision of labels.");
	adds_svg_words(&f->svg, MARGIN, 32, &adds_type_title, title);
	draw_box(f);
	draw_side(f);
	draw_bars(f);
}

static void
draw_nothing(struct figure *f)
{
	char text[160], a[ADDS_NUMBER_TEXT], b[ADDS_NUMBER_TEXT];

	snprintf(text, sizeof(text), "Nothing to draw: of %s %s none has enough known positives among %s %s.",
	         adds_count_text(a, f->r->group[0].labels), ADDS_PLURAL(f->r->group[0].labels, "label", "labels"),
	         adds_count_text(b, f->s->n), ADDS_PLURAL(f->s->n, "picture", "pictures"));
	adds_svg_open(&f->svg, WIDTH, 96, title, text);
	adds_svg_words(&f->svg, MARGIN, 32, &adds_type_title, title);
	adds_svg_words(&f->svg, MARGIN, 62, &adds_type_words, text);
}

char *
adds_figure_report(const struct adds_report *r, const struct adds_scores *s, const struct adds_figure_options *options,
                   struct adds_error *err)
{
	struct figure f = { .r = r, .s = s, .o = options };
	char *text = NULL;

	if (measure(&f, err) == 0) {
		if (f.curve.labels)
			draw(&f);
		else
			draw_nothing(&f);
		if (!(text = adds_svg_close(&f.svg)))
			adds_fail(err, ADDS_ENOMEM, "out of memory for a figure");
	}
	free(f.measured);
	free(f.label);
	free(f.zero_ap);
	return text;
}
