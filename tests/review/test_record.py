"""The record only grows, and shows when somebody else has written in it."""

import json
import os
import resource
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from civicml.errors import CivicmlError
from civicml.review import record


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "reviews" / "decisions.jsonl"


@pytest.fixture
def filled(path: Path) -> Path:
    with record.writing(path) as book:
        for number in range(4):
            book.append("decision", {"model": "capstone-health-x", "version": number, "because": "Größe £5"})
    return path


def test_what_is_written_is_read_back_in_order_and_only_the_owner_may_read_it(filled: Path) -> None:
    entries = record.read(filled)

    assert [entry.number for entry in entries] == [1, 2, 3, 4]
    assert [entry.facts["version"] for entry in entries] == [0, 1, 2, 3]
    assert entries[0].facts["because"] == "Größe £5"
    assert entries[0].before == record.BEGINNING
    assert [entry.before for entry in entries[1:]] == [entry.hash for entry in entries[:-1]]
    assert stat.S_IMODE(filled.stat().st_mode) == 0o600
    assert stat.S_IMODE(filled.parent.stat().st_mode) == 0o700


def test_a_record_that_is_not_there_yet_is_empty(path: Path) -> None:
    assert record.read(path) == ()


def changed(lines: list[str]) -> list[str]:
    return [lines[0], lines[1].replace('"version":1', '"version":7'), *lines[2:]]


def resealed(lines: list[str]) -> list[str]:
    """As somebody would who knows how the hash is made: the line is right, the next does not follow."""
    facts = json.loads(changed(lines)[1])
    entry = record.Entry(**{**facts, "hash": ""})
    return [lines[0], record.Entry(**{**facts, "hash": record._hash(entry)}).line.rstrip("\n"), *lines[2:]]


@pytest.mark.parametrize(
    ("tamper", "line", "says"),
    [
        (changed, 2, "was changed"),
        (resealed, 3, "does not follow"),
        (lambda lines: [lines[0], *lines[2:]], 2, "does not follow"),
        (lambda lines: [lines[1], lines[0], *lines[2:]], 1, "does not follow"),
        (lambda lines: [*lines[:2], lines[1], *lines[2:]], 3, "does not follow"),
        (lambda lines: [lines[0], "", *lines[1:]], 2, "is not what was written"),
        (lambda lines: [lines[0], "[" * 100_000, *lines[1:]], 2, "is not what was written"),
        (lambda lines: [lines[0].replace(":", ": "), *lines[1:]], 1, "was changed"),
    ],
)
def test_a_line_that_was_tampered_with_is_named_and_nothing_can_be_added(
    filled: Path, tamper, line: int, says: str
) -> None:
    filled.write_text("".join(f"{one}\n" for one in tamper(filled.read_text().splitlines())))
    before = filled.read_bytes()

    with pytest.raises(CivicmlError, match=f"line {line} {says}"):
        record.read(filled)
    with pytest.raises(CivicmlError, match=f"line {line} {says}"), record.writing(filled) as book:
        book.append("decision", {})
    assert filled.read_bytes() == before


@pytest.mark.parametrize("kept", [1, 40, -2])
def test_a_line_that_a_killed_writer_left_half_is_taken_off_by_the_next(filled: Path, kept: int) -> None:
    lines = filled.read_bytes().splitlines(keepends=True)
    filled.write_bytes(b"".join(lines[:3]) + lines[3][:kept])

    assert len(record.read(filled)) == 3
    with record.writing(filled) as book:
        book.append("decision", {"version": 9})

    assert [entry.facts["version"] for entry in record.read(filled)] == [0, 1, 2, 9]


def test_a_last_line_that_only_lacks_its_end_counts(filled: Path) -> None:
    filled.write_bytes(filled.read_bytes().rstrip(b"\n"))

    assert len(record.read(filled)) == 4
    with record.writing(filled) as book:
        book.append("decision", {"version": 9})

    assert [entry.facts["version"] for entry in record.read(filled)] == [0, 1, 2, 3, 9]


def test_a_disk_that_is_full_in_the_middle_of_a_line_leaves_the_record_as_it_was(filled: Path) -> None:
    before = filled.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        with record.writing(filled) as book:
            resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 20, limits[1]))
            with pytest.raises(CivicmlError, match="Nothing was recorded"):
                book.append("decision", {"version": 9})
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
            book.append("decision", {"version": 10})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)

    assert filled.read_bytes().startswith(before)
    assert [entry.facts["version"] for entry in record.read(filled)] == [0, 1, 2, 3, 10]


def test_processes_that_write_at_once_make_one_chain(path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from civicml.review import record\n"
        "for number in range(10):\n"
        "    with record.writing(Path(sys.argv[1])) as book:\n"
        "        book.append('decision', {'by': sys.argv[2]})\n"
    )
    writers = [
        subprocess.Popen([sys.executable, "-c", script, str(path), name], env=os.environ) for name in "abc"
    ]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]

    entries = record.read(path)
    assert sorted(entry.facts["by"] for entry in entries) == ["a"] * 10 + ["b"] * 10 + ["c"] * 10
