"""Prints what PyTorch and the standard library make of a small image, for tests/engine/augment.rs: a crop resized
(F.interpolate), colour adjustments (the formulas of torchvision's functional API; hue by colorsys) and a
Gaussian blur (conv2d over a reflected border).

Run with any PyTorch 2: python tests/golden/augment.py
"""
import colorsys

import torch
import torch.nn.functional as F

H, W, C = 4, 5, 3
image = torch.tensor([(37 * i + i * i // 7) % 256 for i in range(H * W * C)], dtype=torch.float64)
image = (image / 255).reshape(1, H, W, C).permute(0, 3, 1, 2)


def show(name, x):
    print(name)
    for row in x[0].permute(1, 2, 0).reshape(-1, 3).tolist():
        print("    " + ", ".join(f"{v:.8f}" for v in row) + ",")


# Box of 3 x 4 at y 1, x 1; mirrored; to 2 x 3.
crop = F.interpolate(image[:, :, 1:4, 1:5], size=(2, 3), mode="bilinear", align_corners=False).flip(3)
show("crop", crop)

# Contrast, hue, brightness, saturation.
luma = lambda x: 0.299 * x[:, 0:1] + 0.587 * x[:, 1:2] + 0.114 * x[:, 2:3]
blend = lambda a, b, f: (f * a + (1 - f) * b).clamp(0, 1)
x = blend(crop, luma(crop).mean(), 1.5)
pixels = []
for r, g, b in x[0].permute(1, 2, 0).reshape(-1, 3).tolist():
    h, s, v = colorsys.rgb_to_hsv(r, g, b)
    pixels.append(colorsys.hsv_to_rgb((h - 0.3) % 1.0, s, v))
x = torch.tensor(pixels, dtype=torch.float64).reshape(1, 2, 3, 3).permute(0, 3, 1, 2)
x = (x * 1.25).clamp(0, 1)
x = blend(x, luma(x), 0.4)
show("colours", x)

taps = torch.exp(-0.5 * (torch.arange(-1, 2, dtype=torch.float64) / 0.8) ** 2)
taps = taps / taps.sum()
kernel = (taps[:, None] * taps[None, :]).expand(3, 1, 3, 3)
show("blur", F.conv2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), kernel, groups=3))
