#!/usr/bin/env python3
"""decoder.py - the same training step as tests/bench/decoder.c, in PyTorch

usage: decoder.py L T D BATCH [PRECISION]

The module of examples/load_checkpoint.py on batches [B, L, D] and [B, T, D], ASL and AdamW (fused where PyTorch has it for
the CPU); as it is, and compiled where there is a compiler for it.
"""
import os
import sys

import torch
from peer import CORES, best, line

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..", "examples"))
from load_checkpoint import Model  # noqa: E402

ROUNDS = 3


def logits(model, labels, tokens):
    q, v = labels.expand(len(tokens), -1, -1), tokens
    layers = model.decoder.layers
    for i, layer in enumerate(layers):
        q, v = layer(q, v, labels.shape[0], i + 1 < len(layers))
    return model.final_fc(model.decoder.fc(q))[..., 0]


def loss(z):
    """ASL of labels that are all negative: the cost of it is the same"""
    m = (torch.sigmoid(z) - 0.05).clamp(min=0)
    return -((m**4).detach() * (1 - m).clamp(min=1e-8).log()).sum()


def optimizer(model):
    try:
        return torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=1e-2, fused=True)
    except (RuntimeError, TypeError):
        return torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=1e-2)


def measure(labels, tokens, width, batch, compiled, bf16, device):
    model = Model(width, 2, 1, 4 * width, dropout=0.1).train().to(device)
    run = torch.compile(lambda a, b: loss(logits(model, a, b).float())) if compiled else lambda a, b: loss(logits(model, a, b).float())
    opt = optimizer(model)
    q, v = torch.randn(labels, width, device=device), torch.randn(batch, tokens, width, device=device)

    def step():
        opt.zero_grad(set_to_none=True)
        with torch.autocast(device, torch.bfloat16, enabled=bf16):
            out = run(q, v)
        out.backward()
        opt.step()

    def show(what, run):
        ms = 1e3 * best(run, ROUNDS, 0) / batch
        line(f"decoder {what} L{labels} T{tokens} D{width} {'bf16' if bf16 else 'f32'}", "PyTorch", ms, "ms a picture", "less",
             version=torch.__version__, compiled=int(compiled))

    show("step", step)
    if compiled:
        return
    model.eval()
    with torch.no_grad():
        show("evaluation", lambda: logits(model, q, v))


def main():
    labels, tokens, width, batch = [int(a) for a in sys.argv[1:5]] or (80, 1285, 768, 8)
    bf16 = "bf16" in sys.argv
    torch.set_num_threads(CORES)
    for compiled in (False, True):
        try:
            measure(labels, tokens, width, batch, compiled, bf16, "cpu")
        except Exception as e:  # no compiler, or none that it can use
            print(f"# compiled: {type(e).__name__}: {e}"[:400], file=sys.stderr)


if __name__ == "__main__":
    main()
