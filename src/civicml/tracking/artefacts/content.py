"""Which files would run code when loaded: found by what is in them, under any name.

Knows pickles of every protocol, also compressed, inside zip archives and as NumPy's object
arrays, and what PyTorch makes of them. It reads bytes; it loads nothing.
"""

import bz2
import lzma
import pickle
import pickletools
import re
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO, Protocol

_HEAD = 1 << 20
_MOST_OPCODES = 20_000
_MOST_DEPTH = 3
_CALLS = frozenset(
    {"REDUCE", "INST", "OBJ", "NEWOBJ", "NEWOBJ_EX", "BUILD", "PERSID", "BINPERSID", "EXT1", "EXT2", "EXT4"}
)
_NAMES = frozenset({"GLOBAL", "STACK_GLOBAL", "INST"})
_OBJECTS = re.compile(r"""['"][|<>=]?O[0-9]*['"]""")
_COMPRESSED = (
    b"\x1f\x8b",
    b"BZh",
    b"\xfd7zXZ\x00",
    b"\x5d\x00\x00",
    b"\x78\x01",
    b"\x78\x5e",
    b"\x78\x9c",
    b"\x78\xda",
)


class _Decompressor(Protocol):
    def decompress(self, data: bytes, max_length: int) -> bytes: ...


def code_in(path: Path) -> str | None:
    """What in this file would run code when it is loaded, in words; None when nothing would.

    Args:
        path: a regular file, opened for reading only.
    """
    with path.open("rb") as file:
        return _code_in(file, depth=0)


def code_in_bytes(data: bytes) -> str | None:
    """As `code_in`, for bytes."""
    return _code_in_head(data, depth=_MOST_DEPTH)


def _code_in(file: IO[bytes], depth: int) -> str | None:
    found = _code_in_head(file.read(_HEAD), depth)
    if found is not None or depth >= _MOST_DEPTH:
        return found
    if not file.seekable() or not zipfile.is_zipfile(file):
        return None
    file.seek(0)
    return _code_in_zip(file, depth)


def _code_in_head(head: bytes, depth: int) -> str | None:
    if is_pickle(head):
        return "a pickle"
    if head.startswith(b"\x93NUMPY") and _npy_has_objects(head):
        return "a NumPy array of Python objects, which is a pickle"
    if head.startswith((b"\x7fELF", b"MZ", b"\xcf\xfa\xed\xfe")):
        return "a program"
    if head.startswith(_COMPRESSED):
        inside = _unpacked(head)
        if inside and is_pickle(inside):
            return "a compressed pickle"
    return None


def _code_in_zip(file: IO[bytes], depth: int) -> str | None:
    try:
        with zipfile.ZipFile(file) as archive:
            names = archive.namelist()
            if any(name.endswith("constants.pkl") for name in names) and any(
                "/code/" in name for name in names
            ):
                return "a TorchScript archive"
            if any(name.endswith("data.pkl") for name in names):
                return "a PyTorch checkpoint, which is a pickle"
            for member in archive.infolist():
                if member.is_dir():
                    continue
                with archive.open(member) as content:
                    found = _code_in_member(content, depth)
                if found is not None:
                    return f"{found} ('{member.filename}' in an archive)"
    except (
        zipfile.BadZipFile,
        NotImplementedError,
        RuntimeError,
        OSError,
        zlib.error,
        EOFError,
        lzma.LZMAError,
    ):
        return "an archive that cannot be read"
    return None


def _code_in_member(content: IO[bytes], depth: int) -> str | None:
    head = content.read(_HEAD)
    found = _code_in_head(head, depth + 1)
    if found is not None:
        return found
    if head.startswith(b"PK\x03\x04"):
        return "an archive within an archive"
    return None


def is_pickle(data: bytes) -> bool:
    """Whether these bytes, or their beginning, are a pickle of any protocol.

    A pickle that stops halfway counts: what it calls before that is called. Text that only
    happens to begin like protocol 0 does not: there must be a name to look up and a call.
    """
    if data[:1] == b"\x80" and len(data) > 2 and data[1] <= pickle.HIGHEST_PROTOCOL + 2:
        return _opcodes(data, 2) >= 2
    return _calls_something(data)


def _opcodes(data: bytes, enough: int) -> int:
    seen = 0
    try:
        for _ in pickletools.genops(data):
            seen += 1
            if seen >= enough:
                break
    except Exception:  # noqa: S110 (whatever pickletools says of bytes that are no pickle)
        pass
    return seen


def _calls_something(data: bytes) -> bool:
    names = marked = False
    try:
        for count, (opcode, argument, _) in enumerate(pickletools.genops(data)):
            marked = marked or opcode.name == "MARK"
            if opcode.name in ("GLOBAL", "INST") and not _is_name(argument):
                return False
            names = names or opcode.name in _NAMES
            if names and opcode.name in _CALLS and (marked or opcode.name != "INST"):
                return True
            if opcode.name == "STOP" or count > _MOST_OPCODES:
                return False
    except Exception:
        return False
    return False


def _is_name(argument: object) -> bool:
    words = argument.split(" ") if isinstance(argument, str) else []
    return len(words) == 2 and all(part.isidentifier() for word in words for part in word.split("."))


def _npy_has_objects(head: bytes) -> bool:
    width, start = (2, 10) if head[6:7] == b"\x01" else (4, 12)
    length = int.from_bytes(head[8 : 8 + width], "little")
    header = head[start : start + length].decode("latin-1")
    return _OBJECTS.search(header) is not None


def _unpacked(head: bytes) -> bytes:
    makers: tuple[Callable[[], _Decompressor], ...] = (
        lambda: zlib.decompressobj(zlib.MAX_WBITS | 32),
        bz2.BZ2Decompressor,
        lzma.LZMADecompressor,
    )
    for make in makers:
        try:
            return make().decompress(head, _HEAD)
        except (zlib.error, OSError, lzma.LZMAError, ValueError, EOFError):
            continue
    return b""
