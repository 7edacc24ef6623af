#!/usr/bin/env python3
"""decoder.py - golden files of the decoder, by PyTorch in float64

usage: decoder.py FOLDER      (PyTorch 1.13 made those in tests/data)

Each file is a checkpoint with more tensors: in.* the inputs, out.logits, out.loss
(asymmetric loss, summed), grad.NAME, and step.NAME: the weights after ten steps
of AdamW on the same batch.
"""
import json
import os
import struct
import sys

import torch

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "examples"))
from load_checkpoint import Model  # noqa: E402

LR, DECAY, STEPS = 1e-3, 1e-2, 10


def write(path, tensors, meta):
    head, data = {"__metadata__": {"adds": json.dumps(meta, sort_keys=True)}}, b""
    kinds = {torch.float32: "F32", torch.int8: "I8", torch.int64: "I64"}
    for name, t in sorted(tensors.items(), key=lambda x: (-x[1].element_size(), x[0])):
        raw = t.numpy().tobytes()
        head[name] = {"dtype": kinds[t.dtype], "shape": list(t.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(head, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + data)


def asymmetric_loss(z, y, neg=4, pos=0, clip=0.05):
    """ASL (Ridnik et al. 2021), focal weights without gradient; y 1, 0, or -1: unknown"""
    p = torch.sigmoid(z)
    m = (p - clip).clamp(min=0)
    up = -((1 - p) ** pos).detach() * p.clamp(min=1e-8).log()
    down = -(m**neg).detach() * (1 - m).clamp(min=1e-8).log()
    return torch.where(y == 1, up, torch.where(y == 0, down, torch.zeros_like(z))).sum()


def unit(rows, width):
    return torch.nn.functional.normalize(torch.randn(rows, width), dim=1) * width**0.5


def case(folder, name, seed, width=16, layers=2, heads=1, ff=24, labels=6, context=0, tokens=(3, 6, 11, 6), prior=1, gate=1):
    torch.manual_seed(seed)
    model = Model(width, layers, heads, ff, prior)
    for p in model.parameters():
        p.data += 0.05 * torch.randn_like(p)
    start = {k: v.clone() for k, v in model.state_dict().items()}
    model = model.double()
    x = {
        "in.labels": unit(labels, width),
        "in.tokens": unit(sum(tokens), width),
        "in.at": torch.tensor([sum(tokens[:i]) for i in range(len(tokens) + 1)]),
        "in.target": torch.randint(-1, 2, (len(tokens), labels), dtype=torch.int8),
    }
    if context:
        x["in.context"] = unit(context, width)
    if prior:
        x["in.z0"] = torch.rand(len(tokens), labels)
    if gate:
        x["in.gate"] = torch.rand(labels)

    def run():
        f = {k: v.double() if v.dtype == torch.float32 else v for k, v in x.items()}
        out = []
        for i in range(len(tokens)):
            v = f["in.tokens"][x["in.at"][i] : x["in.at"][i + 1]]
            out.append(model(f["in.labels"], v, f["in.z0"][i] if prior else None, f.get("in.gate"), f.get("in.context")))
        z = torch.stack(out)
        return z, asymmetric_loss(z, x["in.target"])

    params = dict(model.named_parameters())
    optimizer = torch.optim.AdamW(
        [
            {"params": [p for p in params.values() if p.dim() > 1], "weight_decay": DECAY},
            {"params": [p for p in params.values() if p.dim() < 2], "weight_decay": 0},
        ],
        lr=LR,
    )
    tensors = dict(start, **x)
    for step in range(STEPS):
        z, loss = run()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if step == 0:
            tensors["out.logits"] = z.detach().float()
            tensors["out.loss"] = loss.detach().float().reshape(1)
            tensors.update({"grad." + k: p.grad.float() for k, p in params.items() if p.grad is not None})
        optimizer.step()
    tensors.update({"step." + k: p.detach().float() for k, p in params.items() if p.grad is not None})
    config = {"width": width, "layers": layers, "heads": heads, "ff": ff, "prior": prior, "no_visual_update": 0, "dropout": 0}
    write(os.path.join(folder, name), tensors, {"method": "decoder", "decoder": config})


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    case(sys.argv[1], "decoder_heads.safetensors", 1, heads=4, labels=7)
    case(sys.argv[1], "decoder_orders.safetensors", 2)
    case(sys.argv[1], "decoder_context.safetensors", 3, layers=3, width=12, ff=16, context=5, prior=0, gate=0)


if __name__ == "__main__":
    main()
