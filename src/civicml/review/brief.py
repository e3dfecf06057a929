"""What a capstone is for: the brief of a domain, ``course/capstones/<domain>/brief.toml``, and its frame.

``frame.py`` beside it makes the one table that learners and reviews use. Both are the course's own and
trusted. This module must not know models, runs or reviews.
"""

import functools
import importlib.util
import re
import tomllib
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from types import ModuleType
from typing import Annotated, Literal, Self

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from civicml.course import find_root
from civicml.errors import CivicmlError

FOLDER = Path("course", "capstones")
METRICS = ("recall_at_capacity", "precision_at_capacity", "average_precision", "roc_auc", "brier")
PREFIX = "capstone-"

_Text = Annotated[str, Field(min_length=1)]
_Share = Annotated[float, Field(gt=0, le=1)]
_Value = str | int | float | bool
Floats = np.ndarray[tuple[int], np.dtype[np.float64]]


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Data(_Settings):
    """The cases: one row each."""

    dataset: _Text
    key: _Text
    """Identifies a case."""
    outcome: _Text
    """Yes or no."""
    moment: _Text
    """When the prediction is made."""
    holdout_from: date
    """The hold-out is the cases from then on, learners' own and the sealed one."""
    inputs: Annotated[list[_Text], Field(min_length=1)]
    """What a model may use."""
    after: list[_Text] = []
    """Known only afterwards: a model that asks for one has a leak."""
    group: str = ""
    """Cases of one person or place, which intervals keep together."""


class Metric(_Settings):
    """How good is good."""

    name: Literal["recall_at_capacity", "precision_at_capacity", "average_precision", "roc_auc", "brier"]
    capacity: _Share
    """The share of cases that somebody can act on."""
    per: str = ""
    """Within what the capacity holds: a column, ``"day"`` or ``"week"`` of the moment, or everything."""


class Audit(_Settings):
    """For whom it is good."""

    characteristics: list[_Text] = []
    least: Annotated[int, Field(ge=10)] = 100
    """Fewer cases than this are not compared."""
    four_fifths: _Share = 0.8
    sites: list[_Text] = []
    """Columns such as a practice or a court, each value of which must be served alike at one threshold."""


class Tolerance(_Settings):
    """How far a second training may be from the first."""

    metric: Annotated[float, Field(ge=0)] = 0.005
    predictions: Annotated[float, Field(ge=0)] = 1e-6


class Drift(_Settings):
    """What next year may bring."""

    recoded: dict[str, dict[str, str]] = {}
    """{column: {value: how another system records it}}."""
    shifted: dict[str, float] = {}
    """{column: what a year adds to a number}."""


class Brief(_Settings):
    """The brief of one domain.

    Attributes:
        decision: who does what with the score, in one sentence.
        folder: where it was read.
    """

    title: _Text
    domain: Annotated[str, Field(pattern=r"^[a-z][a-z0-9]*$")]
    department: _Text
    decision: _Text
    data: Data
    metric: Metric
    audit: Audit = Audit()
    tolerance: Tolerance = Tolerance()
    drift: Drift = Drift()
    folder: Path

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        data = self.data
        known = {data.key, data.outcome, *data.after}
        if both := known & set(data.inputs):
            raise ValueError(f"'{min(both)}' is among the inputs, and cannot be known when the score is made")
        for table in (self.drift.recoded, self.drift.shifted):
            if strange := set(table) - set(data.inputs):
                raise ValueError(f"drift names '{min(strange)}', which is not an input")
        return self

    def frame(self, tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
        """One row a case: key, moment, group, inputs, what is known after, outcome and characteristics.

        Args:
            tables: of the brief's dataset, published or sealed.

        Raises:
            CivicmlError: ``frame.py`` gives something else.
        """
        frame = self._code.frame(tables)
        if not isinstance(frame, pd.DataFrame):
            raise CivicmlError(f"{self.folder / 'frame.py'}: frame() gives no table.")
        data = self.data
        wanted = [data.key, data.outcome, data.moment, *data.inputs, *data.after, *self.audit.characteristics]
        wanted += [data.group] if data.group else []
        wanted += [self.metric.per] if self.metric.per not in ("", "day", "week") else []
        if lacking := [name for name in (*wanted, *self.audit.sites) if name not in frame.columns]:
            raise CivicmlError(f"{self.folder / 'frame.py'}: the table has no column '{lacking[0]}'.")
        outcome = frame[data.outcome]
        if outcome.isna().any() or not set(outcome.unique()) <= {True, False}:
            raise CivicmlError(
                f"{self.folder / 'frame.py'}: '{data.outcome}' must be yes or no for every case."
            )
        return frame.reset_index(drop=True)

    def holdout(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The cases of `frame` that a model is judged on."""
        later = frame[self.data.moment] >= pd.Timestamp(self.data.holdout_from)
        return frame[later].reset_index(drop=True)

    def before_holdout(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The cases of `frame` that a model may learn from."""
        earlier = frame[self.data.moment] < pd.Timestamp(self.data.holdout_from)
        return frame[earlier].reset_index(drop=True)

    def rule(self, frame: pd.DataFrame) -> Floats:
        """The rule of thumb's score for each case: higher is acted on first."""
        return np.asarray(self._code.rule(frame), dtype=np.float64)

    @property
    def _code(self) -> ModuleType:
        return _import_frame(self.folder / "frame.py")


def domains(root: Path | None = None) -> list[str]:
    """The domains that have a brief."""
    return sorted(path.parent.name for path in ((root or find_root()) / FOLDER).glob("*/brief.toml"))


def load_brief(domain: str, root: Path | None = None) -> Brief:
    """The brief of `domain`: ``load_brief("health").frame(tables)`` is the table that a review uses too.

    Args:
        domain: for example ``"health"``.
        root: the course's directory; by default the one around the working directory.

    Raises:
        CivicmlError: there is none, or it says something that cannot be used.
    """
    home = (root or find_root()) / FOLDER
    folder = home / domain
    if not re.fullmatch(r"[a-z][a-z0-9]*", domain) or not (folder / "brief.toml").is_file():
        raise CivicmlError(
            f"There is no capstone brief for '{domain}'; there are: "
            f"{', '.join(domains(home.parent.parent)) or 'none'}."
        )
    return read_brief(folder)


def read_brief(folder: Path) -> Brief:
    """The brief in `folder`.

    Raises:
        CivicmlError: as for `load_brief`.
    """
    path = folder / "brief.toml"
    try:
        told = tomllib.loads(path.read_text(encoding="utf-8"))
        brief = Brief.model_validate({**told, "folder": folder})
    except (OSError, UnicodeDecodeError) as error:
        raise CivicmlError(f"{path} cannot be read: {error}.") from error
    except tomllib.TOMLDecodeError as error:
        raise CivicmlError(f"{path} is not valid TOML: {error}.") from error
    except ValidationError as error:
        problem = error.errors()[0]
        place = ".".join(map(str, problem["loc"])) or "the whole file"
        message = problem["msg"].removeprefix("Value error, ")
        raise CivicmlError(f"{path}: {place}: {message[0].lower()}{message[1:]}.") from error
    if brief.domain != folder.name:
        raise CivicmlError(f"{path}: domain is '{brief.domain}', and its folder '{folder.name}'.")
    return brief


def domain_of(model: str, root: Path | None = None) -> str:
    """The domain in a registered model's name: ``capstone-<domain>-<name>``.

    Raises:
        CivicmlError: it is not such a name, or the domain has no brief.
    """
    found = re.fullmatch(rf"{PREFIX}([a-z][a-z0-9]*)-[a-z0-9][a-z0-9-]*", model)
    if found is None:
        raise CivicmlError(
            f"'{model}' is not the name of a capstone's model, such as 'capstone-health-missed-appointments'."
        )
    return load_brief(found[1], root).domain


@functools.cache
def _import_frame(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"civicml_capstone_{path.parent.name}", path)
    if spec is None or spec.loader is None or not path.is_file():
        raise CivicmlError(f"There is no {path}.")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name in ("frame", "rule"):
        if not callable(getattr(module, name, None)):
            raise CivicmlError(f"{path} defines no function '{name}'.")
    return module
