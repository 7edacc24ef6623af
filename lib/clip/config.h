/* SPDX-License-Identifier: MIT
 *
 * config.h - what a model's folder says beside the weights: which file holds
 * them, and open_clip_config.json, config.json, preprocessor_config.json.
 */
#ifndef ADDS_CLIP_CONFIG_H
#define ADDS_CLIP_CONFIG_H

#include "clip.h"
#include "names.h"

struct cJSON; /* cjson/cJSON.h */

/* lines for -v; p may be NULL */
struct adds_clip_notes {
	char *p;
	size_t n, used;
};

#ifdef __GNUC__
__attribute__((format(printf, 2, 3)))
#endif
void
adds_clip_note(struct adds_clip_notes *notes, const char *fmt, ...);

/* what the JSON files say of one tower; -1: nothing */
struct adds_clip_side {
	int heads, head_width;
	int by_width; /* 1: it names a published model (of timm), whose width says how many heads it has */
	int act;      /* enum activation */
	double eps;
	int image_size;
	char refused[160]; /* why this tower cannot be run, or "" */
};

struct adds_clip_json {
	int known; /* 1: a file describes the architecture */
	struct adds_clip_side image, text;
	int no_ln_pre; /* 1: the file says that there is none */
	int causal;    /* text: 1 unless the file says no */
	int last;      /* 1: text is pooled at the last place */
	int eos, pad;  /* token ids; eos -1: the largest id of the text */
	float mean[3], std[3];
	int normalised; /* 1: mean and std are given */
	int pixels;     /* 1: what is not given is the format's default */
	enum adds_fit fit;
	int fit_given;
	enum adds_filter filter;
	int sentencepiece; /* 1: texts are cut by a SentencePiece model (SigLIP), after … */
	enum adds_cleaning cleaning;
	char tokenizer[160]; /* why its text cannot be tokenised, or "" */
};

/* The folder of a model whose path is a folder (1) or a file (0); <0: there is no such path. */
int adds_clip_folder_of(char folder[4096], const char *path, struct adds_error *err);

/* The weight files of a model: path may be a folder or a file. Maps them into w; folder gets the name of the folder. */
int adds_clip_locate(struct adds_weights *w, char folder[4096], const char *path, struct adds_clip_notes *notes,
                     struct adds_error *err);

/* Reads the JSON files of folder that belong to the dialect of the weights. */
int adds_clip_json_read(struct adds_clip_json *j, const char *folder, const struct adds_clip_params *p,
                        struct adds_clip_notes *notes, struct adds_error *err);

/* The families of JSON, one file each; name is for messages. 1: the file describes something else (timm's
 * config.json), nothing is taken from it. */
int adds_clip_json_openclip(struct adds_clip_json *j, const struct cJSON *json, const char *name, struct adds_error *err);
int adds_clip_json_hf(struct adds_clip_json *j, const struct cJSON *json, const char *name, struct adds_error *err);
int adds_clip_json_processor(struct adds_clip_json *j, const struct cJSON *json, const char *name, struct adds_error *err);

/* fields: 0 and *out unchanged where there is none (or null); an error where it is of the wrong kind or out of range */
int adds_json_int(int *out, const struct cJSON *o, const char *key, int least, int most,
                  const char *name, struct adds_error *err);
int adds_json_floats(float *out, int n, const struct cJSON *o, const char *key, const char *name, struct adds_error *err);

#endif
