#!/usr/bin/env python3
"""load_checkpoint.py - an ADDS checkpoint as a PyTorch module

usage: load_checkpoint.py FILE.safetensors

Loads the decoder's weights into the module below, whose structure and names are
those of the seed project (decoder.layers.0.norm1.weight, final_fc.bias, ...),
and says what it found. Needs PyTorch and NumPy, nothing else: a checkpoint is a
safetensors file, read here by hand. From your own program:

    model, info, trained = load("run/final.safetensors")
    logits = model(labels, tokens)      # [L, D] and [T, D], unit rows times sqrt(D)
"""
import json
import struct
import sys

import numpy
import torch
from torch import nn


class Layer(nn.Module):
    def __init__(self, width, heads, ff, dropout=0.0):
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.norm2 = nn.LayerNorm(width)
        self.norm3 = nn.LayerNorm(width)
        self.norm4 = nn.LayerNorm(width)
        self.multihead_attn1 = nn.MultiheadAttention(width, heads, batch_first=True)
        self.multihead_attn2 = nn.MultiheadAttention(width, heads, batch_first=True)
        self.ffn1 = nn.Sequential(nn.Linear(width, ff), nn.ReLU(), nn.Linear(ff, width), nn.Dropout(dropout))
        self.dropout = nn.Dropout(dropout)

    def forward(self, q, v, labels, visual):
        """q: labels, and behind them those that the visual branch looks at, if these are others"""
        a = self.norm1(q + self.dropout(q))
        c = self.norm2(a + self.multihead_attn1(a, v, v, need_weights=False)[0])
        q = self.norm3(c + self.ffn1(c))
        if visual:
            k = q[:, labels:] if q.shape[1] > labels else q
            v = self.norm4(v + self.multihead_attn2(v, k, k, need_weights=False)[0])
        return q, v


class Prior(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.full((1,), 20.0))
        self.bias = nn.Parameter(torch.full((1,), -6.0))


class Decoder(nn.Module):
    def __init__(self, width, layers, heads, ff, dropout=0.0):
        super().__init__()
        self.layers = nn.ModuleList(Layer(width, heads, ff, dropout) for _ in range(layers))
        self.fc = nn.Linear(width, width)


class Model(nn.Module):
    def __init__(self, width, layers, heads, ff, prior=0, no_visual_update=0, dropout=0.0):
        super().__init__()
        self.visual = not no_visual_update
        if layers:
            self.decoder = Decoder(width, layers, heads, ff, dropout)
            self.final_fc = nn.Linear(width, 1)
        if prior:
            self.prior = Prior()

    def forward(self, labels, tokens, z0=None, gate=None, context=None):
        """Logits [L] of one picture; z0: its zero-shot scores [L], where the model has the prior."""
        out = 0
        if hasattr(self, "decoder"):
            q = (labels if context is None else torch.cat([labels, context]))[None]
            v = tokens[None]
            for i, layer in enumerate(self.decoder.layers):
                q, v = layer(q, v, len(labels), self.visual and i + 1 < len(self.decoder.layers))
            out = self.final_fc(self.decoder.fc(q[0, : len(labels)]))[:, 0]
            if gate is not None:
                out = out * gate
        if hasattr(self, "prior"):
            out = out + self.prior.scale * z0 + self.prior.bias
        return out


def read_safetensors(path):
    kinds = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "U8": "u1", "I8": "i1"}
    with open(path, "rb") as f:
        data = f.read()
    (length,) = struct.unpack("<Q", data[:8])
    head = json.loads(data[8 : 8 + length])
    meta = json.loads(head.pop("__metadata__", {}).get("adds", "{}"))
    tensors = {}
    for name, t in head.items():
        begin, end = t["data_offsets"]
        raw = numpy.frombuffer(data[8 + length + begin : 8 + length + end], kinds[t["dtype"]])
        tensors[name] = torch.from_numpy(raw.reshape(t["shape"]).copy())
    return tensors, meta


def load(path):
    """The model, its metadata, and {name: unit text} of the labels it was trained on. Of a blend: its decoder alone."""
    tensors, meta = read_safetensors(path)
    if "decoder" not in meta:
        raise ValueError("%s: no decoder is in it (method: %s): take final.safetensors of a run with one" % (path, meta.get("method")))
    c = meta["decoder"]
    model = Model(c["width"], c["layers"], c["heads"], c["ff"], c["prior"], c["no_visual_update"], c["dropout"])
    names = tensors.pop("trained.labels", None)
    texts = tensors.pop("trained.texts", None)
    trained = {}
    if names is not None:
        trained = dict(zip(bytes(names.tolist()).decode().split("\0"), texts))
    model.load_state_dict({k: v for k, v in tensors.items() if k in model.state_dict()}, strict=True)
    return model.eval(), meta, trained


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] in ("-h", "--help"):
        print(__doc__, file=sys.stdout if len(sys.argv) == 2 else sys.stderr)
        sys.exit(0 if len(sys.argv) == 2 else 2)
    try:
        model, meta, trained = load(sys.argv[1])
    except (OSError, ValueError) as error:
        sys.exit("load_checkpoint.py: %s" % error)
    print(json.dumps(meta["decoder"], sort_keys=True))
    print("%d parameters, trained on %d labels" % (sum(p.numel() for p in model.parameters()), len(trained)))
