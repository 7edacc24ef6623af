/* SPDX-License-Identifier: MIT
 * adds-train.c - trains the dual-modal decoder on labelled features */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "train.h"

static struct backend *
open_device(const struct train_args *a, const struct adds_ranks *ranks)
{
	struct adds_error err;
	struct backend *b;
	char why[256];

	if (!(b = train_device(ranks, a, why, sizeof(why), &err)))
		die("%s", err.msg);
	if (*why)
		say("%s", why);
	say("device: %s", b->device);
	if (a->precision && backend_precision(b, PREC_BF16) != PREC_BF16)
		warn("this device has no bf16 products: computing in f32");
	return b;
}

/* Rank 0, or the one process: makes the run's folder and puts into it what all read. */
static struct backend *
lead(struct train_input *in, struct train_args *a, struct adds_run *run, struct adds_ranks *ranks)
{
	struct backend *b;

	train_check_input(a);
	b = open_device(a, ranks);
	train_open_folder(run, a);
	train_place_input(in, a, run, b);
	train_ready(ranks);
	return b;
}

/* Another rank goes on from the folder, as a resumed run would; it speaks of failures alone. */
static struct backend *
follow(struct train_input *in, struct train_args *a, struct adds_run *run, struct adds_ranks *ranks)
{
	struct backend *b;

	cmd_quiet = cmd_quiet > 1 ? 2 : 1;
	cmd_verbose = 0;
	b = open_device(a, ranks);
	a->resume = 1;
	train_follow_folder(run, a);
	train_place_input(in, a, run, b);
	return b;
}

static int
single_tokens(const struct train_input *in)
{
	int64_t i;

	for (i = 0; i < in->ntrain; i++)
		if (in->train->item[in->train_list[i]].tokens != 1)
			return 0;
	return 1;
}

static void
prepare(struct adds_trainer *t, struct train_input *in, struct train_args *a, struct adds_run *run, struct backend *b,
        struct adds_ranks *ranks)
{
	struct adds_train_options o;
	struct adds_error err;

	train_defaults(a, in->ntrain, single_tokens(in), in->texts.width);
	o = train_options(a, ranks);
	train_agree(ranks, run,
	            adds_trainer_init(t, b, &in->texts, &o, in->train, in->train_list, in->ntrain,
	                              in->val ? in->val : in->train, in->val_list, in->nval, in->holdout, &err),
	            &err);
	if (t->untrainable)
		warn("%lld %s no known positive or no known negative among the training pictures and cannot be trained: %s%s",
		     (long long)t->untrainable,
		     ADDS_PLURAL(t->untrainable, "label has", "labels have"), t->untrainable_names,
		     t->untrainable > 3 ? ", ..." : "");
	say("%lld %s trained, %lld held out, on %lld %s; %lld validate; %d %s%s", (long long)t->ntrained,
	    ADDS_PLURAL(t->ntrained, "label", "labels"), (long long)t->held_out, (long long)t->ntrain,
	    ADDS_PLURAL(t->ntrain, "picture", "pictures"), (long long)t->nval, t->o.decoder.layers,
	    ADDS_PLURAL(t->o.decoder.layers, "layer", "layers"),
	    t->o.decoder.prior ? " and the zero-shot prior" : "");
	if (b->memory)
		say("features on the device: %.1f MB%s", 1e-6 * (double)t->kept_bytes,
		    in->train->resident ? "" : "; copied step by step");
}

static void
work(struct adds_trainer *t, struct adds_run *run, const struct train_args *a, struct adds_ranks *ranks)
{
	const int first = adds_ranks_first(ranks);
	struct adds_error err, why;
	int stopped, older, rc;

	train_catch_signals();
	rc = adds_trainer_run(t, first ? run : NULL, first ? &train_watch : &train_other_watch,
	                      a->resume, &stopped, &older, &why, &err);
	train_agree(ranks, NULL, rc, &err);
	if (older)
		warn("the newest state is broken, the one before was taken: %s", why.msg);
	cmd_progress_end();
	if (t->decoder && adds_decoder_activations(t->decoder))
		say("activations and their gradients: %.1f MB", 1e-6 * (double)adds_decoder_activations(t->decoder));
	if (!stopped)
		return;
	if (stopped == 2)
		warn("stopped while the ridge learnt: --resume begins it again");
	else
		warn("stopped after step %lld of %lld: --resume goes on", (long long)t->state.step, (long long)t->schedule.steps);
	adds_ranks_close(ranks);
	train_die_of_signal();
}

int
main(int argc, char **argv)
{
	struct train_input in = { 0 };
	struct adds_ranks *ranks;
	struct adds_error err;
	struct adds_trainer t;
	struct train_args a;
	struct adds_run run;
	struct backend *b;

	cmd_init("adds-train");
	cmd_wait_briefly(argv);
	ranks = train_join();
	train_parse(&a, argc, argv, ranks->size);
	b = adds_ranks_first(ranks) ? lead(&in, &a, &run, ranks) : follow(&in, &a, &run, ranks);
	train_load_input(&in, &a, &run, ranks);
	prepare(&t, &in, &a, &run, b, ranks);
	work(&t, &run, &a, ranks);
	if (adds_ranks_first(ranks)) {
		train_report(&t, &run, a.out);
		cmd_cost((uint64_t)t.state.step, "steps");
		train_settle(&run, &a);
	}
	train_agree(ranks, NULL, 0, &err); /* the others stay until rank 0 is done */
	adds_trainer_release(&t);
	train_release_input(&in);
	adds_run_release(&run);
	backend_close(b);
	cmd_exit(CMD_DONE);
}
