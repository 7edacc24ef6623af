/* SPDX-License-Identifier: MIT
 * cat_export.c - the tensors of all records as one .npy or .safetensors file
 *
 * Records are read once. The big tensor is written as it comes; everything
 * that is only known at the end waits in memory, and the header, for which
 * room was left, is put in last. */
#include <stdlib.h>
#include <string.h>

#include "../lib/stream/json.h"
#include "../lib/stream/message.h"
#include "cat.h"

struct export
{
	const struct cat_options *o;
	struct cat_source *s;
	const char *tensor; /* its name */
	struct adds_output *out;
	size_t reserved;       /* bytes left for the header */
	enum adds_dtype dtype; /* of the stream; BF16 becomes F32 in .npy */
	int rank;              /* of one record's tensor */
	int64_t shape[ADDS_MAX_RANK];
	int ragged;
	uint64_t rows, bytes;    /* rows of the big tensor, its bytes */
	struct adds_buf lengths; /* int64_t: rows of each record */
	struct adds_buf names;   /* paths, ended by NUL */
	struct adds_buf targets; /* int8_t [N, L] */
	size_t labels, records, left_out;
};

static void
start_output(struct export *e)
{
	const char *path = e->o->npy ? e->o->npy : e->o->safetensors;
	static const char zeros[4096];
	size_t left;

	e->out = cat_need_ptr(adds_output_open(path, &cat_err));
	if (!adds_output_is_file(e->out) || strcmp(path, "-") == 0)
		die("%s: arrays go to a file: their header is written last", path);
	e->reserved = CAT_NPY_HEADER;
	if (e->o->safetensors)
		e->reserved = (2 * strlen(adds_message_json(cat_header(e->s))) + 4096) / 8 * 8;
	for (left = e->reserved; left; left -= left < sizeof(zeros) ? left : sizeof(zeros))
		cat_need(adds_output_write(e->out, zeros, left < sizeof(zeros) ? left : sizeof(zeros), &cat_err));
}

/* the first record tells type and shape; later ones may differ in the first dimension */
static void
agree(struct export *e, const struct adds_tensor *t, uint64_t number)
{
	int k;

	if (!e->records) {
		e->dtype = t->dtype;
		e->rank = t->rank;
		memcpy(e->shape, t->shape, sizeof(e->shape));
	}
	if (t->dtype != e->dtype || t->rank != e->rank || t->rank < 1)
		die("%s: record %llu: tensor '%s' has another type or rank than before",
		    cat_name(e->s), (unsigned long long)number, t->name);
	for (k = 1; k < t->rank; k++)
		if (t->shape[k] != e->shape[k])
			die("%s: record %llu: tensor '%s' has another shape than before",
			    cat_name(e->s), (unsigned long long)number, t->name);
	e->ragged |= t->shape[0] != e->shape[0];
}

static void
put_tensor(struct export *e, const struct adds_tensor *t)
{
	float *x;

	if (!(e->o->npy && t->dtype == ADDS_BF16)) {
		cat_need(adds_output_write(e->out, t->data, t->size, &cat_err));
		e->bytes += t->size;
		return;
	}
	x = cmd_alloc(t->size / 2, sizeof(*x));
	adds_bf16_to_f32(x, t->data, t->size / 2);
	cat_need(adds_output_write(e->out, x, 2 * t->size, &cat_err));
	e->bytes += 2 * t->size;
	free(x);
}

static void
note_targets(struct export *e, const struct adds_record *rec)
{
	int8_t *row = cmd_alloc(e->labels, 1);
	size_t i;

	memset(row, rec->pos && !rec->neg ? 0 : -1, e->labels);
	for (i = 0; i < rec->nneg; i++)
		row[rec->neg[i]] = 0;
	for (i = 0; i < rec->npos; i++)
		row[rec->pos[i]] = 1;
	adds_buf_add(&e->targets, row, e->labels);
	free(row);
}

static void
put_record(struct export *e, const struct adds_message *m, uint64_t number)
{
	const struct adds_tensor *t = adds_message_tensor(m, e->tensor);
	struct adds_record rec;

	if (adds_record_parse(&rec, m, (int64_t)e->labels, &cat_err) < 0)
		die("%s: record %llu: %s", cat_name(e->s), (unsigned long long)number, cat_err.msg);
	if (!t || rec.type == ADDS_RECORD_ERROR) {
		e->left_out++;
		return;
	}
	agree(e, t, number);
	put_tensor(e, t);
	e->rows += (uint64_t)t->shape[0];
	adds_buf_add(&e->lengths, &t->shape[0], sizeof(t->shape[0]));
	if (rec.type == ADDS_RECORD_LABEL)
		adds_buf_add(&e->names, rec.name, rec.name_len);
	else
		adds_buf_add(&e->names, rec.path, rec.path_len);
	adds_buf_add(&e->names, "", 1);
	if (e->labels && rec.type == ADDS_RECORD_PICTURE)
		note_targets(e, &rec);
	e->records++;
}

/* the shape of the big array: [N, …] where all records are alike ([N, D] for one row each), else rows under one another */
static int
whole_shape(const struct export *e, int64_t shape[ADDS_MAX_RANK + 1])
{
	int rank = 0, k;

	if (e->ragged) {
		shape[rank++] = (int64_t)e->rows;
	} else {
		shape[rank++] = (int64_t)e->records;
		if (e->rank == 1 || e->shape[0] != 1)
			shape[rank++] = e->shape[0];
	}
	for (k = 1; k < e->rank; k++)
		shape[rank++] = e->shape[k];
	return rank;
}

static void
write_file(const char *path, const void *head, size_t nhead, const void *data, size_t n)
{
	struct adds_output *out = cat_need_ptr(adds_output_open(path, &cat_err));

	cat_need(nhead ? adds_output_write(out, head, nhead, &cat_err) : 0);
	cat_need(adds_output_write(out, data, n, &cat_err));
	cat_need(adds_output_commit(out, &cat_err));
}

/* names ended by NUL as lines */
static void
write_names(const char *path, const void *names, size_t n)
{
	char *text = cmd_alloc(n, 1);
	size_t i;

	if (memchr(names ? names : "", '\n', n))
		die("%s: a name holds a line break: --safetensors can hold it", path);
	for (i = 0; i < n; i++)
		text[i] = ((const char *)names)[i] ? ((const char *)names)[i] : '\n';
	write_file(path, NULL, 0, text, n);
	free(text);
}

static void
write_side_files(const struct export *e)
{
	const struct adds_tensor *labels = adds_message_tensor(cat_header(e->s), "labels");
	const int64_t shape[2] = { (int64_t)e->records, (int64_t)e->labels };
	const struct cat_options *o = e->o;
	char head[CAT_NPY_HEADER];

	if (o->path_file)
		write_names(o->path_file, e->names.p, e->names.n);
	if (o->label_file)
		write_names(o->label_file, labels ? labels->data : NULL, labels ? labels->size : 0);
	if (o->target_file) {
		cat_npy_header(head, ADDS_I8, 2, shape, o->target_file);
		write_file(o->target_file, head, sizeof(head), e->targets.p, e->targets.n);
	}
	if (o->lengths) {
		cat_npy_header(head, ADDS_I64, 1, shape, o->lengths);
		write_file(o->lengths, head, sizeof(head), e->lengths.p, e->lengths.n);
	}
}

static void
finish_npy(struct export *e)
{
	int64_t shape[ADDS_MAX_RANK + 1];
	const int rank = whole_shape(e, shape);
	char head[CAT_NPY_HEADER];

	if (e->ragged && !e->o->lengths)
		die("%s: records have different numbers of rows: --lengths FILE says how many, --safetensors holds both",
		    e->o->npy);
	cat_npy_header(head, e->dtype == ADDS_BF16 ? ADDS_F32 : e->dtype, rank, shape, e->o->npy);
	cat_need(adds_output_patch(e->out, 0, head, sizeof(head), &cat_err));
}

/* a small tensor behind the big one: its data now, its line of the header to members */
static void
put_small(struct export *e, struct adds_buf *members, uint64_t *at, const char *name, enum adds_dtype dtype, int rank,
          const int64_t *shape, const void *data, size_t n)
{
	char text[256];

	snprintf(text, sizeof(text), ",\"%s\":{\"data_offsets\":[%llu,%llu],\"dtype\":\"%s\",\"shape\":[%lld", name,
	         (unsigned long long)*at, (unsigned long long)(*at + n), adds_dtype_name(dtype), (long long)shape[0]);
	adds_buf_text(members, text);
	if (rank == 2) {
		snprintf(text, sizeof(text), ",%lld", (long long)shape[1]);
		adds_buf_text(members, text);
	}
	adds_buf_text(members, "]}");
	cat_need(adds_output_write(e->out, data, n, &cat_err));
	*at += n;
}

static void
put_big(const struct export *e, struct adds_buf *members)
{
	int64_t shape[ADDS_MAX_RANK + 1];
	const int rank = whole_shape(e, shape);
	char text[96];
	int k;

	adds_buf_text(members, ",");
	adds_json_quote(members, e->tensor);
	snprintf(text, sizeof(text), ":{\"data_offsets\":[0,%llu],\"dtype\":\"%s\",\"shape\":[", (unsigned long long)e->bytes,
	         adds_dtype_name(e->dtype));
	adds_buf_text(members, text);
	for (k = 0; k < rank; k++) {
		snprintf(text, sizeof(text), "%s%lld", k ? "," : "", (long long)shape[k]);
		adds_buf_text(members, text);
	}
	adds_buf_text(members, "]}");
}

static void
finish_safetensors(struct export *e)
{
	const struct adds_tensor *labels = adds_message_tensor(cat_header(e->s), "labels");
	const int64_t n = (int64_t)e->records, names = (int64_t)e->names.n, shape[2] = { n, (int64_t)e->labels };
	struct adds_buf b = { 0 };
	uint64_t at = e->bytes;
	unsigned char length[8];
	int k;

	adds_buf_text(&b, "{\"__metadata__\":{\"adds\":");
	adds_json_quote(&b, adds_message_json(cat_header(e->s)));
	adds_buf_text(&b, "}");
	put_big(e, &b);
	put_small(e, &b, &at, "lengths", ADDS_I64, 1, &n, e->lengths.p, e->lengths.n);
	if (e->targets.n)
		put_small(e, &b, &at, "targets", ADDS_I8, 2, shape, e->targets.p, e->targets.n);
	put_small(e, &b, &at, "names", ADDS_U8, 1, &names, e->names.p, e->names.n);
	if (labels)
		put_small(e, &b, &at, "labels", ADDS_U8, 1, labels->shape, labels->data, labels->size);
	adds_buf_text(&b, "}");
	while (b.n < e->reserved - 8)
		adds_buf_text(&b, " ");
	if (b.failed || b.n != e->reserved - 8)
		die("%s: the header does not fit", e->o->safetensors);
	for (k = 0; k < 8; k++)
		length[k] = (unsigned char)((uint64_t)b.n >> 8 * k);
	cat_need(adds_output_patch(e->out, 0, length, 8, &cat_err));
	cat_need(adds_output_patch(e->out, 8, b.p, b.n, &cat_err));
	adds_buf_release(&b);
}

static const char *
usual_tensor(const struct adds_message *header)
{
	switch (cat_need(adds_header_kind(header, &cat_err))) {
	case ADDS_KIND_LABELS:
		return "embedding";
	case ADDS_KIND_FEATURES:
		return "tokens";
	case ADDS_KIND_SCORES:
		return "scores";
	default:
		usage("an index has no numbers: --tensor NAME chooses a tensor");
	}
}

void
cat_export(struct cat_source *s, const struct cat_options *o)
{
	struct export e = { .o = o, .s = s };
	const struct adds_message *m;
	uint64_t number;

	e.tensor = o->tensor ? o->tensor : usual_tensor(cat_header(s));
	free(cat_labels(cat_header(s), &e.labels));
	start_output(&e);
	while (cat_read(s, &m, &number))
		put_record(&e, m, number);
	if (e.lengths.failed || e.names.failed || e.targets.failed)
		die("out of memory");
	if (!e.records)
		die("%s: no record has a tensor '%s'", cat_name(s), e.tensor);
	if (e.left_out)
		warn("%zu %s without '%s' %s left out", e.left_out, ADDS_PLURAL(e.left_out, "record", "records"), e.tensor,
		     ADDS_PLURAL(e.left_out, "was", "were"));
	if (o->npy)
		finish_npy(&e);
	else
		finish_safetensors(&e);
	write_side_files(&e);
	cat_need(adds_output_commit(e.out, &cat_err));
	cmd_cost(e.records, "records");
	adds_buf_release(&e.lengths);
	adds_buf_release(&e.names);
	adds_buf_release(&e.targets);
}
