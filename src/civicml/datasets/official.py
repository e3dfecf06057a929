"""Reads real sources' files: what every dataset's ``official.py`` shares.

Opens only regular files, finds columns by any of their known names, and refuses what it cannot
accept in a sentence that names file, line, column and value. No row is lost in silence: what is
left out is in the report. Must not know any source by name.
"""

import csv
import io
import os
import re
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pacsv

from civicml.datasets.catalogue import find_dataset
from civicml.datasets.recipe import load_module
from civicml.datasets.schema import check
from civicml.datasets.tables import Tables, to_frame
from civicml.errors import CivicmlError

READER_FILE = "official.py"
LARGEST = 1024**3
"""Bytes of a file that is read whole; three to five times as much memory is used."""


@dataclass(frozen=True)
class Reported:
    """A row of an official file that was not taken over, and why."""

    file: str
    line: int
    reason: str


@dataclass(frozen=True)
class ReadReport:
    """What became of every row: ``rows_in == rows_out + len(reported)``.

    Attributes:
        rows_in: lines after the header, in all files.
        rows_out: rows in the tables.
        reported: rows left out.
        notes: what was put right or left out in whole columns, a sentence each.
    """

    rows_in: int
    rows_out: int
    reported: tuple[Reported, ...] = ()
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        lines = [
            f"{self.rows_in:,} rows read, {self.rows_out:,} taken over, {len(self.reported):,} left out."
        ]
        lines += [f"{row.file}, line {row.line}: left out: {row.reason}." for row in self.reported[:20]]
        if len(self.reported) > 20:
            lines.append(f"… and {len(self.reported) - 20:,} more.")
        return "\n".join([*lines, *self.notes])


@dataclass(frozen=True)
class Source:
    """One official file, every value still text.

    Attributes:
        path: the file.
        frame: a categorical column for each name asked for.
        lines: for each row, its line in the file (the header is line 1).
        headings: for each column, what the file calls it.
        reported: rows left out so far.
        notes: what was put right.
    """

    path: Path
    frame: pd.DataFrame
    lines: npt.NDArray[np.int64]
    headings: dict[str, str]
    reported: list[Reported] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def refusal(self, column: str, wrong: npt.NDArray[np.bool_], expected: str) -> CivicmlError:
        """The error for the first row where `wrong` is true."""
        row = int(wrong.argmax())
        more = f" ({int(wrong.sum()) - 1:,} more such rows)" if wrong.sum() > 1 else ""
        return CivicmlError(
            f"{self.path}, line {self.lines[row]}, column {self.headings[column]}: "
            f"'{self.frame[column].iloc[row]}'; expected {expected}{more}."
        )

    def leave_out(self, rows: npt.NDArray[np.bool_], reason: str) -> "Source":
        """The source without `rows`, which are reported."""
        gone = [Reported(self.path.name, int(line), reason) for line in self.lines[rows]]
        return Source(
            self.path,
            self.frame[~rows].reset_index(drop=True),
            self.lines[~rows],
            self.headings,
            [*self.reported, *gone],
            self.notes,
        )


def read_official(name: str, paths: str | Path | Sequence[str | Path]) -> tuple[Tables, ReadReport]:
    """Read the real source's files into the schema of the dataset `name`.

    Args:
        name: the dataset.
        paths: one file or several, as downloaded and unpacked. Links to files are followed.

    Returns:
        The tables that the source has (``load`` may give more), and what became of every row.

    Raises:
        CivicmlError: a file cannot be accepted; the sentence names file, line, column and value.
    """
    dataset = find_dataset(name)
    if not (dataset.folder / READER_FILE).is_file():
        raise CivicmlError(f"'{name}' has no reader for official files.")
    reader = load_module(dataset.folder / READER_FILE, f"civicml_official_{name}")
    files = [Path(paths)] if isinstance(paths, str | Path) else [Path(path) for path in paths]
    if not files:
        raise CivicmlError(f"Name at least one official file of '{name}'.")
    columns, report = reader.read(files)
    schema = dataset.schema
    frames = {}
    for table, frame in columns.items():
        spec = schema.tables[table]
        stored = pa.Table.from_pandas(frame, preserve_index=False)
        # The official file may hold codes that the synthetic one does not; its own reader has checked them.
        frames[table] = to_frame(stored, spec, table)
        check(frames[table], spec, table)
    return Tables(name, "official", frames), report


def read_source(path: Path, names: Mapping[str, Sequence[str]], *, free_text: str | None = None) -> Source:
    """Read a comma-separated official file as text, a column for each of `names`.

    Args:
        path: the file; UTF-8, with or without a byte-order mark.
        names: for each column wanted, the headings it has had over the years, best first. Case and
            blanks at the ends do not matter.
        free_text: the one column that may hold a comma without quotes, as some sources' names do.

    Raises:
        CivicmlError: not a regular file, empty, not UTF-8, a column missing or twice, or a line with too many
            or too few values.
    """
    text = read_text(path)
    lines = text.split("\n")
    ends_properly = lines[-1] == ""
    if ends_properly:
        lines.pop()
    lines = [line.removesuffix("\r") for line in lines]
    headings = [heading.strip() for heading in next(csv.reader([lines[0]]))]
    chosen = _choose_columns(path, headings, names)
    reported: list[Reported] = []
    notes = [
        f"{path.name}: column {heading} has no place in the schema and was left out."
        for place, heading in enumerate(headings)
        if place not in chosen.values()
    ]
    if len(lines) == 1:
        raise CivicmlError(f"{path} holds a header and no rows.")
    if not ends_properly:
        notes.append(f"{path.name}: the last line has no line end; check that the file is complete.")
    body, numbers = [], []
    repaired = 0
    joint = None if free_text is None else chosen[free_text]
    for number, line in enumerate(lines[1:], start=2):
        if not line.strip(" ,"):
            reported.append(Reported(path.name, number, "the line is blank"))
            continue
        if '"' not in line and line.count(",") == len(headings) - 1:
            body.append(line)
        else:
            values, mended = _mend(line, len(headings), joint)
            if len(values) != len(headings):
                raise CivicmlError(
                    f"{path}, line {number}: {len(values)} values where the header has {len(headings)}: "
                    f"{line[:80]!r}; the line is cut off or has a comma too many."
                )
            repaired += mended
            body.append(_as_csv(values))
        numbers.append(number)
    if repaired:
        notes.append(
            f"{path.name}: {repaired:,} rows had a comma without quotes in {headings[joint or 0]}; put right."
        )
    if not body:
        raise CivicmlError(f"{path} holds a header and no rows.")
    frame = _parse(body, headings, chosen)
    found = {name: headings[place] for name, place in chosen.items()}
    return Source(path, frame, np.array(numbers, dtype=np.int64), found, reported, notes)


def open_regular(path: Path, largest: int, otherwise: str) -> BinaryIO:
    """Open a regular file of at most `largest` bytes, without waiting for a pipe or a device.

    A link is followed to the file it points to.

    Args:
        path: the file.
        largest: bytes.
        otherwise: what to do about a larger one.

    Raises:
        CivicmlError: it is no regular file, cannot be read, or is too large.
    """
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except OSError as error:
        raise CivicmlError(f"{path} cannot be read: {error.strerror}.") from error
    facts = os.fstat(handle)
    trouble = None
    if not stat.S_ISREG(facts.st_mode):
        trouble = "is not a regular file; name the official file itself"
    elif facts.st_size > largest:
        trouble = (
            f"holds {facts.st_size / 1024**3:.1f} GB, and at most {largest / 1024**3:.0f} GB are read; "
            f"{otherwise}"
        )
    if trouble:
        os.close(handle)
        raise CivicmlError(f"{path} {trouble}.")
    return os.fdopen(handle, "rb")


def read_text(path: Path) -> str:
    """The text of a regular file.

    A link is followed to the file it points to; pipes, devices and directories are refused without
    being waited for.

    Raises:
        CivicmlError: it is no regular file, cannot be read, is empty, an archive, or not UTF-8.
    """
    with open_regular(path, LARGEST, "give files of single months or years") as file:
        content = file.read()
    if not content.strip():
        raise CivicmlError(f"{path} is empty.")
    if content.startswith(b"PK\x03\x04"):
        raise CivicmlError(f"{path} is a zip archive; unpack it and name the CSV files inside.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise CivicmlError(
            f"{path}, line {line}: byte 0x{content[error.start]:02x} is not UTF-8; "
            "save the file as UTF-8, or download it again."
        ) from error


def recode(source: Source, column: str, codes: Mapping[str, str]) -> "pd.Categorical[str]":
    """The column's values as the schema's codes; case, blanks and punctuation do not matter.

    Raises:
        CivicmlError: a value is not one of `codes`.
    """
    known = {_plain(spelling): code for spelling, code in codes.items()}
    found = source.frame[column]
    mapping = {value: known.get(_plain(value)) for value in found.cat.categories}
    if None in mapping.values():
        wrong = found.isin([value for value, code in mapping.items() if code is None]).to_numpy()
        raise source.refusal(column, wrong, f"one of {', '.join(dict.fromkeys(codes.values()))}")
    return pd.Categorical(found.map(mapping).astype("str"))


def parse_dates(source: Source, column: str, formats: Mapping[str, str]) -> pd.Series:
    """The column's dates.

    Args:
        source: the file.
        column: the column.
        formats: for each regular expression that a value may match, how ``strptime`` reads it.

    Raises:
        CivicmlError: a value matches none, or is no day of the calendar.
    """
    found = source.frame[column]
    days: dict[str, pd.Timestamp] = {}
    for value in found.cat.categories:
        form = next((f for pattern, f in formats.items() if re.fullmatch(pattern, value.strip())), None)
        day = pd.NaT if form is None else pd.to_datetime(value.strip(), format=form, errors="coerce")
        if pd.isna(day):
            raise source.refusal(
                column, (found == value).to_numpy(), "a date such as 01JAN2024, 2024-01-31 or 31/01/2024"
            )
        days[value] = day
    return pd.Series(found.map(days).astype("datetime64[us]"))


def parse_counts(source: Source, column: str) -> pd.Series:
    """The column's whole numbers; ``*`` (suppressed) is blank, thousands may be marked with commas.

    Raises:
        CivicmlError: a value is something else, or negative.
    """
    found = source.frame[column]
    numbers: dict[str, int | None] = {}
    for value in found.cat.categories:
        plain = value.strip()
        if plain == "*":
            numbers[value] = None
        elif re.fullmatch(r"\d{1,15}|\d{1,3}(,\d{3}){1,4}", plain):
            numbers[value] = int(plain.replace(",", ""))
        else:
            raise source.refusal(column, (found == value).to_numpy(), "a whole number, 0 or more")
    codes = found.cat.codes.to_numpy()
    values = [numbers[value] for value in found.cat.categories]
    return pd.Series(pd.array(values, dtype="Int64").take(codes))


def _choose_columns(path: Path, headings: list[str], names: Mapping[str, Sequence[str]]) -> dict[str, int]:
    places: dict[str, int] = {}
    for place, heading in enumerate(headings):
        if heading.upper() in places:
            raise CivicmlError(f"{path}: the column {heading} is there twice.")
        places[heading.upper()] = place
    chosen = {}
    for name, spellings in names.items():
        known = [spelling.upper() for spelling in spellings if spelling.upper() in places]
        if not known:
            raise CivicmlError(
                f"{path}: no column {' or '.join(spellings)}; the header is: {', '.join(headings)[:400]}."
            )
        chosen[name] = places[known[0]]
    return chosen


def _mend(line: str, width: int, joint: int | None) -> tuple[list[str], bool]:
    """The values of a line that is not plain; whether a bare comma in column `joint` was put right."""
    values = next(csv.reader([line]))
    if joint is not None and '"' not in line and width < len(values) <= width + 2:
        extra = len(values) - width
        return [
            *values[:joint],
            ",".join(values[joint : joint + extra + 1]),
            *values[joint + extra + 1 :],
        ], True
    return values, False


def _as_csv(values: list[str]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="").writerow(values)
    return out.getvalue()


def _parse(body: list[str], headings: list[str], chosen: dict[str, int]) -> pd.DataFrame:
    kind: Any = pa.dictionary(pa.int32(), pa.string())
    columns = [str(place) for place in range(len(headings))]
    wanted = [str(place) for place in chosen.values()]
    table = pacsv.read_csv(
        io.BytesIO("\n".join(body).encode()),
        read_options=pacsv.ReadOptions(column_names=columns, use_threads=False),
        parse_options=pacsv.ParseOptions(ignore_empty_lines=False),
        convert_options=pacsv.ConvertOptions(
            column_types=dict.fromkeys(wanted, kind),
            include_columns=wanted,
            strings_can_be_null=False,
        ),
    )
    frame: pd.DataFrame = table.rename_columns(list(chosen)).unify_dictionaries().to_pandas()
    return frame


def _plain(value: str) -> str:
    return re.sub(r"[^a-z0-9]+", " ", value.lower()).strip()
