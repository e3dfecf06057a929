"""Files of data.police.uk's stop and search, made up here in their format."""

import csv
import io
import os
from pathlib import Path

import pandas as pd
import pytest

from civicml.datasets import read_official
from civicml.datasets.official_pieces import LARGEST
from civicml.datasets.using import use_official, use_published
from civicml.errors import CivicmlError

# A made-up month of a made-up force.
ROWS = """
Type,Date,Part of a policing operation,Policing operation,Latitude,Longitude,Gender,Age range,Self-defined ethnicity,Officer-defined ethnicity,Legislation,Object of search,Outcome,Outcome linked to object of search,Removal of more than just outer clothing
Person search,2021-06-30T23:05:00+00:00,False,,55.100001,1.200002,Male,18-24,White - Irish,White,Misuse of Drugs Act 1971 (section 23),Controlled drugs,A no further action disposal,,False
Person and Vehicle search,2021-07-01T12:10:00+00:00,True,,55.100003,1.200004,Female,over 34,Other ethnic group - Not stated,,Police and Criminal Evidence Act 1984 (section 1),Stolen goods,Arrest,True,True
Vehicle search,2021-07-02T08:00:00+00:00,,,,,,,,,Firearms Act 1968 (section 47),Firearms,Summons / charged by post,False,
Person search,2021-07-03T00:00:00+00:00,False,"Operation Lantern, second week",55.100001,1.200002,Other,under 10,White - Roma,Other,Criminal Justice and Public Order Act 1994 (section 60),,,,
Person search,2021-07-31T22:59:00+00:00,False,,55.100001,1.200002,Male,10-17,Asian/Asian British - Chinese,Asian,,Detailed object of search unavailable,Khat or Cannabis warning,True,False
"""  # noqa: E501
NAME = "2021-07-larkmoor-and-wold-stop-and-search.csv"


def rows() -> pd.DataFrame:
    return pd.read_csv(io.StringIO(ROWS.strip()), dtype=str, keep_default_na=False)


def write(path: Path, frame: pd.DataFrame) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    frame.to_csv(path, index=False, quoting=csv.QUOTE_MINIMAL)
    return path


@pytest.fixture
def file(tmp_path):
    return write(tmp_path / "2021-07" / NAME, rows())


def with_value(file: Path, column: str, value: str, row: int = 1) -> Path:
    frame = rows()
    frame.loc[row, column] = value
    return write(file, frame)


def refusal(paths) -> str:
    with pytest.raises(CivicmlError) as caught:
        read_official("stop_search", paths)
    message = str(caught.value)
    assert "\n" not in message
    return message


# --- what is read ---------------------------------------------------------------------------------


def test_a_file_is_read_into_the_schema_with_nothing_lost(file):
    tables, report = read_official("stop_search", file)
    assert list(tables) == ["searches"]
    searches = tables.searches
    assert (report.rows_in, report.rows_out, report.reported) == (5, 5, ())
    assert list(searches.columns)[1:16] == list(rows().columns)
    assert list(searches["search_id"]) == [1, 2, 3, 4, 5]
    assert set(searches["force"]) == {"larkmoor-and-wold"}
    assert set(searches["month"]) == {"2021-07"}
    for column in ("Type", "Gender", "Age range", "Self-defined ethnicity", "Outcome", "Legislation"):
        assert list(searches[column].astype("object").fillna("")) == list(rows()[column]), column
    assert searches["Policing operation"].iloc[3] == "Operation Lantern, second week"


def test_times_stay_universal_and_the_last_evening_belongs_to_the_next_month(file):
    tables, report = read_official("stop_search", file)
    assert tables.searches["Date"].iloc[0] == pd.Timestamp("2021-06-30 23:05")
    assert not any("outside" in note for note in report.notes)


def test_blanks_and_yes_and_no_are_told_apart(file):
    searches = read_official("stop_search", file)[0].searches
    linked = searches["Outcome linked to object of search"]
    assert linked.isna().tolist() == [True, False, False, True, False]
    assert [bool(linked[row]) for row in (1, 2, 4)] == [True, False, True]
    assert searches["Part of a policing operation"].isna().tolist() == [False, False, True, False, False]
    assert searches["Latitude"].isna().tolist() == [False, False, True, False, False]
    assert searches["Longitude"].iloc[1] == 1.200004


def test_older_words_are_known_and_kept(file):
    frame = rows()
    frame["Outcome"] = [
        "Nothing found - no further action", "Suspect arrested", "Local resolution", "Offender cautioned",
        "Offender given drugs possession warning",
    ]  # fmt: skip
    frame["Self-defined ethnicity"] = [
        "White - White British (W1)", "Not Stated (NS)", "Mixed - White and Asian (M3)",
        "Black or Black British - Caribbean (B1)", "Chinese or other ethnic group - Chinese (O1)",
    ]  # fmt: skip
    tables, report = read_official("stop_search", write(file, frame))
    assert list(tables.searches["Outcome"]) == list(frame["Outcome"])
    assert list(tables.searches["Self-defined ethnicity"]) == list(frame["Self-defined ethnicity"])
    assert report.notes == ()


def test_case_and_small_differences_of_spelling_are_put_right_and_noted(file):
    frame = rows()
    frame.loc[0, "Outcome"] = "a no further action disposal "
    frame.loc[1, "Type"] = "Person and vehicle search"
    frame.loc[2, "Outcome"] = "Summons/charged by post"
    frame.loc[3, "Outcome"] = "False"
    frame.loc[4, "Self-defined ethnicity"] = "Chinese or other ethnic group - Chinese (01)"
    frame.loc[1, "Legislation"] = "police and criminal evidence act 1984 (Section 1)"
    frame.loc[1, "Part of a policing operation"] = "TRUE"
    tables, report = read_official("stop_search", write(file, frame))
    searches = tables.searches
    assert searches["Outcome"].iloc[0] == "A no further action disposal"
    assert searches["Type"].iloc[1] == "Person and Vehicle search"
    assert list(searches["Outcome"].iloc[2:4]) == [
        "Summons / charged by post", "Nothing found - no further action",
    ]  # fmt: skip
    assert searches["Self-defined ethnicity"].iloc[4].endswith("(O1)")
    assert searches["Legislation"].iloc[1] == "Police and Criminal Evidence Act 1984 (section 1)"
    assert searches["Part of a policing operation"].iloc[1]
    assert len(report.notes) == 6
    assert f"{NAME}: 1 times 'Person and vehicle search' in Type was read as" in " ".join(report.notes)


def test_an_age_that_a_spreadsheet_took_for_a_date_is_put_right_and_noted(file):
    tables, report = read_official("stop_search", with_value(file, "Age range", "Oct-17"))
    assert tables.searches["Age range"].iloc[1] == "10-17"
    assert report.notes == (f"{NAME}: 1 times 'Oct-17' in Age range was read as '10-17'.",)


def test_an_act_that_is_new_is_kept_and_noted(file):
    new = "Better Streets Act 2027 (section 12(3))"
    tables, report = read_official("stop_search", with_value(file, "Legislation", new))
    assert tables.searches["Legislation"].iloc[1] == new
    assert report.notes == (
        f"{NAME}: 1 times '{new}' in Legislation was not known to the reader; it was kept.",
    )


def test_equal_rows_are_kept_and_counted(file):
    frame = pd.concat([rows(), rows().iloc[[0, 0]]])
    tables, report = read_official("stop_search", write(file, frame))
    assert (report.rows_in, report.rows_out) == (7, 7)
    assert tables.searches["search_id"].is_unique
    assert report.notes[0].startswith(
        f"{NAME}: 2 rows are equal to an earlier one in all columns; they are kept"
    )


def test_times_of_other_offsets_are_brought_to_universal_time(file):
    frame = rows()
    frame.loc[1, "Date"] = "2021-07-01T13:10:00+01:00"
    frame.loc[2, "Date"] = "2021-07-02T08:00:00Z"
    frame.loc[3, "Date"] = "2021-07-03T00:00:00"
    tables, report = read_official("stop_search", write(file, frame))
    want = ["2021-07-01 12:10", "2021-07-02 08:00", "2021-07-03 00:00"]
    assert list(tables.searches["Date"].iloc[1:4]) == [pd.Timestamp(text) for text in want]
    assert report.notes == (
        f"{NAME}: 1 times 'a time without an offset' in Date was taken to be universal time.",
    )


# --- names of files -------------------------------------------------------------------------------


def test_a_renamed_file_is_read_without_a_force_and_months_come_from_the_clock(file, tmp_path):
    other = tmp_path / "my download.csv"
    other.write_bytes(file.read_bytes())
    tables, report = read_official("stop_search", other)
    assert tables.searches["force"].isna().all()
    assert list(tables.searches["month"].unique()) == ["2021-07"]
    assert report.rows_in == report.rows_out == 5
    assert "the name says neither force nor month" in report.notes[0]


def test_a_link_with_another_name_is_followed_and_the_files_own_name_read(file, tmp_path):
    link = tmp_path / "july.csv"
    link.symlink_to(file)
    tables, report = read_official("stop_search", link)
    assert set(tables.searches["force"]) == {"larkmoor-and-wold"}
    assert report.notes == ()


def test_several_forces_and_months_are_put_together_and_numbered_on(file, tmp_path):
    august = rows().assign(Date="2021-08-05T10:00:00+00:00").iloc[:2]
    other = write(tmp_path / "2021-08-saltmere-stop-and-search.csv", august)
    tables, report = read_official("stop_search", [file, other])
    assert report.rows_in == report.rows_out == 7
    assert list(tables.searches["search_id"]) == list(range(1, 8))
    assert tables.searches["force"].value_counts().to_dict() == {"larkmoor-and-wold": 5, "saltmere": 2}
    assert set(tables.searches["month"]) == {"2021-07", "2021-08"}


def test_a_month_without_searches_is_noted_beside_others_and_refused_alone(file, tmp_path):
    none = tmp_path / "2021-07-saltmere-stop-and-search.csv"
    none.write_text(file.read_text().splitlines()[0] + "\n\n")
    tables, report = read_official("stop_search", [none, file])
    assert len(tables.searches) == report.rows_out == 5
    assert f"{none.name}: a header and no rows; there is nothing to read." in report.notes
    assert f"{none} holds a header and no rows" in refusal(none)


def test_the_same_force_and_month_twice_is_refused(file, tmp_path):
    again = tmp_path / "again" / NAME.replace(".csv", " (1).csv")
    write(again, rows())
    said = refusal([file, again])
    assert f"{file} and {again} both hold larkmoor-and-wold in 2021-07; give each once." in said
    assert "give each once" in refusal([file, file])
    other = write(tmp_path / "renamed.csv", rows())
    assert "are the same file" in refusal([other, other])


def test_rows_dated_outside_the_month_of_the_name_are_kept_and_noted(file):
    tables, report = read_official("stop_search", with_value(file, "Date", "2021-05-01T10:00:00+00:00"))
    assert set(tables.searches["month"]) == {"2021-07"}
    assert f"{NAME}: 1 rows are dated outside 2021-07; they are kept with the file." in report.notes


# --- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "value", "expected"),
    [
        ("Type", "Premises search", "one of Person search, Person and Vehicle search, Vehicle search"),
        ("Type", "", "one of Person search"),
        ("Date", "01/07/2021 12:10", "a date and time such as 2019-05-31T23:01:00+00:00"),
        ("Date", "2021-07-32T12:10:00+00:00", "a date and time such as"),
        ("Date", "2021-07", "a date and time such as"),
        ("Date", "", "a date and time such as"),
        ("Part of a policing operation", "maybe", "True, False or nothing"),
        ("Latitude", "55,1", "degrees between -90 and 90, or nothing"),
        ("Latitude", "155.1", "degrees between -90 and 90, or nothing"),
        ("Longitude", "", "both coordinates or neither"),
        ("Gender", "M", "one of Female, Male, Other"),
        ("Age range", "35 and over", "one of under 10, 10-17, 18-24, 25-34, over 34"),
        ("Self-defined ethnicity", "Martian", "one of White - English/Welsh"),
        ("Officer-defined ethnicity", "IC3", "one of White, Black, Asian, Mixed, Other"),
        ("Legislation", "section 1", "an Act and its year"),
        ("Object of search", "Drugs", "one of Controlled drugs"),
        ("Outcome", "Let off", "one of A no further action disposal"),
        ("Outcome linked to object of search", "yes", "True, False or nothing"),
    ],
)
def test_a_value_that_is_not_known_is_refused_with_file_line_column_and_value(file, column, value, expected):
    said = refusal(with_value(file, column, value))
    assert said.startswith(f"{file}, line 3, column {column}: '{value}'; expected {expected}"), said


def test_a_renamed_column_is_named_with_what_is_in_its_place(file):
    write(file, rows().rename(columns={"Outcome": "Result"}))
    assert f"{file}, line 1: no column Outcome" in refusal(file)
    assert "not known: Result" in refusal(file)


def test_a_column_too_many_is_left_out_and_noted(file):
    _, report = read_official("stop_search", write(file, rows().assign(Officer="1234")))
    assert report.notes == (f"{NAME}: column Officer has no place in the schema and was left out.",)


def test_files_of_crimes_are_not_taken_for_searches(tmp_path):
    street = tmp_path / "2021-07-larkmoor-street.csv"
    street.write_text("Crime ID,Month,Reported by,Longitude,Latitude\n1,2021-07,Larkmoor,1.2,55.1\n")
    assert "no column Type" in refusal(street)


def test_a_line_that_is_cut_off_is_refused(file):
    text = file.read_text()
    file.write_text(text[: text.rindex("Khat")])
    assert f"{file}, line 6: 13 values where the header has 15" in refusal(file)


def test_a_file_that_ends_without_a_line_end_is_noted(file):
    file.write_text(file.read_text().rstrip("\n"))
    _, report = read_official("stop_search", file)
    assert report.notes == (f"{NAME}: the last line has no line end; check that the file is complete.",)


def test_blank_lines_are_reported(file):
    lines = file.read_text().splitlines()
    file.write_text("\n".join([*lines[:3], "", ",,,,,,,,,,,,,,", *lines[3:], ""]))
    _, report = read_official("stop_search", file)
    assert [row.line for row in report.reported] == [4, 5]
    assert report.rows_in == 7 == report.rows_out + len(report.reported)
    assert refusal(with_value(file, "Gender", "X", row=4)).startswith(f"{file}, line 6,")


def test_windows_line_ends_and_a_byte_order_mark_change_nothing(file):
    want, _ = read_official("stop_search", file)
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes().replace(b"\n", b"\r\n"))
    have, report = read_official("stop_search", file)
    assert have.searches.equals(want.searches)
    assert report.notes == ()


def test_a_wrong_encoding_is_refused_with_its_line(file):
    frame = rows()
    frame.loc[3, "Policing operation"] = "Opération"
    frame.to_csv(file, index=False, encoding="latin-1")
    assert f"{file}, line 5: byte 0xe9 is not UTF-8" in refusal(file)


def test_what_is_no_table_is_refused(file, tmp_path):
    empty, header, archive = (tmp_path / name for name in ("empty.csv", "header.csv", "packed.csv"))
    empty.write_text("")
    header.write_text(file.read_text().splitlines()[0] + "\n")
    archive.write_bytes(b"PK\x03\x04 and more")
    pipe = tmp_path / "pipe.csv"
    os.mkfifo(pipe)
    assert f"{empty} is empty" in refusal(empty)
    assert f"{header} holds a header and no rows" in refusal(header)
    assert "zip archive" in refusal(archive)
    assert "not a regular file" in refusal(pipe)
    assert "not a regular file" in refusal(tmp_path)
    assert "cannot be read" in refusal(tmp_path / "nowhere.csv")


def test_a_file_of_five_gigabytes_is_refused_before_it_is_read(tmp_path):
    large = tmp_path / NAME
    with large.open("wb") as out:
        out.truncate(5 * 1024**3)  # a hole: nothing is written
    assert f"{large} holds 5.0 GB, and at most {LARGEST / 1024**3:.0f} GB are read" in refusal(large)


def test_a_file_of_many_pieces_keeps_its_lines_and_categories(file, monkeypatch):
    from civicml.datasets import official_pieces

    want, _ = read_official("stop_search", file)
    monkeypatch.setattr(official_pieces, "_PIECE", 200)  # about a line
    have, report = read_official("stop_search", file)
    assert have.searches.equals(want.searches)
    assert report.rows_out == 5
    assert refusal(with_value(file, "Outcome", "Let off", row=4)).startswith(
        f"{file}, line 6, column Outcome"
    )


# --- in use ---------------------------------------------------------------------------------------


def test_load_serves_the_official_file_once_it_is_put_to_use(file, tmp_path, monkeypatch):
    from civicml.datasets import load
    from civicml.datasets.picture import draw_picture

    monkeypatch.setenv("CIVICML_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("CIVICML_DATA", raising=False)
    use_official("stop_search", [file])
    tables = load("stop_search")
    assert list(tables) == ["searches"]
    assert len(tables.searches) == 5
    assert "5 searches in 2021-07." in draw_picture("stop_search", tmp_path / "picture.png")
    assert use_published("stop_search")
