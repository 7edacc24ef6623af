#!/usr/bin/env python3
"""The fuzz corpus of tests/fuzz/picture.c, out of tests/data/picture: each file behind a byte that chooses how it is
decoded, and some of them cut or with a byte changed."""
import os
import random

HERE = os.path.dirname(os.path.abspath(__file__))
FROM, TO = os.path.join(HERE, "../data/picture"), os.path.join(HERE, "../fuzz/corpus/picture")

rng = random.Random(3)
for i, name in enumerate(sorted(n for n in os.listdir(FROM) if not n.endswith(".tsv"))):
    with open(os.path.join(FROM, name), "rb") as f:
        data = bytearray(f.read())
    variants = {"": bytes(data)}
    if i % 3 == 0:
        variants["-cut"] = bytes(data[: rng.randrange(len(data))])
        data[rng.randrange(12, len(data))] ^= 1 << rng.randrange(8)
        variants["-flip"] = bytes(data)
    for suffix, b in variants.items():
        with open(os.path.join(TO, name.replace(".", "_") + suffix), "wb") as f:
            f.write(bytes([rng.randrange(16)]) + b)
