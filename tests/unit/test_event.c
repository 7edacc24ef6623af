/* SPDX-License-Identifier: MIT
 * test_event.c - event files, read back by a parser of their own */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/train/event.h"
#include "unit.h"

static unsigned char bytes[1 << 20];

static size_t
read_events(const char *dir)
{
	char path[512] = "";
	struct dirent *e;
	DIR *d = opendir(dir);
	FILE *f;
	size_t n;

	while ((e = readdir(d)))
		if (strstr(e->d_name, "tfevents"))
			snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
	closedir(d);
	ck_assert_ptr_nonnull(f = fopen(path, "rb"));
	n = fread(bytes, 1, sizeof(bytes), f);
	fclose(f);
	return n;
}

static uint64_t
little(const unsigned char *p, int n)
{
	uint64_t x = 0;

	while (n--)
		x = x << 8 | p[n];
	return x;
}

static uint64_t
varint(const unsigned char **p)
{
	uint64_t x = 0;
	int shift = 0;

	do
		x |= (uint64_t)(**p & 0x7f) << shift, shift += 7;
	while (*(*p)++ & 0x80);
	return x;
}

/* what a record says; each field is set when it is met */
struct said {
	double wall;
	uint64_t step, session;
	char version[32], tag[64];
	float value;
};

static void
parse(struct said *s, const unsigned char *p, size_t n, const char *where)
{
	const unsigned char *end = p + n;

	while (p < end) {
		const uint64_t key = varint(&p);
		const int field = (int)(key >> 3), wire = (int)(key & 7);
		uint64_t x = 0;
		const unsigned char *at = p;

		if (wire == 0)
			x = varint(&p);
		else if (wire == 1)
			p += 8;
		else if (wire == 5)
			p += 4;
		else {
			ck_assert_int_eq(wire, 2);
			x = varint(&p);
			at = p;
			p += x;
		}
		ck_assert(p <= end);
		if (*where == 'e' && field == 1)
			memcpy(&s->wall, at, 8);
		else if (*where == 'e' && field == 2)
			s->step = x;
		else if (*where == 'e' && field == 3)
			memcpy(s->version, at, x);
		else if (*where == 'e' && field == 5)
			parse(s, at, x, "summary");
		else if (*where == 'e' && field == 7)
			parse(s, at, x, "log");
		else if (*where == 's' && field == 1)
			parse(s, at, x, "value");
		else if (*where == 'l' && field == 1)
			s->session = x;
		else if (*where == 'v' && field == 1)
			memcpy(s->tag, at, x);
		else if (*where == 'v' && field == 2)
			memcpy(&s->value, at, 4);
		else
			ck_abort_msg("field %d in %s", field, where);
	}
}

static const unsigned char *
next(struct said *s, const unsigned char *p)
{
	const uint64_t n = little(p, 8);

	memset(s, 0, sizeof(*s));
	ck_assert_uint_eq(little(p + 8, 4), adds_crc32c_masked(p, 8));
	ck_assert_uint_eq(little(p + 12 + n, 4), adds_crc32c_masked(p + 12, n));
	parse(s, p + 12, n, "event");
	ck_assert(s->wall > 1e9);
	return p + 16 + n;
}

/* RFC 3720, B.4 */
START_TEST(crc32c_of_known_bytes)
{
	unsigned char x[32] = { 0 };
	int i;

	ck_assert_uint_eq(adds_crc32c(x, 32), 0x8a9136aau);
	memset(x, 0xff, 32);
	ck_assert_uint_eq(adds_crc32c(x, 32), 0x62a8ab43u);
	for (i = 0; i < 32; i++)
		x[i] = (unsigned char)i;
	ck_assert_uint_eq(adds_crc32c(x, 32), 0x46dd794eu);
	ck_assert_uint_eq(adds_crc32c("123456789", 9), 0xe3069283u);
}
END_TEST

static void
make_dir(char *dir, size_t n, const char *name)
{
	char command[600];

	snprintf(dir, n, "%s/%s", scratch(), name);
	snprintf(command, sizeof(command), "mkdir -p %s", dir);
	ck_assert_int_eq(system(command), 0);
}

START_TEST(what_is_written_can_be_read)
{
	struct adds_error err;
	struct adds_events *e;
	const unsigned char *p = bytes;
	struct said s;
	char dir[256];
	size_t n;
	int i;

	make_dir(dir, sizeof(dir), "events");
	ck_assert_ptr_nonnull(e = adds_events_open(dir, 1, 0, &err));
	for (i = 1; i <= 3000; i++)
		ck_assert_int_eq(adds_events_scalar(e, "Loss/train", i * 100, 0.5 / i, &err), 0);
	ck_assert_int_eq(adds_events_flush(e, &err), 0);
	adds_events_close(e);
	n = read_events(dir);
	p = next(&s, p);
	ck_assert_str_eq(s.version, "brain.Event:2");
	for (i = 1; i <= 3000; i++) {
		p = next(&s, p);
		ck_assert_str_eq(s.tag, "Loss/train");
		ck_assert_uint_eq(s.step, (uint64_t)i * 100);
		ck_assert_float_eq(s.value, (float)(0.5 / i));
	}
	ck_assert_ptr_eq(p, bytes + n);
}
END_TEST

START_TEST(a_later_start_says_what_it_replaces)
{
	struct adds_error err;
	struct adds_events *e;
	struct said s;
	char dir[256];
	size_t n;

	make_dir(dir, sizeof(dir), "events2");
	ck_assert_ptr_nonnull(e = adds_events_open(dir, 2, 4711, &err));
	adds_events_close(e);
	n = read_events(dir);
	ck_assert_ptr_eq(next(&s, next(&s, bytes)), bytes + n);
	ck_assert_uint_eq(s.session, 1);
	ck_assert_uint_eq(s.step, 4711);
}
END_TEST

Suite *event_suite(void);

Suite *
event_suite(void)
{
	Suite *s = suite_create("event");
	TCase *c = tcase_create("event");

	tcase_add_test(c, crc32c_of_known_bytes);
	tcase_add_test(c, what_is_written_can_be_read);
	tcase_add_test(c, a_later_start_says_what_it_replaces);
	suite_add_tcase(s, c);
	return s;
}
