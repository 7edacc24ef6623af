/* SPDX-License-Identifier: MIT
 * svg.c - a drawing as SVG text */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "svg.h"

static const char replacement[] = "\xef\xbf\xbd", ellipsis[] = "\xe2\x80\xa6";

/* ---- numbers ---- */

const char *
adds_number_text(char text[ADDS_NUMBER_TEXT], double x, int decimals)
{
	long long unit = 1, n;
	int i;

	for (i = 0; i < decimals; i++)
		unit *= 10;
	n = llround(fabs(x) * (double)unit);
	snprintf(text, ADDS_NUMBER_TEXT, "%s%lld", x < 0 && n ? "-" : "", n / unit);
	if (decimals)
		snprintf(text + strlen(text), ADDS_NUMBER_TEXT - strlen(text), ".%0*lld", decimals, n % unit);
	return text;
}

const char *
adds_count_text(char text[ADDS_NUMBER_TEXT], int64_t n)
{
	char digits[24];
	size_t len, i, at = 0;

	len = (size_t)snprintf(digits, sizeof(digits), "%lld", (long long)n);
	for (i = 0; i < len; i++) {
		if (i && (len - i) % 3 == 0)
			text[at++] = ',';
		text[at++] = digits[i];
	}
	text[at] = '\0';
	return text;
}

static void
add(struct adds_svg *s, const char *text)
{
	adds_buf_text(&s->text, text);
}

/* a length, without zeros behind the point */
static void
add_number(struct adds_svg *s, double x)
{
	char text[ADDS_NUMBER_TEXT];
	size_t n;

	adds_number_text(text, x, 1);
	n = strlen(text);
	if (text[n - 1] == '0')
		text[n - 2] = '\0';
	add(s, text);
}

static void
add_length(struct adds_svg *s, const char *name, double x)
{
	add(s, " ");
	add(s, name);
	add(s, "=\"");
	add_number(s, x);
	add(s, "\"");
}

static void
add_attribute(struct adds_svg *s, const char *name, const char *value)
{
	add(s, " ");
	add(s, name);
	add(s, "=\"");
	add(s, value);
	add(s, "\"");
}

/* ---- words ---- */

/* May it stand in XML, and does it stay in its place? */
static int
is_shown(utf8proc_int32_t c)
{
	const utf8proc_category_t k = utf8proc_category(c);

	if (k == UTF8PROC_CATEGORY_CC || k == UTF8PROC_CATEGORY_ZL || k == UTF8PROC_CATEGORY_ZP)
		return 0;
	return (c & 0xfffe) != 0xfffe && !(c >= 0x202a && c <= 0x202e) && !(c >= 0x2066 && c <= 0x2069);
}

/* The character at p, of n bytes, into *c, −1 if it is none that is shown; returns its bytes. */
static size_t
next_character(const char *p, size_t n, utf8proc_int32_t *c)
{
	const utf8proc_ssize_t len = utf8proc_iterate((const utf8proc_uint8_t *)p, (utf8proc_ssize_t)n, c);

	if (len <= 0 || !is_shown(*c))
		*c = -1;
	return len > 0 ? (size_t)len : 1;
}

static void
add_words(struct adds_svg *s, const char *words, size_t n)
{
	utf8proc_int32_t c;
	size_t i, len;

	for (i = 0; i < n; i += len) {
		len = next_character(words + i, n - i, &c);
		if (c < 0)
			add(s, replacement);
		else if (c == '&')
			add(s, "&amp;");
		else if (c == '<')
			add(s, "&lt;");
		else if (c == '>')
			add(s, "&gt;");
		else if (c == '"')
			add(s, "&quot;");
		else
			adds_buf_add(&s->text, words + i, len);
	}
}

/* About how wide is it, in parts of the size? As in the widest of the fonts that sans-serif stands for (DejaVu, Verdana). */
static double
width_of(utf8proc_int32_t c)
{
	if (c < 0)
		return 1;
	if (c < 0x80 && strchr("ijl.,:;'|! ", c))
		return 0.36;
	if (c < 0x80 && strchr("frt()[]-/", c))
		return 0.45;
	if (c < 0x80 && strchr("mwMW@%", c))
		return 1;
	if (c < 0x80)
		return c >= 'A' && c <= 'Z' ? 0.72 : 0.64;
	return utf8proc_charwidth(c) == 2 ? 1.2 : 0.72 * utf8proc_charwidth(c);
}

double
adds_words_width(const char *words, double size)
{
	const size_t n = strlen(words);
	utf8proc_int32_t c;
	double width = 0;
	size_t i;

	for (i = 0; i < n;) {
		i += next_character(words + i, n - i, &c);
		width += width_of(c) * size;
	}
	return width;
}

/* Bytes of words that take no more than width, whole characters with what is joined to them; *cut: they were too long, and an
 * ellipsis has room behind them. */
static size_t
fit(const char *words, double size, double width, int *cut)
{
	const size_t n = strlen(words);
	utf8proc_int32_t c, before = 0, state = 0;
	size_t i, len, fits = 0;
	double used = 0;

	for (i = 0; i < n; i += len) {
		len = next_character(words + i, n - i, &c);
		if (i && used + size <= width &&
		    utf8proc_grapheme_break_stateful(before < 0 ? 0xfffd : before, c < 0 ? 0xfffd : c, &state))
			fits = i;
		used += width_of(c) * size;
		before = c;
	}
	*cut = used > width;
	return *cut ? fits : n;
}

static void
begin_words(struct adds_svg *s, double x, double y, const struct adds_type *type)
{
	static const char *const anchors[] = { "start", "middle", "end" };

	add(s, "<text");
	add_length(s, "x", x);
	add_length(s, "y", y);
	add_length(s, "font-size", type->size);
	add_attribute(s, "fill", type->colour);
	if (type->anchor != ADDS_LEFT)
		add_attribute(s, "text-anchor", anchors[type->anchor]);
	if (type->bold)
		add_attribute(s, "font-weight", "bold");
}

static void
end_words(struct adds_svg *s, const char *words, size_t n, int cut)
{
	add(s, ">");
	add_words(s, words, n);
	add(s, cut ? ellipsis : "");
	add(s, "</text>\n");
}

void
adds_svg_words(struct adds_svg *s, double x, double y, const struct adds_type *type, const char *words)
{
	begin_words(s, x, y, type);
	end_words(s, words, strlen(words), 0);
}

void
adds_svg_words_within(struct adds_svg *s, double x, double y, double width, const struct adds_type *type, const char *words)
{
	int cut;
	const size_t n = fit(words, type->size, width, &cut);

	begin_words(s, x, y, type);
	end_words(s, words, n, cut);
}

void
adds_svg_words_up(struct adds_svg *s, double x, double y, const struct adds_type *type, const char *words)
{
	begin_words(s, x, y, type);
	add(s, " transform=\"rotate(-90 ");
	add_number(s, x);
	add(s, " ");
	add_number(s, y);
	add(s, ")\"");
	end_words(s, words, strlen(words), 0);
}

/* ---- the sheet ---- */

void
adds_svg_open(struct adds_svg *s, double width, double height, const char *title, const char *about)
{
	memset(s, 0, sizeof(*s));
	add(s, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<svg xmlns=\"http://www.w3.org/2000/svg\"");
	add_length(s, "width", width);
	add_length(s, "height", height);
	add(s, " viewBox=\"0 0 ");
	add_number(s, width);
	add(s, " ");
	add_number(s, height);
	add(s, "\" role=\"img\" font-family=\"Helvetica, Arial, 'Liberation Sans', 'DejaVu Sans', sans-serif\">\n<title>");
	add_words(s, title, strlen(title));
	add(s, "</title>\n<desc>");
	add_words(s, about, strlen(about));
	add(s, "</desc>\n");
	adds_svg_bar(s, 0, 0, width, height, "#ffffff");
}

char *
adds_svg_close(struct adds_svg *s)
{
	add(s, "</svg>\n");
	adds_buf_add(&s->text, "", 1);
	if (!s->text.failed)
		return (char *)s->text.p;
	adds_buf_release(&s->text);
	return NULL;
}

void
adds_svg_group(struct adds_svg *s, const char *title)
{
	add(s, "<g><title>");
	add_words(s, title, strlen(title));
	add(s, "</title>\n");
}

void
adds_svg_group_end(struct adds_svg *s)
{
	add(s, "</g>\n");
}

static void
add_pen(struct adds_svg *s, const struct adds_pen *pen)
{
	add_attribute(s, "stroke", pen->colour);
	add_length(s, "stroke-width", pen->width);
	if (pen->dash)
		add_attribute(s, "stroke-dasharray", pen->dash);
	add(s, "/>\n");
}

void
adds_svg_line(struct adds_svg *s, double x0, double y0, double x1, double y1, const struct adds_pen *pen)
{
	add(s, "<line");
	add_length(s, "x1", x0);
	add_length(s, "y1", y0);
	add_length(s, "x2", x1);
	add_length(s, "y2", y1);
	add_pen(s, pen);
}

void
adds_svg_curve(struct adds_svg *s, const double *x, const double *y, size_t n, const struct adds_pen *pen)
{
	size_t i;

	add(s, "<polyline points=\"");
	for (i = 0; i < n; i++) {
		add(s, i ? " " : "");
		add_number(s, x[i]);
		add(s, ",");
		add_number(s, y[i]);
	}
	add(s, "\" fill=\"none\" stroke-linejoin=\"round\"");
	add_pen(s, pen);
}

void
adds_svg_bar(struct adds_svg *s, double x, double y, double width, double height, const char *colour)
{
	add(s, "<rect");
	add_length(s, "x", x);
	add_length(s, "y", y);
	add_length(s, "width", width);
	add_length(s, "height", height);
	add_attribute(s, "fill", colour);
	add(s, "/>\n");
}

void
adds_svg_circle(struct adds_svg *s, double x, double y, double radius, const char *colour)
{
	add(s, "<circle");
	add_length(s, "cx", x);
	add_length(s, "cy", y);
	add_length(s, "r", radius);
	add_attribute(s, "fill", colour);
	add(s, "/>\n");
}
