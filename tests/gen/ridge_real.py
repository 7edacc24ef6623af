#!/usr/bin/env python3
"""Writes tests/data/ridge/shapes.safetensors and flickr8k.safetensors: what the reference makes of real features. Needs numpy.

shapes     the 21 tiles of 200 training and 30 validation pictures of examples/shapes, rounded to bytes, and all of a golden case
flickr8k   only what was chosen, the figures, and some hundred numbers: the features themselves are not ours to pass on

SHAPES is a folder with train.safetensors, val.safetensors and labels.safetensors, from examples/shapes by
  adds-pyramid -m examples/mini_clip --levels 3 --tokens cls --fit pad, adds-encode-text -m examples/mini_clip, adds-cat --safetensors
usage: python3 tests/gen/ridge_real.py SHAPES CLIP_VITB32_FLICKR8K tests/data/ridge
"""
import json
import struct
import sys

import numpy as np

import ridge_reference as ref
from ridge import save, unit

KEYS = ("lam", "rho_trained", "rho_untrained", "share", "sharp", "sigma", "d90", "s", "scale", "steps")
DTYPES = {"F16": np.float16, "F32": np.float32, "U8": np.uint8, "I8": np.int8, "I32": np.int32, "I64": np.int64}


def load(path):
    with open(path, "rb") as f:
        n = struct.unpack("<Q", f.read(8))[0]
        header, data = json.loads(f.read(n)), f.read()
    return {k: np.frombuffer(data[h["data_offsets"][0]:h["data_offsets"][1]], DTYPES[h["dtype"]]).reshape(h["shape"])
            for k, h in header.items() if k != "__metadata__"}


def learn(train, test, texts, Y, W, labels, beta):
    m = ref.train(train, texts, Y, W, labels, beta)
    slope, intercept, mean = ref.calibrate(m, texts, Y, W)
    scores = ref.score(m, test, texts, np.isin(np.arange(len(texts)), m["labels"]))
    return m, scores, slope * (scores - mean) + intercept


def shapes(folder, out, n=200, n_test=30):
    def tokens(name, n):
        t = load(f"{folder}/{name}.safetensors")
        x = unit(t["tokens"].reshape(-1, t["tokens"].shape[-1]).astype(float)).reshape(-1, 21, t["tokens"].shape[-1])[:n]
        q = np.round(127 * x / np.abs(x).max(-1, keepdims=True)).astype(np.int8)
        return q, unit(q.astype(float)), t["targets"][:n]

    qa, train, targets = tokens("train", n)
    qb, test, _ = tokens("val", n_test)
    texts = unit(load(f"{folder}/labels.safetensors")["embedding"].astype(float)).astype(np.float32)
    Y, W = (targets > 0).astype(float), (targets >= 0).astype(float)
    labels, beta = list(range(len(texts))), 32.323692321777344  # of examples/mini_clip
    m, scores, logits = learn(train, test, texts.astype(float), Y, W, labels, beta)
    flat = lambda q: np.ascontiguousarray(q.reshape(-1, q.shape[-1]))
    tensors = {
        "tokens": flat(qa), "at": np.arange(0, 21 * n + 1, 21), "texts": texts, "targets": targets.astype(np.int8),
        "may": np.ones(len(texts), np.uint8), "test_tokens": flat(qb), "test_at": np.arange(0, 21 * n_test + 1, 21),
        "labels": np.array(m["labels"], np.int64), "mu": m["mu"], "scores": scores, "logits": logits,
    }
    meta = {"beta": beta, "learnt": 1} | {k: float(m[k]) for k in KEYS}
    save(f"{out}/shapes.safetensors", tensors, meta)
    print("shapes", meta)


def flickr8k(folder, out):
    v = unit(np.load(f"{folder}/image_features.npy").astype(np.float32).astype(float))[:, None]
    texts = unit(np.load(f"{folder}/label_text.npy").astype(np.float32).astype(float))
    mentions = np.load(f"{folder}/label_mentions.npy")
    seen = np.array([x.rstrip("\n").endswith("\tseen") for x in open(f"{folder}/labels.tsv").readlines()[1:]])
    Y, W = (mentions >= 2).astype(float), (mentions != 1).astype(float)
    a = np.arange(len(v)) % 10 < 7
    v, texts = v.astype(np.float32).astype(float), texts.astype(np.float32).astype(float)
    for name, labels in (("flickr8k", np.flatnonzero(seen)), ("flickr8k_all", np.arange(len(texts)))):
        m, scores, logits = learn(v[a], v[~a], texts, Y[a], W[a], list(labels), 100.0)
        ap = ref.label_aps(scores, Y[~a], W[~a])
        meta = {"beta": 100.0, "learnt": 1, "seen": float(np.nanmean(ap[seen])), "unseen": float(np.nanmean(ap[~seen]))}
        meta |= {k: float(m[k]) for k in KEYS} | {"largest_score": float(np.abs(scores).max()), "largest_logit": float(np.abs(logits).max())}
        cells = np.arange(0, scores.size, 97)
        save(f"{out}/{name}.safetensors", {"may": np.isin(np.arange(len(texts)), labels).astype(np.uint8),
                                          "labels": np.array(m["labels"], np.int64), "cells": cells,
                                          "scores": scores.reshape(-1)[cells], "logits": logits.reshape(-1)[cells]}, meta)
        print(name, meta)


if __name__ == "__main__":
    shapes(sys.argv[1], sys.argv[3])
    flickr8k(sys.argv[2], sys.argv[3])
