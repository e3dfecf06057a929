"""Official criminal court files, made up in their format: receipts, disposals, open cases, and their ages."""

import os
import re
from pathlib import Path

import pytest

from civicml.datasets import find_dataset, load, read_official
from civicml.datasets.official_pieces import LARGEST
from civicml.datasets.recipe import load_module
from civicml.datasets.using import use_official, use_published
from civicml.errors import CivicmlError

FLOW = """
year,quarter,receipt_type,region,lcjb_area,crown_court,rdos,offence_group,value
2025,Q3,Triable-either-way trials,Tarnside,Beckmoor,Quarrendale,1. Receipts,04: Theft offences,31
2025,Q3,Triable-either-way trials,Tarnside,Beckmoor,Quarrendale,2. Disposals,04: Theft offences,28
2025,Q3,Indictable only trials,Tarnside,Beckmoor,Quarrendale,3. Open,02: Sexual offences,112
2025,Q4,Committed for sentence,Tarnside,Tarnside,Nettleshaw,1. Receipts,06: Drug offences,9
2025,Q4,Appeals,Tarnside,Tarnside,Nettleshaw,3. Open,12: Summary motoring,0
"""
AGES = """
year,quarter,receipt_type,offence_group,geographic_area,age_open_grouped,value
2025,Q4,01. All open cases,00: All offences,England and Wales,Under 4 weeks,900
2025,Q4,01. All open cases,00: All offences,England and Wales,1 to under 2 years,300
2025,Q4,01. All open cases,00: All offences,England and Wales,2 years or more,120
2025,Q4,01. All open cases,00: All offences,England and Wales,[Total cases],1400
2025,Q4,01. All open cases,00: All offences,England and Wales,[Valid cases],1320
2025,Q4,03. Indictable only: in custody,02: Sexual offences,Tarnside,6 months to under 1 year,44
"""


@pytest.fixture
def written(tmp_path):
    """Writes a file in the made-up source's format and gives its path."""

    def write(text: str | bytes, name: str = "cc_rdos_tool_2025Q4.csv") -> Path:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.lstrip("\n").encode())
        return path

    return write


def line(text: str, number: int, new: str) -> str:
    """`text` with line `number` (the header is 1) replaced."""
    lines = text.strip().split("\n")
    lines[number - 1] = new
    return "\n".join(lines) + "\n"


def adds_up(report) -> bool:
    return report.rows_in == report.rows_out + len(report.reported)


# --- what is accepted -----------------------------------------------------------------------------


def test_the_two_files_become_two_tables(written):
    tables, report = read_official("court_cases", [written(FLOW), written(AGES, "cc_open_tool_2025Q4.csv")])
    assert list(tables) == ["caseload", "open_by_age"]
    assert (len(tables.caseload), len(tables.open_by_age)) == (5, 6)
    assert tables.caseload["value"].tolist() == [31, 28, 112, 9, 0]
    assert tables.open_by_age["age_open_grouped"].astype("str").tolist()[-1] == "6 months to under 1 year"
    assert adds_up(report)
    assert report.rows_in == 11
    assert "most serious offence" in str(report)


def test_tables_have_the_columns_of_the_synthetic_ones(written):
    schema = find_dataset("court_cases").schema
    tables, _ = read_official("court_cases", [written(FLOW), written(AGES, "open.csv")])
    for name in tables:
        assert list(tables[name].columns) == list(schema.tables[name].columns)


@pytest.mark.parametrize(
    "header",
    [
        "Year,Quarter,Receipt_Type,Region,LCJB_Area,Crown_Court,RDOs,Offence_Group,Value",
        "YEAR, QUARTER ,RECEIPT TYPE,REGION,LCJB AREA,CROWN COURT,RDOS,OFFENCE GROUP,VALUE",
    ],
)
def test_case_and_blanks_of_headings_do_not_matter(written, header):
    tables, report = read_official("court_cases", written(line(FLOW, 1, header)))
    assert len(tables.caseload) == 5
    assert adds_up(report)


def test_a_byte_order_mark_and_windows_line_ends_are_read(written):
    text = b"\xef\xbb\xbf" + FLOW.lstrip("\n").replace("\n", "\r\n").encode()
    tables, report = read_official("court_cases", written(text))
    assert len(tables.caseload) == 5
    assert not any("Windows-1252" in note for note in report.notes)


def test_windows_1252_is_read_and_named(written):
    text = FLOW.replace("Quarrendale", "Quarrendâle").lstrip("\n").encode("windows-1252")
    tables, report = read_official("court_cases", written(text))
    assert "Quarrendâle" in set(tables.caseload["crown_court"])
    assert any("read as Windows-1252" in note for note in report.notes)


def test_counts_may_have_separators_marks_and_decimals(written):
    found = ['"1,234"', "8.0", '"2,345 (r)"', "17 p", "0"]
    text = FLOW
    for number, count in enumerate(found, start=2):
        text = line(text, number, re.sub(r"\d+$", count, text.strip().split("\n")[number - 1]))
    tables, report = read_official("court_cases", written(text))
    assert tables.caseload["value"].tolist() == [1234, 8, 2345, 17, 0]
    assert any("2 counts are marked as revised or provisional" in note for note in report.notes)


@pytest.mark.parametrize("nothing", ["-", "", "NA", ":", ".."])
def test_what_is_not_available_is_blank_and_reported(written, nothing):
    tables, report = read_official(
        "court_cases", written(re.sub("31$", nothing, FLOW, count=1, flags=re.MULTILINE))
    )
    assert tables.caseload["value"].isna().tolist() == [True, False, False, False, False]
    assert any("1 counts are -, NA or blank" in note for note in report.notes)


def test_totals_are_left_out_of_caseload_and_reported(written):
    text = FLOW + (
        "2025,Q4,Appeals,Tarnside,Tarnside,Nettleshaw,3. Open,00: All offences,40\n"
        "2025,Q4,Appeals,England and Wales,All,All,3. Open,12: Summary motoring,900\n"
        "2025,All,Appeals,Tarnside,Tarnside,Nettleshaw,1. Receipts,12: Summary motoring,77\n"
    )
    tables, report = read_official("court_cases", written(text))
    assert len(tables.caseload) == 5
    assert [(row.line, row.reason) for row in report.reported] == [
        (9, "a total of a whole year"),
        (7, "a total of other rows"),
        (8, "a total of other rows"),
    ]
    assert adds_up(report)


def test_totals_by_age_stay_for_they_are_the_files_shape(written):
    text = AGES + "2025,All,01. All open cases,00: All offences,England and Wales,[Total cases],5600\n"
    tables, report = read_official("court_cases", written(text, "open.csv"))
    assert (tables.open_by_age["age_open_grouped"] == "[Total cases]").sum() == 1
    assert [row.reason for row in report.reported] == ["a total of a whole year"]
    assert adds_up(report)


def test_blank_lines_and_repeated_rows_are_left_out_and_reported(written):
    rows = FLOW.strip().split("\n")
    tables, report = read_official("court_cases", written("\n".join([*rows, ",,,,,,,,", rows[1], ""])))
    assert len(tables.caseload) == 5
    assert {(row.line, row.reason) for row in report.reported} == {
        (7, "the line is blank"),
        (8, "the same row is there already"),
    }
    assert adds_up(report)


@pytest.mark.parametrize(
    ("written_as", "meant"),
    [
        ("4 to 8 weeks", "4 to under 8 weeks"), ("4–8 weeks", "4 to under 8 weeks"),
        ("8-12", "8 to under 12 weeks"), ("20 to under 26 weeks", "20 to under 26 weeks"),
        ("26 weeks to under 1 year", "6 months to under 1 year"), ("1 to 2 years", "1 to under 2 years"),
        ("1 year to under 2 years", "1 to under 2 years"), ("2 years and over", "2 years or more"),
        ("Total cases", "[Total cases]"), ("VALID CASES", "[Valid cases]"),
    ],
)  # fmt: skip
def test_age_bands_are_read_as_releases_wrote_them(written, written_as, meant):
    rows = AGES.strip().split("\n")[:2]
    text = "\n".join(rows).replace("Under 4 weeks", written_as) + "\n"
    tables, _ = read_official("court_cases", written(text, "open.csv"))
    assert tables.open_by_age["age_open_grouped"].astype("str").tolist() == [meant]


def test_offence_groups_are_brought_to_one_spelling(written):
    groups = [
        "13: Unknown",
        "04: theft offences",
        "2: Sexual offences",
        "02: Adult Rape",
        "10: Fraud Offences",
    ]
    text = FLOW
    for number, group in enumerate(groups, start=2):
        text = line(text, number, re.sub(r"\d\d: [^,]+", group, text.strip().split("\n")[number - 1]))
    tables, _ = read_official("court_cases", written(text))
    assert tables.caseload["offence_group"].astype("str").tolist() == [
        "13: Not known", "04: Theft offences", "02: Sexual offences", "02: Adult rape", "10: Fraud offences",
    ]  # fmt: skip


def test_a_link_is_followed(written, tmp_path):
    link = tmp_path / "link.csv"
    link.symlink_to(written(FLOW))
    assert len(read_official("court_cases", link)[0].caseload) == 5


def test_load_serves_the_files_after_datasets_use(written, monkeypatch, tmp_path):
    monkeypatch.setenv("CIVICML_CACHE", str(tmp_path / "cache"))
    report = use_official("court_cases", [written(FLOW), written(AGES, "open_2025Q4.csv")])
    assert adds_up(report)
    tables = load("court_cases")
    assert list(tables) == ["caseload", "open_by_age"]
    picture = load_module(find_dataset("court_cases").folder / "picture.py", "picture_of_courts")
    figure, words = picture.draw(tables)
    assert len(figure.axes) >= 2
    assert "31.8%" in words  # 420 of 1,320
    assert use_published("court_cases")


# --- several releases -----------------------------------------------------------------------------


def test_quarters_of_two_files_are_put_together(written):
    rows = FLOW.strip().split("\n")
    older = written("\n".join([*rows[:4], ""]), "cc_rdos_tool_2025Q3.csv")
    newer = written("\n".join([rows[0], *rows[4:], ""]), "cc_rdos_tool_2025Q4.csv")
    tables, report = read_official("court_cases", [older, newer])
    assert len(tables.caseload) == 5
    assert any("different releases" in note for note in report.notes)
    assert adds_up(report)


@pytest.mark.parametrize("order", [0, 1])
def test_the_newer_release_is_kept_where_two_disagree(written, order):
    older = written(FLOW.replace("offences,31", "offences,30"), "rdos 2025 Q3.csv")
    newer = written(FLOW, "rdos 2025 Q4.csv")
    tables, report = read_official("court_cases", [older, newer][:: 1 - 2 * order])
    assert tables.caseload["value"].tolist() == [31, 28, 112, 9, 0]
    assert {row.file for row in report.reported} == {"rdos 2025 Q3.csv"}
    assert {row.reason for row in report.reported} == {"restated in the newer release, rdos 2025 Q4.csv"}
    assert sorted(row.line for row in report.reported) == [2, 3, 4, 5, 6]
    assert adds_up(report)


def test_two_files_that_disagree_are_refused_if_nothing_tells_which_is_newer(written):
    one = written(FLOW, "one.csv")
    other = written(FLOW.replace("offences,31", "offences,30"), "other.csv")
    with pytest.raises(CivicmlError, match="disagree") as refused:
        read_official("court_cases", [one, other])
    sentence = str(refused.value)
    assert "'30' on line 2 of" in sentence
    assert "'31' on line 2 of" in sentence
    assert "2025, Q3" in sentence
    assert str(one) in sentence
    assert str(other) in sentence


def test_the_same_file_twice_counts_once(written):
    tables, report = read_official("court_cases", [written(FLOW, "one.csv"), written(FLOW, "copy.csv")])
    assert len(tables.caseload) == 5
    assert len(report.reported) == 5
    assert adds_up(report)


# --- what is refused ------------------------------------------------------------------------------


def refused(path) -> str:
    with pytest.raises(CivicmlError) as error:
        read_official("court_cases", path)
    sentence = str(error.value)
    assert str(path) in sentence
    assert "\n" not in sentence
    return sentence


@pytest.mark.parametrize(
    ("number", "old", "new", "column", "expected"),
    [
        (2, "2025,Q3", "25,Q3", "year", "a year such as 2025"),
        (3, "2025,Q3", "2025,Q5", "quarter", "Q1, Q2, Q3 or Q4"),
        (3, "2025,Q3", "2025,Jul-Sep", "quarter", "Q1, Q2, Q3 or Q4"),
        (4, "3. Open", "4. Lost", "rdos", "1. Receipts"),
        (2, "04: Theft offences", "14: Piracy", "offence_group", "an offence group"),
        (2, "04: Theft offences", "04: Robbery", "offence_group", "an offence group"),
        (2, "04: Theft offences", "Theft", "offence_group", "an offence group"),
        (5, "Committed for sentence", "XYZ-1", "receipt_type", "a receipt type"),
        (5, "Nettleshaw", "433", "crown_court", "the name of a place"),
        (6, "motoring,0", "motoring,-4", "value", "a whole number, 0 or more"),
        (6, "motoring,0", "motoring,3.5", "value", "a whole number, 0 or more"),
        (6, "motoring,0", 'motoring,"1,23"', "value", "a whole number, 0 or more"),
    ],
)
def test_a_value_that_is_not_known_is_named_with_file_line_column(
    written, number, old, new, column, expected
):
    row = FLOW.strip().split("\n")[number - 1].replace(old, new)
    sentence = refused(written(line(FLOW, number, row)))
    assert f"line {number}, column {column}: " in sentence
    assert expected in sentence


def test_an_unknown_age_band_is_named(written):
    sentence = refused(written(AGES.replace("2 years or more", "3 years"), "open.csv"))
    assert "line 4, column age_open_grouped: '3 years'; expected one of Under 4 weeks" in sentence


def test_one_cell_with_two_counts_is_refused(written):
    sentence = refused(written(FLOW + FLOW.strip().split("\n")[1].replace(",31", ",30") + "\n"))
    assert "line 7, column value: '30'" in sentence
    assert "line 2 counts the same cell as '31'" in sentence


def test_a_renamed_column_is_named(written):
    sentence = refused(written(FLOW.replace("crown_court", "centre", 1)))
    assert "line 1: no column crown_court" in sentence
    assert "centre" in sentence


def test_other_tools_of_the_same_publication_are_named(written):
    assert "timeliness" in refused(
        written("Annual or quarterly,Year,Quarter,Geographic area\nAnnual,2025,All,Wales\n")
    )
    assert "neither a column rdos" in refused(written("year,quarter,value\n2025,Q1,4\n"))


def test_a_truncated_file_is_refused(written):
    whole = FLOW.strip()
    assert "line 6: " in refused(written(whole[: whole.rindex("Nettleshaw")]))
    note = read_official("court_cases", written(whole, "whole.csv"))[1].notes
    assert any("no line end" in text for text in note)


def test_an_open_quote_is_refused(written):
    assert "line 3: a quote is not closed" in refused(written(FLOW.replace("2. Disposals", '"2. Disposals')))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (FLOW.strip().split("\n")[0].encode() + b"\n", "a header and no rows"),
        (b"PK\x03\x04rest", "zip archive"),
        ("\ufeff".encode("utf-16-le") + FLOW.encode("utf-16-le"), "zero byte"),
        (FLOW.strip().replace("Nettleshaw", "Nettle\x81").encode("latin-1"), "byte 0x81"),
    ],
)
def test_what_is_no_csv_is_refused(written, content, said):
    assert said in refused(written(content))


def test_a_file_of_totals_only_is_refused(written):
    header = FLOW.strip().split("\n")[0]
    row = "2025,All,Appeals,Tarnside,Tarnside,Nettleshaw,1. Receipts,12: Summary motoring,77"
    assert "all of them are totals" in refused(written(f"{header}\n{row}\n"))


def test_directories_pipes_and_devices_are_refused_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "pipe.csv")
    for path in (tmp_path, tmp_path / "pipe.csv", Path("/dev/zero")):
        assert "not a regular file" in refused(path)
    assert "cannot be read" in refused(tmp_path / "absent.csv")


def test_a_huge_file_is_refused_unread(tmp_path):
    path = tmp_path / "huge.csv"
    with path.open("wb") as file:
        file.truncate(LARGEST + 1)
    assert "at most 3 GB" in refused(path)


def test_nothing_is_taken_over_when_one_of_two_files_is_bad(written, monkeypatch, tmp_path):
    monkeypatch.setenv("CIVICML_CACHE", str(tmp_path / "cache"))
    use_official("court_cases", [written(FLOW)])
    with pytest.raises(CivicmlError):
        use_official("court_cases", [written(FLOW), written(AGES.replace("Q4", "Q9"), "open.csv")])
    assert list(load("court_cases")) == ["caseload"]
