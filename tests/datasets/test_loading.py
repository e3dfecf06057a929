"""Who can load what: learners the published tables, instructors the rest; and what a frame carries."""

import re
import shutil

import pandas as pd
import pytest

from civicml.datasets import (
    all_datasets,
    build_raw,
    build_sealed,
    content_hash,
    export_published,
    load,
    load_raw,
    load_sealed,
    verify,
    write_csv,
)
from civicml.errors import CivicmlError

SECRET = "a secret of thirty-two characters"


@pytest.fixture
def kit(tiny, tmp_path, monkeypatch):
    """A learner's kit with the tiny dataset, and nothing left of the course or its cache."""
    root = tmp_path / "kit"
    export_published("tiny", root / "data" / "tiny")
    (root / "course").mkdir()
    (root / "course" / "course.toml").write_text("")
    (root / "kit.toml").write_text("")
    shutil.rmtree(tiny)
    shutil.rmtree(tmp_path / "cache")
    monkeypatch.setenv("CIVICML_COURSE", str(root))
    return root


def test_tables_are_a_read_only_collection_with_attributes(gp):
    assert list(gp) == ["appointments", "patients", "daily_counts"]
    assert gp["patients"] is gp.patients
    assert len(gp) == 3
    assert "appointments: 252,947 rows x 13 columns" in repr(gp)
    with pytest.raises(TypeError):
        gp["more"] = pd.DataFrame()
    with pytest.raises(
        KeyError, match="has no table 'practices'; it has appointments, patients, daily_counts"
    ):
        gp["practices"]
    with pytest.raises(AttributeError, match="it has appointments, patients, daily_counts"):
        gp.practices  # noqa: B018


def test_categories_are_in_the_order_of_the_schema_and_units_are_attached(tiny):
    people = load("tiny").people
    assert people["town"].cat.ordered
    assert list(people["town"].cat.categories) == ["Corley", "Beckford", "Ashby"]
    assert people.attrs["columns"]["ill"] == "Whether they are ill."


def test_every_value_is_the_one_in_the_file_whatever_order_its_dictionary_is_in(kit):
    path = kit / "data" / "tiny" / "people.parquet"
    stored = pd.read_parquet(path)
    stored.loc[[0, 5], "town"] = None
    stored.to_parquet(path)
    towns = load("tiny").people["town"]
    assert towns.isna().sum() == 2
    assert (towns.astype("str").fillna("-") == stored["town"].astype("str").fillna("-")).all()


def test_types_are_those_that_lessons_rely_on(gp):
    appointments, patients = gp.appointments, gp.patients
    assert appointments["appointment_id"].dtype == patients["patient_id"].dtype == "int64"
    assert appointments["booking_date"].dtype == appointments["appointment_date"].dtype == "datetime64[us]"
    assert appointments["reminder_sent"].dtype == "bool"
    assert appointments["appt_status"].dtype == "str"
    assert appointments["duration_minutes"].dtype == "Int16"
    assert appointments["time_between_book_and_appt"].cat.ordered
    assert patients["age_band"].cat.ordered
    assert list(patients["age_band"].cat.categories) == ["0-17", "18-34", "35-49", "50-64", "65-79", "80+"]
    assert patients["imd_decile"].dtype == "Int16"
    assert appointments.attrs["units"]["duration_minutes"] == "minutes"


def test_a_frame_that_was_changed_does_not_change_the_next_one(tiny):
    mine = load("tiny")
    mine.people["ill"] = True
    assert not load("tiny").people["ill"].all()


def test_an_unknown_dataset_is_refused_with_those_there_are(tiny):
    with pytest.raises(CivicmlError, match=r"no dataset called 'tinny'. Datasets you can use: tiny\."):
        load("tinny")


@pytest.mark.parametrize("name", ["../tiny", "nowhere/tiny", "", "."])
def test_a_name_is_not_a_path(tiny, name):
    with pytest.raises(CivicmlError, match="no dataset called"):
        load(name)


def test_a_damaged_file_is_named(tiny, tmp_path):
    load("tiny")
    (stored,) = (tmp_path / "cache" / "tiny").glob("published-*/people.parquet")
    stored.write_bytes(stored.read_bytes()[:-20])
    with pytest.raises(CivicmlError, match=re.escape(str(stored))):
        load("tiny")


def test_a_missing_file_is_named(kit):
    (kit / "data" / "tiny" / "people.parquet").unlink()
    with pytest.raises(CivicmlError, match="Table 'people' of 'tiny' is missing"):
        load("tiny")


def test_a_renamed_column_is_named(kit):
    path = kit / "data" / "tiny" / "people.parquet"
    pd.read_parquet(path).rename(columns={"town": "city"}).to_parquet(path)
    with pytest.raises(CivicmlError, match="Table 'people' has no column 'town'; it has city, shift, ill"):
        load("tiny")


def test_a_value_outside_the_code_list_is_named(kit):
    path = kit / "data" / "tiny" / "people.parquet"
    pd.read_parquet(path).assign(town="Derby").to_parquet(path)
    with pytest.raises(CivicmlError, match="column 'town' is not category: 'Derby' is not in its code list"):
        load("tiny")


def test_a_kit_gives_the_published_tables_and_needs_no_cache(kit, tmp_path):
    assert len(load("tiny").people) == 1_000
    assert [dataset.name for dataset in all_datasets()] == ["tiny"]
    assert not (tmp_path / "cache").exists()


def test_a_kit_holds_only_what_learners_may_see(kit):
    held = {path.name for path in (kit / "data" / "tiny").iterdir()}
    assert held == {"people.parquet", "schema.toml"}  # this one has no datasheet, reader or checksums


def test_from_a_kit_nobody_reaches_raw_or_sealed(kit, tmp_path, monkeypatch):
    cohort = tmp_path / "cohort"
    shutil.copytree(kit / "data" / "tiny", cohort / "sealed" / "tiny")
    monkeypatch.setenv("CIVICML_COHORT", str(cohort))
    attempts = [
        lambda: load_raw("tiny"),
        lambda: load_sealed("tiny"),
        lambda: build_raw("tiny", tmp_path / "raw"),
        lambda: build_sealed("tiny", SECRET, tmp_path / "sealed"),
    ]
    for attempt in attempts:
        with pytest.raises(CivicmlError, match="not in a learner's kit"):
            attempt()
    assert not (tmp_path / "raw").exists()
    assert not (tmp_path / "sealed").exists()


def test_a_kit_inside_a_repository_does_not_look_outside(tiny, tmp_path, monkeypatch):
    (tiny / "kit.toml").write_text("")
    with pytest.raises(CivicmlError, match="Datasets you can use: none yet"):
        load("tiny")


def test_the_sealed_tables_come_from_the_cohort(tiny, tmp_path, monkeypatch):
    monkeypatch.setenv("CIVICML_COHORT", str(tmp_path / "cohort"))
    with pytest.raises(CivicmlError, match="no sealed tables in"):
        load_sealed("tiny")
    build_sealed("tiny", SECRET, tmp_path / "cohort" / "sealed" / "tiny")
    assert content_hash(load_sealed("tiny")) != content_hash(load("tiny"))


def test_without_a_cohort_there_are_no_sealed_tables(tiny, monkeypatch):
    monkeypatch.delenv("CIVICML_COHORT", raising=False)
    with pytest.raises(CivicmlError, match="set CIVICML_COHORT"):
        load_sealed("tiny")


def test_the_raw_tables_name_people(tiny):
    assert load_raw("tiny").people["name"].iloc[0] == "Person 0"
    assert "name" not in load("tiny").people


def test_csv_for_whoever_asks(kit, tmp_path):
    (path,) = write_csv("tiny", tmp_path / "csv")
    assert path.read_text().splitlines()[0] == "town,shift,ill"
    assert len(pd.read_csv(path)) == 1_000
    with pytest.raises(CivicmlError, match="exists already"):
        write_csv("tiny", tmp_path / "csv")


def test_a_kit_can_be_verified_against_its_checksums(kit):
    from civicml.datasets.checksums import checksums_text

    folder = kit / "data" / "tiny"
    (folder / "checksums.toml").write_text(checksums_text(load("tiny")))
    assert all(check.holds for check in verify("tiny"))
    people = pd.read_parquet(folder / "people.parquet")
    people.assign(ill=~people["ill"]).to_parquet(folder / "people.parquet")
    assert [check.area for check in verify("tiny") if not check.holds] == ["content"]
