/* SPDX-License-Identifier: MIT
 * adds-cat.c - shows, verifies, joins, cuts, converts, imports and salvages streams */
#include "cat.h"

static struct cat_options o = {
	.head = -1,
	.import = -1,
	.positive = "1",
	.negative = "0",
	.unknown = "-1",
	.logit_scale = 100,
	.level = 1,
};
static int jsonl, verify, salvage, only, import, score;
static const char *relabel;

static const char *const records[] = { "picture", "label", "error", "other", NULL };
static const char *const kinds[] = { "index", "labels", "features", "scores", NULL };
static const char *const scores[] = { "logit", "similarity", NULL };

/* clang-format off */
static const struct opt opts[] = {
	OPT_GROUP("What to do (default: show the streams as text)"),
	OPT_FLAG(0, "jsonl", &jsonl, "show them as JSON Lines"),
	OPT_FLAG(0, "values", &o.values, "with --jsonl: all numbers of all tensors"),
	OPT_FLAG(0, "verify", &verify, "check everything, print one line for each file"),
	OPT_STR('o', "output", "FILE", &o.output, "write one stream of the chosen records of all files; - is standard output"),
	OPT_FLAG(0, "salvage", &salvage, "write what is whole in a broken stream"),
	OPT_STR(0, "relabel", "INDEX", &relabel, "write the features with vocabulary and targets of INDEX"),
	OPT_STR(0, "npy", "FILE", &o.npy, "write the records' numbers as a NumPy array (with --import: read them)"),
	OPT_STR(0, "safetensors", "FILE", &o.safetensors, "write numbers, names and targets as one safetensors file"),
	OPT_CHOICE(0, "import", "KIND", &import, kinds, "write a stream of this kind out of arrays"),
	OPT_GROUP("Which records"),
	OPT_INT(0, "head", "N", &o.head, 0, 1e15, "the first N of those that are chosen"),
	OPT_LIST(0, "path", "PATTERN", &o.paths, "whose path or label matches this shell pattern (may be repeated)"),
	OPT_STR(0, "rows", "A:B:C|FILE", &o.rows, "numbers A to B - 1 in steps of C (each may be left out), or those that stand in FILE"),
	OPT_CHOICE(0, "only", "RECORD", &only, records, "of this kind"),
	OPT_GROUP("Arrays, out and in"),
	OPT_STR(0, "tensor", "NAME", &o.tensor, "which tensor goes out [tokens, embedding or scores]"),
	OPT_STR(0, "lengths", "FILE", &o.lengths, "rows of each record, where they differ (.npy, out)"),
	OPT_STR(0, "paths", "FILE", &o.path_file, "paths of the pictures, one a line"),
	OPT_STR(0, "labels", "FILE", &o.label_file, "names of the labels, one a line"),
	OPT_STR(0, "targets", "FILE", &o.target_file, "targets, pictures by labels (.npy)"),
	OPT_STR(0, "positive", "LIST", &o.positive, "values of targets that say yes [1]"),
	OPT_STR(0, "negative", "LIST", &o.negative, "values of targets that say no [0]"),
	OPT_STR(0, "unknown", "LIST", &o.unknown, "values of targets that say nothing [-1]"),
	OPT_STR(0, "model-name", "NAME", &o.model_name, "the model that computed the numbers"),
	OPT_CHOICE(0, "score", "KIND", &score, scores, "what imported scores are [logit]"),
	OPT_FLAG(0, "calibrated", &o.calibrated, "the sigmoid of imported logits is a probability"),
	OPT_NUM(0, "logit-scale", "X", &o.logit_scale, 1e-6, 1e6, "of the model, for imported labels [100]"),
	OPT_GROUP("Further"),
	OPT_INT(0, "level", "N", &o.level, 1, 19, "zstd level of what is written [1]"),
	OPT_INT('j', "threads", "N", &o.threads, 0, 1024, "1: do not compress in a thread of its own [0]"),
	OPT_QUIET,
	OPT_VERBOSE,
	OPT_END
};
/* clang-format on */

/* at most one thing at a time */
static void
check_modes(int files)
{
	const int importing = o.import >= 0;
	const int modes = jsonl + verify + salvage + (relabel != NULL) + (importing || o.npy != NULL) + (o.safetensors != NULL);

	if (modes > 1)
		usage("--jsonl, --verify, --salvage, --relabel, --npy, --safetensors and --import exclude one another");
	if (o.output && (jsonl || verify || o.safetensors || (o.npy && !importing)))
		usage("-o is for streams: text goes to standard output, arrays to the files that --npy and --safetensors name");
	if (o.values && !jsonl)
		usage("--values goes with --jsonl");
	if (salvage && (files != 1 || cat_selective(&o)))
		usage("--salvage takes one file and all that is whole in it");
	if (verify && cat_selective(&o))
		usage("--verify reads everything");
}

/* options that are there for something else than what is done */
static void
check_arrays(int files)
{
	const int importing = o.import >= 0;

	if (importing && (files || o.head >= 0 || o.paths.n || o.only))
		usage("--import takes its input from --npy, and of the choices --rows alone");
	if (importing)
		cmd_refuse("tensor lengths", "is for arrays that go out");
	else
		cmd_refuse("model-name score calibrated logit-scale positive negative unknown", "goes with --import");
	if (!o.npy && !o.safetensors)
		cmd_refuse("tensor", "goes with --npy or --safetensors");
	if (!o.npy)
		cmd_refuse("paths labels targets lengths", "goes with --npy");
	if (o.import != ADDS_KIND_LABELS)
		cmd_refuse("logit-scale", "goes with --import labels");
	else
		cmd_refuse("paths targets", "is about pictures: --import labels has none");
	if (o.import != ADDS_KIND_SCORES)
		cmd_refuse("score calibrated", "goes with --import scores");
	if (!o.target_file)
		cmd_refuse("positive negative unknown", "goes with --targets FILE");
	if (o.calibrated && o.similarity)
		usage("--calibrated is about logits: a similarity is no probability");
}

int
main(int argc, char **argv)
{
	struct cat_source *s;
	int i;

	cmd_init("adds-cat");
	i = cmd_parse(argc, argv, opts, "[-qv] [options] [FILE ...]",
	              "Shows, verifies, joins, cuts, converts, imports and salvages streams.");
	argv += i;
	argc -= i;
	o.only = cmd_given("only") ? only + 1 : 0;
	o.import = cmd_given("import") ? import : -1;
	o.similarity = score;
	check_modes(argc);
	check_arrays(argc);
	if (o.rows)
		cat_rows_open(o.rows);
	if (verify)
		cmd_exit(cat_verify(argv, argc));
	if (o.import >= 0) {
		cat_import(&o);
		cmd_exit(CMD_DONE);
	}
	if (salvage) {
		cat_salvage(argv[0], &o);
		cmd_exit(CMD_DONE);
	}
	if (o.output || relabel)
		cmd_output(o.output ? o.output : "-");
	s = cat_open(argv, argc, o.output || relabel || o.npy || o.safetensors, &o);
	if (relabel)
		cat_relabel(relabel, s, &o);
	else if (o.output)
		cat_copy(s, &o);
	else if (o.npy || o.safetensors)
		cat_export(s, &o);
	else if (jsonl)
		cat_jsonl(s, &o);
	else
		cat_text(s, &o);
	cat_close(s);
	cmd_exit(CMD_DONE);
}
