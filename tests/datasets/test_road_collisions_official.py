"""Official road safety files of Great Britain (three headers) and France, made up here in their format."""

import os
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from civicml.datasets import find_dataset, read_official
from civicml.datasets.official_pieces import LARGEST
from civicml.errors import CivicmlError

# Three collisions of one made-up day, in the columns and codes of 2025.
COLLISIONS = """
collision_index,collision_year,collision_reference,location_easting_osgr,location_northing_osgr,longitude,latitude
2025010000001,2025,010000001,530100,180200,-0.126,51.505
2025010000002,2025,010000002,,,,
2025430000003,2025,430000003,452000,206000,-1.247,51.75
"""
REST_OF_COLLISION = {
    "police_force": [1, 1, 43], "collision_severity": [2, 3, 1], "number_of_vehicles": [2, 1, 1],
    "number_of_casualties": [1, 1, 2], "date": ["03/02/2025", "03/02/2025", "28/06/2025"],
    "day_of_week": [2, 2, 7], "time": ["08:05", "", "23:40"], "local_authority_district": [-1, -1, -1],
    "local_authority_ons_district": ["E09000033", "E09000033", "E07000178"],
    "local_authority_highway": ["E09000033", "E09000033", "E10000025"],
    "local_authority_highway_current": ["E09000033", "E09000033", "E10000025"],
    "first_road_class": [3, 6, 3], "first_road_number": [4, 0, 40], "road_type": [6, 9, 3],
    "speed_limit": [20, -1, 70], "junction_detail_historic": [3, -1, 0], "junction_detail": [13, 99, 0],
    "junction_control": [4, 9, -1], "second_road_class": [6, -1, 0], "second_road_number": [-1, -1, -1],
    "pedestrian_crossing_human_control_historic": [0, -1, 0],
    "pedestrian_crossing_physical_facilities_historic": [5, -1, 0], "pedestrian_crossing": [15, 0, 0],
    "light_conditions": [1, 4, 6], "weather_conditions": [1, 9, 2], "road_surface_conditions": [1, 9, 2],
    "special_conditions_at_site": [0, -1, -1], "carriageway_hazards_historic": [0, -1, 0],
    "carriageway_hazards": [0, 99, 13], "urban_or_rural_area": [1, 1, 2],
    "did_police_officer_attend_scene_of_accident": [1, 3, 1], "trunk_road_flag": [2, 2, 1],
    "lsoa_of_accident_location": ["E01004736", "-1", "E01028500"], "enhanced_severity_collision": [6, -1, 1],
    "collision_injury_based": [1, 0, 1], "collision_adjusted_severity_serious": [1, 0.083, 0],
    "collision_adjusted_severity_slight": [0, 0.917, 0],
}  # fmt: skip
VEHICLES = {
    "vehicle_reference": [1, 2, 1, 1], "vehicle_type": [9, 1, 9, 19], "towing_and_articulation": [0, 0, 9, 1],
    "vehicle_manoeuvre_historic": [9, 18, -1, -1], "vehicle_manoeuvre": [9, 19, 99, 20],
    "vehicle_direction_from": [1, 3, 9, 5], "vehicle_direction_to": [3, 7, 9, 1],
    "vehicle_location_restricted_lane_historic": [0, 4, -1, 6],
    "vehicle_location_restricted_lane": [0, 4, 99, 6],
    "junction_location": [8, 8, 9, 0], "skidding_and_overturning": [0, 5, 9, 1],
    "hit_object_in_carriageway": [0, 0, 99, 4], "vehicle_leaving_carriageway": [0, 0, 9, 7],
    "hit_object_off_carriageway": [0, 0, 99, 6], "first_point_of_impact": [1, 3, 9, 1],
    "vehicle_left_hand_drive": [1, -1, 9, 2], "journey_purpose_of_driver_historic": [1, 6, -1, -1],
    "journey_purpose_of_driver": [1, 6, 9, 8], "sex_of_driver": [1, 2, 3, 1],
    "age_of_driver": [43, 27, -1, 61],
    "age_band_of_driver": [7, 6, -1, 9], "engine_capacity_cc": [1598, -1, -1, 1968],
    "propulsion_code": [1, -1, -1, 2],
    "age_of_vehicle": [9, -1, -1, 0], "generic_make_model": ["FORD FIESTA", "-1", "-1", "VAUXHALL VIVARO"],
    "driver_imd_decile": [3, -1, -1, 10], "lsoa_of_driver": ["E01004000", "-1", "-1", "W01000123"],
    "escooter_flag": [0, 0, 0, 0], "driver_distance_banding": [1, -1, -1, 4],
}  # fmt: skip
CASUALTIES = {
    "vehicle_reference": [2, 1, 1, 1], "casualty_reference": [1, 1, 1, 2], "casualty_class": [1, 3, 1, 2],
    "sex_of_casualty": [2, 9, 1, 1], "age_of_casualty": [27, -1, 61, 19],
    "age_band_of_casualty": [6, -1, 9, 4],
    "casualty_severity": [2, 3, 1, 2], "pedestrian_location": [0, 5, 0, 0],
    "pedestrian_movement": [0, 9, 0, 0],
    "car_passenger": [0, 0, 0, 0], "bus_or_coach_passenger": [0, 0, 0, 0],
    "pedestrian_road_maintenance_worker": [0, 2, 0, 0], "casualty_type": [1, 0, 19, 19],
    "casualty_imd_decile": [-1, -1, 10, 4], "lsoa_of_casualty": ["-1", "-1", "W01000123", "E01000001"],
    "enhanced_casualty_severity": [6, -1, 1, 5], "casualty_injury_based": [1, 0, 1, 1],
    "casualty_adjusted_severity_serious": [1, 0.083, 0, 1],
    "casualty_adjusted_severity_slight": [0, 0.917, 0, 0],
    "casualty_distance_banding": [2, -1, 4, 5],
}  # fmt: skip
PLAIN = {
    "junction_detail_historic": "junction_detail",
    "pedestrian_crossing_human_control_historic": "pedestrian_crossing_human_control",
    "pedestrian_crossing_physical_facilities_historic": "pedestrian_crossing_physical_facilities",
    "carriageway_hazards_historic": "carriageway_hazards",
    "vehicle_manoeuvre_historic": "vehicle_manoeuvre",
    "vehicle_location_restricted_lane_historic": "vehicle_location_restricted_lane",
    "journey_purpose_of_driver_historic": "journey_purpose_of_driver",
}


def rows_of_2025() -> dict[str, pd.DataFrame]:
    """The three tables as text."""
    head, *lines = COLLISIONS.split()
    collision = pd.DataFrame([line.split(",") for line in lines], columns=head.split(","))
    keys = collision[["collision_index", "collision_year", "collision_reference"]]
    vehicle = keys.iloc[[0, 0, 1, 2]].reset_index(drop=True)
    casualty = keys.iloc[[0, 1, 2, 2]].reset_index(drop=True)
    tables = {
        "collision": collision.assign(**REST_OF_COLLISION),
        "vehicle": vehicle.assign(**VEHICLES),
        "casualty": casualty.assign(**CASUALTIES),
    }
    return {name: frame.astype(str) for name, frame in tables.items()}


def as_of_2024(tables: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    names = {
        "collision_reference": "collision_ref_no",
        "enhanced_severity_collision": "enhanced_collision_severity",
        "collision_adjusted_severity_serious": "collision_adjusted_serious",
        "lsoa_of_accident_location": "lsoa_of_collision_location",
    }
    return {table: frame.rename(columns=names) for table, frame in tables.items()}


def as_of_2021(tables: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """The generation before: accident_…, codes of 2011 under plain names, no adjusted severity."""
    later = re.compile(
        "highway_current$|enhanced_|adjusted_|injury_based$|escooter_|banding$|pedestrian_crossing$"
    )
    names = {"collision_index": "accident_index", "collision_year": "accident_year"}
    names |= {"collision_reference": "accident_reference", "collision_severity": "accident_severity"}
    old = {}
    for table, frame in tables.items():
        gone = [name for name in frame if later.search(name) or name in PLAIN.values()]
        old[table] = frame.drop(columns=gone).rename(columns=PLAIN | names)
    return old


def write(folder: Path, tables: dict[str, pd.DataFrame]) -> list[Path]:
    folder.mkdir(exist_ok=True)
    for table, frame in tables.items():
        frame.to_csv(folder / f"dft-{table}.csv", index=False)
    return [folder / f"dft-{table}.csv" for table in tables]


@pytest.fixture
def files(tmp_path):
    return write(tmp_path / "files", rows_of_2025())


def refusal(paths) -> str:
    with pytest.raises(CivicmlError) as caught:
        read_official("road_collisions", paths)
    message = str(caught.value)
    assert "\n" not in message
    return message


def changed(path: Path, old: str, new: str, count: int = 1) -> Path:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, count))
    return path


# --- Great Britain --------------------------------------------------------------------------------


def test_files_of_2025_are_read_into_the_schema_with_nothing_lost(files):
    tables, report = read_official("road_collisions", files)
    assert {name: frame.shape for name, frame in tables.items()} == {
        "collision": (3, 44), "vehicle": (4, 32), "casualty": (4, 23),
    }  # fmt: skip
    assert (report.rows_in, report.rows_out, report.reported, report.notes) == (11, 11, (), ())
    collision = tables.collision
    assert list(collision["date"]) == [pd.Timestamp("2025-02-03")] * 2 + [pd.Timestamp("2025-06-28")]
    assert list(collision["time"].isna()) == [False, True, False]
    assert list(collision["location_easting_osgr"].isna()) == [False, True, False]
    assert collision["collision_reference"].iloc[0] == "010000001"  # text: the zero in front is kept
    assert collision["lsoa_of_accident_location"].iloc[1] == "-1"
    assert collision["collision_adjusted_severity_slight"].iloc[1] == 0.917


@pytest.mark.parametrize("generation", [as_of_2024, as_of_2021])
def test_older_headers_give_the_same_rows(files, tmp_path, generation):
    new, _ = read_official("road_collisions", files)
    old, report = read_official("road_collisions", write(tmp_path / "old", generation(rows_of_2025())))
    assert report.rows_in == report.rows_out == 11
    for name in ("collision_index", "collision_severity", "speed_limit", "date", "second_road_class"):
        assert list(old.collision[name]) == list(new.collision[name])
    assert list(old.casualty["casualty_severity"]) == list(new.casualty["casualty_severity"])


def test_codes_of_2011_are_converted_and_what_is_not_there_is_missing(tmp_path):
    tables = as_of_2021(rows_of_2025())
    tables["collision"]["junction_detail"] = ["1", "6", "8"]
    tables["collision"]["pedestrian_crossing_human_control"] = ["0", "1", "2"]
    tables["vehicle"]["vehicle_manoeuvre"] = ["16", "18", "9", "-1"]
    read, report = read_official("road_collisions", write(tmp_path / "old", tables))
    assert list(read.collision["junction_detail_historic"]) == [1, 6, 8]
    assert list(read.collision["junction_detail"]) == [0, 16, 18]
    assert list(read.collision["pedestrian_crossing"]) == [15, 11, 12]
    assert list(read.vehicle["vehicle_manoeuvre"]) == [19, 19, 9, -1]
    assert set(read.collision["enhanced_severity_collision"]) == {-1}
    assert read.collision["collision_adjusted_severity_serious"].isna().all()
    notes = " ".join(report.notes)
    assert "codes of the 2011 specification" in notes
    assert "no column escooter_flag" in notes


def test_two_generations_together_are_refused_by_name(files, tmp_path):
    old = write(tmp_path / "old", as_of_2024(rows_of_2025()))
    said = refusal([files[0], old[1]])
    assert f"{files[0]} has the header of 2025 (collision_reference)" in said
    assert f"{old[1]} that of 2024 (collision_ref_no)" in said
    older = write(tmp_path / "older", as_of_2021(rows_of_2025()))
    assert "until 2023 (accident_index)" in refusal([old[0], older[2]])


def test_a_column_too_many_is_left_out_and_noted(files):
    frame = pd.read_csv(files[2], dtype=str).assign(casualty_home_area_type="1")
    frame.to_csv(files[2], index=False)
    _, report = read_official("road_collisions", files)
    assert report.notes == (
        "dft-casualty.csv: column casualty_home_area_type has no place in the schema and was left out.",
    )


def test_a_renamed_column_is_named_with_what_is_in_its_place(files):
    changed(files[0], "weather_conditions", "weather")
    said = refusal(files)
    assert said.startswith(f"{files[0]}, line 1: no column weather_conditions")
    assert "not known: weather" in said


def test_a_column_that_is_there_twice_is_refused(files):
    changed(files[0], "latitude", "longitude")
    assert f"{files[0]}, line 1: the column longitude is there twice" in refusal(files)


@pytest.mark.parametrize(
    ("table", "column", "value", "expected"),
    [
        ("collision", "weather_conditions", "12", "expected one of 1, 2, 3, 4, 5, 6, 7, 8, 9, -1"),
        ("collision", "speed_limit", "35", "expected one of 20, 30, 40, 50, 60, 70, 99, -1"),
        ("collision", "collision_severity", "Slight", "expected one of 1, 2, 3"),
        ("collision", "date", "2025-02-03", "such as 31/12/2024"),
        ("collision", "date", "02/13/2025", "such as 31/12/2024"),
        ("collision", "time", "25:10", "expected HH:MM, such as 08:05"),
        ("collision", "number_of_vehicles", "0", "expected a whole number at least 1"),
        ("collision", "latitude", "151.5", "at least -90 and at most 90"),
        ("vehicle", "vehicle_type", "77", "expected one of 1, 2, 3"),
        ("vehicle", "age_of_driver", "forty", "at least -1 and at most 120"),
        ("casualty", "casualty_adjusted_severity_serious", "1.2", "at least 0 and at most 1"),
    ],
)
def test_a_value_that_cannot_be_is_refused_with_file_line_column_and_value(
    files, table, column, value, expected
):
    tables = rows_of_2025()
    tables[table].loc[1, column] = value
    paths = write(files[0].parent, tables)
    said = refusal(paths)
    assert said.startswith(
        f"{files[0].parent / f'dft-{table}.csv'}, line 3, column {column}: '{value}'; expected "
    )
    assert expected in said


def test_days_and_months_in_the_other_order_are_noticed(files):
    tables = rows_of_2025()
    tables["collision"]["date"] = ["02/03/2025", "02/03/2025", "06/12/2025"]
    said = refusal(write(files[0].parent, tables))
    assert "column date: '02/03/2025'" in said
    assert "are day and month in another order?" in said


def test_a_line_that_is_cut_off_is_refused(files):
    text = files[1].read_text()
    files[1].write_text(text[: text.rindex(",")][:-9])
    assert re.search(r"dft-vehicle.csv, line 5: \d+ values where the header has 32", refusal(files))


def test_a_file_that_ends_too_soon_at_a_line_end_is_noted(files):
    lines = files[1].read_text().splitlines(keepends=True)
    files[1].write_text("".join(lines[:-1]))
    _, report = read_official("road_collisions", files)
    assert any(
        "1 collisions have fewer rows in vehicle" in note and "is the file whole?" in note
        for note in report.notes
    )


def test_a_file_without_its_last_line_end_is_noted(files):
    files[0].write_text(files[0].read_text().rstrip("\n"))
    _, report = read_official("road_collisions", files)
    assert report.notes == (
        "dft-collision.csv: the last line has no line end; check that the file is complete.",
    )


def test_rows_whose_collision_is_not_there_are_reported(files):
    lines = files[0].read_text().splitlines(keepends=True)
    files[0].write_text("".join(lines[:-1]))
    tables, report = read_official("road_collisions", files)
    assert (report.rows_in, report.rows_out) == (10, 7)
    assert {(row.file, row.line) for row in report.reported} == {
        ("dft-vehicle.csv", 5), ("dft-casualty.csv", 4), ("dft-casualty.csv", 5),
    }  # fmt: skip
    assert len(tables.casualty) == 2


def test_a_repeated_row_is_reported_and_a_contradiction_refused(files):
    line = files[0].read_text().splitlines()[2]
    with files[0].open("a") as file:
        file.write(line + "\n")
    _, report = read_official("road_collisions", files)
    assert (report.rows_in, report.rows_out) == (12, 11)
    assert report.reported[0].line == 5
    with files[0].open("a") as file:
        file.write(line.replace("E09000033", "E09000007") + "\n")
    said = refusal(files)
    assert said.startswith(f"{files[0]}, line 6: collision_index 2025010000002 is there already")
    assert f"{files[0]}, line 3" in said


def test_blank_lines_and_blank_codes_are_reported_or_noted(files):
    changed(files[0], "\n2025010000002", "\n\n2025010000002")
    tables = pd.read_csv(files[1], dtype=str)
    tables.loc[0, "vehicle_left_hand_drive"] = ""
    tables.to_csv(files[1], index=False)
    read, report = read_official("road_collisions", files)
    assert (report.rows_in, report.rows_out) == (12, 11)
    assert [(row.line, row.reason) for row in report.reported] == [(3, "the line is blank")]
    assert read.vehicle["vehicle_left_hand_drive"].iloc[0] == -1
    assert "dft-vehicle.csv: 1 blanks in vehicle_left_hand_drive were read as -1." in report.notes


def test_null_means_that_a_place_is_not_known(files):
    tables = rows_of_2025()
    tables["collision"].loc[1, ["longitude", "latitude", "location_easting_osgr"]] = "NULL"
    read, _ = read_official("road_collisions", write(files[0].parent, tables))
    assert read.collision["longitude"].isna().tolist() == [False, True, False]


def test_windows_line_ends_and_a_byte_order_mark_change_nothing(files):
    want, _ = read_official("road_collisions", files)
    for path in files:
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    have, report = read_official("road_collisions", files)
    assert report.notes == ()
    for table in want:
        assert have[table].equals(want[table])


def test_a_wrong_encoding_is_refused_with_its_line(files):
    tables = rows_of_2025()
    tables["vehicle"].loc[2, "generic_make_model"] = "CITROËN C3"
    for name, frame in tables.items():
        frame.to_csv(files[0].parent / f"dft-{name}.csv", index=False, encoding="latin-1")
    said = refusal(files)
    assert said.startswith(f"{files[1]}, line 4: byte 0xcb is not UTF-8")


def test_files_that_are_no_table_are_refused(files, tmp_path):
    empty, archive, wide = (tmp_path / name for name in ("empty.csv", "packed.csv", "wide.csv"))
    empty.write_text("")
    archive.write_bytes(b"PK\x03\x04 and more")
    wide.write_text(files[0].read_text(), encoding="utf-16")
    assert f"{empty} is empty" in refusal([empty])
    assert "zip archive" in refusal([archive])
    assert "zero byte" in refusal([wide])
    assert "cannot be read" in refusal([tmp_path / "nowhere.csv"])
    assert "not a regular file" in refusal([tmp_path])
    header = tmp_path / "header.csv"
    header.write_text(files[0].read_text().splitlines()[0] + "\n")
    assert f"{header} holds a header and no rows" in refusal([header])
    other = tmp_path / "other.csv"
    other.write_text("a,b\n1,2\n")
    assert "no column collision_reference" in refusal([other])


def test_a_link_is_followed_and_a_pipe_not_waited_for(files, tmp_path):
    link = tmp_path / "link.csv"
    link.symlink_to(files[0])
    tables, _ = read_official("road_collisions", link)
    assert len(tables.collision) == 3
    link.unlink()
    link.symlink_to(tmp_path / "gone.csv")
    assert "cannot be read" in refusal([link])
    pipe = tmp_path / "pipe.csv"
    os.mkfifo(pipe)
    assert "not a regular file" in refusal([pipe])


def test_a_file_of_five_gigabytes_is_refused_before_it_is_read(tmp_path):
    large = tmp_path / "large.csv"
    with large.open("wb") as file:
        file.truncate(5 * 1024**3)  # a hole: nothing is written
    said = refusal([large])
    assert f"{large} holds 5.0 GB, and at most {LARGEST / 1024**3:.0f} GB are read" in said


def test_a_file_of_many_pieces_keeps_its_line_numbers(files, monkeypatch):
    from civicml.datasets import official_pieces

    monkeypatch.setattr(official_pieces, "_PIECE", 200)  # less than a line
    tables, report = read_official("road_collisions", files)
    assert report.rows_out == 11
    assert list(tables.vehicle["vehicle_reference"]) == [1, 2, 1, 1]
    changed(files[2], ",61,9,", ",161,9,")
    assert "line 4, column age_of_casualty: '161'" in refusal(files)


# --- France ---------------------------------------------------------------------------------------

NBSP = "\u00a0"
CARACTERISTIQUES = """
"Num_Acc";"jour";"mois";"an";"hrmn";"lum";"dep";"com";"agg";"int";"atm";"col";"adr";"lat";"long"
"202100000001";"30";"11";"2021";"07:32";"2";"30";"30319";"1";"1";"1";"1";"CD 981";"44,038958";"4,3480220000"
"202100000002";"25";"09";"2021";"18:20";"5";"2A";"2A004";"2";"6";"2";"6";"ALLÉE DES PINS";"41,9274";" 8,7369"
"202100000003";"05";"01";"2021";"00:07";"1";"75";"75056";"2";"3";" -1";"3";"";"48,85";"2,35"
"202100000004";"05";"01";"2021";"10:10";"1";"75";"75056";"2";"1";"8";"7";"";"0";"0"
"""
USAGERS = f"""
"Num_Acc";"id_vehicule";"num_veh";"place";"catu";"grav";"sexe";"an_nais";"trajet";"secu1";"secu2";"secu3";"locp";"actp";"etatp"
"202100000001";"201{NBSP}764";"B01";"1";"1";"3";"1";"2000";"1";"0";"9";" -1";" -1";" -1";" -1"
"202100000001";"201{NBSP}765";"A01";"1";"1";"1";"2";"1978";"1";"1";"0";" -1";" -1";" -1";" -1"
"202100000002";"201{NBSP}766";"A01";"10";"3";"2";"1";"1983";"0";"0";" -1";" -1";"3";"3";"1"
"202100000002";"201{NBSP}766";"A01";"1";"1";"4";" -1";"";"5";"1";" -1";" -1";" -1";" -1";" -1"
"202100000002";"201{NBSP}766";"A01";"2";"2";"4";"2";"1990";"5";"1";" -1";" -1";" -1";" -1";" -1"
"202100000003";"201{NBSP}767";"A01";"1";"1";"4";"1";"1950";"5";"1";" -1";" -1";" -1";" -1";" -1"
"202100000004";"201{NBSP}768";"A01";"1";"1";"1";"1";"1950";"5";"1";" -1";" -1";" -1";" -1";" -1"
"202100000009";"201{NBSP}769";"A01";"1";"1";"4";"1";"1950";"5";"1";" -1";" -1";" -1";" -1";" -1"
"202100000003";"201{NBSP}767";"A01";"2";"2";" -1";"1";"1950";"5";"1";" -1";" -1";" -1";" -1";" -1"
"""
VEHICULES = f"""
"Num_Acc";"id_vehicule";"num_veh";"senc";"catv";"obs";"obsm";"choc";"manv";"motor";"occutc"
"202100000001";"201{NBSP}764";"B01";"1";"1";"0";"2";"1";"1";"5";""
"202100000001";"201{NBSP}765";"A01";"1";"7";"0";"2";"4";"1";"1";""
"202100000002";"201{NBSP}766";"A01";"1";"7";"0";"1";"1";"1";"1";""
"202100000003";"201{NBSP}767";"A01";"1";"33";"0";"2";"1";"1";"1";""
"202100000004";"201{NBSP}768";"A01";"1";"7";"0";"2";"1";"1";"1";""
"""


@pytest.fixture
def french(tmp_path):
    paths = []
    for name, text in (("carcteristiques-2021", CARACTERISTIQUES), ("usagers-2021", USAGERS)):
        path = tmp_path / f"{name}.csv"
        path.write_text(text.lstrip(), encoding="utf-8")
        paths.append(path)
    return paths


def test_french_files_are_brought_into_the_schema_and_every_row_is_accounted_for(french):
    tables, report = read_official("road_collisions", french)
    assert list(tables) == ["collision", "casualty"]
    assert report.rows_in == 13
    assert report.rows_in == report.rows_out + len(report.reported)
    why = [(row.file, row.line, row.reason.split(" (")[0]) for row in report.reported]
    assert sorted(why) == [
        ("carcteristiques-2021.csv", 5, "nobody in usagers was hurt in it"),
        ("usagers-2021.csv", 3, "not hurt"),
        ("usagers-2021.csv", 8, "not hurt"),
        ("usagers-2021.csv", 9, "its accident is not in caracteristiques"),
        ("usagers-2021.csv", 10, "severity not stated"),
    ]


def test_grav_is_not_taken_for_a_scale(french):
    """1 is unhurt, 2 killed, 3 in hospital, 4 slightly hurt."""
    tables, _ = read_official("road_collisions", french)
    assert list(tables.collision["collision_severity"]) == [2, 1, 3]
    assert list(tables.casualty["casualty_severity"]) == [2, 1, 3, 3, 3]
    assert list(tables.collision["number_of_casualties"]) == [1, 3, 1]
    assert list(tables.collision["number_of_vehicles"]) == [2, 1, 1]


def test_french_codes_decimals_and_blanks_are_read(french):
    tables, report = read_official("road_collisions", french)
    collision, casualty = tables.collision, tables.casualty
    assert collision["date"].iloc[0] == pd.Timestamp("2021-11-30")
    assert list(collision["time"]) == ["07:32", "18:20", "00:07"]
    assert list(collision["light_conditions"]) == [1, 4, 1]
    assert list(collision["weather_conditions"]) == [1, 2, -1]
    assert list(collision["urban_or_rural_area"]) == [2, 1, 1]
    assert list(collision["junction_detail_historic"]) == [0, 1, 3]
    assert list(collision["road_type"]) == [-1, 1, -1]
    assert list(collision["junction_detail"]) == [0, 0, 13]
    assert np.allclose(collision["latitude"], [44.038958, 41.9274, 48.85])
    assert np.allclose(collision["longitude"], [4.348022, 8.7369, 2.35])
    assert list(collision["local_authority_ons_district"]) == ["30319", "2A004", "75056"]
    assert list(casualty["age_of_casualty"]) == [21, 38, -1, 31, 71]
    assert list(casualty["age_band_of_casualty"]) == [5, 7, -1, 6, 10]
    assert list(casualty["casualty_class"]) == [1, 3, 1, 2, 1]
    assert list(casualty["sex_of_casualty"]) == [1, 1, -1, 2, 1]
    assert list(casualty["pedestrian_location"]) == [0, 1, 0, 0, 0]
    assert list(casualty["vehicle_reference"]) == [2, 1, 1, 1, 1]
    assert list(casualty["casualty_reference"]) == [1, 1, 2, 3, 1]
    assert set(collision["speed_limit"]) == {-1}
    notes = " ".join(report.notes)
    words = ["col, adr", "column trajet has no place", "column actp", "speed_limit", "twilight"]
    for word in (*words, "BAAC says nothing of collision:"):
        assert word in notes, word


def test_vehicles_give_the_type_of_each_casualty(french, tmp_path):
    path = tmp_path / "vehicules-2021.csv"
    path.write_text(VEHICULES.lstrip(), encoding="utf-8")
    tables, report = read_official("road_collisions", [*french, path])
    assert list(tables.vehicle["vehicle_type"]) == [1, 9, 9, 5]
    assert list(tables.casualty["casualty_type"]) == [1, 0, 9, 9, 5]
    assert list(tables.casualty["car_passenger"]) == [0, 0, 0, 1, 0]
    assert report.rows_in == 18 == report.rows_out + len(report.reported)


def test_latin_1_is_read_and_noted(french):
    want, _ = read_official("road_collisions", french)
    for path in french:
        path.write_bytes(path.read_text(encoding="utf-8").encode("latin-1"))
    have, report = read_official("road_collisions", french)
    assert have.collision.equals(want.collision)
    assert sum("read as Latin-1" in note for note in report.notes) == 2


def test_the_name_that_2022_gave_the_number_is_known(french):
    changed(french[0], '"Num_Acc"', '"Accident_Id"')
    tables, _ = read_official("road_collisions", french)
    assert len(tables.collision) == 3


def test_lieux_is_recognised_and_said_not_to_be_read(french, tmp_path):
    path = tmp_path / "lieux-2021.csv"
    path.write_text('"Num_Acc";"catr";"voie";"circ";"surf";"vma"\n"202100000001";"3";"981";"2";"1";"80"\n')
    _, report = read_official("road_collisions", [*french, path])
    assert "lieux-2021.csv: recognised as BAAC lieux; not read, nothing is mapped." in report.notes
    assert report.rows_in == 13


def test_one_french_file_alone_is_refused(french):
    assert "BAAC needs a file of usagers too" in refusal(french[:1])
    assert "BAAC needs a file of caracteristiques too" in refusal(french[1:])


def test_two_countries_together_are_refused(files, french):
    said = refusal([files[0], french[0]])
    assert "is STATS19" in said
    assert "is BAAC; give the files of one country at a time" in said


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        (0, '"18:20"', '"28:20"', r"line 3, column hrmn: '28:20'; expected a time such as 07:32"),
        (
            0,
            '"30";"11";"2021"',
            '"31";"11";"2021"',
            r"line 2, column jour: '31'; expected a day that the month",
        ),
        (
            0,
            '"41,9274"',
            '"41.9.274"',
            r"line 3, column lat: '41.9.274'; expected degrees with a decimal comma",
        ),
        (0, '"07:32";"2"', '"07:32";"9"', r"line 2, column lum: '9'; expected one of 1, 2, 3, 4, 5, -1"),
        (1, '"1";"1";"3";"1"', '"1";"1";"5";"1"', r"line 2, column grav: '5'; expected one of"),
        (1, '"2000"', '"200"', r"line 2, column an_nais: '200'; expected a year of birth"),
        (1, '"an_nais"', '"naissance"', r"line 1: no column an_nais .* not known: .*naissance"),
        (0, '"CD 981"', '"CD 981', r"line 2: a quote is not closed"),
        (0, ';"44,038958"', "", r"line 2: 14 values where the header has 15"),
    ],
)
def test_french_mistakes_are_named_with_file_line_column_and_value(french, file, old, new, said):
    changed(french[file], old, new)
    message = refusal(french)
    assert message.startswith(str(french[file]))
    assert re.search(said, message), message


def test_real_code_lists_and_fictional_ones_are_both_known():
    codes = find_dataset("road_collisions").schema.tables["collision"].columns["police_force"].codes
    assert codes["43"] == "Thames Valley"
    assert codes["64"].endswith("(fictional)")
