/* SPDX-License-Identifier: MIT
 * adds-pyramid - pictures to tokens: decodes, cuts tiles, encodes them with CLIP */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../lib/pyramid/forward.h"
#include "cmd.h"

static const char *const dtypes[] = { "f16", "bf16", "f32", NULL };
static const char *const precisions[] = { "auto", "f32", "bf16", "int8", NULL };
static const char *const activations[] = { "model", "gelu", "quick_gelu", "gelu_tanh", NULL };
static const char *const on_errors[] = { "skip", "stop", NULL };

static struct adds_error err;
static const char *model_path, *output = "-", *device = "auto", *cache_path, *cache_size = "16G";
static int fit = ADDS_FIT_PAD, tokens = ADDS_TOKENS_ALL, dtype, precision, activation, on_error;
static int reference, strict, dry_run;
static long long levels = 2, side, image_size, pool = 4, threads, batch, max_pixels = ADDS_PICTURE_MAX_PIXELS;
static long long level = 1, heads, text_heads;
static double eps;

/* clang-format off */
static const struct opt opts[] = {
	OPT_STR('m', "model", "PATH", &model_path, "CLIP: a folder or a weight file [$ADDS_MODEL]"),
	OPT_STR('o', "output", "FILE", &output, "write here [standard output]"),
	OPT_FLAG(0, "dry-run", &dry_run, "print what size the stream will have, and write nothing"),
	OPT_GROUP("the pyramid"),
	OPT_INT(0, "levels", "N", &levels, 1, ADDS_PYRAMID_MAX_LEVELS, "levels of side S, 2S, 4S, ...; S is the model's side [2]"),
	OPT_INT(0, "side", "PX", &side, 1, ADDS_PICTURE_MAX_FIT, "the top level's side instead; S, 2S, ... below it"),
	OPT_INT(0, "image-size", "PX", &image_size, 16, 4096, "change S itself [the model's]"),
	OPT_CHOICE(0, "fit", "HOW", &fit, adds_fit_names, "white margins, centre crop, or distorted to a square [pad]"),
	OPT_FLAG(0, "reference", &reference, "decode as Pillow and OpenCLIP do: EXIF ignored, alpha dropped"),
	OPT_INT(0, "max-pixels", "N", &max_pixels, 1, 1e10, "refuse larger pictures [200000000]"),
	OPT_GROUP("tokens"),
	OPT_CHOICE(0, "tokens", "WHICH", &tokens, adds_tokens_names, "a tile's class token, its patches, or both [all]"),
	OPT_INT(0, "pool", "K", &pool, 1, 256, "average windows of K x K patches, 1: none [4]"),
	OPT_CHOICE(0, "dtype", "TYPE", &dtype, dtypes, "how tokens are stored [f16]"),
	OPT_GROUP("the model, where its folder does not tell"),
	OPT_INT(0, "heads", "N", &heads, 1, 1024, "attention heads of the image tower"),
	OPT_INT(0, "text-heads", "N", &text_heads, 0, 1024, "of the text tower, if adds-encode-text is told them: it is one model then [0]"),
	OPT_CHOICE(0, "activation", "NAME", &activation, activations, "its activation [model]"),
	OPT_NUM(0, "eps", "X", &eps, 1e-12, 1, "epsilon of its layer norms"),
	OPT_GROUP("computing"),
	OPT_CHOICE(0, "precision", "P", &precision, precisions, "of matrix products; auto is bf16 where the device has it [auto]"),
	OPT_STR(0, "device", "NAME", &device, "auto, cpu, cuda or cuda:N [auto]"),
	OPT_INT('j', "threads", "N", &threads, 0, 1024, "0: all cores [0]"),
	OPT_INT(0, "batch", "N", &batch, 0, 4096, "tiles encoded at once, 0: 32, or 256 on CUDA [0]"),
	OPT_INT(0, "level", "N", &level, 1, 19, "of compression [1]"),
	OPT_GROUP("what was computed before, and what cannot be read"),
	OPT_STR(0, "cache", "PATH", &cache_path, "a folder that keeps tokens, or a former output: take those that are known"),
	OPT_STR(0, "cache-size", "SIZE", &cache_size, "the cache's limit; K, M, G or T behind the number, 0: none [16G]"),
	OPT_CHOICE(0, "on-error", "WHAT", &on_error, on_errors, "a picture that cannot be read: an error record, or the end [skip]"),
	OPT_FLAG(0, "strict", &strict, "exit 1 if there were error records"),
	OPT_QUIET,
	OPT_VERBOSE,
	OPT_END
};
/* clang-format on */

/* a number of bytes with K, M, G or T behind it */
static uint64_t
parse_size(const char *text)
{
	static const char units[] = "KMGT";
	char *end;
	double bytes = cmd_strtod(text, &end);
	const char *unit = *end ? strchr(units, *end) : NULL;
	const char *u;

	if (end == text || !(bytes >= 0) || (*end && (!unit || end[1])) || (!unit && bytes != floor(bytes)))
		usage("--cache-size: '%s' is no size such as 500M or 16G", text);
	for (u = units; unit && u <= unit; u++)
		bytes *= 1024;
	if (bytes > 1e18)
		usage("--cache-size: '%s' is too large", text);
	return (uint64_t)bytes;
}

static struct adds_clip_options
clip_options(void)
{
	static const enum precision wanted[] = { PREC_AUTO, PREC_F32, PREC_BF16, PREC_INT8 };
	static const int acts[] = { -1, ACT_GELU, ACT_QUICK_GELU, ACT_GELU_TANH };

	return (struct adds_clip_options){ .precision = wanted[precision],
		                           .image_size = (int)image_size,
		                           .image_tower = 1,
		                           .heads = (int)heads,
		                           .text_heads = (int)text_heads,
		                           .activation = acts[activation],
		                           .eps = (float)eps };
}

/* everything that the options say; clip and precision come from the model */
static void
make_settings(struct adds_settings *s)
{
	static const enum adds_dtype types[] = { ADDS_F16, ADDS_BF16, ADDS_F32 };

	s->levels = (int)levels;
	s->side = (int)side;
	s->fit = (enum adds_fit)fit;
	s->picture = (struct adds_picture_options){ reference, max_pixels };
	s->tokens = (enum adds_tokens)tokens;
	s->pool = (int)pool;
	s->dtype = types[dtype];
	if (adds_pyramid_plan(&s->plan, s->clip.S, s->levels, s->side, &err) < 0 || adds_settings_check(s, &err) < 0)
		die("%s", err.msg);
}

/* those of the options that change the result */
static void
add_provenance(struct adds_message *header, const struct adds_settings *s)
{
	cJSON *o = cJSON_CreateObject();

	cJSON_AddNumberToObject(o, side ? "side" : "levels", side ? (double)side : (double)levels);
	cJSON_AddStringToObject(o, "fit", adds_fit_names[fit]);
	cJSON_AddStringToObject(o, "tokens", adds_tokens_names[tokens]);
	cJSON_AddNumberToObject(o, "pool", (double)pool);
	cJSON_AddStringToObject(o, "dtype", dtypes[dtype]);
	cJSON_AddStringToObject(o, "precision", adds_precision_names[s->precision]);
	if (cmd_given("image-size"))
		cJSON_AddNumberToObject(o, "image-size", (double)image_size);
	if (reference)
		cJSON_AddNumberToObject(o, "reference", 1);
	if (cmd_given("max-pixels"))
		cJSON_AddNumberToObject(o, "max-pixels", (double)max_pixels);
	if (cmd_given("heads"))
		cJSON_AddNumberToObject(o, "heads", (double)heads);
	if (activation)
		cJSON_AddStringToObject(o, "activation", activations[activation]);
	if (cmd_given("eps"))
		cJSON_AddNumberToObject(o, "eps", eps);
	if (adds_provenance_add(header, "adds-pyramid", o, &err) < 0)
		die("%s", err.msg);
}

static struct adds_reader *
open_index(const char *path)
{
	struct adds_reader *r = adds_reader_open_kind(cmd_input(path), 1u << ADDS_KIND_INDEX, &err);

	if (!r)
		die("%s", err.msg);
	return r;
}

/* ---- --dry-run ---- */

static size_t
message_bytes(const struct adds_message *m)
{
	size_t n = 8 + strlen(adds_message_json(m)), i;

	for (i = 0; i < adds_message_tensors(m); i++)
		n += adds_message_tensor_at(m, i)->size + 64;
	return n;
}

static void
print_plan(const struct adds_settings *s, uint64_t pictures, uint64_t others, double bytes)
{
	int i;

	printf("%llu %s, %llu other %s\n", (unsigned long long)pictures, ADDS_PLURAL(pictures, "picture", "pictures"),
	       (unsigned long long)others, ADDS_PLURAL(others, "record", "records"));
	printf("levels of");
	for (i = 0; i < s->plan.levels; i++)
		printf("%s %d", i ? "," : "", s->plan.side[i]);
	printf(" pixels: %d %s a picture\n", s->plan.tiles, ADDS_PLURAL(s->plan.tiles, "tile", "tiles"));
	printf("%d %s a tile, %lld a picture, each of %d %s: %zu bytes a picture\n", adds_settings_tile_tokens(s),
	       ADDS_PLURAL(adds_settings_tile_tokens(s), "token", "tokens"),
	       (long long)adds_settings_tokens(s), s->clip.E, dtypes[dtype], adds_settings_bytes(s));
	printf("the stream: about %.3g MB before compression\n", bytes / 1e6);
}

static void
plan_only(struct adds_settings *s, const char *input)
{
	const struct adds_clip_options o = clip_options();
	const struct adds_message *m;
	struct adds_reader *r;
	uint64_t pictures = 0, others = 0;
	double bytes = 0;
	int rc;

	if (adds_clip_probe(&s->clip, cmd_model(model_path), &o, &err) < 0)
		die("%s", err.msg);
	make_settings(s);
	r = open_index(input);
	while ((rc = adds_reader_read(r, &m, &err)) > 0) {
		const char *kind = adds_message_string(m, "record");
		const struct adds_tensor *image = adds_message_tensor(m, "image");

		bytes += (double)message_bytes(m) - (image ? (double)image->size : 0);
		if (!kind || strcmp(kind, "picture") != 0) {
			others++;
			continue;
		}
		pictures++;
		bytes += (double)adds_settings_bytes(s) + 24.0 * s->plan.tiles + 300;
	}
	if (rc < 0)
		die("%s", err.msg);
	adds_reader_close(r);
	print_plan(s, pictures, others, bytes);
	cmd_exit(CMD_DONE);
}

/* ---- the run ---- */

static struct adds_clip *
open_model(struct adds_settings *s, struct backend *b)
{
	const struct adds_clip_options o = clip_options();
	char notes[4096] = "", *line, *next;
	struct adds_clip *m = adds_clip_open(cmd_model(model_path), b, &o, notes, sizeof(notes), &err);

	if (!m)
		die("%s", err.msg);
	for (line = notes; *line; line = next) {
		next = line + strcspn(line, "\n");
		if (*next)
			*next++ = '\0';
		say("%s", line);
	}
	cmd_warn_lines(adds_clip_assumed(m));
	s->clip = *adds_clip_config(m);
	s->precision = adds_clip_precision(m);
	s->device = b->ops->name;
	if (precision && o.precision != s->precision)
		warn("this device has no instructions for %s: products run in %s", precisions[precision],
		     adds_precision_names[s->precision]);
	return m;
}

static struct backend *
open_device(void)
{
	char why[1024];
	struct backend *b = backend_open(device, (int)threads, why, sizeof(why), &err);

	if (!b)
		die("%s", err.msg);
	say("device: %s%s%s", b->device, *why ? "; " : "", why);
	return b;
}

static void
show_progress(const struct adds_forward *f)
{
	const double s = cmd_seconds();

	cmd_progress("%llu pictures, %.1f/s, %llu from the cache, %llu errors", (unsigned long long)f->pictures,
	             s > 0 ? (double)f->pictures / s : 0, (unsigned long long)f->found, (unsigned long long)f->errors);
}

static void
say_plan(const struct adds_forward *f)
{
	if (f->halved)
		warn("the device has no memory for %d tiles at once: %d", f->halved, f->batch);
	say("%d tiles at once, in %.1f MB of the device's memory beside the weights", f->batch, 1e-6 * (double)f->device_bytes);
}

static struct adds_cache *
open_cache(const struct adds_settings *s, uint64_t limit)
{
	char *text = adds_settings_text(s, &err);
	struct adds_cache *c = text ? adds_cache_open(cache_path, limit, text, &err) : NULL;

	if (!c)
		die("%s", err.msg);
	free(text);
	return c;
}

/* ends the output: puts it into place, or leaves it as it is */
static void
finish(struct adds_forward *f)
{
	const char *trouble = f->cache ? adds_cache_trouble(f->cache) : NULL;

	if (f->kept)
		adds_writer_abort(f->out);
	else if (adds_writer_finish(f->out, NULL, &err) < 0) {
		adds_current_free(f->current);
		die("%s", err.msg);
	}
	if (f->current && !f->kept && adds_current_finish(f->current, f->errors, &err) < 0)
		warn("%s", err.msg);
	if (trouble)
		warn("%s", trouble);
	if (f->kept)
		say("'%s' is current: left as it is", output);
	say("%llu %s opened, tokens of %llu found in the cache", (unsigned long long)f->opened,
	    ADDS_PLURAL(f->opened, "picture", "pictures"), (unsigned long long)f->found);
	say("copies of weights, packed for products: %.1f MB", 1e-6 * (double)f->backend->packed_bytes);
	say("the encoder waited %.2f s for pictures", f->waited);
	if (f->errors)
		warn("%llu error %s%s%s", (unsigned long long)f->errors, ADDS_PLURAL(f->errors, "record", "records"),
		     f->first.msg[0] ? "; the first picture that could not be read: " : "", f->first.msg);
	cmd_cost(f->pictures, "pictures");
}

static int
is_file(const char *path)
{
	struct stat st;

	return path && stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

static void
check_options(void)
{
	if (cmd_given("levels") && side)
		usage("--levels and --side are two ways to say the same: give one");
	if (tokens == ADDS_TOKENS_CLS)
		cmd_refuse("pool", "averages patches: --tokens cls has none");
	if (!cache_path)
		cmd_refuse("cache-size", "goes with --cache FOLDER");
	else if (is_file(cache_path))
		cmd_refuse("cache-size", "limits a folder: --cache names a file");
	cmd_device(device);
}

static int
run(struct adds_settings *s, const char *input)
{
	struct adds_forward f = { .settings = s, .batch = (int)batch, .stop = on_error, .output = output };
	const uint64_t limit = parse_size(cache_size);
	const int cache_is_stream = is_file(cache_path);
	struct backend *b;
	struct adds_message *header;

	cmd_output(output);
	b = open_device();
	f.model = open_model(s, b);
	make_settings(s);
	f.threads = threads ? (int)threads : (int)sysconf(_SC_NPROCESSORS_ONLN);
	if (!f.batch)
		f.batch = b->memory ? 256 : 32;
	f.backend = b;
	f.progress = show_progress;
	f.planned = say_plan;
	if (cache_path && !cache_is_stream)
		f.cache = open_cache(s, limit);
	if (!(f.out = adds_writer_open(output, &(struct adds_writer_options){ (int)level, 1 }, &err)))
		die("%s", err.msg);
	f.in = open_index(input);
	if (!(header = adds_settings_header(s, adds_reader_header(f.in), &err)))
		die("%s", err.msg);
	add_provenance(header, s);
	f.header = header;
	if (cache_is_stream && !(f.former = adds_former_open(cache_path, header, s, &err)))
		die("--cache: %s", err.msg);
	if (f.cache && strcmp(output, "-") != 0 && !(f.current = adds_current_open(f.cache, output, header, !on_error, &err)))
		die("%s", err.msg);
	if (adds_forward_run(&f, &err) < 0) {
		adds_current_free(f.current);
		adds_writer_abort(f.out);
		die("%s", err.msg);
	}
	cmd_warn_lines(adds_reader_warnings(f.in));
	finish(&f);
	adds_current_free(f.current);
	adds_cache_close(f.cache);
	adds_former_free(f.former);
	adds_message_free(header);
	adds_reader_close(f.in);
	adds_clip_free(f.model);
	backend_close(b);
	return strict && f.errors ? CMD_FAILED : CMD_DONE;
}

int
main(int argc, char **argv)
{
	struct adds_settings settings;
	const char *input;
	int i;

	memset(&settings, 0, sizeof(settings));
	cmd_init("adds-pyramid");
	cmd_wait_briefly(argv);
	i = cmd_parse(argc, argv, opts, "[-qv] [-m MODEL] [-o FILE] [options] [INDEX]",
	              "Encodes the pictures of an index stream: a feature stream with the tokens of their tiles.");
	if (argc - i > 1)
		usage("one index stream at a time: '%s' is one too many (adds-cat joins them)", argv[i + 1]);
	check_options();
	input = i < argc ? argv[i] : "-";
	if (dry_run)
		plan_only(&settings, input);
	cmd_exit(run(&settings, input));
}
