/* SPDX-License-Identifier: MIT
 *
 * prompts.h - labels to prompts, prompts to token ids, ids to one embedding a
 * label: what a label stream holds.
 *
 * Knows: stream/, label/, text/, clip.h. Room clip/.
 */
#ifndef ADDS_PROMPTS_H
#define ADDS_PROMPTS_H

#include "../label/vocab.h"
#include "clip.h"

#define ADDS_TEMPLATE "This photo contains {label}"

struct adds_prompt_options {
	const char *const *templates; /* "{label}" or "{}" in them becomes the label; NULL: ADDS_TEMPLATE */
	size_t ntemplates;
	int keep_underscores; /* else they become spaces in prompts that templates make */
	enum adds_specials specials;
};

/* The prompts of label i are text[first[i]] … text[first[i + 1] − 1]; their ids
 * (BOS and EOT included) stand one behind the other, those of prompt k at
 * ids[at[k]] … ids[at[k + 1] − 1]. */
struct adds_prompts {
	size_t labels, n;
	size_t *first;                     /* [labels + 1] */
	char **text;                       /* [n] */
	int32_t *ids;                      /* NULL before adds_prompts_tokenize */
	int64_t *at;                       /* [n + 1] */
	size_t truncated, first_truncated; /* prompts longer than the context; the first of them */
};

/* Fills p. own (may be NULL): for a label the prompts that stand for the templates' (see labels.h). The caller
 * releases p, also after a failure. */
int adds_prompts_make(struct adds_prompts *p, const struct adds_vocab *v, char *const *own,
                      const struct adds_prompt_options *options, struct adds_error *err);

/* The tokenizer of the model with this path, a folder or a weight file (NULL: CLIP's own vocabulary). specials counts
 * for nothing where c->sentencepiece is 1. */
struct adds_tokenizer *adds_clip_tokenizer(const struct adds_clip_config *c, const char *path, enum adds_specials specials,
                                           struct adds_error *err);
int adds_prompts_tokenize(struct adds_prompts *p, const struct adds_tokenizer *t, int context, struct adds_error *err);
void adds_prompts_release(struct adds_prompts *p);

/* The embeddings of n labels (their numbers, in any order): out f32 [n, E], unit length; of several prompts the
 * mean of their unit embeddings, made unit again. The bits of a label do not depend on the others. */
int adds_prompts_embed(const struct adds_prompts *p, struct adds_clip *m, const size_t *labels, size_t n, float *out,
                       struct adds_error *err);

/* How many of n labels a call of adds_prompts_embed should take to need little memory: at least one, with at most
 * 2,048 prompts if that is possible. */
size_t adds_prompts_chunk(const struct adds_prompts *p, const size_t *labels, size_t n);

/* All of it for a vocabulary: out f32 [labels, E]. options may be NULL; truncated (may be NULL) gets the number
 * of prompts that were cut to the model's context. */
int adds_labels_embed(float *out, struct adds_clip *m, const struct adds_vocab *v,
                      const struct adds_prompt_options *options, size_t *truncated, struct adds_error *err);

/* The header of a label stream: vocabulary, model, templates, logit_scale, logit_bias. */
struct adds_message *adds_labels_header(const struct adds_clip_config *c, const struct adds_vocab *v,
                                        const struct adds_prompt_options *options, struct adds_error *err);

#endif
