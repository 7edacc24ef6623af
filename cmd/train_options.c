/* SPDX-License-Identifier: MIT
 * train_options.c - the options of adds-train: one table for the command line, the config of a run, and resuming */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "train.h"

enum { ROWS = 16384 };

static struct train_args a;
static int recipe;

static const char *const methods[] = { "both", "ridge", "decoder", NULL };
static const char *const inits[] = { "aligned", "random", NULL };
static const char *const losses[] = { "asl", "focal", "bce", NULL };
static const char *const schedules[] = { "one-cycle", "cosine", "constant", NULL };
static const char *const precisions[] = { "f32", "bf16", NULL };
static const char *const recipes[] = { "default", "seed", NULL };

/* clang-format off */
static const struct opt table[] = {
	OPT_GROUP("Input and output"),
	OPT_STR('m', "model", "PATH", &a.model, "without -t: encode the pictures' vocabulary with this model [$ADDS_MODEL]"),
	OPT_STR('t', "labels", "FILE", &a.labels, "label stream; its order is the order of everything"),
	OPT_STR('o', "output", "DIR", &a.out, "folder of the run [adds-run]"),
	OPT_STR(0, "val", "FILE", &a.val, "features of the validation pictures"),
	OPT_NUM(0, "val-split", "F", &a.val_split, 0, 0.9, "without --val: share of the pictures that validates, by path [0.2]"),
	OPT_STR(0, "holdout-labels", "FILE", &a.holdout, "labels (one a line) that are not trained, only watched"),
	OPT_FLAG(0, "strict", &a.strict, "refuse pictures' labels that the label stream lacks"),
	OPT_FLAG(0, "resume", &a.resume, "go on with the run in DIR, which needs no other option"),
	OPT_FLAG(0, "replace", &a.replace, "put the new run in the place of the one in DIR when it is done"),
	OPT_GROUP("Method"),
	OPT_CHOICE(0, "method", "WORD", &a.method, methods, "the closed-form ridge, the decoder, or both and their blend [both]"),
	OPT_FLAG(0, "strict-zero-shot", &a.strict_zero_shot, "ridge: labels that are not trained keep CLIP's own ranking"),
	OPT_GROUP("Decoder"),
	OPT_INT(0, "layers", "N", &a.layers, 1, 64, "layers; 1 is ML-Decoder [2]"),
	OPT_INT(0, "heads", "N", &a.heads, 1, 1024, "attention heads [1]"),
	OPT_INT(0, "ff", "N", &a.ff, 0, 65536, "width of the feed-forward layers, 0: 4 times the features' [0]"),
	OPT_NUM(0, "dropout", "P", &a.dropout, 0, 0.9, "dropout of labels and behind the feed-forward layers [0]"),
	OPT_CHOICE(0, "init", "WORD", &a.init, inits, "how weights start: attention as the identity, or at random [aligned]"),
	OPT_FLAG(0, "prior", &a.prior, "add the zero-shot score to the logit [where every picture has one token]"),
	OPT_FLAG(0, "no-prior", &a.no_prior, "never add it"),
	OPT_NUM(0, "prior-scale", "X", &a.prior_scale, -1000, 1000, "its factor at the start [20]"),
	OPT_NUM(0, "prior-bias", "X", &a.prior_bias, -1000, 1000, "what is added to it at the start [-6]"),
	OPT_FLAG(0, "no-visual-update", &a.no_visual_update, "tokens do not attend to labels: a label's score does not depend on the others"),
	OPT_GROUP("Loss"),
	OPT_CHOICE(0, "loss", "WORD", &a.loss, losses, "asymmetric loss, focal or plain binary cross-entropy [asl]"),
	OPT_NUM(0, "gamma-pos", "X", &a.gamma_pos, 0, 16, "focusing of positives [0]"),
	OPT_NUM(0, "gamma-neg", "X", &a.gamma_neg, 0, 16, "focusing of negatives [4]"),
	OPT_NUM(0, "asl-clip", "P", &a.asl_clip, 0, 0.5, "probability that negatives are shifted down by [0.05]"),
	OPT_FLAG(0, "full-gradient", &a.full_gradient, "the focusing weights carry a gradient too"),
	OPT_INT(0, "label-budget", "N", &a.budget, 1, 1 << 24, "labels looked at in a step [1024]"),
	OPT_GROUP("Steps"),
	OPT_CHOICE(0, "recipe", "WORD", &recipe, recipes, "other defaults: 'seed' has those of the project this one follows [default]"),
	OPT_INT(0, "epochs", "N", &a.epochs, 0, 1000000, "times that every picture is seen, 0: 8 [0]"),
	OPT_INT(0, "batch", "N", &a.batch, 0, 65536, "pictures in a step, 0: 16, or 8 of fewer than 500 [0]"),
	OPT_INT(0, "accumulate", "N", &a.accumulate, 0, 65536, "parts of a step, whose gradients are computed apart and added in order, 0: one, under mpirun one a rank [0]"),
	OPT_NUM(0, "lr", "X", &a.lr, 0, 1, "learning rate at its peak, 0: by the features' width D, 0.064/D [0; 0.05/D where pictures have one token]"),
	OPT_NUM(0, "head-lr", "X", &a.head_lr, 0, 1000, "the head's, as a multiple of it [1]"),
	OPT_NUM(0, "weight-decay", "X", &a.weight_decay, 0, 1, "of matrices; norms and biases have none [0.01]"),
	OPT_CHOICE(0, "schedule", "WORD", &a.schedule, schedules, "course of the learning rate [one-cycle]"),
	OPT_NUM(0, "warmup", "X", &a.warmup, 0, 1e9, "steps up to the peak; below 1: share of all [0.2]"),
	OPT_NUM(0, "clip-norm", "X", &a.clip_norm, 0, 1e9, "largest norm of a step's gradient, 0: any [0]"),
	OPT_NUM(0, "ema", "X", &a.ema, 0, 0.999999, "measure and keep the running mean of the weights with this decay, 0: the weights [0]"),
	OPT_INT(0, "seed", "N", &a.seed, 0, 9007199254740992.0, "of all random numbers [0]"),
	OPT_GROUP("Checkpoints and measures"),
	OPT_INT(0, "keep-every", "N", &a.keep_every, 0, 1000000, "keep the checkpoint of every N epochs, 0: of none [0]"),
	OPT_NUM(0, "save-every", "SECONDS", &a.save_every, 0, 1e9, "write the state that --resume goes on from so often within an epoch [300]"),
	OPT_INT(0, "min-positives", "N", &a.min_positives, 1, 1000000, "labels with fewer validation positives are not measured [1]"),
	OPT_GROUP("Machine"),
	OPT_STR(0, "device", "NAME", &a.device, "auto, cpu, cuda or cuda:N [auto]"),
	OPT_CHOICE(0, "precision", "WORD", &a.precision, precisions, "of products [f32]"),
	OPT_INT('j', "threads", "N", &a.threads, 0, 1024, "threads, 0: all cores [0]"),
	OPT_INT(0, "memory", "MB", &a.memory, 0, 1 << 24, "features above this stay in their file [a quarter of the machine's]"),
	OPT_QUIET,
	OPT_VERBOSE,
	OPT_END,
};

/* shape the result: kept in the run's config */
static const char *const kept[] = {
	"val-split", "layers", "heads", "ff", "dropout", "init", "prior", "no-prior", "prior-scale", "prior-bias",
	"no-visual-update", "loss", "gamma-pos", "gamma-neg", "asl-clip", "full-gradient", "label-budget", "epochs", "batch",
	"accumulate", "lr", "head-lr", "weight-decay", "schedule", "warmup", "clip-norm", "ema", "seed", "keep-every", "min-positives",
	"precision", "strict", "method", "strict-zero-shot", NULL,
};
/* clang-format on */

static void
set_defaults(void)
{
	a = (struct train_args){
		.input = "-",
		.out = "adds-run",
		.device = "auto",
		.memory = -1,
		.save_every = 300,
		.val_split = 0.2,
		.layers = 2,
		.heads = 1,
		.epochs = 0,
		.batch = 0,
		.budget = 1024,
		.min_positives = 1,
		.prior_scale = 20,
		.prior_bias = -6,
		.gamma_neg = 4,
		.asl_clip = 0.05,
		.head_lr = 1,
		.weight_decay = 0.01,
		.warmup = 0.2,
	};
}

/* a default of the recipe, for what does not stand on the command line */
static void
recipe_number(const char *name, double value)
{
	const struct opt *o = cmd_option(name);

	if (cmd_given(name))
		return;
	if (o->kind == OPT_K_INT)
		*(long long *)o->to = (long long)value;
	else if (o->kind == OPT_K_NUM)
		*(double *)o->to = value;
	else
		*(int *)o->to = (int)value;
}

/* The values of Thomas2419/ADDS; its loss's gradient is the full one. */
static void
recipe_of_the_seed(void)
{
	static const struct {
		const char *name;
		double value;
	} values[] = {
		{ "method", ADDS_METHOD_DECODER },
		{ "layers", 6 },
		{ "heads", 32 },
		{ "dropout", 0.1 },
		{ "init", ADDS_INIT_RANDOM },
		{ "gamma-pos", 1 },
		{ "gamma-neg", 4 },
		{ "asl-clip", 0.01 },
		{ "full-gradient", 1 },
		{ "epochs", 2000 },
		{ "batch", 6 },
		{ "lr", 1e-5 },
		{ "head-lr", 0.1 },
		{ "weight-decay", 0.01 },
		{ "schedule", ADDS_SCHEDULE_CONSTANT },
		{ "warmup", 100 },
		{ "keep-every", 100 },
	};
	size_t i;

	for (i = 0; i < sizeof(values) / sizeof(*values); i++)
		recipe_number(values[i].name, values[i].value);
	if (!cmd_given("prior"))
		a.no_prior = 1;
}

static void
check_combinations(void)
{
	if (a.prior && a.no_prior && cmd_given("no-prior"))
		usage("--prior and --no-prior cannot both be given");
	if (a.val && cmd_given("val-split"))
		usage("--val and --val-split cannot both be given");
	if (a.resume && cmd_given("recipe"))
		usage("--recipe cannot be given with --resume: the run keeps its options");
	if (a.val && strcmp(a.val, "-") == 0 && strcmp(a.input, "-") == 0 && !a.resume)
		usage("features and --val cannot both come from standard input");
	if (a.warmup >= 1 && a.warmup != floor(a.warmup))
		usage("--warmup: '%g' is neither a share below 1 nor a number of steps", a.warmup);
	if (a.labels)
		cmd_refuse("model", "is there to encode labels without -t: give one");
	cmd_device(a.device);
}

/* options that belong to another method, or to another loss */
static void
check_method(void)
{
	static const char decoder[] = "layers heads ff dropout init prior no-prior prior-scale prior-bias no-visual-update "
				      "loss gamma-pos gamma-neg asl-clip full-gradient label-budget "
				      "recipe epochs lr head-lr weight-decay schedule warmup clip-norm ema keep-every";

	if (a.method == ADDS_METHOD_RIDGE)
		cmd_refuse(decoder, "is about the decoder: --method ridge has none");
	if (a.method == ADDS_METHOD_DECODER)
		cmd_refuse("strict-zero-shot", "is about the ridge: --method decoder has none");
	if (a.no_prior)
		cmd_refuse("prior-scale prior-bias", "is about the prior: there is none");
	if (a.loss == 2)
		cmd_refuse("gamma-pos gamma-neg full-gradient", "is about focusing: --loss bce does none");
	if (a.loss)
		cmd_refuse("asl-clip", "goes with --loss asl");
}

void
train_parse(struct train_args *args, int argc, char **argv, int ranks)
{
	int i;

	set_defaults();
	i = cmd_parse(
		argc, argv, table, "[-qv] [options] [FILE]",
		"Learns labels from the features in FILE (or standard input): a closed-form ridge, the dual-modal decoder, their blend.");
	if (argc - i > 1)
		usage("one feature stream, not %d (join them with cat)", argc - i);
	if (i < argc)
		a.input = argv[i];
	if (recipe == 1)
		recipe_of_the_seed();
	check_combinations();
	if (!a.resume)
		check_method();
	if (a.accumulate == 0 && !a.resume)
		a.accumulate = ranks;
	*args = a;
}

static cJSON *
value_of(const struct opt *o)
{
	switch (o->kind) {
	case OPT_K_INT:
		return cJSON_CreateNumber((double)*(const long long *)o->to);
	case OPT_K_NUM:
		return cJSON_CreateNumber(*(const double *)o->to);
	case OPT_K_CHOICE:
		return cJSON_CreateString(o->choices[*(const int *)o->to]);
	default:
		return cJSON_CreateBool(*(const int *)o->to);
	}
}

cJSON *
train_config(const struct train_args *args)
{
	cJSON *config = cJSON_CreateObject(), *options = cJSON_AddObjectToObject(config, "options");
	int i;

	a = *args;
	cJSON_AddStringToObject(config, "program", "adds-train");
	cJSON_AddStringToObject(config, "version", adds_version());
	for (i = 0; kept[i]; i++)
		cJSON_AddItemToObject(options, kept[i], value_of(cmd_option(kept[i])));
	return config;
}

static int
take_choice(const struct opt *o, const cJSON *value)
{
	int i;

	for (i = 0; o->choices[i]; i++)
		if (cJSON_IsString(value) && strcmp(o->choices[i], value->valuestring) == 0) {
			*(int *)o->to = i;
			return 1;
		}
	return 0;
}

static int
take_value(const struct opt *o, const cJSON *value)
{
	if (o->kind == OPT_K_CHOICE)
		return take_choice(o, value);
	if (o->kind == OPT_K_FLAG) {
		*(int *)o->to = cJSON_IsTrue(value);
		return cJSON_IsBool(value);
	}
	if (!cJSON_IsNumber(value) || value->valuedouble < o->lo || value->valuedouble > o->hi)
		return 0;
	if (o->kind == OPT_K_INT)
		*(long long *)o->to = (long long)value->valuedouble;
	else
		*(double *)o->to = value->valuedouble;
	return 1;
}

static void
refuse_change(const struct opt *o, const cJSON *value, const char *run)
{
	cJSON *mine = value_of(o);
	char *here = cJSON_PrintUnformatted(mine), *there = cJSON_PrintUnformatted(value);

	if (!cJSON_Compare(mine, value, 1))
		die("--%s is %s here and %s in '%s': a resumed run keeps its options", o->name, here ? here : "?",
		    there ? there : "?", run);
	cJSON_Delete(mine);
	free(here);
	free(there);
}

void
train_take_config(struct train_args *args, const cJSON *config, const char *run)
{
	const cJSON *options = cJSON_GetObjectItemCaseSensitive(config, "options");
	int i;

	a = *args;
	for (i = 0; kept[i]; i++) {
		const struct opt *o = cmd_option(kept[i]);
		const cJSON *value = cJSON_GetObjectItemCaseSensitive(options, kept[i]);

		if (!value)
			die("%s/config.json: /options/%s is missing: start anew with --replace", run, kept[i]);
		if (cmd_given(kept[i]))
			refuse_change(o, value, run);
		if (!take_value(o, value))
			die("%s/config.json: /options/%s has a value that cannot be", run, kept[i]);
	}
	*args = a;
}

void
train_defaults(struct train_args *args, int64_t pictures, int single, int width)
{
	/* found on examples/shapes (width 128, 357 tokens) and on real features of width 512, one token each */
	if (args->lr == 0)
		args->lr = (single ? 0.05 : 0.064) / width;
	if (args->epochs == 0)
		args->epochs = 8;
	if (args->batch == 0) /* of few pictures come few steps: too few of larger batches */
		args->batch = pictures < 500 ? 8 : 16;
}

static struct loss_args
loss_of(const struct train_args *args)
{
	static const enum loss_kind kinds[] = { LOSS_ASL, LOSS_FOCAL_BCE, LOSS_BCE };
	struct loss_args loss = { .kind = kinds[args->loss], .detach = !args->full_gradient };

	loss.gamma_pos = (float)args->gamma_pos;
	loss.gamma_neg = (float)args->gamma_neg;
	loss.clip = (float)args->asl_clip;
	return loss;
}

struct adds_train_options
train_options(const struct train_args *args, struct adds_ranks *ranks)
{
	struct adds_train_options o = {
		.method = (enum adds_method)args->method,
		.strict_zero_shot = args->strict_zero_shot,
		.decoder = { .layers = (int)args->layers,
		             .heads = (int)args->heads,
		             .ff = (int)args->ff,
		             .prior = args->no_prior ? 0 : args->prior ? 1
		                                                       : -1,
		             .no_visual_update = args->no_visual_update,
		             .dropout = (float)args->dropout },
		.init = args->init == 0 ? ADDS_INIT_ALIGNED : ADDS_INIT_RANDOM,
		.prior_scale = args->prior_scale,
		.prior_bias = args->prior_bias,
		.loss = loss_of(args),
		.optimizer = { .lr = args->lr,
		               .head = args->head_lr,
		               .weight_decay = args->weight_decay,
		               .beta1 = 0.9,
		               .beta2 = 0.999,
		               .eps = 1e-8,
		               .clip = args->clip_norm,
		               .ema = args->ema },
		.schedule = (enum adds_schedule_kind)args->schedule,
		.warmup = args->warmup,
		.epochs = args->epochs,
		.batch = args->batch,
		.budget = args->budget,
		.seed = (uint64_t)args->seed,
		.precision = args->precision ? PREC_BF16 : PREC_F32,
		.keep_every = args->keep_every,
		.save_every = args->save_every,
		.rows = ROWS,
		.min_positives = args->min_positives,
		.accumulate = (int)args->accumulate,
		.ranks = ranks,
	};
	return o;
}
