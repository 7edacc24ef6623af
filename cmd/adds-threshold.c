/* SPDX-License-Identifier: MIT
 * adds-threshold - fits thresholds on scores, or applies them: scores to tags */
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../lib/score/tags.h"
#include "../lib/score/threshold.h"
#include "cmd.h"
#include "tagout.h"

static const char *const methods[] = { "f1", "precision", "recall", "balance", "mcut", NULL };
static const char *const formats[] = { "jsonl", "tsv", "txt", "exiftool", NULL };

static struct adds_error err;
static const char *output = "-", *thresholds_path, *exclude_path, *undo_path;
static struct opt_list excluded_names;
static int method, mcut, no_parents, fallback_global, uncalibrated, strict;
static long long min_positives = 5, top, threads;
static double target = -1, fixed = NAN;
static struct tagout_options out = { TAGOUT_JSONL, ", ", "adds-sidecars.jsonl", 0, 0, 0 };

/* clang-format off */
static const struct opt opts[] = {
	OPT_STR('o', "output", "FILE", &output, "write here [standard output]"),
	OPT_GROUP("fitting (the default): scores of labelled pictures in, a thresholds file out"),
	OPT_CHOICE(0, "fit", "METHOD", &method, methods, "what each threshold is best for [f1]"),
	OPT_NUM(0, "target", "X", &target, 0, 1, "the precision or the recall to keep, with --fit precision or recall"),
	OPT_INT(0, "min-positives", "N", &min_positives, 1, 1e9, "labels with fewer take the global threshold [5]"),
	OPT_INT('j', "threads", "N", &threads, 0, 1024, "0: all cores [0]"),
	OPT_GROUP("applying: scores in, tags out"),
	OPT_STR(0, "apply", "FILE", &thresholds_path, "apply a thresholds file"),
	OPT_FLAG(0, "fallback-global", &fallback_global, "apply its global threshold to scores it was not fitted on"),
	OPT_NUM(0, "threshold", "X", &fixed, -1, 1, "tags with a probability (or cosine) >= X, without a file"),
	OPT_FLAG(0, "uncalibrated", &uncalibrated, "let --threshold take the sigmoid of uncalibrated logits for a probability"),
	OPT_INT(0, "top", "K", &top, 1, 1e9, "at most the best K tags a picture"),
	OPT_FLAG(0, "mcut", &mcut, "tags above the largest gap in the picture's scores"),
	OPT_LIST(0, "exclude", "NAME", &excluded_names, "never give this tag; may be given several times"),
	OPT_STR(0, "exclude-from", "FILE", &exclude_path, "never give these tags, one a line"),
	OPT_FLAG(0, "no-parents", &no_parents, "a tag does not bring the tags above it in the hierarchy"),
	OPT_CHOICE(0, "format", "FORM", &out.format, formats, "JSON Lines, tab-separated lines, a text file beside each picture, or JSON for exiftool -json= [jsonl]"),
	OPT_FLAG(0, "strict", &strict, "exit 1 if there were error records"),
	OPT_GROUP("text files beside pictures (--format txt)"),
	OPT_STR(0, "separator", "TEXT", &out.separator, "between tags; \\n is a line end [', ']"),
	OPT_FLAG(0, "replace-ext", &out.replace_ext, "photo.txt instead of photo.jpg.txt"),
	OPT_FLAG(0, "append", &out.append, "add to a file that is there already"),
	OPT_FLAG(0, "overwrite", &out.overwrite, "replace a file that is there already"),
	OPT_STR(0, "ledger", "FILE", &out.ledger, "where what was written is noted down [adds-sidecars.jsonl]"),
	OPT_STR(0, "undo", "LEDGER", &undo_path, "take back what that ledger says was written, and nothing else"),
	OPT_QUIET,
	OPT_VERBOSE,
	OPT_END
};
/* clang-format on */

/* ---- fitting ---- */

static int
fit(struct adds_reader *r)
{
	struct adds_scores scores;
	struct adds_thresholds t;
	char *text;
	size_t i, fallbacks = 0;

	if (adds_scores_read(&scores, r, &err) < 0)
		die("%s", err.msg);
	if (adds_thresholds_fit(&t, &scores, (enum adds_fit_method)method, target < 0 ? 0 : target,
	                        min_positives,
	                        threads ? (int)threads : (int)sysconf(_SC_NPROCESSORS_ONLN), &err) < 0)
		die("%s: %s", adds_reader_name(r), err.msg);
	if (!isfinite(t.global.threshold))
		warn("no threshold reaches --target %g over all labels: the global one is never met", target);
	if (!(text = adds_thresholds_print(&t, &err)))
		die("%s", err.msg);
	tagout_write_file(output, text);
	for (i = 0; i < t.n; i++)
		fallbacks += (size_t)t.cut[i].fallback;
	say("%lld %s, %zu %s, %zu with the global threshold %.6g (precision %.4f, recall %.4f, F1 %.4f)",
	    (long long)scores.n, ADDS_PLURAL(scores.n, "picture", "pictures"), t.n,
	    ADDS_PLURAL(t.n, "label", "labels"), fallbacks, t.global.threshold, t.global.precision,
	    t.global.recall, t.global.f1);
	free(text);
	i = scores.errors > 0;
	adds_thresholds_release(&t);
	adds_scores_release(&scores);
	return (int)i;
}

/* ---- applying ---- */

static void
exclude(uint8_t *excluded, const struct adds_vocab *labels, const char *name, const char *where)
{
	const int64_t row = adds_vocab_find(labels, name, strlen(name));

	if (row < 0)
		warn("%s: no label is called '%s'", where, name);
	else
		excluded[row] = 1;
}

static uint8_t *
make_excluded(const struct adds_vocab *labels)
{
	uint8_t *excluded = cmd_alloc(adds_vocab_size(labels), 1);
	struct adds_vocab *names = NULL;
	size_t i;

	for (i = 0; i < excluded_names.n; i++)
		exclude(excluded, labels, excluded_names.item[i], "--exclude");
	if (exclude_path && !(names = adds_vocab_read(exclude_path, &err)))
		die("%s", err.msg);
	for (i = 0; names && i < adds_vocab_size(names); i++)
		exclude(excluded, labels, adds_vocab_name(names, i), exclude_path);
	adds_vocab_free(names);
	return excluded;
}

/* --threshold as a score: the cosine itself, or the logit of the probability */
static float
fixed_score(const struct adds_score_header *h)
{
	if (h->kind == ADDS_SCORE_SIMILARITY)
		return (float)fixed;
	if (!h->calibrated && !uncalibrated)
		die("these logits are not calibrated: their sigmoid is no probability (fit thresholds, or say --uncalibrated)");
	if (!(fixed >= 0))
		usage("--threshold %g: a probability lies between 0 and 1", fixed);
	return (float)log(fixed / (1 - fixed));
}

static float *
make_cuts(const struct adds_score_header *h)
{
	const size_t L = adds_vocab_size(h->labels);
	struct adds_thresholds t;
	float *cut;
	size_t i;

	if (!thresholds_path && !isfinite(fixed))
		return NULL;
	cut = cmd_alloc(L, sizeof(*cut));
	for (i = 0; isfinite(fixed) && i < L; i++)
		cut[i] = fixed_score(h);
	if (!thresholds_path)
		return cut;
	if (adds_thresholds_read(&t, thresholds_path, &err) < 0)
		die("%s", err.msg);
	if (adds_thresholds_for(cut, &t, h, fallback_global, &err) < 0)
		die("%s: %s", thresholds_path, err.msg);
	adds_thresholds_release(&t);
	return cut;
}

/* the tags of each picture to t; how many error records there were */
static int64_t
tag_pictures(struct adds_reader *r, struct tagout *t, const struct adds_score_header *h, const struct adds_tag_rule *rule)
{
	const int64_t L = (int64_t)adds_vocab_size(h->labels);
	int32_t *rows = cmd_alloc((size_t)L, sizeof(*rows));
	int64_t *room = cmd_alloc(2 * (size_t)L, sizeof(*room)), n, errors = 0;
	const struct adds_message *m;
	struct adds_record rec;
	int rc;

	while ((rc = adds_reader_read(r, &m, &err)) > 0) {
		if (adds_record_parse(&rec, m, L, &err) < 0)
			die("%s: record %llu: %s", adds_reader_name(r), (unsigned long long)adds_reader_records(r) - 1, err.msg);
		errors += rec.type == ADDS_RECORD_ERROR;
		if (rec.type == ADDS_RECORD_ERROR)
			tagout_error(t, &rec);
		if (rec.type != ADDS_RECORD_PICTURE)
			continue;
		if (adds_score_check(h, &rec, &err) < 0)
			die("%s: record %llu: %s", adds_reader_name(r), (unsigned long long)adds_reader_records(r) - 1, err.msg);
		n = adds_tags_pick(rows, room, rec.scores, h->labels, rule);
		tagout_picture(t, &rec, rows, n);
		cmd_progress("%llu pictures", (unsigned long long)adds_reader_records(r));
	}
	if (rc < 0)
		die("%s", err.msg);
	free(rows);
	free(room);
	return errors;
}

static int
apply(struct adds_reader *r)
{
	struct adds_score_header h;
	struct adds_tag_rule rule = { .top = top, .mcut = mcut, .parents = !no_parents };
	struct tagout *t;
	int64_t errors;
	float *cut;
	uint8_t *excluded;
	int rc;

	if (adds_score_header_read(&h, r, &err) < 0)
		die("%s", err.msg);
	rule.cut = cut = make_cuts(&h);
	rule.excluded = excluded = make_excluded(h.labels);
	t = tagout_open(output, &out, &h);
	errors = tag_pictures(r, t, &h, &rule);
	if (errors)
		warn("%lld %s could not be read upstream (error records)", (long long)errors,
		     ADDS_PLURAL(errors, "picture", "pictures"));
	rc = tagout_close(t);
	cmd_cost(adds_reader_records(r), "pictures");
	free(cut);
	free(excluded);
	adds_score_header_release(&h);
	return rc || (errors && strict);
}

static int
undo(void)
{
	int64_t undone, changed;

	if (adds_sidecars_undo(undo_path, &undone, &changed, &err) < 0)
		die("%s", err.msg);
	if (changed)
		fault("%lld %s changed by somebody since and left as %s", (long long)changed,
		      ADDS_PLURAL(changed, "file was", "files were"),
		      ADDS_PLURAL(changed, "it is", "they are"));
	say("%lld %s taken back", (long long)undone, ADDS_PLURAL(undone, "file", "files"));
	return changed > 0;
}

/* A shell hands on \n, \r, \t and \\ as they are written. */
static const char *
unescape(const char *text)
{
	static const char letters[] = "nrt\\", meant[] = "\n\r\t\\";
	char *const out = cmd_alloc(strlen(text) + 1, 1), *to = out;

	for (; *text; text++) {
		const char *letter = text[0] == '\\' && text[1] ? strchr(letters, text[1]) : NULL;

		*to++ = letter ? meant[letter - letters] : *text;
		text += letter != NULL;
	}
	return out;
}

static void
check_fitting(void)
{
	const int needs_target = method == ADDS_FIT_PRECISION || method == ADDS_FIT_RECALL;

	if (needs_target && target < 0)
		usage("--fit %s needs --target", methods[method]);
	if (!needs_target && target >= 0)
		usage("--target goes with --fit precision or --fit recall");
	cmd_refuse("format exclude exclude-from no-parents uncalibrated separator replace-ext append overwrite ledger",
	           "is for tags: say --apply, --threshold, --top or --mcut");
}

static void
check_applying(void)
{
	cmd_refuse("fit target min-positives", "makes thresholds; --apply, --threshold, --top and --mcut use them");
	if (thresholds_path && isfinite(fixed))
		usage("--apply and --threshold exclude each other");
	if (out.append && out.overwrite)
		usage("--append and --overwrite exclude each other");
	if (!isfinite(fixed))
		cmd_refuse("uncalibrated", "goes with --threshold");
	if (out.format != TAGOUT_TXT)
		cmd_refuse("separator replace-ext append overwrite ledger", "goes with --format txt");
	if (strcmp(output, "-") && out.format == TAGOUT_TXT)
		usage("--format txt writes beside the pictures: there is nothing for -o");
	out.separator = unescape(out.separator);
}

static void
check_options(int applying, const char *input)
{
	if (undo_path && (applying || strcmp(output, "-") || input))
		usage("--undo LEDGER goes alone");
	if (undo_path) {
		cmd_refuse("fit target min-positives fallback-global uncalibrated exclude exclude-from no-parents format strict "
		           "separator replace-ext append overwrite ledger",
		           "does not go with --undo");
		return;
	}
	if (fallback_global && !thresholds_path)
		usage("--fallback-global goes with --apply");
	if (applying)
		check_applying();
	else
		check_fitting();
}

int
main(int argc, char **argv)
{
	struct adds_reader *r;
	const char *in;
	int i, applying, failed;

	cmd_init("adds-threshold");
	i = cmd_parse(
		argc, argv, opts,
		"[--fit METHOD] [-o THRESHOLDS] [SCORES]\n       adds-threshold --apply THRESHOLDS [--format FORM] [SCORES]\n       adds-threshold --undo LEDGER",
		"Picks thresholds for scores, one for each label and one for all, or turns scores into tags.");
	if (argc - i > 1)
		usage("one input at most: join streams with cat");
	in = i < argc ? argv[i] : NULL;
	applying = thresholds_path || isfinite(fixed) || top || mcut;
	check_options(applying, in);
	if (undo_path)
		cmd_exit(undo() ? CMD_FAILED : CMD_DONE);
	if (!(r = adds_reader_open_kind(cmd_input(in ? in : "-"), 1u << ADDS_KIND_SCORES, &err)))
		die("%s", err.msg);
	failed = applying ? apply(r) : fit(r) && strict;
	cmd_warn_lines(adds_reader_warnings(r));
	adds_reader_close(r);
	cmd_exit(failed ? CMD_FAILED : CMD_DONE);
}
