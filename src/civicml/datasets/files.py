"""Files and directories that are there whole or not at all: made beside their place, then moved to it."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from civicml.datasets.building import plain_errors
from civicml.errors import CivicmlError


@contextmanager
def new_directory(destination: Path) -> Iterator[Path]:
    """A directory beside `destination` to fill, which takes its place if nothing goes wrong.

    Raises:
        CivicmlError: the destination exists, or the disk refuses.
    """
    if destination.exists():
        raise CivicmlError(f"'{destination}' exists already; name a directory that does not.")
    with plain_errors(destination):
        destination.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=".writing-", dir=destination.parent))
        try:
            yield work
            work.chmod(0o755)
            work.rename(destination)
        finally:
            shutil.rmtree(work, ignore_errors=True)


@contextmanager
def new_file(destination: Path) -> Iterator[Path]:
    """An empty file beside `destination` to fill, which takes its place if nothing goes wrong.

    Raises:
        OSError: the disk refuses; what was there before is still there.
    """
    handle, name = tempfile.mkstemp(prefix=".writing-", suffix=destination.suffix, dir=destination.parent)
    os.close(handle)
    work = Path(name)
    try:
        yield work
        work.chmod(0o644)
        work.replace(destination)
    finally:
        work.unlink(missing_ok=True)
