#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""clip.py - makes tests/data/clip/golden.safetensors: what PyTorch, in float64, gives for the models of
mkmodel. Needs torch and numpy. usage: clip.py [--mini-clip FOLDER] OUTPUT

The weights are made by mkmodel's rule (see its comments), the arithmetic is written here from the
description of CLIP, with torch's own layers.
"""
import argparse, json, math, struct
import numpy as np, torch
import torch.nn.functional as F

MEAN = np.array([0.48145466, 0.4578275, 0.40821073], np.float32)
STD = np.array([0.26862954, 0.26130258, 0.27577711], np.float32)


def lcg(name, n):
    """n states of s = 1664525 s + 1013904223 mod 2^32 from FNV-1a of the name, by doubling"""
    s = 2166136261
    for c in name.encode():
        s = ((s ^ c) * 16777619) & 0xFFFFFFFF
    out = np.empty(n, np.uint32)
    out[0] = (s * 1664525 + 1013904223) & 0xFFFFFFFF
    a, c, have = 1664525, 1013904223, 1
    while have < n:
        k = min(have, n - have)
        with np.errstate(over="ignore"):
            out[have:have + k] = out[:k] * np.uint32(a) + np.uint32(c)
        c = (c * a + c) & 0xFFFFFFFF
        a = (a * a) & 0xFFFFFFFF
        have += k
    return out


def value(name, shape, mini=False):
    n = int(np.prod(shape)) if shape else 1
    projection = name in ("visual.proj", "text_projection")
    norm = "ln_" in name or ".ln." in name
    last = name.rsplit(".", 1)[-1]
    base = 1.0 if (norm and last == "weight") or "gamma" in name else 0.0
    if norm:
        gain = 0.25
    elif last.endswith("bias"):
        gain = 0.125
    elif any(w in name for w in ("class_embedding", "positional_embedding", "token_embedding", "probe", "gamma")):
        gain = 0.5
    elif mini:
        gain = 0.25 if projection else 0.125
    else:
        inputs = shape[0] if projection else int(np.prod(shape[1:]))
        gain = (2.0 if projection else 1.0) * math.sqrt(2.0 / inputs)
    u = (lcg(name, n) >> np.uint32(8)).astype(np.float64) / 8388608.0 - 1.0
    v = (base + gain * u).astype(np.float32)
    return torch.from_numpy(v.astype(np.float64).reshape(shape))


class Weights:
    def __init__(self, tensors=None):
        self.tensors = tensors

    def __call__(self, name, *shape):
        if self.tensors is not None:
            return self.tensors[name].double()
        return value(name, shape)


def read_safetensors(path):
    b = open(path, "rb").read()
    n = struct.unpack("<Q", b[:8])[0]
    out = {}
    for k, v in json.loads(b[8:8 + n]).items():
        if k != "__metadata__":
            a, e = v["data_offsets"]
            t = {"F16": np.float16, "F32": np.float32}[v["dtype"]]
            out[k] = torch.from_numpy(np.frombuffer(b[8 + n + a:8 + n + e], t).reshape(v["shape"]).copy())
    return out


def write_safetensors(path, tensors):
    head, at, body = {}, 0, b""
    for k in sorted(tensors):
        a = np.ascontiguousarray(tensors[k], np.float32)
        head[k] = {"dtype": "F32", "shape": list(a.shape), "data_offsets": [at, at + a.nbytes]}
        at += a.nbytes
        body += a.tobytes()
    h = json.dumps(head, separators=(",", ":")).encode()
    h += b" " * (-len(h) % 8)
    open(path, "wb").write(struct.pack("<Q", len(h)) + h + body)


def act(x, kind):
    if kind == "quick_gelu":
        return x * torch.sigmoid(1.702 * x)
    if kind == "gelu_tanh":
        return 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x ** 3)))
    return F.gelu(x)


def block(W, prefix, x, D, hd, inner, M, kind, mask, eps, scale):
    """x [n, D]"""
    ln = lambda name, x: F.layer_norm(x, (D,), W(prefix + name + ".weight", D), W(prefix + name + ".bias", D), eps)
    y = F.linear(ln("ln_1", x), W(prefix + "attn.in_proj_weight", 3 * inner, D), W(prefix + "attn.in_proj_bias", 3 * inner))
    q, k, v = [t.reshape(-1, inner // hd, hd).transpose(0, 1) for t in y.split(inner, -1)]
    s = q @ k.transpose(1, 2) / math.sqrt(hd)
    if mask:
        s = s + torch.full(s.shape[1:], -math.inf, dtype=s.dtype).triu(1)
    a = (s.softmax(-1) @ v).transpose(0, 1).reshape(-1, inner)
    a = F.linear(a, W(prefix + "attn.out_proj.weight", D, inner), W(prefix + "attn.out_proj.bias", D))
    x = x + (a * W(prefix + "ls_1.gamma", D) if scale else a)
    h = act(F.linear(ln("ln_2", x), W(prefix + "mlp.c_fc.weight", M, D), W(prefix + "mlp.c_fc.bias", M)), kind)
    h = F.linear(h, W(prefix + "mlp.c_proj.weight", D, M), W(prefix + "mlp.c_proj.bias", D))
    return x + (h * W(prefix + "ls_2.gamma", D) if scale else h)


def blocks(W, prefix, x, D, L, H, M, kind, mask, eps=1e-5, pruned=False, scale=False):
    for i in range(L):
        inner = D // H * (H - i % H if pruned else H)
        x = block(W, f"{prefix}transformer.resblocks.{i}.", x, D, D // H, inner, M - 16 * i if pruned else M, kind, mask, eps, scale)
    return x


def picture(side, seed):
    y, x, c = np.meshgrid(np.arange(side), np.arange(side), np.arange(3), indexing="ij")
    return (((7 + seed) * x + 13 * y + 29 * c + x * y) % 256).astype(np.uint8)


def pixels(side, seed, mean=MEAN, std=STD):
    p = (picture(side, seed).astype(np.float32) / np.float32(255) - mean) / std
    return torch.from_numpy(p.astype(np.float64)).permute(2, 0, 1)


def resize(pos, g):
    """position embeddings [1 + g0², D] for another grid, as OpenCLIP"""
    g0 = math.isqrt(pos.shape[0] - 1)
    grid = pos[1:].reshape(1, g0, g0, -1).permute(0, 3, 1, 2)
    grid = F.interpolate(grid, (g, g), mode="bicubic", antialias=True, align_corners=False)
    return torch.cat([pos[:1], grid.permute(0, 2, 3, 1).reshape(g * g, -1)])


def image(W, s, seed, kind="gelu", size=None, pruned=False, scale=False):
    """all tokens, projected"""
    S, P, D, E = s["S"], s["P"], s["D"], s["E"]
    x = F.conv2d(pixels(size or S, seed)[None], W("visual.conv1.weight", D, 3, P, P), stride=P).flatten(2)[0].T
    x = torch.cat([W("visual.class_embedding", D)[None], x])
    pos = W("visual.positional_embedding", (S // P) ** 2 + 1, D)
    x = x + (resize(pos, size // P) if size else pos)
    x = F.layer_norm(x, (D,), W("visual.ln_pre.weight", D), W("visual.ln_pre.bias", D))
    x = blocks(W, "visual.", x, D, s["L"], s["H"], s["M"], kind, False, pruned=pruned, scale=scale)
    return F.layer_norm(x, (D,), W("visual.ln_post.weight", D), W("visual.ln_post.bias", D)) @ W("visual.proj", D, E)


def text(W, s, ids, kind="gelu", pruned=False, scale=False):
    d, E = s["d"], s["E"]
    x = W("token_embedding.weight", s["V"], d)[ids] + W("positional_embedding", s["C"], d)[:len(ids)]
    x = blocks(W, "", x, d, s["l"], s["h"], 4 * d, kind, True, pruned=pruned, scale=scale)
    x = x[int(np.argmax(ids))]
    return F.layer_norm(x, (d,), W("ln_final.weight", d), W("ln_final.bias", d)) @ W("text_projection", d, E)


def siglip(W, s, seed, ids):
    S, P, D, M, d, C = s["S"], s["P"], s["D"], s["M"], s["d"], s["C"]
    half = np.array([0.5] * 3, np.float32)
    ln = lambda name, x, n: F.layer_norm(x, (n,), W(name + ".weight", n), W(name + ".bias", n), 1e-6)
    lin = lambda name, x, o, i: F.linear(x, W(name + ".weight", o, i), W(name + ".bias", o))
    x = F.conv2d(pixels(S, seed, half, half)[None], W("visual.conv1.weight", D, 3, P, P), W("visual.conv1.bias", D), stride=P)
    x = x.flatten(2)[0].T + W("visual.positional_embedding", (S // P) ** 2, D)
    x = blocks(W, "visual.", x, D, s["L"], s["H"], M, "gelu_tanh", False, 1e-6)
    t = ln("visual.ln_post", x, D)
    w, b = W("visual.attn_pool.in_proj_weight", 3 * D, D), W("visual.attn_pool.in_proj_bias", 3 * D)
    pooled = []
    for keys in [t] + [t[i:i + 1] for i in range(len(t))]:
        o, _ = F.multi_head_attention_forward(W("visual.attn_pool.probe", D)[None], keys, keys, D, s["H"], w, b, None, None, False, 0.0,
                                              W("visual.attn_pool.out_proj.weight", D, D), W("visual.attn_pool.out_proj.bias", D))
        h = act(lin("visual.attn_pool.mlp.c_fc", ln("visual.attn_pool.ln", o, D), M, D), "gelu_tanh")
        pooled.append(o + lin("visual.attn_pool.mlp.c_proj", h, D, M))
    ids = ids + [1] * (C - len(ids))
    y = W("token_embedding.weight", s["V"], d)[ids] + W("positional_embedding", C, d)
    y = blocks(W, "", y, d, s["l"], s["h"], 4 * d, "gelu_tanh", False, 1e-6)
    y = ln("ln_final", y[-1], d) @ W("text_projection", d, s["E"]) + W("text_projection.bias", s["E"])
    return torch.cat(pooled), y


IDS = [510, 3, 77, 400, 12, 511]
B32 = dict(S=224, P=32, D=768, L=3, H=12, M=3072, E=512, d=512, l=2, h=8, C=77, V=512)
TINY = dict(S=224, P=16, D=256, L=4, H=4, M=1024, E=512, d=256, l=3, h=4, C=77, V=512)
MINI = dict(S=64, P=8, D=192, L=4, H=3, M=768, E=128, d=128, l=3, h=2, C=32, V=2014)
SIG = dict(S=48, P=16, D=128, L=2, H=2, M=256, E=128, d=128, l=2, h=2, C=16, V=1000)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--mini-clip")
    p.add_argument("output")
    a = p.parse_args()
    torch.set_num_threads(2)
    W, out = Weights(), {}
    out["b32.tokens"] = image(W, B32, 0)[::4]
    out["b32.text"] = text(W, B32, IDS)
    out["b32-288.tokens"] = image(W, B32, 1, size=288)[::8]
    out["tinyclip.tokens"] = image(W, TINY, 0, "quick_gelu", pruned=True)[::14]
    out["tinyclip.text"] = text(W, TINY, IDS, "quick_gelu", pruned=True)
    out["scaled.tokens"] = image(W, TINY, 2, scale=True)[::40]
    out["scaled.text"] = text(W, TINY, IDS, scale=True)
    out["siglip.tokens"], out["siglip.text"] = siglip(W, SIG, 0, [5, 900, 77, 1])
    if a.mini_clip:
        M = Weights(read_safetensors(a.mini_clip + "/open_clip_model.safetensors"))
        out["mini_clip.tokens"] = image(M, MINI, 0)[::4]
        out["mini_clip.text"] = text(M, MINI, [2012, 320, 540, 1000, 2013])
    s = dict(B32, L=12, l=12)
    out["b32-whole.tokens"] = image(W, s, 0)[::7]
    out["b32-whole.text"] = text(W, s, IDS)
    write_safetensors(a.output, {k: v.numpy() for k, v in out.items()})


main()
