/* SPDX-License-Identifier: MIT
 * test_vocab.c - vocabularies: names, places, parents, headers, files */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/label/hierarchy.h"
#include "unit.h"

static int32_t
row(const struct adds_vocab *v, const char *name)
{
	return (int32_t)adds_vocab_find(v, name, strlen(name));
}

static const char *
file_of(const char *text)
{
	static char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/vocab", scratch());
	f = fopen(path, "wb");
	ck_assert_ptr_nonnull(f);
	fputs(text, f);
	fclose(f);
	return path;
}

static struct adds_vocab *
read_text(const char *text)
{
	struct adds_error err = { 0 };
	struct adds_vocab *v = adds_vocab_read(file_of(text), &err);

	ck_assert_msg(v != NULL, "%s", err.msg);
	return v;
}

static void
refused(const char *text, int code, const char *part)
{
	struct adds_error err = { 0 };

	ck_assert_ptr_null(adds_vocab_read(file_of(text), &err));
	ck_assert_int_eq(err.code, code);
	ck_assert_msg(strstr(err.msg, part) != NULL, "'%s' lacks '%s'", err.msg, part);
}

START_TEST(names_are_found_by_exact_bytes_after_trimming)
{
	struct adds_error err;
	struct adds_vocab *v = adds_vocab_new();
	char name[32];
	int i;

	for (i = 0; i < 5000; i++) {
		snprintf(name, sizeof(name), " label %d\t", i);
		ck_assert_int_eq(adds_vocab_add(v, name, strlen(name), &err), i);
	}
	ck_assert_int_eq(adds_vocab_add(v, "label 77", 8, &err), 77);
	ck_assert_uint_eq(adds_vocab_size(v), 5000);
	ck_assert_int_eq(row(v, "label 4999"), 4999);
	ck_assert_int_eq(row(v, "Label 4999"), -1);
	ck_assert_int_eq(row(v, "label 4999 "), -1);
	adds_vocab_free(v);
}
END_TEST

START_TEST(bad_names_are_refused)
{
	struct adds_error err;
	struct adds_vocab *v = adds_vocab_new();
	char name[1026];

	memset(name, 'a', sizeof(name));
	ck_assert_int_eq(adds_vocab_add(v, name, 1024, &err), 0);
	ck_assert_int_eq(adds_vocab_add(v, name, 1025, &err), ADDS_ELIMIT);
	ck_assert_int_eq(adds_vocab_add(v, " \n", 2, &err), ADDS_EFORMAT);
	ck_assert_int_eq(adds_vocab_add(v, "a\0b", 3, &err), ADDS_EFORMAT);
	ck_assert_int_eq(adds_vocab_add(v, "\xc0\x80", 2, &err), ADDS_EFORMAT);
	ck_assert_int_eq(adds_vocab_add(v, "\xed\xa0\x80", 3, &err), ADDS_EFORMAT);
	ck_assert_int_eq(adds_vocab_add(v, "\xf4\x90\x80\x80", 4, &err), ADDS_EFORMAT);
	ck_assert_int_eq(adds_vocab_add(v, "\xe4\xbd", 2, &err), ADDS_EFORMAT);
	ck_assert_int_eq(adds_vocab_add(v, "狗\xf0\x9f\x90\x95", 7, &err), 1);
	adds_vocab_free(v);
}
END_TEST

START_TEST(json_is_sorted_by_code_point_and_nests)
{
	struct adds_vocab *v = read_text("\xef\xbb\xbf {\"plant\": [\"tree\", {\"flower\": [\"rose\"]}],"
	                                 " \"Zoo\": null, \"animal\": {\"dog\": true, \"note\": \"\xc3\xa9tale\"}}");
	static const char *const want[] = { "Zoo", "animal", "dog", "flower", "note", "plant", "rose", "tree", "\xc3\xa9tale" };
	const int32_t *parents;
	int32_t set[9] = { row(v, "rose") };
	size_t i;

	ck_assert_uint_eq(adds_vocab_size(v), 9);
	for (i = 0; i < 9; i++)
		ck_assert_str_eq(adds_vocab_name(v, i), want[i]);
	ck_assert_uint_eq(adds_vocab_parents(v, row(v, "dog"), &parents), 1);
	ck_assert_int_eq(parents[0], row(v, "animal"));
	ck_assert_uint_eq(adds_vocab_close(v, set, 1), 3);
	ck_assert_int_eq(set[0], row(v, "flower"));
	ck_assert_int_eq(set[1], row(v, "plant"));
	ck_assert_int_eq(set[2], row(v, "rose"));
	set[0] = row(v, "\xc3\xa9tale");
	ck_assert_uint_eq(adds_vocab_close(v, set, 1), 3); /* note, animal */
	adds_vocab_free(v);
}
END_TEST

START_TEST(a_name_with_two_places_implies_nothing_alone)
{
	struct adds_vocab *v = read_text("{\"material\": {\"wood\": [\"oak\"]}, \"landscape\": {\"wood\": []}}");
	const int32_t wood = row(v, "wood"), material = row(v, "material");
	int32_t set[4] = { wood }, chain[2] = { material, wood };
	const int32_t *parents;

	ck_assert_uint_eq(adds_vocab_close(v, set, 1), 1);
	ck_assert_uint_eq(adds_vocab_imply_chain(v, chain + 1, 1, set, 1), 1);
	ck_assert_uint_eq(adds_vocab_imply_chain(v, chain, 2, set, 1), 2);
	ck_assert(adds_set_has(set, 2, material) && adds_set_has(set, 2, wood));
	/* oak stands once: it implies wood, and past it material */
	ck_assert_uint_eq(adds_vocab_parents(v, row(v, "oak"), &parents), 2);
	set[0] = row(v, "oak");
	ck_assert_uint_eq(adds_vocab_close(v, set, 1), 3);
	ck_assert(!adds_set_has(set, 3, row(v, "landscape")));
	adds_vocab_free(v);
}
END_TEST

START_TEST(levels_may_be_left_out_of_a_chain)
{
	struct adds_vocab *v = read_text("{\"animal\": {\"dog\": [\"poodle\"]}, \"hair\": [\"poodle\"]}");
	int32_t chain[2] = { row(v, "animal"), row(v, "poodle") };
	int32_t set[4] = { chain[1] };

	ck_assert_uint_eq(adds_vocab_imply_chain(v, chain, 2, set, 1), 3);
	ck_assert(adds_set_has(set, 3, row(v, "dog")));
	ck_assert(!adds_set_has(set, 3, row(v, "hair")));
	adds_vocab_free(v);
}
END_TEST

START_TEST(a_name_below_itself_is_no_cycle)
{
	struct adds_vocab *v = read_text("{\"a\": {\"b\": [\"a\"]}}");
	int32_t set[2] = { row(v, "b") };

	ck_assert_uint_eq(adds_vocab_close(v, set, 1), 2);
	set[0] = row(v, "a");
	ck_assert_uint_eq(adds_vocab_close(v, set, 1), 1);
	adds_vocab_free(v);
}
END_TEST

START_TEST(cycles_are_refused)
{
	struct adds_vocab *v = read_text("a\nb\nc\n");
	struct adds_error err;
	int32_t set[3] = { 0 };

	ck_assert_int_eq(adds_vocab_imply(v, 0, 1, &err), 0);
	ck_assert_int_eq(adds_vocab_imply(v, 1, 2, &err), 0);
	ck_assert_int_eq(adds_vocab_imply(v, 2, 0, &err), ADDS_EFORMAT);
	ck_assert_int_eq(adds_vocab_imply(v, 2, 2, &err), ADDS_EFORMAT);
	ck_assert_int_eq(adds_vocab_imply(v, 2, 3, &err), ADDS_EFORMAT);
	ck_assert_uint_eq(adds_vocab_close(v, set, 1), 3);
	adds_vocab_free(v);
}
END_TEST

START_TEST(close_finds_parents_on_either_side)
{
	struct adds_vocab *v = read_text("a\nb\nc\nd\ne\n");
	struct adds_error err;
	int32_t set[5] = { 2 };
	int i;

	adds_vocab_imply(v, 2, 4, &err);
	adds_vocab_imply(v, 4, 0, &err);
	adds_vocab_imply(v, 0, 3, &err);
	adds_vocab_imply(v, 3, 1, &err);
	ck_assert_uint_eq(adds_vocab_close(v, set, 1), 5);
	for (i = 0; i < 5; i++)
		ck_assert_int_eq(set[i], i);
	adds_vocab_free(v);
}
END_TEST

START_TEST(lists_keep_their_order)
{
	struct adds_vocab *v = read_text("\r\n  zebra \r\n# no comment\napple\ta picture of an apple\n\nno end");

	ck_assert_uint_eq(adds_vocab_size(v), 4);
	ck_assert_str_eq(adds_vocab_name(v, 0), "zebra");
	ck_assert_str_eq(adds_vocab_name(v, 1), "# no comment");
	ck_assert_str_eq(adds_vocab_name(v, 2), "apple");
	ck_assert_str_eq(adds_vocab_name(v, 3), "no end");
	adds_vocab_free(v);
}
END_TEST

START_TEST(bad_files_are_refused)
{
	refused("dog\ncat\n dog\n", ADDS_EFORMAT, "line 3: 'dog' stands twice");
	refused("\n \n", ADDS_EFORMAT, "holds no label");
	refused("{\"dog\": [}", ADDS_EFORMAT, "vocab");
	refused("{\"\": 1}", ADDS_EFORMAT, "without a name");
	refused("a\n\xff\n", ADDS_EFORMAT, "line 2");
}
END_TEST

START_TEST(a_header_holds_it_all)
{
	struct adds_vocab *v = read_text("{\"m\": {\"wood\": [\"oak\"]}, \"l\": {\"wood\": [\"elm\"]}}"), *w;
	struct adds_message *h = adds_message_new();
	struct adds_error err = { 0 };
	const int32_t *a, *b;
	char one[65], two[65];
	size_t i, n;

	ck_assert_int_eq(adds_vocab_to_header(v, h, &err), 0);
	w = adds_vocab_from_header(h, &err);
	ck_assert_msg(w != NULL, "%s", err.msg);
	ck_assert_uint_eq(adds_vocab_size(w), adds_vocab_size(v));
	for (i = 0; i < adds_vocab_size(v); i++) {
		ck_assert_str_eq(adds_vocab_name(w, i), adds_vocab_name(v, i));
		n = adds_vocab_parents(v, (int32_t)i, &a);
		ck_assert_uint_eq(adds_vocab_parents(w, (int32_t)i, &b), n);
		if (n)
			ck_assert_mem_eq(a, b, n * sizeof(*a));
	}
	ck_assert_int_eq(adds_vocab_hash(v, one, NULL), 0);
	ck_assert_int_eq(adds_vocab_hash(w, two, NULL), 0);
	ck_assert_str_eq(one, two);
	adds_message_free(h);
	adds_vocab_free(v);
	adds_vocab_free(w);
}
END_TEST

static void
header_refused(const char *labels, int64_t n, const int32_t *parents, int64_t pairs, const char *part)
{
	struct adds_message *h = adds_message_new();
	struct adds_error err = { 0 };
	int64_t shape[2] = { pairs, 2 };

	ck_assert_int_eq(adds_message_add(h, "labels", ADDS_U8, 1, &n, labels, &err), 0);
	if (pairs)
		ck_assert_int_eq(adds_message_add(h, "parents", ADDS_I32, 2, shape, parents, &err), 0);
	ck_assert_ptr_null(adds_vocab_from_header(h, &err));
	ck_assert_int_eq(err.code, ADDS_EFORMAT);
	ck_assert_msg(strstr(err.msg, part) != NULL, "'%s' lacks '%s'", err.msg, part);
	adds_message_free(h);
}

START_TEST(bad_headers_are_refused)
{
	static const int32_t cycle[] = { 0, 1, 1, 0 }, outside[] = { 0, 2 };

	header_refused("a\0a\0", 4, NULL, 0, "stands twice");
	header_refused("a\0b\0a\0", 6, NULL, 0, "stands twice");
	header_refused("a\0 b\0", 5, NULL, 0, "white space");
	header_refused("a\0b", 3, NULL, 0, "NUL");
	header_refused("a\0\0", 3, NULL, 0, "without a name");
	header_refused("a\0b\0", 4, cycle, 2, "imply itself");
	header_refused("a\0b\0", 4, outside, 1, "row 2");
}
END_TEST

Suite *vocab_suite(void);

Suite *
vocab_suite(void)
{
	Suite *s = suite_create("vocab");
	TCase *c = tcase_create("vocab");

	tcase_add_test(c, names_are_found_by_exact_bytes_after_trimming);
	tcase_add_test(c, bad_names_are_refused);
	tcase_add_test(c, json_is_sorted_by_code_point_and_nests);
	tcase_add_test(c, a_name_with_two_places_implies_nothing_alone);
	tcase_add_test(c, levels_may_be_left_out_of_a_chain);
	tcase_add_test(c, a_name_below_itself_is_no_cycle);
	tcase_add_test(c, cycles_are_refused);
	tcase_add_test(c, close_finds_parents_on_either_side);
	tcase_add_test(c, lists_keep_their_order);
	tcase_add_test(c, bad_files_are_refused);
	tcase_add_test(c, a_header_holds_it_all);
	tcase_add_test(c, bad_headers_are_refused);
	suite_add_tcase(s, c);
	return s;
}
