"use strict";
// How a camera was held: the number that EXIF tells, 1 to 8. It is taken out of the file, so that no browser turns the picture
// too: some do so for JPEG alone.

/** The place of EXIF's orientation among bytes that hold an EXIF block from `start` on, and its value. */
onebit.exif = (bytes, start) => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.byteLength < start + 8) return null;
  if (view.getUint32(start) === 0x45786966) start += 6; // "Exif", and two zeros
  if (view.byteLength < start + 8) return null;
  const mark = view.getUint32(start);
  const little = mark === 0x49492a00;
  if (!little && mark !== 0x4d4d002a) return null;
  const directory = start + view.getUint32(start + 4, little);
  if (view.byteLength < directory + 2) return null;
  const entries = view.getUint16(directory, little);
  for (let at = directory + 2; at < directory + 2 + 12 * entries && at + 12 <= view.byteLength; at += 12) {
    if (view.getUint16(at, little) !== 0x112) continue;
    const is16 = view.getUint16(at + 2, little) === 3 && view.getUint32(at + 4, little) === 1;
    const value = view.getUint16(at + 8, little);
    return is16 && value >= 1 && value <= 8 ? { value, write: () => view.setUint16(at + 8, 1, little) } : null;
  }
  return null;
};

/** The orientation of a file, and the file as if it were upright. */
onebit.orientation = (bytes) => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const begins = (...magic) => magic.every((b, i) => bytes[i] === b);
  const name = (at) => String.fromCharCode(...bytes.subarray(at, at + 4));
  const taken = (found) => {
    found?.write();
    return { orientation: found?.value ?? 1, bytes };
  };
  if (begins(0xff, 0xd8)) {
    for (let at = 2; at + 4 <= bytes.length && bytes[at] === 0xff; at += 2 + view.getUint16(at + 2)) {
      while (bytes[at + 1] === 0xff) at++;
      if (bytes[at + 1] === 0xda || at + 10 > bytes.length) break;
      if (bytes[at + 1] === 0xe1 && name(at + 4) === "Exif") return taken(onebit.exif(bytes, at + 4));
    }
  } else if (begins(0x89, 0x50, 0x4e, 0x47)) {
    for (let at = 8, next; at + 12 <= bytes.length; at = next) {
      next = at + 12 + view.getUint32(at);
      if (name(at + 4) !== "eXIf" || next > bytes.length) continue;
      const orientation = onebit.exif(bytes, at + 8)?.value ?? 1;
      // Without the chunk no checksum has to be made anew.
      const left = new Uint8Array(bytes.length - (next - at));
      left.set(bytes.subarray(0, at));
      left.set(bytes.subarray(next), at);
      return { orientation, bytes: left };
    }
  } else if (begins(0x52, 0x49, 0x46, 0x46) && name(8) === "WEBP") {
    for (let at = 12; at + 8 <= bytes.length; at += 8 + 2 * Math.ceil(view.getUint32(at + 4, true) / 2)) {
      if (name(at) === "EXIF") return taken(onebit.exif(bytes, at + 8));
    }
  } else {
    // Where a browser shows TIFF: its tags are EXIF's.
    return taken(onebit.exif(bytes, 0));
  }
  return { orientation: 1, bytes };
};

/** Where the pixel of row y and column x of an upright picture is in one stored as h rows of w. */
onebit.stored = {
  1: (h, w, y, x) => y * w + x,
  2: (h, w, y, x) => y * w + (w - 1 - x),
  3: (h, w, y, x) => (h - 1 - y) * w + (w - 1 - x),
  4: (h, w, y, x) => (h - 1 - y) * w + x,
  5: (h, w, y, x) => x * w + y,
  6: (h, w, y, x) => (h - 1 - x) * w + y,
  7: (h, w, y, x) => (h - 1 - x) * w + (w - 1 - y),
  8: (h, w, y, x) => x * w + (w - 1 - y),
};
