"""JPEG: by Pillow, and of made-up coefficients where it writes no such file."""
import io
import struct

from PIL import Image, ImageCms

from rules import FOLDER, LEVELS, draw, scene


def jpegs():
    for w, h in [(1, 1), (9, 1), (1, 9), (7, 5), (16, 16), (17, 33), (37, 23), (64, 48)]:
        for sampling in ["4:4:4", "4:2:2", "4:2:0"]:
            for progressive in [False, True]:
                name = f"{w}x{h}-{sampling.replace(':', '')}-{'progressive' if progressive else 'baseline'}.jpg"
                scene(w, h).save(FOLDER / name, quality=85, subsampling=sampling, progressive=progressive)
        scene(w, h, "L").save(FOLDER / f"{w}x{h}-grey.jpg", quality=80)
    scene(37, 23, "L").save(FOLDER / "grey-progressive.jpg", progressive=True)
    scene(50, 40).save(FOLDER / "restart.jpg", subsampling="4:2:0", restart_marker_blocks=2)
    scene(50, 40).save(FOLDER / "restart-rows.jpg", subsampling="4:2:2", restart_marker_rows=1)
    scene(50, 40).save(FOLDER / "restart-progressive.jpg", restart_marker_blocks=3, progressive=True)
    scene(50, 40).save(FOLDER / "optimised.jpg", optimize=True, quality=30)
    scene(50, 40).save(FOLDER / "fine.jpg", quality=100, subsampling=0)
    scene(37, 23).save(FOLDER / "rgb.jpg", keep_rgb=True, quality=90)
    # What the components are is told by their names alone.
    named = (FOLDER / "rgb.jpg").read_bytes()
    at = named.index(b"\xff\xee")
    (FOLDER / "rgb-by-name.jpg").write_bytes(named[:at] + named[at + 2 + int.from_bytes(named[at + 2 : at + 4], "big") :])
    scene(37, 23).save(FOLDER / "first.mpo", "MPO", save_all=True, append_images=[scene(20, 10)])
    for progressive in [False, True]:
        scene(37, 23, "CMYK").save(FOLDER / f"cmyk-{progressive}.jpg", progressive=progressive, quality=90)
    # YCCK: the same file, whose Adobe marker says that its first three components are YCbCr.
    ycck = (FOLDER / "cmyk-False.jpg").read_bytes()
    at = ycck.index(b"Adobe") + 11
    (FOLDER / "ycck.jpg").write_bytes(ycck[:at] + b"\2" + ycck[at + 1 :])
    plain = (FOLDER / "37x23-420-baseline.jpg").read_bytes()
    (FOLDER / "trailer.jpg").write_bytes(plain + b"\0\0SEFT" + bytes(99))
    (FOLDER / "two.jpg").write_bytes(plain + (FOLDER / "grey-progressive.jpg").read_bytes())
    (FOLDER / "fill.jpg").write_bytes(plain[:2] + b"\xff\xff\xff" + plain[2:])
    (FOLDER / "stray-bytes.jpg").write_bytes(plain[:-2] + b"\0\0\0" + plain[-2:])
    thumbnail = io.BytesIO()
    scene(16, 12).save(thumbnail, "JPEG")
    for number in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = number
        exif[0x010F] = "a maker of cameras"
        # A whole JPEG stands within the header, its end marker too.
        block = exif.tobytes() + thumbnail.getvalue()
        scene(37, 23).save(FOLDER / f"exif-{number}.jpg", exif=block, quality=90)
    scene(20, 20).save(FOLDER / "icc.jpg", icc_profile=ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes())


def of_coefficients(name, w, h, factors, scans, restart=0, adobe=None):
    """A baseline JPEG of made-up coefficients: its components sampled and its scans ordered in any way."""
    across, down = max(f[0] for f in factors), max(f[1] for f in factors)
    columns, rows = -(-w // (8 * across)), -(-h // (8 * down))
    # A value a block, and a few coefficients behind it.
    blocks = {
        (c, y, x): (draw.randrange(-40, 41), [draw.randrange(-6, 7) for _ in range(draw.randrange(5))])
        for c, (a, d) in enumerate(factors)
        for y in range(rows * d)
        for x in range(columns * a)
    }

    def segment(marker, body):
        return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + bytes(body)

    def number(v):
        """Its count of bits, and the bits."""
        n = abs(v).bit_length()
        return n, f"{v if v > 0 else v + (1 << n) - 1:0{n}b}" if n else ""

    def coded(units):
        """Units of blocks; every code of the first table has 4 bits, every one of the second 8."""
        bits, before = "", [0] * len(factors)
        for c, y, x in units:
            value, rest = blocks[c, y, x]
            n, digits = number(value - before[c])
            before[c] = value
            bits += f"{n:04b}" + digits
            for v in rest:
                # A zero is skipped by the run of the next that is none; here it is simply left out.
                if v:
                    n, digits = number(v)
                    bits += f"{n:08b}" + digits
            bits += f"{0:08b}"
        bits += "1" * (-len(bits) % 8)
        return bytes(int(bits[i : i + 8], 2) for i in range(0, len(bits), 8)).replace(b"\xff", b"\xff\0")

    def units(scan):
        if len(scan) == 1:
            # Only blocks of which some pixel is seen.
            (c,) = scan
            a, d = factors[c]
            wide, high = -(-w * a // (8 * across)), -(-h * d // (8 * down))
            return [[(c, y, x)] for y in range(high) for x in range(wide)]
        return [
            [(c, factors[c][1] * y + j, factors[c][0] * x + i)
             for c in scan for j in range(factors[c][1]) for i in range(factors[c][0])]
            for y in range(rows)
            for x in range(columns)
        ]

    out = b"\xff\xd8" + segment(0xDB, b"\0" + bytes([6] * 64))
    listed = b"".join(bytes([c + 1, 16 * a + d, 0]) for c, (a, d) in enumerate(factors))
    if adobe is not None:
        out += segment(0xEE, b"Adobe" + struct.pack(">HHHB", 100, 0, 0, adobe))
    out += segment(0xC0, struct.pack(">BHHB", 8, h, w, len(factors)) + listed)
    out += segment(0xC4, b"\0" + bytes([0, 0, 0, 12] + [0] * 12) + bytes(range(12)))
    # Codes of runs of no zeros: symbols 0 to 10.
    out += segment(0xC4, b"\x10" + bytes([0] * 7 + [11] + [0] * 8) + bytes(range(11)))
    if restart:
        out += segment(0xDD, struct.pack(">H", restart))
    for scan in scans:
        out += segment(0xDA, bytes([len(scan)]) + b"".join(bytes([c + 1, 0]) for c in scan) + b"\0\x3f\0")
        all_units = units(scan)
        groups = [all_units[i : i + restart] for i in range(0, len(all_units), restart)] if restart else [all_units]
        for i, group in enumerate(groups):
            out += bytes([0xFF, 0xD0 + (i - 1) % 8]) if i else b""
            out += coded(block for unit in group for block in unit)
    (FOLDER / name).write_bytes(out + b"\xff\xd9")


def scans():
    sampled = {"444": [(1, 1)] * 3, "422": [(2, 1), (1, 1), (1, 1)], "420": [(2, 2), (1, 1), (1, 1)],
               "440": [(1, 2), (1, 1), (1, 1)], "411": [(4, 1), (1, 1), (1, 1)], "410": [(4, 2), (1, 1), (1, 1)],
               "mixed": [(2, 2), (2, 1), (1, 2)]}
    for w, h in [(1, 1), (8, 8), (9, 17), (16, 16), (31, 33), (33, 8), (48, 24), (41, 65)]:
        for name, factors in sampled.items():
            of_coefficients(f"{w}x{h}-{name}-one.jpg", w, h, factors, [(0, 1, 2)])
            of_coefficients(f"{w}x{h}-{name}-three.jpg", w, h, factors, [(0,), (1,), (2,)])
            of_coefficients(f"{w}x{h}-{name}-backwards.jpg", w, h, factors, [(2,), (1,), (0,)])
        of_coefficients(f"{w}x{h}-four.jpg", w, h, [(1, 1)] * 4, [(0,), (1,), (2,), (3,)])
        ycck = [(2, 2), (1, 1), (1, 1), (2, 2)]
        of_coefficients(f"{w}x{h}-ycck.jpg", w, h, ycck, [(0, 1, 2, 3)], adobe=2)
        # Its colours are rounded in another order.
        LEVELS[f"{w}x{h}-ycck.jpg"] = 1
        of_coefficients(f"{w}x{h}-rgb.jpg", w, h, [(1, 1)] * 3, [(0, 1, 2)], adobe=0)
        of_coefficients(f"{w}x{h}-sampled-grey.jpg", w, h, [(2, 2)], [(0,)])
    of_coefficients("restart-three.jpg", 41, 65, sampled["420"], [(0,), (1,), (2,)], restart=3)
    of_coefficients("restart-one.jpg", 41, 65, sampled["420"], [(0, 1, 2)], restart=2)
    # Read right, or not at all.
    of_coefficients("refused-1-2.jpg", 41, 65, sampled["420"], [(0,), (1, 2)])
    of_coefficients("refused-2-1.jpg", 41, 65, sampled["422"], [(0, 1), (2,)])
