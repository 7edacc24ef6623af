#!/usr/bin/env python3
"""Small pictures of every kind, and what they should decode to: tests/data/picture/.

Writes the files and pictures.tsv: file, width and height upright, FNV-1a of the RGB bytes as ADDS decodes it (upright, alpha
over white), and as Pillow's convert("RGB") gives it (--reference). Pixels are Pillow's; the formats that Pillow cannot write are
written here.
"""
import io
import os
import struct
import sys
import zlib

import numpy as np
from PIL import Image, ImageOps

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "data", "picture")
W, H = 21, 14


def fnv(data):
    h = 0xCBF29CE484222325
    for b in data:
        h = (h ^ b) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return h


def scene(channels=3):
    y, x = np.mgrid[0:H, 0:W]
    planes = [x * 12, y * 18, (x + y) * 7, np.clip((x - 5) * 20, 0, 255)]
    return np.stack(planes[:channels], axis=2).astype(np.uint8)


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(samples, depth, color, interlaced=False, extra=b""):
    """A PNG from an array [h, w, channels] of 8 or 16 bits."""
    h, w = samples.shape[:2]
    dtype = ">u2" if depth == 16 else "u1"
    passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
    raw = b""
    for y0, x0, dy, dx in passes if interlaced else [(0, 0, 1, 1)]:
        part = samples[y0::dy, x0::dx]
        if part.size:
            raw += b"".join(b"\0" + row.astype(dtype).tobytes() for row in part)
    head = struct.pack(">IIBBBBB", w, h, depth, color, 0, 0, int(interlaced))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + extra + chunk(b"IDAT", zlib.compress(raw, 9)) +
            chunk(b"IEND", b""))


def exif(orientation, big=False):
    e = ">" if big else "<"
    tiff = (b"MM\0*" if big else b"II*\0") + struct.pack(e + "I", 8)
    return tiff + struct.pack(e + "HHHIHHI", 1, 0x0112, 3, 1, orientation, 0, 0)


def saved(im, **options):
    out = io.BytesIO()
    im.save(out, **options)
    return out.getvalue()


def files():
    rgb, rgba = Image.fromarray(scene()), Image.fromarray(scene(4))
    deep = scene().astype(np.uint16) * 257 + 90
    for name, sub in (("444", 0), ("422", 1), ("420", 2)):
        yield "rgb_%s.jpg" % name, saved(rgb, format="JPEG", quality=80, subsampling=sub)
    yield "progressive.jpg", saved(rgb, format="JPEG", quality=80, progressive=True)
    yield "gray.jpg", saved(rgb.convert("L"), format="JPEG", quality=80)
    yield "cmyk.jpg", saved(rgb.convert("CMYK"), format="JPEG", quality=80)
    for n in range(1, 9):
        yield "exif_%d.jpg" % n, saved(rgb, format="JPEG", quality=70, exif=b"Exif\0\0" + exif(n, n % 2 == 0))
    yield "rgb.png", saved(rgb, format="PNG")
    yield "rgba.png", saved(rgba, format="PNG")
    yield "gray.png", saved(rgb.convert("L"), format="PNG")
    yield "gray_alpha.png", saved(rgba.convert("LA"), format="PNG")
    yield "one_bit.png", saved(rgb.convert("1"), format="PNG")
    yield "palette.png", saved(rgb.quantize(16), format="PNG")
    yield "palette_alpha.png", saved(rgb.quantize(16), format="PNG", transparency=bytes(range(0, 256, 16)))
    yield "key.png", png(scene() // 64 * 64, 8, 2, extra=chunk(b"tRNS", struct.pack(">HHH", 0, 0, 0)))
    yield "interlaced.png", png(scene(4), 8, 6, interlaced=True)
    yield "rgb_16.png", png(deep, 16, 2)
    yield "gray_16.png", png(deep[:, :, :1], 16, 0)
    yield "exif_6.png", png(scene(), 8, 2, extra=chunk(b"eXIf", exif(6)))
    yield "lossy.webp", saved(rgb, format="WEBP", quality=80)
    yield "lossless.webp", saved(rgb, format="WEBP", lossless=True)
    yield "alpha.webp", saved(rgba, format="WEBP", lossless=True, exact=True)
    yield "lossy_alpha.webp", saved(rgba, format="WEBP", quality=80)
    yield "exif_8.webp", saved(rgb, format="WEBP", lossless=True, exif=exif(8))
    yield "animation.webp", saved(rgb, format="WEBP", lossless=True, save_all=True,
                                  append_images=[rgb.rotate(180)], duration=100)


def over_white(im):
    if "transparency" in im.info or im.mode in ("RGBA", "LA"):
        im = im.convert("RGBA")
        white = Image.new("RGB", im.size, (255, 255, 255))
        white.paste(im, mask=im.split()[3])
        return white
    return im.convert("RGB")


def main():
    with open(os.path.join(HERE, "pictures.tsv"), "w") as table:
        for name, data in files():
            with open(os.path.join(HERE, name), "wb") as f:
                f.write(data)
            im = Image.open(io.BytesIO(data))
            im.load()
            if name == "gray_16.png":  # Pillow clips it to white; its high bytes are meant
                im = Image.fromarray((np.asarray(im) >> 8).astype(np.uint8)).convert("RGB")
            orientation = im.getexif().get(0x0112, 1)
            plain = im.convert("RGB")
            upright = over_white(im)
            if orientation != 1:
                upright = ImageOps.exif_transpose(im).convert("RGB")
            print(name, upright.width, upright.height, "%016x" % fnv(upright.tobytes()), "%016x" % fnv(plain.tobytes()),
                  sep="\t", file=table)


if __name__ == "__main__":
    sys.exit(main())
