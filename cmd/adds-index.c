/* SPDX-License-Identifier: MIT
 * adds-index - finds pictures and their labels, and writes an index stream */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "index.h"

enum {
	SIDECARS_AUTO,
	SIDECARS_JSON,
	SIDECARS_TXT,
	SIDECARS_NONE,
};

static const char *const sidecar_kinds[] = { "auto", "json", "txt", "none", NULL };
static const char *const unknowns[] = { "stop", "skip", "add", NULL };
static const char *const rests[] = { "negative", "unknown", NULL };
static const char *const hashes[] = { "path", "content", NULL };
static const char *const on_errors[] = { "stop", "skip", NULL };

/* ---- options ---- */
static const char *output = "-", *files_from, *tags, *split, *take, *shard;
static struct opt_list tables;
static int nul, embed, include_hidden, sidecars, on_unknown, rest, require_labels, supercategories, by, strict;
static int on_error = -1; /* not given: labels stop, pictures are skipped */
static long long seed, threads, level = 1;

/* clang-format off */
static const struct opt opts[] = {
	OPT_STR('o', "output", "FILE", &output, "write the index stream here [standard output]"),
	OPT_GROUP("pictures"),
	OPT_STR(0, "files-from", "FILE", &files_from, "take further arguments from FILE, one a line; - is standard input"),
	OPT_FLAG('0', "null", &nul, "names in the list of --files-from end with NUL bytes"),
	OPT_FLAG(0, "include-hidden", &include_hidden, "also names that begin with a dot (never .git and @eaDir)"),
	OPT_FLAG(0, "embed", &embed, "put the pictures' bytes into the stream"),
	OPT_GROUP("labels"),
	OPT_STR(0, "tags", "FILE", &tags, "vocabulary: organized_Tags.json, or one name a line"),
	OPT_LIST(0, "labels", "FILE", &tables, "labels of many pictures: COCO .json, .jsonl, .csv, .tsv; may be repeated"),
	OPT_CHOICE(0, "sidecars", "KIND", &sidecars, sidecar_kinds, "label files beside the pictures; auto: JSON, else text, none with --labels [auto]"),
	OPT_CHOICE(0, "on-unknown", "HOW", &on_unknown, unknowns, "tags that the vocabulary lacks [stop]"),
	OPT_CHOICE(0, "unstated", "HOW", &rest, rests, "labels that a file with positives alone does not name [negative]"),
	OPT_FLAG(0, "supercategories", &supercategories, "COCO's supercategories become labels, parents of their categories"),
	OPT_FLAG(0, "require-labels", &require_labels, "stop at a picture without labels"),
	OPT_GROUP("parts"),
	OPT_STR(0, "split", "NAME=X,...", &split, "parts by hash, shares that add up to 1: train=0.8,val=0.2"),
	OPT_STR(0, "take", "NAME", &take, "the part of --split to write"),
	OPT_STR(0, "shard", "K/N", &shard, "the K-th of N shards (of the part), K from 1"),
	OPT_CHOICE(0, "by", "WHAT", &by, hashes, "hash the path in its argument, or the picture's bytes [path]"),
	OPT_INT(0, "seed", "N", &seed, 0, 9007199254740992.0, "of the hash [0]"),
	OPT_GROUP("errors and the machine"),
	OPT_CHOICE(0, "on-error", "HOW", &on_error, on_errors, "skip: error records [label files stop, pictures skip]"),
	OPT_FLAG(0, "strict", &strict, "exit 1 if there were error records"),
	OPT_INT('j', "threads", "N", &threads, 0, 1024, "0: all cores [0]"),
	OPT_INT(0, "level", "N", &level, 1, 19, "zstd level of the output [1]"),
	OPT_QUIET,
	OPT_VERBOSE,
	OPT_END
};
/* clang-format on */

/* One NAME=X of a split. Returns the share; *part: whether it is the one to take. */
static double
read_share(const char *s, size_t n, int *part)
{
	const char *equals = memchr(s, '=', n);
	char *end;
	double x;

	if (!equals || equals == s)
		usage("--split: '%.*s' is not like NAME=0.5", (int)n, s);
	x = cmd_strtod(equals + 1, &end);
	if (end != s + n || !(x > 0 && x <= 1))
		usage("--split: '%.*s' has no share above 0 and up to 1", (int)n, s);
	*part = strlen(take) == (size_t)(equals - s) && strncmp(take, s, (size_t)(equals - s)) == 0;
	return x;
}

/* The bounds of the part among all shares laid end to end. */
static void
parse_split(double *from, double *to)
{
	const char *s = split;
	double at = 0;
	int found = 0, part;
	size_t n;

	*from = 0;
	*to = 2;
	if (!split && !take)
		return;
	if (!split || !take)
		usage("--split and --take belong together: --split train=0.8,val=0.2 --take val");
	for (;; s += n + 1) {
		double x;

		n = strcspn(s, ",");
		x = read_share(s, n, &part);
		if (part && found++)
			usage("--split: '%s' stands twice", take);
		if (part)
			*from = at;
		at += x;
		if (part)
			*to = s[n] ? at : 2;
		if (!s[n])
			break;
	}
	if (fabs(at - 1) > 1e-6)
		usage("--split: the shares add up to %g, not 1", at);
	if (!found)
		usage("--take: '%s' is none of the parts of '%s'", take, split);
}

static void
parse_shard(uint64_t *k, uint64_t *n)
{
	unsigned long long a, b;
	char rest_of_it;

	*k = 0;
	*n = 1;
	if (!shard)
		return;
	if (strspn(shard, "0123456789/") != strlen(shard) || sscanf(shard, "%9llu/%9llu%c", &a, &b, &rest_of_it) != 2 ||
	    a < 1 || b < a)
		usage("--shard: '%s' is not like 2/8: K from 1 to N", shard);
	*k = a - 1;
	*n = b;
}

static unsigned
files_beside(void)
{
	if (sidecars == SIDECARS_NONE || (sidecars == SIDECARS_AUTO && tables.n))
		return 0;
	if (sidecars == SIDECARS_JSON)
		return INDEX_LONG_JSON | INDEX_SHORT_JSON;
	if (sidecars == SIDECARS_TXT)
		return INDEX_LONG_TEXT | INDEX_SHORT_TEXT;
	return INDEX_ANY;
}

static int
cores(void)
{
	const long n = sysconf(_SC_NPROCESSORS_ONLN);

	return threads ? (int)threads : n < 1 ? 1
	                        : n > 64      ? 64
	                                      : (int)n;
}

static void
put_option(cJSON *o, const char *name, const char *value)
{
	if (value && !cJSON_AddStringToObject(o, name, value))
		die("out of memory");
}

/* those options that change the result, where they are not the default */
static cJSON *
options_json(void)
{
	cJSON *o = cJSON_CreateObject();
	char text[32];

	if (!o)
		die("out of memory");
	snprintf(text, sizeof(text), "%lld", seed);
	put_option(o, "embed", embed ? "1" : NULL);
	put_option(o, "include-hidden", include_hidden ? "1" : NULL);
	put_option(o, "sidecars", sidecars ? sidecar_kinds[sidecars] : NULL);
	put_option(o, "on-unknown", on_unknown ? unknowns[on_unknown] : NULL);
	put_option(o, "unstated", rest ? rests[rest] : NULL);
	put_option(o, "supercategories", supercategories ? "1" : NULL);
	put_option(o, "split", split);
	put_option(o, "take", take);
	put_option(o, "shard", shard);
	put_option(o, "by", by ? hashes[by] : NULL);
	put_option(o, "seed", (split || shard) && seed ? text : NULL);
	put_option(o, "on-error", on_error >= 0 ? on_errors[on_error] : NULL);
	return o;
}

static struct adds_writer *
open_output(const struct index_labels *labels)
{
	const struct adds_writer_options options = { .level = (int)level };
	struct adds_error err;
	struct adds_message *h = adds_header_new(ADDS_KIND_INDEX, &err);
	struct adds_writer *w;

	if (!h || adds_provenance_add(h, "adds-index", options_json(), &err) < 0 ||
	    (adds_vocab_size(labels->v) && adds_vocab_to_header(labels->v, h, &err) < 0) ||
	    !(w = adds_writer_open(output, &options, &err)))
		die("%s", err.msg);
	if (adds_writer_header(w, h, &err) < 0) {
		adds_writer_abort(w);
		die("%s", err.msg);
	}
	adds_message_free(h);
	return w;
}

#define CONVERT "convert it to .jpg, .png or .webp, for example with ImageMagick"

/* Files were named, and none is a picture: who named them meant something else. */
static int
nothing_but_others(const struct index_pictures *p, struct adds_error *err)
{
	if (p->n || !p->left_out)
		return 0;
	if (index_format_of(p->left_out_name) >= 0)
		return adds_fail(err, ADDS_EARG, "'%s' is of a format that is not read: " CONVERT, p->left_out_name);
	return adds_fail(
		err, ADDS_EARG,
		"'%s' is no picture by name (.png .jpg .jpeg .webp): --files-from takes a list of pictures, --tags a vocabulary, --labels labels of pictures",
		p->left_out_name);
}

/* one warning of all pictures in folders whose formats are not read */
static void
report_unread(const struct index_pictures *p)
{
	char kinds[32 * INDEX_FORMATS] = "";
	size_t total = 0, n = 0, i;

	for (i = 0; i < INDEX_FORMATS; i++) {
		if (!p->unread[i])
			continue;
		n += (size_t)snprintf(kinds + n, sizeof(kinds) - n, "%s.%s %zu", total ? ", " : "",
		                      index_formats[i], p->unread[i]);
		total += p->unread[i];
	}
	if (total)
		warn("%zu %s of a format that is not read and left out (%s), the first: '%s': " CONVERT, total,
		     ADDS_PLURAL(total, "picture is", "pictures are"), kinds, p->unread_name);
}

/* what was found, or not taken for a picture */
static void
report_pictures(const struct index_pictures *p)
{
	say("%zu %s found", p->n, ADDS_PLURAL(p->n, "picture", "pictures"));
	if (p->loops)
		say("links that lead back to a folder they lie in were left out: %zu, the first: '%s'", p->loops, p->loop_name);
	if (p->left_out)
		warn("%zu named %s by name (.png .jpg .jpeg .webp) and left out, the first: '%s'", p->left_out,
		     ADDS_PLURAL(p->left_out, "file is no picture", "files are no pictures"), p->left_out_name);
	report_unread(p);
	if (!p->n)
		warn("no picture (.png .jpg .jpeg .webp) was found");
}

static void
report(const struct index_run *run)
{
	say("records: %llu; labelled pictures: %llu, without labels: %llu, errors: %llu", (unsigned long long)run->written,
	    (unsigned long long)run->labelled, (unsigned long long)run->unlabelled, (unsigned long long)run->errors);
	if (run->unknown)
		warn("%llu %s not in the vocabulary and left out, the first: '%s'", (unsigned long long)run->unknown,
		     ADDS_PLURAL(run->unknown, "tag is", "tags are"), run->first_unknown);
	if (run->labelled && run->unlabelled)
		warn("%llu of %llu pictures %s no labels: neither trained on nor measured", (unsigned long long)run->unlabelled,
		     (unsigned long long)run->written, ADDS_PLURAL(run->unlabelled, "has", "have"));
	if (run->errors)
		warn("%llu of %llu pictures became %s, the first: %s",
		     (unsigned long long)run->errors, (unsigned long long)run->written,
		     ADDS_PLURAL(run->errors, "an error record", "error records"),
		     run->first_error);
	cmd_cost(run->written, "pictures");
}

/* options that are for something that is not done */
static void
check_options(int arguments)
{
	if (!arguments && !files_from)
		usage("which pictures? name folders or files, or use --files-from");
	if (nul && !files_from)
		usage("-0 speaks of the list of --files-from");
	if (!split && !shard)
		cmd_refuse("by", "says what --split or --shard hashes: neither is there");
	if (!tables.n)
		cmd_refuse("supercategories", "goes with --labels FILE: a COCO file has them");
}

/* what the options say, in the words of the parts */
static void
set_up(struct index_run *run, struct index_pictures *p, struct index_labels *l, char **argument, int arguments)
{
	run->pictures = p;
	run->labels = l;
	parse_split(&run->from, &run->to);
	parse_shard(&run->shard, &run->shards);
	run->threads = cores();
	run->embed = embed;
	run->by_content = by;
	run->seed = (uint64_t)seed;
	run->require_labels = require_labels;
	run->stop_labels = on_error != 1;
	run->stop_pictures = on_error == 0;
	p->argument = (const char *const *)argument;
	p->arguments = (size_t)arguments;
	p->list = files_from;
	p->list_nul = nul;
	p->include_hidden = include_hidden;
	l->on_unknown = on_unknown;
	l->unknown_rest = rest;
	l->beside = files_beside();
	l->supercategories = supercategories;
}

int
main(int argc, char **argv)
{
	struct index_pictures pictures = { 0 };
	struct index_labels labels = { 0 };
	struct index_run run = { 0 };
	struct index_kept *kept = NULL;
	struct adds_writer *w;
	struct adds_error err;
	int first, first_pass;

	/* arguments */
	cmd_init("adds-index");
	first = cmd_parse(argc, argv, opts, "[-0qv] [-o FILE] [--tags FILE] [--labels FILE] [options] FOLDER|FILE ...",
	                  "Finds pictures and their labels, and writes an index stream.");
	check_options(argc - first);
	set_up(&run, &pictures, &labels, argv + first, argc - first);
	cmd_output(output);

	/* prepare */
	index_check(&pictures);
	first_pass = !index_vocabulary(&labels, tags, pictures.argument, pictures.arguments) || on_unknown == INDEX_ADD;
	index_tables(&labels, &tables, pictures.argument, pictures.arguments);
	index_bind(&labels, first_pass);
	index_find_start(&pictures);
	if (first_pass) {
		if (index_find_join(&pictures, &err) < 0)
			die("%s", err.msg);
		run.kept = kept = index_gather(&labels, &pictures, run.threads, run.stop_labels);
	}

	/* work */
	w = open_output(&labels);
	if (index_run(&run, w, &err) < 0 || (!first_pass && index_find_join(&pictures, &err) < 0) ||
	    nothing_but_others(&pictures, &err) < 0) {
		adds_writer_abort(w);
		die("%s", err.msg);
	}
	if (adds_writer_finish(w, NULL, &err) < 0)
		die("%s", err.msg);
	report_pictures(&pictures);
	index_report_tables(&labels, &pictures);
	report(&run);
	index_kept_free(kept);
	cmd_exit(strict && run.errors ? CMD_FAILED : CMD_DONE);
}
