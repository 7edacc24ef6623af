/* SPDX-License-Identifier: MIT
 * journal.c - what a run writes down about itself */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "train.h"

#define LOG_LIMIT ((size_t)1 << 32)

/* a number, left out where there is none */
static void
add(cJSON *line, const char *key, double value)
{
	if (isfinite(value))
		cJSON_AddNumberToObject(line, key, value);
}

static void
add_accuracies(cJSON *line, const char *key, const double *accuracy)
{
	cJSON *at = isfinite(accuracy[0]) ? cJSON_AddObjectToObject(line, key) : NULL;
	char name[8];
	int i;

	for (i = 0; at && i < ADDS_THRESHOLDS; i++) {
		snprintf(name, sizeof(name), "%.1f", adds_thresholds[i]);
		add(at, name, accuracy[i]);
	}
}

static int
log_line(struct adds_run *r, cJSON *line, struct adds_error *err)
{
	const int rc = line ? adds_run_log(r, line, err) : adds_fail(err, ADDS_ENOMEM, "out of memory");

	cJSON_Delete(line);
	return rc;
}

/* The scalar, unless it is none. After a failure nothing more is done. */
static void
scalar(struct adds_run *r, const char *tag, int64_t step, double value, int *rc, struct adds_error *err)
{
	if (*rc == 0 && isfinite(value))
		*rc = adds_events_scalar(r->events, tag, step, value, err);
}

static void
scalars(struct adds_run *r, const char *what, int64_t step, const double *accuracy, int *rc, struct adds_error *err)
{
	char tag[64];
	int i;

	for (i = 0; i < ADDS_THRESHOLDS; i++) {
		snprintf(tag, sizeof(tag), "Accuracy/%s@%.1f", what, adds_thresholds[i]);
		scalar(r, tag, step, accuracy[i], rc, err);
	}
}

int
adds_journal_step(struct adds_run *r, const struct adds_step *s, struct adds_error *err)
{
	cJSON *line = cJSON_CreateObject();
	int rc;

	cJSON_AddStringToObject(line, "event", "step");
	add(line, "epoch", (double)s->epoch);
	add(line, "step", (double)s->step);
	add(line, "loss", s->loss);
	add(line, "lr", s->lr);
	add(line, "gradient_norm", s->norm);
	add(line, "labels", (double)s->labels);
	add_accuracies(line, "accuracy", s->accuracy);
	rc = log_line(r, line, err);
	scalar(r, "Loss/train", s->step, s->loss, &rc, err);
	scalar(r, "LearningRate", s->step, s->lr, &rc, err);
	scalars(r, "train", s->step, s->accuracy, &rc, err);
	return rc;
}

int
adds_journal_epoch(struct adds_run *r, const struct adds_measures *m, const char *method, struct adds_error *err)
{
	cJSON *line = cJSON_CreateObject();
	int rc;

	cJSON_AddStringToObject(line, "event", "epoch");
	cJSON_AddStringToObject(line, "method", method);
	add(line, "epoch", (double)m->epoch);
	add(line, "step", (double)m->step);
	add(line, "loss", m->loss);
	add(line, "labels_per_step", m->labels);
	add_accuracies(line, "train_accuracy", m->train_accuracy);
	add(line, "val_loss", m->val_loss);
	add_accuracies(line, "val_accuracy", m->accuracy);
	add(line, "mAP", m->map);
	add(line, "mAP_trained", m->map_trained);
	add(line, "mAP_untrained", m->map_untrained);
	add(line, "labels_measured", (double)m->measured);
	rc = log_line(r, line, err);
	scalar(r, "Epoch", m->step, (double)m->epoch, &rc, err);
	scalar(r, "Loss/epoch", m->step, m->loss, &rc, err);
	scalars(r, "epoch", m->step, m->train_accuracy, &rc, err);
	scalar(r, "Loss/val", m->step, m->val_loss, &rc, err);
	scalars(r, "val", m->step, m->accuracy, &rc, err);
	scalar(r, "mAP/val", m->step, m->map, &rc, err);
	scalar(r, "mAP/val-trained-labels", m->step, m->map_trained, &rc, err);
	scalar(r, "mAP/val-other-labels", m->step, m->map_untrained, &rc, err);
	return rc == 0 ? adds_events_flush(r->events, err) : rc;
}

int
adds_journal_note(struct adds_run *r, const char *event, const char *text, struct adds_error *err)
{
	cJSON *line = cJSON_CreateObject();

	cJSON_AddStringToObject(line, "event", event);
	cJSON_AddStringToObject(line, "text", text);
	return log_line(r, line, err);
}

int
adds_journal_read(const struct adds_run *r, adds_journal_fn *fn, void *ctx, struct adds_error *err)
{
	char *path = adds_run_path(r, "log.jsonl", err), *text, *line, *end;
	size_t n, number = 1;
	int rc = 0;

	text = path ? adds_read_file(path, LOG_LIMIT, &n, err) : NULL;
	free(path);
	if (!text)
		return err->code;
	for (line = text; rc == 0 && (end = strchr(line, '\n')); line = end + 1, number++) {
		cJSON *json;

		*end = '\0';
		if ((json = cJSON_Parse(line)))
			fn(ctx, json);
		else
			rc = adds_fail(err, ADDS_EFORMAT, "'%s/log.jsonl': line %zu is no JSON", r->dir, number);
		cJSON_Delete(json);
	}
	free(text);
	return rc;
}

double
adds_journal_number(const cJSON *line, const char *key)
{
	const cJSON *x = cJSON_GetObjectItemCaseSensitive(line, key);

	return cJSON_IsNumber(x) ? x->valuedouble : NAN;
}

const char *
adds_journal_text(const cJSON *line, const char *key)
{
	const cJSON *x = cJSON_GetObjectItemCaseSensitive(line, key);

	return cJSON_IsString(x) ? x->valuestring : "";
}
