/* SPDX-License-Identifier: MIT
 * dataset.c - a feature stream's labelled pictures */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "dataset.h"

enum { PROGRESS_EVERY = 64 };

/* what grows while the stream is read */
struct loading {
	struct adds_dataset *d;
	size_t items, paths, rows, labels; /* room */
	int64_t npaths, nrows, nlabels;    /* in use */
	size_t memory, held;               /* bytes of tokens allowed and held */
	int8_t *target;                    /* [L] */
	int32_t *room;                     /* [pictures' vocabulary] */
	XXH3_state_t *hash;
};

static int
check_model(const struct adds_dataset *d, struct adds_error *err)
{
	const char *model = adds_message_string(adds_reader_header(d->reader), "model");
	const char *texts = adds_texts_model(d->texts);

	if (model && *texts && strcmp(model, texts) != 0)
		return adds_fail(
			err, ADDS_EMISMATCH,
			"%s: its features come from model '%.16s', the label stream from '%.16s': encode the labels with the model of the features",
			adds_reader_name(d->reader), model, texts);
	return 0;
}

static int
check_header(struct adds_dataset *d, int strict, struct adds_error *err)
{
	const struct adds_message *header = adds_reader_header(d->reader);
	int rc;

	if ((rc = check_model(d, err)) < 0)
		return rc;
	if (!adds_message_tensor(header, "labels"))
		return adds_fail(
			err, ADDS_EMISMATCH,
			"%s: its pictures have no labels: index them with label files, or attach an index with 'adds-cat --relabel'",
			adds_reader_name(d->reader));
	if (!(d->vocab = adds_vocab_from_header(header, err)) ||
	    adds_mapping_init(&d->map, d->texts->vocab, d->vocab, strict, err) < 0)
		return adds_fail_in(err, "%s", adds_reader_name(d->reader));
	if (!(d->choice = adds_message_string(header, "tokens")))
		d->choice = "all";
	return 0;
}

struct adds_dataset *
adds_dataset_open(const char *path, const struct adds_texts *texts, int strict, struct adds_error *err)
{
	struct adds_dataset *d = calloc(1, sizeof(*d));

	if (!d) {
		adds_fail(err, ADDS_ENOMEM, "out of memory");
		return NULL;
	}
	d->texts = texts;
	d->store.fd = -1;
	if (!(d->reader = adds_reader_open_kind(path, 1u << ADDS_KIND_FEATURES, err)) || check_header(d, strict, err) < 0) {
		adds_dataset_free(d);
		return NULL;
	}
	return d;
}

/* Room for more elements behind the used ones of array, doubled as it fills: the array, or NULL (it then stays as it is). */
static void *
reserve(void *array, size_t *room, size_t used, size_t more, size_t size, struct adds_error *err)
{
	size_t want = *room ? *room : 256, bytes;
	void *grown;

	if (used + more <= *room)
		return array;
	while (want < used + more)
		want *= 2;
	if (adds_mul_size(want, size, &bytes) || !(grown = realloc(array, bytes))) {
		adds_fail(err, ADDS_ENOMEM, "out of memory for %zu entries", want);
		return NULL;
	}
	*room = want;
	return grown;
}

static int
add_path(struct loading *l, struct adds_item *item, const struct adds_record *rec, struct adds_error *err)
{
	struct adds_dataset *d = l->d;
	char *paths = reserve(d->paths, &l->paths, (size_t)l->npaths, rec->path_len + 1, 1, err);

	if (!paths)
		return ADDS_ENOMEM;
	d->paths = paths;
	item->path = l->npaths;
	memcpy(d->paths + l->npaths, rec->path, rec->path_len);
	d->paths[l->npaths + (int64_t)rec->path_len] = '\0';
	l->npaths += (int64_t)rec->path_len + 1;
	item->hash = XXH64(rec->path, rec->path_len, 0);
	return 0;
}

/* appends the labels whose target is value; returns how many */
static int64_t
add_labels(struct loading *l, int8_t value)
{
	const int64_t before = l->nlabels;
	int64_t i;

	for (i = 0; i < l->d->texts->n; i++)
		if (l->target[i] == value)
			l->d->labels[l->nlabels++] = (int32_t)i;
	return l->nlabels - before;
}

static int
add_targets(struct loading *l, struct adds_item *item, const struct adds_record *rec, struct adds_error *err)
{
	struct adds_dataset *d = l->d;
	int32_t *labels = reserve(d->labels, &l->labels, (size_t)l->nlabels, (size_t)d->texts->n, sizeof(*labels), err);

	if (!labels)
		return ADDS_ENOMEM;
	d->labels = labels;
	item->pos = l->nlabels;
	item->npos = add_labels(l, 1);
	item->neg = l->nlabels;
	item->nneg = rec->neg ? add_labels(l, 0) : -1;
	return 0;
}

static int
check_tokens(struct adds_dataset *d, const struct adds_record *rec, struct adds_error *err)
{
	const struct adds_tensor *t = rec->tokens;

	if (!t || t->rank != 2 || t->shape[0] < 1)
		return adds_fail(err, ADDS_EFORMAT, "a picture without tokens");
	if (t->shape[1] != d->texts->width)
		return adds_fail(
			err, ADDS_EMISMATCH,
			"tokens of width %lld, the label stream's have %d: encode the labels with the model of the features",
			(long long)t->shape[1], d->texts->width);
	if (t->dtype != ADDS_F32 && t->dtype != ADDS_F16 && t->dtype != ADDS_BF16)
		return adds_fail(err, ADDS_EFORMAT, "tokens of type %s", adds_dtype_name(t->dtype));
	if (d->n && t->dtype != d->dtype)
		return adds_fail(err, ADDS_EMISMATCH, "tokens of type %s behind others of type %s", adds_dtype_name(t->dtype),
		                 adds_dtype_name(d->dtype));
	if (!adds_tensor_is_finite(t))
		return adds_fail(err, ADDS_EFORMAT, "'%.*s' has tokens that are not finite: encode it anew", (int)rec->path_len,
		                 rec->path);
	d->dtype = t->dtype;
	return 0;
}

static void
drop_tokens(struct adds_dataset *d)
{
	int64_t i;

	for (i = 0; i < d->n; i++) {
		if (d->store.fd < 0)
			free((void *)(uintptr_t)d->item[i].data);
		d->item[i].data = NULL;
	}
	adds_store_close(&d->store);
	d->in_memory = 0;
}

static int
hold_tokens(struct loading *l, struct adds_item *item, const struct adds_tensor *tokens, struct adds_error *err)
{
	void *copy;

	if (l->d->store.fd >= 0)
		return adds_store_write(&l->d->store, tokens->data, tokens->size, err);
	if (!(copy = malloc(tokens->size)))
		return adds_fail(err, ADDS_ENOMEM, "out of memory for %zu bytes of tokens: lower --memory", l->held);
	item->data = memcpy(copy, tokens->data, tokens->size);
	return 0;
}

static int
add_tokens(struct loading *l, struct adds_item *item, const struct adds_record *rec, struct adds_error *err)
{
	struct adds_dataset *d = l->d;
	const int64_t T = rec->tokens->shape[0];
	int32_t *rows = reserve(d->rows, &l->rows, (size_t)l->nrows, (size_t)T, sizeof(*rows), err);

	if (!rows)
		return ADDS_ENOMEM;
	d->rows = rows;
	item->tokens = T;
	item->read = l->nrows;
	item->nread = adds_read_rows(d->rows + l->nrows, ADDS_READ_TILE, rec->tiles, rec->ntiles, d->choice, T);
	l->nrows += item->nread;
	if (T > d->most_tokens)
		d->most_tokens = T;
	if (!d->in_memory)
		return 0;
	l->held += rec->tokens->size;
	if (l->held > l->memory) {
		drop_tokens(d);
		return 0;
	}
	return hold_tokens(l, item, rec->tokens, err);
}

static void
hash_item(struct loading *l, const struct adds_item *item, const struct adds_record *rec)
{
	const struct adds_dataset *d = l->d;
	const int64_t sizes[5] = { (int64_t)rec->path_len, item->tokens, item->nread, item->npos, item->nneg };

	XXH3_128bits_update(l->hash, sizes, sizeof(sizes));
	XXH3_128bits_update(l->hash, rec->path, rec->path_len);
	XXH3_128bits_update(l->hash, d->labels + item->pos, (size_t)(l->nlabels - item->pos) * sizeof(*d->labels));
	XXH3_128bits_update(l->hash, d->rows + item->read, (size_t)item->nread * sizeof(*d->rows));
	XXH3_128bits_update(l->hash, rec->tokens->data, rec->tokens->size);
}

static int
add_picture(struct loading *l, uint64_t record, const struct adds_record *rec, struct adds_error *err)
{
	struct adds_dataset *d = l->d;
	struct adds_item *item;
	int rc;

	if (!adds_mapping_targets(l->target, l->room, &d->map, d->vocab, rec)) {
		d->unlabelled++;
		return 0;
	}
	if ((rc = check_tokens(d, rec, err)) < 0)
		return rc;
	if (!(item = reserve(d->item, &l->items, (size_t)d->n, 1, sizeof(*d->item), err)))
		return ADDS_ENOMEM;
	d->item = item;
	item += d->n;
	memset(item, 0, sizeof(*item));
	item->record = record;
	if ((rc = add_path(l, item, rec, err)) < 0 || (rc = add_targets(l, item, rec, err)) < 0 ||
	    (rc = add_tokens(l, item, rec, err)) < 0)
		return rc;
	hash_item(l, item, rec);
	d->n++;
	return 0;
}

static int
read_records(struct loading *l, adds_dataset_progress *progress, void *to, struct adds_error *err)
{
	struct adds_dataset *d = l->d;
	const struct adds_message *m;
	struct adds_record rec;
	int rc;

	while ((rc = adds_reader_read(d->reader, &m, err)) > 0) {
		const uint64_t record = d->records++;

		if ((rc = adds_record_parse(&rec, m, (int64_t)d->map.pictures, err)) == 0 && rec.type == ADDS_RECORD_PICTURE)
			rc = add_picture(l, record, &rec, err);
		if (rc < 0)
			return adds_fail_in(err, "%s: record %llu", adds_reader_name(d->reader), (unsigned long long)record);
		d->errors += rec.type == ADDS_RECORD_ERROR;
		if (progress && d->records % PROGRESS_EVERY == 0)
			progress(to, d->records);
	}
	return rc;
}

static void
finish_digest(struct loading *l)
{
	const XXH128_hash_t h = XXH3_128bits_digest(l->hash);

	snprintf(l->d->digest, sizeof(l->d->digest), "%016llx%016llx", (unsigned long long)h.high64,
	         (unsigned long long)h.low64);
}

int
adds_dataset_load(struct adds_dataset *d, size_t memory, adds_dataset_progress *progress, void *to,
                  struct adds_error *err)
{
	struct loading l = { .d = d, .memory = memory };
	int rc;

	d->in_memory = 1;
	l.target = malloc((size_t)d->texts->n + 1);
	l.room = malloc((d->map.pictures + 1) * sizeof(*l.room));
	l.hash = XXH3_createState();
	if (!l.target || !l.room || !l.hash) {
		rc = adds_fail(err, ADDS_ENOMEM, "out of memory");
		goto out;
	}
	XXH3_128bits_reset(l.hash);
	XXH3_128bits_update(l.hash, d->map.known, d->map.labels);
	if ((rc = read_records(&l, progress, to, err)) == 0)
		finish_digest(&l);
out:
	free(l.target);
	free(l.room);
	XXH3_freeState(l.hash);
	return rc;
}

int
adds_dataset_load_one(struct adds_dataset *d, size_t memory, adds_dataset_progress *progress, void *to,
                      const struct adds_ranks *ranks, struct adds_error *err)
{
	if (ranks->locals == 1)
		return adds_dataset_load(d, memory, progress, to, err);
	if (ranks->local > 0)
		return adds_dataset_load(d, 0, progress, to, err);
	/* without a store to lend it is as if each had a copy of its own */
	return adds_dataset_load(d, adds_store_open(&d->store) < 0 ? memory / (size_t)ranks->locals : memory, progress, to, err);
}

void
adds_dataset_lend(struct adds_dataset *d, struct adds_ranks *ranks)
{
	const size_t row = (size_t)d->texts->width * adds_dtype_size(d->dtype);
	const char *p;
	int64_t i;

	if (!ranks || ranks->locals == 1)
		return;
	if (adds_store_share(&d->store, ranks) < 0) {
		d->in_memory = d->n > 0 && d->item[0].data; /* a copy of its own */
		return;
	}
	for (i = 0, p = d->store.base; i < d->n; p += (size_t)d->item[i++].tokens * row)
		d->item[i].data = p;
	d->in_memory = 1;
}

void
adds_dataset_free(struct adds_dataset *d)
{
	if (!d)
		return;
	drop_tokens(d);
	adds_reader_close(d->reader);
	adds_mapping_release(&d->map);
	adds_vocab_free(d->vocab);
	free(d->item);
	free(d->paths);
	free(d->rows);
	free(d->labels);
	free(d);
}

const char *
adds_dataset_path(const struct adds_dataset *d, int64_t i)
{
	return d->paths + d->item[i].path;
}

void
adds_dataset_targets(const struct adds_dataset *d, int64_t i, int8_t *target)
{
	const struct adds_item *item = d->item + i;
	int64_t k;

	if (item->nneg < 0)
		for (k = 0; k < d->texts->n; k++)
			target[k] = d->map.known[k] ? 0 : -1;
	else
		memset(target, -1, (size_t)d->texts->n);
	for (k = 0; k < item->nneg; k++)
		target[d->labels[item->neg + k]] = 0;
	for (k = 0; k < item->npos; k++)
		target[d->labels[item->pos + k]] = 1;
}

const void *
adds_dataset_tokens(struct adds_dataset *d, int64_t i, struct adds_error *err)
{
	const struct adds_item *item = d->item + i;
	const struct adds_message *m;
	const struct adds_tensor *t;

	if (item->data)
		return item->data;
	if (adds_reader_at(d->reader, item->record, &m, err) < 0)
		return NULL;
	t = adds_message_tensor(m, "tokens");
	if (t && t->dtype == d->dtype && t->rank == 2 && t->shape[0] == item->tokens && t->shape[1] == d->texts->width)
		return t->data;
	adds_fail(err, ADDS_EMISMATCH, "%s: record %llu is not what it was a while ago: somebody changes the file",
	          adds_reader_name(d->reader), (unsigned long long)item->record);
	return NULL;
}

void
adds_dataset_count(const struct adds_dataset *d, const int64_t *list, int64_t n, int64_t *positives, int64_t *negatives)
{
	int64_t i, k, open = 0;

	memset(positives, 0, (size_t)d->texts->n * sizeof(*positives));
	memset(negatives, 0, (size_t)d->texts->n * sizeof(*negatives));
	for (i = 0; i < n; i++) {
		const struct adds_item *item = d->item + list[i];

		open += item->nneg < 0;
		for (k = 0; k < item->npos; k++) {
			positives[d->labels[item->pos + k]]++;
			negatives[d->labels[item->pos + k]] -= item->nneg < 0;
		}
		for (k = 0; k < item->nneg; k++)
			negatives[d->labels[item->neg + k]]++;
	}
	for (k = 0; k < d->texts->n; k++)
		if (d->map.known[k])
			negatives[k] += open;
}

void
adds_dataset_split(const struct adds_dataset *d, double fraction, int64_t *train, int64_t *ntrain, int64_t *val,
                   int64_t *nval)
{
	const double range = 18446744073709551616.0; /* 2^64 */
	int64_t i;

	*ntrain = *nval = 0;
	for (i = 0; i < d->n; i++) {
		if ((double)d->item[i].hash < fraction * range)
			val[(*nval)++] = i;
		else
			train[(*ntrain)++] = i;
	}
}
