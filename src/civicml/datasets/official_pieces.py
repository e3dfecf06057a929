"""Reads a large official file in pieces, so that only one is ever in memory as text.

For sources whose files run to millions of lines, or are not plain comma-separated UTF-8. Each piece
is a :class:`~civicml.datasets.official.Source`, with the line numbers of the whole file. Must not know
any source by name.
"""

import codecs
import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pacsv

from civicml.datasets.official import Reported, Source, open_regular
from civicml.errors import CivicmlError

LARGEST = 3 * 1024**3
"""Bytes; more is refused before it is read."""

_PIECE = 24 * 1024**2
_LONGEST_LINE = 1024**2


@dataclass(frozen=True)
class Layout:
    """How an official file is written.

    Attributes:
        path: where it is.
        delimiter: between two values.
        encoding: of the whole file.
        headings: the first line's values, blanks at the ends removed.
    """

    path: Path
    delimiter: str
    encoding: str
    headings: list[str]


def look_at(path: Path, *, delimiters: str = ",", encodings: Sequence[str] = ("utf-8",)) -> Layout:
    """The layout of the file at `path`, from its first line and, if there is a choice, its encoding.

    A link is followed to the file it points to; pipes, devices and directories are refused without being
    waited for.

    Args:
        path: the file.
        delimiters: characters that may stand between values; the one the first line has most of is taken.
        encodings: tried in turn. Each but the last is tried on the whole file; the last is believed.

    Raises:
        CivicmlError: no regular file, cannot be read, empty, too large, an archive, or no text.
    """
    with open_regular(path, LARGEST, "give files of single years") as file:
        start = file.read(_LONGEST_LINE)
        _refuse_what_is_no_text(path, start)
        encoding = next((e for e in encodings[:-1] if _is_in(file, e)), encodings[-1])
    first = start.split(b"\n", 1)[0].removesuffix(b"\r")
    try:
        line = first.decode("utf-8-sig" if encoding == "utf-8" else encoding)
    except UnicodeDecodeError as error:
        raise _not_encoded(path, 1, first, error) from error
    delimiter = max(delimiters, key=line.count)
    headings = [heading.strip().strip("\u00a0") for heading in next(csv.reader([line], delimiter=delimiter))]
    return Layout(path, delimiter, encoding, headings)


def read_pieces(
    layout: Layout, names: Mapping[str, Sequence[str]], *, optional: Sequence[str] = ()
) -> Iterator[Source]:
    """Yield the file's rows as text, some hundred thousand at a time, a column for each of `names`.

    Notes about the whole file are on the first piece and on the last.

    Args:
        layout: what :func:`look_at` found.
        names: for each column wanted, the headings it has had over the years, best first. Case does not
            matter.
        optional: those of `names` that a file may lack; pieces then lack them too.

    Raises:
        CivicmlError: a column is missing or there twice, a line has too many or too few values or a quote
            that is not closed, a byte is no text, or there are no rows.
    """
    path, width = layout.path, len(layout.headings)
    chosen = _choose(layout, names, optional)
    found = {name: layout.headings[place] for name, place in chosen.items()}
    notes = [
        f"{path.name}: column {heading} has no place in the schema and was left out."
        for place, heading in enumerate(layout.headings)
        if place not in chosen.values()
    ]
    rows = 0
    with open_regular(path, LARGEST, "give files of single years") as file:
        file.readline()
        number = 2
        while block := file.read(_PIECE):
            block += file.readline(_LONGEST_LINE)
            lines, ended = _lines(layout, block, number)
            if not ended:
                notes.append(f"{path.name}: the last line has no line end; check that the file is complete.")
            body, numbers, blank = [], [], []
            for line in lines:
                if not line.strip(f' "{layout.delimiter}'):
                    blank.append(Reported(path.name, number, "the line is blank"))
                else:
                    if '"' in line or line.count(layout.delimiter) != width - 1:
                        _check_width(layout, line, number)
                    body.append(line)
                    numbers.append(number)
                number += 1
            if body or blank or notes:
                rows += len(body)
                yield Source(
                    path, _parse(body, layout, chosen), np.array(numbers, dtype=np.int64), found, blank, notes
                )
                notes = []
    if not rows:
        raise CivicmlError(f"{path} holds a header and no rows.")


def _refuse_what_is_no_text(path: Path, start: bytes) -> None:
    if not start.strip():
        raise CivicmlError(f"{path} is empty.")
    if start.startswith(b"PK\x03\x04"):
        raise CivicmlError(f"{path} is a zip archive; unpack it and name the CSV files inside.")
    if start.startswith(b"\x1f\x8b"):
        raise CivicmlError(f"{path} is a gzip archive; unpack it and name the CSV files inside.")
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\x00" in start:
        line = start[: start.find(b"\x00")].count(b"\n") + 1
        raise CivicmlError(
            f"{path}, line {line}: a zero byte; the file is UTF-16 or no text. Save it as UTF-8."
        )
    if b"\n" not in start and len(start) == _LONGEST_LINE:
        raise CivicmlError(
            f"{path}, line 1: longer than {_LONGEST_LINE:,} bytes; this is no table of values."
        )


def _is_in(file: BinaryIO, encoding: str) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)()
    file.seek(0)
    try:
        while block := file.read(_PIECE):
            decoder.decode(block)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _lines(layout: Layout, block: bytes, first: int) -> tuple[list[str], bool]:
    """The lines of a block that ends where a line does, and whether the last one has a line end."""
    try:
        text = block.decode(layout.encoding)
    except UnicodeDecodeError as error:
        raise _not_encoded(layout.path, first, block, error) from error
    if text.count("\r") > text.count("\r\n") + text.endswith("\r"):
        inside = next(n for n, line in enumerate(text.split("\n")) if "\r" in line.removesuffix("\r"))
        raise CivicmlError(f"{layout.path}, line {first + inside}: a carriage return inside the line.")
    lines = text.split("\n")
    ended = lines[-1] == ""
    if ended:
        lines.pop()
    return [line.removesuffix("\r") for line in lines], ended


def _not_encoded(path: Path, first: int, block: bytes, error: UnicodeDecodeError) -> CivicmlError:
    line = first + block[: error.start].count(b"\n")
    return CivicmlError(
        f"{path}, line {line}: byte 0x{block[error.start]:02x} is not {error.encoding.upper()}; "
        "save the file as UTF-8, or download it again."
    )


def _choose(layout: Layout, names: Mapping[str, Sequence[str]], optional: Sequence[str]) -> dict[str, int]:
    places: dict[str, int] = {}
    for place, heading in enumerate(layout.headings):
        if heading.lower() in places:
            raise CivicmlError(f"{layout.path}, line 1: the column {heading} is there twice.")
        places[heading.lower()] = place
    chosen = {}
    for name, spellings in names.items():
        known = [spelling.lower() for spelling in spellings if spelling.lower() in places]
        if known:
            chosen[name] = places[known[0]]
        elif name not in optional:
            listed = {spelling.lower() for all_of_one in names.values() for spelling in all_of_one}
            strange = [heading for heading in layout.headings if heading.lower() not in listed]
            instead = f"not known: {', '.join(strange)}" if strange else "all the others are known"
            raise CivicmlError(
                f"{layout.path}, line 1: no column {' or '.join(spellings)} among the "
                f"{len(layout.headings)} of the header; {instead[:300]}."
            )
    return chosen


def _check_width(layout: Layout, line: str, number: int) -> None:
    width = len(layout.headings)
    if line.count('"') % 2:
        raise CivicmlError(
            f"{layout.path}, line {number}: a quote is not closed: {line[:80]!r}; "
            "the line is cut off or damaged."
        )
    values = next(csv.reader([line], delimiter=layout.delimiter))
    if len(values) != width:
        raise CivicmlError(
            f"{layout.path}, line {number}: {len(values)} values where the header has {width}: "
            f"{line[:80]!r}; the line is cut off or has a separator too many."
        )


def _parse(body: list[str], layout: Layout, chosen: Mapping[str, int]) -> pd.DataFrame:
    if not body:
        return pd.DataFrame({name: pd.Categorical([]) for name in chosen})
    columns = [str(place) for place in range(len(layout.headings))]
    wanted = [str(place) for place in chosen.values()]
    table = pacsv.read_csv(
        io.BytesIO("\n".join(body).encode()),
        read_options=pacsv.ReadOptions(column_names=columns, use_threads=False),
        parse_options=pacsv.ParseOptions(delimiter=layout.delimiter, ignore_empty_lines=False),
        convert_options=pacsv.ConvertOptions(
            column_types=dict.fromkeys(columns, pa.dictionary(pa.int32(), pa.string())),
            include_columns=wanted,
            strings_can_be_null=False,
        ),
    )
    frame: pd.DataFrame = table.rename_columns(list(chosen)).unify_dictionaries().to_pandas()
    return frame
