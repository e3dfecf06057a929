"""What a review finds wrong: one fault, who must put it right, and what to do.

Plain data. It must not know how a fault is found, shown or answered.
"""

from dataclasses import dataclass
from typing import Literal, get_args

Severity = Literal["critical", "major", "minor"]
"""critical: not to be used as it is; major: to be answered before it is; minor: to be mended."""
Owner = Literal["learner", "instructor", "department"]
PartName = Literal["loads", "evaluates", "audits", "stresses", "privacy", "reproduces", "paperwork"]

SEVERITIES: tuple[Severity, ...] = get_args(Severity)
OWNERS: tuple[Owner, ...] = get_args(Owner)
PARTS: tuple[PartName, ...] = get_args(PartName)


@dataclass(frozen=True)
class Finding:
    """One fault.

    Attributes:
        code: what kind of fault, in a word or two with hyphens, and of what: ``leak:duration_minutes``. The
            next round answers a finding by its code.
        severity: how much it matters.
        owner: who must put it right.
        part: the part of the review that found it.
        says: what was found, with the figures, in a sentence or two.
        do: what to do about it.
    """

    code: str
    severity: Severity
    owner: Owner
    part: PartName
    says: str
    do: str

    def __post_init__(self) -> None:
        if self.severity not in SEVERITIES or self.owner not in OWNERS or self.part not in PARTS:
            raise ValueError(f"no such finding: {self.severity}, {self.owner}, {self.part}")


def by_severity(findings: "tuple[Finding, ...] | list[Finding]") -> tuple[Finding, ...]:
    """The same findings, the gravest first; else in the order in which they were found."""
    return tuple(sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity)))
