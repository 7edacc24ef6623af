/* SPDX-License-Identifier: MIT
 * config.c - the JSON files beside the weights. Sources: open_clip's and
 * transformers' model configurations with their class defaults, which
 * published files leave out. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../stream/record.h"
#include "config.h"

#define MAX_CONFIG (1u << 20)

static const cJSON *
field(const cJSON *o, const char *key)
{
	const cJSON *v = cJSON_GetObjectItemCaseSensitive(o, key);

	return cJSON_IsNull(v) ? NULL : v;
}

static const char *
text_field(const cJSON *o, const char *key)
{
	const cJSON *v = field(o, key);

	return cJSON_IsString(v) ? v->valuestring : NULL;
}

int
adds_json_int(int *out, const cJSON *o, const char *key, int least, int most, const char *name, struct adds_error *err)
{
	const cJSON *v = field(o, key);

	if (!v)
		return 0;
	if (!cJSON_IsNumber(v) || !(v->valuedouble >= least && v->valuedouble <= most) ||
	    v->valuedouble != floor(v->valuedouble))
		return adds_fail(err, ADDS_EFORMAT, "%s: '%s' is not a whole number from %d to %d", name, key, least, most);
	*out = (int)v->valuedouble;
	return 0;
}

int
adds_json_floats(float *out, int n, const cJSON *o, const char *key, const char *name, struct adds_error *err)
{
	const cJSON *v = field(o, key);
	int i;

	if (!v)
		return 0;
	if (!cJSON_IsArray(v) || cJSON_GetArraySize(v) != n)
		return adds_fail(err, ADDS_EFORMAT, "%s: '%s' is not a list of %d numbers", name, key, n);
	for (i = 0; i < n; i++) {
		const cJSON *x = cJSON_GetArrayItem(v, i);

		if (!cJSON_IsNumber(x) || !(fabs(x->valuedouble) <= 1000))
			return adds_fail(err, ADDS_EFORMAT, "%s: '%s[%d]' is not a number in range", name, key, i);
		out[i] = (float)x->valuedouble;
	}
	return 1;
}

static int
read_eps(double *out, const cJSON *o, const char *key, const char *name, struct adds_error *err)
{
	const cJSON *v = field(o, key);

	if (!v)
		return 0;
	if (!cJSON_IsNumber(v) || !(v->valuedouble > 0 && v->valuedouble < 1))
		return adds_fail(err, ADDS_EFORMAT, "%s: '%s' is not a number between 0 and 1", name, key);
	*out = v->valuedouble;
	return 0;
}

/* mean and std; a deviation of 0 could only be a mistake */
static int
read_normalisation(struct adds_clip_json *j, const cJSON *o, const char *mean, const char *std, const char *name,
                   struct adds_error *err)
{
	int a, b, i;

	if ((a = adds_json_floats(j->mean, 3, o, mean, name, err)) < 0 ||
	    (b = adds_json_floats(j->std, 3, o, std, name, err)) < 0)
		return ADDS_EFORMAT;
	for (i = 0; i < 3; i++)
		if (b && !(j->std[i] > 0))
			return adds_fail(err, ADDS_EFORMAT, "%s: '%s[%d]' is not above 0", name, std, i);
	j->normalised |= a && b;
	return 0;
}

static void
refuse(struct adds_clip_side *side, const char *why)
{
	if (!side->refused[0])
		snprintf(side->refused, sizeof(side->refused), "%s", why);
}

/* ---- OpenCLIP ---- */

static int
openclip_side(struct adds_clip_side *s, const cJSON *cfg, int quick, const char *name, struct adds_error *err)
{
	const char *approximate = text_field(field(cfg, "act_kwargs"), "approximate");

	s->act = quick ? ACT_QUICK_GELU : approximate && strcmp(approximate, "tanh") == 0 ? ACT_GELU_TANH
	                                                                                  : ACT_GELU;
	s->eps = 1e-5;
	return read_eps(&s->eps, field(cfg, "norm_kwargs"), "eps", name, err);
}

/* timm's towers say nothing of their layers but a name: what the name stands for is timm's definition. */
static void
openclip_timm(struct adds_clip_side *s, const char *model)
{
	s->head_width = -1;
	s->by_width = 1;
	if (strstr(model, "_clip_")) {
		s->act = ACT_GELU;
		s->eps = 1e-5;
	} else {
		s->act = strncmp(model, "vit_base_patch16_siglip_224", 27) == 0 ? ACT_GELU : -1;
		s->eps = 1e-6;
	}
}

static int
openclip_image(struct adds_clip_json *j, const cJSON *v, int quick, const char *name, struct adds_error *err)
{
	const char *timm = text_field(v, "timm_model_name"), *pool = text_field(v, "pool_type");
	const cJSON *size = field(v, "image_size");
	int rc;

	if ((rc = openclip_side(&j->image, v, quick, name, err)) < 0)
		return rc;
	j->image.head_width = 64;
	if ((rc = adds_json_int(&j->image.head_width, v, "head_width", 1, 4096, name, err)) < 0)
		return rc;
	if (cJSON_IsArray(size) && cJSON_GetArraySize(size) == 2 &&
	    cJSON_GetArrayItem(size, 0)->valuedouble != cJSON_GetArrayItem(size, 1)->valuedouble)
		refuse(&j->image, "its pictures are not square ('vision_cfg.image_size')");
	else if (!cJSON_IsArray(size) && (rc = adds_json_int(&j->image.image_size, v, "image_size", 1, 65536, name, err)) < 0)
		return rc;
	j->no_ln_pre = cJSON_IsTrue(field(v, "no_ln_pre"));
	j->pixels = !timm || !strstr(timm, "siglip"); /* its default for those is another model's */
	if (timm)
		openclip_timm(&j->image, timm);
	else if (pool && strcmp(pool, "tok") != 0)
		refuse(&j->image, "its pictures are pooled in another way than by the class token ('vision_cfg.pool_type')");
	if (field(v, "attentional_pool") && !cJSON_IsFalse(field(v, "attentional_pool")))
		refuse(&j->image, "its pictures are pooled by attention ('vision_cfg.attentional_pool')");
	if (cJSON_IsTrue(field(v, "input_patchnorm")))
		refuse(&j->image, "its patches are normalised first ('vision_cfg.input_patchnorm')");
	return 0;
}

static void
openclip_sentencepiece(struct adds_clip_json *j, const cJSON *text)
{
	const char *clean = text_field(field(text, "tokenizer_kwargs"), "clean"), *mode = text_field(text, "tokenizer_mode");

	j->sentencepiece = 1;
	if (!clean || strcmp(clean, "whitespace") == 0)
		j->cleaning = ADDS_CLEAN_SPACE;
	else if (strcmp(clean, "lower") == 0)
		j->cleaning = ADDS_CLEAN_LOWER;
	else if (strcmp(clean, "canonicalize") == 0)
		j->cleaning = ADDS_CLEAN_CANONICAL;
	else
		snprintf(j->tokenizer, sizeof(j->tokenizer), "the cleaning '%.100s' ('tokenizer_kwargs.clean')", clean);
	if (mode)
		snprintf(j->tokenizer, sizeof(j->tokenizer), "the 'tokenizer_mode' '%.100s'", mode);
}

static int
openclip_text(struct adds_clip_json *j, const cJSON *t, int quick, const char *name, struct adds_error *err)
{
	const char *pool = text_field(t, "pool_type"), *tokenizer = text_field(t, "hf_tokenizer_name");
	int rc;

	if ((rc = openclip_side(&j->text, t, quick, name, err)) < 0)
		return rc;
	j->text.heads = 8;
	if ((rc = adds_json_int(&j->text.heads, t, "heads", 1, 4096, name, err)) < 0 ||
	    (rc = adds_json_int(&j->pad, t, "pad_id", 0, 1 << 24, name, err)) < 0)
		return rc;
	j->causal = !cJSON_IsTrue(field(t, "no_causal_mask"));
	if (pool && strcmp(pool, "last") == 0)
		j->last = 1;
	else if (pool && strcmp(pool, "eos") == 0)
		rc = adds_json_int(&j->eos, t, "eos_id", 0, 1 << 24, name, err);
	else if (pool && strcmp(pool, "argmax") != 0)
		refuse(&j->text, "its text is pooled in an unknown way ('text_cfg.pool_type')");
	if (cJSON_IsTrue(field(t, "embed_cls")))
		refuse(&j->text, "its text has a class token of its own ('text_cfg.embed_cls')");
	if (text_field(t, "hf_model_name"))
		refuse(&j->text, "its text tower is not CLIP's ('text_cfg.hf_model_name')");
	if (tokenizer && strstr(tokenizer, "SigLIP"))
		openclip_sentencepiece(j, t);
	else if (tokenizer && !strstr(tokenizer, "clip-vit"))
		snprintf(j->tokenizer, sizeof(j->tokenizer), "the tokenizer '%.100s'", tokenizer);
	return rc;
}

static int
openclip_preprocess(struct adds_clip_json *j, const cJSON *p, const char *name, struct adds_error *err)
{
	const char *mode = text_field(p, "resize_mode"), *filter = text_field(p, "interpolation");

	if (mode) {
		j->fit_given = 1;
		j->fit = strcmp(mode, "squash") == 0 ? ADDS_FIT_SQUASH : strcmp(mode, "longest") == 0 ? ADDS_FIT_PAD
		                                                                                      : ADDS_FIT_CROP;
	}
	if (filter && strcmp(filter, "bilinear") == 0)
		j->filter = ADDS_FILTER_BILINEAR;
	return read_normalisation(j, p, "mean", "std", name, err);
}

int
adds_clip_json_openclip(struct adds_clip_json *j, const cJSON *json, const char *name, struct adds_error *err)
{
	const cJSON *model = field(json, "model_cfg") ? field(json, "model_cfg") : json;
	const cJSON *image = field(model, "vision_cfg"), *text = field(model, "text_cfg");
	const int quick = cJSON_IsTrue(field(model, "quick_gelu"));
	int rc;

	if (!cJSON_IsObject(image) || !cJSON_IsObject(text))
		return adds_fail(err, ADDS_EFORMAT, "%s: 'model_cfg' lacks 'vision_cfg' or 'text_cfg'", name);
	j->known = 1;
	if ((rc = openclip_image(j, image, quick, name, err)) < 0 || (rc = openclip_text(j, text, quick, name, err)) < 0)
		return rc;
	return openclip_preprocess(j, field(json, "preprocess_cfg"), name, err);
}

/* ---- Hugging Face ---- */

static int
hf_activation(int *out, const cJSON *cfg, const char *name, struct adds_error *err)
{
	static const struct {
		const char *name;
		enum activation act;
	} acts[] = {
		{ "quick_gelu", ACT_QUICK_GELU },
		{ "gelu", ACT_GELU },
		{ "gelu_pytorch_tanh", ACT_GELU_TANH },
		{ "gelu_new", ACT_GELU_TANH },
		{ "gelu_fast", ACT_GELU_TANH },
		{ "relu", ACT_RELU },
	};
	const char *act = text_field(cfg, "hidden_act");
	size_t i;

	if (!act)
		return 0;
	for (i = 0; i < sizeof(acts) / sizeof(acts[0]); i++)
		if (strcmp(act, acts[i].name) == 0) {
			*out = acts[i].act;
			return 0;
		}
	return adds_fail(err, ADDS_EFORMAT, "%s: 'hidden_act' is the unknown '%.32s'", name, act);
}

static int
hf_side(struct adds_clip_side *s, const cJSON *cfg, int siglip, int heads, const char *name, struct adds_error *err)
{
	int rc;

	s->heads = heads;
	s->act = siglip ? ACT_GELU_TANH : ACT_QUICK_GELU;
	s->eps = siglip ? 1e-6 : 1e-5;
	if ((rc = adds_json_int(&s->heads, cfg, "num_attention_heads", 1, 4096, name, err)) < 0 ||
	    (rc = adds_json_int(&s->image_size, cfg, "image_size", 1, 65536, name, err)) < 0 ||
	    (rc = read_eps(&s->eps, cfg, "layer_norm_eps", name, err)) < 0)
		return rc;
	return hf_activation(&s->act, cfg, name, err);
}

/* Where a file has both, X_config_dict wins over X_config; a file of one tower has its fields on top. */
static const cJSON *
hf_part(const cJSON *json, const char *key, const char *type, const char *suffix)
{
	char dict[32];
	const size_t n = strlen(type), m = strlen(suffix);

	snprintf(dict, sizeof(dict), "%s_dict", key);
	if (cJSON_IsObject(field(json, dict)))
		return field(json, dict);
	if (cJSON_IsObject(field(json, key)))
		return field(json, key);
	return n >= m && strcmp(type + n - m, suffix) == 0 ? json : NULL;
}

int
adds_clip_json_hf(struct adds_clip_json *j, const cJSON *json, const char *name, struct adds_error *err)
{
	const char *type = text_field(json, "model_type") ? text_field(json, "model_type") : "clip";
	const int siglip = strncmp(type, "siglip", 6) == 0;
	const cJSON *image = hf_part(json, "vision_config", type, "vision_model");
	const cJSON *text = hf_part(json, "text_config", type, "text_model");
	int rc = 0;

	if (!image && !text)
		return 1;
	if (!siglip && strncmp(type, "clip", 4) != 0)
		return adds_fail(err, ADDS_EFORMAT, "%s: 'model_type' is '%.32s', neither clip nor siglip", name, type);
	j->known = 1;
	if (image && (rc = hf_side(&j->image, image, siglip, 12, name, err)) < 0)
		return rc;
	if (image && j->image.image_size < 0)
		j->image.image_size = 224;
	j->causal = !siglip;
	j->last = j->sentencepiece = siglip;
	if (!text)
		return 0;
	if ((rc = hf_side(&j->text, text, siglip, siglip ? 12 : 8, name, err)) < 0)
		return rc;
	j->eos = siglip ? -1 : 49407;
	j->pad = 1;
	if ((rc = adds_json_int(&j->pad, text, "pad_token_id", 0, 1 << 24, name, err)) < 0)
		return rc;
	if (!siglip && (rc = adds_json_int(&j->eos, text, "eos_token_id", 0, 1 << 24, name, err)) < 0)
		return rc;
	if (j->eos == 2) /* a mistake of the first files: these models pool at the largest id */
		j->eos = -1;
	return 0;
}

int
adds_clip_json_processor(struct adds_clip_json *j, const cJSON *json, const char *name, struct adds_error *err)
{
	const cJSON *size = field(json, "size");
	int filter = 3, rc;

	j->pixels = 1;
	if (cJSON_IsNumber(size) || field(size, "shortest_edge") || field(size, "height")) {
		j->fit_given = 1;
		j->fit = field(size, "height") && !cJSON_IsTrue(field(json, "do_center_crop")) ? ADDS_FIT_SQUASH : ADDS_FIT_CROP;
	}
	if ((rc = adds_json_int(&filter, json, "resample", 0, 5, name, err)) < 0)
		return rc;
	j->filter = filter == 2 ? ADDS_FILTER_BILINEAR : ADDS_FILTER_BICUBIC;
	return read_normalisation(j, json, "image_mean", "image_std", name, err);
}

/* ---- the folder ---- */

static int
read_one(struct adds_clip_json *j, const char *folder, const char *file,
         int (*read)(struct adds_clip_json *, const cJSON *, const char *, struct adds_error *),
         struct adds_clip_notes *notes, struct adds_error *err)
{
	char path[4096 + 64], *text;
	size_t len;
	cJSON *json;
	int rc;

	snprintf(path, sizeof(path), "%s/%s", folder, file);
	if (access(path, F_OK) != 0)
		return 0;
	if (!(text = adds_read_file(path, MAX_CONFIG, &len, err)))
		return err ? err->code : ADDS_EIO;
	json = adds_json_parse(text, len, MAX_CONFIG, path, err);
	free(text);
	if (!json)
		return err ? err->code : ADDS_EFORMAT;
	if ((rc = read(j, json, path, err)) >= 0)
		adds_clip_note(notes, rc ? "'%s' describes no CLIP: passed over" : "configuration: '%s'", path);
	cJSON_Delete(json);
	return rc < 0 ? rc : 0;
}

static void
no_side(struct adds_clip_side *s)
{
	memset(s, 0, sizeof(*s));
	s->heads = s->head_width = s->act = s->image_size = -1;
	s->eps = -1;
}

int
adds_clip_json_read(struct adds_clip_json *j, const char *folder, const struct adds_clip_params *p,
                    struct adds_clip_notes *notes, struct adds_error *err)
{
	const int hf = p->dialects & ADDS_CLIP_HF;
	int rc = 0;

	memset(j, 0, sizeof(*j));
	no_side(&j->image);
	no_side(&j->text);
	j->causal = 1;
	j->eos = -1;
	j->fit = ADDS_FIT_PAD;
	if (!hf && (rc = read_one(j, folder, "open_clip_config.json", adds_clip_json_openclip, notes, err)) < 0)
		return rc;
	if (j->known)
		return 0;
	if ((rc = read_one(j, folder, "config.json", adds_clip_json_hf, notes, err)) < 0 ||
	    (rc = read_one(j, folder, "preprocessor_config.json", adds_clip_json_processor, notes, err)) < 0)
		return rc;
	if (!j->known && hf)
		rc = read_one(j, folder, "open_clip_config.json", adds_clip_json_openclip, notes, err);
	return rc;
}
