#!/usr/bin/env python3
"""Writes tests/data/ridge/*.safetensors: training data, what the reference chose, its model and its scores.
Needs numpy. usage: python3 tests/gen/ridge.py tests/data/ridge"""
import json
import struct
import sys

import numpy as np

import ridge_reference as ref

TYPES = {"float32": "F32", "float64": "F64", "int8": "I8", "uint8": "U8", "int64": "I64"}


def save(path, tensors, meta):
    order = sorted(tensors, key=lambda k: (-tensors[k].dtype.itemsize, k))
    header, at = {"__metadata__": {"adds": json.dumps(meta, sort_keys=True)}}, 0
    for k in order:
        n = tensors[k].nbytes
        header[k] = {"dtype": TYPES[str(tensors[k].dtype)], "shape": list(tensors[k].shape), "data_offsets": [at, at + n]}
        at += n
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        for k in order:
            f.write(np.ascontiguousarray(tensors[k]).tobytes())


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def world(rng, n, L, D, tiles, noise=0.6, hidden=0.6, kin=0):
    """pictures that show 1 to 4 labels, each somewhere; texts that only partly say what a label looks like"""
    looks = unit(rng.normal(size=(L, D)))
    if kin:  # labels of two attributes each: what is learnt of one label says something of its kin
        a, b = rng.normal(size=(2, kin, D))
        looks = unit(np.stack([a[k % kin] + b[k // kin] for k in range(L)]))
    texts = unit(hidden * looks + rng.normal(size=(L, D)) / np.sqrt(D) + 0.8 * unit(rng.normal(size=D)))
    if kin:
        a, b = a + 1.5 * rng.normal(size=(kin, D)), b + 1.5 * rng.normal(size=(kin, D))
        texts = unit(np.stack([a[k % kin] + b[k // kin] for k in range(L)]) / np.sqrt(D) + 0.8 * unit(rng.normal(size=D)))
    tokens, Y = [], np.zeros((n, L))
    for i in range(n):
        m = tiles if isinstance(tiles, int) else int(rng.integers(tiles[0], tiles[1] + 1))
        shown = rng.choice(L, size=int(rng.integers(1, 5)), replace=False)
        Y[i, shown] = 1
        v = noise * rng.normal(size=(m, D)) / np.sqrt(D)
        for k in shown:
            v[rng.integers(m)] += 0.5 * looks[k]
        tokens.append(unit(v + 0.3 * unit(np.ones(D))))
    return tokens, texts, Y


def case(path, seed, n, L, D, tiles, trained, unknown=0.0, edit=None, kin=0):
    rng = np.random.default_rng(seed)
    tokens, texts, Y = world(rng, n + 20, L, D, tiles, kin=kin)
    W = (rng.random(Y.shape) >= unknown).astype(float)
    if edit:
        edit(tokens, texts, Y, W)
    tokens = [v.astype(np.float32).astype(float) for v in tokens]
    texts = texts.astype(np.float32).astype(float)
    train, test = tokens[:n], tokens[n:]
    stack = (lambda t: t) if not isinstance(tiles, int) else (lambda t: np.stack(t))
    Y, W, labels, beta = Y[:n], W[:n], list(range(trained)), 20.0
    m = ref.train(stack(train), texts, Y, W, labels, beta)
    flat = lambda t: np.concatenate(t).astype(np.float32)
    at = lambda t: np.cumsum([0] + [len(v) for v in t]).astype(np.int64)
    tensors = {
        "tokens": flat(train), "at": at(train), "texts": texts.astype(np.float32),
        "targets": np.where(W > 0, Y, -1).astype(np.int8), "may": (np.arange(L) < trained).astype(np.uint8),
        "test_tokens": flat(test), "test_at": at(test),
    }
    meta = {"beta": beta, "learnt": int(m is not None)}
    if m:
        is_trained = np.isin(np.arange(L), m["labels"])
        slope, intercept, mean = ref.calibrate(m, texts, Y, W)
        scores = ref.score(m, stack(test), texts, is_trained)
        tensors |= {"labels": np.array(m["labels"], np.int64), "A": m["A"], "mu": m["mu"], "scores": scores,
                    "logits": slope * (scores - mean) + intercept}
        for k in ("lam", "rho_trained", "rho_untrained", "share", "sharp", "sigma", "d90", "s", "scale", "steps"):
            meta[k] = float(m[k])
    save(path, tensors, meta)
    print(path, {k: v for k, v in meta.items() if k != "labels"})


def same_texts(tokens, texts, Y, W):
    texts[1] = texts[0]
    texts[7] = texts[5]


def same_pictures(tokens, texts, Y, W):
    for i in range(1, len(tokens)):
        tokens[i] = tokens[0].copy()


def one_sided(tokens, texts, Y, W):
    Y[:, 2] = 0
    Y[:, 4] = 1


def main(out):
    case(f"{out}/one_token.safetensors", 1, 90, 24, 16, 1, 18)
    case(f"{out}/unknown_cells.safetensors", 2, 90, 24, 16, 1, 20, 0.3)
    case(f"{out}/five_tiles.safetensors", 3, 72, 22, 16, 5, 18)
    case(f"{out}/ragged.safetensors", 4, 120, 25, 16, (1, 4), 20, 0.1, kin=5)
    case(f"{out}/kin.safetensors", 11, 150, 25, 16, 1, 20, kin=5)
    case(f"{out}/kin_tiles.safetensors", 12, 120, 25, 16, 3, 20, kin=5)
    case(f"{out}/few_labels.safetensors", 5, 60, 9, 12, 1, 7)
    case(f"{out}/same_texts.safetensors", 6, 80, 20, 12, 2, 18, 0.0, same_texts)
    case(f"{out}/same_pictures.safetensors", 7, 40, 16, 12, 1, 14, 0.0, same_pictures)
    case(f"{out}/one_label.safetensors", 8, 30, 4, 12, 1, 1)
    case(f"{out}/one_sided.safetensors", 9, 60, 18, 12, 3, 16, 0.0, one_sided)
    case(f"{out}/one_picture.safetensors", 10, 1, 12, 12, 1, 10)


if __name__ == "__main__":
    main(sys.argv[1])
