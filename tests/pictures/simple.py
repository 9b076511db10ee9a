"""BMP, GIF, WebP and PNM."""
import struct

from PIL import Image

from rules import EXPECTED, FOLDER, LEVELS, noise, on_white, rounded, scene


def simple():
    w, h = 21, 13
    for mode in ["1", "L", "P", "RGB", "RGBA"]:
        im = scene(w, h, "RGB").convert(mode) if mode in ("1", "P") else scene(w, h, mode)
        im.save(FOLDER / f"{mode}.bmp")
    # 4 bits, run lengths, 16 bits: written by hand, rows from the bottom up.
    colours = [bytes(noise(3, 255)) + b"\0" for _ in range(16)]
    four = bytes(noise(h * 12, 255))
    bmp("four.bmp", w, h, 4, 0, b"".join(colours), four)
    one = bytes(noise(h * 4, 255))
    bmp("one.bmp", w, h, 1, 0, b"\0\0\xff\0\xff\xff\0\0", one)
    five = b"".join(struct.pack("<22H", *noise(22, 32767)) for _ in range(h))
    bmp("five.bmp", w, h, 16, 0, b"", five)
    masks = struct.pack("<III", 0xF800, 0x07E0, 0x001F)
    bmp("five-six.bmp", w, h, 16, 3, masks, b"".join(struct.pack("<22H", *noise(22, 65535)) for _ in range(h)))
    # Pillow cuts off where others round.
    LEVELS["five.bmp"] = LEVELS["five-six.bmp"] = 1
    bmp("top-down.bmp", w, -h, 24, 0, b"", bytes(noise(h * 64, 255)))
    # 32 bits without masks: the fourth byte is nothing.
    bmp("thirty-two.bmp", w, h, 32, 0, b"", bytes(noise(h * w * 4, 255)))
    runs = b"".join(bytes([15, i % 16, 6, (i + 3) % 16, 0, 0]) for i in range(h)) + b"\0\1"
    bmp("runs.bmp", w, h, 8, 1, b"".join(colours) + bytes(4 * 240), runs)

    scene(w, h).quantize(16).save(FOLDER / "plain.gif")
    scene(w, h, "L").save(FOLDER / "grey.gif")
    im = scene(w, h).quantize(8)
    im.save(FOLDER / "transparent.gif", transparency=3)
    scene(w, h).quantize(8).save(FOLDER / "interlaced.gif", interlace=1)
    frames = [scene(w, h).quantize(8) for _ in range(3)]
    frames[0].save(FOLDER / "animated.gif", save_all=True, append_images=frames[1:], transparency=2, disposal=2)

    for mode in ["RGB", "RGBA"]:
        scene(w, h, mode).save(FOLDER / f"{mode}-lossless.webp", lossless=True, exact=True)
        scene(2 * w, 2 * h, mode).save(FOLDER / f"{mode}-lossy.webp", quality=80)
        frames = [scene(w, h, mode) for _ in range(3)]
        frames[0].save(FOLDER / f"{mode}-animated.webp", save_all=True, append_images=frames[1:], lossless=True, exact=True)
    for number in [1, 5, 6, 8]:
        exif = Image.Exif()
        exif[0x0112] = number
        scene(w, h).save(FOLDER / f"exif-{number}.webp", lossless=True, exif=exif)

    for mode, ending in [("1", "pbm"), ("L", "pgm"), ("RGB", "ppm")]:
        (scene(w, h, "L").convert("1") if mode == "1" else scene(w, h, mode)).save(FOLDER / f"{mode}.{ending}")
    for most in [1, 15, 100, 1000, 4095, 65535]:
        for letter, channels in [("5", 1), ("6", 3)]:
            values = noise(w * h * channels, most)
            form = "H" if most > 255 else "B"
            head = f"P{letter}\n# a comment\n{w} {h}\n{most}\n".encode()
            name = f"most-{most}-{channels}.pnm"
            (FOLDER / name).write_bytes(head + struct.pack(f">{len(values)}{form}", *values))
            EXPECTED[name] = h, w, channels, bytes(rounded(v, most) for v in values)
            # Rounded to 16 bits on the way.
            LEVELS[name] = 1 if most > 255 else 0
    values = noise(w * h, 255)
    (FOLDER / "words.pgm").write_text(f"P2 {w} {h} 255\n" + "\n".join(map(str, values)))
    bits = noise(w * h, 1)
    (FOLDER / "words.pbm").write_text(f"P1\n{w} {h}\n" + " ".join(map(str, bits)))
    for kind, channels, most in [("GRAYSCALE_ALPHA", 2, 255), ("RGB_ALPHA", 4, 255), ("RGB_ALPHA", 4, 65535)]:
        values = noise(w * h * channels, most)
        head = f"P7\nWIDTH {w}\nHEIGHT {h}\nDEPTH {channels}\nMAXVAL {most}\nTUPLTYPE {kind}\nENDHDR\n".encode()
        name = f"map-{channels}-{most}.pam"
        (FOLDER / name).write_bytes(head + struct.pack(f">{len(values)}{'H' if most > 255 else 'B'}", *values))
        EXPECTED[name] = h, w, channels - 1, on_white(values, channels, most)


def bmp(name, w, h, bits, compression, tables, data):
    head = struct.pack("<IiiHHIIiiII", 40, w, h, 1, bits, compression, len(data), 2835, 2835, 0, 0)
    at = 14 + len(head) + len(tables)
    (FOLDER / name).write_bytes(struct.pack("<2sIHHI", b"BM", at + len(data), 0, 0, at) + head + tables + data)
