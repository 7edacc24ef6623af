#!/usr/bin/env python3
"""decoder.py - the same training step as tests/bench/decoder.c, in PyTorch

usage: decoder.py [THREADS [compile] [bf16]]

The module of examples/load_checkpoint.py on batches [B, L, D] and [B, T, D], ASL and
AdamW (fused where PyTorch has it for the CPU).
"""
import os
import sys
import time

import torch

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..", "examples"))
from load_checkpoint import Model  # noqa: E402

ROUNDS = 5


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


def measure(labels, tokens, width, batch, compiled, bf16):
    model = Model(width, 2, 1, 4 * width, dropout=0.1).train()
    run = torch.compile(lambda a, b: loss(logits(model, a, b).float())) if compiled else lambda a, b: loss(logits(model, a, b).float())
    opt = optimizer(model)
    q, v = torch.randn(labels, width), torch.randn(batch, tokens, width)
    def step():
        opt.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            out = run(q, v)
        out.backward()
        opt.step()

    train = times(step)
    model.eval()
    with torch.no_grad():
        evaluation = times(lambda: logits(model, q, v))
    print(
        "L %d T %d D %d batch %d: step %.1f ms a picture (processor %.1f), evaluation %.1f (%.1f)"
        % (labels, tokens, width, batch, *[1e3 * x / batch for x in train + evaluation]),
        flush=True,
    )


def times(f):
    """the best of ROUNDS by the clock, and of processor time"""
    clock = cpu = 1e9
    for _ in range(ROUNDS):
        t, c = time.perf_counter(), time.process_time()
        f()
        clock, cpu = min(clock, time.perf_counter() - t), min(cpu, time.process_time() - c)
    return clock, cpu


def main():
    threads = int(sys.argv[1]) if len(sys.argv) > 1 else 2
    torch.set_num_threads(threads)
    compiled, bf16 = "compile" in sys.argv, "bf16" in sys.argv
    print("# PyTorch %s, %d threads%s%s" % (torch.__version__, threads, ", compiled" * compiled, ", bf16" * bf16))
    for shape in ((80, 1285, 768, 8), (80, 50, 512, 32), (1000, 257, 768, 4)):
        measure(*shape, compiled, bf16)


if __name__ == "__main__":
    main()
