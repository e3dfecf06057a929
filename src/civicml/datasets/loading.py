"""Loads tables: the published ones for everybody, the raw and sealed ones on the instructors' side only."""

import os
from pathlib import Path

from civicml.datasets.building import built
from civicml.datasets.catalogue import find_dataset, refuse_in_kit
from civicml.datasets.tables import RawTables, Tables, read_tables
from civicml.errors import CivicmlError

COHORT_VARIABLE = "CIVICML_COHORT"


def load(name: str) -> Tables:
    """The published tables of a dataset, as pandas frames.

    In a learner's kit they are read from its ``data`` folder. In the course's repository they come
    from the cache, and are built on first use (a few seconds).

    Args:
        name: for example ``"gp_appointments"``.

    Returns:
        The tables, by name or as attributes. Categories are ordered where their values are; units
        and descriptions of columns are in each frame's ``attrs``.

    Raises:
        CivicmlError: no such dataset, a damaged file, or a cache that cannot be written.
    """
    dataset = find_dataset(name)
    folder = dataset.folder if dataset.in_kit else built(dataset)
    return read_tables(folder, dataset.schema, "published")


def load_raw(name: str) -> Tables:
    """The identifiable tables, fictional people with names: instructors only.

    Raises:
        CivicmlError: as for :func:`load`, or this is a learner's kit.
    """
    dataset = find_dataset(name)
    refuse_in_kit(dataset, "raw")
    folder = built(dataset, "raw")
    raw = RawTables(folder)
    return Tables(name, "raw", {path.stem: raw.read(path.stem) for path in sorted(folder.glob("*.parquet"))})


def load_sealed(name: str) -> Tables:
    """The sealed hold-out of the cohort that ``$CIVICML_COHORT`` names: instructors only.

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
        raise CivicmlError(f"There are no sealed tables in '{folder}'; 'civicml cohort init' makes them.")
    return read_tables(folder, dataset.schema, "sealed")
