#!/usr/bin/env python3
"""picture.py - the file that tests/bench/picture.c has left, with Pillow and torchvision: decoded, shorter side to 224
(bicubic), centre crop; one thread"""
import io
import os

import PIL
import torch
import torchvision
from peer import FOLDER, best, line
from PIL import Image
from torchvision.transforms import CenterCrop, Compose, InterpolationMode, Resize

torch.set_num_threads(1)
data = open(os.path.join(FOLDER, "scene.jpg"), "rb").read()
square = Compose([Resize(224, interpolation=InterpolationMode.BICUBIC), CenterCrop(224)])
seconds = best(lambda: square(Image.open(io.BytesIO(data)).convert("RGB")).tobytes(), least=100)
line("JPEG 640 x 480 to 224, one core", "Pillow and torchvision", 1 / seconds, "pictures/s", "more",
     version=f"{PIL.__version__}, {torchvision.__version__}")
