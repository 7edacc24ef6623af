/* SPDX-License-Identifier: MIT
 * train_folder.c - the folder that adds-train works in */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "train.h"

/* Where a run with --replace is built until it is done. */
static const char *
working_name(const struct train_args *a)
{
	const size_t n = strlen(a->out) + 5;
	char *name;

	if (!a->replace)
		return a->out;
	name = cmd_alloc(n, 1);
	snprintf(name, n, "%s.new", a->out);
	return name;
}

static void
without_slashes(char *name)
{
	size_t n = strlen(name);

	while (n > 1 && name[n - 1] == '/')
		name[--n] = '\0';
}

static void
check_new(const char *dir, const struct train_args *a)
{
	const enum adds_run_kind there = adds_run_look(a->out);

	if (there == ADDS_RUN_OTHER)
		die("'%s' is there and holds something else than a run: choose another folder with -o", a->out);
	if (!a->replace && there != ADDS_RUN_NONE)
		die("'%s' holds a run already: --resume goes on with it, --replace puts a new one in its place, -o takes another folder",
		    a->out);
	if (a->replace && adds_run_look(dir) == ADDS_RUN_OTHER)
		die("'%s', where the new run would be built, holds something else: move it away", dir);
}

/* A run that has written no more than its config is gone on with from its start. */
static int
has_config(const char *dir)
{
	const size_t n = strlen(dir) + 16;
	char *path = cmd_alloc(n, 1);
	int there;

	snprintf(path, n, "%s/config.json", dir);
	there = access(path, R_OK) == 0;
	free(path);
	return there;
}

static void
check_resume(const char *dir)
{
	const enum adds_run_kind there = adds_run_look(dir);

	if (there == ADDS_RUN_COMPLETE)
		say("the run in '%s' is complete", dir);
	else if (there == ADDS_RUN_OTHER || !has_config(dir))
		die("there is no run in '%s' to go on with: start one without --resume", dir);
}

void
train_open_folder(struct adds_run *run, struct train_args *a)
{
	struct adds_error err;
	const char *dir;

	a->out = strcpy(cmd_alloc(strlen(a->out) + 1, 1), a->out);
	without_slashes((char *)(uintptr_t)a->out);
	dir = working_name(a);
	if (a->resume)
		check_resume(dir);
	else
		check_new(dir, a);
	if (adds_run_init(run, dir, !a->resume, &err) < 0)
		die("%s", err.msg);
	if (!a->resume && adds_run_clear(run, &err) < 0)
		die("%s", err.msg);
	if (dir != a->out)
		free((char *)(uintptr_t)dir);
}

void
train_follow_folder(struct adds_run *run, struct train_args *a)
{
	const char *dir;

	a->out = strcpy(cmd_alloc(strlen(a->out) + 1, 1), a->out);
	without_slashes((char *)(uintptr_t)a->out);
	dir = working_name(a);
	*run = (struct adds_run){ .dir = strcpy(cmd_alloc(strlen(dir) + 1, 1), dir), .log = -1 };
	if (dir != a->out)
		free((char *)(uintptr_t)dir);
}

void
train_give_up(struct adds_run *run, const char *fmt, ...)
{
	char text[1200];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (run->log < 0 || adds_run_discard(run) == 0)
		die("%s", text);
	die("%s (the features that came through the pipe are kept: '%s/features.adds')", text, run->dir);
}
