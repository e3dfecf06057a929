"""Copies published tables out: for a learner's kit, or as CSV for somebody who asks.

Must never copy anything that tells what was planted: recipe, truth, calibration and disclosure
settings stay where they are.
"""

import shutil
from collections.abc import Iterable
from pathlib import Path

import filelock
import pyarrow.parquet as pq

from civicml.datasets.building import built, cache_directory, fingerprint, plain_errors
from civicml.datasets.catalogue import DATASHEET_FILE, Dataset, find_dataset, refuse_in_kit
from civicml.datasets.checksums import CHECKSUMS_FILE
from civicml.datasets.files import new_directory
from civicml.datasets.loading import load_published
from civicml.datasets.official import READER_FILE
from civicml.datasets.picture import PICTURE_FILE
from civicml.datasets.schema import SCHEMA_FILE

_FOR_LEARNERS = (SCHEMA_FILE, DATASHEET_FILE, READER_FILE, PICTURE_FILE, CHECKSUMS_FILE)


def export_published(name: str, destination: Path) -> None:
    """Write what a learner's kit holds of a dataset to `destination`, a directory that does not exist yet.

    That is the published tables as Parquet, datasheet, schema, checksums, picture, reader of official files.

    Raises:
        CivicmlError: no such dataset, this is a kit already, or the destination exists or cannot be written.
    """
    dataset = find_dataset(name)
    refuse_in_kit(dataset, "raw")
    schema = dataset.schema
    years = [None] if schema.years is None else schema.years.published
    folders = [built(dataset, "published", year) for year in years]
    with new_directory(destination) as work:
        for table in schema.tables:
            _join([folder / f"{table}.parquet" for folder in folders], work / f"{table}.parquet")
        for file in _FOR_LEARNERS:
            if (dataset.folder / file).is_file():
                shutil.copyfile(dataset.folder / file, work / file)


def built_whole(dataset: Dataset) -> Path:
    """The published tables as a kit has them, a file each, whatever years they are kept by.

    Made in the cache on first use. For a dataset without years it is the usual build.
    """
    years = dataset.schema.years
    if years is None:
        return built(dataset)
    editions = [built(dataset, "published", year) for year in years.published]
    whole = cache_directory() / dataset.name / f"whole-{fingerprint(dataset)}"
    with plain_errors(whole), filelock.FileLock(whole.parent / ".lock"):
        if not whole.is_dir():
            with new_directory(whole) as work:
                for table in dataset.schema.tables:
                    _join([edition / f"{table}.parquet" for edition in editions], work / f"{table}.parquet")
    return whole


def _join(parts: list[Path], whole: Path) -> None:
    """Copy `parts`, Parquet files of one schema, into one, a row group at a time."""
    if len(parts) == 1:
        shutil.copyfile(parts[0], whole)
        return
    with pq.ParquetWriter(whole, pq.read_schema(parts[0]), compression="zstd") as writer:
        for part in parts:
            with pq.ParquetFile(part) as file:
                for group in range(file.num_row_groups):
                    writer.write_table(file.read_row_group(group))


def write_csv(name: str, destination: Path, *, years: Iterable[int] | None = None) -> list[Path]:
    """Write the published tables as CSV files to `destination`, a directory that does not exist yet.

    `years` are as for ``load``.

    Blank means missing; dates are written 2025-01-31.

    Raises:
        CivicmlError: no such dataset, or the destination exists or cannot be written.
    """
    tables = load_published(name, years=years)
    with new_directory(destination) as work:
        for table, frame in tables.items():
            frame.to_csv(work / f"{table}.csv", index=False, date_format="%Y-%m-%d")
    return [destination / f"{table}.csv" for table in tables]
