/* SPDX-License-Identifier: MIT
 * cat_stream.c - streams out of streams: copies, joins, verification, salvage */
#include <stdlib.h>
#include <string.h>

#include "../lib/stream/reader.h"
#include "../lib/stream/salvage.h"
#include "cat.h"

struct adds_writer *
cat_writer(const struct cat_options *o)
{
	const struct adds_writer_options options = { (int)o->level, o->threads != 1 };

	return cat_need_ptr(adds_writer_open(cmd_output(o->output ? o->output : "-"), &options, &cat_err));
}

void
cat_copy(struct cat_source *s, const struct cat_options *o)
{
	struct adds_writer *w = cat_writer(o);
	struct adds_message *header = cat_need_ptr(adds_message_copy(cat_header(s), &cat_err));
	const struct adds_message *m;

	if (cat_selective(o))
		cat_need(adds_provenance_add(header, "adds-cat", cat_choice(o), &cat_err));
	cat_need(adds_writer_header(w, header, &cat_err));
	adds_message_free(header);
	while (cat_read(s, &m, NULL))
		cat_need(adds_writer_write(w, m, &cat_err));
	cmd_cost(adds_writer_records(w), "records");
	cat_need(adds_writer_finish(w, cat_end(s), &cat_err));
}

/* every frame, message and record of one file; its kind and counts */
static int
verify_records(struct adds_reader *r)
{
	const struct adds_message *m;
	struct adds_record rec;
	size_t labels;
	int rc;

	free(cat_labels(adds_reader_header(r), &labels));
	while ((rc = adds_reader_read(r, &m, &cat_err)) > 0)
		if (adds_record_parse(&rec, m, (int64_t)labels, &cat_err) < 0)
			return adds_fail_in(&cat_err, "%s: record %llu", adds_reader_name(r),
			                    (unsigned long long)adds_reader_records(r) - 1);
	return rc;
}

static int
verify(const char *path)
{
	static const char *const tables[] = { "no seek table", "seek table sound" };
	struct adds_reader *r = adds_reader_open(cmd_input(path), NULL, &cat_err);
	const char *kind;
	double records, errors;
	int table;

	if (!r || verify_records(r) < 0 || (table = adds_reader_check_table(r, &cat_err)) < 0) {
		fault("%s", cat_err.msg);
		adds_reader_close(r);
		return -1;
	}
	kind = adds_message_string(adds_reader_header(r), "kind");
	records = adds_message_number(adds_reader_end(r), "records", 0);
	errors = adds_message_number(adds_reader_end(r), "errors", 0);
	printf("%s: %s, %.0f %s, %.0f %s: sound, %s\n", adds_reader_name(r), kind, records,
	       ADDS_PLURAL(records, "record", "records"), errors,
	       ADDS_PLURAL(errors, "error", "errors"), tables[table]);
	cmd_warn_lines(adds_reader_warnings(r));
	adds_reader_close(r);
	return 0;
}

int
cat_verify(char **files, int n)
{
	int i, bad = 0;

	if (!n)
		return verify("-") < 0 ? CMD_FAILED : CMD_DONE;
	for (i = 0; i < n; i++)
		bad |= verify(files[i]) < 0;
	return bad ? CMD_FAILED : CMD_DONE;
}

/* the header goes out first, with a word on where the stream has been */
static int
take(void *arg, const struct adds_message *m)
{
	const char *record = adds_message_string(m, "record");
	struct adds_writer *w = arg;
	struct adds_message *header;
	cJSON *options;

	if (strcmp(record, "header") != 0)
		return cat_need(adds_writer_write(w, m, &cat_err));
	header = cat_need_ptr(adds_message_copy(m, &cat_err));
	options = cJSON_CreateObject();
	cJSON_AddTrueToObject(options, "salvage");
	cat_need(adds_provenance_add(header, "adds-cat", options, &cat_err));
	cat_need(adds_writer_header(w, header, &cat_err));
	adds_message_free(header);
	return 0;
}

void
cat_salvage(const char *file, const struct cat_options *o)
{
	struct adds_writer *w = cat_writer(o);
	struct adds_salvaged what;

	if (adds_salvage(file, take, w, &what, &cat_err) < 0) {
		adds_writer_abort(w);
		die("%s", cat_err.msg);
	}
	cat_need(adds_writer_finish(w, NULL, &cat_err));
	if (what.broken || !what.ended)
		warn("%s: %llu records are saved; %llu places are broken, %llu bytes gave nothing%s", file,
		     (unsigned long long)what.records, (unsigned long long)what.broken, (unsigned long long)what.lost,
		     what.ended ? "" : "; the end record is missing");
	else
		say("%s: %llu %s, nothing is broken", file, (unsigned long long)what.records,
		    ADDS_PLURAL(what.records, "record", "records"));
}
