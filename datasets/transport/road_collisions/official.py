"""Reads road safety data of two countries into the tables ``collision``, ``vehicle`` and ``casualty``.

Great Britain, STATS19: download the collision, vehicle and casualty CSV files of a year from the Department
for Transport. Three generations of the header are known: that of 2025 (collision_reference), that of 2024
(collision_ref_no), and the one until then (accident_index). Files of one generation are read at a time.

France, BAAC: download ``caracteristiques`` and ``usagers`` of a year (``vehicules`` too, if you like) from
data.gouv.fr. They are brought into the same columns as far as they go; the report says what has no place.

Give the files to ``civicml.datasets.read_official("road_collisions", paths)``.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from civicml.datasets.official import ReadReport, Reported, Source
from civicml.datasets.official_pieces import Layout, look_at, read_pieces
from civicml.datasets.schema import Column, read_schema
from civicml.errors import CivicmlError

UNKNOWN = -1
NOT_KNOWN = ("", "null", "na", "nan")
TABLES = ("collision", "vehicle", "casualty")

WHOLE, DECIMAL = r"-?\d{1,15}(\.0*)?", r"-?\d{1,6}(\.\d{1,25})?([eE]-?\d{1,3})?"

Values = npt.NDArray[Any] | pd.Series | pd.Categorical | pd.api.extensions.ExtensionArray
Flags = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

# --- STATS19: what a column has been called -----------------------------------------------------

OTHER_NAMES = {
    "collision_index": ["accident_index"],
    "collision_year": ["accident_year"],
    "collision_reference": ["collision_ref_no", "accident_reference", "accident_ref_no"],
    "collision_severity": ["accident_severity", "legacy_collision_severity"],
    "did_police_officer_attend_scene_of_accident": ["did_police_officer_attend_scene_of_collision"],
    "lsoa_of_accident_location": ["lsoa_of_collision_location"],
    "enhanced_severity_collision": ["enhanced_collision_severity"],
    "collision_adjusted_severity_serious": ["collision_adjusted_serious"],
    "collision_adjusted_severity_slight": ["collision_adjusted_slight"],
    "casualty_adjusted_severity_serious": ["casualty_adjusted_serious"],
    "casualty_adjusted_severity_slight": ["casualty_adjusted_slight"],
}
# Columns that files had before 2024 in the codes of the 2011 specification, under the plain name.
BEFORE_2024 = {
    "junction_detail_historic": "junction_detail",
    "pedestrian_crossing_human_control_historic": "pedestrian_crossing_human_control",
    "pedestrian_crossing_physical_facilities_historic": "pedestrian_crossing_physical_facilities",
    "carriageway_hazards_historic": "carriageway_hazards",
    "vehicle_manoeuvre_historic": "vehicle_manoeuvre",
    "vehicle_location_restricted_lane_historic": "vehicle_location_restricted_lane",
    "journey_purpose_of_driver_historic": "journey_purpose_of_driver",
}
# Columns that came in with, or after, the generation before 2024; older files may lack them.
CAME_LATER = {
    "local_authority_highway_current",
    "enhanced_severity_collision",
    "collision_injury_based",
    "collision_adjusted_severity_serious",
    "collision_adjusted_severity_slight",
    "enhanced_casualty_severity",
    "casualty_injury_based",
    "casualty_adjusted_severity_serious",
    "casualty_adjusted_severity_slight",
    "casualty_distance_banding",
    "driver_distance_banding",
    "escooter_flag",
    "generic_make_model",
    "driver_imd_decile",
    "casualty_imd_decile",
    "lsoa_of_driver",
    "lsoa_of_casualty",
}
# From the codes of 2011 to those of 2024.
CONVERSIONS: dict[str, tuple[str, dict[int, int]]] = {
    "junction_detail": (
        "junction_detail_historic",
        {0: 0, 1: 0, 2: 0, 3: 13, 5: 0, 6: 16, 7: 17, 8: 18, 9: 19, 99: 99},
    ),
    "carriageway_hazards": (
        "carriageway_hazards_historic",
        {0: 0, 1: 16, 2: 17, 3: 18, 4: 20, 5: 20, 6: 19, 7: 20, 9: 99},
    ),
    "pedestrian_crossing": (
        "pedestrian_crossing_physical_facilities_historic",
        {0: 0, 1: 13, 4: 14, 5: 15, 7: 16, 8: 17, 9: 99},
    ),
    "vehicle_manoeuvre": (
        "vehicle_manoeuvre_historic",
        {**{code: code for code in range(1, 16)}, 16: 19, 17: 19, 18: 19, 99: 99},
    ),
    "vehicle_location_restricted_lane": (
        "vehicle_location_restricted_lane_historic",
        {0: 0, 1: 1, 2: 2, 3: 2, 4: 4, 5: 5, 6: 6, 7: 6, 8: 6, 9: 9, 10: 10, 99: 99},
    ),
    "journey_purpose_of_driver": (
        "journey_purpose_of_driver_historic",
        {1: 1, 2: 2, 3: 7, 4: 7, 5: 9, 6: 6, 15: 6},
    ),
}
GENERATIONS = {
    "collision_reference": "of 2025 (collision_reference)",
    "collision_ref_no": "of 2024 (collision_ref_no)",
    "accident_reference": "until 2023 (accident_index)",
}


@dataclass(frozen=True)
class File:
    """A file that was recognised: whose it is, of which generation, and what its rows are."""

    layout: Layout
    source: str
    generation: str
    table: str


@dataclass
class Ledger:
    """What became of the rows so far: read, left out and why, and notes on whole columns."""

    rows_in: int = 0
    reported: list[Reported] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def take(self, source: Source) -> None:
        """Count a piece of a file."""
        self.rows_in += len(source.lines) + len(source.reported)
        self.reported += source.reported
        self.notes += source.notes

    def leave_out(self, path: Path, lines: Iterable[Any], reason: str) -> None:
        """Report rows that were read and are not taken over."""
        self.reported += [Reported(path.name, int(line), reason) for line in lines]


def read(paths: list[Path]) -> tuple[dict[str, pd.DataFrame], ReadReport]:
    """Read the files at `paths`: STATS19 of one generation, or BAAC.

    Raises:
        CivicmlError: a file cannot be accepted, or two do not go together.
    """
    files = [recognise(path) for path in paths]
    refuse_mixtures(files)
    ledger = Ledger()
    frames = read_french(files, ledger) if files[0].source == "BAAC" else read_british(files, ledger)
    report = ReadReport(
        rows_in=ledger.rows_in,
        rows_out=sum(len(frame) for frame in frames.values()),
        reported=tuple(ledger.reported),
        notes=tuple(dict.fromkeys(ledger.notes)),
    )
    return frames, report


def recognise(path: Path) -> File:
    """What the file at `path` is, from its header.

    Raises:
        CivicmlError: it is none of the known files, or no text.
    """
    layout = look_at(path, delimiters=",;")
    names = {heading.lower() for heading in layout.headings}
    if names & {"num_acc", "accident_id"}:
        layout = look_at(path, delimiters=",;", encodings=("utf-8", "latin-1"))
        return File(layout, "BAAC", "", french_table(layout, names))
    reference = next((name for name in GENERATIONS if name in names), None)
    if names & {"accident_index", "accident_ref_no"}:
        reference = "accident_reference"
    if reference is None:
        raise CivicmlError(
            f"{path}, line 1: no column collision_reference, collision_ref_no or accident_index (STATS19), "
            f"nor Num_Acc (BAAC); the header is: {', '.join(layout.headings)[:300]}."
        )
    table = next((t for t in ("casualty", "vehicle") if f"{t}_reference" in names), "collision")
    return File(layout, "STATS19", reference, table)


def refuse_mixtures(files: list[File]) -> None:
    """Raise if files of two sources or two generations of the header were given together."""
    first = files[0]
    for other in files[1:]:
        if other.source != first.source:
            raise CivicmlError(
                f"{first.layout.path} is {first.source} and {other.layout.path} is {other.source}; "
                "give the files of one country at a time."
            )
        if other.generation != first.generation:
            raise CivicmlError(
                f"{first.layout.path} has the header {GENERATIONS[first.generation]} and {other.layout.path} "
                f"that {GENERATIONS[other.generation]}; give files of one generation at a time."
            )


# --- STATS19 ------------------------------------------------------------------------------------


def read_british(files: list[File], ledger: Ledger) -> dict[str, pd.DataFrame]:
    """The tables of STATS19 files; vehicles and casualties of unknown collisions are reported."""
    schema = read_schema(Path(__file__).parent)
    frames: dict[str, pd.DataFrame] = {}
    origins: dict[str, pd.DataFrame] = {}
    for table in TABLES:
        mine = [file for file in files if file.table == table]
        if not mine:
            ledger.notes.append(f"No file of the table {table} was given.")
            continue
        spec = schema.tables[table]
        pieces = [piece for file in mine for piece in british_pieces(file, spec.columns, ledger)]
        frame = pd.concat([frame for frame, _ in pieces], ignore_index=True)
        origin = pd.concat([where for _, where in pieces], ignore_index=True)
        del pieces
        frame, origin = without_repeats(frame, origin, spec.key, ledger)
        if table != "collision" and "collision" in frames:
            frame, origin = without_orphans(frame, origin, frames["collision"], ledger)
        frames[table], origins[table] = frame, origin
    compare_counts(frames, ledger)
    return frames


def british_pieces(
    file: File, columns: Mapping[str, Column], ledger: Ledger
) -> Iterator[tuple[pd.DataFrame, pd.DataFrame]]:
    """Frames in the schema, piece by piece, each with the file and line of its rows."""
    names = {name: [name, *OTHER_NAMES.get(name, [])] for name in columns}
    found = {heading.lower() for heading in file.layout.headings}
    as_of_2011 = not any(name.endswith("_historic") for name in found) and file.table != "casualty"
    if as_of_2011:
        for historic, plain in BEFORE_2024.items():
            if historic in names:
                names[historic] = [plain]
        names = {name: spellings for name, spellings in names.items() if name not in CONVERSIONS}
        converted = [name for name in CONVERSIONS if name in columns]
        ledger.notes.append(
            f"{file.layout.path.name}: codes of the 2011 specification; {', '.join(converted)} were worked "
            "out from them (roundabouts and slip roads count as no junction)."
        )
    may_lack = CAME_LATER if file.generation == "accident_reference" or as_of_2011 else set()
    for source in read_pieces(file.layout, names, optional=tuple(may_lack)):
        ledger.take(source)
        if not len(source.lines):
            continue
        frame: dict[str, Values] = {}
        for name, spec in columns.items():
            if name in source.frame:
                frame[name] = in_schema(source, name, spec, ledger)
            elif not (as_of_2011 and name in CONVERSIONS):
                frame[name] = not_there(len(source.lines), spec)
                ledger.notes.append(
                    f"{source.path.name}: no column {name}; filled with its code for missing."
                )
        if as_of_2011:
            convert(frame, columns)
        if file.table == "collision":
            check_weekdays(source, frame)
        path = pd.Categorical.from_codes(np.zeros(len(source.lines), dtype=np.int8), [str(source.path)])
        yield pd.DataFrame(frame)[list(columns)], pd.DataFrame({"file": path, "line": source.lines})


def in_schema(source: Source, name: str, spec: Column, ledger: Ledger) -> Values:
    """One column's text as the schema's type.

    Raises:
        CivicmlError: a value is none that the column may hold.
    """
    if spec.type == "date":
        return as_dates(source, name)
    if spec.type in ("integer", "number"):
        return as_numbers(source, name, spec, ledger)
    return as_text(source, name, spec)


def as_text(source: Source, name: str, spec: Column) -> Values:
    """Text without blanks at its ends; a blank is missing, or -1 where the schema has no blanks."""
    found = source.frame[name]
    texts: list[str | None] = []
    for value in found.cat.categories:
        plain: str | None = value.strip()
        if str(plain).lower() in NOT_KNOWN:
            plain = None if spec.missing else str(UNKNOWN)
            if spec.type == "text":
                raise source.refusal(name, (found == value).to_numpy(), "a value, not a blank")
        elif spec.pattern is not None and not re.fullmatch(spec.pattern, str(plain)):
            raise source.refusal(name, (found == value).to_numpy(), f"{spec.unit}, such as 08:05")
        texts.append(plain)
    values = np.array([*texts, None], dtype=object)[found.cat.codes.to_numpy()]
    return pd.Series(values, dtype="str") if spec.type == "text" else pd.Categorical(values)


def as_dates(source: Source, name: str) -> pd.Series:
    """Dates written 31/12/2024, and no other way."""
    found = source.frame[name]
    days = {}
    for value in found.cat.categories:
        plain = value.strip()
        right = re.fullmatch(r"\d{2}/\d{2}/\d{4}", plain)
        days[value] = pd.to_datetime(plain, format="%d/%m/%Y", errors="coerce") if right else pd.NaT
    wrong = [value for value, day in days.items() if pd.isna(day)]
    if wrong:
        where = found.isin(wrong).to_numpy()
        raise source.refusal(name, where, "a day written day/month/year, such as 31/12/2024")
    return pd.Series(found.map(days).astype("datetime64[us]").to_numpy())


def as_numbers(source: Source, name: str, spec: Column, ledger: Ledger) -> Values:
    """Numbers within the column's codes or range; blanks become what the schema has for them."""
    found, numbers = source.frame[name], []
    blanks = 0
    for value in found.cat.categories:
        number, blank = one_number(value.strip(), spec)
        if number is None:
            raise source.refusal(name, (found == value).to_numpy(), _expected(spec))
        numbers.append(number)
        if blank and not spec.missing:
            blanks += int((found == value).sum())
    if blanks:
        ledger.notes.append(
            f"{source.path.name}: {blanks:,} blanks in {source.headings[name]} were read as -1."
        )
    values = np.array(numbers, dtype=float)[found.cat.codes.to_numpy()]
    if spec.type == "number":
        return values
    return pd.array(values, dtype=f"Int{spec.bits}") if spec.missing else values.astype(f"int{spec.bits}")


def one_number(plain: str, spec: Column) -> tuple[float | None, bool]:
    """A value as a number (``None`` if it may not be there), and whether it stood for a blank."""
    codes = None if spec.codes is None else {int(code) for code in spec.codes}
    if plain.lower() in NOT_KNOWN or (spec.missing and plain == "-1"):
        if spec.missing:
            return np.nan, True
        may_be_unknown = UNKNOWN in (spec.missing_codes if codes is None else codes)
        return (float(UNKNOWN) if may_be_unknown else None), True
    if not re.fullmatch(WHOLE if spec.type == "integer" else DECIMAL, plain):
        return None, False
    number = float(plain)
    if codes is not None:
        return (number if number in codes else None), False
    above = spec.minimum is None or number >= spec.minimum
    below = spec.maximum is None or number <= spec.maximum
    return (number if (above and below) or number in spec.missing_codes else None), False


def _expected(spec: Column) -> str:
    if spec.codes is not None:
        return f"one of {', '.join(spec.codes)}"
    limits = [
        *([f"at least {spec.minimum:g}"] if spec.minimum is not None else []),
        *([f"at most {spec.maximum:g}"] if spec.maximum is not None else []),
    ]
    kind = "a whole number" if spec.type == "integer" else "a number"
    return f"{kind} {' and '.join(limits)}".strip()


def not_there(number: int, spec: Column) -> Values:
    """A column that the file does not have."""
    match spec.type:
        case "integer" if not spec.missing:
            return np.full(number, UNKNOWN, dtype=f"int{spec.bits}")
        case "integer":
            return pd.array([pd.NA] * number, dtype=f"Int{spec.bits}")
        case "number":
            return np.full(number, np.nan)
        case _:
            return pd.Categorical([None if spec.missing else str(UNKNOWN)]).repeat(number)


def convert(frame: dict[str, Values], columns: Mapping[str, Column]) -> None:
    """Work out the columns of the 2024 specification from those of 2011."""
    for name, (historic, codes) in CONVERSIONS.items():
        if name in columns:
            old = np.asarray(frame[historic])
            frame[name] = recoded(old, codes).astype(f"int{columns[name].bits}")
    human = frame.get("pedestrian_crossing_human_control_historic")
    if human is not None:
        person = np.asarray(human)
        crossing = np.select([person == 1, person == 2], [11, 12], default=frame["pedestrian_crossing"])
        frame["pedestrian_crossing"] = crossing.astype(np.int8)


def recoded(values: npt.NDArray[Any], codes: Mapping[int, int]) -> Ints:
    """`values` through `codes`; what is not in them is missing."""
    table = np.full(256, UNKNOWN)
    for old, new in codes.items():
        table[old] = new
    return table[values]  # -1 is the last entry


def check_weekdays(source: Source, frame: Mapping[str, Values]) -> None:
    """Raise if days and dates do not go together, as when month and day are exchanged."""
    weekday = (pd.Series(frame["date"]).dt.day_of_week.to_numpy() + 1) % 7 + 1
    wrong = weekday != np.asarray(frame["day_of_week"])
    if wrong.mean() > 0.01:
        raise source.refusal(
            "date", wrong, "the weekday that day_of_week says; are day and month in another order?"
        )


def without_repeats(
    frame: pd.DataFrame, origin: pd.DataFrame, key: list[str], ledger: Ledger
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows without those that are there twice, word for word, which are reported.

    Raises:
        CivicmlError: two different rows have the same key.
    """
    twice = frame.duplicated(key).to_numpy()
    if not twice.any():
        return frame, origin
    same = frame.duplicated().to_numpy()
    if (twice & ~same).any():
        row = int((twice & ~same).argmax())
        first = int((frame[key] == frame[key].iloc[row]).all(axis=1).to_numpy().argmax())
        raise CivicmlError(
            f"{origin['file'].iloc[row]}, line {origin['line'].iloc[row]}: "
            f"{', '.join(key)} {', '.join(str(value) for value in frame[key].iloc[row])} is there already, "
            f"in {origin['file'].iloc[first]}, line {origin['line'].iloc[first]}, with other values."
        )
    return left_out(frame, origin, same, "the same row is there already", ledger)


def without_orphans(
    frame: pd.DataFrame, origin: pd.DataFrame, collisions: pd.DataFrame, ledger: Ledger
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows without those whose collision is not in the collision files, which are reported."""
    alone = ~frame["collision_index"].isin(collisions["collision_index"]).to_numpy()
    return left_out(frame, origin, alone, "its collision is not in the collision file", ledger)


def left_out(
    frame: pd.DataFrame, origin: pd.DataFrame, gone: Flags, reason: str, ledger: Ledger
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows that are not `gone`; the others are reported."""
    if not gone.any():
        return frame, origin
    for file, lines in origin[gone].groupby("file", observed=True)["line"]:
        ledger.leave_out(Path(str(file)), lines, reason)
    return frame[~gone].reset_index(drop=True), origin[~gone].reset_index(drop=True)


def compare_counts(frames: Mapping[str, pd.DataFrame], ledger: Ledger) -> None:
    """Note collisions that have fewer vehicles or casualties than they say: a file may be cut off."""
    if "collision" not in frames:
        return
    collisions = frames["collision"]
    for table, column in (("vehicle", "number_of_vehicles"), ("casualty", "number_of_casualties")):
        if table not in frames:
            continue
        there = collisions["collision_index"].map(frames[table]["collision_index"].value_counts()).fillna(0)
        fewer = int((there < collisions[column]).sum())
        if fewer:
            ledger.notes.append(
                f"{fewer:,} collisions have fewer rows in {table} than {column} says; is the file whole?"
            )


# --- BAAC ---------------------------------------------------------------------------------------

_CIRCUMSTANCES = [
    "jour", "mois", "an", "hrmn", "lum", "dep", "com", "agg", "int", "atm", "col", "adr", "lat", "long",
]  # fmt: skip
_USERS = ["num_veh", "place", "catu", "grav", "sexe", "an_nais", "locp"]
_MACHINES = ["num_veh", "catv", "choc"]
FRENCH_COLUMNS = {
    "caracteristiques": {
        "Num_Acc": ["Num_Acc", "Accident_Id"],
        **{name: [name] for name in _CIRCUMSTANCES},
    },
    "usagers": {
        "Num_Acc": ["Num_Acc", "Accident_Id"],
        **{name: [name] for name in _USERS},
    },
    "vehicules": {
        "Num_Acc": ["Num_Acc", "Accident_Id"],
        **{name: [name] for name in _MACHINES},
    },
}
# What each French code becomes. grav is not ordinal: 1 unhurt, 2 killed, 3 in hospital, 4 slightly hurt.
GRAV = {2: 1, 3: 2, 4: 3}
UNHURT = 1
LUM = {1: 1, 2: 1, 3: 6, 4: 5, 5: 4, -1: UNKNOWN}
AGG = {1: 2, 2: 1, -1: UNKNOWN}
INT_2011 = {1: 0, 2: 6, 3: 3, 4: 3, 5: 7, 6: 1, 7: 9, 8: 9, 9: 9, 0: UNKNOWN, -1: UNKNOWN}
ATM = {1: 1, 2: 2, 3: 2, 4: 3, 5: 7, 6: 4, 7: 8, 8: 1, 9: 8, 0: UNKNOWN, -1: UNKNOWN}
COL = {code: code for code in (-1, 0, 1, 2, 3, 4, 5, 6, 7)}
CATU = {1: 1, 2: 2, 3: 3, 4: 3}
SEXE = {1: 1, 2: 2, -1: UNKNOWN}
PLACE = {code: code for code in (-1, *range(11))}
LOCP = {-1: 10, 0: 10, 1: 5, 2: 4, 3: 1, 4: 1, 5: 6, 6: 6, 7: 7, 8: 10, 9: 10}
CATV = {
    1: 1, 80: 1, 2: 2, 30: 2, 41: 2, 31: 3, 32: 3, 42: 3, 33: 5, 34: 5, 43: 5, 7: 9, 3: 90, 35: 90, 36: 90,
    10: 19, 11: 19, 12: 19, 13: 20, 14: 21, 15: 21, 16: 21, 17: 21, 20: 90, 21: 17, 37: 11, 38: 11, 18: 11,
    39: 90, 40: 18, 19: 18, 50: 90, 60: 90, 99: 90, 0: UNKNOWN, -1: UNKNOWN,
    4: 2, 5: 2, 6: 2, 8: 9, 9: 9,
}  # fmt: skip
CHOC = {0: 0, 1: 1, 2: 1, 3: 1, 4: 2, 5: 2, 6: 2, 7: 3, 8: 4, 9: 9, -1: UNKNOWN}
AGE_FROM = (6, 11, 16, 21, 26, 36, 46, 56, 66, 76)


def french_table(layout: Layout, names: set[str]) -> str:
    """Which of the BAAC files this is.

    Raises:
        CivicmlError: none that is read.
    """
    if {"catr", "circ", "vma"} & names:
        return "lieux"
    for table, mark in (("caracteristiques", "hrmn"), ("usagers", "catu"), ("vehicules", "catv")):
        if mark in names:
            return table
    if "grav" in names:
        return "usagers"
    raise CivicmlError(
        f"{layout.path}, line 1: a BAAC file, but neither caracteristiques (hrmn) nor usagers (catu) nor "
        f"vehicules (catv); the header is: {', '.join(layout.headings)[:300]}."
    )


def read_french(files: list[File], ledger: Ledger) -> dict[str, pd.DataFrame]:
    """The tables of BAAC files.

    Raises:
        CivicmlError: caracteristiques or usagers is not there, or a file cannot be accepted.
    """
    for file in files:
        if file.table == "lieux":
            ledger.notes.append(
                f"{file.layout.path.name}: recognised as BAAC lieux; not read, nothing is mapped."
            )
        if file.layout.encoding == "latin-1":
            ledger.notes.append(f"{file.layout.path.name}: not UTF-8, read as Latin-1.")
    parts = {table: [file for file in files if file.table == table] for table in FRENCH_COLUMNS}
    for table in ("caracteristiques", "usagers"):
        if not parts[table]:
            given = ", ".join(f"{file.layout.path} ({file.table})" for file in files)
            raise CivicmlError(f"BAAC needs a file of {table} too; given: {given}.")
    schema = read_schema(Path(__file__).parent)
    places = French([s for file in parts["caracteristiques"] for s in french_pieces(file, ledger)], ledger)
    people = French([s for file in parts["usagers"] for s in french_pieces(file, ledger)], ledger)
    machines = French([s for file in parts["vehicules"] for s in french_pieces(file, ledger)], ledger)
    collisions = french_collisions(places)
    casualties = french_casualties(people, machines, places, collisions)
    counted = count_casualties(places, collisions, casualties, people, machines)
    frames = {
        "collision": counted,
        "casualty": casualties[casualties["collision_index"].isin(counted["collision_index"])],
    }
    if parts["vehicules"]:
        frames["vehicle"] = french_vehicles(machines, counted)
    ledger.notes += FRENCH_NOTES
    out = {}
    for table, frame in frames.items():
        columns = schema.tables[table].columns
        absent = [name for name in columns if name not in frame]
        ledger.notes.append(
            f"BAAC says nothing of {table}: {', '.join(absent)}; filled with the code for missing."
        )
        filled = frame.assign(**{name: not_there(len(frame), columns[name]) for name in absent})
        out[table] = filled[list(columns)].reset_index(drop=True)
    return out


FRENCH_NOTES = [
    # What each French code becomes. grav is not ordinal: 1 unhurt, 2 killed, 3 hospital, 4 slightly hurt.
    "two countries do not count the same injuries as serious.",
    "BAAC lum 2 (twilight) became daylight, which STATS19 lets begin half an hour before sunrise.",
    "BAAC int 6 (roundabout) became junction_detail_historic 1, road_type 1 and junction_detail 0, as "
    "STATS19 has it; places and level crossings became other junctions.",
    "BAAC atm: light and heavy rain became rain, glare became other, overcast became fine.",
    "BAAC an_nais became the age reached in the year of the accident.",
    "BAAC col, adr and place (but for car passengers) have no place in the schema and were left out.",
    "BAAC dep and com are in local_authority_highway and local_authority_ons_district.",
]


class French:
    """The rows of all files of one BAAC table, as text, with where they came from."""

    def __init__(self, sources: list[Source], ledger: Ledger) -> None:
        self.sources, self.ledger = [source for source in sources if len(source.lines)], ledger
        frames = [source.frame.astype("str") for source in self.sources]
        self.frame = pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()
        none = [np.zeros(0, dtype=np.int64)]
        self.path = np.concatenate(none + [np.full(len(s.lines), n) for n, s in enumerate(self.sources)])
        self.line = np.concatenate(none + [source.lines for source in self.sources])

    def text(self, column: str) -> pd.Series:
        """The column without blanks and non-breaking spaces at the ends or inside."""
        return self.frame[column].str.replace(r"[\s\u00a0]+", "", regex=True)

    def codes(self, column: str, mapping: Mapping[int, int]) -> Ints:
        """The column's codes through `mapping`; the source writes " -1" with a blank; a blank is -1."""
        plain = self.text(column)
        known: dict[str, int] = {}
        for code, new in mapping.items():
            known |= {str(code): new, **({} if code < 0 else {f"{code:02d}": new})}
        if UNKNOWN in mapping:
            known[""] = mapping[UNKNOWN]
        listed = ", ".join(str(code) for code in mapping)
        self.refuse(column, ~plain.isin(list(known)).to_numpy(), f"one of {listed}")
        return plain.map(known).to_numpy().astype(np.int64)

    def refuse(self, column: str, wrong: Flags, expected: str) -> None:
        """Raise for the first row where `wrong` is true, if there is one."""
        if not wrong.any():
            return
        row = int(wrong.argmax())
        source = self.sources[self.path[row]]
        more = f" ({int(wrong.sum()) - 1:,} more such rows)" if wrong.sum() > 1 else ""
        raise CivicmlError(
            f"{source.path}, line {self.line[row]}, column {source.headings[column]}: "
            f"'{self.frame[column].iloc[row]}'; expected {expected}{more}."
        )

    def leave_out(self, gone: Flags, reason: str) -> None:
        """Report the rows that are not taken over."""
        for number, source in enumerate(self.sources):
            self.ledger.leave_out(source.path, self.line[gone & (self.path == number)], reason)


def french_pieces(file: File, ledger: Ledger) -> Iterator[Source]:
    """The file's rows as text."""
    for source in read_pieces(file.layout, FRENCH_COLUMNS[file.table]):
        ledger.take(source)
        yield source


def french_collisions(rows: French) -> pd.DataFrame:
    """The collision table of ``caracteristiques``, but for severity and counts.

    Raises:
        CivicmlError: a value cannot be read, or an accident is there twice.
    """
    number = rows.text("Num_Acc")
    rows.refuse(
        "Num_Acc", ~number.str.fullmatch(r"\d{6,20}").to_numpy(dtype=bool), "a number of 6 to 20 digits"
    )
    rows.refuse("Num_Acc", number.duplicated().to_numpy(), "every accident once")
    year = rows.text("an")
    rows.refuse("an", ~year.str.fullmatch(r"\d{2}|\d{4}").to_numpy(dtype=bool), "a year such as 2021")
    year = year.where(year.str.len() == 4, "20" + year.str.zfill(2))
    written = year + "-" + rows.text("mois").str.zfill(2) + "-" + rows.text("jour").str.zfill(2)
    date = pd.to_datetime(written, format="%Y-%m-%d", errors="coerce")
    rows.refuse("jour", date.isna().to_numpy(), "a day that the month (mois) and year (an) have")
    junction = rows.codes("int", INT_2011)
    rows.codes("col", COL)
    latitude, longitude = (degrees(rows, column, limit) for column, limit in (("lat", 90.0), ("long", 180.0)))
    return pd.DataFrame(
        {
            "collision_index": number,
            "collision_year": date.dt.year.to_numpy().astype(np.int16),
            "collision_reference": number,
            "latitude": latitude,
            "longitude": longitude,
            "police_force": np.full(len(number), UNKNOWN, dtype=np.int8),
            "date": date.astype("datetime64[us]"),
            "day_of_week": ((date.dt.day_of_week + 1) % 7 + 1).to_numpy().astype(np.int8),
            "time": clock(rows),
            "local_authority_ons_district": pd.Categorical(rows.text("com").replace("", None)),
            "local_authority_highway": pd.Categorical(rows.text("dep").replace("", None)),
            "road_type": np.where(junction == 1, 1, UNKNOWN).astype(np.int8),
            "junction_detail_historic": junction.astype(np.int8),
            "junction_detail": recoded(junction, CONVERSIONS["junction_detail"][1]).astype(np.int8),
            "light_conditions": rows.codes("lum", LUM).astype(np.int8),
            "weather_conditions": rows.codes("atm", ATM).astype(np.int8),
            "urban_or_rural_area": rows.codes("agg", AGG).astype(np.int8),
        }
    )


def degrees(rows: French, column: str, limit: float) -> npt.NDArray[np.float64]:
    """Degrees written with a decimal comma; a blank or 0 is not known."""
    plain = rows.text(column)
    rows.refuse(
        column,
        ~plain.str.fullmatch(r"|-?\d{1,3}([,.]\d*)?").to_numpy(dtype=bool),
        "degrees with a decimal comma, such as 44,0389",
    )
    values = pd.to_numeric(plain.str.replace(",", ".").replace("", None)).to_numpy(
        dtype=float, na_value=np.nan
    )
    rows.refuse(column, np.abs(values) > limit, f"at most {limit:g} degrees")
    return np.where(values == 0, np.nan, values)


def clock(rows: French) -> "pd.Categorical[str]":
    """Times written 07:32, or 732 until 2018."""
    plain = rows.text("hrmn")
    digits = plain.str.replace(":", "").str.zfill(4)
    good = plain.str.fullmatch(r"\d{1,2}:\d{2}|\d{1,4}") & digits.str.fullmatch(r"([01]\d|2[0-3])[0-5]\d")
    rows.refuse("hrmn", ~good.to_numpy(dtype=bool), "a time such as 07:32")
    return pd.Categorical(digits.str[:2] + ":" + digits.str[2:])


def french_casualties(
    people: French, machines: French, places: French, collisions: pd.DataFrame
) -> pd.DataFrame:
    """The casualty table of ``usagers``: those who were hurt; the others are reported.

    Raises:
        CivicmlError: a value cannot be read.
    """
    number = people.text("Num_Acc")
    severity = people.codes("grav", {**GRAV, UNHURT: 0, -1: UNKNOWN})
    known = number.isin(collisions["collision_index"]).to_numpy()
    people.leave_out(~known, "its accident is not in caracteristiques")
    people.leave_out(known & (severity == 0), "not hurt (grav 1): no casualty in STATS19")
    people.leave_out(known & (severity == UNKNOWN), "severity not stated (grav -1)")
    kept = known & (severity > 0)
    role, place = people.codes("catu", CATU), people.codes("place", PLACE)
    reference = vehicle_numbers(number, people.text("num_veh"))
    year = pd.Series(collisions["collision_year"].to_numpy(), index=collisions["collision_index"])
    age = ages(people, number.map(year).to_numpy(dtype=float))
    kind = types_of(people, machines, number)
    walking = role == 3
    band = np.where(age < 0, UNKNOWN, np.searchsorted(AGE_FROM, age, side="right") + 1)
    in_car = (role == 2) & np.isin(kind, (8, 9))
    frame = pd.DataFrame(
        {
            "collision_index": number,
            "collision_year": number.map(year),
            "collision_reference": number,
            "vehicle_reference": reference,
            "casualty_class": role,
            "sex_of_casualty": people.codes("sexe", SEXE),
            "age_of_casualty": age,
            "age_band_of_casualty": band,
            "casualty_severity": severity,
            "pedestrian_location": np.where(walking, people.codes("locp", LOCP), 0),
            "pedestrian_movement": np.where(walking, 9, 0),
            "car_passenger": np.select(
                [in_car & (place == 2), in_car & (place > 2)], [1, 2], default=np.where(in_car, UNKNOWN, 0)
            ),
            "casualty_type": np.where(walking, 0, kind),
        }
    )[kept]
    frame["collision_year"] = frame["collision_year"].astype(np.int16)
    frame.insert(4, "casualty_reference", frame.groupby("collision_index").cumcount() + 1)
    return frame


def vehicle_numbers(number: pd.Series, mark: pd.Series) -> Ints:
    """Vehicles numbered from 1 within their accident, in the order of their marks (A01, B01, …)."""
    pairs = pd.DataFrame({"number": number.to_numpy(), "mark": mark.to_numpy()})
    return pairs.groupby("number")["mark"].rank(method="dense").to_numpy().astype(np.int64)


def ages(people: French, year: npt.NDArray[np.float64]) -> Ints:
    """The age reached in the year of the accident; -1 where the year of birth is not stated."""
    plain = people.text("an_nais").str.replace(r"\.0*$", "", regex=True)
    people.refuse(
        "an_nais", ~plain.str.fullmatch(r"|-1|0|(18|19|20)\d{2}").to_numpy(dtype=bool), "a year of birth"
    )
    born = pd.to_numeric(plain.replace(["", "-1", "0"], None)).to_numpy(dtype=float, na_value=np.nan)
    age = year - born
    return np.where(np.isnan(age) | (age < 0) | (age > 120), UNKNOWN, np.nan_to_num(age)).astype(np.int64)


def types_of(people: French, machines: French, number: pd.Series) -> Ints:
    """The type of each person's vehicle, from ``vehicules``; -1 without that file."""
    if not machines.sources:
        return np.full(len(number), UNKNOWN)
    key = machines.text("Num_Acc") + " " + machines.text("num_veh")
    machines.refuse("num_veh", key.duplicated().to_numpy(), "every vehicle of an accident once")
    kinds = pd.Series(machines.codes("catv", CATV), index=key)
    return (number + " " + people.text("num_veh")).map(kinds).fillna(UNKNOWN).to_numpy().astype(np.int64)


def count_casualties(
    places: French, collisions: pd.DataFrame, casualties: pd.DataFrame, people: French, machines: French
) -> pd.DataFrame:
    """The collision table with severity and counts; accidents without anybody hurt are reported."""
    index = collisions["collision_index"]
    by_collision = casualties.groupby("collision_index")["casualty_severity"]
    worst, hurt = index.map(by_collision.min()), index.map(by_collision.size())
    vehicles = machines if machines.sources else people
    marks = pd.DataFrame(
        {"number": vehicles.text("Num_Acc"), "mark": vehicles.text("num_veh")}
    ).drop_duplicates()
    count = index.map(marks.groupby("number").size()).fillna(1)
    nobody = worst.isna().to_numpy()
    places.leave_out(nobody, "nobody in usagers was hurt in it")
    full = collisions.assign(
        collision_severity=worst.fillna(0).astype(np.int8),
        number_of_vehicles=count.astype(np.int16),
        number_of_casualties=hurt.fillna(0).astype(np.int16),
    )
    return full[~nobody]


def french_vehicles(machines: French, collisions: pd.DataFrame) -> pd.DataFrame:
    """The vehicle table of ``vehicules``, for collisions that were taken over; the others are reported."""
    number = machines.text("Num_Acc")
    known = number.isin(collisions["collision_index"]).to_numpy()
    machines.leave_out(~known, "its accident was not taken over")
    year = pd.Series(collisions["collision_year"].to_numpy(), index=collisions["collision_index"])
    frame = pd.DataFrame(
        {
            "collision_index": number,
            "collision_reference": number,
            "vehicle_reference": vehicle_numbers(number, machines.text("num_veh")),
            "vehicle_type": machines.codes("catv", CATV),
            "first_point_of_impact": machines.codes("choc", CHOC),
        }
    )[known]
    return frame.assign(collision_year=frame["collision_index"].map(year).astype(np.int16))
