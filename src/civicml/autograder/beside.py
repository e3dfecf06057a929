"""The files that lie beside a notebook: found on the instructor's side, laid out where it is run.

It must not know what is in them, or what reads them.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

MOST_BYTES = 32 << 20
"""Of all files together: they go to each process of each submission."""


def lay_out(names: Sequence[str], parts: Sequence[bytes | bytearray | memoryview]) -> None:
    """Write the files into the working directory."""
    for name, part in zip(names, parts, strict=True):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(part)


def files_beside(folder: Path, text: str = "") -> tuple[tuple[str, str], ...]:
    """What lies in `folder` and below beside notebooks, as (name, path), hidden files left out.

    Args:
        folder: a directory.
        text: of a notebook; when it is given, only the files of the folder itself that it names.

    Raises:
        ValueError: they are larger together than each submission can be given.
    """
    found = list(_named(folder, text) if text else _below(folder))
    if sum(path.stat().st_size for path in found) > MOST_BYTES:
        raise ValueError(f"the files in '{folder}' have more than {MOST_BYTES >> 20} MB together")
    return tuple((path.relative_to(folder).as_posix(), str(path)) for path in found)


def _below(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith((".", "__")) for part in path.relative_to(folder).parts)
        if path.is_file() and not path.is_symlink() and path.suffix != ".ipynb" and not hidden:
            yield path


def _named(folder: Path, text: str) -> Iterator[Path]:
    for name in sorted(set(re.findall(r"""["']([^"'/\\\n]{1,100})["']""", text))):
        path = folder / name
        if not name.startswith(".") and path.is_file() and not path.is_symlink():
            yield path
