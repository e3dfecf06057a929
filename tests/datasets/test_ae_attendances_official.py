"""NHS England's monthly A&E files in three layouts, made up here in their format, and files that are none."""

import os
import re

import pandas as pd
import pytest

from civicml.datasets import load, read_official
from civicml.datasets.catalogue import find_dataset
from civicml.datasets.loading import Tables
from civicml.errors import CivicmlError

KINDS = ["Type 1", "Type 2"]
LABELS = ["Period", "Org Code", "Parent Org", "Org name"]
ATTENDANCES = [*(f"A&E attendances {k}" for k in KINDS), "A&E attendances Other A&E Department"]
BOOKED = [
    *(f"A&E attendances Booked Appointments {k}" for k in KINDS),
    "A&E attendances Booked Appointments Other Department",
]
LATE = [*(f"Attendances over 4hrs {k}" for k in KINDS), "Attendances over 4hrs Other Department"]
BOOKED_LATE = [
    *(f"Attendances over 4hrs Booked Appointments {k}" for k in KINDS),
    "Attendances over 4hrs Booked Appointments Other Department",
]
REST = [
    "Patients who have waited 4-12 hs from DTA to admission",
    "Patients who have waited 12+ hrs from DTA to admission",
    *(f"Emergency admissions via A&E - {k}" for k in KINDS),
    "Emergency admissions via A&E - Other A&E department",
    "Other emergency admissions",
]
WITH_BOOKED = [*LABELS, *ATTENDANCES, *BOOKED, *LATE, *BOOKED_LATE, *REST]
NUMBER_OF = [
    *LABELS,
    *(f"Number of {heading}" for heading in ATTENDANCES),
    *(f"Number of attendances over 4hrs {k}" for k in KINDS),
    "Number of attendances over 4hrs Other A&E Department",
    *REST,
]
BLOCK = [
    "Type 1 Departments - Major A&E",
    "Type 2 Departments - Single Specialty",
    "Type 3 Departments - Other A&E/Minor Injury Unit",
]
WORKSHEET = [
    "Code", "Region", "Name",
    *BLOCK, "Total attendances",
    *BLOCK, "Total Attendances < 4 hours",
    *BLOCK, "Total Attendances > 4 hours",
    *(f"Percentage in 4 hours or less ({k})" for k in ("all", "type 1", "type 2", "type 3")),
    "Emergency Admissions via Type 1 A&E", "Emergency Admissions via Type 2 A&E",
    "Emergency Admissions via Type 3 and 4 A&E", "Total Emergency Admissions via A&E",
    "Other Emergency admissions (i.e not via A&E)", "Total Emergency Admissions",
    "Number of patients spending >4 hours from decision to admit to admission",
    "Number of patients spending >12 hours from decision to admit to admission",
]  # fmt: skip

# Two providers that do not exist. The first: 900 + 20 + 400 attendances, and 10 booked ones at type 1.
FIRST = [900, 20, 400, 10, 0, 0, 300, 1, 12, 2, 0, 0, 80, 25, 260, 3, 4, 110]
SECOND = [0, 0, 1250, 0, 0, 60, 0, 0, 31, 0, 0, 1, 0, 0, 0, 0, 0, 0]
TOTAL = [a + b for a, b in zip(FIRST, SECOND, strict=True)]
PLACE = ["NHS ENGLAND LONDON ", "Zelbridge Hospitals NHS Trust"]
OTHER_PLACE = ["NHS England South West", "Orrinmere, Walk-in Centre"]
MARCH = "MSitAE-MARCH-2026"
# The same two in the worksheet, which counts booked attendances with the others.
FIRST_IN_SHEET = [910, 20, 400, 1330, 608, 19, 388, 1015, 302, 1, 12, 315, 76.3, 66.8, 95.0, 97.0,
                  260, 3, 4, 267, 110, 377, 105, 25]  # fmt: skip
SECOND_IN_SHEET = [0, 0, 1310, 1310, 0, 0, 1278, 1278, 0, 0, 32, 32, 97.6, "-", "-", 97.6,
                   0, 0, 0, 0, 0, 0, 0, 0]  # fmt: skip


def rows(period: str = MARCH) -> list[list[object]]:
    """Two providers' rows in the layout with booked appointments."""
    return [[period, "ZZ1", *PLACE, *FIRST], [period, "ZZ902", *OTHER_PLACE, *SECOND]]


def without_booked(row: list[object]) -> list[object]:
    return [*row[:7], *row[10:13], *row[16:]]


def sheet_rows() -> list[list[object]]:
    return [["ZZ1", *PLACE, *FIRST_IN_SHEET], ["ZZ902", *OTHER_PLACE, *SECOND_IN_SHEET]]


def as_csv(*lines: list[object]) -> str:
    def quoted(value: object) -> str:
        return f'"{value}"' if re.search(r"[,\n]", str(value)) else str(value)

    return "".join(",".join(map(quoted, line)) + "\n" for line in lines)


@pytest.fixture
def write(tmp_path):
    """Write a file of a made-up month; gives its path."""

    def write(name: str, *lines: list[object], text: str | None = None):
        path = tmp_path / name
        path.write_text(as_csv(*lines) if text is None else text, encoding="utf-8")
        return path

    return write


def read(*paths) -> tuple[pd.DataFrame, object]:
    tables, report = read_official("ae_attendances", list(paths))
    assert list(tables) == ["monthly"]
    assert report.rows_in == report.rows_out + len(report.reported)
    assert report.rows_out == len(tables.monthly)
    return tables.monthly, report


def refused(*paths) -> str:
    with pytest.raises(CivicmlError) as error:
        read(*paths)
    return str(error.value)


# --- the three layouts --------------------------------------------------------------------------


def test_the_layout_with_booked_appointments_is_taken_over_count_by_count(write):
    monthly, report = read(write("March-2026.csv", WITH_BOOKED, *rows()))
    assert len(report.reported) == 0
    first = monthly.iloc[0]
    assert first["month"] == pd.Timestamp("2026-03-01")
    assert list(first[["org_code", "parent_org", "org_name"]]) == [
        "ZZ1",
        "NHS ENGLAND LONDON",
        "Zelbridge Hospitals NHS Trust",
    ]
    assert list(first.iloc[4:]) == FIRST
    assert list(monthly.iloc[1, 4:]) == SECOND
    assert monthly["parent_org"].iloc[1] == "NHS ENGLAND SOUTH WEST"


def test_the_layout_that_says_number_of_has_no_booked_columns(write):
    lines = [without_booked(row) for row in rows("MSitAE-DECEMBER-2018")]
    monthly, report = read(write("any.csv", NUMBER_OF, *lines))
    assert (monthly["month"] == pd.Timestamp("2018-12-01")).all()
    booked = [column for column in monthly if column.startswith("booked_")]
    assert len(booked) == 6
    assert monthly[booked].isna().all(axis=None)
    assert list(monthly.drop(columns=booked).iloc[0, 4:]) == without_booked([0] * 4 + FIRST)[4:]
    assert "booked columns are blank" in str(report) or "those columns are blank" in str(report)


def test_the_worksheet_is_read_by_what_each_block_adds_up_to(write):
    monthly, report = read(write("2026_03.csv", WORKSHEET, *sheet_rows()))
    first = monthly.iloc[0]
    assert first["month"] == pd.Timestamp("2026-03-01")
    assert list(first[["attendances_type_1", "attendances_type_2", "attendances_other"]]) == [910, 20, 400]
    assert list(first[["over_4h_type_1", "over_4h_type_2", "over_4h_other"]]) == [302, 1, 12]
    assert list(first[["admissions_type_1", "admissions_type_2", "admissions_other"]]) == [260, 3, 4]
    assert list(first[["waited_4_to_12h_from_decision", "waited_over_12h_from_decision"]]) == [80, 25]
    assert first["other_emergency_admissions"] == 110
    assert first[["booked_type_1", "booked_over_4h_other"]].isna().all()
    assert "its waits of over 4 less those of over 12" in str(report)


def test_a_dash_that_became_a_zero_and_names_that_pandas_numbered_are_the_same_worksheet(write):
    spoiled = [heading.replace(" - ", " 0 ") for heading in WORKSHEET]
    for again, place in enumerate((7, 11)):
        spoiled[place] += f".{again + 1}"
    monthly, _ = read(write("AE-April-2025.csv", spoiled, *sheet_rows()))
    assert list(monthly["attendances_other"]) == [400, 1310]


def test_layouts_may_be_mixed_in_one_call_each_file_by_its_own_header(write):
    monthly, report = read(
        write("2026_02.csv", WORKSHEET, *sheet_rows()),
        write("March.csv", WITH_BOOKED, *rows()),
        write("old.csv", NUMBER_OF, *[without_booked(row) for row in rows("MSitAE-May-2019")]),
    )
    assert list(monthly["month"].drop_duplicates().dt.strftime("%Y-%m")) == ["2026-02", "2026-03", "2019-05"]
    assert report.rows_in == 6
    assert monthly.groupby("month")["booked_type_1"].sum().max() == 10


def test_what_was_read_has_the_schema_and_takes_the_place_of_the_published_table(
    write, tmp_path, monkeypatch
):
    from civicml.datasets.using import use_official

    monkeypatch.setenv("CIVICML_CACHE", str(tmp_path / "cache"))
    use_official("ae_attendances", [write("March-2026.csv", WITH_BOOKED, *rows())])
    tables = load("ae_attendances")
    assert isinstance(tables, Tables)
    assert list(tables) == ["monthly"]
    assert list(tables.monthly) == list(find_dataset("ae_attendances").schema.tables["monthly"].columns)
    assert tables.monthly["attendances_type_1"].sum() == 900


def test_the_picture_can_be_drawn_from_official_files_alone(write):
    from civicml.datasets.recipe import load_module

    dataset = find_dataset("ae_attendances")
    picture = load_module(dataset.folder / "picture.py", "picture_of_official_files")
    monthly, _ = read(write("March-2026.csv", WITH_BOOKED, *rows()))
    figure, words = picture.draw(Tables("ae_attendances", "official", {"monthly": monthly}))
    assert len(figure.axes) == 4
    assert "March 2026" in words


# --- quirks -------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", [0, 1, 2, 3])
@pytest.mark.parametrize("word", ["TOTAL", "Total", "TOTAl "])
def test_a_total_is_found_in_any_column_checked_and_left_out(write, place, word):
    labels: list[object] = [MARCH, "", "", ""]
    labels[place] = word
    monthly, report = read(write("m.csv", WITH_BOOKED, *rows(), [*labels, *TOTAL]))
    assert len(monthly) == 2
    assert [row.line for row in report.reported] == [4]
    assert "agrees with the sum" in report.reported[0].reason


def test_a_total_that_does_not_add_up_is_said_with_both_numbers(write):
    wrong = [TOTAL[0] + 5, *TOTAL[1:-1], TOTAL[-1] + 1]
    _, report = read(write("m.csv", WITH_BOOKED, *rows(), ["TOTAL", "", "", "", *wrong]))
    reason = report.reported[0].reason
    assert "A&E attendances Type 1 (905 against 900)" in reason
    assert "1 more column" in reason


def test_the_row_of_england_in_the_worksheet_is_a_total(write):
    total = [
        round(a + b, 1) if isinstance(b, int | float) else "-"
        for a, b in zip(FIRST_IN_SHEET, SECOND_IN_SHEET, strict=True)
    ]
    england = ["-", "-", "England", *total]
    monthly, report = read(write("2026_03.csv", WORKSHEET, england, ["", "", ""], *sheet_rows()))
    assert len(monthly) == 2
    assert [row.line for row in report.reported] == [2, 3]
    assert "agrees" in report.reported[0].reason
    assert report.reported[1].reason == "the line is blank"


def test_titles_above_and_notes_below_are_no_rows(write):
    path = write(
        "m.csv",
        ["Monthly A&E attendances and emergency admissions", "", ""],
        ["Published:", "9th April 2026"],
        [],
        WITH_BOOKED,
        *rows(),
        [],
        ["Source: NHS England, Monthly A&E return, with data for 2 providers"],
    )
    monthly, report = read(path)
    assert len(monthly) == 2
    assert [(row.line, row.reason[:14]) for row in report.reported] == [
        (7, "the line is bl"),
        (8, "it is a note b"),
    ]
    assert "lines 1 to 3 stand above the header" in str(report)


def test_thousands_with_commas_dashes_and_floats_are_counts(write):
    spoiled = rows()
    spoiled[0][4:7] = ["1,234,900", "-", "400.0"]
    monthly, report = read(write("m.csv", WITH_BOOKED, *spoiled))
    assert monthly["attendances_type_1"].iloc[0] == 1_234_900
    assert monthly["attendances_type_2"].isna().tolist() == [True, False]
    assert monthly["attendances_other"].iloc[0] == 400
    assert "1 cells hold a dash or a star and are blank" in str(report)


def test_stray_columns_are_named_and_left_out(write):
    header = [*WITH_BOOKED, "a", ""]
    monthly, report = read(write("m.csv", header, *[[*row, "", ""] for row in rows()]))
    assert len(monthly) == 2
    assert "column a is blank, has no place in the schema and was left out" in str(report)


@pytest.mark.parametrize(
    "heading",
    [REST[0].replace("4-12 hs", "4-12 hrs"), REST[0].upper() + " "],
)
def test_headings_are_known_with_and_without_the_typing_error_in_any_case(write, heading):
    header = [heading if name == REST[0] else name for name in WITH_BOOKED]
    monthly, _ = read(write("m.csv", header, *rows()))
    assert monthly["waited_4_to_12h_from_decision"].tolist() == [80, 0]


def test_a_row_that_is_there_twice_counts_once(write):
    monthly, report = read(write("m.csv", WITH_BOOKED, *rows(), rows()[0]))
    assert len(monthly) == 2
    assert report.reported[0].reason == "the same row is in line 2"


def test_headings_may_run_over_two_lines_and_the_header_may_come_again(write):
    header = [heading.replace("over 4hrs ", "over 4hrs\n") for heading in WITH_BOOKED]
    path = write("m.csv", header, rows()[0], header, rows()[1])
    monthly, report = read(path)
    assert len(monthly) == 2
    assert report.reported[0].reason == "it is the header again"


def test_a_worksheet_row_that_does_not_add_up_is_noted_and_its_parts_taken(write):
    spoiled = sheet_rows()
    spoiled[0][6] = 1331
    monthly, report = read(write("2026_03.csv", WORKSHEET, *spoiled))
    assert monthly["attendances_type_1"].iloc[0] == 910
    assert "line 2: Total attendances is 1,331, its parts add up to 1,330" in str(report)


# --- which month --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "nhs_ae_2025_04.csv",
        "April-2025-CSV-revised.csv",
        "202504.csv",
        "AE apr 2025.csv",
        "2025-04.csv",
        "ae_april2025.csv",
    ],
)
def test_the_month_of_a_worksheet_is_in_the_name_of_its_file(write, name):
    monthly, report = read(write(name, WORKSHEET, *sheet_rows()))
    assert (monthly["month"] == pd.Timestamp("2025-04-01")).all()
    assert "April 2025, was taken from the file name" in str(report)


def test_the_month_may_stand_above_the_header(write):
    monthly, _ = read(write("provider.csv", ["Period:", "September 2024"], WORKSHEET, *sheet_rows()))
    assert (monthly["month"] == pd.Timestamp("2024-09-01")).all()


@pytest.mark.parametrize(
    "name", ["provider-level.csv", "2024-25.csv", "May-2025-and-June-2025.csv", "201913.csv"]
)
def test_a_file_without_a_month_is_refused_and_says_how_to_name_it(write, name):
    message = refused(write(name, WORKSHEET, *sheet_rows()))
    assert name in message
    assert "2025_04.csv or April-2025.csv" in message


def test_a_name_that_contradicts_the_title_is_refused(write):
    message = refused(write("2024_10.csv", ["Period:", "September 2024"], WORKSHEET, *sheet_rows()))
    assert "September 2024" in message
    assert "October 2024" in message


def test_the_same_month_twice_is_refused_whatever_the_layout(write):
    message = refused(write("2026_03.csv", WORKSHEET, *sheet_rows()), write("b.csv", WITH_BOOKED, *rows()))
    assert "both hold March 2026; give each month once" in message
    assert "2026_03.csv" in message
    assert "b.csv" in message


# --- what is refused ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "value", "expected"),
    [
        ("Period", "2026-03-01", "a month such as MSitAE-MARCH-2026"),
        ("Period", "MSitAE-MAERZ-2026", "a month such as"),
        ("Org Code", "ZZ-1", "the code of a provider"),
        ("Parent Org", "Atlantis", "a region of NHS England"),
        ("A&E attendances Type 1", "nine", "a whole number"),
        ("A&E attendances Type 1", "-4", "a whole number"),
        ("Attendances over 4hrs Type 1", "30.5", "a whole number"),
        ("Other emergency admissions", "1,23", "a whole number"),
    ],
)
def test_a_wrong_value_is_refused_with_file_line_column_and_value(write, column, value, expected):
    spoiled = rows()
    spoiled[1][WITH_BOOKED.index(column)] = value
    message = refused(write("wrong.csv", WITH_BOOKED, *spoiled))
    assert f"wrong.csv, line 3, column {column}: '{value}'; expected {expected}" in message


@pytest.mark.parametrize(
    "column",
    ["Parent Org", "Attendances over 4hrs Type 1", "A&E attendances Booked Appointments Type 2", REST[1]],
)
def test_a_renamed_column_is_refused_and_named(write, column):  # fmt: skip
    header = ["Something else" if name == column else name for name in WITH_BOOKED]
    message = refused(write("renamed.csv", header, *rows()))
    assert column.lower() in message.lower()
    assert "Something else" in message


def test_a_worksheet_without_one_of_its_types_is_refused(write):
    header = [*WORKSHEET[:7], "Total attendances again", *WORKSHEET[8:]]
    assert "Total Attendances < 4 hours" in refused(write("2026_03.csv", header, *sheet_rows()))


def test_a_renamed_total_of_the_worksheet_is_named(write):
    header = ["All attendances" if name == "Total attendances" else name for name in WORKSHEET]
    said = refused(write("2026_03.csv", header, *sheet_rows()))
    assert "the column All attendances (number 7) is not where the worksheet has it" in said


def test_a_provider_twice_with_different_counts_is_refused(write):
    other = rows()[0]
    other[4] = 901
    message = refused(write("m.csv", WITH_BOOKED, *rows(), other))
    assert "line 4, column Org Code: 'ZZ1'" in message
    assert "line 2 has other counts" in message


def test_fewer_waits_over_4_hours_than_over_12_are_refused(write):
    spoiled = sheet_rows()
    spoiled[0][-2] = 24
    assert "line 2, column Number of patients spending >4 hours" in refused(
        write("2026_03.csv", WORKSHEET, *spoiled)
    )


@pytest.mark.parametrize("cut", [12, 30, 75])
def test_a_file_that_was_cut_off_is_refused_at_its_last_line(write, cut):
    text = as_csv(WITH_BOOKED, *rows())
    last = text.rstrip("\n").rindex("\n") + 1
    message = refused(write("cut.csv", text=text[: last + cut]))
    assert "line 3" in message


def test_a_file_without_a_last_line_end_is_taken_and_doubted(write):
    _, report = read(write("m.csv", text=as_csv(WITH_BOOKED, *rows()).rstrip("\n")))
    assert "check that the file is complete" in str(report)


def test_a_line_with_a_value_too_many_is_refused(write):
    assert "line 2: 23 values where the header has 22" in refused(
        write("m.csv", WITH_BOOKED, [*rows()[0], 5], rows()[1])
    )


def test_what_is_no_csv_file_of_this_source_is_refused_in_a_sentence(write, tmp_path):
    assert "is empty" in refused(write("empty.csv", text=" \n"))
    assert "no line is a header" in refused(write("other.csv", ["Date", "Count"], ["2026-03-01", 4]))
    assert "holds a header and no providers" in refused(write("m.csv", WITH_BOOKED))
    assert "line 2: this line and what follows cannot be split" in refused(
        write("q.csv", text=as_csv(WITH_BOOKED) + '"MSitAE-MARCH-2026,ZZ1\n')
    )
    for name, content, words in (
        ("latin.csv", as_csv(WITH_BOOKED, *rows()).replace("Zel", "Zél").encode("latin-1"), "is not UTF-8"),
        ("wide.csv", as_csv(WITH_BOOKED, *rows()).encode("utf-16"), "is not UTF-8"),
        ("book.xlsx", b"PK\x03\x04 and so on", "is a zip archive"),
        ("nulls.csv", as_csv(WITH_BOOKED).encode() + b"\x00\x00\n", "null bytes"),
    ):
        (tmp_path / name).write_bytes(content)
        assert words in refused(tmp_path / name)


def test_a_huge_file_is_refused_without_being_read(tmp_path):
    path = tmp_path / "huge.csv"
    with path.open("wb") as file:
        file.truncate(40 * 1024**3)
    assert "at most 16 MB are read" in refused(path)


def test_links_are_followed_and_pipes_devices_and_directories_are_not_read(write, tmp_path):
    link = tmp_path / "link.csv"
    link.symlink_to(write("m.csv", WITH_BOOKED, *rows()))
    assert len(read(link)[0]) == 2
    os.mkfifo(tmp_path / "pipe.csv")
    assert "not a regular file" in refused(tmp_path / "pipe.csv")
    assert "not a regular file" in refused(tmp_path)
    assert "not a regular file" in refused("/dev/null")
    assert "cannot be read" in refused(tmp_path / "missing.csv")


def test_one_bad_file_among_good_ones_leaves_nothing_imported(write, tmp_path, monkeypatch):
    from civicml.datasets.using import use_official

    monkeypatch.setenv("CIVICML_CACHE", str(tmp_path / "cache"))
    spoiled = rows("MSitAE-APRIL-2026")
    spoiled[0][4] = "many"
    with pytest.raises(CivicmlError, match="'many'"):
        use_official(
            "ae_attendances", [write("a.csv", WITH_BOOKED, *rows()), write("b.csv", WITH_BOOKED, *spoiled)]
        )
    assert not list((tmp_path / "cache").rglob("*.parquet"))
