"""Puts the real source's files in the place of a dataset: ``load`` then serves them, until told otherwise.

What was read is kept in the cache beside the built tables. Grading never looks at it: with
``$CIVICML_DATA`` set to ``published``, everybody has the tables that the course publishes.
"""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import filelock
from pydantic import Field, ValidationError

from civicml.datasets.building import cache_directory, plain_errors
from civicml.datasets.catalogue import Dataset, find_dataset
from civicml.datasets.official import READER_FILE, ReadReport, read_official
from civicml.datasets.schema import SCHEMA_FILE, Schema, Settings, choose_years
from civicml.datasets.tables import Tables, TableWriter, read_tables
from civicml.errors import CivicmlError

SOURCE_VARIABLE = "CIVICML_DATA"
PUBLISHED = "published"
FACTS_FILE = "official.json"
_FOLDER = "official"


class OfficialFiles(Settings):
    """What is in use: which files were read, when, by which reader, and what came of them.

    Attributes:
        files: the names of the files, without the folders they were in.
        read_at: when, in UTC.
        reader: a hash of the dataset's schema and reader; both may change after the files were read.
        rows_in: rows that the files held.
        rows: rows of each table.
        years: the years there are, for a dataset that is kept year by year.
    """

    files: list[str]
    read_at: datetime
    reader: str
    rows_in: int
    rows: dict[str, int]
    years: list[int] = Field(default_factory=list)


def use_official(name: str, paths: Sequence[str | Path]) -> ReadReport:
    """Read the real source's files, keep their tables, and let ``load(name)`` serve them from now on.

    Args:
        name: the dataset.
        paths: its official files, as downloaded and unpacked; all of them, for they replace those in use.

    Returns:
        What became of every row.

    Raises:
        CivicmlError: a file cannot be accepted, or the cache cannot be written. What was in use stays so.
    """
    dataset = find_dataset(name)
    tables, report = read_official(name, paths)
    home = cache_directory() / name
    with plain_errors(home):
        home.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=".building-", dir=home))
        try:
            with TableWriter(work, dataset.schema.tables) as writer:
                writer.write(tables)
            facts = _facts(dataset, tables, report, [Path(path).name for path in paths])
            (work / FACTS_FILE).write_text(facts.model_dump_json(indent=1), encoding="utf-8")
            with filelock.FileLock(home / ".lock"):
                shutil.rmtree(home / _FOLDER, ignore_errors=True)
                work.rename(home / _FOLDER)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    return report


def use_published(name: str) -> bool:
    """Let ``load(name)`` serve the course's own tables again; whether official files were in use.

    Raises:
        CivicmlError: no such dataset, or the cache cannot be written.
    """
    home = cache_directory() / find_dataset(name).name
    if not (home / _FOLDER).is_dir():
        return False
    with plain_errors(home), filelock.FileLock(home / ".lock"):
        shutil.rmtree(home / _FOLDER)
    return True


def official_in_use(dataset: Dataset) -> OfficialFiles | None:
    """The official files that ``load`` serves for `dataset`, or ``None``.

    Raises:
        CivicmlError: ``$CIVICML_DATA`` is neither ``official`` nor ``published``, or what is kept is damaged.
    """
    wanted = os.environ.get(SOURCE_VARIABLE, "official")
    if wanted not in ("official", PUBLISHED):
        raise CivicmlError(f"{SOURCE_VARIABLE} is '{wanted}'; it may be 'official' or '{PUBLISHED}'.")
    facts = cache_directory() / dataset.name / _FOLDER / FACTS_FILE
    if wanted == PUBLISHED or not facts.is_file():
        return None
    try:
        return OfficialFiles.model_validate_json(facts.read_bytes())
    except ValidationError as error:
        raise CivicmlError(
            f"{facts} is damaged: run 'civicml datasets use {dataset.name}' with the files once more, "
            "or with --published to go back to the course's own tables."
        ) from error


def load_official(
    dataset: Dataset, facts: OfficialFiles, years: int | Iterable[int] | Literal["all"] | None
) -> Tables:
    """The tables of the official files in use.

    Args:
        dataset: the dataset.
        facts: what is in use.
        years: as for ``load``; without it the usual years, or the latest there is.

    Raises:
        CivicmlError: the files were read by an older reader, lack a year, or what is kept is damaged.
    """
    if facts.reader != _reader_hash(dataset):
        raise CivicmlError(
            f"The official files of '{dataset.name}' were read before its schema or reader changed: "
            f"run 'civicml datasets use {dataset.name} FILE…' once more."
        )
    schema = _as_far_as_official(dataset.schema, facts)
    folder = cache_directory() / dataset.name / _FOLDER
    return read_tables(folder, schema, "official", choose_years(schema, years))


def _as_far_as_official(schema: Schema, facts: OfficialFiles) -> Schema:
    """What the official files hold of the dataset: some of its tables, years of their own."""
    tables = {name: table for name, table in schema.tables.items() if name in facts.rows}
    years = schema.years
    if years is not None:
        usual = [year for year in years.default if year in facts.years] or facts.years[-1:]
        years = years.model_copy(update={"published": facts.years, "default": usual})
    return schema.model_copy(update={"tables": tables, "years": years})


def _facts(dataset: Dataset, tables: Tables, report: ReadReport, files: list[str]) -> OfficialFiles:
    kept_by = dataset.schema.years
    years = [] if kept_by is None else sorted({int(y) for t in tables.values() for y in t[kept_by.column]})
    return OfficialFiles(
        files=files,
        read_at=datetime.now(UTC).replace(microsecond=0),
        reader=_reader_hash(dataset),
        rows_in=report.rows_in,
        rows={name: len(frame) for name, frame in tables.items()},
        years=years,
    )


def _reader_hash(dataset: Dataset) -> str:
    digest = hashlib.sha256()
    for file in (SCHEMA_FILE, READER_FILE):
        digest.update((dataset.folder / file).read_bytes())
    return digest.hexdigest()[:16]
