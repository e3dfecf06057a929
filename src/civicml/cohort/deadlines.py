"""When a learner's work is due, extensions included, and what being late costs in the end.

The gradebook's due date counts where there is one: an instructor may have moved it in
Formgrader. It must not know how work is handed in or graded.
"""

import csv
import io
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from civicml.autograder.late import (
    EXTENSION_COLUMNS,
    Extensions,
    naive_utc,
    penalty,
    read_extensions,
)
from civicml.cohort.directory import Cohort, write_text
from civicml.course import Week
from civicml.errors import CivicmlError

if TYPE_CHECKING:
    from nbgrader.api import SubmittedAssignment

EXTENSIONS_FILE = "extensions.csv"


def extensions(cohort: Cohort) -> Extensions:
    """Who has until when, by week and learner; empty for a learner who may not read the list."""
    try:
        return read_extensions(cohort.root / EXTENSIONS_FILE)
    except PermissionError:
        return {}


def deadlines(cohort: Cohort, week: Week) -> Callable[[str], datetime]:
    """A function that gives a learner's deadline for `week`, aware, in the course's time zone."""
    due = cohort.planned_deadline(week)
    if (moved := _gradebooks_duedate(cohort, week)) is not None:
        due = moved.replace(tzinfo=UTC).astimezone(cohort.course.zone)
    given = extensions(cohort)

    def deadline(learner: str) -> datetime:
        until = given.get((week.name, learner))
        return max(due, until).astimezone(cohort.course.zone) if until else due

    return deadline


def _gradebooks_duedate(cohort: Cohort, week: Week) -> datetime | None:
    from nbgrader.api import MissingEntry

    try:
        with cohort.logged(), cohort.gradebook() as gradebook:
            found = gradebook.find_assignment(week.name).duedate
            return found if isinstance(found, datetime) else None
    except (MissingEntry, CivicmlError):
        return None  # not released yet, or a learner who may not read the gradebook


def extend(cohort: Cohort, week: Week, learner: str, until: datetime) -> datetime:
    """Give one learner more time for one week; return the new deadline in the course's time zone.

    An extension given before is replaced. Penalties that were charged already are put right.

    Args:
        cohort: whose learner.
        week: for which week.
        learner: an enrolled learner.
        until: the new deadline; without a time zone it is the course's.

    Raises:
        CivicmlError: the learner is not enrolled, or the moment is before everybody's deadline.
    """
    cohort.learner(learner)
    until = until.replace(tzinfo=cohort.course.zone) if until.tzinfo is None else until
    until = until.astimezone(cohort.course.zone)
    given = {key: value for key, value in extensions(cohort).items() if key != (week.name, learner)}
    due = deadlines(cohort, week)("")
    if until <= due:
        raise CivicmlError(
            f"An extension ends after everybody's deadline; {until:%Y-%m-%d %H:%M} is not after "
            f"{week.name}'s, which is {due:%Y-%m-%d %H:%M}."
        )
    given[week.name, learner] = until
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(EXTENSION_COLUMNS)
    rows.writerows((*key, moment.isoformat(timespec="minutes")) for key, moment in sorted(given.items()))
    write_text(cohort.root / EXTENSIONS_FILE, text.getvalue(), mode=0o600)
    with cohort.logged():
        settle(cohort, week)
    return until


def settle(cohort: Cohort, week: Week) -> None:
    """Bring every graded submission's extension and penalty in the gradebook up to date.

    nbgrader charges for lateness when it autogrades, and never more than the marks of that
    moment: not yet those a person gives afterwards.
    """
    given = extensions(cohort)
    with cohort.gradebook() as gradebook:
        for submission in gradebook.assignment_submissions(week.name):
            until = given.get((week.name, submission.student.id))
            set_extension(submission, until)
            charge = min(penalty(cohort.course.late, submission, until), submission.score)
            for notebook in submission.notebooks:
                notebook.late_submission_penalty = charge or None
        gradebook.db.commit()


def set_extension(submission: "SubmittedAssignment", until: datetime | None) -> None:
    """Note an extension where nbgrader keeps it, so that its own lateness agrees."""
    due = submission.assignment.duedate
    later = until is not None and due is not None and naive_utc(until) > due
    submission.extension = naive_utc(until) - due if until is not None and later else None
