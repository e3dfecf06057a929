"""The seven parts' headings, and how a part is made of what was found.

It must not know how anything is measured.
"""

from collections.abc import Sequence

from civicml.review.evidence import Part, Plot, Table
from civicml.review.findings import Finding, PartName

TITLES: dict[PartName, str] = {
    "loads": "Loads safely",
    "evaluates": "Re-evaluation on the sealed hold-out",
    "audits": "Audit by characteristic",
    "stresses": "Stress tests",
    "privacy": "Privacy",
    "reproduces": "Reproduction",
    "paperwork": "Paperwork",
}


def part(
    name: PartName,
    summary: str,
    *,
    tables: Sequence[Table] = (),
    plots: Sequence[Plot] = (),
    findings: Sequence[Finding] = (),
) -> Part:
    """A part that was done."""
    state = "findings" if findings else "clear"
    return Part(name, TITLES[name], state, summary, tuple(tables), tuple(plots), tuple(findings))  # type: ignore[arg-type]


def not_done(name: PartName, why: str, findings: Sequence[Finding] = ()) -> Part:
    """A part that could not be done."""
    return Part(name, TITLES[name], "not_done", why, (), (), tuple(findings))
