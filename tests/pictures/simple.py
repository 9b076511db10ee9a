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
    # Runs of 4 bits, with a stretch that is written out.
    four = b"".join(bytes([15, (i % 16) << 4 | (i + 5) % 16, 0, 4, 0x12, 0x34, 2, 0x77, 0, 0]) for i in range(h)) + b"\0\1"
    bmp("runs-4.bmp", w, h, 4, 2, b"".join(colours), four)
    # Masks of a header of the fourth version: with alpha, and without.
    values = noise(w * h * 4, 255)
    for name, alpha in [("alpha.bmp", 0xFF000000), ("no-alpha.bmp", 0)]:
        masks = struct.pack("<IIII", 0xFF0000, 0xFF00, 0xFF, alpha)
        bmp(name, w, h, 32, 3, masks + b"BGRs" + bytes(48), bytes(values), header=108)
        rows = [values[y * w * 4 : (y + 1) * w * 4] for y in reversed(range(h))]
        flat = [v for row in rows for at in range(0, len(row), 4) for v in (row[at + 2], row[at + 1], row[at], row[at + 3])]
        opaque = bytes(v for i, v in enumerate(flat) if i % 4 < 3)
        EXPECTED[name] = h, w, 3, on_white(flat, 4) if alpha else opaque

    scene(w, h).quantize(16).save(FOLDER / "plain.gif")
    scene(w, h, "L").save(FOLDER / "grey.gif")
    im = scene(w, h).quantize(8)
    im.save(FOLDER / "transparent.gif", transparency=3)
    scene(w, h).quantize(8).save(FOLDER / "interlaced.gif", interlace=1)
    frames = [scene(w, h).quantize(8) for _ in range(3)]
    # A first frame smaller than the screen, with colours of its own.
    (FOLDER / "inset.gif").write_bytes(inset((FOLDER / "plain.gif").read_bytes(), w + 6, h + 4, 3, 2))
    # Around it there is nothing, which shows the background.
    whole = Image.new("RGB", (w + 6, h + 4), (255, 255, 255))
    whole.paste(Image.open(FOLDER / "plain.gif").convert("RGB"), (3, 2))
    EXPECTED["inset.gif"] = h + 4, w + 6, 3, whole.tobytes()
    frames[0].save(FOLDER / "animated.gif", save_all=True, append_images=frames[1:], transparency=2, disposal=2)

    for mode in ["RGB", "RGBA"]:
        scene(w, h, mode).save(FOLDER / f"{mode}-lossless.webp", lossless=True, exact=True)
        scene(2 * w, 2 * h, mode).save(FOLDER / f"{mode}-lossy.webp", quality=80)
        frames = [scene(w, h, mode) for _ in range(3)]
        frames[0].save(FOLDER / f"{mode}-animated.webp", save_all=True, append_images=frames[1:], lossless=True, exact=True)
    for number in range(1, 9):
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


def inset(gif, w, h, left, top):
    """The same frame on a larger screen, whose colours become the frame's own."""
    colours = 3 << (gif[10] & 7) + 1
    frame = gif.index(b",", 13 + colours)
    head = gif[:6] + struct.pack("<HH", w, h) + bytes([0, 0, 0])
    place = struct.pack("<HH", left, top) + gif[frame + 5 : frame + 9] + bytes([0x80 | gif[10] & 7])
    return head + b"," + place + gif[13 : 13 + colours] + gif[frame + 10 :]


def bmp(name, w, h, bits, compression, tables, data, header=40):
    head = struct.pack("<IiiHHIIiiII", header, w, h, 1, bits, compression, len(data), 2835, 2835, 0, 0)
    at = 14 + len(head) + len(tables)
    (FOLDER / name).write_bytes(struct.pack("<2sIHHI", b"BM", at + len(data), 0, 0, at) + head + tables + data)
