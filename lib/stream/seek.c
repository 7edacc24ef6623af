/* SPDX-License-Identifier: MIT
 * seek.c - records by number: the frames of a file, from its seek tables or
 * from one scan */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "reader.h"
#include "record.h"

enum {
	TABLE_MAGIC = 0x184d2a5e,
	FOOTER = 9,
	SKIPPABLE_HEADER = 8,
};
static const uint32_t footer_magic = 0x8f92eab1;

/* a frame, or the records of one that hold together */
struct span {
	uint64_t at, csize; /* where the frame lies in the file */
	uint64_t dsize;     /* its bytes, decompressed */
	uint64_t offset;    /* its begin in the decompressed stream */
	uint64_t first;     /* number of its first record */
	size_t start;       /* where that lies in the frame */
};

struct adds_index {
	struct adds_buf spans; /* struct span, in order */
	size_t n;
	uint64_t total;
	int scanned;
	struct adds_input in;
	struct adds_frame frame; /* the one in memory */
	size_t loaded;           /* span it belongs to, or n */
	struct adds_buf begins;  /* size_t: where its records begin, as far as known */
	struct adds_message *message;
};

void
adds_index_free(struct adds_index *x)
{
	if (!x)
		return;
	adds_buf_release(&x->spans);
	adds_buf_release(&x->begins);
	adds_buf_release(&x->frame.data);
	adds_input_release(&x->in);
	adds_message_free(x->message);
	free(x);
}

static struct span *
span_at(const struct adds_index *x, size_t i)
{
	return (struct span *)(void *)x->spans.p + i;
}

static int
add_span(struct adds_index *x, const struct span *s, struct adds_error *err)
{
	adds_buf_add(&x->spans, s, sizeof(*s));
	x->n = x->spans.n / sizeof(*s);
	return x->spans.failed ? adds_fail(err, ADDS_ENOMEM, "out of memory") : 0;
}

/* ---- from one scan ---- */

static int
scan(struct adds_reader *r, struct adds_index *x, struct adds_error *err)
{
	struct adds_reader *s = adds_reader_start(r->fd, 0, 1, r->start, r->name, &r->limits, err);
	const struct adds_message *m;
	uint64_t frames = 0;
	int parts = 0, rc = 0;

	x->spans.n = x->n = 0;
	while (s && (rc = adds_reader_read(s, &m, err)) > 0) {
		const struct span span = { s->frame.at, s->frame.csize, s->frame.data.n, s->base, s->records - 1, s->begin };

		if (s->frames_read == frames && s->parts == parts)
			continue;
		frames = s->frames_read;
		parts = s->parts;
		if ((rc = add_span(x, &span, err)) < 0)
			break;
	}
	if (!s)
		return err->code;
	x->total = s->records;
	x->scanned = 1;
	x->loaded = x->n;
	adds_reader_close(s);
	return rc;
}

/* ---- from the tables ---- */

/* the lines of the table that ends at end; 0 and none: no sound table there */
static size_t
read_table(struct adds_reader *r, struct adds_buf *b, uint64_t end, uint64_t *begin)
{
	unsigned char footer[FOOTER];
	size_t n, entry, size;

	b->n = 0;
	if (end < r->start + FOOTER + SKIPPABLE_HEADER || pread(r->fd, footer, FOOTER, (off_t)(end - FOOTER)) != FOOTER ||
	    adds_get32(footer + 5) != footer_magic || (footer[4] & 0x7c))
		return 0;
	n = adds_get32(footer);
	entry = footer[4] & 0x80 ? 12 : 8;
	if (n < 2 || n > (end - r->start - FOOTER - SKIPPABLE_HEADER) / entry)
		return 0;
	size = SKIPPABLE_HEADER + n * entry;
	*begin = end - FOOTER - size;
	if (adds_buf_reserve(b, size) < 0 || pread(r->fd, b->p, size, (off_t)*begin) != (ssize_t)size ||
	    adds_get32(b->p) != TABLE_MAGIC || adds_get32(b->p + 4) != size - SKIPPABLE_HEADER + FOOTER)
		return 0;
	memmove(b->p, b->p + SKIPPABLE_HEADER, size - SKIPPABLE_HEADER);
	b->n = size - SKIPPABLE_HEADER;
	return n;
}

/* loads the one message of the frame at a place into x->message */
static int
load_single(struct adds_reader *r, struct adds_index *x, uint64_t at, uint64_t csize, struct adds_error *err)
{
	size_t used;

	x->loaded = x->n;
	adds_input_seek(&x->in, at);
	if (adds_frame_next(&x->frame, &r->frames, &x->in, err) != 1 || x->frame.at != at || x->frame.csize != csize)
		return -1;
	if (adds_message_parse(x->message, x->frame.data.p, x->frame.data.n, r->limits.message, r->limits.json, &used,
	                       err) < 0 ||
	    used != x->frame.data.n)
		return -1;
	return 0;
}

/* the spans of one part, from its table's lines and the numbers in its end record */
static int
add_part(struct adds_index *x, const unsigned char *lines, size_t n, size_t entry, uint64_t at, uint64_t offset,
         struct adds_error *err)
{
	const struct adds_tensor *first = adds_message_tensor(x->message, "first");
	const double records = adds_message_number(x->message, "records", -1);
	const int64_t *number;
	size_t i;

	if (!first || first->dtype != ADDS_I64 || first->rank != 1 || (size_t)first->shape[0] != n - 2 || records < 0)
		return -1;
	number = first->data;
	for (i = 0; i < n; i++, lines += entry) {
		const struct span span = { at, adds_get32(lines), adds_get32(lines + 4), offset,
			                   x->total + (i && i < n - 1 ? (uint64_t)number[i - 1] : 0), 0 };

		at += span.csize;
		offset += span.dsize;
		if (i == 0 || i == n - 1)
			continue;
		if ((i == 1 && number[0] != 0) || (i > 1 && number[i - 1] <= number[i - 2]) || (double)number[i - 1] >= records)
			return -1;
		if (add_span(x, &span, err) < 0)
			return -1;
	}
	x->total += (uint64_t)records;
	return records > 0 && n == 2 ? -1 : 0;
}

/* where a part lies */
struct part {
	uint64_t begin, table, end;
	size_t n, entry;
};

static uint64_t
sum_lines(const unsigned char *lines, size_t n, size_t entry, size_t at)
{
	uint64_t sum = 0;
	size_t i;

	for (i = 0; i < n; i++)
		sum += adds_get32(lines + i * entry + at);
	return sum;
}

/* the parts of the file, the last one first; 0: a table is missing */
static int
find_parts(struct adds_reader *r, struct adds_buf *parts, uint64_t end)
{
	struct adds_buf lines = { 0 };

	while (end > r->start) {
		struct part p = { 0, 0, end, 0, 0 };
		uint64_t sum;

		if (!(p.n = read_table(r, &lines, end, &p.table)))
			break;
		p.entry = lines.n / p.n;
		sum = sum_lines(lines.p, p.n, p.entry, 0);
		if (sum > p.table - r->start)
			break;
		p.begin = p.table - sum;
		adds_buf_add(parts, &p, sizeof(p));
		end = p.begin;
	}
	adds_buf_release(&lines);
	return end == r->start && parts->n && !parts->failed;
}

/* 1, or 0 where the tables do not fit, or an error that a scan would meet as well */
static int
use_part(struct adds_reader *r, struct adds_index *x, const struct part *p, uint64_t *offset, struct adds_error *err)
{
	struct adds_buf lines = { 0 };
	uint64_t table;
	int rc = 0;

	if (read_table(r, &lines, p->end, &table) != p->n || table != p->table)
		goto out;
	if (p->begin != r->start) {
		if (load_single(r, x, p->begin, adds_get32(lines.p), err) < 0 || adds_header_check(x->message, err) < 0)
			goto out;
		if ((rc = adds_join_check(r, r->header, x->message, err)) < 0) {
			adds_fail_in(err, "%s: record %llu", r->name, (unsigned long long)x->total);
			goto out;
		}
	}
	if (load_single(r, x, p->table - adds_get32(lines.p + (p->n - 1) * p->entry),
	                adds_get32(lines.p + (p->n - 1) * p->entry), err) < 0)
		goto out;
	rc = add_part(x, lines.p, p->n, p->entry, p->begin, *offset, err) == 0;
	*offset += sum_lines(lines.p, p->n, p->entry, 4);
out:
	adds_buf_release(&lines);
	return rc;
}

static int
use_tables(struct adds_reader *r, struct adds_index *x, struct adds_error *err)
{
	struct adds_buf parts = { 0 };
	const struct part *p;
	uint64_t offset = 0;
	struct stat st;
	size_t i;
	int rc = 0;

	if (fstat(r->fd, &st) < 0 || !S_ISREG(st.st_mode))
		return adds_fail(err, ADDS_EARG, "%s: records by number need a regular file", r->name);
	if (find_parts(r, &parts, (uint64_t)st.st_size)) {
		p = (const struct part *)(const void *)parts.p;
		for (i = parts.n / sizeof(*p); i-- > 0;)
			if ((rc = use_part(r, x, p + i, &offset, err)) <= 0)
				break;
	}
	adds_buf_release(&parts);
	return rc;
}

static int
rescan(struct adds_reader *r, const char *why, struct adds_error *err)
{
	char text[512];

	snprintf(text, sizeof(text), "%.300s: %s: the frames were found by reading the whole file (adds-cat -o writes it anew)",
	         r->name, why);
	adds_reader_warn(r, text);
	return scan(r, r->index, err);
}

static int
index_open(struct adds_reader *r, struct adds_error *err)
{
	struct adds_index *x;
	int rc;

	if (r->index)
		return 0;
	if (!(x = calloc(1, sizeof(*x))) || !(x->message = adds_message_new()) || adds_input_init(&x->in, r->fd, err) < 0) {
		adds_index_free(x);
		return adds_fail(err, ADDS_ENOMEM, "%s: out of memory", r->name);
	}
	x->in.positional = 1;
	r->index = x;
	if ((rc = use_tables(r, x, err)) == 0)
		rc = rescan(r, "the seek table is missing or does not fit", err);
	x->loaded = x->n;
	if (rc < 0) {
		adds_index_free(x);
		r->index = NULL;
	}
	return rc;
}

int64_t
adds_reader_total(struct adds_reader *r, struct adds_error *err)
{
	struct adds_error own;
	const int rc = index_open(r, err ? err : &own);

	return rc < 0 ? rc : (int64_t)r->index->total;
}

int
adds_reader_check_table(struct adds_reader *r, struct adds_error *err)
{
	struct adds_index *x;
	struct adds_buf table;
	struct stat st;
	uint64_t begin;
	size_t n;
	int rc;

	if (fstat(r->fd, &st) < 0 || !S_ISREG(st.st_mode))
		return 0;
	memset(&table, 0, sizeof(table));
	n = read_table(r, &table, (uint64_t)st.st_size, &begin);
	adds_buf_release(&table);
	if (!n)
		return 0;
	if ((rc = index_open(r, err)) < 0)
		return rc;
	x = r->index;
	if (x->scanned)
		return adds_fail(
			err, ADDS_EFORMAT,
			"%s: the seek table does not fit the frames (adds-cat -o writes it anew)",
			r->name);
	table = x->spans;
	memset(&x->spans, 0, sizeof(x->spans));
	if ((rc = scan(r, x, err)) == 0)
		rc = table.n == x->spans.n &&
		                     (!table.n || memcmp(table.p, x->spans.p, table.n) == 0)
		             ? 1
		             : adds_fail(
				       err, ADDS_EFORMAT,
				       "%s: the seek table does not fit the frames (adds-cat -o writes it anew)",
				       r->name);
	adds_buf_release(&table);
	return rc;
}

/* ---- records ---- */

/* the span that holds record i */
static size_t
find_span(const struct adds_index *x, uint64_t i)
{
	size_t lo = 0, hi = x->n;

	while (hi - lo > 1) {
		const size_t mid = lo + (hi - lo) / 2;

		if (span_at(x, mid)->first <= i)
			lo = mid;
		else
			hi = mid;
	}
	return lo;
}

static int
load_span(struct adds_reader *r, struct adds_index *x, size_t k, struct adds_error *err)
{
	const struct span *s = span_at(x, k);
	int rc;

	if (x->loaded == k)
		return 0;
	x->loaded = x->n;
	adds_input_seek(&x->in, s->at);
	if ((rc = adds_frame_next(&x->frame, &r->frames, &x->in, err)) < 0)
		return rc;
	if (rc == 0 || x->frame.at != s->at || x->frame.csize != s->csize || x->frame.data.n != s->dsize)
		return adds_fail(err, ADDS_EFORMAT, "the frame at byte %llu is not as its table says", (unsigned long long)s->at);
	x->begins.n = 0;
	adds_buf_add(&x->begins, &s->start, sizeof(s->start));
	x->loaded = k;
	return 0;
}

/* record j of the frame in memory; where the next one begins is noted */
static int
parse_record(struct adds_reader *r, struct adds_index *x, size_t j, struct adds_error *err)
{
	size_t known, at, used;
	int rc;

	for (;;) {
		known = x->begins.n / sizeof(size_t);
		at = ((const size_t *)(const void *)x->begins.p)[j < known ? j : known - 1];
		if (at >= x->frame.data.n)
			return adds_fail(err, ADDS_EFORMAT, "the frame holds fewer records than its table says");
		rc = adds_message_parse(x->message, x->frame.data.p + at, x->frame.data.n - at, r->limits.message, r->limits.json,
		                        &used, err);
		if (rc < 0)
			return rc;
		at += used;
		if (j >= known - 1)
			adds_buf_add(&x->begins, &at, sizeof(at));
		if (x->begins.failed)
			return adds_fail(err, ADDS_ENOMEM, "out of memory");
		if (j < known)
			return 0;
	}
}

static int
read_at(struct adds_reader *r, uint64_t i, struct adds_error *err)
{
	struct adds_index *x = r->index;
	const size_t k = find_span(x, i);
	const struct span *s = span_at(x, k);
	const char *record;
	int rc;

	if ((rc = load_span(r, x, k, err)) < 0 || (rc = parse_record(r, x, (size_t)(i - s->first), err)) < 0)
		return rc;
	record = adds_message_string(x->message, "record");
	if (!record || strcmp(record, "header") == 0 || strcmp(record, "end") == 0)
		return adds_fail(err, ADDS_EFORMAT, "no record stands where the table says");
	if (strcmp(record, "picture") != 0 && strcmp(record, "label") != 0 && strcmp(record, "error") != 0 &&
	    adds_message_number(x->message, "optional", 0) != 1)
		return adds_fail(err, ADDS_EFORMAT, "a record of the unknown kind '%s': a newer ADDS is needed", record);
	return 0;
}

int
adds_reader_at(struct adds_reader *r, uint64_t i, const struct adds_message **m, struct adds_error *err)
{
	struct adds_error own;
	int rc;

	err = err ? err : &own;
	if ((rc = index_open(r, err)) < 0)
		return rc;
	if (i >= r->index->total)
		return adds_fail(err, ADDS_EARG, "%s: record %llu of %llu", r->name, (unsigned long long)i,
		                 (unsigned long long)r->index->total);
	rc = read_at(r, i, err);
	if (rc < 0 && rc != ADDS_ENOMEM && rc != ADDS_EIO && !r->index->scanned) {
		if ((rc = rescan(r, "the seek table disagrees with the frames", err)) < 0)
			return rc;
		rc = i < r->index->total ? read_at(r, i, err) : adds_fail(err, ADDS_EFORMAT, "the stream is shorter");
	}
	if (rc < 0)
		return adds_fail_in(err, "%s: record %llu", r->name, (unsigned long long)i);
	*m = r->index->message;
	return 0;
}
