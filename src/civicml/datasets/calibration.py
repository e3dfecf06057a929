"""Published figures that a recipe aims at: reads ``calibration.toml`` and compares.

Knows figures and tolerances; the recipe says how each is measured.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field

from civicml.datasets.schema import Settings, read_settings
from civicml.errors import CivicmlError

CALIBRATION_FILE = "calibration.toml"

_Text = Annotated[str, Field(min_length=1)]


class Figure(Settings):
    """One published figure: its value, how far the data may be from it and why, and where it is from."""

    what: _Text
    value: float
    tolerance: Annotated[float, Field(gt=0)]
    year: _Text
    source: _Text
    why: _Text


class Calibration(Settings):
    """A dataset's ``calibration.toml``."""

    figures: dict[str, Figure]


@dataclass(frozen=True)
class Comparison:
    """A published figure beside what the data shows."""

    name: str
    figure: Figure
    found: float

    @property
    def holds(self) -> bool:
        """Whether the data is within the tolerance."""
        return abs(self.found - self.figure.value) <= self.figure.tolerance


def read_figures(recipe_file: str | Path) -> dict[str, Figure]:
    """The figures in the ``calibration.toml`` beside a recipe, called with its ``__file__``."""
    return read_settings(Path(recipe_file).with_name(CALIBRATION_FILE), Calibration).figures


def compare(figures: dict[str, Figure], measured: dict[str, float]) -> list[Comparison]:
    """Put each published figure beside the measured one.

    Raises:
        CivicmlError: a figure was not measured, or something measured has no figure.
    """
    if set(figures) != set(measured):
        odd = sorted(set(figures) ^ set(measured))
        raise CivicmlError(f"{CALIBRATION_FILE} and the recipe's measure() disagree about: {', '.join(odd)}.")
    return [Comparison(name, figure, float(measured[name])) for name, figure in figures.items()]
