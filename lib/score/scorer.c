/* SPDX-License-Identifier: MIT
 * scorer.c - scores by CLIP alone or by a checkpoint */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scorer.h"

enum {
	TOKENS,
	Z0,
	LOGITS,
	TILES,
	WORKS,
};

struct adds_scorer {
	struct backend *b;
	const struct adds_texts *texts;
	struct adds_scorer_options options;
	struct adds_decoder *decoder; /* these three NULL or 0: zero-shot */
	struct adds_ridge *ridge;
	struct adds_ridge_scorer *ridge_scorer;
	int looks; /* as it is, does the decoder's visual branch look at labels? */
	int blended;
	struct adds_blend blend;
	char model[80];
	char id[65], summary[256];
	void *labels;     /* device f32 [L, D] unit rows */
	void *scaled;     /* the same × √D */
	void *context;    /* device f32 [Lc, D] × √D, or NULL */
	void *gate;       /* device f32 [L], or NULL */
	uint8_t *trained; /* [L], or NULL: not known */
	struct {          /* device memory of one run, grown on demand */
		void *p;
		size_t bytes;
	} work[WORKS];
	int64_t most;        /* pictures at once since memory was short; 0: it never was */
	float *ridge_logits; /* host [n, L] of a blend */
	int64_t ridge_room;
};

static int
upload(struct backend *b, void **p, const float *x, size_t n, float scale, struct adds_error *err)
{
	float *scaled = malloc((n + 1) * sizeof(*scaled));
	size_t i;
	int rc;

	if (!scaled)
		return adds_fail(err, ADDS_ENOMEM, "out of memory for %zu numbers", n);
	for (i = 0; i < n; i++)
		scaled[i] = x[i] * scale;
	if ((rc = b->ops->alloc(b, p, n * sizeof(*scaled), err)) == 0)
		rc = b->ops->put(b, *p, scaled, n * sizeof(*scaled), err);
	free(scaled);
	return rc;
}

/* the labels that the checkpoint was trained on, and how far all others are from them */
static int
set_gate(struct adds_scorer *s, const struct adds_vocab *trained, const float *trained_texts, struct adds_error *err)
{
	float *gate = malloc(((size_t)s->texts->n + 1) * sizeof(*gate));
	int rc;

	if (!gate)
		return adds_fail(err, ADDS_ENOMEM, "out of memory for %lld labels", (long long)s->texts->n);
	adds_gate(gate, s->texts->vocab, s->texts->embedding, trained, trained_texts, s->texts->width);
	rc = upload(s->b, &s->gate, gate, (size_t)s->texts->n, 1, err);
	free(gate);
	return rc;
}

/* adds the labels that a part of the checkpoint was trained on: by name, or those of mask [L] */
static int
set_trained(struct adds_scorer *s, const struct adds_vocab *names, const uint8_t *mask, struct adds_error *err)
{
	int64_t k;

	if (!s->trained && !(s->trained = calloc((size_t)s->texts->n + 1, 1)))
		return adds_fail(err, ADDS_ENOMEM, "out of memory for %lld labels", (long long)s->texts->n);
	for (k = 0; k < s->texts->n; k++) {
		const char *name = adds_vocab_name(s->texts->vocab, (size_t)k);

		s->trained[k] |= mask ? mask[k] : adds_vocab_find(names, name, strlen(name)) >= 0;
	}
	return 0;
}

static int
open_decoder(struct adds_scorer *s, const struct adds_message *m, struct adds_error *err)
{
	const struct adds_texts *c = s->options.context;
	struct adds_vocab *trained = NULL;
	float *trained_texts = NULL;
	const struct adds_decoder_config *config;
	int rc = 0;

	if (!(s->decoder = adds_decoder_from_message(s->b, m, &trained, &trained_texts, err)))
		return err->code;
	config = adds_decoder_config(s->decoder);
	if (config->width != s->texts->width)
		rc = adds_fail(err, ADDS_EMISMATCH, "it is for embeddings of width %d, the label stream's have %d", config->width,
		               s->texts->width);
	if (rc == 0 && c && c->width != s->texts->width)
		rc = adds_fail(err, ADDS_EMISMATCH, "the context labels have width %d, the others %d", c->width, s->texts->width);
	if (rc == 0 && config->prior && trained && config->layers)
		rc = set_gate(s, trained, trained_texts, err);
	if (rc == 0 && trained && config->layers)
		rc = set_trained(s, trained, NULL, err);
	if (rc == 0 && c)
		rc = upload(s->b, &s->context, c->embedding, (size_t)(c->n * c->width), sqrtf((float)c->width), err);
	snprintf(s->summary, sizeof(s->summary), "decoder; layers: %d, heads: %d%s, labels trained: %zu", config->layers,
	         config->heads, config->prior ? ", zero-shot prior" : "", trained ? adds_vocab_size(trained) : (size_t)0);
	adds_vocab_free(trained);
	free(trained_texts);
	s->looks = config->layers > 1 && !config->no_visual_update;
	if (s->options.no_visual_update)
		adds_decoder_freeze_visual(s->decoder);
	return rc;
}

static int
open_ridge(struct adds_scorer *s, const struct adds_message *m, struct adds_error *err)
{
	if (!(s->ridge = adds_ridge_from_message(m, err)))
		return err->code;
	if (s->ridge->D != s->texts->width)
		return adds_fail(err, ADDS_EMISMATCH,
		                 "it is for embeddings of width %lld, the label stream's have %d",
		                 (long long)s->ridge->D, s->texts->width);
	if (!(s->ridge_scorer = adds_ridge_scorer_new(s->b, s->ridge, s->texts->vocab, s->texts->embedding, err)))
		return err->code;
	adds_ridge_summary(s->ridge, s->summary, sizeof(s->summary));
	return set_trained(s, NULL, adds_ridge_is_trained(s->ridge_scorer), err);
}

/* a decoder, a ridge, or a blend of both */
static int
open_parts(struct adds_scorer *s, const struct adds_message *m, struct adds_error *err)
{
	const char *method = adds_message_string(m, "method"), *model = adds_message_string(m, "model");
	const int ridge = method && strcmp(method, "ridge") == 0;
	int rc = 0;

	s->blended = method && strcmp(method, "blend") == 0;
	if (model)
		snprintf(s->model, sizeof(s->model), "%s", model);
	if (!ridge && (rc = open_decoder(s, m, err)) < 0)
		return rc;
	if ((ridge || s->blended) && (rc = open_ridge(s, m, err)) < 0)
		return rc;
	if (!s->blended)
		return 0;
	if ((rc = adds_blend_from_message(&s->blend, m, err)) == 0)
		adds_blend_summary(&s->blend, s->summary, sizeof(s->summary));
	return rc;
}

static int
open_checkpoint(struct adds_scorer *s, const char *path, struct adds_error *err)
{
	char *bytes = NULL;
	struct adds_message *m;
	size_t n;
	int rc;

	if (!(m = adds_checkpoint_read(path, &bytes, &n, err)))
		return err->code;
	adds_sha256_hex(s->id, bytes, n);
	if ((rc = open_parts(s, m, err)) < 0)
		adds_fail_in(err, "%s", path);
	adds_message_free(m);
	free(bytes);
	return rc;
}

struct adds_scorer *
adds_scorer_open(struct backend *b, const char *checkpoint, const struct adds_texts *texts,
                 const struct adds_scorer_options *options, struct adds_error *err)
{
	struct adds_scorer *s = calloc(1, sizeof(*s));
	const size_t n = (size_t)(texts->n * texts->width);

	if (!s) {
		adds_fail(err, ADDS_ENOMEM, "out of memory");
		return NULL;
	}
	s->b = b;
	s->texts = texts;
	s->options = *options;
	strcpy(s->id, "zero-shot");
	snprintf(s->summary, sizeof(s->summary), "zero-shot: cosines of %lld %s",
	         (long long)texts->n, ADDS_PLURAL(texts->n, "label", "labels"));
	if (upload(b, &s->labels, texts->embedding, n, 1, err) < 0 ||
	    upload(b, &s->scaled, texts->embedding, n, sqrtf((float)texts->width), err) < 0 ||
	    (checkpoint && open_checkpoint(s, checkpoint, err) < 0)) {
		adds_scorer_close(s);
		return NULL;
	}
	return s;
}

void
adds_scorer_close(struct adds_scorer *s)
{
	int i;

	if (!s)
		return;
	adds_decoder_free(s->decoder);
	adds_ridge_scorer_free(s->ridge_scorer);
	adds_ridge_free(s->ridge);
	free(s->ridge_logits);
	free(s->trained);
	s->b->ops->release(s->b, s->labels);
	s->b->ops->release(s->b, s->scaled);
	s->b->ops->release(s->b, s->context);
	s->b->ops->release(s->b, s->gate);
	for (i = 0; i < WORKS; i++)
		s->b->ops->release(s->b, s->work[i].p);
	free(s);
}

const char *
adds_scorer_id(const struct adds_scorer *s)
{
	return s->id;
}

enum adds_score_kind
adds_scorer_kind(const struct adds_scorer *s)
{
	return s->decoder || s->ridge ? ADDS_SCORE_LOGIT : ADDS_SCORE_SIMILARITY;
}

int
adds_scorer_calibrated(const struct adds_scorer *s)
{
	return s->ridge != NULL;
}

int
adds_scorer_looks_at_labels(const struct adds_scorer *s)
{
	return s->looks && (!s->blended || s->blend.trained > 0 || s->blend.untrained > 0);
}

enum precision
adds_scorer_precision(const struct adds_scorer *s)
{
	return s->decoder ? backend_precision(s->b, s->options.precision) : PREC_F32;
}

const uint8_t *
adds_scorer_trained(const struct adds_scorer *s)
{
	return s->trained;
}

const char *
adds_scorer_model(const struct adds_scorer *s)
{
	return *s->model ? s->model : NULL;
}

const char *
adds_scorer_summary(const struct adds_scorer *s)
{
	return s->summary;
}

/* n floats of working memory */
static int
grow(struct adds_scorer *s, int which, int64_t n, struct adds_error *err)
{
	const size_t bytes = (size_t)n * sizeof(float);
	int rc;

	if (bytes <= s->work[which].bytes)
		return 0;
	s->b->ops->release(s->b, s->work[which].p);
	s->work[which].p = NULL;
	s->work[which].bytes = 0;
	if ((rc = s->b->ops->alloc(s->b, &s->work[which].p, bytes, err)) == 0)
		s->work[which].bytes = bytes;
	return rc;
}

static int
make_room(struct adds_scorer *s, const struct adds_bag *bag, struct adds_error *err)
{
	int rc;

	if ((rc = grow(s, TOKENS, bag->rows * bag->width, err)) < 0 ||
	    (rc = grow(s, Z0, bag->n * s->texts->n, err)) < 0)
		return rc;
	return grow(s, LOGITS, bag->n * s->texts->n, err);
}

/* by itself, or as a decoder's prior */
static int
reads_zero_shot(const struct adds_scorer *s)
{
	return !s->decoder || adds_decoder_config(s->decoder)->prior || adds_decoder_config(s->decoder)->layers == 0;
}

int
adds_scorer_reads(const struct adds_scorer *s)
{
	return !s->ridge && reads_zero_shot(s);
}

static int
run_decoder(struct adds_scorer *s, struct mat logits, struct mat tokens, struct mat z0, const struct adds_bag *bag,
            struct adds_error *err)
{
	const int64_t D = bag->width;
	struct adds_decoder_batch x = { 0 };
	int rc;

	x.labels = mat_of(s->scaled, DT_F32, s->texts->n, D);
	if (s->context)
		x.context = mat_of(s->context, DT_F32, s->options.context->n, D);
	x.tokens = tokens;
	x.pictures = (struct segs){ bag->n, bag->at };
	x.gate = s->gate;
	x.labels_version = 1;
	if (reads_zero_shot(s))
		x.z0 = z0;
	if ((rc = s->b->ops->axpby(s->b, tokens, 0, tokens, sqrtf((float)D), err)) < 0)
		return rc;
	return adds_decoder_forward(s->decoder, logits, &x, s->options.precision, err);
}

/* the ridge reads tiles alone: their rows, side by side */
static int
run_ridge(struct adds_scorer *s, float *logits, struct mat tokens, const struct adds_bag *bag, struct adds_error *err)
{
	const int64_t rows = bag->read_at[bag->n];
	struct mat tiles;
	int rc;

	if ((rc = grow(s, TILES, rows * bag->width, err)) < 0)
		return rc;
	tiles = mat_of(s->work[TILES].p, DT_F32, rows, bag->width);
	if ((rc = s->b->ops->gather(s->b, tiles, tokens, bag->read, err)) < 0)
		return rc;
	return adds_ridge_run(s->ridge_scorer, NULL, logits, tiles, (struct segs){ bag->n, bag->read_at }, err);
}

static int
ridge_room(struct adds_scorer *s, int64_t n, struct adds_error *err)
{
	if (n <= s->ridge_room)
		return 0;
	free(s->ridge_logits);
	s->ridge_logits = malloc((size_t)(n * s->texts->n + 1) * sizeof(float));
	s->ridge_room = s->ridge_logits ? n : 0;
	return s->ridge_logits ? 0 : adds_fail(err, ADDS_ENOMEM, "out of memory for the scores of %lld pictures", (long long)n);
}

static int
check_scores(const struct adds_scorer *s, const float *scores, int64_t n, struct adds_error *err)
{
	int64_t i;

	for (i = 0; i < n; i++)
		if (!isfinite(scores[i]))
			return adds_fail(err, ADDS_EFORMAT, "a score of label '%s' is not finite: is the checkpoint damaged?",
			                 adds_vocab_name(s->texts->vocab, (size_t)(i % s->texts->n)));
	return 0;
}

static int
score(struct adds_scorer *s, float *scores, const struct adds_bag *bag, struct adds_error *err)
{
	const int64_t D = bag->width, L = s->texts->n;
	struct mat tokens, labels, z0, logits;
	int rc;

	if ((rc = make_room(s, bag, err)) < 0)
		return rc;
	tokens = mat_of(s->work[TOKENS].p, DT_F32, bag->rows, D);
	labels = mat_of(s->labels, DT_F32, L, D);
	z0 = mat_of(s->work[Z0].p, DT_F32, bag->n, L);
	logits = mat_of(s->work[LOGITS].p, DT_F32, bag->n, L);
	if ((rc = s->b->ops->put(s->b, tokens.p, bag->tokens, (size_t)(bag->rows * D) * sizeof(float), err)) < 0)
		return rc;
	if (s->ridge && !s->decoder)
		return (rc = run_ridge(s, scores, tokens, bag, err)) < 0 ? rc : check_scores(s, scores, bag->n * L, err);
	if (s->blended && ((rc = ridge_room(s, bag->n, err)) < 0 || (rc = run_ridge(s, s->ridge_logits, tokens, bag, err)) < 0))
		return rc;
	if ((reads_zero_shot(s) &&
	     (rc = adds_zero_shot(s->b, z0, tokens, bag->read, (struct segs){ bag->n, bag->read_at }, labels, 1, err)) < 0) ||
	    (s->decoder && (rc = run_decoder(s, logits, tokens, z0, bag, err)) < 0) ||
	    (rc = s->b->ops->get(s->b, scores, s->decoder ? logits.p : z0.p, (size_t)(bag->n * L) * sizeof(float), err)) < 0)
		return rc;
	if (s->blended)
		adds_blend_run(scores, scores, s->ridge_logits, adds_ridge_is_trained(s->ridge_scorer), bag->n, L, &s->blend);
	return check_scores(s, scores, bag->n * L, err);
}

/* gives working memory back to the device */
static void
shrink(struct adds_scorer *s)
{
	int i;

	for (i = 0; i < WORKS; i++) {
		s->b->ops->release(s->b, s->work[i].p);
		s->work[i].p = NULL;
		s->work[i].bytes = 0;
	}
	if (s->decoder)
		adds_decoder_shrink(s->decoder);
}

static int
halves(struct adds_scorer *s, float *scores, const struct adds_bag *bag, struct adds_error *err)
{
	const int64_t half = bag->n / 2;
	int64_t first;
	int rc = 0;

	for (first = 0; rc == 0 && first < bag->n; first = first ? bag->n : half) {
		struct adds_bag part;

		if ((rc = adds_bag_part(&part, bag, first, first ? bag->n - half : half, err)) == 0)
			rc = adds_scorer_run(s, scores + first * s->texts->n, &part, err);
		adds_bag_release(&part);
	}
	return rc;
}

int
adds_scorer_run(struct adds_scorer *s, float *scores, const struct adds_bag *bag, struct adds_error *err)
{
	const int rc = score(s, scores, bag, err);

	if (rc != ADDS_ENOMEM || bag->n < 2 || !s->b->memory)
		return rc;
	shrink(s);
	s->most = bag->n - bag->n / 2;
	return halves(s, scores, bag, err);
}

int64_t
adds_scorer_most(const struct adds_scorer *s)
{
	return s->most;
}
