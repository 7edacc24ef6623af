/* SPDX-License-Identifier: MIT
 *
 * train.h - training the DM-decoder: from a label stream and labelled features
 * to the checkpoints and the log of a run.
 *
 * Epoch 0 of every run is CLIP's zero-shot score, a decoder of no layers.
 *
 * Ranks (ranks.h) make the same calls, each with a trainer of its own over the
 * same data. Rank 0 alone has a run's folder, writes, watches, and fits the
 * ridge; all do their parts of a step and of what is scored.
 *
 * Knows: ridge/, dataset.h, batch.h, sampler.h, schedule.h, optimizer.h, run.h,
 * state.h, accumulate.h, ranks.h, metric/metrics.h. Room train/.
 */
#ifndef ADDS_TRAIN_H
#define ADDS_TRAIN_H

#include "../ridge/blend.h"
#include "accumulate.h"
#include "batch.h"
#include "optimizer.h"
#include "run.h"
#include "sampler.h"
#include "schedule.h"
#include "state.h"

enum adds_method {
	ADDS_METHOD_BOTH, /* ridge, decoder, and their blend */
	ADDS_METHOD_RIDGE,
	ADDS_METHOD_DECODER,
};

struct adds_train_options {
	enum adds_method method;
	int strict_zero_shot;               /* ridge: untrained labels keep CLIP's ranking */
	struct adds_decoder_config decoder; /* width is filled in; ff 0: 4·width; prior -1: where every picture has one token */
	enum adds_init init;
	double prior_scale, prior_bias; /* where the prior starts */
	struct loss_args loss;
	struct adds_optimizer_options optimizer;
	enum adds_schedule_kind schedule;
	double warmup;
	int64_t epochs, batch, budget;
	uint64_t seed;
	enum precision precision;
	int64_t keep_every;       /* keep the checkpoint of every so many epochs; 0: of none */
	double save_every;        /* seconds between states within an epoch */
	int64_t rows;             /* rows of tokens, or of labels, computed at once at most */
	int64_t min_positives;    /* a label with fewer validation positives is not measured */
	int accumulate;           /* parts of a batch, whose gradients are computed apart and added in order; 0: one a rank */
	struct adds_ranks *ranks; /* borrowed; NULL: one process */
};

/* What an epoch came to. NAN where nothing could be measured. */
struct adds_measures {
	int64_t epoch, step;
	double loss;                            /* mean of a training picture; NAN at epoch 0 */
	double labels;                          /* looked at in a step, on average */
	double train_accuracy[ADDS_THRESHOLDS]; /* over the steps of the epoch */
	int64_t measured, measured_trained;     /* labels */
	double val_loss, map, map_trained, map_untrained;
	double accuracy[ADDS_THRESHOLDS];
};

/* What a step came to. */
struct adds_step {
	int64_t epoch, step, steps, in_epoch, epoch_steps;
	double loss, lr, norm;
	int64_t labels;
	double accuracy[ADDS_THRESHOLDS];
};

/* Who watches; any function may be NULL. */
struct adds_watch {
	void *to;
	void (*step)(void *to, const struct adds_step *s);
	void (*epoch)(void *to, const struct adds_measures *m);
	void (*validation)(void *to, int64_t done, int64_t of);
	void (*ridge)(void *to, int64_t done, int64_t of); /* fits of the ridge */
	void (*note)(void *to, const char *text);          /* what a method chose: one line */
	int (*stop)(void *to);                             /* 1: finish the step, write the state, return; a ridge ends
	                          unfinished */
	double (*clock)(void *to);                         /* seconds, for save_every */
};

struct adds_trainer {
	struct backend *b;
	const struct adds_texts *texts;
	struct adds_train_options o;
	struct adds_dataset *train, *val; /* may be the same */
	int64_t *train_list, *val_list;   /* pictures of them */
	int64_t ntrain, nval;

	int32_t *trained; /* [ntrained] rows of the label stream that are trained on */
	int64_t ntrained;
	uint8_t *is_trained; /* [L] */
	int64_t held_out;    /* labels kept out on demand */
	int64_t untrainable; /* labels in common without a known positive and a known negative */
	char untrainable_names[256];
	struct adds_vocab *trained_vocab;
	float *trained_texts; /* [ntrained, D] */

	struct adds_decoder *zero, *decoder;
	struct adds_ridge *ridge; /* NULL: not wanted, nothing to learn from, or not rank 0 */
	int has_ridge;            /* does rank 0 have it? */
	struct adds_optimizer optimizer;
	struct adds_accumulator accumulator;
	struct adds_sampler sampler;
	struct adds_schedule schedule;
	struct adds_batch batch;
	int64_t at_once;    /* o.rows, or less where the device has no memory for as many */
	int64_t kept_bytes; /* of features that stay on the device */
	struct adds_room gate, logits, dlogits, target, weight;
	struct adds_run *run; /* NULL: not rank 0 */
	struct adds_state state;
	const struct adds_watch *watch;
	double saved_at;
	char data[200]; /* digest of all that the run is trained on */

	/* host arrays: the order of the epoch; of a step: labels of P, columns and their weights, targets, weights, logits */
	int64_t *order;
	uint8_t *positive;
	int32_t *columns, *rows;
	float *column_weight;
	int8_t *row, *step_target;
	float *step_weight, *step_logits;
	float *scores;      /* [nval, L], rank 0 */
	int8_t *val_target; /* [nval, L] */
	double *ap;         /* [L] */
	float *chunk;       /* [chunk_room] scores of a chunk, other ranks */
	int64_t chunk_room;
	int64_t *chunk_at;  /* [ranks + 1] pictures at which the ranks' chunks begin */
	size_t *piece;      /* [ranks + 1] bytes at which the ranks' pieces begin */
	double *piece_loss; /* [ranks] */
};

/* Prepares everything: which labels are trained, decoder, optimizer. train and
 * val (the same one with lists of their own, or val NULL with nval 0) are
 * borrowed; the lists are taken over. holdout may be NULL. The caller releases
 * t, also after a failure. */
int adds_trainer_init(struct adds_trainer *t, struct backend *b, const struct adds_texts *texts,
                      const struct adds_train_options *options, struct adds_dataset *train, int64_t *train_list,
                      int64_t ntrain, struct adds_dataset *val, int64_t *val_list, int64_t nval,
                      const struct adds_vocab *holdout, struct adds_error *err);
void adds_trainer_release(struct adds_trainer *t);

/* Trains, from the start, or from the newest state in the run's folder when
 * resume is 1 (without one: from the start). *stopped becomes 1 where watch->stop
 * asked for it, of any rank, and 2 where that was while the ridge learnt, before the first state: a run that goes on begins
 * it anew. older as in adds_state_load. run: NULL on all ranks but
 * rank 0. All ranks fail where one does; ranks->failed says which. */
int adds_trainer_run(struct adds_trainer *t, struct adds_run *run, const struct adds_watch *watch, int resume,
                     int *stopped, int *older, struct adds_error *why, struct adds_error *err);

/* ---- step.c ---- */

/* One step with the pictures list[0 … n-1]. s: rank 0 alone gets loss and accuracy. */
int adds_trainer_step(struct adds_trainer *t, const int64_t *list, int64_t n, struct adds_step *s, struct adds_error *err);

/* After a call over n pictures of d and K labels failed with rc: 0 where it failed for want of
 * device memory and can be tried again, with working memory given back and half as many rows at
 * once from now on, which is noted; else rc. */
int adds_trainer_halve(struct adds_trainer *t, int rc, const struct adds_dataset *d, const int64_t *list, int64_t n, int64_t K,
                       struct adds_error *err);

/* ---- evaluate.c: all ranks make these calls, rank 0 gets what comes of them ---- */

/* Scores the validation pictures with d on all labels, and measures: fills all of m from val_loss on. */
int adds_trainer_evaluate(struct adds_trainer *t, struct adds_decoder *d, struct adds_measures *m, struct adds_error *err);

/* Logits host [n, L] of pictures list[0 … n-1] of data by d. out: NULL on other ranks. */
int adds_trainer_logits(struct adds_trainer *t, struct adds_decoder *d, struct adds_dataset *data, const int64_t *list, int64_t n,
                        float *out, struct adds_error *err);

/* The same measures (no loss) of scores that fn computes into scores [n, L]. */
typedef int adds_score_fn(void *ctx, struct adds_trainer *t, struct adds_dataset *d,
                          const int64_t *list, int64_t n, float *scores, struct adds_error *err);
int adds_trainer_evaluate_by(struct adds_trainer *t, adds_score_fn *fn, void *ctx,
                             struct adds_measures *m, struct adds_error *err);

/* ---- methods.c ---- */

/* Trains the ridge, keeps it as ridge.safetensors, measures it, and makes it
 * the best checkpoint unless zero-shot is better on the validation pictures. 1: told to stop, and nothing of it is written. */
int adds_trainer_ridge(struct adds_trainer *t, struct adds_error *err);

/* Takes ridge.safetensors of a run that goes on. */
int adds_trainer_take_ridge(struct adds_trainer *t, struct adds_error *err);

/* Chooses how much of the decoder and of the ridge, by training both on folds;
 * writes blend.safetensors, and the best. 1: told to stop. */
int adds_trainer_blend(struct adds_trainer *t, struct adds_error *err);

/* The ridge as the run's final checkpoint. */
int adds_trainer_finish_ridge(struct adds_trainer *t, struct adds_error *err);

/* ---- journal.c ---- */

/* What a method chose, and which checkpoint is the best: a line of the log each. */
int adds_journal_note(struct adds_run *r, const char *event, const char *text, struct adds_error *err);

/* One line of the log, and the scalars of the event file. */
int adds_journal_step(struct adds_run *r, const struct adds_step *s, struct adds_error *err);
int adds_journal_epoch(struct adds_run *r, const struct adds_measures *m, const char *method, struct adds_error *err);

/* Calls fn for each line of the log. A number of a line, NAN for none; a text, "" for none. */
typedef void adds_journal_fn(void *ctx, const cJSON *line);
int adds_journal_read(const struct adds_run *r, adds_journal_fn *fn, void *ctx, struct adds_error *err);
double adds_journal_number(const cJSON *line, const char *key);
const char *adds_journal_text(const cJSON *line, const char *key);

extern const double adds_thresholds[ADDS_THRESHOLDS];

#endif
