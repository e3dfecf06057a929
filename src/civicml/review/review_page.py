"""The page of a review: what a department reads before it decides, in one file that needs nothing else.

Shows what was measured and recorded, and escapes all of it. It must not know how anything was measured, nor
where pages are kept.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from markupsafe import Markup

from civicml.page import picture, render
from civicml.review.answers import unanswered
from civicml.review.evidence import Cell, Part, Review, Table
from civicml.review.findings import SEVERITIES, Finding, by_severity
from civicml.review.record import Entry
from civicml.review.registry import PAST, counted, day, signed
from civicml.review.rubric import levels
from civicml.review.story import REVIEWED, VERDICTS, Story, findings_of

MOST_ROWS = 60
"""Of a table on the page; all of them are in ``review.json``."""
_MOST_DIGITS = 3
_FIGURE = re.compile(r"[-−+]?[\d.,]+%?( \([-−+\d.,% to]+\))?|[–-]?")

SEVERITY_MEANS = {
    "critical": "not to be used as it is",
    "major": "to be answered before it is used",
    "minor": "to be mended",
}
_STATES = {"clear": "Nothing found", "findings": "See the findings", "not_done": "Could not be done"}


@dataclass(frozen=True)
class _Shown:
    """A finding and the name of its place on the page."""

    anchor: str
    finding: Finding


@dataclass(frozen=True)
class _Answered:
    """A finding of the round before, what was said of it, and what came of it."""

    code: str
    says: str
    answer: str
    now: str


@dataclass(frozen=True)
class _Rows:
    """A table as it is printed."""

    caption: str
    columns: tuple[str, ...]
    numbers: tuple[bool, ...]
    rows: tuple[tuple[str, ...], ...]
    left_out: int


def review_page(review: Review, story: Story, entry: Entry, purpose: str = "") -> str:
    """The page of one review.

    Args:
        review: what was measured and found.
        story: what is recorded of the capstone up to now.
        entry: the line of the record that this page belongs to: the review's, or the decision's on it.
        purpose: who does what with the score, in one sentence of the brief.
    """
    before = Story(story.model, tuple(one for one in story.entries if one.number < _review_line(entry)))
    answers = _answers(story, entry)
    findings = by_severity(review.findings)
    shown = [_Shown(f"finding-{number}", finding) for number, finding in enumerate(findings, start=1)]
    anchors = {id(one.finding): one.anchor for one in shown}
    decided = entry if entry.kind in VERDICTS else None
    return render(
        "review.html.j2",
        title=f"{review.model}, version {review.version}: the department's review",
        review=review,
        purpose=purpose,
        round=entry.facts["round"],
        began=_moment(review.began),
        seconds=_duration(review.seconds),
        counts=counted({severity: review.count(severity) for severity in SEVERITIES}),
        verdict=_verdict(review),
        decision=None if decided is None else _decision(decided),
        asks=[one for one in findings_of(entry.facts) if one.code.startswith("reviewer:")],
        groups=[
            (severity, [one for one in shown if one.finding.severity == severity]) for severity in SEVERITIES
        ],
        means=SEVERITY_MEANS,
        titles={part.name: part.title for part in review.parts},
        answered=_answered(before.to_answer, answers, review),
        rubric=[
            (reached, [(anchors[id(one)], one) for one in reached.findings], reached.parts)
            for reached in levels(review)
        ],
        parts=[
            (part, _STATES[part.state], _blocks(part), [anchors[id(f)] for f in part.findings])
            for part in review.parts
        ],
        severities={one.anchor: one.finding for one in shown},
        lineage=[
            *review.lineage.items(),
            ("review", f"round {entry.facts['round']}, sha256 {entry.facts['sha256']}"),
        ],
        reviewer="" if decided is None else signed(decided),
        tale=[
            (day(one.when), _line(one)) for one in story.entries if one.kind in PAST or one.kind == REVIEWED
        ],
    )


def _review_line(entry: Entry) -> int:
    return int(entry.facts["review"]) if entry.kind in VERDICTS else entry.number


def _answers(story: Story, entry: Entry) -> Mapping[str, str]:
    line = _review_line(entry)
    found = next((one for one in story.entries if one.number == line), entry)
    answers: Mapping[str, str] = found.facts["answers"]
    return answers


def _verdict(review: Review) -> tuple[str, str]:
    """What the evidence says for a decision, and how it is set apart. The decision itself is a person's."""
    critical, major = review.count("critical"), review.count("major")
    missing = [part.title for part in review.parts if part.state == "not_done"]
    if review.refused:
        return f"The model was not opened, so nothing could be measured. {review.refused}", "lost"
    if critical:
        return (
            f"The evidence is against using it as it is: {_number(critical, 'critical finding')}. Return it "
            "with its findings, or reject it.",
            "lost",
        )
    if missing:
        return f"The evidence is not complete. Not done: {', '.join(missing)}.", "lost"
    if major:
        return (
            f"Nothing critical was found. {_number(major, 'major finding')} {'is' if major == 1 else 'are'} "
            "to be answered before it is used: return it, or accept it and say why.",
            "person",
        )
    if review.findings:
        return (
            "Nothing critical or major was found: it can be accepted. The minor findings are to be mended.",
            "right",
        )
    return "Nothing was found against it: it can be accepted.", "right"


def _number(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _decision(entry: Entry) -> dict[str, object]:
    facts = entry.facts
    return {
        "what": PAST[entry.kind],
        "on": day(entry.when),
        "by": signed(entry),
        "because": facts["because"],
        "despite": facts["despite"],
        "dissent": facts["dissent"],
        "kind": {"accept": "right", "return": "person", "reject": "lost"}[entry.kind],
    }


def _answered(asked: Sequence[Finding], answers: Mapping[str, str], review: Review) -> list[_Answered]:
    lacking = {finding.code for finding in unanswered(asked, answers)}
    found = {finding.code for finding in review.findings}
    return [
        _Answered(
            finding.code,
            finding.says,
            answers.get(finding.code, ""),
            "Not answered"
            if finding.code in lacking
            else "Answered, and still found"
            if finding.code in found
            else "Answered, for the reviewer to judge"
            if finding.code.startswith("reviewer:")
            else "Answered, and not found any more",
        )
        for finding in asked
    ]


def _line(entry: Entry) -> str:
    facts = entry.facts
    if entry.kind == REVIEWED:
        return f"Version {facts['version']} was reviewed: {counted(facts['counts'])}."
    if entry.kind == "rollback":
        way = f"from version {facts['version']} to {facts['to']}"
        return f"Rolled back {way} by {signed(entry)}: {facts['because']}"
    return f"Version {facts['version']}: {PAST[entry.kind].lower()} by {signed(entry)}: {facts['because']}"


# --- a part ---------------------------------------------------------------------------------------


def _blocks(part: Part) -> list[_Rows | Markup]:
    plots = [picture(one.svg.encode(), "svg+xml", f"{one.title}. {one.description}") for one in part.plots]
    return [*plots, *(_rows(table) for table in part.tables)]


def _rows(table: Table) -> _Rows:
    columns = list(zip(*table.rows, strict=True)) if table.rows else [() for _ in table.columns]
    digits = [_digits(column) for column in columns]
    return _Rows(
        table.caption,
        table.columns,
        tuple(_is_figures(column) for column in columns),
        tuple(
            tuple(shown(cell, places) for cell, places in zip(row, digits, strict=True))
            for row in table.rows[:MOST_ROWS]
        ),
        max(0, len(table.rows) - MOST_ROWS),
    )


def _is_figures(column: Sequence[Cell]) -> bool:
    """Whether a column holds numbers, or numbers with their intervals, and is set as such."""
    known = [cell for cell in column if cell is not None]
    return bool(known) and all(
        _FIGURE.fullmatch(cell) if isinstance(cell, str) else not isinstance(cell, bool) for cell in known
    )


def _digits(column: Sequence[Cell]) -> int:
    """How many decimals a column takes: as many as its numbers have, up to three."""
    known = [cell for cell in column if isinstance(cell, float) and math.isfinite(cell)]
    return max((_decimals(cell) for cell in known), default=0)


def _decimals(number: float) -> int:
    return next((places for places in range(_MOST_DIGITS) if round(number, places) == number), _MOST_DIGITS)


def shown(cell: Cell, digits: int = _MOST_DIGITS) -> str:
    """A cell as people read it: 0.713, 12,400, yes; – for nothing.

    Args:
        cell: the value.
        digits: decimals of a number that is not whole by its type.
    """
    match cell:
        case None:
            return "–"
        case bool():
            return "yes" if cell else "no"
        case int():
            return f"{cell:,}"
        case float():
            return _number_shown(cell, digits)
        case _:
            return str(cell)


def _number_shown(number: float, digits: int) -> str:
    if not math.isfinite(number):
        return "–"
    if number and (abs(number) < 0.001 or abs(number) >= 1e9):
        return f"{number:.2e}"
    return f"{number + 0.0:,.{digits}f}"  # adding 0 makes a negative zero plain


def _moment(iso: str) -> str:
    try:
        when = datetime.fromisoformat(iso)
    except ValueError:
        return iso
    return f"{when.day} {when:%B %Y, %H:%M} UTC"


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} seconds" if seconds < 100 else f"{seconds / 60:.1f} minutes"
