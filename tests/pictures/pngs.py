"""PNG of every depth and colour, written from its numbers."""
import struct
import zlib

from rules import EXPECTED, FOLDER, draw, noise, on_white, rounded, scene


def png(name, w, h, depth, colour, values, interlaced=False, more=(), end=True):
    """A PNG of any depth, written from its numbers."""
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]

    def line(values):
        if depth == 16:
            return b"\0" + struct.pack(f">{len(values)}H", *values)
        bits = "".join(f"{v:0{depth}b}" for v in values)
        bits += "0" * (-len(bits) % 8)
        return b"\0" + bytes(int(bits[i : i + 8], 2) for i in range(0, len(bits), 8))

    def rows(x0, dx, y0, dy):
        for y in range(y0, h, dy):
            row = [v for x in range(x0, w, dx) for v in values[(y * w + x) * channels :][:channels]]
            if row:
                yield line(row)

    passes = [(0, 8, 0, 8), (4, 8, 0, 8), (0, 4, 4, 8), (2, 4, 0, 4), (0, 2, 2, 4), (1, 2, 0, 2), (0, 1, 1, 2)]
    data = b"".join(b"".join(rows(*p)) for p in (passes if interlaced else [(0, 1, 0, 1)]))

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", w, h, depth, colour, 0, 0, int(interlaced))
    parts = [chunk(b"IHDR", head), *(chunk(k, b) for k, b in more), chunk(b"IDAT", zlib.compress(data))]
    parts += [chunk(b"IEND", b"")] if end else []
    (FOLDER / name).write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))


def exif_of(number):
    return struct.pack(">2sHIHHHIHHI", b"MM", 42, 8, 1, 0x0112, 3, 1, number, 0, 0)


def pngs():
    w, h = 21, 13
    for mode in ["1", "L", "LA", "RGB", "RGBA"]:
        im = scene(w, h, "RGBA").convert("L").convert("1") if mode == "1" else scene(w, h, mode)
        im.save(FOLDER / f"{mode}.png")
    for interlaced in [False, True]:
        tail = "-interlaced" if interlaced else ""
        for depth in [1, 2, 4, 8]:
            most = (1 << depth) - 1
            values = noise(w * h, most)
            png(f"grey-{depth}{tail}.png", w, h, depth, 0, values, interlaced)
            EXPECTED[f"grey-{depth}{tail}.png"] = h, w, 1, bytes(rounded(v, most) for v in values)
            png(f"grey-{depth}-key{tail}.png", w, h, depth, 0, values, interlaced, [(b"tRNS", struct.pack(">H", 1))])
            keyed = [x for v in values for x in (rounded(v, most), 0 if v == 1 else 255)]
            EXPECTED[f"grey-{depth}-key{tail}.png"] = h, w, 1, on_white(keyed, 2)
            colours = [(noise(3, 255), draw.randrange(256)) for _ in range(most + 1)]
            map_ = (b"PLTE", bytes(v for c, _ in colours for v in c))
            png(f"palette-{depth}{tail}.png", w, h, depth, 3, values, interlaced, [map_])
            alphas = (b"tRNS", bytes(a for _, a in colours[: most // 2 + 1]))
            png(f"palette-{depth}-alpha{tail}.png", w, h, depth, 3, values, interlaced, [map_, alphas])
        for colour, channels in [(0, 1), (2, 3), (4, 2), (6, 4)]:
            values = noise(w * h * channels, 65535)
            name = f"sixteen-{channels}{tail}.png"
            png(name, w, h, 16, colour, values, interlaced)
            kept = channels - (channels + 1) % 2
            pixels = on_white(values, channels, 65535) if channels != kept else bytes(rounded(v, 65535) for v in values)
            EXPECTED[name] = h, w, kept, pixels
    values = noise(w * h * 3, 65535)
    png("sixteen-key.png", w, h, 16, 2, values, more=[(b"tRNS", struct.pack(">HHH", *values[3:6]))])
    keyed = [x for i in range(0, len(values), 3) for x in values[i : i + 3] + [65535 * (values[i : i + 3] != values[3:6])]]
    EXPECTED["sixteen-key.png"] = h, w, 3, on_white(keyed, 4, 65535)
    values = noise(w * h * 3, 255)
    png("key.png", w, h, 8, 2, values, more=[(b"tRNS", struct.pack(">HHH", *values[:3]))])
    png("no-end.png", w, h, 8, 2, values, end=False)
    png("gamma.png", w, h, 8, 2, values, more=[(b"gAMA", struct.pack(">I", 100000))])
    for number in range(2, 9):
        png(f"exif-{number}.png", w, h, 8, 2, values, more=[(b"eXIf", exif_of(number))])
    frames = [scene(w, h, "RGBA") for _ in range(3)]
    frames[0].save(FOLDER / "animated.png", save_all=True, append_images=frames[1:], duration=50)
    frames[0].save(FOLDER / "animated-default.png", save_all=True, append_images=frames[1:], default_image=True)
