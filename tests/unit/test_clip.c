/* SPDX-License-Identifier: MIT
 * test_clip.c - the two towers against numbers of the reference
 *
 * The small model's numbers were made in float64 and agree with OpenAI's model
 * source to 1e-6; mkmodel makes its weights anew. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/clip/model.h"
#include "unit.h"

static struct backend *cpu;

/* a folder below the scratch folder with a model of mkmodel's in it */
static const char *
made(const char *name, const char *options)
{
	static char folder[256];
	char command[512];

	snprintf(folder, sizeof(folder), "%s/%s", scratch(), name);
	snprintf(command, sizeof(command), "mkmodel %s %s", options, folder);
	if (system(command))
		ck_abort_msg("'%s' failed: is mkmodel in PATH, as tests/run puts it?", command);
	return folder;
}

static struct adds_clip *
opened(const char *folder, const struct adds_clip_options *o)
{
	struct adds_error err;
	struct adds_clip *m;

	if (!cpu && !(cpu = backend_open("cpu", 2, NULL, 0, &err)))
		ck_abort_msg("%s", err.msg);
	if (!(m = adds_clip_open(folder, cpu, o, NULL, 0, &err)))
		ck_abort_msg("%s", err.msg);
	return m;
}

static const struct adds_clip_options f32 = { .precision = PREC_F32, .image_tower = 1, .text_tower = 1, .activation = -1 };

/* side×side pixels of (7x + 13y + 29c + x·y) mod 256 */
static void
picture(uint8_t *p, int side, int seed)
{
	int x, y, c;

	for (y = 0; y < side; y++)
		for (x = 0; x < side; x++)
			for (c = 0; c < 3; c++)
				*p++ = (uint8_t)((7 + seed) * x + 13 * y + 29 * c + x * y);
}

static const int32_t cat[] = { 49406, 320, 1125, 539, 320, 2368, 49407 }; /* "a photo of a cat" */

/* ---- the small model ---- */

static const struct golden {
	const char *act;
	float image[8], image_norm, text[8], text_norm, first[4], last[4], cosine, logit;
} goldens[] = {
	/* clang-format off */
	{ "gelu",
	  { -0.5536126f, 0.4642954f, -1.5033244f, 1.4063869f, -2.0249060f, 0.3593195f, 1.4863347f, -0.9590149f }, 6.58656958f,
	  { -3.1109931f, -0.1553459f, -1.4876773f, 0.0242583f, -0.4924839f, -0.5634428f, 1.0287294f, 0.7611181f }, 9.29001526f,
	  { -0.8725439f, 0.0189755f, -3.1641203f, -2.0037058f }, { -0.7043625f, -1.5117320f, -0.2912314f, 0.3759479f },
	  -0.20367061f, -11.120038f },
	{ "quick_gelu",
	  { -0.5636027f, 0.4830943f, -1.5094583f, 1.4214099f, -2.0281027f, 0.3253110f, 1.4657780f, -0.9664708f }, 6.59505050f,
	  { -3.1204232f, -0.1402926f, -1.5069125f, 0.0130829f, -0.5072764f, -0.5807762f, 1.0248671f, 0.7507251f }, 9.32913105f,
	  { -0.8556939f, 0.0043154f, -3.1705081f, -2.0112760f }, { -0.6988534f, -1.5142431f, -0.2993470f, 0.3947434f },
	  -0.20132688f, -10.992075f },
	{ "gelu_tanh",
	  { -0.5537848f, 0.4645196f, -1.5031271f, 1.4064975f, -2.0250166f, 0.3593370f, 1.4861217f, -0.9588942f }, 6.58622566f,
	  { -3.1114768f, -0.1552203f, -1.4876839f, 0.0240767f, -0.4916024f, -0.5636486f, 1.0284452f, 0.7610499f }, 9.28990229f,
	  { -0.8726616f, 0.0190110f, -3.1639899f, -2.0037840f }, { -0.7044814f, -1.5113620f, -0.2913245f, 0.3758869f },
	  -0.2037356f, -11.123587f },
	/* clang-format on */
};

#define SMALL_E 32

struct small {
	float tokens[17 * SMALL_E], text[SMALL_E];
};

static void
run_small(struct small *s, struct adds_clip *m)
{
	static const int64_t at[] = { 0, 7 };
	uint8_t tile[32 * 32 * 3];
	struct adds_error err;

	picture(tile, 32, 0);
	if (adds_clip_images_raw(m, tile, 1, ADDS_TOKENS_ALL, s->tokens, &err) < 0 ||
	    adds_clip_texts(m, cat, at, 1, 0, s->text, &err) < 0)
		ck_abort_msg("%s", err.msg);
}

static float
norm(const float *v)
{
	double sum = 0;
	int i;

	for (i = 0; i < SMALL_E; i++)
		sum += (double)v[i] * v[i];
	return (float)sqrt(sum);
}

START_TEST(small_model_has_the_reference_numbers)
{
	const struct golden *g = &goldens[_i];
	char options[64], name[64];
	struct adds_clip *m;
	struct small s;
	float got[4];
	double dot = 0;
	int i;

	snprintf(options, sizeof(options), "--act %s", g->act);
	snprintf(name, sizeof(name), "small-%s", g->act);
	m = opened(made(name, options), &f32);
	run_small(&s, m);
	check_close("image embedding", s.tokens, g->image, 8, 0, 5e-6); /* seen: 1.5e-6 */
	check_close("first patch", s.tokens + SMALL_E, g->first, 4, 0, 5e-6);
	check_close("last patch", s.tokens + 16 * SMALL_E, g->last, 4, 0, 5e-6);
	check_close("text embedding", s.text, g->text, 8, 0, 5e-6);
	for (i = 0; i < SMALL_E; i++)
		dot += (double)s.tokens[i] * s.text[i];
	got[0] = norm(s.tokens);
	got[1] = norm(s.text);
	got[2] = (float)(dot / got[0] / got[1]);
	got[3] = got[2] * adds_clip_config(m)->logit_scale;
	check_close("norm of the image", &got[0], &g->image_norm, 1, 0, 5e-6);
	check_close("norm of the text", &got[1], &g->text_norm, 1, 0, 5e-6);
	check_close("cosine", &got[2], &g->cosine, 1, 0, 1e-6);
	check_close("logit", &got[3], &g->logit, 1, 0, 2e-5);
	adds_clip_free(m);
}
END_TEST

/* every naming is the same model: the same bits, the same fingerprint */
START_TEST(namings_are_one_model)
{
	static const char *const namings[] = { "hf", "tinyclip", "custom" };
	struct adds_clip *a = opened(made("naming-openclip", "--act quick_gelu"), &f32), *b;
	char options[64], name[64];
	struct small x, y;

	snprintf(options, sizeof(options), "--act quick_gelu --naming %s", namings[_i]);
	snprintf(name, sizeof(name), "naming-%s", namings[_i]);
	b = opened(made(name, options), &f32);
	run_small(&x, a);
	run_small(&y, b);
	ck_assert(memcmp(&x, &y, sizeof(x)) == 0);
	ck_assert_str_eq(adds_clip_config(a)->fingerprint, adds_clip_config(b)->fingerprint);
	adds_clip_free(a);
	adds_clip_free(b);
}
END_TEST

/* f16 and bf16 files: as good as their rounding of the weights allows (6e-8 and 4e-6 of 1 − cosine on larger models) */
START_TEST(small_weights_of_half_the_size)
{
	static const double most[] = { 1e-6, 1e-4 };
	static const char *const types[] = { "f16", "bf16" };
	char options[64], name[64];
	struct adds_clip *m;
	struct small s, whole;
	double dot = 0;
	int i;

	m = opened(made("half-f32", ""), &f32);
	run_small(&whole, m);
	adds_clip_free(m);
	snprintf(options, sizeof(options), "--dtype %s", types[_i]);
	snprintf(name, sizeof(name), "half-%s", types[_i]);
	m = opened(made(name, options), &f32);
	run_small(&s, m);
	for (i = 0; i < SMALL_E; i++)
		dot += (double)s.text[i] * whole.text[i];
	ck_assert(1 - dot / norm(s.text) / norm(whole.text) < most[_i]);
	for (i = 0, dot = 0; i < SMALL_E; i++)
		dot += (double)s.tokens[i] * whole.tokens[i];
	ck_assert(1 - dot / norm(s.tokens) / norm(whole.tokens) < most[_i]);
	adds_clip_free(m);
}
END_TEST

/* ---- larger models, against PyTorch in float64 (tests/gen/clip.py) ---- */

static const int32_t words[] = { 510, 3, 77, 400, 12, 511 };

static const float *
golden(struct adds_weights *w, const char *name, const char *part, size_t *n)
{
	const struct adds_weight *t;
	struct adds_error err;
	char full[64];

	if (!w->n && adds_weights_add(w, tree("tests/data/clip/golden.safetensors"), &err) < 0)
		ck_abort_msg("%s", err.msg);
	snprintf(full, sizeof(full), "%s.%s", name, part);
	if (!(t = adds_weights_find(w, full)))
		ck_abort_msg("no golden '%s'", full);
	*n = t->size / sizeof(float);
	return (const float *)(const void *)t->data;
}

/* the largest 1 − cosine over vectors of E numbers; every step-th vector of got has a golden one */
static double
farthest(const float *got, const float *want, size_t n, size_t E, size_t step)
{
	double worst = 0;
	size_t i, j;

	for (i = 0; i < n; i++) {
		const float *a = got + i * step * E, *b = want + i * E;
		double ab = 0, aa = 0, bb = 0;

		for (j = 0; j < E; j++) {
			ab += (double)a[j] * b[j];
			aa += (double)a[j] * a[j];
			bb += (double)b[j] * b[j];
		}
		worst = worse(worst, 1 - ab / sqrt(aa * bb));
	}
	return worst;
}

static const struct larger {
	const char *name, *options;
	int size, seed;
	size_t step;
} larger[] = {
	/* clang-format off */
	{ "b32", "--shape b32 --layers 3 --text-layers 2 --vocabulary 512", 0, 0, 4 },
	{ "b32-whole", "--shape b32 --vocabulary 512", 0, 0, 7 }, /* half a gigabyte, gone as soon as it is mapped */
	{ "b32-288", "--shape b32 --layers 3 --text-layers 2 --vocabulary 512", 288, 1, 8 },
	{ "tinyclip", "--shape tinyclip-8m --layers 4 --vocabulary 512 --pruned --act quick_gelu", 0, 0, 14 },
	{ "scaled", "--shape tinyclip-8m --layers 4 --vocabulary 512 --layer-scale", 0, 2, 40 },
	{ "siglip", "--shape siglip --naming hf --act gelu_tanh", 0, 0, 1 },
	{ "mini_clip", NULL, 0, 0, 4 },
	/* clang-format on */
};

static void
check_tokens(struct adds_clip *m, struct adds_weights *w, const struct larger *l)
{
	const struct adds_clip_config *c = adds_clip_config(m);
	const size_t E = (size_t)c->E, T = (size_t)adds_clip_tile_tokens(m, ADDS_TOKENS_ALL, 1);
	uint8_t *tile = malloc((size_t)c->S * (size_t)c->S * 3);
	float *out = malloc(T * E * sizeof(*out));
	struct adds_error err;
	const float *want;
	double worst;
	size_t n;

	want = golden(w, l->name, "tokens", &n);
	ck_assert_uint_eq(n / E, (T + l->step - 1) / l->step);
	picture(tile, c->S, l->seed);
	if (adds_clip_images_raw(m, tile, 1, ADDS_TOKENS_ALL, out, &err) < 0)
		ck_abort_msg("%s", err.msg);
	worst = farthest(out, want, n / E, E, l->step);
	printf("# %s: farthest token, 1 - cosine %.2g\n", l->name, worst);
	ck_assert(worst < 1e-10); /* seen: 3e-13; 1e-5 is asked for */
	free(tile);
	free(out);
}

static void
check_text(struct adds_clip *m, struct adds_weights *w, const struct larger *l)
{
	static const int32_t short_one[] = { 5, 900, 77, 1 }, mini[] = { 2012, 320, 540, 1000, 2013 };
	const int siglip = strcmp(l->name, "siglip") == 0, small = strcmp(l->name, "mini_clip") == 0;
	const int64_t at[] = { 0, siglip ? 4 : small ? 5
		                                     : 6 };
	struct adds_error err;
	const float *want;
	float out[512];
	double worst;
	size_t n;

	want = golden(w, l->name, "text", &n);
	if (adds_clip_texts(m, siglip ? short_one : small ? mini
	                                                  : words,
	                    at, 1, 0, out, &err) < 0)
		ck_abort_msg("%s", err.msg);
	worst = farthest(out, want, 1, n, 1);
	printf("# %s: text, 1 - cosine %.2g\n", l->name, worst);
	ck_assert(worst < 1e-10); /* seen: 2e-13 */
}

START_TEST(larger_models_have_the_reference_numbers)
{
	const struct larger *l = &larger[_i];
	struct adds_clip_options o = f32;
	struct adds_weights w = { 0 };
	struct adds_clip *m;

	o.image_size = l->size;
	m = opened(l->options ? made(l->name, l->options) : tree("examples/mini_clip"), &o);
	if (l->options) {
		char command[300];

		snprintf(command, sizeof(command), "rm -r %s/%s", scratch(), l->name);
		ck_assert_int_eq(system(command), 0);
	}
	check_tokens(m, &w, l);
	if (!l->size)
		check_text(m, &w, l);
	adds_clip_free(m);
	adds_weights_release(&w);
}
END_TEST

/* ---- what does not depend on the reference ---- */

#define TILES 37 /* more than one go takes */

/* in each precision; where the processor has none of bf16 or bytes, in f32 once more */
START_TEST(a_tile_does_not_know_its_company)
{
	static const enum precision precisions[] = { PREC_F32, PREC_INT8, PREC_BF16 };
	const struct adds_clip_options o = { .precision = precisions[_i], .image_tower = 1, .text_tower = 1, .activation = -1 };
	struct adds_clip *m = opened(tree("examples/mini_clip"), &o);
	const size_t side = 64 * 64 * 3, E = 128, T = (size_t)adds_clip_tile_tokens(m, ADDS_TOKENS_ALL, 3);
	uint8_t *tiles = malloc(TILES * side);
	float *all = malloc(TILES * T * E * sizeof(*all)), *one = malloc(T * E * sizeof(*one));
	struct adds_error err;
	int i;

	ck_assert_uint_eq(T, 10);
	for (i = 0; i < TILES; i++)
		picture(tiles + (size_t)i * side, 64, i);
	if (adds_clip_images(m, tiles, TILES, ADDS_TOKENS_ALL, 3, all, &err) < 0)
		ck_abort_msg("%s", err.msg);
	for (i = 0; i < TILES; i += 7) {
		if (adds_clip_images(m, tiles + (size_t)i * side, 1, ADDS_TOKENS_ALL, 3, one, &err) < 0)
			ck_abort_msg("%s", err.msg);
		ck_assert(memcmp(one, all + (size_t)i * T * E, T * E * sizeof(*one)) == 0);
	}
	free(tiles);
	free(all);
	free(one);
	adds_clip_free(m);
}
END_TEST

/* Cosine of a token by int8 products and by f32, at least .99; seen: .99959 with weights of seven bits. Where the processor
 * has no such products both are f32. */
START_TEST(eight_bits_are_near)
{
	enum { N = 8,
	       SIDE = 64 * 64 * 3,
	       E = 128 };
	const struct adds_clip_options int8 = { .precision = PREC_INT8, .image_tower = 1, .text_tower = 1, .activation = -1 };
	struct adds_clip *m[] = { opened(tree("examples/mini_clip"), &f32), opened(tree("examples/mini_clip"), &int8) };
	uint8_t *tiles = malloc(N * SIDE);
	float *x[] = { malloc(N * E * sizeof(float)), malloc(N * E * sizeof(float)) };
	struct adds_error err;
	double off = 0;
	int i, j;

	for (i = 0; i < N; i++)
		picture(tiles + i * SIDE, 64, i);
	for (i = 0; i < 2; i++)
		if (adds_clip_images(m[i], tiles, N, ADDS_TOKENS_CLS, 1, x[i], &err) < 0)
			ck_abort_msg("%s", err.msg);
	for (i = 0; i < N; i++) {
		double cosine = 0;

		for (j = 0; j < E; j++) /* unit vectors */
			cosine += (double)x[0][i * E + j] * (double)x[1][i * E + j];
		off = worse(off, 1 - cosine);
	}
	if (getenv("UNIT_VERBOSE"))
		printf("# int8: cosine %.5f at least\n", 1 - off);
	ck_assert_double_le(off, 0.01);
	for (i = 0; i < 2; i++) {
		free(x[i]);
		adds_clip_free(m[i]);
	}
	free(tiles);
}
END_TEST

START_TEST(a_prompt_does_not_know_its_company)
{
	enum { PROMPTS = 600 };
	struct adds_clip *m = opened(tree("examples/mini_clip"), &f32);
	int32_t ids[PROMPTS * 8];
	int64_t at[PROMPTS + 1] = { 0 };
	float *all = malloc(PROMPTS * 128 * sizeof(*all)), one[128];
	struct adds_error err;
	int64_t i, j;

	for (i = 0; i < PROMPTS; i++) {
		at[i + 1] = at[i] + 3 + i % 6;
		for (j = at[i]; j < at[i + 1]; j++)
			ids[j] = j == at[i] ? 2012 : j == at[i + 1] - 1 ? 2013
			                                                : (int32_t)((j * 37 + i) % 2000);
	}
	if (adds_clip_texts(m, ids, at, PROMPTS, 1, all, &err) < 0)
		ck_abort_msg("%s", err.msg);
	for (i = 0; i < PROMPTS; i += 113) {
		const int64_t alone[] = { 0, at[i + 1] - at[i] };

		if (adds_clip_texts(m, ids + at[i], alone, 1, 1, one, &err) < 0)
			ck_abort_msg("%s", err.msg);
		ck_assert(memcmp(one, all + i * 128, sizeof(one)) == 0);
	}
	free(all);
	adds_clip_free(m);
}
END_TEST

/* Class tokens alone take a shorter way through the last block; pooling is the mean before the length is taken out. */
START_TEST(choices_of_tokens_agree)
{
	struct adds_clip *m = opened(tree("examples/mini_clip"), &f32);
	const size_t E = 128;
	uint8_t tile[64 * 64 * 3];
	float all[65 * 128], cls[128], patch[64 * 128], pooled[4 * 128], mean[128];
	struct adds_error err;
	size_t i, c;

	picture(tile, 64, 3);
	if (adds_clip_images_raw(m, tile, 1, ADDS_TOKENS_ALL, all, &err) < 0 ||
	    adds_clip_images_raw(m, tile, 1, ADDS_TOKENS_CLS, cls, &err) < 0 ||
	    adds_clip_images_raw(m, tile, 1, ADDS_TOKENS_PATCH, patch, &err) < 0 ||
	    adds_clip_images(m, tile, 1, ADDS_TOKENS_PATCH, 5, pooled, &err) < 0)
		ck_abort_msg("%s", err.msg);
	check_close("class token alone", cls, all, E, 0, 5e-6); /* seen: 1e-6 */
	ck_assert(memcmp(patch, all + E, sizeof(patch)) == 0);
	for (c = 0; c < E; c++) /* the last window: 3×3 patches at the lower right */
		for (i = 0, mean[c] = 0; i < 9; i++)
			mean[c] += patch[((5 + i / 3) * 8 + 5 + i % 3) * E + c] / 9;
	ck_assert(farthest(pooled + 3 * E, mean, 1, E, 1) < 1e-12);
	for (i = 0; i < 4; i++) {
		double sum = 0;

		for (c = 0; c < E; c++)
			sum += (double)pooled[i * E + c] * pooled[i * E + c];
		ck_assert(fabs(sum - 1) < 1e-6);
	}
	adds_clip_free(m);
}
END_TEST

/* values of torch's interpolate(mode="bicubic", antialias=True) on a 4×4 grid of (4i + j)² */
START_TEST(positions_are_resized_as_torch_does)
{
	static const float row0[] = { -1.08379f, -0.97523f, -0.30555f, 1.34357f, 4.40867f, 6.66275f };
	static const float row3[] = { 52.74709f, 60.11112f, 72.25002f, 84.02778f, 98.5621f, 108.07166f };
	static const float small[] = { 1.57234f, 5.84661f, 13.41393f };
	float in[16], out[36];
	struct adds_error err;
	int i;

	for (i = 0; i < 16; i++)
		in[i] = (float)(i * i);
	ck_assert_int_eq(adds_clip_resize_grid(out, 6, in, 4, 1, &err), 0);
	check_close("row 0", out, row0, 6, 0, 2e-5);
	check_close("row 3", out + 18, row3, 6, 0, 4e-5); /* the values are of single precision */
	ck_assert_int_eq(adds_clip_resize_grid(out, 3, in, 4, 1, &err), 0);
	check_close("4 to 3", out, small, 3, 0, 1e-5);
}
END_TEST

Suite *clip_suite(void);

Suite *
clip_suite(void)
{
	Suite *s = suite_create("clip");
	TCase *c = tcase_create("clip");

	tcase_set_timeout(c, 60);
	tcase_add_loop_test(c, small_model_has_the_reference_numbers, 0, 3);
	tcase_add_loop_test(c, namings_are_one_model, 0, 3);
	tcase_add_loop_test(c, larger_models_have_the_reference_numbers, 0, sizeof(larger) / sizeof(larger[0]));
	tcase_add_loop_test(c, a_tile_does_not_know_its_company, 0, 3);
	tcase_add_test(c, eight_bits_are_near);
	tcase_add_test(c, a_prompt_does_not_know_its_company);
	tcase_add_test(c, choices_of_tokens_agree);
	tcase_add_test(c, positions_are_resized_as_torch_does);
	tcase_add_loop_test(c, small_weights_of_half_the_size, 0, 2);
	suite_add_tcase(s, c);
	return s;
}
