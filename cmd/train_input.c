/* SPDX-License-Identifier: MIT
 * train_input.c - labels and features of adds-train */
#define _XOPEN_SOURCE 700 /* realpath */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../lib/stream/output.h"
#include "train.h"

#define LABELS_LIMIT ((size_t)4 << 30)

/* what is needed when a stream's header is there */
struct ready {
	struct train_input *in;
	const struct train_args *a;
	struct adds_run *run;
	struct backend *b;
};

static int
is_regular(const char *path)
{
	struct stat st;

	return strcmp(path, "-") != 0 && stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

/* kinds of stream that it may be, as a bit mask; 0: it is a list of names */
static void
check_readable(const char *path, unsigned kinds)
{
	struct adds_error err;

	if ((kinds ? adds_refuse_folder_for(path, kinds, &err) : adds_refuse_folder(path, "a list of names", NULL, &err)) < 0)
		die("%s", err.msg);
	if (strcmp(path, "-") == 0)
		cmd_input(path);
	else if (access(path, R_OK) < 0)
		die("cannot read '%s': %s", path, strerror(errno));
}

void
train_check_input(const struct train_args *a)
{
	if (a->resume)
		return;
	if (a->labels)
		check_readable(a->labels, 1u << ADDS_KIND_LABELS);
	else
		train_check_model(a);
	check_readable(a->input, 1u << ADDS_KIND_FEATURES);
	if (a->val)
		check_readable(a->val, 1u << ADDS_KIND_FEATURES);
	if (a->holdout)
		check_readable(a->holdout, 0);
}

static char *
run_path(struct adds_run *run, const char *name)
{
	struct adds_error err;
	char *path = adds_run_path(run, name, &err);

	if (!path)
		die("%s", err.msg);
	return path;
}

/* ---- labels ---- */

/* the label stream, byte for byte, into the run's folder */
static void
copy_labels(struct adds_run *run, const char *from, const char *to)
{
	struct adds_output *o = NULL;
	struct adds_error err;
	size_t n = 0;
	char *bytes = adds_read_file(from, LABELS_LIMIT, &n, &err);

	if (!bytes || !(o = adds_output_open(to, &err)))
		train_give_up(run, "%s", err.msg);
	if (adds_output_write(o, bytes, n, &err) < 0) {
		adds_output_abort(o);
		train_give_up(run, "%s", err.msg);
	}
	if (adds_output_commit(o, &err) < 0)
		train_give_up(run, "%s", err.msg);
	free(bytes);
}

static void
read_labels(struct train_input *in, const struct train_args *a, struct adds_run *run)
{
	char *path = run_path(run, "labels.adds");
	const char *from = path;
	struct adds_error err;

	if (!a->resume) {
		copy_labels(run, a->labels, path);
		if (is_regular(a->labels))
			from = a->labels;
	}
	if (adds_texts_read(&in->texts, from, &err) < 0)
		train_give_up(run, "%s", err.msg);
	say("labels: %lld, of width %d", (long long)in->texts.n, in->texts.width);
	free(path);
}

static void
read_holdout(struct train_input *in, const struct train_args *a, const cJSON *config, struct adds_run *run)
{
	const cJSON *names = cJSON_GetObjectItemCaseSensitive(config, "holdout"), *name;
	struct adds_error err;

	if (!a->resume) {
		if (a->holdout && !(in->holdout = adds_vocab_read(a->holdout, &err)))
			train_give_up(run, "%s", err.msg);
		return;
	}
	if (!cJSON_IsArray(names))
		return;
	if (!(in->holdout = adds_vocab_new()))
		die("out of memory");
	cJSON_ArrayForEach(name, names) if (!cJSON_IsString(name) ||
	                                    adds_vocab_add(in->holdout, name->valuestring,
	                                                   strlen(name->valuestring), &err) < 0)
		die("%s/config.json: /holdout holds something else than labels", run->dir);
}

/* ---- features ---- */

static int
header_ready(void *to, const char *path, struct adds_error *err)
{
	const struct ready *r = to;
	struct adds_dataset *d;
	int rc;

	if (!r->in->texts.n && (rc = train_encode(&r->in->texts, path, r->a, r->run, r->b, err)) < 0)
		return rc;
	if (!(d = adds_dataset_open(path, &r->in->texts, r->a->strict, err)))
		return err->code;
	adds_dataset_free(d);
	return 0;
}

static char *
spool(struct ready *r, const char *from, const char *name)
{
	const int fd = strcmp(from, "-") == 0 ? STDIN_FILENO : open(from, O_RDONLY | O_CLOEXEC);
	struct adds_error err;

	if (fd < 0)
		train_give_up(r->run, "cannot read '%s': %s", from, strerror(errno));
	if (adds_run_spool(r->run, fd, name, header_ready, r, &err) < 0)
		train_give_up(r->run, "%s: %s", fd == STDIN_FILENO ? "<stdin>" : from, err.msg);
	if (fd != STDIN_FILENO)
		close(fd);
	return run_path(r->run, name);
}

/* the features that the run which is replaced got through a pipe */
static char *
in_old_run(const struct train_args *a)
{
	const size_t n = strlen(a->out) + 16;
	char *path = cmd_alloc(n, 1);

	snprintf(path, n, "%s/features.adds", a->out);
	return path;
}

/* Is it those that the new run is trained on? They then move along with it. */
static int
is_in_old_run(const struct train_args *a, const char *path)
{
	char *old = in_old_run(a);
	struct stat x, y;
	const int same = a->replace && stat(old, &x) == 0 && stat(path, &y) == 0 && x.st_dev == y.st_dev &&
	                 x.st_ino == y.st_ino;

	free(old);
	return same;
}

/* where the features lie: the file itself, or what came through a pipe */
static char *
locate(struct ready *r, const char *from, const cJSON *config, const char *key, const char *name)
{
	const cJSON *kept = cJSON_GetObjectItemCaseSensitive(config, key);
	struct adds_error err;
	char *path;

	if (!r->a->resume && !is_regular(from))
		return spool(r, from, name);
	path = cJSON_IsString(kept) ? strdup(kept->valuestring) : run_path(r->run, name);
	if (!path)
		die("out of memory");
	if (access(path, R_OK) < 0 && r->a->replace && strcmp(key, "features") == 0) {
		free(path);
		path = in_old_run(r->a);
	}
	if (access(path, R_OK) < 0)
		die("cannot read '%s', which the run in '%s' is trained on: %s", path, r->run->dir, strerror(errno));
	if (!r->a->resume && header_ready(r, path, &err) < 0)
		train_give_up(r->run, "%s", err.msg);
	return path;
}

static void
show_progress(void *to, uint64_t records)
{
	(void)to;
	cmd_progress("%llu pictures read", (unsigned long long)records);
}

static size_t
memory_of(const struct train_args *a)
{
	const long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);

	if (a->memory >= 0)
		return (size_t)a->memory << 20;
	return pages > 0 && page > 0 ? (size_t)pages * (size_t)page / 4 : (size_t)1 << 30;
}

static void
warn_about(const struct adds_dataset *d)
{
	const char *name = adds_reader_name(d->reader);

	cmd_warn_lines(adds_reader_warnings(d->reader));
	if (d->map.ignored)
		warn("%s: %zu %s not in the label stream and ignored: %s%s", name, d->map.ignored,
		     ADDS_PLURAL(d->map.ignored, "label of the pictures is",
		                 "labels of the pictures are"),
		     d->map.first, d->map.ignored > 3 ? ", ..." : "");
	if (d->errors)
		warn("%s: %llu %s could not be read: left out", name, (unsigned long long)d->errors,
		     ADDS_PLURAL(d->errors, "picture", "pictures"));
	if (d->unlabelled)
		warn("%s: %llu %s left out", name, (unsigned long long)d->unlabelled,
		     ADDS_PLURAL(d->unlabelled, "picture without labels is", "pictures without labels are"));
	say("%s: labelled pictures: %lld, of up to %lld %s, %s", name, (long long)d->n, (long long)d->most_tokens,
	    ADDS_PLURAL(d->most_tokens, "token", "tokens"),
	    d->in_memory ? "in memory" : "read from the file as they are needed");
}

static struct adds_dataset *
load(const struct train_input *in, const char *path, const struct train_args *a, struct adds_run *run, struct adds_ranks *ranks)
{
	struct adds_error err;
	struct adds_dataset *d = adds_dataset_open(path, &in->texts, a->strict, &err);
	int rc = d ? 0 : err.code;

	if (d)
		rc = adds_dataset_load_one(d, memory_of(a), adds_ranks_first(ranks) ? show_progress : NULL, NULL, ranks, &err);
	train_agree(ranks, run, rc, &err);
	adds_dataset_lend(d, ranks);
	cmd_progress_end();
	warn_about(d);
	return d;
}

static void
warn_of_holdout(const struct train_input *in, const char *path)
{
	const size_t n = adds_vocab_size(in->holdout);
	size_t i, missing = 0;

	for (i = 0; i < n; i++) {
		const char *name = adds_vocab_name(in->holdout, i);

		missing += adds_vocab_find(in->texts.vocab, name, strlen(name)) < 0;
	}
	if (missing)
		warn("%s: %zu of %zu names %s not among the labels", path, missing, n, ADDS_PLURAL(missing, "is", "are"));
}

/* features that validate should be made as those that train */
static void
warn_of_validation(const struct adds_dataset *train, const struct adds_dataset *val)
{
	static const char *const fields[] = { "prep", "side", "levels", "tokens", "pool" };
	const cJSON *t = adds_message_meta_const(adds_reader_header(train->reader));
	const cJSON *v = adds_message_meta_const(adds_reader_header(val->reader));
	size_t i;

	for (i = 0; i < sizeof(fields) / sizeof(*fields); i++) {
		const cJSON *a = cJSON_GetObjectItemCaseSensitive(t, fields[i]),
			    *b = cJSON_GetObjectItemCaseSensitive(v, fields[i]);
		char *x = a ? adds_json_print(a) : NULL, *y = b ? adds_json_print(b) : NULL;

		if (!a != !b || (a && !cJSON_Compare(a, b, 1)))
			warn("%s: '%s' is %.200s, but %.200s in the features that train",
			     adds_reader_name(val->reader), fields[i], y ? y : "absent",
			     x ? x : "absent");
		free(x);
		free(y);
	}
}

/* ---- all of it ---- */

static void
split(struct train_input *in, const struct train_args *a, struct adds_run *run, struct adds_ranks *ranks)
{
	const size_t n = (size_t)in->train->n + 1, m = (size_t)(in->val ? in->val->n : in->train->n) + 1;
	struct adds_error err;
	int64_t i;
	int rc = 0;

	in->train_list = cmd_alloc(n, sizeof(*in->train_list));
	in->val_list = cmd_alloc(m, sizeof(*in->val_list));
	adds_dataset_split(in->train, in->val ? 0 : a->val_split, in->train_list, &in->ntrain, in->val_list, &in->nval);
	if (in->val) {
		in->nval = in->val->n;
		for (i = 0; i < in->nval; i++)
			in->val_list[i] = i;
	}
	if (in->train->n == 0)
		rc = adds_fail(&err, ADDS_EMISMATCH, "%s: no labelled picture to train on", adds_reader_name(in->train->reader));
	else if (in->val && in->nval == 0)
		rc = adds_fail(&err, ADDS_EMISMATCH, "%s: no labelled picture to validate on", adds_reader_name(in->val->reader));
	else if (in->nval == 0 && a->val_split > 0)
		rc = adds_fail(
			&err, ADDS_EMISMATCH,
			"none of the %lld labelled pictures validates: give --val FILE, or a larger --val-split (0: no validation)",
			(long long)in->train->n);
	train_agree(ranks, run, rc, &err);
}

static void
put_config(const struct train_input *in, const struct train_args *a, struct adds_run *run)
{
	cJSON *config = train_config(a), *names;
	char *features = is_regular(a->input) && !is_in_old_run(a, a->input) ? realpath(a->input, NULL) : NULL;
	char *val = a->val && is_regular(a->val) ? realpath(a->val, NULL) : NULL;
	struct adds_error err;
	size_t i;

	cJSON_AddItemToObject(config, "features", features ? cJSON_CreateString(features) : cJSON_CreateNull());
	if (a->val)
		cJSON_AddItemToObject(config, "val", val ? cJSON_CreateString(val) : cJSON_CreateNull());
	if (in->holdout) {
		names = cJSON_AddArrayToObject(config, "holdout");
		for (i = 0; i < adds_vocab_size(in->holdout); i++)
			cJSON_AddItemToArray(names, cJSON_CreateString(adds_vocab_name(in->holdout, i)));
	}
	if (adds_run_put_json(run, "config.json", config, &err) < 0)
		train_give_up(run, "%s", err.msg);
	cJSON_Delete(config);
	free(features);
	free(val);
}

void
train_place_input(struct train_input *in, struct train_args *a, struct adds_run *run, struct backend *b)
{
	struct ready r = { in, a, run, b };
	struct adds_error err;
	cJSON *config;

	if (a->resume && (config = adds_run_get_json(run, "config.json", &err)))
		train_take_config(a, config, run->dir);
	else if (a->resume)
		die("%s", err.msg);
	if (a->resume || a->labels)
		read_labels(in, a, run);
	if (!a->resume) {
		read_holdout(in, a, NULL, run);
		put_config(in, a, run);
		if (!(config = adds_run_get_json(run, "config.json", &err)))
			die("%s", err.msg);
	} else {
		read_holdout(in, a, config, run);
	}
	in->train_path = locate(&r, a->input, config, "features", "features.adds");
	if (a->resume ? cJSON_HasObjectItem(config, "val") : a->val != NULL)
		in->val_path = locate(&r, a->val, config, "val", "val.adds");
	cJSON_Delete(config);
}

void
train_load_input(struct train_input *in, const struct train_args *a, struct adds_run *run, struct adds_ranks *ranks)
{
	in->train = load(in, in->train_path, a, run, ranks);
	if (in->val_path)
		in->val = load(in, in->val_path, a, run, ranks);
	if (in->holdout && adds_ranks_first(ranks) && !a->resume)
		warn_of_holdout(in, a->holdout);
	if (in->val && adds_ranks_first(ranks) && !a->resume)
		warn_of_validation(in->train, in->val);
	split(in, a, run, ranks);
}

void
train_settle(struct adds_run *run, const struct train_args *a)
{
	char *from = in_old_run(a), *to = run_path(run, "features.adds");
	struct adds_error err;
	cJSON *config;
	char *kept;

	if (!a->replace)
		goto out;
	if (!(config = adds_run_get_json(run, "config.json", &err)))
		die("%s", err.msg);
	if (cJSON_IsNull(cJSON_GetObjectItemCaseSensitive(config, "features")) && access(to, F_OK) < 0 && rename(from, to) < 0)
		die("cannot move '%s' to '%s': %s", from, to, strerror(errno));
	cJSON_Delete(config);
	if (adds_run_replace(run->dir, a->out, &kept, &err) < 0)
		die("%s", err.msg);
	if (kept)
		warn("'%s' keeps what was in '%s' and is no file of a run, or could not be removed", kept, a->out);
	free(kept);
out:
	free(from);
	free(to);
}

void
train_release_input(struct train_input *in)
{
	free(in->train_path);
	free(in->val_path);
	adds_dataset_free(in->train);
	adds_dataset_free(in->val);
	adds_vocab_free(in->holdout);
	adds_texts_release(&in->texts);
}
