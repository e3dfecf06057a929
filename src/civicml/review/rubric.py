"""The rubric: five questions, each with levels in words, and the evidence for the level that was reached.

A level follows from the findings of the parts that a question looks at; nothing is added up. It must not
know how a part is measured.
"""

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Annotated, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

from civicml.review.evidence import Part, Review
from civicml.review.findings import Finding, PartName, by_severity

Level = Literal["not_shown", "not_met", "partly", "met", "in_full"]
LEVELS: tuple[Level, ...] = get_args(Level)
"""The lowest first."""
LABELS: dict[Level, str] = {
    "not_shown": "Not shown",
    "not_met": "Not met",
    "partly": "Partly met",
    "met": "Met",
    "in_full": "Met in full",
}
_Text = Annotated[str, Field(min_length=1)]


class Criterion(BaseModel):
    """One question, and what each level of the answer means."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(pattern=r"^[a-z]+$")]
    title: _Text
    asks: _Text
    parts: Annotated[tuple[PartName, ...], Field(min_length=1)]
    levels: dict[Level, _Text]


@dataclass(frozen=True)
class Reached:
    """The level that a version reached in one question.

    Attributes:
        criterion: the question.
        level: which.
        parts: the parts that the evidence is in.
        findings: those that keep it from the highest level, the gravest first.
    """

    criterion: Criterion
    level: Level
    parts: tuple[Part, ...]
    findings: tuple[Finding, ...]

    @property
    def label(self) -> str:
        """The level's name."""
        return LABELS[self.level]

    @property
    def meaning(self) -> str:
        """What the level means for this question."""
        return self.criterion.levels[self.level]


@cache
def criteria() -> tuple[Criterion, ...]:
    """The questions, in order."""
    text = (files(__package__) / "rubric.toml").read_text(encoding="utf-8")
    return tuple(Criterion.model_validate(one) for one in tomllib.loads(text)["criterion"])


def levels(review: Review) -> tuple[Reached, ...]:
    """The level that `review` shows for each question."""
    return tuple(_reached(criterion, review) for criterion in criteria())


def _reached(criterion: Criterion, review: Review) -> Reached:
    parts = tuple(part for part in review.parts if part.name in criterion.parts)
    findings = by_severity([finding for finding in review.findings if finding.part in criterion.parts])
    worst = findings[0].severity if findings else None
    if worst == "critical":
        level: Level = "not_met"
    elif len(parts) < len(criterion.parts) or any(part.state == "not_done" for part in parts):
        level = "not_shown"
    elif worst == "major":
        level = "partly"
    else:
        level = "met" if worst else "in_full"
    return Reached(criterion, level, parts, findings)
