"""What torchvision's transforms.v2.functional makes of a small float image, for src/data/augment/policy.rs: the kinds of
RandAugment at the strength of bin 19 of 31, signed -; turns; an erased box.

Run with torchvision 0.20 or later and safetensors: python tests/golden/augment_torchvision.py
"""
import math
from pathlib import Path

import torch
import torchvision.transforms.v2.functional as F
from safetensors.torch import save_file
from torchvision.transforms import InterpolationMode

H, W, C = 13, 21, 3
image = torch.tensor([(37 * i + i * i // 7) % 256 for i in range(H * W * C)], dtype=torch.float32) / 255
image = image.reshape(H, W, C).permute(2, 0, 1)
near, linear = InterpolationMode.NEAREST, InterpolationMode.BILINEAR


def shear(x, y, how, fill):
    degrees = [math.degrees(math.atan(x)), math.degrees(math.atan(y))]
    return F.affine(image, angle=0.0, translate=[0, 0], scale=1.0, shear=degrees, interpolation=how, fill=fill, center=[0, 0])


def shift(x, y):
    return F.affine(image, angle=0.0, translate=[int(x), int(y)], scale=1.0, shear=[0.0, 0.0], interpolation=near, fill=0.0)


s = 19 / 30
made = {
    "shear_x": shear(-0.3 * s, 0.0, near, 0.0),
    "shear_x_bilinear": shear(-0.3 * s, 0.0, linear, None),
    "shear_y": shear(0.0, -0.3 * s, near, 0.0),
    "translate_x": shift(-150 / 331 * W * s, 0),
    "translate_y": shift(0, -150 / 331 * H * s),
    "rotate": F.rotate(image, angle=-30.0 * s, interpolation=near, fill=0.0),
    "rotate_bilinear": F.rotate(image, angle=-30.0 * s, interpolation=linear),
    "brightness": F.adjust_brightness(image, 1 - 0.9 * s),
    "color": F.adjust_saturation(image, 1 - 0.9 * s),
    "contrast": F.adjust_contrast(image, 1 - 0.9 * s),
    "sharpness": F.adjust_sharpness(image, 1 - 0.9 * s),
    "posterize": F.posterize(image, bits=8 - round(4 * s)),
    "solarize": F.solarize(image, threshold=1.0 - s),
    "autocontrast": F.autocontrast(0.25 + 0.5 * image),
    "equalize": F.equalize(image * image),
    "erase": F.erase(image, 3, 5, 7, 11, torch.tensor(-0.75)),
}
assert all(x.shape == image.shape for x in made.values())
made = {name: x.permute(1, 2, 0).contiguous() for name, x in made.items()}
save_file(made, Path(__file__).with_suffix(".safetensors"))
