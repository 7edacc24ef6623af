/* SPDX-License-Identifier: MIT
 * test_weights.c - weight files that are good, and all the ways to be bad */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../lib/clip/names.h"
#include "../../lib/clip/weights.h"
#include "unit.h"

/* a file of that header and n zero bytes of data; len gets its size, the caller frees it */
static unsigned char *
file_of(const char *header, size_t n, size_t *len)
{
	const size_t head = strlen(header);
	unsigned char *p = calloc(1, 8 + head + n);
	size_t i;

	for (i = 0; i < 8; i++)
		p[i] = (unsigned char)(head >> 8 * i);
	memcpy(p + 8, header, head);
	*len = 8 + head + n;
	return p;
}

#define T(name, dtype, shape, begin, end) \
	"\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":[" shape "],\"data_offsets\":[" begin "," end "]}"

START_TEST(good_files_are_read)
{
	static const char header[] =
		"{\"__metadata__\":{\"format\":\"pt\"}," T("b", "F32", "2,3", "4", "28") "," T(
			"a", "F16", "", "0", "2") "," T("\\u00e9", "BF16", "1", "2",
	                                                "4") "," T("none", "I64", "0,5", "28",
	                                                           "28") "}   ";
	struct adds_weights w = { 0 };
	struct adds_error err;
	size_t len;
	unsigned char *p = file_of(header, 28, &len);
	const struct adds_weight *t;

	if (adds_weights_parse(&w, p, len, "f", &err) < 0)
		ck_abort_msg("%s", err.msg);
	ck_assert_uint_eq(w.n, 4);
	t = adds_weights_find(&w, "b");
	ck_assert(t && t->rank == 2 && t->shape[0] == 2 && t->shape[1] == 3 && t->size == 24 && t->dtype == ADDS_F32);
	ck_assert(t->data == p + len - 24);
	ck_assert(adds_weights_find(&w, "\xc3\xa9") != NULL);
	ck_assert(adds_weights_find(&w, "none")->size == 0);
	ck_assert(adds_weights_find(&w, "c") == NULL);
	adds_weights_release(&w);
	free(p);
}
END_TEST

static const struct {
	const char *header;
	size_t data;
	const char *says;
} bad[] = {
	/* clang-format off */
	{ "[]", 0, "not a JSON object" },
	{ "{", 0, "f" },
	{ "{" T("a", "F32", "1", "0", "4") "} x", 4, "f" },
	{ "{" T("a", "F32", "1", "0", "4") "," T("a", "F32", "1", "4", "8") "}", 8, "a" },
	{ "{" T("a", "F32", "1", "0", "4") "}", 5, "1 bytes behind the last tensor" },
	{ "{" T("a", "F32", "1", "0", "4") "}", 3, "tensor 'a' ends at byte 4 of the data, which has 3" },
	{ "{" T("a", "F32", "1", "4", "8") "}", 8, "tensor 'a' begins at byte 4 of the data, not at 0" },
	{ "{" T("a", "F32", "1", "0", "4") "," T("b", "F32", "1", "2", "6") "}", 6, "tensor 'b' begins at byte 2 of the data, not at 4" },
	{ "{" T("a", "F32", "1", "0", "4") "," T("b", "F32", "1", "8", "12") "}", 12, "tensor 'b' begins at byte 8 of the data, not at 4" },
	{ "{" T("a", "F32", "2", "0", "4") "}", 4, "tensor 'a' has 4 bytes, its shape asks for 8" },
	{ "{" T("a", "F33", "1", "0", "4") "}", 4, "tensor 'a' has the unknown dtype 'F33'" },
	{ "{" T("a", "F4", "1", "0", "0") "}", 0, "does not fill whole bytes" },
	{ "{" T("a", "F32", "-1", "0", "4") "}", 4, "digits" },
	{ "{" T("a", "F32", "1.0", "0", "4") "}", 4, "digits" },
	{ "{" T("a", "F32", "1e0", "0", "4") "}", 4, "digits" },
	{ "{" T("a", "F32", "1", "4", "0") "}", 4, "not a pair of rising offsets" },
	{ "{" T("a", "F32", "\"1\"", "0", "4") "}", 4, "something other than sizes" },
	{ "{" T("a", "F32", "1,1,1,1,1,1,1,1,1", "0", "4") "}", 4, "more than 8 dimensions" },
	{ "{" T("a", "F32", "4294967296,4294967296,4294967296", "0", "4") "}", 4, "tensor 'a' is too large" },
	{ "{" T("a", "F64", "2305843009213693952", "0", "4") "}", 4, "something other than sizes" },
	{ "{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", 4, "tensor 'a' lacks 'dtype' or 'shape'" },
	{ "{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, "not a pair of rising offsets" },
	{ "{\"a\":7}", 4, "tensor 'a' is not described by an object" },
	/* clang-format on */
};

START_TEST(bad_files_are_refused)
{
	struct adds_weights w = { 0 };
	struct adds_error err;
	size_t len;
	unsigned char *p = file_of(bad[_i].header, bad[_i].data, &len);

	ck_assert_int_lt(adds_weights_parse(&w, p, len, "f", &err), 0);
	if (!strstr(err.msg, bad[_i].says))
		ck_abort_msg("'%s' does not say '%s'", err.msg, bad[_i].says);
	adds_weights_release(&w);
	free(p);
}
END_TEST

START_TEST(lengths_are_checked_first)
{
	static const unsigned char few[7], huge[16] = { 0, 0, 0, 0, 0, 0, 0, 1, '{', '}' }, longer[16] = { 9, 0 };
	struct adds_weights w = { 0 };
	struct adds_error err;

	ck_assert_int_eq(adds_weights_parse(&w, few, sizeof(few), "f", &err), ADDS_ETRUNCATED);
	ck_assert_int_eq(adds_weights_parse(&w, huge, sizeof(huge), "f", &err), ADDS_ELIMIT);
	ck_assert_int_eq(adds_weights_parse(&w, longer, sizeof(longer), "f", &err), ADDS_ETRUNCATED);
	adds_weights_release(&w);
}
END_TEST

START_TEST(files_that_are_none)
{
	struct adds_weights w = { 0 };
	struct adds_error err;

	ck_assert_int_eq(adds_weights_add(&w, "/nonexistent", &err), ADDS_EIO);
	ck_assert_int_eq(adds_weights_add(&w, "/tmp", &err), ADDS_EFORMAT);
	ck_assert_str_eq(err.msg, "'/tmp' is not a regular file");
	ck_assert_int_eq(adds_weights_add(&w, "/dev/null", &err), ADDS_EFORMAT);
	adds_weights_release(&w);
}
END_TEST

/* ---- one name for each tensor ---- */

static void
add(struct adds_weights *w, const char *name, int64_t rows, int64_t cols)
{
	static float zeros[64];
	struct adds_weight *t;

	w->t = realloc(w->t, (w->n + 1) * sizeof(*w->t));
	t = &w->t[w->n++];
	memset(t, 0, sizeof(*t));
	t->name = strdup(name);
	t->dtype = ADDS_F32;
	t->rank = cols ? 2 : 1;
	t->shape[0] = rows;
	t->shape[1] = cols;
	t->data = (const unsigned char *)zeros;
	t->size = (size_t)(rows * (cols ? cols : 1)) * 4;
}

START_TEST(names_of_all_dialects)
{
	static const char *const pairs[][2] = {
		{ "module.visual.proj", "visual.proj" },
		{ "visual_projection.weight", "visual.proj" },
		{ "_image_encoder.module.visual.ln_pre.bias", "visual.ln_pre.bias" },
		{ "module._text_encoder.module.transformer.resblocks.11.mlp.c_fc.bias",
		  "transformer.resblocks.11.mlp.c_fc.bias" },
		{ "_logit_scale.logit_scale", "logit_scale" },
		{ "text.text_projection", "text_projection" },
		{ "vision_model.pre_layernorm.weight", "visual.ln_pre.weight" },
		{ "vision_model.pre_layrnorm.weight", "visual.ln_pre.weight" },
		{ "text_model.encoder.layers.3.layer_norm2.bias",
		  "transformer.resblocks.3.ln_2.bias" },
		{ "visual.trunk.blocks.23.mlp.fc2.bias",
		  "visual.transformer.resblocks.23.mlp.c_proj.bias" },
		{ "visual.trunk.blocks.0.attn.proj.bias",
		  "visual.transformer.resblocks.0.attn.out_proj.bias" },
		{ "visual.trunk.norm.weight", "visual.ln_post.weight" },
		{ "visual.transformer.resblocks.0.ls_1.gamma",
		  "visual.transformer.resblocks.0.ls_1.gamma" },
		{ "visual.transformer.resblocks.0.ln_1.other", NULL },
		{ "visual.transformer.resblocks.999.ln_1.bias", NULL },
		{ "visual.transformer.resblocks..ln_1.bias", NULL },
		{ "text_model.embeddings.position_ids", NULL },
		{ "attn_mask", NULL },
	};
	struct adds_clip_params p;
	struct adds_error err;
	size_t i;

	for (i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		struct adds_weights w = { 0 };

		add(&w, pairs[i][0], 4, 0);
		if (adds_clip_params_init(&p, &w, &err) < 0)
			ck_abort_msg("%s", err.msg);
		ck_assert_uint_eq(p.n, pairs[i][1] != NULL);
		if (pairs[i][1])
			ck_assert_str_eq(p.p[0].name, pairs[i][1]);
		adds_clip_params_release(&p);
		adds_weights_release(&w);
	}
}
END_TEST

START_TEST(parts_must_be_whole_and_fit)
{
	struct adds_weights w = { 0 };
	struct adds_clip_params p;
	struct adds_error err;

	add(&w, "vision_model.encoder.layers.0.self_attn.k_proj.weight", 2, 4);
	add(&w, "vision_model.encoder.layers.0.self_attn.q_proj.weight", 2, 4);
	ck_assert_int_lt(adds_clip_params_init(&p, &w, &err), 0);
	ck_assert(strstr(err.msg, "part 3 of 3") != NULL);
	adds_clip_params_release(&p);
	add(&w, "vision_model.encoder.layers.0.self_attn.v_proj.weight", 2, 5);
	ck_assert_int_lt(adds_clip_params_init(&p, &w, &err), 0);
	ck_assert(strstr(err.msg, "do not fit together") != NULL);
	adds_clip_params_release(&p);
	adds_weights_release(&w);
	add(&w, "visual.proj", 2, 4);
	add(&w, "visual_projection.weight", 4, 2);
	ck_assert_int_lt(adds_clip_params_init(&p, &w, &err), 0);
	ck_assert(strstr(err.msg, "stands twice") != NULL);
	adds_clip_params_release(&p);
	adds_weights_release(&w);
}
END_TEST

Suite *weights_suite(void);

Suite *
weights_suite(void)
{
	Suite *s = suite_create("weights");
	TCase *c = tcase_create("weights");

	tcase_add_test(c, good_files_are_read);
	tcase_add_loop_test(c, bad_files_are_refused, 0, sizeof(bad) / sizeof(bad[0]));
	tcase_add_test(c, lengths_are_checked_first);
	tcase_add_test(c, files_that_are_none);
	tcase_add_test(c, names_of_all_dialects);
	tcase_add_test(c, parts_must_be_whole_and_fit);
	suite_add_tcase(s, c);
	return s;
}
