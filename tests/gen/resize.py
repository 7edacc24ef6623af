#!/usr/bin/env python3
"""Golden hashes of resized pictures, by Pillow: tests/data/picture/resize.tsv.

Each line: width, height, mode, fit, filter, side, FNV-1a of the square's RGB bytes.
The picture is v(x,y,c) = (7x + 13y + 29c + xy) mod 256, alpha (4x + y) mod 256.
"""
import random
import sys

import numpy as np
from PIL import Image

FILTERS = {"bicubic": Image.BICUBIC, "bilinear": Image.BILINEAR}


def picture(w, h, mode):
    y, x = np.mgrid[0:h, 0:w]
    planes = [(7 * x + 13 * y + 29 * c + x * y) % 256 for c in range(3)]
    if mode == "rgba":
        planes.append((4 * x + y) % 256)
    a = np.stack(planes, axis=2).astype(np.uint8)
    if mode == "indexed":  # the index is the red plane, its colour (i, i + 29, i + 58)
        p = Image.fromarray(a[:, :, 0], "L").convert("P")
        p.putpalette([v % 256 for i in range(256) for v in (i, i + 29, i + 58)])
        return p
    return Image.fromarray(a)


def fit(im, how, side, flt):
    w, h = im.size
    if how == "pad":
        longer = max(w, h)
        square = Image.new(im.mode, (longer, longer), {"RGB": (255,) * 3, "RGBA": (255,) * 4}[im.mode])
        square.paste(im, ((longer - w) // 2, (longer - h) // 2))
        return square.resize((side, side), flt)
    if how == "squash":
        return im.resize((side, side), flt)
    size = (side, int(side * h / w)) if w <= h else (int(side * w / h), side)
    if size != im.size:
        im = im.resize(size, flt)
    left, top = round((im.width - side) / 2.0), round((im.height - side) / 2.0)
    return im.crop((left, top, left + side, top + side))


def fnv(data):
    h = 0xCBF29CE484222325
    for b in data:
        h = (h ^ b) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return h


def main():
    rng = random.Random(1)
    cases = [(64, 48, "rgb", "crop", "bicubic", 24), (227, 224, "rgb", "crop", "bicubic", 224),
             (640, 480, "rgb", "pad", "bicubic", 224), (1, 1500, "rgb", "crop", "bicubic", 16),
             (2000, 1, "rgb", "pad", "bicubic", 64), (3, 2500, "rgb", "squash", "bicubic", 96),
             (100, 100, "rgb", "squash", "bicubic", 100), (50, 100, "rgb", "pad", "bilinear", 100),
             (32, 32, "rgba", "crop", "bicubic", 32), (2, 2, "rgb", "pad", "bicubic", 64)]
    for i in range(170):
        mode = ("rgb", "rgb", "rgb", "rgba", "indexed")[i % 5]
        how = rng.choice(("crop", "squash") if mode == "indexed" else ("pad", "crop", "squash"))
        top = rng.choice((40, 150, 500))
        cases.append((rng.randint(1, top), rng.randint(1, top), mode, how, rng.choice(("bicubic", "bicubic", "bilinear")),
                      rng.choice((16, 17, 24, 32, 56, 64, 96, 112))))
    for w, h, mode, how, flt, side in cases:
        out = fit(picture(w, h, mode), how, side, FILTERS[flt])
        print(w, h, mode, how, flt, side, "%016x" % fnv(out.convert("RGB").tobytes()), sep="\t")


if __name__ == "__main__":
    sys.exit(main())
