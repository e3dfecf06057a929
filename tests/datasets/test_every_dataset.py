"""What holds for every dataset of the course: its folder's promises, its kit, its seal, any size."""

import re
from pathlib import Path

import pytest

from civicml.course import load_course
from civicml.datasets import (
    all_datasets,
    build,
    build_sealed,
    content_hash,
    export_published,
    load_published,
    verify,
)
from civicml.datasets.recipe import load_module, load_recipe
from civicml.datasets.tables import read_tables

REPOSITORY = Path(__file__).parents[2]
DATASETS = all_datasets(REPOSITORY)
SECRET = "a secret of thirty-two characters"
FOR_LEARNERS = {"schema.toml", "datasheet.md", "official.py", "picture.py", "checksums.toml"}
FEW = 20_000

every_dataset = pytest.mark.parametrize("dataset", DATASETS, ids=lambda dataset: dataset.name)


def test_there_are_datasets_and_written_weeks_use_only_those():
    names = {dataset.name for dataset in DATASETS}
    assert names
    for week in load_course(REPOSITORY).written_weeks:
        assert set(week.datasets) <= names


@every_dataset
def test_the_folder_keeps_its_promises(dataset):
    """Contract, content hash, every calibration figure, k, l, counts, attacks, documents."""
    failed = [
        f"{c.what}: expected {c.expected}, found {c.found}" for c in verify(dataset.name) if not c.holds
    ]
    assert not failed


@every_dataset
def test_the_name_is_the_same_everywhere(dataset):
    assert dataset.schema.name == dataset.name == dataset.folder.name


@every_dataset
def test_a_kit_gets_published_tables_and_nothing_that_tells_what_was_planted(dataset, tmp_path):
    export_published(dataset.name, tmp_path / "kit")
    held = {path.name for path in (tmp_path / "kit").rglob("*")}
    tables = {f"{table}.parquet" for table in dataset.schema.tables}
    assert tables <= held
    assert held <= tables | FOR_LEARNERS


@every_dataset
def test_any_size_is_deterministic_and_sealed_rows_are_other_rows(dataset, tmp_path):
    build(dataset.name, tmp_path / "one", rows=FEW)
    build(dataset.name, tmp_path / "two", rows=FEW)
    build_sealed(dataset.name, SECRET, tmp_path / "sealed", rows=FEW)
    one, two, sealed = (read_tables(tmp_path / n, dataset.schema, n) for n in ("one", "two", "sealed"))
    assert content_hash(one) == content_hash(two)
    for name, table in dataset.schema.tables.items():
        assert one[name].equals(sealed[name]) == table.shared, name


@every_dataset
def test_figures_are_those_that_the_recipe_measures(dataset):
    from civicml.datasets.calibration import read_figures

    figures = read_figures(dataset.folder / "recipe.py")
    assert figures
    assert load_recipe(dataset).rows >= 10_000
    for figure in figures.values():
        assert figure.source
        assert figure.why


@every_dataset
def test_its_picture_has_labelled_axes_and_says_in_words_what_is_to_be_seen(dataset):
    module = load_module(dataset.folder / "picture.py", f"picture_of_{dataset.name}")
    figure, description = module.draw(load_published(dataset.name))
    panels = [axes for axes in figure.axes if axes.get_visible() and axes.has_data()]
    assert 4 <= len(panels) <= 6
    for axes in panels:
        assert axes.get_xlabel(), axes.get_title()
        assert axes.get_ylabel() or axes.yaxis.get_ticklabels(), axes.get_title()
    sentences = [sentence for sentence in re.split(r"(?<=[.])\s", description) if sentence]
    assert 2 <= len(sentences) <= 8
    assert re.search(r"\d", description)
