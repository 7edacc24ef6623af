#!/usr/bin/env python3
"""Writes tests/tools/assigned.h: the ranges of characters that Unicode 14
assigns (no surrogates, no private use), less those whose class (letter,
number, other) Python's `regex` and the installed utf8proc see differently.
Needs Python 3.11 (its unicodedata is Unicode 14), regex, libutf8proc.
Usage: assigned.py > tests/tools/assigned.h"""
import ctypes
import sys
import unicodedata

import regex

assert unicodedata.unidata_version.startswith("14.")
utf8proc = ctypes.CDLL("libutf8proc.so.2")
LETTER, NUMBER = regex.compile(r"\p{L}"), regex.compile(r"\p{N}")


def by_regex(c):
    return 1 if LETTER.match(c) else 2 if NUMBER.match(c) else 0


def by_utf8proc(c):
    k = utf8proc.utf8proc_category(ord(c))
    return 1 if 1 <= k <= 5 else 2 if 9 <= k <= 11 else 0


points, apart = [], []
for i in range(0x110000):
    if unicodedata.category(chr(i)) in ("Cn", "Cs", "Co"):
        continue
    (points if by_regex(chr(i)) == by_utf8proc(chr(i)) else apart).append(i)
ranges = []
for i in points:
    if ranges and ranges[-1][1] == i - 1:
        ranges[-1][1] = i
    else:
        ranges.append([i, i])
items = ["0x%x,%d," % (a, b - a + 1) for a, b in ranges]
lines = [""]
for item in items:
    if len(lines[-1]) + len(item) > 105:
        lines.append("")
    lines[-1] += item + " "
print("""/* SPDX-License-Identifier: MIT
 * assigned.h - the characters that Unicode 14 assigns, as first, count; written
 * by tests/gen/assigned.py (%d characters; %d left out) */
#ifndef ASSIGNED_H
#define ASSIGNED_H

#include <stdint.h>

enum { ASSIGNED = %d };

/* clang-format off */
static const int32_t assigned_ranges[] = {
%s
};
/* clang-format on */

#endif""" % (len(points), len(apart), len(points), "\n".join("\t" + l.rstrip() for l in lines)))
print("%d characters, %d ranges, left out: %s" % (len(points), len(ranges), apart[:20]), file=sys.stderr)
