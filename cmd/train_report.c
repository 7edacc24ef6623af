/* SPDX-License-Identifier: MIT
 * train_report.c - what adds-train says while it works and when it is done; signals */
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../lib/train/curves.h"
#include "train.h"

static volatile sig_atomic_t caught;
static double began = -1; /* of the first step seen, and its number */
static int64_t began_at;

/* ---- while it works ---- */

static void
show_step(void *to, const struct adds_step *s)
{
	const double now = cmd_seconds();
	double rate, left;

	(void)to;
	if (began < 0) {
		began = now;
		began_at = s->step;
		return;
	}
	rate = now > began ? (double)(s->step - began_at) / (now - began) : 0;
	left = rate > 0 ? (double)(s->steps - s->step) / rate : 0;
	cmd_progress("epoch %lld, step %lld of %lld, loss %.4g, %.3g steps/s, %lld:%02lld left", (long long)s->epoch,
	             (long long)s->step, (long long)s->steps, s->loss, rate, (long long)left / 60, (long long)left % 60);
}

static void
show_epoch(void *to, const struct adds_measures *m)
{
	(void)to;
	if (m->epoch == 0)
		say("epoch 0 is zero-shot: mAP %.4f over %lld %s", m->map, (long long)m->measured,
		    ADDS_PLURAL(m->measured, "label", "labels"));
	else if (m->measured)
		say("epoch %lld: loss %.4g, mAP %.4f", (long long)m->epoch, m->loss, m->map);
	else
		say("epoch %lld: loss %.4g", (long long)m->epoch, m->loss);
}

static void
show_validation(void *to, int64_t done, int64_t of)
{
	(void)to;
	cmd_progress("validation, %lld of %lld pictures", (long long)done, (long long)of);
}

static void
show_ridge(void *to, int64_t done, int64_t of)
{
	(void)to;
	cmd_progress("ridge, %lld of %lld fits", (long long)done, (long long)of);
}

/* what a method chose, with the seconds since the start */
static void
show_note(void *to, const char *text)
{
	(void)to;
	say("%s (%.1f s)", text, cmd_seconds());
}

static int
stop_asked(void *to)
{
	(void)to;
	return caught != 0;
}

static double
seconds(void *to)
{
	(void)to;
	return cmd_seconds();
}

const struct adds_watch train_watch = {
	.step = show_step,
	.epoch = show_epoch,
	.validation = show_validation,
	.ridge = show_ridge,
	.note = show_note,
	.stop = stop_asked,
	.clock = seconds,
};

const struct adds_watch train_other_watch = { .stop = stop_asked };

/* ---- signals ---- */

static void
on_signal(int sig)
{
	caught = sig;
}

/* A signal that is ignored (nohup, a script's background) stays so; a second one ends the program at once. */
static void
catch_signal(int sig)
{
	struct sigaction sa, old;

	memset(&sa, 0, sizeof(sa));
	sa.sa_handler = on_signal;
	sa.sa_flags = (int)SA_RESETHAND | SA_RESTART;
	sigemptyset(&sa.sa_mask);
	if (sigaction(sig, NULL, &old) == 0 && old.sa_handler != SIG_IGN)
		sigaction(sig, &sa, NULL);
}

void
train_catch_signals(void)
{
	catch_signal(SIGINT);
	catch_signal(SIGTERM);
}

void
train_die_of_signal(void)
{
	const int sig = caught;

	if (!sig) /* another rank's */
		cmd_exit(CMD_FAILED);
	fflush(NULL);
	signal(sig, SIG_DFL);
	raise(sig);
	exit(CMD_FAILED);
}

/* ---- at the end ---- */

/* one epoch of the log, or one method's result */
struct row {
	int there;
	double epoch, loss, map, trained, other, accuracy;
};

struct summary {
	struct row zero, ridge, blend, best, last; /* best and last: of the decoder's epochs */
	char chosen[16];                           /* the best checkpoint's method, where methods were compared */
	char ridge_note[512], blend_note[512];
};

static void
take_epoch(struct summary *s, const cJSON *line)
{
	const char *method = adds_journal_text(line, "method");
	struct row row = { .there = 1 };

	row.epoch = adds_journal_number(line, "epoch");
	row.loss = adds_journal_number(line, "val_loss");
	row.map = adds_journal_number(line, "mAP");
	row.trained = adds_journal_number(line, "mAP_trained");
	row.other = adds_journal_number(line, "mAP_untrained");
	row.accuracy = adds_journal_number(cJSON_GetObjectItemCaseSensitive(line, "val_accuracy"), "0.8");
	if (strcmp(method, "zero-shot") == 0)
		s->zero = row;
	else if (strcmp(method, "ridge") == 0)
		s->ridge = row;
	else if (strcmp(method, "blend") == 0)
		s->blend = row;
	else {
		if (!s->best.there || row.map > s->best.map)
			s->best = row;
		s->last = row;
	}
}

static void
take_line(void *to, const cJSON *line)
{
	const char *event = adds_journal_text(line, "event"), *text = adds_journal_text(line, "text");
	struct summary *s = to;

	if (strcmp(event, "epoch") == 0)
		take_epoch(s, line);
	else if (strcmp(event, "best") == 0)
		snprintf(s->chosen, sizeof(s->chosen), "%s", text);
	else if (strcmp(event, "ridge") == 0)
		snprintf(s->ridge_note, sizeof(s->ridge_note), "%s", text);
	else if (strcmp(event, "blend") == 0)
		snprintf(s->blend_note, sizeof(s->blend_note), "%s", text);
}

static void
print_number(double x, int digits)
{
	if (isnan(x))
		fprintf(stderr, "%10s", "-");
	else
		fprintf(stderr, "%10.*f", digits, x);
}

static void
print_row(const char *name, const struct row *row)
{
	fprintf(stderr, "%-24s", name);
	print_number(row->map, 4);
	print_number(row->trained, 4);
	print_number(row->other, 4);
	print_number(row->accuracy, 4);
	print_number(row->loss, 4);
	fputc('\n', stderr);
}

static void
print_table(const struct adds_trainer *t, const struct summary *s)
{
	char name[64];

	fprintf(stderr, "%-24s%10s%10s%10s%10s%10s\n", "", "mAP", "trained", "others", "acc@.8", "loss");
	print_row("zero-shot", &s->zero);
	if (s->ridge.there)
		print_row("ridge", &s->ridge);
	if (s->best.epoch < s->last.epoch) {
		snprintf(name, sizeof(name), "DM-decoder, epoch %.0f", s->best.epoch);
		print_row(name, &s->best);
	}
	if (s->last.there) {
		snprintf(name, sizeof(name), "DM-decoder, epoch %.0f", s->last.epoch);
		print_row(name, &s->last);
	}
	if (s->blend.there)
		print_row("blend", &s->blend);
	fprintf(stderr, "over %lld %s; %lld %s trained, on %lld %s\n", (long long)t->nval,
	        ADDS_PLURAL(t->nval, "picture", "pictures"), (long long)t->ntrained,
	        ADDS_PLURAL(t->ntrained, "label", "labels"), (long long)t->ntrain,
	        ADDS_PLURAL(t->ntrain, "picture", "pictures"));
}

static void
print_best(const struct summary *s, const char *name)
{
	if (*s->ridge_note)
		fprintf(stderr, "%s\n", s->ridge_note);
	if (*s->blend_note)
		fprintf(stderr, "%s\n", s->blend_note);
	if (*s->chosen && strcmp(s->chosen, "zero-shot"))
		fprintf(stderr, "the best is the %s: %s/best.safetensors\n", s->chosen, name);
	else if (*s->chosen || !s->best.there || !(s->best.map > s->zero.map))
		fprintf(stderr, "the best is zero-shot, nothing that was trained is above it: %s/best.safetensors\n", name);
	else
		fprintf(stderr, "the best is of epoch %.0f: %s/best.safetensors\n", s->best.epoch, name);
}

void
train_report(const struct adds_trainer *t, const struct adds_run *run, const char *name)
{
	struct summary s = { 0 };
	struct adds_error err;

	if (adds_journal_read(run, take_line, &s, &err) < 0 || adds_curves_write(run, &err) < 0)
		die("%s", err.msg);
	cmd_progress_end();
	if (cmd_quiet)
		return;
	if (t->nval == 0 || isnan(s.zero.map)) {
		fprintf(stderr, "trained %lld %s on %lld %s, none measured: %s/%s\n",
		        (long long)t->ntrained, ADDS_PLURAL(t->ntrained, "label", "labels"),
		        (long long)t->ntrain, ADDS_PLURAL(t->ntrain, "picture", "pictures"), name,
		        *s.chosen ? "best.safetensors" : "final.safetensors");
		if (!*s.chosen)
			return;
	} else
		print_table(t, &s);
	print_best(&s, name);
}
