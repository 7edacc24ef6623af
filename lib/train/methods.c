/* SPDX-License-Identifier: MIT
 * methods.c - the ridge beside the decoder, and the blend of both, as parts of a run */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include "train.h"

enum {
	PICTURE_FOLDS = 3,
	BLEND_PICTURES = 300, /* with fewer pictures to train on the ridge stands alone */
	SELECT_PICTURES = 10000,
	SELECT_LABELS = 512,
	SCORED_AT_ONCE = 1024, /* pictures */
};

/* ---- tiles ---- */

struct tiles {
	struct backend *b;
	struct mat v;   /* [R, D] unit rows */
	int64_t n, *at; /* [n + 1] */
};

static void
tiles_release(struct tiles *s)
{
	if (s->b)
		s->b->ops->release(s->b, s->v.p);
	free(s->at);
}

/* the rows that zero-shot reads of some pictures */
static int
tiles_take(struct tiles *s, struct adds_trainer *t, struct adds_dataset *d, const int64_t *list,
           int64_t n, struct adds_error *err)
{
	const int64_t D = t->texts->width;
	int64_t i, done, part, rows = 0;
	int rc;

	memset(s, 0, sizeof(*s));
	s->b = t->b;
	s->n = n;
	if (!(s->at = calloc((size_t)n + 1, sizeof(*s->at))))
		return adds_fail(err, ADDS_ENOMEM, "out of memory for %lld pictures", (long long)n);
	for (i = 0; i < n; i++)
		s->at[i + 1] = rows += d->item[list[i]].nread;
	s->v = mat_of(NULL, DT_F32, rows, D);
	if ((rc = t->b->ops->alloc(t->b, &s->v.p, (size_t)(rows * D + 1) * sizeof(float), err)) < 0)
		return rc;
	for (done = 0; done < n; done += part) {
		part = adds_batch_fit(d, list + done, n - done, 1, t->at_once);
		if ((rc = adds_batch_pictures(&t->batch, d, list + done, part, err)) < 0 ||
		    (rc = t->b->ops->gather(
			     t->b,
			     mat_part(s->v, s->at[done], s->at[done + part] - s->at[done], 0, D),
			     t->batch.x.tokens, t->batch.read, err)) < 0)
			return rc;
	}
	return t->b->ops->axpby(t->b, s->v, 0, s->v, 1 / sqrtf((float)D), err);
}

/* ---- the ridge ---- */

static uint64_t *
label_hashes(const struct adds_trainer *t)
{
	uint64_t *hash = calloc((size_t)t->texts->n + 1, sizeof(*hash));
	int64_t k;

	for (k = 0; hash && k < t->texts->n; k++) {
		const char *name = adds_vocab_name(t->texts->vocab, (size_t)k);

		hash[k] = XXH64(name, strlen(name), 0);
	}
	return hash;
}

/* A ridge of t's trained labels on t's training pictures; *out NULL: nothing to learn from. 1: told to stop. */
static int
train_ridge(struct adds_ridge **out, struct adds_trainer *t, struct adds_error *err)
{
	const struct adds_ridge_watch watch = { t->watch ? t->watch->to : NULL, t->watch ? t->watch->ridge : NULL,
		                                t->watch ? t->watch->stop : NULL };
	const struct adds_ridge_options o = { t->o.strict_zero_shot, SELECT_PICTURES, SELECT_LABELS, 0, t->b->threads, &watch };
	const int64_t n = t->ntrain, L = t->texts->n;
	struct adds_ridge_data data = { 0 };
	uint64_t *pictures = malloc((size_t)(n + 1) * sizeof(*pictures)), *labels = label_hashes(t);
	int8_t *targets = malloc((size_t)(n * L) + 1);
	struct tiles s = { 0 };
	int64_t i;
	int rc;

	*out = NULL;
	if (!pictures || !labels || !targets) {
		rc = adds_fail(err, ADDS_ENOMEM, "out of memory for %lld pictures", (long long)n);
		goto done;
	}
	if ((rc = tiles_take(&s, t, t->train, t->train_list, n, err)) < 0)
		goto done;
	for (i = 0; i < n; i++) {
		adds_dataset_targets(t->train, t->train_list[i], targets + i * L);
		pictures[i] = t->train->item[t->train_list[i]].hash;
	}
	data.tokens = s.v;
	data.pictures = (struct segs){ n, s.at };
	data.labels = L;
	data.texts = t->texts->embedding;
	data.targets = targets;
	data.may = t->is_trained;
	data.beta = (float)adds_message_number(t->texts->header, "logit_scale", 100);
	data.picture_hash = pictures;
	data.label_hash = labels;
	rc = adds_ridge_train(out, t->b, &data, t->texts->vocab, &o, err);
done:
	tiles_release(&s);
	free(pictures);
	free(labels);
	free(targets);
	return rc;
}

/* calibrated logits of pictures by a ridge, a part at a time */
static int
ridge_logits(const struct adds_ridge *m, struct adds_trainer *t, struct adds_dataset *d,
             const int64_t *list, int64_t n, float *out, uint8_t *trained, struct adds_error *err)
{
	struct adds_ridge_scorer *s = adds_ridge_scorer_new(t->b, m, t->texts->vocab, t->texts->embedding, err);
	int64_t done, part;
	int rc = s ? 0 : err->code;

	for (done = 0; rc == 0 && done < n; done += part) {
		struct tiles tiles;

		part = n - done < SCORED_AT_ONCE ? n - done : SCORED_AT_ONCE;
		if ((rc = tiles_take(&tiles, t, d, list + done, part, err)) == 0)
			rc = adds_ridge_run(s, NULL, out + done * t->texts->n, tiles.v, (struct segs){ part, tiles.at }, err);
		tiles_release(&tiles);
	}
	if (rc == 0 && trained)
		memcpy(trained, adds_ridge_is_trained(s), (size_t)t->texts->n);
	adds_ridge_scorer_free(s);
	return rc;
}

static int
score_by_ridge(void *ctx, struct adds_trainer *t, struct adds_dataset *d, const int64_t *list, int64_t n, float *scores,
               struct adds_error *err)
{
	return ridge_logits(ctx, t, d, list, n, scores, NULL, err);
}

static int
write_as(struct adds_trainer *t, struct adds_message *m, const char *method, const char *name, struct adds_error *err)
{
	const char *model = adds_message_string(adds_reader_header(t->train->reader), "model");
	char *path = adds_run_path(t->run, name, err);
	int rc;

	if (!path)
		return err->code;
	if ((rc = adds_message_set_string(m, "method", method, err)) == 0 &&
	    (!model || (rc = adds_message_set_string(m, "model", model, err)) == 0))
		rc = adds_checkpoint_write(m, path, err);
	free(path);
	return rc;
}

static int
write_ridge(struct adds_trainer *t, const char *name, struct adds_error *err)
{
	struct adds_message *m = adds_message_new();
	int rc = m ? adds_ridge_to_message(t->ridge, m, err) : adds_fail(err, ADDS_ENOMEM, "out of memory");

	if (rc == 0)
		rc = write_as(t, m, "ridge", name, err);
	adds_message_free(m);
	return rc;
}

static int
note(struct adds_trainer *t, const char *event, const char *text, struct adds_error *err)
{
	if (t->watch && t->watch->note)
		t->watch->note(t->watch->to, text);
	return adds_journal_note(t->run, event, text, err);
}

static int
journal_method(struct adds_trainer *t, struct adds_measures *m, const char *method, struct adds_error *err)
{
	int i;

	m->loss = m->labels = NAN;
	for (i = 0; i < ADDS_THRESHOLDS; i++)
		m->train_accuracy[i] = NAN;
	return adds_journal_epoch(t->run, m, method, err);
}

/* is zero-shot, epoch 0, better on the validation pictures? */
static int
zero_shot_wins(const struct adds_trainer *t, const struct adds_measures *m)
{
	return !isnan(m->map) && t->state.best_epoch == 0 && t->state.best_map > m->map;
}

int
adds_trainer_ridge(struct adds_trainer *t, struct adds_error *err)
{
	struct adds_measures m = { 0 };
	char text[512];
	int rc;

	if ((rc = train_ridge(&t->ridge, t, err)) != 0)
		return rc;
	if (!t->ridge)
		return note(t, "ridge", "ridge: too few labelled pictures to learn from", err);
	adds_ridge_summary(t->ridge, text, sizeof(text));
	if ((rc = write_ridge(t, "ridge.safetensors", err)) < 0 ||
	    (rc = adds_trainer_evaluate_by(t, score_by_ridge, t->ridge, &m, err)) < 0 ||
	    (rc = journal_method(t, &m, "ridge", err)) < 0 ||
	    (rc = note(t, "ridge", text, err)) < 0)
		return rc;
	if (zero_shot_wins(t, &m))
		return adds_journal_note(t->run, "best", "zero-shot", err);
	if ((rc = adds_journal_note(t->run, "best", "ridge", err)) < 0)
		return rc;
	return write_ridge(t, "best.safetensors", err);
}

int
adds_trainer_take_ridge(struct adds_trainer *t, struct adds_error *err)
{
	char *path = adds_run_path(t->run, "ridge.safetensors", err), *bytes = NULL;
	struct adds_message *m = NULL;
	int rc = 0;

	if (!path)
		return err->code;
	if (access(path, F_OK) == 0 &&
	    (!(m = adds_checkpoint_read(path, &bytes, NULL, err)) || !(t->ridge = adds_ridge_from_message(m, err))))
		rc = adds_fail_in(err, "%s", path);
	adds_message_free(m);
	free(bytes);
	free(path);
	return rc;
}

int
adds_trainer_finish_ridge(struct adds_trainer *t, struct adds_error *err)
{
	int rc;

	if (!t->ridge)
		return adds_fail(err, ADDS_EARG,
		                 "the ridge has nothing to learn from: it needs 6 labelled pictures, "
		                 "and a label that some of them have and some have not");
	if ((rc = adds_run_sync(t->run, err)) < 0)
		return rc;
	return write_ridge(t, "final.safetensors", err);
}

/* ---- the blend ---- */

struct folds {
	int64_t N, L;
	float *decoder, *ridge; /* [N, L] logits of pictures and labels that neither model saw; like targets and part, rank 0's */
	int8_t *targets;
	int *label;     /* [L] */
	int fold;       /* the one at hand: every third picture from this one on */
	int64_t *b, nb; /* [nb] its pictures */
	float *part;    /* [nb, L] their scores */
};

static int
folds_init(struct folds *f, struct adds_trainer *t, struct adds_error *err)
{
	const size_t cells = (size_t)(t->ntrain * t->texts->n);
	int64_t i;

	memset(f, 0, sizeof(*f));
	f->N = t->ntrain;
	f->L = t->texts->n;
	f->label = calloc((size_t)f->L + 1, sizeof(int));
	f->b = malloc((size_t)(f->N + 1) * sizeof(int64_t));
	if (!f->label || !f->b)
		return adds_fail(err, ADDS_ENOMEM, "out of memory");
	if (!t->run)
		return 0;
	f->decoder = calloc(cells + 1, sizeof(float));
	f->ridge = calloc(cells + 1, sizeof(float));
	f->part = malloc((cells + 1) * sizeof(float));
	f->targets = malloc(cells + 1);
	if (!f->decoder || !f->ridge || !f->part || !f->targets)
		return adds_fail(err, ADDS_ENOMEM, "out of memory for %zu scores", cells);
	for (i = 0; i < f->N; i++)
		adds_dataset_targets(t->train, t->train_list[i], f->targets + i * f->L);
	adds_ridge_label_folds(f->label, t->texts->embedding, t->texts->width, f->targets, f->N, f->L, t->trained, t->ntrained);
	return 0;
}

static void
folds_release(struct folds *f)
{
	free(f->decoder);
	free(f->ridge);
	free(f->part);
	free(f->targets);
	free(f->label);
	free(f->b);
}

/* The labels that fold number p must not be trained on. */
static struct adds_vocab *
held_out(const struct adds_trainer *t, const struct folds *f, int p, struct adds_error *err)
{
	struct adds_vocab *v = adds_vocab_new();
	int64_t k;

	for (k = 0; v && k < f->L; k++) {
		const char *name = adds_vocab_name(t->texts->vocab, (size_t)k);

		if ((!t->is_trained[k] || f->label[k] == p) && adds_vocab_add(v, name, strlen(name), err) < 0) {
			adds_vocab_free(v);
			return NULL;
		}
	}
	if (!v)
		adds_fail(err, ADDS_ENOMEM, "out of memory");
	return v;
}

/* the scores in f->part belong to the pictures f->b */
static void
put_rows(float *to, const struct folds *f)
{
	int64_t i;

	for (i = 0; i < f->nb; i++)
		memcpy(to + (i * PICTURE_FOLDS + f->fold) * f->L, f->part + i * f->L, (size_t)f->L * sizeof(float));
}

/* Rank 0 has the ridge of a fold, and the scores of both; 1: told to stop. */
static int
ridge_of_fold(struct folds *f, struct adds_trainer *t, struct adds_trainer *sub, struct adds_error *err)
{
	struct adds_ridge *ridge = NULL;
	int rc;

	put_rows(f->decoder, f);
	if ((rc = train_ridge(&ridge, sub, err)) == 0 && ridge &&
	    (rc = ridge_logits(ridge, sub, t->train, f->b, f->nb, f->part, NULL, err)) == 0)
		put_rows(f->ridge, f);
	adds_ridge_free(ridge);
	return rc;
}

/* trains on what is not of fold p, in a run's folder of its own, and scores what is; 1: told to stop */
static int
work_fold(struct folds *f, struct adds_trainer *t, struct adds_trainer *sub, struct adds_run *run, struct adds_error *err)
{
	struct adds_watch watch = { 0 };
	struct adds_error why;
	int stopped, older, rc;

	if (t->watch)
		watch = *t->watch;
	watch.epoch = NULL;
	watch.note = NULL;
	if ((rc = adds_trainer_run(sub, run, &watch, 1, &stopped, &older, &why, err)) < 0)
		return rc;
	if (stopped)
		return 1;
	if ((rc = adds_trainer_logits(sub, sub->decoder, t->train, f->b, f->nb, f->part, err)) < 0)
		return rc;
	rc = run ? ridge_of_fold(f, t, sub, err) : 0;
	stopped = rc > 0;
	rc = adds_ranks_agree(t->o.ranks, rc < 0 ? rc : 0, &stopped, err);
	return rc < 0 ? rc : stopped;
}

static char *
fold_name(const struct adds_trainer *t, int p, struct adds_error *err)
{
	char name[24];

	snprintf(name, sizeof(name), "fold-%d", p + 1);
	return adds_run_path(t->run, name, err);
}

static int
do_fold(struct folds *f, struct adds_trainer *t, int p, struct adds_error *err)
{
	struct adds_train_options o = t->o;
	struct adds_trainer sub = { 0 };
	struct adds_run run = { .log = -1 };
	struct adds_vocab *holdout = held_out(t, f, p, err);
	int64_t *a = malloc((size_t)(f->N + 1) * sizeof(*a)), na = 0, i;
	char *dir = t->run ? fold_name(t, p, err) : NULL;
	int rc;

	if (!holdout || !a || (t->run && !dir)) {
		free(a);
		rc = adds_fail(err, ADDS_ENOMEM, "out of memory");
		goto out;
	}
	o.method = ADDS_METHOD_DECODER;
	o.keep_every = 0;
	for (i = f->nb = 0; i < f->N; i++)
		if (i % PICTURE_FOLDS == p)
			f->b[f->nb++] = t->train_list[i];
		else
			a[na++] = t->train_list[i];
	f->fold = p;
	if (t->run && (rc = adds_run_init(&run, dir, access(dir, F_OK) != 0, err)) < 0)
		free(a);
	else if ((rc = adds_trainer_init(&sub, t->b, t->texts, &o, t->train, a, na, NULL, NULL, 0, holdout, err)) == 0) {
		sub.at_once = t->at_once;
		rc = work_fold(f, t, &sub, t->run ? &run : NULL, err);
	}
out:
	adds_trainer_release(&sub);
	adds_run_release(&run);
	adds_vocab_free(holdout);
	free(dir);
	return rc;
}

/* the folders of the folds have served */
static int
drop_folds(struct adds_trainer *t, struct adds_error *err)
{
	int p, rc = 0;

	for (p = 0; rc == 0 && p < PICTURE_FOLDS; p++) {
		struct adds_run run = { .log = -1 };
		char *dir = fold_name(t, p, err), log[4096];

		if (!dir)
			return err->code;
		if (access(dir, F_OK) == 0 && (rc = adds_run_init(&run, dir, 0, err)) == 0) {
			rc = adds_run_clear(&run, err);
			adds_run_release(&run);
			snprintf(log, sizeof(log), "%s/log.jsonl", dir);
			if (rc == 0 && (unlink(log) < 0 || rmdir(dir) < 0))
				rc = adds_fail_errno(err, "cannot remove '%s'", dir);
		}
		free(dir);
	}
	return rc;
}

struct both {
	struct adds_ridge *ridge;
	struct adds_decoder *decoder;
	const struct adds_blend *w;
};

static int
score_by_blend(void *ctx, struct adds_trainer *t, struct adds_dataset *d, const int64_t *list, int64_t n, float *scores,
               struct adds_error *err)
{
	const struct both *m = ctx;
	const size_t cells = (size_t)(n * t->texts->n);
	float *ridge;
	uint8_t *trained;
	int rc = adds_trainer_logits(t, m->decoder, d, list, n, scores, err);

	if (rc < 0 || !t->run)
		return rc;
	ridge = malloc((cells + 1) * sizeof(*ridge));
	trained = malloc((size_t)t->texts->n + 1);
	if (!ridge || !trained)
		rc = adds_fail(err, ADDS_ENOMEM, "out of memory for %zu scores", cells);
	if (rc == 0 && (rc = ridge_logits(m->ridge, t, d, list, n, ridge, trained, err)) == 0)
		adds_blend_run(scores, scores, ridge, trained, n, t->texts->n, m->w);
	free(ridge);
	free(trained);
	return rc;
}

/* the blend as a checkpoint, and as the best unless zero-shot is */
static int
keep_blend(struct adds_trainer *t, const struct adds_blend *w, struct adds_measures *m, struct adds_error *err)
{
	struct adds_message *file = adds_message_new();
	char text[512];
	int rc;

	adds_blend_summary(w, text, sizeof(text));
	if (!file)
		return adds_fail(err, ADDS_ENOMEM, "out of memory");
	if ((rc = journal_method(t, m, "blend", err)) < 0 || (rc = note(t, "blend", text, err)) < 0 ||
	    (rc = adds_decoder_to_message(t->decoder, file, NULL, t->trained_vocab, t->trained_texts, err)) < 0 ||
	    (rc = adds_ridge_to_message(t->ridge, file, err)) < 0 || (rc = adds_blend_to_message(w, file, err)) < 0 ||
	    (rc = write_as(t, file, "blend", "blend.safetensors", err)) < 0)
		goto out;
	if (zero_shot_wins(t, m))
		goto out;
	if ((rc = adds_journal_note(t->run, "best", "blend", err)) == 0)
		rc = write_as(t, file, "blend", "best.safetensors", err);
out:
	adds_message_free(file);
	return rc;
}

/* All ranks train on the folds; what comes of them is rank 0's. 1: told to stop. */
static int
do_folds(struct folds *f, struct adds_trainer *t, struct adds_error *err)
{
	int p, rc = folds_init(f, t, err);

	if ((rc = adds_ranks_agree(t->o.ranks, rc, NULL, err)) < 0)
		return rc;
	adds_ranks_share(t->o.ranks, f->label, (size_t)f->L * sizeof(*f->label));
	for (p = 0; rc == 0 && p < PICTURE_FOLDS; p++)
		rc = do_fold(f, t, p, err);
	return rc;
}

int
adds_trainer_blend(struct adds_trainer *t, struct adds_error *err)
{
	struct adds_blend w = { .loss = t->o.loss };
	struct both both = { t->ridge, t->decoder, &w };
	struct adds_measures m = { .epoch = t->state.epoch, .step = t->state.step };
	struct folds f;
	char text[128];
	int rc;

	if (t->ntrain < BLEND_PICTURES) {
		snprintf(text, sizeof(text), "blend: %lld %s to train on, fewer than %d: the ridge stands alone",
		         (long long)t->ntrain, ADDS_PLURAL(t->ntrain, "picture", "pictures"), BLEND_PICTURES);
		return t->run ? note(t, "blend", text, err) : 0;
	}
	rc = do_folds(&f, t, err);
	if (rc == 0 && t->run)
		rc = adds_blend_choose(&w, f.decoder, f.ridge, f.targets, t->is_trained, f.label, f.N, f.L, t->b->threads, err);
	folds_release(&f);
	if (rc || (rc = adds_trainer_evaluate_by(t, score_by_blend, &both, &m, err)) < 0 || !t->run)
		return rc;
	return (rc = keep_blend(t, &w, &m, err)) < 0 ? rc : drop_folds(t, err);
}
