"""What handing in late costs: the course's policy as nbgrader's plugin, and each learner's extension.

The gradebook's due date and the extensions are read, never set, here. It must not know
how a submission is run.
"""

import csv
from datetime import UTC, datetime
from pathlib import Path

from nbgrader.api import SubmittedAssignment
from nbgrader.plugins import LateSubmissionPlugin
from traitlets import Unicode

from civicml.course import LatePolicy, load_course
from civicml.errors import CivicmlError

EXTENSION_COLUMNS = ("week", "learner", "until")

Extensions = dict[tuple[str, str], datetime]
"""Until when, aware, by week and learner."""


class CoursePenalty(LateSubmissionPlugin):  # type: ignore[misc]
    """Charges what ``course.toml`` says, counted from the learner's own deadline."""

    course = Unicode("", help="The course's directory, whose course.toml holds the policy.").tag(config=True)
    extensions = Unicode("", help="A CSV file of extensions: week,learner,until.").tag(config=True)

    def late_submission_penalty(self, student_id: str, score: float, total_seconds_late: float) -> float:
        """The points that `student_id` loses; nbgrader sees to it that they are not more than `score`."""
        grading = self.parent
        submission = grading.gradebook.find_submission(grading.assignment_id, student_id)
        policy = load_course(Path(self.course) if self.course else None).late
        given = read_extensions(Path(self.extensions)) if self.extensions else {}
        return penalty(policy, submission, given.get((grading.assignment_id, student_id)))


def penalty(policy: LatePolicy, submission: SubmittedAssignment, until: datetime | None) -> float:
    """Points lost by nbgrader's `submission`, for a learner who had time `until` then, if given."""
    return policy.penalty(seconds_late(submission, until), submission.assignment.max_score)


def seconds_late(submission: SubmittedAssignment, until: datetime | None) -> float:
    """How long after the learner's own deadline nbgrader's `submission` came in; 0 when in time."""
    due = submission.assignment.duedate
    if due is None or submission.timestamp is None:
        return 0.0
    if until is not None:
        due = max(due, naive_utc(until))
    return float(max(0.0, (submission.timestamp - due).total_seconds()))


def naive_utc(moment: datetime) -> datetime:
    """`moment` as nbgrader's gradebook keeps it: in UTC, without saying so."""
    return moment.astimezone(UTC).replace(tzinfo=None)


def read_extensions(path: Path) -> Extensions:
    """The extensions in the CSV file at `path`; none when there is no such file.

    Raises:
        CivicmlError: a line is not ``week,learner,until`` with a moment in ISO 8601.
    """
    if not path.exists():
        return {}
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    try:
        return {(row["week"], row["learner"]): _aware(row["until"]) for row in rows}
    except (KeyError, TypeError, ValueError) as error:
        raise CivicmlError(
            f"'{path}' is not a list of extensions ({', '.join(EXTENSION_COLUMNS)}): {error}."
        ) from None


def _aware(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"'{text}' does not say its time zone")
    return moment
