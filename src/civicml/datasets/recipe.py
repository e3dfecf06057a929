"""What a recipe is: a ``recipe.py`` loaded from its path, and the random streams it draws from.

Recipes are loaded the way Sphinx loads a ``conf.py``: nothing is put on ``sys.path``, and
nothing is written beside the file. Must not know any dataset by name.
"""

import hashlib
import sys
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd

from civicml.datasets.catalogue import RECIPE_FILE, Dataset
from civicml.datasets.disclosure import Rules
from civicml.datasets.tables import Chunk, RawTables, Tables
from civicml.errors import CivicmlError

TRUTH_FILE = "truth.toml"


@dataclass(frozen=True)
class Streams:
    """Independent random generators, each named; the same name gives the same numbers.

    Args:
        dataset: the dataset's name.
        secret: what rows are drawn from: public for the published layer, a cohort's secret for the sealed.
        sealed: whether these rows are the hold-out.
        year: which year to make, for a dataset that is kept year by year; rows of different years differ.
    """

    dataset: str
    secret: bytes
    sealed: bool = False
    year: int | None = None

    def rng(self, *name: object) -> np.random.Generator:
        """For the rows: other numbers in every layer, and not to be guessed without the secret."""
        of_year = () if self.year is None else (self.year,)
        return self._generator(b"sealed rows" if self.sealed else b"rows", self.secret, *of_year, *name)

    def world(self, *name: object) -> np.random.Generator:
        """For what the layers share (places, coefficients, days): the same numbers in all of them."""
        return self._generator(b"world", b"", *name)

    def _generator(self, purpose: bytes, secret: bytes, *name: object) -> np.random.Generator:
        digest = hashlib.sha256()
        for part in (b"civicml", self.dataset.encode(), purpose, secret, *(str(n).encode() for n in name)):
            digest.update(len(part).to_bytes(8, "little") + part)
        return np.random.Generator(
            np.random.PCG64(np.random.SeedSequence(int.from_bytes(digest.digest(), "little")))
        )


@dataclass(frozen=True)
class Recipe:
    """A dataset's recipe, ready to run.

    Attributes:
        rows: rows of the main table when nobody asks for another number.
        generate: ``generate(streams, rows)`` yields the raw tables, chunk by chunk.
        publish: ``publish(raw, streams, rules)`` yields the published tables, chunk by chunk.
        measure: ``measure(tables)`` gives the calibration figures of published tables, by name.
        exposed: ``exposed(tables)`` gives one row a person, as an intruder with the tables sees them.
    """

    rows: int
    generate: Callable[[Streams, int], Iterator[Chunk]]
    publish: Callable[[RawTables, Streams, Rules], Iterator[Chunk]]
    measure: Callable[[Tables], dict[str, float]]
    exposed: Callable[[Tables], pd.DataFrame] | None


def load_recipe(dataset: Dataset) -> Recipe:
    """Load the recipe of `dataset`.

    Raises:
        CivicmlError: the file is missing something that every recipe has.
    """
    module = load_module(dataset.folder / RECIPE_FILE, f"civicml_recipe_{dataset.name}")
    missing = [part for part in ("ROWS", "generate", "publish", "measure") if not hasattr(module, part)]
    if missing:
        raise CivicmlError(
            f"{module.__file__} has no '{missing[0]}'; every recipe has ROWS, generate, publish, measure."
        )
    return Recipe(
        module.ROWS, module.generate, module.publish, module.measure, getattr(module, "exposed", None)
    )


def load_module(path: Path, name: str) -> ModuleType:
    """Run the Python file at `path` as a module called `name`, off the import path and leaving no bytecode.

    Raises:
        CivicmlError: there is no such file.
    """
    try:
        source = path.read_bytes()
    except OSError as error:
        raise CivicmlError(f"{path} cannot be read: {error.strerror}.") from error
    module = ModuleType(name)
    module.__file__ = str(path)
    sys.modules[name] = module  # dataclasses look their module up by name
    exec(compile(source, str(path), "exec"), module.__dict__)  # noqa: S102 (it is the course's own file)
    return module


def read_truth(recipe_file: str) -> dict[str, Any]:
    """What was planted: the ``truth.toml`` beside a recipe, called with its ``__file__``."""
    return tomllib.loads(Path(recipe_file).with_name(TRUTH_FILE).read_text(encoding="utf-8"))
