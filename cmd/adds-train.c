/* SPDX-License-Identifier: MIT
 * adds-train.c - trains the dual-modal decoder on labelled features */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "train.h"

static struct backend *
open_device(const struct train_args *a)
{
	struct adds_error err;
	struct backend *b;
	char why[256];

	if (!(b = backend_open(a->device, (int)a->threads, why, sizeof(why), &err)))
		die("%s", err.msg);
	if (*why)
		say("%s", why);
	say("device: %s", b->device);
	if (a->precision && backend_precision(b, PREC_BF16) != PREC_BF16)
		warn("this device has no bf16 products: computing in f32");
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
prepare(struct adds_trainer *t, struct train_input *in, struct train_args *a, struct adds_run *run, struct backend *b)
{
	struct adds_train_options o;
	struct adds_error err;

	train_defaults(a, single_tokens(in), in->texts.width);
	o = train_options(a);
	if (adds_trainer_init(t, b, &in->texts, &o, in->train, in->train_list, in->ntrain, in->val ? in->val : in->train,
	                      in->val_list, in->nval, in->holdout, &err) < 0)
		train_give_up(run, "%s", err.msg);
	if (t->untrainable)
		warn("%lld labels have no known positive or no known negative among the training pictures and are not trained: %s%s",
		     (long long)t->untrainable, t->untrainable_names, t->untrainable > 3 ? ", ..." : "");
	say("%lld labels trained, %lld held out, on %lld pictures; %lld pictures validate; %d layers%s",
	    (long long)t->ntrained, (long long)t->held_out, (long long)t->ntrain, (long long)t->nval, t->o.decoder.layers,
	    t->o.decoder.prior ? " and the zero-shot prior" : "");
	if (b->memory)
		say("features on the device: %.1f MB%s", 1e-6 * (double)t->kept_bytes, in->train->resident ? "" : "; copied step by step");
}

static void
work(struct adds_trainer *t, struct adds_run *run, const struct train_args *a)
{
	struct adds_error err, why;
	int stopped, older;

	train_catch_signals();
	if (adds_trainer_run(t, run, &train_watch, a->resume, &stopped, &older, &why, &err) < 0)
		die("%s", err.msg);
	if (older)
		warn("the newest state is broken, the one before was taken: %s", why.msg);
	cmd_progress_end();
	if (!stopped)
		return;
	warn("stopped after step %lld of %lld: --resume goes on", (long long)t->state.step, (long long)t->schedule.steps);
	train_die_of_signal();
}

int
main(int argc, char **argv)
{
	struct train_input in = { 0 };
	struct adds_trainer t;
	struct train_args a;
	struct adds_run run;
	struct backend *b;

	cmd_init("adds-train");
	cmd_wait_briefly(argv);
	train_parse(&a, argc, argv);
	train_check_input(&a);
	b = open_device(&a);
	train_open_folder(&run, &a);
	train_read_input(&in, &a, &run, b);
	prepare(&t, &in, &a, &run, b);
	work(&t, &run, &a);
	train_report(&t, &run, a.out);
	cmd_cost((uint64_t)t.state.step, "steps");
	train_settle(&run, &a);
	adds_trainer_release(&t);
	train_release_input(&in);
	adds_run_release(&run);
	backend_close(b);
	cmd_exit(CMD_DONE);
}
