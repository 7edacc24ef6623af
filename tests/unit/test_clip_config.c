/* SPDX-License-Identifier: MIT
 * test_clip_config.c - folders of models: which files are read, what they
 * say, and what is said when something lacks */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../lib/clip/model.h"
#include "../../lib/stream/record.h"
#include "unit.h"

static char folder[256];

/* a fresh folder made by mkmodel, in `folder` */
static void
make(const char *name, const char *options)
{
	char command[512];

	snprintf(folder, sizeof(folder), "%s/%s", scratch(), name);
	snprintf(command, sizeof(command), "mkmodel --vocabulary 600 %s %s", options, folder);
	if (system(command))
		ck_abort_msg("'%s' failed: is mkmodel in PATH, as tests/run puts it?", command);
}

/* replaces a file of the folder; text NULL removes it */
static void
put(const char *file, const char *text)
{
	char path[512];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", folder, file);
	unlink(path);
	if (!text)
		return;
	f = fopen(path, "w");
	fputs(text, f);
	fclose(f);
}

static void
rename_to(const char *from, const char *to)
{
	char a[512], b[512];

	snprintf(a, sizeof(a), "%s/%s", folder, from);
	snprintf(b, sizeof(b), "%s/%s", folder, to);
	ck_assert_int_eq(rename(a, b), 0);
}

static const struct adds_clip_options both = { .image_tower = 1, .text_tower = 1, .activation = -1 };

static struct adds_clip_config
probed(const struct adds_clip_options *o)
{
	struct adds_clip_config c;
	struct adds_error err;

	if (adds_clip_probe(&c, folder, o, &err) < 0)
		ck_abort_msg("%s", err.msg);
	return c;
}

static void
refused(const struct adds_clip_options *o, const char *says)
{
	struct adds_clip_config c;
	struct adds_error err;

	ck_assert_int_lt(adds_clip_probe(&c, folder, o, &err), 0);
	if (!strstr(err.msg, says))
		ck_abort_msg("'%s' does not say '%s'", err.msg, says);
}

START_TEST(shapes_come_from_the_tensors)
{
	struct adds_clip_config c;

	make("shapes", "--act quick_gelu");
	c = probed(&both);
	ck_assert(c.S == 32 && c.P == 8 && c.g == 4 && c.N == 17 && c.D == 128 && c.L == 2 &&
	          c.H == 2 && c.M == 512 && c.E == 32);
	ck_assert(c.V == 600 && c.C == 77 && c.d == 128 && c.l == 2 && c.h == 2 && c.m == 512);
	ck_assert(c.act == ACT_QUICK_GELU && c.text_act == ACT_QUICK_GELU && c.fit == ADDS_FIT_CROP && c.fit_given == 1);
	ck_assert(c.eps == 1e-5f && c.logit_scale > 54.59f && c.logit_scale < 54.6f && !c.has_logit_bias && !c.siglip);
	ck_assert_str_eq(c.name, "shapes");
	ck_assert_uint_eq(strlen(c.fingerprint), 64);
}
END_TEST

START_TEST(activation_is_never_guessed)
{
	struct adds_clip_options o = both;
	struct adds_clip_config c;
	char first[65];

	make("no-config", "--no-config");
	refused(&both, "--activation");
	o.activation = ACT_GELU;
	c = probed(&o);
	ck_assert_int_eq(c.act, ACT_GELU);
	ck_assert(c.fit == ADDS_FIT_PAD && c.fit_given == 0);
	memcpy(first, c.fingerprint, sizeof(first));
	o.activation = ACT_QUICK_GELU;
	c = probed(&o);
	ck_assert_str_ne(c.fingerprint, first); /* another function of the same weights */
	o.heads = 4;
	ck_assert_int_eq(probed(&o).H, 4);
	o.heads = 3;
	refused(&o, "picture tower");
}
END_TEST

START_TEST(openclip_json)
{
	struct adds_clip_config c;

	make("openclip-json", "");
	put("open_clip_config.json",
	    "{\"model_cfg\":{\"vision_cfg\":{\"image_size\":35,\"head_width\":32,\"act_kwargs\":{\"approximate\":\"tanh\"},"
	    "\"norm_kwargs\":{\"eps\":1e-6}},\"text_cfg\":{\"heads\":4}},"
	    "\"preprocess_cfg\":{\"resize_mode\":\"squash\",\"interpolation\":\"bilinear\",\"mean\":[0,0.5,1],\"std\":[1,2,3]}}");
	c = probed(&both);
	ck_assert(c.H == 4 && c.h == 4 && c.act == ACT_GELU_TANH && c.text_act == ACT_GELU &&
	          c.eps == 1e-6f && c.text_eps == 1e-5f);
	ck_assert(c.S == 35 && c.g == 4); /* pixels behind the last patch are not read */
	ck_assert(c.fit == ADDS_FIT_SQUASH && c.filter == ADDS_FILTER_BILINEAR && c.mean[1] == 0.5f && c.std[2] == 3);
	put("open_clip_config.json", "{\"model_cfg\":{\"vision_cfg\":{\"pool_type\":\"avg\"},\"text_cfg\":{}}}");
	refused(&both, "pool_type");
	put("open_clip_config.json", "{\"model_cfg\":{\"vision_cfg\":{},\"text_cfg\":{\"heads\":\"8\"}}}");
	refused(&both, "'heads' is not a whole number");
	put("open_clip_config.json",
	    "{\"model_cfg\":{\"vision_cfg\":{},\"text_cfg\":{\"hf_tokenizer_name\":\"bert-base-uncased\"}}}");
	refused(&both, "bert-base-uncased");
	put("open_clip_config.json",
	    "{\"model_cfg\":{\"vision_cfg\":{},\"text_cfg\":{}},\"preprocess_cfg\":{\"mean\":[1,2,3],\"std\":[1,0,1]}}");
	refused(&both, "std[1]");
	put("open_clip_config.json", "{\"model_cfg\":");
	refused(&both, "open_clip_config.json");
}
END_TEST

START_TEST(hugging_face_json)
{
	struct adds_clip_config c;

	make("hf-json", "--naming hf");
	put("config.json", "{\"model_type\":\"clip\",\"vision_config\":{\"num_attention_heads\":4},"
	                   "\"text_config\":{\"num_attention_heads\":2,\"hidden_act\":\"gelu\"},"
	                   "\"text_config_dict\":{\"num_attention_heads\":4}}");
	c = probed(&both);
	ck_assert(c.H == 4 && c.h == 4);                                    /* _dict wins, as a whole */
	ck_assert(c.act == ACT_QUICK_GELU && c.text_act == ACT_QUICK_GELU); /* the class's default */
	ck_assert(c.fit == ADDS_FIT_CROP);
	put("preprocessor_config.json",
	    "{\"size\":{\"height\":32,\"width\":32},\"resample\":2,\"image_mean\":[0.5,0.5,0.5],\"image_std\":[0.5,0.5,0.5]}");
	c = probed(&both);
	ck_assert(c.fit == ADDS_FIT_SQUASH && c.filter == ADDS_FILTER_BILINEAR && c.std[0] == 0.5f);
	put("config.json", "{\"model_type\":\"clip\",\"vision_config\":{\"hidden_act\":\"mish\"},\"text_config\":{}}");
	refused(&both, "'hidden_act' is the unknown 'mish'");
	put("config.json", "{\"model_type\":\"blip\",\"vision_config\":{},\"text_config\":{}}");
	refused(&both, "'model_type' is 'blip'");
	put("config.json", "{\"architecture\":\"vit\"}");
	refused(&both, "--activation");
}
END_TEST

START_TEST(files_of_a_folder)
{
	struct adds_clip_config c;
	char file[512];
	struct adds_error err;

	make("files", "--naming hf");
	ck_assert_int_eq(probed(&both).H, 2);
	make("files", "--act quick_gelu"); /* both namings in one folder: OpenCLIP's files win */
	ck_assert_int_eq(probed(&both).fit, ADDS_FIT_CROP);
	ck_assert_int_eq(probed(&both).act, ACT_QUICK_GELU);
	snprintf(file, sizeof(file), "%s/model.safetensors", folder);
	ck_assert_int_eq(adds_clip_probe(&c, file, &both, &err), 0);
	ck_assert_int_eq(c.act, ACT_GELU); /* the file named, with the JSON of its dialect */
	rename_to("open_clip_model.safetensors", "a.safetensors");
	ck_assert_int_eq(probed(&both).act, ACT_GELU);
	rename_to("model.safetensors", "b.safetensors");
	refused(&both, "name one of them");
	put("b.safetensors", NULL);
	ck_assert_int_eq(probed(&both).act, ACT_QUICK_GELU);
	put("a.safetensors", NULL);
	refused(&both, "holds no weights");
	put("open_clip_pytorch_model.bin", "x");
	refused(&both, "fetch 'open_clip_model.safetensors'");
	snprintf(file, sizeof(file), "%s/open_clip_pytorch_model.bin", folder);
	ck_assert_int_lt(adds_clip_probe(&c, file, &both, &err), 0);
	ck_assert(strstr(err.msg, "pickle") != NULL);
	ck_assert_int_eq(adds_clip_probe(&c, "/nonexistent", &both, &err), ADDS_EIO);
}
END_TEST

START_TEST(shards)
{
	make("shards", "--naming hf --towers image");
	rename_to("model.safetensors", "model-1.safetensors");
	make("shards", "--naming hf --towers text");
	rename_to("model.safetensors", "model-2.safetensors");
	put("model.safetensors.index.json", "{\"weight_map\":{\"a\":\"model-1.safetensors\",\"b\":\"model-1.safetensors\"}}");
	refused(&both, "no text tower");
	put("model.safetensors.index.json", "{\"weight_map\":{\"a\":\"../x.safetensors\"}}");
	refused(&both, "not the name of a file");
	put("model.safetensors.index.json", "{\"weight_map\":{\"a\":\"model-1.safetensors\",\"b\":\"model-2.safetensors\"}}");
	refused(&both, "'logit_scale' stands twice");
}
END_TEST

START_TEST(one_tower)
{
	struct adds_clip_options o = both;
	char image[65];

	make("one-tower", "--naming hf --towers image");
	refused(&both, "no text tower");
	o.text_tower = 0;
	memcpy(image, probed(&o).fingerprint, sizeof(image));
	make("one-tower", "--naming hf --towers text");
	refused(&both, "no picture tower");
	o = both;
	o.image_tower = 0;
	ck_assert_str_ne(probed(&o).fingerprint, image);
}
END_TEST

/* the header of the weights, edited in place: names of the same length */
static void
edit(const char *from, const char *to)
{
	char path[512];
	size_t n, i;
	char *p;
	FILE *f;

	snprintf(path, sizeof(path), "%s/open_clip_model.safetensors", folder);
	if (access(path, F_OK) != 0)
		snprintf(path, sizeof(path), "%s/model.safetensors", folder);
	f = fopen(path, "r+b");
	p = calloc(1, 1 << 16);
	n = fread(p, 1, 1 << 16, f);
	for (i = 0; i + strlen(from) <= n && memcmp(p + i, from, strlen(from)) != 0; i++)
		;
	ck_assert(i + strlen(from) <= n);
	fseek(f, (long)i, SEEK_SET);
	fwrite(to, 1, strlen(to), f);
	fclose(f);
	free(p);
}

static void
not_opened(const char *says)
{
	struct adds_error err;
	struct backend *b = backend_open("cpu", 1, NULL, 0, &err);

	ck_assert(adds_clip_open(folder, b, &both, NULL, 0, &err) == NULL);
	if (!strstr(err.msg, says))
		ck_abort_msg("'%s' does not say '%s'", err.msg, says);
	backend_close(b);
}

START_TEST(what_is_missing_is_named)
{
	make("missing", "");
	edit("visual.transformer.resblocks.1.ln_2.bias", "visual.transformer.resblocks.1.ln_2.bios");
	not_opened("tensor 'visual.transformer.resblocks.1.ln_2.bias' is missing");
	make("missing", "");
	edit("\"visual.ln_pre.weight", "\"visual.ln_pro.weight");
	not_opened("tensor 'visual.ln_pre.weight' is missing");
	make("missing", "");
	edit("c_proj.weight\":{\"dtype\":\"F32\",\"shape\":[128,512]", "c_proj.weight\":{\"dtype\":\"F32\",\"shape\":[512,128]");
	not_opened("c_proj.weight' is [512x128], expected [128x512]");
	make("missing-hf", "--naming hf");
	edit("vision_model.encoder.layers.0.mlp.fc2.weight", "vision_model.encoder.layers.0.mlp.fc2.height");
	not_opened("tensor 'vision_model.encoder.layers.0.mlp.fc2.weight' is missing");
	make("missing-hf", "--naming hf");
	edit("vision_model.post_layernorm.bias", "vision_model.post_layernorm.bios");
	not_opened("tensor 'vision_model.post_layernorm.bias' is missing");
}
END_TEST

START_TEST(image_sizes)
{
	struct adds_clip_options o = both;
	struct adds_clip_config c;

	make("size", "");
	o.image_size = 48;
	c = probed(&o);
	ck_assert(c.S == 48 && c.g == 6 && c.N == 37);
	ck_assert_str_eq(c.fingerprint, probed(&both).fingerprint);
	o.image_size = 50;
	refused(&o, "try 48");
}
END_TEST

START_TEST(siglip)
{
	struct adds_clip_options o = { .image_tower = 1, .text_tower = 1, .activation = ACT_GELU };
	struct adds_clip_config c;

	snprintf(folder, sizeof(folder), "%s/siglip", scratch());
	make("siglip", "--shape siglip --naming hf --act gelu_tanh");
	c = probed(&both);
	ck_assert(c.siglip && c.N == 9 && c.E == 128 && c.eps == 1e-6f && c.has_logit_bias && c.logit_bias == -3);
	ck_assert(c.fit == ADDS_FIT_SQUASH && c.mean[0] == 0.5f && c.sentencepiece && c.text_act == ACT_GELU_TANH);
	/* without a file that says so, its picture tower does */
	make("siglip-bare", "--shape siglip --naming hf --no-config");
	ck_assert(probed(&o).sentencepiece);
	/* so do its texts' weights */
	make("siglip-text", "--shape siglip --naming hf --no-config --towers text");
	o.image_tower = 0;
	ck_assert(probed(&o).sentencepiece);
	put("config.json", "{\"model_type\":\"siglip\",\"vision_config\":{}}");
	ck_assert(probed(&o).sentencepiece);
	put("config.json", "{\"text_config\":{}}"); /* a CLIP's, by the format */
	o.activation = -1;
	refused(&o, "a vocabulary that its configuration does not name");
}
END_TEST

static void
openclip_text(const char *fields)
{
	char text[512];

	snprintf(text, sizeof(text), "{\"model_cfg\":{\"vision_cfg\":{},\"text_cfg\":{%s}}}", fields);
	put("open_clip_config.json", text);
}

START_TEST(openclip_says_how_a_siglip_cleans)
{
	make("no-siglip", "");
	ck_assert(!probed(&both).sentencepiece);
	openclip_text("\"hf_tokenizer_name\":\"timm/ViT-B-16-SigLIP\",\"tokenizer_kwargs\":{\"clean\":\"canonicalize\"}");
	ck_assert(probed(&both).sentencepiece && probed(&both).cleaning == ADDS_CLEAN_CANONICAL);
	openclip_text("\"hf_tokenizer_name\":\"timm/ViT-B-16-SigLIP2\",\"tokenizer_kwargs\":{\"clean\":\"lower\"}");
	ck_assert(probed(&both).cleaning == ADDS_CLEAN_LOWER);
	openclip_text("\"hf_tokenizer_name\":\"timm/ViT-B-16-SigLIP2\"");
	ck_assert(probed(&both).cleaning == ADDS_CLEAN_SPACE);
	openclip_text("\"hf_tokenizer_name\":\"timm/ViT-B-16-SigLIP2\",\"tokenizer_kwargs\":{\"clean\":\"soap\"}");
	refused(&both, "'soap'");
	openclip_text("\"hf_tokenizer_name\":\"timm/ViT-B-16-SigLIP2\",\"tokenizer_mode\":\"clips\"");
	refused(&both, "'clips'");
}
END_TEST

START_TEST(notes_say_what_was_read)
{
	struct adds_clip_options o = { .image_tower = 1, .activation = ACT_GELU };
	struct adds_error err;
	struct backend *b = backend_open("cpu", 1, NULL, 0, &err);
	struct adds_clip *m;
	char notes[2000];

	make("notes", "--no-config");
	if (!(m = adds_clip_open(folder, b, &o, notes, sizeof(notes), &err)))
		ck_abort_msg("%s", err.msg);
	ck_assert(strstr(notes, "open_clip_model.safetensors'\n") != NULL);
	adds_clip_free(m);
	if (!(m = adds_clip_open(folder, b, &o, notes, 40, &err))) /* too short a place: cut, not broken */
		ck_abort_msg("%s", err.msg);
	ck_assert_uint_lt(strlen(notes), 40);
	adds_clip_free(m);
	backend_close(b);
}
END_TEST

/* what is assumed of the model in `folder` must be says; NULL: nothing */
static void
assumed(const struct adds_clip_options *o, const char *says)
{
	struct adds_error err;
	struct backend *b = backend_open("cpu", 1, NULL, 0, &err);
	struct adds_clip *m = adds_clip_open(folder, b, o, NULL, 0, &err);
	const char *said;

	if (!m)
		ck_abort_msg("%s", err.msg);
	said = adds_clip_assumed(m);
	if (!said != !says || (said && strcmp(said, says) != 0))
		ck_abort_msg("'%s' is not '%s'", said ? said : "nothing", says ? says : "nothing");
	adds_clip_free(m);
	backend_close(b);
}

START_TEST(what_no_file_says_is_told)
{
	struct adds_clip_options image = { .image_tower = 1, .activation = ACT_GELU }, o = image;

	make("assumed", "--no-config");
	assumed(&image,
	        "model 'assumed': no configuration says, so it is assumed: picture tower: 2 heads of 64 channels (--heads); "
	        "picture tower: epsilon 1e-05 (--eps); text tower: 2 heads of 64 channels (--text-heads); "
	        "text tower: epsilon 1e-05 (--eps); pixels: mean and deviation of OpenAI's models, bicubic filter "
	        "(preprocessor_config.json)");
	o.eps = 1e-5f;
	o.heads = 2;
	assumed(&o,
	        "model 'assumed': no configuration says, so it is assumed: text tower: 2 heads of 64 channels (--text-heads); "
	        "pixels: mean and deviation of OpenAI's models, bicubic filter (preprocessor_config.json)");
	put("preprocessor_config.json", "{}"); /* transformers' class has defaults */
	o.text_heads = 2;
	assumed(&o, NULL);
	put("preprocessor_config.json", NULL);
	o.image_tower = 0; /* nothing is done to pixels */
	o.text_tower = 1;
	assumed(&o, NULL);
}
END_TEST

START_TEST(defaults_of_the_formats_are_no_assumption)
{
	struct adds_clip_options image = { .image_tower = 1, .activation = -1 };

	make("defaults", "");
	put("open_clip_config.json", "{\"model_cfg\":{\"vision_cfg\":{},\"text_cfg\":{\"heads\":2}}}");
	assumed(&image, NULL);
	make("defaults-hf", "--naming hf");
	put("config.json", "{\"model_type\":\"clip\",\"vision_config\":{\"num_attention_heads\":4},\"text_config\":{}}");
	put("preprocessor_config.json", "{\"size\":{\"shortest_edge\":32}}");
	assumed(&image, NULL);
	put("preprocessor_config.json", NULL);
	assumed(&image,
	        "model 'defaults-hf': no configuration says, so it is assumed: pixels: mean and deviation of OpenAI's models, "
	        "bicubic filter (preprocessor_config.json)");
	make("defaults-siglip", "--shape siglip --naming hf --act gelu_tanh");
	assumed(&image, NULL);
}
END_TEST

Suite *clip_config_suite(void);

Suite *
clip_config_suite(void)
{
	Suite *s = suite_create("clip_config");
	TCase *c = tcase_create("clip_config");

	tcase_set_timeout(c, 30);
	tcase_add_test(c, shapes_come_from_the_tensors);
	tcase_add_test(c, activation_is_never_guessed);
	tcase_add_test(c, openclip_json);
	tcase_add_test(c, hugging_face_json);
	tcase_add_test(c, files_of_a_folder);
	tcase_add_test(c, shards);
	tcase_add_test(c, one_tower);
	tcase_add_test(c, what_is_missing_is_named);
	tcase_add_test(c, image_sizes);
	tcase_add_test(c, siglip);
	tcase_add_test(c, openclip_says_how_a_siglip_cleans);
	tcase_add_test(c, notes_say_what_was_read);
	tcase_add_test(c, what_no_file_says_is_told);
	tcase_add_test(c, defaults_of_the_formats_are_no_assumption);
	suite_add_tcase(s, c);
	return s;
}
