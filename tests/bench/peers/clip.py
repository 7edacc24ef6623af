#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""clip.py - the same towers with random weights in PyTorch and ONNX Runtime: pictures and labels a second

usage: clip.py [SHAPE [LABELS [BATCH]]]      (SHAPE: b32, b16, l14, l14-336; LABELS is for ours alone)

Each peer and number of threads is a process of its own: clip.py --peer onnx|torch THREADS SHAPE [BATCH].
The ONNX files are left in $BENCH_DIR.
"""
import os
import subprocess
import sys

from peer import CORES, CPU, FOLDER, best, line

SHAPES = {  # S, P, D, L, H, E; text d, l, h
    "b32": (224, 32, 768, 12, 12, 512, 512, 12, 8),
    "b16": (224, 16, 768, 12, 12, 512, 512, 12, 8),
    "l14": (224, 14, 1024, 24, 16, 768, 768, 12, 12),
    "l14-336": (336, 14, 1024, 24, 16, 768, 768, 12, 12),
}


def batches(name, threads):
    """as tests/bench/clip.c has them"""
    many = BATCH or {"b32": 32, "b16": 8}.get(name, 4)
    return (1,) if threads == 1 and name.startswith("l14") and not BATCH else (1, many)


def tower(name, precision, batch, threads):
    return f"image tower {name} {precision}, batch {batch}, {'1 thread' if threads == 1 and CORES > 1 else 'all cores'}"


def onnx_model(path, shape):
    """The picture tower as an ONNX graph: products, softmax, LayerNormalization and QuickGELU as exporters write them."""
    import numpy as np
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    S, P, D, L, H, E = shape[:6]
    N, hd = (S // P) ** 2 + 1, D // H
    rng = np.random.default_rng(0)
    nodes, inits = [], []

    def init(name, *dims, scale=None, value=None):
        a = value if value is not None else (rng.standard_normal(dims, np.float32) * (scale or dims[0] ** -0.5)).astype(np.float32)
        inits.append(numpy_helper.from_array(a, name))
        return name

    def node(op, ins, out, **attrs):
        nodes.append(helper.make_node(op, ins, [out], name=out, **attrs))
        return out

    def linear(x, name, i, o):
        y = node("MatMul", [x, init(name + ".w", i, o)], name + ".mm")
        return node("Add", [y, init(name + ".b", o, scale=0.02)], name + ".y")

    def norm(x, name):
        return node("LayerNormalization", [x, init(name + ".w", D, scale=1.0), init(name + ".b", D, scale=0.02)], name + ".y",
                    axis=-1, epsilon=1e-5)

    x = node("Conv", ["pixels", init("conv", D, 3, P, P, scale=0.02)], "patches", strides=[P, P])
    x = node("Reshape", [x, init("flat", value=np.array([0, D, -1], np.int64))], "patches.flat")
    x = node("Transpose", [x], "patches.rows", perm=[0, 2, 1])
    b = node("Shape", ["pixels"], "shape")
    b = node("Gather", [b, init("zero", value=np.array([0], np.int64))], "batch")
    c = node("Concat", [b, init("rest", value=np.array([1, D], np.int64))], "cls.shape", axis=0)
    c = node("Expand", [init("cls", 1, 1, D, scale=0.02), c], "cls.batch")
    x = node("Concat", [c, x], "tokens", axis=1)
    x = node("Add", [x, init("pos", N, D, scale=0.02)], "positioned")
    x = norm(x, "ln_pre")
    heads = init("heads", value=np.array([0, 0, H, hd], np.int64))
    whole = init("whole", value=np.array([0, 0, D], np.int64))
    scale = init("scale", value=np.array(hd ** -0.5, np.float32))
    k = init("1.702", value=np.array(1.702, np.float32))
    for i in range(L):
        n = f"b{i}."
        y = norm(x, n + "ln_1")
        q, key, v = [node("Transpose", [node("Reshape", [linear(y, n + s, D, D), heads], n + s + ".r")], n + s + ".t",
                          perm=[0, 2, 3, 1] if s == "k" else [0, 2, 1, 3]) for s in "qkv"]
        a = node("Softmax", [node("Mul", [node("MatMul", [q, key], n + "qk"), scale], n + "s")], n + "p", axis=-1)
        a = node("Transpose", [node("MatMul", [a, v], n + "pv")], n + "a.t", perm=[0, 2, 1, 3])
        x = node("Add", [x, linear(node("Reshape", [a, whole], n + "a"), n + "out", D, D)], n + "x1")
        h = linear(norm(x, n + "ln_2"), n + "fc", D, 4 * D)
        h = node("Mul", [h, node("Sigmoid", [node("Mul", [h, k], n + "kh")], n + "sig")], n + "act")
        x = node("Add", [x, linear(h, n + "proj", 4 * D, D)], n + "x2")
    x = node("Gather", [x, init("first", value=np.array(0, np.int64))], "pooled", axis=1)
    node("MatMul", [norm(x, "ln_post"), init("proj", D, E)], "embedding")
    f = TensorProto.FLOAT
    graph = helper.make_graph(nodes, "clip", [helper.make_tensor_value_info("pixels", f, ["n", 3, S, S])],
                              [helper.make_tensor_value_info("embedding", f, ["n", E])], inits)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    onnx.save(model, path, save_as_external_data=True, location=os.path.basename(path) + ".data")


def onnx_int8(path):
    """weights per channel, activations per tensor as they come: its dynamic quantisation"""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    to = path.replace(".onnx", "-int8.onnx")
    if not os.path.exists(to):
        quantize_dynamic(path, to, per_channel=True, weight_type=QuantType.QInt8, use_external_data_format=True)
    return to


def run_onnx(name, threads):
    import numpy as np
    import onnxruntime as ort

    shape = SHAPES[name]
    path = os.path.join(FOLDER, f"peer-{name}.onnx")
    if not os.path.exists(path):
        onnx_model(path, shape)
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    for precision in ["f32"] + ["int8"] * ("avx2" in CPU):
        session = ort.InferenceSession(onnx_int8(path) if precision == "int8" else path, options, providers=["CPUExecutionProvider"])
        for batch in batches(name, threads):
            x = np.random.rand(batch, 3, shape[0], shape[0]).astype(np.float32)
            rate = batch / best(lambda: session.run(None, {"pixels": x}))
            line(tower(name, precision, batch, threads), "ONNX Runtime", rate, "pictures/s", "more", version=ort.__version__)
            if precision == "f32" and "avx512_bf16" in CPU:
                line(tower(name, "bf16", batch, threads), "ONNX Runtime f32", rate, "pictures/s", "more", version=ort.__version__)


def run_torch(name, threads):
    import torch
    import torch.nn.functional as F
    from torch import nn

    class Block(nn.Module):
        def __init__(self, D, H):
            super().__init__()
            self.ln_1, self.ln_2, self.H = nn.LayerNorm(D), nn.LayerNorm(D), H
            self.qkv, self.out = nn.Linear(D, 3 * D), nn.Linear(D, D)
            self.fc, self.proj = nn.Linear(D, 4 * D), nn.Linear(4 * D, D)

        def forward(self, x, causal=False):
            b, n, d = x.shape
            q, k, v = self.qkv(self.ln_1(x)).reshape(b, n, 3, self.H, d // self.H).permute(2, 0, 3, 1, 4)
            a = F.scaled_dot_product_attention(q, k, v, is_causal=causal)
            x = x + self.out(a.transpose(1, 2).reshape(b, n, d))
            h = self.fc(self.ln_2(x))
            return x + self.proj(h * torch.sigmoid(1.702 * h))

    class Image(nn.Module):
        def __init__(self, S, P, D, L, H, E):
            super().__init__()
            self.conv = nn.Conv2d(3, D, P, P, bias=False)
            self.cls, self.pos = nn.Parameter(torch.randn(D) * 0.02), nn.Parameter(torch.randn((S // P) ** 2 + 1, D) * 0.02)
            self.pre, self.post, self.proj = nn.LayerNorm(D), nn.LayerNorm(D), nn.Parameter(torch.randn(D, E) * 0.03)
            self.blocks = nn.ModuleList(Block(D, H) for _ in range(L))

        def forward(self, x):
            x = self.conv(x).flatten(2).transpose(1, 2)
            x = self.pre(torch.cat([self.cls.expand(len(x), 1, -1), x], 1) + self.pos)
            for b in self.blocks:
                x = b(x)
            return self.post(x[:, 0]) @ self.proj

    class Text(nn.Module):
        def __init__(self, d, l, h, E):
            super().__init__()
            self.embed, self.pos = nn.Embedding(49408, d), nn.Parameter(torch.randn(77, d) * 0.02)
            self.blocks = nn.ModuleList(Block(d, h) for _ in range(l))
            self.ln, self.proj = nn.LayerNorm(d), nn.Parameter(torch.randn(d, E) * 0.03)

        def forward(self, ids):
            x = self.embed(ids) + self.pos
            for b in self.blocks:
                x = b(x, True)
            return self.ln(x[torch.arange(len(x)), ids.argmax(-1)]) @ self.proj

    torch.set_num_threads(threads)
    S, P, D, L, H, E, d, l, h = SHAPES[name]
    with torch.inference_mode():
        m = Image(S, P, D, L, H, E).eval()
        for precision, dtype in [("f32", torch.float32)] + [("bf16", torch.bfloat16)] * ("avx512_bf16" in CPU):
            m = m.to(dtype)
            for batch in batches(name, threads):
                x = torch.rand(batch, 3, S, S, dtype=dtype)
                line(tower(name, precision, batch, threads), "PyTorch", batch / best(lambda: m(x)), "pictures/s", "more", version=torch.__version__)
        if name != "b32" or threads == 1:
            return
        m = Text(d, l, h, E).eval()
        ids = torch.zeros(64, 77, dtype=torch.long)
        ids[:, 0], ids[:, 8] = 49406, 49407
        line(f"text tower {name} f32, all cores", "PyTorch", 64 / best(lambda: m(ids)), "labels/s", "more", version=torch.__version__)


def main():
    name = sys.argv[1] if len(sys.argv) > 1 else "b32"
    for threads in sorted({1, CORES}, reverse=True):
        for peer in ("onnx", "torch"):
            subprocess.run([sys.executable, __file__, "--peer", peer, str(threads), name] + sys.argv[3:4], check=True)


if sys.argv[1:2] == ["--peer"]:
    BATCH = int(sys.argv[5]) if len(sys.argv) > 5 else 0
    (run_torch if sys.argv[2] == "torch" else run_onnx)(sys.argv[4], int(sys.argv[3]))
else:
    main()
