"""A dataset that is kept year by year is loaded, built, sealed and handed out by it; codes have meanings."""

import shutil
import textwrap

import pytest

from civicml.datasets import (
    build,
    build_sealed,
    code_labels,
    export_published,
    load,
    load_sealed,
    record,
    use_official,
    verify,
)
from civicml.datasets.schema import check
from civicml.errors import CivicmlError

SECRET = "a secret of thirty-two characters"

RECIPE = """
    import os
    from pathlib import Path

    import numpy as np
    import pandas as pd

    ROWS = 1_000

    def generate(streams, rows):
        log = os.environ.get("TINY_LOG")
        if log:
            with Path(log).open("a") as file:
                file.write(f"{streams.year}\\n")
        yield {"people": pd.DataFrame({
            "year": np.full(rows, streams.year),
            "town": pd.Categorical.from_codes(streams.rng("towns").integers(0, 2, rows), ["Ashby", "Corley"]),
            "state": streams.rng("states").integers(0, 2, rows),
        })}

    def publish(raw, streams, rules):
        yield {"people": raw.read("people")}

    def measure(tables):
        return {"years": tables["people"]["year"].nunique()}
"""
SCHEMA = """
    name = "tiny"
    title = "A tiny dataset"
    source = "nobody"
    main_table = "people"

    [years]
    column = "year"
    published = [2021, 2022, 2023]
    default = [2023]
    measured = [2021, 2023]
    sealed = [2023, 2024]

    [tables.people]
    description = "One row a person."

    [tables.people.columns.year]
    type = "integer"
    description = "The year."
    missing = false

    [tables.people.columns.town]
    type = "category"
    description = "Where they live."
    missing = false

    [tables.people.columns.state]
    type = "integer"
    description = "How they are."
    missing = false
    missing_codes = [-1]

    [tables.people.columns.state.codes]
    -1 = "Not known"
    0 = "Well"
    1 = "Ill"
"""
CALIBRATION = """
    [figures.years]
    what = "years measured"
    value = 2
    tolerance = 0.1
    year = "2025"
    source = "nobody"
    why = "two"
"""


@pytest.fixture
def yearly(tiny):
    folder = tiny / "datasets" / "nowhere" / "tiny"
    for name, text in (("recipe.py", RECIPE), ("schema.toml", SCHEMA), ("calibration.toml", CALIBRATION)):
        (folder / name).write_text(textwrap.dedent(text))
    (folder / "disclosure.toml").write_text("")
    return tiny


def years_of(tables):
    return sorted(tables.people["year"].unique())


@pytest.mark.parametrize(
    ("wanted", "got"),
    [(None, [2023]), (2021, [2021]), ([2023, 2021], [2021, 2023]), (range(2021, 2023), [2021, 2022])],
)
def test_the_years_asked_for_are_loaded(yearly, wanted, got):
    assert years_of(load("tiny", years=wanted)) == got


def test_all_years_can_be_asked_for_and_differ_from_one_another(yearly):
    people = load("tiny", years="all").people
    assert years_of(load("tiny", years="all")) == [2021, 2022, 2023]
    one, other = (people.loc[people["year"] == year, "state"].to_numpy() for year in (2021, 2022))
    assert (one != other).any()
    assert list(people["town"].cat.categories) == ["Ashby", "Corley"]


def test_a_year_is_built_when_it_is_first_asked_for_and_once(yearly, tmp_path, monkeypatch):
    monkeypatch.setenv("TINY_LOG", str(tmp_path / "log"))
    load("tiny")
    load("tiny", years=[2022, 2023])
    load("tiny", years="all")
    assert (tmp_path / "log").read_text().split() == ["2023", "2022", "2021"]


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (2030, "has no year 2030; it has 2021, 2022, 2023"),
        (2024, "has no year 2024"),
        ([], "it has 2021, 2022, 2023"),
        ("2023", "years is '2023'; give a year such as 2023, several, or 'all'"),
    ],
)
def test_a_year_that_is_not_there_is_refused_with_those_that_are(yearly, wanted, said):
    with pytest.raises(CivicmlError, match=said):
        load("tiny", years=wanted)


def test_a_dataset_without_years_says_so(tiny):
    with pytest.raises(CivicmlError, match="'tiny' is not kept year by year; load it without years"):
        load("tiny", years=2023)


def test_a_build_elsewhere_holds_the_years_in_one_place(yearly, tmp_path):
    made = build("tiny", tmp_path / "two", rows=10, years=[2021, 2022])
    assert made.rows == {"people": 20}
    with pytest.raises(CivicmlError, match="has no year 2019"):
        build("tiny", tmp_path / "none", years=[2019])
    assert not (tmp_path / "none").exists()


def test_the_seal_has_years_of_its_own(yearly, tmp_path, monkeypatch):
    build_sealed("tiny", SECRET, tmp_path / "cohort" / "sealed" / "tiny", rows=10)
    monkeypatch.setenv("CIVICML_COHORT", str(tmp_path / "cohort"))
    assert years_of(load_sealed("tiny")) == [2023, 2024]
    assert years_of(load_sealed("tiny", years=[2024])) == [2024]


def test_a_kit_holds_every_published_year(yearly, tmp_path, monkeypatch):
    everything = load("tiny", years="all").people
    kit = tmp_path / "kit"
    export_published("tiny", kit / "data" / "tiny")
    (kit / "course").mkdir()
    (kit / "course" / "course.toml").write_text("")
    (kit / "kit.toml").write_text("")
    shutil.rmtree(yearly)
    monkeypatch.setenv("CIVICML_COURSE", str(kit))
    assert years_of(load("tiny")) == [2023]
    assert load("tiny", years="all").people.equals(everything)


def test_figures_are_measured_on_the_years_that_are_named(yearly):
    record("tiny")
    found = [check.found for check in verify("tiny") if check.area == "calibration"]
    assert found == ["2.0000"]


def test_what_was_loaded_can_be_changed(yearly):
    people = load("tiny").people
    people.loc[0, "state"] = -1
    assert people["state"].iloc[0] == -1


def test_codes_have_meanings_and_others_are_refused(yearly):
    assert code_labels("tiny", "state") == {-1: "Not known", 0: "Well", 1: "Ill"}
    with pytest.raises(CivicmlError, match="no column 'town' with codes"):
        code_labels("tiny", "town")
    from civicml.datasets import find_dataset

    people = load("tiny").people
    people.loc[3, "state"] = 7
    with pytest.raises(CivicmlError, match=r"column 'state', row 3: 7; expected that it is one of -1, 0, 1"):
        check(people, find_dataset("tiny").schema.tables["people"], "people")


READER = """
    import pandas as pd

    from civicml.datasets.official import ReadReport

    def read(paths):
        people = pd.concat([pd.read_csv(path) for path in paths], ignore_index=True)
        return {"people": people}, ReadReport(len(people), len(people))
"""


def test_official_files_have_years_of_their_own(yearly, tmp_path):
    (yearly / "datasets" / "nowhere" / "tiny" / "official.py").write_text(textwrap.dedent(READER))
    downloaded = tmp_path / "people.csv"
    downloaded.write_text("year,town,state\n2019,Ashby,0\n2020,Corley,1\n2020,Ashby,1\n")
    use_official("tiny", [downloaded])
    assert load("tiny").people["year"].tolist() == [2020, 2020]
    assert load("tiny", years="all").people["year"].tolist() == [2019, 2020, 2020]
    assert load("tiny", years=2019).people["town"].tolist() == ["Ashby"]
    with pytest.raises(CivicmlError, match="'tiny' has no year 2023; it has 2019, 2020"):
        load("tiny", years=[2020, 2023])
    downloaded.write_text("year,town,state\n2022,Ashby,0\n2023,Corley,1\n2024,Ashby,1\n")
    use_official("tiny", [downloaded])
    assert load("tiny").people["year"].tolist() == [2023]
