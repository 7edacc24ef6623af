/* SPDX-License-Identifier: MIT
 * test_label.c - label files to targets: nesting, vectors, negatives, tag files, tables */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/label/hierarchy.h"
#include "../../lib/label/table.h"
#include "unit.h"

static const char *
write_file(const char *name, const char *text)
{
	static char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", scratch(), name);
	f = fopen(path, "wb");
	ck_assert_ptr_nonnull(f);
	fputs(text, f);
	fclose(f);
	return path;
}

static struct adds_vocab *
vocab_of(const char *text)
{
	struct adds_error err = { 0 };
	struct adds_vocab *v = adds_vocab_read(write_file("vocab", text), &err);

	ck_assert_msg(v != NULL, "%s", err.msg);
	return v;
}

static int
row_of(void *arg, const char *name, size_t len, int32_t *row, struct adds_error *err)
{
	const struct adds_vocab *v = arg;

	len = adds_trim(&name, len);
	*row = (int32_t)adds_vocab_find(v, name, len);
	if (*row >= 0 || memcmp(name, "skip", 4) == 0)
		return 0;
	return adds_fail(err, ADDS_EFORMAT, "'%.*s' is unknown", (int)len, name);
}

/* "a b; c" : positives, and after the semicolon negatives, if they are stated */
static const char *
text_of(const struct adds_vocab *v, const struct adds_targets *g)
{
	static char out[512];
	size_t n = 0, i;

	out[0] = '\0';
	for (i = 0; i < g->npos; i++)
		n += (size_t)snprintf(out + n, sizeof(out) - n, "%s%s", i ? " " : "", adds_vocab_name(v, (size_t)g->pos[i]));
	if (g->has_neg)
		n += (size_t)snprintf(out + n, sizeof(out) - n, ";");
	for (i = 0; i < g->nneg; i++)
		n += (size_t)snprintf(out + n, sizeof(out) - n, " %s", adds_vocab_name(v, (size_t)g->neg[i]));
	return out;
}

static int
targets_of(char out[512], struct adds_vocab *v, const char *text, int json, struct adds_error *err)
{
	struct adds_statement_reader r = { .row_of = row_of, .arg = v };
	struct adds_statement s = { 0 };
	struct adds_targets g = { 0 };
	int rc;

	rc = json ? adds_statement_json(&s, &r, "x.json", text, strlen(text), err)
	          : adds_statement_text(&s, &r, v, "x.txt", text, strlen(text), err);
	if (rc == 0 && (rc = adds_targets_of(&g, v, &s, NULL, adds_vocab_size(v), "x.json", err)) == 0)
		strcpy(out, text_of(v, &g));
	adds_statement_reader_release(&r);
	adds_statement_release(&s);
	adds_targets_release(&g);
	return rc;
}

static void
gives(struct adds_vocab *v, const char *json, const char *want)
{
	struct adds_error err = { 0 };
	char got[512];

	ck_assert_msg(targets_of(got, v, json, 1, &err) == 0, "%s: %s", json, err.msg);
	ck_assert_msg(strcmp(got, want) == 0, "%s gives '%s', not '%s'", json, got, want);
}

static void
refused(struct adds_vocab *v, const char *json, const char *part)
{
	struct adds_error err = { 0 };
	char got[512];

	ck_assert_msg(targets_of(got, v, json, 1, &err) < 0, "%s was taken", json);
	ck_assert_msg(strstr(err.msg, part) != NULL, "%s: '%s' lacks '%s'", json, err.msg, part);
}

static const char animals[] = "{\"animal\": {\"dog\": [\"poodle\", \"terrier\"], \"cat\": []}, \"tree\": [\"oak\"], \"sky\": []}";

START_TEST(keys_and_strings_are_tags)
{
	struct adds_vocab *v = vocab_of(animals);

	gives(v, "{\"sky\": 3, \"tree\": true, \"cat\": false, \"dog\": null}", "sky tree");
	gives(v, "{\"sky\": \"oak\"}", "oak sky tree");
	gives(v, "{\"sky\": [1, true, [\"cat\"], {\"dog\": 0, \"tree\": false}, null]}", "animal cat dog sky");
	gives(v, "[\"sky\", {\"tree\": []}, 7]", "sky tree");
	gives(v, "{}", "");
	gives(v, "{\" sky\\t\": 1}", "sky");
	gives(v, "\xef\xbb\xbf{\"sky\": 1}", "sky");
	gives(v, "{\"skip me\": {\"skip too\": [\"oak\"]}}", "oak tree");
	adds_vocab_free(v);
}
END_TEST

START_TEST(parents_are_implied)
{
	struct adds_vocab *v = vocab_of(animals);

	gives(v, "[\"poodle\"]", "animal dog poodle");
	gives(v, "{\"animal\": [\"terrier\"]}", "animal dog terrier");
	gives(v, "{\"dog\": false, \"animal\": {\"poodle\": 1}}", "animal dog poodle");
	adds_vocab_free(v);
	v = vocab_of("{\"material\": {\"wood\": [\"oak\"]}, \"landscape\": {\"wood\": [\"glade\"]}}");
	gives(v, "[\"wood\"]", "wood");
	gives(v, "{\"landscape\": [\"wood\"]}", "landscape wood");
	gives(v, "{\"wood\": [\"oak\"]}", "material oak wood");
	gives(v, "{\"skip\": {\"material\": {\"skip\": [\"wood\"]}}}", "material wood");
	adds_vocab_free(v);
}
END_TEST

START_TEST(the_nesting_of_the_file_finds_distant_parents)
{
	struct adds_vocab *v = vocab_of("{\"R\": {\"a\": [\"b\"]}, \"S\": {\"c\": [\"b\"], \"a\": [\"d\"]}}");

	gives(v, "{\"a\": [\"b\"]}", "R a b"); /* a alone is R's or S's, a with b is R's */
	gives(v, "{\"S\": [\"b\"]}", "S b c");
	gives(v, "{\"a\": 1}", "a");
	adds_vocab_free(v);
}
END_TEST

START_TEST(vectors_are_in_code_point_order)
{
	struct adds_vocab *v = vocab_of(animals); /* animal cat dog oak poodle sky terrier tree */

	gives(v, "{\"encoded_labels\": [0,0,0,0,1,1,0,0]}", "animal dog poodle sky");
	gives(v, "{\"encoded_labels\": [false,true,0.0,0,0,1.0,0,0]}", "animal cat sky");
	gives(v, "{\"encoded_labels\": [0,0,0,0,0,0,0,0]}", "");
	refused(v, "{\"encoded_labels\": [0,0,0,0,1,1,0]}", "'x.json' $.encoded_labels has 7 values, but the vocabulary 8");
	refused(v, "{\"encoded_labels\": [0,0,2,0,1,1,0,0]}", "$.encoded_labels[2]: neither 0 nor 1");
	refused(v, "{\"encoded_labels\": {\"a\": 1}}", "$.encoded_labels: not a list");
	adds_vocab_free(v);
}
END_TEST

START_TEST(tags_decide_and_the_vector_is_checked)
{
	struct adds_vocab *v = vocab_of(animals);

	gives(v, "{\"encoded_labels\": [1,0,1,0,1,0,0,0], \"poodle\": 1}", "animal dog poodle");
	gives(v, "{\"poodle\": 1, \"encoded_labels\": [0,0,0,0,1,0,0,0]}", "animal dog poodle");
	refused(v, "{\"poodle\": 1, \"encoded_labels\": [0,1,0,0,1,0,0,0]}", "$.encoded_labels[1] is 1, but 'cat' is none");
	refused(v, "{\"poodle\": 1, \"encoded_labels\": [0,0,0,0,0,0,0,0]}", "$.encoded_labels[4] is 0, but 'poodle' is one");
	adds_vocab_free(v);
}
END_TEST

START_TEST(negatives_are_verified_downwards)
{
	struct adds_vocab *v = vocab_of(animals);

	gives(v, "{\"sky\": 1, \"negative_labels\": [\"cat\"]}", "sky; cat");
	gives(v, "{\"negative_labels\": [\"dog\"]}", "; dog poodle terrier");
	gives(v, "{\"sky\": 1, \"negative_labels\": []}", "sky;");
	gives(v, "{\"encoded_labels\": [0,0,0,0,0,1,0,0], \"negative_labels\": {\"tree\": []}}", "sky; oak tree");
	refused(v, "{\"poodle\": 1, \"negative_labels\": [\"animal\"]}", "both a tag and a negative");
	refused(v, "{\"sky\": 1, \"negative_labels\": \"sky\"}", "'sky' is both a tag and a negative");
	gives(v, "{\"tree\": {\"skip negative_labels\": [\"oak\"]}}", "oak tree");
	adds_vocab_free(v);
}
END_TEST

START_TEST(broken_files_name_byte_and_path)
{
	struct adds_vocab *v = vocab_of(animals);

	refused(v, "{\"animal\": [\"dog\", \"zebra\"]}", "'x.json' byte 19, $.animal[1]: 'zebra' is unknown");
	refused(v, "{\"animal\": {\"zebra\": 1}}", "$.animal.zebra: 'zebra' is unknown");
	refused(v, "{\"sky\": 1, \"sky\": 2}", "$.sky: the key stands twice");
	refused(v, "{\"animal\": {\"cat\": 1, \"dog\": 1, \"cat\": 0}}", "$.animal.cat: the key stands twice");
	gives(v, "{\"animal\": {\"cat\": 1}, \"cat\": 1, \"sky\": [{\"cat\": 1}, {\"cat\": 1}]}", "animal cat sky");
	refused(v, "3", "an object or a list");
	refused(v, "{\"sky\": 1} x", "behind the end");
	refused(v, "", "ends early");
	adds_vocab_free(v);
}
END_TEST

START_TEST(tag_files_hold_names_between_commas)
{
	struct adds_vocab *v = vocab_of("sky\ndog\ncat, black\nblack\n");
	struct adds_error err = { 0 };
	char got[512];

	ck_assert_int_eq(targets_of(got, v, "dog, sky,\r\n\n", 0, &err), 0);
	ck_assert_str_eq(got, "sky dog");
	ck_assert_int_eq(targets_of(got, v, "cat, black\ndog\n", 0, &err), 0);
	ck_assert_str_eq(got, "dog cat, black");
	ck_assert_int_eq(targets_of(got, v, "", 0, &err), 0);
	ck_assert_str_eq(got, "");
	ck_assert_int_lt(targets_of(got, v, "dog\ncow", 0, &err), 0);
	ck_assert_ptr_nonnull(strstr(err.msg, "'cow' is unknown"));
	adds_vocab_free(v);
}
END_TEST

/* ---- tables ---- */

static void
table_gives(const char *name, const char *text, const char *picture, const char *want)
{
	struct adds_error err = { 0 };
	struct adds_vocab *v = vocab_of("animal\ncat\ndog\nsky\nother\n");
	char path[256];
	struct adds_table *t;
	struct adds_statement s = { 0 };
	struct adds_targets g = { 0 };
	const struct adds_table_entry *e;

	strcpy(path, write_file(name, text));
	t = adds_table_read(path, 0, &err);
	ck_assert_msg(t != NULL, "%s", err.msg);
	ck_assert_msg(adds_table_bind(t, adds_vocab_size(v), row_of, v, &err) == 0, "%s", err.msg);
	e = adds_table_find(t, picture, picture);
	if (!want) {
		ck_assert_ptr_null(e);
	} else {
		ck_assert_ptr_nonnull(e);
		ck_assert_int_eq(adds_table_statement(&s, t, e, &err), 0);
		ck_assert_msg(adds_targets_of(&g, v, &s, NULL, 0, path, &err) == 0, "%s", err.msg);
		ck_assert_str_eq(text_of(v, &g), want);
	}
	adds_statement_release(&s);
	adds_targets_release(&g);
	adds_table_free(t);
	adds_vocab_free(v);
}

static void
table_refused(const char *name, const char *text, const char *part)
{
	struct adds_error err = { 0 };
	struct adds_table *t = adds_table_read(write_file(name, text), 0, &err);

	ck_assert_msg(!t, "'%s' was taken", text);
	ck_assert_msg(strstr(err.msg, part) != NULL, "'%s' lacks '%s'", err.msg, part);
}

#define COCO_HEAD "{\"info\": {\"x\": [1, {}]}, "
#define COCO_CATEGORIES \
	"\"categories\": [{\"id\": 17, \"name\": \"cat\", \"supercategory\": \"animal\"}, {\"id\": 18, \"name\": \"dog\"}]"
#define COCO_IMAGES "\"images\": [{\"id\": 5, \"file_name\": \"a.jpg\"}, {\"file_name\": \"sub/b.jpg\", \"id\": 6}, " \
		    "{\"id\": 7, \"coco_url\": \"http://x/val/c.jpg\", \"neg_category_ids\": [18]}]"
#define COCO_ANNOTATIONS "\"annotations\": [{\"image_id\": 5, \"category_id\": 18, \"segmentation\": [[1.5, 2]]}, " \
			 "{\"category_id\": 17, \"image_id\": 5}, {\"image_id\": 5, \"category_id\": 18}, " \
			 "{\"image_id\": 7, \"category_id\": 17}]"

START_TEST(coco_in_any_order)
{
	static const char *const texts[] = {
		COCO_HEAD COCO_IMAGES ", " COCO_ANNOTATIONS ", " COCO_CATEGORIES "}",
		COCO_HEAD COCO_ANNOTATIONS ", " COCO_CATEGORIES ", " COCO_IMAGES "}",
		COCO_HEAD COCO_CATEGORIES ", " COCO_IMAGES ", " COCO_ANNOTATIONS "}",
	};
	size_t i;

	for (i = 0; i < 3; i++) {
		table_gives("coco.json", texts[i], "val/a.jpg", "cat dog");
		table_gives("coco.json", texts[i], "sub/b.jpg", "");
		table_gives("coco.json", texts[i], "x/c.jpg", "cat; dog");
		table_gives("coco.json", texts[i], "d.jpg", NULL);
	}
}
END_TEST

START_TEST(broken_coco_is_refused)
{
	table_refused("coco.json", COCO_HEAD COCO_IMAGES ", " COCO_CATEGORIES "}", "lacks 'images', 'annotations'");
	table_refused("coco.json",
	              COCO_HEAD COCO_IMAGES
	              ", " COCO_CATEGORIES
	              ", \"annotations\": [{\"image_id\": 9, \"category_id\": 17}]}",
	              "image id 9 is annotated");
	table_refused("coco.json",
	              COCO_HEAD COCO_IMAGES
	              ", " COCO_CATEGORIES
	              ", \"annotations\": [{\"image_id\": 5, \"category_id\": 1}]}",
	              "category id 1 is used");
	table_refused("coco.json", COCO_HEAD COCO_IMAGES ", " COCO_CATEGORIES ", \"annotations\": [{\"image_id\": 5}]}",
	              "$.annotations[0]: an annotation without");
	table_refused("coco.json", COCO_HEAD COCO_IMAGES ", " COCO_IMAGES "}", "$.images: the key stands twice");
	table_refused("coco.json", COCO_HEAD "\"images\": [{\"id\": 5, \"file_name\": 3}]}",
	              "$.images[0].file_name: not a file name");
	table_refused("coco.json", "[]", "is an object");
	table_refused("coco.json", COCO_HEAD COCO_IMAGES ", " COCO_ANNOTATIONS ", " COCO_CATEGORIES, "ends early");
}
END_TEST

START_TEST(supercategories_are_parents_on_request)
{
	struct adds_error err = { 0 };
	const char *path = write_file("coco.json", COCO_HEAD COCO_IMAGES ", " COCO_ANNOTATIONS ", " COCO_CATEGORIES "}");
	struct adds_table *t = adds_table_read(path, 1, &err);
	const int32_t *parents;

	ck_assert_msg(t != NULL, "%s", err.msg);
	ck_assert_uint_eq(adds_vocab_size(t->names), 3);
	ck_assert_uint_eq(adds_vocab_parents(t->names, (int32_t)adds_vocab_find(t->names, "cat", 3), &parents), 1);
	ck_assert_str_eq(adds_vocab_name(t->names, (size_t)parents[0]), "animal");
	adds_table_free(t);
}
END_TEST

START_TEST(json_lines)
{
	const char *text =
		"\xef\xbb\xbf{\"file_name\": \"a.jpg\", \"labels\": [\"dog\", \"sky\"], \"text\": {\"x\": 1}}\n\n"
		"{\"tags\": {\"animal\": [\"cat\"]}, \"file_name\": \"./sub/b.jpg\", \"negative_labels\": [\"dog\"]}\r\n"
		"{\"file_name\": \"c.jpg\"}\n{\"file_name\": \"d.jpg\", \"labels\": []}";

	table_gives("t.jsonl", text, "a.jpg", "dog sky");
	table_gives("t.jsonl", text, "x/a.jpg", "dog sky");
	table_gives("t.jsonl", text, "sub/b.jpg", "animal cat; dog");
	table_gives("t.jsonl", text, "b.jpg", NULL);
	table_gives("t.jsonl", text, "c.jpg", NULL);
	table_gives("t.jsonl", text, "d.jpg", "");
	table_refused("t.jsonl", "{\"file_name\": \"a.jpg\", \"labels\": [3]}",
	              "line 1 byte 34, $.labels[0]: a number is no name");
	table_refused("t.jsonl", "{\"file_name\": \"a\", \"tags\": []}\n{\"file_name\": \"a\"}",
	              "line 2 byte 18, $: 'a' stands twice");
	table_refused("t.jsonl", "{\"tags\": []}", "line 1 byte 11, $: the line lacks 'file_name'");
	table_refused("t.jsonl", "{\"file_name\": \"a\"}\n", "no line has 'labels'");
	table_refused("t.jsonl", "{\"file_name\": \"a\", \"tags\": []\n", "line 1");
}
END_TEST

START_TEST(keys_that_stand_twice_are_refused)
{
	table_refused("t.jsonl",
	              "\n{\"file_name\": \"a\", \"labels\": [\"x\"], \"labels\": [\"y\"]}",
	              "line 2 byte 36, $.labels: the key stands twice");
	table_refused("t.jsonl", "{\"file_name\": \"a\", \"labels\": [\"x\"], \"tags\": [\"y\"]}",
	              "$.tags[0]: the line has 'labels' and 'tags'");
	table_refused("t.jsonl", "{\"tags\": [\"y\"], \"labels\": \"x\", \"file_name\": \"a\"}",
	              "$.labels: the line has 'labels' and 'tags'");
	table_refused("t.jsonl",
	              "{\"negative_labels\": [], \"negative_labels\": [], \"file_name\": \"a\"}",
	              "$.negative_labels: the key stands twice");
	table_refused("t.jsonl", "{\"file_name\": \"a\", \"tags\": [], \"text\": 1, \"text\": 2}",
	              "$.text: the key stands twice");
	table_refused("t.jsonl", "{\"path\": \"a\", \"file_name\": \"b\", \"tags\": []}", "$.file_name: a second file name");
	table_gives("t.jsonl", "{\"file_name\": \"a.jpg\", \"tags\": null, \"labels\": [\"dog\"]}", "a.jpg", "dog");
	table_gives(
		"t.jsonl",
		"{\"file_name\": \"a.jpg\", \"labels\": [\"dog\"]}\n{\"file_name\": \"b.jpg\", \"tags\": [\"sky\"]}",
		"b.jpg", "sky");
	table_refused("coco.json",
	              COCO_HEAD "\"images\": [{\"id\": 5, \"file_name\": \"a\", \"id\": 6}]}",
	              "$.images[0].id: the key stands twice");
	table_refused("coco.json",
	              COCO_HEAD
	              "\"images\": [{\"id\": 5, \"file_name\": \"a\", \"file_name\": \"b\"}]}",
	              "$.images[0].file_name: the key stands twice");
	table_refused("coco.json",
	              COCO_HEAD "\"images\": [{\"coco_url\": \"a\", \"coco_url\": \"b\"}]}",
	              "$.images[0].coco_url: the key stands twice");
	table_refused("coco.json",
	              COCO_HEAD
	              "\"images\": [{\"neg_category_ids\": [], \"neg_category_ids\": []}]}",
	              "$.images[0].neg_category_ids: the key stands twice");
	table_refused("coco.json",
	              COCO_HEAD "\"annotations\": [{\"image_id\": 5, \"image_id\": 5}]}",
	              "$.annotations[0].image_id: the key stands twice");
	table_refused("coco.json",
	              COCO_HEAD "\"annotations\": [{\"category_id\": 5, \"category_id\": 6}]}",
	              "$.annotations[0].category_id: the key stands twice");
	table_refused("coco.json", COCO_HEAD "\"categories\": [{\"id\": 1, \"id\": 2}]}",
	              "$.categories[0].id: the key stands twice");
	table_refused("coco.json",
	              COCO_HEAD "\"categories\": [{\"name\": \"a\", \"name\": \"b\"}]}",
	              "$.categories[0].name: the key stands twice");
}
END_TEST

START_TEST(csv_in_three_forms)
{
	table_gives("t.csv", "file_name,labels\na.jpg,dog;sky\n", "a.jpg", "dog sky");
	table_gives("t.csv", "file,labels\n\"a,\"\"\nx.jpg\",dog\n", "a,\"\nx.jpg", "dog");
	table_gives("t.csv", "labels,file\n\"dog, cat\",a.jpg\r\n\n,b.jpg\n", "a.jpg", "cat dog");
	table_gives("t.csv", "labels,file\n\"dog, cat\",a.jpg\r\n\n,b.jpg\n", "b.jpg", "");
	table_gives("t.tsv", "image_id\tsplit\tlabels\na\ttrain\tdog,cat", "x/a.png", "cat dog");
	table_gives("t.csv", "file,label\na.jpg,dog\nb.jpg,cat\na.jpg,sky\n", "a.jpg", "dog sky");
	table_gives("t.csv", "ImageID,Source,LabelName,Confidence\na,v,dog,1\na,v,cat,0\na,v,sky,0.3\n", "a.jpg", "dog; cat");
	table_gives("t.csv", "image,dog,cat\na.jpg,1,0\n", "a.jpg", "dog; cat"); /* of sky it says nothing */
	table_gives("t.csv", "image,animal,cat,dog,sky,other\na.jpg,0,0,1,0,1\n", "a.jpg", "dog other");
	table_gives("t.csv", "image,animal,cat,dog,sky,other\na.jpg,0,-1,1,,1\n", "a.jpg", "dog other; animal");
}
END_TEST

START_TEST(broken_csv_is_refused)
{
	table_refused("t.csv", "", "is empty");
	table_refused("t.csv", "a,b\n", "names no column 'file_name'");
	table_refused("t.csv", "file,labels\na.jpg\n", "line 2: 1 fields, but the first line has 2");
	table_refused("t.csv", "file,labels\na.jpg,\"dog\n", "a quote is not closed");
	table_refused("t.csv", "file,dog\na.jpg,2\n", "line 2: a label's column holds 1, 0, -1 or nothing, not '2'");
	table_refused("t.csv", "file,dog\na.jpg,1\na.jpg,1\n", "line 3: a second line for 'a.jpg'");
	table_refused("t.csv", "file,dog,dog\n", "two columns for 'dog'");
	table_refused("t.csv", "file,label,confidence\na,dog,7\n", "a confidence is from 0 to 1");
	table_refused("t.csv", "file,label\na,\n", "without a name");
	table_refused("t.xml", "", "a table of labels is named");
}
END_TEST

Suite *label_suite(void);

Suite *
label_suite(void)
{
	Suite *s = suite_create("label");
	TCase *c = tcase_create("label");

	tcase_add_test(c, keys_and_strings_are_tags);
	tcase_add_test(c, parents_are_implied);
	tcase_add_test(c, the_nesting_of_the_file_finds_distant_parents);
	tcase_add_test(c, vectors_are_in_code_point_order);
	tcase_add_test(c, tags_decide_and_the_vector_is_checked);
	tcase_add_test(c, negatives_are_verified_downwards);
	tcase_add_test(c, broken_files_name_byte_and_path);
	tcase_add_test(c, tag_files_hold_names_between_commas);
	tcase_add_test(c, coco_in_any_order);
	tcase_add_test(c, broken_coco_is_refused);
	tcase_add_test(c, supercategories_are_parents_on_request);
	tcase_add_test(c, json_lines);
	tcase_add_test(c, keys_that_stand_twice_are_refused);
	tcase_add_test(c, csv_in_three_forms);
	tcase_add_test(c, broken_csv_is_refused);
	suite_add_tcase(s, c);
	return s;
}
