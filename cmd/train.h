/* SPDX-License-Identifier: MIT
 * train.h - what the files of adds-train share. */
#ifndef CMD_TRAIN_H
#define CMD_TRAIN_H

#include "../lib/train/train.h"
#include "cmd.h"

/* what stands on the command line, or in the config of the run that goes on */
struct train_args {
	const char *input, *labels, *model, *val, *out, *device, *holdout;
	int resume, replace, strict;
	long long threads, memory;
	double save_every;

	/* these shape the result and stand in the run's config */
	double val_split;
	long long layers, heads, ff, epochs, batch, accumulate, budget, seed, keep_every, min_positives;
	int method, strict_zero_shot;
	int prior, no_prior, no_visual_update, init, loss, full_gradient, schedule, precision;
	double dropout, prior_scale, prior_bias, gamma_pos, gamma_neg, asl_clip;
	double lr, head_lr, weight_decay, warmup, clip_norm, ema;
};

/* Parses the command line, mistakes included. ranks: the processes that train together. */
void train_parse(struct train_args *a, int argc, char **argv, int ranks);

/* The config of a run: the options that shape the result. */
cJSON *train_config(const struct train_args *a);

/* Takes the options of a run's config over; one that stands on the command
 * line with another value ends the program. */
void train_take_config(struct train_args *a, const cJSON *config, const char *run);

/* Fills in what depends on the data: how many training pictures there are; single is 1 where each has one token. */
void train_defaults(struct train_args *a, int64_t pictures, int single, int width);

/* The options as the library wants them. */
struct adds_train_options train_options(const struct train_args *a, struct adds_ranks *ranks);

/* ---- train_ranks.c ---- */

/* Joins the other ranks. On rank 0 it returns at once; on the others when rank
 * 0 says that the run's folder is ready, or they end as rank 0 did. From here on a
 * rank that ends takes the others with it. */
struct adds_ranks *train_join(void);

/* Rank 0: config, labels and features are in place. */
void train_ready(struct adds_ranks *r);

/* Ends all ranks where rc is negative on one; that one says err's sentence. run (may be NULL) is given up. */
void train_agree(struct adds_ranks *r, struct adds_run *run, int rc, struct adds_error *err);

/* The device of this rank: a GPU of its own, its share of the threads. NULL on failure. */
struct backend *train_device(const struct adds_ranks *r, const struct train_args *a, char *why, size_t n, struct adds_error *err);

/* ---- train_input.c ---- */

struct train_input {
	struct adds_texts texts;
	struct adds_vocab *holdout;
	char *train_path, *val_path; /* val_path NULL: none */
	struct adds_dataset *train, *val;
	int64_t *train_list, *val_list, ntrain, nval;
};

/* Looks at labels, model and files before any picture is waited for. */
void train_check_input(const struct train_args *a);

/* Finds, or puts into place, what all ranks read: options, labels and where features lie; the pipe's features and the
 * label stream are kept in the run's folder. */
void train_place_input(struct train_input *in, struct train_args *a, struct adds_run *run, struct backend *b);
/* Reads the features. */
void train_load_input(struct train_input *in, const struct train_args *a, struct adds_run *run, struct adds_ranks *ranks);
/* With --replace: the new run takes the place and the name of the old one. */
void train_settle(struct adds_run *run, const struct train_args *a);
void train_release_input(struct train_input *in);

/* ---- train_encode.c ---- */

/* Is there a model to encode labels with? */
void train_check_model(const struct train_args *a);

/* The vocabulary of the feature stream at path, encoded with the model: kept as
 * the run's labels.adds, and read into texts. */
int train_encode(struct adds_texts *texts, const char *path, const struct train_args *a, struct adds_run *run,
                 struct backend *b, struct adds_error *err);

/* ---- train_folder.c ---- */

/* Makes or opens the folder in which the run is worked on (with --replace not yet that of its name). */
void train_open_folder(struct adds_run *run, struct train_args *a);

/* The folder that rank 0 works in, for another rank, which only reads there. */
void train_follow_folder(struct adds_run *run, struct train_args *a);

/* Gives a run up before it has begun: what it wrote is removed, except features
 * that came through a pipe. Then die. */
__attribute__((format(printf, 2, 3), noreturn)) void train_give_up(struct adds_run *run, const char *fmt, ...);

/* ---- train_report.c ---- */

extern const struct adds_watch train_watch;       /* of one process, or rank 0 */
extern const struct adds_watch train_other_watch; /* of another rank */

/* From here on SIGINT and SIGTERM let the step end, and the state be written. */
void train_catch_signals(void);
/* Dies of the signal that was caught. */
__attribute__((noreturn)) void train_die_of_signal(void);

/* At the end, from the run's log: the table, and curves.svg in the folder. */
void train_report(const struct adds_trainer *t, const struct adds_run *run, const char *name);

#endif
