/* SPDX-License-Identifier: MIT
 * train.c - epochs, checkpoints, a run from its beginning to its end */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../metric/metrics.h"
#include "philox.h"
#include "train.h"

/* ---- checkpoints ---- */

static int
save_checkpoint(struct adds_trainer *t, struct adds_decoder *d, const char *name, const struct adds_measures *m,
                struct adds_error *err)
{
	const char *model = adds_message_string(adds_reader_header(t->train->reader), "model");
	char *path = adds_run_path(t->run, name, err);
	cJSON *extra = cJSON_CreateObject();
	int rc;

	if (!path || !extra) {
		free(path);
		cJSON_Delete(extra);
		return adds_fail(err, ADDS_ENOMEM, "out of memory");
	}
	cJSON_AddNumberToObject(extra, "epoch", (double)m->epoch);
	cJSON_AddNumberToObject(extra, "step", (double)m->step);
	if (model)
		cJSON_AddStringToObject(extra, "model", model);
	if (adds_decoder_config(d)->prior)
		cJSON_AddStringToObject(extra, "read", "tile");
	if (isfinite(m->map))
		cJSON_AddNumberToObject(extra, "mAP", m->map);
	rc = adds_decoder_save(d, path, NULL, t->trained_vocab, t->trained_texts, extra, err);
	free(path);
	return rc;
}

static int
save_best(struct adds_trainer *t, struct adds_decoder *d, const struct adds_measures *m, struct adds_error *err)
{
	struct adds_state *s = &t->state;
	char name[40];
	int i, rc;

	if (m->map > s->best_map && (m->epoch == 0 || !t->ridge)) {
		s->best_map = m->map;
		s->best_epoch = m->epoch;
		if ((rc = save_checkpoint(t, d, "best.safetensors", m, err)) < 0)
			return rc;
	}
	for (i = 0; i < ADDS_THRESHOLDS; i++) {
		if (m->epoch == 0 || !(m->accuracy[i] > s->best_accuracy[i]))
			continue;
		s->best_accuracy[i] = m->accuracy[i];
		snprintf(name, sizeof(name), "best-acc-%.1f.safetensors", adds_thresholds[i]);
		if ((rc = save_checkpoint(t, d, name, m, err)) < 0)
			return rc;
	}
	return 0;
}

static int
save_state(struct adds_trainer *t, struct adds_error *err)
{
	int rc;

	if (!t->run)
		return 0;
	if ((rc = adds_events_flush(t->run->events, err)) < 0)
		return rc;
	if ((t->state.log_size = adds_run_log_size(t->run, err)) < 0)
		return (int)t->state.log_size;
	if (t->watch && t->watch->clock)
		t->saved_at = t->watch->clock(t->watch->to);
	return adds_state_save(&t->state, t->data, &t->optimizer, t->run, err);
}

static int
time_to_save(const struct adds_trainer *t)
{
	return t->watch && t->watch->clock && t->watch->clock(t->watch->to) - t->saved_at >= t->o.save_every;
}

/* 1: on some rank */
static int
stop_wanted(const struct adds_trainer *t, struct adds_error *err)
{
	int stop = t->watch && t->watch->stop && t->watch->stop(t->watch->to);
	const int rc = adds_ranks_agree(t->o.ranks, 0, &stop, err);

	return rc < 0 ? rc : stop;
}

/* ---- epochs ---- */

static void
add_step(struct adds_sums *sums, const struct adds_step *s)
{
	int i;

	sums->loss += s->loss;
	sums->labels += (double)s->labels;
	for (i = 0; i < ADDS_THRESHOLDS; i++)
		sums->accuracy[i] += s->accuracy[i];
}

/* The steps of the epoch that is under way; 1: told to stop. */
static int
steps(struct adds_trainer *t, struct adds_error *err)
{
	struct adds_state *s = &t->state;
	const int64_t each = (t->ntrain + t->o.batch - 1) / t->o.batch;
	struct adds_step made = { 0 };
	int64_t i;
	int rc;

	adds_philox_order(t->order, t->ntrain, t->o.seed, (uint32_t)s->epoch);
	for (i = 0; i < t->ntrain; i++)
		t->order[i] = t->train_list[t->order[i]];
	while (s->in_epoch < each) {
		const int64_t first = s->in_epoch * t->o.batch, left = t->ntrain - first;

		if ((rc = stop_wanted(t, err)) < 0)
			return rc;
		if (rc)
			return (rc = save_state(t, err)) < 0 ? rc : 1;
		if ((rc = adds_trainer_step(t, t->order + first, left < t->o.batch ? left : t->o.batch, &made, err)) < 0)
			return rc;
		add_step(&s->sums, &made);
		made.epoch = s->epoch + 1;
		made.step = ++s->step;
		made.steps = t->schedule.steps;
		made.in_epoch = ++s->in_epoch;
		made.epoch_steps = each;
		if (!t->run)
			continue;
		if ((rc = adds_journal_step(t->run, &made, err)) < 0)
			return rc;
		if (t->watch && t->watch->step)
			t->watch->step(t->watch->to, &made);
		if (time_to_save(t) && (rc = save_state(t, err)) < 0)
			return rc;
	}
	return 0;
}

static int
journal(struct adds_trainer *t, const struct adds_measures *m, const char *method, struct adds_error *err)
{
	const int rc = adds_journal_epoch(t->run, m, method, err);

	if (rc == 0 && t->watch && t->watch->epoch)
		t->watch->epoch(t->watch->to, m);
	return rc;
}

/* Writes down what the epoch came to, and keeps what is worth it. */
static int
keep_epoch(struct adds_trainer *t, struct adds_measures *m, struct adds_error *err)
{
	const struct adds_state *s = &t->state;
	const double n = (double)s->in_epoch;
	char name[40];
	int i, rc;

	m->loss = s->sums.loss / n;
	m->labels = s->sums.labels / n;
	for (i = 0; i < ADDS_THRESHOLDS; i++)
		m->train_accuracy[i] = s->sums.accuracy[i] / n;
	snprintf(name, sizeof(name), "epoch-%04lld.safetensors", (long long)m->epoch);
	if ((rc = journal(t, m, "decoder", err)) < 0 || (rc = save_best(t, t->decoder, m, err)) < 0 ||
	    (rc = save_checkpoint(t, t->decoder, "last.safetensors", m, err)) < 0)
		return rc;
	return t->o.keep_every && m->epoch % t->o.keep_every == 0 ? save_checkpoint(t, t->decoder, name, m, err) : 0;
}

/* Measures the weights, or their running mean. */
static int
end_epoch(struct adds_trainer *t, struct adds_error *err)
{
	struct adds_state *s = &t->state;
	struct adds_measures m = { .epoch = s->epoch + 1, .step = s->step };
	int rc;

	if ((rc = adds_state_compare(&t->optimizer, t->o.ranks, err)) < 0 || (rc = adds_optimizer_swap(&t->optimizer, err)) < 0 ||
	    (rc = adds_trainer_evaluate(t, t->decoder, &m, err)) < 0 || (t->run && (rc = keep_epoch(t, &m, err)) < 0) ||
	    (rc = adds_optimizer_swap(&t->optimizer, err)) < 0)
		return rc;
	s->epoch++;
	s->in_epoch = 0;
	memset(&s->sums, 0, sizeof(s->sums));
	return save_state(t, err);
}

/* 1: told to stop */
static int
epoch_zero(struct adds_trainer *t, struct adds_error *err)
{
	struct adds_measures m = { .epoch = 0, .loss = NAN, .labels = NAN };
	int i, rc;

	for (i = 0; i < ADDS_THRESHOLDS; i++)
		m.train_accuracy[i] = NAN;
	if ((rc = adds_trainer_evaluate(t, t->zero, &m, err)) < 0 || !t->run)
		return rc;
	if ((rc = journal(t, &m, "zero-shot", err)) < 0 || (rc = save_best(t, t->zero, &m, err)) < 0)
		return rc;
	if (t->o.method != ADDS_METHOD_DECODER && (rc = adds_trainer_ridge(t, err)) != 0)
		return rc;
	return save_state(t, err);
}

/* The state that the run goes on from, its log and event file. */
static int
open_run(struct adds_trainer *t, int resume, int *older, struct adds_error *why, struct adds_error *err)
{
	struct adds_state *s = &t->state;
	int rc = 0;

	if (resume && (rc = adds_state_load(s, t->data, &t->optimizer, t->run, older, why, err)) < 0)
		return rc;
	if ((!rc && (rc = adds_run_drop_events(t->run, err)) < 0) || (rc = adds_run_log_cut(t->run, s->log_size, err)) < 0)
		return rc;
	s->session++;
	t->run->events = adds_events_open(t->run->dir, (int)s->session, s->step + 1, err);
	return t->run->events ? 0 : err ? err->code
	                                : ADDS_EIO;
}

/* Ranks that see other data, or compute on another kind of device, would not train one decoder. */
static int
check_ranks(struct adds_trainer *t, struct adds_error *err)
{
	char first[sizeof(t->data) + 32], mine[sizeof(first)];
	int rc;

	snprintf(mine, sizeof(mine), "%s %s", t->data, t->b->ops->name);
	memcpy(first, mine, sizeof(first));
	if ((rc = adds_ranks_agree(t->o.ranks, 0, NULL, err)) < 0)
		return rc;
	adds_ranks_share(t->o.ranks, first, sizeof(first));
	if (strncmp(first, mine, strlen(t->data)) != 0)
		rc = adds_fail(
			err, ADDS_EMISMATCH,
			"it reads other features or labels than rank 0: all ranks need the same files under the same names");
	else if (strcmp(first, mine) != 0)
		rc = adds_fail(
			err, ADDS_EDEVICE,
			"it computes on '%s' and rank 0 on another device: say which with --device",
			t->b->device);
	return adds_ranks_agree(t->o.ranks, rc, NULL, err);
}

/* 1: told to stop, before there is a state */
static int
begin(struct adds_trainer *t, int resume, int *older, struct adds_error *why, struct adds_error *err)
{
	struct adds_state *s = &t->state;
	int rc, stop;

	*older = 0;
	memset(s, 0, sizeof(*s));
	s->best_map = -1;
	if ((rc = check_ranks(t, err)) < 0)
		return rc;
	if (t->run)
		rc = open_run(t, resume, older, why, err);
	if ((rc = adds_state_share(s, &t->optimizer, t->o.ranks, rc, err)) < 0)
		return rc;
	if (s->session == 1)
		rc = epoch_zero(t, err);
	else if (t->run && t->o.method != ADDS_METHOD_DECODER)
		rc = adds_trainer_take_ridge(t, err);
	stop = rc > 0;
	if ((rc = adds_ranks_agree(t->o.ranks, rc < 0 ? rc : 0, &stop, err)) < 0)
		return rc;
	if (stop)
		return 1;
	t->has_ridge = t->ridge != NULL;
	adds_ranks_share(t->o.ranks, &t->has_ridge, sizeof(t->has_ridge));
	return 0;
}

static int
run_all(struct adds_trainer *t, int resume, int *stopped, int *older, struct adds_error *why, struct adds_error *err)
{
	struct adds_measures m = { .map = NAN };
	int rc;

	if ((rc = begin(t, resume, older, why, err)) < 0)
		return rc;
	if (rc) {
		*stopped = 2;
		return 0;
	}
	if (t->o.method == ADDS_METHOD_RIDGE)
		return t->run ? adds_trainer_finish_ridge(t, err) : 0;
	while (t->state.epoch < t->o.epochs) {
		if ((rc = steps(t, err)) < 0)
			return rc;
		if ((*stopped = rc))
			return 0;
		if ((rc = end_epoch(t, err)) < 0)
			return rc;
	}
	m.epoch = t->state.epoch;
	m.step = t->state.step;
	if ((rc = adds_optimizer_swap(&t->optimizer, err)) < 0 || (t->has_ridge && (rc = adds_trainer_blend(t, err)) < 0))
		return rc;
	if ((*stopped = rc))
		return 0;
	if (!t->run || (rc = adds_run_sync(t->run, err)) < 0)
		return rc;
	return save_checkpoint(t, t->decoder, "final.safetensors", &m, err);
}

int
adds_trainer_run(struct adds_trainer *t, struct adds_run *run, const struct adds_watch *watch, int resume, int *stopped,
                 int *older, struct adds_error *why, struct adds_error *err)
{
	*stopped = 0;
	t->run = run;
	t->watch = watch;
	return adds_ranks_agree(t->o.ranks, run_all(t, resume, stopped, older, why, err), NULL, err);
}
