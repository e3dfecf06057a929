"""All datasets at once: what there is of each, and building them side by side.

Knows what every dataset has in common: tables, files, hashes.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import pyarrow.parquet as pq
from rich.console import Console
from rich.progress import track

from civicml.course import ENVIRONMENT_VARIABLE as COURSE_VARIABLE
from civicml.course import find_root
from civicml.datasets.building import cache_directory, fingerprint
from civicml.datasets.catalogue import Dataset, all_datasets
from civicml.datasets.checksums import CHECKSUMS_FILE, read_checksums
from civicml.datasets.using import official_in_use
from civicml.errors import CivicmlError


@dataclass(frozen=True)
class TableSize:
    """One published table.

    Attributes:
        table: its name.
        rows: how many rows are on disk, of all years that were built; ``None`` if none were.
        megabytes: their size on disk (10⁶ bytes), compressed.
        content: the recorded hash of its values; empty where none is recorded.
    """

    table: str
    rows: int | None
    megabytes: float | None
    content: str


@dataclass(frozen=True)
class Overview:
    """One dataset: its name and domain, its tables, and what ``load`` serves of it."""

    name: str
    domain: str
    tables: list[TableSize]
    serves: str


@dataclass(frozen=True)
class Built:
    """A dataset that is ready in the cache, and the seconds until it was."""

    name: str
    seconds: float


def overview() -> list[Overview]:
    """Every dataset of this course or kit, with what is on this machine's disk.

    Raises:
        CivicmlError: no course here, or a dataset's folder cannot be read.
    """
    return [
        Overview(dataset.name, dataset.domain, _sizes(dataset), _served(dataset))
        for dataset in all_datasets()
    ]


def build_all(jobs: int | None = None) -> Iterator[Built]:
    """Build the published tables of every dataset in the cache; yields each when it is ready.

    Of a dataset that is kept by year, the usual years. Each is built by a process of its own; a progress
    bar counts them.

    Args:
        jobs: how many at a time; without it, one for each processor.

    Raises:
        CivicmlError: one could not be built; the others are, all the same.
    """
    console = Console(stderr=True)
    failed = []
    with ThreadPoolExecutor(jobs or os.cpu_count() or 1) as pool:
        waiting = [pool.submit(_build_apart, dataset.name) for dataset in all_datasets()]
        for done in track(
            as_completed(waiting),
            "Building datasets",
            total=len(waiting),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        ):
            try:
                yield done.result()
            except CivicmlError as error:
                failed.append(str(error))
    if failed:
        raise CivicmlError(" ".join(failed))


def _build_apart(name: str) -> Built:
    started = perf_counter()
    done = subprocess.run(  # noqa: S603 (this program itself)
        [sys.executable, "-P", "-m", "civicml", "datasets", "build", name],
        env=os.environ | {COURSE_VARIABLE: str(find_root())},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise CivicmlError(f"{name}: {done.stderr.strip().splitlines()[-1]}")
    return Built(name, perf_counter() - started)


def _sizes(dataset: Dataset) -> list[TableSize]:
    recorded = read_checksums(dataset.folder).published if _recorded(dataset) else {}
    return [_size(dataset, table, recorded.get(table, "")) for table in dataset.schema.tables]


def _recorded(dataset: Dataset) -> bool:
    return (dataset.folder / CHECKSUMS_FILE).is_file()


def _size(dataset: Dataset, table: str, content: str) -> TableSize:
    files = _files(dataset, table)
    if not files:
        return TableSize(table, None, None, content)
    rows = sum(pq.read_metadata(path).num_rows for path in files)
    return TableSize(table, rows, sum(path.stat().st_size for path in files) / 1e6, content)


def _files(dataset: Dataset, table: str) -> list[Path]:
    if dataset.in_kit:
        return [dataset.folder / f"{table}.parquet"]
    built = cache_directory() / dataset.name / f"published-{fingerprint(dataset)}"
    return sorted([*built.glob(f"{table}.parquet"), *built.glob(f"[0-9]*/{table}.parquet")])


def _served(dataset: Dataset) -> str:
    facts = official_in_use(dataset)
    if facts is None:
        return "the course's tables"
    number = len(facts.files)
    return f"official files ({number} file{'s'[: number > 1]}, read {facts.read_at:%d %b %Y})"
