/* SPDX-License-Identifier: MIT
 * fail.h - filling a struct adds_error; the one header of lib that kernels use. */
#ifndef ADDS_FAIL_H
#define ADDS_FAIL_H

#include "adds.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Fills err (which may be NULL) and returns code. Control characters in the
 * text become '?', so that a file name cannot drive a terminal. */
#ifdef __GNUC__
__attribute__((format(printf, 3, 4)))
#endif
int
adds_fail(struct adds_error *err, int code, const char *fmt, ...);

/* The same with ": " and the text of errno behind it; code ADDS_EIO. */
#ifdef __GNUC__
__attribute__((format(printf, 2, 3)))
#endif
int
adds_fail_errno(struct adds_error *err, const char *fmt, ...);

/* Puts "text: " in front of the sentence that err already holds; returns its code. */
#ifdef __GNUC__
__attribute__((format(printf, 2, 3)))
#endif
int
adds_fail_in(struct adds_error *err, const char *fmt, ...);

/* The noun, or noun and verb, behind a number: "%zu %s", n, ADDS_PLURAL(n, "label", "labels") */
#define ADDS_PLURAL(n, one, many) ((n) == 1 ? (one) : (many))

/* a·b in *out, or non-zero if it does not fit size_t */
int adds_mul_size(size_t a, size_t b, size_t *out);

#ifdef __cplusplus
}
#endif
#endif
