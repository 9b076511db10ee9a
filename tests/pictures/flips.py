"""Turns each bit before the last scan of JPEGs over, one at a time, and says what Pillow makes of each.

    python tests/pictures/flips.py FOLDER NAME...

Into FOLDER/flips.json: a list for each NAME of [byte, bit, CRC-32 of height, width, channels and pixels], with null where Pillow refuses.
Bytes of pictures, which follow a scan's header, are left alone.
"""
import io
import json
import struct
import sys
import warnings
import zlib

from rules import FOLDER, reference

warnings.simplefilter("ignore")


def headers(data):
    """Places of all bytes that are no picture: markers and what belongs to them."""
    at, places = 2, []
    while data[at + 1] != 0xD9:
        length = 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        places += range(at, at + length)
        scan = data[at + 1] == 0xDA
        at += length
        while scan and not (data[at] == 0xFF and data[at + 1] not in (0, *range(0xD0, 0xD8))):
            at += 1
    return places


def seen(data):
    try:
        h, w, channels, pixels = reference(io.BytesIO(data))
    except Exception:
        return None
    return zlib.crc32(pixels, zlib.crc32(struct.pack("<III", h, w, channels)))


def flipped(data):
    for at in headers(data):
        for bit in range(8):
            changed = bytearray(data)
            changed[at] ^= 1 << bit
            yield at, bit, seen(bytes(changed))


made = {name: list(flipped((FOLDER / name).read_bytes())) for name in sys.argv[2:]}
(FOLDER / "flips.json").write_text(json.dumps(made))
