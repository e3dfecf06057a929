"""``civicml datasets`` as it is typed."""

import os
import shutil
import subprocess
import sys

import pandas as pd
import pytest

from civicml.cli import main


def civicml(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "civicml", "datasets", *words],
        env=os.environ | {"COLUMNS": "160"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_list_and_describe(tiny):
    listed = civicml("list")
    assert listed.returncode == 0, listed.stderr
    assert "tiny" in listed.stdout
    assert "nowhere" in listed.stdout
    described = civicml("describe", "tiny")
    assert described.returncode == 0, described.stderr
    assert "Whether they are ill." in described.stdout
    assert "Corley, Beckford, Ashby" in described.stdout


def test_build_to_the_cache_and_to_a_directory(tiny, tmp_path):
    built = civicml("build", "tiny")
    assert built.returncode == 0, built.stderr
    assert "people: 1,000 rows x 3 columns" in built.stdout
    elsewhere = civicml("build", "tiny", "--to", str(tmp_path / "out"), "--rows", "50")
    assert elsewhere.returncode == 0, elsewhere.stderr
    assert "people: 50 rows" in elsewhere.stdout
    as_csv = civicml("build", "tiny", "--to", str(tmp_path / "csv"), "--csv")
    assert as_csv.returncode == 0, as_csv.stderr
    assert len(pd.read_csv(tmp_path / "csv" / "people.csv")) == 1_000


def test_verify_fails_until_hash_and_report_are_recorded(tiny):
    folder = tiny / "datasets" / "nowhere" / "tiny"
    assert "There is no checksums.toml" in civicml("verify", "tiny").stderr
    recorded = civicml("verify", "tiny", "--record")
    assert (folder / "checksums.toml").is_file()
    assert "k-anonymity on town | 3 |" in (folder / "disclosure.md").read_text()
    assert recorded.returncode == 1  # a datasheet is still missing
    assert "1 of 7 checks of 'tiny' fail" in recorded.stderr
    headings = (
        "Motivation, Composition, Collection, Disclosure control, Uses, Known quirks, Licence, Maintenance"
    )
    (folder / "datasheet.md").write_text("".join(f"## {heading}\n" for heading in headings.split(", ")))
    assert civicml("verify", "tiny").returncode == 0
    recipe = folder / "recipe.py"
    recipe.write_text(recipe.read_text().replace("rng.random(rows) < 0.5", "rng.random(rows) < 0.7"))
    changed = civicml("verify", "tiny")
    assert changed.returncode == 1
    assert "FAILS" in changed.stdout
    assert "2 of 8 checks of 'tiny' fail" in changed.stderr


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["build", "tinny"], "There is no dataset called 'tinny'"),
        (["describe", "../tiny"], "There is no dataset called '../tiny'"),
        (["build", "tiny", "--rows", "5"], "Say where with --to"),
        (["build", "tiny", "--csv"], "Say where with --to"),
        (["build", "tiny", "--csv", "--rows", "5", "--to", "x"], "leave out --rows"),
        (["build", "tiny", "--to", "."], "exists already"),
        (["build", "tiny", "--to", "x", "--rows", "0"], "at least one row"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_sentence(tiny, tmp_path, monkeypatch, capsys, words, says):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["civicml", "datasets", *words])
    with pytest.raises(SystemExit) as stopped:
        main()
    said = capsys.readouterr().err
    assert stopped.value.code == 1
    assert says in said
    assert len(said.splitlines()) == 1


def test_build_without_a_name_builds_every_dataset(tiny, tmp_path):
    shutil.copytree(tiny / "datasets" / "nowhere" / "tiny", tiny / "datasets" / "nowhere" / "other")
    schema = tiny / "datasets" / "nowhere" / "other" / "schema.toml"
    schema.write_text(schema.read_text().replace('name = "tiny"', 'name = "other"'))
    built = civicml("build")
    assert built.returncode == 0, built.stderr
    assert "tiny: ready in" in built.stdout
    assert "other: ready in" in built.stdout
    assert len(list((tmp_path / "cache").glob("*/published-*/people.parquet"))) == 2
    refused = civicml("build", "--csv")
    assert refused.returncode == 1
    assert "are for one dataset: name it" in refused.stderr


def test_one_dataset_that_cannot_be_built_does_not_stop_the_others(tiny, tmp_path):
    shutil.copytree(tiny / "datasets" / "nowhere" / "tiny", tiny / "datasets" / "nowhere" / "other")
    (tiny / "datasets" / "nowhere" / "other" / "schema.toml").write_text("name = ")
    built = civicml("build")
    assert built.returncode == 1
    assert "tiny: ready in" in built.stdout
    assert "other" in built.stderr
    assert "is not valid TOML" in built.stderr


PICTURE = """
from matplotlib.figure import Figure

def draw(tables):
    figure = Figure()
    axes = figure.subplots()
    counts = tables["people"]["town"].value_counts()
    axes.bar(counts.index, counts)
    return figure, f"{counts.iloc[0]} people live in {counts.index[0]}."
"""


@pytest.mark.parametrize("kind", [".png", ".svg", ".pdf"])
def test_describe_draws_a_picture_and_says_what_is_in_it(tiny, tmp_path, kind):
    (tiny / "datasets" / "nowhere" / "tiny" / "picture.py").write_text(PICTURE)
    drawn = civicml("describe", "tiny", "--picture", str(tmp_path / f"tiny{kind}"))
    assert drawn.returncode == 0, drawn.stderr
    assert "people live in" in drawn.stdout
    content = (tmp_path / f"tiny{kind}").read_bytes()
    assert content.startswith({".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF"}[kind])
    assert b"people live in" in content


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("tiny.docx", "is no kind of picture"),
        ("missing/tiny.png", "cannot be written"),
        ("t.png", "no picture"),
    ],
)
def test_a_picture_that_cannot_be_drawn_is_refused(tiny, tmp_path, file, said):
    if said != "no picture":
        (tiny / "datasets" / "nowhere" / "tiny" / "picture.py").write_text(PICTURE)
    drawn = civicml("describe", "tiny", "--picture", str(tmp_path / file))
    assert drawn.returncode == 1
    assert said in drawn.stderr
    assert not list(tmp_path.glob("*.png"))
