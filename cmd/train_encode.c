/* SPDX-License-Identifier: MIT
 * train_encode.c - labels for adds-train without -t: the pictures' own vocabulary, encoded with the default prompt */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/clip/prompts.h"
#include "train.h"

static const struct adds_clip_options text_only = { .precision = PREC_F32, .text_tower = 1, .activation = -1 };

void
train_check_model(const struct train_args *a)
{
	struct adds_clip_config config;
	struct adds_tokenizer *t;
	struct adds_error err;

	if (!a->model && !getenv("ADDS_MODEL"))
		usage("labels are needed: -t FILE, or -m PATH (or ADDS_MODEL) to encode the pictures' own vocabulary");
	if (adds_clip_probe(&config, cmd_model(a->model), &text_only, &err) < 0 ||
	    !(t = adds_clip_tokenizer(&config, cmd_model(a->model), ADDS_SPECIALS_OPENAI, &err)))
		die("%s", err.msg);
	adds_tokenizer_free(t);
}

/* the pictures' vocabulary, from a feature stream's header */
static struct adds_vocab *
vocabulary(const char *path, struct adds_error *err)
{
	struct adds_reader *r = adds_reader_open_kind(path, 1u << ADDS_KIND_FEATURES, err);
	struct adds_vocab *v = NULL;

	if (!r)
		return NULL;
	if (!adds_message_tensor(adds_reader_header(r), "labels"))
		adds_fail(
			err, ADDS_EMISMATCH,
			"%s: its pictures have no labels: index them with label files, or attach an index with 'adds-cat --relabel'",
			adds_reader_name(r));
	else if (!(v = adds_vocab_from_header(adds_reader_header(r), err)))
		adds_fail_in(err, "%s", adds_reader_name(r));
	adds_reader_close(r);
	return v;
}

static int
write_labels(const char *path, const struct adds_vocab *v, struct adds_clip *m, const float *embedding,
             struct adds_error *err)
{
	struct adds_message *header = adds_labels_header(adds_clip_config(m), v, NULL, err), *label;
	struct adds_prompts p = { 0 };
	struct adds_writer *w = header ? adds_writer_open(path, NULL, err) : NULL;
	const int E = adds_clip_config(m)->E;
	int rc = -1;
	size_t i;

	if (!w || adds_prompts_make(&p, v, NULL, NULL, err) < 0 ||
	    adds_provenance_add(header, "adds-train", NULL, err) < 0 ||
	    adds_writer_header(w, header, err) < 0)
		goto out;
	for (i = 0; i < adds_vocab_size(v); i++) {
		const char *name = adds_vocab_name(v, i);

		label = adds_label_new(name, strlen(name), embedding + i * (size_t)E, E,
		                       (const char *const *)p.text + p.first[i], p.first[i + 1] - p.first[i], err);
		if (!label)
			goto out;
		rc = adds_writer_write(w, label, err);
		adds_message_free(label);
		if (rc < 0)
			goto out;
	}
	rc = adds_writer_finish(w, NULL, err);
	w = NULL;
out:
	if (w)
		adds_writer_abort(w);
	adds_prompts_release(&p);
	adds_message_free(header);
	return rc < 0 ? err->code : 0;
}

static int
encode(const struct adds_vocab *v, const char *model, const char *to, struct backend *b, struct adds_error *err)
{
	struct adds_clip *m = adds_clip_open(model, b, &text_only, NULL, 0, err);
	float *embedding = NULL;
	size_t truncated = 0;
	int rc = -1;

	if (m && adds_clip_assumed(m))
		warn("%s (options of adds-encode-text)", adds_clip_assumed(m));
	if (m) {
		embedding = cmd_alloc(adds_vocab_size(v), (size_t)adds_clip_config(m)->E * sizeof(*embedding));
		if ((rc = adds_labels_embed(embedding, m, v, NULL, &truncated, err)) == 0)
			rc = write_labels(to, v, m, embedding, err);
	}
	if (truncated)
		warn("%zu %s longer than the model's context and cut", truncated,
		     ADDS_PLURAL(truncated, "prompt was", "prompts were"));
	free(embedding);
	adds_clip_free(m);
	return rc < 0 ? err->code : 0;
}

int
train_encode(struct adds_texts *texts, const char *path, const struct train_args *a, struct adds_run *run,
             struct backend *b, struct adds_error *err)
{
	char *to = adds_run_path(run, "labels.adds", err);
	struct adds_vocab *v = to ? vocabulary(path, err) : NULL;
	int rc = -1;

	if (v && (rc = encode(v, cmd_model(a->model), to, b, err)) == 0)
		rc = adds_texts_read(texts, to, err);
	if (rc == 0)
		say("labels encoded with '%s': %lld", cmd_model(a->model), (long long)texts->n);
	adds_vocab_free(v);
	free(to);
	return rc < 0 ? err->code : 0;
}
