"""What is on the pictures, and the rules by which they become pixels, as the documentation has them."""
import random
import struct
import sys
from pathlib import Path

from PIL import Image, ImageOps

FOLDER = Path(sys.argv[1])
# NAME: (height, width, channels, bytes)
EXPECTED = {}
# NAME: levels that a decoder may be off, where it is not 0
LEVELS = {}
draw = random.Random(18)


def scene(w, h, mode="RGB"):
    """Slopes, an edge, and noise: what chroma that lies wrong, or a row that is lost, would show in."""
    bands = len(Image.new(mode, (1, 1)).getbands())
    data = bytearray()
    for y in range(h):
        for x in range(w):
            edge = 120 if (x // 5 + y // 7) % 2 else 0
            value = [5 * x + 2 * y, 255 - 3 * y, 40 + edge, 8 * x + 9 * y][:bands]
            data += bytes((v + draw.randrange(20)) % 256 if mode != "CMYK" else (v // 2) % 256 for v in value)
    return Image.frombytes(mode, (w, h), bytes(data))


def noise(n, most):
    return [draw.randrange(most + 1) for _ in range(n)]


def rounded(v, most, to=255):
    return (2 * to * v + most) // (2 * most)


def on_white(values, channels, most=255, level=255, premultiplied=False):
    """Colours as bytes; the last channel is alpha. One rounding."""
    out = bytearray()
    for at in range(0, len(values), channels):
        *colours, alpha = values[at : at + channels]
        for v in colours:
            seen = v * (most if premultiplied else alpha) + (most - alpha) * level * most // 255
            out.append(rounded(min(seen, most * most), most * most))
    return bytes(out)


def reference(path):
    with Image.open(path) as im:
        im.load()
        # Pillow turns TIFFs when it loads them.
        im = im.copy() if im.format == "TIFF" else ImageOps.exif_transpose(im)
        if im.mode == "P":
            im = im.convert("RGBA" if "transparency" in im.info else "RGB")
        elif im.mode in ("1", "I;1"):
            im = im.convert("L")
        elif im.mode in ("L", "RGB") and "transparency" in im.info:
            im = im.convert("LA" if im.mode == "L" else "RGBA")
        elif im.mode in ("CMYK", "YCbCr", "RGBX"):
            im = im.convert("RGB")
        w, h = im.size
        if im.mode in ("I;16", "I;16B", "I;16L"):
            values = struct.unpack(f"<{w * h}H", im.convert("I;16").tobytes("raw", "I;16"))
            return h, w, 1, bytes(rounded(v, 65535) for v in values)
        data = im.tobytes()
        if im.mode in ("LA", "RGBA", "RGBa"):
            channels = len(im.getbands())
            return h, w, channels - 1, on_white(data, channels, premultiplied=im.mode == "RGBa")
        if im.mode not in ("L", "RGB"):
            raise ValueError(f"{path}: mode {im.mode}")
        return h, w, len(im.getbands()), data
