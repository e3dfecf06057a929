"""Reads NHS England's daily CSV files of "Appointments in General Practice" into the table ``daily_counts``.

Download a month from NHS England, unpack it, and give the CSV files (one or several months, or
regions) to ``civicml.datasets.read_official("gp_appointments", paths)``.

Five generations of the header are known; they differ in how the areas are called (CCG and STP until
2022, sub-ICB location and ICB since) and in one column more or less. The official files hold no
appointment-level rows, so only ``daily_counts`` comes out.
"""

from pathlib import Path

import pandas as pd

from civicml.datasets.official import (
    ReadReport,
    Reported,
    Source,
    parse_counts,
    parse_dates,
    read_source,
    recode,
)
from civicml.errors import CivicmlError

NAMES = {
    "SUB_ICB_LOCATION_CODE": ["SUB_ICB_LOCATION_CODE", "CCG_CODE"],
    "SUB_ICB_LOCATION_ONS_CODE": ["SUB_ICB_LOCATION_ONS_CODE", "CCG_ONS_CODE"],
    "SUB_ICB_LOCATION_NAME": ["SUB_ICB_LOCATION_NAME", "SUB_ICB_LOCATION", "CCG_NAME"],
    "ICB_ONS_CODE": ["ICB_ONS_CODE", "STP_ONS_CODE", "STP_CODE"],
    "REGION_ONS_CODE": ["REGION_ONS_CODE"],
    "Appointment_Date": ["Appointment_Date"],
    "APPT_STATUS": ["APPT_STATUS", "APPOINTMENT_STATUS"],
    "HCP_TYPE": ["HCP_TYPE"],
    "APPT_MODE": ["APPT_MODE"],
    "TIME_BETWEEN_BOOK_AND_APPT": ["TIME_BETWEEN_BOOK_AND_APPT"],
    "COUNT_OF_APPOINTMENTS": ["COUNT_OF_APPOINTMENTS"],
}
AREAS = list(NAMES)[:5]

STATUSES = {"Attended": "Attended", "DNA": "DNA", "Unknown": "Unknown", "Appt Status Not Provided": "Unknown"}
STAFF = {
    "GP": "GP",
    "Other Practice staff": "Other Practice staff",
    "Unknown": "Unknown",
    "HCP Type Not Provided": "Unknown",
}
MODES = {
    "Face-to-Face": "Face-to-Face",
    "Telephone": "Telephone",
    "Home Visit": "Home Visit",
    "Video Conference/Online": "Video Conference/Online",
    "Video/Online": "Video Conference/Online",
    "Unknown": "Unknown",
}
BANDS = {
    "Same Day": "Same Day",
    "1 Day": "1 Day",
    "2 to 7 Days": "2 to 7 Days",
    "8 to 14 Days": "8  to 14 Days",
    "15 to 21 Days": "15  to 21 Days",
    "22 to 28 Days": "22  to 28 Days",
    "More than 28 Days": "More than 28 Days",
    "Unknown / Data Quality": "Unknown / Data Quality",
    "Unknown / Data Issue": "Unknown / Data Quality",
}
DATES = {
    r"\d{2}[A-Za-z]{3}\d{4}": "%d%b%Y",
    r"\d{4}-\d{2}-\d{2}": "%Y-%m-%d",
    r"\d{2}/\d{2}/\d{4}": "%d/%m/%Y",
    r"\d{2}-[A-Za-z]{3}-\d{4}": "%d-%b-%Y",
    r"\d{2}-[A-Za-z]{3}-\d{2}": "%d-%b-%y",
}


def read(paths: list[Path]) -> tuple[dict[str, pd.DataFrame], ReadReport]:
    """Read the daily files at `paths` into ``daily_counts``.

    Codes that the source renamed are brought to their present name. A row that is there twice in one
    file is reported and left out.

    Raises:
        CivicmlError: a file cannot be accepted, or two files hold the same place and day.
    """
    sources = [read_source(path, NAMES, free_text="SUB_ICB_LOCATION_NAME") for path in paths]
    sources = [
        source.leave_out(source.frame.duplicated().to_numpy(), "the same row is there already")
        for source in sources
    ]
    frames = [to_counts(source) for source in sources]
    refuse_overlap(sources, frames)
    reported: list[Reported] = [row for source in sources for row in source.reported]
    counts = pd.concat(frames, ignore_index=True)
    report = ReadReport(
        rows_in=len(counts) + len(reported),
        rows_out=len(counts),
        reported=tuple(reported),
        notes=tuple(note for source in sources for note in source.notes),
    )
    return {"daily_counts": counts}, report


def to_counts(source: Source) -> pd.DataFrame:
    """One file's rows in the schema."""
    frame = {column: source.frame[column].str.strip().replace("", None) for column in AREAS}
    nowhere = frame["SUB_ICB_LOCATION_CODE"].isna().to_numpy()
    if nowhere.any():
        raise source.refusal("SUB_ICB_LOCATION_CODE", nowhere, "the code of a place")
    frame["Appointment_Date"] = parse_dates(source, "Appointment_Date", DATES)
    for column, codes in (
        ("APPT_STATUS", STATUSES),
        ("HCP_TYPE", STAFF),
        ("APPT_MODE", MODES),
        ("TIME_BETWEEN_BOOK_AND_APPT", BANDS),
    ):
        frame[column] = pd.Series(recode(source, column, codes))
    frame["COUNT_OF_APPOINTMENTS"] = parse_counts(source, "COUNT_OF_APPOINTMENTS")
    return pd.DataFrame(frame)


def refuse_overlap(sources: list[Source], frames: list[pd.DataFrame]) -> None:
    """Raise if two files count the same day at the same place: adding them would count it twice."""
    seen = pd.DataFrame(columns=["place", "day", "file"])
    for source, frame in zip(sources, frames, strict=True):
        here = pd.DataFrame(
            {"place": frame["SUB_ICB_LOCATION_CODE"], "day": frame["Appointment_Date"]}
        ).drop_duplicates()
        both = here.merge(seen, on=["place", "day"])
        if len(both):
            first = both.iloc[0]
            raise CivicmlError(
                f"{source.path} and {first['file']} both count {first['place']} on {first['day']:%d %B %Y}; "
                "give each month once."
            )
        seen = (
            pd.concat([seen, here.assign(file=str(source.path))])
            if len(seen)
            else here.assign(file=str(source.path))
        )
