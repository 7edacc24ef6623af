/* SPDX-License-Identifier: MIT
 * train_report.c - what adds-train says while it works and when it is done; signals */
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "train.h"

#define LOG_LIMIT ((size_t)1 << 32)

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
		say("epoch 0 is zero-shot: mAP %.4f over %lld labels", m->map, (long long)m->measured);
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
	.stop = stop_asked,
	.clock = seconds,
};

/* ---- signals ---- */

static void
on_signal(int sig)
{
	caught = sig;
}

void
train_catch_signals(void)
{
	struct sigaction sa;

	/* a second signal ends the program at once */
	memset(&sa, 0, sizeof(sa));
	sa.sa_handler = on_signal;
	sa.sa_flags = (int)SA_RESETHAND | SA_RESTART;
	sigemptyset(&sa.sa_mask);
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
}

void
train_die_of_signal(void)
{
	const int sig = caught ? caught : SIGINT;

	fflush(NULL);
	signal(sig, SIG_DFL);
	raise(sig);
	exit(CMD_FAILED);
}

/* ---- at the end ---- */

/* one epoch of the log */
struct row {
	int there;
	double epoch, loss, map, trained, other, accuracy;
};

static double
number(const cJSON *line, const char *key)
{
	const cJSON *x = cJSON_GetObjectItemCaseSensitive(line, key);

	return cJSON_IsNumber(x) ? x->valuedouble : NAN;
}

static int
take_row(struct row *row, const char *text)
{
	cJSON *line = cJSON_Parse(text);
	const cJSON *event = cJSON_GetObjectItemCaseSensitive(line, "event");
	const int is_epoch = cJSON_IsString(event) && strcmp(event->valuestring, "epoch") == 0;

	if (is_epoch) {
		row->there = 1;
		row->epoch = number(line, "epoch");
		row->loss = number(line, "val_loss");
		row->map = number(line, "mAP");
		row->trained = number(line, "mAP_trained");
		row->other = number(line, "mAP_untrained");
		row->accuracy = number(cJSON_GetObjectItemCaseSensitive(line, "val_accuracy"), "0.8");
	}
	cJSON_Delete(line);
	return is_epoch;
}

/* The first, the best and the last epoch of the log. */
static void
read_log(char *text, struct row *zero, struct row *best, struct row *last)
{
	struct row row = { 0 };
	char *line, *end;

	for (line = text; (end = strchr(line, '\n')); line = end + 1) {
		*end = '\0';
		if (!take_row(&row, line))
			continue;
		if (row.epoch == 0)
			*zero = row;
		if (!best->there || row.map > best->map)
			*best = row;
		*last = row;
	}
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
print_table(const struct adds_trainer *t, const struct row *zero, const struct row *best, const struct row *last)
{
	char name[64];

	fprintf(stderr, "%-24s%10s%10s%10s%10s%10s\n", "", "mAP", "trained", "others", "acc@.8", "loss");
	print_row("zero-shot", zero);
	if (best->epoch > 0 && best->epoch < last->epoch) {
		snprintf(name, sizeof(name), "DM-decoder, epoch %.0f", best->epoch);
		print_row(name, best);
	}
	snprintf(name, sizeof(name), "DM-decoder, epoch %.0f", last->epoch);
	print_row(name, last);
	fprintf(stderr, "over %lld pictures; %lld labels trained, on %lld pictures\n", (long long)t->nval,
	        (long long)t->ntrained, (long long)t->ntrain);
}

void
train_report(const struct adds_trainer *t, const struct adds_run *run, const char *name)
{
	struct row zero = { 0 }, best = { 0 }, last = { 0 };
	struct adds_error err;
	char *path = adds_run_path(run, "log.jsonl", &err), *text;
	size_t n;

	if (!path || !(text = adds_read_file(path, LOG_LIMIT, &n, &err)))
		die("%s", err.msg);
	read_log(text, &zero, &best, &last);
	free(text);
	free(path);
	cmd_progress_end();
	if (cmd_quiet)
		return;
	if (t->nval == 0 || isnan(best.map)) {
		fprintf(stderr, "trained %lld labels on %lld pictures, none measured: %s/final.safetensors\n",
		        (long long)t->ntrained, (long long)t->ntrain, name);
		return;
	}
	print_table(t, &zero, &best, &last);
	if (best.epoch == 0)
		fprintf(stderr, "the best is zero-shot, no epoch of training is above it: %s/best.safetensors\n", name);
	else
		fprintf(stderr, "the best is of epoch %.0f: %s/best.safetensors\n", best.epoch, name);
}
