"""Writes pictures of many kinds into FOLDER, and what Pillow makes of them and of all others that lie there.

    python tests/pictures/write.py FOLDER

Beside NAME stands NAME.pixels: bytes of rows, columns and channels, upright, and on white where they are transparent.
manifest.json lists name, height, width, channels, and how many levels a decoder may be off. Where Pillow does not keep all
bits (16 of a colour), the pixels are computed from the numbers that were written. The pictures are the same every time, but for the date in a
colour profile.
"""
import json

from PIL import Image, features

from jpegs import jpegs, scans
from pngs import pngs
from rules import EXPECTED, FOLDER, LEVELS, reference, scene
from simple import simple
from tiffs import tiffs


def resized():
    """What Pillow's bilinear filter makes of the middle of a picture, for a few sizes."""
    out = []
    for mode in ["L", "RGB"]:
        for (w, h), (to_w, to_h) in [((64, 48), (32, 32)), ((37, 23), (16, 8)), ((21, 13), (40, 40)), ((500, 375), (224, 224)),
                                     ((30, 100), (28, 28)), ((100, 31), (7, 9))]:
            im = scene(w, h, mode)
            scale = max(to_h / h, to_w / w)
            box_h, box_w = min(to_h / scale, h), min(to_w / scale, w)
            left, top = (w - box_w) / 2, (h - box_h) / 2
            made = im.resize((to_w, to_h), Image.Resampling.BILINEAR, (left, top, left + box_w, top + box_h))
            name = f"resized-{mode}-{w}x{h}-{to_w}x{to_h}"
            im.save(FOLDER / f"{name}.ppm")
            (FOLDER / f"{name}.resized").write_bytes(made.tobytes())
            out.append({"name": f"{name}.ppm", "to": [to_h, to_w], "resized": f"{name}.resized"})
    return out


jpegs()
scans()
pngs()
simple()
tiffs()
manifest = []
for path in sorted(p for p in FOLDER.iterdir() if p.suffix not in (".pixels", ".json", ".resized")):
    h, w, channels, pixels = EXPECTED.get(path.name) or reference(path)
    assert len(pixels) == h * w * channels, path
    path.with_name(path.name + ".pixels").write_bytes(pixels)
    manifest.append({"name": path.name, "h": h, "w": w, "c": channels, "levels": LEVELS.get(path.name, 0)})
about = {"pillow": Image.__version__, "libjpeg_turbo": features.version("libjpeg_turbo")}
(FOLDER / "manifest.json").write_text(json.dumps({"about": about, "pictures": manifest, "resized": resized()}))
