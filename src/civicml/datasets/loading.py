"""Loads tables: the published ones for everybody, the raw and sealed ones on the instructors' side only."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import pandas as pd

from civicml.datasets.building import built
from civicml.datasets.catalogue import find_dataset, refuse_in_kit
from civicml.datasets.schema import choose_years
from civicml.datasets.tables import RawTables, Tables, read_tables
from civicml.datasets.using import load_official, official_in_use
from civicml.errors import CivicmlError

COHORT_VARIABLE = "CIVICML_COHORT"


_kept: dict[str, Tables] = {}


def keep(name: str, tables: Tables) -> None:
    """From now on `load` gives these in this process, and in all that fork from it, without reading a file.

    Each call gets frames of its own over the same memory: pandas copies what is written to.
    """
    _kept[name] = tables


def load(name: str, *, years: int | Iterable[int] | Literal["all"] | None = None) -> Tables:
    """The tables of a dataset, as pandas frames: the published ones, or those of official files in use.

    In a learner's kit they are read from its ``data`` folder. In the course's repository they come
    from the cache, and are built on first use (a few seconds). After ``civicml datasets use`` they are
    those of the real source's files, as far as it has them.

    Args:
        name: for example ``"gp_appointments"``.
        years: for a dataset that is kept year by year: one year, several, or ``"all"``. Without it you get
            the year or years its schema names as usual.

    Returns:
        The tables, by name or as attributes. Categories are ordered where their values are; units
        and descriptions of columns are in each frame's ``attrs``.

    Raises:
        CivicmlError: no such dataset or year, a damaged file, or a cache that cannot be written.
    """
    if years is None and name in _kept:
        return _kept[name]._copy()
    dataset = find_dataset(name)
    facts = official_in_use(dataset)
    return load_published(name, years=years) if facts is None else load_official(dataset, facts, years)


def load_published(name: str, *, years: int | Iterable[int] | Literal["all"] | None = None) -> Tables:
    """The tables that the course publishes, whatever official files are in use; else as :func:`load`."""
    dataset = find_dataset(name)
    schema = dataset.schema
    wanted = choose_years(schema, years)
    if dataset.in_kit:
        return read_tables(dataset.folder, schema, "published", wanted)
    folders = [built(dataset)] if wanted is None else [built(dataset, "published", year) for year in wanted]
    return read_tables(folders, schema, "published")


def code_labels(name: str, column: str) -> dict[int, str]:
    """What the numbers of a coded column mean: ``frame[column].map(code_labels(name, column))``.

    Raises:
        CivicmlError: no such dataset, or it has no such column with codes.
    """
    for table in find_dataset(name).schema.tables.values():
        spec = table.columns.get(column)
        if spec is not None and spec.codes is not None:
            return {int(code): label for code, label in spec.codes.items()}
    raise CivicmlError(f"'{name}' has no column '{column}' with codes.")


def load_raw(name: str) -> Tables:
    """The identifiable tables, fictional people with names: instructors only; its usual years, if it has any.

    Raises:
        CivicmlError: as for :func:`load`, or this is a learner's kit.
    """
    dataset = find_dataset(name)
    refuse_in_kit(dataset, "raw")
    usual = choose_years(dataset.schema, None)
    folders = [built(dataset, "raw")] if usual is None else [built(dataset, "raw", year) for year in usual]
    frames = {
        path.stem: pd.concat([RawTables(folder).read(path.stem) for folder in folders], ignore_index=True)
        for path in sorted(folders[0].glob("*.parquet"))
    }
    return Tables(name, "raw", frames)


def load_sealed(name: str, *, years: Iterable[int] | None = None) -> Tables:
    """The sealed hold-out of the cohort that ``$CIVICML_COHORT`` names: instructors only.

    Args:
        name: the dataset.
        years: only these of the sealed years, for a dataset that is kept year by year.

    Raises:
        CivicmlError: no cohort is named, it has no sealed tables of that name, or this is a learner's kit.
    """
    dataset = find_dataset(name)
    refuse_in_kit(dataset, "sealed")
    cohort = os.environ.get(COHORT_VARIABLE)
    if not cohort:
        raise CivicmlError(
            f"The sealed tables of '{name}' belong to a cohort: set {COHORT_VARIABLE} to its directory."
        )
    folder = Path(cohort).expanduser() / "sealed" / name
    if not folder.is_dir():
        raise CivicmlError(
            f"There are no sealed tables in '{folder}'; 'civicml release' of a week with them makes them."
        )
    return read_tables(folder, dataset.schema, "sealed", None if years is None else list(years))
