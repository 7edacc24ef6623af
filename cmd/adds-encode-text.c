/* SPDX-License-Identifier: MIT
 * adds-encode-text.c - label names to a label stream */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/clip/earlier.h"
#include "../lib/clip/labels.h"
#include "../lib/clip/prompts.h"
#include "cmd.h"

enum {
	CLIP_VOCABULARY = 49408,
	CLIP_CONTEXT = 77,
	TEMPLATES_MAX = 4096,
	TEMPLATE_FILE_MAX = 1 << 20,
};

static const char program[] = "adds-encode-text";
static const char *const specials_names[] = { "openai", "openclip", "plain", NULL };
static const char *const cleaning_names[] = { NULL, "space", "lower", "canonical" };
static const char *const precision_names[] = { "f32", "bf16", "int8", NULL };
static const char *const activation_names[] = { "gelu", "quick_gelu", "gelu_tanh", NULL };
static const enum activation activations[] = { ACT_GELU, ACT_QUICK_GELU, ACT_GELU_TANH };

static const char *model, *output = "-", *template_file, *update, *device = "auto";
static struct opt_list templates;
static int keep_underscores, show_tokens, specials, precision, activation;
static long long threads, level = 1, heads, text_heads;
static double eps;

/* clang-format off */
static const struct opt options[] = {
	OPT_GROUP("Prompts"),
	OPT_LIST(0, "template", "TEXT", &templates, "a prompt with {label} in it; several are averaged\n"
	                                            "                          ['" ADDS_TEMPLATE "']"),
	OPT_STR(0, "template-file", "FILE", &template_file, "more templates, one a line"),
	OPT_FLAG(0, "keep-underscores", &keep_underscores, "leave '_' in labels, which else becomes a space in prompts"),
	OPT_CHOICE(0, "specials", "KIND", &specials, specials_names, "whose special tokens count in prompts [openai]"),
	OPT_GROUP("Model"),
	OPT_STR('m', "model", "PATH", &model, "folder or weight file of a CLIP [ADDS_MODEL]"),
	OPT_CHOICE(0, "activation", "KIND", &activation, activation_names, "where the model's configuration does not say"),
	OPT_INT(0, "text-heads", "N", &text_heads, 0, 1024, "likewise; 0: as configured, else as published models have it [0]"),
	OPT_INT(0, "heads", "N", &heads, 0, 1024, "of the image tower, if adds-pyramid is told them: it is one model then [0]"),
	OPT_NUM(0, "eps", "X", &eps, 0, 1, "epsilon of layer norms; 0: as configured [0]"),
	OPT_STR(0, "device", "NAME", &device, "auto, cpu, cuda or cuda:N [auto]"),
	OPT_CHOICE(0, "precision", "P", &precision, precision_names, "of products [f32]"),
	OPT_INT('j', "threads", "N", &threads, 0, 1024, "0: all cores [0]"),
	OPT_GROUP("Output"),
	OPT_STR('o', "output", "FILE", &output, "write here [standard output]"),
	OPT_STR(0, "update", "OLD", &update, "copy from this label stream what would come out the same"),
	OPT_FLAG(0, "show-tokens", &show_tokens, "print the token ids of each prompt, encode nothing"),
	OPT_INT(0, "level", "N", &level, 1, 19, "of compression [1]"),
	OPT_QUIET,
	OPT_VERBOSE,
	OPT_END
};
/* clang-format on */

/* ---- what is asked for ---- */

static void
add_template(const char *text)
{
	const char **more = realloc(templates.item, (templates.n + 1) * sizeof(*more));

	if (!more)
		die("out of memory");
	if (templates.n == TEMPLATES_MAX)
		die("more than %d templates", TEMPLATES_MAX);
	templates.item = more;
	templates.item[templates.n++] = text;
}

/* the lines of --template-file; what they point into */
static char *template_text;

static void
read_templates(void)
{
	struct adds_error err;
	size_t len;
	char *text = template_text = adds_read_file(template_file, TEMPLATE_FILE_MAX, &len, &err);
	char *line, *stop;
	const size_t before = templates.n;

	if (!text)
		die("%s", err.msg);
	if (strlen(text) != len)
		die("'%s': a NUL byte: this is no text", template_file);
	for (line = text + (strncmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0); *line; line = stop) {
		stop = line + strcspn(line, "\n");
		if (*stop)
			*stop++ = '\0';
		line[strcspn(line, "\r")] = '\0';
		if (line[strspn(line, " \t")])
			add_template(line);
	}
	if (templates.n == before)
		die("'%s' has no template", template_file);
}

static struct adds_prompt_options
prompt_options(void)
{
	return (struct adds_prompt_options){ templates.item, templates.n, keep_underscores, (enum adds_specials)specials };
}

static struct adds_clip_options
clip_options(void)
{
	return (struct adds_clip_options){ .precision = (enum precision)precision,
		                           .text_tower = 1,
		                           .heads = (int)heads,
		                           .text_heads = (int)text_heads,
		                           .eps = (float)eps,
		                           .activation = cmd_given("activation") ? (int)activations[activation] : -1 };
}

/* ---- tokens ---- */

/* Opens what texts are read with: the configuration of the model, its vocabulary (without a model: CLIP's own). */
static struct adds_tokenizer *
open_tokenizer(struct adds_clip_config *c)
{
	const struct adds_clip_options o = clip_options();
	struct adds_tokenizer *t;
	struct adds_error err;

	if (model && adds_clip_probe(c, model, &o, &err) < 0)
		die("%s", err.msg);
	if (c->sentencepiece && cmd_given("specials"))
		usage("--specials has no effect with '%s': no text has special tokens of a SentencePiece model in it", model);
	if (!(t = adds_clip_tokenizer(c, model, (enum adds_specials)specials, &err)))
		die("%s", err.msg);
	if (keep_underscores && adds_tokenizer_cleaning(t) == ADDS_CLEAN_CANONICAL)
		usage("--keep-underscores has no effect with '%s', which reads '_' as a space", model);
	return t;
}

static void
tokenize(struct adds_prompts *p, const struct adds_tokenizer *t, int context)
{
	struct adds_error err;

	if (adds_prompts_tokenize(p, t, context, &err) < 0)
		die("%s", err.msg);
	if (p->truncated)
		warn("%zu of %zu prompts are longer than %d tokens and were cut; the first is '%.100s'",
		     p->truncated, p->n, context, p->text[p->first_truncated]);
}

static void
print_tokens(const struct adds_prompts *p)
{
	size_t i;
	int64_t k;

	for (i = 0; i < p->n; i++)
		for (k = p->at[i]; k < p->at[i + 1]; k++)
			printf("%d%c", (int)p->ids[k], k + 1 < p->at[i + 1] ? ' ' : '\n');
}

static void
prompts_of(struct adds_prompts *p, const struct adds_labels *l)
{
	const struct adds_prompt_options o = prompt_options();
	struct adds_error err;

	if (adds_prompts_make(p, l->vocab, l->own, &o, &err) < 0)
		die("%s", err.msg);
	say("%zu %s, %zu %s", p->labels, ADDS_PLURAL(p->labels, "label", "labels"), p->n,
	    ADDS_PLURAL(p->n, "prompt", "prompts"));
}

static void
check_templates(void)
{
	const struct adds_prompt_options o = prompt_options();
	struct adds_vocab *none = adds_vocab_new();
	struct adds_prompts p;
	struct adds_error err;

	if (!none)
		die("out of memory");
	switch (adds_prompts_make(&p, none, NULL, &o, &err)) {
	case 0:
		break;
	case ADDS_ENOMEM:
		die("%s", err.msg);
	default:
		usage("%s", err.msg);
	}
	adds_prompts_release(&p);
	adds_vocab_free(none);
}

/* ---- encoding ---- */

struct job {
	const struct adds_labels *labels;
	struct adds_prompts prompts;
	struct adds_earlier earlier;
	struct backend *backend;
	struct adds_clip *clip;
	struct adds_tokenizer *tokenizer;
	struct adds_clip_config config;
	size_t *fresh, nfresh;  /* labels to be encoded, in order */
	float *chunk;           /* embeddings of fresh[from] … fresh[to − 1] */
	size_t from, to, given; /* given: of fresh, how many have been written */
};

static struct adds_writer *writer;

/* however the program ends, no half-written file stays */
static void
abort_writer(void)
{
	if (writer)
		adds_writer_abort(writer);
	writer = NULL;
}

/* what changes the result and stands nowhere else in the header */
static cJSON *
result_options(const struct adds_tokenizer *t)
{
	cJSON *o = cJSON_CreateObject();
	char vocabulary[65];

	adds_tokenizer_digest(t, vocabulary);
	if (!cJSON_AddNumberToObject(o, "keep-underscores", keep_underscores) ||
	    !cJSON_AddStringToObject(o, "precision", precision_names[precision]) ||
	    (!*vocabulary && !cJSON_AddStringToObject(o, "specials", specials_names[specials])) ||
	    (*vocabulary && (!cJSON_AddStringToObject(o, "cleaning", cleaning_names[adds_tokenizer_cleaning(t)]) ||
	                     !cJSON_AddStringToObject(o, "vocabulary", vocabulary))))
		die("out of memory");
	return o;
}

/* the earlier embedding of label i, or NULL */
static const float *
earlier(const struct job *j, size_t i)
{
	const struct adds_prompts *p = &j->prompts;

	if (!update || j->earlier.width != (size_t)j->config.E)
		return NULL;
	return adds_earlier_find(&j->earlier, adds_vocab_name(j->labels->vocab, i), p->text + p->first[i],
	                         p->first[i + 1] - p->first[i]);
}

static void
read_earlier(struct job *j)
{
	struct adds_error err;
	cJSON *o = result_options(j->tokenizer);

	if (adds_earlier_read(&j->earlier, update, j->config.fingerprint, program, o, &err) < 0)
		die("%s", err.msg);
	if (j->earlier.other)
		warn("nothing is copied from '%s': its %s not the same", update,
		     strcmp(j->earlier.other, "model") == 0 ? "model is" : "options are");
	cJSON_Delete(o);
}

static void
find_fresh(struct job *j)
{
	size_t i;

	j->fresh = cmd_alloc(j->prompts.labels, sizeof(*j->fresh));
	for (i = 0; i < j->prompts.labels; i++)
		if (!earlier(j, i))
			j->fresh[j->nfresh++] = i;
	if (update)
		say("%zu %s copied, %zu to encode", j->prompts.labels - j->nfresh,
		    ADDS_PLURAL(j->prompts.labels - j->nfresh, "label", "labels"), j->nfresh);
}

static void
open_model(struct job *j)
{
	const struct adds_clip_options o = clip_options();
	struct adds_error err;
	char notes[4096] = "", *line, *rest = NULL;

	if (!(j->clip = adds_clip_open(model, j->backend, &o, notes, sizeof(notes), &err)))
		die("%s", err.msg);
	for (line = strtok_r(notes, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
		say("%s", line);
	cmd_warn_lines(adds_clip_assumed(j->clip));
}

static void
encode_chunk(struct job *j)
{
	struct adds_error err;
	size_t n;

	if (!j->clip)
		open_model(j);
	n = adds_prompts_chunk(&j->prompts, j->fresh + j->given, j->nfresh - j->given);
	free(j->chunk);
	j->chunk = cmd_alloc(n, (size_t)j->config.E * sizeof(*j->chunk));
	if (adds_prompts_embed(&j->prompts, j->clip, j->fresh + j->given, n, j->chunk, &err) < 0)
		die("%s", err.msg);
	j->from = j->given;
	j->to = j->from + n;
	cmd_progress("%zu of %zu labels", j->to, j->nfresh);
}

/* the embedding of the next fresh label */
static const float *
next_fresh(struct job *j)
{
	if (j->given == j->to)
		encode_chunk(j);
	return j->chunk + (j->given++ - j->from) * (size_t)j->config.E;
}

static void
write_header(struct job *j)
{
	const struct adds_prompt_options o = prompt_options();
	struct adds_error err;
	struct adds_message *h = adds_labels_header(&j->config, j->labels->vocab, &o, &err);

	if (!h || adds_provenance_add(h, program, result_options(j->tokenizer), &err) < 0 ||
	    adds_writer_header(writer, h, &err) < 0)
		die("%s", err.msg);
	adds_message_free(h);
}

static void
write_label(struct job *j, size_t i)
{
	const struct adds_prompts *p = &j->prompts;
	const char *name = adds_vocab_name(j->labels->vocab, i);
	const float *row = earlier(j, i);
	struct adds_error err;
	struct adds_message *m;

	m = adds_label_new(name, strlen(name), row ? row : next_fresh(j), j->config.E,
	                   (const char *const *)p->text + p->first[i], p->first[i + 1] - p->first[i], &err);
	if (!m || adds_writer_write(writer, m, &err) < 0)
		die("%s", err.msg);
	adds_message_free(m);
}

/* all that can be wrong before the labels are read */
static void
prepare(struct job *j)
{
	const struct adds_writer_options w = { .level = (int)level };
	struct adds_error err;
	char why[256] = "";

	j->tokenizer = open_tokenizer(&j->config);
	if (!(j->backend = backend_open(device, (int)threads, why, sizeof(why), &err)))
		die("%s", err.msg);
	say("%s%s%s", j->backend->device, *why ? ": " : "", why);
	if (update)
		read_earlier(j);
	if (!(writer = adds_writer_open(cmd_output(output), &w, &err)))
		die("%s", err.msg);
	atexit(abort_writer);
}

static void
encode(struct job *j)
{
	struct adds_error err;
	size_t i;

	prompts_of(&j->prompts, j->labels);
	tokenize(&j->prompts, j->tokenizer, j->config.C);
	find_fresh(j);
	write_header(j);
	for (i = 0; i < j->prompts.labels; i++)
		write_label(j, i);
	if (adds_writer_finish(writer, NULL, &err) < 0) {
		writer = NULL;
		die("%s", err.msg);
	}
	writer = NULL;
	cmd_cost(j->prompts.labels, "labels");
}

static void
release(struct job *j)
{
	adds_earlier_release(&j->earlier);
	adds_prompts_release(&j->prompts);
	adds_clip_free(j->clip);
	adds_tokenizer_free(j->tokenizer);
	backend_close(j->backend);
	free(j->fresh);
	free(j->chunk);
}

/* --show-tokens: with the vocabulary of the model, if one is named, else with CLIP's own */
static void
show(const struct adds_labels *l)
{
	struct adds_clip_config c = { .V = CLIP_VOCABULARY, .C = CLIP_CONTEXT };
	struct adds_tokenizer *t = open_tokenizer(&c);
	struct adds_prompts p;

	prompts_of(&p, l);
	tokenize(&p, t, c.C);
	print_tokens(&p);
	adds_prompts_release(&p);
	adds_tokenizer_free(t);
}

static void
check_options(void)
{
	const char *of_environment = getenv("ADDS_MODEL");

	cmd_device(device);
	if (show_tokens && (update || strcmp(output, "-") != 0))
		usage("--show-tokens prints on standard output: it does not go with --%s", update ? "update" : "output");
	if (!show_tokens)
		model = cmd_model(model);
	else if (!model && of_environment && *of_environment)
		model = of_environment;
	if (template_file)
		read_templates();
	check_templates();
}

int
main(int argc, char **argv)
{
	struct adds_labels labels;
	struct job j = { .labels = &labels };
	struct adds_error err;
	const char *in;
	int i;

	cmd_init(program);
	cmd_wait_briefly(argv);
	i = cmd_parse(argc, argv, options, "[-qv] [-m MODEL] [-o FILE] [options] [LABELS]",
	              "Encodes label names with CLIP's text tower: one embedding a label, in a label stream.");
	if (argc - i > 1)
		usage("one list of labels at a time: '%s' is too many", argv[i + 1]);
	in = argc > i ? argv[i] : "-";
	check_options();
	if (!show_tokens)
		prepare(&j);
	if (adds_labels_read(&labels, cmd_input(in), &err) < 0)
		die("%s", err.msg);
	cmd_warn_lines(labels.warnings);
	if (show_tokens)
		show(&labels);
	else
		encode(&j);
	release(&j);
	adds_labels_release(&labels);
	free(templates.item);
	free(template_text);
	cmd_exit(CMD_DONE);
}
