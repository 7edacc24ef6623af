/* SPDX-License-Identifier: MIT
 * test_checkpoint.c - a decoder saved and loaded, and files that are none */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../lib/stream/message.h"
#include "../../lib/label/vocab.h"
#include "decoder_fixture.h"

static const struct adds_decoder_config config = { .width = 8, .layers = 2, .heads = 2, .ff = 12, .prior = 1, .dropout = .1f };
static const int64_t tokens[1] = { 3 };

static const char *
path(void)
{
	static char full[256];

	snprintf(full, sizeof(full), "%s/checkpoint.safetensors", scratch());
	return full;
}

static struct adds_vocab *
names(void)
{
	struct adds_vocab *v = adds_vocab_new();
	struct adds_error err;

	ck_assert_int_eq(adds_vocab_add(v, "red cup", 7, &err), 0);
	ck_assert_int_eq(adds_vocab_add(v, "caf\303\251", 5, &err), 1);
	return v;
}

START_TEST(what_was_saved_comes_back)
{
	struct adds_vocab *v = names(), *back = NULL;
	cJSON *extra = cJSON_CreateObject(), *meta = NULL;
	float texts[16], *texts_back = NULL;
	struct adds_error err;
	struct adds_decoder *d;
	struct fixture f;

	fixture_open(&f, &config, 1, 3, 0, 1, tokens);
	made_up(texts, 16, 8);
	cJSON_AddNumberToObject(extra, "step", 42);
	if (adds_decoder_save(f.d, path(), NULL, v, texts, extra, &err) < 0)
		ck_abort_msg("%s", err.msg);
	if (!(d = adds_decoder_load(f.b, path(), &back, &texts_back, &meta, &err)))
		ck_abort_msg("%s", err.msg);
	ck_assert_mem_eq(d->w, f.d->w, (size_t)d->size * sizeof(float));
	ck_assert_mem_eq(texts_back, texts, sizeof(texts));
	ck_assert_str_eq(adds_vocab_name(back, 1), "caf\303\251");
	ck_assert_uint_eq(adds_vocab_size(back), 2);
	ck_assert_int_eq(adds_decoder_config(d)->heads, 2);
	ck_assert_float_eq(adds_decoder_config(d)->dropout, .1f);
	ck_assert_double_eq(cJSON_GetObjectItemCaseSensitive(meta, "step")->valuedouble, 42);
	ck_assert_str_eq(cJSON_GetObjectItemCaseSensitive(meta, "method")->valuestring, "decoder");
	adds_decoder_free(d);
	adds_vocab_free(v);
	adds_vocab_free(back);
	free(texts_back);
	cJSON_Delete(meta);
	fixture_close(&f);
}
END_TEST

START_TEST(weights_may_come_from_the_host)
{
	struct adds_error err;
	struct adds_decoder *d;
	struct fixture f;
	float *w;

	fixture_open(&f, &config, 1, 3, 0, 1, tokens);
	w = calloc((size_t)f.d->size, sizeof(*w));
	made_up(w, f.d->size, 4);
	ck_assert_int_eq(adds_decoder_save(f.d, path(), w, NULL, NULL, NULL, &err), 0);
	ck_assert_ptr_nonnull(d = adds_decoder_load(f.b, path(), NULL, NULL, NULL, &err));
	ck_assert_float_eq(d->w[d->head.bias], w[d->head.bias]);
	adds_decoder_free(d);
	free(w);
	fixture_close(&f);
}
END_TEST

/* A message of the fixture's decoder in which names begin with the prefix of a compiled module. */
static struct adds_message *
compiled(const struct fixture *f)
{
	struct adds_message *m = adds_message_new();
	struct adds_error err;
	char name[128];
	size_t i;

	for (i = 0; i < f->d->nparams; i++) {
		const struct adds_param *p = &f->d->params[i];

		snprintf(name, sizeof(name), "_orig_mod.%s", p->name);
		ck_assert_int_eq(adds_message_add(m, name, ADDS_F32, p->rank, p->shape, f->d->w + p->offset, &err), 0);
	}
	ck_assert_int_eq(adds_message_add(m, "base_model.logit_scale", ADDS_F32, 1, (int64_t[]){ 1 }, f->d->w, &err), 0);
	return m;
}

START_TEST(a_compiled_module_of_the_seed_loads)
{
	struct adds_error err;
	struct adds_message *m;
	struct adds_decoder *d;
	struct fixture f;

	fixture_open(&f, &config, 1, 3, 0, 1, tokens);
	m = compiled(&f);
	ck_assert_ptr_null(adds_decoder_from_message(f.b, m, NULL, NULL, &err));
	ck_assert_ptr_nonnull(strstr(err.msg, "\"heads\""));
	ck_assert_int_eq(adds_message_set_json(m, "{\"decoder\":{\"heads\":4}}", &err), 0);
	ck_assert_ptr_nonnull(d = adds_decoder_from_message(f.b, m, NULL, NULL, &err));
	ck_assert_int_eq(d->c.width, 8);
	ck_assert_int_eq(d->c.layers, 2);
	ck_assert_int_eq(d->c.ff, 12);
	ck_assert_int_eq(d->c.prior, 1);
	ck_assert_mem_eq(d->w, f.d->w, (size_t)d->size * sizeof(float));
	adds_decoder_free(d);
	adds_message_free(m);
	fixture_close(&f);
}
END_TEST

static void
refused(struct backend *b, struct adds_message *m, const char *why)
{
	struct adds_vocab *v;
	struct adds_error err;
	float *texts;

	ck_assert_ptr_null(adds_decoder_from_message(b, m, &v, &texts, &err));
	if (!strstr(err.msg, why))
		ck_abort_msg("'%s' does not say '%s'", err.msg, why);
}

START_TEST(tensors_that_do_not_fit_are_refused)
{
	const int64_t two[2] = { 7, 8 }, one[1] = { 12 }, bytes[1] = { 4 };
	const float zeros[64] = { 0 };
	struct adds_message *m = adds_message_new();
	struct adds_error err;
	struct fixture f;

	fixture_open(&f, &config, 1, 3, 0, 1, tokens);
	ck_assert_int_eq(adds_decoder_to_message(f.d, m, NULL, NULL, NULL, &err), 0);
	ck_assert_int_eq(adds_message_add(m, "trained.labels", ADDS_U8, 1, bytes, "a\0b", &err), 0);
	refused(f.b, m, "'trained.texts'");
	ck_assert_int_eq(adds_message_add(m, "trained.labels", ADDS_U8, 1, bytes, "a\0a", &err), 0);
	refused(f.b, m, "twice");
	ck_assert_int_eq(adds_message_add(m, "trained.labels", ADDS_U8, 1, bytes, "abcd", &err), 0);
	refused(f.b, m, "NUL");
	ck_assert_int_eq(adds_message_add(m, "decoder.fc.weight", ADDS_F32, 2, two, zeros, &err), 0);
	refused(f.b, m, "'decoder.fc.weight'");
	ck_assert_int_eq(adds_message_add(m, "decoder.layers.1.norm2.bias", ADDS_F32, 1, one, zeros, &err), 0);
	refused(f.b, m, "'decoder.layers.1.norm2.bias'");
	adds_message_remove(m, "decoder.layers.0.norm1.bias");
	refused(f.b, m, "there is no tensor 'decoder.layers.0.norm1.bias'");
	ck_assert_int_eq(adds_message_set_json(m, "{\"decoder\":{\"heads\":3,\"layers\":1e300}}", &err), 0);
	refused(f.b, m, "layers");
	adds_message_free(m);
	fixture_close(&f);
}
END_TEST

START_TEST(a_cut_file_is_refused)
{
	struct adds_error err;
	struct fixture f;
	FILE *file;
	long n;

	fixture_open(&f, &config, 1, 3, 0, 1, tokens);
	ck_assert_int_eq(adds_decoder_save(f.d, path(), NULL, NULL, NULL, NULL, &err), 0);
	file = fopen(path(), "rb");
	fseek(file, 0, SEEK_END);
	n = ftell(file);
	fclose(file);
	ck_assert_int_eq(truncate(path(), n - 1), 0);
	ck_assert_ptr_null(adds_decoder_load(f.b, path(), NULL, NULL, NULL, &err));
	ck_assert_ptr_nonnull(strstr(err.msg, "checkpoint.safetensors"));
	ck_assert_int_eq(truncate(path(), 5), 0);
	ck_assert_ptr_null(adds_decoder_load(f.b, path(), NULL, NULL, NULL, &err));
	ck_assert_ptr_null(adds_decoder_load(f.b, "/nowhere/x", NULL, NULL, NULL, &err));
	fixture_close(&f);
}
END_TEST

/* Does a file of these bytes load? */
static int
loads_with(struct backend *b, const char *bytes, size_t n, struct adds_error *err)
{
	FILE *file = fopen(path(), "wb");
	struct adds_decoder *d;
	int loads;

	ck_assert_uint_eq(fwrite(bytes, 1, n, file), n);
	fclose(file);
	d = adds_decoder_load(b, path(), NULL, NULL, NULL, err);
	loads = d != NULL;
	adds_decoder_free(d);
	return loads;
}

/* A checksum whose own name is spoilt is none, and the rest is then what was written. */
START_TEST(a_flipped_bit_is_noticed_wherever_it_is)
{
	struct adds_error err;
	struct fixture f;
	size_t n, at;
	char *bytes, *key;

	fixture_open(&f, &config, 1, 3, 0, 1, tokens);
	if (adds_decoder_save(f.d, path(), NULL, NULL, NULL, NULL, &err) < 0 ||
	    !(bytes = adds_read_file(path(), 1 << 20, &n, &err)))
		ck_abort_msg("%s", err.msg);
	ck_assert_ptr_nonnull(key = strstr(bytes + 8, "xxh64"));
	for (at = 0; at < n; at += at < 40 || at > n - 20 ? 1 : 37) {
		bytes[at] ^= 4;
		if (loads_with(f.b, bytes, n, &err) != (at >= (size_t)(key - bytes) && at < (size_t)(key + 5 - bytes)))
			ck_abort_msg("byte %zu of %zu was changed: %s", at, n, err.msg);
		bytes[at] ^= 4;
	}
	ck_assert_ptr_nonnull(strstr(err.msg, "damaged: its bytes do not have the checksum"));
	ck_assert_int_eq(loads_with(f.b, bytes, n, &err), 1);
	free(bytes);
	fixture_close(&f);
}
END_TEST

START_TEST(a_folder_that_is_not_there_is_an_error)
{
	struct adds_error err;
	struct fixture f;

	fixture_open(&f, &config, 1, 3, 0, 1, tokens);
	ck_assert_int_eq(adds_decoder_save(f.d, "/nowhere/x", NULL, NULL, NULL, cJSON_CreateObject(), &err), ADDS_EIO);
	fixture_close(&f);
}
END_TEST

Suite *checkpoint_suite(void);

Suite *
checkpoint_suite(void)
{
	Suite *s = suite_create("checkpoint");
	TCase *c = tcase_create("checkpoint");

	tcase_add_test(c, what_was_saved_comes_back);
	tcase_add_test(c, weights_may_come_from_the_host);
	tcase_add_test(c, a_compiled_module_of_the_seed_loads);
	tcase_add_test(c, tensors_that_do_not_fit_are_refused);
	tcase_add_test(c, a_cut_file_is_refused);
	tcase_add_test(c, a_flipped_bit_is_noticed_wherever_it_is);
	tcase_add_test(c, a_folder_that_is_not_there_is_an_error);
	suite_add_tcase(s, c);
	return s;
}
