/* SPDX-License-Identifier: MIT
 * adds-eval - scores of pictures for labels, and what they are worth */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../lib/label/mapping.h"
#include "../lib/score/figure.h"
#include "../lib/score/report.h"
#include "../lib/score/scorer.h"
#include "cmd.h"
#include "tagout.h"

enum { BATCH_BYTES = 64 << 20 };

static const char *const reads[] = { "cls", "tile", "patch", NULL };
static const char *const aps[] = { "step", "sklearn", "voc", NULL };
static const char *const empties[] = { "skip", "zero", NULL };
static const char *const precisions[] = { "f32", "bf16", NULL };

/* ---- options ---- */
static const char *labels_path, *checkpoint, *output, *context_path, *device = "auto", *json_path, *table_path,
								     *plot_path, *unseen_path;
static struct opt_list tops, cuts;
static int zero_shot, no_visual_update, strict, precision, ap_kind, empty_zero, no_metrics, table; /* is one printed? */
static int read_way = ADDS_READ_TILE;
static long long min_positives = 1, threads, batch = 64, level = 1;

/* clang-format off */
static const struct opt opts[] = {
	OPT_STR('t', "labels", "FILE", &labels_path, "label stream: the labels to score, in its order"),
	OPT_STR('c', "checkpoint", "FILE", &checkpoint, "checkpoint of adds-train"),
	OPT_FLAG(0, "zero-shot", &zero_shot, "score by CLIP alone (cosines), without a checkpoint"),
	OPT_CHOICE(0, "read", "WAY", &read_way, reads, "zero-shot reads the first tile's CLS, the best tile's, or the best token [tile]"),
	OPT_STR(0, "context", "FILE", &context_path, "label stream that the visual branch attends to instead of -t"),
	OPT_FLAG(0, "no-visual-update", &no_visual_update, "leave the visual branch as it is: no label's score depends on the others"),
	OPT_FLAG(0, "strict", &strict, "refuse pictures' labels that -t lacks; exit 1 if there were error records"),
	OPT_STR('o', "output", "FILE", &output, "score stream [standard output, unless a terminal]"),
	OPT_GROUP("metrics (printed where standard output is free)"),
	OPT_FLAG(0, "no-metrics", &no_metrics, "write scores only: memory stays flat"),
	OPT_STR(0, "json", "FILE", &json_path, "metrics as JSON"),
	OPT_STR(0, "per-label", "FILE", &table_path, "one line a label: positives, AP, precision, recall, F1 (TSV)"),
	OPT_STR(0, "plot", "FILE", &plot_path, "precision over recall, and a bar for each label's AP, as a picture (SVG)"),
	OPT_STR(0, "unseen", "FILE", &unseen_path, "names, one a line: measured apart from the others"),
	OPT_CHOICE(0, "ap", "KIND", &ap_kind, aps, "average precision: at each positive, ties merged, or envelope [step]"),
	OPT_CHOICE(0, "empty", "HOW", &empty_zero, empties, "labels without a positive are skipped, or count as 0 [skip]"),
	OPT_INT(0, "min-positives", "N", &min_positives, 1, 1e9, "labels with fewer are skipped in mAP [1]"),
	OPT_LIST(0, "top", "K", &tops, "P, R, F1 of each picture's best K labels; up to 4 times [3, 5]"),
	OPT_LIST(0, "at", "X", &cuts, "metrics at score >= X (a probability, or a cosine); up to 8 times [.5, .6, .7, .8, .9 of logits]"),
	OPT_GROUP("the machine"),
	OPT_STR(0, "device", "NAME", &device, "auto, cpu, cuda or cuda:N [auto]"),
	OPT_CHOICE(0, "precision", "P", &precision, precisions, "of products [f32]"),
	OPT_INT('j', "threads", "N", &threads, 0, 1024, "0: all cores [0]"),
	OPT_INT(0, "batch", "N", &batch, 1, 65536, "pictures at a time at most; changes no bit [64]"),
	OPT_INT(0, "level", "N", &level, 1, 19, "zstd level of the output [1]"),
	OPT_QUIET,
	OPT_VERBOSE,
	OPT_END
};
/* clang-format on */

/* ---- what is open ---- */
static struct adds_error err;
static struct backend *b;
static struct adds_texts texts, context;
static struct adds_scorer *scorer, *baseline; /* zero-shot, to be measured beside a checkpoint; or NULL */
static struct adds_vocab *pictures;
static struct adds_mapping map;
static struct adds_writer *writer;
static struct adds_scores scores, zero; /* those of the baseline */
static struct adds_report_options report_options;

static int
is_stdout(const char *path)
{
	return path && strcmp(path, "-") == 0;
}

static void
set_report_options(void)
{
	size_t i;

	if (tops.n > ADDS_REPORT_TOPS || cuts.n > ADDS_REPORT_CUTS)
		usage("--top may be given %d times, --at %d times", ADDS_REPORT_TOPS, ADDS_REPORT_CUTS);
	report_options.ap = (enum adds_ap)ap_kind;
	report_options.empty_zero = empty_zero;
	report_options.min_positives = min_positives;
	for (i = 0; i < tops.n; i++)
		report_options.top[report_options.tops++] = (int)cmd_whole("top", tops.item[i], 1, 1e6);
	if (!tops.n) {
		report_options.top[0] = 3;
		report_options.top[1] = 5;
		report_options.tops = 2;
	}
	for (i = 0; i < cuts.n; i++)
		report_options.cut[report_options.cuts++] = cmd_number("at", cuts.item[i], -1, 1);
}

/* the cuts that nobody named: of logits only; and those that no probability can be */
static void
settle_cuts(enum adds_score_kind kind)
{
	int i;

	if (kind == ADDS_SCORE_LOGIT && !report_options.cuts)
		for (i = 0; i < 5; i++)
			report_options.cut[report_options.cuts++] = 0.5 + 0.1 * i;
	for (i = 0; i < report_options.cuts; i++)
		if (kind == ADDS_SCORE_LOGIT && !(report_options.cut[i] > 0 && report_options.cut[i] < 1))
			die("--at %g: these scores are logits, and a probability lies between 0 and 1", report_options.cut[i]);
}

static uint8_t *
read_unseen(const struct adds_vocab *labels)
{
	struct adds_vocab *names = adds_vocab_read(unseen_path, &err);
	uint8_t *unseen = cmd_alloc(adds_vocab_size(labels) + 1, 1);
	size_t i, found = 0;

	if (!names)
		die("%s", err.msg);
	for (i = 0; i < adds_vocab_size(names); i++) {
		const char *name = adds_vocab_name(names, i);
		const int64_t row = adds_vocab_find(labels, name, strlen(name));

		if (row >= 0)
			unseen[row] = 1;
		found += row >= 0;
	}
	if (found < adds_vocab_size(names))
		warn("%s: %zu of %zu names %s not among the labels", unseen_path, adds_vocab_size(names) - found,
		     adds_vocab_size(names), ADDS_PLURAL(adds_vocab_size(names) - found, "is", "are"));
	adds_vocab_free(names);
	return unseen;
}

static void
write_text(const char *path, char *text)
{
	if (!text)
		die("out of memory");
	tagout_write_file(path, text);
	free(text);
}

static void
plot(const struct adds_report *r)
{
	const struct adds_figure_options o = { scorer ? adds_scorer_trained(scorer) : NULL, zero.scores };
	char *text = adds_figure_report(r, &scores, &o, &err);

	if (!text)
		die("%s", err.msg);
	write_text(plot_path, text);
}

/* what CLIP alone reaches; cuts are probabilities, which it has none of */
static void
measure_baseline(struct adds_report *r)
{
	struct adds_report_options o = report_options;

	o.cuts = 0;
	zero.header = scores.header;
	zero.header.kind = ADDS_SCORE_SIMILARITY;
	zero.header.calibrated = 0;
	if (adds_report_make(r, &zero, &o, &err) < 0)
		die("%s", err.msg);
}

static void
report(void)
{
	struct adds_report r, base, *beside = baseline ? &base : NULL;
	uint8_t *unseen = NULL;

	if (!scores.n) {
		if (table || json_path || table_path || plot_path)
			warn("no labelled picture: nothing to measure");
		return;
	}
	settle_cuts(scores.header.kind);
	report_options.threads = threads ? (int)threads : (int)sysconf(_SC_NPROCESSORS_ONLN);
	if (unseen_path)
		report_options.unseen = unseen = read_unseen(scores.header.labels);
	if (adds_report_make(&r, &scores, &report_options, &err) < 0)
		die("%s", err.msg);
	if (beside)
		measure_baseline(beside);
	if (table)
		write_text("-", adds_report_table(&r, &scores, beside));
	if (json_path) {
		cJSON *j = adds_report_json(&r, &scores, beside);

		write_text(json_path, adds_json_print(j));
		cJSON_Delete(j);
	}
	if (table_path)
		write_text(table_path, adds_report_labels(&r, &scores, beside));
	if (plot_path)
		plot(&r);
	adds_report_release(&r);
	if (beside)
		adds_report_release(beside);
	free(unseen);
}

/* ---- features to scores ---- */

static void
check_model(const char *theirs, const char *what)
{
	const char *model = adds_texts_model(&texts);

	if (theirs && *theirs && *model && strcmp(theirs, model))
		die("%s of model %.16s... and the label stream of model %.16s...: encode both with the same CLIP",
		    what, theirs, model);
}

static struct adds_message *
score_header(const struct adds_reader *r)
{
	struct adds_message *h = adds_header_new(ADDS_KIND_SCORES, &err);
	const int64_t L = texts.n;
	cJSON *options = cJSON_CreateObject();
	cJSON *provenance;

	if (!h || adds_vocab_to_header(texts.vocab, h, &err) < 0 ||
	    adds_message_add(h, "known", ADDS_U8, 1, &L, map.known, &err) < 0 ||
	    adds_message_set_string(h, "checkpoint", adds_scorer_id(scorer), &err) < 0 ||
	    adds_message_set_string(h, "score",
	                            adds_scorer_kind(scorer) == ADDS_SCORE_LOGIT ? "logit"
	                                                                         : "similarity",
	                            &err) < 0 ||
	    adds_message_set_number(h, "calibrated", adds_scorer_calibrated(scorer), &err) < 0)
		die("%s", err.msg);
	provenance = cJSON_Duplicate(
		cJSON_GetObjectItemCaseSensitive(adds_message_meta_const(adds_reader_header(r)),
	                                         "provenance"),
		1);
	if (provenance) {
		cJSON_DeleteItemFromObjectCaseSensitive(adds_message_meta(h), "provenance");
		cJSON_AddItemToObject(adds_message_meta(h), "provenance", provenance);
	}
	cJSON_AddStringToObject(options, "read", reads[read_way]);
	cJSON_AddNumberToObject(options, "no-visual-update", no_visual_update);
	cJSON_AddStringToObject(options, "precision", adds_scorer_precision(scorer) == PREC_BF16 ? "bf16" : "f32");
	if (context_path) {
		char hash[65];

		if (adds_vocab_hash(context.vocab, hash, &err) < 0)
			die("%s", err.msg);
		cJSON_AddStringToObject(options, "context", hash);
	}
	if (adds_provenance_add(h, "adds-eval", options, &err) < 0)
		die("%s", err.msg);
	return h;
}

/* a record that waits for scores, and what it becomes: without tokens, its labels in the order of -t */
struct item {
	struct adds_message *m;
	enum adds_record_type type;
	int labelled;
};

/* pictures waiting to be scored, in order */
struct waiting {
	struct item *item; /* [batch] */
	int64_t n;
	struct adds_bag bag;
	float *scores;   /* [batch, L] */
	float *zero;     /* the same of the baseline */
	int8_t *targets; /* [batch, L] of the pictures */
	int32_t *room;   /* [labels of the pictures] */
};

static void
set_targets(struct adds_message *m, const int8_t *y)
{
	int32_t *rows = cmd_alloc((size_t)texts.n, sizeof(*rows));
	int64_t n = 0, j;
	int unknown = 0;

	for (j = 0; j < texts.n; j++) {
		unknown |= y[j] < 0 && map.known[j];
		if (y[j] > 0)
			rows[n++] = (int32_t)j;
	}
	if (adds_message_add(m, "pos", ADDS_I32, 1, &n, rows, &err) < 0)
		die("%s", err.msg);
	for (j = n = 0; unknown && j < texts.n; j++)
		if (y[j] == 0)
			rows[n++] = (int32_t)j;
	if (unknown && adds_message_add(m, "neg", ADDS_I32, 1, &n, rows, &err) < 0)
		die("%s", err.msg);
	free(rows);
}

/* row, zero_row, y: scores, those of the baseline, and targets of a picture */
static void
emit(struct item *it, const float *row, const float *zero_row, const int8_t *y)
{
	const int64_t L = texts.n;

	if (it->type == ADDS_RECORD_PICTURE) {
		if (adds_message_add(it->m, "scores", ADDS_F32, 1, &L, row, &err) < 0)
			die("%s", err.msg);
		scores.unlabelled += !it->labelled;
		if (it->labelled && !no_metrics &&
		    (adds_scores_add(&scores, row, y, &err) < 0 || (baseline && adds_scores_add(&zero, zero_row, y, &err) < 0)))
			die("%s", err.msg);
	}
	scores.errors += it->type == ADDS_RECORD_ERROR;
	if (writer && adds_writer_write(writer, it->m, &err) < 0)
		die("%s", err.msg);
	adds_message_free(it->m);
}

static void
flush_waiting(struct waiting *w)
{
	int64_t i, picture = 0;

	if (w->bag.n && (adds_scorer_run(scorer, w->scores, &w->bag, &err) < 0 ||
	                 (baseline && adds_scorer_run(baseline, w->zero, &w->bag, &err) < 0)))
		die("%s", err.msg);
	for (i = 0; i < w->n; i++) {
		emit(&w->item[i], w->scores + picture * texts.n, w->zero + picture * texts.n, w->targets + picture * texts.n);
		picture += w->item[i].type == ADDS_RECORD_PICTURE;
	}
	w->n = 0;
	adds_bag_clear(&w->bag);
}

/* the item of a record that was just read; a picture's tokens go into the bag and are copied nowhere else */
static int
take_item(struct item *it, struct waiting *w, const struct adds_message *m, const char *choice)
{
	static const char *const all[] = { NULL }, *const made_anew[] = { "tokens", "tiles", "pos", "neg", NULL };
	int8_t *y = w->targets + w->bag.n * texts.n;
	struct adds_record rec;

	if (adds_record_parse(&rec, m, (int64_t)adds_vocab_size(pictures), &err) < 0 ||
	    (rec.type == ADDS_RECORD_PICTURE && adds_bag_add(&w->bag, &rec, (enum adds_read)read_way, choice, &err) < 0))
		return err.code;
	it->type = rec.type;
	it->labelled = rec.type == ADDS_RECORD_PICTURE && map.common && adds_mapping_targets(y, w->room, &map, pictures, &rec);
	if (!(it->m = adds_message_copy_without(m, rec.type == ADDS_RECORD_PICTURE ? made_anew : all, &err)))
		return err.code;
	if (it->labelled)
		set_targets(it->m, y);
	return 0;
}

static void
take(struct waiting *w, const struct adds_message *m, const char *choice, const struct adds_reader *r)
{
	if (take_item(&w->item[w->n++], w, m, choice) < 0)
		die("%s: record %llu: %s", adds_reader_name(r), (unsigned long long)adds_reader_records(r) - 1, err.msg);
	if (w->n == batch || w->bag.rows * w->bag.width * (int64_t)sizeof(float) > BATCH_BYTES)
		flush_waiting(w);
}

static void
score_pictures(struct adds_reader *r)
{
	const char *choice = adds_message_string(adds_reader_header(r), "tokens");
	struct waiting w = { 0 };
	const struct adds_message *m;
	int rc;

	w.bag.width = texts.width;
	w.item = cmd_alloc((size_t)batch, sizeof(*w.item));
	w.scores = cmd_alloc((size_t)batch * (size_t)texts.n, sizeof(*w.scores));
	w.zero = cmd_alloc(baseline ? (size_t)batch * (size_t)texts.n : 1, sizeof(*w.zero));
	w.targets = cmd_alloc((size_t)batch * (size_t)texts.n + 1, 1);
	w.room = cmd_alloc(adds_vocab_size(pictures) + 1, sizeof(*w.room));
	while ((rc = adds_reader_read(r, &m, &err)) > 0) {
		take(&w, m, choice ? choice : "cls", r);
		cmd_progress("%llu pictures, %.1f/s", (unsigned long long)adds_reader_records(r),
		             (double)adds_reader_records(r) / cmd_seconds());
	}
	if (rc < 0)
		die("%s", err.msg);
	flush_waiting(&w);
	adds_bag_release(&w.bag);
	free(w.item);
	free(w.scores);
	free(w.zero);
	free(w.targets);
	free(w.room);
}

static void
open_pictures(struct adds_reader *r)
{
	check_model(adds_message_string(adds_reader_header(r), "model"), "the features are");
	if (!(pictures = adds_vocab_from_header(adds_reader_header(r), &err)))
		die("%s: %s", adds_reader_name(r), err.msg);
	if (adds_vocab_size(pictures) == 0)
		say("the pictures have no vocabulary: nothing will be measured");
	else if (adds_mapping_init(&map, texts.vocab, pictures, strict, &err) < 0) {
		const int foreign = err.code == ADDS_EMISMATCH && !map.common;

		if (!foreign || !no_metrics || strict)
			die("%s: %s%s", labels_path, err.msg, foreign ? ", or score only, with --no-metrics" : "");
	}
	if (!map.known)
		map.known = cmd_alloc((size_t)texts.n + 1, 1);
	if (map.ignored)
		warn("%zu %s not in '%s' and ignored: %s%s", map.ignored,
		     ADDS_PLURAL(map.ignored, "label of the pictures is", "labels of the pictures are"), labels_path, map.first,
		     map.ignored > 3 ? ", ..." : "");
	scores.L = zero.L = texts.n;
}

/* what the checkpoint makes no use of */
static void
check_effect(void)
{
	if (!adds_scorer_looks_at_labels(scorer))
		cmd_refuse(
			"context no-visual-update",
			"would have no effect: no score of this checkpoint depends on other labels");
	if (!adds_scorer_reads(scorer))
		cmd_refuse(
			"read",
			adds_scorer_calibrated(scorer)
				? "would have no effect: a ridge reads the class tokens of all tiles"
				: "would have no effect: this checkpoint reads no zero-shot score");
	if (precision && backend_precision(b, PREC_BF16) != PREC_BF16)
		warn("this device has no bf16 products: computing in f32");
}

static void
open_scorer(void)
{
	struct adds_scorer_options o = { (enum adds_read)read_way, context_path ? &context : NULL, no_visual_update,
		                         (enum precision)precision };
	char why[256];

	if (!(b = backend_open(device, (int)threads, why, sizeof(why), &err)))
		die("%s", err.msg);
	say("device: %s%s%s", b->device, *why ? ": " : "", why);
	if (adds_texts_read(&texts, labels_path, &err) < 0)
		die("%s", err.msg);
	if (context_path && adds_texts_read(&context, context_path, &err) < 0)
		die("%s", err.msg);
	if (!(scorer = adds_scorer_open(b, zero_shot ? NULL : checkpoint, &texts, &o, &err)) ||
	    (checkpoint && (table || json_path || table_path || plot_path) &&
	     !(baseline = adds_scorer_open(b, NULL, &texts, &o, &err))))
		die("%s", err.msg);
	check_model(adds_scorer_model(scorer), "the checkpoint is");
	check_effect();
	say("%s", adds_scorer_summary(scorer));
}

static void
open_output(struct adds_reader *r, int to_stdout)
{
	const struct adds_writer_options w = { (int)level, 1 };
	struct adds_message *h;

	if (!output && !to_stdout)
		return;
	h = score_header(r);
	if (!(writer = adds_writer_open(output ? cmd_output(output) : "-", &w, &err)) || adds_writer_header(writer, h, &err) < 0)
		die("%s", err.msg);
	adds_message_free(h);
}

/* the header that metrics need, when scores were made here */
static void
own_score_header(void)
{
	scores.header.kind = adds_scorer_kind(scorer);
	scores.header.calibrated = adds_scorer_calibrated(scorer);
	scores.header.checkpoint = adds_scorer_id(scorer);
	scores.header.labels = texts.vocab;
	scores.header.known = map.known;
}

/* one file, one thing */
static void
check_outputs(int to_stdout)
{
	const char *const out[][2] = { { "-o", output }, { "--json", json_path }, { "--per-label", table_path }, { "--plot", plot_path } };
	size_t i, j;

	if (to_stdout && (is_stdout(json_path) || is_stdout(table_path) || is_stdout(plot_path)))
		usage("standard output carries the score stream: name a file for the metrics, or use -o");
	for (i = 1; i < sizeof(out) / sizeof(*out); i++)
		for (j = 0; j < i; j++)
			if (out[i][1] && out[j][1] && strcmp(out[i][1], out[j][1]) == 0)
				usage("'%s' cannot hold both %s and %s", out[i][1], out[j][0], out[i][0]);
}

static void
check_options(int to_stdout)
{
	static const char metrics[] = "json per-label plot unseen ap empty min-positives top at";

	if (!labels_path && (checkpoint || zero_shot || context_path || no_visual_update || output || no_metrics ||
	                     cmd_given("read")))
		usage("-t LABELS is missing: without it there are only scores to measure");
	if (zero_shot && checkpoint)
		usage("-c and --zero-shot exclude each other");
	if (zero_shot)
		cmd_refuse("context no-visual-update", "is for a checkpoint's visual branch: --zero-shot has none");
	if (no_visual_update)
		cmd_refuse("context", "is for a visual branch that looks at labels: --no-visual-update keeps it from that");
	if (no_metrics)
		cmd_refuse(metrics, "is about metrics, and --no-metrics wants none");
	if (to_stdout && !json_path && !table_path && !plot_path)
		cmd_refuse(metrics, "is about metrics, and standard output carries the score stream: "
		                    "use -o, --json, --per-label or --plot");
	cmd_device(device);
	check_outputs(to_stdout);
	if (labels_path && access(labels_path, R_OK) < 0 && strcmp(labels_path, "-"))
		die("cannot open '%s': %s", labels_path, strerror(errno));
	if (checkpoint && access(checkpoint, R_OK) < 0)
		die("cannot open '%s': %s", checkpoint, strerror(errno));
	if (labels_path && !checkpoint && !zero_shot)
		usage("-c CHECKPOINT, or --zero-shot");
}

static int
measure_scores(struct adds_reader *r)
{
	if (adds_scores_read(&scores, r, &err) < 0)
		die("%s", err.msg);
	report();
	return scores.errors > 0;
}

static int
evaluate(struct adds_reader *r, int to_stdout)
{
	int errors;

	open_pictures(r);
	open_output(r, to_stdout);
	score_pictures(r);
	if (writer && adds_writer_finish(writer, NULL, &err) < 0)
		die("%s", err.msg);
	own_score_header();
	if (!no_metrics)
		report();
	errors = scores.errors > 0;
	if (errors)
		warn("%lld error %s passed on", (long long)scores.errors, ADDS_PLURAL(scores.errors, "record", "records"));
	cmd_cost(adds_reader_records(r), "pictures");
	if (adds_scorer_most(scorer))
		warn("the device had memory for no more than %lld %s at once", (long long)adds_scorer_most(scorer),
		     ADDS_PLURAL(adds_scorer_most(scorer), "picture", "pictures"));
	adds_scorer_close(scorer);
	adds_scorer_close(baseline);
	backend_close(b);
	return errors;
}

int
main(int argc, char **argv)
{
	struct adds_reader *r;
	const char *in;
	int i, errors, to_stdout;

	/* arguments */
	cmd_init("adds-eval");
	cmd_wait_briefly(argv);
	i = cmd_parse(
		argc, argv, opts,
		"-t LABELS (-c CHECKPOINT | --zero-shot) [-o SCORES] [FEATURES]\n       adds-eval [options] SCORES",
		"Scores pictures for labels and measures the scores; given a score stream, measures alone.");
	if (argc - i > 1)
		usage("one input at most: join streams with cat");
	in = i < argc ? argv[i] : "-";
	set_report_options();
	to_stdout = labels_path && !output && !isatty(STDOUT_FILENO);
	check_options(to_stdout);
	table = !no_metrics && !to_stdout && !is_stdout(output) && !is_stdout(json_path) && !is_stdout(plot_path);

	/* prepare */
	if (labels_path)
		open_scorer();
	r = adds_reader_open_kind(cmd_input(in), labels_path ? 1u << ADDS_KIND_FEATURES : 1u << ADDS_KIND_SCORES, &err);
	if (!r)
		die("%s", err.msg);

	/* work */
	errors = labels_path ? evaluate(r, to_stdout) : measure_scores(r);
	cmd_warn_lines(adds_reader_warnings(r));
	adds_reader_close(r);
	cmd_exit(errors && strict ? CMD_FAILED : CMD_DONE);
}
