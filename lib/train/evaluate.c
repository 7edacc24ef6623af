/* SPDX-License-Identifier: MIT
 * evaluate.c - scores of the validation pictures, and what they are worth */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../metric/metrics.h"
#include "train.h"

const double adds_thresholds[ADDS_THRESHOLDS] = { 0.6, 0.7, 0.8, 0.9 };

/* gate of all labels, on the device: exp(-d/.1) of those the decoder is not trained on */
static int
put_gate(struct adds_trainer *t, struct adds_error *err)
{
	const size_t bytes = (size_t)t->texts->n * sizeof(float);
	float *gate = malloc(bytes);
	int rc;

	if (!gate)
		return adds_fail(err, ADDS_ENOMEM, "out of memory");
	adds_gate(gate, t->texts->vocab, t->texts->embedding, t->trained_vocab, t->trained_texts, t->texts->width);
	if ((rc = adds_room_reserve(t->b, &t->gate, bytes, err)) == 0)
		rc = t->b->ops->put(t->b, t->gate.p, gate, bytes, err);
	free(gate);
	return rc;
}

/* what is measured: targets of the validation pictures, and on rank 0 room for their scores */
static int
make_room(struct adds_trainer *t, struct adds_error *err)
{
	const size_t L = (size_t)t->texts->n, n = (size_t)t->nval;
	int64_t i;

	if (t->val_target)
		return 0;
	t->scores = adds_ranks_first(t->o.ranks) ? malloc((n * L + 1) * sizeof(*t->scores)) : NULL;
	t->val_target = malloc(n * L + 1);
	t->ap = malloc((L + 1) * sizeof(*t->ap));
	if ((!t->scores && adds_ranks_first(t->o.ranks)) || !t->val_target || !t->ap)
		return adds_fail(err, ADDS_ENOMEM, "out of memory for %zu scores", n * L);
	for (i = 0; i < t->nval; i++)
		adds_dataset_targets(t->val, t->val_list[i], t->val_target + (size_t)i * L);
	return 0;
}

static int
prepare(struct adds_trainer *t, const struct adds_decoder_config *c, struct adds_error *err)
{
	int rc;

	if ((rc = adds_batch_labels(&t->batch, NULL, 0, err)) < 0)
		return rc;
	t->batch.x.gate = NULL;
	if (c->prior && c->layers) {
		if ((rc = put_gate(t, err)) < 0)
			return rc;
		t->batch.x.gate = t->gate.p;
	}
	return 0;
}

/* Logits of n pictures into out [n, L]; with target [n, L], their loss is added to *loss. */
static int
score(struct adds_trainer *t, struct adds_decoder *d, struct adds_dataset *data, const int64_t *list, int64_t n, float *out,
      const int8_t *target, double *loss, struct adds_error *err)
{
	const int64_t L = t->texts->n;
	const size_t cells = (size_t)(n * L);
	const struct mat none = mat_of(NULL, DT_F32, n, L);
	struct mat logits = none;
	double sum;
	int rc;

	if ((rc = adds_batch_pictures(&t->batch, data, list, n, err)) < 0 ||
	    (adds_decoder_config(d)->prior && (rc = adds_batch_zero_shot(&t->batch, err)) < 0) ||
	    (rc = adds_room_reserve(t->b, &t->logits, cells * sizeof(float), err)) < 0 ||
	    (rc = adds_room_reserve(t->b, &t->target, cells, err)) < 0)
		return rc;
	logits.p = t->logits.p;
	if ((rc = adds_decoder_forward(d, logits, &t->batch.x, t->o.precision, err)) < 0)
		return rc;
	if (target) {
		if ((rc = t->b->ops->put(t->b, t->target.p, target, cells, err)) < 0 ||
		    (rc = t->b->ops->loss(t->b, none, &sum, logits, t->target.p, NULL, 1, &t->o.loss, err)) < 0)
			return rc;
		*loss += sum;
	}
	return t->b->ops->get(t->b, out, logits.p, cells * sizeof(float), err);
}

/* Where the chunks of the ranks begin in the round that starts at picture done, and where they end: as many pictures as
 * one process would score at once. */
static void
deal(struct adds_trainer *t, const struct adds_dataset *data, const int64_t *list, int64_t n, int64_t done)
{
	int i;

	t->chunk_at[0] = done;
	for (i = 0; i < adds_ranks_size(t->o.ranks); i++, done = t->chunk_at[i])
		t->chunk_at[i + 1] = done < n ? done + adds_batch_fit(data, list + done, n - done, t->texts->n, t->o.rows) : n;
}

/* A round's scores and losses come to rank 0; the losses are added in order. */
static void
collect_round(struct adds_trainer *t, float *out, const float *mine, double sum, double *loss)
{
	struct adds_ranks *ranks = t->o.ranks;
	const int first = adds_ranks_first(ranks);
	size_t *at = t->piece;
	int i;

	for (i = 0; i <= adds_ranks_size(ranks); i++)
		at[i] = (size_t)(t->chunk_at[i] * t->texts->n) * sizeof(float);
	adds_ranks_collect(ranks, out, mine, at);
	for (i = 0; i <= adds_ranks_size(ranks); i++)
		at[i] = (size_t)i * sizeof(double);
	t->piece_loss[0] = sum;
	adds_ranks_collect(ranks, first ? t->piece_loss : NULL, &sum, at);
	for (i = 0; first && i < adds_ranks_size(ranks); i++)
		*loss += t->piece_loss[i];
}

/* This rank's chunk: at once, unless the device has no memory for it. */
static int
score_chunk(struct adds_trainer *t, struct adds_decoder *d, struct adds_dataset *data, const int64_t *list, int64_t n, float *out,
            const int8_t *target, double *loss, struct adds_error *err)
{
	const int64_t L = t->texts->n;
	int64_t done = 0, part;
	int rc = 0;

	while (rc == 0 && done < n) {
		part = adds_batch_fit(data, list + done, n - done, L, t->at_once);
		if ((rc = score(t, d, data, list + done, part, out + done * L, target ? target + done * L : NULL, loss, err)) < 0)
			rc = adds_trainer_halve(t, rc, data, list + done, part, L, err);
		else
			done += part;
	}
	return rc;
}

/* Scores pictures in rounds of one chunk a rank. *done, which begins at 0: pictures scored. */
static int
score_round(struct adds_trainer *t, struct adds_decoder *d, struct adds_dataset *data,
            const int64_t *list, int64_t n, int64_t *done, float *out, const int8_t *target,
            double *loss, struct adds_error *err)
{
	const int me = adds_ranks_rank(t->o.ranks);
	const int64_t L = t->texts->n;
	double sum = 0;
	int64_t begin;
	float *mine;
	int rc;

	deal(t, data, list, n, *done);
	begin = t->chunk_at[me];
	mine = me ? t->chunk : out + begin * L;
	rc = score_chunk(t, d, data, list + begin, t->chunk_at[me + 1] - begin, mine,
	                 target ? target + begin * L : NULL, &sum, err);
	if ((rc = adds_ranks_agree(t->o.ranks, rc, NULL, err)) < 0)
		return rc;
	collect_round(t, out, mine, sum, loss);
	*done = t->chunk_at[adds_ranks_size(t->o.ranks)];
	return 0;
}

int
adds_trainer_logits(struct adds_trainer *t, struct adds_decoder *d, struct adds_dataset *data, const int64_t *list, int64_t n,
                    float *out, struct adds_error *err)
{
	double loss = 0;
	int64_t done = 0;
	int rc = prepare(t, adds_decoder_config(d), err);

	while (rc == 0 && done < n)
		rc = score_round(t, d, data, list, n, &done, out, NULL, &loss, err);
	return rc;
}

/* mAP over the labels that are trained on (1) or not (0) */
static double
mean_of(const struct adds_trainer *t, int trained)
{
	double sum = 0;
	int64_t k, n = 0;

	for (k = 0; k < t->texts->n; k++)
		if (!isnan(t->ap[k]) && t->is_trained[k] == trained) {
			sum += t->ap[k];
			n++;
		}
	return n ? sum / (double)n : NAN;
}

static int
measure(struct adds_trainer *t, struct adds_measures *m, struct adds_error *err)
{
	const int64_t L = t->texts->n;
	int64_t rc, k;
	int i;

	rc = adds_mean_ap(&m->map, t->ap, NULL, t->scores, t->val_target, NULL, t->nval, L, t->o.min_positives, ADDS_AP_STEP,
	                  t->b->threads, err);
	if (rc < 0)
		return (int)rc;
	m->measured = rc;
	m->measured_trained = 0;
	for (k = 0; k < L; k++)
		m->measured_trained += !isnan(t->ap[k]) && t->is_trained[k];
	m->map_trained = mean_of(t, 1);
	m->map_untrained = mean_of(t, 0);
	for (i = 0; i < ADDS_THRESHOLDS; i++)
		m->accuracy[i] = adds_accuracy(t->scores, t->val_target, NULL, t->nval, L, adds_thresholds[i]);
	return 0;
}

static void
measure_nothing(struct adds_measures *m)
{
	int i;

	m->measured = m->measured_trained = 0;
	m->val_loss = m->map = m->map_trained = m->map_untrained = NAN;
	for (i = 0; i < ADDS_THRESHOLDS; i++)
		m->accuracy[i] = NAN;
}

int
adds_trainer_evaluate(struct adds_trainer *t, struct adds_decoder *d, struct adds_measures *m, struct adds_error *err)
{
	int64_t done = 0;
	double loss = 0;
	int rc;

	measure_nothing(m);
	if (t->nval == 0)
		return 0;
	if ((rc = make_room(t, err)) < 0 || (rc = prepare(t, adds_decoder_config(d), err)) < 0)
		return rc;
	while (done < t->nval) {
		if ((rc = score_round(t, d, t->val, t->val_list, t->nval, &done, t->scores, t->val_target, &loss, err)) < 0)
			return rc;
		if (t->watch && t->watch->validation)
			t->watch->validation(t->watch->to, done, t->nval);
	}
	if (!adds_ranks_first(t->o.ranks))
		return 0;
	m->val_loss = loss / (double)t->nval;
	return measure(t, m, err);
}

int
adds_trainer_evaluate_by(struct adds_trainer *t, adds_score_fn *fn, void *ctx, struct adds_measures *m, struct adds_error *err)
{
	int rc;

	measure_nothing(m);
	if (t->nval == 0)
		return 0;
	if ((rc = make_room(t, err)) < 0 || (rc = fn(ctx, t, t->val, t->val_list, t->nval, t->scores, err)) < 0)
		return rc;
	return adds_ranks_first(t->o.ranks) ? measure(t, m, err) : 0;
}
