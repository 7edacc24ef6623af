/* SPDX-License-Identifier: MIT
 *
 * model.h - what the parts of the room share: an opened model.
 *
 * Letters: D width of a tower, N tokens of a tile, P side of a patch, S side of
 * a tile, g patches a side, E width of the joint space, M width of a hidden
 * layer, hd width of a head.
 */
#ifndef ADDS_CLIP_MODEL_H
#define ADDS_CLIP_MODEL_H

#include "clip.h"
#include "config.h"
#include "names.h"
#include "weights.h"

/* One transformer block: x += out(attention(ln1 x)); x += proj(act(fc(ln2 x))). Vectors are device f32. */
struct adds_clip_block {
	const float *ln1_w, *ln1_b, *ln2_w, *ln2_b;
	const float *qkv_b, *out_b, *fc_b, *proj_b;
	struct packed *qkv, *out, *fc, *proj;
	int heads, inner, hidden; /* inner = heads · hd; they may differ from block to block (pruned models) */
};

struct adds_clip_tower {
	int ready;
	int D, layers, hd;
	int inner, hidden; /* the largest of its blocks */
	enum activation act;
	float eps;
	struct adds_clip_block *block;
	const float *ln_w, *ln_b; /* ln_post, ln_final */
	struct packed *proj;      /* to E; NULL: none (SigLIP pictures) */
	const float *proj_b;      /* or NULL */
	const float *pos;
	float *vectors; /* device memory of all of the above */
	size_t used, room;
};

/* SigLIP's pooling by attention of one learned query */
struct adds_clip_map {
	struct packed *kv, *out, *fc, *proj;
	const float *query; /* W_q·probe + b_q */
	const float *kv_b, *out_b, *fc_b, *proj_b, *ln_w, *ln_b;
	int heads, hidden;
};

struct adds_clip {
	struct backend *b;
	struct adds_clip_config cfg;
	char folder[4096];
	enum precision precision; /* of products */
	enum dtype type;          /* of what goes between products */
	struct adds_weights weights;
	struct adds_clip_params params;
	struct adds_clip_json json;

	struct adds_clip_tower image;
	struct packed *conv;
	const float *conv_b, *cls, *pre_w, *pre_b; /* NULL: there is none */
	const float *table;                        /* [3, 256]: a byte normalised */
	struct adds_clip_map map;

	struct adds_clip_tower text;
	const struct adds_clip_param *tokens; /* rows are gathered on the host: of the table only what is used is touched */

	char assumed[640]; /* a sentence, or "" */

	void *arena; /* device memory of a call, kept for the next */
	size_t arena_size;
};

/* ---- clip.c ---- */

/* Adds to the sentence of adds_clip_assumed. */
#ifdef __GNUC__
__attribute__((format(printf, 2, 3)))
#endif
void
adds_clip_assume(struct adds_clip *m, const char *fmt, ...);

/* ---- shapes.c: the configuration of a model, from its tensors, its JSON and the options ---- */
int adds_clip_configure(struct adds_clip *m, const struct adds_clip_options *options, struct adds_clip_notes *notes,
                        struct adds_error *err);

/* The tensor of that name; an error names it as the file would, if it is missing or not of that shape (-1: any size). */
const struct adds_clip_param *adds_clip_need(const struct adds_clip *m, struct adds_error *err, const char *name, int rank,
                                             int64_t d0, int64_t d1);

/* ---- fingerprint.c ---- */
int adds_clip_fingerprint(struct adds_clip *m, struct adds_error *err);

/* ---- prepare.c: weights to the device ---- */
int adds_clip_prepare_image(struct adds_clip *m, struct adds_error *err);
int adds_clip_prepare_text(struct adds_clip *m, struct adds_error *err);
void adds_clip_unprepare(struct adds_clip *m);

/* ---- positions.c ---- */

/* Position embeddings of a g0×g0 grid for a g1×g1 grid, D channels: bicubic (a = −0.5), antialiased, as OpenCLIP resizes them. */
int adds_clip_resize_grid(float *out, int g1, const float *in, int g0, int D, struct adds_error *err);

/* ---- blocks.c ---- */

/* Device memory of one call, cut into pieces. */
struct adds_clip_arena {
	char *p;
	size_t size, used;
};
int adds_clip_arena_open(struct adds_clip *m, struct adds_clip_arena *a, size_t bytes, struct adds_error *err);
struct mat adds_clip_arena_mat(struct adds_clip_arena *a, enum dtype t, int64_t rows, int64_t cols);
size_t adds_clip_arena_bytes(enum dtype t, int64_t rows, int64_t cols);

/* the matrices that blocks need for R rows */
struct adds_clip_work { /* memory; what follows x has room for 64 bytes more a row */
	struct mat x;   /* residual stream, f32 [R, D] */
	struct mat y;   /* normalised rows [R, D or inner] */
	struct mat qkv; /* [R, 3·inner] */
	struct mat a;   /* what the heads read [R, inner] */
	struct mat h;   /* hidden layer [R, M] */
};
size_t adds_clip_work_bytes(const struct adds_clip *m, const struct adds_clip_tower *t, int64_t rows);
void adds_clip_work_open(struct adds_clip_work *w, struct adds_clip_arena *a, const struct adds_clip *m,
                         const struct adds_clip_tower *t, int64_t rows);

/* All blocks over w->x. pick NULL: every row goes through, and *out is set to w->x; else (host, one row number for each
 * of s.n segments) the last block computes those rows alone and writes them to *out, f32 [s.n, D]. */
int adds_clip_blocks(struct adds_clip *m, const struct adds_clip_tower *t, struct adds_clip_work *w, struct mat *out,
                     struct segs s, int causal, const int32_t *pick, struct adds_error *err);

/* What one go may take, whatever a call brings: memory for activations, tiles, rows of text. A device of its own
 * memory gets more, because it needs more work at once to be busy. */
struct adds_clip_limits {
	size_t bytes;
	int64_t tiles, rows;
};
struct adds_clip_limits adds_clip_limits(const struct adds_clip *m);

#endif
