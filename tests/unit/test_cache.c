/* SPDX-License-Identifier: MIT
 * test_cache.c - entries, links, limits, and notes of outputs */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../lib/pyramid/cache.h"
#include "../../lib/pyramid/current.h"
#include "unit.h"

static const char FIRST[65] = "00112233445566778899aabbccddeeff0123456789abcdef0123456789abcdef";
static const char SECOND[65] = "ffeeddccbbaa99887766554433221100fedcba9876543210fedcba9876543210";

static struct adds_cache *
opened(const char *name, uint64_t limit, const char *settings)
{
	struct adds_error err;
	struct adds_cache *c;
	char dir[256];

	snprintf(dir, sizeof(dir), "%s/%s", scratch(), name);
	c = adds_cache_open(dir, limit, settings, &err);
	ck_assert_msg(c != NULL, "%s", err.msg);
	return c;
}

START_TEST(what_is_put_is_got)
{
	struct adds_cache *c = opened("put", 0, "settings");
	const int32_t size[2] = { 480, 640 };
	char in[100], out[100];
	int32_t got[2];
	int i;

	for (i = 0; i < 100; i++)
		in[i] = (char)(i * 7);
	ck_assert_int_eq(adds_cache_get(c, FIRST, out, 100, got), 0);
	adds_cache_put(c, FIRST, in, 100, size);
	ck_assert_ptr_null(adds_cache_trouble(c));
	ck_assert_int_eq(adds_cache_get(c, FIRST, out, 100, got), 1);
	ck_assert_mem_eq(in, out, 100);
	ck_assert_mem_eq(size, got, sizeof(got));
	ck_assert_int_eq(adds_cache_get(c, SECOND, out, 100, got), 0);
	adds_cache_close(c);
	c = opened("put", 0, "other settings");
	ck_assert_int_eq(adds_cache_get(c, FIRST, out, 100, got), 0);
	adds_cache_close(c);
}
END_TEST

START_TEST(files_are_known_by_path_size_and_time)
{
	struct adds_cache *c = opened("known", 0, "s");
	const struct adds_file_stat old = { 1234, 1500000000000000001 }, later = { 1234, 1500000000000000002 },
				    larger = { 1235, 1500000000000000001 }, now = { 1234, 4000000000000000000 };
	char sha[65];

	ck_assert_int_eq(adds_cache_recall(c, sha, "a/b.jpg", old), 0);
	adds_cache_remember(c, FIRST, "a/b.jpg", old);
	ck_assert_int_eq(adds_cache_recall(c, sha, "a/b.jpg", old), 1);
	ck_assert_str_eq(sha, FIRST);
	ck_assert_int_eq(adds_cache_recall(c, sha, "a/b.jpg", later), 0);
	ck_assert_int_eq(adds_cache_recall(c, sha, "a/b.jpg", larger), 0);
	ck_assert_int_eq(adds_cache_recall(c, sha, "b.jpg", old), 0);
	adds_cache_remember(c, SECOND, "a/b.jpg", old);
	ck_assert_int_eq(adds_cache_recall(c, sha, "a/b.jpg", old), 1);
	ck_assert_str_eq(sha, SECOND);
	adds_cache_remember(c, FIRST, "new.jpg", now); /* could change again within the clock's grain */
	ck_assert_int_eq(adds_cache_recall(c, sha, "new.jpg", now), 0);
	adds_cache_close(c);
}
END_TEST

static long
bytes_below(const char *name)
{
	char command[512];
	long n = -1;
	FILE *f;

	snprintf(command, sizeof(command), "cat %s/%s/entries/*/* 2>/dev/null | wc -c", scratch(), name);
	f = popen(command, "r");
	ck_assert_ptr_nonnull(f);
	ck_assert_int_eq(fscanf(f, "%ld", &n), 1);
	pclose(f);
	return n;
}

START_TEST(the_limit_is_kept)
{
	enum { LIMIT = 40000,
	       ENTRY = 1000 };
	struct adds_cache *c = opened("limit", LIMIT, "s");
	const int32_t size[2] = { 1, 1 };
	static const char data[ENTRY];
	char sha[65], out[ENTRY];
	int32_t got[2];
	int i;

	for (i = 0; i < 200; i++) {
		snprintf(sha, sizeof(sha), "%064d", i);
		adds_cache_put(c, sha, data, ENTRY, size);
		ck_assert_int_le(bytes_below("limit"), LIMIT);
	}
	ck_assert_int_gt(bytes_below("limit"), LIMIT / 2);
	ck_assert_int_eq(adds_cache_get(c, sha, out, ENTRY, got), 1); /* the newest is there, the oldest is not */
	snprintf(sha, sizeof(sha), "%064d", 0);
	ck_assert_int_eq(adds_cache_get(c, sha, out, ENTRY, got), 0);
	adds_cache_close(c);
}
END_TEST

/* a run over three records whose second is as given; returns what adds_current_whole says */
static int
run_over(struct adds_cache *c, const char *output, const char *second, uint64_t *agreed)
{
	struct adds_message *header = adds_message_new(), *m[3];
	const char *names[3] = { "first", second, "third" };
	const struct adds_file_stat st = { 10, 1500000000000000000 };
	struct adds_error err = { 0 };
	struct adds_current *n;
	uint64_t errors;
	int i, whole;

	ck_assert_ptr_nonnull(header);
	n = adds_current_open(c, output, header, 1, &err);
	ck_assert_msg(n != NULL, "%s", err.msg);
	for (i = 0; i < 3; i++) {
		ck_assert_ptr_nonnull(m[i] = adds_picture_new(names[i], strlen(names[i]), 10, "1", &err));
		if (!adds_current_agrees(n, adds_current_note(m[i], &st)))
			ck_assert_int_eq(adds_current_add(n, adds_current_note(m[i], &st), &err), 0);
		adds_message_free(m[i]);
	}
	whole = adds_current_whole(n, &errors);
	*agreed = adds_current_records(n);
	if (!whole)
		ck_assert_msg(adds_current_finish(n, 0, &err) == 0, "%s", err.msg);
	adds_current_free(n);
	adds_message_free(header);
	return whole;
}

START_TEST(outputs_are_current_until_something_changes)
{
	struct adds_cache *c = opened("notes", 0, "s");
	char output[256];
	uint64_t agreed;
	FILE *f;

	snprintf(output, sizeof(output), "%s/out.adds", scratch());
	ck_assert_ptr_nonnull(f = fopen(output, "w"));
	fputs("the output", f);
	fclose(f);
	ck_assert_int_eq(run_over(c, output, "second", &agreed), 0);
	ck_assert_int_eq(run_over(c, output, "second", &agreed), 1);
	ck_assert_uint_eq(agreed, 3);
	ck_assert_int_eq(run_over(c, output, "changed", &agreed), 0);
	ck_assert_uint_eq(agreed, 1);
	ck_assert_int_eq(run_over(c, output, "changed", &agreed), 1);
	ck_assert_ptr_nonnull(f = fopen(output, "a"));
	fputs(" touched", f);
	fclose(f);
	ck_assert_int_eq(run_over(c, output, "changed", &agreed), 0);
	ck_assert_uint_eq(agreed, 0);
	adds_cache_close(c);
}
END_TEST

Suite *cache_suite(void);

Suite *
cache_suite(void)
{
	Suite *s = suite_create("cache");
	TCase *c = tcase_create("cache");

	tcase_set_timeout(c, 60);
	tcase_add_test(c, what_is_put_is_got);
	tcase_add_test(c, files_are_known_by_path_size_and_time);
	tcase_add_test(c, the_limit_is_kept);
	tcase_add_test(c, outputs_are_current_until_something_changes);
	suite_add_tcase(s, c);
	return s;
}
