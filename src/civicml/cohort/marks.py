"""Where everybody stands: one learner's own progress, and the instructor's table.

Scores are the gradebook's, so they are Formgrader's too. It must not know how they came
about.
"""

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from civicml.cohort.deadlines import deadlines
from civicml.cohort.directory import Cohort, Learner, write_text
from civicml.cohort.exchange import handed_in
from civicml.cohort.feedback import ReturnedMarks, own_attempts
from civicml.cohort.grading import graded_learners
from civicml.cohort.submissions import check_enrolled
from civicml.course import Week

State = Literal["not released", "not submitted", "submitted", "needs marking", "graded", "returned"]

CSV_COLUMNS = (
    "learner", "first_name", "last_name", "email", "week", "state", "deadline", "submitted", "attempts",
    "seconds_late", "score", "late_penalty", "mark", "max_score", "problem",
)  # fmt: skip


@dataclass(frozen=True)
class Standing:
    """One learner and one week, as the instructor sees them."""

    learner: Learner
    week: Week
    state: State
    deadline: datetime
    submitted: datetime | None
    """The latest time it was handed in."""
    attempts: int
    score: float | None
    """As in Formgrader, before the penalty; None when not graded."""
    late_penalty: float
    max_score: float
    problem: str
    """Why nothing could be graded, or that it was blank; empty otherwise."""

    @property
    def mark(self) -> float | None:
        """What counts: the score less the penalty."""
        return None if self.score is None else max(0.0, self.score - self.late_penalty)

    @property
    def seconds_late(self) -> float:
        """How long after the learner's own deadline the latest work came in; 0 in time."""
        return max(0.0, (self.submitted - self.deadline).total_seconds()) if self.submitted else 0.0


@dataclass(frozen=True)
class WeekProgress:
    """One week, as its learner sees it."""

    week: Week
    state: State
    deadline: datetime
    submitted: datetime | None
    late: bool
    marks: ReturnedMarks | None
    """Only what was given back."""


@dataclass(frozen=True)
class Progress:
    """A learner's way through the course."""

    learner: str
    weeks: tuple[WeekProgress, ...]
    next: str
    """What to do now, in one sentence."""


def gradebook(cohort: Cohort, week: Week | None = None) -> list[Standing]:
    """Every learner's standing in `week`, or in every week that was released.

    Raises:
        CivicmlError: the gradebook or the list of learners cannot be read.
    """
    weeks = [week] if week else [one for one in cohort.course.written_weeks if _is_released(cohort, one)]
    with cohort.logged():
        return [standing for one in weeks for standing in _standings(cohort, one)]


def _is_released(cohort: Cohort, week: Week) -> bool:
    return (cohort.exchange / "outbound" / week.name).is_dir()


def _standings(cohort: Cohort, week: Week) -> list[Standing]:
    released = _is_released(cohort, week)
    due = deadlines(cohort, week)
    found = handed_in(cohort, week.name)
    graded = graded_learners(cohort, week)
    with cohort.gradebook() as book:
        submissions = {one.student.id: one.to_dict() | {"penalty": one.late_submission_penalty}
                       for one in book.assignment_submissions(week.name)}  # fmt: skip
    standings = []
    for learner in cohort.learners():
        attempts = found.get(learner.id, [])
        record, marks = graded.get(learner.id), submissions.get(learner.id)
        state: State = "not submitted" if released else "not released"
        if record and marks:
            state = "needs marking" if marks["needs_manual_grade"] else "graded"
            state = "returned" if record.returned else state
        elif attempts or cohort.notebook("submitted", week, learner.id).parent.is_dir():
            state = "submitted"
        standings.append(
            Standing(
                learner=learner,
                week=week,
                state=state,
                deadline=due(learner.id),
                submitted=attempts[-1][0].astimezone(cohort.course.zone) if attempts else None,
                attempts=len(attempts),
                score=marks["score"] if record and marks else None,
                late_penalty=marks["penalty"] if record and marks else 0.0,
                max_score=marks["max_score"] if marks else float(week.points),
                problem=record.problem or ("Nothing was answered." if record.blank else "") if record else "",
            )
        )
    return standings


def write_csv(standings: Iterable[Standing], file: Path) -> None:
    """Write standings as CSV, one row a learner and week; moments are ISO 8601.

    Raises:
        CivicmlError: the file cannot be written; what was there before is still there.
    """
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(CSV_COLUMNS)
    for one in standings:
        rows.writerow(
            (
                one.learner.id,
                one.learner.first_name,
                one.learner.last_name,
                one.learner.email,
                one.week.name,
                one.state,
                one.deadline.isoformat(timespec="seconds"),
                one.submitted.isoformat(timespec="seconds") if one.submitted else "",
                one.attempts,
                round(one.seconds_late),
                "" if one.score is None else one.score,
                one.late_penalty,
                "" if one.mark is None else one.mark,
                one.max_score,
                one.problem,
            )
        )
    write_text(file.expanduser(), text.getvalue(), mode=0o600)


# --- as a learner ---------------------------------------------------------------------------------


def progress(cohort: Cohort, learner: str, week: Week | None = None, now: datetime | None = None) -> Progress:
    """A learner's own weeks: what is due when, what was handed in, what came back.

    Raises:
        CivicmlError: nobody with this id is enrolled.
    """
    check_enrolled(cohort, learner)
    moment = now or datetime.now(UTC)
    with cohort.logged():
        weeks = [
            _week_progress(cohort, one, learner) for one in ([week] if week else cohort.course.written_weeks)
        ]
    return Progress(learner, tuple(weeks), _next(weeks, moment))


def _week_progress(cohort: Cohort, week: Week, learner: str) -> WeekProgress:
    attempts = own_attempts(cohort, week, learner)
    submitted = attempts[-1][0].astimezone(cohort.course.zone) if attempts else None
    marks = next((marks for _, marks in reversed(attempts) if marks is not None), None)
    deadline = deadlines(cohort, week)(learner)
    state: State = "not submitted" if _is_released(cohort, week) else "not released"
    if attempts:
        state = "returned" if attempts[-1][1] is not None else "submitted"
    late = submitted is not None and submitted > deadline
    return WeekProgress(week, state, deadline, submitted, late, marks)


def _next(weeks: list[WeekProgress], now: datetime) -> str:
    open_weeks = [one for one in weeks if one.state == "not submitted"]
    if all(one.state == "not released" for one in weeks):
        return "Nothing has been released yet."
    if not open_weeks:
        waiting = [one.week.name for one in weeks if one.state == "submitted"]
        if waiting:
            return f"Everything is handed in; {', '.join(waiting)} is being marked."
        return "Everything that was released is handed in."
    due = min(open_weeks, key=lambda one: one.deadline)
    if due.deadline < now:
        return (
            f"{due.week.name} was due {due.deadline:%A %d %B, %H:%M}. Work that comes late still counts, for "
            f"less each day: 'civicml submit {due.week.name}'."
        )
    return f"{due.week.name} is due {due.deadline:%A %d %B, %H:%M}: 'civicml submit {due.week.name}'."
