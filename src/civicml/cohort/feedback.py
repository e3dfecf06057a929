"""Giving marks and feedback back, and finding them as a learner.

Feedback is one page, without the text of hidden tests; nbgrader's exchange carries it. Beside it
goes a small file of marks under the same secret name, so that a learner needs nothing
else of the cohort to see them. It must not know how a submission was run.
"""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from civicml.assignment import NOTEBOOK, marking_of, read_notebook
from civicml.autograder.settings import said_plainly
from civicml.cohort.deadlines import settle
from civicml.cohort.directory import Cohort, write_text
from civicml.cohort.exchange import ExchangeFetchFeedback, ExchangeReleaseFeedback, cache, run
from civicml.cohort.feedback_page import feedback_page
from civicml.cohort.grading import graded_learners, mark_returned, only_one
from civicml.cohort.submissions import check_enrolled
from civicml.course import Week
from civicml.errors import CivicmlError

if TYPE_CHECKING:
    from nbformat import NotebookNode
    from nbgrader.api import SubmittedAssignment

SECRET = "submission_secret.txt"  # noqa: S105 - the name of nbgrader's file


@dataclass(frozen=True)
class QuestionMark:
    """What one graded cell earned."""

    name: str
    score: float
    max_score: float
    comment: str


@dataclass(frozen=True)
class ReturnedMarks:
    """A learner's marks for one week as they were given back."""

    learner: str
    week: str
    score: float
    late_penalty: float
    max_score: float
    complete: bool
    """Everything that a person marks had been marked."""
    problem: str
    """Why nothing could be graded; empty otherwise."""
    returned: str
    """When, as an ISO moment in UTC."""
    questions: tuple[QuestionMark, ...]

    @property
    def mark(self) -> float:
        """What counts: the score less the penalty."""
        return max(0.0, self.score - self.late_penalty)


@dataclass(frozen=True)
class Returning:
    """What giving a week back came to."""

    week: Week
    returned: tuple[ReturnedMarks, ...]
    waiting: tuple[str, ...]
    """Learners with something that a person must mark in Formgrader first."""
    not_graded: tuple[str, ...]
    """Learners whose latest work has not been graded."""
    by_hand: tuple[tuple[str, Path], ...]
    """Learners whose work did not come through the exchange, and where their feedback is."""


@dataclass(frozen=True)
class Feedback:
    """What a learner got back for a week."""

    page: Path
    marks: ReturnedMarks


def return_week(
    cohort: Cohort,
    week: Week,
    *,
    learner: str | None = None,
    partial: bool = False,
    report: Callable[[int, int, str], None] = lambda done, all_, who: None,
) -> Returning:
    """Make feedback of what is graded and put it where only its learner finds it.

    Args:
        cohort: which cohort.
        week: which week.
        learner: only this one; everybody when not given.
        partial: give back also what a person has not finished marking.
        report: told before each learner and at the end.

    Raises:
        CivicmlError: the week was never released, or the disk or the database refuses.
    """
    learners = [cohort.learner(learner)] if learner else cohort.learners()
    if not cohort.notebook("source", week).is_file():
        raise CivicmlError(
            f"{week.name} has not been released in this cohort, so there is nothing to give back."
        )
    moment = datetime.now(UTC)
    with cohort.logged(), only_one(cohort):
        settle(cohort, week)
        graded = graded_learners(cohort, week)
        submitted = [one.id for one in learners if one.id in _submitters(cohort, week)]
        marks = _marks(cohort, week, [one for one in submitted if one in graded], moment)
        waiting = tuple(one for one, found in marks.items() if not found.complete and not partial)
        ready = {one: found for one, found in marks.items() if one not in waiting}
        by_hand = []
        for number, (one, found) in enumerate(ready.items()):
            report(number, len(ready), one)
            page = _give_back(cohort, week, one, found)
            if page is not None:
                by_hand.append((one, page))
            mark_returned(cohort, week, one, moment)
        if ready:
            report(len(ready), len(ready), "")
    return Returning(
        week=week,
        returned=tuple(ready.values()),
        waiting=waiting,
        not_graded=tuple(one for one in submitted if one not in graded),
        by_hand=tuple(by_hand),
    )


def _submitters(cohort: Cohort, week: Week) -> set[str]:
    from civicml.cohort.exchange import handed_in

    collected = {path.parent.name for path in (cohort.root / "submitted").glob(f"*/{week.name}")}
    return collected | set(handed_in(cohort, week.name))


def _marks(cohort: Cohort, week: Week, learners: list[str], moment: datetime) -> dict[str, ReturnedMarks]:
    records = graded_learners(cohort, week)
    released = read_notebook(cohort.notebook("release", week))
    order = [marking_of(cell).get("grade_id") for cell in released.cells]
    marks = {}
    with cohort.gradebook() as gradebook:
        for learner in learners:
            submission = gradebook.find_submission(week.name, learner)
            marks[learner] = ReturnedMarks(
                learner=learner,
                week=week.name,
                score=submission.score,
                late_penalty=submission.late_submission_penalty,
                max_score=submission.max_score,
                complete=not submission.needs_manual_grade,
                problem=records[learner].problem,
                returned=moment.isoformat(),
                questions=tuple(sorted(_questions(submission), key=lambda one: order.index(one.name))),
            )
    return marks


def _questions(submission: "SubmittedAssignment") -> list[QuestionMark]:
    questions = []
    for notebook in submission.notebooks:
        comments = {comment.name: comment.comment or "" for comment in notebook.comments}
        for grade in notebook.grades:
            questions.append(
                QuestionMark(grade.name, grade.score, grade.max_score, comments.get(grade.name, ""))
            )
    return questions


def _give_back(cohort: Cohort, week: Week, learner: str, marks: ReturnedMarks) -> Path | None:
    """Make the page and release it; return it when the exchange has no place for it."""
    page = _write_page(cohort, week, learner, marks)
    folder = page.parent
    if not (folder / SECRET).is_file() or not (folder / "timestamp.txt").is_file():
        return page
    run(ExchangeReleaseFeedback, cohort, week.name, learner)
    write_text(_marks_file(cohort, (folder / SECRET).read_text()), json.dumps(asdict(marks), indent=1))
    return None


def _write_page(cohort: Cohort, week: Week, learner: str, marks: ReturnedMarks) -> Path:
    """Write the page where nbgrader keeps feedback, with what its exchange looks for beside it."""
    notebook = read_notebook(cohort.notebook("autograded", week, learner))
    text = feedback_page(
        notebook,
        marks,
        course=cohort.course.title,
        title=f"Week {week.number}: {week.title}",
        made=datetime.fromisoformat(marks.returned).astimezone(cohort.course.zone),
        handed_in=_as_handed_in(cohort, week, learner),
    )
    folder = cohort.root / "feedback" / learner / week.name
    with said_plainly():
        folder.mkdir(parents=True, exist_ok=True)
        for name in (SECRET, "timestamp.txt"):
            (folder / name).unlink(missing_ok=True)
            beside = cohort.notebook("autograded", week, learner).parent / name
            if beside.is_file():
                shutil.copyfile(beside, folder / name)
    page = folder / f"{NOTEBOOK}.html"
    write_text(page, text)
    return page


def _as_handed_in(cohort: Cohort, week: Week, learner: str) -> "NotebookNode | None":
    """What the learner saved; None for what cannot be read, which has no outputs worth showing."""
    try:
        return read_notebook(cohort.notebook("submitted", week, learner))
    except CivicmlError:
        return None


def _marks_file(cohort: Cohort, secret: str) -> Path:
    from nbgrader.utils import notebook_hash

    return cohort.exchange / "feedback" / f"{notebook_hash(secret=secret, notebook_id=NOTEBOOK)}.json"


# --- as a learner ---------------------------------------------------------------------------------


def fetch_feedback(cohort: Cohort, week: Week, learner: str, folder: Path) -> Feedback:
    """Get a learner's feedback into ``<folder>/week01/feedback/``: the latest that was given back.

    Raises:
        CivicmlError: nothing was handed in, or nothing was given back yet.
    """
    check_enrolled(cohort, learner)
    attempts = own_attempts(cohort, week, learner)
    if not attempts:
        raise CivicmlError(f"{learner} has not handed in {week.name}, so there is no feedback.")
    given = [(moment, marks) for moment, marks in attempts if marks is not None]
    if not given:
        raise CivicmlError(f"Nothing has been given back to {learner} for {week.name} yet.")
    with cohort.logged(), said_plainly():
        place = folder.expanduser().resolve()
        place.mkdir(parents=True, exist_ok=True)
        run(
            ExchangeFetchFeedback,
            cohort,
            week.name,
            learner,
            assignment_dir=str(place),
            cache=cache(cohort, learner),
        )
    pages = sorted((place / week.name / "feedback").glob(f"*/{NOTEBOOK}.html"))
    if not pages:
        raise CivicmlError(
            f"The feedback for {week.name} is not in the exchange any more; ask your instructor."
        )
    return Feedback(pages[-1], given[-1][1])


def own_attempts(cohort: Cohort, week: Week, learner: str) -> list[tuple[datetime, ReturnedMarks | None]]:
    """When a learner handed the week in, the oldest first, and what was given back for each.

    Reads only what the learner may read: the learner's own copies and the exchange.
    """
    from nbgrader.utils import parse_utc

    attempts = []
    with said_plainly():
        copies = list(Path(cache(cohort, learner), cohort.id).glob(f"{learner}+{week.name}+*"))
    for path in copies:
        try:
            moment = parse_utc(path.name.split("+")[2]).replace(tzinfo=UTC)
            secret = (path / SECRET).read_text(encoding="utf-8")
        except (OSError, ValueError, IndexError):
            continue
        attempts.append((moment, _read_marks(_marks_file(cohort, secret))))
    return sorted(attempts, key=lambda attempt: attempt[0])


def _read_marks(path: Path) -> ReturnedMarks | None:
    if not os.access(path, os.R_OK):
        return None
    facts = json.loads(path.read_text(encoding="utf-8"))
    questions = tuple(QuestionMark(**question) for question in facts.pop("questions"))
    return ReturnedMarks(**facts, questions=questions)
