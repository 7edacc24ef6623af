/* SPDX-License-Identifier: MIT
 * prompts.c - templates filled, prompts tokenized */
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "prompts.h"

static const char *const standard[] = { ADDS_TEMPLATE };
static const struct adds_prompt_options defaults = { .templates = standard, .ntemplates = 1 };

/* the next place for the label in a template, its length in *len; NULL: none */
static const char *
place(const char *s, size_t *len)
{
	for (; (s = strchr(s, '{')); s++) {
		*len = strncmp(s, "{label}", 7) == 0 ? 7 : strncmp(s, "{}", 2) == 0 ? 2
		                                                                    : 0;
		if (*len)
			return s;
	}
	return NULL;
}

static char *
filled(const char *template, const char *label, int keep_underscores)
{
	const size_t n = strlen(label);
	size_t places = 0, len, at = 0, i;
	const char *s, *next;
	char *out;

	for (s = template; (s = place(s, &len)); s += len)
		places++;
	if (!(out = malloc(strlen(template) + places * n + 1)))
		return NULL;
	for (s = template; (next = place(s, &len)); s = next + len) {
		memcpy(out + at, s, (size_t)(next - s));
		at += (size_t)(next - s);
		for (i = 0; i < n; i++)
			out[at++] = label[i] == '_' && !keep_underscores ? ' ' : label[i];
	}
	strcpy(out + at, s);
	return out;
}

static size_t
own_prompts(const char *own)
{
	size_t n = 0;

	for (; *own; own += strlen(own) + 1)
		n++;
	return n;
}

static int
check_templates(const struct adds_prompt_options *o, struct adds_error *err)
{
	size_t i, len;

	for (i = 0; i < o->ntemplates; i++)
		if (!place(o->templates[i], &len))
			return adds_fail(err, ADDS_EARG, "template '%s' has no {label} in it", o->templates[i]);
	return 0;
}

static int
make_label(struct adds_prompts *p, const char *name, const char *own, const struct adds_prompt_options *o)
{
	size_t i;

	for (; own && *own; own += strlen(own) + 1)
		if (!(p->text[p->n++] = strdup(own)))
			return -1;
	for (i = 0; !own && i < o->ntemplates; i++)
		if (!(p->text[p->n++] = filled(o->templates[i], name, o->keep_underscores)))
			return -1;
	return 0;
}

int
adds_prompts_make(struct adds_prompts *p, const struct adds_vocab *v, char *const *own,
                  const struct adds_prompt_options *options, struct adds_error *err)
{
	const struct adds_prompt_options *o = options && options->ntemplates ? options : &defaults;
	struct adds_prompt_options mine = *o;
	size_t i, n = 0;
	int rc;

	*p = (struct adds_prompts){ .labels = adds_vocab_size(v) };
	if (options)
		mine.keep_underscores = options->keep_underscores;
	if ((rc = check_templates(&mine, err)) < 0)
		return rc;
	for (i = 0; i < p->labels; i++)
		n += own && own[i] ? own_prompts(own[i]) : mine.ntemplates;
	if (n > INT32_MAX)
		return adds_fail(err, ADDS_ELIMIT, "%zu prompts are too many", n);
	p->first = calloc(p->labels + 1, sizeof(*p->first));
	p->text = calloc(n + 1, sizeof(*p->text));
	if (!p->first || !p->text)
		return adds_fail(err, ADDS_ENOMEM, "out of memory for %zu prompts", n);
	for (i = 0; i < p->labels; i++) {
		if (make_label(p, adds_vocab_name(v, i), own ? own[i] : NULL, &mine) < 0)
			return adds_fail(err, ADDS_ENOMEM, "out of memory for %zu prompts", n);
		p->first[i + 1] = p->n;
	}
	return 0;
}

static int
reserve_ids(struct adds_prompts *p, size_t *cap, size_t n)
{
	int32_t *more;

	if (n <= *cap)
		return 0;
	*cap = 2 * n;
	if (!(more = realloc(p->ids, *cap * sizeof(*more))))
		return -1;
	p->ids = more;
	return 0;
}

struct adds_tokenizer *
adds_clip_tokenizer(const struct adds_clip_config *c, const char *path, enum adds_specials specials, struct adds_error *err)
{
	char folder[4096];

	if (path && adds_clip_folder_of(folder, path, err) < 0)
		return NULL;
	return c->sentencepiece ? adds_tokenizer_open_sentencepiece(folder, c->V, c->cleaning, err)
	                        : adds_tokenizer_open(path ? folder : NULL, c->V, specials, err);
}

int
adds_prompts_tokenize(struct adds_prompts *p, const struct adds_tokenizer *t, int context, struct adds_error *err)
{
	size_t i, cap = 0;
	int n, cut;

	if (!(p->at = calloc(p->n + 1, sizeof(*p->at))))
		return adds_fail(err, ADDS_ENOMEM, "out of memory for %zu prompts", p->n);
	for (i = 0; i < p->n; i++) {
		if (reserve_ids(p, &cap, (size_t)(p->at[i] + context)) < 0)
			return adds_fail(err, ADDS_ENOMEM, "out of memory for the tokens of %zu prompts", p->n);
		if ((n = adds_tokenizer_encode(t, p->text[i], strlen(p->text[i]), p->ids + p->at[i], context, &cut, err)) < 0)
			return adds_fail_in(err, "prompt '%.200s'", p->text[i]);
		p->at[i + 1] = p->at[i] + n;
		if (cut && p->truncated++ == 0)
			p->first_truncated = i;
	}
	return 0;
}

void
adds_prompts_release(struct adds_prompts *p)
{
	size_t i;

	for (i = 0; i < p->n; i++)
		free(p->text[i]);
	free(p->text);
	free(p->first);
	free(p->ids);
	free(p->at);
	*p = (struct adds_prompts){ 0 };
}

static int
add_templates(struct adds_message *m, const struct adds_prompt_options *options, struct adds_error *err)
{
	const struct adds_prompt_options *o = options && options->ntemplates ? options : &defaults;
	cJSON *list = cJSON_CreateStringArray(o->templates, (int)o->ntemplates);

	if (list && cJSON_AddItemToObject(adds_message_meta(m), "templates", list))
		return 0;
	cJSON_Delete(list);
	return adds_fail(err, ADDS_ENOMEM, "out of memory");
}

struct adds_message *
adds_labels_header(const struct adds_clip_config *c, const struct adds_vocab *v,
                   const struct adds_prompt_options *options, struct adds_error *err)
{
	struct adds_message *m = adds_header_new(ADDS_KIND_LABELS, err);

	if (!m)
		return NULL;
	if (adds_vocab_to_header(v, m, err) < 0 || adds_message_set_string(m, "model", c->fingerprint, err) < 0 ||
	    adds_message_set_number(m, "logit_scale", (double)c->logit_scale, err) < 0 ||
	    (c->has_logit_bias && adds_message_set_number(m, "logit_bias", (double)c->logit_bias, err) < 0) ||
	    add_templates(m, options, err) < 0) {
		adds_message_free(m);
		return NULL;
	}
	return m;
}
