"""Every attempt at a week and what it earned, as it was told to its learner: lines that are only ever added.

One file a learner and week in ``grading/attempts/``. It must not know how a notebook is run.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from civicml.autograder.limits import Limits
from civicml.autograder.settings import disk_trouble
from civicml.autograder.verdict import Result
from civicml.cohort.directory import Cohort
from civicml.course import Week

FOLDER = "attempts"


@dataclass(frozen=True)
class CellMark:
    """What one graded cell earned, as a learner may know it."""

    name: str
    points: float | None
    """None: a person marks it."""
    most: float
    hidden: bool
    """It was a hidden test that did not hold."""
    message: str
    """What to look at; empty when all is well. Never the text of a hidden test, nor a value in it."""


@dataclass(frozen=True)
class Attempt:
    """One submission, and what it earned when it was graded."""

    place: str
    """What the submission is called in the exchange."""
    submitted: datetime
    """Aware, in UTC."""
    sha256: str
    graded: datetime
    questions: str
    """A digest of the lab's questions it was graded by."""
    cells: tuple[CellMark, ...]
    late_penalty: float
    problem: str
    """Why nothing could be graded; empty otherwise."""
    told: bool
    """Its learner was told the marks at once."""

    @property
    def points(self) -> float:
        """What was earned, without what a person marks and before the penalty for being late."""
        return sum(cell.points or 0.0 for cell in self.cells)

    @property
    def most(self) -> float:
        """What could have been earned without a person."""
        return sum(cell.most for cell in self.cells if cell.points is not None)

    @property
    def to_be_marked(self) -> float:
        """Points that a person gives."""
        return sum(cell.most for cell in self.cells if cell.points is None)

    @property
    def mark(self) -> float:
        """What counts so far: the points less the penalty."""
        return max(0.0, self.points - self.late_penalty)

    def as_json(self) -> dict[str, Any]:
        """For a line of the file, or for another process."""
        moments = {name: getattr(self, name).isoformat() for name in ("submitted", "graded")}
        return {**asdict(self), **moments}


def attempt_from_json(told: dict[str, Any]) -> Attempt:
    """The inverse of `Attempt.as_json`."""
    moments = {name: datetime.fromisoformat(told[name]) for name in ("submitted", "graded")}
    return Attempt(**{**told, **moments, "cells": tuple(CellMark(**cell) for cell in told["cells"])})


def attempt_of(
    result: Result,
    *,
    place: str,
    submitted: datetime,
    questions: str,
    told: bool,
    late_penalty: float = 0.0,
) -> Attempt:
    """What the engine found, as it is kept."""
    cells = tuple(
        CellMark(verdict.name, verdict.points, verdict.most, verdict.hidden, verdict.message)
        for verdict in result.verdicts
    )
    return Attempt(
        place=place,
        submitted=submitted.astimezone(UTC),
        sha256=_sha256(Path(result.submission)),
        graded=datetime.now(UTC),
        questions=questions,
        cells=cells,
        late_penalty=late_penalty,
        problem=result.problem,
        told=told,
    )


def _sha256(notebook: Path) -> str:
    try:
        number = os.open(notebook, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(number, "rb") as file:
            return hashlib.sha256(file.read(Limits().notebook_bytes)).hexdigest()
    except OSError:
        return ""


def _file(cohort: Cohort, week: Week, learner: str) -> Path:
    return cohort.root / "grading" / FOLDER / week.name / f"{learner}.jsonl"


def keep(cohort: Cohort, week: Week, learner: str, attempt: Attempt) -> None:
    """Add an attempt to the learner's file; nothing that is there is ever changed.

    Raises:
        CivicmlError: the disk refuses.
    """
    path = _file(cohort, week, learner)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        number = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        with os.fdopen(number, "rb+") as file:
            size = file.seek(0, os.SEEK_END)
            # A line that was cut short by a crash stays one line by itself, and is passed over.
            cut_short = size > 0 and os.pread(file.fileno(), 1, size - 1) != b"\n"
            line = json.dumps(attempt.as_json()).encode() + b"\n"
            file.write(b"\n" + line if cut_short else line)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise disk_trouble(error) from error


def attempts(cohort: Cohort, week: Week, learner: str) -> list[Attempt]:
    """The attempts that were graded, in the order they were; empty for who may not read them."""
    found = []
    try:
        lines = _file(cohort, week, learner).read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    for line in lines:
        try:
            found.append(attempt_from_json(json.loads(line)))
        except (ValueError, TypeError, KeyError):
            continue
    return found


def told_today(cohort: Cohort, week: Week, learner: str, now: datetime) -> int:
    """How often the learner was told marks for this week today, by the clock of the course's time zone."""
    today = now.astimezone(cohort.course.zone).date()
    return sum(
        one.told and one.graded.astimezone(cohort.course.zone).date() == today
        for one in attempts(cohort, week, learner)
    )


def best(found: Iterable[Attempt], mark: Callable[[Attempt], float]) -> Attempt | None:
    """The attempt with the highest mark; of those that are equally good, the one handed in last."""
    return max(found, key=lambda one: (mark(one), one.submitted), default=None)
