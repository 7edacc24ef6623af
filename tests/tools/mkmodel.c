/* SPDX-License-Identifier: MIT
 *
 * mkmodel.c - writes the folder of a CLIP with reproducible random weights,
 * in any of the namings that models are published in.
 *
 * The values of a tensor depend on its OpenCLIP name and its shape alone (see
 * value_of), so that a reference in another language can make the same ones.
 *
 * usage: mkmodel [options] FOLDER
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "../../lib/stream/record.h"
#include "mkmodel.h"

/* ---- files ---- */

static void
write_values(FILE *f, const float *v, size_t n)
{
	static uint16_t half[1 << 16];
	size_t i, k;

	if (o.dtype == F32) {
		if (fwrite(v, sizeof(*v), n, f) != n)
			fail("cannot write");
		return;
	}
	for (i = 0; i < n; i += k) {
		k = n - i < 1 << 16 ? n - i : 1 << 16;
		if (o.dtype == F16)
			adds_f32_to_f16(half, v + i, k);
		else
			adds_f32_to_bf16(half, v + i, k);
		if (fwrite(half, sizeof(*half), k, f) != k)
			fail("cannot write");
	}
}

static void
write_piece(FILE *f, const struct piece *p, const float *v, float *turned)
{
	const struct tensor *t = &tensors[p->tensor];
	const int64_t row = t->rank ? elements(t) / t->shape[0] : 1;
	int64_t i, j;

	if (!p->transposed) {
		write_values(f, v + p->row * row, (size_t)(p->rows * row));
		return;
	}
	for (i = 0; i < t->shape[1]; i++)
		for (j = 0; j < t->shape[0]; j++)
			turned[i * t->shape[0] + j] = v[j * t->shape[1] + i];
	write_values(f, turned, (size_t)elements(t));
}

static size_t
describe(char *out, size_t room, const struct piece *p, size_t at)
{
	static const char *const types[] = { "F32", "F16", "BF16" };
	const struct tensor *t = &tensors[p->tensor];
	const size_t size = (size_t)(t->rank ? elements(t) / t->shape[0] * p->rows : 1) * (o.dtype == F32 ? 4 : 2);
	size_t n = strlen(out);
	int i;

	n += (size_t)snprintf(out + n, room - n, "%s\"%s\":{\"dtype\":\"%s\",\"shape\":[",
	                      at ? "," : "", p->name, types[o.dtype]);
	for (i = 0; i < t->rank; i++)
		n += (size_t)snprintf(out + n, room - n, "%s%lld", i ? "," : "",
		                      (long long)(p->transposed ? t->shape[1 - i] : i ? t->shape[i]
		                                                                      : p->rows));
	snprintf(out + n, room - n, "],\"data_offsets\":[%zu,%zu]}", at, at + size);
	return at + size;
}

static void
write_weights(const char *path)
{
	const size_t room = 1 << 22;
	char *head = calloc(1, room);
	unsigned char len[8];
	int64_t most = 0;
	size_t i, at = 0, n;
	float *v, *turned;
	FILE *f = fopen(path, "wb");

	if (!f || !head)
		fail("cannot write the weights");
	strcpy(head, "{");
	for (i = 0; i < npieces; i++)
		at = describe(head, room, &pieces[i], at);
	strcat(head, "}");
	for (n = strlen(head); n % 8; n++)
		head[n] = ' ';
	for (i = 0; i < 8; i++)
		len[i] = (unsigned char)(n >> 8 * i);
	for (i = 0; i < ntensors; i++)
		most = elements(&tensors[i]) > most ? elements(&tensors[i]) : most;
	v = malloc((size_t)most * sizeof(*v));
	turned = malloc((size_t)most * sizeof(*v));
	if (!v || !turned || fwrite(len, 1, 8, f) != 8 || fwrite(head, 1, n, f) != n)
		fail("cannot write the weights");
	for (i = 0; i < npieces; i++) {
		if (i == 0 || pieces[i].tensor != pieces[i - 1].tensor)
			fill(v, &tensors[pieces[i].tensor], elements(&tensors[pieces[i].tensor]));
		write_piece(f, &pieces[i], v, turned);
	}
	if (fclose(f))
		fail("cannot write the weights");
	free(head);
	free(v);
	free(turned);
}

static void
write_openclip(FILE *f)
{
	const struct shape *s = &o.s;

	fprintf(f,
	        "{\"model_cfg\":{\"embed_dim\":%d,\"quick_gelu\":%s,\"vision_cfg\":{\"image_size\":%d,\"layers\":%d,\"width\":%d,"
	        "\"head_width\":%d,\"patch_size\":%d%s},\"text_cfg\":{\"context_length\":%d,\"vocab_size\":%d,\"width\":%d,"
	        "\"heads\":%d,\"layers\":%d%s}},\"preprocess_cfg\":{\"mean\":[0.48145466,0.4578275,0.40821073],"
	        "\"std\":[0.26862954,0.26130258,0.27577711],\"interpolation\":\"bicubic\",\"resize_mode\":\"shortest\"}}\n",
	        s->E, strcmp(o.act, "quick_gelu") == 0 ? "true" : "false", s->S, s->L, s->D, s->D / s->H, s->P,
	        strcmp(o.act, "gelu_tanh") == 0 ? ",\"act_kwargs\":{\"approximate\":\"tanh\"}" : "", s->C, s->V, s->d, s->h, s->l,
	        strcmp(o.act, "gelu_tanh") == 0 ? ",\"act_kwargs\":{\"approximate\":\"tanh\"}" : "");
}

static void
write_hf(FILE *f)
{
	const struct shape *s = &o.s;
	const char *act = strcmp(o.act, "gelu_tanh") == 0 ? "gelu_pytorch_tanh" : o.act;

	fprintf(f,
	        "{\"model_type\":\"%s\",\"projection_dim\":%d,\"vision_config\":{\"hidden_size\":%d,\"num_hidden_layers\":%d,"
	        "\"num_attention_heads\":%d,\"patch_size\":%d,\"image_size\":%d,\"intermediate_size\":%d,\"hidden_act\":\"%s\"},"
	        "\"text_config\":{\"hidden_size\":%d,\"num_hidden_layers\":%d,\"num_attention_heads\":%d,\"hidden_act\":\"%s\","
	        "\"vocab_size\":%d,\"max_position_embeddings\":%d,\"intermediate_size\":%d%s}}\n",
	        o.siglip ? "siglip" : "clip", s->E, s->D, s->L, s->H, s->P, s->S, s->M, act, s->d, s->l, s->h, act, s->V, s->C,
	        4 * s->d, o.siglip ? "" : ",\"eos_token_id\":2");
}

static void
write_config(const char *folder)
{
	char path[4096];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", folder, o.naming == HF ? "config.json" : "open_clip_config.json");
	if (!(f = fopen(path, "w")))
		fail("cannot write the configuration");
	if (o.naming == HF)
		write_hf(f);
	else
		write_openclip(f);
	if (fclose(f))
		fail("cannot write the configuration");
	if (o.naming != HF)
		return;
	snprintf(path, sizeof(path), "%s/preprocessor_config.json", folder);
	if (!(f = fopen(path, "w")))
		fail("cannot write the configuration");
	fprintf(f, "{\"size\":%s,\"resample\":3,\"image_mean\":%s,\"image_std\":%s}\n",
	        o.siglip ? "{\"height\":48,\"width\":48}" : "{\"shortest_edge\":224}",
	        o.siglip ? "[0.5,0.5,0.5]" : "[0.48145466,0.4578275,0.40821073]",
	        o.siglip ? "[0.5,0.5,0.5]" : "[0.26862954,0.26130258,0.27577711]");
	if (fclose(f))
		fail("cannot write the configuration");
}

/* ---- options ---- */

static int
choice(const char *value, const char *const *list, const char *what)
{
	int i;

	for (i = 0; list[i]; i++)
		if (strcmp(value, list[i]) == 0)
			return i;
	fail(what);
	return 0;
}

static void
choose_shape(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
		if (strcmp(shapes[i].name, name) == 0) {
			o.s = shapes[i];
			o.siglip = strcmp(name, "siglip") == 0;
			return;
		}
	fail("no such shape");
}

static const char usage[] =
	"usage: mkmodel [--shape NAME] [--layers N] [--text-layers N] [--vocabulary N] [--naming openclip|hf|tinyclip|custom]\n"
	"\t[--dtype f32|f16|bf16] [--act gelu|quick_gelu|gelu_tanh] [--towers both|image|text] [--pruned]\n"
	"\t[--layer-scale] [--no-config] FOLDER";

/* an option with a value, by its letter below */
static void
take(int c, const char *value)
{
	static const char *const namings[] = { "openclip", "hf", "tinyclip", "custom", NULL };
	static const char *const dtypes[] = { "f32", "f16", "bf16", NULL };
	static const char *const acts[] = { "gelu", "quick_gelu", "gelu_tanh", NULL };
	static const char *const towers[] = { "both", "image", "text", NULL };
	int i;

	switch (c) {
	case 's':
		choose_shape(value);
		break;
	case 'n':
		o.naming = choice(value, namings, "--naming openclip|hf|tinyclip|custom");
		break;
	case 'd':
		o.dtype = choice(value, dtypes, "--dtype f32|f16|bf16");
		break;
	case 'a':
		o.act = acts[choice(value, acts, "--act gelu|quick_gelu|gelu_tanh")];
		break;
	case 't':
		i = choice(value, towers, "--towers both|image|text");
		o.image = i != 2;
		o.text = i != 1;
		break;
	case 'l':
		o.s.L = atoi(value);
		break;
	case 'x':
		o.s.l = atoi(value);
		break;
	case 'v':
		o.s.V = atoi(value);
		break;
	}
}

static void
parse(int argc, char **argv)
{
	static const struct option options[] = {
		/* clang-format off */
		{ "shape", 1, NULL, 's' }, { "naming", 1, NULL, 'n' }, { "dtype", 1, NULL, 'd' }, { "act", 1, NULL, 'a' },
		{ "towers", 1, NULL, 't' }, { "layers", 1, NULL, 'l' }, { "text-layers", 1, NULL, 'x' },
		{ "vocabulary", 1, NULL, 'v' }, { "no-config", 0, &o.config, 0 }, { "pruned", 0, &o.pruned, 1 },
		{ "layer-scale", 0, &o.scale, 1 }, { NULL, 0, NULL, 0 },
		/* clang-format on */
	};
	int c;

	choose_shape("mini");
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == '?')
			exit(2);
		take(c, optarg);
	}
	if (argc - optind != 1)
		fail(usage);
}

int
main(int argc, char **argv)
{
	char path[4096];
	size_t i;

	parse(argc, argv);
	mkdir(argv[optind], 0777);
	if (o.image)
		add_image();
	if (o.text)
		add_text();
	add(0, 0, 0, "logit_scale", 0);
	if (o.siglip)
		add(0, 0, 0, "logit_bias", 0);
	for (i = 0; i < ntensors; i++)
		if (o.naming == HF)
			hf_pieces(i);
		else
			other_piece(i);
	snprintf(path, sizeof(path), "%s/%s", argv[optind], o.naming == HF ? "model.safetensors" : "open_clip_model.safetensors");
	write_weights(path);
	if (o.config)
		write_config(argv[optind]);
	return 0;
}
