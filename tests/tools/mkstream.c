/* SPDX-License-Identifier: MIT
 * mkstream.c - a stream of any kind out of a seed, for tests
 *
 * usage: mkstream [--kind index|labels|features|scores] [--records N] [--labels L] [--width D] [--tokens T]
 *                 [--errors N] [--unlabelled N] [--partial 1] [--parents 1] [--ragged 1] [--dtype F32|F16|BF16]
 *                 [--model NAME] [--precision NAME] [--prefix TEXT] [--seed S] [--level N] [--positive N]
 *                 [--infinite N] [-o FILE]
 *
 * Pictures are named PREFIX00000.jpg and so on, labels label0, label1 …; tokens and embeddings are random unit
 * vectors, a positive label's scores are higher. --errors and --unlabelled count among the records, and are spread
 * over them. N in a hundred labels of a picture are positive [30]. With --partial some labels are negative and the rest
 * unknown; with --parents label i implies label i/2; N records of --infinite have a number that is infinite; with
 * --ragged picture i has 1 + i mod T tokens. Labels streams have one record per label. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/stream/record.h"

static const char *kind = "features", *dtype = "F32", *model = "test-model", *precision = "f32", *prefix = "", *output = "-";
static long records = 10, labels = 4, width = 8, tokens = 3, errors, unlabelled, partial, parents, ragged, infinite,
	    seed, level = 1, positive = 30;

static const struct {
	const char *name;
	const char **text;
	long *number;
} options[] = {
	/* clang-format off */
	{ "--kind", &kind, NULL }, { "--dtype", &dtype, NULL }, { "--model", &model, NULL }, { "--precision", &precision, NULL },
	{ "--prefix", &prefix, NULL }, { "-o", &output, NULL }, { "--records", NULL, &records }, { "--labels", NULL, &labels },
	{ "--width", NULL, &width }, { "--tokens", NULL, &tokens }, { "--errors", NULL, &errors },
	{ "--unlabelled", NULL, &unlabelled }, { "--partial", NULL, &partial }, { "--parents", NULL, &parents },
	{ "--ragged", NULL, &ragged }, { "--seed", NULL, &seed }, { "--level", NULL, &level },
	{ "--positive", NULL, &positive }, { "--infinite", NULL, &infinite },
	/* clang-format on */
};

static struct adds_error err;

static void
need(int rc)
{
	if (rc < 0) {
		fprintf(stderr, "mkstream: %s\n", err.msg);
		exit(1);
	}
}

static void *
some(size_t n, size_t size)
{
	void *p = calloc(n ? n : 1, size);

	if (!p)
		exit(1);
	return p;
}

/* splitmix64 (Steele, Lea, Flood 2014), keyed by seed, record and use */
static uint64_t state;

static void
start(long record, long use)
{
	state = (uint64_t)seed * 0x9e3779b97f4a7c15u + (uint64_t)record * 0xd1b54a32d192ed03u +
	        (uint64_t)use * 0x8cb92ba72f3d8dd7u;
}

static double
uniform(void)
{
	uint64_t z = state += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return (double)((z ^ z >> 31) >> 11) * 0x1p-53;
}

static void
unit_vectors(float *x, long n, long d)
{
	long i, j;

	for (i = 0; i < n; i++, x += d) {
		double s = 0;

		for (j = 0; j < d; j++) {
			x[j] = (float)(uniform() + uniform() + uniform() - 1.5);
			s += (double)x[j] * (double)x[j];
		}
		for (j = 0; j < d; j++)
			x[j] = (float)((double)x[j] / sqrt(s));
	}
}

static void
add_vocabulary(struct adds_message *m)
{
	char *names = some((size_t)labels, 32), *p = names;
	int32_t *pairs = some((size_t)labels, 2 * sizeof(*pairs));
	const int64_t shape[2] = { labels - 1, 2 };
	int64_t n;
	long i;

	for (i = 0; i < labels; i++)
		p += sprintf(p, "label%ld", i) + 1;
	n = p - names;
	need(adds_message_add(m, "labels", ADDS_U8, 1, &n, names, &err));
	for (i = 1; i < labels; i++) {
		pairs[2 * i - 2] = (int32_t)i;
		pairs[2 * i - 1] = (int32_t)(i / 2);
	}
	if (parents && labels > 1)
		need(adds_message_add(m, "parents", ADDS_I32, 2, shape, pairs, &err));
	free(names);
	free(pairs);
}

static const char *
json_of(enum adds_kind k)
{
	static char text[512];

	switch (k) {
	case ADDS_KIND_LABELS:
		snprintf(text, sizeof(text), "\"logit_scale\":100,\"model\":\"%s\",\"templates\":[\"{label}\"]", model);
		break;
	case ADDS_KIND_FEATURES:
		snprintf(
			text, sizeof(text),
			"\"dtype\":\"%s\",\"model\":\"%s\",\"pool\":1,\"precision\":\"%s\",\"tokens\":\"all\"",
			strcmp(dtype, "F32") == 0   ? "f32"
			: strcmp(dtype, "F16") == 0 ? "f16"
						    : "bf16",
			model, precision);
		break;
	case ADDS_KIND_SCORES:
		snprintf(text, sizeof(text), "\"calibrated\":1,\"checkpoint\":\"%s\"%s%s%s,\"score\":\"logit\"", model,
		         strcmp(precision, "f32") ? ",\"precision\":\"" : "", strcmp(precision, "f32") ? precision : "",
		         strcmp(precision, "f32") ? "\"" : "");
		break;
	default:
		return "";
	}
	return text;
}

static struct adds_message *
header(enum adds_kind k)
{
	struct adds_message *m = adds_message_new();
	const char *more = json_of(k);
	unsigned char *known = some((size_t)labels, 1);
	const int64_t n = labels;
	char text[1024];

	snprintf(text, sizeof(text),
	         "{\"format\":1,\"kind\":\"%s\",\"provenance\":[],\"record\":\"header\"%s%s}", kind,
	         *more ? "," : "", more);
	need(m ? adds_message_set_json(m, text, &err) : -1);
	if (labels)
		add_vocabulary(m);
	memset(known, 1, (size_t)labels);
	if (k == ADDS_KIND_SCORES)
		need(adds_message_add(m, "known", ADDS_U8, 1, &n, known, &err));
	free(known);
	return m;
}

static void
add_rows(struct adds_message *m, const char *name, const signed char *target, int value)
{
	int32_t *rows = some((size_t)labels, sizeof(*rows));
	int64_t n = 0;
	long i;

	for (i = 0; i < labels; i++)
		if (target[i] == value)
			rows[n++] = (int32_t)i;
	need(adds_message_add(m, name, ADDS_I32, 1, &n, rows, &err));
	free(rows);
}

static void
add_targets(struct adds_message *m, signed char *target, long record)
{
	long i;

	start(record, 1);
	for (i = 0; i < labels; i++) {
		const double u = uniform();

		target[i] = u < (double)positive / 100 ? 1 : u < 0.7 ? 0
		                                                     : -1;
	}
	for (i = labels - 1; i > 0 && parents; i--)
		if (target[i] == 1)
			target[i / 2] = 1;
	add_rows(m, "pos", target, 1);
	if (partial)
		add_rows(m, "neg", target, 0);
}

/* is record i one of n that are spread over all? */
static int
spread(long i, long n)
{
	return (i + 1) * n / records != i * n / records;
}

static void
add_tokens(struct adds_message *m, long record)
{
	const long n = ragged ? 1 + record % tokens : tokens;
	const int64_t shape[2] = { n, width }, tiles_shape[2] = { 1, 6 };
	const int32_t tile[6] = { 0, 0, 0, 0, 0, (int32_t)n }, size[2] = { 48, 64 };
	const int64_t two = 2;
	float *x = some((size_t)(n * width), sizeof(*x));
	uint16_t *half = some((size_t)(n * width), sizeof(*half));
	const size_t count = (size_t)(n * width);

	start(record, 2);
	unit_vectors(x, n, width);
	x[0] = spread(record, infinite) ? INFINITY : x[0];
	if (strcmp(dtype, "F16") == 0)
		adds_f32_to_f16(half, x, count);
	if (strcmp(dtype, "BF16") == 0)
		adds_f32_to_bf16(half, x, count);
	if (strcmp(dtype, "F32") == 0)
		need(adds_message_add(m, "tokens", ADDS_F32, 2, shape, x, &err));
	else
		need(adds_message_add(m, "tokens", strcmp(dtype, "F16") ? ADDS_BF16 : ADDS_F16, 2, shape, half, &err));
	need(adds_message_add(m, "tiles", ADDS_I32, 2, tiles_shape, tile, &err));
	need(adds_message_add(m, "size", ADDS_I32, 1, &two, size, &err));
	free(x);
	free(half);
}

static void
add_scores(struct adds_message *m, const signed char *target, long record)
{
	const int64_t n = labels;
	float *x = some((size_t)labels, sizeof(*x));
	long i;

	start(record, 3);
	for (i = 0; i < labels; i++)
		x[i] = (float)(6 * uniform() - 4 + (target[i] == 1 ? 3 : 0));
	x[0] = spread(record, infinite) ? INFINITY : x[0];
	need(adds_message_add(m, "scores", ADDS_F32, 1, &n, x, &err));
	free(x);
}

static struct adds_message *
picture(enum adds_kind k, long i)
{
	signed char *target = some((size_t)labels, 1);
	struct adds_message *m;
	char path[512], sha[65];
	const int n = snprintf(path, sizeof(path), "%s%05ld.jpg", prefix, i);

	if (spread(i, errors)) {
		m = adds_error_new(path, (size_t)n, "decode", "not a picture", &err);
		free(target);
		return m;
	}
	m = adds_picture_new(path, (size_t)n, 1000 + i, "1700000000000000000", &err);
	need(m ? 0 : -1);
	if (labels && !spread(records - 1 - i, unlabelled))
		add_targets(m, target, i);
	if (k != ADDS_KIND_INDEX) {
		adds_sha256_hex(sha, path, (size_t)n);
		need(adds_message_set_string(m, "sha256", sha, &err));
	}
	if (k == ADDS_KIND_FEATURES)
		add_tokens(m, i);
	if (k == ADDS_KIND_SCORES)
		add_scores(m, target, i);
	free(target);
	return m;
}

static struct adds_message *
label(long i)
{
	float *x = some((size_t)width, sizeof(*x));
	char name[32], prompt[64];
	const char *prompts[1] = { prompt };
	const int n = snprintf(name, sizeof(name), "label%ld", i);
	struct adds_message *m;

	snprintf(prompt, sizeof(prompt), "a photo of %s", name);
	start(i, 4);
	unit_vectors(x, 1, width);
	x[0] = spread(i, infinite) ? INFINITY : x[0];
	m = adds_label_new(name, (size_t)n, x, width, prompts, 1, &err);
	free(x);
	return m;
}

static void
parse(int argc, char **argv)
{
	const size_t n = sizeof(options) / sizeof(*options);
	size_t k;
	int i;

	for (i = 1; i + 1 < argc; i += 2) {
		for (k = 0; k < n && strcmp(options[k].name, argv[i]) != 0; k++)
			continue;
		if (k == n)
			break;
		if (options[k].text)
			*options[k].text = argv[i + 1];
		else
			*options[k].number = atol(argv[i + 1]);
	}
	if (i != argc) {
		fprintf(stderr, "mkstream: '%s': no such option, or its value is missing\n", argv[i]);
		exit(2);
	}
}

int
main(int argc, char **argv)
{
	struct adds_writer_options writer = { 1, 0 };
	struct adds_writer *w;
	struct adds_message *m;
	int k;
	long i;

	parse(argc, argv);
	writer.level = (int)level;
	for (k = 0; k < ADDS_KIND_SCORES && strcmp(kind, adds_kind_name((enum adds_kind)k)) != 0; k++)
		continue;
	m = header((enum adds_kind)k);
	if (k == ADDS_KIND_LABELS)
		records = labels;
	need((w = adds_writer_open(output, &writer, &err)) ? 0 : -1);
	need(adds_writer_header(w, m, &err));
	adds_message_free(m);
	for (i = 0; i < records; i++) {
		m = k == ADDS_KIND_LABELS ? label(i) : picture((enum adds_kind)k, i);
		need(m ? adds_writer_write(w, m, &err) : -1);
		adds_message_free(m);
	}
	need(adds_writer_finish(w, NULL, &err));
	return 0;
}
