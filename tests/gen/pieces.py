#!/usr/bin/env python3
"""Writes small SentencePiece models and what the reference makes of texts with them, for the tests of SigLIP's
tokenizers, into tests/data/text: three models, and pieces.digests.

  nfkc.model.gz    unigram, with NFKC and the spaces of SigLIP's vocabulary; pieces of a user, and an unused one
  bytes.model      byte-pair, as SigLIP 2's: no normalisation, the unknown as bytes, pieces of a user, unused ones
  suffix.model     unigram; a few rules of its own, bytes, spaces behind words

pieces.digests: a line for each model and set of texts: model, set, how many texts, 64 bits (FNV-1a) over the ids of all,
then 16 bits for each 64 texts. Sets: "labels" and "odd", the texts as they are, encoded by the library; "siglip", the labels
cleaned by OpenCLIP's functions ("lower" for bytes, "canonicalize" for the others), encoded, cut to 15 ids, ended, and filled up to
16 as big_vision does it for SigLIP (with the end) and SigLIP 2 (with <pad>).

Needs Python 3.11 (Unicode 14), sentencepiece 0.2.3, protobuf, open_clip_torch, ftfy.
Usage: pieces.py ODD_TEXTS_PROGRAM OUT_FOLDER"""
import gzip
import io
import struct
import subprocess
import sys
import tempfile

import sentencepiece
from open_clip.tokenizer import get_clean_fn
from sentencepiece import sentencepiece_model_pb2 as pb

program, out = sys.argv[1:]
CONTEXT = 16
MOJIBAKE = "Ad\u00c3\u00a9lie penguin"  # ftfy repairs it, our cleaning does not
BLOCK = 64
labels = gzip.open(out + "/labels.txt.gz").read().decode().split("\n")[:-1]
labels = [l for l in labels if l]
hexes = subprocess.run([program], check=True, capture_output=True, text=True).stdout.split("\n")[:-1]
odd = [bytes.fromhex(h).decode() for h in hexes]


def train(**options):
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([l.lower() for l in labels]), model_writer=model, num_threads=1, minloglevel=2,
        input_sentence_size=0, hard_vocab_limit=False, **options)
    return pb.ModelProto.FromString(model.getvalue())


def unused(model, every):
    """marks some pieces of more than one character as unused"""
    normal = [p for p in model.pieces if p.type == p.NORMAL and len(p.piece) > 2]
    for p in normal[::every]:
        p.type = p.UNUSED
    return model


def pad_to(model, n):
    """up to n pieces, as SigLIP's embedding has rows: spellings that nothing has"""
    for i in range(len(model.pieces), n):
        model.pieces.add(piece="\ue000%d" % i, score=-99 - i)
    return model


nfkc = train(model_type="unigram", vocab_size=800, character_coverage=0.9995, normalization_rule_name="nmt_nfkc",
             pad_id=0, eos_id=1, unk_id=2, bos_id=-1, user_defined_symbols=["\u2122", "ball", "<x>", "\u2581\u2581"])
bytes_ = train(model_type="bpe", vocab_size=960, character_coverage=0.9995, normalization_rule_name="identity",
               add_dummy_prefix=False, remove_extra_whitespaces=False, byte_fallback=True, pad_id=0, eos_id=1, bos_id=2,
               unk_id=3, eos_piece="<eos>", bos_piece="<bos>", pad_piece="<pad>",
               user_defined_symbols=["\u2581\u2581", "\u2581\u2581\u2581", "\n\n", "<loc>", "art", "ball"])
bytes_.pieces.add(piece="\u2581art", score=-1)  # which nothing becomes: a user's piece is not merged
rules = tempfile.NamedTemporaryFile("w", suffix=".tsv")
rules.write("41\t61\n41 42\t7a\n20 20\t20\n2019\t27\nfb01\t66 69\nb5\t\na4\t" + " ".join(["61"] * 64) + "\n3a9 301\t6f 20 6f\n")
rules.flush()
suffix = train(model_type="unigram", vocab_size=600, character_coverage=0.99, normalization_rule_tsv=rules.name,
               treat_whitespace_as_suffix=True, byte_fallback=True, pad_id=-1, eos_id=2, bos_id=1, unk_id=0)
models = {"nfkc": pad_to(unused(nfkc, 29), 1000), "bytes": pad_to(unused(bytes_, 7), 1000), "suffix": unused(suffix, 13)}


def fnv(data, h=0xCBF29CE484222325):
    for b in data:
        h = (h ^ b) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return h


def digests(encode, texts):
    total, block, blocks = fnv(b""), fnv(b""), []
    for i, text in enumerate(texts):
        ids = encode(text)
        data = struct.pack("<%dI" % (len(ids) + 1), len(ids), *ids)
        total, block = fnv(data, total), fnv(data, block)
        if i % BLOCK == BLOCK - 1 or i == len(texts) - 1:
            blocks.append("%04x" % ((block ^ block >> 16 ^ block >> 32 ^ block >> 48) & 0xFFFF))
            block = fnv(b"")
    return "%d %016x %s" % (len(texts), total, " ".join(blocks))


def siglip(processor, clean, pad):
    def encode(text):
        ids = processor.encode(clean(text))[:CONTEXT - 1] + [processor.eos_id()]
        return ids + [pad] * (CONTEXT - len(ids))
    return encode


rows = []
for name, model in models.items():
    model.normalizer_spec.ClearField("normalization_rule_tsv")  # the path of the file above
    data = model.SerializeToString()
    if name == "nfkc":
        with gzip.GzipFile(out + "/nfkc.model.gz", "wb", 9, mtime=0) as f:
            f.write(data)
    else:
        open("%s/%s.model" % (out, name), "wb").write(data)
    p = sentencepiece.SentencePieceProcessor(model_proto=data)
    frame = get_clean_fn("lower" if name == "bytes" else "canonicalize"), p.pad_id() if name == "bytes" else p.eos_id()
    rows.append("%s labels %s" % (name, digests(p.encode, labels)))
    rows.append("%s odd %s" % (name, digests(p.encode, odd)))
    rows.append("%s siglip %s" % (name, digests(siglip(p, *frame), [l for l in labels if l != MOJIBAKE])))
    for text in ("A photo of 2 cats!", "T-shirt & jeans_(blue)", "New  York \u2122", "\ufb01ne \u03a9\u0301 caf\u00e9 \U0001f600"):
        print(name, repr(text), siglip(p, *frame)(text), p.encode(text))
with open(out + "/pieces.digests", "w") as f:
    f.write("\n".join(rows) + "\n")
