"""Take a library of Python's runtime out of componentize-py's native library, or put a changed one in its place.

``library.py take VENV FILE`` writes the library to FILE; ``library.py put VENV FILE`` puts FILE where it was. Libraries lie
there one after the other, each packed alone; what a shorter one leaves free is filled with what an unpacker skips.
"""

import pathlib
import struct
import sys

import zstandard

MAGIC = b"\x28\xb5\x2f\xfd"

#: How the part of the library begins that an unpacker skips, its length, and then so many bytes.
SKIPPED = 0x184D2A50
SKIPPED_HEAD = 8

#: More than any of the libraries is long when packed.
PACKED_MAX = 8 << 20

#: Both stand in the library that asks the host, and together nowhere else.
MARKS = (b"__wasilibc_reset_preopens", b"wasi:random/random@0.2.0", b"dylink.0")


def native(venv: pathlib.Path) -> pathlib.Path:
    found = [path for name in ("*.so", "*.pyd") for path in venv.rglob(f"componentize_py/{name}")]
    if len(found) != 1:
        raise SystemExit(f"expected one native library of componentize-py, found {len(found)}")
    return found[0]


def find(data: bytes) -> tuple[int, int, bytes]:
    """Where the library begins and ends, packed, and its bytes."""
    at = data.find(MAGIC)
    while at >= 0:
        unpacker = zstandard.ZstdDecompressor().decompressobj()
        window = data[at : at + PACKED_MAX]
        try:
            content = unpacker.decompress(window)
        except zstandard.ZstdError:
            content = b""
        if unpacker.eof and content.startswith(b"\0asm") and all(mark in content for mark in MARKS):
            return at, at + len(window) - len(unpacker.unused_data), content
        at = data.find(MAGIC, at + 1)
    raise SystemExit("it holds no library that asks the host")


def main() -> None:
    task, venv, file = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
    path = native(venv)
    data = path.read_bytes()
    begin, end, content = find(data)
    if task == "take":
        file.write_bytes(content)
        return
    packed = zstandard.ZstdCompressor(level=22).compress(file.read_bytes())
    free = end - begin - len(packed)
    if free < 0 or 0 < free < SKIPPED_HEAD:
        raise SystemExit(f"the changed library needs {len(packed)} bytes, there are {end - begin}")
    if free:
        packed += struct.pack("<II", SKIPPED, free - SKIPPED_HEAD) + bytes(free - SKIPPED_HEAD)
    changed = data[:begin] + packed + data[end:]
    part = path.with_suffix(".part")
    part.write_bytes(changed)
    part.chmod(path.stat().st_mode)
    part.replace(path)


main()
