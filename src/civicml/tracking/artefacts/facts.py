"""What is known of a model from its files alone: what `inspect` gives. Holds no logic."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath


@dataclass(frozen=True)
class Column:
    """An input of a model, as its signature has it."""

    name: str
    type: str  # MLflow's name: boolean, integer, long, float, double, string, datetime
    required: bool


@dataclass(frozen=True)
class File:
    """A file of an artefact."""

    path: PurePosixPath  # within the artefact
    size: int  # bytes
    sha256: str


@dataclass(frozen=True)
class ModelFacts:
    """What a model's files say, read without running any of them.

    `data`, `code` and `seed` are what whoever logged the model wrote down: claims, to be checked.
    """

    kind: str  # sklearn, torch, transformers, adapter or onnx
    inputs: tuple[Column, ...]
    example_rows: int
    files: tuple[File, ...]
    sha256: str  # of all names and contents: another file, another model
    types: tuple[str, ...]  # what loading it brings in: classes, architecture, operators
    data: str | None
    code: str | None
    seed: int | None
    versions: Mapping[str, str]  # of the libraries it was saved with

    @property
    def names(self) -> list[str]:
        """The columns that the model asks for, in its order."""
        return [column.name for column in self.inputs]

    @property
    def size(self) -> int:
        """Bytes in all."""
        return sum(file.size for file in self.files)
