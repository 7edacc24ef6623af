/* SPDX-License-Identifier: MIT
 * ensemble.c - prompts through the text tower, averaged by label */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "prompts.h"

enum {
	BATCH = 256,  /* prompts that go through the tower together */
	CHUNK = 2048, /* prompts whose embeddings are in memory together, unless one label has more */
};

/* a prompt in the order in which it is computed; row: where its embedding goes */
struct turn {
	int64_t length;
	size_t prompt, row;
};

static int
by_length(const void *a, const void *b)
{
	const struct turn *x = a, *y = b;

	if (x->length != y->length)
		return x->length < y->length ? -1 : 1;
	return x->row < y->row ? -1 : x->row > y->row;
}

/* memory of one call */
struct work {
	struct turn *turn; /* [prompts] */
	float *all;        /* [prompts, E] */
	float *batch;      /* [BATCH, E] */
	int32_t *ids;      /* of a batch */
	int64_t at[BATCH + 1];
	double *mean; /* [E] */
};

static int
work_init(struct work *w, size_t prompts, const struct adds_clip_config *c)
{
	const size_t width = (size_t)c->E;
	size_t all;

	if (adds_mul_size(prompts, width * sizeof(float), &all))
		return -1;
	w->turn = calloc(prompts, sizeof(*w->turn));
	w->all = malloc(all);
	w->batch = calloc(BATCH * width, sizeof(*w->batch));
	w->ids = calloc((size_t)BATCH * (size_t)c->C, sizeof(*w->ids));
	w->mean = calloc(width, sizeof(*w->mean));
	return w->turn && w->all && w->batch && w->ids && w->mean ? 0 : -1;
}

static void
work_release(struct work *w)
{
	free(w->turn);
	free(w->all);
	free(w->batch);
	free(w->ids);
	free(w->mean);
}

/* n prompts in their turns */
static int
run_batch(struct work *w, const struct adds_prompts *p, struct adds_clip *m, const struct turn *turn, size_t n,
          struct adds_error *err)
{
	const size_t width = (size_t)adds_clip_config(m)->E;
	size_t i;
	int rc;

	for (i = 0; i < n; i++) {
		memcpy(w->ids + w->at[i], p->ids + p->at[turn[i].prompt], (size_t)turn[i].length * sizeof(*w->ids));
		w->at[i + 1] = w->at[i] + turn[i].length;
	}
	if ((rc = adds_clip_texts(m, w->ids, w->at, (int64_t)n, 1, w->batch, err)) < 0)
		return rc;
	for (i = 0; i < n; i++)
		memcpy(w->all + turn[i].row * width, w->batch + i * width, width * sizeof(*w->all));
	return 0;
}

static size_t
prompts_of(const struct adds_prompts *p, size_t label)
{
	return p->first[label + 1] - p->first[label];
}

/* all prompts of the labels, the short ones first */
static int
run(struct work *w, const struct adds_prompts *p, struct adds_clip *m, const size_t *labels, size_t n,
    struct adds_error *err)
{
	size_t i, k, rows = 0;
	int rc;

	for (i = 0; i < n; i++)
		for (k = p->first[labels[i]]; k < p->first[labels[i] + 1]; k++, rows++)
			w->turn[rows] = (struct turn){ p->at[k + 1] - p->at[k], k, rows };
	qsort(w->turn, rows, sizeof(*w->turn), by_length);
	for (i = 0; i < rows; i += BATCH)
		if ((rc = run_batch(w, p, m, w->turn + i, rows - i < BATCH ? rows - i : BATCH, err)) < 0)
			return rc;
	return 0;
}

/* out = the mean of n unit vectors, made unit again; non-zero: it has no direction */
static int
average(float *out, double *mean, const float *x, size_t n, size_t width)
{
	double sum = 0;
	size_t i, j;

	if (n == 1) {
		memcpy(out, x, width * sizeof(*out));
		return 0;
	}
	memset(mean, 0, width * sizeof(*mean));
	for (i = 0; i < n; i++)
		for (j = 0; j < width; j++)
			mean[j] += x[i * width + j];
	for (j = 0; j < width; j++)
		sum += mean[j] * mean[j];
	for (j = 0; j < width; j++)
		out[j] = (float)(mean[j] / sqrt(sum));
	return !(sum > 0);
}

int
adds_prompts_embed(const struct adds_prompts *p, struct adds_clip *m, const size_t *labels, size_t n, float *out,
                   struct adds_error *err)
{
	const size_t width = (size_t)adds_clip_config(m)->E;
	struct work w = { 0 };
	size_t i, rows = 0;
	int rc;

	if (n == 0)
		return 0;
	for (i = 0; i < n; i++)
		rows += prompts_of(p, labels[i]);
	if (work_init(&w, rows, adds_clip_config(m)) < 0)
		rc = adds_fail(err, ADDS_ENOMEM, "out of memory for %zu prompts", rows);
	else
		rc = run(&w, p, m, labels, n, err);
	for (i = rows = 0; i < n && rc == 0; rows += prompts_of(p, labels[i++]))
		if (average(out + i * width, w.mean, w.all + rows * width, prompts_of(p, labels[i]), width))
			rc = adds_fail(err, ADDS_EFORMAT, "prompt '%.200s' and the others of its label cancel out",
			               p->text[p->first[labels[i]]]);
	work_release(&w);
	return rc;
}

size_t
adds_prompts_chunk(const struct adds_prompts *p, const size_t *labels, size_t n)
{
	size_t i, prompts = 0;

	for (i = 0; i < n; i++)
		if ((prompts += prompts_of(p, labels[i])) > CHUNK && i)
			break;
	return i;
}

/* all labels in chunks; list: room for their numbers */
static int
embed_all(float *out, const struct adds_prompts *p, struct adds_clip *m, size_t *list, struct adds_error *err)
{
	size_t i, n;
	int rc;

	for (i = 0; i < p->labels; i++)
		list[i] = i;
	for (i = 0; i < p->labels; i += n) {
		n = adds_prompts_chunk(p, list + i, p->labels - i);
		if ((rc = adds_prompts_embed(p, m, list + i, n, out + i * (size_t)adds_clip_config(m)->E, err)) < 0)
			return rc;
	}
	return 0;
}

static int
tokenize(struct adds_prompts *p, const struct adds_clip *m, enum adds_specials specials, struct adds_error *err)
{
	const struct adds_clip_config *c = adds_clip_config(m);
	struct adds_tokenizer *t = adds_clip_tokenizer(c, adds_clip_folder(m), specials, err);
	int rc;

	if (!t)
		return err ? err->code : ADDS_EFORMAT;
	rc = adds_prompts_tokenize(p, t, c->C, err);
	adds_tokenizer_free(t);
	return rc;
}

int
adds_labels_embed(float *out, struct adds_clip *m, const struct adds_vocab *v,
                  const struct adds_prompt_options *options, size_t *truncated, struct adds_error *err)
{
	struct adds_prompts p = { 0 };
	size_t *list = calloc(adds_vocab_size(v) + 1, sizeof(*list));
	int rc;

	if (!list)
		return adds_fail(err, ADDS_ENOMEM, "out of memory for %zu labels", adds_vocab_size(v));
	if ((rc = adds_prompts_make(&p, v, NULL, options, err)) == 0 &&
	    (rc = tokenize(&p, m, options ? options->specials : ADDS_SPECIALS_OPENAI, err)) == 0)
		rc = embed_all(out, &p, m, list, err);
	if (truncated)
		*truncated = p.truncated;
	adds_prompts_release(&p);
	free(list);
	return rc;
}
