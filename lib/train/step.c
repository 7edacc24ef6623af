/* SPDX-License-Identifier: MIT
 * step.c - one step: its labels, the gradients of its batch's parts, the optimizer */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "../metric/metrics.h"
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
	t->at_once = (rows > n * K ? rows : n * K) / 2;
	adds_decoder_shrink(t->decoder);
	adds_decoder_shrink(t->zero);
	adds_batch_shrink(&t->batch);
	for (i = 0; i < sizeof(rooms) / sizeof(*rooms); i++)
		adds_room_release(t->b, rooms[i]);
	snprintf(
		text, sizeof(text),
		"the device has no memory for %lld pictures at once: at most %lld rows from now on",
		(long long)n, (long long)t->at_once);
	if (t->watch && t->watch->note)
		t->watch->note(t->watch->to, text);
	return t->run ? adds_journal_note(t->run, "memory", text, err) : 0;
}

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
	return adds_fail(
		err, ADDS_EFORMAT,
		"the %s is no finite number in epoch %lld, step %lld, over the %lld pictures %s%s: lower --lr, or look at their features",
		what, (long long)t->state.epoch + 1, (long long)t->state.step + 1, (long long)n,
		names, n > 4 ? ", ..." : "");
}

/* All gradients of the pictures first … end-1 of a batch of all, in as many passes as their rows ask for; where one
 * failed, *some pictures from *done on. */
static int
passes(struct adds_trainer *t, const int64_t *list, int64_t first, int64_t end, int64_t all,
       double *loss, int64_t *done, int64_t *some, struct adds_error *err)
{
	int rc = adds_optimizer_zero(&t->optimizer, err);

	*loss = 0;
	*done = first;
	*some = 0;
	while (rc == 0 && *done < end) {
		*some = adds_batch_fit(t->train, list + *done, end - *done, t->batch.K, t->at_once);
		if ((rc = pass(t, list, *done, *some, all, loss, err)) == 0)
			*done += *some;
	}
	return rc;
}

/* The gradients of part k alone, and its loss; no gradients where there is no such part. */
static int
part_gradients(struct adds_trainer *t, const int64_t *list, int64_t n, int k, double *loss, struct adds_error *err)
{
	const int parts = t->accumulator.parts;
	const int64_t first = k < parts ? adds_part_begin(n, parts, k) : n,
		      end = k < parts ? adds_part_begin(n, parts, k + 1) : n;
	int64_t done, some;
	int rc;

	while ((rc = passes(t, list, first, end, n, loss, &done, &some, err)) < 0)
		if ((rc = adds_trainer_halve(t, rc, t->train, list + done, some, t->batch.K, err)) < 0)
			break;
	return rc;
}

/* Rank 0 gets the losses and logits of parts k to k+count-1. */
static void
collect_parts(struct adds_trainer *t, int64_t n, int k, int count, double mine, double *loss)
{
	struct adds_ranks *ranks = t->o.ranks;
	const int first = adds_ranks_first(ranks), parts = t->accumulator.parts, me = adds_ranks_rank(ranks);
	const size_t row = (size_t)t->batch.K * sizeof(float);
	const size_t begin = k + me < parts ? (size_t)adds_part_begin(n, parts, k + me) : (size_t)n;
	size_t *at = t->piece;
	int i;

	for (i = 0; i <= adds_ranks_size(ranks); i++)
		at[i] = (size_t)(i < count ? adds_part_begin(n, parts, k + i) : adds_part_begin(n, parts, k + count)) * row;
	adds_ranks_collect(ranks, first ? t->step_logits : NULL, (char *)t->step_logits + begin * row, at);
	for (i = 0; i <= adds_ranks_size(ranks); i++)
		at[i] = (size_t)i * sizeof(double);
	t->piece_loss[0] = mine;
	adds_ranks_collect(ranks, first ? t->piece_loss : NULL, &mine, at);
	for (i = 0; first && i < count; i++)
		*loss += t->piece_loss[i];
}

/* Gradients of the whole batch, on every rank; its loss and logits on rank 0. */
static int
gradients(struct adds_trainer *t, const int64_t *list, int64_t n, double *loss, struct adds_error *err)
{
	const int parts = t->accumulator.parts, size = adds_ranks_size(t->o.ranks);
	int k, rc;

	*loss = 0;
	for (k = 0; k < parts; k += size) {
		const int count = parts - k < size ? parts - k : size;
		double mine;

		rc = part_gradients(t, list, n, k + adds_ranks_rank(t->o.ranks), &mine, err);
		if ((rc = adds_accumulator_add(&t->accumulator, rc, k, count, err)) < 0)
			return rc;
		collect_parts(t, n, k, count, mine, loss);
	}
	return adds_accumulator_finish(&t->accumulator, err);
}

int
adds_trainer_step(struct adds_trainer *t, const int64_t *list, int64_t n, struct adds_step *s, struct adds_error *err)
{
	const int64_t K = draw_labels(t, list, n);
	double loss, factor;
	int i, rc;

	fill_targets(t, list, n, K);
	t->batch.x.gate = NULL;
	if ((rc = adds_batch_labels(&t->batch, t->columns, K, err)) < 0 || (rc = gradients(t, list, n, &loss, err)) < 0)
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
	for (i = 0; i < ADDS_THRESHOLDS && adds_ranks_first(t->o.ranks); i++)
		s->accuracy[i] = adds_accuracy(t->step_logits, t->step_target, NULL, n, K, adds_thresholds[i]);
	return 0;
}
