/* SPDX-License-Identifier: MIT
 * cmd.h - what the programs share: options, messages, terminals, exit status.
 * Only here is anything printed, and only here does a program end. */
#ifndef CMD_H
#define CMD_H

#include <stddef.h>
#include <stdint.h>

#include "../lib/fail.h"
#include "opt.h"

/* exit statuses: done, could not, wrong usage */
enum {
	CMD_DONE = 0,
	CMD_FAILED = 1,
	CMD_USAGE = 2,
};

extern int cmd_quiet, cmd_verbose;

/* First of all: the program's name; SIGPIPE to its default; the three standard
 * descriptors opened. */
void cmd_init(const char *name);

/* For programs that compute, after cmd_init: waiting threads spin for microseconds instead of the milliseconds that are OpenMP's
 * default, which on a busy machine are taken from the work waited for. OpenMP reads its environment before main, so the
 * program starts itself anew with GOMP_SPINCOUNT set; who sets that or OMP_WAIT_POLICY has the choice. */
void cmd_wait_briefly(char **argv);

/* Parses options (-h and -V are added); prints the help (stdout, 0) or a
 * mistake with one line of usage (stderr, 2) and exits. synopsis is what follows the name in the
 * usage line, summary one sentence for --help. Returns the index of the first operand. */
int cmd_parse(int argc, char **argv, const struct opt *opts, const char *synopsis, const char *summary);

/* The option of this long name, in the table that was parsed, which must have it. */
const struct opt *cmd_option(const char *name);

/* The number that is the whole of an option's value, within lo and hi; else wrong usage of the option of this long name. */
long long cmd_whole(const char *option, const char *text, double lo, double hi);
double cmd_number(const char *option, const char *text, double lo, double hi);

/* strtod, for values that are more than a number: *end is text where it begins with white space, hexadecimal or a word. */
double cmd_strtod(const char *text, char **end);

/* Did it stand on the command line? */
int cmd_given(const char *name);

/* Wrong usage where one of these options was given: names are long ones with spaces between, why is what
 * follows the name in the sentence. For options that would have no effect. */
void cmd_refuse(const char *names, const char *why);

/* "name: text" on stderr; die ends with CMD_FAILED, usage with CMD_USAGE and a hint at --help; fault is an error after which
 * the program goes on, and which its status tells at the end: unlike a warning it is told with -q. */
__attribute__((format(printf, 1, 2), noreturn)) void die(const char *fmt, ...);
__attribute__((format(printf, 1, 2))) void fault(const char *fmt, ...);
__attribute__((format(printf, 1, 2), noreturn)) void usage(const char *fmt, ...);
__attribute__((format(printf, 1, 2))) void warn(const char *fmt, ...);
__attribute__((format(printf, 1, 2))) void say(const char *fmt, ...); /* only with -v */

/* A warning for each line (those of adds_reader_warnings); NULL: none. */
void cmd_warn_lines(const char *lines);

/* Ends the program if a binary stream would be read from, or written to, a
 * terminal; returns path. */
const char *cmd_input(const char *path);
const char *cmd_output(const char *path);

/* Wrong usage if --device names no device, whether there is one or not. */
void cmd_device(const char *name);

/* The model that -m names, else ADDS_MODEL; without either, wrong usage. */
const char *cmd_model(const char *given);

/* A progress line on stderr: only if stderr is a terminal and stdout no pipe, at most every 160 ms;
 * cleared before any message. */
__attribute__((format(printf, 1, 2))) void cmd_progress(const char *fmt, ...);
void cmd_progress_end(void);

/* With -v, at the end: records, seconds, records/s, peak memory. noun: more than one, with the s that one lacks. */
void cmd_cost(uint64_t records, const char *noun);

/* Seconds since cmd_init, monotonic. */
double cmd_seconds(void);

/* Flushes and checks stdout, then exits. */
__attribute__((noreturn)) void cmd_exit(int status);

/* Called before the program ends by any of die, usage, cmd_exit, --help; may be NULL. */
extern void (*cmd_at_end)(int status);

/* Another name in messages. */
void cmd_call(const char *name);

void *cmd_alloc(size_t n, size_t size); /* calloc, or die */

#endif
