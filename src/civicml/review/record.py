"""The record: a file that only grows, one JSON object a line, in which each line seals the one before.

A line that was changed, taken out or put in between is found when the file is read. It must not know what
is recorded.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from civicml.errors import CivicmlError

BEGINNING = "0" * 64
"""What stands for the line before the first one."""
_LOCK_SECONDS = 60
_PARTS = {"number", "when", "kind", "facts", "before", "hash"}


@dataclass(frozen=True)
class Entry:
    """One line of the record.

    Attributes:
        number: 1 for the first line.
        when: an ISO moment in UTC.
        kind: what happened.
        facts: the rest, as JSON has it.
        before: the hash of the line before.
        hash: SHA-256 of all of the above, in hexadecimal.
    """

    number: int
    when: str
    kind: str
    facts: Mapping[str, Any]
    before: str
    hash: str

    @property
    def line(self) -> str:
        """The entry as it stands in the file."""
        return _canonical({**_sealed(self), "hash": self.hash}) + "\n"


@dataclass
class Record:
    """An open record, which nobody else can write to meanwhile."""

    path: Path
    entries: tuple[Entry, ...] = field(default=())

    def append(self, kind: str, facts: Mapping[str, Any], when: datetime | None = None) -> Entry:
        """Write one more line; when this returns it is on the disk.

        Raises:
            CivicmlError: the disk refuses; what was recorded before stays.
        """
        moment = (when or datetime.now(UTC)).astimezone(UTC).isoformat(timespec="seconds")
        before = self.entries[-1].hash if self.entries else BEGINNING
        plain = json.loads(_canonical(facts))  # what is kept is what will be read
        unsealed = Entry(len(self.entries) + 1, moment, kind, plain, before, "")
        entry = Entry(**{**vars(unsealed), "hash": _hash(unsealed)})
        try:
            _add(self.path, entry.line)
        except OSError as error:
            raise CivicmlError(
                f"Nothing was recorded in '{self.path}': {error.strerror or error}. Nothing else was changed."
            ) from error
        self.entries = (*self.entries, entry)
        return entry


@contextmanager
def writing(path: Path) -> Iterator[Record]:
    """The record at `path`, read and verified, for one block in which nobody else writes.

    A line that was being written when its writer was killed is taken off first: nothing was done on it.

    Raises:
        CivicmlError: the record was tampered with, cannot be written, or another process has kept it for
            over a minute.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with FileLock(path.with_name(f".{path.name}.lock"), timeout=_LOCK_SECONDS, mode=0o600):
            entries = read(path)
            _mend_end(path, entries)
            yield Record(path, entries)
    except Timeout:
        raise CivicmlError(
            f"Another process has been writing to '{path}' for over {_LOCK_SECONDS} seconds; try again."
        ) from None


def read(path: Path) -> tuple[Entry, ...]:
    """Every entry, in order; none if there is no such file yet.

    A last line without its end, as a killed writer leaves it, does not count unless it is whole.

    Raises:
        CivicmlError: a line does not follow from the one before, or the file cannot be read.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise CivicmlError(f"The record '{path}' cannot be read: {error.strerror or error}.") from error
    *lines, rest = content.split(b"\n")
    entries: list[Entry] = []
    for line in lines:
        entries.append(_verified(path, entries, line))
    with suppress(CivicmlError):  # the beginning of a line whose writer was killed
        entries.append(_verified(path, entries, rest))
    return tuple(entries)


def _verified(path: Path, before: list[Entry], line: bytes) -> Entry:
    number = len(before) + 1
    try:
        facts = json.loads(line)
        if not isinstance(facts, dict) or set(facts) != _PARTS or not isinstance(facts["facts"], dict):
            raise ValueError("not an entry")  # noqa: TRY301 - all that is no entry is one case
        entry = Entry(**facts)
        right = entry.hash == _hash(entry) and entry.line.encode() == line + b"\n"
    except (ValueError, RecursionError):
        raise CivicmlError(_broken(path, number, "is not what was written there")) from None
    if not right:
        raise CivicmlError(_broken(path, number, "was changed after it was written"))
    if entry.number != number or entry.before != (before[-1].hash if before else BEGINNING):
        raise CivicmlError(
            _broken(path, number, "does not follow the line before: one is gone or was put in")
        )
    return entry


def _broken(path: Path, line: int, what: str) -> str:
    return (
        f"The record '{path}' cannot be trusted: line {line} {what}. Nothing was decided; put back the copy "
        "of your last backup, and find out who wrote to it."
    )


def _sealed(entry: Entry) -> dict[str, Any]:
    return {name: value for name, value in vars(entry).items() if name != "hash"}


def _hash(entry: Entry) -> str:
    return hashlib.sha256(_canonical(_sealed(entry)).encode()).hexdigest()


def _canonical(value: Mapping[str, Any]) -> str:
    return json.dumps(dict(value), ensure_ascii=True, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _mend_end(path: Path, entries: tuple[Entry, ...]) -> None:
    """Make the file end where its last entry ends."""
    if not path.exists():
        return
    whole = sum(len(entry.line) for entry in entries)
    size = path.stat().st_size
    if size == whole - 1:
        _add(path, "\n")
    elif size > whole:
        with path.open("rb+") as file:
            file.truncate(whole)
            os.fsync(file.fileno())


def _add(path: Path, text: str) -> None:
    new = not path.exists()
    size = 0 if new else path.stat().st_size
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        rest = text.encode()
        while rest:
            rest = rest[os.write(handle, rest) :]
        os.fsync(handle)
    except OSError:
        with suppress(OSError):
            os.ftruncate(handle, size)  # half a line would spoil the next one
        raise
    finally:
        os.close(handle)
    if new:
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
