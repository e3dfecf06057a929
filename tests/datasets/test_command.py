"""``civicml datasets`` as it is typed."""

import os
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
