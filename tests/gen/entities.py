#!/usr/bin/env python3
"""Writes lib/text/entities.c: the named character references of HTML5, from
Python's html.entities, and those capitals of them that ftfy also takes (names
all in lower case, spelt all in upper case, where that spelling means nothing
in HTML5). Usage: entities.py > lib/text/entities.c"""
import html
from html.entities import html5


def literal(text):
    return '"' + "".join("\\%03o" % b if b >= 0x7F or b in b'"\\?' or b < 0x20 else chr(b)
                         for b in text.encode()) + '"'


def table(rows):
    line, lines = "", []
    for name, text, legacy in rows:
        item = '{ "%s", %s, %d },' % (name, literal(text), legacy)
        if len(line) + len(item) > 110:
            lines.append(line)
            line = ""
        line += (" " if line else "") + item
    return "\n".join("\t" + l for l in lines + [line])


names = sorted({n.rstrip(";") for n in html5}, key=lambda n: n.encode())
rows = [(n, html5[n + ";"], int(n in html5)) for n in names]
capitals = []
for n in names:
    up = "&" + n.upper() + ";"
    if n == n.lower() and html.unescape(up) == up:
        capitals.append((n.upper(), html5[n + ";"].upper(), 0))
capitals.sort(key=lambda r: r[0].encode())
print("""/* SPDX-License-Identifier: MIT
 * entities.c - the named character references of HTML5; written by
 * tests/gen/entities.py, not by hand */
#include "text.h"

/* clang-format off */
const struct adds_entity adds_entities[] = {
%s
};

const struct adds_entity adds_capital_entities[] = {
%s
};
/* clang-format on */

const size_t adds_entity_count = sizeof(adds_entities) / sizeof(*adds_entities);
const size_t adds_capital_entity_count = sizeof(adds_capital_entities) / sizeof(*adds_capital_entities);""" % (table(rows), table(capitals)))
