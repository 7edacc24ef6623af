/* SPDX-License-Identifier: MIT
 * cat_import.c - a stream out of arrays that were computed elsewhere */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/label/vocab.h"
#include "cat.h"

struct lines {
	char *text;
	const char **line;
	size_t n;
};

struct import {
	const struct cat_options *o;
	struct cat_npy x, targets;
	struct lines paths;
	struct adds_vocab *vocab;
	double *values[3]; /* values that mean positive, negative, unknown */
	size_t nvalues[3];
	int64_t width; /* D, or L of scores */
};

static void
read_lines(struct lines *l, const char *path)
{
	size_t len, cap = 0;
	char *p, *end;

	l->text = cat_need_ptr(adds_read_file(path, (size_t)1 << 32, &len, &cat_err));
	for (p = l->text; p < l->text + len; p = end + 1) {
		if (!(end = memchr(p, '\n', (size_t)(l->text + len - p))))
			end = l->text + len;
		*end = '\0';
		if (end > p && end[-1] == '\r')
			end[-1] = '\0';
		if (l->n == cap && !(l->line = realloc(l->line, (cap = cap ? 2 * cap : 1024) * sizeof(*l->line))))
			die("out of memory");
		if (!*p)
			die("%s: line %zu is empty", path, l->n + 1);
		l->line[l->n++] = p;
	}
}

/* "2,3,4" */
static void
read_values(struct import *im, int k, const char *text, const char *option)
{
	const char *p = text;
	char *end;

	im->values[k] = cmd_alloc(strlen(text) + 1, sizeof(double));
	for (;; p = end + 1) {
		im->values[k][im->nvalues[k]++] = cmd_strtod(p, &end);
		if (end == p || (*end && *end != ','))
			usage("--%s: '%s' is not a list of numbers with commas between", option, text);
		if (!*end)
			break;
	}
}

/* no value means two things */
static void
check_values(const struct import *im)
{
	static const char *const options[3] = { "positive", "negative", "unknown" };
	size_t i, j;
	int a, b;

	for (a = 0; a < 3; a++)
		for (b = 0; b < a; b++)
			for (i = 0; i < im->nvalues[a]; i++)
				for (j = 0; j < im->nvalues[b]; j++)
					if (im->values[a][i] == im->values[b][j])
						usage("%g is both --%s and --%s: name all three lists", im->values[a][i],
						      options[b], options[a]);
}

/* 1 positive, 0 negative, −1 unknown */
static int
meaning(const struct import *im, double v, size_t row, size_t label)
{
	static const int means[3] = { 1, 0, -1 };
	size_t i;
	int k;

	for (k = 0; k < 3; k++)
		for (i = 0; i < im->nvalues[k]; i++)
			if (im->values[k][i] == v)
				return means[k];
	die("%s: row %zu, label %zu: %g is none of the values that --positive, --negative and --unknown name",
	    im->o->target_file, row, label, v);
}

static void
add_rows(struct adds_message *m, const char *name, const int32_t *rows, int64_t n)
{
	cat_need(adds_message_add(m, name, ADDS_I32, 1, &n, rows, &cat_err));
}

/* takes out of the ascending list a what stands in b; the new length */
static int64_t
without(int32_t *a, int64_t n, const int32_t *b, int64_t nb)
{
	int64_t i, k = 0, kept = 0;

	for (i = 0; i < n; i++) {
		while (k < nb && b[k] < a[i])
			k++;
		if (k == nb || b[k] != a[i])
			a[kept++] = a[i];
	}
	return kept;
}

static void
add_targets(struct adds_message *m, const struct import *im, size_t row)
{
	const size_t labels = adds_vocab_size(im->vocab);
	int32_t *pos = cmd_alloc(2 * labels, sizeof(*pos)), *neg = pos + labels;
	int64_t npos = 0, nneg = 0, unknown = 0;
	size_t i;

	for (i = 0; i < labels; i++) {
		const int t = meaning(im, cat_npy_number(&im->targets, row * labels + i), row, i);

		if (t == 1)
			pos[npos++] = (int32_t)i;
		else if (t == 0)
			neg[nneg++] = (int32_t)i;
		else
			unknown++;
	}
	if (npos + nneg) {
		npos = (int64_t)adds_vocab_close(im->vocab, pos, (size_t)npos);
		add_rows(m, "pos", pos, npos);
		if (unknown)
			add_rows(m, "neg", neg, without(neg, nneg, pos, npos));
	}
	free(pos);
}

/* n rows of width d to unit length, in place; a row that is one already up to the rounding of its type stays as it is */
static void
normalise(float *x, int64_t n, int64_t d, double slack, const char *file, size_t row)
{
	int64_t i, j;

	for (i = 0; i < n; i++, x += d) {
		double s = 0;

		for (j = 0; j < d; j++)
			s += (double)x[j] * (double)x[j];
		s = sqrt(s);
		if (!isfinite(s) || s == 0)
			die("%s: row %zu is no direction: it is zero or not finite", file, row);
		if (fabs(s - 1) > slack)
			for (j = 0; j < d; j++)
				x[j] = (float)((double)x[j] / s);
	}
}

/* row number `row` of the array as unit vectors: f32, from malloc */
static float *
vectors(const struct import *im, size_t row, int64_t n)
{
	const size_t count = (size_t)(n * im->width);
	float *x = cmd_alloc(count, sizeof(*x));
	size_t i;

	for (i = 0; i < count; i++)
		x[i] = (float)cat_npy_number(&im->x, row * count + i);
	normalise(x, n, im->width, im->x.dtype == ADDS_F16 ? 2e-3 : 1e-6, im->o->npy, row);
	return x;
}

static void
add_tokens(struct adds_message *m, const struct import *im, size_t row)
{
	const int64_t n = im->x.rank == 3 ? im->x.shape[1] : 1, shape[2] = { n, im->width }, tiles[2] = { n, 6 };
	float *x = vectors(im, row, n);
	uint16_t *half = cmd_alloc((size_t)(n * im->width), sizeof(*half));
	int32_t *tile = cmd_alloc((size_t)n * 6, sizeof(*tile));
	int64_t i;

	for (i = 0; i < n; i++) {
		tile[6 * i + 2] = (int32_t)i;
		tile[6 * i + 5] = 1;
	}
	if (im->x.dtype == ADDS_F16) {
		adds_f32_to_f16(half, x, (size_t)(n * im->width));
		cat_need(adds_message_add(m, "tokens", ADDS_F16, 2, shape, half, &cat_err));
	} else {
		cat_need(adds_message_add(m, "tokens", ADDS_F32, 2, shape, x, &cat_err));
	}
	cat_need(adds_message_add(m, "tiles", ADDS_I32, 2, tiles, tile, &cat_err));
	free(x);
	free(half);
	free(tile);
}

static void
add_scores(struct adds_message *m, const struct import *im, size_t row)
{
	float *x = cmd_alloc((size_t)im->width, sizeof(*x));
	int64_t i;

	for (i = 0; i < im->width; i++) {
		x[i] = (float)cat_npy_number(&im->x, row * (size_t)im->width + (size_t)i);
		if (!isfinite((double)x[i]))
			die("%s: row %zu, label %lld: the score is not finite", im->o->npy, row, (long long)i);
	}
	cat_need(adds_message_add(m, "scores", ADDS_F32, 1, &im->width, x, &cat_err));
	free(x);
}

static struct adds_message *
make_record(const struct import *im, size_t row)
{
	struct adds_message *m;
	const char *name;
	float *x;

	if (im->o->import == ADDS_KIND_LABELS) {
		name = adds_vocab_name(im->vocab, row);
		x = vectors(im, row, 1);
		m = cat_need_ptr(adds_label_new(name, strlen(name), x, im->width, NULL, 0, &cat_err));
		free(x);
		return m;
	}
	name = im->paths.line[row];
	m = cat_need_ptr(adds_picture_new(name, strlen(name), -1, NULL, &cat_err));
	if (im->o->target_file)
		add_targets(m, im, row);
	if (im->o->import == ADDS_KIND_FEATURES)
		add_tokens(m, im, row);
	else
		add_scores(m, im, row);
	return m;
}

static cJSON *
values_json(const struct import *im, int k)
{
	return cJSON_CreateDoubleArray(im->values[k], (int)im->nvalues[k]);
}

static struct adds_message *
make_header(const struct import *im)
{
	const struct cat_options *o = im->o;
	struct adds_message *m = cat_need_ptr(adds_header_new((enum adds_kind)o->import, &cat_err));
	cJSON *meta = adds_message_meta(m), *options = cat_choice(o);
	unsigned char *known;

	options = options ? options : cJSON_CreateObject();
	cJSON_AddStringToObject(options, "import", adds_kind_name((enum adds_kind)o->import));
	if (o->target_file) {
		cJSON_AddItemToObject(options, "positive", values_json(im, 0));
		cJSON_AddItemToObject(options, "negative", values_json(im, 1));
		cJSON_AddItemToObject(options, "unknown", values_json(im, 2));
	}
	if (im->vocab)
		cat_need(adds_vocab_to_header(im->vocab, m, &cat_err));
	if (o->import == ADDS_KIND_SCORES) {
		cJSON_AddStringToObject(meta, "checkpoint", o->model_name);
		cJSON_AddStringToObject(meta, "score", o->similarity ? "similarity" : "logit");
		cJSON_AddNumberToObject(meta, "calibrated", o->calibrated);
		known = cmd_alloc((size_t)im->width, 1);
		memset(known, 1, (size_t)im->width);
		cat_need(adds_message_add(m, "known", ADDS_U8, 1, &im->width, known, &cat_err));
		free(known);
	} else {
		cJSON_AddStringToObject(meta, "model", o->model_name);
	}
	if (o->import == ADDS_KIND_FEATURES) {
		cJSON_AddStringToObject(meta, "tokens", "cls");
		cJSON_AddNumberToObject(meta, "pool", 1);
		cJSON_AddStringToObject(meta, "dtype", im->x.dtype == ADDS_F16 ? "f16" : "f32");
	}
	if (o->import == ADDS_KIND_LABELS)
		cJSON_AddNumberToObject(meta, "logit_scale", o->logit_scale);
	cat_need(adds_provenance_add(m, "adds-cat", options, &cat_err));
	return m;
}

/* what is missing is said before any file is opened */
static void
check_options(const struct cat_options *o)
{
	if (!o->npy)
		usage("--import needs --npy FILE: the numbers");
	if (!o->model_name || !*o->model_name)
		usage("--import needs --model-name NAME: only streams of the same model can be used together");
	if (o->import == ADDS_KIND_INDEX)
		usage("--import makes features, labels or scores; adds-index makes an index");
	if (o->import != ADDS_KIND_LABELS && !o->path_file)
		usage("--import %s needs --paths FILE: one path a line, in the order of the rows",
		      adds_kind_name((enum adds_kind)o->import));
	if (o->import != ADDS_KIND_FEATURES && !o->label_file)
		usage("--import %s needs --labels FILE: one name a line", adds_kind_name((enum adds_kind)o->import));
	if (o->target_file && !o->label_file)
		usage("--targets needs --labels FILE: one name a line, in the order of the columns");
}

static void
check_shapes(const struct import *im)
{
	const struct cat_options *o = im->o;
	const struct cat_npy *x = &im->x, *t = &im->targets;
	const size_t labels = im->vocab ? adds_vocab_size(im->vocab) : 0, rows = (size_t)x->shape[0];

	if (x->dtype != ADDS_F16 && x->dtype != ADDS_F32 && x->dtype != ADDS_F64)
		die("%s: %s: floating point numbers are needed", o->npy, adds_dtype_name(x->dtype));
	if (x->rank != 2 && !(x->rank == 3 && o->import == ADDS_KIND_FEATURES))
		die("%s: %d dimensions, 2 are needed%s", o->npy, x->rank,
		    o->import == ADDS_KIND_FEATURES ? " (or 3: pictures, tokens, numbers)" : "");
	if (im->width < 1 || x->shape[1] < 1)
		die("%s: rows without numbers", o->npy);
	if (o->import == ADDS_KIND_LABELS && rows != labels)
		die("%s has %zu rows, %s has %zu names", o->npy, rows, o->label_file, labels);
	if (o->import != ADDS_KIND_LABELS && rows != im->paths.n)
		die("%s has %zu rows, %s has %zu paths", o->npy, rows, o->path_file, im->paths.n);
	if (o->import == ADDS_KIND_SCORES && (size_t)im->width != labels)
		die("%s has %lld columns, %s has %zu names", o->npy, (long long)im->width, o->label_file, labels);
	if (o->target_file && (t->rank != 2 || (size_t)t->shape[0] != rows || (size_t)t->shape[1] != labels))
		die("%s should have %zu rows (as %s) and %zu columns (as %s)", o->target_file, rows,
		    o->npy, labels, o->label_file);
}

static void
write_all(const struct import *im)
{
	struct adds_writer *w = cat_writer(im->o);
	struct adds_message *m = make_header(im);
	size_t row;

	cat_need(adds_writer_header(w, m, &cat_err));
	adds_message_free(m);
	for (row = 0; row < (size_t)im->x.shape[0]; row++) {
		if (!cat_row_chosen(im->o->rows, row))
			continue;
		m = make_record(im, row);
		cat_need(adds_writer_write(w, m, &cat_err));
		adds_message_free(m);
	}
	cat_rows_check(im->o->rows, (uint64_t)im->x.shape[0]);
	cmd_cost(adds_writer_records(w), "rows");
	cat_need(adds_writer_finish(w, NULL, &cat_err));
}

void
cat_import(const struct cat_options *o)
{
	struct import im = { 0 };
	int k;

	check_options(o);
	im.o = o;
	read_values(&im, 0, o->positive, "positive");
	read_values(&im, 1, o->negative, "negative");
	read_values(&im, 2, o->unknown, "unknown");
	if (o->target_file)
		check_values(&im);
	cat_npy_open(&im.x, o->npy);
	im.width = im.x.rank ? im.x.shape[im.x.rank - 1] : 0;
	if (o->target_file)
		cat_npy_open(&im.targets, o->target_file);
	if (o->path_file)
		read_lines(&im.paths, o->path_file);
	if (o->label_file)
		im.vocab = cat_need_ptr(adds_vocab_read(o->label_file, &cat_err));
	check_shapes(&im);
	write_all(&im);
	adds_vocab_free(im.vocab);
	cat_npy_close(&im.x);
	cat_npy_close(&im.targets);
	free(im.paths.text);
	free(im.paths.line);
	for (k = 0; k < 3; k++)
		free(im.values[k]);
}
