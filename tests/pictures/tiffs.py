"""TIFF: by Pillow, and tag by tag where it writes no such file."""
import struct
import zlib

from rules import EXPECTED, FOLDER, LEVELS, draw, noise, on_white, rounded, scene


def tiff(name, w, h, strips, tags, order="<", big=False):
    """A TIFF of uncompressed strips, written tag by tag: {number: (type, values)}."""
    sizes = {1: "B", 2: "B", 3: "H", 4: "I", 11: "f", 12: "d", 16: "Q"}
    tags = {256: (4, [w]), 257: (4, [h]), 259: (3, [1]), 277: (3, [1]), 278: (4, [h]), 262: (3, [1]), **tags}
    tags |= {273: (4, [0] * len(strips)), 279: (4, [len(s) for s in strips])}
    start = 16 if big else 8
    entry, field, count = (20, 8, "Q") if big else (12, 4, "I")
    after = start + (8 if big else 2) + entry * len(tags) + (8 if big else 4)

    def values(number):
        kind, v = tags[number]
        return struct.pack(f"{order}{len(v)}{sizes[kind]}", *v)

    long = {n: len(values(n)) for n in tags if len(values(n)) > field}
    places, at = {}, after
    for number, n in sorted(long.items()):
        places[number], at = at, at + n + n % 2
    offsets = []
    for s in strips:
        offsets.append(at)
        at += len(s) + len(s) % 2
    tags[273] = (4, offsets)
    body = struct.pack(f"{order}{'Q' if big else 'H'}", len(tags))
    for number in sorted(tags):
        kind, v = tags[number]
        content = struct.pack(f"{order}{count}", places[number]) if number in places else values(number)
        body += struct.pack(f"{order}HH{count}", number, kind, len(v)) + content.ljust(field, b"\0")
    body += bytes(8 if big else 4)
    mark = b"II" if order == "<" else b"MM"
    head = mark + (struct.pack(f"{order}HHHQ", 43, 8, 0, 16) if big else struct.pack(f"{order}HI", 42, 8))
    data = head + body
    for number in sorted(long):
        data += values(number) + bytes(len(values(number)) % 2)
    (FOLDER / name).write_bytes(data + b"".join(s + bytes(len(s) % 2) for s in strips))


def rows_of_bits(values, w, bits):
    out = bytearray()
    for y in range(0, len(values), w):
        row = "".join(f"{v:0{bits}b}" for v in values[y : y + w])
        row += "0" * (-len(row) % 8)
        out += bytes(int(row[i : i + 8], 2) for i in range(0, len(row), 8))
    return bytes(out)


def tiffs():
    w, h = 21, 13
    for compression in ["raw", "tiff_lzw", "tiff_adobe_deflate", "packbits"]:
        for mode in ["1", "L", "LA", "RGB", "RGBA", "CMYK", "P"]:
            im = scene(w, h, "RGB").convert(mode) if mode in "1P" else scene(w, h, mode)
            im.save(FOLDER / f"{mode}-{compression}.tif", compression=compression)
    scene(w, h, "L").convert("1").save(FOLDER / "group4.tif", compression="group4")
    for compression in ["tiff_lzw", "tiff_adobe_deflate"]:
        scene(w, h).save(FOLDER / f"predicted-{compression}.tif", compression=compression, tiffinfo={317: 2})
    # Differences of samples and rows, in planes, of 16 bits.
    values = noise(w * h * 3, 65535)
    for order, mark in [("<", "little"), (">", "big")]:
        rows = [values[y * w * 3 : (y + 1) * w * 3] for y in range(h)]
        apart = [(v - (row[i - 3] if i > 2 else 0)) % 65536 for row in rows for i, v in enumerate(row)]
        tiff(f"predicted-16-{mark}.tif", w, h, [zlib.compress(struct.pack(f"{order}{len(apart)}H", *apart))],
             {258: (3, [16] * 3), 259: (3, [8]), 262: (3, [2]), 277: (3, [3]), 317: (3, [2])}, order)
        EXPECTED[f"predicted-16-{mark}.tif"] = h, w, 3, bytes(rounded(v, 65535) for v in values)
    values = noise(w * h * 3, 255)
    planes = [[values[i + c] for i in range(0, len(values), 3)] for c in range(3)]
    apart = [bytes((v - (p[i - 1] if i % w else 0)) % 256 for i, v in enumerate(p)) for p in planes]
    tiff("predicted-planes.tif", w, h, [zlib.compress(p) for p in apart],
         {258: (3, [8] * 3), 259: (3, [8]), 262: (3, [2]), 277: (3, [3]), 284: (3, [2]), 317: (3, [2])})
    EXPECTED["predicted-planes.tif"] = h, w, 3, bytes(values)
    # Some programs subtract neighbours there, and libtiff does not.
    for compression in ["raw", "packbits"]:
        scene(w, h).save(FOLDER / f"refused-predicted-{compression}.tif", compression=compression, tiffinfo={317: 2})
    tiff("refused-fill-order.tif", w, h, [bytes(noise(w * h, 255))], {258: (3, [8]), 266: (3, [2])})
    # Whole numbers of 32 bits fill no range that is known, nor do those with a sign.
    for name, letter, more in [("refused-32", "I", {}), ("refused-signed-32", "i", {339: (3, [2])}),
                               ("refused-signed-16", "h", {339: (3, [2])})]:
        data = struct.pack(f"<{w * h}{letter}", *noise(w * h, 3000))
        tiff(f"{name}.tif", w, h, [data], {258: (3, [8 * struct.calcsize(letter)]), **more})
        EXPECTED[f"{name}.tif"] = h, w, 1, bytes(w * h)
    for number in range(1, 9):
        scene(w, h).save(FOLDER / f"orientation-{number}.tif", tiffinfo={274: number})
    pages = [scene(w, h), scene(9, 9)]
    pages[0].save(FOLDER / "pages.tif", save_all=True, append_images=pages[1:])

    for order, mark in [("<", "little"), (">", "big")]:
        for big in [False, True]:
            name = f"{mark}{'-bigtiff' if big else ''}.tif"
            values = noise(w * h * 3, 255)
            tags = {258: (3, [8] * 3), 262: (3, [2]), 277: (3, [3])}
            tiff(name, w, h, [bytes(values)], tags, order, big)
            EXPECTED[name] = h, w, 3, bytes(values)
            map_ = noise(3 * 256, 65535)
            tags = {258: (3, [8]), 262: (3, [3]), 320: (3, map_)}
            tiff(f"palette-{name}", w, h, [bytes(values[: w * h])], tags, order, big)
            colour = lambda i: bytes(map_[c * 256 + i] >> 8 for c in range(3))
            EXPECTED[f"palette-{name}"] = h, w, 3, b"".join(colour(v) for v in values[: w * h])
        values = noise(w * h * 3, 65535)
        tiff(f"sixteen-{mark}.tif", w, h, [struct.pack(f"{order}{len(values)}H", *values)],
             {258: (3, [16] * 3), 262: (3, [2]), 277: (3, [3])}, order)
        EXPECTED[f"sixteen-{mark}.tif"] = h, w, 3, bytes(rounded(v, 65535) for v in values)

    for bits in [1, 2, 4, 8, 16]:
        most = (1 << bits) - 1
        values = noise(w * h, most)
        data = struct.pack(f"<{len(values)}H", *values) if bits == 16 else rows_of_bits(values, w, bits)
        for kind, name in [(1, f"grey-{bits}.tif"), (0, f"white-is-zero-{bits}.tif")]:
            tiff(name, w, h, [data], {258: (3, [bits]), 262: (3, [kind])})
            EXPECTED[name] = h, w, 1, bytes(rounded(v if kind else most - v, most) for v in values)
        if bits <= 4:
            map_ = noise(3 << bits, 65535)
            tiff(f"palette-{bits}.tif", w, h, [data], {258: (3, [bits]), 262: (3, [3]), 320: (3, map_)})
            colour = lambda i: bytes(map_[(c << bits) + i] >> 8 for c in range(3))
            EXPECTED[f"palette-{bits}.tif"] = h, w, 3, b"".join(colour(v) for v in values)

    # 12 of 16 bits are used, and the file says so; a most that is no depth is a statistic.
    values = noise(w * h, 4095)
    data = struct.pack(f"<{len(values)}H", *values)
    for kind in [1, 0]:
        tiff(f"twelve-of-sixteen-{kind}.tif", w, h, [data], {258: (3, [16]), 262: (3, [kind]), 281: (3, [4095])})
        real = [v if kind else 4095 - v for v in values]
        EXPECTED[f"twelve-of-sixteen-{kind}.tif"] = h, w, 1, bytes(rounded(v, 4095) for v in real)
        LEVELS[f"twelve-of-sixteen-{kind}.tif"] = 1
    values = noise(w * h, 60000)
    tiff("statistic.tif", w, h, [struct.pack(f"<{len(values)}H", *values)], {258: (3, [16]), 281: (3, [60000])})
    EXPECTED["statistic.tif"] = h, w, 1, bytes(rounded(v, 65535) for v in values)
    values = [draw.uniform(-2, 6) for _ in range(w * h)]
    data = struct.pack(f"<{len(values)}f", *values)
    tiff("floats.tif", w, h, [data], {258: (3, [32]), 339: (3, [3]), 340: (11, [-2.0]), 341: (11, [6.0])})
    exact = [(struct.unpack("<f", struct.pack("<f", v))[0] + 2) / 8 for v in values]
    EXPECTED["floats.tif"] = h, w, 1, bytes(int(255 * v + 0.5) for v in exact)
    LEVELS["floats.tif"] = 1

    # Planes, strips of a few rows, alpha of both kinds, a sample that means nothing.
    values = noise(w * h * 3, 255)
    planes = [bytes(values[c::3]) for c in range(3)]
    tiff("planes.tif", w, h, planes, {258: (3, [8] * 3), 262: (3, [2]), 277: (3, [3]), 284: (3, [2])})
    EXPECTED["planes.tif"] = h, w, 3, bytes(values)
    strips = [bytes(values[y * w * 3 : (y + 4) * w * 3]) for y in range(0, h, 4)]
    tiff("strips.tif", w, h, strips, {258: (3, [8] * 3), 262: (3, [2]), 277: (3, [3]), 278: (4, [4])})
    EXPECTED["strips.tif"] = h, w, 3, bytes(values)
    for extra in [0, 1, 2]:
        values = noise(w * h * 4, 255)
        if extra == 1:
            values = [v * values[i - i % 4 + 3] // 255 if i % 4 < 3 else v for i, v in enumerate(values)]
        name = f"extra-{extra}.tif"
        tiff(name, w, h, [bytes(values)], {258: (3, [8] * 4), 262: (3, [2]), 277: (3, [4]), 338: (3, [extra])})
        colours = bytes(v for i, v in enumerate(values) if i % 4 < 3)
        EXPECTED[name] = h, w, 3, colours if extra == 0 else on_white(values, 4, premultiplied=extra == 1)
    values = noise(w * h * 2, 65535)
    tiff("sixteen-alpha.tif", w, h, [struct.pack(f"<{len(values)}H", *values)],
         {258: (3, [16] * 2), 277: (3, [2]), 338: (3, [2])})
    EXPECTED["sixteen-alpha.tif"] = h, w, 1, on_white(values, 2, 65535)
