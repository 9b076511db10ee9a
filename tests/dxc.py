"""Compiles every .hlsl file of a folder with Microsoft's DirectX shader compiler, for tests/compilers.sh.

    dxc.py LIBDXCOMPILER FOLDER

Prints what the compiler says of files that it refuses, and ends with 1 if there are any. The entry point is main; files
that use 16-bit floats are compiled for shader model 6.2, others for 6.0.
"""

import os
import sys
import uuid
from concurrent.futures import ProcessPoolExecutor
from ctypes import (
    CDLL, CFUNCTYPE, POINTER, Structure, byref, c_char, c_int32, c_size_t, c_uint32, c_void_p, c_wchar_p, cast, string_at,
)
from functools import partial
from pathlib import Path

UTF8 = 65001


def guid(text):
    return (c_char * 16).from_buffer_copy(uuid.UUID(text).bytes_le)


COMPILER = guid("73e22d93-e6ce-47f3-b5bf-f0664f39c1b0")
I_COMPILER3 = guid("228b4687-5a6a-4730-900c-9702b2203f54")
I_RESULT = guid("58346cda-dde7-4497-9461-6f87af5e0659")

# Places in the tables of methods. Outside of Windows IUnknown has two destructors behind its three methods.
RELEASE = 2
FIRST = 5
COMPILE = FIRST  # IDxcCompiler3
STATUS, ERRORS = FIRST, FIRST + 2  # IDxcResult
POINTER_OF, SIZE_OF = FIRST, FIRST + 1  # IDxcBlob


class Buffer(Structure):
    _fields_ = [("pointer", c_void_p), ("size", c_size_t), ("encoding", c_uint32)]


def call(this, place, result, *arguments):
    """Calls a method of an object; arguments are pairs of type and value."""
    table = cast(this, POINTER(POINTER(c_void_p)))[0]
    method = CFUNCTYPE(result, c_void_p, *(kind for kind, _ in arguments))(table[place])
    return method(this, *(value for _, value in arguments))


def succeed(code, what):
    if code < 0:
        raise OSError(f"{what} failed: {code & 0xFFFFFFFF:#010x}")


def refused(library, path):
    """What the compiler says of a file, if it refuses it."""
    text = path.read_bytes()
    half = b"float16_t" in text
    flags = ["-E", "main", "-T", "cs_6_2" if half else "cs_6_0"] + (["-enable-16bit-types"] if half else [])
    compiler, made, errors, status = c_void_p(), c_void_p(), c_void_p(), c_int32()
    succeed(CDLL(library).DxcCreateInstance(COMPILER, I_COMPILER3, byref(compiler)), "DxcCreateInstance")
    source = Buffer(cast(text, c_void_p), len(text), UTF8)
    code = call(
        compiler, COMPILE, c_int32,
        (POINTER(Buffer), byref(source)), (POINTER(c_wchar_p), (c_wchar_p * len(flags))(*flags)), (c_uint32, len(flags)),
        (c_void_p, None), (c_void_p, cast(I_RESULT, c_void_p)), (POINTER(c_void_p), byref(made)),
    )
    succeed(code, "Compile")
    succeed(call(made, STATUS, c_int32, (POINTER(c_int32), byref(status))), "GetStatus")
    said = ""
    if status.value < 0:
        succeed(call(made, ERRORS, c_int32, (POINTER(c_void_p), byref(errors))), "GetErrorBuffer")
        said = string_at(call(errors, POINTER_OF, c_void_p), call(errors, SIZE_OF, c_size_t)).decode(errors="replace")
        call(errors, RELEASE, c_uint32)
    call(made, RELEASE, c_uint32)
    call(compiler, RELEASE, c_uint32)
    return None if status.value >= 0 else f"{text.splitlines()[0].decode()}\n{said}"


def main():
    library, folder = sys.argv[1:]
    files = sorted(Path(folder).glob("*.hlsl"))
    if not files:
        sys.exit(f"there is no .hlsl file in {folder}")
    with ProcessPoolExecutor(os.cpu_count()) as workers:
        failures = [said for said in workers.map(partial(refused, library), files, chunksize=16) if said]
    for said in failures:
        print(said)
    if failures:
        sys.exit(f"{len(failures)} of {len(files)} files were refused")


main()
