"""Reads data.police.uk's stop and search files into the table ``searches``.

Download forces and months from data.police.uk, unpack the archive, and give the files called
``YYYY-MM-<force>-stop-and-search.csv`` to ``civicml.datasets.read_official("stop_search", paths)``.

Values stay in the source's words: only case, blanks and punctuation are put right, and that is noted.
Force and month come from the file's name. A file of another name is read too: its force is blank, and
the month of each row is that of its own date, by the clock in Britain.

Rows that are equal in all columns are kept and counted in a note. The source has no number for a
search, so nobody can tell a search that was sent twice from two people searched together.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from civicml.datasets.official import ReadReport, Reported, Source
from civicml.datasets.official_pieces import look_at, read_pieces
from civicml.datasets.schema import read_schema
from civicml.errors import CivicmlError

COLUMNS = [
    "Type", "Date", "Part of a policing operation", "Policing operation", "Latitude", "Longitude", "Gender",
    "Age range", "Self-defined ethnicity", "Officer-defined ethnicity", "Legislation", "Object of search",
    "Outcome", "Outcome linked to object of search", "Removal of more than just outer clothing",
]  # fmt: skip
YES_OR_NO = [COLUMNS[2], COLUMNS[13], COLUMNS[14]]
CODED = [
    "Type",
    "Gender",
    "Age range",
    "Self-defined ethnicity",
    "Officer-defined ethnicity",
    "Object of search",
    "Outcome",
]
# What is in some files for a value that the schema has under another spelling.
ALSO = {
    "Age range": {
        "Oct-17": "10-17",  # what a spreadsheet makes of it
        "17-Oct": "10-17",
    },
    "Self-defined ethnicity": {
        "Not stated": "Other ethnic group - Not stated",
        "Chinese or other ethnic group - Chinese (01)": "Chinese or other ethnic group - Chinese (O1)",
        "Chinese or other ethnic group - Any other ethnic group (09)": (
            "Chinese or other ethnic group - Any other ethnic group (O9)"
        ),
    },
    "Outcome": {"False": "Nothing found - no further action"},  # as the source's programming interface has it
}
FILE_NAME = re.compile(
    r"((?:19|20)\d\d-(?:0[1-9]|1[0-2]))-([a-z]+(?:-[a-z]+)*)-stop-and-search(?: ?\(\d+\))?\.csv", re.I
)
MOMENT = r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}"
# How an Act is cited; a new one is kept, for Parliament does not ask us.
ACT = re.compile(r"[A-Z][^\n]*\b(Act|Code|Order|Regulations) (1[6-9]|20)\d\d( \([^\n]+\))?")


def read(paths: list[Path]) -> tuple[dict[str, pd.DataFrame], ReadReport]:
    """Read the files at `paths` into ``searches``.

    Raises:
        CivicmlError: a file cannot be accepted, or two files hold the same force and month.
    """
    values = known_values()
    named = [force_and_month(path) for path in paths]
    refuse_twice(paths, named)
    frames: list[pd.DataFrame] = []
    reported: list[Reported] = []
    notes: list[str] = []
    for path, name in zip(paths, named, strict=True):
        # Forces that sent nothing have a file with a header; given alone, it is refused further down.
        if len(paths) > 1 and not has_rows(path):
            notes.append(f"{path.name}: a header and no rows; there is nothing to read.")
            continue
        frame, left_out, said = read_file(path, name, values)
        frames.append(frame)
        reported += left_out
        notes += said
    if not frames:
        raise CivicmlError(f"{paths[0]} and the other files hold headers and no rows.")
    searches = together(frames)
    searches.insert(0, "search_id", np.arange(1, len(searches) + 1))
    report = ReadReport(len(searches) + len(reported), len(searches), tuple(reported), tuple(notes))
    return {"searches": searches}, report


def known_values() -> dict[str, list[str]]:
    """The values that the schema knows of each column that has a code list."""
    columns = read_schema(Path(__file__).parent).tables["searches"].columns
    return {name: list(columns[name].values or []) for name in CODED}


def force_and_month(path: Path) -> tuple[str, str] | None:
    """Month and force in the file's name, or in that of the file it is a link to."""
    for name in (path.name, path.resolve().name):
        found = FILE_NAME.fullmatch(name)
        if found:
            return found[1], found[2].lower()
    return None


def refuse_twice(paths: list[Path], named: Sequence[tuple[str, str] | None]) -> None:
    """Raise if a file is given twice, or two files hold the same force and month."""
    seen: dict[object, Path] = {}
    for path, name in zip(paths, named, strict=True):
        for what in {path.resolve(), name} - {None}:
            if what in seen:
                month_of = "are the same file" if name is None else f"both hold {name[1]} in {name[0]}"
                raise CivicmlError(f"{seen[what]} and {path} {month_of}; give each once.")
            seen[what] = path


def has_rows(path: Path) -> bool:
    """Whether anything follows the header; the file is looked at first, and refused if it is no table."""
    look_at(path)
    with path.open("rb") as file:
        file.readline()
        return any(line.strip(b' ,"\r\n') for line in file)


def read_file(
    path: Path, name: tuple[str, str] | None, values: Mapping[str, list[str]]
) -> tuple[pd.DataFrame, list[Reported], list[str]]:
    """One file's rows in the schema, without numbers; the rows left out; the notes."""
    layout = look_at(path)
    reported: list[Reported] = []
    notes: list[str] = []
    mended: dict[tuple[str, str, str], int] = {}
    pieces = []
    for source in read_pieces(layout, {column: [column] for column in COLUMNS}):
        reported += source.reported
        notes += source.notes
        if len(source.frame):
            pieces.append(read_piece(source, values, mended))
    frame = together(pieces)
    for (column, found, meant), rows in mended.items():
        notes.append(f"{path.name}: {rows:,} times '{found}' in {column} {meant}.")
    local = frame["Date"].dt.tz_localize("UTC").dt.tz_convert("Europe/London").dt.strftime("%Y-%m")
    month = local if name is None else pd.Series(name[0], index=frame.index)
    frame["force"] = pd.Series(None if name is None else name[1], index=frame.index, dtype="string")
    frame["month"] = month.astype("string")
    if name is None:
        notes.append(
            f"{path.name}: the name says neither force nor month (YYYY-MM-<force>-stop-and-search.csv): the "
            "force is blank, and the month is that of each date by the clock in Britain."
        )
    elif (outside := int((local != name[0]).sum())) > 0:
        notes.append(
            f"{path.name}: {outside:,} rows are dated outside {name[0]}; they are kept with the file."
        )
    if alike := int(frame.duplicated().sum()):
        notes.append(
            f"{path.name}: {alike:,} rows are equal to an earlier one in all columns; they are kept, because "
            "the source does not say whether a search was sent twice or two people were searched together."
        )
    return frame, reported, notes


def together(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Frames one below the other; text columns stay text."""
    return frames[0] if len(frames) == 1 else pd.concat(frames, ignore_index=True)


def read_piece(
    source: Source, values: Mapping[str, list[str]], mended: dict[tuple[str, str, str], int]
) -> pd.DataFrame:
    """Some rows of a file in the schema; what was put right is counted in `mended`."""
    columns: dict[str, object] = {}
    for column in COLUMNS:
        if column in values:
            columns[column] = coded(source, column, values[column], mended)
        elif column in YES_OR_NO:
            columns[column] = yes_or_no(source, column)
        elif column == "Date":
            columns[column] = moments(source, column, mended)
        elif column == "Legislation":
            columns[column] = legislation(source, column, mended)
        elif column in ("Latitude", "Longitude"):
            columns[column] = degrees(source, column, 90 if column == "Latitude" else 180)
        else:
            columns[column] = source.frame[column].astype("string").str.strip().replace("", pd.NA)
    frame = pd.DataFrame(columns)
    half = (frame["Latitude"].isna() != frame["Longitude"].isna()).to_numpy()
    if half.any():
        blank = "Latitude" if frame["Latitude"].isna()[half.argmax()] else "Longitude"
        raise source.refusal(blank, half, "both coordinates or neither")
    return frame


def plain(value: str) -> str:
    """A value without case, blanks and punctuation."""
    return re.sub(r"[^a-z0-9]+", " ", value.lower()).strip()


def coded(
    source: Source, column: str, values: list[str], mended: dict[tuple[str, str, str], int]
) -> "pd.Categorical[str]":
    """The column's values in the schema's spelling; blank where the file is.

    Raises:
        CivicmlError: a value is not in the schema's code list, or `Type` is blank.
    """
    known = {plain(value): value for value in values}
    known |= {plain(found): meant for found, meant in ALSO.get(column, {}).items()}
    meant = {text: known.get(plain(text)) for text in source.frame[column].cat.categories}
    strange = [t for t, value in meant.items() if value is None and (t.strip() or column == "Type")]
    if strange:
        raise source.refusal(column, is_one_of(source, column, strange), f"one of {', '.join(values)}")
    place = {value: number for number, value in enumerate(values)}
    codes = np.array([-1 if value is None else place[value] for value in meant.values()], dtype=np.int64)
    found = source.frame[column].cat.codes.to_numpy()
    for text, value in meant.items():
        if value is not None and text != value:
            note(mended, column, text, f"was read as '{value}'", int(is_one_of(source, column, [text]).sum()))
    return pd.Categorical.from_codes(codes[found], values, ordered=column == "Age range")


def is_one_of(source: Source, column: str, texts: list[str]) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
    """Which rows hold one of `texts`."""
    return source.frame[column].isin(texts).to_numpy()


def note(mended: dict[tuple[str, str, str], int], column: str, found: str, meant: str, rows: int) -> None:
    """Count something that was put right."""
    if rows:
        mended[column, found, meant] = mended.get((column, found, meant), 0) + rows


def legislation(source: Source, column: str, mended: dict[tuple[str, str, str], int]) -> pd.Series:
    """The power used. Acts are kept as they are written, those nobody told us of as well: they are noted.

    Raises:
        CivicmlError: a value is not the name of an Act with its year.
    """
    found = source.frame[column]
    tidy = {text: re.sub(r"\s+", " ", text).strip() for text in found.cat.categories}
    known = {plain(text): text for text in LEGISLATION}
    words: dict[str, str | None] = {}
    for text, value in tidy.items():
        words[text] = known.get(plain(value), value or None)
        if value and plain(value) not in known:
            if not ACT.fullmatch(value):
                raise source.refusal(
                    column,
                    is_one_of(source, column, [text]),
                    "an Act and its year, such as 'Misuse of Drugs Act 1971 (section 23)'",
                )
            rows = int(is_one_of(source, column, [text]).sum())
            note(mended, column, text, "was not known to the reader; it was kept", rows)
        elif value and words[text] != text:
            rows = int(is_one_of(source, column, [text]).sum())
            note(mended, column, text, f"was read as '{words[text]}'", rows)
    return (
        pd.Series([words[text] for text in found.cat.categories], dtype="string")
        .take(found.cat.codes)
        .reset_index(drop=True)
    )


def yes_or_no(source: Source, column: str) -> pd.Series:
    """True, False or blank.

    Raises:
        CivicmlError: a value is something else.
    """
    words = {"true": True, "false": False, "": None}
    found = source.frame[column]
    meant = [text.strip().lower() for text in found.cat.categories]
    strange = [t for t, word in zip(found.cat.categories, meant, strict=True) if word not in words]
    if strange:
        raise source.refusal(column, is_one_of(source, column, strange), "True, False or nothing")
    flags = pd.array([words[word] for word in meant], dtype="boolean")
    return pd.Series(flags.take(found.cat.codes))


def moments(source: Source, column: str, mended: dict[tuple[str, str, str], int]) -> pd.Series:
    """The times in UTC, without saying so; one without an offset is taken to be in UTC, and noted.

    Raises:
        CivicmlError: a value is not written as the source does, or is no moment of the calendar.
    """
    found = source.frame[column]
    texts = pd.Series(found.cat.categories, dtype="object").str.strip()
    bare = texts.str.fullmatch(MOMENT).to_numpy(dtype=bool)
    formed = bare | texts.str.fullmatch(MOMENT + r"(Z|[+-]\d{2}:\d{2})").to_numpy(dtype=bool)
    times = pd.to_datetime(texts.where(formed), utc=True, format="ISO8601", errors="coerce")
    wrong = times.isna().to_numpy()[found.cat.codes]
    if wrong.any():
        raise source.refusal(column, wrong, "a date and time such as 2019-05-31T23:01:00+00:00")
    rows = int(bare[found.cat.codes].sum())
    note(mended, column, "a time without an offset", "was taken to be universal time", rows)
    return times.dt.tz_localize(None).astype("datetime64[us]").take(found.cat.codes).reset_index(drop=True)


def degrees(source: Source, column: str, most: int) -> pd.Series:
    """Degrees, or blank.

    Raises:
        CivicmlError: a value is no number, or off the globe.
    """
    found = source.frame[column]
    texts = pd.Series(found.cat.categories, dtype="object").str.strip()
    formed = texts.str.fullmatch(r"[+-]?\d{1,3}(\.\d+)?").to_numpy(dtype=bool)
    numbers = pd.to_numeric(texts.where(formed), errors="coerce").astype("float64")
    wrong = ((~formed & (texts != "").to_numpy()) | (numbers.abs() > most).to_numpy())[found.cat.codes]
    if wrong.any():
        raise source.refusal(column, wrong, f"degrees between -{most} and {most}, or nothing")
    return numbers.take(found.cat.codes).reset_index(drop=True)


# The powers in the source's files since 2015.
LEGISLATION = [
    "Police and Criminal Evidence Act 1984 (section 1)",
    "Police and Criminal Evidence Act 1984 (section 6)",
    "Misuse of Drugs Act 1971 (section 23)",
    "Criminal Justice and Public Order Act 1994 (section 60)",
    "Firearms Act 1968 (section 47)",
    "Psychoactive Substances Act 2016 (s36(2))",
    "Psychoactive Substances Act 2016 (s37(2))",
    "Criminal Justice Act 1988 (section 139B)",
    "Poaching Prevention Act 1862 (section 2)",
    "Wildlife and Countryside Act 1981 (section 19)",
    "Customs and Excise Management Act 1979 (section 163)",
    "Aviation Security Act 1982 (section 27(1))",
    "Protection of Badgers Act 1992 (section 11)",
    "Deer Act 1991 (section 12)",
    "Environmental Protection Act 1990 (section 34B )",
    "Crossbows Act 1987 (section 4)",
    "Public Stores Act 1875 (section 6)",
    "Conservation of Seals Act 1970 (section 4)",
    "Hunting Act 2004 (section 8)",
    "Sporting Events Act 1985 (section 7)",
]
