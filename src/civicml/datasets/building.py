"""Builds the layers of a dataset: runs its recipe into a temporary directory and moves the whole in place.

A build that is stopped leaves nothing behind, and two at the same time do the work once.
"""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter

import filelock
import platformdirs
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)

from civicml.datasets.catalogue import RECIPE_FILE, Dataset, find_dataset, refuse_in_kit
from civicml.datasets.disclosure import RULES_FILE, Rules
from civicml.datasets.recipe import TRUTH_FILE, Recipe, Streams, load_recipe
from civicml.datasets.schema import SCHEMA_FILE, choose_years, read_settings
from civicml.datasets.tables import RawTables, TableWriter
from civicml.errors import CivicmlError

ENVIRONMENT_VARIABLE = "CIVICML_CACHE"

PUBLIC_SECRET = b"civicml published layer, edition 1"
_SHORTEST_SECRET = 16
_BUILDS_KEPT = 3


@dataclass(frozen=True)
class Build:
    """What a build made: rows of each table, seconds taken, and where it is."""

    folder: Path
    rows: dict[str, int]
    seconds: float


def cache_directory() -> Path:
    """Where built tables are kept: ``$CIVICML_CACHE``, or the user's cache directory."""
    named = os.environ.get(ENVIRONMENT_VARIABLE)
    return Path(named).expanduser() if named else Path(platformdirs.user_cache_dir("civicml"))


def build(
    name: str, destination: Path, *, rows: int | None = None, years: Sequence[int] | None = None
) -> Build:
    """Build the published tables of `name` in `destination`, a directory that does not exist yet.

    Args:
        name: the dataset.
        destination: ``<table>.parquet`` files are written there.
        rows: rows of the main table, or of its years each; the recipe's own number when not given.
        years: which years, of a dataset that is kept year by year; its usual ones when not given.

    Raises:
        CivicmlError: no such dataset, a learner's kit, a destination that exists, or a disk that cannot be
            written.
    """
    dataset = find_dataset(name)
    refuse_in_kit(dataset, "raw")
    chosen = choose_years(dataset.schema, years)
    return _build_at(dataset, "published", destination, _public(dataset), rows=rows, years=chosen)


def build_raw(
    name: str, destination: Path, *, rows: int | None = None, years: Sequence[int] | None = None
) -> Build:
    """Build the identifiable tables of `name` in `destination`; arguments and errors as for :func:`build`."""
    dataset = find_dataset(name)
    refuse_in_kit(dataset, "raw")
    chosen = choose_years(dataset.schema, years)
    return _build_at(dataset, "raw", destination, _public(dataset), rows=rows, years=chosen)


def build_sealed(name: str, seed: str | bytes, destination: Path, *, rows: int | None = None) -> Build:
    """Build the sealed hold-out of `name` in `destination`, drawn from the secret `seed`.

    Same tables, practices and coefficients as the published layer, other people. Directory and files
    are readable by their owner only.

    Raises:
        CivicmlError: as for :func:`build`, or a seed too short to be a secret.
    """
    dataset = find_dataset(name)
    refuse_in_kit(dataset, "sealed")
    secret = seed.encode() if isinstance(seed, str) else seed
    if len(secret) < _SHORTEST_SECRET:
        raise CivicmlError(
            f"The seed of the sealed tables must be at least {_SHORTEST_SECRET} characters, and secret."
        )
    chosen = None if dataset.schema.years is None else dataset.schema.years.sealed
    streams = Streams(dataset.name, secret, sealed=True)
    return _build_at(dataset, "sealed", destination, streams, rows=rows, years=chosen)


def built(dataset: Dataset, layer: str = "published", year: int | None = None) -> Path:
    """The directory of the cached `layer` (published or raw) of `dataset`, built first if need be.

    A dataset that is kept year by year has one for each `year`, made when it is first asked for.
    """
    home = cache_directory() / dataset.name
    edition = home / f"{layer}-{fingerprint(dataset)}"
    folder = edition if year is None else edition / str(year)
    if folder.is_dir():
        return folder
    with plain_errors(home):
        home.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(home / ".lock"):
            if not folder.is_dir():
                _clear_leftovers(home)
                folder.parent.mkdir(exist_ok=True)
                years = None if year is None else [year]
                _run(dataset, layer, folder, _public(dataset), rows=None, years=years)
                _remove_old(home, layer)
    return folder


def fingerprint(dataset: Dataset) -> str:
    """Changes whenever the built tables could: with the recipe, its settings, or the engine."""
    digest = hashlib.sha256()
    inputs = [dataset.folder / name for name in (RECIPE_FILE, TRUTH_FILE, SCHEMA_FILE, RULES_FILE)]
    for path in [*inputs, *sorted(Path(__file__).parent.glob("*.py"))]:
        if path.is_file():
            content = path.read_bytes()
            digest.update(f"{path.name} {len(content)}\n".encode() + content)
    return digest.hexdigest()[:16]


def _public(dataset: Dataset) -> Streams:
    return Streams(dataset.name, PUBLIC_SECRET)


def _build_at(
    dataset: Dataset,
    layer: str,
    destination: Path,
    streams: Streams,
    *,
    rows: int | None,
    years: Sequence[int] | None,
) -> Build:
    if rows is not None and rows < 1:
        raise CivicmlError(f"A dataset needs at least one row; you asked for {rows}.")
    if destination.exists():
        raise CivicmlError(f"'{destination}' exists already; name a directory that does not.")
    with plain_errors(destination):
        destination.parent.mkdir(parents=True, exist_ok=True)
        return _run(dataset, layer, destination, streams, rows=rows, years=years)


def _run(
    dataset: Dataset,
    layer: str,
    folder: Path,
    streams: Streams,
    *,
    rows: int | None,
    years: Sequence[int] | None,
) -> Build:
    """Build `layer` beside `folder` and rename it to `folder` when it is whole."""
    started = perf_counter()
    recipe = load_recipe(dataset)
    work = Path(tempfile.mkdtemp(prefix=".building-", dir=folder.parent))  # mode 0700
    try:
        out = work / "out"
        out.mkdir()
        tables = None if layer == "raw" else dataset.schema.in_layer(layer)
        with TableWriter(out, tables) as writer:
            for year in [None] if years is None else years:
                of_year = replace(streams, year=year)
                if layer == "raw":
                    _generate(dataset, recipe, writer, of_year, rows or recipe.rows)
                else:
                    (work / "raw").mkdir()
                    with TableWriter(work / "raw") as raw:
                        _generate(dataset, recipe, raw, of_year, rows or recipe.rows)
                    _publish(dataset, recipe, RawTables(work / "raw"), writer, of_year)
                    shutil.rmtree(work / "raw")
        if layer == "sealed":
            for path in out.iterdir():
                path.chmod(0o600)
            out.chmod(0o700)
        out.rename(folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return Build(folder, writer.rows, perf_counter() - started)


def _generate(dataset: Dataset, recipe: Recipe, writer: TableWriter, streams: Streams, rows: int) -> None:
    main = dataset.schema.main_table
    title = f"Building {dataset.name}" + ("" if streams.year is None else f" {streams.year}")
    before = writer.rows.get(main, 0)
    with _progress() as progress:
        task = progress.add_task(title, total=rows)
        for chunk in recipe.generate(streams, rows):
            writer.write(chunk)
            progress.update(task, completed=min(writer.rows.get(main, 0) - before, rows))


def _publish(dataset: Dataset, recipe: Recipe, raw: RawTables, writer: TableWriter, streams: Streams) -> None:
    rules = read_settings(dataset.folder / RULES_FILE, Rules)
    for chunk in recipe.publish(raw, streams, rules):
        writer.write(chunk)


def _progress() -> Progress:
    console = Console(stderr=True)
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("rows"),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        # In a notebook the bar would become part of the stored output.
        disable=not console.is_terminal,
    )


def _clear_leftovers(home: Path) -> None:
    """Remove what a killed build left; called under the lock, so no other build is running."""
    for path in [*home.glob(".building-*"), *home.glob("*/.building-*")]:
        shutil.rmtree(path, ignore_errors=True)


def _remove_old(home: Path, layer: str) -> None:
    """Keep the newest builds of `layer`: an older checkout may still use one."""
    newest_first = sorted(home.glob(f"{layer}-*"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in newest_first[_BUILDS_KEPT:]:
        shutil.rmtree(path, ignore_errors=True)


@contextmanager
def plain_errors(place: Path) -> Iterator[None]:
    """Turn a full or read-only disk into a sentence that says what to do."""
    try:
        yield
    except OSError as error:
        raise CivicmlError(
            f"Tables cannot be written to '{place}': {error.strerror or error}. "
            f"Free some space, or set {ENVIRONMENT_VARIABLE} to a directory that you can write to."
        ) from error
