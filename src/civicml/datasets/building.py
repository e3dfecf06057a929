"""Builds the layers of a dataset: runs its recipe into a temporary directory and moves the whole in place.

A build that is stopped leaves nothing behind, and two at the same time do the work once.
"""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import filelock
import platformdirs
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from civicml.datasets.catalogue import RECIPE_FILE, Dataset, find_dataset, refuse_in_kit
from civicml.datasets.disclosure import RULES_FILE, Rules
from civicml.datasets.recipe import TRUTH_FILE, Recipe, Streams, load_recipe
from civicml.datasets.schema import SCHEMA_FILE, read_settings
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


def build(name: str, destination: Path, *, rows: int | None = None) -> Build:
    """Build the published tables of `name` in `destination`, a directory that does not exist yet.

    Args:
        name: the dataset.
        destination: ``<table>.parquet`` files are written there.
        rows: rows of the main table; the recipe's own number when not given.

    Raises:
        CivicmlError: no such dataset, a learner's kit, a destination that exists, or a disk that cannot be
            written.
    """
    dataset = find_dataset(name)
    refuse_in_kit(dataset, "raw")
    return _build_at(dataset, "published", destination, _public(dataset), rows)


def build_raw(name: str, destination: Path, *, rows: int | None = None) -> Build:
    """Build the identifiable tables of `name` in `destination`; arguments and errors as for :func:`build`."""
    dataset = find_dataset(name)
    refuse_in_kit(dataset, "raw")
    return _build_at(dataset, "raw", destination, _public(dataset), rows)


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
    return _build_at(dataset, "sealed", destination, Streams(dataset.name, secret, sealed=True), rows)


def built(dataset: Dataset, layer: str = "published") -> Path:
    """The directory of the cached `layer` (published or raw) of `dataset`, built first if need be."""
    home = cache_directory() / dataset.name
    folder = home / f"{layer}-{fingerprint(dataset)}"
    if folder.is_dir():
        return folder
    with plain_errors(home):
        home.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(home / ".lock"):
            if not folder.is_dir():
                _clear_leftovers(home)
                _run(dataset, layer, folder, _public(dataset), None)
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


def _build_at(dataset: Dataset, layer: str, destination: Path, streams: Streams, rows: int | None) -> Build:
    if rows is not None and rows < 1:
        raise CivicmlError(f"A dataset needs at least one row; you asked for {rows}.")
    if destination.exists():
        raise CivicmlError(f"'{destination}' exists already; name a directory that does not.")
    with plain_errors(destination):
        destination.parent.mkdir(parents=True, exist_ok=True)
        return _run(dataset, layer, destination, streams, rows)


def _run(dataset: Dataset, layer: str, folder: Path, streams: Streams, rows: int | None) -> Build:
    """Build `layer` beside `folder` and rename it to `folder` when it is whole."""
    started = perf_counter()
    recipe = load_recipe(dataset)
    work = Path(tempfile.mkdtemp(prefix=".building-", dir=folder.parent))  # mode 0700
    try:
        raw, out = work / "raw", work / "out"
        raw.mkdir()
        counts = _generate(dataset, recipe, raw, streams, rows or recipe.rows)
        if layer == "raw":
            out = raw
        else:
            out.mkdir()
            counts = _publish(dataset, recipe, raw, out, streams)
        if layer == "sealed":
            for path in out.iterdir():
                path.chmod(0o600)
            out.chmod(0o700)
        out.rename(folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return Build(folder, counts, perf_counter() - started)


def _generate(dataset: Dataset, recipe: Recipe, folder: Path, streams: Streams, rows: int) -> dict[str, int]:
    main = dataset.schema.main_table
    with _progress() as progress, TableWriter(folder) as writer:
        task = progress.add_task(f"Building {dataset.name}", total=rows)
        for chunk in recipe.generate(streams, rows):
            writer.write(chunk)
            progress.update(task, completed=min(writer.rows.get(main, 0), rows))
    return writer.rows


def _publish(dataset: Dataset, recipe: Recipe, raw: Path, out: Path, streams: Streams) -> dict[str, int]:
    rules = read_settings(dataset.folder / RULES_FILE, Rules)
    with TableWriter(out, dataset.schema) as writer:
        for chunk in recipe.publish(RawTables(raw), streams, rules):
            writer.write(chunk)
    return writer.rows


def _progress() -> Progress:
    console = Console(stderr=True)
    return Progress(
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
    for path in home.glob(".building-*"):
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
