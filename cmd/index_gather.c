/* SPDX-License-Identifier: MIT
 * index_gather.c - the first pass over all label files. Each thread gathers names in
 * a vocabulary of its own; they are joined and sorted at the end, so that neither
 * the threads nor the order of files shows in the result. */
#include <stdlib.h>
#include <string.h>

#include "../lib/label/hierarchy.h"
#include "index.h"

enum {
	UNLABELLED,
	LABELLED,
	FAILED,
};

/* what was found of one picture */
struct finding {
	int kind, thread, has_neg, code;
	int32_t npos, nneg;
	char *data; /* rows of pos, then of neg; or the sentence of an error */
};

struct index_kept {
	size_t n;
	struct finding *item;
	const struct index_pictures *pictures;
	struct index_labeller *labeller;
};

static void
keep_rows(struct finding *f, const struct adds_targets *g)
{
	const size_t pos = g->npos * sizeof(*g->pos), neg = g->nneg * sizeof(*g->neg);

	f->kind = LABELLED;
	f->has_neg = g->has_neg;
	f->npos = (int32_t)g->npos;
	f->nneg = (int32_t)g->nneg;
	if (pos + neg == 0)
		return;
	f->data = cmd_alloc(pos + neg, 1);
	memcpy(f->data, g->pos, pos);
	memcpy(f->data + pos, g->neg, neg);
}

static void
keep_error(struct finding *f, const struct adds_error *err)
{
	f->kind = FAILED;
	f->code = err->code;
	f->data = cmd_alloc(strlen(err->msg) + 1, 1);
	strcpy(f->data, err->msg);
}

static void
gather(void *arg, int thread, size_t i)
{
	struct index_kept *k = arg;
	const struct index_picture *p = &k->pictures->item[i];
	struct finding *f = &k->item[i];
	struct adds_error err;
	int rc;

	if (p->beside & INDEX_FOLDER)
		return;
	f->thread = thread;
	rc = index_label(&k->labeller[thread], p, &err);
	if (rc < 0)
		keep_error(f, &err);
	else if (rc > 0)
		keep_rows(f, &k->labeller[thread].targets);
}

/* Adds a thread's names to the common vocabulary; returns where each of its rows went. */
static int32_t *
join(struct adds_vocab *v, const struct adds_vocab *own)
{
	const size_t n = adds_vocab_size(own);
	int32_t *to = cmd_alloc(n + 1, sizeof(*to));
	struct adds_error err;
	int64_t row;
	size_t i;

	for (i = 0; i < n; i++) {
		const char *name = adds_vocab_name(own, i);

		if ((row = adds_vocab_add(v, name, strlen(name), &err)) < 0)
			die("%s", err.msg);
		to[i] = (int32_t)row;
	}
	return to;
}

static void
rename_rows(int32_t *set, int32_t n, const int32_t *joined, const int32_t *sorted)
{
	int32_t i;

	for (i = 0; i < n; i++) {
		const int32_t row = sorted[joined[set[i]]];

		adds_set_add(set, (size_t)i, row);
	}
}

/* one vocabulary of all threads', and all findings in its rows */
static void
join_all(struct index_labels *l, struct index_kept *k, int threads)
{
	int32_t **joined = cmd_alloc((size_t)threads, sizeof(*joined)), *sorted;
	struct adds_error err;
	size_t i;
	int t;

	for (t = 0; t < threads; t++)
		joined[t] = join(l->v, k->labeller[t].v);
	if (adds_vocab_sort_from(l->v, l->base, &sorted, &err) < 0)
		die("%s", err.msg);
	for (i = 0; i < k->n; i++) {
		struct finding *f = &k->item[i];
		int32_t *rows = (int32_t *)(void *)f->data;

		if (f->kind != LABELLED || !rows)
			continue;
		rename_rows(rows, f->npos, joined[f->thread], sorted);
		rename_rows(rows + f->npos, f->nneg, joined[f->thread], sorted);
	}
	for (t = 0; t < threads; t++)
		free(joined[t]);
	free(joined);
	free(sorted);
}

struct index_kept *
index_gather(struct index_labels *l, const struct index_pictures *p, int threads, int stop)
{
	struct index_kept *k = cmd_alloc(1, sizeof(*k));
	struct adds_error err;
	size_t i;
	int t;

	k->n = p->n;
	k->pictures = p;
	k->item = cmd_alloc(p->n, sizeof(*k->item));
	k->labeller = cmd_alloc((size_t)threads, sizeof(*k->labeller));
	for (t = 0; t < threads; t++) {
		struct adds_vocab *own = adds_vocab_copy(l->v, &err);

		if (!own)
			die("%s", err.msg);
		index_labeller_init(&k->labeller[t], l, own, 1);
	}
	index_parallel(p->n, threads, gather, k);
	for (i = 0; stop && i < k->n; i++)
		if (k->item[i].kind == FAILED)
			die("%s", k->item[i].data);
	join_all(l, k, threads);
	for (t = 0; t < threads; t++) {
		adds_vocab_free(k->labeller[t].v);
		index_labeller_release(&k->labeller[t]);
	}
	free(k->labeller);
	say("labels in the label files: %zu", adds_vocab_size(l->v));
	return k;
}

void
index_kept_free(struct index_kept *k)
{
	size_t i;

	if (!k)
		return;
	for (i = 0; i < k->n; i++)
		free(k->item[i].data);
	free(k->item);
	free(k);
}

int
index_recall(const struct index_kept *k, size_t i, struct adds_targets *g, struct adds_error *err)
{
	const struct finding *f = &k->item[i];

	if (f->kind == FAILED)
		return adds_fail(err, f->code, "%s", f->data);
	g->pos = (int32_t *)(void *)f->data;
	g->npos = (size_t)f->npos;
	g->neg = g->pos ? g->pos + f->npos : NULL;
	g->nneg = (size_t)f->nneg;
	g->has_neg = f->has_neg;
	return f->kind == LABELLED;
}
