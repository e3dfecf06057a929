"""A dossier is filled from a run: its figures, its facts, and nothing else."""

import shutil
from decimal import Decimal
from pathlib import Path

import pytest

from civicml.dossier import check, figures, fill, read
from civicml.errors import CivicmlError

EXAMPLE = Path(__file__).parents[2] / "course" / "handbook" / "example-dossier"
FACTS = {"version": 7, "run_id": "0" * 32, "hash": "1" * 64}


@pytest.fixture
def dossier(tmp_path):
    return Path(shutil.copytree(EXAMPLE, tmp_path / "dossier"))


@pytest.fixture
def metrics(dossier):
    """The example's own figures, as a run would have them."""
    return {figure.metric: float(figure.value) for figure in figures(read(dossier))}


def test_every_document_gets_the_figures_the_version_the_run_and_the_hash(dossier, metrics):
    metrics |= {"found_per_40": 6.11118, "found_per_40_low": 6.0, "found_per_40_high": 6.25}
    fill(dossier, metrics=metrics, facts=FACTS)
    filled = read(dossier)
    assert check(filled) == ()
    found = [figure for figure in figures(filled) if figure.metric == "found_per_40"]
    assert len(found) == 3
    expected = (Decimal("6.1112"), Decimal("6.0000"), Decimal("6.2500"))
    assert {(figure.value, figure.low, figure.high) for figure in found} == {expected}
    text = "".join(path.read_text() for path in dossier.iterdir())
    assert "5d0c7a1e94b24f3f8a6be2c1907d4e38" not in text
    assert text.count("version = 7\n") == 7


def test_a_quantity_takes_its_number_from_a_metric_and_keeps_its_unit(dossier, metrics):
    fill(dossier, metrics=metrics | {"rows": 123.0}, facts={}, quantities={"training.rows": "rows"})
    text = (dossier / "model_card.md").read_text()
    assert 'rows = { value = 123, unit = "appointments on a list, October 2024 to September 2025" }' in text


def test_prose_is_filled_where_it_names_the_metric_and_keeps_its_decimals(dossier, metrics):
    path = dossier / "model_card.md"
    mark = "in 40 calls, 0.0<!--= found_per_40 --> of 1<!--= rows -->; 12%<!--= auc --> and 5"
    path.write_text(path.read_text() + f"\nIt finds, {mark}.\n")
    fill(dossier, metrics=metrics | {"rows": 39295.0}, facts={})
    fill(dossier, metrics=metrics | {"rows": 39295.0}, facts={})  # twice is as good as once
    expected = "in 40 calls, 6.5<!--= found_per_40 --> of 39,295<!--= rows -->; 64%<!--= auc --> and 5."
    assert expected in path.read_text()


def test_what_names_no_metric_stays_as_it_was(dossier, metrics):
    before = {path.name: path.read_text() for path in dossier.iterdir()}
    for name in metrics:
        metrics[name] = round(metrics[name], 4)
    fill(dossier, metrics=metrics, facts={})
    for path in dossier.iterdir():
        old, new = before[path.name].split("\n"), path.read_text().split("\n")
        changed = [line for line, other in zip(new, old, strict=True) if line != other]
        assert all(line.startswith("value = ") for line in changed)


def test_a_figure_that_the_run_does_not_have_is_named_and_nothing_is_written(dossier, metrics):
    before = {path.name: path.read_text() for path in dossier.iterdir()}
    del metrics["recall_sex_male"]
    with pytest.raises(CivicmlError, match="'recall_sex_male'"):
        fill(dossier, metrics=metrics, facts=FACTS)
    assert {path.name: path.read_text() for path in dossier.iterdir()} == before


def test_a_missing_document_is_one_sentence(dossier, metrics):
    (dossier / "datasheet.md").unlink()
    with pytest.raises(CivicmlError, match=r"datasheet\.md cannot be read"):
        fill(dossier, metrics=metrics, facts=FACTS)
