/* SPDX-License-Identifier: MIT
 *
 * suite.h - the conformance suite: every operation of kernels.h on one
 * backend against plain loops in double precision. A program of its own,
 * without Check, so that it builds where there is nothing but a compiler.
 *
 * A case makes its inputs with uniform and up, its outputs with blank, runs
 * one operation, fetches the outputs with down and compares. Every buffer has
 * guard bytes in front, behind and between its rows; those, and whole inputs,
 * must come out of the case as they went in.
 */
#ifndef SUITE_H
#define SUITE_H

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../../kernels/kernels.h"

extern struct backend *dev; /* the backend under test */
extern struct adds_error fault;
extern int64_t row_pad; /* elements between the rows of matrices from now on; begin makes it 3, so that few rows are aligned */

/* the sizes that every operation is tried with */
#define SIZES 6
extern const int64_t size_list[SIZES]; /* 0 1 31 32 33 1000 */

/* Begins a case, named by the operation and its shape. */
#ifdef __GNUC__
__attribute__((format(printf, 2, 3)))
#endif
void
begin(const char *operation, const char *fmt, ...);
/* Ends it: checks guards and inputs, prints the line, frees everything. */
void end(void);

/* the operation's status: a negative one fails the case with its sentence */
void done(int status);

/* host memory until end */
void *room(size_t bytes);
/* n numbers, uniform in lo … hi, the same in every run */
float *uniform(int64_t n, double lo, double hi);
int64_t below(int64_t n); /* 0 … n-1 */

/* device matrices; the values of up are rounded in h too, when t is a narrow type */
struct mat up(float *h, int64_t rows, int64_t cols, enum dtype t);
struct mat blank(int64_t rows, int64_t cols, enum dtype t);
struct mat none(void);
void *up_bytes(const void *h, size_t bytes); /* device array of any type */

/* the f32 values of an output, dense */
float *down(struct mat m);
/* Every buffer so far is an output that nobody looks at; its guards are checked. */
void forget_buffers(void);
void down_bytes(void *h, const void *device, size_t bytes);

/* |got − want| ≤ atol + rtol·|want| for all n */
void near_(const char *what, const float *got, const double *want, int64_t n, double rtol, double atol);
void same(const char *what, const void *got, const void *want, size_t bytes);

/* Central differences of f at some places of x[n], against the gradient got. */
void slope(const char *what, const float *got, double *x, int64_t n, double (*f)(void *), void *arg, double rtol,
           double atol);
double *doubles(const float *x, int64_t n);

/* what is tested, file by file */
void test_products(void);
void test_rows(void);
void test_attention(void);
void test_elements(void);
void test_sums(void);
void test_segments(void);
void test_clip(void);
void test_train(void);
void test_copies(void);
void test_threads(void);
void test_index(void);

#endif
