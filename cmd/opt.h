/* SPDX-License-Identifier: MIT
 * opt.h - one table for parsing the command line and for --help */
#ifndef OPT_H
#define OPT_H

#include <stddef.h>

enum opt_kind {
	OPT_K_END,
	OPT_K_GROUP,  /* a heading in --help */
	OPT_K_FLAG,   /* int *: set to 1 */
	OPT_K_COUNT,  /* int *: counted up */
	OPT_K_INT,    /* long long *: whole number within lo … hi */
	OPT_K_NUM,    /* double *: within lo … hi */
	OPT_K_STR,    /* const char ** */
	OPT_K_CHOICE, /* int *: place of the word in the NULL-ended list choices */
	OPT_K_LIST,   /* struct opt_list *: may be given several times */
};

struct opt_list {
	const char **item;
	size_t n;
};

struct opt {
	enum opt_kind kind;
	char letter; /* 0: long form only */
	const char *name, *value, *help;
	void *to;
	double lo, hi;
	const char *const *choices;
};

/* clang-format off */
#define OPT_GROUP(title) { OPT_K_GROUP, 0, NULL, NULL, title, NULL, 0, 0, NULL }
#define OPT_FLAG(c, name, to, help) { OPT_K_FLAG, c, name, NULL, help, to, 0, 0, NULL }
#define OPT_COUNT(c, name, to, help) { OPT_K_COUNT, c, name, NULL, help, to, 0, 0, NULL }
#define OPT_INT(c, name, value, to, lo, hi, help) { OPT_K_INT, c, name, value, help, to, lo, hi, NULL }
#define OPT_NUM(c, name, value, to, lo, hi, help) { OPT_K_NUM, c, name, value, help, to, lo, hi, NULL }
#define OPT_STR(c, name, value, to, help) { OPT_K_STR, c, name, value, help, to, 0, 0, NULL }
#define OPT_CHOICE(c, name, value, to, list, help) { OPT_K_CHOICE, c, name, value, help, to, 0, 0, list }
#define OPT_LIST(c, name, value, to, help) { OPT_K_LIST, c, name, value, help, to, 0, 0, NULL }
#define OPT_QUIET OPT_COUNT('q', "quiet", &cmd_quiet, "no warnings; twice: no errors either")
#define OPT_VERBOSE OPT_COUNT('v', "verbose", &cmd_verbose, "say what is read and chosen, and the cost at the end")
#define OPT_END { OPT_K_END, 0, NULL, NULL, NULL, NULL, 0, 0, NULL }
/* clang-format on */

#endif
