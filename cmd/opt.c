/* SPDX-License-Identifier: MIT
 * opt.c - parsing and --help from one table */
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/adds.h"
#include "cmd.h"

enum { MAX_OPTS = 96,
       LONG_BASE = 1000 };

static const char *the_synopsis, *the_name;
static const struct opt *the_table;
static char given[MAX_OPTS]; /* by place in the table */

void cmd_opt_name(const char *name);

void
cmd_opt_name(const char *name)
{
	the_name = name;
}

static void
print_choices(const struct opt *o)
{
	size_t i;

	printf("%26s", "");
	for (i = 0; o->choices[i]; i++)
		printf("%s%s", i ? ", " : "", o->choices[i]);
	putchar('\n');
}

static void
print_option(const struct opt *o)
{
	char left[80];
	int n;

	n = o->letter ? snprintf(left, sizeof(left), "  -%c, --%s", o->letter, o->name)
	              : snprintf(left, sizeof(left), "      --%s", o->name);
	if (o->value)
		n += snprintf(left + n, sizeof(left) - (size_t)n, " %s", o->value);
	if (n < 25)
		printf("%-26s%s\n", left, o->help);
	else
		printf("%s\n%26s%s\n", left, "", o->help);
	if (o->kind == OPT_K_CHOICE)
		print_choices(o);
}

static void
help(const struct opt *opts, const char *summary)
{
	const struct opt *o;

	printf("usage: %s %s\n%s\n\n", the_name, the_synopsis, summary);
	for (o = opts; o->kind != OPT_K_END; o++)
		if (o->kind == OPT_K_GROUP)
			printf("\n%s\n", o->help);
		else
			print_option(o);
	printf("%-26s%s\n", "  -h, --help", "this text");
	printf("%-26s%s\n", "  -V, --version", "the version");
}

/* strtoll and strtod would skip white space, and take hexadecimal or words */
static int
starts_a_number(const char *text)
{
	text += *text == '-' || *text == '+';
	return (*text >= '0' && *text <= '9' && text[1] != 'x' && text[1] != 'X') ||
	       (*text == '.' && text[1] >= '0' && text[1] <= '9');
}

double
cmd_strtod(const char *text, char **end)
{
	const double x = strtod(text, end);

	if (!starts_a_number(text) || !isfinite(x))
		*end = (char *)(uintptr_t)text;
	return x;
}

long long
cmd_whole(const char *option, const char *text, double lo, double hi)
{
	char *end;
	long long x;

	errno = 0;
	x = strtoll(text, &end, 10);
	if (!starts_a_number(text) || *end)
		usage("--%s: '%s' is not a whole number", option, text);
	if (errno || (double)x < lo || (double)x > hi)
		usage("--%s: '%s' is not within %.0f and %.0f", option, text, lo, hi);
	return x;
}

double
cmd_number(const char *option, const char *text, double lo, double hi)
{
	char *end;
	const double x = cmd_strtod(text, &end);

	if (end == text || *end)
		usage("--%s: '%s' is not a number", option, text);
	if (x < lo || x > hi)
		usage("--%s: '%s' is not within %g and %g", option, text, lo, hi);
	return x;
}

static void
set_choice(const struct opt *o, const char *arg)
{
	char list[512] = "";
	size_t n = 0;
	int i;

	for (i = 0; o->choices[i]; i++) {
		if (strcmp(o->choices[i], arg) == 0) {
			*(int *)o->to = i;
			return;
		}
		if (n < sizeof(list))
			n += (size_t)snprintf(list + n, sizeof(list) - n, "%s%s", i ? ", " : "", o->choices[i]);
	}
	usage("--%s: '%s' is none of %s", o->name, arg, list);
}

static void
append(struct opt_list *list, const char *arg)
{
	const char **more = realloc(list->item, (list->n + 1) * sizeof(*more));

	if (!more)
		die("out of memory");
	list->item = more;
	list->item[list->n++] = arg;
}

static void
set(const struct opt *o, const char *arg)
{
	given[o - the_table] = 1;
	switch (o->kind) {
	case OPT_K_FLAG:
		*(int *)o->to = 1;
		break;
	case OPT_K_COUNT:
		++*(int *)o->to;
		break;
	case OPT_K_INT:
		*(long long *)o->to = cmd_whole(o->name, arg, o->lo, o->hi);
		break;
	case OPT_K_NUM:
		*(double *)o->to = cmd_number(o->name, arg, o->lo, o->hi);
		break;
	case OPT_K_STR:
		if (!*arg)
			usage("--%s: the value is empty", o->name);
		*(const char **)o->to = arg;
		break;
	case OPT_K_CHOICE:
		set_choice(o, arg);
		break;
	case OPT_K_LIST:
		append(o->to, arg);
		break;
	default:
		break;
	}
}

/* the table in getopt_long's form; of[i] is the entry that value i stands for */
static int
translate(const struct opt *opts, struct option *longs, char *shorts, const struct opt **of)
{
	const struct opt *o;
	size_t s = 0;
	int n = 0;

	shorts[s++] = ':';
	for (o = opts; o->kind != OPT_K_END; o++) {
		const int takes = o->kind != OPT_K_FLAG && o->kind != OPT_K_COUNT;

		if (o - opts == MAX_OPTS - 3)
			die("too many options in the table");
		if (o->kind == OPT_K_GROUP)
			continue;
		longs[n] = (struct option){ o->name, takes ? required_argument : no_argument, NULL, LONG_BASE + n };
		of[n++] = o;
		if (o->letter) {
			shorts[s++] = o->letter;
			if (takes)
				shorts[s++] = ':';
		}
	}
	shorts[s++] = 'h';
	shorts[s++] = 'V';
	shorts[s] = '\0';
	longs[n] = (struct option){ "help", no_argument, NULL, 'h' };
	longs[n + 1] = (struct option){ "version", no_argument, NULL, 'V' };
	longs[n + 2] = (struct option){ NULL, 0, NULL, 0 };
	return n;
}

/* how many long options begin with the word, "--na" or "--na=value" */
static int
long_matches(const char *word, const struct opt *const *of, int n)
{
	const size_t len = strcspn(word + 2, "=");
	int i, matches = 0;

	for (i = 0; i < n; i++)
		matches += strncmp(of[i]->name, word + 2, len) == 0;
	return matches;
}

/* What getopt_long refused, in the user's words: for a letter, which may stand in
 * the middle of a cluster, optopt is the letter; for a long option it is the
 * option's value, or 0 where none or several begin that way. */
__attribute__((noreturn)) static void
refuse(int c, const char *word, const struct opt *const *of, int n)
{
	const char *long_name = NULL;

	if (optopt == 'h' || optopt == 'V')
		long_name = optopt == 'h' ? "help" : "version";
	else if (optopt >= LONG_BASE && optopt < LONG_BASE + n)
		long_name = of[optopt - LONG_BASE]->name;
	if (c == ':' && long_name)
		usage("option '--%s' needs a value", long_name);
	if (c == ':')
		usage("option '-%c' needs a value", optopt);
	if (long_name)
		usage("option '--%s' takes no value", long_name);
	if (optopt)
		usage("unknown option '-%c'", optopt);
	usage(long_matches(word, of, n) > 1 ? "option '%s' is short for several: write it out" : "unknown option '%s'",
	      word);
}

int
cmd_parse(int argc, char **argv, const struct opt *opts, const char *synopsis, const char *summary)
{
	struct option longs[MAX_OPTS];
	const struct opt *of[MAX_OPTS];
	char shorts[2 * MAX_OPTS + 4];
	const int n = translate(opts, longs, shorts, of);
	int c, i;

	the_synopsis = synopsis;
	the_table = opts;
	opterr = 0;
	while ((c = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
		if (c == 'h') {
			help(opts, summary);
			cmd_exit(CMD_DONE);
		}
		if (c == 'V') {
			printf("%s (ADDS) %s\n", the_name, adds_version());
			cmd_exit(CMD_DONE);
		}
		if (c == ':' || c == '?')
			refuse(c, argv[optind - 1], of, n);
		if (c >= LONG_BASE) {
			set(of[c - LONG_BASE], optarg);
			continue;
		}
		for (i = 0; i < n && of[i]->letter != c; i++)
			continue;
		set(of[i], optarg);
	}
	return optind;
}

const struct opt *
cmd_option(const char *name)
{
	const struct opt *o;

	for (o = the_table; o->kind != OPT_K_END; o++)
		if (o->kind != OPT_K_GROUP && strcmp(o->name, name) == 0)
			return o;
	die("no option --%s", name);
}

int
cmd_given(const char *name)
{
	return given[cmd_option(name) - the_table];
}

void
cmd_refuse(const char *names, const char *why)
{
	char name[64];
	size_t n;

	for (; *names; names += n + (names[n] == ' ')) {
		n = strcspn(names, " ");
		snprintf(name, sizeof(name), "%.*s", (int)n, names);
		if (cmd_given(name))
			usage("--%s %s", name, why);
	}
}
