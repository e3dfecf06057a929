"""What a review hands on: seven parts with tables, plots and findings, as data that can be written to a file.

It must not know how anything in it was measured, nor how a page shows it.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from types import MappingProxyType
from typing import Any, Literal, get_args

from civicml.errors import CivicmlError
from civicml.review.findings import PARTS, Finding, PartName, Severity

State = Literal["clear", "findings", "not_done"]
STATES: tuple[State, ...] = get_args(State)
Cell = str | int | float | bool | None
FORMAT = 1
"""Of the file; a file of a later format is refused."""


@dataclass(frozen=True)
class Table:
    """A table: each of `rows` has as many cells as there are `columns`. An empty cell is None."""

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]

    def __post_init__(self) -> None:
        if any(len(row) != len(self.columns) for row in self.rows):
            raise ValueError(f"the table '{self.caption}' has a row of another length")


@dataclass(frozen=True)
class Plot:
    """A picture: `svg` is one ``<svg>`` element, and `description` says in words what it shows."""

    title: str
    svg: str
    description: str


@dataclass(frozen=True)
class Part:
    """One of the seven parts.

    Attributes:
        name: which.
        title: its heading.
        state: ``not_done`` where it could not be done; `summary` says why.
        summary: what came of it, in a sentence or two.
    """

    name: PartName
    title: str
    state: State
    summary: str
    tables: tuple[Table, ...] = ()
    plots: tuple[Plot, ...] = ()
    findings: tuple[Finding, ...] = ()

    def __post_init__(self) -> None:
        if self.name not in PARTS or self.state not in STATES:
            raise ValueError(f"no such part: {self.name}, {self.state}")


@dataclass(frozen=True)
class Review:
    """Everything that one review of one version measured and found.

    Attributes:
        model: the registered model's name.
        version: its version.
        domain: of the brief.
        run_id: the MLflow run that logged it.
        learner: whose it is.
        began: when, in UTC, as ISO 8601 to the second.
        seconds: how long it took.
        lineage: where it all comes from, in order, as text: data hash, run, code, model, brief, …
        parts: in the order of `PARTS`.
        refused: the sentence that refuses the artefact, or nothing. A refused model was not opened.
    """

    model: str
    version: str
    domain: str
    run_id: str
    learner: str
    began: str
    seconds: float
    lineage: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    parts: tuple[Part, ...] = ()
    refused: str = ""

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All findings, part by part."""
        return tuple(finding for part in self.parts for finding in part.findings)

    def count(self, severity: Severity) -> int:
        """How many findings are that grave."""
        return sum(finding.severity == severity for finding in self.findings)

    def part(self, name: PartName) -> Part:
        """One part.

        Raises:
            KeyError: this review has none of that name.
        """
        for part in self.parts:
            if part.name == name:
                return part
        raise KeyError(name)

    def to_json(self) -> str:
        """The review as JSON, which `from_json` reads."""
        told = {"format": FORMAT, **asdict(self), "lineage": dict(self.lineage)}
        return json.dumps(_plain(told), ensure_ascii=False, indent=1, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "Review":
        """The review that `to_json` wrote.

        Raises:
            CivicmlError: it is not such a file.
        """
        try:
            told = json.loads(text)
            written_as = told.pop("format")
            review = cls(**(told | {"parts": tuple(_part(part) for part in told["parts"])}))
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise CivicmlError(f"This is not a review's file ({error}).") from error
        if written_as != FORMAT:
            raise CivicmlError(f"This review's file is of format {written_as}; this civicml reads {FORMAT}.")
        return review


def _plain(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """What JSON can hold: numbers that are none are blank."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def _part(told: dict[str, Any]) -> Part:
    tables = tuple(
        Table(one["caption"], tuple(one["columns"]), tuple(tuple(row) for row in one["rows"]))
        for one in told.pop("tables")
    )
    plots = tuple(Plot(**one) for one in told.pop("plots"))
    findings = tuple(Finding(**one) for one in told.pop("findings"))
    return Part(**told, tables=tables, plots=plots, findings=findings)
