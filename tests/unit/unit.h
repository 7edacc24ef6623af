/* SPDX-License-Identifier: MIT
 * unit.h - what the unit tests share. Each test_<module>.c defines one function
 * "Suite *<module>_suite(void)"; the Makefile finds it by the file name. */
#ifndef UNIT_H
#define UNIT_H

#include <check.h>
#include <stddef.h>
#include <stdint.h>

/* |got − want| ≤ atol + rtol·|want| for all n, or the test fails naming the worst
 * element with both values; prints the worst error at CK_VERBOSE. */
void check_close(const char *what, const float *got, const float *want, size_t n, double rtol, double atol);

/* the larger of two errors: NaN where one is, which fmax would forget */
double worse(double a, double b);

/* FNV-1a in 64 bits of n bytes, going on from h, which begins as FNV_START; of a number of 32 bits, the least byte first */
#define FNV_START 0xcbf29ce484222325u
uint64_t fnv(uint64_t h, const void *bytes, size_t n);
uint64_t fnv_number(uint64_t h, uint32_t x);

/* Path of a file below the shared data folder ($ADDS_DATA, else ../shared/data beside the tree), static buffer; NULL and a line
 * "# SKIP what" when it is not there: the test then returns. */
const char *shared_data(const char *path, const char *what);

/* Path of a file below tests/ (unit tests run there), and below the top of the tree. */
const char *tree(const char *path);

/* Bytes of this process that are in memory; *of_files (may be NULL): those of files that are
 * mapped. 0 where the system does not say. */
size_t resident(size_t *of_files);

/* a fresh folder for one test, removed at the end of the program */
const char *scratch(void);

#endif
