"""The official daily file of NHS England: every header it has had, and everything that can be wrong with it.

All rows are made up here; the headers are those the source has used.
"""

import os

import pytest

from civicml.datasets import read_official
from civicml.errors import CivicmlError

TODAY = (
    "SUB_ICB_LOCATION_CODE,SUB_ICB_LOCATION_ONS_CODE,SUB_ICB_LOCATION_NAME,ICB_ONS_CODE,REGION_ONS_CODE,"
    "Appointment_Date,APPT_STATUS,HCP_TYPE,APPT_MODE,TIME_BETWEEN_BOOK_AND_APPT,COUNT_OF_APPOINTMENTS"
)
END = "APPT_STATUS,HCP_TYPE,APPT_MODE,TIME_BETWEEN_BOOK_AND_APPT,COUNT_OF_APPOINTMENTS"
GENERATIONS = {
    "2022 on": (TODAY, "98Z,E38009998,NHS Somewhere ICB - 98Z,E54009999,E40000003,01JAN2024"),
    "2022, short name": (
        TODAY.replace("_NAME,", ","),
        "98Z,E38009998,NHS Somewhere ICB - 98Z,E54009999,E40000003,01JAN2024",
    ),
    "CCG and STP": (
        f"CCG_CODE,CCG_ONS_CODE,CCG_NAME,STP_ONS_CODE,REGION_ONS_CODE,Appointment_Date,{END}",
        "98Z,E38009998,NHS Somewhere CCG,E54009999,E40000003,01JAN2024",
    ),
    "CCG, STP and local office": (
        "CCG_CODE,CCG_ONS_CODE,CCG_NAME,STP_CODE,REGIONAL_LOCAL_OFFICE_ONS_CODE,REGION_ONS_CODE,"
        f"Appointment_Date,{END}",
        "98Z,E38009998,NHS Somewhere CCG,E54009999,E39009999,E40000003,01JAN2024",
    ),
    "CCG, STP and subregion": (
        f"CCG_CODE,CCG_ONS_CODE,CCG_NAME,STP_CODE,SUBREGION_ONS_CODE,REGION_ONS_CODE,Appointment_Date,{END}",
        "98Z,E38009998,NHS Somewhere CCG,E54009999,E39009999,E40000003,01JAN2024",
    ),
    "capitals": (TODAY.upper(), "98Z,E38009998,NHS Somewhere ICB - 98Z,E54009999,E40000003,2024-01-01"),
    "small letters": (TODAY.lower(), "98Z,E38009998,NHS Somewhere ICB - 98Z,E54009999,E40000003,01/01/2024"),
}
GOOD = "Attended,GP,Face-to-Face,Same Day,120"


def write(tmp_path, *lines, name="GPAD_JAN24.csv", encoding="utf-8"):
    path = tmp_path / name
    path.write_text("\n".join(lines) + "\n", encoding=encoding, newline="")
    return path


def row(values=GOOD, place="98Z,E38009998,NHS Somewhere ICB - 98Z,E54009999,E40000003", day="01JAN2024"):
    return f"{place},{day},{values}"


def read(*paths):
    tables, report = read_official("gp_appointments", list(paths))
    assert report.rows_in == report.rows_out + len(report.reported)
    assert report.rows_out == len(tables.daily_counts)
    return tables.daily_counts, report


def refusal(*paths):
    with pytest.raises(CivicmlError) as caught:
        read_official("gp_appointments", list(paths))
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize("generation", GENERATIONS)
def test_every_generation_of_the_header_gives_the_same_table(tmp_path, generation, gp):
    header, start = GENERATIONS[generation]
    counts, report = read(
        write(tmp_path, header, f"{start},{GOOD}", f"{start},DNA,Unknown,Telephone,1 Day,7")
    )
    assert list(counts.columns) == list(gp.daily_counts.columns)
    assert (counts.dtypes.astype(str) == gp.daily_counts.dtypes.astype(str)).all()
    assert counts["COUNT_OF_APPOINTMENTS"].to_list() == [120, 7]
    assert (counts["Appointment_Date"] == "2024-01-01").all()
    assert counts["SUB_ICB_LOCATION_CODE"].to_list() == ["98Z", "98Z"]
    assert counts["ICB_ONS_CODE"].to_list() == ["E54009999", "E54009999"]
    assert report.rows_in == 2
    left_out = [note for note in report.notes if "left out" in note]
    assert len(left_out) == header.count(",") - TODAY.count(",")


def test_a_notebook_runs_on_the_official_table_as_on_the_published_one(tmp_path, gp):
    lines = [row(f"{status},GP,Telephone,{band},{n}") for status, n in (("Attended", 90), ("DNA", 10))
             for band in ("Same Day", "8  to 14 Days")]  # fmt: skip
    official, _ = read(write(tmp_path, TODAY, *lines))
    for counts in (official, gp.daily_counts):
        held = counts[counts["APPT_STATUS"] != "Unknown"]
        by_band = held.pivot_table(
            index="TIME_BETWEEN_BOOK_AND_APPT",
            columns="APPT_STATUS",
            values="COUNT_OF_APPOINTMENTS",
            aggfunc="sum",
            observed=True,
        )
        rate = by_band["DNA"] / by_band[["Attended", "DNA"]].sum(axis=1)
        assert 0 < rate["Same Day"] < 1


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ("Appt Status Not Provided,GP,Telephone,Same Day,3", ("APPT_STATUS", "Unknown")),
        ("Attended,HCP Type Not Provided,Telephone,Same Day,3", ("HCP_TYPE", "Unknown")),
        ("Attended,Other Practice Staff,Telephone,Same Day,3", ("HCP_TYPE", "Other Practice staff")),
        ("Attended,GP,Video/Online,Same Day,3", ("APPT_MODE", "Video Conference/Online")),
        ("Attended,GP,Face-to-face ,Same Day,3", ("APPT_MODE", "Face-to-Face")),
        ("Attended,GP,Telephone,8 to 14 Days,3", ("TIME_BETWEEN_BOOK_AND_APPT", "8  to 14 Days")),
        (
            "Attended,GP,Telephone,Unknown / Data Issue,3",
            ("TIME_BETWEEN_BOOK_AND_APPT", "Unknown / Data Quality"),
        ),
        ('Attended,GP,Telephone,Same Day,"1,203"', ("COUNT_OF_APPOINTMENTS", 1203)),
    ],
)
def test_older_spellings_are_brought_to_the_present_one(tmp_path, values, expected):
    counts, _ = read(write(tmp_path, TODAY, row(values)))
    column, value = expected
    assert counts[column].to_list() == [value]


def test_a_suppressed_count_is_blank(tmp_path):
    counts, _ = read(write(tmp_path, TODAY, row("Attended,GP,Telephone,Same Day,*"), row()))
    assert counts["COUNT_OF_APPOINTMENTS"].isna().to_list() == [True, False]


@pytest.mark.parametrize(
    "day", ["31DEC2023", "31Dec2023", "2023-12-31", "31/12/2023", "31-Dec-2023", "31-Dec-23"]
)
def test_dates_in_every_form(tmp_path, day):
    counts, _ = read(write(tmp_path, TODAY, row(day=day)))
    assert (counts["Appointment_Date"] == "2023-12-31").all()


def test_a_byte_order_mark_and_windows_line_ends_do_not_matter(tmp_path):
    path = tmp_path / "windows.csv"
    path.write_bytes(("\ufeff" + TODAY + "\r\n" + row() + "\r\n").encode())
    counts, report = read(path)
    assert len(counts) == 1
    assert counts["COUNT_OF_APPOINTMENTS"].to_list() == [120]
    assert report.notes == ()


def test_a_name_with_a_bare_comma_is_put_right_and_reported(tmp_path):
    """The source has published "NHS Heywood, Middleton and Rochdale CCG" without quotes."""
    place = "98Z,E38009998,NHS Heywood, Middleton and Rochdale CCG,E54009999,E40000003"
    quoted = '97Z,E38009997,"NHS Heywood, Middleton and Rochdale CCG",E54009999,E40000003'
    counts, report = read(write(tmp_path, TODAY, row(place=place), row(place=quoted)))
    assert (counts["SUB_ICB_LOCATION_NAME"] == "NHS Heywood, Middleton and Rochdale CCG").all()
    assert counts["COUNT_OF_APPOINTMENTS"].to_list() == [120, 120]
    assert any("1 rows had a comma without quotes in SUB_ICB_LOCATION_NAME" in note for note in report.notes)


def test_blank_and_repeated_rows_are_reported_with_their_lines(tmp_path):
    path = write(tmp_path, TODAY, row(), "", row(day="02JAN2024"), row(), ",,,,,,,,,,")
    counts, report = read(path)
    assert len(counts) == 2
    assert report.rows_in == 5
    assert [(r.line, r.reason) for r in sorted(report.reported, key=lambda r: r.line)] == [
        (3, "the line is blank"),
        (5, "the same row is there already"),
        (6, "the line is blank"),
    ]
    assert "GPAD_JAN24.csv, line 5: left out: the same row is there already." in str(report)


def test_months_and_regions_add_up(tmp_path):
    january = write(tmp_path, TODAY, row(), name="jan.csv")
    february = write(tmp_path, TODAY, row(day="01FEB2024"), name="feb.csv")
    elsewhere = write(
        tmp_path, TODAY, row(place="97Z,E38009997,Elsewhere,E54009999,E40000003"), name="other.csv"
    )
    counts, report = read(january, february, elsewhere)
    assert len(counts) == report.rows_in == 3


def test_the_same_day_and_place_in_two_files_is_refused(tmp_path):
    one = write(tmp_path, TODAY, row(), name="jan.csv")
    again = write(tmp_path, TODAY, row("DNA,GP,Telephone,Same Day,4"), name="jan_again.csv")
    said = refusal(one, again)
    assert "jan.csv" in said
    assert "jan_again.csv" in said
    assert "98Z on 01 January 2024" in said


@pytest.mark.parametrize(
    ("line", "column", "value", "expected"),
    [
        (row("Missed,GP,Telephone,Same Day,3"), "APPT_STATUS", "Missed", "one of Attended, DNA, Unknown"),
        (row("Attended,Vet,Telephone,Same Day,3"), "HCP_TYPE", "Vet", "GP, Other Practice staff"),
        (row("Attended,GP,Carrier pigeon,Same Day,3"), "APPT_MODE", "Carrier pigeon", "Face-to-Face"),
        (
            row("Attended,GP,Telephone,2 to 9 Days,3"),
            "TIME_BETWEEN_BOOK_AND_APPT",
            "2 to 9 Days",
            "2 to 7 Days",
        ),
        (row("Attended,GP,Telephone,Same Day,-3"), "COUNT_OF_APPOINTMENTS", "-3", "whole number"),
        (row("Attended,GP,Telephone,Same Day,3.5"), "COUNT_OF_APPOINTMENTS", "3.5", "whole number"),
        (row("Attended,GP,Telephone,Same Day,"), "COUNT_OF_APPOINTMENTS", "", "whole number"),
        (row(day="30FEB2024"), "Appointment_Date", "30FEB2024", "a date such as 01JAN2024"),
        (row(day="01/13/2024"), "Appointment_Date", "01/13/2024", "a date such as 01JAN2024"),
        (row(day="1.1.2024"), "Appointment_Date", "1.1.2024", "a date such as 01JAN2024"),
        (row(day=""), "Appointment_Date", "", "a date such as 01JAN2024"),
        (row(place=",E38009998,Nowhere,E54009999,E40000003"), "SUB_ICB_LOCATION_CODE", "", "code of a place"),
    ],
)
def test_a_value_that_cannot_be_accepted_is_named_with_its_line(tmp_path, line, column, value, expected):
    path = write(tmp_path, TODAY, row(day="02JAN2024"), "", row(day="03JAN2024"), line)
    said = refusal(path)
    assert f"{path}, line 5, column {column}: '{value}'" in said
    assert expected in said


def test_a_bad_value_that_is_there_often_is_counted(tmp_path):
    lines = [row("Missed,GP,Telephone,Same Day,3", day=f"{day:02d}JAN2024") for day in range(1, 11)]
    said = refusal(write(tmp_path, TODAY, row(), *lines))
    assert "line 3" in said
    assert "(9 more such rows)" in said


def test_a_line_that_is_cut_off_is_named(tmp_path):
    path = write(tmp_path, TODAY, row(), row()[:70])
    assert f"{path}, line 3: 7 values where the header has 11" in refusal(path)


def test_a_line_with_a_comma_too_many_elsewhere_is_named(tmp_path):
    path = write(tmp_path, TODAY, row() + ",,,,")
    assert "line 2: 15 values where the header has 11" in refusal(path)


def test_a_file_without_a_last_line_end_is_read_with_a_note(tmp_path):
    path = tmp_path / "cut.csv"
    path.write_text(TODAY + "\n" + row())
    _, report = read(path)
    assert any("no line end" in note for note in report.notes)


@pytest.mark.parametrize("column", TODAY.split(","))
def test_a_missing_or_renamed_column_is_named_with_the_header(tmp_path, column):
    path = write(tmp_path, TODAY.replace(column, "RENAMED", 1) if column != "SUB_ICB_LOCATION_CODE"
                 else "RENAMED" + TODAY.removeprefix(column), row())  # fmt: skip
    said = refusal(path)
    assert f"{path}: no column {column}" in said
    assert "the header is: " in said
    assert "RENAMED" in said


def test_a_column_that_is_there_twice_is_named(tmp_path):
    path = write(tmp_path, TODAY + ",appt_mode", row() + ",Telephone")
    assert "the column appt_mode is there twice" in refusal(path)


def test_another_encoding_is_named_with_its_line(tmp_path):
    path = write(
        tmp_path, TODAY, row(), row(place="98Z,E38009998,NHS Caf\xe9,E54009999,E40000003"), encoding="cp1252"
    )
    said = refusal(path)
    assert f"{path}, line 3: byte 0xe9 is not UTF-8" in said


def test_utf_16_is_refused(tmp_path):
    assert "is not UTF-8" in refusal(write(tmp_path, TODAY, row(), encoding="utf-16"))


@pytest.mark.parametrize(
    ("content", "says"), [(b"", "is empty"), (b" \n\n", "is empty"), (b"PK\x03\x04more", "zip")]
)
def test_an_empty_file_or_an_archive_is_refused(tmp_path, content, says):
    path = tmp_path / "file.csv"
    path.write_bytes(content)
    said = refusal(path)
    assert str(path) in said
    assert says in said


def test_a_header_without_rows_is_refused(tmp_path):
    assert "holds a header and no rows" in refusal(write(tmp_path, TODAY))
    assert "holds a header and no rows" in refusal(write(tmp_path, TODAY, "", ""))


def test_a_link_is_followed_and_a_pipe_is_not_waited_for(tmp_path):
    path = write(tmp_path, TODAY, row())
    link = tmp_path / "link.csv"
    link.symlink_to(path)
    assert len(read(link)[0]) == 1
    pipe = tmp_path / "pipe.csv"
    os.mkfifo(pipe)
    assert f"{pipe} is not a regular file" in refusal(pipe)
    to_pipe = tmp_path / "to_pipe.csv"
    to_pipe.symlink_to(pipe)
    assert f"{to_pipe} is not a regular file" in refusal(to_pipe)


def test_what_is_no_file_is_refused(tmp_path):
    assert "is not a regular file" in refusal(tmp_path)
    assert "No such file" in refusal(tmp_path / "nothing.csv")
    assert "is not a regular file" in refusal(os.devnull)
    with pytest.raises(CivicmlError, match="at least one official file"):
        read_official("gp_appointments", [])


def test_a_large_month_keeps_its_line_numbers(tmp_path):
    lines = [
        row(f"Attended,GP,Telephone,Same Day,{n}", day=f"{1 + n % 28:02d}JAN2024") for n in range(1, 60_000)
    ]
    lines[55_000] = lines[55_000].replace("Telephone", "Smoke signal")
    lines[1_000] = ""
    assert "line 55002, column APPT_MODE: 'Smoke signal'" in refusal(write(tmp_path, TODAY, *lines))


def test_a_dataset_without_a_reader_says_so(tiny, tmp_path):
    with pytest.raises(CivicmlError, match="'tiny' has no reader for official files"):
        read_official("tiny", [write(tmp_path, TODAY, row())])
