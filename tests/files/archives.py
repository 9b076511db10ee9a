"""Makes archives of random layouts, and lists what Python's own modules make of them when they unpack them.

Usage: archives.py SEED FOLDER. Writes archives and FOLDER/expected.json: for each archive a list of [name, bytes, CRC-32]
of the files that end in .png and lie in no hidden folder, with links followed. Names that are not UTF-8 are written as the
program shows them. Only the standard library is used.
"""

import gzip, io, json, os, random, shutil, struct, sys, tarfile, warnings, zipfile, zlib

COUNT = 24


def png(colour):
    """A picture of 4 x 4 pixels of one colour."""
    chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    rows = b"".join(b"\0" + bytes(colour) * 4 for _ in range(4))
    head = struct.pack(">IIBBBBB", 4, 4, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def shown(part):
    """A part of a name, in bytes, as the program shows it."""
    try:
        text = part.decode()
        if "\\x" not in text:
            return text
    except UnicodeDecodeError:
        pass
    out = ""
    for byte in part.decode("utf-8", "surrogateescape"):
        out += f"\\x{ord(byte) - 0xDC00:02x}" if 0xDC80 <= ord(byte) <= 0xDCFF else byte.replace("\\", "\\\\")
    return out


def listed(folder):
    """[name, bytes, CRC-32] of what was unpacked."""
    files = []

    def walk(path, name):
        for entry in sorted(os.listdir(path)):
            if entry.startswith(b"."):
                continue
            here = os.path.join(path, entry)
            below = name + [shown(entry)]
            if not os.path.exists(here):
                continue
            if os.path.isdir(here):
                walk(here, below)
            elif entry.endswith(b".png"):
                with open(here, "rb") as file:
                    data = file.read()
                files.append(["/".join(below), len(data), zlib.crc32(data)])

    walk(os.fsencode(folder), [])
    return sorted(files)


PLAIN = ["cat", "dog", "emu", "café", "a b", "10", "2", "q" * 110]
ODD = ["caf\udce9", "caf\udce8"]


def layout(r, links, names):
    """Members in order: (kind, name, content or target)."""
    root = r.choice(["", "set/", "a/b/"]) + ("x" * 120 + "/" + "y" * 60 + "/" if r.random() < 0.3 else "")
    names = r.sample(names, r.randint(2, 4))
    members, files = [], []
    picture = lambda: png([r.randrange(256) for _ in range(3)])
    for name in names:
        if r.random() < 0.5:
            members.append(("dir", root + name, None))
        for i in range(r.randint(1, 4)):
            deeper = "deep/" if r.random() < 0.2 else ""
            file = f"{root}{name}/{deeper}{i}.png"
            members.append(("file", file, picture()))
            files.append(file)
    members.append(("file", root + "notes.txt", b"words"))
    members.append(("file", root + names[0] + "/.hidden/9.png", picture()))
    if links:
        for i in range(r.randint(0, 3)):
            target = r.choice(files)
            members.append(("hard", f"{root}{names[0]}/hard{i}.png", target))
        for i in range(r.randint(0, 3)):
            link, target = f"{root}{names[1]}/soft{i}.png", r.choice(files)
            members.append(("soft", link, os.path.relpath(target, os.path.dirname(link))))
        if r.random() < 0.5:
            members.append(("soft", root + "linked", names[0]))
        if r.random() < 0.3:
            members.append(("soft", f"{root}{names[0]}/broken.png", "nothing.png"))
        if r.random() < 0.3:
            members.append(("soft", f"{root}{names[1]}/chain.png", "chained.png"))
            members.append(("soft", f"{root}{names[1]}/chained.png", os.path.basename(files[-1])))
    if r.random() < 0.4:
        # A newer version, after all else. Not of what has a second name, of which Python would write over both.
        linked = [content for kind, _, content in members if kind == "hard"]
        members.append(("file", r.choice([f for f in files if f not in linked] or [f"{root}{names[0]}/new.png"]), picture()))
    return members


def tar(r, members, form):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form, errors="surrogateescape") as archive:
        for kind, name, content in members:
            info = tarfile.TarInfo(("./" if r.random() < 0.2 else "") + name)
            info.type = {"dir": tarfile.DIRTYPE, "file": tarfile.REGTYPE, "hard": tarfile.LNKTYPE, "soft": tarfile.SYMTYPE}[kind]
            info.mode = 0o755
            if kind in ("hard", "soft"):
                info.linkname = content
            data = content if kind == "file" else b""
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def gz(r, data):
    """Of one member or of several."""
    cut = r.randrange(len(data)) if r.random() < 0.5 else len(data)
    return gzip.compress(data[:cut]) + (gzip.compress(data[cut:]) if cut < len(data) else b"")


def main():
    seed, folder = int(sys.argv[1]), sys.argv[2]
    # Names that come twice are meant.
    warnings.simplefilter("ignore", UserWarning)
    r = random.Random(seed)
    expected = {}
    for i in range(COUNT):
        kind = r.choice(["tar", "tar.gz", "zip"])
        members = layout(r, kind != "zip", PLAIN if kind == "zip" else PLAIN + ODD)
        unpacked = os.path.join(folder, "unpacked")
        path = os.path.join(folder, f"{i}.{kind}")
        if kind == "zip":
            with zipfile.ZipFile(path, "w", r.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])) as archive:
                for member, name, content in members:
                    if member == "dir":
                        archive.writestr(name + "/", b"")
                    else:
                        with archive.open(name, "w", force_zip64=r.random() < 0.3) as out:
                            out.write(content)
            with zipfile.ZipFile(path) as archive:
                archive.extractall(unpacked)
        else:
            forms = [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]
            data = tar(r, members, r.choice(forms))
            if r.random() < 0.4:
                # Two archives, one after the other.
                linked = [content for kind, _, content in members if kind == "hard"]
                more = [m for m in layout(r, False, PLAIN + ODD) if m[0] == "file" and m[1] not in linked]
                data += tar(r, more, r.choice(forms))
            with open(path, "wb") as file:
                file.write(gz(r, data) if kind == "tar.gz" else data)
            with tarfile.open(path, errors="surrogateescape", ignore_zeros=True) as archive:
                archive.extractall(unpacked, filter="fully_trusted")
        expected[f"{i}.{kind}"] = listed(unpacked)
        shutil.rmtree(unpacked)
    with open(os.path.join(folder, "expected.json"), "w") as file:
        json.dump(expected, file)


main()
