/* SPDX-License-Identifier: MIT
 * test_plot.c - axes with round numbers; words in a drawing */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/plot/chart.h"
#include "unit.h"

static void
check_scale(const struct adds_scale *s, double low, double high, const char *first, const char *second, const char *last)
{
	char text[ADDS_NUMBER_TEXT];

	ck_assert_double_eq_tol(s->low, low, 1e-12);
	ck_assert_double_eq_tol(s->high, high, 1e-12);
	ck_assert_str_eq(adds_scale_text(text, s, s->first), first);
	ck_assert_str_eq(adds_scale_text(text, s, s->first + 1), second);
	ck_assert_str_eq(adds_scale_text(text, s, s->last), last);
}

START_TEST(ticks_are_round)
{
	struct adds_scale s;

	s = adds_scale_of(0, 1, 5, 0);
	check_scale(&s, 0, 1, "0.0", "0.2", "1.0");
	s = adds_scale_of(0.123, 0.987, 10, 0); /* ends stay, ticks lie within */
	check_scale(&s, 0.123, 0.987, "0.2", "0.3", "0.9");
	s = adds_scale_round(0.385, 0.538, 6); /* ends move outwards */
	check_scale(&s, 0.35, 0.55, "0.35", "0.40", "0.55");
	s = adds_scale_round(0, 3, 6);
	check_scale(&s, 0, 3, "0.0", "0.5", "3.0");
	s = adds_scale_round(4.2, 12.3, 6);
	check_scale(&s, 4, 14, "4", "6", "14");
	s = adds_scale_round(-30, 170, 6);
	check_scale(&s, -50, 200, "-50", "0", "200");
	s = adds_scale_round(1e9, 7e9, 6);
	check_scale(&s, 1e9, 7e9, "1000000000", "2000000000", "7000000000");
	s = adds_scale_round(0.00012, 0.00057, 6);
	check_scale(&s, 0.0001, 0.0006, "0.0001", "0.0002", "0.0006");
}
END_TEST

START_TEST(epochs_are_whole)
{
	struct adds_scale s;

	s = adds_scale_of(0, 1, 20, 1);
	check_scale(&s, 0, 1, "0", "1", "1");
	s = adds_scale_of(0, 7, 20, 1);
	check_scale(&s, 0, 7, "0", "1", "7");
	s = adds_scale_of(0, 333, 20, 1);
	check_scale(&s, 0, 333, "0", "20", "320");
}
END_TEST

START_TEST(no_axis_is_empty)
{
	struct adds_scale s;

	s = adds_scale_round(0.5, 0.5, 6);
	ck_assert(s.low < 0.5 && s.high > 0.5 && s.last > s.first);
	s = adds_scale_round(0, 0, 6);
	ck_assert(s.low < 0 && s.high > 0 && s.last > s.first);
	s = adds_scale_of(3, 3, 20, 1);
	ck_assert(s.low < 3 && s.high > 3);
	ck_assert_double_eq_tol(adds_scale_place(&s, 3), 0.5, 1e-12);
}
END_TEST

START_TEST(numbers)
{
	char text[ADDS_NUMBER_TEXT];

	ck_assert_str_eq(adds_number_text(text, 0.6996, 3), "0.700");
	ck_assert_str_eq(adds_number_text(text, -0.0004, 3), "0.000");
	ck_assert_str_eq(adds_number_text(text, -2.25, 1), "-2.3");
	ck_assert_str_eq(adds_number_text(text, 41, 0), "41");
	ck_assert_str_eq(adds_count_text(text, 7), "7");
	ck_assert_str_eq(adds_count_text(text, 123456), "123,456");
	ck_assert_str_eq(adds_count_text(text, 1234567), "1,234,567");
}
END_TEST

/* what stands in the drawing for these words; width 0: whole */
static const char *
drawn(const char *words, double width)
{
	static char out[400];
	struct adds_svg s;
	char *text, *from, *to;

	adds_svg_open(&s, 10, 10, "t", "a");
	if (width > 0)
		adds_svg_words_within(&s, 1, 2, width, &adds_type_words, words);
	else
		adds_svg_words(&s, 1, 2, &adds_type_words, words);
	text = adds_svg_close(&s);
	from = strchr(strstr(text, "<text"), '>') + 1;
	to = strstr(from, "</text>");
	ck_assert_uint_lt((size_t)(to - from), sizeof(out));
	memcpy(out, from, (size_t)(to - from));
	out[to - from] = '\0';
	free(text);
	return out;
}

START_TEST(words_are_escaped)
{
	ck_assert_str_eq(drawn("a<b & \"c\" > 'd'", 0), "a&lt;b &amp; &quot;c&quot; &gt; 'd'");
	ck_assert_str_eq(drawn("tab\there\x7f", 0), "tab\xef\xbf\xbdhere\xef\xbf\xbd");
	ck_assert_str_eq(drawn("\xc2\x85|\xe2\x80\xa8|\xe2\x80\xae|\xef\xbf\xbf", 0), /* NEL, line separator, override, U+FFFF */
	                 "\xef\xbf\xbd|\xef\xbf\xbd|\xef\xbf\xbd|\xef\xbf\xbd");
	ck_assert_str_eq(drawn("caf\xe9!", 0), "caf\xef\xbf\xbd!"); /* Latin-1 */
	ck_assert_str_eq(drawn("\xe3\x81\x82\xf0\x9f\x90\x88", 0), "\xe3\x81\x82\xf0\x9f\x90\x88");
	ck_assert_str_eq(drawn("", 0), "");
}
END_TEST

START_TEST(long_words_are_cut)
{
	const char *cut = drawn("a name that is far too long for its place", 100);
	size_t n = strlen(cut);

	ck_assert_uint_lt(n, 20);
	ck_assert_str_eq(cut + n - 3, "\xe2\x80\xa6");
	ck_assert_str_eq(drawn("short", 100), "short");
	/* e and its accent stay together, and so does a family joined by U+200D */
	ck_assert_str_eq(drawn("abe\xcc\x81xxxxxxxxxxxxxx", 40), "abe\xcc\x81\xe2\x80\xa6");
	ck_assert_str_eq(drawn("ab\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x91\xa7xxxxxxxxxxxx", 40), "ab\xe2\x80\xa6");
	/* not even one fits */
	ck_assert_str_eq(drawn("WWWWWW", 5), "\xe2\x80\xa6");
	ck_assert(adds_words_width("iii", 10) < adds_words_width("WWW", 10));
}
END_TEST

START_TEST(curves_lie_in_their_frame)
{
	const struct adds_frame f = { 100, 50, 200, 80, adds_scale_of(0, 4, 4, 1), adds_scale_of(0, 1, 5, 0), "across", "up" };
	const double x[] = { 0, 2, 4 }, y[] = { 0, 1, 0.5 };
	const struct adds_pen pen = { ADDS_BLUE, 2, "6 4" };
	struct adds_svg s;
	char *text;

	adds_svg_open(&s, 400, 200, "a < b", "about");
	adds_frame_draw(&s, &f);
	adds_frame_curve(&s, &f, x, y, 3, &pen);
	text = adds_svg_close(&s);
	ck_assert_ptr_nonnull(strstr(text, "<title>a &lt; b</title>"));
	ck_assert_ptr_nonnull(strstr(text,
	                             "points=\"100,130 200,50 300,90\" fill=\"none\" stroke-linejoin=\"round\" "
	                             "stroke=\"#0072B2\" stroke-width=\"2\" stroke-dasharray=\"6 4\"/>"));
	ck_assert_ptr_nonnull(strstr(text, ">across</text>"));
	free(text);
}
END_TEST

Suite *plot_suite(void);

Suite *
plot_suite(void)
{
	Suite *s = suite_create("plot");
	TCase *c = tcase_create("plot");

	tcase_add_test(c, ticks_are_round);
	tcase_add_test(c, epochs_are_whole);
	tcase_add_test(c, no_axis_is_empty);
	tcase_add_test(c, numbers);
	tcase_add_test(c, words_are_escaped);
	tcase_add_test(c, long_words_are_cut);
	tcase_add_test(c, curves_lie_in_their_frame);
	suite_add_tcase(s, c);
	return s;
}
