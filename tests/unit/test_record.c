/* SPDX-License-Identifier: MIT
 * test_record.c - records as structs, half precision, small files */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/stream/record.h"
#include "unit.h"

static struct adds_error err;

/* the nearest half by search over all of them: slow, and right by definition */
static uint16_t
nearest_half(float x, const float *value)
{
	unsigned best = 0, h;

	for (h = 1; h <= 0x7c00; h++) {
		/* infinity stands where 65536 would be */
		const double a = fabs((double)fabsf(x) - (h == 0x7c00 ? 65536.0 : (double)value[h]));
		const double b = fabs((double)fabsf(x) - (double)value[best]);

		if (a < b || (a == b && h % 2 == 0))
			best = h;
	}
	return (uint16_t)(best | (signbit(x) ? 0x8000 : 0));
}

START_TEST(halves_convert_as_ieee_says)
{
	static float value[0x8000];
	static const float samples[] = { 0,
		                         1,
		                         -1,
		                         0.1f,
		                         65504,
		                         65519.996f,
		                         65520,
		                         1e9f,
		                         5.9604645e-8f,
		                         2.9802322e-8f,
		                         2.9802326e-8f,
		                         6.0975552e-5f,
		                         6.1035156e-5f,
		                         6.1019e-5f,
		                         1.0004883f,
		                         1.0014648f,
		                         2047.5f,
		                         3.1415927f,
		                         1e-30f };
	uint16_t h;
	unsigned i;

	for (i = 0; i < 0x7c00; i++) {
		const int e = (int)(i >> 10);

		h = (uint16_t)i;
		adds_f16_to_f32(&value[i], &h, 1);
		ck_assert(value[i] == (float)(e ? ldexp(1024 + (i & 1023), e - 25) : ldexp(i, -24)));
		adds_f32_to_f16(&h, &value[i], 1);
		ck_assert_uint_eq(h, i);
	}
	for (i = 0; i < sizeof(samples) / sizeof(*samples); i++) {
		const float minus = -samples[i];

		adds_f32_to_f16(&h, &samples[i], 1);
		ck_assert_msg(h == nearest_half(samples[i], value), "%.9g: %04x", (double)samples[i], h);
		adds_f32_to_f16(&h, &minus, 1);
		ck_assert_msg(h == nearest_half(minus, value), "%.9g: %04x", (double)minus, h);
	}
}
END_TEST

START_TEST(what_is_not_finite_stays_so)
{
	const float in[3] = { INFINITY, -INFINITY, NAN };
	uint16_t h[3];
	float out[3];

	adds_f32_to_f16(h, in, 3);
	adds_f16_to_f32(out, h, 3);
	ck_assert(out[0] == INFINITY && out[1] == -INFINITY && isnan(out[2]));
	adds_f32_to_bf16(h, in, 3);
	adds_bf16_to_f32(out, h, 3);
	ck_assert(out[0] == INFINITY && out[1] == -INFINITY && isnan(out[2]));
}
END_TEST

START_TEST(bf16_rounds_to_nearest_even)
{
	/* 1 + 2^-8 lies in the middle of 1 and 1 + 2^-7; 1 + 3·2^-8 in the middle of 1 + 2^-7 and 1 + 2^-6 */
	const float in[4] = { 1.00390625f, 1.00390637f, 1.01171875f, -1.00390625f };
	uint16_t h[4];

	adds_f32_to_bf16(h, in, 4);
	ck_assert_uint_eq(h[0], 0x3f80);
	ck_assert_uint_eq(h[1], 0x3f81);
	ck_assert_uint_eq(h[2], 0x3f82);
	ck_assert_uint_eq(h[3], 0xbf80);
}
END_TEST

static int
parse(struct adds_message *m, int64_t labels)
{
	struct adds_record rec;

	return adds_record_parse(&rec, m, labels, &err);
}

static void
put(struct adds_message *m, const char *name, int64_t n, const int32_t *rows)
{
	ck_assert_int_eq(adds_message_add(m, name, ADDS_I32, 1, &n, rows, &err), 0);
}

START_TEST(targets_are_checked)
{
	struct adds_message *m = adds_picture_new("a.jpg", 5, -1, NULL, &err);
	const int32_t rows[3] = { 0, 2, 2 }, neg[1] = { -1 };

	ck_assert_int_eq(parse(m, 3), 0);
	put(m, "pos", 2, rows);
	ck_assert_int_eq(parse(m, 3), 0);
	ck_assert_int_eq(parse(m, 2), ADDS_EFORMAT);
	ck_assert_int_eq(parse(m, 0), 0);
	put(m, "neg", 1, rows + 1);
	ck_assert_int_eq(parse(m, 3), ADDS_EFORMAT);
	ck_assert_msg(strstr(err.msg, "both") != NULL, "%s", err.msg);
	adds_message_remove(m, "neg");
	put(m, "pos", 3, rows);
	ck_assert_int_eq(parse(m, 3), ADDS_EFORMAT);
	ck_assert_msg(strstr(err.msg, "ascending") != NULL, "%s", err.msg);
	put(m, "pos", 1, neg);
	ck_assert_int_eq(parse(m, 3), ADDS_EFORMAT);
	adds_message_free(m);
}
END_TEST

START_TEST(tokens_and_tiles_agree)
{
	struct adds_message *m = adds_picture_new("a.jpg", 5, 77, "5", &err);
	const int64_t shape[2] = { 3, 2 }, tiles[2] = { 2, 6 }, half[2] = { 3, 4 }, wrong[2] = { 2, 5 };
	const float x[6] = { 0 };
	int32_t tile[12] = { 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 2 };

	ck_assert_int_eq(adds_message_add(m, "tokens", ADDS_F32, 2, shape, x, &err), 0);
	ck_assert_int_eq(adds_message_add(m, "tiles", ADDS_I32, 2, tiles, tile, &err), 0);
	ck_assert_int_eq(parse(m, 0), 0);
	tile[11] = 1;
	ck_assert_int_eq(adds_message_add(m, "tiles", ADDS_I32, 2, tiles, tile, &err), 0);
	ck_assert_int_eq(parse(m, 0), ADDS_EFORMAT);
	ck_assert_msg(strstr(err.msg, "2 tokens, the tensor 'tokens' 3") != NULL, "%s", err.msg);
	ck_assert_int_eq(adds_message_add(m, "tiles", ADDS_I32, 2, wrong, tile, &err), 0);
	ck_assert_int_eq(parse(m, 0), ADDS_EFORMAT);
	adds_message_remove(m, "tiles");
	ck_assert_int_eq(adds_message_add(m, "tokens", ADDS_I16, 2, half, tile, &err), 0);
	ck_assert_int_eq(parse(m, 0), ADDS_EFORMAT);
	adds_message_free(m);
}
END_TEST

START_TEST(labels_and_errors_are_records)
{
	const char *const prompts[2] = { "a cat", "one cat" };
	const float x[2] = { 0.6f, 0.8f };
	struct adds_message *m = adds_label_new("cat", 3, x, 2, prompts, 2, &err);
	struct adds_record rec;

	ck_assert_str_eq(adds_message_json(m), "{\"prompts\":[\"a cat\",\"one cat\"],\"record\":\"label\"}");
	ck_assert_int_eq(adds_record_parse(&rec, m, 0, &err), 0);
	ck_assert(rec.type == ADDS_RECORD_LABEL && rec.name_len == 3 && rec.width_embedding == 2 && rec.embedding[1] == 0.8f);
	adds_message_remove(m, "embedding");
	ck_assert_int_eq(adds_record_parse(&rec, m, 0, &err), ADDS_EFORMAT);
	adds_message_free(m);
	m = adds_error_new("x\xff.jpg", 6, "decode", "broken", &err);
	ck_assert_int_eq(adds_record_parse(&rec, m, 0, &err), 0);
	ck_assert(rec.type == ADDS_RECORD_ERROR && rec.path_len == 6);
	ck_assert_str_eq(rec.reason, "broken");
	adds_message_free(m);
}
END_TEST

START_TEST(small_files_have_a_limit)
{
	char path[4200], hex[65], *text;
	size_t n;
	FILE *f;

	snprintf(path, sizeof(path), "%s/small", scratch());
	f = fopen(path, "w");
	ck_assert(f && fputs("abc", f) >= 0 && fclose(f) == 0);
	text = adds_read_file(path, 3, &n, &err);
	ck_assert_str_eq(text, "abc");
	ck_assert_uint_eq(n, 3);
	adds_sha256_hex(hex, text, n);
	ck_assert_str_eq(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	free(text);
	ck_assert_ptr_null(adds_read_file(path, 2, &n, &err));
	ck_assert_int_eq(err.code, ADDS_ELIMIT);
	ck_assert_ptr_null(adds_read_file("/nowhere/x", 2, &n, &err));
	ck_assert_str_eq(err.msg, "cannot open '/nowhere/x': No such file or directory");
}
END_TEST

Suite *record_suite(void);

Suite *
record_suite(void)
{
	Suite *s = suite_create("record");
	TCase *c = tcase_create("record");

	tcase_add_test(c, halves_convert_as_ieee_says);
	tcase_add_test(c, what_is_not_finite_stays_so);
	tcase_add_test(c, bf16_rounds_to_nearest_even);
	tcase_add_test(c, targets_are_checked);
	tcase_add_test(c, tokens_and_tiles_agree);
	tcase_add_test(c, labels_and_errors_are_records);
	tcase_add_test(c, small_files_have_a_limit);
	suite_add_tcase(s, c);
	return s;
}
