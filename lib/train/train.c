/* SPDX-License-Identifier: MIT
 * train.c - steps, epochs, checkpoints */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../metric/metrics.h"
#include "philox.h"
#include "train.h"

int
adds_trainer_halve(struct adds_trainer *t, int rc, const struct adds_dataset *d, const int64_t *list, int64_t n, int64_t K,
                   struct adds_error *err)
{
	struct adds_room *rooms[] = { &t->logits, &t->dlogits, &t->target, &t->weight };
	int64_t rows = 0, p;
	char text[160];
	size_t i;

	if (rc != ADDS_ENOMEM || n < 2 || !t->b->memory)
		return rc;
	for (p = 0; p < n; p++)
		rows += d->item[list[p]].tokens;
	t->o.rows = (rows > n * K ? rows : n * K) / 2;
	adds_decoder_shrink(t->decoder);
	adds_decoder_shrink(t->zero);
	adds_batch_shrink(&t->batch);
	for (i = 0; i < sizeof(rooms) / sizeof(*rooms); i++)
		adds_room_release(t->b, rooms[i]);
	snprintf(text, sizeof(text), "the device has no memory for %lld pictures at once: at most %lld rows from now on", (long long)n,
	         (long long)t->o.rows);
	if (t->watch && t->watch->note)
		t->watch->note(t->watch->to, text);
	return adds_journal_note(t->run, "memory", text, err);
}

/* ---- one step ---- */

/* The labels of the step, from the pictures of the batch: columns[K] of the label stream. */
static int64_t
draw_labels(struct adds_trainer *t, const int64_t *list, int64_t n)
{
	int64_t i, k, K;

	memset(t->positive, 0, (size_t)t->ntrained);
	for (i = 0; i < n; i++) {
		adds_dataset_targets(t->train, list[i], t->row);
		for (k = 0; k < t->ntrained; k++)
			t->positive[k] |= t->row[t->trained[k]] == 1;
	}
	K = adds_sampler_draw(&t->sampler, (uint64_t)t->state.step, t->positive, t->rows, t->column_weight);
	for (k = 0; k < K; k++)
		t->columns[k] = t->trained[t->rows[k]];
	return K;
}

/* targets and weights [n, K] of the batch */
static void
fill_targets(struct adds_trainer *t, const int64_t *list, int64_t n, int64_t K)
{
	int64_t i, k;

	for (i = 0; i < n; i++) {
		adds_dataset_targets(t->train, list[i], t->row);
		for (k = 0; k < K; k++) {
			t->step_target[i * K + k] = t->row[t->columns[k]];
			t->step_weight[i * K + k] = t->column_weight[k];
		}
	}
}

/* Pictures first … first+n-1 of a batch of all: forward, loss, backward. */
static int
pass(struct adds_trainer *t, const int64_t *list, int64_t first, int64_t n, int64_t all, double *loss,
     struct adds_error *err)
{
	const int64_t K = t->batch.K;
	const size_t cells = (size_t)(n * K), at = (size_t)(first * K);
	const struct backend_ops *ops = t->b->ops;
	struct mat z = mat_of(NULL, DT_F32, n, K), dz = z;
	double sum;
	int rc;

	if ((rc = adds_batch_pictures(&t->batch, t->train, list + first, n, err)) < 0 ||
	    (t->o.decoder.prior && (rc = adds_batch_zero_shot(&t->batch, err)) < 0) ||
	    (rc = adds_room_reserve(t->b, &t->logits, cells * sizeof(float), err)) < 0 ||
	    (rc = adds_room_reserve(t->b, &t->dlogits, cells * sizeof(float), err)) < 0 ||
	    (rc = adds_room_reserve(t->b, &t->weight, cells * sizeof(float), err)) < 0 ||
	    (rc = adds_room_reserve(t->b, &t->target, cells, err)) < 0 ||
	    (rc = ops->put(t->b, t->target.p, t->step_target + at, cells, err)) < 0 ||
	    (rc = ops->put(t->b, t->weight.p, t->step_weight + at, cells * sizeof(float), err)) < 0)
		return rc;
	z.p = t->logits.p;
	dz.p = t->dlogits.p;
	/* the logits come with the loss, which is waited for anyway */
	if ((rc = adds_decoder_train_forward(t->decoder, z, &t->batch.x, t->o.precision, t->o.seed, (uint64_t)t->state.step,
	                                     first, err)) < 0 ||
	    (rc = ops->loss(t->b, dz, &sum, z, t->target.p, t->weight.p, 1 / (float)all, &t->o.loss, err)) < 0 ||
	    (rc = ops->get(t->b, t->step_logits + at, z.p, cells * sizeof(float), err)) < 0)
		return rc;
	*loss += sum;
	return adds_decoder_backward(t->decoder, dz, &t->batch.x, t->o.precision, err);
}

static int
not_finite(const struct adds_trainer *t, const char *what, const int64_t *list, int64_t n, struct adds_error *err)
{
	char names[400] = "";
	size_t len = 0;
	int64_t i;

	for (i = 0; i < n && i < 4 && len < sizeof(names); i++)
		len += (size_t)snprintf(names + len, sizeof(names) - len, "%s'%.90s'", i ? ", " : "",
		                        adds_dataset_path(t->train, list[i]));
	return adds_fail(err, ADDS_EFORMAT,
	                 "the %s is no finite number in epoch %lld, step %lld, over the %lld pictures %s%s: lower --lr, or look at their features",
	                 what, (long long)t->state.epoch + 1, (long long)t->state.step + 1, (long long)n, names,
	                 n > 4 ? ", ..." : "");
}

/* All gradients of a batch, in as many parts as its rows ask for; where one failed, *part pictures from *done on. */
static int
gradients(struct adds_trainer *t, const int64_t *list, int64_t n, int64_t K, double *loss, int64_t *done, int64_t *part,
          struct adds_error *err)
{
	int rc = adds_optimizer_zero(&t->optimizer, err);

	*loss = 0;
	*done = *part = 0;
	while (rc == 0 && *done < n) {
		*part = adds_batch_fit(t->train, list + *done, n - *done, K, t->o.rows);
		if ((rc = pass(t, list, *done, *part, n, loss, err)) == 0)
			*done += *part;
	}
	return rc;
}

static int
step(struct adds_trainer *t, const int64_t *list, int64_t n, struct adds_step *s, struct adds_error *err)
{
	const int64_t K = draw_labels(t, list, n);
	double loss, factor;
	int64_t done, part;
	int i, rc;

	fill_targets(t, list, n, K);
	t->batch.x.gate = NULL;
	if ((rc = adds_batch_labels(&t->batch, t->columns, K, err)) < 0)
		return rc;
	while ((rc = gradients(t, list, n, K, &loss, &done, &part, err)) < 0)
		if ((rc = adds_trainer_halve(t, rc, t->train, list + done, part, K, err)) < 0)
			return rc;
	if (!isfinite(loss))
		return not_finite(t, "loss", list, n, err);
	factor = adds_schedule_at(&t->schedule, t->state.step);
	if ((rc = adds_optimizer_step(&t->optimizer, factor, &s->norm, err)) < 0)
		return rc;
	if (!isfinite(s->norm))
		return not_finite(t, "gradient", list, n, err);
	s->loss = loss / (double)n;
	s->lr = factor * t->o.optimizer.lr;
	s->labels = K;
	for (i = 0; i < ADDS_THRESHOLDS; i++)
		s->accuracy[i] = adds_accuracy(t->step_logits, t->step_target, NULL, n, K, adds_thresholds[i]);
	return 0;
}

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

static int
stop_wanted(const struct adds_trainer *t)
{
	return t->watch && t->watch->stop && t->watch->stop(t->watch->to);
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
	struct adds_step made;
	int64_t i;
	int rc;

	adds_philox_order(t->order, t->ntrain, t->o.seed, (uint32_t)s->epoch);
	for (i = 0; i < t->ntrain; i++)
		t->order[i] = t->train_list[t->order[i]];
	while (s->in_epoch < each) {
		const int64_t first = s->in_epoch * t->o.batch, left = t->ntrain - first;

		if (stop_wanted(t))
			return (rc = save_state(t, err)) < 0 ? rc : 1;
		if ((rc = step(t, t->order + first, left < t->o.batch ? left : t->o.batch, &made, err)) < 0)
			return rc;
		add_step(&s->sums, &made);
		made.epoch = s->epoch + 1;
		made.step = ++s->step;
		made.steps = t->schedule.steps;
		made.in_epoch = ++s->in_epoch;
		made.epoch_steps = each;
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

/* Measures the weights (or their running mean) and keeps what is worth it. */
static int
end_epoch(struct adds_trainer *t, struct adds_error *err)
{
	struct adds_state *s = &t->state;
	struct adds_measures m = { .epoch = s->epoch + 1, .step = s->step };
	const double n = (double)s->in_epoch;
	char name[40];
	int i, rc;

	m.loss = s->sums.loss / n;
	m.labels = s->sums.labels / n;
	for (i = 0; i < ADDS_THRESHOLDS; i++)
		m.train_accuracy[i] = s->sums.accuracy[i] / n;
	snprintf(name, sizeof(name), "epoch-%04lld.safetensors", (long long)m.epoch);
	if ((rc = adds_optimizer_swap(&t->optimizer, err)) < 0 ||
	    (rc = adds_trainer_evaluate(t, t->decoder, &m, err)) < 0 ||
	    (rc = journal(t, &m, "decoder", err)) < 0 || (rc = save_best(t, t->decoder, &m, err)) < 0 ||
	    (rc = save_checkpoint(t, t->decoder, "last.safetensors", &m, err)) < 0 ||
	    (t->o.keep_every && m.epoch % t->o.keep_every == 0 && (rc = save_checkpoint(t, t->decoder, name, &m, err)) < 0) ||
	    (rc = adds_optimizer_swap(&t->optimizer, err)) < 0)
		return rc;
	s->epoch++;
	s->in_epoch = 0;
	memset(&s->sums, 0, sizeof(s->sums));
	return save_state(t, err);
}

static int
epoch_zero(struct adds_trainer *t, struct adds_error *err)
{
	struct adds_measures m = { .epoch = 0, .loss = NAN, .labels = NAN };
	int i, rc;

	for (i = 0; i < ADDS_THRESHOLDS; i++)
		m.train_accuracy[i] = NAN;
	if ((rc = adds_trainer_evaluate(t, t->zero, &m, err)) < 0 || (rc = journal(t, &m, "zero-shot", err)) < 0 ||
	    (rc = save_best(t, t->zero, &m, err)) < 0)
		return rc;
	if (t->o.method != ADDS_METHOD_DECODER && (rc = adds_trainer_ridge(t, err)) < 0)
		return rc;
	return save_state(t, err);
}

static int
begin(struct adds_trainer *t, int resume, int *older, struct adds_error *why, struct adds_error *err)
{
	struct adds_state *s = &t->state;
	int rc = 0;

	*older = 0;
	memset(s, 0, sizeof(*s));
	s->best_map = -1;
	if (resume && (rc = adds_state_load(s, t->data, &t->optimizer, t->run, older, why, err)) < 0)
		return rc;
	if ((!rc && (rc = adds_run_drop_events(t->run, err)) < 0) || (rc = adds_run_log_cut(t->run, s->log_size, err)) < 0)
		return rc;
	s->session++;
	t->run->events = adds_events_open(t->run->dir, (int)s->session, s->step + 1, err);
	if (!t->run->events)
		return err ? err->code : ADDS_EIO;
	if (s->session == 1)
		return epoch_zero(t, err);
	return t->o.method == ADDS_METHOD_DECODER ? 0 : adds_trainer_take_ridge(t, err);
}

int
adds_trainer_run(struct adds_trainer *t, struct adds_run *run, const struct adds_watch *watch, int resume, int *stopped,
                 int *older, struct adds_error *why, struct adds_error *err)
{
	struct adds_measures m = { .map = NAN };
	int rc;

	*stopped = 0;
	t->run = run;
	t->watch = watch;
	if ((rc = begin(t, resume, older, why, err)) < 0)
		return rc;
	if (t->o.method == ADDS_METHOD_RIDGE)
		return adds_trainer_finish_ridge(t, err);
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
	if ((rc = adds_optimizer_swap(&t->optimizer, err)) < 0 || (t->ridge && (rc = adds_trainer_blend(t, err)) < 0))
		return rc;
	if ((*stopped = rc))
		return 0;
	return save_checkpoint(t, t->decoder, "final.safetensors", &m, err);
}
