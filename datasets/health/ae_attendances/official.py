"""Reads NHS England's monthly CSV files of A&E attendances and emergency admissions into ``monthly``.

Download months from NHS England and give the CSV files to
``civicml.datasets.read_official("ae_attendances", paths)``. Three layouts are known: a column for each
count, with booked appointments (since 2020); the same without them and with "Number of" in the headings
(until 2020); and the worksheet saved as CSV, whose headings repeat. The official files hold no single
attendances, so only ``monthly`` comes out.
"""

import calendar
import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from civicml.datasets.official import ReadReport, Reported, read_text
from civicml.errors import CivicmlError

LARGEST = 16 * 1024**2
"""Bytes. A month is about 40,000; what is larger is not one of these files, and is not read."""

LABELS = ["org_code", "parent_org", "org_name"]
KINDS = {"type_1": "type 1", "type_2": "type 2", "other": "other (a&e )?department"}

# For each column of the schema, how its heading reads once case, blanks and dashes are evened out.
COUNTS = {
    **{f"attendances_{k}": f"(number of )?a&e attendances {kind}" for k, kind in KINDS.items()},
    **{f"booked_{k}": f"a&e attendances booked appointments {kind}" for k, kind in KINDS.items()},
    **{f"over_4h_{k}": f"(number of )?attendances over 4hrs {kind}" for k, kind in KINDS.items()},
    **{
        f"booked_over_4h_{k}": f"attendances over 4hrs booked appointments {kind}"
        for k, kind in KINDS.items()
    },
    "waited_4_to_12h_from_decision": "patients who have waited 4-12 hrs from dta to admission",
    "waited_over_12h_from_decision": r"patients who have waited 12\+ hrs from dta to admission",
    **{f"admissions_{k}": f"emergency admissions via a&e - {kind}" for k, kind in KINDS.items()},
    "other_emergency_admissions": r"other emergency admissions( \(i\.e\.? not via a&e\))?",
}
BOOKED = [name for name in COUNTS if name.startswith("booked_")]
WANTED = {"org_code": "org code", "parent_org": "parent org", "org_name": "org name", **COUNTS}

# The worksheet: a block of three types ends in its total, which says what the block counts.
SHEET_LABELS = {"org_code": "code", "parent_org": "region|parent org", "org_name": "name"}
SHEET_TYPES = {
    "type_1": "type 1 departments.* major a&e",
    "type_2": "type 2 departments.* single specialty",
    "other": "type 3 departments.* other a&e/minor injury unit",
}
SHEET_BLOCKS = {
    "attendances": "total attendances",
    "within_4h": "total attendances ?< ?4 hours",
    "over_4h": "total attendances ?> ?4 hours",
}
SPENDING = "number of patients spending"
SHEET_COUNTS = {
    "admissions_type_1": "emergency admissions via type 1 a&e",
    "admissions_type_2": "emergency admissions via type 2 a&e",
    "admissions_other": "emergency admissions via type 3( and 4)? a&e",
    "admissions_all": "total emergency admissions via a&e",
    "other_emergency_admissions": r"other emergency admissions \(i\.e\.? not via a&e\)",
    "waited_over_4h": f"{SPENDING} >4 hours from decision to admit to admission",
    "waited_over_12h_from_decision": f"{SPENDING} >12 hours from decision to admit to admission",
}
# What must add up in a row of the worksheet.
SUMS = {
    "attendances_total": ["attendances_type_1", "attendances_type_2", "attendances_other"],
    "over_4h_total": ["over_4h_type_1", "over_4h_type_2", "over_4h_other"],
    "attendances_type_1": ["within_4h_type_1", "over_4h_type_1"],
    "attendances_type_2": ["within_4h_type_2", "over_4h_type_2"],
    "attendances_other": ["within_4h_other", "over_4h_other"],
    "admissions_all": ["admissions_type_1", "admissions_type_2", "admissions_other"],
}

MONTHS = {name.lower(): number for number, name in enumerate(calendar.month_name) if name}
MONTHS |= {name.lower(): number for number, name in enumerate(calendar.month_abbr) if name} | {"sept": 9}
CODE = re.compile(r"[A-Z0-9]{3,9}")
CUT_OFF = re.compile(r"[A-Z]{3}|(?=.*\d)[A-Z0-9]{3,9}|MSitAE.*", re.IGNORECASE)
NUMBER = re.compile(r"\d{1,9}(\.0)?|\d{1,3}(,\d{3}){1,2}")
BLANKS = ("", "-", "\u2013", "*")
REGION = re.compile(r"NHS ENGLAND .+|.+ COMMISSIONING REGION|.+ AREA TEAM")
A_MONTH = "a month such as MSitAE-MARCH-2026 or MARCH-2026"
HOW_TO_NAME = "name it after its month, for example 2025_04.csv or April-2025.csv"


@dataclass(frozen=True)
class Row:
    """One line of a file: its number and its values as text."""

    line: int
    values: list[str]


@dataclass
class File:
    """One official file while it is read.

    Attributes:
        path: the file.
        places: for each name (a column of the schema, or a total of the worksheet), its place in a row.
        headings: the header's values.
        rows: the lines after the header.
        before: the lines before it.
        reported: rows left out so far.
        notes: what was put right.
    """

    path: Path
    places: dict[str, int]
    headings: list[str]
    rows: list[Row]
    before: list[Row]
    reported: list[Reported] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def value(self, row: Row, name: str) -> str:
        """The text of one cell, without blanks at its ends."""
        return row.values[self.places[name]].strip()

    def refusal(self, row: Row, name: str, expected: str) -> CivicmlError:
        """The error for one cell."""
        heading = " ".join(self.headings[self.places[name]].split())
        value = row.values[self.places[name]]
        return CivicmlError(
            f"{self.path}, line {row.line}, column {heading}: '{value}'; expected {expected}."
        )

    def leave_out(self, row: Row, reason: str) -> None:
        """Report a row that is not taken over."""
        self.reported.append(Reported(self.path.name, row.line, reason))


def read(paths: list[Path]) -> tuple[dict[str, pd.DataFrame], ReadReport]:
    """Read the monthly files at `paths`, each by its own header, into ``monthly``.

    Rows of totals are held to the sum of the providers, reported and left out; so are blank lines, notes
    below the table, and a row that is there twice.

    Raises:
        CivicmlError: a file cannot be accepted, or two files hold the same month.
    """
    seen: dict[pd.Timestamp, Path] = {}
    frames, reported, notes = [], [], []
    for path in paths:
        file = open_file(path)
        frame = to_monthly(file)
        for month in frame["month"].unique():
            if month in seen:
                raise CivicmlError(
                    f"{seen[month]} and {path} both hold {month:%B %Y}; give each month once, "
                    "the revised file where there are two."
                )
            seen[month] = path
        frames.append(frame)
        reported += sorted(file.reported, key=lambda row: row.line)
        notes += file.notes
    monthly = pd.concat(frames, ignore_index=True)
    report = ReadReport(len(monthly) + len(reported), len(monthly), tuple(reported), tuple(notes))
    return {"monthly": monthly}, report


# --- the file and its header --------------------------------------------------------------------


def open_file(path: Path) -> File:
    """The file with its header found, whatever stands above it.

    Raises:
        CivicmlError: it is no regular file, too large, empty, not UTF-8, or has no header of a known layout.
    """
    try:
        size = path.stat().st_size
    except OSError as error:
        raise CivicmlError(f"{path} cannot be read: {error.strerror}.") from error
    if size > LARGEST:
        raise CivicmlError(
            f"{path} holds {size / 1024**2:,.0f} MB, and at most {LARGEST // 1024**2} MB are read; "
            "a month of A&E attendances is far smaller, so this is another file."
        )
    text = read_text(path)
    if "\x00" in text:
        raise CivicmlError(f"{path} holds null bytes; it is not a CSV file, or not saved as UTF-8.")
    rows = list(split_rows(path, text))
    at = next((n for n, row in enumerate(rows[:40]) if is_header(row)), None)
    if at is None:
        first = next(row for row in rows if any(value.strip() for value in row.values))
        raise CivicmlError(
            f"{path}: no line is a header of the monthly A&E file (with Org Code, or with Code and Name); "
            f"line {first.line} is: {', '.join(first.values)[:200]}."
        )
    header = rows[at]
    file = File(path, {}, header.values, rows[at + 1 :], rows[:at])
    file.places.update(find_columns(file) if "org code" in map(plain, header.values) else find_blocks(file))
    if any(any(v.strip() for v in row.values) for row in file.before):
        file.notes.append(
            f"{path.name}: lines 1 to {header.line - 1} stand above the header and were passed over."
        )
    note_columns_without_a_place(file)
    if not text.endswith("\n"):
        file.notes.append(f"{path.name}: the last line has no line end; check that the file is complete.")
    return file


def split_rows(path: Path, text: str) -> Iterator[Row]:
    """The lines of a CSV file; a quoted value may run over several, and then the first one counts."""
    reader, line = csv.reader(io.StringIO(text), strict=True), 1
    while True:
        try:
            values = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise CivicmlError(
                f"{path}, line {line}: this line and what follows cannot be split into values ({error}); "
                "a quotation mark that is not closed does that."
            ) from error
        yield Row(line, values)
        line = reader.line_num + 1


def plain(heading: str) -> str:
    """A heading in lower case, single blanks and plain dashes, without the number pandas puts behind it."""
    text = re.sub(r"[\u2012-\u2015\u2212]", "-", heading)
    text = re.sub(r"\bhs\b", "hrs", " ".join(text.lower().split())).replace("over 4 hrs", "over 4hrs")
    return re.sub(r"\.\d+$", "", text)


def is_header(row: Row) -> bool:
    """Whether a line is the header of one of the layouts."""
    found = {plain(value) for value in row.values}
    return "org code" in found or {"code", "name"} <= found


def find_columns(file: File) -> dict[str, int]:
    """Places of the columns in the layouts that have a heading for each count."""
    places: dict[str, int] = {}
    found = [plain(heading) for heading in file.headings]
    for name, pattern in {"period": "period", **WANTED}.items():
        here = [place for place, heading in enumerate(found) if re.fullmatch(pattern, heading)]
        if len(here) > 1:
            raise CivicmlError(f"{file.path}: the column {file.headings[here[0]]} is there twice.")
        if here:
            places[name] = here[0]
    none_booked = not any(name in places for name in BOOKED)
    for name, pattern in WANTED.items():
        if name not in places and not (none_booked and name in BOOKED):
            raise missing_column(file, name, pattern)
    if none_booked:
        file.notes.append(
            f"{file.path.name}: this layout does not count booked appointments apart; "
            "those columns are blank."
        )
    return places


def find_blocks(file: File) -> dict[str, int]:
    """Places of the columns in the worksheet, where a block's total says what its three types count."""
    places: dict[str, int] = {}
    block: dict[str, int] = {}
    unknown: int | None = None
    for place, heading in enumerate(plain(heading) for heading in file.headings):
        kind = next((k for k, pattern in SHEET_TYPES.items() if re.fullmatch(pattern, heading)), None)
        total = next((b for b, pattern in SHEET_BLOCKS.items() if re.fullmatch(pattern, heading)), None)
        named = {**SHEET_LABELS, **SHEET_COUNTS, "period": "period"}
        name = next((n for n, pattern in named.items() if re.fullmatch(pattern, heading)), None)
        if kind is not None and kind not in block:
            block[kind] = place
        elif total is not None and len(block) == len(SHEET_TYPES) and f"{total}_total" not in places:
            places |= {f"{total}_{k}": at for k, at in block.items()} | {f"{total}_total": place}
            block = {}
        elif name is not None and name not in places:
            places[name] = place
        elif kind or total or name:
            # A block that is full waits for its total: what stands there in its place is what was renamed.
            place = unknown if unknown is not None and len(block) == len(SHEET_TYPES) else place  # noqa: PLW2901
            raise CivicmlError(
                f"{file.path}: the column {file.headings[place]} (number {place + 1}) is not where the "
                "worksheet has it: each block is type 1, type 2, type 3 and its total."
            )
        else:
            unknown = place
    needed = {**SHEET_LABELS, **SHEET_COUNTS}
    needed |= {f"{b}_total": SHEET_BLOCKS[b] for b in ("attendances", "over_4h")}
    for name, pattern in needed.items():
        if name not in places:
            raise missing_column(file, name, pattern)
    file.notes.append(
        f"{file.path.name}: the worksheet's layout does not count booked appointments apart: they are in the "
        "attendances, and the booked columns are blank. Waits of 4 to 12 hours are its waits of over 4 less "
        "those of over 12."
    )
    return places


def missing_column(file: File, name: str, pattern: str) -> CivicmlError:
    """The error for a column that the header lacks."""
    heading = re.sub(r"\([^)]*\)\?|[\\?]", "", pattern).replace("|", " or ").replace(".*", " -")
    header = ", ".join(" ".join(heading.split()) for heading in file.headings)
    return CivicmlError(f"{file.path}: no column '{heading}' (for {name}); the header is: {header[:600]}.")


def note_columns_without_a_place(file: File) -> None:
    """Say which columns are left out: stray ones, percentages, totals of totals."""
    used = set(file.places.values())
    for place, heading in enumerate(file.headings):
        if place in used:
            continue
        filled = any(len(row.values) > place and row.values[place].strip() for row in file.rows)
        if heading.strip() or filled:
            shown = " ".join(heading.split()) or f"number {place + 1}, which has no heading,"
            what = "" if filled else "is blank, "
            file.notes.append(
                f"{file.path.name}: column {shown} {what}has no place in the schema and was left out."
            )


# --- rows ---------------------------------------------------------------------------------------


def to_monthly(file: File) -> pd.DataFrame:
    """The providers' rows of one file in the schema; totals checked, the rest reported.

    Raises:
        CivicmlError: a value cannot be accepted, a line is cut off, a provider is there twice with different
            counts, or nobody says which month it is.
    """
    counts = [name for name in file.places if name not in (*LABELS, "period")]
    month = None if "period" in file.places else month_of_file(file)
    taken: dict[tuple[pd.Timestamp, str], dict[str, object]] = {}
    totals: list[tuple[Row, dict[str, int | None]]] = []
    lines: dict[tuple[pd.Timestamp, str], int] = {}
    for row in file.rows:
        if (reason := no_data(file, row)) is not None:
            file.leave_out(row, reason)
            continue
        numbers = {name: to_count(file, row, name) for name in counts}
        if is_total(file, row):
            totals.append((row, numbers))
            continue
        labels = read_labels(file, row)
        when = month if month is not None else month_of_row(file, row)
        check_sums(file, row, numbers)
        longest = numbers["waited_over_12h_from_decision"] or 0
        if "waited_over_4h" in numbers and (numbers["waited_over_4h"] or 0) < longest:
            raise file.refusal(row, "waited_over_4h", "no fewer than those who waited over 12 hours")
        entry: dict[str, object] = {"month": when, **labels, **numbers}
        key = (when, labels["org_code"])
        if key not in taken:
            taken[key], lines[key] = entry, row.line
        elif taken[key] == entry:
            file.leave_out(row, f"the same row is in line {lines[key]}")
        else:
            raise file.refusal(
                row, "org_code", f"each provider once a month; line {lines[key]} has other counts"
            )
    if not taken:
        raise CivicmlError(f"{file.path} holds a header and no providers.")
    for row, numbers in totals:
        file.leave_out(row, compare_total(file, numbers, list(taken.values())))
    whole = [row for row in file.rows if len(row.values) >= len(file.headings)]
    blank = sum(file.value(row, name) in BLANKS[1:] for row in whole for name in counts)
    if blank:
        file.notes.append(f"{file.path.name}: {blank:,} cells hold a dash or a star and are blank.")
    return to_schema(pd.DataFrame(list(taken.values())))


def no_data(file: File, row: Row) -> str | None:
    """Why a line holds no counts at all, or ``None`` if it does.

    Raises:
        CivicmlError: it is too short or too long, and no note.
    """
    filled = [value.strip() for value in row.values if value.strip()]
    if not filled:
        return "the line is blank"
    if [plain(v) for v in row.values] == [plain(v) for v in file.headings]:
        return "it is the header again"
    counts = sum(value in BLANKS or NUMBER.fullmatch(value) is not None for value in filled)
    labelled = CUT_OFF.fullmatch(filled[0]) or "total" in map(str.lower, filled)
    if counts <= 1 and not labelled:
        return "it is a note below or between the rows"
    width = len(file.headings)
    if len(row.values) < width or any(value.strip() for value in row.values[width:]):
        raise CivicmlError(
            f"{file.path}, line {row.line}: {len(row.values)} values where the header has {width}: "
            f"{','.join(row.values)[:80]!r}; the line is cut off or has a comma too many."
        )
    return None


def is_total(file: File, row: Row) -> bool:
    """Whether the row is a total: the word may be in any of the first columns, or its name be England."""
    names = [name for name in ("period", *LABELS) if name in file.places]
    labels = {name: file.value(row, name).lower() for name in names}
    nobody = labels["org_code"] in BLANKS and labels["org_name"] in ("england", *BLANKS)
    return "total" in labels.values() or nobody


def read_labels(file: File, row: Row) -> dict[str, str]:
    """Code, region in capitals and name of a provider."""
    code, name = file.value(row, "org_code"), " ".join(file.value(row, "org_name").split())
    region = " ".join(file.value(row, "parent_org").upper().split())
    if not CODE.fullmatch(code):
        raise file.refusal(row, "org_code", "the code of a provider, three to nine capitals and digits")
    if not REGION.fullmatch(region):
        raise file.refusal(row, "parent_org", "a region of NHS England, such as NHS England London")
    if not name:
        raise file.refusal(row, "org_name", "the name of a provider")
    return {"org_code": code, "parent_org": region, "org_name": name}


def to_count(file: File, row: Row, name: str) -> int | None:
    """A whole number, with or without commas between thousands; a dash is blank."""
    value = file.value(row, name)
    if value in BLANKS:
        return None
    if not NUMBER.fullmatch(value):
        raise file.refusal(row, name, "a whole number, 0 or more")
    return int(value.replace(",", "").removesuffix(".0"))


def check_sums(file: File, row: Row, numbers: dict[str, int | None]) -> None:
    """Note a row of the worksheet whose parts do not make its sums; the parts are taken."""
    for total, parts in SUMS.items():
        if {total, *parts} <= set(numbers):
            parts_sum = sum(numbers[part] or 0 for part in parts)
            if parts_sum != (numbers[total] or 0):
                heading = " ".join(file.headings[file.places[total]].split())
                file.notes.append(
                    f"{file.path.name}, line {row.line}: {heading} is {numbers[total] or 0:,}, "
                    f"its parts add up to {parts_sum:,}; the parts were taken."
                )


def compare_total(file: File, numbers: dict[str, int | None], rows: list[dict[str, object]]) -> str:
    """Why a total is left out, and whether it is the sum of the providers' rows."""
    different = []
    for name, stated in numbers.items():
        added = sum(int(str(row[name])) for row in rows if row[name] is not None)
        if stated is not None and stated != added:
            heading = " ".join(file.headings[file.places[name]].split())
            different.append(f"{heading} ({stated:,} against {added:,})")
    if not different:
        return "it is the total of all providers, and agrees with the sum of their rows"
    more = f" and {len(different) - 1} more columns" if len(different) > 1 else ""
    return f"it is the total of all providers, but differs from the sum of their rows in {different[0]}{more}"


def to_schema(found: pd.DataFrame) -> pd.DataFrame:
    """The schema's columns from those of any layout."""
    frame = found[["month", *LABELS]].copy()
    frame["month"] = pd.to_datetime(frame["month"]).astype("datetime64[us]")
    if "waited_over_4h" in found:
        late, very_late = (
            pd.array(found[name].to_numpy(dtype=object, na_value=None), dtype="Int64")
            for name in ("waited_over_4h", "waited_over_12h_from_decision")
        )
        found = found.assign(waited_4_to_12h_from_decision=late - very_late)
    for name in COUNTS:
        values = found[name].to_numpy(dtype=object, na_value=None) if name in found else [None] * len(found)
        frame[name] = pd.array(values, dtype="Int64")
    return frame


# --- which month --------------------------------------------------------------------------------


def month_of_row(file: File, row: Row) -> pd.Timestamp:
    """The month in the column Period."""
    found = re.fullmatch(
        r"(?:MSitAE-)?([A-Za-z]+)[- ](\d{4})(?:[- ]revised)?", file.value(row, "period"), re.IGNORECASE
    )
    if found is None or found[1].lower() not in MONTHS:
        raise file.refusal(row, "period", A_MONTH)
    return pd.Timestamp(int(found[2]), MONTHS[found[1].lower()], 1)


def month_of_file(file: File) -> pd.Timestamp:
    """The month of a file without a column Period: from a line above the header, or from the file's name.

    Raises:
        CivicmlError: neither names one month, or they name two.
    """
    above = months_in(" ".join(value for row in file.before for value in row.values))
    named = months_in(file.path.stem)
    if len(above) == 1 and named and above != named:
        raise CivicmlError(
            f"{file.path}: the lines above the header say {min(above):%B %Y}, and the file is called after "
            f"{min(named):%B %Y}; rename it if the lines are right."
        )
    found = above if len(above) == 1 else named
    if len(found) != 1:
        problem = (
            "nothing in it or in its name says which month it is" if not found else "its name has two months"
        )
        raise CivicmlError(f"{file.path} has no column Period, and {problem}: {HOW_TO_NAME}.")
    month = found.pop()
    file.notes.append(f"{file.path.name}: the month, {month:%B %Y}, was taken from "
                      f"{'the lines above the header' if above else 'the file name'}.")  # fmt: skip
    return month


def months_in(text: str) -> set[pd.Timestamp]:
    """The months a text names: April 2025, apr-2025, 2025-04, 2025_04 or 202504."""
    found = set()
    for name, year in re.findall(r"(?<![a-z])([a-z]{3,9})[-_ ]?((?:19|20)\d{2})(?!\d)", text.lower()):
        if name in MONTHS:
            found.add(pd.Timestamp(int(year), MONTHS[name], 1))
    if not found:
        for year, number in re.findall(r"(?<!\d)(20\d{2})[-_ ]?(0[1-9]|1[0-2])(?!\d)", text):
            found.add(pd.Timestamp(int(year), int(number), 1))
    return found
