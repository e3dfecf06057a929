"""Reads two official files of *Criminal court statistics quarterly* (Ministry of Justice) into the schema.

The Crown Court's receipts, disposals and open cases (``caseload``), and its open cases by age
(``open_by_age``), saved as CSV. Knows their headings, codes, totals and releases; must not know the recipe.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from civicml.datasets.official import ReadReport, Reported, Source
from civicml.datasets.official_pieces import Layout, look_at, read_pieces
from civicml.errors import CivicmlError

# UTF-8 with or without a byte-order mark; older files were saved as Windows-1252.
ENCODINGS = ("utf-8", "windows-1252")

QUARTERS = ["Q1", "Q2", "Q3", "Q4"]
RDOS = ["1. Receipts", "2. Disposals", "3. Open"]
BANDS = [
    "Under 4 weeks", "4 to under 8 weeks", "8 to under 12 weeks", "12 to under 16 weeks",
    "16 to under 20 weeks", "20 to under 26 weeks", "6 months to under 1 year", "1 to under 2 years",
    "2 years or more", "[Total cases]", "[Valid cases]",
]  # fmt: skip
OFFENCES = {
    "00": "00: All offences", "01": "01: Violence against the person", "02": "02: Sexual offences",
    "03": "03: Robbery", "04": "04: Theft offences", "05": "05: Criminal damage and arson",
    "06": "06: Drug offences", "07": "07: Possession of weapons", "08": "08: Public order offences",
    "09": "09: Miscellaneous crimes against society", "10": "10: Fraud offences",
    "11": "11: Summary non-motoring", "12": "12: Summary motoring", "13": "13: Not known",
}  # fmt: skip
KINDS = (
    "triable either way",
    "indictable only",
    "sentence",
    "appeal",
    "all open cases",
    "trial",
    "unknown",
    "not known",
)
ALL = {"all", "annual", "total", "year", "all quarters"}
EVERYWHERE = {"england and wales", "england", "all", "total"}
NOT_A_COUNT = {"", "-", "–", "..", ":", "na", "n/a", "*", "x", "null"}
REVISION = re.compile(r"\s*[(\[]?\s*[rp]\s*[)\]]?$", re.IGNORECASE)


@dataclass(frozen=True)
class Kind:
    """One of the two files: the table it becomes, its columns, and what says which cell a row is."""

    table: str
    columns: tuple[str, ...]

    @property
    def cell(self) -> list[str]:
        """All columns but the count."""
        return [column for column in self.columns if column != "value"]


CASELOAD = Kind(
    "caseload",
    (
        "year",
        "quarter",
        "receipt_type",
        "region",
        "lcjb_area",
        "crown_court",
        "rdos",
        "offence_group",
        "value",
    ),
)
OPEN_BY_AGE = Kind(
    "open_by_age",
    ("year", "quarter", "receipt_type", "offence_group", "geographic_area", "age_open_grouped", "value"),
)


@dataclass(frozen=True)
class Read:
    """One file as read: its table, its rows with their lines, and what it says of itself."""

    path: Path
    kind: Kind
    release: str | None
    frame: pd.DataFrame
    lines: npt.NDArray[np.int64]
    reported: list[Reported]
    notes: list[str]


def read(paths: list[Path]) -> tuple[dict[str, pd.DataFrame], ReadReport]:
    """Read the files at `paths` into ``caseload`` and ``open_by_age``.

    Every release restates the whole series. Where two files of one kind have a quarter in common and
    disagree, the newer release is kept and the older one's rows are reported; that needs the release in the
    files' names (``cc_rdos_tool_2025Q4.csv``).

    Raises:
        CivicmlError: a file cannot be accepted, or two disagree and it cannot be told which is newer.
    """
    files = [read_file(path) for path in paths]
    tables, reported, notes, rows_in = {}, [], [], 0
    for kind in (CASELOAD, OPEN_BY_AGE):
        of_kind = [file for file in files if file.kind == kind]
        if not of_kind:
            continue
        rows_in += sum(len(file.frame) + len(file.reported) for file in of_kind)
        kept, gone = settle(of_kind)
        reported += [*(row for file in of_kind for row in file.reported), *gone]
        notes += [note for file in of_kind for note in file.notes]
        notes += spliced(of_kind)
        tables[kind.table] = pd.concat(kept, ignore_index=True)
    notes.append(
        "offence_group is the most serious offence of a case; the source's timeliness files take the one "
        "that lasted longest, so the two must not be joined by it. Counts are of cases, not of defendants."
    )
    rows_out = sum(len(frame) for frame in tables.values())
    return tables, ReadReport(rows_in, rows_out, tuple(reported), tuple(notes))


# --- one file -----------------------------------------------------------------------------------


def read_file(path: Path) -> Read:
    """One file's rows in the schema, totals and repeated rows left out."""
    layout = look_at(path, delimiters=",;\t", encodings=ENCODINGS)
    headings = [plain_heading(heading) for heading in layout.headings]
    layout = Layout(layout.path, layout.delimiter, layout.encoding, headings)
    kind = which(path, headings)
    frames, lines, reported, notes = [], [], [], []
    if layout.encoding != "utf-8":
        notes.append(f"{path.name}: read as Windows-1252, for it is not UTF-8.")
    revised = blank = 0
    for whole in read_pieces(layout, {column: [column] for column in kind.columns}):
        notes += whole.notes
        piece = without_totals(whole, kind)
        reported += piece.reported
        frame, marked, without = to_table(piece, kind)
        revised, blank = revised + marked, blank + without
        frames.append(frame)
        lines.append(piece.lines)
    frame, line = joined(frames), np.concatenate(lines)
    if revised:
        notes.append(
            f"{path.name}: {revised:,} counts are marked as revised or provisional; the marks were left out."
        )
    if blank:
        notes.append(
            f"{path.name}: {blank:,} counts are -, NA or blank: not available; they are blank in the table."
        )
    twice = frame.duplicated().to_numpy()
    reported += [Reported(path.name, int(at), "the same row is there already") for at in line[twice]]
    frame, line = frame[~twice].reset_index(drop=True), line[~twice]
    refuse_two_counts(path, kind, frame, line)
    if not len(frame):
        raise CivicmlError(f"{path} holds no row that could be taken over; all of them are totals.")
    return Read(path, kind, release_of(path), frame, line, reported, notes)


def plain_heading(heading: str) -> str:
    """A heading as the source writes it today, whatever its case and blanks."""
    return re.sub(r"[\s\-]+", "_", heading.strip("\ufeff \u00a0").lower())


def which(path: Path, headings: list[str]) -> Kind:
    """Which of the files this is, from its headings."""
    found = set(headings)
    if "rdos" in found:
        return CASELOAD
    if "age_open_grouped" in found:
        return OPEN_BY_AGE
    if "offence_to_completion" in " ".join(headings) or "annual_or_quarterly" in found:
        raise CivicmlError(
            f"{path}, line 1: this is a timeliness file; only receipts, disposals and open cases (with a "
            "column rdos) and open cases by age (with a column age_open_grouped) are read. A principal "
            "offence means something else there."
        )
    raise CivicmlError(
        f"{path}, line 1: neither a column rdos (receipts, disposals and open cases) nor a column "
        f"age_open_grouped (open cases by age); the header is: {', '.join(headings)[:300]}."
    )


def without_totals(piece: Source, kind: Kind) -> Source:
    """The piece without rows that are sums of others and have no place in the table; they are reported."""
    piece = piece.leave_out(has(piece, "quarter", ALL), "a total of a whole year")
    if kind == OPEN_BY_AGE:  # its totals are part of its shape
        return piece
    offence = piece.frame["offence_group"]
    every = [name for name in offence.cat.categories if name.strip().startswith("00")]
    sums = offence.isin(every).to_numpy()
    for column in ("region", "lcjb_area", "crown_court", "receipt_type"):
        sums = sums | has(piece, column, EVERYWHERE | ALL | {"all areas", "all courts", "all cases"})
    return piece.leave_out(sums, "a total of other rows")


def has(piece: Source, column: str, words: set[str]) -> npt.NDArray[np.bool_]:
    """Which rows have one of `words` in `column`; neither case nor a number before the word matters."""
    values = piece.frame[column]
    meant = [v for v in values.cat.categories if re.sub(r"^\d+[.:]\s*", "", v.strip().lower()) in words]
    return values.isin(meant).to_numpy()


def to_table(piece: Source, kind: Kind) -> tuple[pd.DataFrame, int, int]:
    """A piece's rows in the schema; how many counts were marked as revised, and how many are blank."""
    columns: dict[str, pd.Series] = {}
    for column in kind.columns:
        if column == "year":
            columns[column] = translated(piece, column, year, "a year such as 2025").astype("int16")
        elif column == "quarter":
            columns[column] = translated(piece, column, quarter, "Q1, Q2, Q3 or Q4")
        elif column == "rdos":
            columns[column] = translated(piece, column, rdos, f"one of {', '.join(RDOS)}")
        elif column == "offence_group":
            columns[column] = translated(
                piece, column, offence_group, "an offence group of the source such as 04: Theft offences"
            )
        elif column == "age_open_grouped":
            columns[column] = translated(piece, column, band, f"one of {', '.join(BANDS)}")
        elif column == "receipt_type":
            columns[column] = translated(
                piece, column, receipt_type, "a receipt type of the source such as Indictable only trials"
            )
        elif column != "value":
            columns[column] = translated(piece, column, place, "the name of a place")
    count = translated(piece, "value", counted, "a whole number, 0 or more")
    columns["value"] = count.map(lambda found: found[0]).astype("Int32")
    marked, blank = count.map(lambda found: found[1]), columns["value"].isna()
    return pd.DataFrame(columns)[list(kind.columns)], int(marked.sum()), int(blank.sum())


def translated(piece: Source, column: str, meaning: Callable[[str], object], expected: str) -> pd.Series:
    """The column's values by `meaning`, which gives ``None`` for what it does not know."""
    found = piece.frame[column].cat.remove_unused_categories()
    known: dict[str, object] = {
        value: meaning(value.strip().strip("\u00a0")) for value in found.cat.categories
    }
    odd = [value for value, meant in known.items() if meant is None]
    if odd:
        raise piece.refusal(column, found.isin(odd).to_numpy(), expected)
    values = np.empty(len(known), dtype=object)
    values[:] = list(known.values())
    return (
        pd.Series(values[found.cat.codes.to_numpy()], dtype="object")
        if len(found)
        else pd.Series([], dtype="object")
    )


def year(text: str) -> int | None:
    """A calendar year; spreadsheets write 2025.0."""
    match = re.fullmatch(r"(20\d\d)(?:\.0)?", text)
    return int(match[1]) if match else None


def quarter(text: str) -> str | None:
    """Q1 to Q4, with or without its letter."""
    match = re.fullmatch(r"(?:q|qtr|quarter)?\s*([1-4])", text.lower())
    return f"Q{match[1]}" if match else None


def rdos(text: str) -> str | None:
    """Receipts, disposals or open, with or without its number."""
    words = {name[3:].lower(): name for name in RDOS} | {"outstanding": RDOS[2], "open cases": RDOS[2]}
    return words.get(re.sub(r"^\d[.:]?\s*", "", text.lower()))


def band(text: str) -> str | None:
    """An age band; the source's words differ a little from release to release."""
    words = re.sub(r"[\[\]]", "", text.lower()).replace("–", " ").replace("-", " ")
    words = re.sub(r"\b(under|to|and|less than)\b", " ", re.sub(r"^\d+[.:]\s*", "", words))
    words = re.sub(r"\s+", " ", words).strip().replace("26 weeks 1 year", "6 months 1 year")
    return _BAND_WORDS.get(words)


_BAND_WORDS = {
    "4 weeks": BANDS[0], "4 8 weeks": BANDS[1], "8 12 weeks": BANDS[2], "12 16 weeks": BANDS[3],
    "16 20 weeks": BANDS[4], "20 26 weeks": BANDS[5], "6 months 1 year": BANDS[6],
    "1 2 years": BANDS[7], "1 year 2 years": BANDS[7], "2 years or more": BANDS[8], "2 years over": BANDS[8],
    "4 8": BANDS[1], "8 12": BANDS[2], "12 16": BANDS[3], "16 20": BANDS[4], "20 26": BANDS[5],
    "total cases": BANDS[9], "valid cases": BANDS[10],
}  # fmt: skip


def offence_group(text: str) -> str | None:
    """A numbered offence group. Parts of one (Adult Rape) keep their own words."""
    match = re.fullmatch(r"(\d{1,2})\s*[.:]\s*(.+)", text)
    if match is None:
        return None
    number, words = match[1].zfill(2), re.sub(r"[^a-z]+", " ", match[2].lower()).strip()
    known = OFFENCES.get(number)
    if known is None:
        return None
    if words in (plain(known[4:]), plain(known[4:]).removesuffix(" offences")) or (
        number == "13" and words == "unknown"
    ):
        return known
    return f"{number}: {match[2].strip().capitalize()}" if number == "02" and "rape" in words else None


def plain(text: str) -> str:
    """Lower-case letters and blanks only."""
    return re.sub(r"[^a-z]+", " ", text.lower()).strip()


def receipt_type(text: str) -> str | None:
    """How a case came to the court, as written, if it is of a known kind."""
    return text if any(kind in plain(text) for kind in KINDS) else None


def place(text: str) -> str | None:
    """The name of a place: letters in it, no number."""
    return text if re.search(r"[A-Za-zÀ-ÿ]", text) and not re.search(r"\d", text) else None


def counted(text: str) -> tuple[int | None, bool] | None:
    """A count, blank where the source has none; and whether it is marked as revised or provisional."""
    bare = REVISION.sub("", text)
    marked = bare != text
    if bare.lower() in NOT_A_COUNT:
        return None, marked
    match = re.fullmatch(r"(\d{1,9}|\d{1,3}(?:,\d{3}){1,2})(?:\.0+)?", bare)
    return (int(match[1].replace(",", "")), marked) if match else None


def joined(frames: list[pd.DataFrame]) -> pd.DataFrame:
    """All pieces as one frame; text as categories, for a real file has three million rows."""
    whole = pd.concat(frames, ignore_index=True)
    for column in whole.columns.difference(["year", "value"]):
        whole[column] = whole[column].astype("category")
    return whole


def refuse_two_counts(path: Path, kind: Kind, frame: pd.DataFrame, lines: npt.NDArray[np.int64]) -> None:
    """Raise if one cell has two different counts in one file."""
    again = frame.duplicated(kind.cell).to_numpy()
    if again.any():
        at = int(again.argmax())
        same = (frame[kind.cell] == frame.iloc[at][kind.cell]).all(axis=1).to_numpy()
        first = int(same.argmax())
        raise CivicmlError(
            f"{path}, line {lines[at]}, column value: '{shown(frame, at)}'; line {lines[first]} counts the "
            f"same cell as '{shown(frame, first)}' ({cell_of(kind, frame, at)})."
        )


# --- several files ------------------------------------------------------------------------------


def release_of(path: Path) -> str | None:
    """The release that a file's name tells, such as 2025Q4."""
    match = re.search(r"(20\d\d)[ _-]?q([1-4])", path.name.lower())
    return f"{match[1]}Q{match[2]}" if match else None


def settle(files: list[Read]) -> tuple[list[pd.DataFrame], list[Reported]]:
    """What is kept of several files of one kind: of every quarter, the newest release."""
    newest_first = sorted(files, key=lambda file: file.release or "", reverse=True)
    kept: list[tuple[Read, pd.DataFrame]] = []
    gone: list[Reported] = []
    for file in newest_first:
        keep = np.ones(len(file.frame), dtype=bool)
        for newer, rows in kept:
            common = quarters(file.frame) & quarters(rows)
            if not common:
                continue
            shared = in_quarters(file.frame, common)
            if (file.release is None or newer.release is None or file.release == newer.release) and (
                trouble := disagreement(file, newer, common)
            ):
                raise CivicmlError(trouble)
            keep &= ~shared
            why = (
                f"this quarter is in {newer.path.name} too"
                if file.release == newer.release
                else f"restated in the newer release, {newer.path.name}"
            )
            gone += [Reported(file.path.name, int(at), why) for at in file.lines[shared]]
        kept.append((file, file.frame[keep]))
    order = {id(file): place for place, file in enumerate(files)}
    return [rows for _, rows in sorted(kept, key=lambda pair: order[id(pair[0])]) if len(rows)], gone


def quarters(frame: pd.DataFrame) -> set[tuple[int, str]]:
    """The quarters that a file has."""
    return {(int(y), str(q)) for y, q in frame[["year", "quarter"]].drop_duplicates().itertuples(index=False)}


def in_quarters(frame: pd.DataFrame, wanted: set[tuple[int, str]]) -> npt.NDArray[np.bool_]:
    """Which rows are of those quarters."""
    name = frame["year"].astype(str) + frame["quarter"].astype(str)
    return name.isin([f"{y}{q}" for y, q in wanted]).to_numpy()


def disagreement(file: Read, other: Read, common: set[tuple[int, str]]) -> str | None:
    """The sentence about the first cell that two files count differently; ``None`` if they agree."""
    kind = file.kind
    text = dict.fromkeys(kind.cell, "object")
    mine = file.frame.assign(line=file.lines)[in_quarters(file.frame, common)].astype(text)
    theirs = other.frame.assign(line=other.lines)[in_quarters(other.frame, common)].astype(text)
    both = mine.merge(theirs, on=kind.cell, how="outer", suffixes=("", "_other"), indicator=True)
    same = (both["value"] == both["value_other"]) | (both["value"].isna() & both["value_other"].isna())
    odd = both[(both["_merge"] != "both") | ~same.fillna(False).astype(bool)]
    if not len(odd):
        return None
    row = odd.iloc[0]
    where = ", ".join(str(row[column]) for column in kind.cell)
    here = "is not in" if pd.isna(row["line"]) else f"is '{row['value']}' on line {int(row['line'])} of"
    there = (
        "not in"
        if pd.isna(row["line_other"])
        else f"'{row['value_other']}' on line {int(row['line_other'])} of"
    )
    return (
        f"{where} {here} {file.path} and {there} {other.path}: two releases that disagree, and their "
        "names do not tell which is newer. Give one of them only, or name the files by their release "
        "(…_2025Q4.csv)."
    )


def spliced(files: list[Read]) -> list[str]:
    """A warning where quarters of several releases stand beside one another."""
    if len({file.release for file in files}) < 2:
        return []
    return [
        f"{files[0].kind.table}: quarters from {len(files)} files of different releases stand beside one "
        "another. Each release restates the past; a series from one release is safer."
    ]


def cell_of(kind: Kind, frame: pd.DataFrame, at: int) -> str:
    """The cell that a row is, in words."""
    return ", ".join(str(frame[column].iloc[at]) for column in kind.cell)


def shown(frame: pd.DataFrame, at: int) -> str:
    """A row's count as a person would write it."""
    value = frame["value"].iloc[at]
    return "blank" if pd.isna(value) else f"{value:,}"
