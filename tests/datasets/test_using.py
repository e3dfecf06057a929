"""Official files in the place of a dataset: served by ``load``, never half, and never to graders."""

import textwrap
from pathlib import Path

import pandas as pd
import pytest

from civicml.datasets import (
    content_hash,
    find_dataset,
    load,
    load_published,
    official_in_use,
    overview,
    use_official,
    use_published,
    verify,
    write_csv,
)
from civicml.errors import CivicmlError

READER = """
    import pandas as pd

    from civicml.datasets.official import ReadReport, parse_counts, read_source, recode

    def read(paths):
        names = {"town": ["Town"], "shift": ["Shift"], "ill": ["Ill"]}
        sources = [read_source(path, names) for path in paths]
        frames = [pd.DataFrame({
            "town": recode(source, "town", {name: name for name in ("Corley", "Beckford", "Ashby")}),
            "shift": parse_counts(source, "shift").astype("int64"),
            "ill": pd.Series(recode(source, "ill", {"yes": "yes", "no": "no"}) == "yes"),
        }) for source in sources]
        people = pd.concat(frames, ignore_index=True)
        return {"people": people}, ReadReport(len(people), len(people))
"""
OTHER_TABLE = """
    [tables.visits]
    description = "One row a visit."

    [tables.visits.columns.day]
    type = "integer"
    description = "Which day."
    missing = false
"""


@pytest.fixture
def reader(tiny) -> Path:
    """The tiny dataset with a reader of official files; its folder."""
    folder = tiny / "datasets" / "nowhere" / "tiny"
    (folder / "official.py").write_text(textwrap.dedent(READER))
    return folder


@pytest.fixture
def official(tmp_path) -> Path:
    path = tmp_path / "downloaded.csv"
    path.write_text("Town,Shift,Ill\nAshby,7,yes\nCorley,7,no\nCorley,8,no\n")
    return path


@pytest.fixture
def civicml(monkeypatch):
    """``civicml datasets …`` as it is typed; gives the exit status."""
    from civicml.cli import main

    def run(*words: str) -> int:
        monkeypatch.setattr("sys.argv", ["civicml", "datasets", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code or 0

    return run


def test_load_serves_the_official_rows_until_told_otherwise(civicml, reader, official, capsys):
    ours = content_hash(load("tiny"))
    assert civicml("use", "tiny", str(official)) == 0
    assert "3 rows read, 3 taken over" in capsys.readouterr().out
    people = load("tiny").people
    assert people["shift"].tolist() == [7, 7, 8]
    assert people["town"].tolist() == ["Ashby", "Corley", "Corley"]
    assert list(people["town"].cat.categories) == ["Corley", "Beckford", "Ashby"]
    assert repr(load("tiny")).startswith("tiny (official)")
    assert civicml("use", "tiny", "--published") == 0
    assert content_hash(load("tiny")) == ours
    assert not use_published("tiny")


def test_what_graders_set_gives_the_published_tables(reader, official, monkeypatch):
    ours = content_hash(load("tiny"))
    use_official("tiny", [official])
    monkeypatch.setenv("CIVICML_DATA", "published")
    assert content_hash(load("tiny")) == ours
    monkeypatch.setenv("CIVICML_DATA", "syntetic")
    with pytest.raises(CivicmlError, match="CIVICML_DATA is 'syntetic'"):
        load("tiny")


def test_what_the_course_publishes_is_not_touched(reader, official, tmp_path):
    use_official("tiny", [official])
    assert len(load_published("tiny").people) == 1_000
    written = write_csv("tiny", tmp_path / "csv")
    assert len(pd.read_csv(written[0])) == 1_000
    (reader / "checksums.toml").write_text('[published]\npeople = "another"\n')
    rows = {check.what: check for check in verify("tiny")}
    assert rows["k-anonymity of people"].found != "1"


def test_a_bad_file_leaves_what_was_in_use(reader, official, tmp_path):
    use_official("tiny", [official])
    before = content_hash(load("tiny"))
    bad = tmp_path / "bad.csv"
    bad.write_text("Town,Shift,Ill\nAshby,7,yes\nLondon,7,no\n")
    with pytest.raises(CivicmlError, match=r"bad.csv, line 3, column Town: 'London'"):
        use_official("tiny", [bad])
    assert content_hash(load("tiny")) == before
    assert official_in_use(find_dataset("tiny")).files == ["downloaded.csv"]
    assert not list((tmp_path / "cache").rglob(".building-*"))


def test_a_file_of_five_gigabytes_is_refused_unread(civicml, reader, tmp_path, capsys):
    huge = tmp_path / "huge.csv"
    with huge.open("wb") as file:
        file.truncate(5 * 1024**3)
    assert civicml("use", "tiny", str(huge)) == 1
    assert "holds 5.0 GB" in capsys.readouterr().err


def test_a_table_that_the_official_files_lack_is_named(reader, official):
    with (reader / "schema.toml").open("a") as schema:
        schema.write(textwrap.dedent(OTHER_TABLE))
    use_official("tiny", [official])
    with pytest.raises(AttributeError, match=r"hold no table 'visits', only people.*--published"):
        _ = load("tiny").visits


def test_files_read_by_an_older_reader_are_read_again(reader, official):
    use_official("tiny", [official])
    with (reader / "official.py").open("a") as file:
        file.write("\n# Reads more than it did.\n")
    with pytest.raises(CivicmlError, match="before its schema or reader changed"):
        load("tiny")


def test_damage_is_said_and_mended_by_going_back(reader, official, tmp_path):
    use_official("tiny", [official])
    (tmp_path / "cache" / "tiny" / "official" / "official.json").write_text("{")
    with pytest.raises(CivicmlError, match="is damaged"):
        load("tiny")
    assert use_published("tiny")
    assert len(load("tiny").people) == 1_000


@pytest.mark.parametrize("words", [[], ["--published", "a.csv"]])
def test_files_or_going_back_and_not_both(civicml, reader, words, capsys):
    assert civicml("use", "tiny", *words) == 1
    assert "one of the two" in capsys.readouterr().err


def test_the_list_says_what_is_served_and_how_large_it_is(reader, official, tmp_path):
    assert overview()[0].tables[0].rows is None
    load("tiny")
    (reader / "checksums.toml").write_text('[published]\npeople = "0123456789abcdef"\n')
    entry = overview()[0]
    assert (entry.name, entry.domain, entry.serves) == ("tiny", "nowhere", "the course's tables")
    assert (entry.tables[0].table, entry.tables[0].rows) == ("people", 1_000)
    assert entry.tables[0].content == "0123456789abcdef"
    size = sum(path.stat().st_size for path in (tmp_path / "cache").rglob("people.parquet"))
    assert entry.tables[0].megabytes == pytest.approx(size / 1e6)
    use_official("tiny", [official])
    assert overview()[0].serves.startswith("official files (1 file, read ")
