#!/usr/bin/env python3
"""Writes the golden files of the tokenizer's test, tests/data/text: for each text
a digest of 16 bits of the token ids that OpenCLIP's tokenizer gives it
(0: left out, because ftfy's fix_encoding changes the text), then one of 64 bits
over all. Texts: label names of free licence (their names go to labels.txt.gz),
names for research use (digests alone), and those of the program odd-texts.

Needs Python 3.11 (Unicode 14), ftfy, regex, and the files tokenizer.py and
bpe_simple_vocab_16e6.txt.gz of the package open_clip_torch.
Usage: tokens.py OPEN_CLIP_FOLDER ODD_TEXTS_PROGRAM DATA_FOLDER OUT_FOLDER"""
import csv
import gzip
import importlib.util
import struct
import subprocess
import sys
import types

import ftfy
import regex

open_clip, program, data, out = sys.argv[1:]
for name in ("torch", "numpy"):  # imported by the module, not used by the tokenizer
    sys.modules[name] = types.ModuleType(name)
sys.modules["torch"].LongTensor = sys.modules["torch"].Tensor = object
spec = importlib.util.spec_from_file_location("tokenizer", open_clip + "/tokenizer.py")
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
openclip = module.SimpleTokenizer()
openai = module.SimpleTokenizer()  # the same but for the spelling of the special tokens
for old, new in (("<start_of_text>", "<|startoftext|>"), ("<end_of_text>", "<|endoftext|>")):
    openai.encoder[new] = openai.encoder.pop(old)
    openai.cache[new] = new
    del openai.cache[old]
openai.pat = regex.compile(
    r"""<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+""",
    regex.IGNORECASE)


def fnv(data, h=0xCBF29CE484222325):
    for b in data:
        h = (h ^ b) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return h


def digests(path, texts):
    total, left_out, rows = fnv(b""), 0, []
    for i, text in enumerate(texts):
        if ftfy.fix_text(text) != ftfy.fix_text(text, fix_encoding=False):
            left_out += 1
            rows.append(0)
            continue
        ids = (openclip if i % 2 else openai).encode(text)
        h = fnv(struct.pack("<%dI" % len(ids), *ids))
        total = fnv(struct.pack("<Q", h), total)
        rows.append((h ^ h >> 16 ^ h >> 32 ^ h >> 48) & 0xFFFF or 1)
    with open(out + "/" + path, "wb") as f:
        f.write(struct.pack("<%dHQ" % len(rows), *rows, total))
    print("%s: %d texts, %d left out" % (path, len(rows), left_out))


def lines(name):
    with open("%s/label_sets/%s" % (data, name), encoding="utf-8", newline="") as f:
        return [l for l in f.read().split("\n") if l]


labels = lines("ram_tags4585.txt") + lines("hico_600.txt")
labels += [r[1] for r in csv.reader(lines("openimages_2018_04_class_descriptions.csv"))]
with gzip.GzipFile(out + "/labels.txt.gz", "wb", 9, mtime=0) as f:
    f.write("".join(l + "\n" for l in labels).encode())
digests("labels.digests", labels)
digests("nuswide.digests", lines("nuswide_tags1000.txt") + lines("nuswide_concepts81.txt"))
hexes = subprocess.run([program], check=True, capture_output=True, text=True).stdout.split("\n")[:-1]
digests("odd.digests", [bytes.fromhex(h).decode() for h in hexes])
