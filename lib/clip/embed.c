/* SPDX-License-Identifier: MIT
 * embed.c - prompts through the text tower, averaged by label */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "prompts.h"

enum {
	BATCH = 256,  /* prompts that go through the tower together */
	CHUNK = 2048, /* prompts whose embeddings are in memory together, unless one label has more */
};

/* a prompt in the order in which it is computed */
struct turn {
	int64_t length;
	size_t prompt;
};

static int
by_length(const void *a, const void *b)
{
	const struct turn *x = a, *y = b;

	if (x->length != y->length)
		return x->length < y->length ? -1 : 1;
	return x->prompt < y->prompt ? -1 : x->prompt > y->prompt;
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

/* n prompts in their turns; their embeddings go to w->all, where prompt first is row 0 */
static int
run_batch(struct work *w, const struct adds_prompts *p, struct adds_clip *m, const struct turn *turn, size_t n,
          size_t first, struct adds_error *err)
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
		memcpy(w->all + (turn[i].prompt - first) * width, w->batch + i * width, width * sizeof(*w->all));
	return 0;
}

/* prompts first … first + n − 1, the short ones first */
static int
run(struct work *w, const struct adds_prompts *p, struct adds_clip *m, size_t first, size_t n, struct adds_error *err)
{
	size_t i;
	int rc;

	for (i = 0; i < n; i++)
		w->turn[i] = (struct turn){ p->at[first + i + 1] - p->at[first + i], first + i };
	qsort(w->turn, n, sizeof(*w->turn), by_length);
	for (i = 0; i < n; i += BATCH)
		if ((rc = run_batch(w, p, m, w->turn + i, n - i < BATCH ? n - i : BATCH, first, err)) < 0)
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
adds_prompts_embed(const struct adds_prompts *p, struct adds_clip *m, size_t from, size_t to, float *out,
                   struct adds_error *err)
{
	const size_t width = (size_t)adds_clip_config(m)->E, first = p->first[from], n = p->first[to] - first;
	struct work w = { 0 };
	size_t i;
	int rc = 0;

	if (from == to)
		return 0;
	if (work_init(&w, n, adds_clip_config(m)) < 0)
		rc = adds_fail(err, ADDS_ENOMEM, "out of memory for %zu prompts", n);
	else
		rc = run(&w, p, m, first, n, err);
	for (i = from; i < to && rc == 0; i++)
		if (average(out + (i - from) * width, w.mean, w.all + (p->first[i] - first) * width, p->first[i + 1] - p->first[i],
		            width))
			rc = adds_fail(err, ADDS_EFORMAT, "the embeddings of the prompts of label %zu cancel out", i);
	work_release(&w);
	return rc;
}

size_t
adds_prompts_chunk(const struct adds_prompts *p, size_t from)
{
	size_t to = from + 1;

	while (to < p->labels && p->first[to + 1] - p->first[from] <= CHUNK)
		to++;
	return to;
}

static int
embed_all(float *out, struct adds_prompts *p, struct adds_clip *m, const struct adds_prompt_options *o,
          struct adds_error *err)
{
	const struct adds_clip_config *c = adds_clip_config(m);
	struct adds_tokenizer *t = adds_tokenizer_open(adds_clip_folder(m), c->V, o ? o->specials : ADDS_SPECIALS_OPENAI, err);
	size_t i, to;
	int rc = -1;

	if (!t)
		return err ? err->code : ADDS_EFORMAT;
	rc = adds_prompts_tokenize(p, t, c->C, err);
	for (i = 0; i < p->labels && rc == 0; i = to) {
		to = adds_prompts_chunk(p, i);
		rc = adds_prompts_embed(p, m, i, to, out + i * (size_t)c->E, err);
	}
	adds_tokenizer_free(t);
	return rc;
}

int
adds_labels_embed(float *out, struct adds_clip *m, const struct adds_vocab *v,
                  const struct adds_prompt_options *options, size_t *truncated, struct adds_error *err)
{
	struct adds_prompts p = { 0 };
	int rc;

	if ((rc = adds_prompts_make(&p, v, NULL, options, err)) == 0)
		rc = embed_all(out, &p, m, options, err);
	if (truncated)
		*truncated = p.truncated;
	adds_prompts_release(&p);
	return rc;
}
