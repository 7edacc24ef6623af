/* SPDX-License-Identifier: MIT
 * tagout.c - tags of pictures in four forms */
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/label/hierarchy.h"
#include "../lib/score/tags.h"
#include "../lib/stream/json.h"
#include "../lib/stream/output.h"
#include "cmd.h"
#include "tagout.h"

enum { ENOUGH = 1 << 16 }; /* bytes that are written at a time */

struct tagout {
	struct tagout_options options;
	const struct adds_score_header *h;
	struct adds_output *out;
	FILE *f;     /* lines on their way to it … */
	char *lines; /* … and where they are gathered */
	size_t size;
	struct adds_sidecars *sidecars;
	const char **tag; /* [L] room: the tags of one sidecar */
	int kept;
	/* for ExifTool: pictures written, those whose path is no UTF-8, and the first of these */
	size_t pictures, unnamed;
	char first_unnamed[256];
};

static struct adds_error err;

static struct adds_output *
open_output(const char *path)
{
	struct adds_output *o = adds_output_open(path, &err);

	if (!o)
		die("%s", err.msg);
	return o;
}

static void
write_output(struct adds_output *o, const void *data, size_t n)
{
	if (adds_output_write(o, data, n, &err) == 0)
		return;
	adds_output_abort(o);
	die("%s", err.msg);
}

static void
commit_output(struct adds_output *o)
{
	if (adds_output_commit(o, &err) < 0)
		die("%s", err.msg);
}

void
tagout_write_file(const char *path, const char *text)
{
	struct adds_output *o = open_output(path);

	write_output(o, text, strlen(text));
	if (!*text || text[strlen(text) - 1] != '\n')
		write_output(o, "\n", 1);
	commit_output(o);
}

struct tagout *
tagout_open(const char *output, const struct tagout_options *options, const struct adds_score_header *h)
{
	struct tagout *t = cmd_alloc(1, sizeof(*t));

	t->options = *options;
	t->h = h;
	if (options->format == TAGOUT_TXT) {
		if (!(t->sidecars = adds_sidecars_open(options->ledger, &err)))
			die("%s", err.msg);
		t->tag = cmd_alloc(adds_vocab_size(h->labels), sizeof(*t->tag));
		return t;
	}
	t->out = open_output(output);
	if (!(t->f = open_memstream(&t->lines, &t->size)))
		die("out of memory");
	return t;
}

/* sends the lines gathered so far on their way once there are enough */
static void
pass_on(struct tagout *t, size_t enough)
{
	if (fflush(t->f))
		die("out of memory");
	if (t->size < enough)
		return;
	write_output(t->out, t->lines, t->size);
	if (fseek(t->f, 0, SEEK_SET))
		die("out of memory");
}

/* a JSON string; bytes that are no UTF-8 become U+FFFD. Returns 1 if there were any. */
static int
put_string(FILE *f, const char *text, size_t n)
{
	const unsigned char *s = (const unsigned char *)text;
	int replaced = 0;
	size_t i, len;

	putc('"', f);
	for (i = 0; i < n; i += len ? len : 1) {
		len = adds_utf8_char(s + i, n - i);
		if (!len) {
			fputs("\\ufffd", f);
			replaced = 1;
		} else if (s[i] == '"' || s[i] == '\\')
			fprintf(f, "\\%c", s[i]);
		else if (s[i] < 0x20 || s[i] == 0x7f)
			fprintf(f, "\\u%04x", s[i]);
		else
			fwrite(s + i, 1, len, f);
	}
	putc('"', f);
	return replaced;
}

static void
put_path(FILE *f, const struct adds_record *rec)
{
	size_t i;

	fputs("\"path\":", f);
	if (!put_string(f, rec->path, rec->path_len))
		return;
	fputs(",\"path_hex\":\"", f);
	for (i = 0; i < rec->path_len; i++)
		fprintf(f, "%02x", (unsigned char)rec->path[i]);
	putc('"', f);
}

/* the number that people read: a probability where it is one */
static double
shown(const struct tagout *t, float score)
{
	return t->h->calibrated && t->h->kind == ADDS_SCORE_LOGIT ? 1 / (1 + exp(-(double)score)) : (double)score;
}

static const char *
shown_name(const struct tagout *t)
{
	if (t->h->kind == ADDS_SCORE_SIMILARITY)
		return "similarity";
	return t->h->calibrated ? "probability" : "logit";
}

static void
put_jsonl(struct tagout *t, const struct adds_record *rec, const int32_t *rows, int64_t n)
{
	int64_t i;

	putc('{', t->f);
	put_path(t->f, rec);
	if (rec->height)
		fprintf(t->f, ",\"height\":%d,\"width\":%d", rec->height, rec->width);
	if (rec->sha256)
		fprintf(t->f, ",\"sha256\":\"%.64s\"", rec->sha256);
	fputs(",\"tags\":[", t->f);
	for (i = 0; i < n; i++) {
		const char *name = adds_vocab_name(t->h->labels, (size_t)rows[i]);

		fputs(i ? ",{\"label\":" : "{\"label\":", t->f);
		put_string(t->f, name, strlen(name));
		fprintf(t->f, ",\"%s\":%.5g}", shown_name(t), shown(t, rec->scores[rows[i]]));
	}
	fputs("]}\n", t->f);
}

/* a field of a tab-separated line: tab, newline, return and backslash are escaped */
static void
put_field(FILE *f, const char *s, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (s[i] == '\t' || s[i] == '\n' || s[i] == '\r' || s[i] == '\\')
			fprintf(f, "\\%c", s[i] == '\t' ? 't' : s[i] == '\n' ? 'n'
			                                : s[i] == '\r'       ? 'r'
			                                                     : '\\');
		else
			putc(s[i], f);
}

static void
put_tsv(struct tagout *t, const struct adds_record *rec, const int32_t *rows, int64_t n)
{
	int64_t i;

	for (i = 0; i < n; i++) {
		const char *name = adds_vocab_name(t->h->labels, (size_t)rows[i]);

		put_field(t->f, rec->path, rec->path_len);
		putc('\t', t->f);
		put_field(t->f, name, strlen(name));
		fprintf(t->f, "\t%.5g\n", shown(t, rec->scores[rows[i]]));
	}
}

/* One element of the array that exiftool -json= imports. Without tags it has no Subject, and ExifTool leaves the file's own. */
static void
put_exiftool(struct tagout *t, const struct adds_record *rec, const int32_t *rows, int64_t n)
{
	int64_t i;

	if (!adds_utf8_valid(rec->path, rec->path_len)) {
		if (t->unnamed++ == 0)
			snprintf(t->first_unnamed, sizeof(t->first_unnamed), "%.*s", (int)rec->path_len, rec->path);
		return;
	}
	fputs(t->pictures++ ? ",\n{\"SourceFile\":" : "[\n{\"SourceFile\":", t->f);
	put_string(t->f, rec->path, rec->path_len);
	for (i = 0; i < n; i++) {
		const char *name = adds_vocab_name(t->h->labels, (size_t)rows[i]);

		fputs(i ? "," : ",\"Subject\":[", t->f);
		put_string(t->f, name, strlen(name));
	}
	fputs(n ? "]}" : "}", t->f);
}

static void
end_exiftool(struct tagout *t)
{
	fputs(t->pictures ? "\n]\n" : "[]\n", t->f);
	if (!t->unnamed)
		return;
	fault("%zu %s no UTF-8, which JSON needs, and left out, the first: '%s'", t->unnamed,
	      ADDS_PLURAL(t->unnamed, "path is", "paths are"), t->first_unnamed);
	t->kept = 1;
}

/* photo.jpg -> photo.jpg.txt, or photo.txt */
static void
sidecar_name(char out[PATH_MAX], const struct tagout *t, const struct adds_record *rec)
{
	const char *dot = NULL, *s;
	size_t n = rec->path_len;

	for (s = rec->path; s < rec->path + rec->path_len; s++)
		dot = *s == '.' ? s : *s == '/' ? NULL
		                                : dot;
	if (t->options.replace_ext && dot && dot > rec->path && dot[-1] != '/')
		n = (size_t)(dot - rec->path);
	if (n + 5 > PATH_MAX || memchr(rec->path, 0, rec->path_len))
		die("'%.100s...': the path is too long for a file beside it", rec->path);
	memcpy(out, rec->path, n);
	strcpy(out + n, ".txt");
}

static void
put_txt(struct tagout *t, const struct adds_record *rec, const int32_t *rows, int64_t n)
{
	const enum adds_sidecar_clash clash = t->options.append      ? ADDS_SIDECAR_APPEND
	                                      : t->options.overwrite ? ADDS_SIDECAR_REPLACE
	                                                             : ADDS_SIDECAR_KEEP;
	char name[PATH_MAX], picture[PATH_MAX];
	int64_t i;
	int rc;

	for (i = 0; i < n; i++)
		t->tag[i] = adds_vocab_name(t->h->labels, (size_t)rows[i]);
	sidecar_name(name, t, rec);
	snprintf(picture, sizeof(picture), "%.*s", (int)rec->path_len, rec->path);
	rc = adds_sidecars_write(t->sidecars, name, picture, t->tag, (size_t)n, t->options.separator, clash, &err);
	if (rc == ADDS_EMISMATCH) {
		fault("%s", err.msg);
		t->kept = 1;
	} else if (rc < 0)
		die("%s", err.msg);
}

typedef void put_fn(struct tagout *, const struct adds_record *, const int32_t *, int64_t);

void
tagout_picture(struct tagout *t, const struct adds_record *rec, const int32_t *rows, int64_t n)
{
	static put_fn *const put[] = { put_jsonl, put_tsv, put_txt, put_exiftool };

	put[t->options.format](t, rec, rows, n);
	if (t->out)
		pass_on(t, ENOUGH);
}

void
tagout_error(struct tagout *t, const struct adds_record *rec)
{
	if (t->options.format != TAGOUT_JSONL)
		return;
	putc('{', t->f);
	put_path(t->f, rec);
	fputs(",\"error\":", t->f);
	put_string(t->f, rec->reason ? rec->reason : "", rec->reason ? strlen(rec->reason) : 0);
	fputs(",\"stage\":", t->f);
	put_string(t->f, rec->stage ? rec->stage : "", rec->stage ? strlen(rec->stage) : 0);
	fputs("}\n", t->f);
	pass_on(t, ENOUGH);
}

int
tagout_close(struct tagout *t)
{
	int kept;

	if (t->options.format == TAGOUT_EXIFTOOL)
		end_exiftool(t);
	if (t->out) {
		pass_on(t, 1);
		fclose(t->f);
		free(t->lines);
		commit_output(t->out);
	}
	adds_sidecars_close(t->sidecars);
	kept = t->kept;
	free(t->tag);
	free(t);
	return kept;
}
