/* SPDX-License-Identifier: MIT
 * test_fail.c - error sentences */
#include <errno.h>

#include "../../lib/fail.h"
#include "unit.h"

START_TEST(control_characters_become_question_marks)
{
	struct adds_error err;

	ck_assert_int_eq(adds_fail(&err, ADDS_EFORMAT, "cannot open '%s'", "a\033[31m\n"), ADDS_EFORMAT);
	ck_assert_str_eq(err.msg, "cannot open 'a?[31m?'");
}
END_TEST

START_TEST(errno_text_is_behind)
{
	struct adds_error err;

	errno = ENOENT;
	ck_assert_int_eq(adds_fail_errno(&err, "cannot open 'x'"), ADDS_EIO);
	ck_assert_str_eq(err.msg, "cannot open 'x': No such file or directory");
}
END_TEST

START_TEST(context_goes_in_front)
{
	struct adds_error err;

	adds_fail(&err, ADDS_ELIMIT, "too long");
	ck_assert_int_eq(adds_fail_in(&err, "record %d", 3), ADDS_ELIMIT);
	ck_assert_str_eq(err.msg, "record 3: too long");
}
END_TEST

START_TEST(products_of_sizes_do_not_wrap)
{
	size_t n;

	ck_assert_int_eq(adds_mul_size(3, 5, &n), 0);
	ck_assert_uint_eq(n, 15);
	ck_assert_int_ne(adds_mul_size(SIZE_MAX / 2, 3, &n), 0);
}
END_TEST

Suite *fail_suite(void);

Suite *
fail_suite(void)
{
	Suite *s = suite_create("fail");
	TCase *c = tcase_create("fail");

	tcase_add_test(c, control_characters_become_question_marks);
	tcase_add_test(c, errno_text_is_behind);
	tcase_add_test(c, context_goes_in_front);
	tcase_add_test(c, products_of_sizes_do_not_wrap);
	suite_add_tcase(s, c);
	return s;
}
