/* SPDX-License-Identifier: MIT
 *
 * clip.h - CLIP's two towers: weights and configuration
 * from a folder, tiles to tokens, token ids to embeddings.
 *
 * Knows: stream/ (JSON), text/, kernels/. Room clip/.
 */
#ifndef ADDS_CLIP_H
#define ADDS_CLIP_H

#include "../../kernels/kernels.h"
#include "../picture/picture.h"
#include "../text/tokenizer.h"

struct adds_clip_options {
	enum precision precision;    /* PREC_AUTO: see backend_precision */
	int image_size;              /* 0: the model's own; else positions are resized (antialiased bicubic) */
	int image_tower, text_tower; /* which towers to prepare; weights of the other are not touched */
	/* what no tensor tells and a folder's JSON may not say: overrides; 0, -1 or NULL: from the configuration */
	int heads, text_heads;
	int activation; /* enum activation, or -1 */
	float eps;
};

struct adds_clip_config {
	int S, P, g, N, D, L, H, M, E; /* image tower */
	int V, C, d, l, h, m;          /* text tower */
	enum activation act, text_act;
	float eps, text_eps;
	int siglip;        /* 1: SigLIP */
	int sentencepiece; /* 1: its texts are cut by a SentencePiece model, after … */
	enum adds_cleaning cleaning;
	float mean[3], std[3];
	enum adds_fit fit; /* what the configuration says: crop ("shortest") or squash; pad when it says nothing */
	int fit_given;     /* 1: the configuration said so */
	enum adds_filter filter;
	float logit_scale; /* the factor exp(tensor); 1 if there is none */
	float logit_bias;
	int has_logit_bias;
	char fingerprint[65]; /* SHA-256 over canonical names, dtypes, shapes, ends, heads, activation, eps */
	char name[128];       /* base name of the folder, for messages only */
};

struct adds_clip;

/* path: a folder (open_clip_model.safetensors, model.safetensors, …) or a
 * weight file whose folder holds the JSON. b must outlive the model. options may be NULL (both towers).
 * notes (may be NULL, size n) gets one line for each thing assumed or chosen, for -v. */
struct adds_clip *adds_clip_open(const char *path, struct backend *b, const struct adds_clip_options *options,
                                 char *notes, size_t n, struct adds_error *err);
void adds_clip_free(struct adds_clip *m);
const struct adds_clip_config *adds_clip_config(const struct adds_clip *m);
const char *adds_clip_folder(const struct adds_clip *m);
enum precision adds_clip_precision(const struct adds_clip *m); /* the one in use */

/* One sentence that names what neither tensors nor a file nor an option say of the model, so that published models' habit
 * was taken, and how to say it; NULL: nothing. Defaults that OpenCLIP's and transformers' formats define are no such thing. */
const char *adds_clip_assumed(const struct adds_clip *m);

/* The configuration alone, without preparing any weight. */
int adds_clip_probe(struct adds_clip_config *c, const char *path, const struct adds_clip_options *options,
                    struct adds_error *err);

enum adds_tokens {
	ADDS_TOKENS_CLS,
	ADDS_TOKENS_PATCH,
	ADDS_TOKENS_ALL, /* CLS first, then patches */
};

/* Tokens that one tile gives: 1, ⌈g/K⌉², or both. */
int adds_clip_tile_tokens(const struct adds_clip *m, enum adds_tokens tokens, int pool);

/* tiles: u8 [n, S, S, 3]. out: f32 [n · tile_tokens, E], unit length: ln_post and
 * projection on every token, windows of pool×pool patches averaged before
 * normalisation. Any n; the bits of a tile do not depend on its company. */
int adds_clip_images(struct adds_clip *m, const uint8_t *tiles, int64_t n, enum adds_tokens tokens, int pool, float *out,
                     struct adds_error *err);

/* Unnormalised tokens of one call, for tests against the reference. */
int adds_clip_images_raw(struct adds_clip *m, const uint8_t *tiles, int64_t n, enum adds_tokens tokens, float *out,
                         struct adds_error *err);

/* ids of n prompts one behind the other, prompt i at at[i] … at[i+1]-1 (host,
 * n + 1 offsets), BOS and EOT included. out: f32 [n, E], unit length if
 * normalise. Computed up to the pooled position only, packed by real length. */
int adds_clip_texts(struct adds_clip *m, const int32_t *ids, const int64_t *at, int64_t n, int normalise, float *out,
                    struct adds_error *err);

#endif
