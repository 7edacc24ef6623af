/* SPDX-License-Identifier: MIT
 *
 * decoder.h - the DM-decoder of ADDS (arXiv 2208.09562): scores of L labels for pictures
 * of T tokens each, forward and backward; initialisation; checkpoint.
 *
 * Knows: stream/, kernels/. Room decoder/.
 */
#ifndef ADDS_DECODER_H
#define ADDS_DECODER_H

#include "../../kernels/kernels.h"

struct adds_message;
struct adds_vocab;
struct cJSON; /* cjson/cJSON.h */

enum adds_init {
	ADDS_INIT_ALIGNED, /* one head, W_q = W_k = W_v = W_o = I, other weights as PyTorch's nn.Linear */
	ADDS_INIT_RANDOM,  /* all as PyTorch's modules start */
};

struct adds_decoder_config {
	int width;  /* D */
	int layers; /* 0: logit = s·z0 + b, needs the prior; no other parameters */
	int heads;
	int ff;               /* width of the feed-forward layer */
	int prior;            /* 1: logit = gate·head(q) + s·z0 + b, s and b trained */
	int no_visual_update; /* 1: v' = v in every layer */
	float dropout;        /* on Drop(q) and after the FFN (the seed's places) */
};

/* one named parameter inside the flat buffer */
struct adds_param {
	char name[96]; /* the seed's name: "decoder.layers.0.norm1.weight" … "final_fc.bias", "prior.scale", "prior.bias" */
	int64_t offset, size;
	int rank;
	int64_t shape[2];
	int decay;   /* 1: weight decay applies (matrices), 0: norms, biases, prior */
	int head;    /* 1: decoder.fc, final_fc, prior: the head's group */
	int trained; /* 0: never gets a gradient (the last layer's visual branch, or all of them without visual update):
	              * leave it out of the optimizer, as PyTorch does with parameters whose gradient is None */
};

struct adds_decoder;

struct adds_decoder *adds_decoder_new(struct backend *b, const struct adds_decoder_config *c, struct adds_error *err);
void adds_decoder_free(struct adds_decoder *d);
/* Gives working memory back to the device; the next pass takes what it needs. */
void adds_decoder_shrink(struct adds_decoder *d);
/* Bytes of device memory that activations and gradients with respect to them take, as the largest pass so far left them. */
int64_t adds_decoder_activations(struct adds_decoder *d);
const struct adds_decoder_config *adds_decoder_config(const struct adds_decoder *d);

/* From now on v' = v in every layer: a label's score no longer depends on its company. */
void adds_decoder_freeze_visual(struct adds_decoder *d);

/* Flat device buffers [size]: weights, and gradients (allocated on first use, zero). Backward adds to the gradients; the
 * caller zeroes them. What evaluation keeps between calls hangs on the weights too: each call of adds_decoder_weights, of
 * adds_decoder_init and of adds_decoder_train_forward drops it, so ask for the pointer anew after writing through it. */
int64_t adds_decoder_size(const struct adds_decoder *d);
float *adds_decoder_weights(struct adds_decoder *d);
float *adds_decoder_gradients(struct adds_decoder *d, struct adds_error *err);
const struct adds_param *adds_decoder_params(const struct adds_decoder *d, size_t *n);

/* scale, bias: start of the prior (at first 20, -6). With prior, final_fc is zero and decoder.fc the identity. */
int adds_decoder_init(struct adds_decoder *d, enum adds_init init, uint64_t seed, float scale, float bias,
                      struct adds_error *err);

/* What one call works on. Everything is device memory except segs' offsets. */
struct adds_decoder_batch {
	struct mat labels;    /* f32 [L, D], unit rows × √D */
	struct mat context;   /* the labels that the visual branch attends to; p NULL: labels themselves */
	struct mat tokens;    /* f32 [ΣT, D], unit rows × √D */
	struct segs pictures; /* which rows are whose */
	struct mat z0;        /* f32 [n, L] zero-shot scores; p NULL without prior */
	const float *gate;    /* f32 [L], or NULL for 1: exp(−d/.1) of labels it was not trained on */
	int labels_version;   /* changes when labels or context do: what hangs on them alone is kept between calls (evaluation) */
};

/* Logits f32 [n, L] for evaluation. */
int adds_decoder_forward(struct adds_decoder *d, struct mat logits, const struct adds_decoder_batch *x, enum precision prec,
                         struct adds_error *err);

/* Forward with dropout (seed, step; picture index p draws at a place that depends on first + p alone) keeping what
 * backward needs; then backward from dlogits: gradients are added to the gradient buffer, pictures summed in order. */
int adds_decoder_train_forward(struct adds_decoder *d, struct mat logits, const struct adds_decoder_batch *x,
                               enum precision prec, uint64_t seed, uint64_t step, int64_t first, struct adds_error *err);
int adds_decoder_backward(struct adds_decoder *d, struct mat dlogits, const struct adds_decoder_batch *x,
                          enum precision prec, struct adds_error *err);

/* A checkpoint is a safetensors file: the parameters under their names, trained.labels (U8, names with a NUL behind each) and
 * trained.texts (F32 [n, D]), and the metadata "adds": a JSON object with "method":"decoder", the configuration under "decoder",
 * and what the caller adds in extra (taken over, may be NULL: model fingerprint, step …; its "method" wins).
 * weights: host [size], or NULL for the device's. trained, trained_texts: both or neither. The file is atomic. */
int adds_decoder_save(struct adds_decoder *d, const char *path, const float *weights, const struct adds_vocab *trained,
                      const float *trained_texts, struct cJSON *extra, struct adds_error *err);
/* The trained labels' names and their unit texts [n, D] (for the gate) come back too, NULL where
 * the file has none; any of the outputs may be NULL. Names may begin with "_orig_mod."; tensors
 * that are none of the decoder's are ignored; what the metadata does not say is inferred from the
 * shapes, except the number of heads. */
struct adds_decoder *adds_decoder_load(struct backend *b, const char *path, struct adds_vocab **trained, float **trained_texts,
                                       struct cJSON **meta, struct adds_error *err);

/* The same into and out of a message that may hold more (a blend's other parts), and such a message as a file. */
int adds_decoder_to_message(struct adds_decoder *d, struct adds_message *m, const float *weights,
                            const struct adds_vocab *trained, const float *trained_texts,
                            struct adds_error *err);
struct adds_decoder *adds_decoder_from_message(struct backend *b, const struct adds_message *m, struct adds_vocab **trained,
                                               float **trained_texts, struct adds_error *err);
/* Puts a checksum of the whole file into its metadata, which reading verifies where it is there. */
int adds_checkpoint_write(struct adds_message *m, const char *path, struct adds_error *err);
/* *bytes: the file, *len (may be NULL) long, which the message's tensors borrow from; free it after the message. */
struct adds_message *adds_checkpoint_read(const char *path, char **bytes, size_t *len, struct adds_error *err);

/* exp(−d/.1), d the cosine distance of each unit text [L, D] to the nearest trained one; 1 for a label whose name is trained and
 * whose text has cosine ≥ 1 − 10⁻⁶ with it (host arrays). */
void adds_gate(float *gate, const struct adds_vocab *labels, const float *texts, const struct adds_vocab *trained,
               const float *trained_texts, int width);

/* ---- zero-shot (zeroshot.c) ---- */
enum adds_read {
	ADDS_READ_CLS,   /* the first tile's CLS */
	ADDS_READ_TILE,  /* best tile's CLS (every token where the stream has no CLS) */
	ADDS_READ_PATCH, /* best token */
};

/* z0[n, L] = scale · the largest product of the label with a token that is read: cosines, where scale makes up for the lengths of
 * both (1 for unit rows, 1/D where both are times √D). tokens device f32 [ΣT, D]; rows: host, which rows of tokens are read, one
 * behind the other, those of picture i at pictures.at[i] … at[i+1]-1 (adds_read_rows, plus the picture's first row); labels
 * device f32 [L, D]. A picture of which nothing is read gets −∞. */
int adds_zero_shot(struct backend *b, struct mat z0, struct mat tokens, const int32_t *rows, struct segs pictures,
                   struct mat labels, float scale, struct adds_error *err);
/* Rows of one picture's tokens that a reading uses, from 0, given its tiles tensor (i32 [ntiles,6];
 * none: every token is a tile of its own) and the stream's token choice ("cls", "patch", "all"):
 * returns how many, written to rows (room for T). Without CLS tokens ADDS_READ_CLS reads the tokens
 * of the first tile. */
int64_t adds_read_rows(int32_t *rows, enum adds_read read, const int32_t *tiles, size_t ntiles, const char *tokens, int64_t T);

#endif
