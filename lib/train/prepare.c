/* SPDX-License-Identifier: MIT
 * prepare.c - what a training needs before its first step */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "train.h"

static void
note_untrainable(struct adds_trainer *t, const char *label)
{
	const size_t n = strlen(t->untrainable_names);

	if (t->untrainable++ < 3)
		snprintf(t->untrainable_names + n, sizeof(t->untrainable_names) - n, "%s'%.70s'", n ? ", " : "", label);
}

/* A label is trained on unless it is held out, or nothing can be learnt of it:
 * it lacks a known positive or a known negative among the training pictures. */
static void
choose(struct adds_trainer *t, const struct adds_vocab *holdout, const int64_t *positives, const int64_t *negatives)
{
	int64_t k;

	for (k = 0; k < t->texts->n; k++) {
		const char *label = adds_vocab_name(t->texts->vocab, (size_t)k);

		if (!t->train->map.known[k])
			continue;
		if (holdout && adds_vocab_find(holdout, label, strlen(label)) >= 0) {
			t->held_out++;
		} else if (positives[k] == 0 || negatives[k] == 0) {
			note_untrainable(t, label);
		} else {
			t->is_trained[k] = 1;
			t->trained[t->ntrained++] = (int32_t)k;
		}
	}
}

static int
keep_trained(struct adds_trainer *t, struct adds_error *err)
{
	const size_t D = (size_t)t->texts->width;
	int64_t k;

	t->trained_vocab = adds_vocab_new();
	t->trained_texts = malloc(((size_t)t->ntrained * D + 1) * sizeof(float));
	if (!t->trained_vocab || !t->trained_texts)
		return adds_fail(err, ADDS_ENOMEM, "out of memory");
	for (k = 0; k < t->ntrained; k++) {
		const char *label = adds_vocab_name(t->texts->vocab, (size_t)t->trained[k]);
		const int64_t row = adds_vocab_add(t->trained_vocab, label, strlen(label), err);

		if (row < 0)
			return (int)row;
		memcpy(t->trained_texts + (size_t)k * D, t->texts->embedding + (size_t)t->trained[k] * D, D * sizeof(float));
	}
	return 0;
}

static int
choose_labels(struct adds_trainer *t, const struct adds_vocab *holdout, struct adds_error *err)
{
	const size_t L = (size_t)t->texts->n;
	int64_t *count = malloc(2 * L * sizeof(*count));

	t->trained = malloc(L * sizeof(*t->trained));
	t->is_trained = calloc(L, 1);
	if (!count || !t->trained || !t->is_trained) {
		free(count);
		return adds_fail(err, ADDS_ENOMEM, "out of memory");
	}
	adds_dataset_count(t->train, t->train_list, t->ntrain, count, count + L);
	choose(t, holdout, count, count + L);
	free(count);
	if (t->ntrained == 0)
		return adds_fail(
			err, ADDS_EMISMATCH,
			"no label has a known positive and a known negative among the %lld training pictures: nothing can be learnt from them",
			(long long)t->ntrain);
	return keep_trained(t, err);
}

/* what ranks need to know of each other's pieces */
static int
make_pieces(struct adds_trainer *t, struct adds_error *err)
{
	const size_t ranks = (size_t)adds_ranks_size(t->o.ranks), rows = (size_t)t->o.rows, L = (size_t)t->texts->n;

	t->chunk_room = (int64_t)(rows > L ? rows : L);
	t->chunk = adds_ranks_first(t->o.ranks) ? NULL : malloc((size_t)t->chunk_room * sizeof(*t->chunk));
	t->chunk_at = malloc((ranks + 1) * sizeof(*t->chunk_at));
	t->piece = malloc((ranks + 1) * sizeof(*t->piece));
	t->piece_loss = malloc(ranks * sizeof(*t->piece_loss));
	if ((!t->chunk && !adds_ranks_first(t->o.ranks)) || !t->chunk_at || !t->piece || !t->piece_loss)
		return adds_fail(err, ADDS_ENOMEM, "out of memory");
	return 0;
}

static int
make_arrays(struct adds_trainer *t, struct adds_error *err)
{
	const size_t L = (size_t)t->texts->n, K = (size_t)t->ntrained, n = (size_t)t->o.batch;
	size_t cells;

	if (adds_mul_size(n, K, &cells) || cells > (size_t)1 << 33)
		return adds_fail(err, ADDS_ELIMIT, "a batch of %zu pictures with %zu labels is too large", n, K);
	t->order = malloc((size_t)t->ntrain * sizeof(*t->order));
	t->positive = malloc(K);
	t->columns = malloc(K * sizeof(*t->columns));
	t->rows = malloc(K * sizeof(*t->rows));
	t->column_weight = malloc(K * sizeof(*t->column_weight));
	t->row = malloc(L);
	t->step_target = malloc(cells);
	t->step_weight = malloc(cells * sizeof(float));
	t->step_logits = malloc(cells * sizeof(float));
	if (!t->order || !t->positive || !t->columns || !t->rows || !t->column_weight || !t->row || !t->step_target ||
	    !t->step_weight || !t->step_logits)
		return adds_fail(err, ADDS_ENOMEM, "out of memory for a batch of %zu pictures with %zu labels", n, K);
	return make_pieces(t, err);
}

static int
single_tokens(const struct adds_trainer *t)
{
	int64_t i;

	for (i = 0; i < t->ntrain; i++)
		if (t->train->item[t->train_list[i]].tokens != 1)
			return 0;
	return 1;
}

static int
make_decoders(struct adds_trainer *t, struct adds_error *err)
{
	struct adds_decoder_config *c = &t->o.decoder;
	const struct adds_decoder_config zero = { .width = t->texts->width, .heads = 1, .ff = t->texts->width, .prior = 1 };
	const float scale = (float)t->o.prior_scale, bias = (float)t->o.prior_bias;
	int rc;

	c->width = t->texts->width;
	if (c->width % c->heads)
		return adds_fail(err, ADDS_EARG, "--heads %d does not divide the features' width, %d", c->heads, c->width);
	if (!c->ff)
		c->ff = 4 * c->width;
	if (c->prior < 0)
		c->prior = single_tokens(t);
	if (!(t->zero = adds_decoder_new(t->b, &zero, err)) || !(t->decoder = adds_decoder_new(t->b, c, err)))
		return err ? err->code : ADDS_ENOMEM;
	if ((rc = adds_decoder_init(t->zero, t->o.init, t->o.seed, scale, bias, err)) < 0)
		return rc;
	return adds_decoder_init(t->decoder, t->o.init, t->o.seed, scale, bias, err);
}

/* What the run is trained on, and its split, in one word. */
static int
digest_data(struct adds_trainer *t, struct adds_error *err)
{
	const size_t cells = (size_t)t->texts->n * (size_t)t->texts->width;
	char vocab[65];
	int rc;

	if ((rc = adds_vocab_hash(t->texts->vocab, vocab, err)) < 0)
		return rc;
	snprintf(t->data, sizeof(t->data), "%s %s %.16s %016llx %016llx %016llx", t->train->digest,
	         t->val ? t->val->digest : "-", vocab,
	         (unsigned long long)XXH3_64bits(t->texts->embedding, cells * sizeof(float)),
	         (unsigned long long)XXH3_64bits(t->train_list, (size_t)t->ntrain * sizeof(*t->train_list)),
	         (unsigned long long)XXH3_64bits(t->is_trained, (size_t)t->texts->n));
	return 0;
}

static void
make_schedule(struct adds_trainer *t)
{
	const int64_t steps = (t->ntrain + t->o.batch - 1) / t->o.batch;

	t->schedule.kind = t->o.schedule;
	t->schedule.steps = steps * t->o.epochs;
	t->schedule.warmup = t->o.warmup;
}

/* Half of the device's memory may hold features, those that are trained on first. */
static int
keep_features(struct adds_trainer *t, struct adds_error *err)
{
	const size_t limit = t->b->memory / 2;
	const int64_t train = adds_batch_keep(&t->batch, t->train, limit, err);
	const int64_t val = train < 0 || !t->val ? train : adds_batch_keep(&t->batch, t->val, limit - (size_t)train, err);

	t->kept_bytes = val < 0 || !t->val ? train : train + val;
	return val < 0 ? (int)val : 0;
}

int
adds_trainer_init(struct adds_trainer *t, struct backend *b, const struct adds_texts *texts,
                  const struct adds_train_options *options, struct adds_dataset *train, int64_t *train_list,
                  int64_t ntrain, struct adds_dataset *val, int64_t *val_list, int64_t nval,
                  const struct adds_vocab *holdout, struct adds_error *err)
{
	int rc;

	memset(t, 0, sizeof(*t));
	t->b = b;
	t->texts = texts;
	t->o = *options;
	t->at_once = options->rows;
	t->train = train;
	t->train_list = train_list;
	t->ntrain = ntrain;
	t->val = val;
	t->val_list = val_list;
	t->nval = nval;
	t->saved_at = 0;
	if (t->o.accumulate == 0)
		t->o.accumulate = adds_ranks_size(t->o.ranks);
	if (ntrain == 0)
		return adds_fail(err, ADDS_EMISMATCH, "%s: no labelled picture to train on", adds_reader_name(train->reader));
	if (t->o.batch > ntrain)
		t->o.batch = ntrain;
	if ((rc = choose_labels(t, holdout, err)) < 0 || (rc = make_arrays(t, err)) < 0 ||
	    (rc = make_decoders(t, err)) < 0 ||
	    (rc = adds_optimizer_init(&t->optimizer, t->decoder, b, &t->o.optimizer, err)) < 0 ||
	    (rc = adds_sampler_init(&t->sampler, t->ntrained, t->o.budget, t->o.seed, err)) < 0 ||
	    (rc = adds_accumulator_init(&t->accumulator, t->decoder, b, t->o.ranks, t->o.accumulate, err)) < 0)
		return rc;
	make_schedule(t);
	if ((rc = digest_data(t, err)) < 0)
		return rc;
	if ((rc = adds_batch_init(&t->batch, b, texts, err)) < 0)
		return rc;
	return keep_features(t, err);
}

static void
free_arrays(struct adds_trainer *t)
{
	free(t->train_list);
	free(t->val_list);
	free(t->trained);
	free(t->is_trained);
	free(t->trained_texts);
	free(t->order);
	free(t->positive);
	free(t->columns);
	free(t->rows);
	free(t->column_weight);
	free(t->row);
	free(t->step_target);
	free(t->step_weight);
	free(t->step_logits);
	free(t->scores);
	free(t->val_target);
	free(t->ap);
	free(t->chunk);
	free(t->chunk_at);
	free(t->piece);
	free(t->piece_loss);
}

void
adds_trainer_release(struct adds_trainer *t)
{
	if (!t->b)
		return;
	adds_accumulator_release(&t->accumulator);
	adds_optimizer_release(&t->optimizer);
	adds_decoder_free(t->decoder);
	adds_decoder_free(t->zero);
	adds_ridge_free(t->ridge);
	adds_sampler_release(&t->sampler);
	adds_batch_release(&t->batch);
	adds_room_release(t->b, &t->gate);
	adds_room_release(t->b, &t->logits);
	adds_room_release(t->b, &t->dlogits);
	adds_room_release(t->b, &t->target);
	adds_room_release(t->b, &t->weight);
	adds_vocab_free(t->trained_vocab);
	free_arrays(t);
	memset(t, 0, sizeof(*t));
}
